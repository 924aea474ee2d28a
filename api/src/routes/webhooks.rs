//! Webhooks of a community, for those who administer it.

use ajet_shared::http::{Json, Path, Query};
use ajet_shared::id::{CommunityId, WebhookId};
use ajet_shared::limits::PAGE_SIZE_MAX;
use ajet_shared::page::Page;
use ajet_shared::webhook::{CreateWebhook, CreatedWebhook, Webhook, WebhookDelivery};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::acts::webhooks;
use crate::auth::Caller;
use crate::error::{ApiError, ApiResult};
use crate::idempotency::IdempotencyKey;
use crate::state::AppState;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(revoke))
        .routes(routes!(rotate))
        .routes(routes!(deliveries))
}

/// The webhooks that post into channels that the caller may see, oldest first. Their tokens are not shown again.
#[utoipa::path(
    get, path = "/api/communities/{id}/webhooks", tag = "webhooks", params(("id" = CommunityId, Path)),
    responses((status = 200, body = Page<Webhook>))
)]
async fn list(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<CommunityId>,
) -> ApiResult<Json<Page<Webhook>>> {
    Ok(Json(Page::whole(webhooks::list(&state, &caller, id).await?)))
}

/// Makes a webhook. The answer holds its address, once.
#[utoipa::path(
    post, path = "/api/communities/{id}/webhooks", tag = "webhooks", params(("id" = CommunityId, Path)),
    request_body = CreateWebhook, responses((status = 201, body = CreatedWebhook))
)]
async fn create(
    State(state): State<AppState>,
    caller: Caller,
    key: IdempotencyKey,
    Path(id): Path<CommunityId>,
    Json(request): Json<CreateWebhook>,
) -> ApiResult<Response> {
    let prepared = webhooks::prepare(&request).await?;
    let mut tx = state.db.begin().await?;
    if let Some(first) = key.replay(&mut tx, &caller, &request).await? {
        return Ok(first);
    }
    let created = webhooks::create_in(&mut tx, &state, &caller, id, &prepared).await?;
    let answer = key.created_secret(&mut tx, &caller, &created).await?;
    state.commit(tx).await?;
    Ok(answer)
}

/// Ends a webhook: its address does not exist any more.
#[utoipa::path(
    delete, path = "/api/communities/{id}/webhooks/{webhook_id}", tag = "webhooks",
    params(("id" = CommunityId, Path), ("webhook_id" = WebhookId, Path)), responses((status = 204, description = "Ended"))
)]
async fn revoke(
    State(state): State<AppState>,
    caller: Caller,
    Path((id, webhook_id)): Path<(CommunityId, WebhookId)>,
) -> ApiResult<StatusCode> {
    webhooks::revoke(&state, &caller, id, webhook_id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Gives a webhook another address; the old one does not exist any more. The answer holds the new one, once.
#[utoipa::path(
    post, path = "/api/communities/{id}/webhooks/{webhook_id}/rotate", tag = "webhooks",
    params(("id" = CommunityId, Path), ("webhook_id" = WebhookId, Path)), responses((status = 200, body = CreatedWebhook))
)]
async fn rotate(
    State(state): State<AppState>,
    caller: Caller,
    Path((id, webhook_id)): Path<(CommunityId, WebhookId)>,
) -> ApiResult<Json<CreatedWebhook>> {
    Ok(Json(webhooks::rotate(&state, &caller, id, webhook_id).await?))
}

/// How many deliveries.
#[derive(Clone, Copy, Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
struct DeliveriesQuery {
    /// Deliveries wanted, 1 to 100; all that are kept without.
    limit: Option<u16>,
}

/// What came in last by a webhook and what became of it, newest first; the last hundred are kept.
#[utoipa::path(
    get, path = "/api/communities/{id}/webhooks/{webhook_id}/deliveries", tag = "webhooks",
    params(("id" = CommunityId, Path), ("webhook_id" = WebhookId, Path), DeliveriesQuery),
    responses((status = 200, body = Page<WebhookDelivery>))
)]
async fn deliveries(
    State(state): State<AppState>,
    caller: Caller,
    Path((id, webhook_id)): Path<(CommunityId, WebhookId)>,
    Query(query): Query<DeliveriesQuery>,
) -> ApiResult<Json<Page<WebhookDelivery>>> {
    let limit = query.limit.unwrap_or(PAGE_SIZE_MAX);
    if !(1..=PAGE_SIZE_MAX).contains(&limit) {
        return Err(ApiError::Validation(format!("limit is 1 to {PAGE_SIZE_MAX}")));
    }
    Ok(Json(Page::whole(webhooks::deliveries(&state, &caller, id, webhook_id, limit).await?)))
}
