//! The part of TOML that our files use: sections of `key = value`, where a value is a string, a number, true, false or a list of
//! strings on one line. Changes leave every other line, comments too, as it was.

/// A settings file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Document {
    lines: Vec<Line>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Line {
    /// Empty or a comment.
    Other(String),
    Section(String, String),
    Entry {
        key: String,
        value: String,
        source: String,
    },
}

impl Document {
    /// Reads a file's text. The error says which line.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut lines = Vec::new();
        for (index, source) in text.lines().enumerate() {
            let trimmed = source.trim();
            let wrong = |what: &str| format!("line {}: {what}", index + 1);
            lines.push(if trimmed.is_empty() || trimmed.starts_with('#') {
                Line::Other(source.to_owned())
            } else if let Some(rest) = trimmed.strip_prefix('[') {
                let name = rest
                    .split('#')
                    .next()
                    .unwrap_or_default()
                    .trim()
                    .strip_suffix(']')
                    .ok_or_else(|| wrong("a section looks like [name]"))?;
                Line::Section(name.trim().replace('"', ""), source.to_owned())
            } else {
                let (key, value) = trimmed
                    .split_once('=')
                    .ok_or_else(|| wrong("a setting looks like key = \"value\""))?;
                let value = parse_value(value.trim()).ok_or_else(|| {
                    wrong("this value cannot be read; put texts in double quotes")
                })?;
                Line::Entry {
                    key: key.trim().trim_matches('"').to_owned(),
                    value,
                    source: source.to_owned(),
                }
            });
        }
        Ok(Self { lines })
    }

    /// The file's text.
    pub(crate) fn to_text(&self) -> String {
        let mut text = String::new();
        for line in &self.lines {
            let (Line::Other(source) | Line::Section(_, source) | Line::Entry { source, .. }) =
                line;
            text.push_str(source);
            text.push('\n');
        }
        text
    }

    /// A value; the section of keys before the first header is empty.
    pub(crate) fn get(&self, section: &str, key: &str) -> Option<&str> {
        self.entries()
            .find(|(of, name, _)| *of == section && *name == key)
            .map(|(_, _, value)| value)
    }

    /// Everything that is set: section, key, value.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (&str, &str, &str)> {
        let mut section = "";
        self.lines.iter().filter_map(move |line| match line {
            Line::Section(name, _) => {
                section = name;
                None
            }
            Line::Entry { key, value, .. } => Some((section, key.as_str(), value.as_str())),
            Line::Other(_) => None,
        })
    }

    /// The sections whose name begins with `prefix`, without it.
    pub(crate) fn sections(&self, prefix: &str) -> Vec<&str> {
        self.lines
            .iter()
            .filter_map(|line| {
                if let Line::Section(name, _) = line { name.strip_prefix(prefix) } else { None }
            })
            .collect()
    }

    /// Sets a value, in its place or at the end of its section.
    pub(crate) fn set(&mut self, section: &str, key: &str, value: &str) {
        let entry = Line::Entry {
            key: key.to_owned(),
            value: value.to_owned(),
            source: format!("{key} = {}", quote(value)),
        };
        let Some((start, end)) = self.section_range(section) else {
            if !self.lines.is_empty() {
                self.lines.push(Line::Other(String::new()));
            }
            self.lines
                .push(Line::Section(section.to_owned(), format!("[{}]", quote_section(section))));
            self.lines.push(entry);
            return;
        };
        let place = (start..end)
            .find(|&at| matches!(&self.lines[at], Line::Entry { key: name, .. } if name == key));
        if let Some(at) = place {
            self.lines[at] = entry;
            return;
        }
        // Before the empty lines that part this section from the next.
        let mut at = end;
        while at > start
            && matches!(&self.lines[at - 1], Line::Other(source) if source.trim().is_empty())
        {
            at -= 1;
        }
        self.lines.insert(at, entry);
    }

    /// Takes a section away.
    pub(crate) fn remove_section(&mut self, section: &str) {
        if let Some((start, end)) = self.section_range(section) {
            let header = usize::from(!section.is_empty());
            self.lines.drain(start - header..end);
        }
    }

    /// The lines of a section, its header not included.
    fn section_range(&self, section: &str) -> Option<(usize, usize)> {
        let start = if section.is_empty() {
            0
        } else {
            1 + self
                .lines
                .iter()
                .position(|line| matches!(line, Line::Section(name, _) if name == section))?
        };
        let end = self.lines[start..]
            .iter()
            .position(|line| matches!(line, Line::Section(..)))
            .map_or(self.lines.len(), |at| start + at);
        Some((start, end))
    }
}

/// The text of a value: strings without quotes, lists with commas between.
fn parse_value(text: &str) -> Option<String> {
    if text.starts_with('"') {
        let (value, rest) = parse_string(text)?;
        return is_end(rest).then_some(value);
    }
    if let Some(mut rest) = text.strip_prefix('[') {
        let mut values = Vec::new();
        loop {
            rest = rest.trim_start();
            if let Some(after) = rest.strip_prefix(']') {
                return is_end(after).then(|| values.join(","));
            }
            let (value, after) = parse_string(rest)?;
            values.push(value);
            rest = after.trim_start();
            rest = rest.strip_prefix(',').unwrap_or(rest);
        }
    }
    let word = text.split('#').next().unwrap_or_default().trim();
    (!word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || "._+-:".contains(c)))
        .then(|| word.to_owned())
}

fn is_end(rest: &str) -> bool {
    let rest = rest.trim();
    rest.is_empty() || rest.starts_with('#')
}

fn parse_string(text: &str) -> Option<(String, &str)> {
    let body = text.strip_prefix('"')?;
    let mut value = String::new();
    let mut chars = body.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((value, &body[at + 1..])),
            '\\' => value.push(match chars.next()?.1 {
                'n' => '\n',
                't' => '\t',
                c @ ('"' | '\\') => c,
                _ => return None,
            }),
            c => value.push(c),
        }
    }
    None
}

fn quote(value: &str) -> String {
    if matches!(value, "true" | "false") {
        return value.to_owned();
    }
    format!(
        "\"{}\"",
        value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n").replace('\t', "\\t")
    )
}

/// `profile.my work` is written `profile."my work"`.
fn quote_section(section: &str) -> String {
    let bare = |part: &str| part.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    match section.split_once('.') {
        Some((first, rest)) if !bare(rest) => format!("{first}.\"{rest}\""),
        _ => section.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "# mine\nprofile = \"work\" # now\n\n[default]\nformat = \"auto\"\n\n[profile.work]\nserver = \"https://c.example\"\n\n[notify]\non = [\"mention\", \"dm\"]\nmouse = true\n";

    #[test]
    fn values_are_read() {
        let document = Document::parse(FILE).unwrap();
        assert_eq!(document.get("", "profile"), Some("work"));
        assert_eq!(document.get("profile.work", "server"), Some("https://c.example"));
        assert_eq!(document.get("notify", "on"), Some("mention,dm"));
        assert_eq!(document.get("notify", "mouse"), Some("true"));
        assert_eq!(document.sections("profile."), ["work"]);
        assert_eq!(document.to_text(), FILE);
    }

    #[test]
    fn changes_leave_the_rest_alone() {
        let mut document = Document::parse(FILE).unwrap();
        document.set("profile.work", "community", "salt\"marsh");
        document.set("default", "format", "plain");
        document.set("profile.the other", "server", "x");
        document.set("", "new", "true");
        let text = document.to_text();
        assert!(
            text.contains(
                "server = \"https://c.example\"\ncommunity = \"salt\\\"marsh\"\n\n[notify]"
            ),
            "{text}"
        );
        assert!(
            text.starts_with(
                "# mine\nprofile = \"work\" # now\nnew = true\n\n[default]\nformat = \"plain\"\n"
            ),
            "{text}"
        );
        let again = Document::parse(&text).unwrap();
        assert_eq!(again.get("profile.the other", "server"), Some("x"));
        assert_eq!(again.get("profile.work", "community"), Some("salt\"marsh"));
        document.remove_section("profile.work");
        assert!(!document.to_text().contains("c.example"));
    }

    #[test]
    fn mistakes_name_their_line() {
        for (text, line) in [
            ("a = \"b", "line 1"),
            ("\n[x", "line 2"),
            ("x", "line 1"),
            ("x = [\"a\" 1]", "line 1"),
            ("x = it's", "line 1"),
        ] {
            assert!(Document::parse(text).unwrap_err().starts_with(line), "{text}");
        }
    }
}
