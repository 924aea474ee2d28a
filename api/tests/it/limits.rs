//! The limits that the api counts: over all instances, each person for themselves.

use ajet_shared::rate::LimitMode;
use reqwest::StatusCode;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::harness::{App, Client, text};

/// Longer than any test, so that none meets the end of it.
const WINDOW: u32 = 365 * 24 * 3600;

fn message(body: &str) -> Value {
    json!({ "body_md": body, "client_msg_id": Uuid::now_v7() })
}

async fn told(app: &App, person: &Client) -> i64 {
    sqlx::query_scalar("SELECT count(*) FROM notifications WHERE user_id = $1 AND type <> 'system'")
        .bind(person.user_id.uuid())
        .fetch_one(&app.db)
        .await
        .unwrap()
}

#[tokio::test]
async fn who_mentions_too_many_is_read_and_notifies_nobody() {
    let app = App::start().await;
    let (ann, ben) = (app.user("ann").await, app.user("ben").await);
    let (cleo, dia) = (app.user("cleo").await, app.user("dia").await);
    let (id, general) = app.community(&ann, "Team").await;
    for guest in [&ben, &cleo, &dia] {
        app.join(&ann, guest, &id).await;
    }
    let strict = app
        .another(|config| {
            config.limits = LimitMode::Default;
            config.limit_mention = format!("3/{WINDOW}").parse().unwrap();
        })
        .await;
    let (ann, ben) = (ann.at(&strict), ben.at(&strict));
    let path = format!("/api/channels/{general}/messages");
    let say = async |client: &Client, body: &str| {
        client.post(&path, message(body)).await.expect(StatusCode::CREATED)
    };
    let first = say(&ann, "@ben @cleo").await;
    // Whom an edit calls again costs nothing.
    let first = format!("/api/messages/{}", text(&first["id"]));
    ann.patch(&first, json!({ "body_md": "@ben, @cleo!" })).await.expect(StatusCode::OK);
    let second = say(&ann, "@ben @cleo @dia").await;
    assert_eq!(second["mentions"].as_array().unwrap().len(), 3, "it is posted as it is");
    assert_eq!(
        (told(&app, &ben).await, told(&app, &cleo).await, told(&app, &dia).await),
        (2, 1, 0)
    );
    ann.patch(&first, json!({ "body_md": "@ben @cleo @dia" })).await.expect(StatusCode::OK);
    say(&ann, "@channel").await;
    assert_eq!((told(&app, &ben).await, told(&app, &dia).await), (2, 0));
    // Others have their own, and a conversation is not a mention.
    say(&ben, "@dia").await;
    assert_eq!(told(&app, &dia).await, 1);
    let direct = ann.post("/api/dms", json!({ "user_ids": [dia.user_id] })).await;
    let direct = text(&direct.expect(StatusCode::CREATED)["id"]);
    let path = format!("/api/channels/{direct}/messages");
    ann.post(&path, message("hello")).await.expect(StatusCode::CREATED);
    assert_eq!(told(&app, &dia).await, 2);
}

#[tokio::test]
async fn only_so_many_people_are_written_to_for_the_first_time() {
    let app = App::start().await;
    let (ann, ben) = (app.user("ann").await, app.user("ben").await);
    let (cleo, dia) = (app.user("cleo").await, app.user("dia").await);
    let (id, general) = app.community(&ann, "Team").await;
    for guest in [&ben, &cleo, &dia] {
        app.join(&ann, guest, &id).await;
    }
    let strict = app
        .another(|config| {
            config.limits = LimitMode::Default;
            config.limit_dm_new = format!("2/{WINDOW}").parse().unwrap();
        })
        .await;
    let (ann, ben) = (ann.at(&strict), ben.at(&strict));
    let open = async |client: &Client, others: &[&Client]| {
        let ids: Vec<_> = others.iter().map(|other| other.user_id).collect();
        client.post("/api/dms", json!({ "user_ids": ids })).await
    };
    open(&ann, &[&ben]).await.expect(StatusCode::CREATED);
    open(&ann, &[&ben]).await.expect(StatusCode::OK);
    // Ben is not new any more.
    open(&ann, &[&ben, &cleo]).await.expect(StatusCode::CREATED);
    for others in [vec![&dia], vec![&ben, &dia]] {
        let refused = open(&ann, &others).await;
        let header = |name: &str| refused.headers[name].to_str().unwrap().to_owned();
        assert_eq!(header("ratelimit-policy"), format!("\"dm-new\";q=2;w={WINDOW}"));
        assert_eq!(header("ratelimit"), format!("\"dm-new\";r=0;t={}", header("retry-after")));
        assert_eq!(refused.body["policy"], "dm-new");
        refused.expect_problem(429, "rate-limited");
    }
    let slash = json!({ "channel_id": general, "text": "/msg @dia hello" });
    ann.post("/api/commands", slash).await.expect_problem(429, "rate-limited");
    // What was refused is not there, what was there is, and others have their own limit.
    let list = ann.get("/api/dms").await.expect(StatusCode::OK);
    assert_eq!(list["items"].as_array().unwrap().len(), 2);
    open(&ann, &[&cleo]).await.expect(StatusCode::CREATED);
    open(&ben, &[&dia]).await.expect(StatusCode::CREATED);
    open(&ann, &[&ben]).await.expect(StatusCode::OK);
}

#[tokio::test]
async fn commands_count_as_what_they_do() {
    let app = App::start().await;
    let (ann, ben) = (app.user("ann").await, app.user("ben").await);
    let (id, general) = app.community(&ann, "Team").await;
    app.join(&ann, &ben, &id).await;
    let strict = app
        .another(|config| {
            config.limits = LimitMode::Default;
            config.limit_invite_create = format!("3/{WINDOW}").parse().unwrap();
            config.limit_search = format!("2/{WINDOW}").parse().unwrap();
        })
        .await;
    let (ann, ben) = (ann.at(&strict), ben.at(&strict));
    let slash = async |client: &Client, text: &str| {
        client.post("/api/commands", json!({ "channel_id": general, "text": text })).await
    };
    for _ in 0..2 {
        slash(&ann, "/search tide").await.expect(StatusCode::OK);
    }
    let refused = slash(&ann, "/search tide").await;
    assert_eq!(refused.body["policy"], "search");
    refused.expect_problem(429, "rate-limited");
    slash(&ben, "/search tide").await.expect(StatusCode::OK);

    // Commands and requests are counted together.
    let path = format!("/api/communities/{id}/invites");
    ann.post(&path, json!({})).await.expect(StatusCode::CREATED);
    slash(&ann, "/invite").await.expect(StatusCode::OK);
    ann.post(&path, json!({})).await.expect(StatusCode::CREATED);
    slash(&ann, "/invite").await.expect_problem(429, "rate-limited");
    ann.post(&path, json!({})).await.expect_problem(429, "rate-limited");
    let made: i64 =
        sqlx::query_scalar("SELECT count(*) FROM invites").fetch_one(&app.db).await.unwrap();
    assert_eq!(made, 4, "what was refused is not there");
}
