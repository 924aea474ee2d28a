//! `profile …`: saved sign-ins.

use crate::args::Profile;
use crate::context::Context;
use crate::error::CliResult;
use crate::output::{Cell, Column, table};
use crate::paint::Paint;
use crate::record::{Record, Schema};
use crate::settings::{Credentials, unknown_profile};

const PROFILE: Schema = Schema {
    fields: &[
        ("name", "the profile's name"),
        ("server", "its server"),
        ("current", "whether it is used now"),
        ("signed_in", "whether there is a token for it"),
    ],
    plain: &["name", "server", "current", "signed_in"],
    extras: &[],
};

pub(super) fn run(mut context: Context, verb: Profile) -> CliResult {
    let mut credentials = Credentials::load(&context.settings.paths.credentials)?;
    match verb {
        Profile::List => {
            let output = context.output(&PROFILE)?;
            let names = names(&context, &credentials);
            let current = context.settings.profile.as_ref().map(|(name, _)| name.as_str());
            let rows: Vec<(String, String, bool, bool)> = names
                .into_iter()
                .map(|name| {
                    let server = context
                        .settings
                        .document
                        .get(&format!("profile.{name}"), "server")
                        .map(str::to_owned);
                    let server = server
                        .or_else(|| credentials.server(&name).map(|server| server.to_string()))
                        .unwrap_or_default();
                    let (is_current, signed_in) =
                        (current == Some(name.as_str()), credentials.get(&name).is_some());
                    (name, server, is_current, signed_in)
                })
                .collect();
            let records: Vec<Record> = rows
                .iter()
                .map(|(name, server, current, signed_in)| {
                    Record::default()
                        .with("name", name.clone())
                        .with("server", server.clone())
                        .with("current", *current)
                        .with("signed_in", *signed_in)
                })
                .collect();
            output.list(&records, || {
                if rows.is_empty() {
                    return "No sign-in is saved. ajet-chat login --server chat.example.org\n"
                        .to_owned();
                }
                let head = [
                    Column { title: "PROFILE", right: false },
                    Column { title: "SERVER", right: false },
                    Column { title: "", right: false },
                ];
                let rows: Vec<Vec<Cell>> = rows
                    .iter()
                    .map(|(name, server, current, signed_in)| {
                        let note = match (current, signed_in) {
                            (true, true) => Cell::looking("✓ in use", Paint::green),
                            (false, true) => Cell::new(""),
                            (_, false) => Cell::looking("signed out", Paint::dim),
                        };
                        vec![Cell::new(name), Cell::new(server), note]
                    })
                    .collect();
                table(context.screen.paint, &head, &rows)
            })
        }
        Profile::Use { name } => {
            must_exist(&context, &credentials, &name)?;
            context.settings.document.set("", "profile", &name);
            context.settings.save()?;
            context.screen.done(&format!("Profile {name} is used from now on"));
            Ok(())
        }
        Profile::Remove { name } => {
            must_exist(&context, &credentials, &name)?;
            credentials.remove(&name)?;
            context.settings.document.remove_section(&format!("profile.{name}"));
            context.settings.save()?;
            context.screen.done(&format!("Profile {name} is forgotten here"));
            Ok(())
        }
    }
}

fn names(context: &Context, credentials: &Credentials) -> Vec<String> {
    let mut names: Vec<String> =
        context.settings.document.sections("profile.").into_iter().map(str::to_owned).collect();
    names.extend(credentials.names().map(str::to_owned));
    names.sort();
    names.dedup();
    names
}

fn must_exist(context: &Context, credentials: &Credentials, name: &str) -> CliResult {
    if names(context, credentials).iter().any(|known| known == name) {
        Ok(())
    } else {
        Err(unknown_profile(name, &context.settings.document))
    }
}
