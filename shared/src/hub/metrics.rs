//! What the hub counts.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::http::Health;

const RESUME: &str = "sse_resume_total";
const RESUME_HELP: &str = "How streams began: from memory, from the stream, with a resync, fresh.";

#[derive(Debug)]
pub(super) struct Metrics {
    pub(super) resumed_memory: Counter,
    pub(super) resumed_stream: Counter,
    pub(super) resumed_resync: Counter,
    pub(super) resumed_fresh: Counter,
    pub(super) connections: Counter,
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
