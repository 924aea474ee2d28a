//! Who gets what, over random histories and without a server.

mod doubts;
mod draining;
mod following;
mod kept;
mod property;
mod world;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{RngExt as _, SeedableRng as _};
use time::OffsetDateTime;

use super::delivery::Scope;
use super::queue::{self, Item, Next};
use super::{CloseReason, ResyncReason, replay, ring};
use crate::channel::Visibility;
use crate::events::{
    ChannelChanged, Envelope, Event, MemberScope, MessageDeleted, SessionRevoked, Typing,
};
use crate::id::{ChannelId, CommunityId, MessageId, SessionId, UserId};
use crate::position::Position;
use crate::sync::Reach;
use world::{World, channel, drain, member, message, person, sync};

/// What ends a visit.
type End = fn(CommunityId, ChannelId, UserId) -> (Scope, Event);

/// Random joins, kicks and messages; the api's answers come late by any amount. Whoever is in the channel at a message's place in the
/// stream gets it, and nobody else.
#[test]
fn messages_reach_exactly_the_members_at_their_place_in_the_stream() {
    for seed in 0..200 {
        let mut random = StdRng::seed_from_u64(seed);
        let mut world = World::new();
        let communities = [CommunityId::new(), CommunityId::new()];
        let home: HashMap<ChannelId, CommunityId> =
            (0..6).map(|n| (ChannelId::new(), communities[n % 2])).collect();
        let channels: Vec<ChannelId> = home.keys().copied().collect();
        let people: Vec<UserId> = (0..4).map(|_| UserId::new()).collect();
        let mut joined: HashSet<(UserId, ChannelId)> = HashSet::new();
        let mut inside: HashSet<(UserId, CommunityId)> = HashSet::new();
        // What the api would have answered at each position.
        let mut answers: Vec<HashMap<UserId, Reach>> = Vec::new();
        let answer = |at: Position,
                      inside: &HashSet<(UserId, CommunityId)>,
                      joined: &HashSet<(UserId, ChannelId)>| {
            let of = |user: UserId| {
                let mut places: HashMap<CommunityId, Vec<ChannelId>> = inside
                    .iter()
                    .filter(|(who, _)| *who == user)
                    .map(|(_, id)| (*id, Vec::new()))
                    .collect();
                for (_, channel) in joined.iter().filter(|(who, _)| *who == user) {
                    places.entry(home[channel]).or_default().push(*channel);
                }
                sync(user, at, &places, &[])
            };
            people.iter().map(|user| (*user, of(*user))).collect::<HashMap<_, _>>()
        };
        answers.push(answer(world.state.position, &inside, &joined));
        for _ in 0..200 {
            let user = *people.choose(&mut random).unwrap();
            let channel = *channels.choose(&mut random).unwrap();
            let community = home[&channel];
            match random.random_range(0..12) {
                0 | 1 if !inside.contains(&(user, community)) => {
                    inside.insert((user, community));
                    world.happen(
                        Scope::Community(community),
                        Event::MemberJoined(member(MemberScope::Community, user)),
                    );
                }
                0..=4 if inside.contains(&(user, community)) => {
                    joined.insert((user, channel));
                    world.happen(
                        Scope::Channel(Some(community), channel),
                        Event::MemberJoined(member(MemberScope::Channel, user)),
                    );
                }
                5 | 6 => {
                    joined.remove(&(user, channel));
                    world.happen(
                        Scope::Channel(Some(community), channel),
                        Event::MemberRemoved(member(MemberScope::Channel, user)),
                    );
                }
                7 if random.random_bool(0.3) => {
                    inside.remove(&(user, community));
                    joined.retain(|(who, channel)| *who != user || home[channel] != community);
                    world.happen(
                        Scope::Community(community),
                        Event::MemberLeft(member(MemberScope::Community, user)),
                    );
                }
                8 => {
                    // An old answer arrives, for a stream that is open or for a new one.
                    let old = answers.choose(&mut random).unwrap()[&user].clone();
                    if random.random_bool(0.5) {
                        world.state.reconcile(user, &old, world.state.era());
                    } else {
                        world.sit(&old, None, None);
                    }
                }
                9 if !world.seats.is_empty() => {
                    let (who, id, _) =
                        world.seats.swap_remove(random.random_range(0..world.seats.len()));
                    world.state.detach(who, id);
                }
                _ => {
                    for user in &people {
                        world.release(*user);
                    }
                    world.seats.iter().for_each(|(_, _, queue)| drop(drain(queue)));
                    world.write(Some(community), channel);
                    for (who, _, queue) in &world.seats {
                        let expected = if joined.contains(&(*who, channel)) {
                            vec!["message"]
                        } else {
                            vec![]
                        };
                        assert_eq!(drain(queue), expected, "seed {seed}");
                    }
                }
            }
            answers.push(answer(world.state.position, &inside, &joined));
        }
    }
}

#[test]
fn nothing_comes_after_a_kick_but_the_kick() {
    let mut world = World::new();
    let (community, room, ada) = (CommunityId::new(), ChannelId::new(), UserId::new());
    let start = sync(ada, world.state.position, &HashMap::from([(community, vec![room])]), &[]);
    let queue = world.sit(&start, None, None);
    world.write(Some(community), room);
    assert_eq!(drain(&queue), ["message"]);
    world.happen(
        Scope::Channel(Some(community), room),
        Event::MemberRemoved(member(MemberScope::Channel, ada)),
    );
    world.write(Some(community), room);
    // The answer of the api from before the kick does not undo it.
    world.state.reconcile(ada, &start, world.state.era());
    world.write(Some(community), room);
    assert_eq!(drain(&queue), ["event"]);
}

#[test]
fn joining_a_channel_counts_for_nothing_after_leaving_its_community() {
    let mut world = World::new();
    let (community, room, ada) = (CommunityId::new(), ChannelId::new(), UserId::new());
    let queue = world.sit(
        &sync(ada, world.state.position, &HashMap::from([(community, vec![])]), &[]),
        None,
        None,
    );
    world.happen(
        Scope::Community(community),
        Event::MemberRemoved(member(MemberScope::Community, ada)),
    );
    world.happen(
        Scope::Channel(Some(community), room),
        Event::MemberJoined(member(MemberScope::Channel, ada)),
    );
    drain(&queue);
    world.write(Some(community), room);
    assert!(drain(&queue).is_empty());
}

#[test]
fn a_direct_message_reaches_whom_its_first_event_names() {
    let mut world = World::new();
    let (dm, ada, bob, eve) = (ChannelId::new(), UserId::new(), UserId::new(), UserId::new());
    let nothing = HashMap::new();
    let queues = [ada, bob, eve].map(|user| {
        world.sit(&sync(user, Position { epoch: 1, seq: 0 }, &nothing, &[]), None, None)
    });
    let created = ChannelChanged {
        channel: channel(dm, None, Visibility::Private),
        member_ids: vec![ada, bob],
    };
    world.happen(Scope::Channel(None, dm), Event::ChannelCreated(created));
    world.write(None, dm);
    assert_eq!(
        queues.map(|queue| drain(&queue)),
        [vec!["event", "message"], vec!["event", "message"], vec![]]
    );
}

#[test]
fn a_guest_reads_a_public_channel_until_it_is_private_or_the_community_is_left() {
    let (community, room, ada) = (CommunityId::new(), ChannelId::new(), UserId::new());
    let ends: [End; 2] = [
        |community, room, _| {
            let change = ChannelChanged {
                channel: channel(room, Some(community), Visibility::Private),
                member_ids: vec![],
            };
            (Scope::Channel(Some(community), room), Event::ChannelUpdated(change))
        },
        |community, _, ada| {
            (Scope::Community(community), Event::MemberLeft(member(MemberScope::Community, ada)))
        },
    ];
    for (end, sent_back) in ends.into_iter().zip([true, false]) {
        let mut world = World::new();
        let start = sync(ada, world.state.position, &HashMap::from([(community, vec![])]), &[]);
        let (guest, other) = (world.sit(&start, Some(room), None), world.sit(&start, None, None));
        world.write(Some(community), room);
        assert_eq!((drain(&guest), drain(&other)), (vec!["message"], vec![]));
        let (scope, event) = end(community, room, ada);
        world.happen(scope, event);
        // It comes back and is told; the stream must not go on with a hole.
        assert_eq!(guest.closed(), sent_back.then_some(CloseReason::Aged));
        drain(&guest);
        world.write(Some(community), room);
        assert_eq!(drain(&guest), if sent_back { vec!["closed"] } else { vec![] });
        assert_eq!(other.closed(), None);
    }
}

#[test]
fn typing_reaches_the_others_in_the_channel_only() {
    let mut world = World::new();
    let (community, room) = (CommunityId::new(), ChannelId::new());
    let (ada, bob, eve) = (UserId::new(), UserId::new(), UserId::new());
    let member_of = |user, channels: Vec<ChannelId>| {
        sync(user, Position { epoch: 1, seq: 0 }, &HashMap::from([(community, channels)]), &[])
    };
    let queues = [
        world.sit(&member_of(ada, vec![room]), None, None),
        world.sit(&member_of(bob, vec![room]), None, None),
        world.sit(&member_of(eve, vec![]), Some(room), None),
    ];
    let typing =
        Event::TypingStarted(Typing { channel_id: room, parent_id: None, user: person(ada) });
    world.state.hand_out_typing(
        room,
        &Arc::new(Envelope::new(typing, Some(ada), OffsetDateTime::UNIX_EPOCH)),
    );
    assert_eq!(queues.map(|queue| drain(&queue)), [vec![], vec!["typing"], vec![]]);
}

#[test]
fn a_revoked_session_takes_its_own_streams_along() {
    let mut world = World::new();
    let (ada, one, two) = (UserId::new(), SessionId::new(), SessionId::new());
    let start = sync(ada, world.state.position, &HashMap::new(), &[]);
    let queues = [Some(one), Some(two), None].map(|session| world.sit(&start, None, session));
    world.happen(
        Scope::Person(ada),
        Event::SessionRevoked(SessionRevoked { session_id: Some(one) }),
    );
    assert_eq!(
        queues.each_ref().map(|queue| queue.closed()),
        [Some(CloseReason::SignedOut), None, None]
    );
    world.happen(Scope::Person(ada), Event::SessionRevoked(SessionRevoked { session_id: None }));
    assert_eq!(
        queues.map(|queue| queue.closed()),
        [Some(CloseReason::SignedOut), Some(CloseReason::SignedOut), None]
    );
}

#[test]
fn a_slow_reader_is_told_once_and_then_gets_what_follows() {
    let mut world = World::new();
    let (dm, ada) = (ChannelId::new(), UserId::new());
    let queue = world.sit(&sync(ada, world.state.position, &HashMap::new(), &[dm]), None, None);
    for _ in 0..queue::EVENTS_MAX + 10 {
        world.write(None, dm);
    }
    assert_eq!(drain(&queue), ["overflow"]);
    world.write(None, dm);
    assert_eq!(drain(&queue), ["message"]);
}

#[test]
fn a_new_epoch_empties_the_past_and_tells_everybody() {
    let mut world = World::new();
    let (dm, ada) = (ChannelId::new(), UserId::new());
    let queue = world.sit(&sync(ada, world.state.position, &HashMap::new(), &[dm]), None, None);
    world.write(None, dm);
    world.state.restart(Position { epoch: 2, seq: 100 }, ResyncReason::Epoch);
    assert!(drain(&queue).is_empty(), "before the api has said what may be seen");
    world.release(ada);
    assert_eq!(drain(&queue), ["epoch"]);
    assert_eq!((world.state.ring.floor(), world.state.ring.after(0).count()), (100, 0));
    world.write(None, dm);
    assert_eq!(drain(&queue), ["message"]);
}

#[test]
fn the_ring_forgets_the_oldest_and_knows_from_where() {
    let mut world = World::new();
    let dm = ChannelId::new();
    for _ in 0..ring::EVENTS_MAX + 5 {
        world.write(None, dm);
    }
    let ring = &world.state.ring;
    assert_eq!(ring.floor(), 5);
    assert_eq!(ring.after(5).count(), ring::EVENTS_MAX);
    assert_eq!(
        ring.after(10_000).map(|delivery| delivery.position.seq).collect::<Vec<_>>(),
        [10_001, 10_002, 10_003, 10_004, 10_005]
    );
}

#[test]
fn a_replay_keeps_the_place_of_a_deleted_message_but_not_its_words() {
    let mut world = World::new();
    let (dm, ada, id) = (ChannelId::new(), UserId::new(), MessageId::new());
    let scope = Scope::Channel(None, dm);
    let kept = Event::MessageCreated(message(MessageId::new(), dm, ada));
    let deleted = MessageDeleted {
        message_id: id,
        parent_id: None,
        message_seq: 1,
        author_id: ada,
        deleted_at: OffsetDateTime::UNIX_EPOCH,
    };
    world.happen(scope, Event::MessageCreated(message(id, dm, ada)));
    world.happen(scope, Event::MessageEdited(message(id, dm, ada)));
    world.happen(scope, kept.clone());
    world.happen(scope, Event::MessageDeleted(deleted));
    let batch =
        replay::without_deleted(&world.renderer, world.state.ring.after(0).cloned().collect());
    let names: Vec<_> = batch
        .iter()
        .map(|delivery| (delivery.position.seq, delivery.envelope.event.name()))
        .collect();
    assert_eq!(names, [(1, "message.created"), (3, "message.created"), (4, "message.deleted")]);
    let Event::MessageCreated(tombstone) = &batch[0].envelope.event else {
        panic!("not a message")
    };
    assert_eq!(
        (tombstone.body_md.as_str(), tombstone.deleted_at, tombstone.seq),
        ("", Some(OffsetDateTime::UNIX_EPOCH), 1)
    );
    assert_eq!(batch[1].envelope.event, kept);
}

#[test]
fn shared_bytes_are_made_once() {
    let mut world = World::new();
    let (dm, ada) = (ChannelId::new(), UserId::new());
    let start = sync(ada, world.state.position, &HashMap::new(), &[dm]);
    let queues = [world.sit(&start, None, None), world.sit(&start, None, None)];
    world.write(None, dm);
    let bytes = queues.map(|queue| match queue.next() {
        Next::Item(Item::Event(delivery)) => delivery.bytes(0).cloned().unwrap(),
        _ => panic!("no event"),
    });
    assert_eq!(bytes[0].as_ptr(), bytes[1].as_ptr());
    assert_eq!(&bytes[0][..], b"1.1 message.created");
}

#[test]
fn whoever_gains_a_channel_without_its_event_draws_anew_if_something_was_missed() {
    for written in [false, true] {
        let mut world = World::new();
        let (community, room, ada) = (CommunityId::new(), ChannelId::new(), UserId::new());
        let places = |channels| HashMap::from([(community, channels)]);
        let start = world.state.position;
        let queue = world.sit(&sync(ada, start, &places(vec![]), &[]), None, None);
        if written {
            world.write(Some(community), room);
        }
        world.state.reconcile(ada, &sync(ada, start, &places(vec![room]), &[]), world.state.era());
        world.write(Some(community), room);
        let expected: &[&str] = if written { &["membership"] } else { &["message"] };
        assert_eq!(drain(&queue), expected);
    }
}
