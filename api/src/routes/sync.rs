//! `GET /api/sync`: the start of hub, web, TUI and CLI alike (decisions.md 12), and `GET /api/me/access`, what of it a stream needs.

use ajet_shared::actions::Scope;
use ajet_shared::db;
use ajet_shared::http::Json;
use ajet_shared::sync::{Reach, Sync};
use axum::extract::State;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::auth::Caller;
use crate::error::{ApiError, ApiResult};
use crate::state::AppState;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(get)).routes(routes!(reach))
}

/// All that one reader needs, and where a stream that continues it starts.
#[utoipa::path(get, path = "/api/sync", tag = "sync", responses((status = 200, body = Sync)))]
async fn get(State(state): State<AppState>, caller: Caller) -> ApiResult<Json<Sync>> {
    caller.scope(Scope::ChannelsRead)?;
    caller.scope(Scope::MessagesRead)?;
    // Position before state: what happens in between comes again by the stream, and nothing is missed.
    let cursor = state.position.get(&state.bus, &state.db).await?;
    let mut conn = state.db.acquire().await?;
    let mut sync = db::sync::load(&mut conn, caller.user_id(), cursor)
        .await?
        .ok_or(ApiError::Unauthenticated)?;
    sync.session_id = caller.session_id;
    Ok(Json(sync))
}

/// What a stream of the caller carries. Session managers ask for it again and again while a stream is open; it holds no content.
#[utoipa::path(get, path = "/api/me/access", tag = "sync", responses((status = 200, body = Reach)))]
async fn reach(State(state): State<AppState>, caller: Caller) -> ApiResult<Json<Reach>> {
    caller.scope(Scope::ChannelsRead)?;
    caller.scope(Scope::MessagesRead)?;
    let cursor = state.position.get(&state.bus, &state.db).await?;
    let mut conn = state.db.acquire().await?;
    let mut reach = db::sync::reach(&mut conn, caller.user_id(), cursor)
        .await?
        .ok_or(ApiError::Unauthenticated)?;
    reach.session_id = caller.session_id;
    Ok(Json(reach))
}
