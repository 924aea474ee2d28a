//! Members of communities and channels.

use ajet_shared::actions::Action;
use ajet_shared::channel::AddChannelMember;
use ajet_shared::community::{Member as CommunityMember, UpdateMember};
use ajet_shared::db::{channel_members, community_members};
use ajet_shared::http::{Json, Path, Query};
use ajet_shared::id::{ChannelId, CommunityId, UserId};
use ajet_shared::page::{Page, PageQuery};
use ajet_shared::user::User;
use axum::extract::State;
use axum::http::StatusCode;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::paging::keyset_from_start;
use crate::acts;
use crate::auth::{Caller, Member, Reader};
use crate::error::{ApiError, ApiResult};
use crate::state::AppState;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(get, update, remove))
        .routes(routes!(list_of_channel, add_to_channel))
        .routes(routes!(remove_from_channel))
}

/// The members of a community, with who is online.
#[utoipa::path(
    get, path = "/api/communities/{id}/members", tag = "members", params(("id" = CommunityId, Path), PageQuery),
    responses((status = 200, body = Page<CommunityMember>))
)]
async fn list(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<CommunityId>,
    Query(page): Query<PageQuery>,
) -> ApiResult<Json<Page<CommunityMember>>> {
    let keyset = keyset_from_start(page)?;
    let mut conn = state.db.acquire().await?;
    caller.reads_community(&mut conn, id, Action::ReadCommunity).await?;
    Ok(Json(community_members::list(&mut conn, id, keyset).await?))
}

/// One member of a community.
#[utoipa::path(
    get, path = "/api/communities/{id}/members/{user_id}", tag = "members",
    params(("id" = CommunityId, Path), ("user_id" = UserId, Path)), responses((status = 200, body = CommunityMember))
)]
async fn get(
    State(state): State<AppState>,
    caller: Caller,
    Path((id, user_id)): Path<(CommunityId, UserId)>,
) -> ApiResult<Json<CommunityMember>> {
    let mut conn = state.db.acquire().await?;
    caller.reads_community(&mut conn, id, Action::ReadCommunity).await?;
    Ok(Json(community_members::find(&mut conn, id, user_id).await?.ok_or(ApiError::NotFound)?))
}

/// Gives a member another role.
#[utoipa::path(
    patch, path = "/api/communities/{id}/members/{user_id}", tag = "members",
    params(("id" = CommunityId, Path), ("user_id" = UserId, Path)), request_body = UpdateMember,
    responses((status = 200, body = CommunityMember))
)]
async fn update(
    State(state): State<AppState>,
    caller: Caller,
    Path((id, user_id)): Path<(CommunityId, UserId)>,
    Json(change): Json<UpdateMember>,
) -> ApiResult<Json<CommunityMember>> {
    Ok(Json(acts::members::set_role(&state, &caller, id, user_id, change.role).await?))
}

/// Takes a member out of a community, or leaves it oneself. All channels of the community end with it, at once.
#[utoipa::path(
    delete, path = "/api/communities/{id}/members/{user_id}", tag = "members",
    params(("id" = CommunityId, Path), ("user_id" = UserId, Path)), responses((status = 204, description = "No longer a member"))
)]
async fn remove(
    State(state): State<AppState>,
    caller: Caller,
    Path((id, user_id)): Path<(CommunityId, UserId)>,
) -> ApiResult<StatusCode> {
    acts::members::remove(&state, &caller, id, user_id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The people in a channel, with who is online.
#[utoipa::path(
    get, path = "/api/channels/{id}/members", tag = "members", params(("id" = ChannelId, Path), PageQuery),
    responses((status = 200, body = Page<User>))
)]
async fn list_of_channel(
    State(state): State<AppState>,
    reader: Reader,
    Query(page): Query<PageQuery>,
) -> ApiResult<Json<Page<User>>> {
    let keyset = keyset_from_start(page)?;
    let mut conn = state.db.acquire().await?;
    let channel = &reader.access.channel;
    Ok(Json(channel_members::list(&mut conn, channel.id, channel.community_id, keyset).await?))
}

/// Takes a member of the community into a channel.
#[utoipa::path(
    post, path = "/api/channels/{id}/members", tag = "members", params(("id" = ChannelId, Path)), request_body = AddChannelMember,
    responses((status = 204, description = "In the channel now"))
)]
async fn add_to_channel(
    State(state): State<AppState>,
    member: Member,
    Json(request): Json<AddChannelMember>,
) -> ApiResult<StatusCode> {
    acts::members::add_to_channel(&state, &member, request.user_id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Takes somebody out of a channel, or leaves it oneself.
#[utoipa::path(
    delete, path = "/api/channels/{id}/members/{user_id}", tag = "members",
    params(("id" = ChannelId, Path), ("user_id" = UserId, Path)), responses((status = 204, description = "No longer in the channel"))
)]
async fn remove_from_channel(
    State(state): State<AppState>,
    member: Member,
    Path((_channel_id, user_id)): Path<(ChannelId, UserId)>,
) -> ApiResult<StatusCode> {
    acts::members::remove_from_channel(&state, &member, user_id).await?;
    Ok(StatusCode::NO_CONTENT)
}
