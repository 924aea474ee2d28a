//! Deletes rows that nobody needs any more, beside the publishing and in small steps: neither a full table nor a slow delete holds up
//! an event.

use std::convert::Infallible;
use std::time::Duration;

use ajet_shared::db::{self, outbox};

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
    let mut events = 0;
    loop {
        let gone = outbox::prune(&mut *state.db.acquire().await?).await?;
        if gone == 0 {
            break;
        }
        events += gone;
        tokio::time::sleep(PAUSE).await;
    }
    let keys = db::idempotency::prune(&mut *state.db.acquire().await?).await?;
    Ok((events, keys))
}
