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
    seen: HashMap<UserId, Instant>,
    untold: HashMap<UserId, bool>,
}

impl Board {
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

    /// What changed since the last time.
    fn take(&mut self, now: Instant) -> HashMap<UserId, bool> {
        let Self { seen, untold } = self;
        seen.retain(|user_id, at| {
            let there = now.duration_since(*at) < OFFLINE_AFTER;
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
        loop {
            if let Ok(mut messages) = shared.bus.subscribe_ephemeral().await {
                while let Some(message) = messages.next().await {
                    receive(&shared, &message.subject, &message.payload);
                }
            }
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
    match timeout(ASK_PATIENCE, members(channel)).await {
        Ok(Ok(members)) => shared.state().rosters.learn(channel, members.into_iter()),
        _ => shared.state().rosters.give_up(channel),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_changes_are_told_and_silence_means_offline() {
        let (mut board, user_id, start) = (Board::default(), UserId::new(), Instant::now());
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
