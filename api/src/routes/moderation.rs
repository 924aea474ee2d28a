//! Keeping order in a community: bans, mutes, nicknames, the audit log.

use ajet_shared::actions::Action;
use ajet_shared::db::{audit, bans};
use ajet_shared::http::{Json, Path, Query};
use ajet_shared::id::{CommunityId, UserId};
use ajet_shared::moderation::{AuditEntry, Ban, BanMember, MuteMember, Muted, SetNickname};
use ajet_shared::names::DisplayName;
use ajet_shared::page::{Page, PageQuery};
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::paging::keyset_from_end;
use crate::acts;
use crate::auth::Caller;
use crate::error::{ApiError, ApiResult};
use crate::state::AppState;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list_bans))
        .routes(routes!(ban, unban))
        .routes(routes!(mute, unmute))
        .routes(routes!(set_nickname))
        .routes(routes!(read_audit))
}

/// Who may not come back to a community for now, the newest ban last.
#[utoipa::path(
    get, path = "/api/communities/{id}/bans", tag = "members", params(("id" = CommunityId, Path), PageQuery),
    responses((status = 200, body = Page<Ban>))
)]
async fn list_bans(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<CommunityId>,
    Query(page): Query<PageQuery>,
) -> ApiResult<Json<Page<Ban>>> {
    let keyset = keyset_from_end(page)?;
    let mut conn = state.db.acquire().await?;
    caller.reads_community(&mut conn, id, Action::BanMember).await?;
    Ok(Json(bans::list(&mut conn, id, keyset).await?))
}

/// Bans a member, which takes them out of the community at once; or changes the ban somebody has.
#[utoipa::path(
    put, path = "/api/communities/{id}/bans/{user_id}", tag = "members",
    params(("id" = CommunityId, Path), ("user_id" = UserId, Path)), request_body = BanMember,
    responses((status = 200, body = Ban))
)]
async fn ban(
    State(state): State<AppState>,
    caller: Caller,
    Path((id, user_id)): Path<(CommunityId, UserId)>,
    Json(request): Json<BanMember>,
) -> ApiResult<Json<Ban>> {
    Ok(Json(acts::moderation::ban(&state, &caller, id, user_id, &request).await?))
}

/// Lifts a ban: they may be invited again.
#[utoipa::path(
    delete, path = "/api/communities/{id}/bans/{user_id}", tag = "members",
    params(("id" = CommunityId, Path), ("user_id" = UserId, Path)), responses((status = 204, description = "Lifted"))
)]
async fn unban(
    State(state): State<AppState>,
    caller: Caller,
    Path((id, user_id)): Path<(CommunityId, UserId)>,
) -> ApiResult<StatusCode> {
    acts::moderation::unban(&state, &caller, id, user_id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Silences a member: they read and cannot write, for a while or until it is lifted.
#[utoipa::path(
    put, path = "/api/communities/{id}/members/{user_id}/mute", tag = "members",
    params(("id" = CommunityId, Path), ("user_id" = UserId, Path)), request_body = MuteMember,
    responses((status = 200, body = Muted))
)]
async fn mute(
    State(state): State<AppState>,
    caller: Caller,
    Path((id, user_id)): Path<(CommunityId, UserId)>,
    Json(request): Json<MuteMember>,
) -> ApiResult<Json<Muted>> {
    let muted = acts::moderation::mute(&state, &caller, id, user_id, request.for_seconds).await?;
    Ok(Json(muted))
}

/// Lets a member speak again; fine if they may.
#[utoipa::path(
    delete, path = "/api/communities/{id}/members/{user_id}/mute", tag = "members",
    params(("id" = CommunityId, Path), ("user_id" = UserId, Path)), responses((status = 204, description = "May speak"))
)]
async fn unmute(
    State(state): State<AppState>,
    caller: Caller,
    Path((id, user_id)): Path<(CommunityId, UserId)>,
) -> ApiResult<StatusCode> {
    acts::moderation::unmute(&state, &caller, id, user_id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Gives the caller another name in a community; null or empty goes back to the display name.
#[utoipa::path(
    put, path = "/api/communities/{id}/nickname", tag = "members", params(("id" = CommunityId, Path)), request_body = SetNickname,
    responses((status = 204, description = "Shown from now on"))
)]
async fn set_nickname(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<CommunityId>,
    Json(request): Json<SetNickname>,
) -> ApiResult<StatusCode> {
    let nickname = request.nickname.filter(|name| !name.trim().is_empty());
    let nickname = nickname
        .map(DisplayName::try_from)
        .transpose()
        .map_err(|error| ApiError::Validation(error.to_string()))?;
    acts::me::set_nickname(&state, &caller, id, nickname.as_ref()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Which lines of the audit log.
#[derive(Clone, Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
struct AuditQuery {
    /// Only acts of this kind, like `member.banned`.
    action: Option<String>,
    /// Older ones than this.
    before: Option<Uuid>,
    /// Newer ones than this.
    after: Option<Uuid>,
    /// How many, 1 to 100.
    limit: Option<u16>,
}

/// What was done in a community, the newest last; admins and owners.
#[utoipa::path(
    get, path = "/api/communities/{id}/audit", tag = "communities", params(("id" = CommunityId, Path), AuditQuery),
    responses((status = 200, body = Page<AuditEntry>))
)]
async fn read_audit(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<CommunityId>,
    Query(query): Query<AuditQuery>,
) -> ApiResult<Json<Page<AuditEntry>>> {
    let page =
        PageQuery { before: query.before, after: query.after, around: None, limit: query.limit };
    let keyset = keyset_from_end(page)?;
    let action = query.action.as_deref();
    if action.is_some_and(|action| !action.bytes().all(|byte| byte.is_ascii_graphic())) {
        return Err(ApiError::Validation("action is written noun.verb".to_owned()));
    }
    let mut tx = state.db.begin().await?;
    caller.reads_community(&mut tx, id, Action::ReadAudit).await?;
    let page = audit::list(&mut tx, id, caller.user_id(), action, keyset).await?;
    // Whoever turns pages reads once.
    if query.before.is_none() && query.after.is_none() {
        let entry = audit::Entry::done("audit.read").within(id).on("community", id);
        let facts = serde_json::json!({ "action": action });
        audit::insert(&mut tx, &caller.cause(), &entry.with(facts)).await?;
        state.commit(tx).await?;
    }
    Ok(Json(page))
}
