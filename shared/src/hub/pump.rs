//! Follows the stream: one ordered consumer per process, begun anew after every doubt.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, sleep_until};

use super::delivery::Scope;
use super::gaps::{Order, Sequences};
use super::shared::Shared;
use super::{Renderer, ResyncReason, replay, ring};
use crate::bus::{BusError, Delivered, StreamState};
use crate::events::{Envelope, Event};
use crate::id::ChannelId;
use crate::position::Position;

/// How long a missing event of a channel is waited for. Source: delivery-and-security.md section 2.5.
const GAP_PATIENCE: Duration = Duration::from_millis(250);
/// Events that may wait behind a gap.
const HELD_MAX: usize = 10_000;
/// Pauses between two attempts to follow the stream.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));
/// How often to look whether the stream is where the pump believes it to be.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// How long the pump goes on after the shutdown began, for the connections that are still being ended.
const DRAIN: Duration = Duration::from_secs(7);

/// Follows the stream until the process stops.
pub(super) async fn run<R: Renderer>(shared: Arc<Shared<R>>) {
    let pump = Pump {
        shared: shared.clone(),
        sequences: Sequences::default(),
        held: VecDeque::new(),
        gap: None,
        target: None,
    };
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

/// Looks from time to time, and when asked, whether the stream went where the pump did not follow: a new epoch nobody has published
/// in yet, a rolled-back store, a consumer that went silent.
pub(super) async fn watch<R: Renderer>(shared: Arc<Shared<R>>) {
    let mut ticks = interval(LOOK_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut behind: Option<Position> = None;
    loop {
        let asked = tokio::select! {
            _ = ticks.tick() => false,
            () = shared.look.notified() => true,
            () = shared.shutdown.cancelled() => return,
        };
        shared.state().ring.expire(std::time::Instant::now());
        if !shared.is_caught_up() || !shared.bus.is_up() {
            continue;
        }
        // In this order: a position read after the answer may have passed it, which looks like a stream that was rolled back.
        let position = shared.position();
        let Ok(stream) = shared.bus.stream_state().await else { continue };
        let stuck = stream.last_seq > position.seq && behind == Some(position);
        if epoch_of(&stream) > position.epoch || stream.last_seq < position.seq || stuck {
            tracing::info!(%position, stream = %stream.position(), "following the stream anew");
            shared.restart.notify_one();
        }
        if !asked {
            behind = (stream.last_seq > position.seq).then_some(position);
        }
    }
}

fn epoch_of(stream: &StreamState) -> i32 {
    stream.epoch.unwrap_or_default()
}

/// Why following ended.
enum End {
    /// The connection is another one, or the stream is not where it was.
    Anew,
    Failed(BusError),
}

struct Pump<R: Renderer> {
    shared: Arc<Shared<R>>,
    sequences: Sequences,
    /// Events that wait behind a gap.
    held: VecDeque<Incoming>,
    gap: Option<Gap>,
    /// Where the stream ended when the process began: from there on readers may come.
    target: Option<u64>,
}

/// An event of `channel` did not come, and everything waits for it: cursors stay exact, because nothing overtakes anything.
struct Gap {
    channel: ChannelId,
    missing: i64,
    deadline: Instant,
}

struct Incoming {
    stream_seq: u64,
    size_bytes: usize,
    /// Its channel and its place there.
    place: Option<(ChannelId, i64)>,
    content: Content,
}

enum Content {
    /// To be handed out.
    Event(Scope, Envelope),
    /// Handed out ahead of others, because it was missing; only the ring has to learn of it.
    Told(Scope, Envelope),
    /// Of no use to this build. Its place counts all the same.
    Nothing,
}

impl Incoming {
    fn of(event: &Delivered) -> Self {
        let (place, content) = match replay::decode(event) {
            Some((scope, envelope)) => {
                let place = envelope
                    .channel_id
                    .zip(envelope.seq)
                    .filter(|_| !matches!(scope, Scope::Person(_)));
                let known = !matches!(envelope.event, Event::Unknown(_));
                (place, if known { Content::Event(scope, envelope) } else { Content::Nothing })
            }
            None => (None, Content::Nothing),
        };
        Self { stream_seq: event.stream_seq, size_bytes: event.payload.len(), place, content }
    }
}

impl<R: Renderer> Pump<R> {
    async fn run(mut self) {
        let mut pause = BACKOFF.0;
        loop {
            let position = self.shared.position();
            match self.follow().await {
                End::Anew => {}
                End::Failed(error) => tracing::debug!(%error, "following the stream failed"),
            }
            self.shared.metrics.restarts.add(1);
            self.held.clear();
            self.gap = None;
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
        let from = match self.shared.bus.stream_state().await {
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

    /// Where to read from, given where the stream is. What cannot be continued begins anew for everybody.
    fn begin(&mut self, stream: &StreamState) -> u64 {
        let position = self.shared.position();
        let newest = Position { epoch: epoch_of(stream).max(position.epoch), seq: stream.last_seq };
        if self.target.is_none() {
            // The first time: the recent past goes into the ring, so that those who come back after a restart are served from it.
            let from = (stream.last_seq + 1)
                .saturating_sub(ring::EVENTS_MAX as u64)
                .max(stream.first_seq)
                .max(1);
            self.target = Some(stream.last_seq);
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
        let Some(reason) = lost else { return position.seq + 1 };
        tracing::warn!(%position, stream = %newest, reason = reason.as_str(), "the stream cannot be continued; all readers draw anew");
        self.begin_anew(newest, reason);
        newest.seq + 1
    }

    fn begin_anew(&mut self, position: Position, reason: ResyncReason) {
        self.sequences.clear();
        self.held.clear();
        self.gap = None;
        self.shared.begin_anew(position, reason);
    }

    fn look_whether_caught_up(&self) {
        if !self.shared.is_caught_up()
            && self.target.is_some_and(|target| self.shared.position().seq >= target)
        {
            self.shared.set_caught_up();
        }
    }

    fn take(&mut self, event: &Delivered) {
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
        let closes =
            self.gap.as_ref().is_some_and(|gap| incoming.place == Some((gap.channel, gap.missing)));
        if !closes {
            self.held.push_back(incoming);
            if self.held.len() > HELD_MAX {
                self.give_up_gap();
            }
            return;
        }
        // It is handed out before those that came ahead of it, under the cursor that makes a reader come back to all of them.
        self.gap = None;
        let Incoming { stream_seq, size_bytes, place, content } = incoming;
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
        self.held.push_back(Incoming { stream_seq, size_bytes, place: None, content });
        self.release();
    }

    /// The missing event does not come: its readers draw the channel anew, and everything goes on.
    fn give_up_gap(&mut self) {
        let Some(gap) = self.gap.take() else { return };
        tracing::warn!(channel_id = %gap.channel, missing = gap.missing, "an event of a channel is missing; its readers draw anew");
        self.shared.metrics.gaps.add(1);
        self.shared.state().resync_channel(gap.channel, ResyncReason::Gap);
        if let Some((channel, seq)) = self.held.front().and_then(|next| next.place) {
            self.sequences.note(channel, seq - 1);
        }
        self.release();
    }

    /// Hands out what waits, up to the next gap.
    fn release(&mut self) {
        while let Some(next) = self.held.front() {
            let place = next.place;
            match place.map(|(channel, seq)| self.sequences.order(channel, seq)) {
                // Before the first readers there is nobody whom a gap could hurt.
                Some(Order::Missing(missing)) if self.shared.is_caught_up() => {
                    if let Some((channel, _)) = place {
                        self.gap =
                            Some(Gap { channel, missing, deadline: Instant::now() + GAP_PATIENCE });
                    }
                    return;
                }
                Some(Order::Repeated) => {
                    self.shared.metrics.repeated.add(1);
                    if let Some(dropped) = self.held.pop_front() {
                        self.settle(dropped);
                    }
                }
                Some(Order::Next | Order::Missing(_)) | None => {
                    let Some(next) = self.held.pop_front() else { return };
                    if let Some((channel, seq)) = place {
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
                        Content::Nothing => {}
                    }
                    self.advance(next.stream_seq);
                }
            }
        }
    }

    /// An event that came before. It may be one that was handed out early, if following began anew before it was at its place.
    fn settle(&self, Incoming { stream_seq, size_bytes, content, .. }: Incoming) {
        if let Content::Event(scope, envelope) = content
            && self.shared.state().is_early(envelope.id)
        {
            let position = Position { seq: stream_seq, ..self.shared.position() };
            self.shared.remember(position, scope, envelope, size_bytes);
        }
        self.advance(stream_seq);
    }

    fn advance(&self, stream_seq: u64) {
        self.shared.advance(Position { seq: stream_seq, ..self.shared.position() });
    }
}
