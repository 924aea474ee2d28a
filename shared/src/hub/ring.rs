//! The recent past, for readers who come back.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Delivery, Renderer};

/// Events the ring holds. Source: delivery-and-security.md section 2.5.
pub(super) const EVENTS_MAX: usize = 10_000;
/// Bytes the ring holds, estimated. Source: delivery-and-security.md section 2.5.
const BYTES_MAX: usize = 64 * 1024 * 1024;
/// How long the ring remembers. Source: delivery-and-security.md section 2.5.
const AGE_MAX: Duration = Duration::from_mins(10);

/// Everything that came after `floor`, in the order of the stream.
pub(super) struct Ring<R: Renderer> {
    entries: VecDeque<Entry<R>>,
    floor: u64,
    bytes: usize,
}

struct Entry<R: Renderer> {
    delivery: Arc<Delivery<R>>,
    arrived: Instant,
}

impl<R: Renderer> Ring<R> {
    pub(super) fn new() -> Self {
        Self { entries: VecDeque::new(), floor: 0, bytes: 0 }
    }

    /// Forgets everything; the past begins after `floor`.
    pub(super) fn reset(&mut self, floor: u64) {
        self.entries = VecDeque::new();
        self.floor = floor;
        self.bytes = 0;
    }

    /// A cursor from here on can be continued from memory.
    pub(super) fn floor(&self) -> u64 {
        self.floor
    }

    /// How many events it holds, and how many bytes.
    pub(super) fn size(&self) -> (usize, usize) {
        (self.entries.len(), self.bytes)
    }

    pub(super) fn push(&mut self, delivery: Arc<Delivery<R>>, now: Instant) {
        self.bytes += cost(&delivery);
        self.entries.push_back(Entry { delivery, arrived: now });
        while self.entries.len() > EVENTS_MAX || self.bytes > BYTES_MAX {
            self.forget_oldest();
        }
        self.expire(now);
    }

    /// Forgets what is too old.
    pub(super) fn expire(&mut self, now: Instant) {
        while self
            .entries
            .front()
            .is_some_and(|oldest| now.saturating_duration_since(oldest.arrived) > AGE_MAX)
        {
            self.forget_oldest();
        }
    }

    /// What came after `seq`, oldest first.
    pub(super) fn after(&self, seq: u64) -> impl DoubleEndedIterator<Item = &Arc<Delivery<R>>> {
        let start = self.entries.partition_point(|entry| entry.delivery.position.seq <= seq);
        self.entries.range(start..).map(|entry| &entry.delivery)
    }

    /// What arrived at `at` or later, oldest first.
    pub(super) fn arrived_since(&self, at: Instant) -> impl Iterator<Item = &Arc<Delivery<R>>> {
        let start = self.entries.partition_point(|entry| entry.arrived < at);
        self.entries.range(start..).map(|entry| &entry.delivery)
    }

    fn forget_oldest(&mut self) {
        if let Some(oldest) = self.entries.pop_front() {
            self.bytes -= cost(&oldest.delivery);
            self.floor = oldest.delivery.position.seq;
        }
    }
}

/// What an event holds in memory, its renderings included: those are made later and are a few times the event.
fn cost<R: Renderer>(delivery: &Delivery<R>) -> usize {
    1024 + 4 * delivery.size_bytes
}
