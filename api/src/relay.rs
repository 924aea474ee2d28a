//! The relay: publishes the outbox to the stream, in order, exactly once as far as anybody can see
//! (delivery-and-security.md section 2.3).
//!
//! One task in every instance; the one that holds the advisory lock leads, the others take over within half a second. Nothing here
//! decides what is true: Postgres is, and the stream is made to follow it, also after it was lost or rolled back.

mod batch;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use ajet_shared::bus::BusError;
use ajet_shared::db::outbox::{self, Pending};
use ajet_shared::failpoint::Failpoint;
use ajet_shared::http::Health;
use futures::{StreamExt, stream};
use sqlx::{Connection, PgConnection};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::epoch::{self, Settled, Unsettled};
use crate::state::AppState;

use batch::{Examined, Sent};

/// Events read from the outbox at once.
const BATCH: u64 = 500;
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
/// Wake-up calls that are answered as one.
const CALLS_AT_ONCE: usize = 1_024;
/// Events that wait are counted up to here.
const COUNTED_MAX: u64 = 10_000;
/// Events that wait longer than this, or more of them, are worth a line in the log. Source: delivery-and-security.md section 4.
const LAG_ALERT: Duration = Duration::from_secs(5);
const WAITING_ALERT: u64 = 1_000;
const LAG_ALERT_EVERY: Duration = Duration::from_secs(10);
/// A leader without a connection to NATS gives up the lead after this long: another instance may have one.
const LINK_PATIENCE: Duration = Duration::from_secs(3);

/// Why the lead ended.
#[derive(Debug, thiserror::Error)]
enum Lost {
    #[error("database: {0}")]
    Database(#[from] sqlx::Error),
    #[error("the database does not answer")]
    Timeout(#[from] tokio::time::error::Elapsed),
    #[error("there is no connection to NATS")]
    Link,
}

/// Relays until `shutdown`, then finishes its batch and gives up the lead.
pub(crate) async fn run(state: AppState, shutdown: CancellationToken) {
    let mut metrics = Metrics::new(&state.health);
    while !shutdown.is_cancelled() {
        metrics.leader.store(0, Ordering::Relaxed);
        match lead(&state, &mut metrics, &shutdown).await {
            Ok(()) => break,
            Err(Lost::Link) => tracing::warn!("no connection to NATS: another relay may lead"),
            Err(error) => {
                tracing::warn!(%error, "the relay starts over");
                // Nobody knows here what waits until the database answers again.
                metrics.note_lag(0, 0.0);
                shutdown.run_until_cancelled(tokio::time::sleep(STANDBY_EVERY)).await;
            }
        }
    }
    metrics.leader.store(0, Ordering::Relaxed);
}

/// Waits for the lead, then publishes until `shutdown` or until the database is lost.
async fn lead(
    state: &AppState,
    metrics: &mut Metrics,
    shutdown: &CancellationToken,
) -> Result<(), Lost> {
    let Some(mut conn) = stand_by(state, metrics, shutdown).await? else { return Ok(()) };
    tracing::info!("this relay leads");
    metrics.leader.store(1, Ordering::Relaxed);
    let mut leader = Leader {
        state,
        metrics,
        conn: &mut conn,
        epoch: None,
        high_water: 0,
        went_back: false,
        backoff: BACKOFF_MIN,
        counted: None,
    };
    let result = tokio::select! {
        result = leader.publish_until(shutdown) => result,
        never = crate::prune::run(state) => match never {},
    };
    if matches!(result, Ok(()) | Err(Lost::Link)) {
        // Frees the lock at once instead of when the server notices.
        conn.close().await?;
    }
    result
}

/// Waits until the advisory lock is ours. It lives and dies with the connection, which therefore does all of the leader's work.
///
/// Without a connection to NATS there is no use for it; then only the backlog is watched, so that somebody alerts.
async fn stand_by(
    state: &AppState,
    metrics: &mut Metrics,
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
    let mut conn = timeout(DATABASE_TIMEOUT, connect(state)).await??;
    let mut link = state.bus.link();
    loop {
        if !link.borrow_and_update().up {
            let (pending, waited) =
                timeout(DATABASE_TIMEOUT, outbox::backlog(&mut conn, COUNTED_MAX)).await??;
            metrics.note_lag(pending, waited);
            tokio::select! {
                _ = link.changed() => {}
                () = tokio::time::sleep(LAG_EVERY) => {}
                () = shutdown.cancelled() => return Ok(None),
            }
            continue;
        }
        if timeout(DATABASE_TIMEOUT, outbox::try_lead(&mut conn)).await?? {
            return Ok(Some(conn));
        }
        // Now it is the leader's to say.
        metrics.note_lag(0, 0.0);
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
}

/// The leader's connection. The server ends it, and so frees the lock, when it hears nothing for a while: a leader that hangs or that
/// nobody can reach must not keep the others from leading for as long as its connection seems to live.
async fn connect(state: &AppState) -> Result<PgConnection, sqlx::Error> {
    let options = (*state.db.connect_options()).clone().options([
        // Longer than anything the leader waits for in between: to compare it asks the stream several times, 12 s at most. And shorter
        // than F18's 30 s, so that another one leads while this one stands still.
        ("idle_session_timeout", "15s"),
        ("tcp_user_timeout", "6s"),
        ("tcp_keepalives_idle", "5"),
        ("tcp_keepalives_interval", "2"),
        ("tcp_keepalives_count", "3"),
    ]);
    PgConnection::connect_with(&options).await
}

struct Leader<'a> {
    state: &'a AppState,
    metrics: &'a mut Metrics,
    conn: &'a mut PgConnection,
    /// The epoch and the connection in which the stream was found in order.
    epoch: Option<(i32, u64)>,
    /// The highest sequence the stream has given out; it must never give out a lower one for something new.
    high_water: u64,
    /// It was seen to give out a lower one, and no new epoch says so yet.
    went_back: bool,
    backoff: Duration,
    /// When more than a batch was found to wait, and how much.
    counted: Option<(Instant, u64)>,
}

impl Leader<'_> {
    async fn publish_until(&mut self, shutdown: &CancellationToken) -> Result<(), Lost> {
        let mut link = self.state.bus.link();
        let mut wake_ups = wake_ups(self.state).await;
        let mut down_since = None;
        loop {
            let now = *link.borrow_and_update();
            if !now.up {
                if shutdown.is_cancelled() {
                    return Ok(());
                }
                if down_since.get_or_insert_with(Instant::now).elapsed() > LINK_PATIENCE {
                    return Err(Lost::Link);
                }
                let (pending, waited) =
                    timeout(DATABASE_TIMEOUT, outbox::backlog(self.conn, COUNTED_MAX)).await??;
                self.metrics.note_lag(pending, waited);
                tokio::select! {
                    _ = link.changed() => {}
                    () = tokio::time::sleep(LAG_EVERY) => {}
                    () = shutdown.cancelled() => {}
                }
                continue;
            }
            down_since = None;
            let Some(epoch) = self.epoch(now.generation).await? else {
                if self.pause(shutdown).await {
                    continue;
                }
                return Ok(());
            };
            let batch = timeout(DATABASE_TIMEOUT, outbox::pending(self.conn, BATCH)).await??;
            let waited = batch.first().map_or(0.0, |event| event.waited);
            let pending = self.waiting(&batch).await?;
            self.metrics.note_lag(pending, waited);
            if !batch.is_empty() {
                if self.publish(epoch, now.generation, batch).await? {
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

    /// How many events wait. A full batch does not tell, but counting is worth a statement a second only.
    async fn waiting(&mut self, batch: &[Pending]) -> Result<u64, Lost> {
        let read = batch.len() as u64;
        if read < BATCH {
            return Ok(read);
        }
        if self.counted.is_none_or(|(at, _)| at.elapsed() > LAG_EVERY) {
            let counting = outbox::backlog(self.conn, COUNTED_MAX);
            let (waiting, _) = timeout(DATABASE_TIMEOUT, counting).await??;
            self.counted = Some((Instant::now(), waiting));
        }
        Ok(self.counted.map_or(read, |(_, waiting)| waiting))
    }

    /// The epoch to publish in; examines the stream first after every new connection. None if the bus cannot say now.
    async fn epoch(&mut self, generation: u64) -> Result<Option<i32>, Lost> {
        if let Some((epoch, examined)) = self.epoch
            && examined == generation
        {
            return Ok(Some(epoch));
        }
        match epoch::settle(self.conn, &self.state.bus, self.went_back).await {
            Ok(Settled { epoch, high_water, is_new }) => {
                if is_new {
                    self.metrics.rollbacks.fetch_add(1, Ordering::Relaxed);
                }
                self.epoch = Some((epoch, generation));
                self.high_water = high_water;
                self.went_back = false;
                Ok(Some(epoch))
            }
            Err(Unsettled::Database(error)) => Err(error.into()),
            Err(error @ (Unsettled::Bus(_) | Unsettled::Timeout(_))) => {
                tracing::warn!(%error, "the stream cannot be examined");
                Ok(None)
            }
        }
    }

    /// Publishes a batch, key by key in parallel, and records what the stream took. False if something went wrong on the way.
    async fn publish(
        &mut self,
        epoch: i32,
        generation: u64,
        batch: Vec<Pending>,
    ) -> Result<bool, Lost> {
        let bus = &self.state.bus;
        let stream = Examined { taker: bus, link: bus.link(), generation };
        let results = batch::send(&stream, epoch, batch).await;
        if batch::gives_out_again(self.high_water, &results) {
            tracing::warn!(high_water = self.high_water, "the stream went back");
            // Not noted: two events would bear one number, and whoever leads next could not tell which is there.
            self.epoch = None;
            self.went_back = true;
            return Ok(true);
        }
        let acknowledged: Vec<(i64, i64)> = results
            .iter()
            .filter_map(|sent| {
                Some((sent.id, i64::try_from(sent.result.as_ref().ok()?.stream_seq).ok()?))
            })
            .collect();
        if !acknowledged.is_empty() {
            Failpoint::AfterAck.reached();
        }
        timeout(DATABASE_TIMEOUT, outbox::mark_published(self.conn, epoch, &acknowledged))
            .await??;
        self.metrics.published.fetch_add(acknowledged.len() as u64, Ordering::Relaxed);
        let mut well = true;
        for sent in results {
            match &sent.result {
                Ok(ack) => self.high_water = self.high_water.max(ack.stream_seq),
                Err(error) => {
                    well = false;
                    self.failed(&sent, error).await?;
                }
            }
        }
        Ok(well)
    }

    async fn failed(&mut self, sent: &Sent, error: &BusError) -> Result<(), Lost> {
        let id = sent.id;
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
                        // A gap in a channel is seen by its readers; elsewhere nothing tells them.
                        noticed = sent.is_in_channel,
                        "an event cannot be published and is set aside; its readers learn of it by loading anew"
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
}

/// The calls of other instances. Without them the poll finds what they wrote.
async fn wake_ups(state: &AppState) -> stream::BoxStream<'static, ()> {
    match state.bus.wake_ups().await {
        // What piled up while there was work is one call.
        Ok(calls) => calls.ready_chunks(CALLS_AT_ONCE).map(drop).chain(stream::pending()).boxed(),
        Err(error) => {
            tracing::debug!(%error, "no wake-up calls");
            stream::pending().boxed()
        }
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
    alerted: Option<Instant>,
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
                "Events that wait in the outbox, counted up to 10 000.",
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
            alerted: None,
        }
    }

    /// Takes note of how many events wait and for how many seconds the first of them has.
    fn note_lag(&mut self, pending: u64, waited: f64) {
        let lag = Duration::try_from_secs_f64(waited).unwrap_or_default();
        self.pending.store(pending, Ordering::Relaxed);
        self.lag.store(u64::try_from(lag.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
        let is_late = lag > LAG_ALERT || pending > WAITING_ALERT;
        if is_late && self.alerted.is_none_or(|at| at.elapsed() > LAG_ALERT_EVERY) {
            self.alerted = Some(Instant::now());
            tracing::warn!(lag_seconds = lag.as_secs(), pending, "events wait in the outbox");
        }
    }
}
