//! Messages: pages, editing, deleting, and who may.

use reqwest::StatusCode;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::harness::{App, Client, text};

async fn say(client: &Client, channel_id: &str, body: &str) -> Value {
    let path = format!("/api/channels/{channel_id}/messages");
    let request = json!({ "body_md": body, "client_msg_id": Uuid::now_v7() });
    client.post(&path, request).await.expect(StatusCode::CREATED)
}

fn bodies(page: &Value) -> Vec<&str> {
    page["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|message| message["body_md"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn a_channel_is_read_page_by_page_in_both_directions() {
    let app = App::start().await;
    let ann = app.user("ann").await;
    let (_, general) = app.community(&ann, "Team").await;
    let mut ids = Vec::new();
    for n in 0..7 {
        ids.push(text(&say(&ann, &general, &n.to_string()).await["id"]));
    }
    let page = async |query: &str| {
        ann.get(&format!("/api/channels/{general}/messages?{query}")).await.expect(StatusCode::OK)
    };

    let newest = page("limit=3").await;
    assert_eq!(
        (bodies(&newest), &newest["prev"], &newest["next"]),
        (vec!["4", "5", "6"], &json!(ids[4]), &json!(null))
    );
    let older = page(&format!("limit=3&before={}", ids[4])).await;
    assert_eq!(
        (bodies(&older), &older["prev"], &older["next"]),
        (vec!["1", "2", "3"], &json!(ids[1]), &json!(ids[3]))
    );
    let oldest = page(&format!("limit=3&before={}", ids[1])).await;
    assert_eq!((bodies(&oldest), &oldest["prev"]), (vec!["0"], &json!(null)));
    let newer = page(&format!("limit=2&after={}", ids[2])).await;
    assert_eq!(
        (bodies(&newer), &newer["prev"], &newer["next"]),
        (vec!["3", "4"], &json!(ids[3]), &json!(ids[4]))
    );
    let last = page(&format!("limit=2&after={}", ids[4])).await;
    assert_eq!((bodies(&last), &last["next"]), (vec!["5", "6"], &json!(null)));
    let around = page(&format!("limit=3&around={}", ids[3])).await;
    assert_eq!(
        (bodies(&around), &around["prev"], &around["next"]),
        (vec!["2", "3", "4"], &json!(ids[2]), &json!(ids[4]))
    );
    let start = page(&format!("limit=4&around={}", ids[0])).await;
    assert_eq!(
        (bodies(&start), &start["prev"], &start["next"]),
        (vec!["0", "1"], &json!(null), &json!(ids[1]))
    );
    let one = page(&format!("limit=1&around={}", ids[5])).await;
    assert_eq!(
        (bodies(&one), &one["prev"], &one["next"]),
        (vec!["5"], &json!(ids[5]), &json!(ids[5]))
    );

    // A permalink to a reply shows where its thread begins.
    let request =
        json!({ "body_md": "reply", "client_msg_id": Uuid::now_v7(), "parent_id": ids[1] });
    let reply = ann
        .post(&format!("/api/channels/{general}/messages"), request)
        .await
        .expect(StatusCode::CREATED);
    assert_eq!(
        bodies(&page(&format!("limit=3&around={}", text(&reply["id"]))).await),
        ["0", "1", "2"]
    );

    let refused =
        async |query: String| ann.get(&format!("/api/channels/{general}/messages?{query}")).await;
    for bad in ["limit=0", "limit=101", "limit=-1", "limit=1000000000", "limit=x", "colour=red"] {
        refused(bad.to_owned()).await.expect_problem(422, "validation");
    }
    refused(format!("before={}&after={}", ids[0], ids[1])).await.expect_problem(422, "validation");
    refused("limit=1&limit=9999".to_owned()).await.expect_problem(422, "validation");
    refused(format!("before={}", Uuid::now_v7())).await.expect_problem(404, "not-found");
}

#[tokio::test]
async fn an_author_edits_and_the_channel_is_told() {
    let app = App::start().await;
    let (ann, ben) = (app.user("ann").await, app.user("ben").await);
    let (id, general) = app.community(&ann, "Team").await;
    app.join(&ann, &ben, &id).await;
    let message = say(&ben, &general, "teh ship").await;
    let path = format!("/api/messages/{}", text(&message["id"]));
    ann.patch(&path, json!({ "body_md": "mine now" })).await.expect_problem(403, "forbidden");
    let before = app.outbox().await.len();
    let edited =
        ben.patch(&path, json!({ "body_md": "the ship, @ann" })).await.expect(StatusCode::OK);
    assert_eq!(
        (&edited["body_md"], edited["edited_at"].is_string()),
        (&json!("the ship, @ann"), true)
    );
    assert_eq!((&edited["seq"], &edited["created_at"]), (&message["seq"], &message["created_at"]));
    let events = app.outbox().await.split_off(before);
    let kinds: Vec<&str> = events.iter().map(|(kind, ..)| kind.as_str()).collect();
    assert_eq!(
        kinds,
        ["message.edited", "notification.created"],
        "who is called for the first time is told"
    );
    assert_eq!(events[0].2["data"]["body_md"], "the ship, @ann");
    assert_eq!(events[0].2["data"]["client_msg_id"], json!(null));

    // The same text again is no change, and a second mention no second notification.
    ben.patch(&path, json!({ "body_md": "the ship, @ann" })).await.expect(StatusCode::OK);
    ben.patch(&path, json!({ "body_md": "the ship, @ann!" })).await.expect(StatusCode::OK);
    let events = app.outbox().await.split_off(before + 2);
    assert_eq!(
        events.iter().map(|(kind, ..)| kind.as_str()).collect::<Vec<_>>(),
        ["message.edited"]
    );
    let seqs: Vec<i64> = app
        .outbox()
        .await
        .iter()
        .filter(|event| event.2["channel_id"] == general.as_str())
        .filter_map(|event| event.2["seq"].as_i64())
        .collect();
    assert_eq!(
        seqs,
        (1..=i64::try_from(seqs.len()).unwrap()).collect::<Vec<_>>(),
        "an edit that changed nothing took no number"
    );
    ben.patch(&path, json!({ "body_md": " " })).await.expect_problem(422, "validation");
}

#[tokio::test]
async fn a_deleted_message_leaves_a_tombstone() {
    let app = App::start().await;
    let (ann, ben, cat) = (app.user("ann").await, app.user("ben").await, app.user("cat").await);
    let (id, general) = app.community(&ann, "Team").await;
    app.join(&ann, &ben, &id).await;
    app.join(&ann, &cat, &id).await;
    let message = say(&ben, &general, "secret for @cat").await;
    let path = format!("/api/messages/{}", text(&message["id"]));
    cat.put(&format!("{path}/reactions/%F0%9F%91%8D")).await.expect(StatusCode::OK);
    cat.delete(&path).await.expect_problem(403, "forbidden");
    let before = app.outbox().await.len();
    ben.delete(&path).await.expect(StatusCode::NO_CONTENT);
    ben.delete(&path).await.expect(StatusCode::NO_CONTENT);
    let events = app.outbox().await.split_off(before);
    assert_eq!(
        events.iter().map(|(kind, ..)| kind.as_str()).collect::<Vec<_>>(),
        ["message.deleted", "notification.read"]
    );
    assert_eq!(
        (&events[0].2["data"]["message_id"], &events[0].2["data"]["message_seq"]),
        (&message["id"], &message["seq"])
    );
    assert_eq!(
        (events[1].1.as_str(), &events[1].2["data"]["unread"]),
        (format!("chat.notifications.{}", cat.user_id).as_str(), &json!(0))
    );

    let tombstone = ann.get(&path).await.expect(StatusCode::OK);
    assert_eq!(
        (&tombstone["body_md"], &tombstone["reactions"], &tombstone["mentions"]),
        (&json!(""), &json!([]), &json!([]))
    );
    assert!(tombstone["deleted_at"].is_string());
    let list = ann.get(&format!("/api/channels/{general}/messages")).await.expect(StatusCode::OK);
    assert_eq!(list["items"], json!([tombstone]));
    assert_eq!(cat.get("/api/notifications").await.expect(StatusCode::OK)["items"], json!([]));
    ben.patch(&path, json!({ "body_md": "back" })).await.expect_problem(409, "message-deleted");
    cat.put(&format!("{path}/reactions/%F0%9F%91%8D")).await.expect_problem(409, "message-deleted");

    // An admin deletes what others wrote.
    let other = say(&ben, &general, "spam").await;
    ann.delete(&format!("/api/messages/{}", text(&other["id"])))
        .await
        .expect(StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn a_message_of_a_hidden_channel_does_not_exist() {
    let app = App::start().await;
    let (ann, ben) = (app.user("ann").await, app.user("ben").await);
    let (id, _) = app.community(&ann, "Team").await;
    app.join(&ann, &ben, &id).await;
    let private = json!({ "name": "secret", "visibility": "private" });
    let channel = text(
        &ann.post(&format!("/api/communities/{id}/channels"), private)
            .await
            .expect(StatusCode::CREATED)["id"],
    );
    let message = text(&say(&ann, &channel, "plans").await["id"]);
    let nothing = Uuid::now_v7();
    let before = app.outbox().await.len();
    let emoji = "%F0%9F%91%8D";
    for (hidden, unknown) in [
        (
            ben.get(&format!("/api/messages/{message}")).await,
            ben.get(&format!("/api/messages/{nothing}")).await,
        ),
        (
            ben.get(&format!("/api/messages/{message}/replies")).await,
            ben.get(&format!("/api/messages/{nothing}/replies")).await,
        ),
        (
            ben.delete(&format!("/api/messages/{message}")).await,
            ben.delete(&format!("/api/messages/{nothing}")).await,
        ),
        (
            ben.patch(&format!("/api/messages/{message}"), json!({ "body_md": "x" })).await,
            ben.patch(&format!("/api/messages/{nothing}"), json!({ "body_md": "x" })).await,
        ),
        (
            ben.put(&format!("/api/messages/{message}/reactions/{emoji}")).await,
            ben.put(&format!("/api/messages/{nothing}/reactions/{emoji}")).await,
        ),
        (
            ben.get(&format!("/api/channels/{channel}/messages")).await,
            ben.get(&format!("/api/channels/{nothing}/messages")).await,
        ),
        (
            ben.post(&format!("/api/channels/{channel}/read"), json!({ "up_to": message })).await,
            ben.post(&format!("/api/channels/{nothing}/read"), json!({ "up_to": message })).await,
        ),
    ] {
        assert_eq!(hidden.status, StatusCode::NOT_FOUND);
        assert_eq!(hidden.without_trace(), unknown.without_trace());
    }
    assert_eq!(app.outbox().await.len(), before, "nothing was told");
    ann.get(&format!("/api/messages/{message}")).await.expect(StatusCode::OK);
}
