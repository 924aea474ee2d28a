//! The loaded part of a channel or thread, and where the reader is in it.

use ajet_shared::id::{ClientMessageId, MessageId};
use ajet_shared::message::Message;
use time::OffsetDateTime;

use super::outbox::OutboxEntry;

/// Messages kept while the reader is at the newest.
const MESSAGES_MAX: usize = 2_000;
/// So many of them go at once.
const MESSAGES_LET_GO: usize = 500;

/// Names a row of a timeline for as long as it is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum RowKey {
    Message(MessageId),
    /// Mine, not sent yet.
    Outgoing(ClientMessageId),
    /// Something only I see.
    Note(u64),
}

/// A row, top to bottom. Day rules and the rule of what is new are the view's.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Row<'a> {
    Message(&'a Message),
    Outgoing(&'a OutboxEntry),
    Note(&'a Note),
}

impl Row<'_> {
    pub(crate) fn key(&self) -> RowKey {
        match self {
            Self::Message(message) => RowKey::Message(message.id),
            Self::Outgoing(entry) => RowKey::Outgoing(entry.client_msg_id),
            Self::Note(note) => RowKey::Note(note.number),
        }
    }
}

/// Text only I see, in the place where I asked for it: what a command answered. `x` or `d` takes it away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Note {
    pub(crate) number: u64,
    /// Markdown from the server. Raw.
    pub(crate) body_md: String,
    pub(crate) at: OffsetDateTime,
    /// It stands after this message; none: before all.
    pub(crate) after: Option<i64>,
    /// Holds something to copy now, because it is not shown again.
    pub(crate) secret: bool,
}

impl Note {
    /// One that stands nowhere yet.
    pub(crate) fn new(number: u64, body_md: String, at: OffsetDateTime, secret: bool) -> Self {
        Self { number, body_md, at, after: None, secret }
    }
}

/// Where the zone stands over the rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Scroll {
    /// The newest row is the lowest, and new ones push up.
    #[default]
    Newest,
    /// The first line of this row stands `offset` lines below the upper edge of the zone (negative: above it). The view moves it where
    /// there would be emptiness below the newest or above the oldest row, and falls back to `Newest` for a row that is gone.
    At { row: RowKey, offset: i32 },
    /// The rule of what is new stands in the upper third; `Newest` when there is none, or all fits.
    Divider,
}

/// The loaded messages of a channel, or the replies of a thread.
#[derive(Clone, Debug, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each tells something of its own; no two exclude each other"
)]
pub(crate) struct Timeline {
    /// Ascending by `seq`, each once, no gap between two of them. Deleted ones stay as such.
    pub(crate) messages: Vec<Message>,
    pub(crate) notes: Vec<Note>,
    /// There are older ones on the server.
    pub(crate) has_older: bool,
    /// There are newer ones on the server, because a jump into the past loaded the middle.
    pub(crate) has_newer: bool,
    /// A page is on its way.
    pub(crate) loading: bool,
    /// The first page was never there: nothing is known yet.
    pub(crate) fresh: bool,
    pub(crate) scroll: Scroll,
    /// The selected row; drawn only in message mode and while the zone has the focus.
    pub(crate) selected: Option<RowKey>,
    /// The view brings the selected row into sight, moving as little as it can. Taken back after it was drawn.
    pub(crate) reveal: bool,
    /// What is after this `seq` and not mine is new: the rule of what is new stands before the first of it.
    pub(crate) divider: Option<i64>,
    /// Long messages that were unfolded.
    pub(crate) unfolded: Vec<MessageId>,
}

impl Timeline {
    /// Waiting for its first page.
    pub(crate) fn empty() -> Self {
        Self { fresh: true, loading: true, ..Self::default() }
    }

    pub(crate) fn message(&self, id: MessageId) -> Option<&Message> {
        self.messages.iter().find(|message| message.id == id)
    }

    pub(crate) fn message_mut(&mut self, id: MessageId) -> Option<&mut Message> {
        self.messages.iter_mut().find(|message| message.id == id)
    }

    pub(crate) fn newest(&self) -> Option<&Message> {
        self.messages.last()
    }

    /// The rows as they stand: messages, notes between them, what is not sent yet at the end.
    pub(crate) fn rows<'a>(
        &'a self,
        outgoing: impl Iterator<Item = &'a OutboxEntry>,
    ) -> Vec<Row<'a>> {
        let mut rows = Vec::with_capacity(self.messages.len() + self.notes.len() + 4);
        let mut notes = self.notes.iter().peekable();
        for message in &self.messages {
            while let Some(note) =
                notes.next_if(|note| note.after.is_none_or(|seq| seq < message.seq))
            {
                rows.push(Row::Note(note));
            }
            rows.push(Row::Message(message));
        }
        rows.extend(notes.map(Row::Note));
        if !self.has_newer {
            rows.extend(outgoing.map(Row::Outgoing));
        }
        rows
    }

    /// Takes a message in at its place, or over the older version of itself.
    pub(crate) fn upsert(&mut self, mut message: Message) {
        match self.messages.binary_search_by_key(&message.seq, |known| known.seq) {
            Ok(at) => {
                keep_mine(&mut message, &self.messages[at]);
                self.messages[at] = message;
            }
            Err(at) => self.messages.insert(at, message),
        }
    }

    /// Adds a note after what is there now; one that is not sent yet comes after it.
    pub(crate) fn note(&mut self, note: Note) {
        self.notes.push(Note { after: self.end(), ..note });
    }

    /// After what a note stands that comes now: while nothing is loaded yet, after what will be.
    fn end(&self) -> Option<i64> {
        let nothing_yet = self.fresh.then_some(i64::MAX);
        nothing_yet.or_else(|| self.newest().map(|message| message.seq))
    }

    /// A page came: notes that waited for the first one stand after what it brought.
    pub(crate) fn settle_notes(&mut self) {
        let end = self.end();
        for note in self.notes.iter_mut().filter(|note| note.after == Some(i64::MAX)) {
            note.after = end;
        }
    }

    /// Forgets the oldest messages of a long one whose reader is at the end; they are read again where somebody scrolls up.
    pub(crate) fn let_go(&mut self) {
        if self.messages.len() > MESSAGES_MAX && self.scroll == Scroll::Newest && !self.loading {
            self.messages.drain(..MESSAGES_LET_GO);
            self.has_older = true;
        }
    }
}

/// Events are the same for all readers, so they do not say which reactions are mine.
pub(crate) fn keep_mine(new: &mut Message, old: &Message) {
    for reaction in new.reactions.iter_mut().filter(|reaction| reaction.reacted_by_me.is_none()) {
        let known = old.reactions.iter().find(|known| known.emoji == reaction.emoji);
        reaction.reacted_by_me = Some(known.is_some_and(|known| known.reacted_by_me == Some(true)));
    }
}
