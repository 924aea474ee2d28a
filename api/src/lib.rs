//! The REST API: every read and write of data, and the relay that publishes what was written.
//!
//! [`run`] is the one entry: the thin binary, the development stack and the tests start the same thing.

mod acts;
mod admission;
mod auth;
mod commands;
mod config;
mod epoch;
mod error;
mod hooks;
mod idempotency;
mod limits;
mod position;
mod posting;
mod presence;
mod prune;
mod readiness;
mod relay;
mod routes;
mod searches;
mod state;
mod verify;
mod words;

use ajet_shared::http::{Edge, bind, serve, unready_first};
use anyhow::Context as _;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub use config::Config;
pub use routes::openapi;
pub use verify::{Difference, Kind, Report, VerifyConfig, verify};

use state::AppState;

/// Serves until `shutdown`, then finishes open requests, the relay's batch, the last heartbeats and what NATS was given.
pub async fn run(config: Config, shutdown: CancellationToken) -> anyhow::Result<()> {
    let listener = bind(config.listen).await?;
    run_on(listener, config, shutdown).await
}

/// As [`run`], on a listener that is open already (tests let the system choose the port).
pub async fn run_on(
    listener: TcpListener,
    config: Config,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let (state, heartbeats) = AppState::connect(&config).await?;
    // Stops serving on the caller's word, or when the schema turns out to be unusable.
    let serving = unready_first(&state.health, None, shutdown);
    // What works in the background outlives the last request.
    let background = CancellationToken::new();
    let ready =
        tokio::spawn(readiness::watch(state.clone(), config.database_url.clone(), serving.clone()));
    let relay = tokio::spawn(relay::run(state.clone(), background.clone()));
    let presence = tokio::spawn(presence::run(state.clone(), heartbeats, background.clone()));
    let bucket = tokio::spawn(readiness::bucket(state.clone(), serving.clone()));
    let bus = state.bus.clone();
    tracing::info!(listen = %listener.local_addr()?, "api listens");
    let (health, edge) = (state.health.clone(), Edge::new(config.edge_secret));
    serve(listener, routes::router(state, edge), health, serving.clone()).await;
    background.cancel();
    serving.cancel();
    let (ready, relay, presence, bucket) = tokio::join!(ready, relay, presence, bucket);
    relay.context("relay")?;
    presence.context("presence")?;
    bucket.context("bucket")?;
    bus.drain().await;
    ready.context("readiness")?
}
