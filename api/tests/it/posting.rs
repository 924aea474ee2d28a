//! Posting: once for each key, in an order without gaps, with everybody told who is to be told.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use reqwest::StatusCode;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::harness::{App, Client, eventually, text};

/// A community of ann with ben in it; returns it and its `#general`.
async fn team(app: &App) -> (Client, Client, String, String) {
    let (ann, ben) = (app.user("ann").await, app.user("ben").await);
    let (id, general) = app.community(&ann, "Team").await;
    app.join(&ann, &ben, &id).await;
    (ann, ben, id, general)
}

fn new_key() -> String {
    Uuid::now_v7().to_string()
}

async fn say(client: &Client, channel_id: &str, body: &str) -> Value {
    let path = format!("/api/channels/{channel_id}/messages");
    client
        .post(&path, json!({ "body_md": body, "client_msg_id": new_key() }))
        .await
        .expect(StatusCode::CREATED)
}

async fn reply(client: &Client, root: &Value, body: &str) -> Value {
    let path = format!("/api/channels/{}/messages", text(&root["channel_id"]));
    let request = json!({ "body_md": body, "client_msg_id": new_key(), "parent_id": root["id"] });
    client.post(&path, request).await.expect(StatusCode::CREATED)
}

/// Events written from the `from`th on: type, subject and envelope.
async fn told(app: &App, from: usize) -> Vec<(String, String, Value)> {
    app.outbox().await.split_off(from)
}

fn kinds(events: &[(String, String, Value)]) -> Vec<&str> {
    events.iter().map(|(kind, ..)| kind.as_str()).collect()
}

#[tokio::test]
async fn a_channel_that_is_locked_holds_nobody_else_up() {
    let app = App::start().await;
    let (ann, ben, id, general) = team(&app).await;
    let other = ann
        .post(
            &format!("/api/communities/{id}/channels"),
            json!({ "name": "other", "visibility": "public" }),
        )
        .await
        .expect(StatusCode::CREATED);
    let other = text(&other["id"]);
    let mut lock = app.db.begin().await.unwrap();
    // Held for as long as the test needs, however slow the machine is.
    sqlx::query("SET LOCAL idle_in_transaction_session_timeout = 0")
        .execute(&mut *lock)
        .await
        .unwrap();
    sqlx::query("SELECT id FROM channels WHERE id = $1::uuid FOR UPDATE")
        .bind(&general)
        .execute(&mut *lock)
        .await
        .unwrap();
    let path = format!("/api/channels/{general}/messages");
    let is_done = AtomicBool::new(false);
    let held = futures::future::join_all((0..40).map(async |_| {
        let mut answers = Vec::new();
        while !is_done.load(Ordering::Relaxed) {
            let begun = Instant::now();
            let request = json!({ "body_md": "held up", "client_msg_id": new_key() });
            answers.push((ben.post(&path, request).await, begun.elapsed()));
        }
        answers
    }));
    // Connections of the api that wait for a row: it has sixteen, and those that are left are what the others go on by. How fast they
    // do is F15's to measure.
    let waiting = async || {
        let waiting = "SELECT count(*) FROM pg_stat_activity \
                       WHERE datname = current_database() AND wait_event_type = 'Lock'";
        sqlx::query_scalar::<_, i64>(waiting).fetch_one(&app.db).await.unwrap()
    };
    let others = async {
        eventually("all turns of the channel are taken", async || waiting().await == 4).await;
        for _ in 0..10 {
            say(&ann, &other, "goes on").await;
            assert_eq!(ann.get("/readyz").await.status, StatusCode::OK);
            let held = waiting().await;
            assert!(held <= 4, "{held}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        is_done.store(true, Ordering::Relaxed);
    };
    let (held, ()) = tokio::join!(held, others);
    for (answer, took) in held.into_iter().flatten() {
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(answer.headers["retry-after"], "2");
        assert!(took < Duration::from_secs(5), "{took:?}");
    }
    lock.rollback().await.unwrap();
    say(&ben, &general, "it is free again").await;
}

#[tokio::test]
async fn a_message_is_posted_once_however_often_it_is_sent() {
    let app = App::start().await;
    let (ann, _, _, general) = team(&app).await;
    let path = format!("/api/channels/{general}/messages");
    let request = json!({ "body_md": "ship it", "client_msg_id": new_key() });
    let answers =
        futures::future::join_all((0..50).map(|_| ann.post(&path, request.clone()))).await;
    let created = answers.iter().filter(|answer| answer.status == StatusCode::CREATED).count();
    let replayed = answers
        .iter()
        .filter(|answer| {
            answer.status == StatusCode::OK && answer.headers["idempotency-replayed"] == "true"
        })
        .count();
    assert_eq!((created, replayed), (1, 49));
    for answer in &answers {
        assert_eq!(answer.body, answers[0].body, "every answer is the first one");
        assert_eq!(answer.headers["ajet-channel-seq"], answer.body["seq"].to_string());
    }
    assert_eq!(answers[0].body["client_msg_id"], request["client_msg_id"]);
    let events = app.outbox().await;
    assert_eq!(events.iter().filter(|(kind, ..)| kind == "message.created").count(), 1);

    // The same key for something else is a mistake, for another person it is another key.
    let other = json!({ "body_md": "ship it now", "client_msg_id": request["client_msg_id"] });
    ann.post(&path, other.clone()).await.expect_problem(422, "idempotency-mismatch");
    let ben = app.user("bea").await;
    ben.post(&path, other).await.expect_problem(404, "not-found");
}

#[tokio::test]
async fn a_channel_is_numbered_without_gaps_and_events_are_written_in_that_order() {
    let app = App::start().await;
    let (ann, ben, _, general) = team(&app).await;
    let root = say(&ann, &general, "root").await;
    let posts = (0..60).map(async |n: usize| {
        let who = if n.is_multiple_of(2) { &ann } else { &ben };
        if n.is_multiple_of(3) {
            reply(who, &root, &format!("reply {n}")).await
        } else {
            say(who, &general, &format!("message {n}")).await
        }
    });
    futures::future::join_all(posts).await;
    let seqs: Vec<i64> = app
        .outbox()
        .await
        .iter()
        .filter(|(_, _, payload)| {
            payload["channel_id"] == general.as_str() && !payload["seq"].is_null()
        })
        .map(|(_, _, payload)| payload["seq"].as_i64().unwrap())
        .collect();
    assert_eq!(seqs, (1..=i64::try_from(seqs.len()).unwrap()).collect::<Vec<_>>());
    let root =
        ann.get(&format!("/api/messages/{}", text(&root["id"]))).await.expect(StatusCode::OK);
    assert_eq!(root["reply_count"], 20);
}

#[tokio::test]
async fn the_event_is_the_message_as_everybody_sees_it() {
    let app = App::start().await;
    let (ann, _, community, general) = team(&app).await;
    let before = app.outbox().await.len();
    let message = say(&ann, &general, "hello *there*").await;
    let events = told(&app, before).await;
    assert_eq!(kinds(&events), ["message.created"]);
    let (_, subject, envelope) = &events[0];
    assert_eq!(subject, &format!("chat.events.{community}"));
    assert_eq!(envelope["data"], message, "the author's answer is the event's message");
    assert_eq!(
        (&envelope["seq"], &envelope["channel_id"]),
        (&message["seq"], &message["channel_id"])
    );
    assert_eq!(envelope["actor_id"], ann.user_id.to_string());
    assert!(envelope["trace_id"].is_string());
    let read =
        ann.get(&format!("/api/messages/{}", text(&message["id"]))).await.expect(StatusCode::OK);
    assert_eq!(read, message, "what is read is what was answered");
}

#[tokio::test]
async fn mentions_are_resolved_and_their_people_notified() {
    let app = App::start().await;
    let (ann, ben, _, general) = team(&app).await;
    app.user("outsider").await;
    let before = app.outbox().await.len();
    let message = say(&ann, &general, "@ben @ann @outsider @nobody and `@channel`").await;
    let named = [
        json!({ "type": "user", "id": ann.user_id }),
        json!({ "type": "user", "id": ben.user_id }),
    ];
    assert_eq!(message["mentions"], json!(named));
    let events = told(&app, before).await;
    assert_eq!(kinds(&events), ["message.created", "notification.created"]);
    assert_eq!(events[1].1, format!("chat.notifications.{}", ben.user_id));
    assert_eq!(
        (&events[1].2["data"]["type"], &events[1].2["data"]["message_id"]),
        (&json!("mention"), &message["id"])
    );

    let list = ben.get("/api/notifications?unread=true").await.expect(StatusCode::OK);
    assert_eq!(list["items"][0], events[1].2["data"]);
    assert_eq!(
        ann.get("/api/notifications").await.expect(StatusCode::OK)["items"],
        json!([]),
        "nobody calls themselves"
    );

    // Everybody, and everybody who is there.
    let message = say(&ben, &general, "@channel look").await;
    assert_eq!(message["mentions"], json!([{ "type": "channel", "id": null }]));
    assert_eq!(
        ann.get("/api/notifications").await.expect(StatusCode::OK)["items"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    say(&ben, &general, "@here look").await;
    assert_eq!(
        ann.get("/api/notifications").await.expect(StatusCode::OK)["items"]
            .as_array()
            .unwrap()
            .len(),
        1,
        "ann is not online"
    );
    sqlx::query("UPDATE users SET last_seen_at = now() WHERE id = $1")
        .bind(ann.user_id.uuid())
        .execute(&app.db)
        .await
        .unwrap();
    say(&ben, &general, "@here look").await;
    assert_eq!(
        ann.get("/api/notifications").await.expect(StatusCode::OK)["items"]
            .as_array()
            .unwrap()
            .len(),
        2
    );

    // A muted channel is quiet.
    sqlx::query("UPDATE channel_members SET notify_level = 'nothing' WHERE user_id = $1")
        .bind(ann.user_id.uuid())
        .execute(&app.db)
        .await
        .unwrap();
    say(&ben, &general, "@ann").await;
    assert_eq!(
        ann.get("/api/notifications").await.expect(StatusCode::OK)["items"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
}

#[tokio::test]
async fn only_admins_call_everybody_in_a_large_channel() {
    let app = App::start().await;
    let (ann, ben, community, general) = team(&app).await;
    let mut conn = app.db.acquire().await.unwrap();
    sqlx::raw_sql(sqlx::AssertSqlSafe(format!(
        "INSERT INTO users (id, username, display_name) SELECT gen_random_uuid(), 'crowd' || n, 'Crowd' FROM generate_series(1, 60) AS n; \
         INSERT INTO community_members (community_id, user_id) SELECT '{community}', id FROM users WHERE username LIKE 'crowd%'; \
         INSERT INTO channel_members (channel_id, user_id) SELECT '{general}', id FROM users WHERE username LIKE 'crowd%';"
    )))
    .execute(&mut *conn)
    .await
    .unwrap();
    let path = format!("/api/channels/{general}/messages");
    let request = |body: String| json!({ "body_md": body, "client_msg_id": new_key() });
    ben.post(&path, request("@channel hello".into())).await.expect_problem(403, "forbidden");
    ann.post(&path, request("@channel hello".into())).await.expect(StatusCode::CREATED);
    let told: i64 = sqlx::query_scalar("SELECT count(*) FROM notifications")
        .fetch_one(&mut *conn)
        .await
        .unwrap();
    assert_eq!(told, 61, "everybody but the author");
    let many = (1..=51).map(|n| format!("@crowd{n}")).collect::<Vec<_>>().join(" ");
    ben.post(&path, request(many)).await.expect_problem(422, "validation");
}

#[tokio::test]
async fn a_thread_keeps_its_summary_on_its_root() {
    let app = App::start().await;
    let (ann, ben, _, general) = team(&app).await;
    let root = say(&ann, &general, "who ships?").await;
    let before = app.outbox().await.len();
    let first = reply(&ben, &root, "me").await;
    let events = told(&app, before).await;
    assert_eq!(kinds(&events), ["message.created", "thread.updated", "notification.created"]);
    let (seq, summary) = (first["seq"].as_i64().unwrap(), &events[1].2);
    assert_eq!(
        (summary["seq"].as_i64(), &summary["data"]["reply_count"]),
        (Some(seq + 1), &json!(1))
    );
    assert_eq!(summary["data"]["participant_ids"], json!([ben.user_id]));
    assert_eq!(summary["data"]["participants"][0]["username"], "ben");
    assert_eq!(
        (&events[2].2["data"]["type"], events[2].1.as_str()),
        (&json!("thread_reply"), format!("chat.notifications.{}", ann.user_id).as_str())
    );

    reply(&ann, &root, "thanks").await;
    let path = format!("/api/messages/{}", text(&root["id"]));
    let seen = ann.get(&path).await.expect(StatusCode::OK);
    assert_eq!(
        (&seen["reply_count"], seen["participants"].as_array().unwrap().len()),
        (&json!(2), 2)
    );
    let replies = ben.get(&format!("{path}/replies")).await.expect(StatusCode::OK);
    let bodies: Vec<&str> = replies["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|message| message["body_md"].as_str().unwrap())
        .collect();
    assert_eq!(bodies, ["me", "thanks"]);
    let list = ben.get(&format!("/api/channels/{general}/messages")).await.expect(StatusCode::OK);
    assert_eq!(list["items"].as_array().unwrap().len(), 1, "replies are not on the top level");
    let by_parent = ben
        .get(&format!("/api/channels/{general}/messages?parent_id={}", text(&root["id"])))
        .await
        .expect(StatusCode::OK);
    assert_eq!(by_parent, replies);

    // One level deep, and in its own channel.
    let nested = json!({ "body_md": "x", "client_msg_id": new_key(), "parent_id": first["id"] });
    ann.post(&format!("/api/channels/{general}/messages"), nested)
        .await
        .expect_problem(422, "validation");
    let nowhere = json!({ "body_md": "x", "client_msg_id": new_key(), "parent_id": new_key() });
    ann.post(&format!("/api/channels/{general}/messages"), nowhere)
        .await
        .expect_problem(422, "validation");

    // A reply that goes is counted out.
    ben.delete(&format!("/api/messages/{}", text(&first["id"])))
        .await
        .expect(StatusCode::NO_CONTENT);
    let seen = ann.get(&path).await.expect(StatusCode::OK);
    assert_eq!(
        (&seen["reply_count"], &seen["participants"][0]["username"]),
        (&json!(1), &json!("ann"))
    );
}

#[tokio::test]
async fn a_direct_message_notifies_the_other_and_nobody_else_sees_it() {
    let app = App::start().await;
    let (ann, ben, ..) = team(&app).await;
    let eve = app.user("eve").await;
    let mut tx = app.db.begin().await.unwrap();
    let cause = ajet_shared::db::Cause::by(ann.user_id);
    let (channel, _) =
        ajet_shared::db::channels::open_direct(&mut tx, &cause, &[ann.user_id, ben.user_id])
            .await
            .unwrap();
    tx.commit().await.unwrap();
    let (id, before) = (channel.id.to_string(), app.outbox().await.len());
    let message = say(&ann, &id, "psst").await;
    let events = told(&app, before).await;
    assert_eq!(kinds(&events), ["message.created", "notification.created"]);
    assert_eq!(
        (events[0].1.as_str(), &events[1].2["data"]["type"]),
        (format!("chat.dm.{id}").as_str(), &json!("dm"))
    );
    let unknown = eve.get(&format!("/api/messages/{}", new_key())).await.without_trace();
    assert_eq!(
        eve.get(&format!("/api/messages/{}", text(&message["id"]))).await.without_trace(),
        unknown
    );
    let post = json!({ "body_md": "x", "client_msg_id": new_key() });
    eve.post(&format!("/api/channels/{id}/messages"), post).await.expect_problem(404, "not-found");
}

#[tokio::test]
async fn bad_messages_are_refused() {
    let app = App::start().await;
    let (ann, ben, community, general) = team(&app).await;
    let path = format!("/api/channels/{general}/messages");
    let post =
        |body: String| ann.post(&path, json!({ "body_md": body, "client_msg_id": new_key() }));
    post("x".repeat(16_000)).await.expect(StatusCode::CREATED);
    post("x".repeat(16_001)).await.expect_problem(422, "validation");
    post("x".repeat(64 * 1024 + 1)).await.expect_problem(413, "too-large");
    for empty in ["", "   \n", "\u{200b}", "a\0b"] {
        post(empty.to_owned()).await.expect_problem(422, "validation");
    }
    ann.post(&path, json!({ "body_md": "x" })).await.expect_problem(422, "validation");
    ann.post(&path, json!({ "body_md": "x", "client_msg_id": "7" }))
        .await
        .expect_problem(422, "validation");
    ann.post(
        &path,
        json!({ "body_md": "x", "client_msg_id": new_key(), "attachment_ids": [null] }),
    )
    .await
    .expect_problem(422, "validation");
    ann.post(
        &path,
        json!({ "body_md": "x", "client_msg_id": new_key(), "attachment_ids": [new_key()] }),
    )
    .await
    .expect_problem(404, "not-found");
    // Seen and not joined is 403, archived too; muted people are told so.
    let lobby = json!({ "name": "lobby", "visibility": "public" });
    let lobby = text(
        &ann.post(&format!("/api/communities/{community}/channels"), lobby)
            .await
            .expect(StatusCode::CREATED)["id"],
    );
    let hello = || json!({ "body_md": "hello", "client_msg_id": new_key() });
    ben.post(&format!("/api/channels/{lobby}/messages"), hello())
        .await
        .expect_problem(403, "not-joined");
    sqlx::query("UPDATE community_members SET muted_until = 'infinity' WHERE user_id = $1")
        .bind(ben.user_id.uuid())
        .execute(&app.db)
        .await
        .unwrap();
    ben.post(&path, hello()).await.expect_problem(403, "muted");
    ann.post(&format!("/api/channels/{lobby}/archive"), json!({})).await.expect(StatusCode::OK);
    ann.post(&format!("/api/channels/{lobby}/messages"), hello())
        .await
        .expect_problem(403, "channel-archived");
}
