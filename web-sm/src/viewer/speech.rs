//! What a screen reader says of new messages: one by one, or as a number when there are many.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::SharedBytes;
use crate::frames::{Frames, Mode};
use crate::renderer::SPOKEN;

/// More new messages than this in [`BURST_WITHIN`] are spoken as a number. Source: design.md section 9.
const BURST: usize = 3;
/// See [`BURST`].
const BURST_WITHIN: Duration = Duration::from_secs(5);

/// What was said lately, and what is still to be said.
#[derive(Debug)]
pub(super) struct Speech {
    spoken: VecDeque<Instant>,
    /// Messages that wait to be said as a number.
    more: usize,
    /// When that number is said; during a replay only at its end.
    until: Option<Instant>,
    replaying: bool,
}

impl Speech {
    pub(super) fn new(replaying: bool) -> Self {
        Self { spoken: VecDeque::new(), more: 0, until: None, replaying }
    }

    /// Says a new message, or keeps it for the number.
    pub(super) fn speak(&mut self, shared: SharedBytes<'_>, now: Instant, frames: &mut Frames) {
        self.spoken.retain(|at| now.duration_since(*at) < BURST_WITHIN);
        if self.replaying {
            self.more += 1;
        } else if self.more == 0 && self.spoken.len() < BURST {
            self.spoken.push_back(now);
            if let Some(bytes) = shared(SPOKEN) {
                frames.bytes(&bytes);
            }
        } else {
            // From the first one, so that talk without an end is spoken of as well.
            self.until.get_or_insert(now + BURST_WITHIN);
            self.more += 1;
        }
    }

    /// When the number is said.
    pub(super) fn until(&self) -> Option<Instant> {
        self.until
    }

    /// Says the number when it is time.
    pub(super) fn expire(&mut self, now: Instant, frames: &mut Frames) {
        if self.until.is_some_and(|until| until <= now) {
            self.say(frames);
        }
    }

    /// End of a replay.
    pub(super) fn resumed(&mut self, frames: &mut Frames) {
        self.replaying = false;
        self.say(frames);
    }

    fn say(&mut self, frames: &mut Frames) {
        self.until = None;
        let words = match std::mem::take(&mut self.more) {
            0 => return,
            1 => "1 new message".to_owned(),
            more => format!("{more} new messages"),
        };
        frames.patch(Mode::Append, "#announcer", &format!("<p>{words}</p>"));
    }
}
