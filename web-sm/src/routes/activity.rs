//! What the reader is told of: the list, and what of it was seen.

use ajet_shared::events::Notification;
use ajet_shared::http::{Json, Path, Query};
use ajet_shared::id::{MessageId, NotificationId};
use ajet_shared::limits::{PAGE_SIZE_DEFAULT, PAGE_SIZE_MAX};
use ajet_shared::message::Message;
use ajet_shared::page::PageQuery;
use ajet_shared::problem::Problem;
use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use futures::StreamExt as _;
use serde::Deserialize;

use crate::error::PageError;
use crate::state::{App, Caller};
use crate::urls;
use crate::view::activity::{ActivityPage, Note, Show, Tab};
use crate::view::render;
use crate::view::shell::{Shell, View, World};

/// Messages that are read at a time for one page.
const AT_A_TIME: usize = 8;

/// What an address adds.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Wanted {
    #[serde(default)]
    show: Show,
    /// Older ones than this.
    before: Option<NotificationId>,
    /// The community beside the list.
    c: Option<String>,
}

/// `GET /activity`.
pub(crate) async fn activity(
    State(app): State<App>,
    uri: Uri,
    caller: Result<Caller, Problem>,
    wanted: Result<Query<Wanted>, Problem>,
) -> Result<Response, PageError> {
    let failed = PageError::at(&uri);
    let caller = caller.map_err(failed)?;
    // A query that makes no sense shows all.
    let wanted = wanted.map(|Query(wanted)| wanted).unwrap_or_default();
    page(&app, &caller, wanted).await.map_err(failed)
}

async fn page(app: &App, caller: &Caller, wanted: Wanted) -> Result<Response, Problem> {
    let show = wanted.show;
    // What is left out here makes the page shorter, so more is read.
    let limit = if show == Show::All { PAGE_SIZE_DEFAULT } else { PAGE_SIZE_MAX };
    let query = PageQuery {
        before: wanted.before.map(NotificationId::uuid),
        limit: Some(limit),
        ..PageQuery::default()
    };
    // The world holds the cursor, so it comes first.
    let mut world = world(app, caller, &wanted).await?;
    let (online, page) = tokio::try_join!(caller.online(app, &world), async {
        Ok(caller.api.notifications(false, query).await?)
    })?;
    world.online = online;
    let shown: Vec<&Notification> =
        page.items.iter().rev().filter(|notification| show.has(notification.kind)).collect();
    let asked: Vec<_> =
        shown.iter().map(|notification| caller.message_behind(app, notification)).collect();
    let messages: Vec<Option<Message>> =
        futures::stream::iter(asked).buffered(AT_A_TIME).collect().await;
    let older = page.prev.map(|before| {
        let path = urls::activity(show, world.slug());
        format!("{path}{}before={before}", if path.contains('?') { '&' } else { '?' })
    });
    let nonce = super::nonce();
    let mut shell = Shell::new(&world, View::Main, "Activity", &nonce, 0);
    if wanted.before.is_some() {
        // What comes live belongs on the first page.
        shell.stream.activity = None;
    }
    let notes = shown
        .iter()
        .zip(&messages)
        .map(|(notification, message)| Note::new(&world, notification, message.as_ref()));
    let html = render(&ActivityPage {
        shell,
        tabs: Tab::all(show, world.slug()),
        notes: notes.collect(),
        older,
        show,
    });
    Ok(super::page(html, &nonce))
}

async fn world(app: &App, caller: &Caller, wanted: &Wanted) -> Result<World, Problem> {
    let mut world = caller.world(app).await?;
    let communities = &world.sync.communities;
    let asked = wanted
        .c
        .as_ref()
        .and_then(|slug| communities.iter().position(|view| view.community.slug == *slug));
    world.community = asked.or_else(|| (!communities.is_empty()).then_some(0));
    world.activity = Some(wanted.show);
    Ok(world)
}

impl Caller {
    /// The message that a notification is about, where there is one and the caller may still see it.
    pub(crate) async fn message_behind(
        &self,
        app: &App,
        notification: &Notification,
    ) -> Option<Message> {
        let message = self.api.message(notification.message_id?).await.ok()?;
        app.directory.learn([&message.author]);
        Some(message)
    }
}

/// Which notifications were seen.
#[derive(Debug, Deserialize)]
pub(crate) struct Seen {
    /// All of them without.
    ids: Option<Vec<NotificationId>>,
}

/// `POST /activity/read`. The stream tells all of the reader's pages.
pub(crate) async fn read(caller: Caller, Json(seen): Json<Seen>) -> Result<StatusCode, Problem> {
    caller.api.read_notifications(seen.ids.as_deref()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `POST /messages/{id}/seen`: the thread of this message was on screen, so what told of its replies is read.
pub(crate) async fn thread_seen(
    caller: Caller,
    Path(id): Path<MessageId>,
) -> Result<StatusCode, Problem> {
    let query = PageQuery { limit: Some(PAGE_SIZE_MAX), ..PageQuery::default() };
    let (replies, unread) =
        tokio::try_join!(caller.api.replies(id, query), caller.api.notifications(true, query))?;
    let shown = |about: MessageId| replies.items.iter().any(|reply| reply.id == about);
    let about = unread.items.iter().filter(|one| one.message_id.is_some_and(shown));
    let ids: Vec<NotificationId> = about.map(|one| one.id).collect();
    if !ids.is_empty() {
        caller.api.read_notifications(Some(&ids)).await?;
    }
    Ok(StatusCode::NO_CONTENT)
}
