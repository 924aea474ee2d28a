//! What the pump, the connections and the handlers share.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::{Notify, Semaphore, watch};
use tokio_util::sync::CancellationToken;

use super::arrivals::{self, Arrivals};
use super::delivery::Scope;
use super::metrics::Metrics;
use super::presence::Board;
use super::state::State;
use super::typing::Limiter;
use super::{Delivery, Renderer, ResyncReason, replay};
use crate::bus::Bus;
use crate::events::Envelope;
use crate::http::Health;
use crate::position::Position;

pub(super) struct Shared<R: Renderer> {
    pub(super) bus: Bus,
    pub(super) renderer: Arc<R>,
    pub(super) health: Health,
    pub(super) metrics: Metrics,
    pub(super) shutdown: CancellationToken,
    /// Bounds the replays from the stream.
    pub(super) replays: Semaphore,
    /// Bounds the questions to the api about readers who arrive.
    pub(super) arrivals: Arrivals,
    /// Bounds the questions to the api about those who are here.
    pub(super) questions: Arc<Semaphore>,
    /// Asks to look whether the stream is ahead or has a new epoch.
    pub(super) look: Notify,
    /// Asks the pump to begin anew.
    pub(super) restart: Notify,
    pub(super) board: Mutex<Board>,
    pub(super) typing: Mutex<Limiter>,
    state: Mutex<State<R>>,
    /// Follows `state.position`, after the event has been handed out.
    position: watch::Sender<Position>,
    caught_up: watch::Sender<bool>,
}

impl<R: Renderer> Shared<R> {
    pub(super) fn new(bus: Bus, renderer: R, health: Health, shutdown: CancellationToken) -> Self {
        Self {
            bus,
            renderer: Arc::new(renderer),
            metrics: Metrics::new(&health),
            health,
            shutdown,
            replays: Semaphore::new(replay::AT_ONCE_MAX),
            arrivals: Arrivals::default(),
            questions: Arc::new(Semaphore::new(arrivals::AT_ONCE_MAX)),
            look: Notify::new(),
            restart: Notify::new(),
            board: Mutex::default(),
            typing: Mutex::default(),
            state: Mutex::new(State::new()),
            position: watch::Sender::new(Position::default()),
            caught_up: watch::Sender::new(false),
        }
    }

    /// The readers. Held only for as long as it takes; never across an await.
    pub(super) fn state(&self) -> MutexGuard<'_, State<R>> {
        lock(&self.state)
    }

    pub(super) fn position(&self) -> Position {
        *self.position.borrow()
    }

    pub(super) fn positions(&self) -> watch::Receiver<Position> {
        self.position.subscribe()
    }

    pub(super) fn is_caught_up(&self) -> bool {
        *self.caught_up.borrow()
    }

    pub(super) fn caught_up(&self) -> watch::Receiver<bool> {
        self.caught_up.subscribe()
    }

    /// Readers may come.
    pub(super) fn set_caught_up(&self) {
        if !self.caught_up.send_replace(true) {
            tracing::info!(position = %self.position(), "live events are ready");
        }
        self.health.set_ready(!self.shutdown.is_cancelled());
    }

    /// Hands an event to its readers. It is theirs before others see the position move, so a position never promises too much.
    pub(super) fn hand_out(
        &self,
        position: Position,
        scope: Scope,
        envelope: Envelope,
        size_bytes: usize,
    ) {
        let delivery = self.delivery(position, scope, envelope, size_bytes);
        let handed = self.state().hand_out(delivery, Instant::now());
        self.metrics.overflows.add(handed.overflows);
    }

    /// Hands out an event that was missing, ahead of those that came before it. [`Self::remember`] gives it its place.
    pub(super) fn hand_out_early(&self, scope: Scope, envelope: Envelope, size_bytes: usize) {
        let delivery = self.delivery(self.position(), scope, envelope, size_bytes);
        let handed = self.state().hand_out_early(delivery);
        self.metrics.overflows.add(handed.overflows);
    }

    /// Keeps an event that was handed out early for those who come back.
    pub(super) fn remember(
        &self,
        position: Position,
        scope: Scope,
        envelope: Envelope,
        size_bytes: usize,
    ) {
        let delivery = self.delivery(position, scope, envelope, size_bytes);
        self.state().remember(delivery, Instant::now());
    }

    fn delivery(
        &self,
        position: Position,
        scope: Scope,
        envelope: Envelope,
        size_bytes: usize,
    ) -> Arc<Delivery<R>> {
        Arc::new(Delivery::new(self.renderer.clone(), position, scope, envelope, size_bytes))
    }

    /// Everything up to here has been handed out.
    pub(super) fn advance(&self, position: Position) {
        self.state().position = position;
        self.publish(position);
    }

    /// Nothing before this counts any more: readers draw everything anew.
    pub(super) fn begin_anew(&self, position: Position, reason: ResyncReason) {
        self.state().restart(position, reason);
        self.publish(position);
    }

    fn publish(&self, position: Position) {
        self.position.send_replace(position);
        self.metrics.position.set(position.seq);
        self.metrics.epoch.set(u64::try_from(position.epoch).unwrap_or(0));
    }
}

/// The state behind a lock is whole after every statement, so a panic elsewhere does not spoil it.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
