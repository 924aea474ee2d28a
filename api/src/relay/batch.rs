//! One batch of the outbox on its way into the stream: many ordering keys at once, each in its order.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use ajet_shared::bus::{Acknowledged, Bus, BusError, Outgoing};
use ajet_shared::db::outbox::Pending;
use futures::{StreamExt, stream};
use uuid::Uuid;

/// Ordering keys published in parallel; within a key one event after the other.
const KEYS_IN_PARALLEL: usize = 64;
/// A batch publishes this long at most before what was taken is noted, so that the leader's connection never looks stalled.
const BATCH_TIME: Duration = Duration::from_secs(2);

/// What came of publishing an event.
pub(super) struct Sent {
    pub(super) id: i64,
    /// It has a place in a channel.
    pub(super) is_in_channel: bool,
    pub(super) result: Result<Acknowledged, BusError>,
    ord_key: Uuid,
}

/// What takes events in.
pub(super) trait Taker: Sync {
    /// Takes one event of this epoch.
    fn take(
        &self,
        event: &Pending,
        epoch: i32,
    ) -> impl Future<Output = Result<Acknowledged, BusError>> + Send;
}

impl Taker for Bus {
    async fn take(&self, event: &Pending, epoch: i32) -> Result<Acknowledged, BusError> {
        self.publish(outgoing(event, epoch)).await
    }
}

/// Publishes a batch, key by key in parallel; an end of a membership of a community before everything that was written after it.
pub(super) async fn send(taker: &impl Taker, epoch: i32, batch: Vec<Pending>) -> Vec<Sent> {
    let begun = Instant::now();
    let mut results: Vec<Sent> = Vec::with_capacity(batch.len());
    for mut part in parts(batch) {
        let end = part.last().filter(|last| ends_membership(last)).map(|last| last.id);
        // What comes after something that failed must not overtake it, in this part as in the one before.
        let failed: HashSet<Uuid> =
            results.iter().filter(|sent| sent.result.is_err()).map(|sent| sent.ord_key).collect();
        part.retain(|event| !failed.contains(&event.ord_key));
        results.extend(send_part(taker, epoch, begun, part).await);
        let is_taken = |id| results.iter().any(|sent| sent.id == id && sent.result.is_ok());
        // The rest comes with the next batch.
        if end.is_some_and(|end| !is_taken(end)) {
            break;
        }
    }
    results
}

/// The batch, cut after each end of a membership.
fn parts(batch: Vec<Pending>) -> Vec<Vec<Pending>> {
    let mut parts = Vec::new();
    let mut part = Vec::new();
    for event in batch {
        let is_end = ends_membership(&event);
        part.push(event);
        if is_end {
            parts.push(std::mem::take(&mut part));
        }
    }
    parts.push(part);
    parts
}

/// Somebody leaves a community, or is taken out of it. With it go the public channels they read without having joined, and those have
/// ordering keys of their own.
fn ends_membership(event: &Pending) -> bool {
    event.channel_seq.is_none() && matches!(event.kind.as_str(), "member.left" | "member.removed")
}

async fn send_part(
    taker: &impl Taker,
    epoch: i32,
    begun: Instant,
    part: Vec<Pending>,
) -> Vec<Sent> {
    stream::iter(by_key(part))
        .map(async |events| {
            let mut results = Vec::with_capacity(events.len());
            for event in events {
                // The rest comes with the next batch.
                if begun.elapsed() > BATCH_TIME {
                    break;
                }
                let result = taker.take(&event, epoch).await;
                let failed = result.is_err();
                let is_in_channel = event.channel_seq.is_some();
                results.push(Sent { id: event.id, is_in_channel, result, ord_key: event.ord_key });
                // What comes after it in this key must not overtake it.
                if failed {
                    break;
                }
            }
            stream::iter(results)
        })
        .buffer_unordered(KEYS_IN_PARALLEL)
        .flatten()
        .collect()
        .await
}

/// The events of each ordering key, in their order; keys in the order of their first event.
fn by_key(batch: Vec<Pending>) -> Vec<Vec<Pending>> {
    let mut places: HashMap<Uuid, usize> = HashMap::new();
    let mut keys: Vec<Vec<Pending>> = Vec::new();
    for event in batch {
        let place = *places.entry(event.ord_key).or_insert_with(|| {
            keys.push(Vec::new());
            keys.len() - 1
        });
        keys[place].push(event);
    }
    keys
}

fn outgoing(event: &Pending, epoch: i32) -> Outgoing<'_> {
    Outgoing {
        id: event.event_id,
        subject: &event.subject,
        channel_seq: event.channel_seq,
        epoch,
        payload: event.payload.to_string().into(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    fn event(id: i64, ord_key: Uuid) -> Pending {
        Pending {
            id,
            event_id: ajet_shared::id::EventId::new(),
            subject: String::new(),
            ord_key,
            channel_seq: None,
            kind: String::new(),
            payload: serde_json::Value::Null,
            waited: 0.0,
        }
    }

    fn end(id: i64) -> Pending {
        Pending { kind: "member.left".to_owned(), ..event(id, Uuid::now_v7()) }
    }

    /// Takes everything but these, and notes in which order.
    struct TakesAllBut(&'static [i64], Mutex<Vec<i64>>);

    impl Taker for TakesAllBut {
        async fn take(&self, event: &Pending, _epoch: i32) -> Result<Acknowledged, BusError> {
            if self.0.contains(&event.id) {
                return Err(BusError::NoStream);
            }
            let mut taken = self.1.lock().unwrap();
            taken.push(event.id);
            Ok(Acknowledged { stream_seq: taken.len() as u64, duplicate: false })
        }
    }

    async fn taken(failing: &'static [i64], batch: Vec<Pending>) -> Vec<i64> {
        let taker = TakesAllBut(failing, Mutex::default());
        send(&taker, 1, batch).await;
        taker.1.into_inner().unwrap()
    }

    #[test]
    fn a_key_keeps_the_order_of_its_events() {
        let (a, b) = (Uuid::now_v7(), Uuid::now_v7());
        let keys = by_key(vec![event(1, a), event(2, b), event(3, a)]);
        let ids: Vec<Vec<i64>> =
            keys.iter().map(|events| events.iter().map(|event| event.id).collect()).collect();
        assert_eq!(ids, [vec![1, 3], vec![2]]);
    }

    #[tokio::test]
    async fn what_failed_is_not_overtaken_behind_an_end_of_a_membership() {
        let (a, b) = (Uuid::now_v7(), Uuid::now_v7());
        let batch = vec![event(1, a), event(2, b), end(3), event(4, a), event(5, b), event(6, a)];
        assert_eq!(taken(&[1], batch).await, [2, 3, 5]);
    }

    #[tokio::test]
    async fn what_failed_is_not_overtaken_behind_two_of_them() {
        let a = Uuid::now_v7();
        assert_eq!(taken(&[1], vec![event(1, a), end(2), end(3), event(4, a)]).await, [2, 3]);
        assert_eq!(taken(&[2], vec![event(1, a), end(2), event(3, a)]).await, [1], "nor an end");
    }

    #[test]
    fn nothing_is_published_beside_an_end_of_a_membership_that_was_written_before() {
        let of = |id, kind: &str, channel_seq| Pending {
            kind: kind.to_owned(),
            channel_seq,
            ..event(id, Uuid::now_v7())
        };
        let parts = parts(vec![
            of(1, "member.removed", Some(7)),
            of(2, "member.removed", None),
            of(3, "message.created", Some(8)),
            of(4, "member.left", None),
        ]);
        let ids: Vec<Vec<i64>> =
            parts.iter().map(|part| part.iter().map(|event| event.id).collect()).collect();
        assert_eq!(ids, [vec![1, 2], vec![3, 4], vec![]]);
    }
}
