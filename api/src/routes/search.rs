//! Search over everything the caller may see.

use ajet_shared::http::{Json, Query};
use ajet_shared::page::Page;
use ajet_shared::search::{SearchHit, SearchRequest};
use axum::extract::State;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::acts;
use crate::auth::Caller;
use crate::error::ApiResult;
use crate::state::AppState;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(find))
}

/// Messages that the caller may see, the newest first. A search that takes more than two seconds is answered with 503, a third one
/// of the same person at the same time with 429.
#[utoipa::path(
    get, path = "/api/search", tag = "messages", params(SearchRequest), responses((status = 200, body = Page<SearchHit>))
)]
async fn find(
    State(state): State<AppState>,
    caller: Caller,
    Query(request): Query<SearchRequest>,
) -> ApiResult<Json<Page<SearchHit>>> {
    Ok(Json(acts::search::find(&state, &caller, &request).await?))
}
