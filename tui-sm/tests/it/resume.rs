//! Coming back: exactly what was missed, or one resync.

use ajet_shared::clock;
use ajet_shared::events::{
    Envelope, Event, MemberChanged, MemberScope, MessageDeleted, SessionRevoked, Subject,
};
use ajet_shared::id::ChannelId;
use ajet_shared::position::Position;

use crate::harness::{Stream, World, author, eventually, message};

async fn resynced(mut stream: Stream) -> (String, Option<Position>) {
    let ready = stream.next().await;
    assert_eq!(ready.name, "ready");
    let resync = stream.next().await;
    assert_eq!(resync.name, "resync");
    assert_ne!(
        ready.id, resync.id,
        "one that breaks off between the two comes back to the same answer"
    );
    (resync.data["reason"].as_str().unwrap().to_owned(), resync.id)
}

#[tokio::test]
async fn a_reader_who_comes_back_gets_exactly_what_was_missed() {
    let mut world = World::start().await;
    let room = ChannelId::new();
    let ada = world.person("ada", &[room]);
    let mut first = world.live("ada").await;
    world.write(room, ada, "one").await;
    let seen = first.next().await.id.unwrap();
    drop(first);
    world.write(room, ada, "two").await;
    world.write(room, ada, "three").await;
    // The header wins over the query.
    let mut second = world.stream("ada", "?cursor=1.0", Some(seen)).await;
    let ready = second.next().await;
    assert_eq!((ready.name.as_str(), ready.id), ("ready", Some(seen)));
    assert_eq!(second.bodies(2).await, ["two", "three"]);
    assert_eq!(second.next().await.data["count"], 2);
    world.write(room, ada, "four").await;
    assert_eq!(second.bodies(1).await, ["four"]);
    let mut by_query = world.stream("ada", &format!("?cursor={seen}"), None).await;
    assert_eq!(by_query.next().await.name, "ready");
    assert_eq!(by_query.bodies(3).await, ["two", "three", "four"]);
    assert!(world.metrics().await.contains("sse_resume_total{how=\"memory\"} 2"));
}

#[tokio::test]
async fn a_restarted_service_continues_old_cursors() {
    let mut world = World::start().await;
    let room = ChannelId::new();
    let ada = world.person("ada", &[room]);
    let seen = world.write(room, ada, "one").await;
    world.write(room, ada, "two").await;
    world.stop_service().await;
    world.write(room, ada, "three").await;
    world.start_service().await;
    let mut stream = world.stream("ada", "", Some(seen)).await;
    assert_eq!(stream.next().await.name, "ready");
    assert_eq!(stream.bodies(2).await, ["two", "three"]);
    assert_eq!(stream.next().await.data["count"], 2);
}

#[tokio::test]
async fn what_left_the_memory_is_read_from_the_stream_without_what_was_deleted() {
    let mut world = World::start().await;
    let (room, noise) = (ChannelId::new(), ChannelId::new());
    let ada = world.person("ada", &[room]);
    let seen = world.write(room, ada, "one").await;
    let seq = world.next_seq(room);
    let doomed = message(room, ada, "regretted", seq);
    let created = Envelope::new(Event::MessageCreated(doomed.clone()), Some(ada), clock::now());
    world
        .publish(
            Subject::Events(world.community),
            &created.in_channel(Some(world.community), room, seq),
        )
        .await;
    // Enough to push the first ones out of the ring.
    let long = "x".repeat(60_000);
    for _ in 0..320 {
        world.write(noise, ada, &long).await;
    }
    let deleted = MessageDeleted {
        message_id: doomed.id,
        parent_id: None,
        message_seq: seq,
        author_id: ada,
        deleted_at: clock::now(),
    };
    let seq = world.next_seq(room);
    let envelope = Envelope::new(Event::MessageDeleted(deleted), Some(ada), clock::now())
        .in_channel(Some(world.community), room, seq);
    world.publish(Subject::Events(world.community), &envelope).await;
    let mut stream = world.stream("ada", "", Some(seen)).await;
    assert_eq!(stream.next().await.name, "ready");
    let tombstone = stream.next().await;
    assert_eq!((tombstone.name.as_str(), tombstone.body()), ("message.created", ""));
    assert!(tombstone.data["data"]["deleted_at"].is_string());
    assert_eq!(stream.next().await.name, "message.deleted");
    assert_eq!(stream.next().await.data["count"], 2);
    assert!(world.metrics().await.contains("sse_resume_total{how=\"stream\"} 1"));
}

#[tokio::test]
async fn a_replay_from_the_stream_is_no_larger_than_what_may_wait() {
    let mut world = World::start().await;
    let (room, noise) = (ChannelId::new(), ChannelId::new());
    let ada = world.person("ada", &[room]);
    let seen = world.write(room, ada, "one").await;
    let long = "x".repeat(60_000);
    for channel in [vec![room; 18], vec![noise; 320]].concat() {
        world.write(channel, ada, &long).await;
    }
    let stream = world.stream("ada", "", Some(seen)).await;
    assert_eq!(resynced(stream).await.0, "window");
}

#[tokio::test]
async fn a_cursor_that_cannot_be_honoured_is_answered_by_one_resync() {
    let mut world = World::start().await;
    let room = ChannelId::new();
    let ada = world.person("ada", &[room]);
    let mut newest = Position::default();
    for n in 0..502 {
        newest = world.write(room, ada, &n.to_string()).await;
    }
    let mut live = world.live("ada").await;
    for (cursor, reason) in [
        ("0.1", "epoch"),
        ("garbage", "epoch"),
        ("1.99999", "ahead"),
        ("2.1", "epoch"),
        ("1.0", "window"),
    ] {
        let stream = world.stream("ada", &format!("?cursor={cursor}"), None).await;
        assert_eq!(resynced(stream).await, (reason.to_owned(), Some(newest)), "{cursor}");
    }
    // Nobody else noticed.
    world.write(room, ada, "last").await;
    assert_eq!(live.bodies(1).await, ["last"]);
}

/// Waits until the service has noticed that nobody listens.
async fn nobody_listens(world: &World) {
    eventually("the streams have ended", async || {
        world.metrics().await.contains("hub_connections 0\n")
    })
    .await;
}

/// Waits until everything up to there has been handed out: who comes then is told of it by replay.
async fn handed_out(world: &World, position: Position) {
    let line = format!("hub_position {}\n", position.seq);
    eventually("it has been handed out", async || world.metrics().await.contains(&line)).await;
}

#[tokio::test]
async fn who_comes_back_is_not_asked_about() {
    let mut world = World::start().await;
    let room = ChannelId::new();
    let ada = world.person("ada", &[room]);
    let first = world.live("ada").await;
    let seen = world.write(room, ada, "one").await;
    assert_eq!(world.asked(), 1);
    let mut streams = vec![first];
    for _ in 0..9 {
        streams.push(world.stream("ada", "", Some(seen)).await);
    }
    assert_eq!(world.asked(), 1, "one question for all streams of a session");
    drop(streams);
    nobody_listens(&world).await;
    let two = world.write(room, ada, "two").await;
    handed_out(&world, two).await;
    for _ in 0..10 {
        let mut stream = world.stream("ada", "", Some(seen)).await;
        assert_eq!(stream.next().await.name, "ready");
        assert_eq!(stream.bodies(1).await, ["two"]);
    }
    assert_eq!(world.asked(), 1);
    // A stream that begins now says nothing about when its reader was here before.
    world.live("ada").await;
    assert_eq!(world.asked(), 2);
}

#[tokio::test]
async fn a_kick_while_one_is_away_holds() {
    let mut world = World::start().await;
    let (room, other) = (ChannelId::new(), ChannelId::new());
    let ada = world.person("ada", &[room, other]);
    let seen = world.write(room, ada, "one").await;
    drop(world.live("ada").await);
    nobody_listens(&world).await;
    world.kick(room, ada).await;
    world.write(room, ada, "secret").await;
    let two = world.write(other, ada, "two").await;
    handed_out(&world, two).await;
    let mut stream = world.stream("ada", "", Some(seen)).await;
    let mut names = Vec::new();
    while names.last().is_none_or(|name| name != "resumed") {
        let frame = stream.next().await;
        assert_ne!(frame.body(), "secret");
        names.push(frame.name);
    }
    assert_eq!(names, ["ready", "member.removed", "message.created", "resumed"]);
    world.write(room, ada, "secret").await;
    world.write(other, ada, "three").await;
    assert_eq!(stream.bodies(1).await, ["three"]);
    assert_eq!(world.asked(), 1, "the events have told it");
}

#[tokio::test]
async fn who_is_signed_out_while_away_does_not_come_back() {
    let world = World::start().await;
    let ada = world.person("ada", &[]);
    let seen = world.live("ada").await;
    drop(seen);
    nobody_listens(&world).await;
    let session_id = world.rights("ada").session_id;
    world.sign_out("ada");
    let event = Event::SessionRevoked(SessionRevoked { session_id });
    let envelope = Envelope::new(event, Some(ada), clock::now());
    let position = world.publish(Subject::Notifications(ada), &envelope).await;
    let answer = world
        .request(reqwest::Method::GET, "/ws/tui/events", "ada")
        .header("last-event-id", position.to_string())
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 401);
}

#[tokio::test]
async fn streams_of_one_session_that_arrive_together_ask_once() {
    let mut world = World::start().await;
    let room = ChannelId::new();
    let ada = world.person("ada", &[room]);
    let seen = world.write(room, ada, "one").await;
    let two = world.write(room, ada, "two").await;
    handed_out(&world, two).await;
    let arrivals = (0..12).map(async |_| {
        let mut stream = world.stream("ada", "", Some(seen)).await;
        assert_eq!(stream.next().await.name, "ready");
        stream.bodies(1).await
    });
    for bodies in futures::future::join_all(arrivals).await {
        assert_eq!(bodies, ["two"]);
    }
    assert_eq!(world.asked(), 1);
}

#[tokio::test]
async fn a_doubt_is_asked_about_once_for_all_streams_of_a_session() {
    let mut world = World::start().await;
    let (room, new) = (ChannelId::new(), ChannelId::new());
    let ada = world.person("ada", &[room]);
    let seen = world.write(room, ada, "one").await;
    let mut streams = Vec::new();
    for _ in 0..5 {
        streams.push(world.stream("ada", "", Some(seen)).await);
    }
    assert_eq!(world.asked(), 1);
    // Into a community: which channels come with it, no event says.
    world.change("ada", |rights| rights.joined.push(new));
    let change = MemberChanged {
        scope: MemberScope::Community,
        user_id: ada,
        user: author(ada),
        role: None,
        channel: None,
    };
    let mut joined = Envelope::new(Event::MemberJoined(change), Some(ada), clock::now());
    joined.community_id = Some(world.community);
    world.publish(Subject::Events(world.community), &joined).await;
    // Once more a moment later: the api may remember the token for a second.
    eventually("the api was asked twice", async || world.asked() >= 3).await;
    world.write(new, ada, "two").await;
    for stream in &mut streams {
        while stream.next().await.body() != "two" {}
    }
    assert_eq!(world.asked(), 3);
}
