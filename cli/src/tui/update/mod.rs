//! What happens, applied to the model. Pure: no IO, no clock; what is to be done comes out as effects.

mod act;
mod answer;
mod begin;
mod channels;
mod complete;
mod compose;
mod find;
mod go;
mod insert;
mod jump;
mod layers;
mod listing;
mod message;
mod mouse;
mod news;
mod press;
mod seek;
mod send;
mod stream;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod tick;

use std::collections::{HashMap, HashSet};

use ajet_shared::events::Envelope;
use ajet_shared::id::{ChannelId, ClientMessageId, CommunityId, MessageId, UserId};
use time::{Duration, OffsetDateTime};

use super::event::{Ask, Effect, Event};
use super::model::{Model, Status, Tone};
use super::places::Place;
use super::timeline::{Note, RowKey};

pub(crate) use tick::next_due;

/// How long a sentence stays in the status row.
const STATUS_FOR: Duration = Duration::seconds(4);
/// Within this, `Ctrl-C` twice quits.
const TWICE: Duration = Duration::seconds(2);

/// What the interface remembers for itself and nobody sees.
#[derive(Clone, Debug, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each tells something of its own; no two exclude each other"
)]
pub(crate) struct Work {
    effects: Vec<Effect>,
    /// What to open first: `#name`, `@user`, or where I was.
    pub(crate) wanted: Wanted,
    /// The stream runs.
    following: bool,
    notes: u64,
    /// What was marked read last (up to which seq, with what unread and mentioning), so that it is not asked twice.
    read: Option<(ChannelId, i64, i64, i64)>,
    typing: Option<Typing>,
    /// The text of an open box changed and is to be kept at this moment.
    drafts_due: Option<OffsetDateTime>,
    heartbeat_due: Option<OffsetDateTime>,
    /// The outbox rests until then.
    outbox_rests: Option<OffsetDateTime>,
    outbox_failures: u32,
    ctrl_c_until: Option<OffsetDateTime>,
    /// Attempts to read again after a resync that failed.
    sync_due: Option<OffsetDateTime>,
    syncing: bool,
    /// Something of the last synchronisation is still to be read again: the visible channel and thread.
    reload: bool,
    clicked: Option<(RowKey, OffsetDateTime)>,
    recent_emoji: Vec<String>,
    /// Messages asked for the excerpts of the activity pane.
    excerpts: HashSet<MessageId>,
    /// To select once its page is there.
    seek: Option<seek::Seek>,
    /// The thread of this message is opened once the message is there: what is sought is an answer to it.
    seek_thread: Option<MessageId>,
    /// To open once it is known.
    open_next: Option<ChannelId>,
    attempt: u32,
    /// The stream was refused so often since it stood.
    endings: u32,
    /// The stream was refused with this guest channel.
    refused_guest: Option<ChannelId>,
    /// Events that came while everything is read anew.
    held: Vec<Envelope>,
    /// A command that may have been run, or may not.
    tried: Option<Tried>,
    /// What is shown once, of places that are not open.
    secrets: HashMap<Place, Vec<Note>>,
    /// An edit that was not saved when its box was closed.
    unsaved: Option<String>,
    /// Texts kept on disk, by who wrote them; mine become the drafts once it is known who I am.
    pub(crate) kept: HashMap<UserId, HashMap<Place, String>>,
    /// Communities whose members were read.
    peopled: HashSet<CommunityId>,
    quitting: bool,
}

/// A command that got no answer: asked again from the same place, it goes out under the same key and is not done twice.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Tried {
    place: Place,
    text: String,
    key: ClientMessageId,
}

impl Work {
    /// The first thing to do is to read what there is.
    pub(crate) fn starting(now: OffsetDateTime) -> Self {
        Self { sync_due: Some(now), ..Self::default() }
    }
}

/// What to open first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// As it was named on the command line.
    pub(crate) named: Option<String>,
    /// The community given by flag or settings.
    pub(crate) community: Option<String>,
    /// Where I was the last time.
    pub(crate) last: Option<ChannelId>,
}

/// I write somewhere, and the others were told.
#[derive(Clone, Copy, Debug)]
struct Typing {
    place: Place,
    told_at: OffsetDateTime,
    key_at: OffsetDateTime,
}

/// Applies what happened at `now`.
pub(crate) fn update(model: &mut Model, now: OffsetDateTime, event: Event) -> Vec<Effect> {
    model.now = now;
    match event {
        Event::Key(key) => press::press(model, key),
        Event::Mouse(event) => mouse::mouse(model, event),
        Event::Paste(text) => compose::paste(model, text),
        Event::Resize(columns, rows) => resize(model, columns, rows),
        Event::Focus(focused) => {
            model.focused = focused;
            news::mark_read(model);
        }
        Event::Tick => {}
        Event::Drawn(drawn) => go::drawn(model, drawn),
        Event::Live(received) => stream::receive(model, received),
        Event::Ended(error) => stream::ended(model, &error),
        Event::Answer(ask, outcome) => answer::answer(model, ask, outcome),
        Event::Written(text) => compose::written(model, text),
        Event::Recalled(place, text) => compose::recalled(model, place, text),
        Event::Unkept(why) => model.say(Tone::Bad, &why),
        Event::Stop => act::quit(model),
    }
    tick::due(model);
    send::pump(model);
    std::mem::take(&mut model.work.effects)
}

/// The terminal has another size. Places stay: they are rows, not lines.
fn resize(model: &mut Model, columns: u16, rows: u16) {
    model.size = (columns, rows);
    if model.list_beside() && matches!(model.overlay, Some(super::overlay::Overlay::List)) {
        model.overlay = None;
    }
    if let Some(open) = &mut model.open {
        open.timeline.reveal = open.timeline.selected.is_some();
    }
}

impl Model {
    /// Has something done.
    fn push(&mut self, effect: Effect) {
        self.work.effects.push(effect);
    }

    fn ask(&mut self, ask: Ask) {
        self.push(Effect::Ask(ask));
    }

    /// Puts a sentence into the status row. Raw text is made safe here.
    pub(crate) fn say(&mut self, tone: Tone, text: &str) {
        let text = ajet_shared::terminal::terminal_line(text).into_owned();
        self.status = Some(Status { text, tone, until: self.now + STATUS_FOR });
    }
}
