//! What one person may see, changed in the order of the stream.
//!
//! Two sources speak about it: membership events, each at its place in the stream, and the answers of the api (`GET /api/sync`, `GET /api/me/access`), which knows
//! everything up to its cursor. Every mark remembers the place it speaks for, and the later one stands. So a sync that was read
//! before a kick never undoes the kick, whenever it arrives.

use std::collections::{HashMap, HashSet};

use super::delivery::{Scope, named};
use crate::events::{Envelope, Event, MemberChanged, MemberScope};
use crate::id::{ChannelId, CommunityId, UserId};
use crate::position::Position;
use crate::sync::Reach;

/// A place one can be in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Place {
    Community(CommunityId),
    Channel(ChannelId),
}

/// The person came into a place or went out of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Entered(Place),
    Left(Place),
}

/// What an event did to somebody's rights.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Effect {
    pub(super) changes: Vec<Change>,
    /// The event alone does not decide it: ask the api.
    pub(super) doubt: bool,
}

/// In or out, as of a place in the stream. Those who are out are remembered until a sync confirms it.
#[derive(Clone, Copy, Debug)]
struct Mark {
    inside: bool,
    at: u64,
}

#[derive(Clone, Copy, Debug)]
struct ChannelMark {
    mark: Mark,
    community: Option<CommunityId>,
}

#[derive(Debug, Default)]
pub(super) struct Access {
    communities: HashMap<CommunityId, Mark>,
    channels: HashMap<ChannelId, ChannelMark>,
    /// The place the newest sync spoke for. An older one that arrives later has nothing to say.
    confirmed_at: u64,
    /// Channels that an event let the person into and that are not theirs by what is known, and the place of that event. It was handed
    /// out, so a page shows the channel; what followed was not.
    refused: HashMap<ChannelId, u64>,
}

impl Access {
    pub(super) fn in_community(&self, id: CommunityId) -> bool {
        self.communities.get(&id).is_some_and(|mark| mark.inside)
    }

    pub(super) fn in_channel(&self, id: ChannelId) -> bool {
        self.channels.get(&id).is_some_and(|channel| channel.mark.inside)
    }

    /// The community of a joined channel: the outer option is none outside of the channel, the inner one for direct messages.
    #[expect(clippy::option_option, reason = "each of the two says something of its own")]
    pub(super) fn community_of(&self, id: ChannelId) -> Option<Option<CommunityId>> {
        self.channels
            .get(&id)
            .filter(|channel| channel.mark.inside)
            .map(|channel| channel.community)
    }

    /// All places the person is in.
    pub(super) fn places(&self) -> impl Iterator<Item = Place> {
        let communities = self
            .communities
            .iter()
            .filter(|(_, mark)| mark.inside)
            .map(|(id, _)| Place::Community(*id));
        let channels = self
            .channels
            .iter()
            .filter(|(_, channel)| channel.mark.inside)
            .map(|(id, _)| Place::Channel(*id));
        communities.chain(channels)
    }

    /// May `reader` see this event? `guest_of` is a public channel that is read without having joined.
    pub(super) fn sees(
        &self,
        reader: UserId,
        scope: Scope,
        event: &Event,
        guest_of: Option<ChannelId>,
    ) -> bool {
        let member = match scope {
            Scope::Person(person) => return person == reader,
            Scope::Community(community) => self.in_community(community),
            Scope::Channel(community, channel) => {
                self.in_channel(channel)
                    || (guest_of == Some(channel)
                        && community.is_some_and(|community| self.in_community(community)))
            }
        };
        member || named(event).contains(&reader)
    }

    /// Takes in what an event at `seq` says about `reader`.
    pub(super) fn apply(
        &mut self,
        reader: UserId,
        seq: u64,
        scope: Scope,
        envelope: &Envelope,
    ) -> Effect {
        match (&envelope.event, scope) {
            (Event::MemberJoined(change), _) if change.user_id == reader => {
                self.joined(seq, scope, change)
            }
            (Event::MemberLeft(change) | Event::MemberRemoved(change), _)
                if change.user_id == reader =>
            {
                self.left(seq, scope, change)
            }
            (Event::ChannelCreated(change), Scope::Channel(community, channel))
                if change.member_ids.contains(&reader) =>
            {
                self.enter_channel(seq, community, channel)
            }
            _ => Effect::default(),
        }
    }

    fn joined(&mut self, seq: u64, scope: Scope, change: &MemberChanged) -> Effect {
        match (change.scope, scope) {
            // The channels that come with it have events of their own; those that were ahead of this one are asked for.
            (MemberScope::Community, Scope::Community(id)) => {
                let mut effect = Effect { doubt: true, ..Effect::default() };
                if set(
                    self.communities.entry(id).or_insert(Mark { inside: false, at: 0 }),
                    true,
                    seq,
                ) {
                    effect.changes.push(Change::Entered(Place::Community(id)));
                }
                effect
            }
            (MemberScope::Channel, Scope::Channel(community, channel)) => {
                self.enter_channel(seq, community, channel)
            }
            _ => Effect::default(),
        }
    }

    /// Events of a community and of its channels travel side by side, so joining a channel can come after leaving the community it
    /// is in. Only who is known to be in the community enters; else the api decides.
    fn enter_channel(
        &mut self,
        seq: u64,
        community: Option<CommunityId>,
        channel: ChannelId,
    ) -> Effect {
        if community.is_some_and(|community| !self.in_community(community)) {
            self.refused.entry(channel).or_insert(seq);
            return Effect { doubt: true, ..Effect::default() };
        }
        let entry = self
            .channels
            .entry(channel)
            .or_insert(ChannelMark { mark: Mark { inside: false, at: 0 }, community });
        entry.community = community;
        let entered = set(&mut entry.mark, true, seq);
        Effect {
            changes: entered
                .then_some(Change::Entered(Place::Channel(channel)))
                .into_iter()
                .collect(),
            doubt: false,
        }
    }

    fn left(&mut self, seq: u64, scope: Scope, change: &MemberChanged) -> Effect {
        let mut changes = Vec::new();
        match (change.scope, scope) {
            (MemberScope::Community, Scope::Community(id)) => {
                let left = set(
                    self.communities.entry(id).or_insert(Mark { inside: true, at: 0 }),
                    false,
                    seq,
                );
                changes.extend(left.then_some(Change::Left(Place::Community(id))));
                for (channel, entry) in
                    self.channels.iter_mut().filter(|(_, entry)| entry.community == Some(id))
                {
                    let left = set(&mut entry.mark, false, seq);
                    changes.extend(left.then_some(Change::Left(Place::Channel(*channel))));
                }
            }
            (MemberScope::Channel, Scope::Channel(community, channel)) => {
                let entry = self
                    .channels
                    .entry(channel)
                    .or_insert(ChannelMark { mark: Mark { inside: true, at: 0 }, community });
                let left = set(&mut entry.mark, false, seq);
                changes.extend(left.then_some(Change::Left(Place::Channel(channel))));
                self.refused.remove(&channel);
            }
            _ => {}
        }
        Effect { changes, doubt: false }
    }

    /// From where on events may be missing in the channels that these changes let the person into, by what the api says for `at`.
    pub(super) fn missing_since(&mut self, at: u64, changes: &[Change]) -> u64 {
        let refused = changes.iter().filter_map(|change| match change {
            Change::Entered(Place::Channel(channel)) => self.refused.remove(channel),
            _ => None,
        });
        refused.fold(at, u64::min)
    }

    /// Takes in that `reader` is handed an event of the past that what is known has outrun.
    pub(super) fn replayed(&mut self, reader: UserId, seq: u64, scope: Scope, event: &Event) {
        let Scope::Channel(_, channel) = scope else { return };
        match event {
            _ if !named(event).contains(&reader) => {}
            Event::MemberLeft(_) | Event::MemberRemoved(_) => {
                // One that was handed out early bears the place before those that waited for it, and comes after what stands there.
                self.refused.retain(|of, at| *of != channel || *at >= seq);
            }
            Event::MemberJoined(_) | Event::ChannelCreated(_) if !self.in_channel(channel) => {
                self.refused.entry(channel).or_insert(seq);
            }
            _ => {}
        }
    }

    /// Takes in what the api says. `pump` is where the stream has been read to.
    pub(super) fn reconcile(&mut self, reach: &Reach, pump: Position) -> Vec<Change> {
        let at = as_of(reach.cursor, pump);
        if at < self.confirmed_at {
            return Vec::new();
        }
        self.confirmed_at = at;
        let communities: HashSet<CommunityId> =
            reach.communities.iter().map(|community| community.id).collect();
        let channels: HashMap<ChannelId, Option<CommunityId>> = reach
            .communities
            .iter()
            .flat_map(|community| community.channels.iter().map(|id| (*id, Some(community.id))))
            .chain(reach.dms.iter().map(|dm| (dm.id, None)))
            .collect();
        let mut changes = Vec::new();
        for id in &communities {
            if set_as_of(
                self.communities.entry(*id).or_insert(Mark { inside: false, at: 0 }),
                true,
                at,
            ) {
                changes.push(Change::Entered(Place::Community(*id)));
            }
        }
        for (id, mark) in self.communities.iter_mut().filter(|(id, _)| !communities.contains(id)) {
            if set_as_of(mark, false, at) {
                changes.push(Change::Left(Place::Community(*id)));
            }
        }
        for (id, community) in &channels {
            if community.is_some_and(|community| !self.in_community(community)) {
                continue;
            }
            let entry = self.channels.entry(*id).or_insert(ChannelMark {
                mark: Mark { inside: false, at: 0 },
                community: *community,
            });
            if set_as_of(&mut entry.mark, true, at) {
                changes.push(Change::Entered(Place::Channel(*id)));
            }
        }
        for (id, entry) in self.channels.iter_mut().filter(|(id, _)| !channels.contains_key(id)) {
            if set_as_of(&mut entry.mark, false, at) {
                changes.push(Change::Left(Place::Channel(*id)));
            }
        }
        self.communities.retain(|_, mark| mark.inside || mark.at > at);
        self.channels.retain(|_, entry| entry.mark.inside || entry.mark.at > at);
        changes
    }

    /// The stream begins anew: places in the old one say nothing any more, and neither does what was asked for before.
    pub(super) fn forget_order(&mut self) {
        self.confirmed_at = 0;
        self.refused.clear();
        self.communities.values_mut().for_each(|mark| mark.at = 0);
        self.channels.values_mut().for_each(|entry| entry.mark.at = 0);
    }
}

/// Up to which place in the pump's stream an answer of the api with this cursor speaks.
pub(super) fn as_of(cursor: Position, pump: Position) -> u64 {
    match cursor.epoch.cmp(&pump.epoch) {
        std::cmp::Ordering::Equal => cursor.seq,
        // The api knows a newer stream than the pump: it has seen everything the pump has.
        std::cmp::Ordering::Greater => pump.seq,
        std::cmp::Ordering::Less => 0,
    }
}

/// An event speaks for its own place: only what is known from later stands. One that was handed out early bears the place before those
/// that waited for it, and comes after what is known from there. Returns whether it changed anything.
fn set(mark: &mut Mark, inside: bool, seq: u64) -> bool {
    seq >= mark.at && put(mark, inside, seq)
}

/// A sync speaks for everything up to its cursor: only what is known from later stands.
fn set_as_of(mark: &mut Mark, inside: bool, at: u64) -> bool {
    at >= mark.at && put(mark, inside, at)
}

fn put(mark: &mut Mark, inside: bool, at: u64) -> bool {
    let changed = mark.inside != inside;
    *mark = Mark { inside, at };
    changed
}
