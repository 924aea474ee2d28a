//! Going to a message, wherever it stands: the channel, the thread, the page it is on are asked for, one after the other.

use ajet_shared::id::{ChannelId, MessageId};
use ajet_shared::message::Message;

use super::super::event::{Ask, Part};
use super::super::model::{Mode, Model, Tone, Zone};
use super::super::places::Place;
use super::super::timeline::RowKey;
use super::{act, go};

/// A message on the way to which somebody is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seek {
    pub(super) channel: ChannelId,
    pub(super) message: MessageId,
}

/// Opens a channel where a message stands, and selects it; a reply in its thread.
pub(super) fn open_at(model: &mut Model, channel: ChannelId, message: MessageId) {
    let seek = Some(Seek { channel, message });
    if !model.channels.contains_key(&channel) {
        model.work.seek = seek;
        return model.ask(Ask::Channel(channel));
    }
    go::open(model, channel);
    model.mode = Mode::Message;
    if known_in_channel(model, message) {
        return go::select(model, Zone::Channel, RowKey::Message(message));
    }
    model.work.seek = seek;
    model.ask(Ask::Message(message));
}

/// Opens the thread of what is sought, where that stands in it.
pub(super) fn open_thread(model: &mut Model, parent: Message) {
    let Some(sought) = model.work.seek.map(|seek| seek.message) else { return };
    let place = Place::thread(parent.channel_id, parent.id);
    let is_open = model.thread().is_some_and(|thread| thread.place() == place);
    go::open_thread_at(model, parent, Part::Around(sought));
    model.mode = Mode::Message;
    if !is_open {
        return;
    }
    if model.thread().is_some_and(|thread| thread.timeline.message(sought).is_some()) {
        model.work.seek = None;
        return go::select(model, Zone::Pane, RowKey::Message(sought));
    }
    model.ask(Ask::Page(place, Part::Around(sought)));
}

/// What was sought is not there.
pub(super) fn lost(model: &mut Model) {
    model.work.seek = None;
    model.say(Tone::Info, "It is not there any more");
}

fn known_in_channel(model: &Model, message: MessageId) -> bool {
    model.open.as_ref().is_some_and(|open| open.timeline.message(message).is_some())
}

/// A message that was sought has come: shows it where it stands.
pub(super) fn sought(model: &mut Model, message: &Message) {
    let channel = message.channel_id;
    if model.open.as_ref().is_none_or(|open| open.id != channel) {
        model.work.seek = None;
        return;
    }
    if let Some(parent) = message.parent_id {
        if let Some(parent) = act::known(model, parent).cloned() {
            return open_thread(model, parent);
        }
        model.work.seek_thread = Some(parent);
        return model.ask(Ask::Message(parent));
    }
    if known_in_channel(model, message.id) {
        model.work.seek = None;
        return go::select(model, Zone::Channel, RowKey::Message(message.id));
    }
    model.ask(Ask::Page(Place::channel(channel), Part::Around(message.id)));
}

/// Whether somebody waits for this answer to be brought to a message.
pub(super) fn waits_for(model: &Model, ask: &Ask) -> bool {
    let Some(seek) = model.work.seek else { return false };
    match ask {
        Ask::Channel(id) => seek.channel == *id,
        Ask::Message(id) => seek.message == *id || model.work.seek_thread == Some(*id),
        _ => false,
    }
}
