//! The web session manager: pages for browsers and the stream that keeps them up to date.
//!
//! It reads through the api with the reader's own token and hears what happens from the hub; it has no database and keeps no state
//! that a page could not bring back.
//!
//! - `load` reads what a page shows, `view` draws it, `routes` is what browsers ask for
//! - `renderer` draws events for all readers at once, `viewer` what of them is personal, `frames` writes both down

mod assets;
mod config;
mod error;
#[cfg(test)]
mod fixtures;
mod frames;
mod load;
mod renderer;
mod routes;
mod state;
mod urls;
mod view;
mod viewer;

use std::sync::Arc;
use std::time::Duration;

use ajet_shared::bus::Bus;
use ajet_shared::client::ApiClient;
use ajet_shared::http::{Edge, Health, bind, edge_only, health_routes, serve, trace};
use ajet_shared::hub::Hub;
use ajet_shared::limits::JSON_BODY_MAX_BYTES;
use anyhow::Context as _;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{get, post};
use tokio_util::sync::CancellationToken;
use tower_http::compression::CompressionLayer;

pub use config::Config;

use renderer::WebRenderer;
use routes::{actions, channel, community, history, home, send, stream};
use state::App;
use view::names::Directory;

/// How long a page waits for the api. Source: the issue, "a dependency that is down gives 503 within 3 s".
const API_PATIENCE: Duration = Duration::from_secs(3);

/// Serves until `shutdown`.
pub async fn run(config: Config, shutdown: CancellationToken) -> anyhow::Result<()> {
    config.check()?;
    let health = Health::default();
    let api = ApiClient::new(config.api_upstreams.clone(), Some(config.edge_secret.clone()))
        .context("AJET_API_UPSTREAMS")?
        .with_timeout(API_PATIENCE);
    let bus = Bus::connect(config.nats_url.expose(), "web-sm").await.context("AJET_NATS_URL")?;
    let directory = Arc::new(Directory::default());
    let hub = Hub::start(
        bus,
        WebRenderer { directory: directory.clone() },
        config.hub,
        health.clone(),
        shutdown.clone(),
    );
    let app = App { api, hub, directory, callers: Arc::default() };
    let listener = bind(config.listen).await?;
    tracing::info!(address = %config.listen, public_url = %config.public_url, "listening");
    serve(listener, router(app, Edge::new(config.edge_secret), health), shutdown).await;
    Ok(())
}

/// All routes.
fn router(app: App, edge: Edge, health: Health) -> Router {
    Router::new()
        .route("/", get(home::home))
        .route("/c/{slug}", get(channel::community))
        .route("/c/{slug}/browse", get(community::browse))
        .route("/c/{slug}/new-channel", get(community::new_channel))
        .route("/c/{slug}/invite", get(community::invite))
        .route("/c/{slug}/channels/{name}", get(channel::named))
        .route("/c/{slug}/channels/{name}/m/{message}", get(channel::named_around))
        .route("/dm/{id}", get(channel::direct))
        .route("/dm/{id}/m/{message}", get(channel::direct_around))
        .route("/m/{message}", get(home::message))
        .route("/extras", get(home::extras))
        .route("/sse", get(stream::stream))
        .route("/typing", post(actions::typing))
        .route("/channels/{id}/messages", post(send::send))
        .route("/channels/{id}/older", get(history::older))
        .route("/channels/{id}/newer", get(history::newer))
        .route("/channels/{id}/read", post(actions::read))
        .route("/channels/{id}/join", post(actions::join))
        .route("/channels/{id}/leave", post(actions::leave))
        .route("/messages/{id}/source", get(actions::source))
        .route("/messages/{id}/edit", post(actions::edit))
        .route("/messages/{id}/delete", post(actions::delete))
        .route("/messages/{id}/reactions", post(actions::react))
        .route("/communities/{id}/channels", post(community::create_channel))
        .route("/communities/{id}/invites", post(community::create_invite))
        .fallback(home::nowhere)
        .with_state(app)
        .route("/assets/{file}", get(assets::get))
        .route("/favicon.svg", get(assets::favicon))
        .layer(DefaultBodyLimit::max(JSON_BODY_MAX_BYTES))
        // Leaves event streams alone.
        .layer(CompressionLayer::new())
        .layer(from_fn(trace))
        // Before anything else looks at a request that did not come through the gateway.
        .layer(from_fn_with_state(edge, edge_only))
        // Outside of all that: only for the machines around.
        .merge(health_routes(health))
}
