//! Servers that die, streams that lose something, a service that stops.

use std::time::Duration;

use ajet_shared::id::ChannelId;
use ajet_shared::position::Position;

use crate::harness::{World, eventually};
use crate::nats::copy;

#[tokio::test]
async fn a_restarted_nats_loses_nothing_and_nobody_draws_anew() {
    let mut world = World::start().await;
    let room = ChannelId::new();
    let ada = world.person("ada", &[room]);
    let mut stream = world.live("ada").await;
    world.write(room, ada, "before").await;
    assert_eq!(stream.bodies(1).await, ["before"]);
    for round in 0..3 {
        world.nats.kill();
        world.nats.restart().await;
        eventually("NATS is back", async || world.bus.stream_state().await.is_ok()).await;
        let back = tokio::time::Instant::now();
        world.write(room, ada, &format!("after {round}")).await;
        assert_eq!(stream.bodies(1).await, [format!("after {round}")]);
        assert!(back.elapsed() < Duration::from_secs(5), "took {:?}", back.elapsed());
    }
    assert!(world.is_ready().await);
}

#[tokio::test]
async fn a_stream_that_began_anew_makes_everybody_draw_anew_once() {
    let mut world = World::start().await;
    let room = ChannelId::new();
    let ada = world.person("ada", &[room]);
    let mut stream = world.live("ada").await;
    for n in 0..5 {
        world.write(room, ada, &n.to_string()).await;
    }
    assert_eq!(stream.bodies(5).await.len(), 5);
    world.bus.delete_stream().await.unwrap();
    world.bus.ensure_stream(2).await.unwrap();
    world.epoch = 2;
    let position = world.write(room, ada, "again").await;
    assert_eq!(position, Position { epoch: 2, seq: 1 });
    let resync = stream.next().await;
    assert_eq!((resync.name.as_str(), resync.data["reason"].as_str()), ("resync", Some("epoch")));
    let mut next = position;
    while next.seq < 4 {
        next = world.write(room, ada, &next.seq.to_string()).await;
    }
    eventually("the service follows the new stream", async || {
        world.metrics().await.contains("hub_position 4")
    })
    .await;
    assert!(world.metrics().await.contains("hub_epoch 2"));
    let mut again = world.stream("ada", "", Some(Position { epoch: 2, seq: 3 })).await;
    assert_eq!(again.next().await.name, "ready");
    assert_eq!(again.bodies(1).await, ["3"]);
}

/// NATS comes back with an older store, and the relay begins a new epoch a moment later: that is one loss, and is told once.
#[tokio::test]
async fn a_store_that_was_put_back_makes_everybody_draw_anew_once() {
    let mut world = World::start().await;
    let room = ChannelId::new();
    let ada = world.person("ada", &[room]);
    let mut stream = world.live("ada").await;
    world.write(room, ada, "kept").await;
    assert_eq!(stream.bodies(1).await, ["kept"]);
    world.nats.kill();
    let older = tempfile::tempdir().unwrap();
    copy(&world.nats.store(), &older.path().join("store"));
    world.nats.restart().await;
    eventually("NATS is back", async || world.bus.stream_state().await.is_ok()).await;
    for n in 0..5 {
        world.write(room, ada, &n.to_string()).await;
    }
    assert_eq!(stream.bodies(5).await, ["0", "1", "2", "3", "4"]);
    world.nats.kill();
    std::fs::remove_dir_all(world.nats.store()).unwrap();
    copy(&older.path().join("store"), &world.nats.store());
    world.nats.restart().await;
    eventually("the stream went back", async || {
        world.bus.stream_state().await.is_ok_and(|stream| stream.last_seq == 1)
    })
    .await;
    world.bus.ensure_stream(2).await.unwrap();
    world.epoch = 2;
    let mut frame = stream.next().await;
    assert_eq!((frame.name.as_str(), frame.data["reason"].as_str()), ("resync", Some("epoch")));
    for body in ["after", "and after"] {
        let position = world.write(room, ada, body).await;
        frame = stream.next().await;
        assert_eq!((frame.body(), position.epoch), (body, 2), "{}: once is enough", frame.name);
    }
    stream.silence(Duration::from_secs(2)).await;
    assert!(world.metrics().await.contains("hub_epoch 2"));
}

#[tokio::test]
async fn a_new_epoch_is_noticed_before_anybody_publishes_in_it() {
    let world = World::start().await;
    world.person("ada", &[]);
    world.bus.ensure_stream(2).await.unwrap();
    // The cursor of a page that was just loaded.
    let mut stream = world.stream("ada", "?cursor=2.0", None).await;
    assert_eq!(stream.next().await.name, "ready");
    assert_eq!(stream.next().await.name, "resumed");
}

#[tokio::test]
async fn a_missing_event_of_a_channel_makes_its_readers_draw_anew() {
    let mut world = World::start().await;
    let (room, other) = (ChannelId::new(), ChannelId::new());
    let ada = world.person("ada", &[room]);
    let bob = world.person("bob", &[other]);
    let (mut to_ada, mut to_bob) = (world.live("ada").await, world.live("bob").await);
    world.write(room, ada, "one").await;
    assert_eq!(to_ada.bodies(1).await, ["one"]);
    world.next_seq(room);
    world.write(room, ada, "three").await;
    world.write(other, bob, "fine").await;
    let resync = to_ada.next().await;
    assert_eq!((resync.name.as_str(), resync.data["reason"].as_str()), ("resync", Some("gap")));
    world.write(room, ada, "four").await;
    let mut bodies = to_ada.bodies(1).await;
    if bodies == ["three"] {
        bodies = to_ada.bodies(1).await;
    }
    assert_eq!(bodies, ["four"]);
    assert_eq!(to_bob.bodies(1).await, ["fine"]);
}

#[tokio::test]
async fn an_event_that_comes_late_takes_its_place() {
    let world = World::patient().await;
    let room = ChannelId::new();
    let ada = world.person("ada", &[room]);
    let mut stream = world.live("ada").await;
    for (seq, body) in
        [(1, "one"), (3, "three"), (4, "four"), (2, "two"), (2, "two again"), (5, "five")]
    {
        world.write_at(room, ada, body, seq).await;
    }
    assert_eq!(stream.bodies(5).await, ["one", "two", "three", "four", "five"]);
    let mut again = world.stream("ada", "?cursor=1.1", None).await;
    assert_eq!(again.next().await.name, "ready");
    let mut bodies = again.bodies(4).await;
    bodies.sort();
    assert_eq!(bodies, ["five", "four", "three", "two"]);
}

/// The late event of one channel has been handed out, and its place waits behind the gap of another one.
#[tokio::test]
async fn a_reader_who_comes_between_a_late_event_and_its_place_gets_it_in_order() {
    let world = World::patient().await;
    let (room, other) = (ChannelId::new(), ChannelId::new());
    let ada = world.person("ada", &[room, other]);
    let mut there = world.live("ada").await;
    for (channel, seq, body) in [
        (room, 1, "one"),
        (other, 1, "other one"),
        (room, 3, "three"),
        (other, 3, "other three"),
        (room, 2, "two"),
    ] {
        world.write_at(channel, ada, body, seq).await;
    }
    assert_eq!(there.bodies(4).await, ["one", "other one", "two", "three"]);
    let mut late = world.stream("ada", "?cursor=1.2", None).await;
    assert_eq!(late.next().await.name, "ready");
    world.write_at(other, ada, "other two", 2).await;
    assert_eq!(late.bodies(2).await, ["two", "three"]);
    assert_eq!(late.next().await.name, "resumed");
    assert_eq!(late.bodies(2).await, ["other two", "other three"]);
    assert_eq!(there.bodies(2).await, ["other two", "other three"]);
}

#[tokio::test]
async fn what_cannot_be_read_is_skipped() {
    use ajet_shared::bus::Outgoing;
    use ajet_shared::events::Subject;
    use ajet_shared::id::EventId;
    let mut world = World::start().await;
    let room = ChannelId::new();
    let ada = world.person("ada", &[room]);
    let mut stream = world.live("ada").await;
    world.write(room, ada, "one").await;
    let subject = Subject::Events(world.community).to_string();
    let seq = world.next_seq(room);
    let unknown = serde_json::json!({
        "id": EventId::new(), "v": 1, "type": "message.levitated", "data": {"height": 3}, "community_id": world.community,
        "channel_id": room, "seq": seq, "actor_id": ada, "timestamp": "2026-01-01T00:00:00Z",
    });
    for payload in
        [serde_json::to_vec(&unknown).unwrap(), b"{not json".to_vec(), vec![b'x'; 100_000]]
    {
        let outgoing = Outgoing {
            id: EventId::new(),
            subject: &subject,
            channel_seq: None,
            epoch: 1,
            again: false,
            payload: payload.into(),
        };
        world.bus.publish(outgoing).await.unwrap();
    }
    world.write(room, ada, "two").await;
    assert_eq!(stream.bodies(2).await, ["one", "two"]);
    assert!(world.metrics().await.contains("hub_skipped_total 3"));
}

#[tokio::test]
async fn a_service_that_stops_sends_its_readers_elsewhere() {
    let world = World::start().await;
    world.person("ada", &[]);
    let mut streams = Vec::new();
    for _ in 0..8 {
        streams.push(world.live("ada").await);
    }
    world.begin_shutdown();
    // That all of it takes no longer than five seconds is proved in the hub; here each has to come to its end.
    for stream in &mut streams {
        let goodbye = stream.block().await.expect("a retry comes first");
        assert!((500..5_000).contains(&goodbye.retry.unwrap()));
        assert_eq!(stream.block().await, None);
    }
}
