//! `--format '{time} {author:12}: {text}'`.

use ajet_shared::terminal::{columns, cut, terminal_safe};

use crate::record::{Record, Schema};

/// A parsed template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Template(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Field { name: String, width: Option<usize>, filter: Filter },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Filter {
    /// Made safe for a terminal.
    Safe,
    /// As JSON.
    Json,
    /// As it is, where the output is not a terminal.
    Raw,
}

impl Template {
    /// Reads a template whose fields must be in the schema. The error is a sentence.
    pub(crate) fn parse(text: &str, schema: &Schema) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut chars = text.chars();
        while let Some(c) = chars.next() {
            match c {
                '\\' => match chars.next() {
                    Some('n') => literal.push('\n'),
                    Some('t') => literal.push('\t'),
                    Some(other) => literal.push(other),
                    None => literal.push('\\'),
                },
                '{' => {
                    let rest = chars.as_str();
                    let end = rest.find('}').ok_or("The template has a { without its }.")?;
                    if !literal.is_empty() {
                        parts.push(Part::Text(std::mem::take(&mut literal)));
                    }
                    parts.push(field(&rest[..end], schema)?);
                    chars = rest[end + 1..].chars();
                }
                other => literal.push(other),
            }
        }
        if !literal.is_empty() {
            parts.push(Part::Text(literal));
        }
        Ok(Self(parts))
    }

    /// The template filled in.
    pub(crate) fn fill(&self, record: &Record, terminal: bool) -> String {
        let mut out = String::new();
        for part in &self.0 {
            let Part::Field { name, width, filter } = part else {
                if let Part::Text(text) = part {
                    out.push_str(text);
                }
                continue;
            };
            let text = match filter {
                Filter::Json => record.get(name).map_or_else(
                    || serde_json::Value::from(record.text(name)).to_string(),
                    ToString::to_string,
                ),
                Filter::Raw if !terminal => record.text(name),
                Filter::Raw | Filter::Safe => terminal_safe(&record.text(name)).into_owned(),
            };
            match width {
                None => out.push_str(&text),
                Some(width) => {
                    let text = cut(&text, *width);
                    out.push_str(&text);
                    out.extend(std::iter::repeat_n(' ', width.saturating_sub(columns(&text))));
                }
            }
        }
        out
    }
}

fn field(text: &str, schema: &Schema) -> Result<Part, String> {
    let (text, filter) = match text.split_once('|') {
        None => (text, Filter::Safe),
        Some((text, "json")) => (text, Filter::Json),
        Some((text, "raw")) => (text, Filter::Raw),
        Some((_, other)) => {
            return Err(format!(
                "Unknown filter \"{other}\" in the template; there are json and raw."
            ));
        }
    };
    let (name, width) = match text.split_once(':') {
        None => (text, None),
        Some((name, width)) => (
            name,
            Some(
                width
                    .parse()
                    .map_err(|_| format!("\"{width}\" in the template is not a width."))?,
            ),
        ),
    };
    if !schema.has(name) && !schema.extras.contains(&name) {
        let names: Vec<&str> = schema
            .extras
            .iter()
            .copied()
            .chain(schema.fields.iter().map(|(name, _)| *name))
            .collect();
        return Err(format!(
            "Unknown field \"{name}\" in the template. Fields: {}",
            names.join(" ")
        ));
    }
    Ok(Part::Field { name: name.to_owned(), width, filter })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCHEMA: Schema =
        Schema { fields: &[("text", ""), ("n", "")], plain: &[], extras: &["time"] };

    fn fill(template: &str) -> Result<String, String> {
        let record = Record::default().with("text", "a\x1b\nb").with("n", 7).extra("time", "11:03");
        Template::parse(template, &SCHEMA).map(|template| template.fill(&record, false))
    }

    #[test]
    fn fields_are_filled_in() {
        assert_eq!(fill("{time} {n}: {text}").unwrap(), "11:03 7: a␛\nb");
        assert_eq!(fill("{n:3}|{time:3}|").unwrap(), "7  |11…|");
        assert_eq!(
            fill("{text|json}\\t{text|raw}\\n\\{").unwrap(),
            "\"a\\u001b\\nb\"\ta\x1b\nb\n{"
        );
    }

    #[test]
    fn mistakes_are_named() {
        for bad in ["{nope}", "{text", "{text|x}", "{text:x}"] {
            assert!(fill(bad).is_err(), "{bad}");
        }
    }
}
