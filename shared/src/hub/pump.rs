//! Follows the stream: one ordered consumer per process, begun anew after every doubt.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use tokio::time::{Instant, sleep, sleep_until};

use super::delivery::Scope;
use super::gaps::{Order, Sequences};
use super::shared::Shared;
use super::{Renderer, ResyncReason, replay, ring};
use crate::bus::{BusError, Delivered, StreamState};
use crate::events::{Envelope, Event};
use crate::id::{ChannelId, EventId};
use crate::position::Position;

/// How long a missing event of a channel is waited for. Source: delivery-and-security.md section 2.5.
pub(super) const GAP_PATIENCE: Duration = Duration::from_millis(250);
/// Events that may wait behind a gap.
const HELD_MAX: usize = 10_000;
/// Pauses between two attempts to follow the stream.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));
/// How long a stream that went back is given to get its new epoch, and how often to look. The relay needs a tenth of a second.
const EPOCH_PATIENCE: Duration = Duration::from_secs(3);
const EPOCH_EVERY: Duration = Duration::from_millis(20);
/// How long the pump goes on after the shutdown began, for the connections that are still being ended.
const DRAIN: Duration = Duration::from_secs(7);

/// Follows the stream until the process stops.
pub(super) async fn run<R: Renderer>(shared: Arc<Shared<R>>, gap_patience: Duration) {
    let mut pump = Pump::new(shared.clone());
    pump.gap_patience = gap_patience;
    tokio::select! {
        () = pump.run() => {}
        () = drained(&shared) => {}
    }
}

/// Resolves when the process stops and no connection is left, or it took too long.
async fn drained<R: Renderer>(shared: &Shared<R>) {
    shared.shutdown.cancelled().await;
    shared.health.set_ready(false);
    let deadline = Instant::now() + DRAIN;
    while shared.state().connections() > 0 && Instant::now() < deadline {
        sleep(Duration::from_millis(50)).await;
    }
}

pub(super) fn epoch_of(stream: &StreamState) -> i32 {
    stream.epoch.unwrap_or_default()
}

/// The stream ends before what was read from it, and its epoch does not say so yet.
pub(super) fn went_back(stream: &StreamState, position: Position) -> bool {
    epoch_of(stream) <= position.epoch && stream.last_seq < position.seq
}

/// Why following ended.
enum End {
    /// The connection is another one, or the stream is not where it was.
    Anew,
    Failed(BusError),
}

pub(super) struct Pump<R: Renderer> {
    shared: Arc<Shared<R>>,
    sequences: Sequences,
    /// Events that wait behind a gap.
    held: VecDeque<Incoming>,
    gap: Option<Gap>,
    gap_patience: Duration,
    /// Where the stream ended when it was last looked at: from there on readers may come. None before the first look.
    target: Option<u64>,
    /// The newest event that was handed out, and its place.
    newest: Option<(u64, EventId)>,
}

/// An event of `channel` did not come, and everything waits for it: cursors stay exact, because nothing overtakes anything.
struct Gap {
    channel: ChannelId,
    missing: i64,
    deadline: Instant,
}

impl Gap {
    /// Of what is missing.
    fn place(&self) -> (ChannelId, i64) {
        (self.channel, self.missing)
    }
}

struct Incoming {
    stream_seq: u64,
    size_bytes: usize,
    /// What it is, if it can be read.
    id: Option<EventId>,
    /// Its channel and its place there.
    place: Option<(ChannelId, i64)>,
    content: Content,
}

enum Content {
    /// To be handed out.
    Event(Scope, Envelope),
    /// Handed out ahead of others, because it was missing; only the ring has to learn of it.
    Told(Scope, Envelope),
    /// Everybody knows of it. Only its place counts.
    Old,
    /// Of no use to this build. Its place counts all the same.
    Nothing,
}

impl Incoming {
    fn of(event: &Delivered) -> Self {
        let (id, place, content) = match replay::decode(event) {
            Some((scope, envelope)) => {
                let (id, place) = (Some(envelope.id), scope.place(&envelope));
                let content = match &envelope.event {
                    Event::Unknown(_) => Content::Nothing,
                    what if replay::is_old_news(event, what) => Content::Old,
                    _ => Content::Event(scope, envelope),
                };
                (id, place, content)
            }
            None => (None, None, Content::Nothing),
        };
        Self { stream_seq: event.stream_seq, size_bytes: event.payload.len(), id, place, content }
    }
}

impl<R: Renderer> Pump<R> {
    pub(super) fn new(shared: Arc<Shared<R>>) -> Self {
        Self {
            shared,
            sequences: Sequences::default(),
            held: VecDeque::new(),
            gap: None,
            gap_patience: GAP_PATIENCE,
            target: None,
            newest: None,
        }
    }

    async fn run(mut self) {
        let mut pause = BACKOFF.0;
        loop {
            let position = self.shared.position();
            match self.follow().await {
                End::Anew => {}
                End::Failed(error) => tracing::debug!(%error, "following the stream failed"),
            }
            self.shared.metrics.restarts.add(1);
            self.forget_held();
            pause = if self.shared.position() == position {
                (pause * 2).min(BACKOFF.1)
            } else {
                BACKOFF.0
            };
            sleep(pause.mul_f64(rand::random_range(0.5..1.0))).await;
        }
    }

    async fn follow(&mut self) -> End {
        let mut link = self.shared.bus.link();
        let generation = match link.wait_for(|link| link.up).await {
            Ok(link) => link.generation,
            Err(_) => return End::Failed(BusError::Unavailable("closed".to_owned())),
        };
        let from = match self.settled_stream().await {
            Ok(stream) => self.begin(&stream),
            Err(error) => return End::Failed(error),
        };
        let mut events = match self.shared.bus.live(from).await {
            Ok(events) => events,
            Err(error) => return End::Failed(error),
        };
        let shared = self.shared.clone();
        loop {
            let gap_ends = self.gap.as_ref().map_or_else(Instant::now, |gap| gap.deadline);
            tokio::select! {
                biased;
                // Without this a lost connection is noticed after ten seconds of silence only (stack.md section b, 4).
                changed = link.wait_for(|link| !link.up || link.generation != generation) => {
                    return if changed.is_ok() { End::Anew } else { End::Failed(BusError::Unavailable("closed".to_owned())) };
                }
                () = shared.restart.notified() => return End::Anew,
                () = sleep_until(gap_ends), if self.gap.is_some() => self.give_up_gap(),
                event = events.next() => match event {
                    Some(Ok(event)) => self.take(&event),
                    Some(Err(error)) => return End::Failed(error),
                    None => return End::Anew,
                },
            }
        }
    }

    /// The stream as it is. One that went back is about to get a new epoch, even if it has grown again since: who began anew before that
    /// would do so twice, and hand out cursors of an epoch that dies.
    async fn settled_stream(&self) -> Result<StreamState, BusError> {
        let give_in = Instant::now() + EPOCH_PATIENCE;
        loop {
            let stream = self.shared.bus.stream_state().await?;
            let is_settled =
                !went_back(&stream, self.shared.position()) && self.is_same(&stream).await?;
            if is_settled || Instant::now() >= give_in {
                return Ok(stream);
            }
            sleep(EPOCH_EVERY).await;
        }
    }

    /// The stream has what was read from it last where that was, or is of a new epoch anyway.
    async fn is_same(&self, stream: &StreamState) -> Result<bool, BusError> {
        let is_old = |(seq, _): &(u64, EventId)| *seq >= stream.first_seq;
        let Some((seq, id)) = self.newest.filter(is_old) else { return Ok(true) };
        if epoch_of(stream) > self.shared.position().epoch {
            return Ok(true);
        }
        let there = self.shared.bus.event_id_at(seq).await?;
        Ok(there.is_none_or(|there| there == id))
    }

    /// Where to read from, given where the stream is. What cannot be continued begins anew for everybody.
    pub(super) fn begin(&mut self, stream: &StreamState) -> u64 {
        let position = self.shared.position();
        let newest = Position { epoch: epoch_of(stream).max(position.epoch), seq: stream.last_seq };
        let is_first = self.target.is_none();
        // The stream may have become shorter since: what it does not have cannot be waited for.
        self.target = Some(stream.last_seq);
        if is_first {
            // The first time: the recent past goes into the ring, so that those who come back after a restart are served from it.
            let from = (stream.last_seq + 1)
                .saturating_sub(ring::EVENTS_MAX as u64)
                .max(stream.first_seq)
                .max(1);
            self.shared
                .begin_anew(Position { epoch: newest.epoch, seq: from - 1 }, ResyncReason::Epoch);
            self.look_whether_caught_up();
            return from;
        }
        let lost = if newest.epoch > position.epoch || stream.last_seq < position.seq {
            Some(ResyncReason::Epoch)
        } else if position.seq + 1 < stream.first_seq {
            Some(ResyncReason::Window)
        } else {
            None
        };
        let Some(reason) = lost else {
            self.look_whether_caught_up();
            return position.seq + 1;
        };
        tracing::warn!(%position, stream = %newest, reason = reason.as_str(), "the stream cannot be continued; all readers draw anew");
        self.begin_anew(newest, reason);
        self.look_whether_caught_up();
        newest.seq + 1
    }

    fn begin_anew(&mut self, position: Position, reason: ResyncReason) {
        self.sequences.clear();
        self.forget_held();
        self.newest = None;
        self.shared.begin_anew(position, reason);
    }

    /// Forgets what waits behind a gap: it is read again.
    pub(super) fn forget_held(&mut self) {
        self.held.clear();
        self.gap = None;
        self.shared.metrics.held.set(0);
    }

    fn look_whether_caught_up(&self) {
        if !self.shared.is_caught_up()
            && self.target.is_some_and(|target| self.shared.position().seq >= target)
        {
            self.shared.set_caught_up();
        }
    }

    pub(super) fn take(&mut self, event: &Delivered) {
        let position = self.shared.position();
        let newest_taken =
            self.held.back().map_or(position.seq, |held| held.stream_seq.max(position.seq));
        if event.stream_seq <= newest_taken {
            return;
        }
        // An event of a new epoch says that others were lost, before the stream's own data does.
        if event.epoch > position.epoch {
            self.begin_anew(
                Position { epoch: event.epoch, seq: event.stream_seq - 1 },
                ResyncReason::Epoch,
            );
        }
        let incoming = Incoming::of(event);
        if matches!(incoming.content, Content::Nothing) {
            self.shared.metrics.skipped.add(1);
        }
        if self.gap.is_some() {
            self.take_behind_gap(incoming);
        } else {
            self.held.push_back(incoming);
            self.release();
        }
        self.look_whether_caught_up();
    }

    /// While something is missing everything waits, except for that.
    fn take_behind_gap(&mut self, incoming: Incoming) {
        let closes = self.gap.as_ref().is_some_and(|gap| incoming.place == Some(gap.place()));
        if !closes {
            self.held.push_back(incoming);
            self.shared.metrics.held.set(self.held.len() as u64);
            if self.held.len() > HELD_MAX {
                self.give_up_gap();
            }
            return;
        }
        self.gap = None;
        let told = self.tell_early(incoming);
        self.held.push_back(told);
        self.release();
    }

    /// Hands out what was missing before those that came ahead of it, under the cursor that makes a reader come back to all of them.
    /// What is left of it keeps its place in the stream.
    fn tell_early(&mut self, incoming: Incoming) -> Incoming {
        let Incoming { stream_seq, size_bytes, id, place, content } = incoming;
        if let Some((channel, seq)) = place {
            self.sequences.note(channel, seq);
        }
        let content = match content {
            Content::Event(scope, envelope) => {
                self.shared.hand_out_early(scope, envelope.clone(), size_bytes);
                Content::Told(scope, envelope)
            }
            other => other,
        };
        Incoming { stream_seq, size_bytes, id, place: None, content }
    }

    /// What is missing may be here already: it came while everything waited for something else.
    fn is_told(&mut self, gap: &Gap) -> bool {
        let place = Some(gap.place());
        let Some(at) = self.held.iter().position(|held| held.place == place) else { return false };
        let Some(incoming) = self.held.remove(at) else { return false };
        let told = self.tell_early(incoming);
        self.held.insert(at, told);
        true
    }

    /// The missing event does not come: its readers draw the channel anew, and everything goes on.
    pub(super) fn give_up_gap(&mut self) {
        let Some(gap) = self.gap.take() else { return };
        tracing::warn!(channel_id = %gap.channel, missing = gap.missing, "an event of a channel is missing; its readers draw anew");
        self.shared.metrics.gaps.add(1);
        self.shared.state().resync_channel(gap.channel, ResyncReason::Gap);
        if let Some((channel, seq)) = self.held.front().and_then(|next| next.place) {
            self.sequences.note(channel, seq - 1);
        }
        self.release();
    }

    /// The channel in which something is missing, and what.
    #[cfg(test)]
    pub(super) fn missing(&self) -> Option<(ChannelId, i64)> {
        self.gap.as_ref().map(|gap| (gap.channel, gap.missing))
    }

    /// Hands out what waits, up to the next gap.
    fn release(&mut self) {
        self.release_held();
        self.shared.metrics.held.set(self.held.len() as u64);
    }

    fn release_held(&mut self) {
        while let Some(next) = self.held.front() {
            let place = next.place;
            // What is missing before one that everybody knows of was committed before it, and is as old.
            let is_old = matches!(next.content, Content::Old);
            match place.map(|(channel, seq)| self.sequences.order(channel, seq)) {
                // Before the first readers there is nobody whom a gap could hurt; those who come back from before it draw anew.
                Some(Order::Missing(missing)) if self.shared.is_caught_up() && !is_old => {
                    let Some((channel, _)) = place else { return };
                    let deadline = Instant::now() + self.gap_patience;
                    let gap = Gap { channel, missing, deadline };
                    if !self.is_told(&gap) {
                        self.gap = Some(gap);
                        return;
                    }
                }
                Some(Order::Repeated) => {
                    self.shared.metrics.repeated.add(1);
                    if let Some(dropped) = self.held.pop_front() {
                        self.settle(dropped);
                    }
                }
                order @ (Some(Order::Next | Order::Missing(_)) | None) => {
                    let Some(next) = self.held.pop_front() else { return };
                    let is_hole = matches!(order, Some(Order::Missing(_))) && !is_old;
                    if let Some((channel, seq)) = place {
                        if is_hole {
                            self.shared.state().note_hole(channel);
                        }
                        self.sequences.note(channel, seq);
                    }
                    let position = Position { seq: next.stream_seq, ..self.shared.position() };
                    match next.content {
                        Content::Event(scope, envelope) => {
                            self.shared.hand_out(position, scope, envelope, next.size_bytes);
                        }
                        Content::Told(scope, envelope) => {
                            self.shared.remember(position, scope, envelope, next.size_bytes);
                        }
                        Content::Old | Content::Nothing => {}
                    }
                    self.advance(next.stream_seq, next.id);
                }
            }
        }
    }

    /// An event that came before. It may be one that was handed out early, if following began anew before it was at its place.
    fn settle(&mut self, Incoming { stream_seq, size_bytes, id, content, .. }: Incoming) {
        if let Content::Event(scope, envelope) = content
            && self.shared.state().is_early(envelope.id)
        {
            let position = Position { seq: stream_seq, ..self.shared.position() };
            self.shared.remember(position, scope, envelope, size_bytes);
        }
        self.advance(stream_seq, id);
    }

    fn advance(&mut self, stream_seq: u64, id: Option<EventId>) {
        self.newest = id.map(|id| (stream_seq, id)).or(self.newest);
        self.shared.advance(Position { seq: stream_seq, ..self.shared.position() });
    }
}
