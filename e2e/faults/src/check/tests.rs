//! A checker that finds nothing must be shown to find something.

use std::time::{Duration, Instant};

use ajet_shared::db::agreement::MessageRow;
use ajet_shared::id::ClientMessageId;
use ajet_shared::position::Position;

use super::*;
use crate::Told;

/// One channel with two messages that one reader saw, and everything as it should be.
struct World {
    ledger: Ledger,
    truth: Truth,
    since: Since,
    channel: ChannelId,
    reader: UserId,
    seen: Seen,
}

impl World {
    fn new() -> Self {
        let (channel, reader) = (ChannelId::new(), UserId::new());
        let mut world = Self {
            ledger: Ledger::default(),
            truth: Truth { epoch: Some(1), ..Truth::default() },
            since: Since { channels: HashMap::from([(channel, 4)]), ..Since::default() },
            channel,
            reader,
            seen: Seen::default(),
        };
        for seq in [5, 6] {
            world.say(seq);
        }
        let notified = world.event("notification.created", reader.uuid(), None);
        world.seen.others.push(Told { event: notified, life: 0 });
        world
    }

    fn say(&mut self, seq: i64) {
        let (message, key, author) = (MessageId::new(), ClientMessageId::new(), UserId::new());
        let (channel, body) = (self.channel, format!("message {seq}"));
        self.truth.messages.push(MessageRow {
            id: message,
            channel_id: channel,
            seq,
            user_id: author,
            client_msg_id: key,
            parent_id: None,
            body_md: body.clone(),
            is_spoken: true,
        });
        let event = self.event("message.created", channel.uuid(), Some(seq));
        self.ledger.post(Posted {
            key,
            message,
            channel,
            seq,
            author,
            body,
            parent: None,
            tries: 1,
            took: Duration::ZERO,
            at: Instant::now(),
        });
        let frame = Frame { seq, event, created: Some(message), at: Instant::now(), life: 0 };
        self.seen.channels.entry(channel).or_default().push(frame);
    }

    fn event(&mut self, kind: &str, ord_key: uuid::Uuid, channel_seq: Option<i64>) -> EventId {
        let event_id = EventId::new();
        let seq = self.truth.stream.len() as u64 + 1;
        self.truth.stream.push((seq, event_id));
        self.truth.events.push(EventRow {
            event_id,
            kind: kind.to_owned(),
            ord_key,
            channel_seq,
            epoch: Some(1),
            stream_seq: i64::try_from(seq).ok(),
            failed: false,
        });
        event_id
    }

    fn frames(&mut self) -> &mut Vec<Frame> {
        self.seen.channels.get_mut(&self.channel).unwrap()
    }

    /// The kinds of findings there are.
    fn found(self) -> Vec<&'static str> {
        let seen = [("reader".to_owned(), self.reader, self.seen)];
        let findings = check(&self.ledger, &self.truth, &self.since, &seen);
        let kinds = findings.kinds().into_iter();
        kinds.filter(|(_, found)| !found.is_empty()).map(|(kind, _)| kind).collect()
    }
}

/// What is found after something went wrong.
fn after(fault: impl FnOnce(&mut World)) -> Vec<&'static str> {
    let mut world = World::new();
    fault(&mut world);
    world.found()
}

#[test]
fn nothing_is_found_where_all_is_well() {
    assert_eq!(after(|_| ()), [""; 0]);
}

#[test]
fn a_lost_message_is_found_wherever_it_was_lost() {
    let lost = after(|world| {
        world.truth.messages.pop();
    });
    assert_eq!(lost, ["lost"], "Postgres");
    let lost = after(|world| {
        world.truth.stream.pop();
    });
    assert_eq!(lost, ["disagreements"], "the stream");
    let lost = after(|world| {
        world.frames().pop();
    });
    assert_eq!(lost, ["lost"], "a reader");
    let lost = after(|world| world.seen.others.clear());
    assert_eq!(lost, ["lost"], "a notification");
}

#[test]
fn a_doubled_message_is_found_wherever_it_was_doubled() {
    let doubled = after(|world| {
        let again = MessageRow { id: MessageId::new(), ..world.truth.messages[0].clone() };
        world.truth.messages.push(again);
    });
    assert_eq!(doubled, ["doubled"], "Postgres");
    let doubled = after(|world| {
        let (_, event) = world.truth.stream[0];
        world.truth.stream.insert(0, (0, event));
    });
    assert_eq!(doubled, ["doubled"], "the stream");
    let doubled = after(|world| {
        let again = world.frames()[1];
        world.frames().push(again);
    });
    assert_eq!(doubled, ["doubled"], "a reader");
    let doubled = after(|world| world.seen.others.extend(world.seen.others.clone()));
    assert_eq!(doubled, ["doubled"], "a notification");
}

#[test]
fn a_page_that_is_not_its_channel_is_found() {
    let world = World::new();
    let posts = world.ledger.posts();
    let found = |rows: &[usize], resyncs| {
        let rows = rows.iter().map(|place| posts[*place].message).collect();
        let mut findings = Findings::default();
        findings.page("page", world.channel, &Shown { rows, resyncs, ..Shown::default() }, &posts);
        let kinds = findings.kinds().into_iter();
        kinds.filter(|(_, found)| !found.is_empty()).map(|(kind, _)| kind).collect::<Vec<_>>()
    };
    assert_eq!(found(&[0, 1], 0), [""; 0]);
    assert_eq!(found(&[0], 0), ["lost"]);
    assert_eq!(found(&[0, 1, 1], 0), ["doubled"]);
    assert_eq!(found(&[1, 0], 0), ["disordered"]);
    assert_eq!(found(&[0, 1], 1), ["resyncs"]);
}

#[test]
fn disorder_resyncs_and_other_texts_are_found() {
    assert_eq!(after(|world| world.frames().swap(0, 1)), ["disordered"]);
    assert_eq!(after(|world| world.seen.resyncs.push("window".to_owned())), ["resyncs"]);
    let other = after(|world| world.truth.messages[0].body_md.push('!'));
    assert_eq!(other, ["disagreements"]);
    let unexpected = after(|world| world.ledger.unexpected("500".to_owned()));
    assert_eq!(unexpected, ["unexpected"]);
}

/// A reader who drew everything anew when the stream stood at `drawn_at`, and has in it what stood in Postgres then.
fn drawn_anew(world: &mut World, drawn_at: u64) {
    let posts = world.ledger.posts();
    let is_old = |posted: &&Posted| {
        let event = world.truth.events.iter().find(|event| event.channel_seq == Some(posted.seq));
        event.is_some_and(|event| event.stream_seq <= i64::try_from(drawn_at).ok())
    };
    world.seen.drawn = posts.iter().filter(is_old).map(|posted| posted.message).collect();
    world.seen.drawn_at = Some(Position { epoch: 1, seq: drawn_at });
    world.seen.resyncs.push("epoch".to_owned());
}

#[test]
fn whoever_drew_anew_need_not_have_seen_what_was_before() {
    let missed_one = after(|world| {
        world.frames().remove(0);
        drawn_anew(world, 1);
    });
    assert_eq!(missed_one, ["resyncs"]);
    let missed_a_later_one = after(|world| {
        world.frames().remove(1);
        drawn_anew(world, 1);
    });
    assert_eq!(missed_a_later_one, ["lost", "resyncs"]);
    let missed_what_stands_there_again = after(|world| {
        world.frames().remove(1);
        drawn_anew(world, 1);
        world.truth.again.insert(world.truth.events[1].event_id);
        let posts = world.ledger.posts();
        world.seen.drawn = posts.iter().map(|posted| posted.message).collect();
    });
    assert_eq!(missed_what_stands_there_again, ["resyncs"]);
    let missed_one_of_a_later_epoch = after(|world| {
        world.frames().remove(0);
        drawn_anew(world, 1);
        for event in &mut world.truth.events {
            event.epoch = Some(2);
        }
    });
    assert_eq!(missed_one_of_a_later_epoch, ["lost", "resyncs"]);
    let missed_one_of_an_earlier_epoch = after(|world| {
        world.frames().remove(1);
        drawn_anew(world, 2);
        world.seen.drawn_at = Some(Position { epoch: 2, seq: 0 });
    });
    assert_eq!(missed_one_of_an_earlier_epoch, ["resyncs"]);
    let drew_too_little = after(|world| {
        world.frames().remove(0);
        drawn_anew(world, 1);
        world.seen.drawn.clear();
    });
    assert_eq!(drew_too_little, ["lost", "resyncs"]);
    let came_again_afterwards = after(|world| {
        let again = world.frames()[0];
        world.frames().push(Frame { life: 1, ..again });
        drawn_anew(world, 3);
    });
    assert_eq!(came_again_afterwards, ["resyncs"]);
    let came_twice_afterwards = after(|world| {
        let again = world.frames()[0];
        world.frames().extend([Frame { life: 1, ..again }; 2]);
        drawn_anew(world, 3);
    });
    assert_eq!(came_twice_afterwards, ["doubled", "resyncs"]);
}

#[test]
fn a_page_that_was_drawn_anew_begins_with_its_first_row() {
    let world = World::new();
    let posts = world.ledger.posts();
    let found = |rows: &[usize], oldest: usize| {
        let shown = Shown {
            rows: rows.iter().map(|place| posts[*place].message).collect(),
            oldest: Some(posts[oldest].message),
            ..Shown::default()
        };
        let mut findings = Findings::default();
        findings.page("page", world.channel, &shown, &posts);
        findings.lost.len()
    };
    assert_eq!(found(&[1], 1), 0);
    assert_eq!(found(&[1], 0), 1);
}
