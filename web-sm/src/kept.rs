//! What pages showed whose streams broke off a moment ago, so that they go on without a question to the api.
//!
//! A browser that lost its stream comes back within seconds, with the position up to which it has heard. Lists, names and numbers are as
//! they were when the stream ended, a little later than that position: the new stream draws them once and goes on from there.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ajet_shared::hub::Token;
use ajet_shared::id::UserId;
use ajet_shared::position::Position;
use ajet_shared::sync::Sync;

/// How long they are kept.
pub(crate) const KEPT_FOR: Duration = Duration::from_mins(1);
/// How many are kept; then the oldest go.
const KEPT_MAX: usize = 5_000;
/// How many rows all of them have together: of these, a few hundred bytes each, the memory is made.
const ROWS_MAX: usize = 150_000;
/// What the api said is handed on from stream to stream for this long, so that nothing that went wrong on the way stays for ever.
const GOOD_FOR: Duration = Duration::from_mins(5);

/// What one reader's page knew. The sync holds everything up to its cursor.
#[derive(Debug)]
pub(crate) struct Knowledge {
    pub(crate) sync: Sync,
    pub(crate) online: HashMap<UserId, bool>,
    /// When the api was asked for what it is made of.
    pub(crate) read_at: Instant,
}

impl Knowledge {
    /// Channels, and people of direct messages.
    fn rows(&self) -> usize {
        let channels: usize =
            self.sync.communities.iter().map(|view| 1 + view.channels.len()).sum();
        let people: usize = self.sync.dms.iter().map(|dm| 1 + dm.members.len()).sum();
        1 + channels + people
    }
}

/// By the tokens of the readers.
#[derive(Default)]
pub(crate) struct Kept(Mutex<Entries>);

#[derive(Default)]
struct Entries {
    by_token: HashMap<Token, Entry>,
    rows: usize,
}

struct Entry {
    at: Instant,
    rows: usize,
    known: Arc<Knowledge>,
}

impl Kept {
    /// What a page knew that has heard everything up to `cursor`. None if that is too long ago, or if something in between would be missed.
    pub(crate) fn get(
        &self,
        token: &Token,
        cursor: Position,
        now: Instant,
    ) -> Option<Arc<Knowledge>> {
        let entries = self.lock();
        let entry = entries.by_token.get(token).filter(|entry| !entry.is_over(now))?;
        let holds = entry.known.sync.cursor;
        let is_good = now.saturating_duration_since(entry.known.read_at) < GOOD_FOR
            && cursor.epoch == holds.epoch
            && cursor.seq <= holds.seq;
        is_good.then(|| entry.known.clone())
    }

    /// Keeps what a page knows. Of several pages of one reader the one that has heard most, and of those the one that was read last:
    /// it may know what no event has told yet.
    pub(crate) fn put(&self, token: Token, known: Knowledge, now: Instant) {
        let mut entries = self.lock();
        let rank = |known: &Knowledge| (known.sync.cursor, known.read_at);
        let knows_more = |entry: &Entry| rank(&entry.known) > rank(&known);
        if entries.by_token.get(&token).is_some_and(knows_more) {
            return;
        }
        entries.remove(&token);
        let rows = known.rows();
        entries.make_room(rows, now);
        entries.rows += rows;
        entries.by_token.insert(token, Entry { at: now, rows, known: Arc::new(known) });
    }

    /// Forgets somebody who did not come back.
    pub(crate) fn expire(&self, token: &Token, now: Instant) {
        let mut entries = self.lock();
        if entries.by_token.get(token).is_some_and(|entry| entry.is_over(now)) {
            entries.remove(token);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    fn is_over(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.at) >= KEPT_FOR
    }
}

impl Entries {
    fn remove(&mut self, token: &Token) {
        if let Some(entry) = self.by_token.remove(token) {
            self.rows -= entry.rows;
        }
    }

    /// Sees to it that one more with so many rows fits: takes out what is too old, or else the oldest tenth of what is there.
    fn make_room(&mut self, rows: usize, now: Instant) {
        if self.by_token.len() < KEPT_MAX && self.rows + rows <= ROWS_MAX {
            return;
        }
        let mut ages: Vec<(Instant, Token)> =
            self.by_token.iter().map(|(token, entry)| (entry.at, token.clone())).collect();
        ages.sort_unstable_by_key(|(at, _)| *at);
        for (_, token) in ages {
            let is_over = self.by_token.get(&token).is_some_and(|entry| entry.is_over(now));
            // Not one by one, because that would sort all of them each time.
            let fits =
                self.by_token.len() < KEPT_MAX * 9 / 10 && self.rows + rows <= ROWS_MAX * 9 / 10;
            if fits && !is_over {
                break;
            }
            self.remove(&token);
        }
    }
}

#[cfg(test)]
mod tests {
    use ajet_shared::client::HeaderValue;

    use super::*;
    use crate::fixtures::world;

    fn at(seq: u64) -> Position {
        Position { epoch: 1, seq }
    }

    fn knowing(cursor: Position) -> Knowledge {
        let sync = Sync { cursor, ..world(&["general"]).sync };
        Knowledge { sync, online: HashMap::new(), read_at: Instant::now() }
    }

    fn token(n: usize) -> Token {
        Token::new(&HeaderValue::from_str(&n.to_string()).unwrap())
    }

    #[test]
    fn a_page_goes_on_where_nothing_is_missed() {
        let (kept, now) = (Kept::default(), Instant::now());
        let token = Token::new(&HeaderValue::from_static("Bearer x"));
        kept.put(token.clone(), knowing(at(10)), now);
        kept.put(token.clone(), knowing(at(8)), now);
        for (cursor, goes_on) in
            [(at(10), true), (at(3), true), (at(11), false), (Position { epoch: 2, seq: 1 }, false)]
        {
            assert_eq!(kept.get(&token, cursor, now).is_some(), goes_on, "{cursor}");
        }
        let later = now + KEPT_FOR;
        assert!(kept.get(&token, at(3), later).is_none());
        kept.expire(&token, later);
        assert!(kept.get(&token, at(3), now).is_none());
    }

    #[test]
    fn what_the_api_said_is_not_handed_on_for_ever() {
        let (kept, now) = (Kept::default(), Instant::now());
        let later = now + GOOD_FOR;
        kept.put(token(1), Knowledge { read_at: now, ..knowing(at(1)) }, later);
        assert!(kept.get(&token(1), at(1), later).is_none());
        kept.put(token(1), Knowledge { read_at: later, ..knowing(at(1)) }, later);
        assert!(kept.get(&token(1), at(1), later).is_some());
    }

    #[test]
    fn of_two_that_stand_at_the_same_place_the_newer_reading_is_kept() {
        let (kept, now) = (Kept::default(), Instant::now());
        let later = now + Duration::from_secs(1);
        let read_at = |read_at| Knowledge { read_at, ..knowing(at(1)) };
        for readings in [[later, now], [now, later]] {
            for reading in readings {
                kept.put(token(1), read_at(reading), later);
            }
            assert_eq!(kept.get(&token(1), at(1), later).unwrap().read_at, later);
        }
    }

    #[test]
    fn there_are_never_too_many() {
        let (kept, now) = (Kept::default(), Instant::now());
        for n in 0..KEPT_MAX + 10 {
            let n_later = now + Duration::from_micros(n as u64);
            kept.put(token(n), knowing(at(1)), n_later);
        }
        assert!(kept.lock().by_token.len() <= KEPT_MAX);
        assert!(kept.get(&token(0), at(1), now).is_none(), "the oldest");
        assert!(kept.get(&token(KEPT_MAX), at(1), now).is_some());
    }

    #[test]
    fn they_are_never_too_big() {
        let (kept, now) = (Kept::default(), Instant::now());
        let channels: Vec<String> = (0..1_000).map(|n| format!("channel-{n}")).collect();
        let names: Vec<&str> = channels.iter().map(String::as_str).collect();
        let sync = Sync { cursor: at(1), ..world(&names).sync };
        let count = ROWS_MAX / names.len() + 10;
        for n in 0..count {
            let n_later = now + Duration::from_micros(n as u64);
            kept.put(token(n), Knowledge { sync: sync.clone(), ..knowing(at(1)) }, n_later);
        }
        let entries = kept.lock();
        assert!(entries.rows <= ROWS_MAX && entries.rows > ROWS_MAX / 2, "{}", entries.rows);
        assert_eq!(entries.rows, entries.by_token.values().map(|entry| entry.rows).sum::<usize>());
        assert!(!entries.by_token.contains_key(&token(0)), "the oldest");
        assert!(entries.by_token.contains_key(&token(count - 1)));
    }
}
