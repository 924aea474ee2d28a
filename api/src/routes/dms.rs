//! `/api/dms`: direct messages, which belong to no community.

use ajet_shared::actions::Scope;
use ajet_shared::channel::ChannelView;
use ajet_shared::db::channels::{self, Listed};
use ajet_shared::http::{Json, Query};
use ajet_shared::id::UserId;
use ajet_shared::page::{Page, PageQuery};
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::paging::slice;
use crate::acts;
use crate::auth::Caller;
use crate::error::ApiResult;
use crate::state::AppState;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list, open))
}

/// The caller's direct messages, newest first.
#[utoipa::path(
    get, path = "/api/dms", tag = "direct messages", params(PageQuery), responses((status = 200, body = Page<ChannelView>))
)]
async fn list(
    State(state): State<AppState>,
    caller: Caller,
    Query(page): Query<PageQuery>,
) -> ApiResult<Json<Page<ChannelView>>> {
    caller.scope(Scope::MessagesRead)?;
    let mut conn = state.db.acquire().await?;
    let views = channels::list(&mut conn, caller.user_id(), Listed::Direct).await?;
    Ok(Json(slice(views, page, |view| view.channel.id.uuid())?))
}

/// Whom to talk to.
#[derive(Clone, Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct OpenDirect {
    /// The others: one for a direct message, up to eight for a group.
    user_ids: Vec<UserId>,
}

/// Opens a direct message with people the caller shares a community with. The same people always get the same one.
#[utoipa::path(
    post, path = "/api/dms", tag = "direct messages", request_body = OpenDirect,
    responses((status = 201, body = ChannelView), (status = 200, body = ChannelView, description = "It was there"))
)]
async fn open(
    State(state): State<AppState>,
    caller: Caller,
    Json(request): Json<OpenDirect>,
) -> ApiResult<(StatusCode, Json<ChannelView>)> {
    let (view, new) = acts::talk::open_direct(&state, &caller, &request.user_ids).await?;
    Ok((if new { StatusCode::CREATED } else { StatusCode::OK }, Json(view)))
}
