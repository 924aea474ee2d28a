//! What is true: people, rooms and rights, as the database has them, and by its own words who may see what.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fmt::Write as _;

use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{RngExt as _, SeedableRng as _};
use time::OffsetDateTime;
use uuid::Uuid;

use super::super::world::{channel, member, message, person};
use crate::channel::Visibility;
use crate::events::{
    ChannelChanged, Envelope, Event, MemberChanged, MemberScope, NotificationsRead, Subject,
};
use crate::id::{ChannelId, CommunityId, EventId, MessageId, UserId};
use crate::position::Position;
use crate::sync::{CommunityReach, DirectReach, Reach};

/// Something that happened, in the order of the commits.
pub(super) struct Fact {
    pub(super) envelope: Envelope,
    pub(super) subject: Subject,
    /// Facts of one key are published one after the other.
    key: Uuid,
    /// The transaction.
    at: usize,
    /// It was published, noted as that, and lost: when it is published again, it says so.
    pub(super) again: bool,
    /// The step in which the hub handed it out.
    processed: Option<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Right {
    Inside(UserId, CommunityId),
    Joined(UserId, ChannelId),
    Public(ChannelId),
}

/// From when to when somebody had a right, and the fact that tells of its end.
#[derive(Clone, Copy, Debug)]
struct Term {
    from: usize,
    until: Option<(usize, usize)>,
}

#[derive(Clone, Copy)]
pub(super) struct Room {
    pub(super) id: ChannelId,
    pub(super) community: Option<CommunityId>,
    pub(super) last_seq: i64,
}

pub(super) struct Town {
    pub(super) seed: u64,
    pub(super) random: StdRng,
    pub(super) step: usize,
    pub(super) facts: Vec<Fact>,
    pub(super) rooms: Vec<Room>,
    people: Vec<UserId>,
    communities: [CommunityId; 2],
    by_id: HashMap<EventId, usize>,
    terms: HashMap<Right, Vec<Term>>,
    /// What waits to be published, by key; in the order in which keys came up, so that a seed says everything.
    outbox: Vec<(Uuid, VecDeque<usize>)>,
    time: usize,
}

impl Town {
    pub(super) fn new(seed: u64) -> Self {
        let communities = [CommunityId::new(), CommunityId::new()];
        let room = |n: usize| Room {
            id: ChannelId::new(),
            community: Some(communities[n % 2]),
            last_seq: 0,
        };
        let mut town = Self {
            seed,
            random: StdRng::seed_from_u64(seed),
            step: 0,
            facts: Vec::new(),
            rooms: (0..5).map(room).collect(),
            people: (0..4).map(|_| UserId::new()).collect(),
            communities,
            by_id: HashMap::new(),
            terms: HashMap::new(),
            outbox: Vec::new(),
            time: 0,
        };
        for n in 0..3 {
            town.begin(Right::Public(town.rooms[n].id));
        }
        town
    }

    fn begin(&mut self, right: Right) {
        self.terms.entry(right).or_default().push(Term { from: self.time, until: None });
    }

    fn end(&mut self, right: Right, told_by: usize) {
        if let Some(term) = self.terms.get_mut(&right).and_then(|terms| terms.last_mut()) {
            term.until = Some((self.time, told_by));
        }
    }

    pub(super) fn holds(&self, right: Right) -> bool {
        let newest = self.terms.get(&right).and_then(|terms| terms.last());
        newest.is_some_and(|term| term.until.is_none())
    }

    /// One transaction of somebody.
    pub(super) fn act(&mut self) {
        self.time += 1;
        let user = *self.people.choose(&mut self.random).unwrap();
        let n = self.random.random_range(0..self.rooms.len());
        let Room { id, community, .. } = self.rooms[n];
        let (inside, joined) = (
            community.is_some_and(|community| self.holds(Right::Inside(user, community))),
            self.holds(Right::Joined(user, id)),
        );
        match (self.random.random_range(0..20), community) {
            (0 | 1, Some(community)) if !inside => {
                self.begin(Right::Inside(user, community));
                self.tell_community(
                    community,
                    Event::MemberJoined(member(MemberScope::Community, user)),
                );
            }
            (2..=5, Some(_)) if inside && !joined => {
                self.begin(Right::Joined(user, id));
                self.tell_room(n, Event::MemberJoined(member(MemberScope::Channel, user)));
            }
            (6 | 11, Some(_)) if joined => {
                let event = self.gone(MemberScope::Channel, user);
                let told = self.tell_room(n, event);
                self.end(Right::Joined(user, id), told);
                // What comes right behind the kick is what must not be seen.
                self.time += 1;
                self.write(n);
            }
            (7, Some(community)) if inside && self.random.random_bool(0.5) => {
                self.leave(user, community);
            }
            (8, Some(_)) if self.random.random_bool(0.5) => self.turn(n),
            (9, _) => {
                let read = Event::NotificationRead(NotificationsRead { ids: None, unread: 0 });
                let envelope = Envelope::new(read, None, OffsetDateTime::UNIX_EPOCH);
                self.commit(envelope, Subject::Notifications(user), user.uuid());
            }
            (10, _) if self.rooms.len() < 7 => self.meet(user),
            _ => {
                self.write(n);
            }
        }
    }

    /// Somebody leaves a community, or is taken out of it, and so out of its rooms.
    fn leave(&mut self, user: UserId, community: CommunityId) {
        let mut told = Vec::new();
        for n in 0..self.rooms.len() {
            let right = Right::Joined(user, self.rooms[n].id);
            if self.rooms[n].community == Some(community) && self.holds(right) {
                let event = self.gone(MemberScope::Channel, user);
                told.push((right, self.tell_room(n, event)));
            }
        }
        let event = self.gone(MemberScope::Community, user);
        let last = self.tell_community(community, event);
        self.end(Right::Inside(user, community), last);
        for (right, fact) in told {
            self.end(right, fact);
        }
    }

    fn gone(&mut self, scope: MemberScope, user: UserId) -> Event {
        let change = member(scope, user);
        if self.random.random_bool(0.5) {
            Event::MemberLeft(change)
        } else {
            Event::MemberRemoved(change)
        }
    }

    /// A room is made private, or public.
    fn turn(&mut self, n: usize) {
        let Room { id, community, .. } = self.rooms[n];
        let is_public = self.holds(Right::Public(id));
        let visibility = if is_public { Visibility::Private } else { Visibility::Public };
        let change =
            ChannelChanged { channel: channel(id, community, visibility), member_ids: vec![] };
        let told = self.tell_room(n, Event::ChannelUpdated(change));
        if is_public {
            self.end(Right::Public(id), told);
        } else {
            self.begin(Right::Public(id));
        }
    }

    /// A direct message begins.
    fn meet(&mut self, user: UserId) {
        let other = *self.people.choose(&mut self.random).unwrap();
        let id = ChannelId::new();
        self.rooms.push(Room { id, community: None, last_seq: 0 });
        for user in [user, other] {
            self.begin(Right::Joined(user, id));
        }
        let change = ChannelChanged {
            channel: channel(id, None, Visibility::Private),
            member_ids: vec![user, other],
        };
        self.tell_room(self.rooms.len() - 1, Event::ChannelCreated(change));
    }

    fn write(&mut self, n: usize) {
        let author = *self.people.choose(&mut self.random).unwrap();
        let event = Event::MessageCreated(message(MessageId::new(), self.rooms[n].id, author));
        self.tell_room(n, event);
    }

    pub(super) fn write_everywhere(&mut self) {
        for n in 0..self.rooms.len() {
            self.time += 1;
            self.write(n);
        }
    }

    fn tell_room(&mut self, n: usize, event: Event) -> usize {
        self.rooms[n].last_seq += 1;
        let Room { id, community, last_seq } = self.rooms[n];
        let envelope = Envelope::new(event, None, OffsetDateTime::UNIX_EPOCH);
        let envelope = envelope.in_channel(community, id, last_seq);
        self.commit(envelope, Subject::of_channel(community, id), id.uuid())
    }

    fn tell_community(&mut self, id: CommunityId, event: Event) -> usize {
        let envelope = Envelope::new(event, None, OffsetDateTime::UNIX_EPOCH).in_community(id);
        self.commit(envelope, Subject::Events(id), id.uuid())
    }

    fn commit(&mut self, envelope: Envelope, subject: Subject, key: Uuid) -> usize {
        let fact = self.facts.len();
        self.by_id.insert(envelope.id, fact);
        let at = self.time;
        self.facts.push(Fact { envelope, subject, key, at, again: false, processed: None });
        self.wait_again([fact].into_iter());
        fact
    }

    /// These were lost, the first `noted` of them known as published: they are told again.
    pub(super) fn lose(&mut self, facts: &[usize], noted: usize) {
        for (n, fact) in facts.iter().enumerate() {
            let fact = &mut self.facts[*fact];
            fact.processed = None;
            fact.again |= n < noted;
        }
        self.wait_again(facts.iter().copied());
        // The relay publishes nothing of a key before it has noted what comes first there, or with it.
        for (_, queue) in &self.outbox {
            let mut noted = true;
            for fact in queue {
                noted &= self.facts[*fact].again;
                self.facts[*fact].again = noted;
            }
        }
    }

    /// These are to be published, each key in its order.
    fn wait_again(&mut self, facts: impl Iterator<Item = usize>) {
        for fact in facts {
            let key = self.facts[fact].key;
            let n = self.outbox.iter().position(|(of, _)| *of == key).unwrap_or_else(|| {
                self.outbox.push((key, VecDeque::new()));
                self.outbox.len() - 1
            });
            let queue = &mut self.outbox[n].1;
            queue.push_back(fact);
            queue.make_contiguous().sort_unstable();
        }
    }

    /// What the relay publishes next: keys beside each other, each in its order, but nothing before an end of a membership that was
    /// written earlier. In the first epoch a
    /// relay that stood still now and then brings the events of a room out of their order; later nobody knows what a room's first one is.
    pub(super) fn next_to_publish(&mut self, epoch: i32) -> Option<usize> {
        let waiting = self.outbox.iter().flat_map(|(_, queue)| queue).copied();
        let end = waiting.filter(|fact| self.ends_membership(*fact)).min().unwrap_or(usize::MAX);
        let ready = |queue: &VecDeque<usize>| queue.front().is_some_and(|fact| *fact <= end);
        let ready: Vec<usize> =
            (0..self.outbox.len()).filter(|n| ready(&self.outbox[*n].1)).collect();
        let n = *ready.choose(&mut self.random)?;
        let overtakes = self.random.random_bool(0.03) && epoch == 1;
        let (_, queue) = &mut self.outbox[n];
        let is_later = |fact: &usize| self.facts[*fact].envelope.seq.is_some_and(|seq| seq > 2);
        if overtakes && queue.get(1).is_some_and(|fact| *fact <= end && is_later(fact)) {
            return queue.remove(1);
        }
        queue.pop_front()
    }

    fn ends_membership(&self, fact: usize) -> bool {
        let of = &self.facts[fact].envelope;
        of.channel_id.is_none()
            && matches!(of.event, Event::MemberLeft(_) | Event::MemberRemoved(_))
    }

    pub(super) fn processed(&mut self, fact: usize) {
        self.facts[fact].processed.get_or_insert(self.step);
    }

    pub(super) fn fact(&self, id: EventId) -> usize {
        self.by_id[&id]
    }

    /// The oracle: may `reader` be handed this now? `guest_of` is a public room that is read without having joined; `told` is what has
    /// been handed to the same reader in this very step, before.
    ///
    /// Yes if there was ever some right to it and the hub has not handed out yet that it ended.
    pub(super) fn may_get(
        &self,
        reader: UserId,
        guest_of: Option<ChannelId>,
        fact: usize,
        told: &[usize],
    ) -> bool {
        let Fact { envelope, subject, at, .. } = &self.facts[fact];
        let open = |right: Right| {
            let terms = self.terms.get(&right).into_iter().flatten();
            terms.filter(|term| term.until.is_none_or(|(_, by)| !self.is_over(by, told)))
        };
        if let Subject::Notifications(user) = subject {
            return *user == reader;
        }
        if is_named(&envelope.event, reader) {
            return true;
        }
        let inside = |community| Right::Inside(reader, community);
        let Some(room) = envelope.channel_id else {
            return envelope.community_id.is_some_and(|id| open(inside(id)).next().is_some());
        };
        let is_listed = is_listed(&envelope.event);
        let may_visit = guest_of == Some(room)
            && envelope.community_id.is_some_and(|community| {
                open(inside(community))
                    .any(|one| open(Right::Public(room)).any(|other| meet(one, other, *at)))
            });
        may_visit
            || open(Right::Joined(reader, room)).next().is_some()
            || is_listed
                && envelope.community_id.is_some_and(|id| open(inside(id)).next().is_some())
    }

    /// The rights that bear on a fact, for whoever wonders.
    pub(super) fn rights(&self, reader: UserId, fact: usize) -> String {
        let of = &self.facts[fact];
        let room = of.envelope.channel_id.into_iter();
        let community = of.envelope.community_id.into_iter();
        let rights = room
            .flat_map(|room| [Right::Joined(reader, room), Right::Public(room)])
            .chain(community.map(|community| Right::Inside(reader, community)));
        let mut text = format!("fact {fact} at {}", of.at);
        for right in rights {
            for term in self.terms.get(&right).into_iter().flatten() {
                let told = term.until.and_then(|(_, by)| self.facts[by].processed);
                let _ = write!(text, "\n{right:?} {term:?} told in step {told:?}");
            }
        }
        text
    }

    fn is_over(&self, fact: usize, told: &[usize]) -> bool {
        self.facts[fact].processed.is_some_and(|step| step < self.step) || told.contains(&fact)
    }

    /// The room has been open to the reader as a guest ever since.
    pub(super) fn is_open_since(&self, reader: UserId, room: ChannelId, since: usize) -> bool {
        let community = self.rooms.iter().find(|of| of.id == room).and_then(|of| of.community);
        let ever_since = |right: Right| {
            let newest = self.terms.get(&right).and_then(|terms| terms.last());
            newest.is_some_and(|term| term.until.is_none() && term.from <= since)
        };
        ever_since(Right::Public(room))
            && community.is_some_and(|community| ever_since(Right::Inside(reader, community)))
            && !self.terms.contains_key(&Right::Joined(reader, room))
    }

    /// The whole community is told this of a room, and the reader loses the room later on.
    pub(super) fn is_listed_to_left(&self, reader: UserId, fact: usize) -> bool {
        let of = &self.facts[fact].envelope;
        let rights = of.channel_id.map(|room| Right::Joined(reader, room));
        let terms = rights.and_then(|right| self.terms.get(&right)).into_iter().flatten();
        let mut ends = terms.filter_map(|term| term.until);
        is_listed(&of.event) && ends.any(|(_, told_by)| told_by > fact)
    }

    /// The newest place in each room that somebody has joined.
    pub(super) fn snapshot(&self, reader: UserId) -> BTreeMap<ChannelId, i64> {
        let rooms = self.rooms.iter().filter(|room| self.holds(Right::Joined(reader, room.id)));
        rooms.map(|room| (room.id, room.last_seq)).collect()
    }

    /// Somebody, and a public room that they may read without having joined.
    pub(super) fn visitor(&mut self) -> (UserId, Option<ChannelId>) {
        let user = *self.people.choose(&mut self.random).unwrap();
        let room = *self.rooms.choose(&mut self.random).unwrap();
        (user, self.may_visit(user, room.id).then_some(room.id))
    }

    /// The room is public, and the reader is in its community and has not joined it.
    pub(super) fn may_visit(&self, reader: UserId, room: ChannelId) -> bool {
        let community = self.rooms.iter().find(|of| of.id == room).and_then(|of| of.community);
        community.is_some_and(|community| self.holds(Right::Inside(reader, community)))
            && self.holds(Right::Public(room))
            && !self.holds(Right::Joined(reader, room))
    }

    pub(super) fn now(&self) -> usize {
        self.time
    }

    /// What the api answers.
    pub(super) fn reach(&self, reader: UserId, cursor: Position) -> Reach {
        let joined = |community: Option<CommunityId>| {
            let rooms = self.rooms.iter().filter(move |room| room.community == community);
            rooms.map(|room| room.id).filter(|id| self.holds(Right::Joined(reader, *id)))
        };
        let communities =
            self.communities.iter().filter(|id| self.holds(Right::Inside(reader, **id)));
        Reach {
            cursor,
            me: person(reader),
            session_id: None,
            communities: communities
                .map(|id| CommunityReach { id: *id, channels: joined(Some(*id)).collect() })
                .collect(),
            dms: joined(None).map(|id| DirectReach { id, members: vec![reader] }).collect(),
        }
    }
}

/// The whole community is told of its public rooms.
fn is_listed(event: &Event) -> bool {
    matches!(event, Event::ChannelUpdated(change) if change.channel.visibility == Visibility::Public)
}

/// Two rights were held together, at some time from `at` on.
fn meet(one: &Term, other: &Term, at: usize) -> bool {
    let until = |term: &Term| term.until.map_or(usize::MAX, |(until, _)| until);
    one.from.max(other.from).max(at) < until(one).min(until(other))
}

/// Membership events reach these people in any case.
pub(super) fn is_named(event: &Event, reader: UserId) -> bool {
    match event {
        Event::MemberJoined(MemberChanged { user_id, .. })
        | Event::MemberLeft(MemberChanged { user_id, .. })
        | Event::MemberRemoved(MemberChanged { user_id, .. }) => *user_id == reader,
        Event::ChannelCreated(change) => change.member_ids.contains(&reader),
        _ => false,
    }
}
