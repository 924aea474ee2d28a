//! Webhooks as those who administer a community manage them.

use reqwest::StatusCode;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::harness::{App, Client, text};

/// A webhook's id and address.
async fn create(client: &Client, community_id: &str, channel_id: &str, name: &str) -> Value {
    let path = format!("/api/communities/{community_id}/webhooks");
    client
        .post(&path, json!({ "channel_id": channel_id, "name": name }))
        .await
        .expect(StatusCode::CREATED)
}

async fn names(client: &Client, community_id: &str) -> Vec<String> {
    let list = client
        .get(&format!("/api/communities/{community_id}/webhooks"))
        .await
        .expect(StatusCode::OK);
    list["items"].as_array().unwrap().iter().map(|item| text(&item["name"])).collect()
}

#[tokio::test]
async fn a_webhook_is_made_shown_once_and_ended() {
    let app = App::start().await;
    let ann = app.user("ann").await;
    let (id, general) = app.community(&ann, "Team").await;
    let made = create(&ann, &id, &general, "CI Builds").await;
    let hook_id = text(&made["id"]);
    let url = text(&made["url"]);
    assert!(url.starts_with(&format!("http://chat.example.org/hook/{hook_id}/ajw_")), "{url}");
    assert_eq!((&made["signed"], &made["allow_broadcast"]), (&json!(false), &json!(false)));
    assert_eq!(made["created_by"], json!(ann.user_id));
    let list = ann.get(&format!("/api/communities/{id}/webhooks")).await;
    assert!(!String::from_utf8_lossy(&list.bytes).contains("ajw_"), "its token is not shown again");
    assert_eq!(names(&ann, &id).await, ["CI Builds"]);

    let path = format!("/api/communities/{id}/webhooks/{hook_id}");
    let rotated = ann.post(&format!("{path}/rotate"), json!(null)).await.expect(StatusCode::OK);
    assert_eq!(rotated["id"], made["id"]);
    assert_ne!(rotated["url"], made["url"]);
    let old = url.trim_start_matches("http://chat.example.org");
    let hello = || json!({ "text": "hello" });
    assert_eq!(app.anonymous().post(old, hello()).await.status, StatusCode::NOT_FOUND);
    let new = text(&rotated["url"]);
    let new = new.trim_start_matches("http://chat.example.org");
    assert_eq!(app.anonymous().post(new, hello()).await.status, StatusCode::OK);

    assert_eq!(ann.delete(&path).await.status, StatusCode::NO_CONTENT);
    ann.delete(&path).await.expect_problem(404, "not-found");
    assert_eq!(app.anonymous().post(new, hello()).await.status, StatusCode::NOT_FOUND, "at once");
    assert!(names(&ann, &id).await.is_empty());
    let audit = app.audit().await;
    for action in ["webhook.created", "webhook.rotated", "webhook.revoked"] {
        assert!(audit.iter().any(|written| written == action), "{action}: {audit:?}");
    }
    let log: String =
        sqlx::query_scalar("SELECT string_agg(to_jsonb(audit_log)::text, '') FROM audit_log")
            .fetch_one(&app.db)
            .await
            .unwrap();
    assert!(!log.contains("ajw_"), "no token in the log");
}

#[tokio::test]
async fn only_admins_manage_and_only_what_they_see() {
    let app = App::start().await;
    let (ann, ben, cleo, eve) = (
        app.user("ann").await,
        app.user("ben").await,
        app.user("cleo").await,
        app.user("eve").await,
    );
    let (id, general) = app.community(&ann, "Team").await;
    app.join(&ann, &ben, &id).await;
    app.join(&ann, &cleo, &id).await;
    ann.patch(
        &format!("/api/communities/{id}/members/{}", ben.user_id),
        json!({ "role": "admin" }),
    )
    .await
    .expect(StatusCode::OK);
    let secret = ann
        .post(
            &format!("/api/communities/{id}/channels"),
            json!({ "name": "wages", "visibility": "private" }),
        )
        .await
        .expect(StatusCode::CREATED);
    let secret = text(&secret["id"]);
    let hidden = create(&ann, &id, &secret, "Payroll").await;
    let public = create(&ben, &id, &general, "Builds").await;
    assert_eq!(names(&ann, &id).await, ["Payroll", "Builds"]);
    assert_eq!(names(&ben, &id).await, ["Builds"], "a hidden channel has no webhooks");

    let webhooks = format!("/api/communities/{id}/webhooks");
    let into = |channel: &str| json!({ "channel_id": channel, "name": "Sneaky" });
    // An admin who is not in the private channel: as if it did not exist (A52).
    let missing = ben.post(&webhooks, into(&Uuid::now_v7().to_string())).await;
    let unseen = ben.post(&webhooks, into(&secret)).await;
    assert_eq!(unseen.without_trace(), missing.without_trace());
    assert_eq!(unseen.status, StatusCode::NOT_FOUND);
    let hidden = text(&hidden["id"]);
    let nothing = ben.delete(&format!("{webhooks}/{}", Uuid::now_v7())).await;
    for answer in [
        ben.delete(&format!("{webhooks}/{hidden}")).await,
        ben.post(&format!("{webhooks}/{hidden}/rotate"), json!(null)).await,
        ben.get(&format!("{webhooks}/{hidden}/deliveries")).await,
    ] {
        assert_eq!(answer.without_trace(), nothing.without_trace());
    }
    // Members may not, strangers know of nothing.
    let public = text(&public["id"]);
    for (who, status, slug) in [(&cleo, 403, "forbidden"), (&eve, 404, "not-found")] {
        who.get(&webhooks).await.expect_problem(status, slug);
        who.post(&webhooks, into(&general)).await.expect_problem(status, slug);
        who.delete(&format!("{webhooks}/{public}")).await.expect_problem(status, slug);
        who.post(&format!("{webhooks}/{public}/rotate"), json!(null))
            .await
            .expect_problem(status, slug);
        who.get(&format!("{webhooks}/{public}/deliveries")).await.expect_problem(status, slug);
    }
    app.anonymous().get(&webhooks).await.expect_problem(401, "unauthenticated");
    // A webhook of one community is none of another.
    let (other, _) = app.community(&eve, "Others").await;
    eve.delete(&format!("/api/communities/{other}/webhooks/{public}"))
        .await
        .expect_problem(404, "not-found");
    eve.post(&format!("/api/communities/{other}/webhooks"), into(&general))
        .await
        .expect_problem(404, "not-found");
    assert_eq!(ben.delete(&format!("{webhooks}/{public}")).await.status, StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn what_cannot_be_a_webhook_is_refused() {
    let app = App::start().await;
    let ann = app.user("ann").await;
    let (id, general) = app.community(&ann, "Team").await;
    let webhooks = format!("/api/communities/{id}/webhooks");
    let long = "x".repeat(65);
    for (name, secret) in [
        ("", None),
        ("\u{202e}x", None),
        (long.as_str(), None),
        ("admin", None),
        ("Аdmin", None),
        ("ANN", None),
        ("Builds", Some("short")),
        ("Builds", Some("long enough\0")),
    ] {
        let request = json!({ "channel_id": general, "name": name, "signing_secret": secret });
        ann.post(&webhooks, request).await.expect_problem(422, "validation");
    }
    let request = json!({ "channel_id": general, "name": "Builds" });
    let key = Uuid::now_v7().to_string();
    assert_eq!(ann.post_once(&key, &webhooks, request.clone()).await.status, StatusCode::CREATED);
    ann.post_once(&key, &webhooks, request).await.expect_problem(409, "already-created");
    assert_eq!(names(&ann, &id).await.len(), 1);
}

#[tokio::test]
async fn the_account_of_a_webhook_is_nobody_one_meets() {
    let app = App::start().await;
    let (ann, ben) = (app.user("ann").await, app.user("ben").await);
    let (id, general) = app.community(&ann, "Team").await;
    app.join(&ann, &ben, &id).await;
    create(&ann, &id, &general, "Builds").await;
    let bot: Uuid =
        sqlx::query_scalar("SELECT id FROM users WHERE kind = 'bot' AND username = 'builds-hook'")
            .fetch_one(&app.db)
            .await
            .unwrap();
    let members = ben.get(&format!("/api/communities/{id}/members")).await.expect(StatusCode::OK);
    assert!(!members.to_string().contains(&bot.to_string()));
    ben.post("/api/dms", json!({ "user_ids": [bot] })).await.expect_problem(404, "not-found");
}
