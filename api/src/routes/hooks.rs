//! Where webhooks deliver. The gateway maps every other address that senders use to these.

use ajet_shared::http::CLIENT_IP_HEADER;
use ajet_shared::id::WebhookId;
use ajet_shared::limits::HOOK_BODY_MAX_BYTES;
use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, RawPathParamsRejection};
use axum::extract::{DefaultBodyLimit, RawPathParams, RawQuery, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse as _, Response};
use serde_json::json;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::hooks::answer::Refused;
use crate::hooks::dialect::Dialect;
use crate::hooks::ingest::{self, Delivery};
use crate::state::AppState;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(deliver))
        .routes(routes!(deliver_as, show))
        .layer(DefaultBodyLimit::max(HOOK_BODY_MAX_BYTES))
}

/// The parts of an address. Nothing of it is told apart in the answer: what is no address of a webhook has no service.
struct Address {
    id: WebhookId,
    token: String,
    hint: Option<Dialect>,
}

impl Address {
    fn of(params: Result<RawPathParams, RawPathParamsRejection>) -> Result<Self, Refused> {
        let params = params.map_err(|_| Refused::NoService)?;
        let part =
            |wanted: &str| params.iter().find(|(name, _)| *name == wanted).map(|(_, part)| part);
        let hint = match part("dialect") {
            Some(name) => Some(Dialect::from_name(name).ok_or(Refused::NoService)?),
            None => None,
        };
        let id = part("id").and_then(|id| id.parse().ok()).ok_or(Refused::NoService)?;
        let token = part("token").ok_or(Refused::NoService)?.to_owned();
        Ok(Self { id, token, hint })
    }
}

async fn take(
    state: &AppState,
    params: Result<RawPathParams, RawPathParamsRejection>,
    headers: &HeaderMap,
    query: Option<&str>,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let address = match Address::of(params) {
        Ok(address) => address,
        Err(refused) => return refused.into_response(),
    };
    // The gateway takes no more than this either: nothing of it is noted.
    let Ok(body) = body else { return Refused::TooLarge.into_response() };
    let delivery = Delivery {
        id: address.id,
        token: &address.token,
        hint: address.hint,
        headers,
        query,
        body: &body,
        ip: headers.get(CLIENT_IP_HEADER).and_then(|value| value.to_str().ok()),
    };
    ingest::take(state, &delivery).await
}

/// Posts what another system sends: Slack, Mattermost, Discord, GitHub, Gitea, GitLab, Alertmanager, Grafana, plain text or any JSON.
///
/// Answers `ok` as `text/plain`; with `?wait=true` or `Accept: application/json` a description of the message. Errors are short words
/// as plain text.
#[utoipa::path(
    post, path = "/hook/{id}/{token}", tag = "hooks", security(()),
    params(("id" = WebhookId, Path), ("token" = String, Path, description = "`ajw_…`")),
    request_body(content = String, content_type = "application/json"),
    responses(
        (status = 200, content_type = "text/plain", body = String, description = "`ok`"),
        (status = 400, content_type = "text/plain", body = String, description = "`no_text`, `invalid_payload`, `too_many_attachments`"),
        (status = 404, content_type = "text/plain", body = String, description = "`no_service`"),
        (status = 410, content_type = "text/plain", body = String, description = "`channel_is_archived`"),
    )
)]
async fn deliver(
    State(state): State<AppState>,
    params: Result<RawPathParams, RawPathParamsRejection>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    take(&state, params, &headers, query.as_deref(), body).await
}

/// The same, read as one dialect: `slack`, `mattermost`, `rocketchat`, `discord`, `github`, `gitea`, `gitlab`, `alertmanager`,
/// `grafana`, `text` or `raw`.
#[utoipa::path(
    post, path = "/hook/{id}/{token}/{dialect}", tag = "hooks", security(()),
    params(("id" = WebhookId, Path), ("token" = String, Path), ("dialect" = String, Path)),
    request_body(content = String, content_type = "application/json"),
    responses((status = 200, content_type = "text/plain", body = String), (status = 204, description = "Discord without `wait`"))
)]
async fn deliver_as(
    State(state): State<AppState>,
    params: Result<RawPathParams, RawPathParamsRejection>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    take(&state, params, &headers, query.as_deref(), body).await
}

/// What Discord tells of a webhook: some senders ask before they send. Without the token, which the caller has.
#[utoipa::path(
    get, path = "/hook/{id}/{token}/{dialect}", tag = "hooks", security(()),
    params(("id" = WebhookId, Path), ("token" = String, Path), ("dialect" = String, Path, description = "`discord`")),
    responses((status = 200, content_type = "application/json", body = String))
)]
async fn show(
    State(state): State<AppState>,
    params: Result<RawPathParams, RawPathParamsRejection>,
) -> Response {
    let shown = async {
        let address = Address::of(params)?;
        if address.hint != Some(Dialect::Discord) {
            return Err(Refused::NoService);
        }
        let hook = ingest::open(&state, address.id, &address.token).await?;
        Ok(json!({
            "type": 1,
            "id": hook.id,
            "name": hook.name,
            "avatar": null,
            "channel_id": hook.channel_id,
            "guild_id": hook.community_id,
            "application_id": null,
        }))
    };
    shown.await.map_or_else(Refused::into_response, |hook| axum::Json(hook).into_response())
}
