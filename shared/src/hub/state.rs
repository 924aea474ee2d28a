//! Who is connected, what they may see, and who gets an event: everything behind the hub's one lock.
//!
//! The lock is held for as long as it takes to hand one event to its readers' queues; nothing in here waits.

mod coming;

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::Notify;

use super::delivery::{Scope, named};
use super::queue::{Item, Queue};
use super::ring::Ring;
use super::rosters::Rosters;
use super::sessions::{Sessions, Token};
use super::visibility::{Access, Change, Effect, Place, as_of};
use super::{CloseReason, Delivery, MembersFn, Renderer, ResyncReason};
use crate::channel::Visibility;
use crate::events::{Envelope, Event, PresenceChanged};
use crate::id::{ChannelId, CommunityId, EventId, SessionId, UserId};
use crate::position::Position;
use crate::sync::Reach;

pub(super) struct State<R: Renderer> {
    /// Up to where events have been handed out.
    pub(super) position: Position,
    pub(super) ring: Ring<R>,
    pub(super) rosters: Rosters,
    people: HashMap<UserId, Person<R>>,
    sessions: Sessions,
    channels: HashMap<ChannelId, HashSet<UserId>>,
    communities: HashMap<CommunityId, HashSet<UserId>>,
    /// Connections that read a public channel without having joined it.
    guests: HashMap<ChannelId, Vec<(UserId, u64)>>,
    /// Handed out because others waited for them, and not at their place in the stream yet: the ring does not have them.
    early: Vec<Arc<Delivery<R>>>,
    connections: usize,
    next_id: u64,
    /// How often everything began anew.
    era: u64,
    /// Where an event of a channel was given up: the past that begins there or before has a hole.
    holes: VecDeque<(u64, ChannelId)>,
    /// How many holes there have been.
    holes_ever: u64,
}

/// Holes that are remembered; far more than ever are.
const HOLES_MAX: usize = 10_000;

/// Somebody with a connection, or with one that ended a moment ago; all of them share what may be seen. Who has none is in no index.
struct Person<R: Renderer> {
    access: Access,
    seats: Vec<Seat<R>>,
    /// Of the sessions that are open or kept.
    tokens: Vec<Token>,
    /// How often it was in doubt what may be seen, and which of these doubts the api has settled.
    doubts: u64,
    settled: u64,
    /// Where the api's answer was last not what events had told: a page that continues from there or before shows something else.
    changed_at: Option<Position>,
    /// The connections wait for an answer of the api.
    held: Option<Held>,
}

/// It is not known what somebody may see. What is handed out meanwhile would leave a hole behind the reader's cursor, if a channel turns
/// out to be the reader's.
#[derive(Clone, Copy, Debug)]
struct Held {
    /// The newest doubt because of which they wait.
    by: u64,
    /// From where on the reader may have been left out.
    since: u64,
}

impl<R: Renderer> Person<R> {
    fn new() -> Self {
        Self {
            access: Access::default(),
            seats: Vec::new(),
            tokens: Vec::new(),
            doubts: 0,
            settled: 0,
            changed_at: None,
            held: None,
        }
    }

    /// From where on events may be missing in the channels that these changes let the person into, by what the api says for `at`.
    fn missing_since(&mut self, at: u64, changes: &[Change]) -> u64 {
        let held = self.held.map_or(at, |held| held.since);
        self.access.missing_since(at, changes).min(held)
    }

    /// What may be seen after `seq` is not certain: all connections ask the api, and wait until it has answered.
    fn doubt(&mut self, seq: u64) {
        self.doubts += 1;
        let since = self.held.map_or(seq, |held| held.since.min(seq));
        self.held = Some(Held { by: self.doubts, since });
        for seat in &self.seats {
            seat.queue.hold();
            seat.doubt.notify_one();
        }
    }
}

/// One connection.
pub(super) struct Seat<R: Renderer> {
    pub(super) id: u64,
    pub(super) queue: Arc<Queue<R>>,
    pub(super) token: Token,
    pub(super) session_id: Option<SessionId>,
    pub(super) guest_of: Option<ChannelId>,
    /// Asks for a revalidation at once; one for all connections with the token.
    pub(super) doubt: Arc<Notify>,
    pub(super) members: MembersFn,
}

/// What had been lost at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Losses {
    era: u64,
    holes_ever: u64,
    /// Where the stream was followed to.
    at: u64,
}

/// What handing out an event came to.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Handed {
    pub(super) overflows: u64,
}

impl<R: Renderer> State<R> {
    pub(super) fn new() -> Self {
        Self {
            position: Position::default(),
            ring: Ring::new(),
            rosters: Rosters::default(),
            people: HashMap::new(),
            sessions: Sessions::default(),
            channels: HashMap::new(),
            communities: HashMap::new(),
            guests: HashMap::new(),
            early: Vec::new(),
            connections: 0,
            next_id: 0,
            era: 0,
            holes: VecDeque::new(),
            holes_ever: 0,
        }
    }

    /// How often everything began anew: an answer of the api is good only in the era in which it was asked for.
    pub(super) fn era(&self) -> u64 {
        self.era
    }

    pub(super) fn connections(&self) -> usize {
        self.connections
    }

    pub(super) fn next_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    /// Takes in an answer of the api that was asked for in `era`. Whoever gained a channel of which something was already handed out
    /// draws everything anew, and so does who lost a place without the event that says so: its page still shows it.
    pub(super) fn reconcile(&mut self, user_id: UserId, reach: &Reach, era: u64) {
        // It may not know of a kick that was handed out before everything began anew; who was there then is asked about again.
        if era != self.era {
            return;
        }
        let since = as_of(reach.cursor, self.position);
        let Some(person) = self.people.get_mut(&user_id) else { return };
        let changes = person.access.reconcile(reach, self.position);
        let missing_since = person.missing_since(since, &changes);
        let missed = missed(&self.ring, &changes, missing_since);
        if missed {
            person.seats.iter().for_each(|seat| seat.queue.resync(ResyncReason::Membership));
            person.changed_at = Some(self.position);
            self.forget_left_of(user_id);
        }
        self.index(user_id, &changes);
        self.rename(&reach.me);
    }

    /// Hands out the event that comes next in the stream. The position moves with it: whoever attaches after this has it behind it.
    pub(super) fn hand_out(&mut self, delivery: Arc<Delivery<R>>, now: Instant) -> Handed {
        let handed = self.distribute(&delivery);
        self.keep(delivery, now);
        handed
    }

    /// Hands out an event that others waited for. Whoever attaches before it is at its place gets it from [`Self::early`].
    pub(super) fn hand_out_early(&mut self, delivery: Arc<Delivery<R>>) -> Handed {
        let handed = self.distribute(&delivery);
        // It does not stand at its place, so what it says about somebody's rights may be older than what is known: ask the api.
        for user_id in named(&delivery.envelope.event) {
            self.doubt(*user_id);
        }
        self.early.push(delivery);
        handed
    }

    /// The stream came to the place of an event that was handed out early.
    pub(super) fn remember(&mut self, delivery: Arc<Delivery<R>>, now: Instant) {
        self.early.retain(|early| early.envelope.id != delivery.envelope.id);
        self.keep(delivery, now);
    }

    /// What was handed out early and is not in the ring yet.
    pub(super) fn early(&self) -> impl Iterator<Item = &Arc<Delivery<R>>> {
        self.early.iter()
    }

    /// Whether an event was handed out early and is not at its place yet.
    pub(super) fn is_early(&self, id: EventId) -> bool {
        self.early.iter().any(|early| early.envelope.id == id)
    }

    fn keep(&mut self, delivery: Arc<Delivery<R>>, now: Instant) {
        self.position = delivery.position;
        self.ring.push(delivery, now);
    }

    /// Hands an event to everybody who may see it, after taking in what it says about who may.
    fn distribute(&mut self, delivery: &Arc<Delivery<R>>) -> Handed {
        let event = &delivery.envelope.event;
        for user_id in named(event) {
            self.take_in(*user_id, delivery);
        }
        self.rosters.apply(delivery.scope, event);
        let mut handed = Handed::default();
        match delivery.scope {
            Scope::Person(user_id) => self.hand_to(user_id, delivery, &mut handed),
            Scope::Community(community) => {
                self.end_visits(&delivery.envelope);
                self.hand_to_all(self.communities.get(&community), delivery, &mut handed);
            }
            Scope::Channel(community, channel) => {
                self.end_visits(&delivery.envelope);
                self.hand_to_all(self.channels.get(&channel), delivery, &mut handed);
                self.hand_to_guests(community, channel, delivery, &mut handed);
            }
        }
        if let Event::SessionRevoked(revoked) = event {
            self.end_session(delivery.scope, revoked.session_id);
        }
        handed
    }

    /// Tells what somebody types to those who have joined the channel, never to the one who types.
    pub(super) fn hand_out_typing(&self, channel: ChannelId, envelope: &Arc<Envelope>) {
        for user_id in self
            .channels
            .get(&channel)
            .into_iter()
            .flatten()
            .filter(|user_id| envelope.actor_id != Some(**user_id))
        {
            for seat in self.people.get(user_id).into_iter().flat_map(|person| &person.seats) {
                seat.queue.push(Item::Typing(envelope.clone()));
            }
        }
    }

    pub(super) fn hand_out_presence(&self, user_id: UserId, changes: &[PresenceChanged]) {
        for seat in self.people.get(&user_id).into_iter().flat_map(|person| &person.seats) {
            seat.queue.push(Item::Presence(changes.to_vec()));
        }
    }

    /// Everybody draws everything anew and goes on from `position`; the past is forgotten. What was lost may have taken rights away,
    /// so the api is asked about everybody.
    pub(super) fn restart(&mut self, position: Position, reason: ResyncReason) {
        self.era += 1;
        self.position = position;
        self.ring.reset(position.seq);
        self.early.clear();
        self.holes.clear();
        self.rosters = Rosters::default();
        self.forget_left();
        self.send_guests_back(None);
        for person in self.people.values_mut() {
            person.access.forget_order();
            // Of what was before nothing is left that could be missing.
            person.held = None;
            person.seats.iter().for_each(|seat| seat.queue.resync(reason));
            person.doubt(position.seq);
        }
    }

    /// The readers of one channel draw everything anew. What is missing may have taken the channel from one of them, or brought anybody
    /// else in: ask the api about all.
    pub(super) fn resync_channel(&mut self, channel: ChannelId, reason: ResyncReason) {
        self.rosters.keep(|known| known != channel);
        self.note_hole(channel);
        for user_id in self.channels.get(&channel).into_iter().flatten() {
            let seats = self.people.get(user_id).into_iter().flat_map(|person| &person.seats);
            seats.for_each(|seat| seat.queue.resync(reason));
        }
        self.people.values_mut().for_each(|person| person.doubt(self.position.seq));
        self.send_guests_back(Some(channel));
        // It may have brought somebody in who is away, as well.
        self.forget_left();
    }

    /// How much waits for each connection: items and bytes.
    pub(super) fn depths(&self) -> impl Iterator<Item = (usize, usize)> {
        self.people.values().flat_map(|person| &person.seats).map(|seat| seat.queue.depth())
    }

    /// What somebody connected here may see.
    pub(super) fn access(&self, user_id: UserId) -> Option<&Access> {
        let person = self.people.get(&user_id).filter(|person| !person.seats.is_empty());
        person.map(|person| &person.access)
    }

    /// Who has joined a channel and is connected here.
    pub(super) fn readers(&self, channel: ChannelId) -> impl Iterator<Item = UserId> {
        self.channels.get(&channel).into_iter().flatten().copied()
    }

    /// The channels that somebody connected here has joined.
    pub(super) fn channels(&self) -> impl Iterator<Item = ChannelId> {
        self.channels.keys().copied()
    }

    /// A way to ask for the members of a channel, with the rights of one of them.
    pub(super) fn members_of(&self, channel: ChannelId) -> Option<MembersFn> {
        let reader = self.channels.get(&channel)?.iter().next()?;
        Some(self.people.get(reader)?.seats.first()?.members.clone())
    }

    fn take_in(&mut self, user_id: UserId, delivery: &Delivery<R>) {
        let Some(person) = self.people.get_mut(&user_id) else { return };
        let Effect { changes, doubt } =
            person.access.apply(user_id, delivery.position.seq, delivery.scope, &delivery.envelope);
        self.index(user_id, &changes);
        if doubt {
            self.doubt(user_id);
        }
    }

    /// What somebody may see is not certain: all connections of that person ask the api, and nothing is kept for later ones.
    fn doubt(&mut self, user_id: UserId) {
        let Some(person) = self.people.get_mut(&user_id) else { return };
        person.doubt(self.position.seq);
        self.forget_left_of(user_id);
    }

    fn hand_to_all(
        &self,
        readers: Option<&HashSet<UserId>>,
        delivery: &Arc<Delivery<R>>,
        handed: &mut Handed,
    ) {
        for user_id in readers.into_iter().flatten() {
            self.hand_to(*user_id, delivery, handed);
        }
        for user_id in named(&delivery.envelope.event)
            .iter()
            .filter(|user_id| readers.is_none_or(|readers| !readers.contains(user_id)))
        {
            self.hand_to(*user_id, delivery, handed);
        }
    }

    fn hand_to(&self, user_id: UserId, delivery: &Arc<Delivery<R>>, handed: &mut Handed) {
        for seat in self.people.get(&user_id).into_iter().flat_map(|person| &person.seats) {
            push(seat, delivery, handed);
        }
    }

    fn hand_to_guests(
        &self,
        community: Option<CommunityId>,
        channel: ChannelId,
        delivery: &Arc<Delivery<R>>,
        handed: &mut Handed,
    ) {
        let Some(community) = community else { return };
        for (user_id, id) in self.guests.get(&channel).into_iter().flatten() {
            let Some(person) = self.people.get(user_id) else { continue };
            let already = person.access.in_channel(channel)
                || named(&delivery.envelope.event).contains(user_id);
            if !already
                && person.access.in_community(community)
                && let Some(seat) = person.seats.iter().find(|seat| seat.id == *id)
            {
                push(seat, delivery, handed);
            }
        }
    }

    /// Whoever continues after `seq` would miss an event. Nobody knows what it said, so it may have been for anybody.
    pub(super) fn has_hole(&self, seq: u64) -> bool {
        self.holes.back().is_some_and(|(hole, _)| seq <= *hole)
    }

    /// What comes next comes without an event of this channel that should have been before it.
    pub(super) fn note_hole(&mut self, channel: ChannelId) {
        self.holes.push_back((self.position.seq, channel));
        self.holes_ever += 1;
        if self.holes.len() > HOLES_MAX {
            self.holes.pop_front();
        }
    }

    /// Whoever continues after `cursor` shows places that are not its reader's any more, or misses what came in one that is. At the very
    /// position it is not known which: whoever drew anew there and comes back before anything has come does so once more.
    pub(super) fn has_changed(&self, user_id: UserId, cursor: Position) -> bool {
        let person = self.people.get(&user_id);
        person.and_then(|person| person.changed_at).is_some_and(|at| cursor <= at)
    }

    /// The newest that came of a channel since then is that it is private. Whoever looked then may take it for public still.
    pub(super) fn is_closed(&self, channel: ChannelId, since: Losses) -> bool {
        let visibility = |delivery: &Arc<Delivery<R>>| match &delivery.envelope.event {
            Event::ChannelUpdated(change) if change.channel.id == channel => {
                Some((delivery.envelope.seq, change.channel.visibility))
            }
            _ => None,
        };
        // By their places in the channel: one that was handed out early may be newer than the ring, and one in the ring have come late.
        let updates = self.ring.after(since.at).chain(&self.early).filter_map(visibility);
        let newest = updates.max_by_key(|(seq, _)| *seq);
        newest.is_some_and(|(_, visibility)| visibility == Visibility::Private)
    }

    /// What has been lost up to now.
    pub(super) fn losses(&self) -> Losses {
        Losses { era: self.era, holes_ever: self.holes_ever, at: self.position.seq }
    }

    /// Something was lost since that may have made this channel private.
    pub(super) fn has_lost(&self, channel: ChannelId, since: Losses) -> bool {
        let new = usize::try_from(self.holes_ever - since.holes_ever).unwrap_or(usize::MAX);
        self.era != since.era || self.holes.iter().rev().take(new).any(|(_, of)| *of == channel)
    }

    /// What is missing may have made a channel private, or all that are lost at once any of them, and the api is never asked about
    /// guests: they come back, and whoever lets them in looks.
    fn send_guests_back(&mut self, channel: Option<ChannelId>) {
        for (_, guests) in
            self.guests.extract_if(|of, _| channel.is_none_or(|channel| *of == channel))
        {
            for (user_id, id) in guests {
                let person = self.people.get(&user_id).into_iter();
                let seat = person.flat_map(|person| &person.seats).find(|seat| seat.id == id);
                if let Some(seat) = seat {
                    seat.queue.close(CloseReason::Aged);
                }
            }
        }
    }

    /// A channel that is no longer public has no guests: they are sent back, so that none goes on without what comes after.
    fn end_visits(&mut self, envelope: &Envelope) {
        if let Event::ChannelUpdated(change) = &envelope.event
            && change.channel.visibility == Visibility::Private
        {
            self.send_guests_back(Some(change.channel.id));
        }
    }

    /// A session ended: its connections do, too. A connection whose session is not known asks the api.
    fn end_session(&mut self, scope: Scope, ended: Option<SessionId>) {
        let Scope::Person(user_id) = scope else { return };
        let Some(person) = self.people.get(&user_id) else { return };
        let is_over = |own: SessionId| ended.is_none_or(|ended| ended == own);
        for seat in person.seats.iter().filter(|seat| seat.session_id.is_some_and(is_over)) {
            seat.queue.close(CloseReason::SignedOut);
        }
        let mut in_doubt = person.seats.iter().any(|seat| seat.session_id.is_none());
        for token in person.tokens.clone() {
            match self.sessions.get_mut(&token).map(|session| session.session_id) {
                Some(Some(own)) if is_over(own) => self.forget(&token),
                Some(None) => in_doubt = true,
                _ => {}
            }
        }
        if in_doubt && let Some(person) = self.people.get_mut(&user_id) {
            // Only the session is in question: what may be seen by it is not.
            person.doubts += 1;
            person.seats.iter().for_each(|seat| seat.doubt.notify_one());
            self.forget_left_of(user_id);
        }
    }

    fn index(&mut self, user_id: UserId, changes: &[Change]) {
        if self.people.get(&user_id).is_none_or(|person| person.seats.is_empty()) {
            return;
        }
        for change in changes {
            self.index_one(user_id, *change);
        }
    }

    fn index_one(&mut self, user_id: UserId, change: Change) {
        match change {
            Change::Entered(Place::Community(id)) => {
                self.communities.entry(id).or_default().insert(user_id);
            }
            Change::Entered(Place::Channel(id)) => {
                self.channels.entry(id).or_default().insert(user_id);
            }
            Change::Left(Place::Community(id)) => remove(&mut self.communities, &id, user_id),
            Change::Left(Place::Channel(id)) => remove(&mut self.channels, &id, user_id),
        }
    }

    fn remove_guest(&mut self, channel: ChannelId, id: u64) {
        if let Some(guests) = self.guests.get_mut(&channel) {
            guests.retain(|(_, guest)| *guest != id);
            if guests.is_empty() {
                self.guests.remove(&channel);
            }
        }
    }
}

/// Whether a page shows something else than what is so after these changes: it gained a channel of which something was handed out
/// `since`, or may have been where that is forgotten, or it lost a place.
fn missed<R: Renderer>(ring: &Ring<R>, changes: &[Change], since: u64) -> bool {
    changes.iter().any(|change| match change {
        Change::Entered(Place::Channel(channel)) => {
            since < ring.floor()
                || ring.after(since).any(|delivery| delivery.envelope.channel_id == Some(*channel))
        }
        Change::Entered(Place::Community(_)) => false,
        Change::Left(_) => true,
    })
}

fn push<R: Renderer>(seat: &Seat<R>, delivery: &Arc<Delivery<R>>, handed: &mut Handed) {
    if !seat.queue.push(Item::Event(delivery.clone())) {
        handed.overflows += 1;
    }
}

fn remove<K: std::hash::Hash + Eq>(
    index: &mut HashMap<K, HashSet<UserId>>,
    key: &K,
    user_id: UserId,
) {
    if let Some(readers) = index.get_mut(key) {
        readers.remove(&user_id);
        if readers.is_empty() {
            index.remove(key);
        }
    }
}
