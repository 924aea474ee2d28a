//! One open stream.

use std::collections::VecDeque;
use std::fmt;
use std::pin::pin;
use std::sync::{Arc, Weak};
use std::time::Duration;

use futures::FutureExt as _;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::arrivals::Arrival;
use super::delivery::Scope;
use super::queue::{self, Item, Next, Queue};
use super::replay::{self, Resume};
use super::sessions::Token;
use super::shared::Shared;
use super::state::{Losses, Seat};
use super::{
    CloseReason, Delivery, Reader, Refused, Renderer, ResyncReason, RevalidateError, RevalidateFn,
    Signal,
};
use crate::id::{ChannelId, UserId};
use crate::limits::STREAM_HEARTBEAT;
use crate::position::Position;
use crate::sync::Reach;

/// Streams one process carries. Source: delivery-and-security.md section 2.10.
const CONNECTIONS_MAX: usize = 5_000;
/// How long a stream waits for the pump: for its first catch-up, or for a cursor that is ahead. Source: delivery-and-security.md E3.
const PUMP_PATIENCE: Duration = Duration::from_secs(3);
/// How long a stream waits for one of the replays from the stream, and for its replay.
const REPLAY_PATIENCE: Duration = Duration::from_secs(3);
/// How often the api is asked about somebody who comes, if its answers are older than the epoch.
const ASKED_MAX: usize = 3;
/// How often the api is asked whether the token is still good, and by how much that varies. Source: decisions.md 7.
const REVALIDATE_EVERY: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(5));
/// The api may remember a token for a second, so a doubt is looked into once more after that; not by all keepers at the same moment.
const DOUBT_AGAIN: (Duration, Duration) = (Duration::from_secs(2), Duration::from_millis(500));
/// Asking may take this long.
const REVALIDATE_PATIENCE: Duration = Duration::from_secs(10);
/// An api that does not answer by then is not busy with it: the place of the question goes to the next one.
const PLACE_PATIENCE: Duration = Duration::from_secs(1);
/// How long a stream lives, and by how much that varies. Source: delivery-and-security.md section 2.5.
const AGE_MAX: (Duration, Duration) = (Duration::from_hours(1), Duration::from_mins(10));
/// Over how long the streams of a process that stops end. Source: delivery-and-security.md section 2.10.
const DRAIN_OVER: Duration = Duration::from_secs(5);
/// When the clients of a stream that ended come back, in milliseconds. Source: delivery-and-security.md section 2.10.
const RETRY_MS: std::ops::Range<u64> = 500..5_000;

/// One open stream. Dropping it lets the reader go.
pub struct Connection<R: Renderer> {
    seat: Membership<R>,
    queue: Arc<Queue<R>>,
    opening: VecDeque<Signal<R>>,
    /// Where the reader stands by what was told last.
    told: Position,
    heartbeat_at: Instant,
    /// When it ends by itself, and why: it is old, or the process stops.
    ends: (Instant, CloseReason),
    /// The replay waits for an answer of the api; meanwhile something of it may have been taken from the reader.
    waited: bool,
    ended: bool,
}

/// The place in the hub, given back on drop.
struct Membership<R: Renderer> {
    shared: Arc<Shared<R>>,
    user_id: UserId,
    id: u64,
}

impl<R: Renderer> Drop for Membership<R> {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        state.detach(self.user_id, self.id);
        self.shared.metrics.connections.set(state.connections() as u64);
    }
}

impl<R: Renderer> fmt::Debug for Connection<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("user_id", &self.seat.user_id)
            .field("id", &self.seat.id)
            .finish_non_exhaustive()
    }
}

/// Waits until this process can carry a stream from here. Gives what has been lost up to then.
pub(super) async fn ready<R: Renderer>(
    shared: &Shared<R>,
    cursor: Option<Position>,
) -> Result<Losses, Refused> {
    admit(shared)?;
    let mut caught_up = shared.caught_up();
    if !matches!(timeout(PUMP_PATIENCE, caught_up.wait_for(|done| *done)).await, Ok(Ok(_))) {
        return Err(Refused::Starting);
    }
    if let Some(cursor) = cursor {
        wait_for(shared, cursor).await;
    }
    Ok(shared.state().losses())
}

/// Begins a stream after [`ready`], by the table of delivery-and-security.md section 2.6. The `turn` of who has asked the api ends when
/// the reader is known here. `losses` is what had been lost before the caller looked whether the reader may read `extra_channel`.
pub(super) async fn begin<R: Renderer>(
    shared: &Arc<Shared<R>>,
    reader: Reader,
    turn: Option<Arrival>,
    cursor: Option<Position>,
    extra_channel: Option<ChannelId>,
    losses: Losses,
) -> Result<Connection<R>, Refused> {
    admit(shared)?;
    let queue = Arc::new(Queue::new());
    let mut asked = 0;
    let seated = loop {
        asked += 1;
        // Held until the reader sits: whoever waits for this turn finds it known then.
        let (reach, _arrival) = reach_of(shared, &reader, cursor).await?;
        // Everything began anew meanwhile: what the answer does not know, nobody here remembers.
        let is_old = |reach: &Reach| reach.cursor.epoch < shared.position().epoch;
        if asked < ASKED_MAX && reach.as_ref().is_some_and(is_old) {
            continue;
        }
        let reach = reach.as_ref();
        let seated = sit(shared, &reader, reach, &queue, cursor, extra_channel, losses);
        if let Some(seated) = seated {
            break seated;
        }
    };
    drop(turn);
    let Seated { seat, guest_of, position, answer, early } = seated;
    let from_stream = matches!(answer, Answer::ReadStream);
    let answer = match (answer, cursor) {
        (Answer::ReadStream, Some(cursor)) => {
            match read_stream(shared, seat.user_id, guest_of, cursor, position).await {
                Some(batch) => Answer::Replay(batch),
                None => Answer::Resync(ResyncReason::Window),
            }
        }
        (answer, _) => answer,
    };
    let opening = opening(shared, answer, early, cursor, position, from_stream);
    let now = Instant::now();
    Ok(Connection {
        seat,
        queue,
        opening,
        told: cursor.unwrap_or(position),
        heartbeat_at: now + STREAM_HEARTBEAT,
        ends: (now + around(AGE_MAX), CloseReason::Aged),
        waited: false,
        ended: false,
    })
}

/// What the api says of a reader; none where that is known here, because another stream with the token is open or was a moment ago.
///
/// Only who comes with a cursor comes back; the gateway has verified the token for this very request.
async fn reach_of<R: Renderer>(
    shared: &Shared<R>,
    reader: &Reader,
    cursor: Option<Position>,
) -> Result<(Option<Reach>, Option<Arrival>), Refused> {
    if let Some(reach) = &reader.reach {
        // A kick may have come between that answer and the new epoch, and nobody here remembers it.
        if reach.cursor.epoch < shared.position().epoch
            && let Ok(Ok(fresh)) = timeout(PUMP_PATIENCE, (reader.revalidate)()).await
        {
            return Ok((Some(fresh), None));
        }
        return Ok((Some(reach.clone()), None));
    }
    let is_known = || cursor.is_some() && shared.state().known(&reader.token, now()).is_some();
    if is_known() {
        return Ok((None, None));
    }
    let mut arrival = shared.arrivals.turn(&reader.token).await.ok_or(Refused::Busy)?;
    if is_known() {
        return Ok((None, None));
    }
    if !shared.arrivals.place(&mut arrival).await {
        return Err(Refused::Busy);
    }
    let reach =
        (reader.revalidate)().await.map_err(|error| Refused::Api(Box::new(error.into())))?;
    arrival.answered();
    Ok((Some(reach), Some(arrival)))
}

/// Somebody who has a place, and how that stands to the stream.
struct Seated<R: Renderer> {
    seat: Membership<R>,
    guest_of: Option<ChannelId>,
    position: Position,
    answer: Answer<R>,
    early: Vec<Arc<Delivery<R>>>,
}

/// Takes the reader in at one point of the stream. None if what was known a moment ago is not any more.
fn sit<R: Renderer>(
    shared: &Arc<Shared<R>>,
    reader: &Reader,
    reach: Option<&Reach>,
    queue: &Arc<Queue<R>>,
    cursor: Option<Position>,
    extra_channel: Option<ChannelId>,
    losses: Losses,
) -> Option<Seated<R>> {
    let mut state = shared.state();
    // Who let the reader in may have looked before the channel was made private, and the event that says so may be lost.
    let guest_of = extra_channel
        .filter(|channel| !state.is_closed(*channel, losses) && !state.has_lost(*channel, losses));
    if guest_of != extra_channel {
        queue.close(CloseReason::Aged);
    }
    let (me, session_id) = if let Some(reach) = reach {
        (reach.me.clone(), reach.session_id)
    } else {
        let session = state.known(&reader.token, now())?;
        (session.me.clone(), session.session_id)
    };
    let (user_id, id) = (me.id, state.next_id());
    let doubt = state.doubt_of(&reader.token);
    let seat = Seat {
        id,
        queue: queue.clone(),
        token: reader.token.clone(),
        session_id,
        guest_of,
        doubt: doubt.clone(),
        members: reader.members.clone(),
    };
    let is_new = match reach {
        Some(reach) => state.attach(user_id, seat, reach),
        None => state.rejoin(user_id, seat, &me),
    };
    if is_new {
        let (token, revalidate) = (reader.token.clone(), reader.revalidate.clone());
        let keeper = tokio::spawn(keep(Arc::downgrade(shared), user_id, token, revalidate, doubt));
        state.keep_session(&reader.token, keeper.abort_handle());
    }
    shared.metrics.connections.set(state.connections() as u64);
    let position = state.position;
    let access = state.access(user_id);
    let visible = |delivery: &&Arc<Delivery<R>>| {
        access.is_some_and(|access| {
            access.sees(user_id, delivery.scope, &delivery.envelope.event, guest_of)
        })
    };
    let answer = match replay::resume(cursor, position, state.ring.floor()) {
        Resume::Memory | Resume::Stream
            if cursor.is_some_and(|cursor| state.has_hole(cursor.seq)) =>
        {
            Answer::Resync(ResyncReason::Gap)
        }
        Resume::Memory | Resume::Stream
            if cursor.is_some_and(|cursor| state.has_changed(user_id, cursor)) =>
        {
            Answer::Resync(ResyncReason::Membership)
        }
        Resume::Memory => {
            let after = cursor.map_or(position.seq, |cursor| cursor.seq);
            Answer::Replay(state.ring.after(after).filter(visible).cloned().collect())
        }
        Resume::Stream => Answer::ReadStream,
        Resume::Fresh => Answer::Fresh,
        Resume::Epoch => Answer::Resync(ResyncReason::Epoch),
        Resume::Ahead => Answer::Resync(ResyncReason::Ahead),
        Resume::Window => Answer::Resync(ResyncReason::Window),
    };
    let early: Vec<_> = state.early().filter(visible).cloned().collect();
    if let Answer::Replay(batch) = &answer {
        state.note_replay(user_id, batch);
    }
    // After a resync none of it is told.
    if !matches!(answer, Answer::Resync(_)) {
        state.note_replay(user_id, &early);
    }
    let seat = Membership { shared: shared.clone(), user_id, id };
    Some(Seated { seat, guest_of, position, answer, early })
}

/// How a stream begins.
enum Answer<R: Renderer> {
    Fresh,
    Replay(Vec<Arc<Delivery<R>>>),
    ReadStream,
    Resync(ResyncReason),
}

/// What a stream writes first.
fn opening<R: Renderer>(
    shared: &Shared<R>,
    answer: Answer<R>,
    early: Vec<Arc<Delivery<R>>>,
    cursor: Option<Position>,
    position: Position,
    from_stream: bool,
) -> VecDeque<Signal<R>> {
    let metrics = &shared.metrics;
    // Until the replay has been read or everything was drawn anew, the reader stands where it came from: one that breaks off
    // between the two comes back to the same answer.
    let ready = Signal::Ready { position: cursor.unwrap_or(position) };
    let (batch, resync) = match answer {
        Answer::Fresh => {
            metrics.resumed_fresh.add(1);
            return std::iter::once(ready).chain(early.into_iter().map(Signal::Event)).collect();
        }
        Answer::Replay(batch) if batch.len() <= replay::EVENTS_MAX => (batch, None),
        Answer::Replay(_) | Answer::ReadStream => (Vec::new(), Some(ResyncReason::Window)),
        Answer::Resync(reason) => (Vec::new(), Some(reason)),
    };
    if let Some(reason) = resync {
        metrics.resumed_resync.add(1);
        return VecDeque::from([ready, Signal::Resync { reason, position }]);
    }
    if from_stream { &metrics.resumed_stream } else { &metrics.resumed_memory }.add(1);
    let batch = replay::in_order(cursor.unwrap_or(position), early, batch);
    let batch = replay::without_deleted(&shared.renderer, batch);
    let count = batch.len();
    let mut signals = VecDeque::with_capacity(count + 2);
    signals.push_back(ready);
    signals.extend(batch.into_iter().map(Signal::Event));
    signals.push_back(Signal::Resumed { count });
    signals
}

/// There is room, and this process stays.
fn admit<R: Renderer>(shared: &Shared<R>) -> Result<(), Refused> {
    if shared.shutdown.is_cancelled() {
        return Err(Refused::Draining);
    }
    if shared.state().connections() >= CONNECTIONS_MAX {
        return Err(Refused::Full);
    }
    Ok(())
}

/// A cursor may come from the api a moment before the event comes here.
async fn wait_for<R: Renderer>(shared: &Shared<R>, cursor: Position) {
    let mut positions = shared.positions();
    if *positions.borrow_and_update() >= cursor {
        return;
    }
    shared.look.notify_one();
    let _ = timeout(PUMP_PATIENCE, positions.wait_for(|position| *position >= cursor)).await;
}

/// What came after `cursor` up to `end`, as far as the reader may see it. None if it cannot be had whole.
async fn read_stream<R: Renderer>(
    shared: &Shared<R>,
    reader: UserId,
    extra_channel: Option<ChannelId>,
    cursor: Position,
    end: Position,
) -> Option<Vec<Arc<Delivery<R>>>> {
    let read = async {
        let _permit = shared.replays.acquire().await.ok()?;
        let stream = shared.bus.stream_state().await.ok()?;
        if cursor.seq + 1 < stream.first_seq || stream.last_seq < end.seq {
            return None;
        }
        let mut events = shared.bus.replay(cursor.seq + 1, end.seq).await.ok()?;
        let mut batch: Vec<(u64, Scope, crate::events::Envelope, usize)> = Vec::new();
        let mut bytes = 0;
        while let Some(event) = futures::StreamExt::next(&mut events).await {
            let event = event.ok()?;
            bytes += event.payload.len();
            if bytes > replay::READ_BYTES_MAX {
                return None;
            }
            if let Some((scope, envelope)) = replay::decode(&event)
                && !replay::is_old_news(&event, &envelope.event)
            {
                batch.push((event.stream_seq, scope, envelope, event.payload.len()));
            }
        }
        Some(batch)
    };
    let batch = timeout(REPLAY_PATIENCE, read).await.ok()??;
    let mut state = shared.state();
    let access = state.access(reader)?;
    let visible = batch.into_iter().filter(|(_, scope, envelope, _)| {
        access.sees(reader, *scope, &envelope.event, extra_channel)
    });
    let deliveries = visible.map(|(seq, scope, envelope, size_bytes)| {
        let position = Position { epoch: end.epoch, seq };
        Arc::new(Delivery::new(shared.renderer.clone(), position, scope, envelope, size_bytes))
    });
    let batch: Vec<_> = deliveries.collect();
    // Unlike what is in memory, this is the reader's alone.
    if batch.iter().map(|delivery| delivery.size_bytes).sum::<usize>() > queue::BYTES_MAX {
        return None;
    }
    state.note_replay(reader, &batch);
    Some(batch)
}

impl<R: Renderer> Connection<R> {
    /// Whose stream it is.
    #[must_use]
    pub fn user_id(&self) -> UserId {
        self.seat.user_id
    }

    /// Nothing was dropped that the reader has not been told of.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.queue.is_whole()
    }

    /// What to write next; none after the end. Cancel-safe: what was not returned comes next time.
    pub async fn next(&mut self) -> Option<Signal<R>> {
        if self.ended {
            return None;
        }
        let signal = loop {
            if let Some(signal) = self.ready_signal() {
                break signal;
            }
            self.wait().await;
        };
        self.note(&signal);
        Some(signal)
    }

    /// What can be written without waiting, to send several things at once.
    pub fn try_next(&mut self) -> Option<Signal<R>> {
        if self.ended {
            return None;
        }
        let signal = self.ready_signal()?;
        self.note(&signal);
        Some(signal)
    }

    fn note(&mut self, signal: &Signal<R>) {
        self.heartbeat_at = Instant::now() + STREAM_HEARTBEAT;
        match signal {
            Signal::Ready { position }
            | Signal::Resync { position, .. }
            | Signal::Heartbeat { position } => self.told = *position,
            Signal::Event(delivery) => self.told = delivery.position,
            _ => {}
        }
    }

    fn ready_signal(&mut self) -> Option<Signal<R>> {
        if let Some(reason) = self.queue.closed() {
            return Some(self.close(reason));
        }
        let now = Instant::now();
        if now >= self.ends.0 {
            return Some(self.close(self.ends.1));
        }
        // A replay made without knowing the reader's rights would move the cursor past what turns out to be the reader's.
        let is_ready = matches!(self.opening.front(), Some(Signal::Ready { .. }));
        if !is_ready && self.queue.is_held() {
            self.waited = true;
            // The reader stays where it is, and its stream is not dead.
            let heartbeat = Signal::Heartbeat { position: self.told };
            return (now >= self.heartbeat_at).then_some(heartbeat);
        }
        if self.waited && !is_ready {
            self.waited = false;
            self.seat.shared.state().sift(self.seat.user_id, self.seat.id, &mut self.opening);
        }
        if let Some(signal) = self.opening.pop_front() {
            return Some(signal);
        }
        match self.queue.next() {
            Next::Item(Item::Event(delivery)) => Some(Signal::Event(delivery)),
            Next::Item(Item::Typing(envelope)) => Some(Signal::Typing(envelope)),
            Next::Item(Item::Presence(changes)) => Some(Signal::Presence(changes)),
            // Read after the queue takes events again: what comes before this position was published before the reader asks anew.
            Next::Resync(reason) => {
                Some(Signal::Resync { reason, position: self.seat.shared.state().position })
            }
            Next::Close(reason) => Some(self.close(reason)),
            Next::Nothing if now >= self.heartbeat_at => {
                // In this order: what comes up to this position is in the queue already.
                let position = self.seat.shared.position();
                self.queue.is_idle().then_some(Signal::Heartbeat { position })
            }
            Next::Nothing => None,
        }
    }

    async fn wait(&mut self) {
        let shutdown = &self.seat.shared.shutdown;
        tokio::select! {
            () = self.queue.news() => {}
            () = sleep_until(self.heartbeat_at.min(self.ends.0)) => {}
            () = shutdown.cancelled(), if self.ends.1 != CloseReason::Drain => {
                let at = Instant::now() + DRAIN_OVER.mul_f64(rand::random::<f64>());
                self.ends = (at, CloseReason::Drain);
            }
        }
    }

    fn close(&mut self, reason: CloseReason) -> Signal<R> {
        self.ended = true;
        Signal::Close { reason, retry: Duration::from_millis(rand::random_range(RETRY_MS)) }
    }
}

/// Asks the api from time to time, for all streams with one token, whether it is still good and what its owner may see. One of few at
/// once: what puts everybody in doubt must not bring the api down.
async fn keep<R: Renderer>(
    shared: Weak<Shared<R>>,
    user_id: UserId,
    token: Token,
    revalidate: RevalidateFn,
    doubt: Arc<Notify>,
) {
    let Some(places) = shared.upgrade().map(|shared| shared.questions.clone()) else { return };
    let mut again = false;
    loop {
        let pause = around(if again { DOUBT_AGAIN } else { REVALIDATE_EVERY });
        again = false;
        tokio::select! {
            () = sleep(pause) => {}
            () = doubt.notified() => again = true,
        }
        let Ok(place) = places.acquire().await else { return };
        // This question answers what came into doubt while it waited, too.
        again |= doubt.notified().now_or_never().is_some();
        // Read last: an answer is good only for what was so when it was asked for.
        let Some((era, doubts)) = shared.upgrade().map(|shared| {
            let state = shared.state();
            (state.era(), state.doubts(user_id))
        }) else {
            return;
        };
        let mut asking = pin!(timeout(REVALIDATE_PATIENCE, revalidate()));
        let soon = timeout(PLACE_PATIENCE, &mut asking).await;
        drop(place);
        let answer = match soon {
            Ok(answer) => answer,
            Err(_) => asking.await,
        };
        let Some(shared) = shared.upgrade() else { return };
        match answer {
            Ok(Ok(reach)) => {
                let mut state = shared.state();
                state.reconcile(user_id, &reach, era);
                state.release(user_id, doubts);
                // After a doubt the first answer may rest on what the api remembers of the token.
                if !again {
                    state.settle(user_id, doubts);
                }
            }
            Ok(Err(RevalidateError::SignedOut)) => {
                return shared.state().end_token(&token, CloseReason::SignedOut);
            }
            // Whoever comes back is told why.
            Ok(Err(RevalidateError::Refused(problem))) => {
                tracing::debug!(%problem, "the api refuses the token; its streams end");
                return shared.state().end_token(&token, CloseReason::Aged);
            }
            Ok(Err(error)) => tracing::debug!(%error, "streams go on without revalidation"),
            Err(_) => tracing::debug!("revalidation took too long; the streams go on"),
        }
        // Those who wait for the answer do so until there is one.
        again |= shared.state().is_held(user_id);
    }
}

fn now() -> std::time::Instant {
    std::time::Instant::now()
}

/// A duration, give or take.
fn around((middle, spread): (Duration, Duration)) -> Duration {
    middle.saturating_sub(spread) + (2 * spread).mul_f64(rand::random::<f64>())
}
