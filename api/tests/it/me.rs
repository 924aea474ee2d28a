//! The caller's own profile and sessions.

use reqwest::StatusCode;
use serde_json::json;

use crate::harness::App;

#[tokio::test]
async fn a_profile_changes_for_everybody_who_shares_something() {
    let app = App::start().await;
    let (ann, ben) = (app.user("ann").await, app.user("ben").await);
    let (id, _) = app.community(&ann, "Team").await;
    app.join(&ann, &ben, &id).await;
    let me = ann.get("/api/me").await.expect(StatusCode::OK);
    assert_eq!(
        (me["username"].as_str(), me["email"].as_str()),
        (Some("ann"), Some("ann@example.org"))
    );
    let changed = ann
        .patch(
            "/api/me",
            json!({ "display_name": "Ann A.", "status_text": "out", "status_emoji": "🌴" }),
        )
        .await
        .expect(StatusCode::OK);
    assert_eq!(
        (changed["display_name"].as_str(), changed["status_emoji"].as_str()),
        (Some("Ann A."), Some("🌴"))
    );
    let (kind, subject, payload) = app.outbox().await.pop().unwrap();
    assert_eq!((kind.as_str(), subject), ("user.updated", format!("chat.events.{id}")));
    assert_eq!(payload["data"]["user"]["display_name"], "Ann A.");
    let seen = ben.get(&format!("/api/users/{}", ann.user_id)).await.expect(StatusCode::OK);
    assert_eq!(
        (seen["status_text"].as_str(), seen.get("email")),
        (Some("out"), None),
        "an address is nobody else's business"
    );
    assert_eq!(
        ann.patch("/api/me", json!({ "status_text": "" })).await.expect(StatusCode::OK)["status_text"],
        json!(null)
    );
    ann.patch("/api/me", json!({ "username": "ben" })).await.expect_problem(409, "username-taken");
    for bad in [
        json!({ "username": "Ann" }),
        json!({ "display_name": " " }),
        json!({ "status_emoji": "xx" }),
        json!({ "status_text": "a\nb" }),
        json!({ "role": "owner" }),
    ] {
        ann.patch("/api/me", bad).await.expect_problem(422, "validation");
    }
}

#[tokio::test]
async fn sessions_are_listed_and_ended() {
    let app = App::start().await;
    let (ann, eve) = (app.user("ann").await, app.user("eve").await);
    let laptop = app.sign_in(ann.user_id).await;
    let sessions = ann.get("/api/me/sessions").await.expect(StatusCode::OK);
    let current: Vec<_> = sessions["items"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|session| session["current"] == true)
        .collect();
    assert_eq!((sessions["items"].as_array().unwrap().len(), current.len()), (2, 1));
    assert_eq!(current[0]["id"], json!(ann.session_id));
    let path = format!("/api/me/sessions/{}", laptop.session_id);
    eve.delete(&path).await.expect_problem(404, "not-found");
    laptop.get("/api/me").await.expect(StatusCode::OK);
    ann.delete(&path).await.expect(StatusCode::NO_CONTENT);
    ann.delete(&path).await.expect_problem(404, "not-found");
    crate::harness::eventually("the ended session is refused", async || {
        laptop.get("/api/me").await.status == StatusCode::UNAUTHORIZED
    })
    .await;
    let (kind, subject, payload) = app.outbox().await.pop().unwrap();
    assert_eq!(
        (kind.as_str(), subject),
        ("session.revoked", format!("chat.notifications.{}", ann.user_id))
    );
    assert_eq!(payload["data"]["session_id"], json!(laptop.session_id));
    assert_eq!(app.audit().await, ["session.revoked"]);
}
