//! What an open stream brings, and what it does not.

use std::time::Duration;

use ajet_shared::clock;
use ajet_shared::events::{Envelope, Event, SessionRevoked, Subject};
use ajet_shared::id::ChannelId;

use crate::harness::{World, eventually};

#[tokio::test]
async fn a_message_reaches_the_readers_of_its_channel() {
    let mut world = World::start().await;
    let (room, other) = (ChannelId::new(), ChannelId::new());
    let (ada, _bob) = (world.person("ada", &[room]), world.person("bob", &[room]));
    world.person("eve", &[other]);
    let mut streams = [
        world.stream("ada", "", None).await,
        world.stream("bob", "", None).await,
        world.stream("eve", "", None).await,
    ];
    for stream in &mut streams {
        for (name, value) in [
            ("content-type", "text/event-stream"),
            ("cache-control", "no-store, no-transform"),
            ("x-accel-buffering", "no"),
        ] {
            assert_eq!(stream.response_headers[name], value);
        }
        let first = stream.block().await.unwrap();
        assert!((1_000..5_000).contains(&first.retry.unwrap()), "{first:?}");
        let ready = stream.next().await;
        assert_eq!((ready.name.as_str(), ready.id), ("ready", Some("1.0".parse().unwrap())));
        assert_eq!(ready.data, serde_json::json!({ "epoch": 1, "seq": 0 }));
    }
    let position = world.write(room, ada, "hello").await;
    let [to_ada, to_bob, to_eve] = &mut streams;
    let (own, others) = (to_ada.next().await, to_bob.next().await);
    assert_eq!(
        (own.name.as_str(), own.id, own.body()),
        ("message.created", Some(position), "hello")
    );
    assert!(
        own.data["data"]["client_msg_id"].is_string(),
        "the author's copy carries the author's key"
    );
    assert_eq!((others.id, others.body()), (Some(position), "hello"));
    assert!(others.data["data"].get("client_msg_id").is_none(), "nobody else's does");
    world.write(other, ada, "elsewhere").await;
    assert_eq!(to_eve.bodies(1).await, ["elsewhere"]);
    to_bob.silence(Duration::from_millis(200)).await;
}

#[tokio::test]
async fn after_a_kick_nothing_comes_but_the_kick() {
    let mut world = World::start().await;
    let room = ChannelId::new();
    let (ada, bob) = (world.person("ada", &[room]), world.person("bob", &[room]));
    let (mut to_ada, mut to_bob) = (world.live("ada").await, world.live("bob").await);
    world.write(room, ada, "before").await;
    world.kick(room, bob).await;
    for n in 0..50 {
        world.write(room, ada, &format!("after {n}")).await;
    }
    assert_eq!(to_bob.bodies(1).await, ["before"]);
    assert_eq!(to_bob.next().await.name, "member.removed");
    assert_eq!(to_ada.bodies(1).await, ["before"]);
    assert_eq!(to_ada.next().await.name, "member.removed");
    assert_eq!(to_ada.bodies(50).await[49], "after 49");
    to_bob.silence(Duration::from_millis(200)).await;
    // Nor when he comes back with a cursor from before.
    world.change("bob", |rights| rights.joined.clear());
    let mut again = world.stream("bob", "", Some("1.0".parse().unwrap())).await;
    assert_eq!(again.next().await.name, "ready");
    assert_eq!(again.next().await.name, "member.removed");
    assert_eq!(again.next().await.name, "resumed");
}

#[tokio::test]
async fn a_revoked_session_ends_its_streams_and_no_others() {
    let world = World::start().await;
    let user_id = world.person("laptop", &[]);
    world.person("phone", &[]);
    world.change("phone", |rights| rights.user_id = Some(user_id));
    let (mut laptop, mut phone) = (world.live("laptop").await, world.live("phone").await);
    let session_id = world.rights("laptop").session_id;
    let event = Event::SessionRevoked(SessionRevoked { session_id });
    world
        .publish(
            Subject::Notifications(user_id),
            &Envelope::new(event, Some(user_id), clock::now()),
        )
        .await;
    assert_eq!(laptop.next().await.name, "signed-out");
    assert_eq!(laptop.block().await, None);
    assert_eq!(phone.next().await.name, "session.revoked");
    phone.silence(Duration::from_millis(200)).await;
}

#[tokio::test]
async fn a_stream_whose_session_is_not_known_asks_when_one_is_revoked() {
    let world = World::start().await;
    let user_id = world.person("ada", &[]);
    world.change("ada", |rights| rights.session_id = None);
    let mut stream = world.live("ada").await;
    world.sign_out("ada");
    let event = Event::SessionRevoked(SessionRevoked { session_id: None });
    world
        .publish(
            Subject::Notifications(user_id),
            &Envelope::new(event, Some(user_id), clock::now()),
        )
        .await;
    let mut names = vec![stream.next().await.name];
    if names == ["session.revoked"] {
        names.push(stream.next().await.name);
    }
    assert_eq!(names.last().unwrap(), "signed-out");
    assert_eq!(stream.block().await, None);
}

#[tokio::test]
async fn a_public_channel_can_be_read_without_joining() {
    let mut world = World::start().await;
    let (room, secret) = (ChannelId::new(), ChannelId::new());
    let ada = world.person("ada", &[]);
    world.change("ada", |rights| rights.readable.push(room));
    let mut guest = world.stream("ada", &format!("?channel={room}"), None).await;
    assert_eq!(guest.next().await.name, "ready");
    world.write(room, ada, "for all").await;
    assert_eq!(guest.bodies(1).await, ["for all"]);
    for channel in [secret.to_string(), "nonsense".to_owned()] {
        let answer = world
            .request(reqwest::Method::GET, &format!("/ws/tui/events?channel={channel}"), "ada")
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 404);
        assert_eq!(answer.headers()["content-type"], "application/problem+json");
    }
}

#[tokio::test]
async fn only_signed_in_people_come_in_and_only_through_the_gateway() {
    let world = World::start().await;
    let answer =
        world.request(reqwest::Method::GET, "/ws/tui/events", "nobody").send().await.unwrap();
    assert_eq!(
        (answer.status().as_u16(), answer.headers()["content-type"].to_str().unwrap()),
        (401, "application/problem+json")
    );
    let bare = format!("http://{}/ws/tui/events", world.address());
    assert_eq!(reqwest::get(&bare).await.unwrap().status(), 403);
    assert_eq!(
        world.request(reqwest::Method::GET, "/nowhere", "nobody").send().await.unwrap().status(),
        404
    );
    assert_eq!(
        world
            .request(reqwest::Method::GET, "/ws/tui/typing", "nobody")
            .send()
            .await
            .unwrap()
            .status(),
        405
    );
    assert!(world.metrics().await.contains("hub_connections 0"));
}

#[tokio::test]
async fn a_closed_stream_leaves_nothing_behind() {
    let world = World::start().await;
    world.person("ada", &[]);
    let stream = world.live("ada").await;
    assert!(world.metrics().await.contains("hub_connections 1"));
    drop(stream);
    eventually("the connection is let go", async || {
        world.metrics().await.contains("hub_connections 0")
    })
    .await;
}
