//! Readers who come at an awkward moment, and rights that change where nobody sees it.

use std::collections::HashMap;
use std::time::Instant;

use futures::FutureExt as _;

use super::world::{World, drain, member, sync};
use crate::events::{Event, MemberScope};
use crate::hub::ResyncReason;
use crate::hub::connection::in_order;
use crate::hub::delivery::Scope;
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
        world.sit(&of(bob, vec![]), Some(room), None);
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
        assert_eq!(asked.collect::<Vec<_>>(), [true, true, everybody]);
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
    world.state.reconcile(ada, &sync(ada, now, &places(vec![]), &[]));
    assert_eq!(drain(&queue), ["membership"]);
    world.write(Some(community), room);
    // Its event, which comes after all, takes away nothing more.
    world.happen(
        Scope::Channel(Some(community), room),
        Event::MemberRemoved(member(MemberScope::Channel, ada)),
    );
    let now = world.state.position;
    world.state.reconcile(ada, &sync(ada, now, &places(vec![]), &[]));
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
