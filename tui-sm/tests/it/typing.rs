//! Typing and presence: ephemeral, and only for people of the same channel.

use std::time::Duration;

use ajet_shared::id::ChannelId;
use serde_json::{Value, json};

use crate::harness::World;

async fn type_in(world: &World, token: &str, body: Value) -> u16 {
    world
        .request(reqwest::Method::POST, "/ws/tui/typing", token)
        .json(&body)
        .send()
        .await
        .unwrap()
        .status()
        .as_u16()
}

#[tokio::test]
async fn typing_reaches_the_others_in_the_channel() {
    let world = World::start().await;
    let room = ChannelId::new();
    let ada = world.person("ada", &[room]);
    world.person("bob", &[room]);
    world.person("eve", &[]);
    let (mut to_ada, mut to_bob, mut to_eve) =
        (world.live("ada").await, world.live("bob").await, world.live("eve").await);
    let types =
        async |state| type_in(&world, "ada", json!({ "channel_id": room, "state": state })).await;
    let began = tokio::time::Instant::now();
    assert_eq!(types("started").await, 204);
    let frame = to_bob.next().await;
    assert_eq!((frame.name.as_str(), frame.id), ("typing.started", None));
    assert_eq!(frame.data["data"]["user"]["id"], json!(ada));
    // Not more than one in two seconds is passed on, however long this takes; and the end of it is.
    for _ in 0..5 {
        assert_eq!(types("started").await, 204);
    }
    assert_eq!(types("stopped").await, 204);
    let mut told = 1;
    let last = loop {
        let frame = to_bob.next().await;
        if frame.name != "typing.started" {
            break frame.name;
        }
        told += 1;
    };
    assert_eq!(last, "typing.stopped");
    assert!(told <= 1 + began.elapsed().as_secs() / 2, "{told} in {:?}", began.elapsed());
    to_ada.silence(Duration::from_millis(100)).await;
    to_eve.silence(Duration::from_millis(100)).await;
}

#[tokio::test]
async fn one_can_type_without_a_stream() {
    let world = World::start().await;
    let room = ChannelId::new();
    world.person("ada", &[room]);
    world.person("bob", &[room]);
    let mut to_bob = world.live("bob").await;
    assert_eq!(
        type_in(&world, "ada", json!({ "channel_id": room, "state": "started" })).await,
        204
    );
    assert_eq!(to_bob.next().await.name, "typing.started");
}

#[tokio::test]
async fn a_channel_one_cannot_see_does_not_exist() {
    let world = World::start().await;
    let (room, public, secret) = (ChannelId::new(), ChannelId::new(), ChannelId::new());
    world.person("ada", &[room]);
    world.change("ada", |rights| rights.readable.push(public));
    let _open = world.live("ada").await;
    for (body, status) in [
        (json!({ "channel_id": secret, "state": "started" }), 404),
        (json!({ "channel_id": public, "state": "started" }), 403),
        (json!({ "channel_id": room, "state": "dancing" }), 422),
        (json!({ "channel_id": "x", "state": "started" }), 422),
        (json!({ "channel_id": room }), 422),
    ] {
        assert_eq!(type_in(&world, "ada", body.clone()).await, status, "{body}");
    }
    assert_eq!(
        type_in(&world, "nobody", json!({ "channel_id": room, "state": "started" })).await,
        401
    );
    let text = world
        .request(reqwest::Method::POST, "/ws/tui/typing", "ada")
        .body("{}")
        .send()
        .await
        .unwrap();
    assert_eq!(text.status(), 415);
}

#[tokio::test]
async fn presence_is_told_once_to_those_who_share_a_channel() {
    use ajet_shared::clock;
    use ajet_shared::events::{Envelope, Event, PresenceChanged};
    let world = World::start().await;
    let (room, other) = (ChannelId::new(), ChannelId::new());
    let ada = world.person("ada", &[room]);
    world.person("bob", &[room]);
    world.person("eve", &[other]);
    let (mut to_bob, mut to_eve) = (world.live("bob").await, world.live("eve").await);
    for _ in 0..3 {
        let change = Event::PresenceChanged(PresenceChanged { user_id: ada, online: true });
        world
            .bus
            .publish_ephemeral(
                &Envelope::new(change, Some(ada), clock::now()).in_community(world.community),
            )
            .await
            .unwrap();
    }
    let mut told = Vec::new();
    while told.is_empty() {
        for stream in [&mut to_bob, &mut to_eve] {
            if let Ok(frame) = tokio::time::timeout(Duration::from_secs(1), stream.block()).await {
                let frame = frame.unwrap();
                if frame.name != "heartbeat" {
                    told.push(frame);
                }
            }
        }
    }
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(
        (told[0].name.as_str(), &told[0].data["data"]),
        ("presence.changed", &json!({ "user_id": ada, "online": true }))
    );
    to_eve.silence(Duration::from_millis(500)).await;
}
