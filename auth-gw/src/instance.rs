//! One instance of a service behind the gateway, and what is remembered of it.
//!
//! Two things keep requests from an instance. What requests met there: one that refused or hung is passed over for a while that grows
//! each time. And what it says itself: it is asked for its readiness every second, which finds out about one that hangs, or is about to
//! stop, before a request does, and also that it is back.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use http::uri::Authority;
use tokio::sync::watch;

/// How long an instance that refused is passed over at first; doubles with each time.
const AWAY_FIRST: Duration = Duration::from_millis(500);
/// How long at first one that took a request and did not answer: each try costs somebody a long wait.
const HUNG_FIRST: Duration = Duration::from_secs(5);
/// No instance is passed over for longer.
const AWAY_MOST: Duration = Duration::from_secs(10);

/// What an instance said when it was asked for its readiness.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Condition {
    /// It takes requests.
    Ready,
    /// It answers that it does not, or refuses the connection.
    Unready,
    /// It says nothing.
    Silent,
}

/// One instance of a service.
pub(crate) struct Instance {
    /// Its address.
    pub(crate) authority: Authority,
    memory: Mutex<Memory>,
    unready: AtomicBool,
    silent: watch::Sender<bool>,
}

/// What requests met.
#[derive(Default)]
struct Memory {
    failures: u32,
    away_until: Option<Instant>,
}

impl Instance {
    /// An instance nothing is known of: requests may go there.
    pub(crate) fn new(authority: Authority) -> Self {
        Self {
            authority,
            memory: Mutex::default(),
            unready: AtomicBool::new(false),
            silent: watch::Sender::new(false),
        }
    }

    /// Requests should rather go somewhere else.
    pub(crate) fn is_away(&self) -> bool {
        self.unready.load(Ordering::Relaxed)
            || self.memory().away_until.is_some_and(|until| Instant::now() < until)
    }

    /// It answered a request.
    pub(crate) fn answered(&self) {
        *self.memory() = Memory::default();
    }

    /// It took no request.
    pub(crate) fn refused(&self) {
        self.memory().fail(AWAY_FIRST);
    }

    /// It took a request and did not answer.
    pub(crate) fn hung(&self) {
        self.memory().fail(HUNG_FIRST);
    }

    /// It was asked for its readiness. Returns whether that is news.
    pub(crate) fn is_in(&self, condition: Condition) -> bool {
        let is_ready = condition == Condition::Ready;
        if is_ready {
            self.answered();
        }
        let is_silent = condition == Condition::Silent;
        let turned = self
            .silent
            .send_if_modified(|silent| std::mem::replace(silent, is_silent) != is_silent);
        self.unready.swap(!is_ready, Ordering::Relaxed) == is_ready || turned
    }

    /// Returns when it says nothing any more: what waits for its answer waits in vain.
    pub(crate) async fn fallen_silent(&self) {
        // The sender lives as long as we do.
        let _ = self.silent.subscribe().wait_for(|silent| *silent).await;
    }

    fn memory(&self) -> std::sync::MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Memory {
    fn fail(&mut self, first: Duration) {
        let pause = first.saturating_mul(1 << self.failures.min(8)).min(AWAY_MOST);
        self.failures = self.failures.saturating_add(1);
        self.away_until = Some(Instant::now() + pause);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pause(memory: &Memory) -> Duration {
        memory.away_until.unwrap().duration_since(Instant::now())
    }

    #[test]
    fn the_while_grows_until_it_answers() {
        let mut memory = Memory::default();
        for most in [500, 1_000, 2_000, 4_000, 8_000, 10_000, 10_000] {
            let before = Instant::now();
            memory.fail(AWAY_FIRST);
            let pause = memory.away_until.unwrap() - before;
            let most = Duration::from_millis(most);
            assert!((most..=most + before.elapsed()).contains(&pause), "{pause:?} of {most:?}");
        }
        let instance = Instance::new(Authority::from_static("127.0.0.1:1"));
        instance.hung();
        assert!(instance.is_away() && pause(&instance.memory()) > Duration::from_secs(4));
        instance.answered();
        assert!(!instance.is_away());
    }

    #[tokio::test]
    async fn its_own_word_outlasts_an_answer() {
        let instance = Instance::new(Authority::from_static("127.0.0.1:1"));
        assert!(!instance.is_in(Condition::Ready), "as was thought");
        assert!(instance.is_in(Condition::Unready));
        instance.answered();
        assert!(instance.is_away(), "it still finishes what it has begun");
        assert!(instance.is_in(Condition::Silent));
        instance.fallen_silent().await;
        assert!(instance.is_in(Condition::Ready));
        assert!(!instance.is_away());
    }
}
