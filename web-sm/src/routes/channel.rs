//! Channels and direct messages, each a page that works by loading it.

use ajet_shared::http::{Path, Query};
use ajet_shared::id::{ChannelId, MessageId};
use ajet_shared::problem::Problem;
use axum::extract::State;
use axum::http::Uri;
use axum::response::Response;
use serde::Deserialize;

use crate::error::{PageError, fragment};
use crate::load::{Beside, Subject};
use crate::state::{App, Caller};
use crate::view::pages::NothingPage;
use crate::view::render;
use crate::view::shell::{Shell, View};

/// What an address adds.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Wanted {
    thread: Option<MessageId>,
    members: Option<String>,
    /// The community beside a direct message.
    c: Option<String>,
}

impl Wanted {
    fn beside(&self) -> Beside {
        match (self.thread, &self.members) {
            (Some(id), _) => Beside::Thread(id),
            (None, Some(_)) => Beside::Members,
            (None, None) => Beside::Nothing,
        }
    }
}

type Wish = Result<Query<Wanted>, Problem>;

/// `GET /c/{slug}/channels/{name}`.
pub(crate) async fn named(
    State(app): State<App>,
    uri: Uri,
    caller: Result<Caller, Problem>,
    path: Result<Path<(String, String)>, Problem>,
    wanted: Wish,
) -> Result<Response, PageError> {
    let failed = PageError::at(&uri);
    let Path((slug, name)) = path.map_err(failed)?;
    show(&app, caller, Subject::Named { slug, name }, None, wanted).await.map_err(failed)
}

/// `GET /c/{slug}/channels/{name}/m/{id}`: the page around a message.
pub(crate) async fn named_around(
    State(app): State<App>,
    uri: Uri,
    caller: Result<Caller, Problem>,
    path: Result<Path<(String, String, MessageId)>, Problem>,
    wanted: Wish,
) -> Result<Response, PageError> {
    let failed = PageError::at(&uri);
    let Path((slug, name, id)) = path.map_err(failed)?;
    show(&app, caller, Subject::Named { slug, name }, Some(id), wanted).await.map_err(failed)
}

/// `GET /dm/{id}`.
pub(crate) async fn direct(
    State(app): State<App>,
    uri: Uri,
    caller: Result<Caller, Problem>,
    path: Result<Path<ChannelId>, Problem>,
    wanted: Wish,
) -> Result<Response, PageError> {
    let failed = PageError::at(&uri);
    let Path(id) = path.map_err(failed)?;
    show_direct(&app, caller, id, None, wanted).await.map_err(failed)
}

/// `GET /dm/{id}/m/{message}`.
pub(crate) async fn direct_around(
    State(app): State<App>,
    uri: Uri,
    caller: Result<Caller, Problem>,
    path: Result<Path<(ChannelId, MessageId)>, Problem>,
    wanted: Wish,
) -> Result<Response, PageError> {
    let failed = PageError::at(&uri);
    let Path((id, message)) = path.map_err(failed)?;
    show_direct(&app, caller, id, Some(message), wanted).await.map_err(failed)
}

/// `GET /c/{slug}`: the list of channels on a phone, the first channel beside it elsewhere.
pub(crate) async fn community(
    State(app): State<App>,
    uri: Uri,
    caller: Result<Caller, Problem>,
    path: Result<Path<String>, Problem>,
) -> Result<Response, PageError> {
    let failed = PageError::at(&uri);
    let Path(slug) = path.map_err(failed)?;
    let caller = caller.map_err(failed)?;
    let mut world = caller.world(&app).await.map_err(failed)?;
    let n = world
        .sync
        .communities
        .iter()
        .position(|view| view.community.slug == slug)
        .ok_or_else(Problem::not_found)
        .map_err(failed)?;
    world.community = Some(n);
    let nonce = super::nonce();
    let first = world.first_channel();
    let Some(first) = first.map(|channel| channel.channel.id) else {
        world.online = caller.online(&app, &world).await.map_err(failed)?;
        let shell = Shell::new(&world, View::Nav, "Channels", &nonce, 0);
        return Ok(super::page(render(&NothingPage { shell }), &nonce));
    };
    let subject = Subject::Id { id: first, community: None };
    let loaded = caller.load(&app, &subject, None, Beside::Nothing).await.map_err(failed)?;
    Ok(super::page(loaded.html(&app, true, &nonce).map_err(failed)?, &nonce))
}

async fn show_direct(
    app: &App,
    caller: Result<Caller, Problem>,
    id: ChannelId,
    around: Option<MessageId>,
    wanted: Wish,
) -> Result<Response, Problem> {
    let slug = wanted.as_ref().ok().and_then(|Query(wanted)| wanted.c.clone());
    show(app, caller, Subject::Direct { id, slug }, around, wanted).await
}

async fn show(
    app: &App,
    caller: Result<Caller, Problem>,
    subject: Subject,
    around: Option<MessageId>,
    wanted: Wish,
) -> Result<Response, Problem> {
    // A query that makes no sense shows the channel without it.
    let beside = wanted.map(|Query(wanted)| wanted.beside()).unwrap_or_default();
    let loaded = caller?.load(app, &subject, around, beside).await?;
    let nonce = super::nonce();
    Ok(super::page(loaded.html(app, false, &nonce)?, &nonce))
}

/// `GET /channels/{id}/pane`: what stands beside a channel that is on show already.
pub(crate) async fn pane(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<ChannelId>,
    Query(wanted): Query<Wanted>,
) -> Result<Response, Problem> {
    let subject = Subject::Id { id, community: None };
    let loaded = caller.load_pane(&app, &subject, wanted.beside()).await?;
    loaded.pane_html(&app)?.map(fragment).ok_or_else(Problem::not_found)
}
