//! Read marks, unread counts and notifications: the same on every client of a person.

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
