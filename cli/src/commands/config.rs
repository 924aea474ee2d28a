//! `config …`.

use crate::args::Config;
use crate::context::Context;
use crate::error::{CliError, CliResult};
use crate::output::{Cell, Column, print, table};
use crate::paint::Paint;
use crate::record::{Record, Schema};
use crate::settings::split_key;

const SETTING: Schema = Schema {
    fields: &[
        ("key", "the setting's name"),
        ("value", "its value"),
        ("source", "where the value comes from"),
    ],
    plain: &["key", "value", "source"],
    extras: &[],
};

pub(super) fn run(mut context: Context, verb: Config) -> CliResult {
    match verb {
        Config::Path => print(&format!("{}\n", context.settings.paths.config.display())),
        Config::List { sources } => list(&context, sources),
        Config::Get { key } => {
            let (section, name) = split_key(&key)?;
            match context.settings.document.get(&section, &name) {
                Some(value) => print(&format!("{}\n", ajet_shared::terminal::terminal_line(value))),
                None => Err(CliError::not_found(format!("{key} is not set."))
                    .hint(format!("ajet-chat config set {key} VALUE"))),
            }
        }
        Config::Set { key, value } => {
            let (section, name) = split_key(&key)?;
            context.settings.document.set(&section, &name, &value);
            context.settings.save()?;
            context.screen.done(&format!("{key} is {value} now"));
            Ok(())
        }
    }
}

fn list(context: &Context, sources: bool) -> CliResult {
    let output = context.output(&SETTING)?;
    let settings = &context.settings;
    let mut rows: Vec<(String, String, &str)> = Vec::new();
    if let Some((profile, source)) = &settings.profile {
        rows.push(("profile".to_owned(), profile.clone(), source.as_str()));
    }
    if let Some((server, source)) = &settings.server {
        rows.push(("server".to_owned(), server.to_string(), source.as_str()));
    }
    if let Some((community, source)) = &settings.community {
        rows.push(("community".to_owned(), community.clone(), source.as_str()));
    }
    if let Some((_, source)) = &settings.token {
        // That there is one, never which.
        rows.push(("token".to_owned(), "(set)".to_owned(), source.as_str()));
    }
    for (section, key, value) in settings
        .document
        .entries()
        .filter(|(section, key, _)| !(section.is_empty() && *key == "profile"))
    {
        let name = if section.is_empty() { key.to_owned() } else { format!("{section}.{key}") };
        rows.push((name, value.to_owned(), "config.toml"));
    }
    let records: Vec<Record> = rows
        .iter()
        .map(|(key, value, source)| {
            Record::default()
                .with("key", key.clone())
                .with("value", value.clone())
                .with("source", *source)
        })
        .collect();
    output.list(&records, || {
        let mut head = vec![
            Column { title: "SETTING", right: false },
            Column { title: "VALUE", right: false },
        ];
        if sources {
            head.push(Column { title: "SOURCE", right: false });
        }
        let rows: Vec<Vec<Cell>> = rows
            .iter()
            .map(|(key, value, source)| {
                let mut cells = vec![Cell::new(key), Cell::new(value)];
                if sources {
                    cells.push(Cell::looking(source, Paint::dim));
                }
                cells
            })
            .collect();
        table(context.screen.paint, &head, &rows)
    })
}
