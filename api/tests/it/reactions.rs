//! Reactions: one per person and emoji, however often they are given.

use reqwest::StatusCode;
use serde_json::json;
use uuid::Uuid;

use crate::harness::{App, text};

const THUMB: &str = "%F0%9F%91%8D";
const SHIP: &str = "%F0%9F%9A%A2";

#[tokio::test]
async fn a_reaction_is_given_and_taken_back_once() {
    let app = App::start().await;
    let (ann, ben) = (app.user("ann").await, app.user("ben").await);
    let (id, general) = app.community(&ann, "Team").await;
    app.join(&ann, &ben, &id).await;
    let request = json!({ "body_md": "ship?", "client_msg_id": Uuid::now_v7() });
    let message = ann
        .post(&format!("/api/channels/{general}/messages"), request)
        .await
        .expect(StatusCode::CREATED);
    let path = format!("/api/messages/{}", text(&message["id"]));
    let before = app.outbox().await.len();

    let given = ann.put(&format!("{path}/reactions/{THUMB}")).await.expect(StatusCode::OK);
    assert_eq!(given, json!([{ "emoji": "👍", "count": 1, "reacted_by_me": true }]));
    let again = futures::future::join_all(
        (0..10).map(async |_| ben.put(&format!("{path}/reactions/{THUMB}")).await),
    )
    .await;
    for answer in again {
        assert_eq!(
            answer.expect(StatusCode::OK),
            json!([{ "emoji": "👍", "count": 2, "reacted_by_me": true }])
        );
    }
    ben.put(&format!("{path}/reactions/{SHIP}")).await.expect(StatusCode::OK);
    let seen = ann.get(&path).await.expect(StatusCode::OK);
    assert_eq!(
        seen["reactions"],
        json!([{ "emoji": "👍", "count": 2, "reacted_by_me": true }, { "emoji": "🚢", "count": 1, "reacted_by_me": false }])
    );
    let left = ann.delete(&format!("{path}/reactions/{THUMB}")).await.expect(StatusCode::OK);
    assert_eq!(left[0], json!({ "emoji": "👍", "count": 1, "reacted_by_me": false }));
    ann.delete(&format!("{path}/reactions/{THUMB}")).await.expect(StatusCode::OK);

    let events = app.outbox().await.split_off(before);
    let kinds: Vec<&str> = events.iter().map(|(kind, ..)| kind.as_str()).collect();
    assert_eq!(kinds, ["reaction.added", "reaction.added", "reaction.added", "reaction.removed"]);
    let data = &events[3].2["data"];
    assert_eq!(
        (&data["emoji"], &data["count"], &data["user_id"]),
        (&json!("👍"), &json!(1), &json!(ann.user_id))
    );
    assert_eq!(
        data["reactions"],
        json!([{ "emoji": "👍", "count": 1 }, { "emoji": "🚢", "count": 1 }]),
        "events depend on no reader"
    );
    let seqs: Vec<i64> = events.iter().map(|event| event.2["seq"].as_i64().unwrap()).collect();
    assert_eq!(seqs, (seqs[0]..seqs[0] + 4).collect::<Vec<_>>());

    for bad in ["x", "%F0%9F%91%8D%F0%9F%91%8D", "%3Cb%3E", &"%F0%9F%91%8D".repeat(900)] {
        ann.put(&format!("{path}/reactions/{bad}")).await.expect_problem(422, "validation");
    }
    let crowd: Vec<String> =
        (0..50).map(|n| char::from_u32(0x1f600 + n).unwrap().to_string()).collect();
    sqlx::query(
        "INSERT INTO reactions (message_id, user_id, emoji) SELECT $1, $2, unnest($3::text[])",
    )
    .bind(Uuid::parse_str(&text(&message["id"])).unwrap())
    .bind(ann.user_id.uuid())
    .bind(crowd)
    .execute(&app.db)
    .await
    .unwrap();
    ann.put(&format!("{path}/reactions/%F0%9F%8D%8E"))
        .await
        .expect_problem(409, "too-many-reactions");
    ben.put(&format!("{path}/reactions/%F0%9F%98%80")).await.expect(StatusCode::OK);
}
