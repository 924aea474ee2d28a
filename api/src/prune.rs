//! Deletes rows that nobody needs any more, beside the publishing and in small steps: neither a full table nor a slow delete holds up
//! an event.

use std::convert::Infallible;
use std::time::Duration;

use ajet_shared::db::{idempotency, outbox};

use crate::state::AppState;

/// How often it begins.
const EVERY: Duration = Duration::from_mins(10);
/// Between two steps the database belongs to others.
const PAUSE: Duration = Duration::from_millis(100);

/// Prunes for as long as it is awaited; the leading relay does.
pub(crate) async fn run(state: &AppState) -> Infallible {
    loop {
        tokio::time::sleep(EVERY).await;
        // Failing is harmless: it comes round again.
        match prune(state).await {
            Ok((events, keys)) => tracing::debug!(events, keys, "pruned"),
            Err(error) => tracing::warn!(%error, "not pruned"),
        }
    }
}

async fn prune(state: &AppState) -> Result<(u64, u64), sqlx::Error> {
    let (mut events, mut keys) = (0, 0);
    loop {
        let mut conn = state.db.acquire().await?;
        let step = (outbox::prune(&mut conn).await?, idempotency::prune(&mut conn).await?);
        drop(conn);
        if step == (0, 0) {
            return Ok((events, keys));
        }
        events += step.0;
        keys += step.1;
        tokio::time::sleep(PAUSE).await;
    }
}
