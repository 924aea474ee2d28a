//! Invites to a community, and accepting one.

use ajet_shared::actions::Action;
use ajet_shared::community::{Community, Role};
use ajet_shared::db::invites;
use ajet_shared::http::{Json, Path, Query};
use ajet_shared::id::{CommunityId, InviteId};
use ajet_shared::invite::{CreateInvite, CreatedInvite, Invite};
use ajet_shared::page::{Page, PageQuery};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::paging::keyset_from_end;
use crate::acts;
use crate::auth::Caller;
use crate::error::ApiResult;
use crate::idempotency::IdempotencyKey;
use crate::state::AppState;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(revoke))
        .routes(routes!(accept))
}

/// The invites of a community, the newest last. Their codes are not shown again.
#[utoipa::path(
    get, path = "/api/communities/{id}/invites", tag = "invites", params(("id" = CommunityId, Path), PageQuery),
    responses((status = 200, body = Page<Invite>))
)]
async fn list(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<CommunityId>,
    Query(page): Query<PageQuery>,
) -> ApiResult<Json<Page<Invite>>> {
    let keyset = keyset_from_end(page)?;
    let mut conn = state.db.acquire().await?;
    caller.reads_community(&mut conn, id, Action::ManageInvites).await?;
    Ok(Json(invites::list(&mut conn, id, keyset).await?))
}

/// Makes an invite. The answer holds the code, once: one use and seven days unless the request says otherwise.
#[utoipa::path(
    post, path = "/api/communities/{id}/invites", tag = "invites", params(("id" = CommunityId, Path)), request_body = CreateInvite,
    responses((status = 201, body = CreatedInvite))
)]
async fn create(
    State(state): State<AppState>,
    caller: Caller,
    key: IdempotencyKey,
    Path(id): Path<CommunityId>,
    Json(request): Json<CreateInvite>,
) -> ApiResult<Response> {
    let prepared = acts::invites::prepare(&request).await?;
    let mut tx = state.db.begin().await?;
    let role = request.role.unwrap_or(Role::Member);
    caller.community(&mut tx, id, Action::CreateInvite(role)).await?;
    if let Some(first) = key.replay(&mut tx, &caller, &request).await? {
        return Ok(first);
    }
    let created = acts::invites::create_in(&mut tx, &state, &caller, id, &prepared).await?;
    let answer = key.created_secret(&mut tx, &caller, &created).await?;
    state.commit(tx).await?;
    Ok(answer)
}

/// Ends an invite.
#[utoipa::path(
    delete, path = "/api/communities/{id}/invites/{invite_id}", tag = "invites",
    params(("id" = CommunityId, Path), ("invite_id" = InviteId, Path)), responses((status = 204, description = "Ended"))
)]
async fn revoke(
    State(state): State<AppState>,
    caller: Caller,
    Path((id, invite_id)): Path<(CommunityId, InviteId)>,
) -> ApiResult<StatusCode> {
    acts::invites::revoke(&state, &caller, id, invite_id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The code of an invite.
#[derive(Clone, Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct AcceptInvite {
    /// As it was given, `aji_…`.
    code: String,
}

/// Joins a community by an invite. The code travels in the body, because addresses are logged.
#[utoipa::path(
    post, path = "/api/invites/accept", tag = "invites", request_body = AcceptInvite, responses((status = 201, body = Community))
)]
async fn accept(
    State(state): State<AppState>,
    caller: Caller,
    Json(request): Json<AcceptInvite>,
) -> ApiResult<(StatusCode, Json<Community>)> {
    let community = acts::invites::accept(&state, &caller, &request.code).await?;
    Ok((StatusCode::CREATED, Json(community)))
}
