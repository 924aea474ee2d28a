//! Commands that write something, and the one that finds it again.

use std::fmt::Write as _;

use ajet_shared::actions::{Action, Scope};
use ajet_shared::channel::Channel;
use ajet_shared::command::CommandAnswer;
use ajet_shared::db::{channels, communities, users};
use ajet_shared::message::MessageKind;
use ajet_shared::search::{SearchHit, SearchRequest};

use super::answer::{hash, posted, told};
use super::registry::{Arg, Command, Needs, Place};
use super::run::{Run, nobody};
use crate::acts::{self, talk};
use crate::error::ApiResult;
use crate::words::{literal, moment};

/// Messages that `/search` shows.
const HITS: u16 = 10;

/// A shrug that Markdown leaves alone.
const SHRUG: &str = r"¯\\\_(ツ)\_/¯";

pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "me",
        summary: "Say what you do: /me waves",
        arguments: &[Arg::text("text")],
        needs: Needs::Any(&[Action::PostMessage]),
        scope: Place::Anywhere,
        run: |run| {
            Box::pin(async move {
                let text = run.the_text("text")?.to_owned();
                say(run, MessageKind::Me, text).await
            })
        },
    },
    Command {
        name: "shrug",
        summary: "Write with a shrug at the end",
        arguments: &[Arg::text("text").optional()],
        needs: Needs::Any(&[Action::PostMessage]),
        scope: Place::Anywhere,
        run: |run| {
            Box::pin(async move {
                let text = format!("{} {SHRUG}", run.text("text").unwrap_or_default());
                say(run, MessageKind::Text, text.trim_start().to_owned()).await
            })
        },
    },
    Command {
        name: "msg",
        summary: "Write somebody a direct message",
        arguments: &[Arg::person("user"), Arg::text("text")],
        needs: Needs::Scope(Scope::MessagesWrite),
        scope: Place::Anywhere,
        run: |run| Box::pin(msg(run)),
    },
    Command {
        name: "search",
        summary: "Find messages: words, \"phrases\", -without, from:@user, in:#channel",
        arguments: &[Arg::text("text")],
        needs: Needs::Scope(Scope::SearchRead),
        scope: Place::Anywhere,
        run: |run| Box::pin(search(run)),
    },
];

async fn say(run: &Run<'_>, kind: MessageKind, text: String) -> ApiResult<CommandAnswer> {
    let place = (run.place.channel.id, run.request.parent_id);
    let said = talk::say(run.state, run.caller, place, kind, text, run.client_msg_id).await?;
    posted(said.message, "")
}

async fn msg(run: &Run<'_>) -> ApiResult<CommandAnswer> {
    let text = run.the_text("text")?.to_owned();
    let handle = run.handle("user")?.ok_or_else(|| run.refuse("User is missing."))?;
    let other = users::find_co_member(
        &mut *run.state.db.acquire().await?,
        run.caller.user_id(),
        handle.as_str(),
    )
    .await?
    .ok_or_else(|| nobody(handle.as_str()))?;
    if other.id == run.caller.user_id() {
        return Err(run.refuse("You cannot write to yourself."));
    }
    let (direct, _) = talk::open_direct(run.state, run.caller, &[other.id]).await?;
    let (place, kind) = ((direct.channel.id, None), MessageKind::Text);
    let said = talk::say(run.state, run.caller, place, kind, text, run.client_msg_id).await?;
    posted(said.message, format!("Sent to @{}.", other.username))
}

async fn search(run: &Run<'_>) -> ApiResult<CommandAnswer> {
    let community_id = run.place.channel.community_id;
    let request = SearchRequest {
        q: run.the_text("text")?.to_owned(),
        community_id,
        limit: Some(HITS),
        ..SearchRequest::default()
    };
    let mut conn = run.state.db.acquire().await?;
    run.state.limits.search(&mut conn, run.caller.user_id()).await?;
    drop(conn);
    let found = acts::search::find(run.state, run.caller, &request).await?;
    if found.items.is_empty() {
        return told("Nothing was found.");
    }
    let mut conn = run.state.db.acquire().await?;
    let mut text = String::new();
    for hit in &found.items {
        let channel = channels::find(&mut conn, hit.channel_id).await?;
        let slug = match channel.as_ref().and_then(|channel| channel.community_id) {
            Some(id) => communities::find(&mut conn, id).await?.map(|community| community.slug),
            None => None,
        };
        let place = link(&run.state.public_url, channel.as_ref(), slug.as_deref(), hit);
        let (author, at) = (&hit.message.author.username, moment(hit.message.created_at));
        let _ = writeln!(text, "- {place} @{author}, {at}: {}", literal(&hit.snippet.text));
    }
    if found.prev.is_some() {
        text.push_str("\nThere are older ones; the search page has them all.");
    }
    told(text.trim_end())
}

/// Where a hit stands, as a link there.
fn link(base: &str, channel: Option<&Channel>, slug: Option<&str>, hit: &SearchHit) -> String {
    let id = hit.message.id;
    match (channel, slug) {
        (Some(channel), Some(slug)) => {
            let name = hash(channel);
            let path = name.trim_start_matches('#');
            format!("[{name}]({base}/c/{slug}/channels/{path}/m/{id})")
        }
        _ => format!("[direct message]({base}/dm/{})", hit.channel_id),
    }
}
