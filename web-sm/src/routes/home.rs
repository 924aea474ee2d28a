//! The first page, and addresses that only lead somewhere.

use ajet_shared::http::Path;
use ajet_shared::id::MessageId;
use ajet_shared::problem::Problem;
use axum::extract::State;
use axum::http::{Uri, header};
use axum::response::{Html, IntoResponse, Redirect, Response};

use crate::error::PageError;
use crate::state::{App, Caller};
use crate::urls;
use crate::view::pages::{Extras, NothingPage};
use crate::view::render;
use crate::view::shell::{Shell, View};

/// `GET /`: the first channel of the first community.
pub(crate) async fn home(
    State(app): State<App>,
    uri: Uri,
    caller: Result<Caller, Problem>,
) -> Result<Response, PageError> {
    let failed = PageError::at(&uri);
    let mut world = caller.map_err(failed)?.world(&app).await.map_err(failed)?;
    world.community = (!world.sync.communities.is_empty()).then_some(0);
    if let Some(channel) = world.first_channel() {
        return Ok(Redirect::to(&urls::of(channel, world.community())).into_response());
    }
    let nonce = super::nonce();
    let shell = Shell::new(&world, View::Main, "Welcome", &nonce, 0);
    Ok(super::page(render(&NothingPage { shell }), &nonce))
}

/// `GET /m/{id}`: a message wherever it stands; a reply in its thread.
pub(crate) async fn message(
    State(app): State<App>,
    uri: Uri,
    caller: Result<Caller, Problem>,
    id: Result<Path<MessageId>, Problem>,
) -> Result<Response, PageError> {
    let failed = PageError::at(&uri);
    let (caller, Path(id)) = (caller.map_err(failed)?, id.map_err(failed)?);
    let message = caller.api.message(id).await.map_err(|error| failed(error.into()))?;
    let world = caller.world(&app).await.map_err(failed)?;
    let own = world.sync.communities.iter().find_map(|view| {
        Some((
            Some(view),
            view.channels.iter().find(|channel| channel.channel.id == message.channel_id)?,
        ))
    });
    let direct = || {
        world
            .sync
            .dms
            .iter()
            .find(|dm| dm.channel.id == message.channel_id)
            .map(|dm| (world.sync.communities.first(), dm))
    };
    let path = if let Some((community, channel)) = own.or_else(direct) {
        urls::of(channel, community)
    } else {
        let channel =
            caller.api.channel(message.channel_id).await.map_err(|error| failed(error.into()))?;
        let communities = &world.sync.communities;
        urls::of(
            &channel,
            communities.iter().find(|view| Some(view.community.id) == channel.channel.community_id),
        )
    };
    let to = match message.parent_id {
        // The browser itself finds the reply in the pane.
        Some(parent) => {
            format!("{}?thread={parent}#message-{id}", urls::message(&path, parent))
        }
        None => urls::message(&path, id),
    };
    Ok(Redirect::to(&to).into_response())
}

/// `GET /extras`: menus and dialogs that a page shows on demand.
pub(crate) async fn extras() -> Response {
    let cache = [(header::CACHE_CONTROL, "public, max-age=300")];
    (cache, Html(render(&Extras))).into_response()
}

/// Any other address.
pub(crate) async fn nowhere(uri: Uri) -> PageError {
    PageError::at(&uri)(Problem::not_found())
}
