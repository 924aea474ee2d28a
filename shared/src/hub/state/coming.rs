//! Who comes and goes: connections, and what is kept of those whose connection ended.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::task::AbortHandle;

use super::{Person, Seat, State, missed};
use crate::events::Event;
use crate::hub::delivery::{Scope, named};
use crate::hub::sessions::{Session, Token};
use crate::hub::visibility::{Change, Place, as_of};
use crate::hub::{CloseReason, Delivery, Renderer, ResyncReason, Signal};
use crate::id::{ChannelId, SessionId, UserId};
use crate::sync::Reach;
use crate::user::Author;

/// How long after a session was revoked the api may still answer for its token, and events may be on their way.
const TOKENS_REMEMBERED: Duration = Duration::from_secs(2);

impl<R: Renderer> State<R> {
    /// Takes a connection in, with the rights that `reach` and the events since give it. Returns whether its token is a new one.
    pub(in crate::hub) fn attach(&mut self, user_id: UserId, seat: Seat<R>, reach: &Reach) -> bool {
        let (token, session_id, doubt) = (seat.token.clone(), seat.session_id, seat.doubt.clone());
        let id = seat.id;
        // The events between the answer and now may name this person, and nobody listened for them: they are in the ring.
        let since = as_of(reach.cursor, self.position);
        let is_named =
            |delivery: &Arc<Delivery<R>>| named(&delivery.envelope.event).contains(&user_id);
        let is_old = reach.cursor.epoch < self.position.epoch;
        let mut in_doubt = is_old || since < self.ring.floor() || self.early.iter().any(is_named);
        let is_known = self.people.contains_key(&user_id);
        self.sit_down(user_id, seat);
        let Some(person) = self.people.get_mut(&user_id) else { return false };
        let mut changes = Vec::new();
        // What was read before everything began anew, or before what is remembered, must not undo what is known since.
        let is_outdated = is_old || since < self.ring.floor();
        if !(is_outdated && is_known) {
            changes = person.access.reconcile(reach, self.position);
        }
        for delivery in self.ring.after(since).filter(|delivery| is_named(delivery)) {
            let effect = person.access.apply(
                user_id,
                delivery.position.seq,
                delivery.scope,
                &delivery.envelope,
            );
            changes.extend(effect.changes);
            in_doubt |= effect.doubt;
        }
        let missing_since = person.missing_since(since, &changes);
        if in_doubt {
            person.doubt(since.min(self.position.seq));
        }
        // Who comes for the first time has not been shown anything yet. An event may let somebody in only now, because the answer says
        // that its community is theirs.
        if is_known && missed(&self.ring, &changes, missing_since) {
            let others = person.seats.iter().filter(|seat| seat.id != id);
            others.for_each(|seat| seat.queue.resync(ResyncReason::Membership));
            person.changed_at = Some(self.position);
        }
        for dm in &reach.dms {
            self.rosters.learn(dm.id, dm.members.iter().copied());
        }
        self.index(user_id, &changes);
        let is_new =
            self.enter(&token, || Session::new(user_id, session_id, reach.me.clone(), doubt));
        self.rename(&reach.me);
        self.end_late(user_id, id, since);
        is_new
    }

    /// Takes a connection in whose reader is known here: [`Self::known`] said so.
    pub(in crate::hub) fn rejoin(&mut self, user_id: UserId, seat: Seat<R>, me: &Author) -> bool {
        let (token, session_id, doubt) = (seat.token.clone(), seat.session_id, seat.doubt.clone());
        self.sit_down(user_id, seat);
        self.enter(&token, || Session::new(user_id, session_id, me.clone(), doubt))
    }

    /// Takes in what of the past somebody who comes back is handed.
    pub(in crate::hub) fn note_replay(&mut self, user_id: UserId, batch: &[Arc<Delivery<R>>]) {
        let Some(person) = self.people.get_mut(&user_id) else { return };
        for Delivery { position, scope, envelope, .. } in batch.iter().map(AsRef::as_ref) {
            person.access.replayed(user_id, position.seq, *scope, &envelope.event);
        }
    }

    /// The session of a token of whose owner it is known, without a doubt, what may be seen.
    pub(in crate::hub) fn known(&self, token: &Token, now: Instant) -> Option<&Session> {
        let session = self.sessions.get(token, now)?;
        let person = self.people.get(&session.user_id)?;
        (person.doubts == person.settled).then_some(session)
    }

    /// The session of a token with a stream here.
    pub(in crate::hub) fn session(&self, token: &Token) -> Option<&Session> {
        self.sessions.get(token, Instant::now()).filter(|session| session.is_open())
    }

    /// How connections with this token ask for a revalidation.
    pub(in crate::hub) fn doubt_of(&self, token: &Token) -> Arc<Notify> {
        // One whose time is over and that nobody has swept yet goes on as well, and its keeper listens to this.
        let session = self.sessions.whatever(token);
        session.map(|session| session.doubt.clone()).unwrap_or_default()
    }

    /// Gives a new session its keeper.
    pub(in crate::hub) fn keep_session(&mut self, token: &Token, keeper: AbortHandle) {
        self.sessions.keep(token, keeper);
    }

    fn enter(&mut self, token: &Token, new: impl FnOnce() -> Session) -> bool {
        let is_new = self.sessions.enter(token, new);
        if is_new
            && let Some(session) = self.sessions.get_mut(token)
            && let Some(person) = self.people.get_mut(&session.user_id)
        {
            person.tokens.push(token.clone());
        }
        is_new
    }

    fn sit_down(&mut self, user_id: UserId, seat: Seat<R>) {
        self.connections += 1;
        if let Some(channel) = seat.guest_of {
            self.guests.entry(channel).or_default().push((user_id, seat.id));
        }
        let person = self.people.entry(user_id).or_insert_with(Person::new);
        let places: Vec<Place> =
            if person.seats.is_empty() { person.access.places().collect() } else { Vec::new() };
        if person.held.is_some() {
            seat.queue.hold();
            // The one who was asked for the others may be gone before the answer.
            seat.doubt.notify_one();
        }
        person.seats.push(seat);
        for place in places {
            self.index_one(user_id, Change::Entered(place));
        }
    }

    /// Lets a connection go. What its reader may see is kept for a while.
    pub(in crate::hub) fn detach(&mut self, user_id: UserId, id: u64) {
        let Some(person) = self.people.get_mut(&user_id) else { return };
        let Some(index) = person.seats.iter().position(|seat| seat.id == id) else { return };
        let seat = person.seats.swap_remove(index);
        let places: Vec<Place> =
            if person.seats.is_empty() { person.access.places().collect() } else { Vec::new() };
        self.connections -= 1;
        if let Some(channel) = seat.guest_of {
            self.remove_guest(channel, id);
        }
        for place in places {
            self.index_one(user_id, Change::Left(place));
        }
        if let Some(token) = self.sessions.leave(&seat.token, &seat.doubt, Instant::now()) {
            self.forget(&token);
        }
        self.let_go(user_id);
    }

    /// Forgets what is too old: events, and whoever did not come back.
    pub(in crate::hub) fn expire(&mut self, now: Instant) {
        self.ring.expire(now);
        while let Some(token) = self.sessions.next_over(now) {
            self.forget(&token);
        }
    }

    /// Ends a session: whoever comes with its token is asked about.
    pub(super) fn forget(&mut self, token: &Token) {
        let Some(session) = self.sessions.remove(token) else { return };
        if let Some(person) = self.people.get_mut(&session.user_id) {
            person.tokens.retain(|other| other != token);
        }
        self.let_go(session.user_id);
    }

    /// Ends all sessions that are kept without a connection.
    pub(super) fn forget_left(&mut self) {
        for token in self.sessions.left() {
            self.forget(&token);
        }
    }

    /// Forgets somebody without a connection of whom nothing is kept.
    fn let_go(&mut self, user_id: UserId) {
        let person = self.people.get(&user_id);
        if person.is_some_and(|person| person.seats.is_empty() && person.tokens.is_empty()) {
            self.people.remove(&user_id);
        }
    }

    /// What others see of somebody, as the api says now.
    pub(super) fn rename(&mut self, me: &Author) {
        let tokens = self.people.get(&me.id).into_iter().flat_map(|person| &person.tokens);
        for token in tokens {
            if let Some(session) = self.sessions.get_mut(token) {
                session.me.clone_from(me);
            }
        }
    }

    /// Ends a connection whose session was revoked before it had a place: after the api's answer, or so shortly before that the api
    /// remembered the token still.
    fn end_late(&mut self, user_id: UserId, id: u64, since: u64) {
        let lately = Instant::now().checked_sub(TOKENS_REMEMBERED);
        let lately = lately.into_iter().flat_map(|at| self.ring.arrived_since(at));
        let deliveries = self.ring.after(since).chain(lately).chain(&self.early);
        let revoked: Vec<Option<SessionId>> = deliveries
            .filter(|delivery| delivery.scope == Scope::Person(user_id))
            .filter_map(|delivery| match &delivery.envelope.event {
                Event::SessionRevoked(revoked) => Some(revoked.session_id),
                _ => None,
            })
            .collect();
        if revoked.is_empty() {
            return;
        }
        let Some(person) = self.people.get(&user_id) else { return };
        let Some(seat) = person.seats.iter().find(|seat| seat.id == id) else { return };
        if seat.session_id.is_some_and(|own| revoked.contains(&Some(own))) {
            seat.queue.close(CloseReason::SignedOut);
            let token = seat.token.clone();
            self.forget(&token);
        } else if seat.session_id.is_none() || revoked.contains(&None) {
            // All sessions ended, and this one may be newer; of a token without one only the api knows.
            self.doubt(user_id);
        }
    }

    /// How often it was in doubt what somebody may see; an answer of the api that is asked for now settles these.
    pub(in crate::hub) fn doubts(&self, user_id: UserId) -> u64 {
        self.people.get(&user_id).map_or(0, |person| person.doubts)
    }

    /// The api has answered what was asked after so many doubts.
    pub(in crate::hub) fn settle(&mut self, user_id: UserId, doubts: u64) {
        if let Some(person) = self.people.get_mut(&user_id) {
            person.settled = person.settled.max(doubts);
        }
    }

    /// The api has answered what was asked after so many doubts, and the answer was taken in: nobody has to wait for it any longer.
    pub(in crate::hub) fn release(&mut self, user_id: UserId, doubts: u64) {
        let Some(person) = self.people.get_mut(&user_id) else { return };
        if person.held.take_if(|held| held.by <= doubts).is_none() {
            return;
        }
        let Some(person) = self.people.get(&user_id) else { return };
        for seat in &person.seats {
            seat.queue.release(|delivery| self.may_see(user_id, seat, delivery));
        }
    }

    /// The connections of somebody wait for an answer of the api.
    pub(in crate::hub) fn is_held(&self, user_id: UserId) -> bool {
        self.people.get(&user_id).is_some_and(|person| person.held.is_some())
    }

    /// What of these waited for an answer of the api may be handed out to a connection now.
    pub(in crate::hub) fn sift(&self, user_id: UserId, id: u64, opening: &mut VecDeque<Signal<R>>) {
        let Some(person) = self.people.get(&user_id) else { return };
        let Some(seat) = person.seats.iter().find(|seat| seat.id == id) else { return };
        let held = opening.len();
        opening.retain(|signal| match signal {
            Signal::Event(delivery) => self.may_see(user_id, seat, delivery),
            _ => true,
        });
        let fewer = held - opening.len();
        for signal in opening {
            if let Signal::Resumed { count } = signal {
                *count -= fewer;
            }
        }
    }

    fn may_see(&self, user_id: UserId, seat: &Seat<R>, delivery: &Delivery<R>) -> bool {
        let visits = |channel: &ChannelId| {
            let mut guests = self.guests.get(channel).into_iter().flatten();
            guests.any(|(_, id)| *id == seat.id)
        };
        let guest_of = seat.guest_of.filter(visits);
        self.access(user_id).is_some_and(|access| {
            access.sees(user_id, delivery.scope, &delivery.envelope.event, guest_of)
        })
    }

    /// The api does not take the token any more.
    pub(in crate::hub) fn end_token(&mut self, token: &Token, reason: CloseReason) {
        let Some(session) = self.sessions.get_mut(token) else { return };
        let seats = self.people.get(&session.user_id).into_iter().flat_map(|person| &person.seats);
        for seat in seats.filter(|seat| seat.token == *token) {
            seat.queue.close(reason);
        }
        self.forget(token);
    }

    /// What somebody who is away comes back to is not what it was.
    pub(super) fn forget_left_of(&mut self, user_id: UserId) {
        let Some(person) = self.people.get(&user_id) else { return };
        for token in person.tokens.clone() {
            if self.sessions.get_mut(&token).is_some_and(|session| !session.is_open()) {
                self.forget(&token);
            }
        }
    }
}
