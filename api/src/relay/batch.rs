//! One batch of the outbox on its way into the stream: many ordering keys at once, each in its order.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use ajet_shared::bus::{Acknowledged, Bus, BusError, Link, Outgoing};
use ajet_shared::db::outbox::Pending;
use bytes::Bytes;
use futures::{StreamExt, stream};
use tokio::sync::watch;
use uuid::Uuid;

/// Ordering keys published in parallel; within a key one event after the other.
const KEYS_IN_PARALLEL: usize = 64;
/// A batch publishes this long at most before what was taken is noted, so that the leader's connection never looks stalled.
const BATCH_TIME: Duration = Duration::from_secs(2);
/// Up to this many bytes an envelope leaves room for headers in the stream's 128 KiB.
const ROOMY: usize = 120 * 1024;

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

/// A stream that was examined, over the connection over which that was done and no other: a new one may lead to a server that lost
/// something, and what it is given before it is examined takes the place of what was lost.
pub(super) struct Examined<'a, T> {
    pub(super) taker: &'a T,
    pub(super) link: watch::Receiver<Link>,
    pub(super) generation: u64,
}

impl<T> Examined<'_, T> {
    fn stands(&self) -> Result<(), BusError> {
        if *self.link.borrow() == (Link { up: true, generation: self.generation }) {
            return Ok(());
        }
        Err(BusError::Unavailable("the connection is not the one that was examined".to_owned()))
    }
}

impl<T: Taker> Taker for Examined<'_, T> {
    async fn take(&self, event: &Pending, epoch: i32) -> Result<Acknowledged, BusError> {
        self.stands()?;
        let taken = self.taker.take(event, epoch).await?;
        // Whoever took it: the next examination finds it in the stream, or does not.
        self.stands()?;
        Ok(taken)
    }
}

/// The stream gave out numbers that it had given out before, or one of them twice.
pub(super) fn gives_out_again(high_water: u64, results: &[Sent]) -> bool {
    let mut given = HashSet::new();
    let mut acks = results.iter().filter_map(|sent| sent.result.as_ref().ok());
    acks.any(|ack| {
        !given.insert(ack.stream_seq) || (!ack.duplicate && ack.stream_seq <= high_water)
    })
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
        again: event.again,
        payload: payload(&event.payload),
    }
}

/// The envelope as it goes on the wire: as Postgres prints it, but a very large one without its blanks, because the stream counts the
/// headers too and would refuse what the outbox may hold.
fn payload(text: &str) -> Bytes {
    if text.len() > ROOMY
        && let Ok(value) = serde_json::from_str::<serde_json::Value>(text)
    {
        return value.to_string().into();
    }
    Bytes::copy_from_slice(text.as_bytes())
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
            payload: "null".to_owned(),
            again: false,
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

    /// Takes everything; while it has this one, the connection is lost and another one made.
    struct Reconnects(i64, watch::Sender<Link>, Mutex<Vec<i64>>);

    impl Taker for Reconnects {
        async fn take(&self, event: &Pending, _epoch: i32) -> Result<Acknowledged, BusError> {
            if event.id == self.0 {
                self.1.send_modify(|link| link.generation += 1);
            }
            let mut taken = self.2.lock().unwrap();
            taken.push(event.id);
            Ok(Acknowledged { stream_seq: taken.len() as u64, duplicate: false })
        }
    }

    #[tokio::test]
    async fn a_connection_that_nobody_has_examined_gets_nothing_and_is_not_believed() {
        let (a, b) = (Uuid::now_v7(), Uuid::now_v7());
        let link = watch::Sender::new(Link { up: true, generation: 3 });
        let taker = Reconnects(2, link, Mutex::default());
        let examined = Examined { taker: &taker, link: taker.1.subscribe(), generation: 3 };
        let batch = vec![event(1, a), event(2, a), event(3, a), event(4, b), end(5), event(6, b)];
        let results = send(&examined, 1, batch).await;
        let believed: Vec<i64> =
            results.iter().filter(|sent| sent.result.is_ok()).map(|sent| sent.id).collect();
        assert_eq!((believed, taker.2.into_inner().unwrap()), (vec![1], vec![1, 2]));
    }

    #[test]
    fn a_stream_that_went_back_gives_out_numbers_again() {
        let again = |acks: &[(u64, bool)]| {
            let sent = |&(stream_seq, duplicate): &(u64, bool)| Sent {
                id: 0,
                is_in_channel: false,
                result: Ok(Acknowledged { stream_seq, duplicate }),
                ord_key: Uuid::nil(),
            };
            gives_out_again(10, &acks.iter().map(sent).collect::<Vec<_>>())
        };
        assert!(!again(&[(12, false), (11, false)]));
        assert!(!again(&[(9, true), (11, false)]), "it had that one before");
        assert!(again(&[(11, false), (10, false)]));
        assert!(again(&[(11, false), (12, false), (11, false)]));
    }

    #[test]
    fn an_envelope_that_the_outbox_may_hold_leaves_room_for_headers() {
        let small = r#"{"a": [1, 2]}"#;
        assert_eq!(payload(small), small);
        let name = r#"{"name": "", "of": 1}"#;
        let large = name.replacen("\"\"", &format!("{:?}", "x".repeat(131_072 - name.len())), 1);
        assert_eq!((large.len(), payload(&large).len()), (131_072, 131_069));
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
