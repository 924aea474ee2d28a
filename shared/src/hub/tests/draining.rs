//! How the streams of a process that stops end.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::world::{Plain, World, sync};
use crate::bus::Bus;
use crate::http::Health;
use crate::hub::shared::Shared;
use crate::hub::{CloseReason, Connection, Reader, RevalidateError, Signal, connection};
use crate::id::UserId;

/// Over how long they end, so that not all come back at once. Source: delivery-and-security.md section 2.10.
const WITHIN: Duration = Duration::from_secs(5);

/// How long after `begun` a stream ends, and when its client is to come back.
async fn end(mut stream: Connection<Plain>, begun: Instant) -> (Duration, Duration) {
    while let Some(signal) = stream.next().await {
        if let Signal::Close { reason: CloseReason::Drain, retry } = signal {
            assert!(stream.next().await.is_none(), "it is over");
            return (begun.elapsed(), retry);
        }
    }
    panic!("it ended without a word");
}

#[tokio::test(start_paused = true)]
async fn streams_end_one_after_the_other_within_five_seconds() {
    let bus = Bus::dial("nats://127.0.0.1:1", "test").await.unwrap();
    let shutdown = CancellationToken::new();
    let shared = Arc::new(Shared::new(bus, Plain, Health::default(), shutdown.clone()));
    let ada = UserId::new();
    let reader = Reader {
        token: World::token("Bearer ada"),
        reach: Some(sync(ada, shared.position(), &[].into(), &[])),
        revalidate: Arc::new(|| Box::pin(async { Err(RevalidateError::SignedOut) })),
        members: Arc::new(|_| Box::pin(async { Err(RevalidateError::SignedOut) })),
    };
    let mut streams = Vec::new();
    for _ in 0..40 {
        let losses = shared.state().losses();
        let begun = connection::begin(&shared, reader.clone(), None, None, None, losses);
        streams.push(begun.await.unwrap());
    }
    shutdown.cancel();
    let begun = Instant::now();
    let ends = join_all(streams.into_iter().map(|stream| end(stream, begun))).await;
    let (first, last) = (ends.iter().min().unwrap().0, ends.iter().max().unwrap().0);
    // The clock of the tests goes on by whole milliseconds.
    assert!(last <= WITHIN + Duration::from_millis(5), "{ends:?}");
    assert!(last > first + WITHIN / 2, "not all at once: {ends:?}");
    let back = Duration::from_millis(500)..Duration::from_secs(5);
    assert!(ends.iter().all(|(_, retry)| back.contains(retry)), "{ends:?}");
}
