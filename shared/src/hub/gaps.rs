//! Order inside each channel: what comes twice is dropped, what is missing is noticed.

use std::collections::HashMap;

use crate::id::ChannelId;

/// Channels remembered in each of two generations; together about the 50 000 of delivery-and-security.md section 2.5.
const GENERATION_MAX: usize = 25_000;

/// How an event stands to the one before it in its channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// It is the next one, or the first one seen.
    Next,
    /// It came before.
    Repeated,
    /// The one with this number should have come first.
    Missing(i64),
}

/// The newest number of each channel. Least recently used channels are forgotten, by halves.
#[derive(Debug, Default)]
pub(super) struct Sequences {
    recent: HashMap<ChannelId, i64>,
    older: HashMap<ChannelId, i64>,
}

impl Sequences {
    pub(super) fn order(&self, channel: ChannelId, seq: i64) -> Order {
        let newest = self.recent.get(&channel).or_else(|| self.older.get(&channel));
        match newest.copied() {
            None => Order::Next,
            Some(newest) if seq <= newest => Order::Repeated,
            Some(newest) if seq == newest + 1 => Order::Next,
            Some(newest) => Order::Missing(newest + 1),
        }
    }

    pub(super) fn note(&mut self, channel: ChannelId, seq: i64) {
        if self.recent.len() >= GENERATION_MAX && !self.recent.contains_key(&channel) {
            self.older = std::mem::take(&mut self.recent);
        }
        self.recent.insert(channel, seq);
    }

    pub(super) fn clear(&mut self) {
        self.recent.clear();
        self.older.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeats_and_holes_are_told_apart() {
        let (mut sequences, channel) = (Sequences::default(), ChannelId::new());
        assert_eq!(sequences.order(channel, 7), Order::Next);
        sequences.note(channel, 7);
        assert_eq!(sequences.order(channel, 7), Order::Repeated);
        assert_eq!(sequences.order(channel, 3), Order::Repeated);
        assert_eq!(sequences.order(channel, 8), Order::Next);
        assert_eq!(sequences.order(channel, 10), Order::Missing(8));
        assert_eq!(sequences.order(ChannelId::new(), 10), Order::Next);
    }

    #[test]
    fn the_channels_in_use_are_remembered_and_the_memory_is_bounded() {
        let (mut sequences, busy) = (Sequences::default(), ChannelId::new());
        for seq in 0..3 * i64::try_from(GENERATION_MAX).unwrap() {
            sequences.note(ChannelId::new(), 1);
            sequences.note(busy, seq);
        }
        assert!(matches!(sequences.order(busy, 0), Order::Repeated));
        assert!(sequences.recent.len() + sequences.older.len() <= 2 * GENERATION_MAX);
    }
}
