//! The replicas behind a client: whose turn it is, and which of them was found away.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use url::Url;

use super::retry::backoff;

/// How long an upstream is passed over that took no connection, at first; doubles with each time.
const REFUSED_FIRST: Duration = Duration::from_millis(500);
/// How long one that takes requests and does not answer, at first: each try costs somebody a long wait.
const HUNG_FIRST: Duration = Duration::from_secs(5);
/// Requests in a row that an upstream leaves without an answer before it counts as hung: one alone may be slow by itself.
const HUNG_AFTER: u32 = 2;
/// No upstream is passed over for longer.
const AWAY_MOST: Duration = Duration::from_secs(10);

/// Replicas of one service.
#[derive(Debug)]
pub(super) struct Upstreams {
    all: Vec<Upstream>,
    next: AtomicUsize,
}

/// One replica.
#[derive(Debug)]
pub(super) struct Upstream {
    pub(super) url: Url,
    memory: Mutex<Memory>,
}

#[derive(Debug, Default)]
struct Memory {
    failures: u32,
    unanswered: u32,
    answered_at: Option<Instant>,
    away_until: Option<Instant>,
}

impl Upstreams {
    pub(super) fn new(urls: Vec<Url>) -> Self {
        let all = urls.into_iter().map(|url| Upstream { url, memory: Mutex::default() }).collect();
        Self { all, next: AtomicUsize::new(0) }
    }

    /// All of them in the order in which to try them: in turn, those that are away last.
    pub(super) fn in_turn(&self, now: Instant) -> Vec<&Upstream> {
        let first = self.next.fetch_add(1, Ordering::Relaxed);
        let turn = |n: usize| &self.all[first.wrapping_add(n) % self.all.len()];
        let (mut here, away): (Vec<_>, Vec<_>) =
            (0..self.all.len()).map(turn).partition(|upstream| !upstream.is_away(now));
        here.extend(away);
        here
    }
}

impl Upstream {
    fn is_away(&self, now: Instant) -> bool {
        self.memory().away_until.is_some_and(|until| now < until)
    }

    /// It answered.
    pub(super) fn answered(&self, now: Instant) {
        *self.memory() = Memory { answered_at: Some(now), ..Memory::default() };
    }

    /// It took no connection.
    pub(super) fn refused(&self, now: Instant) {
        self.memory().fail(REFUSED_FIRST, now);
    }

    /// It took a request at that time and did not answer it. If it has answered others since, it is only that request that is slow.
    pub(super) fn left_unanswered(&self, sent_at: Instant, now: Instant) {
        let mut memory = self.memory();
        if memory.answered_at.is_some_and(|at| at > sent_at) {
            return;
        }
        memory.unanswered = memory.unanswered.saturating_add(1);
        if memory.unanswered >= HUNG_AFTER {
            memory.fail(HUNG_FIRST, now);
        }
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Memory {
    fn fail(&mut self, first: Duration, now: Instant) {
        self.away_until = Some(now + backoff(self.failures, first, AWAY_MOST));
        self.failures = self.failures.saturating_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_take_turns_and_those_away_come_last_until_they_answer() {
        let urls = (1..=3).map(|port| format!("http://127.0.0.1:{port}").parse().unwrap());
        let upstreams = Upstreams::new(urls.collect());
        let now = Instant::now();
        let ports = |after| {
            let in_turn = upstreams.in_turn(now + after);
            in_turn.iter().map(|up| up.url.port().unwrap()).collect::<Vec<_>>()
        };
        assert_eq!(ports(Duration::ZERO), [1, 2, 3]);
        upstreams.all[1].refused(now);
        assert_eq!(ports(REFUSED_FIRST / 2), [3, 1, 2]);
        upstreams.all[1].answered(now);
        assert_eq!(ports(Duration::ZERO), [3, 1, 2]);
        upstreams.all[0].refused(now);
        assert_eq!(ports(Duration::ZERO), [2, 3, 1]);
        assert_eq!(ports(REFUSED_FIRST), [2, 3, 1], "in turn again");
        assert_eq!(ports(REFUSED_FIRST), [3, 1, 2]);
    }

    #[test]
    fn one_slow_request_does_not_make_an_upstream_hung() {
        let upstreams = Upstreams::new(vec!["http://127.0.0.1:1".parse().unwrap()]);
        let upstream = &upstreams.all[0];
        let sent_at = Instant::now();
        let [answered_at, later] = [1, 2].map(|n| sent_at + n * Duration::from_secs(1));
        upstream.left_unanswered(sent_at, answered_at);
        assert!(!upstream.is_away(answered_at));
        // It answers others meanwhile: many slow ones are still slow, and nothing else.
        upstream.answered(answered_at);
        for _ in 0..5 {
            upstream.left_unanswered(sent_at, later);
        }
        assert!(!upstream.is_away(later));
        upstream.left_unanswered(later, later);
        upstream.left_unanswered(later, later);
        assert!(upstream.is_away(later));
        assert!(!upstream.is_away(later + HUNG_FIRST));
        upstream.answered(later);
        assert!(!upstream.is_away(later));
    }
}
