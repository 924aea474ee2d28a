//! Who is connected, what they may see, and who gets an event: everything behind the hub's one lock.
//!
//! The lock is held for as long as it takes to hand one event to its readers' queues; nothing in here waits.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::Notify;

use super::delivery::{Scope, named};
use super::queue::{Item, Queue};
use super::ring::Ring;
use super::rosters::Rosters;
use super::visibility::{Access, Change, Effect, Place, as_of};
use super::{CloseReason, Delivery, MembersFn, Renderer, ResyncReason};
use crate::channel::Visibility;
use crate::events::{Envelope, Event, PresenceChanged};
use crate::id::{ChannelId, CommunityId, EventId, SessionId, UserId};
use crate::position::Position;
use crate::sync::Sync;

pub(super) struct State<R: Renderer> {
    /// Up to where events have been handed out.
    pub(super) position: Position,
    pub(super) ring: Ring<R>,
    pub(super) rosters: Rosters,
    people: HashMap<UserId, Person<R>>,
    channels: HashMap<ChannelId, HashSet<UserId>>,
    communities: HashMap<CommunityId, HashSet<UserId>>,
    /// Connections that read a public channel without having joined it.
    guests: HashMap<ChannelId, Vec<(UserId, u64)>>,
    /// Handed out because others waited for them, and not at their place in the stream yet: the ring does not have them.
    early: Vec<Arc<Delivery<R>>>,
    connections: usize,
    next_id: u64,
}

/// Somebody with at least one connection; all of them share what may be seen.
struct Person<R: Renderer> {
    access: Access,
    seats: Vec<Seat<R>>,
}

/// One connection.
pub(super) struct Seat<R: Renderer> {
    pub(super) id: u64,
    pub(super) queue: Arc<Queue<R>>,
    pub(super) session_id: Option<SessionId>,
    pub(super) guest_of: Option<ChannelId>,
    /// Asks for a revalidation at once.
    pub(super) doubt: Arc<Notify>,
    pub(super) members: MembersFn,
}

impl<R: Renderer> Seat<R> {
    /// Events are missing here, and one of them may have changed what the reader may see.
    fn lost(&self, reason: ResyncReason) {
        self.queue.resync(reason);
        self.doubt.notify_one();
    }
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
            channels: HashMap::new(),
            communities: HashMap::new(),
            guests: HashMap::new(),
            early: Vec::new(),
            connections: 0,
            next_id: 0,
        }
    }

    pub(super) fn connections(&self) -> usize {
        self.connections
    }

    pub(super) fn next_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    /// Takes a connection in, with the rights that `sync` and the events since give it.
    pub(super) fn attach(&mut self, user_id: UserId, seat: Seat<R>, sync: &Sync) {
        self.connections += 1;
        if let Some(channel) = seat.guest_of {
            self.guests.entry(channel).or_default().push((user_id, seat.id));
        }
        // The events between the sync and now may name this person, and nobody listened for them: they are in the ring.
        let since = as_of(sync, self.position);
        let is_named =
            |delivery: &Arc<Delivery<R>>| named(&delivery.envelope.event).contains(&user_id);
        if since < self.ring.floor() || self.early.iter().any(is_named) {
            seat.doubt.notify_one();
        }
        let person = self
            .people
            .entry(user_id)
            .or_insert_with(|| Person { access: Access::default(), seats: Vec::new() });
        person.seats.push(seat);
        let mut changes = person.access.reconcile(sync, self.position);
        for delivery in self.ring.after(since).filter(|delivery| is_named(delivery)) {
            let effect = person.access.apply(
                user_id,
                delivery.position.seq,
                delivery.scope,
                &delivery.envelope,
            );
            changes.extend(effect.changes);
        }
        for dm in &sync.dms {
            self.rosters.learn(dm.channel.id, dm.members.iter().map(|member| member.id));
        }
        self.index(user_id, &changes);
    }

    /// Lets a connection go.
    pub(super) fn detach(&mut self, user_id: UserId, id: u64) {
        let Some(person) = self.people.get_mut(&user_id) else { return };
        let Some(index) = person.seats.iter().position(|seat| seat.id == id) else { return };
        let seat = person.seats.swap_remove(index);
        self.connections -= 1;
        if let Some(channel) = seat.guest_of {
            self.remove_guest(channel, id);
        }
        if self.people.get(&user_id).is_some_and(|person| person.seats.is_empty())
            && let Some(person) = self.people.remove(&user_id)
        {
            for place in person.access.places() {
                self.index_one(user_id, Change::Left(place));
            }
        }
    }

    /// Takes in a fresh answer of the api. Whoever gained a channel of which something was already handed out draws everything anew,
    /// and so does who lost a place without the event that says so: its page still shows it.
    pub(super) fn reconcile(&mut self, user_id: UserId, sync: &Sync) {
        let since = as_of(sync, self.position);
        let Some(person) = self.people.get_mut(&user_id) else { return };
        let changes = person.access.reconcile(sync, self.position);
        let missed = changes.iter().any(|change| match change {
            Change::Entered(Place::Channel(channel)) => self
                .ring
                .after(since)
                .any(|delivery| delivery.envelope.channel_id == Some(*channel)),
            Change::Entered(Place::Community(_)) => false,
            Change::Left(_) => true,
        });
        if missed {
            person.seats.iter().for_each(|seat| seat.queue.resync(ResyncReason::Membership));
        }
        self.index(user_id, &changes);
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
        self.position = position;
        self.ring.reset(position.seq);
        self.early.clear();
        self.rosters = Rosters::default();
        for person in self.people.values_mut() {
            person.access.forget_order();
            person.seats.iter().for_each(|seat| seat.lost(reason));
        }
    }

    /// The readers of one channel draw everything anew. What is missing may have taken the channel from one of them: ask the api.
    pub(super) fn resync_channel(&mut self, channel: ChannelId, reason: ResyncReason) {
        self.rosters.keep(|known| known != channel);
        for user_id in self.channels.get(&channel).into_iter().flatten() {
            self.people
                .get(user_id)
                .into_iter()
                .flat_map(|person| &person.seats)
                .for_each(|seat| seat.lost(reason));
        }
        for (user_id, id) in self.guests.get(&channel).into_iter().flatten() {
            if let Some(seat) = self.seat(*user_id, *id) {
                seat.lost(reason);
            }
        }
    }

    pub(super) fn access(&self, user_id: UserId) -> Option<&Access> {
        self.people.get(&user_id).map(|person| &person.access)
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

    /// What somebody may see is not certain: all connections of that person ask the api.
    fn doubt(&self, user_id: UserId) {
        for seat in self.people.get(&user_id).into_iter().flat_map(|person| &person.seats) {
            seat.doubt.notify_one();
        }
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

    /// A channel that is no longer public has no guests.
    fn end_visits(&mut self, envelope: &Envelope) {
        if let Event::ChannelUpdated(change) = &envelope.event
            && change.channel.visibility == Visibility::Private
        {
            self.guests.remove(&change.channel.id);
        }
    }

    /// A session ended: its connections do, too. A connection whose session is not known asks the api.
    fn end_session(&self, scope: Scope, session_id: Option<SessionId>) {
        let Scope::Person(user_id) = scope else { return };
        for seat in self.people.get(&user_id).into_iter().flat_map(|person| &person.seats) {
            match (session_id, seat.session_id) {
                (_, None) => seat.doubt.notify_one(),
                (None, Some(_)) => seat.queue.close(CloseReason::SignedOut),
                (Some(ended), Some(own)) if ended == own => {
                    seat.queue.close(CloseReason::SignedOut);
                }
                (Some(_), Some(_)) => {}
            }
        }
    }

    fn index(&mut self, user_id: UserId, changes: &[Change]) {
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

    fn seat(&self, user_id: UserId, id: u64) -> Option<&Seat<R>> {
        self.people.get(&user_id)?.seats.iter().find(|seat| seat.id == id)
    }
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
