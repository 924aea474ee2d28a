//! The gateway: the only door. It signs people in, knows sessions, limits and audits, and passes everything else on to the services
//! behind it, streaming both ways (architecture.md section 1, delivery-and-security.md section 3).
//!
//! A request goes through `guard` (bytes), `edge` (its head), `route` (whose it is), `visit` and `checks`
//! (who asks, whether they meant it, how often), and then to `upstream` or to one of the gateway's own pages.

mod account;
mod address;
mod answer;
mod body;
mod checks;
mod config;
mod cookies;
mod csrf;
mod edge;
mod forms;
mod gateway;
mod guard;
mod hook;
mod instance;
mod invite;
mod limits;
mod oauth;
mod pages;
mod policy;
mod route;
mod server;
mod session;
mod setup;
mod sign_in;
mod sign_out;
mod stranger;
mod terminal;
mod upstream;
mod visit;

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use ajet_shared::db::{self, login_codes, rate_counters, schema, sessions};
use ajet_shared::http::{Health, bind, health_routes, unready_first};
use anyhow::Context as _;
use sqlx::PgPool;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

pub use config::{Config, Network, NetworkError};
pub use oauth::{ProviderKind, ProviderKindError, ProviderSettings};
pub use policy::{LimitSettings, Policy};
pub use route::routes;

use gateway::Gateway;

/// Connections to the database: so few that all of them are kept. Who finds none free waits some milliseconds for the next; with room
/// for more they would try to open one, in vain for two seconds when the database has none left (F14).
const CONNECTIONS: RangeInclusive<u32> = 6..=6;
/// How often the database is asked whether it is there, while it is not.
const ASK_AGAIN: Duration = Duration::from_millis(250);
/// How often the database is asked whether it is still there.
const ASK_EVERY: Duration = Duration::from_secs(2);
/// How often what is over is cleared away.
const SWEEP_EVERY: Duration = Duration::from_mins(5);

/// Runs the gateway until `shutdown`.
pub async fn run(config: Config, shutdown: CancellationToken) -> anyhow::Result<()> {
    config.check()?;
    let listener = bind(config.listen).await?;
    let admin = bind(config.admin_listen).await?;
    run_on(listener, admin, config, shutdown).await
}

/// As [`run`], on sockets that listen already.
pub async fn run_on(
    listener: TcpListener,
    admin: TcpListener,
    config: Config,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    config.check()?;
    let pool = db::pool_of(config.database_url.expose(), "auth-gw", CONNECTIONS)
        .context("AJET_DATABASE_URL")?;
    let health = Health::default();
    // Whoever balances between gateways hears that this one goes before it is gone.
    let shutdown = unready_first(&health, config.stop_notice(), shutdown);
    let gateway = Arc::new(Gateway::new(&config, pool.clone(), &health, shutdown.clone())?);
    // Health outlives the gateway proper, so that whoever asks sees "not ready" while it drains.
    let admin_shutdown = CancellationToken::new();
    let admin_server = tokio::spawn(ajet_shared::http::serve(
        admin,
        health_routes(health.clone()),
        health.clone(),
        admin_shutdown.clone(),
    ));
    let readiness = tokio::spawn(shutdown.clone().run_until_cancelled_owned(watch(
        config,
        pool.clone(),
        health.clone(),
    )));
    let sweeper = tokio::spawn(
        shutdown.clone().run_until_cancelled_owned(sweep(gateway.clone(), pool.clone())),
    );
    let watcher = AbortOnDropHandle::new(tokio::spawn({
        let gateway = gateway.clone();
        async move { gateway.watch_upstreams().await }
    }));
    server::serve(listener, gateway, shutdown).await;
    drop(watcher);
    admin_shutdown.cancel();
    for task in [readiness, sweeper] {
        task.await.context("a background task has crashed")?;
    }
    admin_server.await.context("the health server has crashed")?;
    pool.close().await;
    Ok(())
}

/// Ready while the database answers and has the schema of this build. The set-up is opened once, as soon as it can be.
async fn watch(config: Config, pool: PgPool, health: Health) {
    let mut prepared = false;
    loop {
        let state = async {
            let mut conn = pool.acquire().await?;
            let current = schema::is_current(&mut conn).await?;
            drop(conn);
            if current && !prepared {
                setup::prepare(&pool, config.setup_token.as_ref(), &config.public_url).await?;
                prepared = true;
            }
            Ok::<_, sqlx::Error>(current)
        };
        let ready = state.await.unwrap_or_else(|error| {
            tracing::warn!(%error, "the database does not answer");
            false
        });
        if ready != health.is_ready() {
            tracing::info!(ready, "readiness changed");
            health.set_ready(ready);
        }
        if ready {
            db::keep_open(&pool).await;
        }
        tokio::time::sleep(if ready { ASK_EVERY } else { ASK_AGAIN }).await;
    }
}

/// Clears away what is over.
async fn sweep(gateway: Arc<Gateway>, pool: PgPool) {
    loop {
        tokio::time::sleep(SWEEP_EVERY).await;
        gateway.limits.sweep();
        let cleared = async {
            let mut conn = pool.acquire().await?;
            let cleared = db::oauth::prune(&mut conn).await?
                + login_codes::prune(&mut conn).await?
                + rate_counters::prune(&mut conn).await?
                + sessions::prune(&mut conn).await?;
            Ok::<_, sqlx::Error>(cleared)
        };
        match cleared.await {
            Ok(rows) => tracing::debug!(rows, "cleared away what is over"),
            Err(error) => tracing::warn!(%error, "cannot clear away what is over"),
        }
    }
}
