//! The pump beside a stream that changes under it, and what it hands out late.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use time::OffsetDateTime;
use tokio::runtime::Runtime;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::world::{Plain, World, member, message, open, sync};
use crate::bus::{Bus, Delivered, StreamState};
use crate::client::ClientError;
use crate::events::{Envelope, Event, MemberScope, SessionRevoked, Subject};
use crate::http::Health;
use crate::hub::pump::{Pump, went_back};
use crate::hub::replay::{in_order, is_old_news};
use crate::hub::shared::Shared;
use crate::hub::{
    CloseReason, Reader, ResyncReason, RevalidateError, RevalidateFn, Signal, arrivals, connection,
    metrics,
};
use crate::id::{ChannelId, CommunityId, MessageId, SessionId, UserId};
use crate::limits::STREAM_HEARTBEAT;
use crate::position::Position;
use crate::problem::Problem;
use crate::sync::Reach;

/// A hub without a server: what comes from the stream is put in by hand. The runtime is what it lives in.
pub(super) fn hub() -> (Runtime, Arc<Shared<Plain>>) {
    hub_in(tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap())
}

/// The same, in a runtime of one's own.
pub(super) fn hub_in(runtime: Runtime) -> (Runtime, Arc<Shared<Plain>>) {
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
        again: false,
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
    let mut page = runtime.block_on(open(&shared, reader, cursor, None)).unwrap();
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

/// The join was missing and is told ahead of its place; by then the api has said that it is over, and its leave has not come.
#[test]
fn whoever_was_told_early_of_a_join_that_is_over_draws_anew_with_the_next_one() {
    let (runtime, shared) = hub();
    let (mut pump, channel, ada) = (Pump::new(shared.clone()), ChannelId::new(), UserId::new());
    let community = CommunityId::new();
    pump.begin(&stream(1, 0));
    let (written, place) = (|| World::message(channel), Subject::Events(community));
    let told = |n, event, seq| {
        let envelope = Envelope::new(event, None, OffsetDateTime::UNIX_EPOCH);
        delivered(n, 1, place, &envelope.in_channel(Some(community), channel, seq))
    };
    pump.take(&told(1, written(), 1));
    pump.take(&told(2, written(), 3));
    // It comes, and with it what waited; but for the next gap, which keeps it from its place.
    pump.take(&told(3, written(), 5));
    pump.take(&told(4, Event::MemberJoined(member(MemberScope::Channel, ada)), 2));
    assert_eq!((shared.position().seq, shared.state().early().count()), (2, 1));
    let answer =
        |channels| sync(ada, shared.position(), &HashMap::from([(community, channels)]), &[]);
    let cursor = Some(Position { epoch: 1, seq: 0 });
    let mut page = runtime.block_on(open(&shared, reader(answer(vec![])), cursor, None)).unwrap();
    // About somebody who is named early the api is asked.
    release(&shared, ada);
    let mut signals = || std::iter::from_fn(|| page.try_next()).collect::<Vec<_>>();
    assert!(matches!(
        &signals()[..],
        [Signal::Ready { .. }, Signal::Event(_), Signal::Resumed { count: 1 }]
    ));
    pump.take(&told(5, written(), 4));
    let mut state = shared.state();
    let era = state.era();
    state.reconcile(ada, &answer(vec![channel]), era);
    drop(state);
    assert!(matches!(signals()[..], [Signal::Resync { reason: ResyncReason::Membership, .. }]));
}

/// The api has answered whatever was asked about somebody.
fn release(shared: &Shared<Plain>, user_id: UserId) {
    let mut state = shared.state();
    let doubts = state.doubts(user_id);
    state.release(user_id, doubts);
}

/// A reader of whom the api has just said this; it says nothing more.
fn reader(reach: Reach) -> Reader {
    Reader {
        token: World::token(&format!("Bearer {}", reach.me.id)),
        reach: Some(reach),
        revalidate: Arc::new(|| Box::pin(std::future::pending())),
        members: Arc::new(|_| Box::pin(std::future::pending())),
    }
}

#[test]
fn what_an_earlier_epoch_had_told_is_told_to_nobody_again() {
    let (runtime, shared) = hub();
    let (mut pump, dm, ada) = (Pump::new(shared.clone()), ChannelId::new(), UserId::new());
    let (community, room) = (CommunityId::new(), ChannelId::new());
    let again = |event| Delivered { again: true, ..event };
    let told = |n, event, seq| {
        let envelope = Envelope::new(event, None, OffsetDateTime::UNIX_EPOCH);
        let envelope = envelope.in_channel(Some(community), room, seq);
        delivered(n, 2, Subject::Events(community), &envelope)
    };
    pump.begin(&stream(1, 0));
    let reach = |at| sync(ada, at, &HashMap::from([(community, vec![room])]), &[dm]);
    let come = |cursor: Position| {
        let opening = open(&shared, reader(reach(shared.position())), Some(cursor), None);
        runtime.block_on(opening).unwrap()
    };
    let mut page = come(shared.position());
    pump.begin(&stream(2, 0));
    release(&shared, ada);
    let mut signals = || std::iter::from_fn(|| page.try_next()).collect::<Vec<_>>();
    assert!(matches!(
        signals()[..],
        [
            Signal::Ready { .. },
            Signal::Resumed { .. },
            Signal::Resync { reason: ResyncReason::Epoch, .. }
        ]
    ));

    // More than a reader may be behind, and nobody reads meanwhile.
    for n in 1..=300 {
        pump.take(&again(written(n, 2, dm, i64::try_from(n).unwrap())));
    }
    // She was taken out of the room once, and is there again.
    let kick = Event::MemberRemoved(member(MemberScope::Channel, ada));
    pump.take(&again(told(301, kick, 7)));
    assert_eq!(shared.position(), Position { epoch: 2, seq: 301 }, "it keeps its place");
    assert!(signals().is_empty());
    pump.take(&written(302, 2, dm, 301));
    pump.take(&told(303, World::message(room), 8));
    let seqs = |signals: Vec<Signal<Plain>>| {
        let seq = |signal| match signal {
            Signal::Ready { .. } | Signal::Resumed { .. } => None,
            Signal::Event(delivery) => Some(delivery.position.seq),
            other => panic!("{other:?}"),
        };
        signals.into_iter().filter_map(seq).collect::<Vec<_>>()
    };
    assert_eq!(seqs(signals()), [302, 303]);
    let lines = shared.health.render();
    for line in ["hub_queue_overflow_total 0", "hub_skipped_total 0", "hub_gap_total 0"] {
        assert!(lines.contains(line), "{line} in {lines}");
    }

    let mut other = come(Position { epoch: 2, seq: 0 });
    assert_eq!(seqs(std::iter::from_fn(|| other.try_next()).collect()), [302, 303]);
    // What is missing before one of those is as old, and nobody misses it.
    pump.take(&again(told(304, World::message(room), 10)));
    assert_eq!((pump.missing(), shared.position().seq), (None, 304));
    let mut third = come(Position { epoch: 2, seq: 302 });
    assert_eq!(seqs(std::iter::from_fn(|| third.try_next()).collect()), [303]);
    assert!(signals().is_empty());
    pump.take(&told(305, World::message(room), 12));
    assert_eq!(pump.missing(), Some((room, 11)));
}

/// Whoever let the reader in looked before an event of the channel was lost: it may have closed it.
#[test]
fn what_is_lost_while_a_guest_is_let_in_sends_the_guest_back() {
    for lost in [false, true] {
        let (runtime, shared) = hub();
        Pump::new(shared.clone()).begin(&stream(1, 0));
        let (community, room) = (CommunityId::new(), ChannelId::new());
        let losses = runtime.block_on(connection::ready(&shared, None)).unwrap();
        if lost {
            shared.state().resync_channel(room, ResyncReason::Gap);
        }
        let places = HashMap::from([(community, vec![])]);
        let reader = reader(sync(UserId::new(), shared.position(), &places, &[]));
        let begun = connection::begin(&shared, reader, None, None, Some(room), losses);
        let first = runtime.block_on(begun).unwrap().try_next();
        assert_eq!(matches!(first, Some(Signal::Close { reason: CloseReason::Aged, .. })), lost);
    }
}

#[test]
fn only_the_end_of_a_session_is_told_again() {
    let (message, session_id) = (World::message(ChannelId::new()), Some(SessionId::new()));
    let revoked = Event::SessionRevoked(SessionRevoked { session_id });
    for (event, expected) in [(&message, true), (&revoked, false)] {
        let envelope = Envelope::new(event.clone(), None, OffsetDateTime::UNIX_EPOCH);
        let first = delivered(1, 2, Subject::Notifications(UserId::new()), &envelope);
        assert!(!is_old_news(&first, event));
        assert_eq!(is_old_news(&Delivered { again: true, ..first }, event), expected);
    }
}

#[test]
fn a_stream_that_waits_for_the_api_is_not_silent() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap();
    let (runtime, shared) = hub_in(runtime);
    let (mut pump, dm, ada) = (Pump::new(shared.clone()), ChannelId::new(), UserId::new());
    pump.begin(&stream(1, 0));
    let start = shared.position();
    let reach = sync(ada, start, &HashMap::new(), &[dm]);
    runtime.block_on(async {
        let mut page = open(&shared, reader(reach), Some(start), None).await.unwrap();
        while page.try_next().is_some() {}
        pump.take(&written(1, 1, dm, 1));
        assert!(matches!(page.try_next(), Some(Signal::Event(_))));
        let told = shared.position();
        shared.state().resync_channel(ChannelId::new(), ResyncReason::Gap);
        pump.take(&written(2, 1, dm, 2));
        for _ in 0..3 {
            let since = Instant::now();
            let signal = timeout(2 * STREAM_HEARTBEAT, page.next()).await.unwrap().unwrap();
            let Signal::Heartbeat { position } = signal else { panic!("{signal:?}") };
            assert_eq!(position, told, "what waits is not behind the cursor");
            assert!(since.elapsed() >= STREAM_HEARTBEAT, "{:?}", since.elapsed());
        }
        release(&shared, ada);
        assert!(matches!(page.next().await, Some(Signal::Event(_))));
    });
}

/// Everybody is in doubt at once: the api is asked by few at a time, and by all in the end.
#[test]
fn keepers_take_turns() {
    let (runtime, shared) = hub();
    let mut pump = Pump::new(shared.clone());
    pump.begin(&stream(1, 0));
    let people: Vec<UserId> = (0..5 * arrivals::AT_ONCE_MAX).map(|_| UserId::new()).collect();
    let (gate, asked) = (Arc::new(Semaphore::new(0)), Arc::new(AtomicUsize::new(0)));
    let come = |user: &UserId| {
        let (gate, asked) = (gate.clone(), asked.clone());
        let reach = sync(*user, shared.position(), &HashMap::new(), &[]);
        let answer = reach.clone();
        let revalidate: RevalidateFn = Arc::new(move || {
            let (gate, answer) = (gate.clone(), answer.clone());
            asked.fetch_add(1, Ordering::Relaxed);
            Box::pin(async move {
                gate.acquire().await.unwrap().forget();
                Ok(answer)
            })
        });
        let reader = Reader { revalidate, ..reader(reach) };
        runtime.block_on(open(&shared, reader, None, None)).unwrap()
    };
    let _pages: Vec<_> = people.iter().map(come).collect();
    let settle = || {
        runtime.block_on(async {
            for _ in 0..200 {
                tokio::task::yield_now().await;
            }
        });
        asked.load(Ordering::Relaxed)
    };
    assert_eq!(settle(), 0);
    shared.state().resync_channel(ChannelId::new(), ResyncReason::Gap);
    assert_eq!(settle(), arrivals::AT_ONCE_MAX);
    gate.add_permits(1);
    assert_eq!(settle(), arrivals::AT_ONCE_MAX + 1);
    // Whoever was in doubt asks once more after a while.
    gate.add_permits(10 * people.len());
    settle();
    assert!(people.iter().all(|user| !shared.state().is_held(*user)), "all have an answer");
}

#[test]
fn a_token_that_the_api_refuses_ends_its_streams_and_one_it_has_no_time_for_does_not() {
    let problem = |status| Box::new(Problem::new(status, "x", "X"));
    let answered = |status| RevalidateError::from(ClientError::Problem(problem(status)));
    for (answer, ends) in [
        (answered(403), Some(CloseReason::Aged)),
        (answered(401), Some(CloseReason::SignedOut)),
        (answered(429), None),
        (answered(503), None),
    ] {
        let (runtime, shared) = hub();
        Pump::new(shared.clone()).begin(&stream(1, 0));
        let reach = sync(UserId::new(), shared.position(), &HashMap::new(), &[]);
        let expected = answer.clone();
        let revalidate: RevalidateFn = Arc::new(move || {
            let answer = answer.clone();
            Box::pin(async move { Err(answer) })
        });
        let reader = Reader { revalidate, ..reader(reach) };
        let token = reader.token.clone();
        let mut page = runtime.block_on(open(&shared, reader, None, None)).unwrap();
        shared.state().resync_channel(ChannelId::new(), ResyncReason::Gap);
        runtime.block_on(async {
            for _ in 0..50 {
                tokio::task::yield_now().await;
            }
        });
        let told = std::iter::from_fn(|| page.try_next()).last();
        let closed = match told {
            Some(Signal::Close { reason, .. }) => Some(reason),
            _ => None,
        };
        assert_eq!(closed, ends, "{expected}");
        assert_eq!(shared.state().session(&token).is_some(), ends.is_none(), "{expected}");
    }
    let busy = Problem { retry_after: Some(7), ..*problem(429) };
    let error = RevalidateError::from(ClientError::Problem(Box::new(busy.clone())));
    assert_eq!(Problem::from(error), busy, "whoever comes is told all of it");
}
