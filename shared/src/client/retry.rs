//! When a call is sent again (design/cli.md section 6).

use std::time::{Duration, Instant};

use reqwest::header::RETRY_AFTER;

use super::{Answer, ClientError};

/// Attempts in all.
const TRIES: u32 = 4;
/// The pause before the first repetition; it doubles.
const FIRST_PAUSE: Duration = Duration::from_millis(250);

/// The attempts at one call.
#[derive(Debug)]
pub(super) struct Tries {
    until: Option<Instant>,
    made: u32,
}

impl Tries {
    /// Without a deadline there is one attempt.
    pub(super) fn new(until: Option<Instant>) -> Self {
        Self { until, made: 0 }
    }

    /// How long the next attempt may take.
    pub(super) fn remaining(&self, timeout: Duration) -> Duration {
        self.until
            .map_or(timeout, |until| timeout.min(until.saturating_duration_since(Instant::now())))
    }

    /// How long to wait before the next attempt; none when this one counts.
    pub(super) fn pause_after(
        &mut self,
        outcome: &Result<Answer, ClientError>,
    ) -> Option<Duration> {
        self.made += 1;
        let until = self.until.filter(|_| self.made < TRIES)?;
        let wanted = match outcome {
            Ok(answer) if matches!(answer.status.as_u16(), 429 | 502 | 503 | 504) => answer
                .headers
                .get(RETRY_AFTER)
                .and_then(|value| value.to_str().ok())
                .and_then(|seconds| seconds.parse().ok()),
            Err(ClientError::Unreachable(_)) => None,
            _ => return None,
        };
        let pause = wanted.map_or_else(
            || jittered(backoff(self.made - 1, FIRST_PAUSE, Duration::from_secs(5))),
            Duration::from_secs,
        );
        (Instant::now() + pause < until).then_some(pause)
    }
}

/// The pause before repetition `n`, counted from zero: doubling, at most `most`.
pub(super) fn backoff(n: u32, first: Duration, most: Duration) -> Duration {
    first.saturating_mul(1 << n.min(16)).min(most)
}

/// Half to all of a pause, so that many clients do not come back at the same moment.
pub(super) fn jittered(pause: Duration) -> Duration {
    pause.mul_f64(rand::random_range(0.5..1.0))
}

#[cfg(test)]
mod tests {
    use reqwest::StatusCode;
    use reqwest::header::HeaderMap;

    use super::*;

    fn answer(status: u16, retry_after: Option<&str>) -> Answer {
        let mut headers = HeaderMap::new();
        if let Some(seconds) = retry_after {
            headers.insert(RETRY_AFTER, seconds.parse().unwrap());
        }
        Answer { status: StatusCode::from_u16(status).unwrap(), headers, body: bytes::Bytes::new() }
    }

    #[test]
    fn four_tries_at_most_and_none_without_a_deadline() {
        let mut tries = Tries::new(Some(Instant::now() + Duration::from_mins(1)));
        let pauses = std::iter::from_fn(|| tries.pause_after(&Ok(answer(503, None)))).count();
        assert_eq!(pauses, 3);
        assert_eq!(Tries::new(None).pause_after(&Ok(answer(503, None))), None);
    }

    #[test]
    fn the_server_says_how_long_unless_that_is_too_long() {
        let deadline = || Some(Instant::now() + Duration::from_secs(10));
        assert_eq!(
            Tries::new(deadline()).pause_after(&Ok(answer(429, Some("3")))),
            Some(Duration::from_secs(3))
        );
        assert_eq!(Tries::new(deadline()).pause_after(&Ok(answer(429, Some("60")))), None);
        for status in [200, 404, 409, 500] {
            assert_eq!(
                Tries::new(deadline()).pause_after(&Ok(answer(status, None))),
                None,
                "{status}"
            );
        }
    }

    #[test]
    fn pauses_grow_to_a_limit() {
        let pause = |n| backoff(n, Duration::from_millis(250), Duration::from_secs(15));
        assert_eq!(
            [0, 1, 2, 10, 99].map(|n| pause(n).as_millis()),
            [250, 500, 1000, 15_000, 15_000]
        );
        let some = jittered(Duration::from_secs(2));
        assert!(some >= Duration::from_secs(1) && some <= Duration::from_secs(2));
    }
}
