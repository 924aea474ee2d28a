//! Readers who come at an awkward moment, and rights that change where nobody sees it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::FutureExt as _;

use super::world::{World, channel, drain, member, sync};
use crate::channel::Visibility;
use crate::events::{ChannelChanged, Event, MemberScope};
use crate::hub::delivery::Scope;
use crate::hub::queue::Item;
use crate::hub::replay::in_order;
use crate::hub::{CloseReason, Delivery, ResyncReason};
use crate::id::{ChannelId, CommunityId, UserId};
use crate::position::Position;

#[test]
fn an_event_and_the_position_after_it_come_together() {
    let mut world = World::new();
    let dm = ChannelId::new();
    let next = world.delivery(Scope::Channel(None, dm), World::message(dm));
    world.state.hand_out(next.clone(), Instant::now());
    assert_eq!(world.state.position, next.position, "whoever attaches now has it behind it");
}

#[test]
fn what_was_handed_out_early_is_there_for_those_who_come_before_its_place() {
    let mut world = World::new();
    let (dm, ada) = (ChannelId::new(), UserId::new());
    let scope = Scope::Channel(None, dm);
    let start = sync(ada, world.state.position, &HashMap::new(), &[dm]);
    let before = world.sit(&start, None, None);
    let late = world.delivery(scope, World::message(dm));
    let early = world.again(&late, world.state.position);
    world.state.hand_out_early(early.clone());
    let waited = world.write(None, dm);
    let after = world.sit(&start, None, None);
    assert_eq!((drain(&before), drain(&after)), (vec!["message", "message"], vec![]));

    // What the second reader begins with: the early one first, although its place in the stream is the last.
    let replay = in_order(
        Position { epoch: 1, seq: 0 },
        world.state.early().cloned().collect(),
        world.state.ring.after(0).cloned().collect(),
    );
    let ids: Vec<_> = replay.iter().map(|delivery| delivery.envelope.id).collect();
    assert_eq!(replay.iter().map(|of| of.position.seq).collect::<Vec<_>>(), [0, waited.seq]);
    assert_eq!(ids[0], late.envelope.id);

    assert!(world.state.is_early(late.envelope.id));
    let place = Position { seq: waited.seq + 1, ..waited };
    world.state.remember(world.again(&late, place), Instant::now());
    assert_eq!((world.state.early().count(), world.state.position), (0, place));
    assert_eq!(world.state.ring.after(0).count(), 2);
    assert_eq!((drain(&before), drain(&after)), (vec![], vec![]), "nobody gets it twice");
}

#[test]
fn lost_events_put_the_rights_of_their_readers_in_doubt() {
    let (community, room, other) = (CommunityId::new(), ChannelId::new(), ChannelId::new());
    let [ada, bob, eve] = [(); 3].map(|()| UserId::new());
    for everybody in [false, true] {
        let mut world = World::new();
        let of = |user, channels| {
            sync(user, Position { epoch: 1, seq: 0 }, &HashMap::from([(community, channels)]), &[])
        };
        world.sit(&of(ada, vec![room]), None, None);
        let guest = world.sit(&of(bob, vec![]), Some(room), None);
        world.sit(&of(eve, vec![other]), None, None);
        for channel in [room, other] {
            world.state.rosters.learn(channel, [ada].into_iter());
        }
        if everybody {
            world.state.restart(Position { epoch: 2, seq: 5 }, ResyncReason::Epoch);
        } else {
            world.state.resync_channel(room, ResyncReason::Gap);
        }
        let asked = world.doubts.iter().map(|doubt| doubt.notified().now_or_never().is_some());
        assert_eq!(asked.collect::<Vec<_>>(), [true; 3], "what is missing may have let anybody in");
        assert_eq!(guest.closed(), Some(CloseReason::Aged), "it comes back, and is looked at anew");
        let known = [room, other].map(|channel| world.state.rosters.contains(channel, ada));
        assert_eq!(known, [false, !everybody]);
    }
}

#[test]
fn whoever_lost_a_place_without_its_event_draws_anew() {
    let mut world = World::new();
    let (community, room, ada) = (CommunityId::new(), ChannelId::new(), UserId::new());
    let places = |channels| HashMap::from([(community, channels)]);
    let start = world.state.position;
    let queue = world.sit(&sync(ada, start, &places(vec![room]), &[]), None, None);
    world.write(Some(community), room);
    let now = world.state.position;
    world.state.reconcile(ada, &sync(ada, now, &places(vec![]), &[]), world.state.era());
    assert_eq!(drain(&queue), ["membership"]);
    world.write(Some(community), room);
    // Its event, which comes after all, takes away nothing more.
    world.happen(
        Scope::Channel(Some(community), room),
        Event::MemberRemoved(member(MemberScope::Channel, ada)),
    );
    let now = world.state.position;
    world.state.reconcile(ada, &sync(ada, now, &places(vec![]), &[]), world.state.era());
    assert_eq!(drain(&queue), ["event"]);
}

#[test]
fn an_early_event_about_somebody_is_not_the_last_word() {
    let mut world = World::new();
    let (community, room, ada) = (CommunityId::new(), ChannelId::new(), UserId::new());
    let start = sync(ada, world.state.position, &HashMap::from([(community, vec![room])]), &[]);
    world.sit(&start, None, None);
    let kick = world.delivery(
        Scope::Channel(Some(community), room),
        Event::MemberRemoved(member(MemberScope::Channel, ada)),
    );
    let early = world.again(&kick, world.state.position);
    world.state.hand_out_early(early);
    world.sit(&start, None, None);
    let asked = world.doubts.iter().map(|doubt| doubt.notified().now_or_never());
    assert_eq!(asked.collect::<Vec<_>>(), [Some(()); 2], "those who were there and who comes now");
}

#[test]
fn an_answer_from_before_everything_began_anew_undoes_no_kick() {
    let mut world = World::new();
    let (community, room, ada) = (CommunityId::new(), ChannelId::new(), UserId::new());
    let start = sync(ada, world.state.position, &HashMap::from([(community, vec![room])]), &[]);
    let first = world.sit(&start, None, None);
    let era = world.state.era();
    world.happen(
        Scope::Channel(Some(community), room),
        Event::MemberRemoved(member(MemberScope::Channel, ada)),
    );
    world.state.restart(Position { epoch: 2, seq: 0 }, ResyncReason::Epoch);
    world.state.reconcile(ada, &start, era);
    // Somebody may even come with it.
    let second = world.sit(&start, None, None);
    world.release(ada);
    assert_eq!(drain(&first), ["epoch"]);
    world.write(Some(community), room);
    assert_eq!((drain(&first), drain(&second)), (vec![], vec![]));
}

#[test]
fn a_channel_that_was_made_private_lately_takes_no_guests() {
    let mut world = World::new();
    let (community, room) = (CommunityId::new(), ChannelId::new());
    let looked = world.state.losses();
    assert!(!world.state.is_closed(room, looked));
    for visibility in [Visibility::Private, Visibility::Public] {
        let channel = channel(room, Some(community), visibility);
        let change = ChannelChanged { channel, member_ids: vec![] };
        world.happen(Scope::Channel(Some(community), room), Event::ChannelUpdated(change));
        let is_private = visibility == Visibility::Private;
        assert_eq!(world.state.is_closed(room, looked), is_private);
        let looks_now = world.state.losses();
        assert!(!world.state.is_closed(room, looks_now), "whoever looks now knows");
    }
}

/// One of two that turn a room was missing and is handed out early: which is the newer one says the channel.
#[test]
fn the_newest_word_about_a_channel_is_the_last_in_the_channel() {
    for early_is_newer in [false, true] {
        let mut world = World::new();
        let (community, room) = (CommunityId::new(), ChannelId::new());
        let (scope, looked) = (Scope::Channel(Some(community), room), world.state.losses());
        let turned = |world: &World, visibility, seq| {
            let channel = channel(room, Some(community), visibility);
            let change = ChannelChanged { channel, member_ids: vec![] };
            let delivery = world.delivery(scope, Event::ChannelUpdated(change));
            let envelope = delivery.envelope.clone().in_channel(Some(community), room, seq);
            let position = delivery.position;
            Arc::new(Delivery::new(world.renderer.clone(), position, scope, envelope, 100))
        };
        let closing = turned(&world, Visibility::Private, 2);
        let opening = turned(&world, Visibility::Public, if early_is_newer { 3 } else { 1 });
        world.state.hand_out(closing, Instant::now());
        world.state.hand_out_early(opening);
        assert_eq!(world.state.is_closed(room, looked), !early_is_newer);
    }
}

/// The event of the channel overtook that of the community, so it was not believed; the page was told all the same.
#[test]
fn what_came_between_a_join_and_its_belief_is_not_lost() {
    for by_another_stream in [false, true] {
        let mut world = World::new();
        let (community, room, ada) = (CommunityId::new(), ChannelId::new(), UserId::new());
        let queue = world.sit(&sync(ada, world.state.position, &HashMap::new(), &[]), None, None);
        world.happen(
            Scope::Channel(Some(community), room),
            Event::MemberJoined(member(MemberScope::Channel, ada)),
        );
        world.write(Some(community), room);
        assert!(drain(&queue).is_empty(), "the cursor stays before what may be the reader's");
        let places = HashMap::from([(community, vec![room])]);
        let answer = sync(ada, world.state.position, &places, &[]);
        if by_another_stream {
            let other = world.sit(&answer, None, None);
            assert!(drain(&other).is_empty());
        } else {
            world.state.reconcile(ada, &answer, world.state.era());
        }
        world.release(ada);
        assert_eq!(drain(&queue), ["membership"]);
    }
}

/// The same, but the api was away so long that what came is remembered no more.
#[test]
fn a_past_that_is_forgotten_may_have_held_anything() {
    let mut world = World::new();
    let (community, room, ada) = (CommunityId::new(), ChannelId::new(), UserId::new());
    let queue = world.sit(&sync(ada, world.state.position, &HashMap::new(), &[]), None, None);
    let join = Event::MemberJoined(member(MemberScope::Channel, ada));
    world.happen(Scope::Channel(Some(community), room), join);
    world.write(Some(community), room);
    world.state.expire(Instant::now() + Duration::from_mins(11));
    let places = HashMap::from([(community, vec![room])]);
    let answer = sync(ada, world.state.position, &places, &[]);
    world.state.reconcile(ada, &answer, world.state.era());
    world.release(ada);
    assert_eq!(drain(&queue), ["membership"]);
}

#[test]
fn who_comes_while_a_person_is_in_doubt_asks_as_well() {
    let mut world = World::new();
    let (community, ada) = (CommunityId::new(), UserId::new());
    world.sit(&sync(ada, world.state.position, &HashMap::new(), &[]), None, None);
    let join = Event::MemberJoined(member(MemberScope::Community, ada));
    world.happen(Scope::Community(community), join);
    let places = HashMap::from([(community, vec![])]);
    world.sit(&sync(ada, world.state.position, &places, &[]), None, None);
    let asked = world.doubts.iter().map(|doubt| doubt.notified().now_or_never());
    assert_eq!(asked.collect::<Vec<_>>(), [Some(()); 2], "the first may go before its answer");
}

#[test]
fn who_types_is_not_told_after_a_doubt() {
    let mut world = World::new();
    let (community, room, ada) = (CommunityId::new(), ChannelId::new(), UserId::new());
    let places = HashMap::from([(community, vec![room])]);
    let queue = world.sit(&sync(ada, world.state.position, &places, &[]), None, None);
    queue.hold();
    let scope = Scope::Channel(Some(community), room);
    let said = world.delivery(scope, World::message(room));
    queue.push(Item::Typing(Arc::new(said.envelope.clone())));
    queue.push(Item::Event(said));
    queue.release(|_| true);
    assert_eq!(drain(&queue), ["message"], "whether it is still theirs was not asked");
}

#[test]
fn an_answer_older_than_what_is_remembered_undoes_no_kick() {
    let mut world = World::new();
    let (community, room, ada) = (CommunityId::new(), ChannelId::new(), UserId::new());
    let start = sync(ada, world.state.position, &HashMap::from([(community, vec![room])]), &[]);
    let first = world.sit(&start, None, None);
    world.happen(
        Scope::Channel(Some(community), room),
        Event::MemberRemoved(member(MemberScope::Channel, ada)),
    );
    // Everything begins anew without a new epoch.
    world.state.restart(world.state.position, ResyncReason::Window);
    world.release(ada);
    drain(&first);
    let second = world.sit(&start, None, None);
    world.write(Some(community), room);
    assert_eq!((drain(&first), drain(&second)), (vec![], vec![]));
    let asked = world.doubts.iter().map(|doubt| doubt.notified().now_or_never());
    assert_eq!(asked.collect::<Vec<_>>(), [Some(()); 2], "the api has the last word");
}

#[test]
fn what_an_event_leaves_open_is_open_for_who_comes_after_it_too() {
    let mut world = World::new();
    let (community, ada) = (CommunityId::new(), UserId::new());
    let start = sync(ada, world.state.position, &HashMap::new(), &[]);
    world.happen(
        Scope::Community(community),
        Event::MemberJoined(member(MemberScope::Community, ada)),
    );
    let token = World::token("Bearer ada");
    world.sit_with(&token, &start, None, None);
    assert!(world.doubts[0].notified().now_or_never().is_some());
    assert!(world.state.known(&token, Instant::now()).is_none());
}

#[test]
fn a_guest_who_was_let_in_before_something_was_lost_is_looked_at_anew() {
    let mut world = World::new();
    let [room, other] = [(); 2].map(|()| ChannelId::new());
    let looked = world.state.losses();
    world.state.resync_channel(other, ResyncReason::Gap);
    assert!(!world.state.has_lost(room, looked));
    world.state.resync_channel(room, ResyncReason::Gap);
    assert!(world.state.has_lost(room, looked));
    let looked = world.state.losses();
    assert!(!world.state.has_lost(room, looked));
    world.state.restart(Position { epoch: 2, seq: 0 }, ResyncReason::Epoch);
    assert!(world.state.has_lost(room, looked));
}

/// Somebody is let into a room by an event that was lost: the stream says nothing of it, and moves no cursor past what follows.
#[test]
fn a_join_that_was_lost_leaves_no_hole_behind_the_cursor() {
    for everything in [false, true] {
        let mut world = World::new();
        let (community, room, ada) = (CommunityId::new(), ChannelId::new(), UserId::new());
        let places = |channels| HashMap::from([(community, channels)]);
        let queue = world.sit(&sync(ada, world.state.position, &places(vec![]), &[]), None, None);
        if everything {
            world.state.restart(Position { epoch: 2, seq: 0 }, ResyncReason::Epoch);
        } else {
            world.state.resync_channel(room, ResyncReason::Gap);
        }
        world.write(Some(community), room);
        world.happen(Scope::Community(community), World::message(ChannelId::new()));
        assert!(drain(&queue).is_empty());
        let answer = sync(ada, world.state.position, &places(vec![room]), &[]);
        world.state.reconcile(ada, &answer, world.state.era());
        world.release(ada);
        assert_eq!(drain(&queue), [if everything { "epoch" } else { "membership" }]);
        world.write(Some(community), room);
        assert_eq!(drain(&queue), ["message"]);
    }
}

/// The first stream did not believe the join, because nobody knew of the community. With the answer that the second one brings the same
/// event is believed: the first has missed what followed it.
#[test]
fn what_a_second_stream_brings_to_light_is_not_kept_from_the_first() {
    let mut world = World::new();
    let (community, room, ada) = (CommunityId::new(), ChannelId::new(), UserId::new());
    let nothing = sync(ada, world.state.position, &HashMap::new(), &[]);
    let first = world.sit(&nothing, None, None);
    let answer = sync(ada, world.state.position, &HashMap::from([(community, vec![])]), &[]);
    let scope = Scope::Channel(Some(community), room);
    world.happen(scope, Event::MemberJoined(member(MemberScope::Channel, ada)));
    world.write(Some(community), room);
    world.release(ada);
    assert_eq!(drain(&first), ["event"]);
    world.sit(&answer, None, None);
    world.release(ada);
    assert_eq!(drain(&first), ["membership"]);
}

/// The events after the answer say too little: whoever comes with it is asked about once more, and waits.
#[test]
fn a_join_that_cannot_be_believed_is_asked_about_even_if_it_came_before_the_reader() {
    let mut world = World::new();
    let (community, room, ada) = (CommunityId::new(), ChannelId::new(), UserId::new());
    let old = sync(ada, world.state.position, &HashMap::new(), &[]);
    let scope = Scope::Channel(Some(community), room);
    world.happen(scope, Event::MemberJoined(member(MemberScope::Channel, ada)));
    let queue = world.sit(&old, None, None);
    assert!(world.doubts[0].notified().now_or_never().is_some());
    world.write(Some(community), room);
    let now = sync(ada, world.state.position, &HashMap::from([(community, vec![room])]), &[]);
    world.state.reconcile(ada, &now, world.state.era());
    world.release(ada);
    assert_eq!(drain(&queue), ["membership"]);
}

#[test]
fn what_waited_for_an_answer_is_looked_at_once_more() {
    let mut world = World::new();
    let (community, room, ada) = (CommunityId::new(), ChannelId::new(), UserId::new());
    let places = HashMap::from([(community, vec![room])]);
    let queue = world.sit(&sync(ada, world.state.position, &places, &[]), None, None);
    let other = Event::MemberJoined(member(MemberScope::Community, ada));
    world.happen(Scope::Community(CommunityId::new()), other);
    world.write(Some(community), room);
    let kick = Event::MemberRemoved(member(MemberScope::Channel, ada));
    world.happen(Scope::Channel(Some(community), room), kick);
    let before = world.state.doubts(ada) - 1;
    world.state.release(ada, before);
    assert!(drain(&queue).is_empty(), "an answer to an older question");
    world.release(ada);
    assert_eq!(drain(&queue), ["event", "event"], "the join and the kick, not the message");
}

#[test]
fn whoever_comes_back_from_before_a_hole_draws_anew() {
    let mut world = World::new();
    let dm = ChannelId::new();
    world.write(None, dm);
    world.state.resync_channel(dm, ResyncReason::Gap);
    world.write(None, dm);
    assert_eq!([0, 1, 2].map(|seq| world.state.has_hole(seq)), [true, true, false]);
}
