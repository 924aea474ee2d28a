//! Who writes and who is there: what passes and is never stored.

use std::time::Instant;

use ajet_shared::events::{Envelope, Event, PresenceChanged};
use ajet_shared::id::UserId;
use ajet_shared::limits::TYPING_HIDES_AFTER;

use super::{Typist, Viewer};
use crate::frames::{Frames, Mode};
use crate::view::avatar::Presence;
use crate::view::render;
use crate::view::typing::Typing;

impl Viewer {
    /// Somebody else writes in a channel of the reader.
    pub(crate) fn typing(&mut self, envelope: &Envelope, now: Instant, frames: &mut Frames) {
        let (typing, started) = match &envelope.event {
            Event::TypingStarted(typing) => (typing, true),
            Event::TypingStopped(typing) => (typing, false),
            _ => return,
        };
        if Some(typing.channel_id) != self.channel_id()
            || typing.parent_id.is_some()
            || typing.user.id == self.world.me.id
        {
            return;
        }
        let before = self.typing.len();
        let was_there = self.typing.iter().any(|typist| typist.user_id == typing.user.id);
        self.typing.retain(|typist| typist.user_id != typing.user.id);
        if started {
            self.typing.push(Typist {
                user_id: typing.user.id,
                name: typing.user.display_name.clone(),
                until: now + TYPING_HIDES_AFTER,
            });
        }
        if !(was_there && started) && (before != self.typing.len() || started) {
            self.draw_typing(frames);
        }
    }

    /// When the next of those who write is forgotten.
    pub(crate) fn typing_until(&self) -> Option<Instant> {
        self.typing.iter().map(|typist| typist.until).min()
    }

    /// Forgets who has been silent for too long.
    pub(crate) fn expire_typing(&mut self, now: Instant, frames: &mut Frames) {
        let before = self.typing.len();
        self.typing.retain(|typist| typist.until > now);
        if self.typing.len() != before {
            self.draw_typing(frames);
        }
    }

    /// Somebody has said it: nobody has to say that the writing stopped.
    pub(super) fn fell_silent(&mut self, user_id: UserId, frames: &mut Frames) {
        let before = self.typing.len();
        self.typing.retain(|typist| typist.user_id != user_id);
        if self.typing.len() != before {
            self.draw_typing(frames);
        }
    }

    pub(super) fn draw_typing(&self, frames: &mut Frames) {
        let names: Vec<&str> = self.typing.iter().map(|typist| typist.name.as_str()).collect();
        frames.patch(Mode::Inner, "#typing", &render(&Typing::new(&names)));
    }

    /// Who came or went.
    pub(crate) fn presence(&mut self, changes: &[PresenceChanged], frames: &mut Frames) {
        for change in changes.iter().filter(|change| change.user_id != self.world.me.id) {
            self.world.online.insert(change.user_id, change.online);
            let dots = format!(".presence[data-user=\"{}\"]", change.user_id);
            frames.patch(
                Mode::Outer,
                dots,
                &render(&Presence { user_id: change.user_id, online: change.online }),
            );
        }
    }
}
