//! `POST /api/heartbeat`: somebody is there.

use axum::extract::State;
use axum::http::StatusCode;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::auth::Caller;
use crate::state::AppState;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(create))
}

/// Says that the caller is there; once a minute keeps them online. Answers at once, the rest happens in the background.
#[utoipa::path(post, path = "/api/heartbeat", tag = "presence", responses((status = 204, description = "Noted")))]
async fn create(State(state): State<AppState>, caller: Caller) -> StatusCode {
    state.presence.seen(caller.user_id());
    StatusCode::NO_CONTENT
}
