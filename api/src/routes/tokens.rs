//! API tokens: of a community's bots, and one's own.

use ajet_shared::api_token::{ApiToken, CreateToken, CreatedToken};
use ajet_shared::http::{Json, Path};
use ajet_shared::id::{ApiTokenId, CommunityId};
use ajet_shared::page::Page;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::acts::tokens;
use crate::auth::Caller;
use crate::error::ApiResult;
use crate::idempotency::IdempotencyKey;
use crate::state::AppState;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(revoke))
        .routes(routes!(list_own, create_own))
        .routes(routes!(revoke_own))
}

/// The tokens of a community's bots that are valid now, oldest first. Their secrets are not shown again.
#[utoipa::path(
    get, path = "/api/communities/{id}/tokens", tag = "tokens", params(("id" = CommunityId, Path)),
    responses((status = 200, body = Page<ApiToken>))
)]
async fn list(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<CommunityId>,
) -> ApiResult<Json<Page<ApiToken>>> {
    Ok(Json(Page::whole(tokens::list(&state, &caller, id).await?)))
}

/// Makes a token for the bot of that name, which is made if there is none. The answer holds the secret, once.
#[utoipa::path(
    post, path = "/api/communities/{id}/tokens", tag = "tokens", params(("id" = CommunityId, Path)), request_body = CreateToken,
    responses((status = 201, body = CreatedToken))
)]
async fn create(
    State(state): State<AppState>,
    caller: Caller,
    key: IdempotencyKey,
    Path(id): Path<CommunityId>,
    Json(request): Json<CreateToken>,
) -> ApiResult<Response> {
    let prepared = tokens::prepare(&request).await?;
    let mut tx = state.db.begin().await?;
    if let Some(first) = key.replay(&mut tx, &caller, &request).await? {
        return Ok(first);
    }
    let created = tokens::create_in(&mut tx, &caller, id, &prepared).await?;
    let answer = key.created_secret(&mut tx, &caller, &created).await?;
    state.commit(tx).await?;
    Ok(answer)
}

/// Ends a token of a community's bot: it is refused everywhere within a second, and its streams end.
#[utoipa::path(
    delete, path = "/api/communities/{id}/tokens/{token_id}", tag = "tokens",
    params(("id" = CommunityId, Path), ("token_id" = ApiTokenId, Path)), responses((status = 204, description = "Ended"))
)]
async fn revoke(
    State(state): State<AppState>,
    caller: Caller,
    Path((id, token_id)): Path<(CommunityId, ApiTokenId)>,
) -> ApiResult<StatusCode> {
    tokens::revoke(&state, &caller, id, token_id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The caller's personal tokens that are valid now, oldest first. Only a session may ask.
#[utoipa::path(get, path = "/api/me/tokens", tag = "tokens", responses((status = 200, body = Page<ApiToken>)))]
async fn list_own(
    State(state): State<AppState>,
    caller: Caller,
) -> ApiResult<Json<Page<ApiToken>>> {
    Ok(Json(Page::whole(tokens::list_own(&state, &caller).await?)))
}

/// Makes a personal token: the caller's rights, cut down to its scopes. Only a session may. The answer holds the secret, once.
#[utoipa::path(
    post, path = "/api/me/tokens", tag = "tokens", request_body = CreateToken, responses((status = 201, body = CreatedToken))
)]
async fn create_own(
    State(state): State<AppState>,
    caller: Caller,
    key: IdempotencyKey,
    Json(request): Json<CreateToken>,
) -> ApiResult<Response> {
    caller.session()?;
    let prepared = tokens::prepare(&request).await?;
    let mut tx = state.db.begin().await?;
    if let Some(first) = key.replay(&mut tx, &caller, &request).await? {
        return Ok(first);
    }
    let created = tokens::create_own(&mut tx, &caller, &prepared).await?;
    let answer = key.created_secret(&mut tx, &caller, &created).await?;
    state.commit(tx).await?;
    Ok(answer)
}

/// Ends a personal token. Only a session may.
#[utoipa::path(
    delete, path = "/api/me/tokens/{id}", tag = "tokens", params(("id" = ApiTokenId, Path)),
    responses((status = 204, description = "Ended"))
)]
async fn revoke_own(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<ApiTokenId>,
) -> ApiResult<StatusCode> {
    tokens::revoke_own(&state, &caller, id).await?;
    Ok(StatusCode::NO_CONTENT)
}
