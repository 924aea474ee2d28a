//! The relay: publishes the outbox to the stream, in order, exactly once as far as anybody can see
//! (delivery-and-security.md section 2.3).
//!
//! One task in every instance; the one that holds the advisory lock leads, the others take over within half a second. Nothing here
//! decides what is true: Postgres is, and the stream is made to follow it, also after it was lost or rolled back.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use ajet_shared::bus::{Acknowledged, BusError, Outgoing};
use ajet_shared::db::audit::{self, Entry};
use ajet_shared::db::outbox::{self, Pending};
use ajet_shared::db::{self, Cause, meta};
use ajet_shared::http::Health;
use futures::{StreamExt, stream};
use sqlx::{Connection, PgConnection};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::epoch::{Finding, examine};
use crate::state::AppState;

/// Events read from the outbox at once.
const BATCH: u64 = 500;
/// Ordering keys published in parallel; within a key one event after the other.
const KEYS_IN_PARALLEL: usize = 64;
/// How often a standby tries to take over.
const STANDBY_EVERY: Duration = Duration::from_millis(500);
/// How often the outbox is read when nobody says that there is something in it.
const POLL_EVERY: Duration = Duration::from_millis(250);
/// How often the backlog is looked at while the bus is away.
const LAG_EVERY: Duration = Duration::from_secs(1);
/// A database that does not answer within this time has lost us the lead. Longer than its own statement timeout.
const DATABASE_TIMEOUT: Duration = Duration::from_secs(6);
/// Refused this often, an event is set aside, so that those behind it go on.
const QUARANTINE_AFTER: i32 = 5;
const BACKOFF_MIN: Duration = Duration::from_millis(50);
const BACKOFF_MAX: Duration = Duration::from_secs(2);
/// Events that wait longer than this are worth a line in the log.
const LAG_ALERT: Duration = Duration::from_secs(5);
const LAG_ALERT_EVERY: Duration = Duration::from_secs(10);
/// How often rows that are no longer needed are deleted.
const PRUNE_EVERY: Duration = Duration::from_mins(10);

/// Why the lead ended.
#[derive(Debug, thiserror::Error)]
enum Lost {
    #[error("database: {0}")]
    Database(#[from] sqlx::Error),
    #[error("the database does not answer")]
    Timeout(#[from] tokio::time::error::Elapsed),
}

/// Relays until `shutdown`, then finishes its batch and gives up the lead.
pub(crate) async fn run(state: AppState, shutdown: CancellationToken) {
    let metrics = Metrics::new(&state.health);
    while !shutdown.is_cancelled() {
        metrics.leader.store(0, Ordering::Relaxed);
        match lead(&state, &metrics, &shutdown).await {
            Ok(()) => break,
            Err(error) => {
                tracing::warn!(%error, "the relay starts over");
                shutdown.run_until_cancelled(tokio::time::sleep(STANDBY_EVERY)).await;
            }
        }
    }
    metrics.leader.store(0, Ordering::Relaxed);
}

/// Waits for the lead, then publishes until `shutdown` or until the database is lost.
async fn lead(
    state: &AppState,
    metrics: &Metrics,
    shutdown: &CancellationToken,
) -> Result<(), Lost> {
    let Some(mut conn) = stand_by(state, shutdown).await? else { return Ok(()) };
    tracing::info!("this relay leads");
    metrics.leader.store(1, Ordering::Relaxed);
    let mut leader = Leader {
        state,
        metrics,
        conn: &mut conn,
        epoch: None,
        high_water: 0,
        went_back_to: None,
        backoff: BACKOFF_MIN,
        alerted: None,
    };
    let result = leader.publish_until(shutdown).await;
    if result.is_ok() {
        // Frees the lock at once instead of when the server notices.
        conn.close().await?;
    }
    result
}

/// Waits until the advisory lock is ours. It lives and dies with the connection, which therefore does all of the leader's work.
async fn stand_by(
    state: &AppState,
    shutdown: &CancellationToken,
) -> Result<Option<PgConnection>, Lost> {
    while !state.is_schema_current() {
        if shutdown
            .run_until_cancelled(tokio::time::sleep(Duration::from_millis(20)))
            .await
            .is_none()
        {
            return Ok(None);
        }
    }
    // A leader that vanished must not keep the lock for the two hours that TCP takes to notice.
    let options = (*state.db.connect_options()).clone().options([
        ("tcp_keepalives_idle", "5"),
        ("tcp_keepalives_interval", "2"),
        ("tcp_keepalives_count", "3"),
    ]);
    let mut conn = timeout(DATABASE_TIMEOUT, PgConnection::connect_with(&options)).await??;
    while !timeout(DATABASE_TIMEOUT, outbox::try_lead(&mut conn)).await?? {
        let next_try = tokio::time::sleep(STANDBY_EVERY);
        tokio::pin!(next_try);
        loop {
            tokio::select! {
                () = &mut next_try => break,
                // What this instance commits, another one publishes: tell it.
                () = state.outbox_wake.notified() => state.bus.wake_relays().await,
                () = shutdown.cancelled() => return Ok(None),
            }
        }
    }
    Ok(Some(conn))
}

struct Leader<'a> {
    state: &'a AppState,
    metrics: &'a Metrics,
    conn: &'a mut PgConnection,
    /// The epoch and the connection in which the stream was found in order.
    epoch: Option<(i32, u64)>,
    /// The highest sequence the stream has given out; it must never give out a lower one for something new.
    high_water: u64,
    /// Where the stream ended when it was seen to give out a lower one, until a new epoch says so.
    went_back_to: Option<u64>,
    backoff: Duration,
    alerted: Option<Instant>,
}

impl Leader<'_> {
    async fn publish_until(&mut self, shutdown: &CancellationToken) -> Result<(), Lost> {
        let mut link = self.state.bus.link();
        let mut wake_ups = wake_ups(self.state).await;
        let mut pruned = Instant::now();
        loop {
            // Also while there is always something to publish.
            if pruned.elapsed() > PRUNE_EVERY {
                pruned = Instant::now();
                self.prune().await?;
            }
            let now = *link.borrow_and_update();
            if !now.up {
                if shutdown.is_cancelled() {
                    return Ok(());
                }
                let oldest = timeout(DATABASE_TIMEOUT, outbox::pending(self.conn, BATCH)).await??;
                self.note_lag(&oldest);
                tokio::select! {
                    _ = link.changed() => {}
                    () = tokio::time::sleep(LAG_EVERY) => {}
                    () = shutdown.cancelled() => {}
                }
                continue;
            }
            let Some(epoch) = self.epoch(now.generation).await? else {
                if self.pause(shutdown).await {
                    continue;
                }
                return Ok(());
            };
            let batch = timeout(DATABASE_TIMEOUT, outbox::pending(self.conn, BATCH)).await??;
            self.note_lag(&batch);
            if !batch.is_empty() {
                if self.publish(epoch, batch).await? {
                    self.backoff = BACKOFF_MIN;
                    // What is left, the next leader publishes; with others writing on, waiting for an empty outbox may never end.
                    if shutdown.is_cancelled() {
                        return Ok(());
                    }
                } else if !self.pause(shutdown).await {
                    return Ok(());
                }
                continue;
            }
            if shutdown.is_cancelled() {
                return Ok(());
            }
            tokio::select! {
                () = self.state.outbox_wake.notified() => {}
                Some(()) = wake_ups.next() => {}
                _ = link.changed() => {}
                () = shutdown.cancelled() => {}
                () = tokio::time::sleep(POLL_EVERY) => {}
            }
        }
    }

    /// The epoch to publish in; examines the stream first after every new connection. None if the bus cannot say now.
    async fn epoch(&mut self, generation: u64) -> Result<Option<i32>, Lost> {
        if let Some((epoch, examined)) = self.epoch
            && examined == generation
        {
            return Ok(Some(epoch));
        }
        match timeout(DATABASE_TIMEOUT * 2, self.settle()).await? {
            Ok(epoch) => {
                self.epoch = Some((epoch, generation));
                Ok(Some(epoch))
            }
            Err(Unsettled::Database(error)) => Err(error.into()),
            Err(Unsettled::Bus(error)) => {
                tracing::warn!(%error, "the stream cannot be examined");
                Ok(None)
            }
        }
    }

    /// Compares the stream with the outbox, makes lost events wait again under a new epoch, and brings the stream up to date.
    async fn settle(&mut self) -> Result<i32, Unsettled> {
        let bus = &self.state.bus;
        let (epoch, finding) = examine(self.conn, bus).await?;
        let finding = finding.after_going_back(self.went_back_to);
        let epoch = if finding == Finding::InOrder {
            epoch
        } else {
            self.begin_epoch(epoch, finding).await?
        };
        self.went_back_to = None;
        let stream = bus.ensure_stream(epoch).await?;
        self.high_water = stream.last_seq;
        Ok(epoch)
    }

    async fn begin_epoch(&mut self, epoch: i32, finding: Finding) -> Result<i32, sqlx::Error> {
        let mut tx = self.conn.begin().await?;
        let next = finding.next_epoch(epoch);
        meta::set(&mut tx, meta::EPOCH, &next.to_string()).await?;
        let requeued = match finding.kept_up_to() {
            Some(last_seq) => outbox::requeue_above(&mut tx, last_seq, crate::epoch::HELD).await?,
            None => 0,
        };
        let detail =
            serde_json::json!({ "finding": finding.name(), "epoch": next, "requeued": requeued });
        audit::insert(&mut tx, &Cause::system(), &Entry::done("stream.rolled_back").with(detail))
            .await?;
        tx.commit().await?;
        self.metrics.rollbacks.fetch_add(1, Ordering::Relaxed);
        tracing::warn!(
            finding = finding.name(),
            epoch = next,
            requeued,
            "the stream lost events; a new epoch begins"
        );
        Ok(next)
    }

    /// Publishes a batch, key by key in parallel, and records what the stream took. False if something went wrong on the way.
    async fn publish(&mut self, epoch: i32, batch: Vec<Pending>) -> Result<bool, Lost> {
        let bus = &self.state.bus;
        let results: Vec<(i64, Result<Acknowledged, BusError>)> = stream::iter(by_key(batch))
            .map(async |events| {
                let mut results = Vec::with_capacity(events.len());
                for event in events {
                    let result = bus.publish(outgoing(&event, epoch)).await;
                    let failed = result.is_err();
                    results.push((event.id, result));
                    // What comes after it in this key must not overtake it.
                    if failed {
                        break;
                    }
                }
                stream::iter(results)
            })
            .buffer_unordered(KEYS_IN_PARALLEL)
            .flatten()
            .collect()
            .await;
        let acknowledged: Vec<(i64, i64)> = results
            .iter()
            .filter_map(|(id, result)| {
                Some((*id, i64::try_from(result.as_ref().ok()?.stream_seq).ok()?))
            })
            .collect();
        timeout(DATABASE_TIMEOUT, outbox::mark_published(self.conn, epoch, &acknowledged))
            .await??;
        self.metrics.published.fetch_add(acknowledged.len() as u64, Ordering::Relaxed);
        let mut well = true;
        let mut high_water = self.high_water;
        for (id, result) in results {
            match result {
                Ok(ack) => {
                    if !ack.duplicate && ack.stream_seq <= self.high_water {
                        tracing::warn!(
                            stream_seq = ack.stream_seq,
                            high_water = self.high_water,
                            "the stream went back"
                        );
                        self.epoch = None;
                        let kept = ack.stream_seq.saturating_sub(1);
                        self.went_back_to =
                            Some(self.went_back_to.map_or(kept, |lowest| lowest.min(kept)));
                    }
                    high_water = high_water.max(ack.stream_seq);
                }
                Err(error) => {
                    well = false;
                    self.failed(id, &error).await?;
                }
            }
        }
        self.high_water = high_water;
        Ok(well)
    }

    async fn failed(&mut self, id: i64, error: &BusError) -> Result<(), Lost> {
        match error {
            BusError::Refused(reason) => {
                let set_aside = timeout(
                    DATABASE_TIMEOUT,
                    outbox::mark_failed(self.conn, id, reason, QUARANTINE_AFTER),
                )
                .await??;
                if set_aside {
                    self.metrics.quarantined.fetch_add(1, Ordering::Relaxed);
                    tracing::error!(
                        outbox_id = id,
                        reason,
                        "an event cannot be published and is set aside; its readers will resync"
                    );
                }
            }
            // Somebody took the stream away under us.
            BusError::NoStream => self.epoch = None,
            error => tracing::debug!(%error, outbox_id = id, "not published yet"),
        }
        Ok(())
    }

    /// Waits a random part of the growing back-off. False if it is time to go.
    async fn pause(&mut self, shutdown: &CancellationToken) -> bool {
        let pause = self.backoff.mul_f64(jitter());
        self.backoff = (self.backoff * 2).min(BACKOFF_MAX);
        shutdown.run_until_cancelled(tokio::time::sleep(pause)).await.is_some()
    }

    fn note_lag(&mut self, batch: &[Pending]) {
        let oldest = batch.first().map(|event| time::OffsetDateTime::now_utc() - event.created_at);
        let lag = oldest.and_then(|age| Duration::try_from(age).ok()).unwrap_or_default();
        self.metrics.pending.store(batch.len() as u64, Ordering::Relaxed);
        self.metrics
            .lag
            .store(u64::try_from(lag.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
        if lag > LAG_ALERT && self.alerted.is_none_or(|at| at.elapsed() > LAG_ALERT_EVERY) {
            self.alerted = Some(Instant::now());
            tracing::warn!(lag_seconds = lag.as_secs(), "events wait in the outbox");
        }
    }

    /// Deletes what nobody needs any more. Failing is harmless: it comes round again.
    async fn prune(&mut self) -> Result<(), Lost> {
        let events = timeout(DATABASE_TIMEOUT, outbox::prune(self.conn)).await?;
        let keys = timeout(DATABASE_TIMEOUT, db::idempotency::prune(self.conn)).await?;
        match (events, keys) {
            (Ok(events), Ok(keys)) => tracing::debug!(events, keys, "pruned"),
            (Err(error), _) | (_, Err(error)) => tracing::warn!(%error, "not pruned"),
        }
        Ok(())
    }
}

/// Why the stream could not be brought in order.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unsettled {
    #[error(transparent)]
    Database(#[from] sqlx::Error),
    #[error(transparent)]
    Bus(#[from] BusError),
}

/// The calls of other instances. Without them the poll finds what they wrote.
async fn wake_ups(state: &AppState) -> stream::BoxStream<'static, ()> {
    match state.bus.wake_ups().await {
        Ok(calls) => calls.map(drop).chain(stream::pending()).boxed(),
        Err(error) => {
            tracing::debug!(%error, "no wake-up calls");
            stream::pending().boxed()
        }
    }
}

/// The events of each ordering key, in their order; keys in the order of their first event.
fn by_key(batch: Vec<Pending>) -> Vec<Vec<Pending>> {
    let mut places: HashMap<Uuid, usize> = HashMap::new();
    let mut keys: Vec<Vec<Pending>> = Vec::new();
    for event in batch {
        let place = *places.entry(event.ord_key).or_insert_with(|| {
            keys.push(Vec::new());
            keys.len() - 1
        });
        keys[place].push(event);
    }
    keys
}

fn outgoing(event: &Pending, epoch: i32) -> Outgoing<'_> {
    Outgoing {
        id: event.event_id,
        subject: &event.subject,
        channel_seq: event.channel_seq,
        epoch,
        payload: event.payload.to_string().into(),
    }
}

/// A number between 0 and 1 that differs between instances; no secret hangs on it.
fn jitter() -> f64 {
    let random = Uuid::now_v7().as_u128();
    // The last 32 bits of a UUIDv7 are random.
    f64::from(u32::try_from(random & u128::from(u32::MAX)).unwrap_or(u32::MAX))
        / f64::from(u32::MAX)
}

/// What the relay counts.
#[derive(Debug)]
struct Metrics {
    leader: Arc<AtomicU64>,
    pending: Arc<AtomicU64>,
    lag: Arc<AtomicU64>,
    published: Arc<AtomicU64>,
    quarantined: Arc<AtomicU64>,
    rollbacks: Arc<AtomicU64>,
}

impl Metrics {
    fn new(health: &Health) -> Self {
        Self {
            leader: health.gauge(
                "chat_relay_leader",
                "",
                "1 in the instance whose relay publishes.",
            ),
            pending: health.gauge(
                "chat_outbox_pending",
                "",
                "Events that wait in the outbox, counted up to 500.",
            ),
            lag: health.gauge(
                "chat_outbox_lag_milliseconds",
                "",
                "Age of the oldest event that waits in the outbox.",
            ),
            published: health.counter(
                "chat_outbox_published_total",
                "",
                "Events that the stream took.",
            ),
            quarantined: health.counter(
                "chat_outbox_quarantined_total",
                "",
                "Events set aside because the stream refuses them.",
            ),
            rollbacks: health.counter(
                "chat_stream_rollback_total",
                "",
                "Times the stream was found to have lost events.",
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(id: i64, ord_key: Uuid) -> Pending {
        Pending {
            id,
            event_id: ajet_shared::id::EventId::new(),
            subject: String::new(),
            ord_key,
            channel_seq: None,
            payload: serde_json::Value::Null,
            created_at: time::OffsetDateTime::now_utc(),
        }
    }

    #[test]
    fn a_key_keeps_the_order_of_its_events() {
        let (a, b) = (Uuid::now_v7(), Uuid::now_v7());
        let keys = by_key(vec![event(1, a), event(2, b), event(3, a)]);
        let ids: Vec<Vec<i64>> =
            keys.iter().map(|events| events.iter().map(|event| event.id).collect()).collect();
        assert_eq!(ids, [vec![1, 3], vec![2]]);
    }
}
