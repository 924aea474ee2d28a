//! API tokens: of bots, by admins, and one's own.

use ajet_shared::verify::STATE_AGE_MAX;
use reqwest::StatusCode;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::harness::{App, Client, eventually, text};

/// Somebody who comes with this token.
fn with_token(app: &App, made: &Value) -> Client {
    app.anonymous().with_bearer(&text(&made["secret"]))
}

async fn make(client: &Client, path: &str, name: &str, scopes: &[&str]) -> Value {
    let request = json!({ "name": name, "scopes": scopes });
    client.post(path, request).await.expect(StatusCode::CREATED)
}

fn message() -> Value {
    json!({ "body_md": "built", "client_msg_id": Uuid::now_v7() })
}

#[tokio::test]
async fn a_bot_comes_with_its_first_token_and_posts_as_itself() {
    let app = App::start().await;
    let ann = app.user("ann").await;
    let (id, general) = app.community(&ann, "Team").await;
    let tokens = format!("/api/communities/{id}/tokens");
    let made = make(&ann, &tokens, "Deploy", &["messages:write", "messages:read"]).await;
    assert_eq!(made["user"]["username"], "deploy");
    assert_eq!(made["user"]["kind"], "bot");
    assert_eq!(made["scopes"], json!(["messages:read", "messages:write"]));
    let secret = text(&made["secret"]);
    assert_eq!(text(&made["prefix"]), secret[..20]);
    let bot = with_token(&app, &made);
    let posted = bot
        .post(&format!("/api/channels/{general}/messages"), message())
        .await
        .expect(StatusCode::CREATED);
    assert_eq!(posted["author"]["display_name"], "Deploy");
    assert_eq!(posted["author"]["id"], made["user"]["id"]);
    // A second token is of the same bot.
    let second = make(&ann, &tokens, "deploy", &[]).await;
    assert_eq!(second["user"]["id"], made["user"]["id"]);
    assert_eq!(second["scopes"], json!(["messages:read", "messages:write"]));
    let list = ann.get(&tokens).await;
    assert_eq!(list.body["items"].as_array().unwrap().len(), 2);
    assert!(!String::from_utf8_lossy(&list.bytes).contains(&secret), "shown once");
    let bots = sqlx::query_scalar::<_, i64>("SELECT count(*) FROM api_users").fetch_one(&app.db);
    assert_eq!(bots.await.unwrap(), 1);
    let members = ann.get(&format!("/api/communities/{id}/members")).await.expect(StatusCode::OK);
    let bot = members["items"].as_array().unwrap().iter().find(|member| member["kind"] == "bot");
    assert_eq!(bot.unwrap()["role"], "member");
    for action in ["bot.created", "token.created"] {
        assert!(app.audit().await.iter().any(|written| written == action), "{action}");
    }
}

#[tokio::test]
async fn a_token_does_what_its_scopes_and_its_owner_may() {
    let app = App::start().await;
    let (ann, ben) = (app.user("ann").await, app.user("ben").await);
    let (id, general) = app.community(&ann, "Team").await;
    app.join(&ann, &ben, &id).await;
    let tokens = format!("/api/communities/{id}/tokens");
    let messages = format!("/api/channels/{general}/messages");
    let reader = with_token(&app, &make(&ann, &tokens, "Reader", &["messages:read"]).await);
    reader.get(&messages).await.expect(StatusCode::OK);
    reader.post(&messages, message()).await.expect_problem(403, "insufficient-scope");
    // A bot is a member: the scope admin gives it nothing more.
    let admin = with_token(&app, &make(&ann, &tokens, "Keeper", &["admin"]).await);
    admin.get(&tokens).await.expect_problem(403, "forbidden");
    ann.post(&tokens, json!({ "name": "x-ray", "scopes": ["messages:burn"] }))
        .await
        .expect_problem(422, "validation");
    // An owner's right shrinks: so does the token's (A39).
    let role = format!("/api/communities/{id}/members/{}", ben.user_id);
    ann.patch(&role, json!({ "role": "admin" })).await.expect(StatusCode::OK);
    let own = with_token(&app, &make(&ben, "/api/me/tokens", "laptop", &["admin"]).await);
    own.get(&tokens).await.expect(StatusCode::OK);
    ann.patch(&role, json!({ "role": "member" })).await.expect(StatusCode::OK);
    own.get(&tokens).await.expect_problem(403, "forbidden");
}

#[tokio::test]
async fn a_revoked_token_is_refused_and_its_streams_are_told() {
    let app = App::start().await;
    let (ann, ben) = (app.user("ann").await, app.user("ben").await);
    let (id, _) = app.community(&ann, "Team").await;
    app.join(&ann, &ben, &id).await;
    let tokens = format!("/api/communities/{id}/tokens");
    let made = make(&ann, &tokens, "Deploy", &["channels:read"]).await;
    let bot = with_token(&app, &made);
    bot.get(&format!("/api/communities/{id}/channels")).await.expect(StatusCode::OK);
    let path = format!("{tokens}/{}", text(&made["id"]));
    ben.delete(&path).await.expect_problem(403, "forbidden");
    assert_eq!(ann.delete(&path).await.status, StatusCode::NO_CONTENT);
    ann.delete(&path).await.expect_problem(404, "not-found");
    let (subject, event) = app.newest("session.revoked").await;
    assert_eq!(subject, format!("chat.notifications.{}", text(&made["user"]["id"])));
    assert_eq!(event["data"]["session_id"], made["id"], "no session has this id: sessions go on");
    let began = std::time::Instant::now();
    eventually("it is refused", async || {
        let answer = bot.get(&format!("/api/communities/{id}/channels")).await;
        answer.status == StatusCode::UNAUTHORIZED
    })
    .await;
    // With room for a slow machine; whatever else is remembered of a token is remembered for half an hour.
    assert!(began.elapsed() < STATE_AGE_MAX * 5, "{:?}", began.elapsed());
    assert!(ann.get(&tokens).await.expect(StatusCode::OK)["items"].as_array().unwrap().is_empty());
}

#[tokio::test]
async fn personal_tokens_are_ones_own_and_need_a_session() {
    let app = App::start().await;
    let (ann, ben) = (app.user("ann").await, app.user("ben").await);
    let (id, _) = app.community(&ann, "Team").await;
    let made = make(&ann, "/api/me/tokens", "laptop", &["messages:read", "admin"]).await;
    assert_eq!(made["user"]["id"], json!(ann.user_id));
    let own = with_token(&app, &made);
    for answer in [
        own.get("/api/me/tokens").await,
        own.post("/api/me/tokens", json!({ "name": "more" })).await,
        own.delete(&format!("/api/me/tokens/{}", text(&made["id"]))).await,
    ] {
        answer.expect_problem(403, "session-required");
    }
    assert!(
        ben.get("/api/me/tokens").await.expect(StatusCode::OK)["items"]
            .as_array()
            .unwrap()
            .is_empty()
    );
    let path = format!("/api/me/tokens/{}", text(&made["id"]));
    ben.delete(&path).await.expect_problem(404, "not-found");
    // Nor is it one of the community's.
    ann.delete(&format!("/api/communities/{id}/tokens/{}", text(&made["id"])))
        .await
        .expect_problem(404, "not-found");
    assert_eq!(ann.delete(&path).await.status, StatusCode::NO_CONTENT);
    assert_eq!(ann.get("/api/me").await.status, StatusCode::OK, "the session goes on");
}

#[tokio::test]
async fn what_cannot_be_a_token_is_refused() {
    let app = App::start().await;
    let (ann, ben, eve) = (app.user("ann").await, app.user("ben").await, app.user("eve").await);
    let (id, _) = app.community(&ann, "Team").await;
    app.join(&ann, &ben, &id).await;
    let tokens = format!("/api/communities/{id}/tokens");
    for request in [
        json!({ "name": "" }),
        json!({ "name": "Ben" }),
        json!({ "name": "аdmin" }),
        json!({ "name": "x", "expires_in_days": 0 }),
        json!({ "name": "x", "expires_in_days": 366 }),
        json!({ "name": "x", "scopes": [null] }),
    ] {
        ann.post(&tokens, request).await.expect_problem(422, "validation");
    }
    ben.post(&tokens, json!({ "name": "Deploy" })).await.expect_problem(403, "forbidden");
    ben.get(&tokens).await.expect_problem(403, "forbidden");
    eve.post(&tokens, json!({ "name": "Deploy" })).await.expect_problem(404, "not-found");
    let key = Uuid::now_v7().to_string();
    let request = json!({ "name": "Deploy", "expires_in_days": 365 });
    assert_eq!(ann.post_once(&key, &tokens, request.clone()).await.status, StatusCode::CREATED);
    ann.post_once(&key, &tokens, request).await.expect_problem(409, "already-created");
    // A bot that has risen above somebody gets no tokens from them.
    let bot: Uuid = sqlx::query_scalar("UPDATE community_members SET role = 'owner' FROM users WHERE users.id = user_id AND kind = 'bot' RETURNING user_id")
        .fetch_one(&app.db)
        .await
        .unwrap();
    assert_ne!(bot, ann.user_id.uuid());
    ann.patch(
        &format!("/api/communities/{id}/members/{}", ben.user_id),
        json!({ "role": "admin" }),
    )
    .await
    .expect(StatusCode::OK);
    ben.post(&tokens, json!({ "name": "Deploy" })).await.expect_problem(403, "forbidden");
    for n in 1..20 {
        make(&ann, &tokens, "Deploy", &[]).await;
        assert!(n < 20);
    }
    ann.post(&tokens, json!({ "name": "Deploy" })).await.expect_problem(409, "too-many-tokens");
}
