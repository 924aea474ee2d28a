//! Older messages when one scrolls up, newer ones below an old message.

use ajet_shared::clock;
use ajet_shared::http::{Path, Query};
use ajet_shared::id::{ChannelId, MessageId};
use ajet_shared::limits::PAGE_SIZE_DEFAULT;
use ajet_shared::message::Message;
use ajet_shared::page::{Page, PageQuery};
use ajet_shared::problem::Problem;
use ajet_shared::user::Author;
use axum::extract::State;
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use crate::frames::{Frames, Mode};
use crate::state::{App, Caller};
use crate::view::thread::{self, Earlier};
use crate::view::timeline::{self, Bottom, Intro, Look, Top};
use crate::view::{render, times};

/// From where.
#[derive(Debug, Deserialize)]
pub(crate) struct Edge {
    #[serde(alias = "after")]
    before: MessageId,
    /// The day of that message.
    day: i64,
}

/// `GET /channels/{id}/older?before=&day=`.
pub(crate) async fn older(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<ChannelId>,
    Query(edge): Query<Edge>,
) -> Result<Response, Problem> {
    let query = PageQuery {
        before: Some(edge.before.into()),
        limit: Some(PAGE_SIZE_DEFAULT),
        ..PageQuery::default()
    };
    let (me, page) = read(&app, &caller, id, query).await?;
    let look =
        Look { me: me.id, today: clock::now().date(), directory: &app.directory, target: None };
    let mut frames = Frames::default();
    let items = timeline::part(&page.items, look, None);
    // The first day below now begins further up.
    let edge_day = times::day_of_number(edge.day);
    if let Some(day) =
        edge_day.filter(|day| page.items.iter().any(|message| message.created_at.date() == *day))
    {
        frames.remove(format_args!("#day-{}", times::day_id(day)));
    }
    if !items.is_empty() {
        frames.patch(Mode::After, "#history-top", &timeline::markup(&items));
    }
    if let Some(first) = page.items.first().filter(|_| page.prev.is_some()) {
        frames.outer(&Top::new(id, first));
    } else {
        let view = caller.api.channel(id).await?;
        frames.patch(Mode::Outer, "#history-top", &render(&Intro::new(&view, me.id, false)));
    }
    Ok(events(frames))
}

/// `GET /channels/{id}/newer?after=&day=`. What the stream has put at the end meanwhile is taken away and comes again in its place.
pub(crate) async fn newer(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<ChannelId>,
    Query(edge): Query<Edge>,
) -> Result<Response, Problem> {
    let query = PageQuery {
        after: Some(edge.before.into()),
        limit: Some(PAGE_SIZE_DEFAULT),
        ..PageQuery::default()
    };
    let (me, page) = read(&app, &caller, id, query).await?;
    let look =
        Look { me: me.id, today: clock::now().date(), directory: &app.directory, target: None };
    let mut frames = Frames::default();
    let items = timeline::part(&page.items, look, times::day_of_number(edge.day));
    if !items.is_empty() {
        frames.remove(timeline::selector(&items));
        frames.patch(Mode::Before, "#history-bottom", &timeline::markup(&items));
    }
    match page.items.last().filter(|_| page.next.is_some()) {
        Some(last) => frames.outer(&Bottom::new(id, last)),
        None => frames.remove("#history-bottom"),
    };
    Ok(events(frames))
}

/// From which reply.
#[derive(Debug, Deserialize)]
pub(crate) struct Reply {
    before: MessageId,
}

/// `GET /messages/{id}/replies?before=`: earlier replies of a thread in the pane.
pub(crate) async fn earlier_replies(
    State(app): State<App>,
    caller: Caller,
    Path(root): Path<MessageId>,
    Query(reply): Query<Reply>,
) -> Result<Response, Problem> {
    let query = PageQuery {
        before: Some(reply.before.into()),
        limit: Some(PAGE_SIZE_DEFAULT),
        ..PageQuery::default()
    };
    let page = caller.api.replies(root, query).await?;
    app.directory.learn(page.items.iter().map(|message| &message.author));
    let mut frames = Frames::default();
    let rows: String = thread::rows(&page.items, &app.directory).iter().map(render).collect();
    if !rows.is_empty() {
        frames.patch(Mode::After, "#thread-earlier", &rows);
    }
    match Earlier::than(root, &page) {
        Some(earlier) => frames.outer(&earlier),
        None => frames.remove("#thread-earlier"),
    };
    Ok(events(frames))
}

/// The reader and a page of messages, whose authors are known from here on.
async fn read(
    app: &App,
    caller: &Caller,
    id: ChannelId,
    query: PageQuery,
) -> Result<(Author, Page<Message>), Problem> {
    let (me, page) =
        tokio::try_join!(caller.author(app), async { Ok(caller.api.messages(id, query).await?) })?;
    app.directory.learn(page.items.iter().map(|message| &message.author));
    Ok((me, page))
}

/// A short event stream.
fn events(frames: Frames) -> Response {
    const HEADERS: [(HeaderName, HeaderValue); 2] = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    (HEADERS, frames.into_bytes()).into_response()
}
