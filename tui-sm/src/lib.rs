//! The terminal session manager: what happens, as JSON over server-sent events, for terminals, bots and `curl -N`.
//!
//! - `frame` writes events as bytes, `events` is `GET /ws/tui/events`, `typing` is `POST /ws/tui/typing`

mod config;
mod events;
mod frame;
mod typing;

use std::time::Duration;

use ajet_shared::bus::Bus;
use ajet_shared::client::ApiClient;
use ajet_shared::http::{
    Class, Edge, Health, Route, RouteTable, TraceId, edge_only, health_routes, trace, unready_first,
};
use ajet_shared::hub::{Hub, Refused, Token};
use ajet_shared::problem::Problem;
use anyhow::Context as _;
use axum::Router;
use axum::extract::FromRequestParts;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use axum::middleware::{from_fn, from_fn_with_state};
use tokio_util::sync::CancellationToken;

pub use config::Config;

use frame::Frames;

/// The application's collaborators. Cheap to clone; there is no container.
#[derive(Clone)]
struct App {
    /// Calls the api; each request with the caller's own token.
    api: ApiClient,
    /// What happens.
    hub: Hub<Frames>,
}

/// How long the api may take to answer.
const API_PATIENCE: Duration = Duration::from_secs(3);

/// Runs the service until `shutdown`, then lets its streams end over a few seconds.
pub async fn run(config: Config, shutdown: CancellationToken) -> anyhow::Result<()> {
    let listener = ajet_shared::http::bind(config.listen).await.context("AJET_TUI_SM_LISTEN")?;
    let api = ApiClient::new(config.api_upstreams, Some(config.edge_secret.clone()))
        .context("AJET_API_UPSTREAMS")?
        .with_timeout(API_PATIENCE);
    let bus =
        Bus::connect(config.nats_url.expose(), "ajet-tui-sm").await.context("AJET_NATS_URL")?;
    let health = Health::default();
    let shutdown = unready_first(&health, None, shutdown);
    let hub = Hub::start(bus.clone(), Frames, config.hub, health.clone(), shutdown.clone());
    let app = App { api, hub };
    tracing::info!(address = %config.listen, "listening");
    ajet_shared::http::serve(
        listener,
        router(app, Edge::new(config.edge_secret), health.clone()),
        health,
        shutdown,
    )
    .await;
    bus.drain().await;
    Ok(())
}

/// Every route of this service, for the nets.
#[must_use]
pub fn routes() -> Vec<Route> {
    table().into_routes()
}

/// What terminals may ask for, and who may ask.
fn table() -> RouteTable<App> {
    RouteTable::default().get("/ws/tui/events", Class::SignedIn, events::stream).post(
        "/ws/tui/typing",
        Class::ChannelWrite,
        typing::create,
    )
}

/// Health and metrics for whoever asks, the rest through the gateway only.
fn router(app: App, edge: Edge, health: Health) -> Router {
    table()
        .into_router()
        .fallback(async || Problem::not_found())
        .method_not_allowed_fallback(async || {
            Problem::new(405, "method-not-allowed", "This address does not take this method")
        })
        .with_state(app)
        // Inside of the trace, so that a refusal names its trace id.
        .layer(from_fn_with_state(edge, edge_only))
        .layer(from_fn(trace))
        .merge(health_routes(health))
}

/// Who calls: the credentials as they came, and the api speaking for them. The api alone decides whether they are good.
struct Caller {
    token: Token,
    api: ApiClient,
}

impl FromRequestParts<App> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Self::Rejection> {
        let authorization =
            parts.headers.get(AUTHORIZATION).cloned().ok_or_else(Problem::unauthenticated)?;
        let api = app.api.with_authorization(&authorization);
        let api = TraceId::current().map_or(api.clone(), |trace_id| api.with_trace(&trace_id));
        Ok(Self { token: Token::new(&authorization), api })
    }
}

/// Why there is no stream now, as an answer. All of it passes.
fn refusal(refused: Refused) -> Problem {
    Problem::unavailable().with_detail(match refused {
        Refused::Api(problem) => return *problem,
        Refused::Starting => "Live events are not ready yet; try again in a moment.",
        Refused::Full => "This server has no room for another stream; try again in a moment.",
        Refused::Busy => "This server is busy; try again in a moment.",
        Refused::Draining => "This server is stopping; try again in a moment.",
    })
}
