//! `whoami` and `status`.

use std::fmt::Write as _;

use ajet_shared::terminal::{columns, terminal_line};
use serde_json::{Value, json};

use crate::context::Context;
use crate::error::CliResult;
use crate::messages::{day, rfc3339};
use crate::record::{Record, Schema};

const WHOAMI: Schema = Schema {
    fields: &[
        ("id", "your id"),
        ("username", "your handle"),
        ("display_name", "your name"),
        ("email", "the address your provider gave"),
        ("server", "where"),
        ("profile", "the saved sign-in; null with AJET_TOKEN"),
    ],
    plain: &["username", "display_name", "server", "profile"],
    extras: &[],
};

const STATUS: Schema = Schema {
    fields: &[
        ("server", "where"),
        ("username", "your handle"),
        ("display_name", "your name"),
        ("profile", "the saved sign-in; null with AJET_TOKEN"),
        ("session_expires_at", "when the session ends unless it is used; null for tokens"),
        ("unread", "unread messages in all channels"),
        ("mentions", "unread mentions and direct messages"),
        ("communities", "list of {slug, name, unread, mentions, channels}"),
        ("direct_messages", "unread direct messages"),
        ("notifications", "unread notifications"),
    ],
    plain: &["server", "username", "unread", "mentions"],
    extras: &[],
};

fn profile(context: &Context) -> Option<String> {
    let saved = context
        .settings
        .token
        .as_ref()
        .is_some_and(|(_, source)| *source == crate::settings::Source::SignIn);
    context.settings.profile.as_ref().filter(|_| saved).map(|(name, _)| name.clone())
}

pub(super) async fn whoami(context: &Context) -> CliResult {
    let output = context.output(&WHOAMI)?;
    let client = context.client().await?;
    let me = context.call(client.me()).await?;
    let profile = profile(context);
    let record = Record::default()
        .with("id", me.user.id.to_string())
        .with("username", me.user.username.clone())
        .with("display_name", me.user.display_name.clone())
        .with("email", me.email.clone())
        .with("server", context.server()?.to_string())
        .with("profile", profile.clone());
    output.one(&record, || {
        let paint = context.screen.paint;
        let name = terminal_line(&me.user.display_name);
        let of = profile.map(|name| format!(", profile {name}")).unwrap_or_default();
        format!(
            "{} (@{}) at {}{of}\n",
            paint.bold(&name),
            terminal_line(&me.user.username),
            context.host()
        )
    })
}

pub(super) async fn status(context: &Context) -> CliResult {
    let output = context.output(&STATUS)?;
    let sync = context.sync().await?;
    let client = context.client().await?;
    // Tokens have no session: that this is refused says nothing bad.
    let sessions = if sync.session_id.is_some() { client.sessions().await.ok() } else { None };
    let session = sessions.and_then(|page| page.items.into_iter().find(|session| session.current));
    let rows: Vec<(String, String, i64, i64, usize)> = sync
        .communities
        .iter()
        .map(|view| {
            let unread = view.channels.iter().map(|channel| channel.unread).sum();
            let mentions = view.channels.iter().map(|channel| channel.mentions).sum();
            let channels = view.channels.iter().filter(|channel| channel.unread > 0).count();
            (view.community.slug.clone(), view.community.name.clone(), unread, mentions, channels)
        })
        .collect();
    let direct: i64 = sync.dms.iter().map(|view| view.unread).sum();
    let communities: Vec<Value> = rows
        .iter()
        .map(|(slug, name, unread, mentions, channels)| json!({ "slug": slug, "name": name, "unread": unread, "mentions": mentions, "channels": channels }))
        .collect();
    let profile = profile(context);
    let record = Record::default()
        .with("server", context.server()?.to_string())
        .with("username", sync.me.user.username.clone())
        .with("display_name", sync.me.user.display_name.clone())
        .with("profile", profile.clone())
        .with("session_expires_at", session.as_ref().map(|session| rfc3339(session.expires_at)))
        .with("unread", rows.iter().map(|row| row.2).sum::<i64>() + direct)
        .with("mentions", rows.iter().map(|row| row.3).sum::<i64>() + direct)
        .with("communities", communities)
        .with("direct_messages", direct)
        .with("notifications", sync.unread_notifications);
    output.one(&record, || {
        let paint = context.screen.paint;
        let me = &sync.me.user;
        let name = terminal_line(&me.display_name);
        let of = profile.map(|name| format!(", profile {name}")).unwrap_or_default();
        let handle = terminal_line(&me.username);
        let mut out = format!(
            "{} connected to {} as {} (@{handle}){of}\n",
            paint.green("●"),
            context.host(),
            paint.bold(&name)
        );
        let width = rows.iter().map(|row| columns(&terminal_line(&row.1))).max().unwrap_or(0);
        for (_, name, unread, mentions, channels) in &rows {
            let name = terminal_line(name);
            let padding = " ".repeat(width.saturating_sub(columns(&name)));
            let _ = writeln!(out, "  {name}{padding}   {}", counts(*unread, *mentions, *channels));
        }
        if direct > 0 {
            let _ = writeln!(out, "  {direct} unread in direct messages");
        }
        if let Some(session) = &session {
            let _ = writeln!(out, "  Session ends {}, renews on use.", day(session.expires_at));
        }
        out
    })
}

fn counts(unread: i64, mentions: i64, channels: usize) -> String {
    let mentions = match mentions {
        0 => String::new(),
        1 => "1 mention, ".to_owned(),
        count => format!("{count} mentions, "),
    };
    match (unread, channels) {
        (0, _) => "nothing unread".to_owned(),
        (_, 1) => format!("{mentions}{unread} unread in 1 channel"),
        _ => format!("{mentions}{unread} unread in {channels} channels"),
    }
}
