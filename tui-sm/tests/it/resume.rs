//! Coming back: exactly what was missed, or one resync.

use ajet_shared::clock;
use ajet_shared::events::{Envelope, Event, MessageDeleted, Subject};
use ajet_shared::id::ChannelId;
use ajet_shared::position::Position;

use crate::harness::{Stream, World, message};

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
