//! The start of every client.

use ajet_shared::db::{self, channels};
use ajet_shared::sync::{Reach, Sync};
use reqwest::StatusCode;
use serde_json::json;

use crate::harness::{App, eventually, text};

#[tokio::test]
async fn one_call_holds_all_that_a_reader_needs() {
    let app = App::start().await;
    let (ann, ben) = (app.user("ann").await, app.user("ben").await);
    let (id, general) = app.community(&ann, "Team").await;
    app.join(&ann, &ben, &id).await;
    ben.post(
        &format!("/api/communities/{id}/channels"),
        json!({ "name": "not-joined", "visibility": "public" }),
    )
    .await
    .expect(StatusCode::CREATED);
    let mut tx = app.db.begin().await.unwrap();
    let cause = db::Cause::by(ben.user_id);
    let (dm, new) =
        channels::open_direct(&mut tx, &cause, &[ben.user_id, ann.user_id]).await.unwrap();
    let (again, not_new) =
        channels::open_direct(&mut tx, &cause, &[ann.user_id, ben.user_id, ann.user_id])
            .await
            .unwrap();
    assert_eq!(
        (dm.id, new, not_new),
        (again.id, true, false),
        "opening a direct message twice finds the same"
    );
    tx.commit().await.unwrap();

    let answer = ann.get("/api/sync").await.expect(StatusCode::OK);
    let sync: Sync = serde_json::from_value(answer).unwrap();
    assert_eq!(sync.me.user.username, "ann");
    let channels: Vec<_> =
        sync.communities[0].channels.iter().map(|view| view.channel.id.to_string()).collect();
    assert_eq!(channels, [general], "what she has joined, and nothing else");
    assert_eq!(sync.dms[0].channel.id, dm.id);
    let people: Vec<_> =
        sync.dms[0].members.iter().map(|author| author.username.as_str()).collect();
    assert_eq!(people, ["ann", "ben"]);
    assert_eq!((sync.unread_notifications, sync.cursor.epoch), (0, 1));
}

#[tokio::test]
async fn the_cursor_is_where_the_stream_stands_and_never_ahead() {
    let mut app = App::start().await;
    let ann = app.user("ann").await;
    app.community(&ann, "Team").await;
    let events = app.outbox().await.len();
    let cursor = async |app: &App| {
        let _ = app;
        text(&ann.get("/api/sync").await.expect(StatusCode::OK)["cursor"])
    };
    eventually("the relay has published all", async || cursor(&app).await == format!("1.{events}"))
        .await;
    // NATS goes: pages still load, from what the relay has recorded.
    app.stop_nats();
    assert_eq!(cursor(&app).await, format!("1.{events}"));
}

#[tokio::test]
async fn unread_and_mentions_count_what_came_after_the_read_mark() {
    let app = App::start().await;
    let (ann, ben) = (app.user("ann").await, app.user("ben").await);
    let (id, general) = app.community(&ann, "Team").await;
    app.join(&ann, &ben, &id).await;
    // What was said before somebody joined is read.
    let view = ben.get(&format!("/api/channels/{general}")).await.expect(StatusCode::OK);
    assert_eq!(
        (view["unread"].as_i64(), view["last_read_seq"].clone()),
        (Some(0), view["last_seq"].clone())
    );

    let say = async |body: &str| {
        let message = json!({ "body_md": body, "client_msg_id": ajet_shared::id::EventId::new() });
        text(
            &ben.post(&format!("/api/channels/{general}/messages"), message)
                .await
                .expect(StatusCode::CREATED)["id"],
        )
    };
    let first = say("hello").await;
    let second = say("and @ann, you too").await;
    let counts = async |client: &crate::harness::Client| {
        let sync: Sync =
            serde_json::from_value(client.get("/api/sync").await.expect(StatusCode::OK)).unwrap();
        let channel = &sync.communities[0].channels[0];
        (channel.unread, channel.mentions, sync.unread_notifications)
    };
    assert_eq!(counts(&ann).await, (2, 1, 1));
    assert_eq!(counts(&ben).await, (0, 0, 0), "one's own words are read");
    let read = async |up_to: &str| {
        ann.post(&format!("/api/channels/{general}/read"), json!({ "up_to": up_to })).await.status
    };
    assert!(read(&first).await.is_success());
    assert_eq!(counts(&ann).await, (1, 1, 1));
    assert!(read(&second).await.is_success());
    assert_eq!(counts(&ann).await, (0, 0, 0));
}

#[tokio::test]
async fn what_a_stream_carries_is_told_without_its_content() {
    let app = App::start().await;
    let (ann, ben) = (app.user("ann").await, app.user("ben").await);
    let (id, general) = app.community(&ann, "Team").await;
    app.join(&ann, &ben, &id).await;
    let mut tx = app.db.begin().await.unwrap();
    let cause = db::Cause::by(ben.user_id);
    channels::open_direct(&mut tx, &cause, &[ben.user_id, ann.user_id]).await.unwrap();
    tx.commit().await.unwrap();
    for person in [&ann, &ben] {
        let of = async |path: &str| person.get(path).await.expect(StatusCode::OK);
        let sync: Sync = serde_json::from_value(of("/api/sync").await).unwrap();
        let answer = of("/api/me/access").await;
        let reach: Reach = serde_json::from_value(answer.clone()).unwrap();
        let mut told = Reach::from(&sync);
        told.cursor = reach.cursor;
        told.dms.iter_mut().for_each(|dm| dm.members.sort());
        let mut asked = reach.clone();
        asked.dms.iter_mut().for_each(|dm| dm.members.sort());
        assert_eq!(asked, told, "the light answer and the whole one say the same");
        assert!(reach.session_id.is_some());
        assert_eq!(reach.communities[0].channels[0].to_string(), general);
        assert!(!answer.to_string().contains("unread"));
    }
    // Whoever is put out of the community has nothing of it, whatever rows are left.
    let path = format!("/api/communities/{id}/members/{}", ben.user_id);
    ann.delete(&path).await.expect(StatusCode::NO_CONTENT);
    let reach: Reach =
        serde_json::from_value(ben.get("/api/me/access").await.expect(StatusCode::OK)).unwrap();
    assert_eq!((reach.communities.len(), reach.dms.len()), (0, 1));
}

#[tokio::test]
async fn unread_notifications_are_named_and_what_is_read_at_once_too() {
    let app = App::start().await;
    let (ann, ben) = (app.user("ann").await, app.user("ben").await);
    let (id, general) = app.community(&ann, "Team").await;
    app.join(&ann, &ben, &id).await;
    for n in 0..3 {
        let body = format!("@ann, {n}");
        let message = json!({ "body_md": body, "client_msg_id": ajet_shared::id::EventId::new() });
        ben.post(&format!("/api/channels/{general}/messages"), message)
            .await
            .expect(StatusCode::CREATED);
    }
    let sync = async || -> Sync {
        serde_json::from_value(ann.get("/api/sync").await.expect(StatusCode::OK)).unwrap()
    };
    let before = sync().await;
    assert_eq!((before.unread_notifications, before.unread_notification_ids.len()), (3, 3));
    assert!(before.unread_notification_ids.is_sorted_by(|a, b| a > b), "the newest first");
    ann.post("/api/notifications/read", json!({})).await.expect(StatusCode::NO_CONTENT);
    let after = sync().await;
    assert_eq!((after.unread_notifications, after.unread_notification_ids.len()), (0, 0));
    let (_, told) = app.newest("notification.read").await;
    let ids = told["data"]["ids"].as_array().expect("all of them by name");
    assert_eq!(ids.len(), 3, "one that is written meanwhile is not among them");
}
