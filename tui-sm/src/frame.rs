//! Events as server-sent events: `id` the position, `event` the type, `data` the envelope as JSON.

use std::borrow::Cow;
use std::time::Duration;

use ajet_shared::clock;
use ajet_shared::events::{Envelope, Event, PresenceChanged};
use ajet_shared::hub::{CloseReason, Delivery, Renderer, ResyncReason, Signal};
use ajet_shared::id::UserId;
use ajet_shared::position::Position;
use bytes::Bytes;
use serde::Serialize;
use serde_json::json;

/// What everybody but the author sees.
const OTHERS: usize = 0;
/// What the author of a message sees: with the key the author's client gave it.
const AUTHOR: usize = 1;

/// Renders events as frames.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Frames;

impl Renderer for Frames {
    const LENSES: usize = 2;

    fn render(&self, position: Position, event: &Envelope, lens: usize) -> Option<Bytes> {
        let envelope =
            if lens == OTHERS { without_client_key(event) } else { Cow::Borrowed(event) };
        frame(Some(position), event.event.name(), &*envelope)
    }
}

/// The author's key is nobody else's business (delivery-and-security.md section 2.8).
fn without_client_key(envelope: &Envelope) -> Cow<'_, Envelope> {
    match &envelope.event {
        Event::MessageCreated(message) | Event::MessageEdited(message)
            if message.client_msg_id.is_some() =>
        {
            let mut envelope = envelope.clone();
            if let Event::MessageCreated(message) | Event::MessageEdited(message) =
                &mut envelope.event
            {
                message.client_msg_id = None;
            }
            Cow::Owned(envelope)
        }
        _ => Cow::Borrowed(envelope),
    }
}

/// The bytes of a signal for one reader; none when there is nothing to write.
pub(crate) fn bytes(signal: &Signal<Frames>, reader: UserId) -> Option<Bytes> {
    match signal {
        Signal::Ready { position } => frame(Some(*position), "ready", &standing(*position)),
        Signal::Resumed { count } => frame(None, "resumed", &json!({ "count": count })),
        Signal::Event(delivery) => delivery.bytes(lens(delivery, reader)).cloned(),
        Signal::Typing(envelope) => frame(None, envelope.event.name(), &**envelope),
        Signal::Presence(changes) => Some(
            changes
                .iter()
                .filter_map(|change| presence(*change))
                .collect::<Vec<_>>()
                .concat()
                .into(),
        ),
        Signal::Resync { reason, position } => resync(*reason, *position),
        Signal::Heartbeat { position } => frame(Some(*position), "heartbeat", &standing(*position)),
        Signal::Close { reason: CloseReason::SignedOut, .. } => {
            frame(None, "signed-out", &json!({}))
        }
        Signal::Close { retry, .. } => Some(self::retry(*retry)),
    }
}

/// When the client shall come back after the connection is lost.
pub(crate) fn retry(after: Duration) -> Bytes {
    format!("retry: {}\n\n", after.as_millis()).into()
}

/// The first bytes of a stream: when to come back, and a comment, so that whatever stands in between lets something through at once.
pub(crate) fn head(retry_after: Duration) -> Bytes {
    format!("retry: {}\n: ajet-chat\n\n", retry_after.as_millis()).into()
}

fn lens(delivery: &Delivery<Frames>, reader: UserId) -> usize {
    match &delivery.envelope.event {
        Event::MessageCreated(message) | Event::MessageEdited(message)
            if message.author.id == reader =>
        {
            AUTHOR
        }
        _ => OTHERS,
    }
}

fn presence(change: PresenceChanged) -> Option<Bytes> {
    let envelope =
        Envelope::new(Event::PresenceChanged(change), Some(change.user_id), clock::now());
    frame(None, envelope.event.name(), &envelope)
}

fn resync(reason: ResyncReason, position: Position) -> Option<Bytes> {
    frame(
        Some(position),
        "resync",
        &json!({ "reason": reason.as_str(), "epoch": position.epoch, "seq": position.seq }),
    )
}

fn standing(position: Position) -> serde_json::Value {
    json!({ "epoch": position.epoch, "seq": position.seq })
}

/// One frame. JSON has no line feeds of its own, so the data is one line.
fn frame(position: Option<Position>, name: &str, data: &impl Serialize) -> Option<Bytes> {
    use std::io::Write as _;
    let mut bytes = Vec::with_capacity(1024);
    if let Some(position) = position {
        writeln!(bytes, "id: {position}").ok()?;
    }
    write!(bytes, "event: {name}\ndata: ").ok()?;
    serde_json::to_writer(&mut bytes, data).ok()?;
    bytes.extend_from_slice(b"\n\n");
    Some(bytes.into())
}
