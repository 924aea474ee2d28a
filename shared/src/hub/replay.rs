//! What a reader who comes back has missed.

use std::collections::HashMap;
use std::sync::Arc;

use time::OffsetDateTime;

use super::delivery::Scope;
use super::{Delivery, Renderer};
use crate::bus::Delivered;
use crate::events::{Envelope, Event, MessageDeleted, Subject};
use crate::id::{ChannelId, MessageId};
use crate::message::Message;
use crate::position::Position;

/// Events a replay may bring after the permission filter; more is a resync. Source: delivery-and-security.md section 2.6.
pub(super) const EVENTS_MAX: usize = 500;
/// Events that are read from the stream for one replay. Source: delivery-and-security.md section 2.6.
pub(super) const FROM_STREAM_MAX: u64 = 2_000;
/// Bytes that are read from the stream for one replay, of which the reader sees a part.
pub(super) const READ_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Replays from the stream at once in this process. Source: delivery-and-security.md section 2.6.
pub(super) const AT_ONCE_MAX: usize = 8;

/// Reads an event off the stream. None for what this build cannot use.
pub(super) fn decode(delivered: &Delivered) -> Option<(Scope, Envelope)> {
    let envelope: Envelope = match serde_json::from_slice(&delivered.payload) {
        Ok(envelope) => envelope,
        Err(error) => {
            tracing::warn!(stream_seq = delivered.stream_seq, %error, "skipped an event that cannot be read");
            return None;
        }
    };
    let scope =
        Subject::parse(&delivered.subject).and_then(|subject| Scope::of(subject, &envelope));
    if scope.is_none() {
        tracing::warn!(stream_seq = delivered.stream_seq, subject = %delivered.subject, "skipped an event on an unknown subject");
    }
    Some((scope?, envelope))
}

/// An earlier epoch had told it, and it is published again because the stream lost it. Nobody is told twice, and what it says of rights
/// may be over by now.
///
/// A row that waits again was committed before the epoch began, and every cursor of the epoch goes with a state that was read after it
/// began. So whoever reads on from there, reader or hub, knows of it.
///
/// Only that a session ended is told once more: the api may remember the token for a second, and no ended session ever comes back.
pub(super) fn is_old_news(delivered: &Delivered, event: &Event) -> bool {
    delivered.again && !matches!(event, Event::SessionRevoked(_))
}

/// What a reader missed since `cursor`, each channel in its order: what was handed out `early`, or came late, stands before those that
/// wait for it, under the cursor that makes a reader come back to all of them.
pub(super) fn in_order<R: Renderer>(
    cursor: Position,
    early: Vec<Arc<Delivery<R>>>,
    mut batch: Vec<Arc<Delivery<R>>>,
) -> Vec<Arc<Delivery<R>>> {
    batch.extend(early.into_iter().filter(|early| early.position >= cursor));
    // Stable: an early one comes after what its cursor speaks for.
    batch.sort_by_key(|delivery| delivery.position.seq);
    let mut newest: HashMap<ChannelId, i64> = HashMap::new();
    let mut ordered: Vec<Arc<Delivery<R>>> = Vec::with_capacity(batch.len());
    for delivery in batch {
        let Some((channel, seq)) = delivery.place() else {
            ordered.push(delivery);
            continue;
        };
        let newest = newest.entry(channel).or_insert(seq);
        if seq >= *newest {
            *newest = seq;
            ordered.push(delivery);
            continue;
        }
        let waits = |other: &Arc<Delivery<R>>| {
            other.place().is_some_and(|(of, place)| of == channel && place > seq)
        };
        let index = ordered.iter().position(waits).unwrap_or(ordered.len());
        let before = index.checked_sub(1).map_or(cursor, |before| ordered[before].position);
        ordered.insert(index, Arc::new(delivery.at(before)));
    }
    ordered
}

/// Makes old events fit to be seen: a message that was deleted later in the batch keeps its place, but not its words (decisions.md 4).
pub(super) fn without_deleted<R: Renderer>(
    renderer: &Arc<R>,
    batch: Vec<Arc<Delivery<R>>>,
) -> Vec<Arc<Delivery<R>>> {
    let deleted: HashMap<MessageId, OffsetDateTime> =
        batch.iter().filter_map(|delivery| deletion(&delivery.envelope.event)).collect();
    if deleted.is_empty() {
        return batch;
    }
    batch.into_iter().filter_map(|delivery| redact(renderer, delivery, &deleted)).collect()
}

fn deletion(event: &Event) -> Option<(MessageId, OffsetDateTime)> {
    match event {
        Event::MessageDeleted(MessageDeleted { message_id, deleted_at, .. }) => {
            Some((*message_id, *deleted_at))
        }
        _ => None,
    }
}

fn redact<R: Renderer>(
    renderer: &Arc<R>,
    delivery: Arc<Delivery<R>>,
    deleted: &HashMap<MessageId, OffsetDateTime>,
) -> Option<Arc<Delivery<R>>> {
    let at = match &delivery.envelope.event {
        Event::MessageCreated(message) | Event::MessageEdited(message) => deleted.get(&message.id),
        _ => None,
    };
    match (at, &delivery.envelope.event) {
        (None, _) => Some(delivery),
        (Some(at), Event::MessageCreated(message)) => {
            let envelope = Envelope {
                event: Event::MessageCreated(tombstone(message, *at)),
                ..delivery.envelope.clone()
            };
            Some(Arc::new(Delivery::new(
                renderer.clone(),
                delivery.position,
                delivery.scope,
                envelope,
                delivery.size_bytes,
            )))
        }
        (Some(_), _) => None,
    }
}

/// What is left of a deleted message: who wrote it when, and its place.
fn tombstone(message: &Message, deleted_at: OffsetDateTime) -> Message {
    Message {
        body_md: String::new(),
        edited_at: None,
        deleted_at: Some(deleted_at),
        reactions: Vec::new(),
        attachments: Vec::new(),
        mentions: Vec::new(),
        metadata: serde_json::Value::Null,
        ..message.clone()
    }
}

/// How a reader gets on, given its cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Resume {
    /// There is no cursor: live from now.
    Fresh,
    /// Everything since is in the ring.
    Memory,
    /// Everything since may be in the stream.
    Stream,
    /// The cursor is of another epoch, or no cursor at all.
    Epoch,
    /// The cursor is from the future.
    Ahead,
    /// Too long ago.
    Window,
}

/// The table of delivery-and-security.md section 2.6.
pub(super) fn resume(cursor: Option<Position>, pump: Position, ring_floor: u64) -> Resume {
    match cursor {
        None => Resume::Fresh,
        Some(cursor) if cursor.epoch != pump.epoch => Resume::Epoch,
        Some(cursor) if cursor.seq > pump.seq => Resume::Ahead,
        Some(cursor) if cursor.seq >= ring_floor => Resume::Memory,
        Some(cursor) if pump.seq - cursor.seq <= FROM_STREAM_MAX => Resume::Stream,
        Some(_) => Resume::Window,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_answered_by_the_table() {
        let at = |epoch, seq| Position { epoch, seq };
        let pump = at(3, 10_000);
        for (cursor, answer) in [
            (None, Resume::Fresh),
            (Some(at(2, 9_999)), Resume::Epoch),
            (Some(at(4, 1)), Resume::Epoch),
            (Some(at(3, 10_001)), Resume::Ahead),
            (Some(at(3, 10_000)), Resume::Memory),
            (Some(at(3, 9_000)), Resume::Memory),
            (Some(at(3, 8_999)), Resume::Stream),
            (Some(at(3, 8_000)), Resume::Stream),
            (Some(at(3, 7_999)), Resume::Window),
            (Some(at(3, 0)), Resume::Window),
        ] {
            assert_eq!(resume(cursor, pump, 9_000), answer, "{cursor:?}");
        }
    }
}
