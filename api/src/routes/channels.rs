//! Channels of a community: list, make, change, join, leave, archive.

use ajet_shared::actions::Action;
use ajet_shared::channel::{Channel, ChannelView, CreateChannel, UpdateChannel};
use ajet_shared::db::channels::{self, Listed};
use ajet_shared::http::{Json, Path, Query};
use ajet_shared::id::{ChannelId, CommunityId};
use ajet_shared::moderation::{Purge, Purged, SetNotifyLevel};
use ajet_shared::page::{Page, PageQuery};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::paging::slice;
use crate::acts;
use crate::auth::{Caller, Member, Reader};
use crate::error::ApiResult;
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
        .routes(routes!(set_notify_level))
        .routes(routes!(purge))
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
    let view = acts::channels::create_in(&mut tx, &caller, id, &request).await?;
    let answer = key.created(&mut tx, &caller, &view).await?;
    state.commit(tx).await?;
    Ok(answer)
}

/// A channel as the caller sees it.
#[utoipa::path(
    get, path = "/api/channels/{id}", tag = "channels", params(("id" = ChannelId, Path)), responses((status = 200, body = ChannelView))
)]
async fn get(State(state): State<AppState>, reader: Reader) -> ApiResult<Json<ChannelView>> {
    let mut conn = state.db.acquire().await?;
    Ok(Json(acts::channels::view(&mut conn, &reader.caller, reader.access.channel.id).await?))
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
    Ok(Json(acts::channels::update(&state, &member, &change).await?))
}

/// Joins a public channel.
#[utoipa::path(
    post, path = "/api/channels/{id}/join", tag = "channels", params(("id" = ChannelId, Path)),
    responses((status = 200, body = ChannelView))
)]
async fn join(State(state): State<AppState>, member: Member) -> ApiResult<Json<ChannelView>> {
    Ok(Json(acts::channels::join(&state, &member).await?))
}

/// Leaves a channel.
#[utoipa::path(
    post, path = "/api/channels/{id}/leave", tag = "channels", params(("id" = ChannelId, Path)),
    responses((status = 204, description = "No longer in the channel"))
)]
async fn leave(State(state): State<AppState>, member: Member) -> ApiResult<StatusCode> {
    acts::channels::leave(&state, &member).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Archives a channel: from then on it only reads.
#[utoipa::path(
    post, path = "/api/channels/{id}/archive", tag = "channels", params(("id" = ChannelId, Path)),
    responses((status = 200, body = Channel))
)]
async fn archive(State(state): State<AppState>, member: Member) -> ApiResult<Json<Channel>> {
    Ok(Json(acts::channels::set_archived(&state, &member, true).await?))
}

/// Opens an archived channel again.
#[utoipa::path(
    post, path = "/api/channels/{id}/unarchive", tag = "channels", params(("id" = ChannelId, Path)),
    responses((status = 200, body = Channel))
)]
async fn unarchive(State(state): State<AppState>, member: Member) -> ApiResult<Json<Channel>> {
    Ok(Json(acts::channels::set_archived(&state, &member, false).await?))
}

/// Chooses what of a channel notifies the caller: everything, mentions, or nothing, which mutes it.
#[utoipa::path(
    put, path = "/api/channels/{id}/notify-level", tag = "channels", params(("id" = ChannelId, Path)), request_body = SetNotifyLevel,
    responses((status = 200, body = ChannelView))
)]
async fn set_notify_level(
    State(state): State<AppState>,
    member: Member,
    Json(request): Json<SetNotifyLevel>,
) -> ApiResult<Json<ChannelView>> {
    Ok(Json(acts::channels::set_notify_level(&state, &member, request.notify_level).await?))
}

/// Deletes the newest messages of a channel, replies included. Admins up to 100 at once, owners up to 500.
#[utoipa::path(
    post, path = "/api/channels/{id}/purge", tag = "channels", params(("id" = ChannelId, Path)), request_body = Purge,
    responses((status = 200, body = Purged))
)]
async fn purge(
    State(state): State<AppState>,
    member: Member,
    key: IdempotencyKey,
    Json(request): Json<Purge>,
) -> ApiResult<Response> {
    let mut tx = state.db.begin().await?;
    if let Some(answer) = key.replay(&mut tx, &member.caller, &request).await? {
        return Ok(answer);
    }
    let purged = acts::moderation::purge_in(&mut tx, &member, request.count).await?;
    let body = Purged { deleted: purged.deleted };
    let answer = key.done(&mut tx, &member.caller, &body).await?;
    state.commit(tx).await?;
    state.discard(purged.files);
    Ok(answer)
}
