//! What the hub counts.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

use super::shared::Shared;
use super::{Renderer, replay};
use crate::http::Health;

/// How often what grows and shrinks with every event is looked at, so that no event pays for it.
const MEASURE_EVERY: Duration = Duration::from_secs(1);

const RESUME: &str = "sse_resume_total";
const RESUME_HELP: &str = "How streams began: from memory, from the stream, with a resync, fresh.";

#[derive(Debug)]
pub(super) struct Metrics {
    pub(super) resumed_memory: Counter,
    pub(super) resumed_stream: Counter,
    pub(super) resumed_resync: Counter,
    pub(super) resumed_fresh: Counter,
    pub(super) connections: Counter,
    pub(super) held: Counter,
    queue_deepest: Counter,
    queue_items: Counter,
    queue_bytes: Counter,
    ring_events: Counter,
    ring_bytes: Counter,
    replays: Counter,
    pub(super) overflows: Counter,
    pub(super) gaps: Counter,
    pub(super) repeated: Counter,
    pub(super) skipped: Counter,
    pub(super) restarts: Counter,
    pub(super) position: Counter,
    pub(super) epoch: Counter,
}

#[derive(Debug)]
pub(super) struct Counter(Arc<AtomicU64>);

impl Counter {
    pub(super) fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    pub(super) fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }
}

impl Metrics {
    pub(super) fn new(health: &Health) -> Self {
        let counter = |name, labels, help| Counter(health.counter(name, labels, help));
        let gauge = |name, help| Counter(health.gauge(name, "", help));
        Self {
            resumed_memory: counter(RESUME, r#"how="memory""#, RESUME_HELP),
            resumed_stream: counter(RESUME, r#"how="stream""#, RESUME_HELP),
            resumed_resync: counter(RESUME, r#"how="resync""#, RESUME_HELP),
            resumed_fresh: counter(RESUME, r#"how="fresh""#, RESUME_HELP),
            connections: gauge("hub_connections", "Open streams."),
            held: gauge("hub_held_events", "Events that wait because one before them is missing."),
            queue_deepest: gauge("hub_queue_deepest", "Events that the slowest reader is behind."),
            queue_items: gauge("hub_queue_items", "Events that wait for all readers together."),
            queue_bytes: gauge("hub_queue_bytes", "Bytes that wait for all readers together."),
            ring_events: gauge("hub_ring_events", "Events of the recent past kept in memory."),
            ring_bytes: gauge("hub_ring_bytes", "Bytes they may take, estimated."),
            replays: gauge("hub_replays_running", "Replays that are being read from the stream."),
            overflows: counter(
                "hub_queue_overflow_total",
                "",
                "Readers that were too slow and were told to draw everything anew.",
            ),
            gaps: counter("hub_gap_total", "", "Events of a channel that did not come in time."),
            repeated: counter(
                "hub_repeated_total",
                "",
                "Events of a channel that came again and were dropped.",
            ),
            skipped: counter("hub_skipped_total", "", "Events this build could not use."),
            restarts: counter(
                "hub_consumer_restarts_total",
                "",
                "Times the reader of the stream began anew.",
            ),
            position: gauge("hub_position", "Sequence up to which the stream has been handed out."),
            epoch: gauge("hub_epoch", "Epoch of that sequence."),
        }
    }
}

/// Measures from time to time, until the process stops.
pub(super) async fn run<R: Renderer>(shared: Arc<Shared<R>>) {
    let mut ticks = interval(MEASURE_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while shared.shutdown.run_until_cancelled(ticks.tick()).await.is_some() {
        measure(&shared);
    }
}

/// Looks at everything that waits or is kept.
pub(super) fn measure<R: Renderer>(shared: &Shared<R>) {
    let metrics = &shared.metrics;
    let state = shared.state();
    let (events, bytes) = state.ring.size();
    let (mut deepest, mut items, mut waiting) = (0, 0, 0);
    for (depth, size_bytes) in state.depths() {
        deepest = deepest.max(depth);
        items += depth;
        waiting += size_bytes;
    }
    drop(state);
    let running = replay::AT_ONCE_MAX - shared.replays.available_permits();
    for (gauge, value) in [
        (&metrics.queue_deepest, deepest),
        (&metrics.queue_items, items),
        (&metrics.queue_bytes, waiting),
        (&metrics.ring_events, events),
        (&metrics.ring_bytes, bytes),
        (&metrics.replays, running),
    ] {
        gauge.set(value as u64);
    }
}
