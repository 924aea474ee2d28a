//! Readers whose stream broke off: what is kept of them, and what is not.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::FutureExt as _;

use super::world::{World, drain, member, person, sync};
use crate::events::{Event, MemberScope, SessionRevoked};
use crate::hub::delivery::Scope;
use crate::hub::sessions::{KEPT_FOR, KEPT_MAX, Session, Sessions};
use crate::hub::{CloseReason, ResyncReason, Token};
use crate::id::{ChannelId, CommunityId, SessionId, UserId};
use crate::position::Position;

/// Somebody in a room of a community whose stream has just broken off.
struct Away {
    world: World,
    token: Token,
    community: CommunityId,
    room: ChannelId,
    ada: UserId,
    session: SessionId,
}

impl Away {
    fn new() -> Self {
        let mut away = Self::here();
        away.world.leave(away.ada);
        away
    }

    fn here() -> Self {
        let mut world = World::new();
        let (community, room, ada, session) =
            (CommunityId::new(), ChannelId::new(), UserId::new(), SessionId::new());
        let places = HashMap::from([(community, vec![room])]);
        let token = World::token("Bearer ada");
        let reach = sync(ada, world.state.position, &places, &[]);
        world.sit_with(&token, &reach, None, Some(session));
        Self { world, token, community, room, ada, session }
    }

    fn scope(&self) -> Scope {
        Scope::Channel(Some(self.community), self.room)
    }
}

#[test]
fn whoever_comes_back_is_known_and_goes_on() {
    let mut away = Away::new();
    assert_eq!(away.world.state.readers(away.room).count(), 0, "nobody reads it meanwhile");
    assert!(away.world.state.access(away.ada).is_none());
    away.world.write(Some(away.community), away.room);
    let queue = away.world.come_back(&away.token).unwrap();
    assert!(drain(&queue).is_empty(), "what was missed is the replay's");
    away.world.write(Some(away.community), away.room);
    assert_eq!(drain(&queue), ["message"]);
    assert!(away.world.come_back(&World::token("Bearer eve")).is_none());
}

#[test]
fn a_kick_meanwhile_holds() {
    let mut away = Away::new();
    let scope = away.scope();
    away.world.happen(scope, Event::MemberRemoved(member(MemberScope::Channel, away.ada)));
    let queue = away.world.come_back(&away.token).unwrap();
    away.world.write(Some(away.community), away.room);
    assert!(drain(&queue).is_empty());
    let access = away.world.state.access(away.ada).unwrap();
    assert!(access.in_community(away.community) && !access.in_channel(away.room));
}

#[test]
fn a_ban_from_the_community_meanwhile_holds_for_its_channels() {
    let mut away = Away::new();
    let gone = Event::MemberRemoved(member(MemberScope::Community, away.ada));
    away.world.happen(Scope::Community(away.community), gone);
    let queue = away.world.come_back(&away.token).unwrap();
    away.world.write(Some(away.community), away.room);
    assert!(drain(&queue).is_empty());
}

#[test]
fn whoever_was_signed_out_meanwhile_is_a_stranger() {
    let revoked = |session_id| Event::SessionRevoked(SessionRevoked { session_id });
    for ended in [None, Some(())] {
        let mut away = Away::new();
        let ended = ended.map(|()| away.session);
        away.world.happen(Scope::Person(away.ada), revoked(ended));
        assert!(away.world.come_back(&away.token).is_none());
    }
    // Another session of the same person ends: this one goes on.
    let mut away = Away::new();
    away.world.happen(Scope::Person(away.ada), revoked(Some(SessionId::new())));
    assert!(away.world.come_back(&away.token).is_some());
    // The api says so.
    let mut away = Away::here();
    away.world.state.end_token(&away.token, CloseReason::SignedOut);
    assert_eq!(drain(&away.world.seats[0].2), ["closed"]);
    assert!(away.world.come_back(&away.token).is_none());
}

#[test]
fn an_api_token_is_asked_about_once_any_session_of_its_owner_ends() {
    let mut world = World::new();
    let (token, bot) = (World::token("Bearer bot"), UserId::new());
    world.sit_with(&token, &sync(bot, world.state.position, &HashMap::new(), &[]), None, None);
    world.leave(bot);
    let revoked = SessionRevoked { session_id: Some(SessionId::new()) };
    world.happen(Scope::Person(bot), Event::SessionRevoked(revoked));
    assert!(world.come_back(&token).is_none());
}

#[test]
fn a_doubt_is_not_kept() {
    type Doubt = fn(&mut Away);
    let doubts: [Doubt; 4] = [
        |away| away.world.state.restart(Position { epoch: 2, seq: 5 }, ResyncReason::Epoch),
        |away| away.world.state.resync_channel(ChannelId::new(), ResyncReason::Gap),
        // Into a community that the events alone say too little of.
        |away| {
            let joined = Event::MemberJoined(member(MemberScope::Community, away.ada));
            away.world.happen(Scope::Community(CommunityId::new()), joined);
        },
        // The api knows of a loss that no event has told.
        |away| {
            let nothing = sync(away.ada, away.world.state.position, &HashMap::new(), &[]);
            away.world.state.reconcile(away.ada, &nothing, away.world.state.era());
        },
    ];
    for (n, doubt) in doubts.iter().enumerate() {
        let mut away = Away::new();
        doubt(&mut away);
        assert!(away.world.come_back(&away.token).is_none(), "doubt {n}");
    }
}

#[test]
fn in_doubt_even_a_second_stream_asks_until_the_api_has_settled_it() {
    let mut away = Away::here();
    let joined = Event::MemberJoined(member(MemberScope::Community, away.ada));
    away.world.happen(Scope::Community(CommunityId::new()), joined);
    assert!(away.world.come_back(&away.token).is_none());
    let doubts = away.world.state.doubts(away.ada);
    away.world.state.settle(away.ada, doubts);
    assert!(away.world.come_back(&away.token).is_some());
}

#[test]
fn nobody_is_kept_for_longer_than_a_minute_nor_without_bound() {
    let mut away = Away::new();
    let now = Instant::now();
    away.world.state.expire(now + KEPT_FOR / 2);
    assert!(away.world.state.known(&away.token, now + KEPT_FOR / 2).is_some());
    let over = now + KEPT_FOR + Duration::from_secs(1);
    assert!(away.world.state.known(&away.token, over).is_none(), "though nobody has swept yet");
    away.world.state.expire(over);
    assert!(away.world.state.known(&away.token, now).is_none());

    let mut away = Away::new();
    for n in 0..KEPT_MAX {
        let user = UserId::new();
        let reach = sync(user, away.world.state.position, &HashMap::new(), &[]);
        away.world.sit_with(&World::token(&format!("Bearer {n}")), &reach, None, None);
        away.world.leave(user);
    }
    assert!(away.world.come_back(&away.token).is_none(), "the oldest has made room");
    assert!(away.world.come_back(&World::token("Bearer 0")).is_some());
}

#[test]
fn coming_back_again_and_again_keeps_one() {
    let mut away = Away::new();
    for _ in 0..3 {
        assert!(away.world.come_back(&away.token).is_some());
        away.world.leave(away.ada);
    }
    away.world.state.expire(Instant::now() + KEPT_FOR * 2);
    assert!(away.world.come_back(&away.token).is_none());
    assert_eq!(away.world.state.connections(), 0);
}

#[test]
fn a_session_that_is_over_but_not_swept_goes_on_as_it_is() {
    let (mut sessions, token, now) =
        (Sessions::default(), World::token("Bearer ada"), Instant::now());
    let new = || Session::new(UserId::new(), None, person(UserId::new()), Arc::default());
    assert!(sessions.enter(&token, new));
    let doubt = sessions.whatever(&token).unwrap().doubt.clone();
    sessions.leave(&token, &doubt, now);
    assert!(sessions.get(&token, now + KEPT_FOR).is_none());
    let asked_by = sessions.whatever(&token).unwrap().doubt.clone();
    assert!(!sessions.enter(&token, new), "its keeper goes on");
    assert!(Arc::ptr_eq(&asked_by, &doubt), "and listens to whoever comes now");
}

#[test]
fn a_stream_of_an_ended_session_takes_nothing_from_the_next_one() {
    let mut away = Away::here();
    away.world.state.end_token(&away.token, CloseReason::SignedOut);
    let reach = sync(away.ada, away.world.state.position, &HashMap::new(), &[]);
    away.world.sit_with(&away.token, &reach, None, Some(away.session));
    let (_, first, _) = away.world.seats.remove(0);
    away.world.state.detach(away.ada, first);
    assert!(away.world.state.session(&away.token).is_some(), "it has a stream");
}

#[test]
fn a_session_that_was_revoked_a_moment_ago_gets_no_stream() {
    let revoked = |session_id| Event::SessionRevoked(SessionRevoked { session_id });
    // The api may have answered before the event, or from what it remembered of the token after it.
    for is_before in [true, false] {
        let mut away = Away::new();
        let mut reach = sync(away.ada, away.world.state.position, &HashMap::new(), &[]);
        away.world.happen(Scope::Person(away.ada), revoked(Some(away.session)));
        if !is_before {
            reach.cursor = away.world.state.position;
        }
        let queue = away.world.sit_with(&away.token, &reach, None, Some(away.session));
        assert_eq!(queue.closed(), Some(CloseReason::SignedOut), "{is_before}");
        assert!(away.world.come_back(&away.token).is_none());
        let other = away.world.sit(&reach, None, Some(SessionId::new()));
        assert_eq!(other.closed(), None);
        let asked = away.world.doubts.last().unwrap().notified().now_or_never();
        assert_eq!(asked, None, "another session is not concerned");
    }
    // All sessions ended: this one may have begun after that, the api knows.
    let mut away = Away::new();
    away.world.happen(Scope::Person(away.ada), revoked(None));
    let reach = sync(away.ada, away.world.state.position, &HashMap::new(), &[]);
    let queue = away.world.sit_with(&away.token, &reach, None, Some(SessionId::new()));
    assert_eq!(queue.closed(), None);
    assert!(away.world.doubts.last().unwrap().notified().now_or_never().is_some());
}

#[test]
fn who_comes_back_from_before_a_change_that_no_event_told_draws_anew() {
    for by_another_stream in [false, true] {
        let mut away = Away::here();
        let before = away.world.state.position;
        assert!(!away.world.state.has_changed(away.ada, before));
        let nothing = sync(away.ada, before, &HashMap::new(), &[]);
        if by_another_stream {
            away.world.sit(&nothing, None, None);
        } else {
            away.world.state.reconcile(away.ada, &nothing, away.world.state.era());
        }
        assert!(away.world.state.has_changed(away.ada, before));
        let after = away.world.write(Some(away.community), away.room);
        assert!(!away.world.state.has_changed(away.ada, after), "it has drawn anew since");
    }
}

#[test]
fn who_comes_for_the_first_time_has_nothing_to_draw_anew() {
    let mut world = World::new();
    let (dm, ada) = (ChannelId::new(), UserId::new());
    let reach = sync(ada, world.state.position, &HashMap::new(), &[dm]);
    world.write(None, dm);
    world.sit(&reach, None, None);
    assert!(!world.state.has_changed(ada, reach.cursor), "the replay has it");
}

#[test]
fn a_new_name_is_known_by_the_next_answer() {
    let mut away = Away::here();
    let mut reach = sync(away.ada, away.world.state.position, &HashMap::new(), &[]);
    for name in ["Ada", "Ada L."] {
        name.clone_into(&mut reach.me.display_name);
        if name == "Ada" {
            away.world.state.reconcile(away.ada, &reach, away.world.state.era());
        } else {
            away.world.sit(&reach, None, None);
        }
        assert_eq!(away.world.state.session(&away.token).unwrap().me.display_name, name);
    }
}
