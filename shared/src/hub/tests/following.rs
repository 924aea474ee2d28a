//! The pump beside a stream that changes under it, and what it hands out late.

use std::collections::HashMap;
use std::sync::Arc;

use time::OffsetDateTime;
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

use super::world::{Plain, World, member, message, sync};
use crate::bus::{Bus, Delivered, StreamState};
use crate::events::{Envelope, Event, MemberScope, Subject};
use crate::http::Health;
use crate::hub::metrics;
use crate::hub::pump::{Pump, went_back};
use crate::hub::replay::in_order;
use crate::hub::shared::Shared;
use crate::hub::{Reader, ResyncReason, RevalidateError, Signal, connection};
use crate::id::{ChannelId, CommunityId, MessageId, UserId};
use crate::position::Position;

/// A hub without a server: what comes from the stream is put in by hand. The runtime is what it lives in.
pub(super) fn hub() -> (Runtime, Arc<Shared<Plain>>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let bus = runtime.block_on(Bus::dial("nats://127.0.0.1:1", "test")).unwrap();
    let shared = Shared::new(bus, Plain, Health::default(), CancellationToken::new());
    (runtime, Arc::new(shared))
}

pub(super) fn delivered(
    stream_seq: u64,
    epoch: i32,
    subject: Subject,
    envelope: &Envelope,
) -> Delivered {
    Delivered {
        stream_seq,
        epoch,
        pending: 0,
        subject: subject.to_string().into(),
        payload: serde_json::to_vec(envelope).unwrap().into(),
    }
}

fn stream(epoch: i32, last_seq: u64) -> StreamState {
    StreamState { epoch: Some(epoch), first_seq: 1, last_seq }
}

/// A message of a direct message's channel at its place there.
fn written(stream_seq: u64, epoch: i32, channel: ChannelId, seq: i64) -> Delivered {
    let event = Event::MessageCreated(message(MessageId::new(), channel, UserId::new()));
    let envelope =
        Envelope::new(event, None, OffsetDateTime::UNIX_EPOCH).in_channel(None, channel, seq);
    delivered(stream_seq, epoch, Subject::Dm(channel), &envelope)
}

/// A pump that has read 40 of 150 events since its start.
fn catching_up() -> (Runtime, Arc<Shared<Plain>>, Pump<Plain>, ChannelId) {
    let (runtime, shared) = hub();
    let (mut pump, channel) = (Pump::new(shared.clone()), ChannelId::new());
    assert_eq!(pump.begin(&stream(1, 150)), 1);
    for n in 1..=40 {
        pump.take(&written(n, 1, channel, i64::try_from(n).unwrap()));
    }
    assert!(!shared.is_caught_up());
    (runtime, shared, pump, channel)
}

#[test]
fn a_stream_that_shrinks_during_the_first_catch_up_is_not_waited_for() {
    let (_runtime, shared, mut pump, channel) = catching_up();
    assert_eq!(pump.begin(&stream(1, 42)), 41, "what was read is still there");
    pump.take(&written(41, 1, channel, 41));
    assert!(!shared.is_caught_up());
    pump.take(&written(42, 1, channel, 42));
    assert!(shared.is_caught_up() && shared.health.is_ready());
}

#[test]
fn a_stream_without_anything_new_needs_no_event_to_be_caught_up_with() {
    for (now, from) in
        [(stream(1, 40), 41), (stream(1, 7), 8), (stream(2, 0), 1), (stream(2, 90), 91)]
    {
        let (_runtime, shared, mut pump, _) = catching_up();
        assert_eq!(pump.begin(&now), from);
        assert!(shared.is_caught_up(), "{now:?}");
        assert_eq!(shared.position(), Position { epoch: now.position().epoch, seq: from - 1 });
    }
}

#[test]
fn a_stream_that_went_back_is_given_time_for_its_new_epoch() {
    let position = Position { epoch: 1, seq: 150 };
    assert!(went_back(&stream(1, 100), position));
    assert!(!went_back(&stream(1, 150), position));
    assert!(!went_back(&stream(2, 100), position), "that one says so itself");
}

#[test]
fn an_event_that_came_late_is_replayed_at_its_place() {
    let (_runtime, shared) = hub();
    let (mut pump, channel, other) =
        (Pump::new(shared.clone()), ChannelId::new(), ChannelId::new());
    pump.begin(&stream(1, 0));
    pump.take(&written(1, 1, channel, 1));
    pump.take(&written(2, 1, other, 1));
    pump.take(&written(3, 1, channel, 3));
    pump.take(&written(4, 1, other, 2));
    pump.take(&written(5, 1, channel, 2));
    let replay = |after: u64| {
        let cursor = Position { epoch: 1, seq: after };
        let batch = shared.state().ring.after(after).cloned().collect();
        let ordered = in_order(cursor, Vec::new(), batch);
        let places = ordered.iter().map(|delivery| {
            let (of, seq) = delivery.place().unwrap();
            (delivery.position.seq, of == channel, seq)
        });
        places.collect::<Vec<_>>()
    };
    // Each under a cursor that makes whoever breaks off there come back to all that follow.
    assert_eq!(replay(0), [(1, true, 1), (2, false, 1), (2, true, 2), (3, true, 3), (4, false, 2)]);
    assert_eq!(replay(2), [(2, true, 2), (3, true, 3), (4, false, 2)]);
}

/// While one channel is waited for, events of another come in the wrong order: nothing is missing there.
#[test]
fn what_is_held_already_is_not_waited_for() {
    let (_runtime, shared) = hub();
    let (mut pump, channel, other) =
        (Pump::new(shared.clone()), ChannelId::new(), ChannelId::new());
    pump.begin(&stream(1, 0));
    pump.take(&written(1, 1, channel, 1));
    pump.take(&written(2, 1, other, 1));
    pump.take(&written(3, 1, channel, 3));
    pump.take(&written(4, 1, other, 3));
    pump.take(&written(5, 1, other, 2));
    pump.take(&written(6, 1, channel, 2));
    assert_eq!(pump.missing(), None);
    assert_eq!(shared.position(), Position { epoch: 1, seq: 6 });
    let state = shared.state();
    assert_eq!((state.early().count(), state.ring.after(0).count()), (0, 6));
    assert!(!state.has_hole(0));
}

/// A hole in the past that was read at the start is one for those who come back from before it.
#[test]
fn a_hole_that_was_there_at_the_start_is_remembered() {
    let (_runtime, shared) = hub();
    let (mut pump, channel) = (Pump::new(shared.clone()), ChannelId::new());
    pump.begin(&stream(1, 3));
    for (place, seq) in [(1, 1), (2, 3), (3, 4)] {
        pump.take(&written(place, 1, channel, seq));
    }
    assert!(shared.is_caught_up());
    let state = shared.state();
    assert_eq!([0, 1, 2].map(|seq| state.has_hole(seq)), [true, true, false]);
}

#[test]
fn what_waits_is_measured() {
    let (_runtime, shared) = hub();
    let (mut pump, channel) = (Pump::new(shared.clone()), ChannelId::new());
    pump.begin(&stream(1, 0));
    for (place, seq) in [(1, 1), (2, 3), (3, 4)] {
        pump.take(&written(place, 1, channel, seq));
    }
    let _replay = shared.replays.try_acquire().unwrap();
    metrics::measure(&shared);
    let lines = shared.health.render();
    for line in
        ["hub_held_events 2", "hub_ring_events 1", "hub_replays_running 1", "hub_queue_deepest 0"]
    {
        assert!(lines.contains(line), "{line} in {lines}");
    }
    pump.give_up_gap();
    assert!(shared.health.render().contains("hub_held_events 0"));
}

/// A join that is over by what the api says is told again, after the stream was lost: the page shows the channel, and gets nothing of it
/// until its reader is let in once more. The leave has not come yet when the api tells of that.
#[test]
fn whoever_was_replayed_a_join_that_is_over_draws_anew_with_the_next_one() {
    let (runtime, shared) = hub();
    let (mut pump, channel, ada) = (Pump::new(shared.clone()), ChannelId::new(), UserId::new());
    let community = CommunityId::new();
    pump.begin(&stream(1, 0));
    let joined = Event::MemberJoined(member(MemberScope::Channel, ada));
    let written = || Event::MessageCreated(message(MessageId::new(), channel, UserId::new()));
    for (n, event) in [(1, joined), (2, written())] {
        let envelope = Envelope::new(event, None, OffsetDateTime::UNIX_EPOCH);
        let envelope = envelope.in_channel(Some(community), channel, i64::try_from(n).unwrap());
        pump.take(&delivered(n, 1, Subject::Events(community), &envelope));
    }
    let answer =
        |channels| sync(ada, shared.position(), &HashMap::from([(community, channels)]), &[]);
    let reader = Reader {
        token: World::token("Bearer ada"),
        reach: Some(answer(vec![])),
        revalidate: Arc::new(|| Box::pin(async { Err(RevalidateError::SignedOut) })),
        members: Arc::new(|_| Box::pin(async { Err(RevalidateError::SignedOut) })),
    };
    let cursor = Some(Position { epoch: 1, seq: 0 });
    let mut page = runtime.block_on(connection::open(&shared, reader, cursor, None)).unwrap();
    let mut signals = || std::iter::from_fn(|| page.try_next()).collect::<Vec<_>>();
    assert!(matches!(
        &signals()[..],
        [Signal::Ready { .. }, Signal::Event(_), Signal::Resumed { .. }]
    ));
    let reconcile = |channels| {
        let mut state = shared.state();
        let era = state.era();
        state.reconcile(ada, &answer(channels), era);
    };
    reconcile(vec![]);
    assert!(signals().is_empty());
    reconcile(vec![channel]);
    assert!(matches!(signals()[..], [Signal::Resync { reason: ResyncReason::Membership, .. }]));
}
