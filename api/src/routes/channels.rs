//! Channels of a community: list, make, change, join, leave, archive.

use ajet_shared::actions::Action;
use ajet_shared::channel::{Channel, ChannelView, CreateChannel, UpdateChannel};
use ajet_shared::db::audit;
use ajet_shared::db::channel_members::{self, Going};
use ajet_shared::db::channels::{self, Listed, NewChannel};
use ajet_shared::http::{Json, Path, Query};
use ajet_shared::id::{ChannelId, CommunityId};
use ajet_shared::page::{Page, PageQuery};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use sqlx::PgConnection;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::paging::slice;
use crate::auth::{Caller, Member, Reader};
use crate::error::{ApiError, ApiResult};
use crate::idempotency::IdempotencyKey;
use crate::state::AppState;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(get, update))
        .routes(routes!(join))
        .routes(routes!(leave))
        .routes(routes!(archive))
        .routes(routes!(unarchive))
}

/// The channels of a community that the caller may see, by name, with what they have missed in each.
#[utoipa::path(
    get, path = "/api/communities/{id}/channels", tag = "channels", params(("id" = CommunityId, Path), PageQuery),
    responses((status = 200, body = Page<ChannelView>))
)]
async fn list(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<CommunityId>,
    Query(page): Query<PageQuery>,
) -> ApiResult<Json<Page<ChannelView>>> {
    let mut conn = state.db.acquire().await?;
    caller.reads_community(&mut conn, id, Action::ReadCommunity).await?;
    let views = channels::list(&mut conn, caller.user_id(), Listed::Of(id)).await?;
    Ok(Json(slice(views, page, |view| view.channel.id.uuid())?))
}

/// Makes a channel; the caller is in it.
#[utoipa::path(
    post, path = "/api/communities/{id}/channels", tag = "channels", params(("id" = CommunityId, Path)), request_body = CreateChannel,
    responses((status = 201, body = ChannelView))
)]
async fn create(
    State(state): State<AppState>,
    caller: Caller,
    key: IdempotencyKey,
    Path(id): Path<CommunityId>,
    Json(request): Json<CreateChannel>,
) -> ApiResult<Response> {
    let mut tx = state.db.begin().await?;
    caller.community(&mut tx, id, Action::CreateChannel).await?;
    if let Some(first) = key.replay(&mut tx, &caller, &request).await? {
        return Ok(first);
    }
    let new = NewChannel {
        community_id: id,
        name: &request.name,
        visibility: request.visibility,
        topic: request.topic.as_ref(),
        is_default: false,
    };
    let channel = channels::create(&mut tx, &caller.cause(), &new).await.map_err(name_taken)?;
    let view = view(&mut tx, &caller, channel.id).await?;
    let answer = key.created(&mut tx, &caller, &view).await?;
    state.commit(tx).await?;
    Ok(answer)
}

/// One sentence for a name in use by any channel, also one the caller may not know of (A49).
fn name_taken(error: sqlx::Error) -> ApiError {
    ApiError::on_constraint(error, channels::NAME_KEY, || {
        ApiError::Conflict("name-taken", "this name cannot be used here; choose another")
    })
}

async fn view(conn: &mut PgConnection, caller: &Caller, id: ChannelId) -> ApiResult<ChannelView> {
    channels::view(conn, caller.user_id(), id).await?.ok_or(ApiError::NotFound)
}

/// A channel as the caller sees it.
#[utoipa::path(
    get, path = "/api/channels/{id}", tag = "channels", params(("id" = ChannelId, Path)), responses((status = 200, body = ChannelView))
)]
async fn get(State(state): State<AppState>, reader: Reader) -> ApiResult<Json<ChannelView>> {
    let mut conn = state.db.acquire().await?;
    Ok(Json(view(&mut conn, &reader.caller, reader.access.channel.id).await?))
}

/// Renames a channel or changes its topic.
#[utoipa::path(
    patch, path = "/api/channels/{id}", tag = "channels", params(("id" = ChannelId, Path)), request_body = UpdateChannel,
    responses((status = 200, body = ChannelView))
)]
async fn update(
    State(state): State<AppState>,
    member: Member,
    Json(change): Json<UpdateChannel>,
) -> ApiResult<Json<ChannelView>> {
    let (mut tx, access) = member.begin(&state, Action::ReadChannel).await?;
    if change.name.is_some() {
        member.caller.permit(Action::RenameChannel, &access.resource())?;
    }
    if change.topic.is_some() {
        member.caller.permit(Action::SetTopic, &access.resource())?;
    }
    channels::update(&mut tx, &member.caller.cause(), access.channel.id, &change)
        .await
        .map_err(name_taken)?;
    let view = view(&mut tx, &member.caller, access.channel.id).await?;
    state.commit(tx).await?;
    Ok(Json(view))
}

/// Joins a public channel.
#[utoipa::path(
    post, path = "/api/channels/{id}/join", tag = "channels", params(("id" = ChannelId, Path)),
    responses((status = 200, body = ChannelView))
)]
async fn join(State(state): State<AppState>, member: Member) -> ApiResult<Json<ChannelView>> {
    let (mut tx, access) = member.begin(&state, Action::JoinChannel).await?;
    channel_members::join(
        &mut tx,
        &member.caller.cause(),
        access.channel.id,
        member.caller.user_id(),
    )
    .await?;
    let view = view(&mut tx, &member.caller, access.channel.id).await?;
    state.commit(tx).await?;
    Ok(Json(view))
}

/// Leaves a channel.
#[utoipa::path(
    post, path = "/api/channels/{id}/leave", tag = "channels", params(("id" = ChannelId, Path)),
    responses((status = 204, description = "No longer in the channel"))
)]
async fn leave(State(state): State<AppState>, member: Member) -> ApiResult<StatusCode> {
    leave_channel(&state, &member).await
}

/// Leaves a channel: by this route, or by taking oneself out of its members.
pub(super) async fn leave_channel(state: &AppState, member: &Member) -> ApiResult<StatusCode> {
    let user_id = member.caller.user_id();
    let (mut tx, access) = member.begin_ending(state, Action::LeaveChannel, user_id).await?;
    let cause = member.caller.cause();
    channel_members::remove(&mut tx, &cause, access.channel.id, user_id, Going::Left).await?;
    state.commit(tx).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Archives a channel: from then on it only reads.
#[utoipa::path(
    post, path = "/api/channels/{id}/archive", tag = "channels", params(("id" = ChannelId, Path)),
    responses((status = 200, body = Channel))
)]
async fn archive(State(state): State<AppState>, member: Member) -> ApiResult<Json<Channel>> {
    set_archived(&state, &member, true).await
}

/// Opens an archived channel again.
#[utoipa::path(
    post, path = "/api/channels/{id}/unarchive", tag = "channels", params(("id" = ChannelId, Path)),
    responses((status = 200, body = Channel))
)]
async fn unarchive(State(state): State<AppState>, member: Member) -> ApiResult<Json<Channel>> {
    set_archived(&state, &member, false).await
}

async fn set_archived(
    state: &AppState,
    member: &Member,
    archived: bool,
) -> ApiResult<Json<Channel>> {
    let (mut tx, access) = member.begin(state, Action::ArchiveChannel).await?;
    let cause = member.caller.cause();
    let channel = channels::set_archived(&mut tx, &cause, access.channel.id, archived).await?;
    if access.channel.archived_at.is_some() != archived {
        let action = if archived { "channel.archived" } else { "channel.unarchived" };
        let entry =
            audit::Entry::done(action).within(channel.community_id).on("channel", channel.id);
        audit::insert(&mut tx, &cause, &entry).await?;
    }
    state.commit(tx).await?;
    Ok(Json(channel))
}
