//! Brings the schema up to date at start, then says whether the database answers.

use std::time::Duration;

use ajet_shared::db;
use ajet_shared::secret::Secret;
use anyhow::Context as _;
use sqlx::Connection as _;
use tokio_util::sync::CancellationToken;

use crate::state::AppState;

/// How often the database is asked.
const INTERVAL: Duration = Duration::from_secs(1);
/// How long a start waits before it tries the migrations again.
const RETRY: Duration = Duration::from_millis(250);
/// How long it waits before it asks the object store again.
const BUCKET_RETRY: Duration = Duration::from_secs(2);

/// Applies the migrations (waiting for the database if it is not there yet), then keeps readiness true to the facts.
///
/// Migrations that cannot be applied end the service: a half-known schema must not be served.
pub(crate) async fn watch(
    state: AppState,
    database_url: Secret,
    serving: CancellationToken,
) -> anyhow::Result<()> {
    let migrated = tokio::select! {
        migrated = migrate(&database_url) => migrated,
        () = serving.cancelled() => return Ok(()),
    };
    if let Err(error) = migrated {
        serving.cancel();
        return Err(error);
    }
    state.set_schema_current();
    let mut ticks = tokio::time::interval(INTERVAL);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {
                let answers = answers(&state).await;
                state.health.set_ready(answers);
                if answers {
                    db::keep_open(&state.db).await;
                }
            }
            () = serving.cancelled() => {
                state.health.set_ready(false);
                return Ok(());
            }
        }
    }
}

async fn migrate(database_url: &Secret) -> anyhow::Result<()> {
    loop {
        match ajet_migrations::apply(database_url.expose()).await {
            Ok(_) => return Ok(()),
            Err(ajet_migrations::Error::Database(error)) => {
                tracing::warn!(%error, "waiting for the database");
                tokio::time::sleep(RETRY).await;
            }
            Err(error) => return Err(error).context("the schema cannot be brought up to date"),
        }
    }
}

/// Makes the bucket as soon as the object store answers. Text needs no files, so nothing waits for this.
pub(crate) async fn bucket(state: AppState, serving: CancellationToken) {
    loop {
        match state.storage.ensure_bucket().await {
            Ok(()) => return,
            Err(error) => tracing::warn!(%error, "waiting for the object store"),
        }
        tokio::select! {
            () = tokio::time::sleep(BUCKET_RETRY) => {}
            () = serving.cancelled() => return,
        }
    }
}

async fn answers(state: &AppState) -> bool {
    let ping = async { state.db.acquire().await?.ping().await };
    matches!(tokio::time::timeout(Duration::from_secs(2), ping).await, Ok(Ok(())))
}
