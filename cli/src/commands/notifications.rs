//! `notifications …`.

use std::collections::HashSet;

use ajet_shared::client::{Events, Received};
use ajet_shared::events::{Event, Notification, NotificationKind};
use ajet_shared::id::NotificationId;
use ajet_shared::markdown::plain;
use ajet_shared::page::PageQuery;
use ajet_shared::terminal::terminal_line;
use futures::StreamExt as _;
use serde_json::json;

use super::named::{find, short};
use crate::args;
use crate::context::Context;
use crate::error::{CliError, CliResult};
use crate::lookup::limit;
use crate::messages::{rfc3339, when};
use crate::output::Output;
use crate::record::{Record, Schema};

const NOTIFICATION: Schema = Schema {
    fields: &[
        ("id", "the notification's id"),
        ("type", "mention, dm, thread_reply, invite or system"),
        ("community", "address of its community; null in direct messages"),
        ("channel", "name of its channel, or @user of a direct message"),
        ("channel_id", "id of its channel"),
        ("message_id", "the message behind it"),
        ("url", "that message's link"),
        ("author", "name of who caused it"),
        ("username", "their handle"),
        ("text", "the message in short; null where it cannot be read"),
        ("read", "whether you have seen it"),
        ("created_at", "when"),
    ],
    plain: &["created_at", "type", "channel", "username", "id", "text"],
    extras: &["time", "short"],
};

/// Messages that are read at the same time, to say what each is about.
const AT_ONCE: usize = 4;
/// Characters of a message that are shown.
const TEXT_MAX: usize = 200;
/// Notifications that are read after a gap; who was away longer reads the list.
const MISSED_MAX: u16 = 100;

pub(super) async fn run(context: &Context, verb: args::Notifications) -> CliResult {
    match verb {
        args::Notifications::List { unread, count } => list(context, unread, count).await,
        args::Notifications::Read { ids, all } => read(context, &ids, all).await,
        args::Notifications::Watch => watch(context).await,
    }
}

/// With what the message says and where it is.
async fn record(context: &Context, notification: &Notification) -> CliResult<Record> {
    let place = match notification.channel_id {
        Some(id) => context.place_of(id).await.ok(),
        None => None,
    };
    let client = context.client().await?;
    let text = match notification.message_id {
        Some(id) => client.message(id).await.ok().map(|message| plain(&message.body_md, TEXT_MAX)),
        None => None,
    };
    let link = place.as_ref().zip(notification.message_id);
    let actor = notification.actor.as_ref();
    let community = place.as_ref().and_then(|place| place.community.as_ref());
    Ok(Record::default()
        .with("id", notification.id.to_string())
        .with("type", json!(notification.kind))
        .with("community", community.map(|community| community.slug.clone()))
        .with("channel", place.as_ref().map(|place| place.name.clone()))
        .with("channel_id", notification.channel_id.map(|id| id.to_string()))
        .with("message_id", notification.message_id.map(|id| id.to_string()))
        .with("url", link.map(|(place, id)| context.message_url(place, id)))
        .with("author", actor.map(|actor| actor.display_name.clone()))
        .with("username", actor.map(|actor| actor.username.clone()))
        .with("text", text)
        .with("read", notification.read)
        .with("created_at", rfc3339(notification.created_at))
        .extra("time", when(notification.created_at))
        .extra("short", short(notification.id.uuid())))
}

/// `● 11:03  Mara Voss mentioned you in #general: Have a look  2a3f9d10`.
fn drawn(context: &Context, notification: &Notification, record: &Record) -> String {
    let paint = context.screen.paint;
    let who = match record.text("author") {
        nobody if nobody.is_empty() => "Somebody".to_owned(),
        name => terminal_line(&name).into_owned(),
    };
    let place = match (record.text("channel"), record.text("community")) {
        (name, _) if name.is_empty() => "a channel".to_owned(),
        (name, community) if community.is_empty() => name,
        (name, _) => format!("#{name}"),
    };
    let place = terminal_line(&place);
    let did = match notification.kind {
        NotificationKind::Mention => format!("mentioned you in {place}"),
        NotificationKind::Dm => "wrote to you".to_owned(),
        NotificationKind::ThreadReply => format!("answered in a thread in {place}"),
        NotificationKind::Invite => format!("took you into {place}"),
        NotificationKind::System => format!("changed something in {place}"),
    };
    let text = match record.text("text") {
        nothing if nothing.is_empty() => nothing,
        text => format!(": {}", terminal_line(&text)),
    };
    // The sign says what the colour says.
    let mark = if notification.read { " ".to_owned() } else { paint.yellow("●") };
    format!(
        "{mark} {}  {} {did}{text}  {}\n",
        paint.dim(&record.text("time")),
        paint.bold(&who),
        paint.dim(&record.text("short"))
    )
}

async fn list(context: &Context, unread: bool, count: u16) -> CliResult {
    let output = context.output(&NOTIFICATION)?;
    let client = context.client().await?;
    // Read once, before several ask for it.
    context.sync().await?;
    let page = context.call(client.notifications(unread, limit(count))).await?;
    let records: Vec<CliResult<Record>> = futures::stream::iter(&page.items)
        .map(|notification| record(context, notification))
        .buffered(AT_ONCE)
        .collect()
        .await;
    let records = records.into_iter().collect::<CliResult<Vec<_>>>()?;
    output.list(&records, || {
        if records.is_empty() {
            let what = if unread { "Nothing new." } else { "Nothing yet." };
            return format!("{what}\n");
        }
        let both = page.items.iter().zip(&records);
        both.map(|(notification, record)| drawn(context, notification, record)).collect()
    })
}

async fn read(context: &Context, typed: &[String], all: bool) -> CliResult {
    let client = context.client().await?;
    if all {
        context.call(client.read_notifications(None)).await?;
        context.screen.done("All notifications are seen");
        return Ok(());
    }
    let ids = named(context, typed).await?;
    context.call(client.read_notifications(Some(&ids))).await?;
    context.screen.done(&match ids.len() {
        1 => "The notification is seen".to_owned(),
        count => format!("{count} notifications are seen"),
    });
    Ok(())
}

/// Full ids as they are; for pieces the newest notifications are searched.
async fn named(context: &Context, typed: &[String]) -> CliResult<Vec<NotificationId>> {
    let full: Option<Vec<NotificationId>> = typed.iter().map(|id| id.parse().ok()).collect();
    if let Some(ids) = full {
        return Ok(ids);
    }
    let client = context.client().await?;
    let known = context.call(client.notifications(false, limit(MISSED_MAX))).await?.items;
    let find = |id: &String| {
        let noun = ("recent notification", "ajet-chat notifications list");
        find(&known, id, noun, |notification| (notification.id.uuid(), None))
            .map(|notification| notification.id)
    };
    typed.iter().map(find).collect()
}

async fn watch(context: &Context) -> CliResult {
    let output = context.output(&NOTIFICATION)?;
    let sync = context.sync().await?;
    let events = context.client().await?.events(Some(sync.cursor), None);
    let mut watcher = Watcher { context, output, printed: HashSet::new(), away: false };
    // What is there already is no news, also after a gap.
    let query = limit(MISSED_MAX);
    let known = context.call(context.client().await?.notifications(false, query)).await?;
    watcher.printed.extend(known.items.iter().map(|notification| notification.id));
    tokio::select! {
        ended = watcher.follow(events) => ended,
        _ = tokio::signal::ctrl_c() => Err(CliError::interrupted()),
    }
}

struct Watcher<'a> {
    context: &'a Context,
    output: Output,
    /// What was printed, or was there before.
    printed: HashSet<NotificationId>,
    away: bool,
}

impl Watcher<'_> {
    async fn follow(&mut self, mut events: Events) -> CliResult {
        loop {
            match events.next().await.map_err(|error| self.context.failed(error))? {
                Received::Event(envelope) => {
                    if let Event::NotificationCreated(notification) = envelope.event {
                        self.print(&notification).await?;
                    }
                }
                Received::Resync { .. } => self.read_gap().await?,
                Received::Lost { error, .. } => {
                    if !std::mem::replace(&mut self.away, true) {
                        let reason = self.context.failed(error);
                        let reason = reason.message().trim_end_matches('.').to_owned();
                        let warning = format!("Connection lost, trying again ({reason}).");
                        self.context.screen.warn(&warning);
                    }
                }
                Received::Ready => {
                    if std::mem::take(&mut self.away) {
                        self.context.screen.done("Connected again.");
                    }
                }
                Received::Resumed { .. } => {}
            }
        }
    }

    /// What the stream cannot replay is read from the list.
    async fn read_gap(&mut self) -> CliResult {
        let query = PageQuery { limit: Some(MISSED_MAX), ..PageQuery::default() };
        let client = self.context.client().await?.trying_once();
        match client.notifications(false, query).await {
            Ok(page) => {
                for notification in &page.items {
                    self.print(notification).await?;
                }
            }
            Err(error) => {
                let reason = self.context.failed(error);
                self.context.screen.warn(&format!("Some may be missing: {}", reason.message()));
            }
        }
        Ok(())
    }

    async fn print(&mut self, notification: &Notification) -> CliResult {
        if !self.printed.insert(notification.id) {
            return Ok(());
        }
        let record = record(self.context, notification).await?;
        self.output.next(&record, || drawn(self.context, notification, &record))
    }
}
