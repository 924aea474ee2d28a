//! One open stream.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::delivery::Scope;
use super::queue::{Item, Next, Queue};
use super::replay::{self, Resume};
use super::shared::Shared;
use super::state::Seat;
use super::{
    CloseReason, Delivery, Reader, Refused, Renderer, ResyncReason, RevalidateError, RevalidateFn,
    Signal,
};
use crate::id::{ChannelId, UserId};
use crate::limits::STREAM_HEARTBEAT;
use crate::position::Position;

/// Streams one process carries. Source: delivery-and-security.md section 2.10.
const CONNECTIONS_MAX: usize = 5_000;
/// How long a stream waits for the pump: for its first catch-up, or for a cursor that is ahead. Source: delivery-and-security.md E3.
const PUMP_PATIENCE: Duration = Duration::from_secs(3);
/// How long a stream waits for one of the replays from the stream, and for its replay.
const REPLAY_PATIENCE: Duration = Duration::from_secs(3);
/// How often the api is asked whether the token is still good, and by how much that varies. Source: decisions.md 7.
const REVALIDATE_EVERY: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(5));
/// The api may remember a token for a second, so a doubt is looked into once more after that.
const DOUBT_AGAIN: Duration = Duration::from_millis(1_500);
/// Asking may take this long.
const REVALIDATE_PATIENCE: Duration = Duration::from_secs(10);
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
    heartbeat_at: Instant,
    drain_at: Option<Instant>,
    ended: bool,
    keeper: JoinHandle<()>,
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

impl<R: Renderer> Drop for Connection<R> {
    fn drop(&mut self) {
        self.keeper.abort();
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

/// Begins a stream, by the table of delivery-and-security.md section 2.6.
pub(super) async fn open<R: Renderer>(
    shared: &Arc<Shared<R>>,
    reader: Reader,
    cursor: Option<Position>,
    extra_channel: Option<ChannelId>,
) -> Result<Connection<R>, Refused> {
    admit(shared).await?;
    if let Some(cursor) = cursor {
        wait_for(shared, cursor).await;
    }
    let queue = Arc::new(Queue::new());
    let doubt = Arc::new(Notify::new());
    let (seat, position, answer, early) = {
        let mut state = shared.state();
        let id = state.next_id();
        let seat = Seat {
            id,
            queue: queue.clone(),
            session_id: reader.session_id,
            guest_of: extra_channel,
            doubt: doubt.clone(),
            members: reader.members.clone(),
        };
        state.attach(reader.user_id, seat, &reader.sync);
        shared.metrics.connections.set(state.connections() as u64);
        let position = state.position;
        let access = state.access(reader.user_id);
        let visible = |delivery: &&Arc<Delivery<R>>| {
            access.is_some_and(|access| {
                access.sees(reader.user_id, delivery.scope, &delivery.envelope.event, extra_channel)
            })
        };
        let answer = match replay::resume(cursor, position, state.ring.floor()) {
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
        let early = state.early().filter(visible).cloned().collect();
        (
            Membership { shared: shared.clone(), user_id: reader.user_id, id },
            position,
            answer,
            early,
        )
    };
    let from_stream = matches!(answer, Answer::ReadStream);
    let answer = match (answer, cursor) {
        (Answer::ReadStream, Some(cursor)) => {
            match read_stream(shared, reader.user_id, extra_channel, cursor, position).await {
                Some(batch) => Answer::Replay(batch),
                None => Answer::Resync(ResyncReason::Window),
            }
        }
        (answer, _) => answer,
    };
    let opening = opening(shared, answer, early, cursor, position, from_stream);
    let keeper = tokio::spawn(keep(
        Arc::downgrade(shared),
        reader.user_id,
        queue.clone(),
        reader.revalidate,
        doubt,
    ));
    Ok(Connection {
        seat,
        queue,
        opening,
        heartbeat_at: Instant::now() + STREAM_HEARTBEAT,
        drain_at: None,
        ended: false,
        keeper,
    })
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
    let batch = replay::without_deleted(&shared.renderer, in_order(early, batch));
    let count = batch.len();
    let mut signals = VecDeque::with_capacity(count + 2);
    signals.push_back(ready);
    signals.extend(batch.into_iter().map(Signal::Event));
    signals.push_back(Signal::Resumed { count });
    signals
}

/// What was handed out early comes before what it was waited for.
pub(super) fn in_order<R: Renderer>(
    mut early: Vec<Arc<Delivery<R>>>,
    batch: Vec<Arc<Delivery<R>>>,
) -> Vec<Arc<Delivery<R>>> {
    early.extend(batch);
    // Stable: the early ones stand under the cursor before those that waited for them.
    early.sort_by_key(|delivery| delivery.position.seq);
    early
}

async fn admit<R: Renderer>(shared: &Shared<R>) -> Result<(), Refused> {
    if shared.shutdown.is_cancelled() {
        return Err(Refused::Draining);
    }
    if shared.state().connections() >= CONNECTIONS_MAX {
        return Err(Refused::Full);
    }
    let mut caught_up = shared.caught_up();
    match timeout(PUMP_PATIENCE, caught_up.wait_for(|done| *done)).await {
        Ok(Ok(_)) => Ok(()),
        _ => Err(Refused::Starting),
    }
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
        while let Some(event) = futures::StreamExt::next(&mut events).await {
            let event = event.ok()?;
            if let Some((scope, envelope)) = replay::decode(&event) {
                batch.push((event.stream_seq, scope, envelope, event.payload.len()));
            }
        }
        Some(batch)
    };
    let batch = timeout(REPLAY_PATIENCE, read).await.ok()??;
    let state = shared.state();
    let access = state.access(reader)?;
    let visible = batch.into_iter().filter(|(_, scope, envelope, _)| {
        access.sees(reader, *scope, &envelope.event, extra_channel)
    });
    let deliveries = visible.map(|(seq, scope, envelope, size_bytes)| {
        let position = Position { epoch: end.epoch, seq };
        Arc::new(Delivery::new(shared.renderer.clone(), position, scope, envelope, size_bytes))
    });
    Some(deliveries.collect())
}

impl<R: Renderer> Connection<R> {
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
        self.heartbeat_at = Instant::now() + STREAM_HEARTBEAT;
        Some(signal)
    }

    /// What can be written without waiting, to send several things at once.
    pub fn try_next(&mut self) -> Option<Signal<R>> {
        if self.ended {
            return None;
        }
        let signal = self.ready_signal()?;
        self.heartbeat_at = Instant::now() + STREAM_HEARTBEAT;
        Some(signal)
    }

    fn ready_signal(&mut self) -> Option<Signal<R>> {
        if let Some(reason) = self.queue.closed() {
            return Some(self.close(reason));
        }
        let now = Instant::now();
        if self.drain_at.is_some_and(|at| now >= at) {
            return Some(self.close(CloseReason::Drain));
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
        let until = self.drain_at.map_or(self.heartbeat_at, |at| at.min(self.heartbeat_at));
        tokio::select! {
            () = self.queue.news() => {}
            () = sleep_until(until) => {}
            () = shutdown.cancelled(), if self.drain_at.is_none() => {
                self.drain_at = Some(Instant::now() + DRAIN_OVER.mul_f64(rand::random::<f64>()));
            }
        }
    }

    fn close(&mut self, reason: CloseReason) -> Signal<R> {
        self.ended = true;
        self.keeper.abort();
        Signal::Close { reason, retry: Duration::from_millis(rand::random_range(RETRY_MS)) }
    }
}

/// Asks the api from time to time what the reader may still see, and ends the stream when it is old.
async fn keep<R: Renderer>(
    shared: Weak<Shared<R>>,
    user_id: UserId,
    queue: Arc<Queue<R>>,
    revalidate: RevalidateFn,
    doubt: Arc<Notify>,
) {
    let old_at = Instant::now() + around(AGE_MAX);
    let mut again = false;
    loop {
        let pause = if again { DOUBT_AGAIN } else { around(REVALIDATE_EVERY) };
        again = false;
        tokio::select! {
            () = sleep(pause) => {}
            () = doubt.notified() => again = true,
            () = sleep_until(old_at) => return queue.close(CloseReason::Aged),
        }
        let answer = timeout(REVALIDATE_PATIENCE, revalidate()).await;
        let Some(shared) = shared.upgrade() else { return };
        match answer {
            Ok(Ok(sync)) => shared.state().reconcile(user_id, &sync),
            Ok(Err(RevalidateError::SignedOut)) => return queue.close(CloseReason::SignedOut),
            Ok(Err(error)) => tracing::debug!(%error, "a stream goes on without revalidation"),
            Err(_) => tracing::debug!("revalidation took too long; the stream goes on"),
        }
    }
}

/// A duration, give or take.
fn around((middle, spread): (Duration, Duration)) -> Duration {
    middle.saturating_sub(spread) + (2 * spread).mul_f64(rand::random::<f64>())
}
