//! `tui`: the full-screen interface.

use std::io::IsTerminal;

use crate::args::Tui;
use crate::context::Context;
use crate::error::{CliError, CliResult};
use crate::settings::Source;
use crate::tui::{Start, run};

/// Somebody sits at a terminal and can see what is drawn.
pub(super) fn has_terminal() -> bool {
    std::io::stdin().is_terminal() && std::io::stdout().is_terminal()
}

pub(super) async fn open(context: Context, args: &Tui) -> CliResult {
    if !has_terminal() {
        return Err(CliError::usage("The full-screen interface needs a terminal.")
            .hint("In a pipe: ajet-chat read CHANNEL, ajet-chat tail CHANNEL"));
    }
    if crate::settings::env("TERM").is_none_or(|term| term == "dumb") {
        return Err(CliError::usage(
            "This terminal cannot draw the full-screen interface (TERM is dumb).",
        )
        .hint("ajet-chat read CHANNEL, ajet-chat tail CHANNEL"));
    }
    let settings = &context.settings;
    // Without a deadline: the interface tries again by itself.
    let client = context.client().await?.trying_once();
    let saved = settings.token.as_ref().is_some_and(|(_, source)| *source == Source::SignIn);
    let profile = settings.profile.as_ref().filter(|_| saved).map(|(name, _)| name.clone());
    run(Start {
        client,
        server: context.server()?.to_string(),
        state: settings.paths.state.clone(),
        profile: profile.unwrap_or_else(|| context.host()),
        place: args.place.clone(),
        community: settings.community.as_ref().map(|(slug, _)| slug.clone()),
        color: context.global.color,
        theme: settings.document.get("ui", "theme").map(str::to_owned),
        mouse: settings.document.get("ui", "mouse") != Some("false"),
    })
    .await
}
