//! How far the caller has read, and what they were notified of.

use ajet_shared::actions::{Action, Scope};
use ajet_shared::db::notifications::{self, Seen};
use ajet_shared::db::{messages, read_state};
use ajet_shared::events::Notification;
use ajet_shared::http::{Json, Query};
use ajet_shared::id::{ChannelId, NotificationId};
use ajet_shared::message::{MarkRead, ReadState};
use ajet_shared::page::{Page, PageQuery};
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::paging::keyset_from_end;
use crate::auth::{Caller, Member};
use crate::error::{ApiError, ApiResult};
use crate::state::AppState;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(mark))
        .routes(routes!(list))
        .routes(routes!(mark_notifications))
}

/// Marks a channel read up to a message, with the mentions up to there. The mark never moves back.
#[utoipa::path(
    post, path = "/api/channels/{id}/read", tag = "channels", params(("id" = ChannelId, Path)), request_body = MarkRead,
    responses((status = 200, body = ReadState))
)]
async fn mark(
    State(state): State<AppState>,
    member: Member,
    Json(request): Json<MarkRead>,
) -> ApiResult<Json<ReadState>> {
    let (mut tx, access) = member.begin(&state, Action::MarkRead).await?;
    let channel_id = access.channel.id;
    let located = messages::locate(&mut tx, request.up_to)
        .await?
        .filter(|located| located.channel_id == channel_id);
    let up_to = located.ok_or(ApiError::NotFound)?.seq;
    let reader = member.caller.user_id();
    let read = read_state::mark(&mut tx, &member.caller.cause(), channel_id, reader, up_to).await?;
    state.commit(tx).await?;
    read.map(Json).ok_or(ApiError::NotFound)
}

/// Which notifications.
#[derive(Clone, Copy, Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
struct ListQuery {
    /// Only those not seen yet.
    #[serde(default)]
    unread: bool,
    /// Older ones than this.
    before: Option<Uuid>,
    /// Newer ones than this.
    after: Option<Uuid>,
    /// How many, 1 to 100.
    limit: Option<u16>,
}

/// What the caller was notified of, the newest last.
#[utoipa::path(
    get, path = "/api/notifications", tag = "notifications", params(ListQuery), responses((status = 200, body = Page<Notification>))
)]
async fn list(
    State(state): State<AppState>,
    caller: Caller,
    Query(query): Query<ListQuery>,
) -> ApiResult<Json<Page<Notification>>> {
    caller.scope(Scope::MessagesRead)?;
    let page =
        PageQuery { before: query.before, after: query.after, around: None, limit: query.limit };
    let keyset = keyset_from_end(page)?;
    let mut conn = state.db.acquire().await?;
    Ok(Json(notifications::list(&mut conn, caller.user_id(), query.unread, &keyset).await?))
}

/// Notifications that were seen.
#[derive(Clone, Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct ReadRequest {
    /// Which; all of them without.
    #[serde(default)]
    ids: Option<Vec<NotificationId>>,
}

/// Marks notifications seen, on all of the caller's clients.
#[utoipa::path(
    post, path = "/api/notifications/read", tag = "notifications", request_body = ReadRequest, responses((status = 204))
)]
async fn mark_notifications(
    State(state): State<AppState>,
    caller: Caller,
    Json(request): Json<ReadRequest>,
) -> ApiResult<StatusCode> {
    caller.scope(Scope::MessagesRead)?;
    let mut tx = state.db.begin().await?;
    let seen = request.ids.as_deref().map_or(Seen::All, Seen::Ids);
    notifications::mark_read(&mut tx, &caller.cause(), caller.user_id(), seen).await?;
    state.commit(tx).await?;
    Ok(StatusCode::NO_CONTENT)
}
