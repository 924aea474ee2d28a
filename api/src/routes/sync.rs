//! `GET /api/sync`: the start of hub, web, TUI and CLI alike (decisions.md 12).

use std::time::Duration;

use ajet_shared::actions::Scope;
use ajet_shared::db;
use ajet_shared::http::Json;
use ajet_shared::position::Position;
use ajet_shared::sync::Sync;
use axum::extract::State;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::auth::Caller;
use crate::error::{ApiError, ApiResult};
use crate::state::AppState;

/// How long NATS may take to say where the stream stands.
const POSITION_TIMEOUT: Duration = Duration::from_millis(500);

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(get))
}

/// All that one reader needs, and where a stream that continues it starts.
#[utoipa::path(get, path = "/api/sync", tag = "sync", responses((status = 200, body = Sync)))]
async fn get(State(state): State<AppState>, caller: Caller) -> ApiResult<Json<Sync>> {
    caller.scope(Scope::ChannelsRead)?;
    caller.scope(Scope::MessagesRead)?;
    // Position before state: what happens in between comes again by the stream, and nothing is missed.
    let cursor = cursor(&state).await?;
    let mut conn = state.db.acquire().await?;
    let mut sync = db::sync::load(&mut conn, caller.user_id(), cursor)
        .await?
        .ok_or(ApiError::Unauthenticated)?;
    sync.session_id = caller.session_id;
    Ok(Json(sync))
}

/// Where the stream stands. While NATS is away, what the relay has recorded: never ahead of the stream, so a reader only sees more
/// again, and pages load.
async fn cursor(state: &AppState) -> ApiResult<Position> {
    if state.bus.is_up()
        && let Ok(Ok(position)) = tokio::time::timeout(POSITION_TIMEOUT, state.bus.position()).await
    {
        return Ok(position);
    }
    let mut conn = state.db.acquire().await?;
    let epoch = db::meta::epoch(&mut conn).await?;
    let newest = db::outbox::newest_mark(&mut conn, epoch).await?;
    let seq = match newest {
        Some(mark) => mark.stream_seq.unsigned_abs(),
        None => db::meta::epoch_start(&mut conn).await?.unwrap_or(0),
    };
    Ok(Position { epoch, seq })
}
