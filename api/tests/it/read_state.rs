//! Read marks, unread counts and notifications: the same on every client of a person.

use std::collections::HashSet;

use ajet_shared::actions::Actor;
use ajet_shared::db::notifications::{self, Seen};
use ajet_shared::db::posting::{self, Draft};
use ajet_shared::db::{Cause, channels};
use ajet_shared::id::{ClientMessageId, NotificationId};
use ajet_shared::message::{MessageKind, PostMessage};
use reqwest::StatusCode;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::harness::{App, Client, text};

async fn say(client: &Client, channel_id: &str, body: &str) -> Value {
    let path = format!("/api/channels/{channel_id}/messages");
    let request = json!({ "body_md": body, "client_msg_id": Uuid::now_v7() });
    client.post(&path, request).await.expect(StatusCode::CREATED)
}

/// Unread and mentions of a channel, as its view says.
async fn counts(client: &Client, channel_id: &str) -> (i64, i64) {
    let view = client.get(&format!("/api/channels/{channel_id}")).await.expect(StatusCode::OK);
    (view["unread"].as_i64().unwrap(), view["mentions"].as_i64().unwrap())
}

#[tokio::test]
async fn reading_on_counts_down_and_never_goes_back() {
    let app = App::start().await;
    let (ann, ben) = (app.user("ann").await, app.user("ben").await);
    let (id, general) = app.community(&ann, "Team").await;
    app.join(&ann, &ben, &id).await;
    let first = say(&ann, &general, "one").await;
    let second = say(&ann, &general, "two @ben").await;
    let third = say(&ann, &general, "three @ben").await;
    assert_eq!((counts(&ben, &general).await, counts(&ann, &general).await), ((3, 2), (0, 0)));

    let path = format!("/api/channels/{general}/read");
    let before = app.outbox().await.len();
    let read = async |message: &Value| {
        ben.post(&path, json!({ "up_to": message["id"] })).await.expect(StatusCode::OK)
    };
    let state = read(&second).await;
    assert_eq!(
        state,
        json!({ "channel_id": general, "last_read_seq": second["seq"], "unread": 1, "mentions": 1 })
    );
    assert_eq!(read(&first).await, state, "the mark never moves back");
    let events = app.outbox().await.split_off(before);
    assert_eq!(
        events.iter().map(|(kind, ..)| kind.as_str()).collect::<Vec<_>>(),
        ["notification.read", "read.updated"]
    );
    assert!(
        events
            .iter()
            .all(|(_, subject, _)| subject == &format!("chat.notifications.{}", ben.user_id))
    );
    assert_eq!((&events[0].2["data"]["unread"], &events[1].2["data"]), (&json!(1), &state));
    assert_eq!(
        ben.get("/api/notifications?unread=true").await.expect(StatusCode::OK)["items"][0]["message_id"],
        third["id"]
    );

    // Whoever answers has read.
    let before = app.outbox().await.len();
    say(&ben, &general, "four").await;
    assert_eq!((counts(&ben, &general).await, counts(&ann, &general).await), ((0, 0), (1, 0)));
    let kinds: Vec<String> =
        app.outbox().await.split_off(before).into_iter().map(|(kind, ..)| kind).collect();
    assert_eq!(kinds, ["notification.read", "message.created", "read.updated"]);
    let before = app.outbox().await.len();
    say(&ben, &general, "five").await;
    assert_eq!(
        app.outbox().await.len(),
        before + 1,
        "nothing was unread, so nothing is told of it"
    );

    ben.post(&path, json!({ "up_to": Uuid::now_v7() })).await.expect_problem(404, "not-found");
    ann.delete(&format!("/api/messages/{}", text(&third["id"])))
        .await
        .expect(StatusCode::NO_CONTENT);
    assert_eq!(counts(&ann, &general).await, (2, 0));
}

#[tokio::test]
async fn notifications_are_listed_and_marked_read() {
    let app = App::start().await;
    let (ann, ben) = (app.user("ann").await, app.user("ben").await);
    let (id, general) = app.community(&ann, "Team").await;
    app.join(&ann, &ben, &id).await;
    for n in 0..4 {
        say(&ann, &general, &format!("{n} @ben")).await;
    }
    let list = async |query: &str| {
        ben.get(&format!("/api/notifications?{query}")).await.expect(StatusCode::OK)
    };
    let ids = |page: &Value| {
        page["items"].as_array().unwrap().iter().map(|row| text(&row["id"])).collect::<Vec<_>>()
    };
    let all = ids(&list("unread=true").await);
    assert_eq!(all.len(), 4);
    let page = list("limit=2").await;
    assert_eq!((ids(&page), &page["prev"]), (all[2..].to_vec(), &json!(all[2])));
    assert_eq!(ids(&list(&format!("limit=2&before={}", all[2])).await), all[..2]);
    assert_eq!(page["items"][0]["actor"]["username"], "ann");

    ben.post("/api/notifications/read", json!({ "ids": [all[0]] }))
        .await
        .expect(StatusCode::NO_CONTENT);
    assert_eq!(ids(&list("unread=true").await), all[1..]);
    // Somebody else's are not hers to mark.
    ann.post("/api/notifications/read", json!({ "ids": all })).await.expect(StatusCode::NO_CONTENT);
    assert_eq!(ids(&list("unread=true").await).len(), 3);
    ben.post("/api/notifications/read", json!({})).await.expect(StatusCode::NO_CONTENT);
    assert_eq!((ids(&list("unread=true").await).len(), ids(&list("").await).len()), (0, 4));
    assert_eq!(ben.get("/api/sync").await.expect(StatusCode::OK)["unread_notifications"], 0);
}

/// Thousands of ids do not fit into one event, and whoever answers must be able to.
#[tokio::test]
async fn thousands_of_notifications_are_seen_in_turns_and_the_answer_is_posted() {
    let app = App::start().await;
    let (ann, ben) = (app.user("ann").await, app.user("ben").await);
    let (id, _) = app.community(&ann, "Team").await;
    app.join(&ann, &ben, &id).await;
    let mut tx = app.db.begin().await.unwrap();
    let (cause, people) = (Cause::by(ann.user_id), [ann.user_id, ben.user_id]);
    let (channel, _) = channels::open_direct(&mut tx, &cause, &people).await.unwrap();
    tx.commit().await.unwrap();
    let channel = channel.id.to_string();
    let root = say(&ann, &channel, "psst").await;
    let unseen = async || {
        sqlx::query(
            "INSERT INTO notifications (id, user_id, type, source_id, actor_id, channel_id, channel_seq) \
             SELECT gen_random_uuid(), $1, 'dm', gen_random_uuid(), $2, $3, $4 FROM generate_series(1, 3999)",
        )
        .bind(ben.user_id.uuid())
        .bind(ann.user_id.uuid())
        .bind(channel.parse::<Uuid>().unwrap())
        .bind(root["seq"].as_i64())
        .execute(&app.db)
        .await
        .unwrap();
    };
    let told = async |from: usize| {
        let events = app.outbox().await.split_off(from);
        let read = events.into_iter().filter(|(kind, ..)| kind == "notification.read");
        let (mut ids, mut left) = (HashSet::new(), Vec::new());
        for (_, _, envelope) in read {
            ids.extend(envelope["data"]["ids"].as_array().unwrap().iter().map(text));
            left.push(envelope["data"]["unread"].as_i64().unwrap());
        }
        (ids.len(), left)
    };
    unseen().await;
    let before = app.outbox().await.len();
    say(&ben, &channel, "I am here").await;
    assert_eq!(told(before).await, (4_000, vec![3_000, 2_000, 1_000, 0]));
    // By name, and beside one that stays unread.
    unseen().await;
    say(&ann, &channel, "and again").await;
    let ids: Vec<Uuid> = sqlx::query_scalar(
        "SELECT id FROM notifications WHERE user_id = $1 AND NOT read ORDER BY id LIMIT 3999",
    )
    .bind(ben.user_id.uuid())
    .fetch_all(&app.db)
    .await
    .unwrap();
    let before = app.outbox().await.len();
    let ids: Vec<NotificationId> = ids.into_iter().map(NotificationId::from).collect();
    let mut tx = app.db.begin().await.unwrap();
    let cause = Cause::by(ben.user_id);
    notifications::mark_read(&mut tx, &cause, ben.user_id, Seen::Ids(&ids)).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(told(before).await, (3_999, vec![3_000, 2_000, 1_000, 1]));
}

#[tokio::test]
async fn a_call_that_was_seen_in_its_thread_counts_no_more_in_the_channel() {
    let app = App::start().await;
    let (ann, ben) = (app.user("ann").await, app.user("ben").await);
    let (id, general) = app.community(&ann, "Team").await;
    app.join(&ann, &ben, &id).await;
    let root = say(&ann, &general, "a root").await;
    ben.post(&format!("/api/channels/{general}/read"), json!({ "up_to": root["id"] }))
        .await
        .expect(StatusCode::OK);
    let reply = json!({
        "body_md": "here, @ben", "client_msg_id": Uuid::now_v7(), "parent_id": root["id"],
    });
    ann.post(&format!("/api/channels/{general}/messages"), reply).await.expect(StatusCode::CREATED);
    assert_eq!(counts(&ben, &general).await, (0, 1));

    let before = app.outbox().await.len();
    ben.post("/api/notifications/read", json!({})).await.expect(StatusCode::NO_CONTENT);
    assert_eq!(counts(&ben, &general).await, (0, 0));
    let told = app.outbox().await.split_off(before);
    let kinds: Vec<&str> = told.iter().map(|(kind, ..)| kind.as_str()).collect();
    assert_eq!(kinds, ["notification.read", "read.updated"]);
    assert_eq!(
        told[1].2["data"],
        json!({ "channel_id": general, "last_read_seq": root["seq"], "unread": 0, "mentions": 0 })
    );
}

#[tokio::test]
async fn how_loud_a_channel_is_is_told_to_ones_other_clients() {
    let app = App::start().await;
    let (ann, ben) = (app.user("ann").await, app.user("ben").await);
    let (id, general) = app.community(&ann, "Team").await;
    app.join(&ann, &ben, &id).await;
    let said = say(&ann, &general, "one @ben").await;
    let joined_at =
        ben.get(&format!("/api/channels/{general}")).await.body["last_read_seq"].clone();
    let path = format!("/api/channels/{general}/notify-level");
    let before = app.outbox().await.len();
    let level = json!({ "notify_level": "nothing" });
    for _ in 0..2 {
        ben.send(reqwest::Method::PUT, &path, Some(level.clone())).await.expect(StatusCode::OK);
    }
    let told = app.outbox().await.split_off(before);
    assert_eq!(told.len(), 1, "what changes nothing is not told");
    let (kind, subject, envelope) = &told[0];
    assert_eq!(
        (kind.as_str(), subject),
        ("read.updated", &format!("chat.notifications.{}", ben.user_id))
    );
    assert_eq!(
        envelope["data"],
        json!({
            "channel_id": general, "last_read_seq": joined_at, "unread": 1, "mentions": 1,
            "notify_level": "nothing",
        })
    );
    // What is read later says nothing about it.
    ben.post(&format!("/api/channels/{general}/read"), json!({ "up_to": said["id"] }))
        .await
        .expect(StatusCode::OK);
    assert_eq!(app.newest("read.updated").await.1["data"].get("notify_level"), None);
}

#[tokio::test]
async fn what_the_system_says_is_not_unread() {
    let app = App::start().await;
    let (ann, ben) = (app.user("ann").await, app.user("ben").await);
    let (id, general) = app.community(&ann, "Team").await;
    app.join(&ann, &ben, &id).await;
    say(&ben, &general, "here").await;
    let before = counts(&ben, &general).await;
    let words = PostMessage {
        body_md: "ann changed the topic".to_owned().try_into().unwrap(),
        client_msg_id: ClientMessageId::new(),
        parent_id: None,
        attachment_ids: Vec::new(),
    };
    let draft = Draft::of(MessageKind::System, &words);
    let (actor, cause) = (Actor::User(ann.user_id), Cause::by(ann.user_id));
    let mut tx = app.db.begin().await.unwrap();
    posting::post(&mut tx, &actor, &cause, general.parse().unwrap(), &draft).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!((before, counts(&ben, &general).await), ((0, 0), (0, 0)));
    let before = app.outbox().await.len();
    say(&ben, &general, "seen").await;
    let events = app.outbox().await.split_off(before);
    assert_eq!(events.len(), 1, "nothing was unread, so nothing is told of it: {events:?}");
    // The twin: what a person says is.
    say(&ann, &general, "hello").await;
    assert_eq!(counts(&ben, &general).await, (1, 0));
    let before = app.outbox().await.len();
    say(&ben, &general, "hello").await;
    assert_eq!(app.outbox().await.len(), before + 2);
}
