//! The comparison itself; touches nothing.

use std::collections::{HashMap, HashSet};

use ajet_shared::db::agreement::NotedEvent;
use ajet_shared::id::EventId;
use uuid::Uuid;

use super::{Difference, Evidence, Held, Kind, PATIENCE, Report};

/// Compares the three places.
pub(super) fn compare(evidence: &Evidence) -> Report {
    let mut differences = Differences::default();
    channels(evidence, &mut differences);
    for message in &evidence.untold {
        differences.add(Kind::Untold, format!("no event tells of message {message}"));
    }
    let waiting = |row: &&NotedEvent| row.stream_seq.is_none() && !row.failed;
    for row in evidence.rows.iter().filter(waiting) {
        if row.age > PATIENCE.as_secs_f64() {
            differences.add(
                Kind::Waiting,
                format!("event {} has been waiting for {:.0} s", row.event_id, row.age),
            );
        }
    }
    stream(evidence, &mut differences);
    Report {
        agree: differences.0.is_empty(),
        epoch: evidence.epoch,
        channels: evidence.channels.len(),
        outbox: evidence.rows.len(),
        waiting: evidence.rows.iter().filter(waiting).count(),
        set_aside: evidence.rows.iter().filter(|row| row.failed).count(),
        stream: evidence.held.len(),
        last_seq: evidence.stream.map_or(0, |stream| stream.last_seq),
        differences: differences.0,
    }
}

#[derive(Default)]
struct Differences(Vec<Difference>);

impl Differences {
    fn add(&mut self, kind: Kind, detail: String) {
        self.0.push(Difference { kind, detail });
    }
}

/// As far back as the outbox goes, every number of a channel has one event.
fn channels(evidence: &Evidence, differences: &mut Differences) {
    let mut told: HashMap<Uuid, Vec<i64>> = HashMap::new();
    for row in &evidence.rows {
        if let Some(seq) = row.channel_seq {
            told.entry(row.ord_key).or_default().push(seq);
        }
    }
    for channel in &evidence.channels {
        let Some(numbers) = told.get_mut(&channel.id.uuid()) else { continue };
        numbers.sort_unstable();
        for pair in numbers.windows(2) {
            match pair[1] - pair[0] {
                1 => {}
                0 => differences
                    .add(Kind::Channel, format!("{} has two events {}", channel.id, pair[0])),
                _ => differences
                    .add(Kind::Channel, format!("{} has no event {}", channel.id, pair[0] + 1)),
            }
        }
        let newest = numbers.last().copied().unwrap_or_default();
        if newest != channel.last_seq {
            differences.add(
                Kind::Channel,
                format!(
                    "{} has counted to {}, its newest event is {newest}",
                    channel.id, channel.last_seq
                ),
            );
        }
    }
}

/// The stream has what was noted, where it was noted, in order, and nothing else.
fn stream(evidence: &Evidence, differences: &mut Differences) {
    match evidence.stream {
        None if evidence.rows.iter().any(|row| row.stream_seq.is_some()) => {
            differences.add(Kind::Stream, "the stream does not exist".to_owned());
        }
        Some(stream) if stream.epoch != Some(evidence.epoch) => {
            let streams = stream.epoch.map_or("no epoch".to_owned(), |epoch| epoch.to_string());
            differences.add(
                Kind::Stream,
                format!("Postgres is in epoch {}, the stream in {streams}", evidence.epoch),
            );
        }
        _ => {}
    }
    let rows: HashMap<EventId, &NotedEvent> =
        evidence.rows.iter().map(|row| (row.event_id, row)).collect();
    let mut walk =
        Walk { epoch: evidence.epoch, rows, seen: HashSet::new(), newest: HashMap::new() };
    for held in &evidence.held {
        walk.step(held, differences);
    }
    let last = evidence.stream.map_or(0, |stream| stream.last_seq);
    for row in evidence.rows.iter().filter(|row| row.held && !walk.seen.contains(&row.event_id)) {
        let Some(seq) = row.stream_seq.map(i64::unsigned_abs) else { continue };
        // What was noted after the stream was looked at lies behind its end; above the newest mark it can only have been lost.
        let was_there = seq >= evidence.first_seq && seq <= last;
        let went_back = seq > last && row.age > PATIENCE.as_secs_f64();
        if was_there || went_back {
            differences.add(
                Kind::Lost,
                format!("event {} is not at {seq}, where it was noted", row.event_id),
            );
        }
    }
}

/// A walk through the stream.
struct Walk<'a> {
    epoch: i32,
    rows: HashMap<EventId, &'a NotedEvent>,
    seen: HashSet<EventId>,
    /// The newest number of each channel so far.
    newest: HashMap<Uuid, i64>,
}

impl Walk<'_> {
    fn step(&mut self, held: &Held, differences: &mut Differences) {
        let seq = held.stream_seq;
        let Some(event) = held.event else {
            differences.add(Kind::Unknown, format!("what is at {seq} cannot be read"));
            return;
        };
        let Some(row) = self.rows.get(&event.id) else {
            differences.add(Kind::Unknown, format!("event {} at {seq} is in no outbox", event.id));
            return;
        };
        if held.epoch > self.epoch {
            differences.add(
                Kind::Stream,
                format!("event {} at {seq} is of epoch {}", event.id, held.epoch),
            );
        }
        if !self.seen.insert(event.id) {
            differences.add(Kind::Doubled, format!("event {} comes again at {seq}", event.id));
            return;
        }
        if let Some(noted) = row.stream_seq
            && noted.unsigned_abs() != seq
        {
            differences
                .add(Kind::Misplaced, format!("event {} is at {seq}, noted at {noted}", event.id));
        }
        if let (Some(number), Some(_)) = (event.seq, row.channel_seq) {
            let newest = self.newest.entry(row.ord_key).or_default();
            if number <= *newest {
                differences.add(
                    Kind::Disordered,
                    format!("event {} at {seq} is number {number} after {newest}", event.id),
                );
            }
            *newest = number.max(*newest);
        }
    }
}

#[cfg(test)]
mod tests {
    use ajet_shared::bus::StreamState;
    use ajet_shared::db::agreement::ChannelCount;
    use ajet_shared::id::{ChannelId, MessageId};

    use super::super::Named;
    use super::*;

    /// Three events of one channel, in the outbox and in the stream.
    fn evidence() -> Evidence {
        let channel = ChannelId::new();
        let row = |number: i64| NotedEvent {
            event_id: EventId::new(),
            ord_key: channel.uuid(),
            channel_seq: Some(number),
            stream_seq: Some(number),
            failed: false,
            age: 60.0,
            held: true,
        };
        let rows: Vec<NotedEvent> = (1..=3).map(row).collect();
        let held = rows.iter().map(|row| Held {
            stream_seq: row.stream_seq.unwrap().unsigned_abs(),
            epoch: 1,
            event: Some(Named { id: row.event_id, seq: row.channel_seq }),
        });
        Evidence {
            epoch: 1,
            held: held.collect(),
            rows,
            channels: vec![ChannelCount { id: channel, last_seq: 3 }],
            untold: Vec::new(),
            stream: Some(StreamState { epoch: Some(1), first_seq: 1, last_seq: 3 }),
            first_seq: 1,
        }
    }

    fn kinds(change: impl FnOnce(&mut Evidence)) -> Vec<Kind> {
        let mut evidence = evidence();
        change(&mut evidence);
        let report = compare(&evidence);
        assert_eq!(report.agree, report.differences.is_empty());
        report.differences.iter().map(|difference| difference.kind).collect()
    }

    #[test]
    fn what_is_the_same_everywhere_agrees() {
        assert_eq!(kinds(|_| {}), []);
        assert_eq!(
            compare(&evidence()).to_string().lines().last(),
            Some("Postgres, outbox and stream agree.")
        );
    }

    #[test]
    fn each_difference_is_named() {
        assert_eq!(kinds(|all| all.channels[0].last_seq = 4), [Kind::Channel]);
        assert_eq!(kinds(|all| all.untold.push(MessageId::new())), [Kind::Untold]);
        assert_eq!(kinds(|all| _ = all.held.remove(1)), [Kind::Lost]);
        assert_eq!(kinds(|all| all.stream = None), [Kind::Stream]);
        assert_eq!(kinds(|all| all.epoch = 2), [Kind::Stream]);
        assert_eq!(kinds(|all| all.held[0].event = None), [Kind::Unknown, Kind::Lost]);
        assert_eq!(kinds(|all| all.rows[2].stream_seq = Some(2)), [Kind::Misplaced]);
        let twice = |all: &mut Evidence| all.held.push(Held { stream_seq: 4, ..all.held[2] });
        assert_eq!(kinds(twice), [Kind::Doubled]);
        let swapped = |all: &mut Evidence| {
            all.held.swap(0, 1);
            (all.held[0].stream_seq, all.held[1].stream_seq) = (1, 2);
            (all.rows[0].stream_seq, all.rows[1].stream_seq) = (Some(2), Some(1));
        };
        assert_eq!(kinds(swapped), [Kind::Disordered]);
        let waits = |all: &mut Evidence| {
            all.held.pop();
            all.rows[2].stream_seq = None;
        };
        assert_eq!(kinds(waits), [Kind::Waiting]);
        let gap = |all: &mut Evidence| {
            all.held.remove(1);
            all.rows.remove(1);
        };
        assert_eq!(kinds(gap), [Kind::Channel]);
    }

    #[test]
    fn what_is_under_way_or_over_is_no_difference() {
        let fresh = |all: &mut Evidence| {
            all.held.pop();
            all.rows[2].stream_seq = None;
            all.rows[2].age = 0.1;
        };
        assert_eq!(kinds(fresh), []);
        let behind = |all: &mut Evidence| {
            all.held.pop();
            all.stream = Some(StreamState { epoch: Some(1), first_seq: 1, last_seq: 2 });
            all.rows[2].age = 0.1;
        };
        assert_eq!(kinds(behind), []);
        let forgotten = |all: &mut Evidence| {
            all.held.remove(0);
            all.rows[0].held = false;
        };
        assert_eq!(kinds(forgotten), []);
        let unnoted = |all: &mut Evidence| {
            all.rows[2].stream_seq = None;
            all.rows[2].age = 0.1;
        };
        assert_eq!(kinds(unnoted), []);
        let set_aside = |all: &mut Evidence| {
            all.held.pop();
            all.rows[2].stream_seq = None;
            all.rows[2].failed = true;
        };
        assert_eq!(kinds(set_aside), []);
    }
}
