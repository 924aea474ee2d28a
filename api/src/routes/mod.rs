//! The routes, one file per resource, and the middleware around them.

mod channels;
mod commands;
mod communities;
mod dms;
mod files;
mod heartbeat;
mod hooks;
mod invites;
mod me;
mod members;
mod messages;
mod moderation;
mod openapi;
mod paging;
mod reactions;
mod read_state;
mod search;
mod sync;
mod tokens;
mod users;
mod webhooks;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ajet_shared::http::{Edge, UNREADY_HEADER, edge_only, health_routes, trace};
use ajet_shared::limits::JSON_BODY_MAX_BYTES;
use ajet_shared::problem::Problem;
use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderValue, header};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use tower_http::catch_panic::CatchPanicLayer;
use utoipa_axum::router::OpenApiRouter;

pub use openapi::openapi;

use crate::state::AppState;

/// No request takes longer: a stopped database or object store becomes a 503 instead of a hung client.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);

/// Everything the api serves, layers outermost last.
pub(crate) fn router(state: AppState, edge: Edge) -> Router {
    let requests = state.health.counter("chat_api_requests_total", "", "Requests that came.");
    let (resources, _) = resources().split_for_parts();
    let guarded = resources
        .route("/api/openapi.json", axum::routing::get(openapi::serve))
        .fallback(async || Problem::not_found())
        .method_not_allowed_fallback(async || {
            Problem::new(405, "method-not-allowed", "This address does not take that method")
        })
        .layer(DefaultBodyLimit::max(JSON_BODY_MAX_BYTES))
        .layer(from_fn_with_state(state.clone(), once_ready))
        .layer(from_fn(in_time))
        // Inside the trace, so that the answer to a panic carries the trace id.
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn(no_store))
        .layer(from_fn_with_state(edge, edge_only))
        .layer(from_fn_with_state(requests, counted))
        .with_state(state.clone());
    // Health answers without the edge secret.
    guarded.merge(health_routes(state.health)).layer(from_fn(trace))
}

/// Every resource with its description.
fn resources() -> OpenApiRouter<AppState> {
    OpenApiRouter::with_openapi(openapi::base())
        .merge(me::routes())
        .merge(users::routes())
        .merge(communities::routes())
        .merge(members::routes())
        .merge(moderation::routes())
        .merge(invites::routes())
        .merge(channels::routes())
        .merge(commands::routes())
        .merge(dms::routes())
        .merge(messages::routes())
        .merge(reactions::routes())
        .merge(read_state::routes())
        .merge(search::routes())
        .merge(files::routes())
        .merge(heartbeat::routes())
        .merge(sync::routes())
        .merge(webhooks::routes())
        .merge(tokens::routes())
        .merge(hooks::routes())
}

/// Before the schema is current nothing is served, and whoever can ask another instance is told so.
async fn once_ready(State(state): State<AppState>, request: Request, next: Next) -> Response {
    if state.is_schema_current() {
        next.run(request).await
    } else {
        let mut refusal = Problem::unavailable().into_response();
        refusal.headers_mut().insert(UNREADY_HEADER, HeaderValue::from_static("1"));
        refusal
    }
}

/// Counts what is asked of the api, whatever the answer: health and metrics are not among it.
async fn counted(State(requests): State<Arc<AtomicU64>>, request: Request, next: Next) -> Response {
    requests.fetch_add(1, Ordering::Relaxed);
    next.run(request).await
}

/// Cuts off what takes too long. Bodies that stream are not affected: their handler has answered by then.
async fn in_time(request: Request, next: Next) -> Response {
    tokio::time::timeout(REQUEST_TIMEOUT, next.run(request)).await.unwrap_or_else(|_| {
        tracing::warn!("request took too long");
        Problem::unavailable().into_response()
    })
}

/// Answers are personal: no cache may keep them unless the handler says otherwise.
async fn no_store(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    response
        .headers_mut()
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    response
}

#[expect(clippy::needless_pass_by_value, reason = "the layer hands it over")]
fn panicked(panic: Box<dyn std::any::Any + Send>) -> Response {
    let text = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied());
    tracing::error!(panic = text.unwrap_or("unknown"), "a handler panicked");
    Problem::internal().into_response()
}
