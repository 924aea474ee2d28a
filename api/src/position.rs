//! Where the stream stands, for everybody who begins to read: asked of NATS a few times a second at most.
//!
//! A cursor may always be older than it could be: a stream that starts there brings again what the state that was read after it holds
//! already, and every client takes that twice without harm. It must never be newer than the state, or something would be missed. So the
//! place is kept for a moment and given to all who ask, who read their state after that.

use std::sync::Arc;
use std::time::Duration;

use ajet_shared::bus::Bus;
use ajet_shared::db;
use ajet_shared::position::Position;
use sqlx::PgPool;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::error::{ApiError, ApiResult};

/// How long NATS may take to say where the stream stands.
const PATIENCE: Duration = Duration::from_millis(500);
/// How long its answer is good for everybody.
const GOOD_FOR: Duration = Duration::from_millis(250);
/// For how long NATS is not asked after it has said nothing: else everybody would wait for it again and again.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// How long one waits for an answer, and for one's turn to ask: as long as NATS may take, and then the database for a connection.
const PATIENCE_IN_ALL: Duration = Duration::from_millis(2_500);

/// The last answer. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct StreamPosition(Arc<Mutex<Last>>);

#[derive(Debug, Default)]
struct Last {
    answer: Option<(Instant, Position)>,
    /// NATS said nothing when it was asked.
    silent: Option<Instant>,
}

impl StreamPosition {
    /// Where the stream stands, or stood a moment ago. Those who ask together wait for one answer.
    pub(crate) async fn get(&self, bus: &Bus, pool: &PgPool) -> ApiResult<Position> {
        let stream = async { if bus.is_up() { bus.position().await.ok() } else { None } };
        self.of(stream, recorded(pool)).await
    }

    /// While nobody answers, those who ask together give up together, and do not wait for each other's failures.
    async fn of(
        &self,
        stream: impl Future<Output = Option<Position>>,
        recorded: impl Future<Output = ApiResult<Position>>,
    ) -> ApiResult<Position> {
        let turn = Box::pin(self.in_turn(stream, recorded));
        tokio::time::timeout(PATIENCE_IN_ALL, turn).await.unwrap_or_else(|_| {
            let nobody = anyhow::anyhow!("neither NATS nor the database says where the stream is");
            Err(ApiError::Unavailable(nobody))
        })
    }

    async fn in_turn(
        &self,
        stream: impl Future<Output = Option<Position>>,
        recorded: impl Future<Output = ApiResult<Position>>,
    ) -> ApiResult<Position> {
        let mut last = self.0.lock().await;
        if let Some((at, position)) = last.answer
            && at.elapsed() < GOOD_FOR
        {
            return Ok(position);
        }
        let mut position = None;
        if last.silent.is_none_or(|at| at.elapsed() >= ASK_AGAIN) {
            position = tokio::time::timeout(PATIENCE, stream).await.ok().flatten();
            last.silent = position.is_none().then(Instant::now);
        }
        let position = match position {
            Some(position) => position,
            None => recorded.await?,
        };
        // The time of the answer, not of the question: a slow one serves everybody who has waited for it.
        last.answer = Some((Instant::now(), position));
        Ok(position)
    }
}

/// While NATS is away, what the relay has recorded: never ahead of the stream, so a reader only sees more again, and pages load.
async fn recorded(pool: &PgPool) -> ApiResult<Position> {
    let mut conn = pool.acquire().await?;
    let epoch = db::meta::epoch(&mut conn).await?;
    let newest = db::outbox::newest_mark(&mut conn, epoch).await?;
    let seq = match newest {
        Some(mark) => mark.stream_seq.unsigned_abs(),
        None => db::meta::epoch_start(&mut conn).await?.unwrap_or(0),
    };
    Ok(Position { epoch, seq })
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use super::*;

    fn at(seq: u64) -> Position {
        Position { epoch: 1, seq }
    }

    async fn asked(
        position: &StreamPosition,
        stream: impl Future<Output = Option<Position>>,
    ) -> u64 {
        position.of(stream, ready(Ok(at(1)))).await.unwrap().seq
    }

    #[tokio::test(start_paused = true)]
    async fn one_answer_is_good_for_all_who_ask_soon() {
        let position = StreamPosition::default();
        assert_eq!(asked(&position, ready(Some(at(7)))).await, 7);
        assert_eq!(asked(&position, ready(Some(at(8)))).await, 7);
        tokio::time::advance(GOOD_FOR).await;
        assert_eq!(asked(&position, ready(Some(at(8)))).await, 8);
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_answer_serves_all_who_waited_for_it() {
        let (position, began) = (StreamPosition::default(), Instant::now());
        let slow = || async {
            tokio::time::sleep(PATIENCE.mul_f64(0.99)).await;
            Some(at(7))
        };
        let all = (0..50).map(|_| asked(&position, slow()));
        assert_eq!(futures::future::join_all(all).await, [7; 50]);
        assert!(began.elapsed() < PATIENCE, "{:?}", began.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn who_asks_while_nobody_answers_does_not_wait_in_a_row() {
        let (position, began) = (StreamPosition::default(), Instant::now());
        let no_connection = || async {
            tokio::time::sleep(Duration::from_secs(2)).await;
            Err(ApiError::Database(sqlx::Error::PoolTimedOut))
        };
        let all = (0..50).map(|_| position.of(pending(), no_connection()));
        let answers = futures::future::join_all(all).await;
        assert!(answers.iter().all(Result::is_err));
        assert!(
            began.elapsed() <= PATIENCE_IN_ALL + Duration::from_millis(10),
            "{:?}",
            began.elapsed()
        );
        assert_eq!(asked(&position, ready(Some(at(9)))).await, 9, "and works again");
    }

    #[tokio::test(start_paused = true)]
    async fn who_asks_while_the_bus_hangs_does_not_wait_in_a_row() {
        let (position, began) = (StreamPosition::default(), Instant::now());
        let all = (0..50).map(|_| asked(&position, pending()));
        assert_eq!(futures::future::join_all(all).await, [1; 50]);
        for _ in 0..2 {
            tokio::time::advance(GOOD_FOR).await;
            assert_eq!(asked(&position, pending()).await, 1);
        }
        let (waited, let_pass) = (began.elapsed(), 2 * GOOD_FOR);
        assert!(waited < PATIENCE + let_pass + Duration::from_millis(10), "{waited:?}");
        tokio::time::advance(ASK_AGAIN).await;
        assert_eq!(asked(&position, ready(Some(at(9)))).await, 9, "asked again");
    }
}
