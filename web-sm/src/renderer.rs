//! Events as the fragments that all readers of a channel share (decisions.md 30). Nothing in here depends on the reader.

use std::sync::Arc;

use ajet_shared::events::{Envelope, Event, MessageDeleted, ReactionChanged, ThreadUpdated};
use ajet_shared::hub::Renderer;
use ajet_shared::id::MessageId;
use ajet_shared::markdown::plain;
use ajet_shared::message::{Message, MessageKind};
use ajet_shared::position::Position;
use bytes::Bytes;

use crate::frames::{Frames, Mode};
use crate::view::divider::Day;
use crate::view::message::{Body, Edited, Place, Row};
use crate::view::names::Directory;
use crate::view::reactions::Reactions;
use crate::view::render;
use crate::view::thread::{Count, Summary};
use crate::view::typing::Announcement;

/// A reader has the channel open; a new message begins a group.
pub(crate) const CHANNEL: usize = 0;
/// The same; a new message continues the group above.
pub(crate) const CONTINUED: usize = 1;
/// The same; a new message begins a day.
pub(crate) const NEW_DAY: usize = 2;
/// The same, for the pane, if it shows the thread in question; the page leaves out what it has no place for.
pub(crate) const THREAD: usize = 3;
/// A new message, in one line for screen readers.
pub(crate) const SPOKEN: usize = 4;

/// What a screen reader says of a message, in characters. Source: design.md section 9.
const SPOKEN_CHARS: usize = 120;

/// Draws what readers share.
pub(crate) struct WebRenderer {
    pub(crate) directory: Arc<Directory>,
}

impl Renderer for WebRenderer {
    const LENSES: usize = 5;

    fn render(&self, _position: Position, envelope: &Envelope, lens: usize) -> Option<Bytes> {
        let mut frames = Frames::default();
        match &envelope.event {
            Event::MessageCreated(message) => self.created(&mut frames, message, lens),
            Event::MessageEdited(message) => self.edited(&mut frames, message, lens),
            Event::MessageDeleted(deleted) => Self::deleted(&mut frames, deleted, lens),
            Event::ReactionAdded(change) | Event::ReactionRemoved(change) => {
                Self::reacted(&mut frames, change, lens);
            }
            Event::ThreadUpdated(update) if lens == CHANNEL => Self::threaded(&mut frames, update),
            Event::ThreadUpdated(update) if lens == THREAD => {
                frames.outer(&Count::new(update.parent_id, update.reply_count));
            }
            _ => {}
        }
        (!frames.is_empty()).then(|| frames.into_bytes())
    }
}

impl WebRenderer {
    fn created(&self, frames: &mut Frames, message: &Message, lens: usize) {
        self.directory.learn([&message.author]);
        let row = |place, cont| render(&Row::new(message, place, cont, &self.directory));
        match (lens, message.parent_id) {
            (CHANNEL, None) => {
                frames.patch(Mode::Append, "#messages", &row(Place::Channel, false));
            }
            (CONTINUED, None) => {
                frames.patch(Mode::Append, "#messages", &row(Place::Channel, true));
            }
            (NEW_DAY, None) => {
                let day = message.created_at.date();
                let html = render(&Day::new(day, ajet_shared::clock::now().date()))
                    + &row(Place::Channel, false);
                frames.patch(Mode::Append, "#messages", &html);
            }
            (THREAD, Some(root)) => {
                let thread = format_args!("#thread-messages[data-thread=\"{root}\"]");
                frames.patch(Mode::Append, thread, &row(Place::Reply, false));
            }
            (SPOKEN, _) if message.kind != MessageKind::System => {
                let text = plain(&message.body_md, SPOKEN_CHARS);
                let text = if text.is_empty() { "A file.".to_owned() } else { text };
                let line = Announcement { name: &message.author.display_name, text: &text };
                frames.patch(Mode::Append, "#announcer", &render(&line));
            }
            _ => {}
        }
    }

    fn edited(&self, frames: &mut Frames, message: &Message, lens: usize) {
        if lens != CHANNEL {
            return;
        }
        let row = rows_of(message.id);
        let body = render(&Body::of(message, &self.directory));
        frames.patch(Mode::Outer, format_args!("{row} .msg-body"), &body);
        if let Some(mark) = Edited::of(message) {
            // Where it is already; else in the head, or under the text of a row without one.
            let mark = render(&mark);
            frames.patch(Mode::Outer, format_args!("{row} .msg-edited"), &mark);
            let head = format_args!("{row} .msg-head:not(:has(.msg-edited))");
            frames.patch(Mode::Append, head, &mark);
            let cont = format_args!("{row}.cont:not(:has(.msg-edited)) .msg-body");
            frames.patch(Mode::After, cont, &mark);
        }
    }

    fn deleted(frames: &mut Frames, deleted: &MessageDeleted, lens: usize) {
        let Some(place) = place_of(lens) else { return };
        if place == Place::Channel {
            let row = rows_of(deleted.message_id);
            frames.patch(Mode::Outer, format_args!("{row} .msg-body"), &render(&Body::deleted()));
            frames.remove(format_args!("{row} .msg-edited"));
        }
        frames.outer(&Reactions::new(deleted.message_id, place, &[]));
    }

    fn threaded(frames: &mut Frames, update: &ThreadUpdated) {
        let id = update.parent_id;
        if let Some(summary) = Summary::of_update(update) {
            // In place of the one that is there, or at the end of the row.
            frames.outer(&summary);
            let main = format_args!("#message-{id} > .msg-main:not(:has(.thread-link))");
            frames.patch(Mode::Append, main, &render(&summary));
        } else {
            frames.remove(format_args!("#thread-summary-{id}"));
        }
    }

    fn reacted(frames: &mut Frames, change: &ReactionChanged, lens: usize) {
        let Some(place) = place_of(lens) else { return };
        frames.outer(&Reactions::new(change.message_id, place, &change.reactions));
    }
}

/// The rows of a message, as a selector: in the channel or in a thread, and as the root in the pane.
fn rows_of(id: MessageId) -> String {
    format!(":is(#message-{id},#root-message-{id})")
}

/// Reactions have ids of their own in each row.
const fn place_of(lens: usize) -> Option<Place> {
    match lens {
        CHANNEL => Some(Place::Channel),
        THREAD => Some(Place::Root),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use ajet_shared::message::ReactionCount;

    use super::*;
    use crate::fixtures::{NOON, author, event, message, renderer, world};

    fn text(renderer: &WebRenderer, envelope: &Envelope, lens: usize) -> String {
        let bytes = renderer.render(Position::default(), envelope, lens);
        bytes.map(|bytes| String::from_utf8(bytes.to_vec()).unwrap()).unwrap_or_default()
    }

    #[test]
    fn every_event_has_its_patch() {
        let (renderer, world, lena) = (renderer(), world(&["general"]), author("Lena"));
        let here = world.here.unwrap();
        let mut post = message(&lena, &here, 11, "hello");
        let id = post.id;
        let of = |kind| event(kind, &here, 12, lena.id);

        let created = of(Event::MessageCreated(post.clone()));
        let append = "event: datastar-patch-elements\ndata: selector #messages\ndata: mode append\ndata: elements <li class=\"msg\"";
        assert!(text(&renderer, &created, CHANNEL).starts_with(append));
        assert!(text(&renderer, &created, CONTINUED).contains("class=\"msg cont\""));
        assert!(text(&renderer, &created, NEW_DAY).contains("id=\"day-2026-11-20\""));
        assert_eq!(text(&renderer, &created, THREAD), "");
        assert!(text(&renderer, &created, SPOKEN).contains(
            "data: selector #announcer\ndata: mode append\ndata: elements <p>Lena: hello</p>"
        ));

        let mut reply = post.clone();
        reply.parent_id = Some(id);
        let replied = of(Event::MessageCreated(reply));
        assert_eq!(text(&renderer, &replied, CHANNEL), "");
        assert!(text(&renderer, &replied, THREAD).contains(&format!(
            "data: selector #thread-messages[data-thread=\"{id}\"]\ndata: mode append"
        )));

        post.edited_at = Some(NOON);
        let edited = of(Event::MessageEdited(post));
        let patch = text(&renderer, &edited, CHANNEL);
        assert!(patch.contains(&format!(
            "data: selector :is(#message-{id},#root-message-{id}) .msg-body\ndata: mode outer"
        )));
        assert!(
            patch.contains(
                "<span class=\"msg-edited\" title=\"Edited 20 November 2026, 12:00 UTC\">"
            )
        );
        assert_eq!(text(&renderer, &edited, THREAD), "", "one patch for both rows");

        let deleted = MessageDeleted {
            message_id: id,
            parent_id: None,
            message_seq: 11,
            author_id: lena.id,
            deleted_at: NOON,
        };
        let patch = text(&renderer, &of(Event::MessageDeleted(deleted)), CHANNEL);
        assert!(patch.contains("This message was deleted.") && !patch.contains("hello"));

        let reactions = vec![ReactionCount { emoji: "🚢".into(), count: 2, reacted_by_me: None }];
        let change = ReactionChanged {
            message_id: id,
            user_id: lena.id,
            emoji: "🚢".into(),
            count: 2,
            reactions,
        };
        let patch = text(&renderer, &of(Event::ReactionAdded(change)), CHANNEL);
        assert!(
            patch.contains(&format!(
                "id=\"r-{id}-1f6a2\" aria-pressed=\"false\" data-preserve-attr=\"aria-pressed\""
            )),
            "{patch}"
        );

        let update = ThreadUpdated {
            parent_id: id,
            reply_count: 1,
            last_reply_at: Some(NOON),
            participant_ids: vec![lena.id],
            participants: vec![lena.clone()],
        };
        let updated = of(Event::ThreadUpdated(update));
        assert!(text(&renderer, &updated, CHANNEL).contains("<b>1 reply</b>"));
        assert!(text(&renderer, &updated, THREAD).contains(&format!("id=\"thread-count-{id}\"")));
    }

    #[test]
    fn nothing_shared_tells_a_reader_s_secrets() {
        let (renderer, world, lena) = (renderer(), world(&["general"]), author("Lena"));
        let here = world.here.unwrap();
        let post = message(&lena, &here, 11, "hello");
        let key = post.client_msg_id.unwrap().to_string();
        let created = event(Event::MessageCreated(post), &here, 11, lena.id);
        for lens in 0..WebRenderer::LENSES {
            assert!(!text(&renderer, &created, lens).contains(&key), "lens {lens}");
        }
    }
}
