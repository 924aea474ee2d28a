//! Invites to a community, and accepting one.

use ajet_shared::actions::Action;
use ajet_shared::clock;
use ajet_shared::community::{Community, Role};
use ajet_shared::db::invites::{self, NewInvite};
use ajet_shared::http::{Json, Path, Query};
use ajet_shared::id::{CommunityId, InviteId};
use ajet_shared::invite::{CreateInvite, CreatedInvite, Invite};
use ajet_shared::page::{Page, PageQuery};
use ajet_shared::token::{Token, TokenKind};
use ajet_shared::verify;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use time::Duration;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::paging::keyset_from_end;
use crate::auth::Caller;
use crate::error::{ApiError, ApiResult};
use crate::idempotency::IdempotencyKey;
use crate::state::AppState;

/// Uses of an invite that does not say. Source: delivery-and-security.md section 3.11.
const USES_DEFAULT: i32 = 1;
/// Uses an invite may have.
const USES_MAX: i32 = 1000;
/// Life of an invite that does not say. Source: delivery-and-security.md section 3.11.
const LIFE_DEFAULT: Duration = Duration::days(7);
/// Shortest life of an invite.
const LIFE_MIN: Duration = Duration::minutes(1);
/// Longest life of an invite.
const LIFE_MAX: Duration = Duration::days(90);

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
    let role = request.role.unwrap_or(Role::Member);
    let max_uses = request.max_uses.unwrap_or(USES_DEFAULT);
    if !(1..=USES_MAX).contains(&max_uses) {
        return Err(ApiError::Validation(format!("max_uses is 1 to {USES_MAX}")));
    }
    let life = request.expires_in_seconds.map_or(LIFE_DEFAULT, Duration::seconds);
    if !(LIFE_MIN..=LIFE_MAX).contains(&life) {
        return Err(ApiError::Validation(format!(
            "expires_in_seconds is {} to {}",
            LIFE_MIN.whole_seconds(),
            LIFE_MAX.whole_seconds()
        )));
    }
    let token = Token::generate(TokenKind::Invite);
    // Hashed before the transaction begins: it takes milliseconds.
    let token_hash = verify::hash(&token).await?;
    let mut tx = state.db.begin().await?;
    caller.community(&mut tx, id, Action::CreateInvite(role)).await?;
    if let Some(first) = key.replay(&mut tx, &caller, &request).await? {
        return Ok(first);
    }
    let new = NewInvite {
        community_id: id,
        selector: token.selector(),
        token_hash: &token_hash,
        role,
        max_uses: Some(max_uses),
        expires_at: Some(clock::now() + life),
        created_by: caller.user_id(),
    };
    let invite = invites::insert(&mut tx, &caller.cause(), &new).await?;
    let code = token.expose().to_owned();
    let url = format!("{}/invite/{code}", state.public_url);
    let answer = key.created_secret(&mut tx, &caller, &CreatedInvite { invite, code, url }).await?;
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
    let mut tx = state.db.begin().await?;
    caller.community(&mut tx, id, Action::ManageInvites).await?;
    invites::find(&mut tx, id, invite_id).await?.ok_or(ApiError::NotFound)?;
    invites::revoke(&mut tx, &caller.cause(), id, invite_id).await?;
    state.commit(tx).await?;
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
    caller.session()?;
    let token = Token::parse(TokenKind::Invite, &request.code).map_err(|_| ApiError::NotFound)?;
    let offer = invites::find_offer(&mut *state.db.acquire().await?, token.selector())
        .await?
        .ok_or(ApiError::NotFound)?;
    if !verify::matches(&token, &offer.token_hash).await? {
        return Err(ApiError::NotFound);
    }
    let mut tx = state.db.begin().await?;
    let community = invites::redeem(&mut tx, &caller.cause(), offer.id, caller.user_id()).await?;
    state.commit(tx).await?;
    Ok((StatusCode::CREATED, Json(community)))
}
