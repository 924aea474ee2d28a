//! Who is there: heartbeats gathered, and told once a minute to those who share a channel (requirements E6, decisions.md 11).
//!
//! A heartbeat reaches every session manager, a reader only hears of people in one of the reader's channels. Somebody goes offline
//! by silence.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};

use super::shared::{Shared, lock};
use super::{MembersFn, Renderer};
use crate::bus::Link;
use crate::events::{Envelope, Event, PresenceChanged, Subject};
use crate::id::{ChannelId, UserId};
use crate::limits::OFFLINE_AFTER;

/// Rosters asked for at once.
const ASK_AT_ONCE: usize = 4;
/// Asking for one roster may take this long.
const ASK_PATIENCE: Duration = Duration::from_secs(10);
/// Pause after the bus refused the subscription.
const RETRY_EVERY: Duration = Duration::from_secs(1);

/// Who was seen when, and what has not been told.
#[derive(Debug, Default)]
pub(super) struct Board {
    /// Since when nothing was missed.
    listens_since: Option<Instant>,
    seen: HashMap<UserId, Instant>,
    untold: HashMap<UserId, bool>,
}

impl Board {
    /// The bus is connected anew, or not at all: whoever was silent meanwhile may be there.
    fn hears(&mut self, link: Link, now: Instant) {
        self.listens_since = link.up.then_some(now);
    }

    fn note(&mut self, change: PresenceChanged, now: Instant) {
        let PresenceChanged { user_id, online } = change;
        let was_online = if online {
            self.seen.insert(user_id, now).is_some()
        } else {
            self.seen.remove(&user_id).is_some()
        };
        if was_online != online {
            self.untold.insert(user_id, online);
        }
    }

    /// Who of these is there. None as long as somebody may be there who was not heard yet.
    pub(super) fn online(&self, people: &[UserId], now: Instant) -> Option<HashMap<UserId, bool>> {
        self.listens_since.filter(|since| now.duration_since(*since) >= OFFLINE_AFTER)?;
        let is_there = |id: &UserId| {
            self.seen.get(id).is_some_and(|at| now.duration_since(*at) < OFFLINE_AFTER)
        };
        Some(people.iter().map(|id| (*id, is_there(id))).collect())
    }

    /// What changed since the last time.
    fn take(&mut self, now: Instant) -> HashMap<UserId, bool> {
        let Self { seen, untold, listens_since } = self;
        // Silence says nothing about a time in which nobody could be heard.
        let Some(since) = *listens_since else { return std::mem::take(untold) };
        seen.retain(|user_id, at| {
            let there = now.duration_since(since.max(*at)) < OFFLINE_AFTER;
            if !there {
                untold.insert(*user_id, false);
            }
            there
        });
        std::mem::take(untold)
    }
}

/// Listens to typing and presence, and tells who came and went once in `tell_every`.
pub(super) async fn run<R: Renderer>(shared: Arc<Shared<R>>, tell_every: Duration) {
    let listen = async {
        let mut link = shared.bus.link();
        loop {
            if let Ok(mut messages) = shared.bus.subscribe_ephemeral().await {
                lock(&shared.board).hears(*link.borrow_and_update(), Instant::now());
                loop {
                    tokio::select! {
                        message = messages.next() => match message {
                            Some(message) => receive(&shared, &message.subject, &message.payload),
                            None => break,
                        },
                        // The subscription outlives a connection; what was said meanwhile is lost.
                        Ok(()) = link.changed() => {
                            lock(&shared.board).hears(*link.borrow_and_update(), Instant::now());
                        }
                    }
                }
            }
            lock(&shared.board).listens_since = None;
            tokio::time::sleep(RETRY_EVERY).await;
        }
    };
    let tell = async {
        let mut ticks = interval_at(Instant::now() + tell_every, tell_every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            tell(&shared).await;
        }
    };
    tokio::select! {
        () = listen => {}
        () = tell => {}
        () = shared.shutdown.cancelled() => {}
    }
}

fn receive<R: Renderer>(shared: &Shared<R>, subject: &str, payload: &[u8]) {
    let (Some(subject), Ok(envelope)) =
        (Subject::parse(subject), serde_json::from_slice::<Envelope>(payload))
    else {
        shared.metrics.skipped.add(1);
        return;
    };
    match (subject, &envelope.event) {
        (
            Subject::Typing(_, channel) | Subject::TypingDm(channel),
            Event::TypingStarted(typing) | Event::TypingStopped(typing),
        ) if typing.channel_id == channel && envelope.actor_id == Some(typing.user.id) => {
            shared.state().hand_out_typing(channel, &Arc::new(envelope));
        }
        (Subject::Presence(_), Event::PresenceChanged(change)) => {
            lock(&shared.board).note(*change, Instant::now());
        }
        _ => shared.metrics.skipped.add(1),
    }
}

async fn tell<R: Renderer>(shared: &Arc<Shared<R>>) {
    let changed = lock(&shared.board).take(Instant::now());
    if changed.is_empty() {
        return;
    }
    let unknown: Vec<(ChannelId, MembersFn)> = {
        let mut state = shared.state();
        let channels: std::collections::HashSet<ChannelId> = state.channels().collect();
        state.rosters.keep(|channel| channels.contains(&channel));
        channels
            .into_iter()
            .filter_map(|channel| {
                state.rosters.ask(channel).then(|| Some((channel, state.members_of(channel)?)))?
            })
            .collect()
    };
    futures::stream::iter(unknown)
        .for_each_concurrent(ASK_AT_ONCE, |(channel, members)| ask(shared, channel, members))
        .await;
    let state = shared.state();
    let mut told: HashMap<UserId, BTreeMap<UserId, bool>> = HashMap::new();
    for channel in state.channels() {
        for (user_id, online) in
            changed.iter().filter(|(user_id, _)| state.rosters.contains(channel, **user_id))
        {
            for reader in state.readers(channel).filter(|reader| reader != user_id) {
                told.entry(reader).or_default().insert(*user_id, *online);
            }
        }
    }
    for (reader, changes) in told {
        let news: Vec<_> = changes
            .into_iter()
            .map(|(user_id, online)| PresenceChanged { user_id, online })
            .collect();
        state.hand_out_presence(reader, &news);
    }
}

async fn ask<R: Renderer>(shared: &Arc<Shared<R>>, channel: ChannelId, members: MembersFn) {
    let era = shared.state().era();
    let answer = timeout(ASK_PATIENCE, members(channel)).await;
    let mut state = shared.state();
    match answer {
        // An answer of before a new epoch may not know of what was lost then.
        Ok(Ok(members)) if state.era() == era => state.rosters.learn(channel, members.into_iter()),
        _ => state.rosters.give_up(channel),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_there_is_known_once_everybody_had_time_to_say_so() {
        let (start, [ada, bob]) = (Instant::now(), [(); 2].map(|()| UserId::new()));
        let mut board = Board::default();
        board.note(PresenceChanged { user_id: ada, online: true }, start + OFFLINE_AFTER / 2);
        let later = start + OFFLINE_AFTER;
        assert!(board.online(&[ada, bob], later).is_none(), "it does not even listen");
        board.listens_since = Some(start);
        assert!(board.online(&[ada], start + OFFLINE_AFTER / 2).is_none());
        let known = HashMap::from([(ada, true), (bob, false)]);
        assert_eq!(board.online(&[ada, bob], later), Some(known));
        let gone = HashMap::from([(ada, false)]);
        assert_eq!(board.online(&[ada], start + 2 * OFFLINE_AFTER), Some(gone));
    }

    #[test]
    fn an_outage_of_the_bus_is_nobodys_silence() {
        let (mut board, user_id, start) = (Board::default(), UserId::new(), Instant::now());
        let link = |up, generation| Link { up, generation };
        board.hears(link(true, 1), start);
        board.note(PresenceChanged { user_id, online: true }, start);
        board.take(start);
        board.hears(link(false, 1), start + OFFLINE_AFTER / 2);
        assert!(board.take(start + 2 * OFFLINE_AFTER).is_empty());
        let again = start + 3 * OFFLINE_AFTER;
        board.hears(link(true, 2), again);
        assert!(board.online(&[user_id], again).is_none());
        assert!(board.take(again + OFFLINE_AFTER / 2).is_empty());
        let gone = HashMap::from([(user_id, false)]);
        assert_eq!(board.take(again + OFFLINE_AFTER), gone, "who is still not heard is not there");
    }

    #[test]
    fn only_changes_are_told_and_silence_means_offline() {
        let (mut board, user_id, start) = (Board::default(), UserId::new(), Instant::now());
        board.listens_since = Some(start);
        let beat = PresenceChanged { user_id, online: true };
        board.note(beat, start);
        assert_eq!(board.take(start), HashMap::from([(user_id, true)]));
        board.note(beat, start + Duration::from_mins(1));
        assert!(board.take(start + Duration::from_mins(1)).is_empty());
        assert!(board.take(start + Duration::from_secs(179)).is_empty());
        assert_eq!(board.take(start + Duration::from_mins(3)), HashMap::from([(user_id, false)]));
        assert!(board.take(start + Duration::from_mins(5)).is_empty());
        board.note(beat, start + Duration::from_secs(301));
        assert_eq!(board.take(start + Duration::from_secs(301)), HashMap::from([(user_id, true)]));
    }
}
