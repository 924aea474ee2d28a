//! What every route has in common: credentials, wrong input, dependencies that are away.

use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::harness::{App, EDGE_SECRET, eventually, text};

#[tokio::test]
async fn only_the_gateway_and_only_with_a_token() {
    let app = App::start().await;
    let ann = app.user("ann").await;
    let http = reqwest::Client::new();
    let bare = http
        .get(format!("{}/api/me", app.base))
        .bearer_auth(ann.bearer.clone().unwrap())
        .send()
        .await
        .unwrap();
    assert_eq!(bare.status(), StatusCode::FORBIDDEN);
    for path in ["/healthz", "/readyz", "/metrics"] {
        assert_eq!(
            http.get(format!("{}{path}", app.base)).send().await.unwrap().status(),
            StatusCode::OK,
            "{path}"
        );
    }
    let answer = app.anonymous().get("/api/me").await;
    assert_eq!(answer.headers["www-authenticate"], "Bearer");
    assert_eq!(answer.headers["cache-control"], "no-store");
    answer.expect_problem(401, "unauthenticated");
    let mut stranger = ann.clone();
    for token in [
        "x".to_owned(),
        ajet_shared::token::Token::generate(ajet_shared::token::TokenKind::Session)
            .expose()
            .to_owned(),
    ] {
        stranger.bearer = Some(token);
        stranger.get("/api/me").await.expect_problem(401, "unauthenticated");
    }
}

/// Method and path of every route in the api's own description.
async fn routes(app: &App) -> Vec<(Method, String)> {
    let document = app.anonymous().get("/api/openapi.json").await.expect(StatusCode::OK);
    assert_eq!(document["openapi"], "3.1.0");
    let mut routes = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in item.as_object().unwrap().keys() {
            routes.push((method.to_uppercase().parse().unwrap(), path.clone()));
        }
    }
    assert!(routes.len() > 30, "{} routes", routes.len());
    routes
}

fn new_id() -> String {
    ajet_shared::id::EventId::new().to_string()
}

/// No route answers without credentials (A51).
#[tokio::test]
async fn no_route_answers_without_credentials() {
    let app = App::start().await;
    for (method, path) in routes(&app).await {
        let path = path.replace("{emoji}", "x").replace("{name}", "x").replace(['{', '}'], "");
        let path = path
            .replace("/id", &format!("/{}", new_id()))
            .replace("user_id", &new_id())
            .replace("invite_id", &new_id());
        let body = matches!(method, Method::POST | Method::PATCH | Method::PUT).then(|| json!({}));
        let answer = app.anonymous().send(method.clone(), &path, body).await;
        // An address of a webhook is its own credential, and a wrong one is none.
        let refused = if path.starts_with("/hook/") {
            StatusCode::NOT_FOUND
        } else {
            StatusCode::UNAUTHORIZED
        };
        assert_eq!(answer.status, refused, "{method} {path}");
    }
}

/// Everything under an id that the caller may not know of answers as if there were nothing (A51, A52, A55): to strangers a whole
/// community, to its owner a private channel of others.
#[tokio::test]
async fn every_route_hides_what_the_caller_may_not_know_of() {
    let app = App::start().await;
    let (ann, ben, eve) = (app.user("ann").await, app.user("ben").await, app.user("eve").await);
    let (community, _) = app.community(&ann, "Team").await;
    app.join(&ann, &ben, &community).await;
    let new = json!({ "name": "hidden", "visibility": "private" });
    let channel = text(
        &ben.post(&format!("/api/communities/{community}/channels"), new)
            .await
            .expect(StatusCode::CREATED)["id"],
    );
    let new = json!({ "body_md": "psst", "client_msg_id": new_id() });
    let message = text(
        &ben.post(&format!("/api/channels/{channel}/messages"), new)
            .await
            .expect(StatusCode::CREATED)["id"],
    );
    let written = app.outbox().await.len();
    let mut asked = 0;
    for (method, path) in routes(&app).await {
        let real = match path.split('/').nth(2) {
            Some("communities") => &community,
            Some("channels") => &channel,
            Some("messages") => &message,
            _ => continue,
        };
        if !path.contains("{id}") {
            continue;
        }
        let tail = path
            .replace("{user_id}", &ben.user_id.to_string())
            .replace("{invite_id}", &new_id())
            .replace("{webhook_id}", &new_id())
            .replace("{token_id}", &new_id())
            .replace("{emoji}", "%F0%9F%91%8D");
        let body = body_of(&method, &path, &message, &ben);
        let callers = if real == &community { vec![&eve] } else { vec![&eve, &ann] };
        for caller in callers {
            let hidden =
                caller.send(method.clone(), &tail.replace("{id}", real), body.clone()).await;
            let missing =
                caller.send(method.clone(), &tail.replace("{id}", &new_id()), body.clone()).await;
            assert_eq!(hidden.status, StatusCode::NOT_FOUND, "{method} {path}: {}", hidden.body);
            assert_eq!(hidden.without_trace(), missing.without_trace(), "{method} {path}");
            asked += 1;
        }
    }
    assert!(asked > 40, "{asked} requests");
    assert_eq!(app.outbox().await.len(), written, "nothing was written on the way");
}

/// A body that the route would take from somebody who may.
fn body_of(
    method: &Method,
    path: &str,
    message: &str,
    ben: &crate::harness::Client,
) -> Option<serde_json::Value> {
    let last = path.rsplit('/').find(|part| !part.starts_with('{')).unwrap_or_default();
    match (method.as_str(), last) {
        ("POST", "messages" | "replies") => {
            Some(json!({ "body_md": "x", "client_msg_id": new_id() }))
        }
        ("POST", "channels") => Some(json!({ "name": "x", "visibility": "public" })),
        ("POST", "webhooks") => Some(json!({ "channel_id": new_id(), "name": "x" })),
        ("POST", "members") => Some(json!({ "user_id": ben.user_id })),
        ("POST", "read") => Some(json!({ "up_to": message })),
        ("PATCH", "members") => Some(json!({ "role": "admin" })),
        ("PATCH", "messages") => Some(json!({ "body_md": "x" })),
        ("POST", "tokens") | ("PATCH", "communities") => Some(json!({ "name": "x" })),
        ("PUT", "notify-level") => Some(json!({ "notify_level": "all" })),
        ("POST", "purge") => Some(json!({ "count": 1 })),
        ("PATCH", "channels") => Some(json!({ "topic": "x" })),
        ("POST" | "PATCH", _) | ("PUT", "bans" | "mute" | "nickname") => Some(json!({})),
        _ => None,
    }
}

#[tokio::test]
async fn wrong_input_is_a_problem_of_its_kind() {
    let app = App::start().await;
    let ann = app.user("ann").await;
    ann.get("/api/nothing").await.expect_problem(404, "not-found");
    ann.put("/api/me").await.expect_problem(405, "method-not-allowed");
    let raw = async |content_type: &'static str, body: String| {
        let request = reqwest::Client::new()
            .post(format!("{}/api/communities", app.base))
            .header("X-Ajet-Edge", EDGE_SECRET);
        let response = request
            .bearer_auth(ann.bearer.clone().unwrap())
            .header("content-type", content_type)
            .body(body)
            .send()
            .await
            .unwrap();
        response.status().as_u16()
    };
    assert_eq!(raw("application/json", "{".to_owned()).await, 400);
    assert_eq!(raw("application/json", "[".repeat(10_000)).await, 400);
    assert_eq!(raw("application/json", r#"{"name":{"$regex":""}}"#.to_owned()).await, 422);
    assert_eq!(raw("application/json", r#"{"name":"x","name":"y"}"#.to_owned()).await, 422);
    assert_eq!(raw("application/json", r#"{"name":"a\u0000b"}"#.to_owned()).await, 422);
    assert_eq!(raw("application/json", r#"{"name":"x"} trailing"#.to_owned()).await, 400);
    assert_eq!(raw("text/plain", r#"{"name":"x"}"#.to_owned()).await, 415);
    assert_eq!(
        raw("application/json", format!(r#"{{"name":"{}"}}"#, "x".repeat(300 * 1024))).await,
        413
    );
}

#[tokio::test]
async fn a_database_that_is_away_is_a_503_and_comes_back() {
    let app = App::start().await;
    let ann = app.user("ann").await;
    let (id, _) = app.community(&ann, "Team").await;
    let name = app.database_url().rsplit('/').next().unwrap().to_owned();
    let server = std::env::var(ajet_shared::db::testing::DATABASE_URL_VARIABLE).unwrap();
    let admin = sqlx::PgPool::connect(&server).await.unwrap();
    let allow = async |allow: bool| {
        sqlx::query(sqlx::AssertSqlSafe(format!(
            "ALTER DATABASE {name} ALLOW_CONNECTIONS {allow}"
        )))
        .execute(&admin)
        .await
        .unwrap();
        sqlx::query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1")
            .bind(&name)
            .execute(&admin)
            .await
            .unwrap();
    };
    allow(false).await;
    let begun = std::time::Instant::now();
    let answer = ann
        .post(
            &format!("/api/communities/{id}/channels"),
            json!({ "name": "x", "visibility": "public" }),
        )
        .await;
    // It has not waited for the database, which would be half a minute; three seconds are what F11 holds it to.
    assert!(begun.elapsed() < std::time::Duration::from_secs(10), "{:?}", begun.elapsed());
    assert_eq!(answer.headers["retry-after"], "2");
    answer.expect_problem(503, "unavailable");
    eventually("the api says that it is not ready", async || {
        reqwest::get(format!("{}/readyz", app.base)).await.unwrap().status()
            == StatusCode::SERVICE_UNAVAILABLE
    })
    .await;
    allow(true).await;
    eventually("it recovers by itself", async || ann.get("/api/me").await.status == StatusCode::OK)
        .await;
    eventually("and says so", async || {
        reqwest::get(format!("{}/readyz", app.base)).await.unwrap().status() == StatusCode::OK
    })
    .await;
}

#[tokio::test]
async fn a_stopped_api_finishes_and_ends() {
    let app = App::start().await;
    let ann = app.user("ann").await;
    app.community(&ann, "Team").await;
    tokio::time::timeout(std::time::Duration::from_secs(15), app.stop())
        .await
        .expect("it ends")
        .unwrap();
}

#[tokio::test]
async fn a_token_is_cut_down_to_its_scopes() {
    let app = App::start().await;
    let ann = app.user("ann").await;
    let (id, general) = app.community(&ann, "Team").await;
    let token = ajet_shared::token::Token::generate(ajet_shared::token::TokenKind::Api);
    let hash = ajet_shared::verify::hash(&token).await.unwrap();
    sqlx::query("INSERT INTO api_tokens (id, user_id, name, selector, token_hash, scopes, expires_at) VALUES ($1, $2, 'bot', $3, $4, '{channels:read}', now() + interval '1 day')")
        .bind(ajet_shared::id::ApiTokenId::new())
        .bind(ann.user_id)
        .bind(token.selector())
        .bind(hash)
        .execute(&app.db)
        .await
        .unwrap();
    let mut bot = ann.clone();
    bot.bearer = Some(token.expose().to_owned());
    bot.get(&format!("/api/communities/{id}/channels")).await.expect(StatusCode::OK);
    bot.get(&format!("/api/channels/{general}")).await.expect_problem(403, "insufficient-scope");
    bot.post(
        &format!("/api/communities/{id}/channels"),
        json!({ "name": "x", "visibility": "public" }),
    )
    .await
    .expect_problem(403, "insufficient-scope");
    bot.post("/api/communities", json!({ "name": "x" }))
        .await
        .expect_problem(403, "session-required");
    bot.get("/api/me/sessions").await.expect_problem(403, "session-required");
    let channels = bot.get(&format!("/api/communities/{id}/channels")).await.expect(StatusCode::OK);
    assert_eq!(text(&channels["items"][0]["id"]), general);
}
