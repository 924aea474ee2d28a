//! Who writes: published for others, at most one message in two seconds per person and channel.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::shared::{Shared, lock};
use super::{Renderer, TypingNote};
use crate::bus::BusError;
use crate::clock;
use crate::events::{Envelope, Event, Typing, TypingState};
use crate::id::{ChannelId, MessageId, UserId};

/// At most one message per person and channel or thread in this time. Source: delivery-and-security.md section 3.5.
const EVERY: Duration = Duration::from_secs(2);
/// From this many on, those who stopped are forgotten.
const REMEMBERED_MAX: usize = 4096;

/// Who typed where, lately.
#[derive(Debug, Default)]
pub(super) struct Limiter(HashMap<Key, Told>);

/// Who types where: writing in a thread and in its channel are two things.
type Key = (UserId, ChannelId, Option<MessageId>);

#[derive(Debug)]
struct Told {
    at: Instant,
    /// What the others believe.
    state: TypingState,
    /// Said within the two seconds: told at their end.
    later: Option<TypingState>,
}

/// What to do with a note.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Now,
    /// The last word is told then.
    At(Instant),
    /// There is nothing new, or it is told already later.
    Never,
}

impl Limiter {
    fn judge(&mut self, key: Key, state: TypingState, now: Instant) -> Verdict {
        if self.0.len() >= REMEMBERED_MAX {
            self.0.retain(|_, told| now.duration_since(told.at) < EVERY || told.later.is_some());
        }
        match self.0.entry(key) {
            Entry::Vacant(entry) => {
                entry.insert(Told { at: now, state, later: None });
                Verdict::Now
            }
            Entry::Occupied(mut entry) => {
                let told = entry.get_mut();
                if now.duration_since(told.at) >= EVERY && told.later.is_none() {
                    *told = Told { at: now, state, later: None };
                    return Verdict::Now;
                }
                let waits = told.later.is_some();
                if !waits && state == told.state {
                    return Verdict::Never;
                }
                told.later = Some(state);
                if waits { Verdict::Never } else { Verdict::At(told.at + EVERY) }
            }
        }
    }

    /// What is to be told at the end of the two seconds, if it is still news.
    fn later(&mut self, key: Key, now: Instant) -> Option<TypingState> {
        let told = self.0.get_mut(&key)?;
        let state = told.later.take().filter(|state| *state != told.state)?;
        *told = Told { at: now, state, later: None };
        Some(state)
    }
}

pub(super) async fn publish<R: Renderer>(
    shared: &Arc<Shared<R>>,
    note: TypingNote,
) -> Result<(), BusError> {
    let key = (note.author.id, note.channel_id, note.parent_id);
    let verdict = lock(&shared.typing).judge(key, note.state, Instant::now());
    match verdict {
        Verdict::Now => shared.bus.publish_ephemeral(&envelope(&note)).await,
        Verdict::Never => Ok(()),
        Verdict::At(then) => {
            let shared = shared.clone();
            tokio::spawn(async move {
                tokio::time::sleep_until(then).await;
                let state = lock(&shared.typing).later(key, Instant::now());
                if let Some(state) = state
                    && let Err(error) =
                        shared.bus.publish_ephemeral(&envelope(&TypingNote { state, ..note })).await
                {
                    tracing::debug!(%error, "typing not told");
                }
            });
            Ok(())
        }
    }
}

fn envelope(note: &TypingNote) -> Envelope {
    let typing = Typing {
        channel_id: note.channel_id,
        parent_id: note.parent_id,
        user: note.author.clone(),
    };
    let event = match note.state {
        TypingState::Started => Event::TypingStarted(typing),
        TypingState::Stopped => Event::TypingStopped(typing),
    };
    let mut envelope = Envelope::new(event, Some(note.author.id), clock::now());
    envelope.community_id = note.community_id;
    envelope.channel_id = Some(note.channel_id);
    envelope
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_seconds_lie_between_two_messages_and_the_last_word_is_told() {
        let (mut limiter, key, start) =
            (Limiter::default(), (UserId::new(), ChannelId::new(), None), Instant::now());
        let after = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(limiter.judge(key, TypingState::Started, start), Verdict::Now);
        assert_eq!(limiter.judge(key, TypingState::Started, after(1)), Verdict::Never);
        assert_eq!(limiter.judge(key, TypingState::Stopped, after(1)), Verdict::At(after(2)));
        assert_eq!(limiter.judge(key, TypingState::Started, after(1)), Verdict::Never);
        assert_eq!(limiter.judge(key, TypingState::Stopped, after(1)), Verdict::Never);
        assert_eq!(limiter.later(key, after(2)), Some(TypingState::Stopped));
        assert_eq!(limiter.judge(key, TypingState::Started, after(3)), Verdict::At(after(4)));
        assert_eq!(limiter.judge(key, TypingState::Stopped, after(3)), Verdict::Never);
        assert_eq!(limiter.later(key, after(4)), None);
        assert_eq!(limiter.judge(key, TypingState::Started, after(5)), Verdict::Now);
        assert_eq!(
            limiter.judge((UserId::new(), key.1, None), TypingState::Started, after(5)),
            Verdict::Now
        );
        let in_thread = (key.0, key.1, Some(MessageId::new()));
        assert_eq!(
            limiter.judge(in_thread, TypingState::Started, after(5)),
            Verdict::Now,
            "a thread does not speak for its channel"
        );
    }
}
