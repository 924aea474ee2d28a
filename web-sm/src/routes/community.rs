//! A community's own pages: its channels, a new one, an invite.

use ajet_shared::channel::{CreateChannel, Visibility};
use ajet_shared::http::Path;
use ajet_shared::id::CommunityId;
use ajet_shared::invite::CreateInvite;
use ajet_shared::names::{ChannelName, Topic};
use ajet_shared::problem::Problem;
use axum::extract::{Form, State};
use axum::http::Uri;
use axum::response::Response;
use serde::Deserialize;

use crate::error::{PageError, RefusedForm, fragment, goto};
use crate::state::{App, Caller};
use crate::urls;
use crate::view::names::plural;
use crate::view::pages::{BrowsePage, BrowseRow, InvitePage, NewChannelPage, Reveal};
use crate::view::render;
use crate::view::shell::{Shell, View, World};

/// The reader's world with this community on show.
pub(crate) async fn world(app: &App, caller: &Caller, slug: &str) -> Result<World, Problem> {
    let mut world = caller.world(app).await?;
    let n = world
        .sync
        .communities
        .iter()
        .position(|view| view.community.slug == slug)
        .ok_or_else(Problem::not_found)?;
    world.community = Some(n);
    world.online = caller.online(app, &world).await?;
    Ok(world)
}

pub(crate) fn community_id(world: &World) -> Result<CommunityId, Problem> {
    world.community().map(|view| view.community.id).ok_or_else(Problem::not_found)
}

/// `GET /c/{slug}/browse`.
pub(crate) async fn browse(
    State(app): State<App>,
    uri: Uri,
    caller: Result<Caller, Problem>,
    path: Result<Path<String>, Problem>,
) -> Result<Response, PageError> {
    let failed = PageError::at(&uri);
    let (caller, Path(slug)) = (caller.map_err(failed)?, path.map_err(failed)?);
    let world = world(&app, &caller, &slug).await.map_err(failed)?;
    let id = community_id(&world).map_err(failed)?;
    let channels = caller.api.channels(id).await.map_err(|error| failed(error.into()))?.items;
    let rows = channels
        .iter()
        .filter(|view| view.channel.archived_at.is_none())
        .map(|view| BrowseRow::new(view, &slug));
    let nonce = super::nonce();
    let shell = Shell::new(&world, View::Main, "Browse channels", &nonce, 0);
    Ok(super::page(render(&BrowsePage { shell, rows: rows.collect() }), &nonce))
}

/// `GET /c/{slug}/new-channel`.
pub(crate) async fn new_channel(
    State(app): State<App>,
    uri: Uri,
    caller: Result<Caller, Problem>,
    path: Result<Path<String>, Problem>,
) -> Result<Response, PageError> {
    let failed = PageError::at(&uri);
    let (caller, Path(slug)) = (caller.map_err(failed)?, path.map_err(failed)?);
    let world = world(&app, &caller, &slug).await.map_err(failed)?;
    let nonce = super::nonce();
    let shell = Shell::new(&world, View::Main, "Create a channel", &nonce, 0);
    Ok(super::page(
        render(&NewChannelPage { shell, community_id: community_id(&world).map_err(failed)? }),
        &nonce,
    ))
}

/// `GET /c/{slug}/invite`: for owners and admins, and for members where they may.
pub(crate) async fn invite(
    State(app): State<App>,
    uri: Uri,
    caller: Result<Caller, Problem>,
    path: Result<Path<String>, Problem>,
) -> Result<Response, PageError> {
    let failed = PageError::at(&uri);
    let (caller, Path(slug)) = (caller.map_err(failed)?, path.map_err(failed)?);
    let world = world(&app, &caller, &slug).await.map_err(failed)?;
    if !world.may_invite() {
        return Err(failed(Problem::new(403, "forbidden", "Owners and admins invite people")));
    }
    let nonce = super::nonce();
    let shell = Shell::new(&world, View::Main, "Invite people", &nonce, 0);
    Ok(super::page(
        render(&InvitePage { shell, community_id: community_id(&world).map_err(failed)? }),
        &nonce,
    ))
}

/// The form for a new channel.
#[derive(Debug, Deserialize)]
pub(crate) struct NewChannel {
    name: String,
    #[serde(default)]
    topic: String,
    visibility: Visibility,
}

/// `POST /communities/{id}/channels`: goes to the new channel.
pub(crate) async fn create_channel(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<CommunityId>,
    Form(form): Form<NewChannel>,
) -> Result<Response, RefusedForm> {
    let name: ChannelName = form.name.parse().map_err(|error| invalid(&error))?;
    let topic: Topic = form.topic.parse().map_err(|error| invalid(&error))?;
    let topic = (!topic.as_str().is_empty()).then_some(topic);
    let created = caller
        .api
        .create_channel(id, &CreateChannel { name, visibility: form.visibility, topic })
        .await?;
    let world = caller.world(&app).await?;
    let community = world.sync.communities.iter().find(|view| view.community.id == id);
    Ok(goto(&urls::of(&created, community)))
}

/// The form for a new invite.
#[derive(Debug, Deserialize)]
pub(crate) struct NewInvite {
    max_uses: i32,
    days: i64,
}

/// `POST /communities/{id}/invites`: shows the link, once.
pub(crate) async fn create_invite(
    caller: Caller,
    Path(id): Path<CommunityId>,
    Form(form): Form<NewInvite>,
) -> Result<Response, RefusedForm> {
    let new = CreateInvite {
        role: None,
        max_uses: Some(form.max_uses),
        expires_in_seconds: Some(form.days.saturating_mul(24 * 60 * 60)),
    };
    let created = caller.api.create_invite(id, &new).await?;
    let uses = plural(i64::from(form.max_uses), "person", "people");
    let note = format!(
        "For {uses}, {}. Copy the link now. It will not be shown again.",
        plural(form.days, "day", "days")
    );
    Ok(fragment(render(&Reveal { url: &created.url, note })))
}

fn invalid(error: &impl ToString) -> Problem {
    Problem::new(422, "validation", "The request has a value that cannot be used")
        .with_detail(error.to_string())
}

/// `/c/{slug}` of a community, or the first page.
pub(crate) fn home_of(world: &World, id: Option<CommunityId>) -> String {
    let view = world.sync.communities.iter().find(|view| Some(view.community.id) == id);
    view.map_or_else(|| "/".to_owned(), |view| urls::community(&view.community.slug))
}
