//! Invites.

use reqwest::StatusCode;
use serde_json::json;

use crate::harness::{App, Client, text};

async fn invite(
    client: &Client,
    community_id: &str,
    request: serde_json::Value,
) -> serde_json::Value {
    client
        .post(&format!("/api/communities/{community_id}/invites"), request)
        .await
        .expect(StatusCode::CREATED)
}

#[tokio::test]
async fn an_invite_lets_in_and_joins_general() {
    let app = App::start().await;
    let (ann, ben) = (app.user("ann").await, app.user("ben").await);
    let (id, general) = app.community(&ann, "Team").await;
    let made = invite(&ann, &id, json!({})).await;
    assert_eq!((made["max_uses"].as_i64(), made["role"].as_str()), (Some(1), Some("member")));
    assert_eq!(made["url"], format!("http://chat.example.org/invite/{}", text(&made["code"])));
    let community = ben
        .post("/api/invites/accept", json!({ "code": made["code"] }))
        .await
        .expect(StatusCode::CREATED);
    assert_eq!(community["id"], id.as_str());
    assert_eq!(
        ben.get(&format!("/api/channels/{general}")).await.expect(StatusCode::OK)["joined"],
        true
    );
    // Again: he is in, and that costs no use.
    ben.post("/api/invites/accept", json!({ "code": made["code"] }))
        .await
        .expect(StatusCode::CREATED);
    let listed = ann.get(&format!("/api/communities/{id}/invites")).await.expect(StatusCode::OK);
    assert_eq!(
        (listed["items"][0]["uses"].as_i64(), listed["items"][0].get("code")),
        (Some(1), None),
        "the code is shown once"
    );
    assert_eq!(app.audit().await, ["community.created", "invite.created", "invite.redeemed"]);
}

#[tokio::test]
async fn a_single_use_lets_exactly_one_in() {
    let app = App::start().await;
    let ann = app.user("ann").await;
    let (id, _) = app.community(&ann, "Team").await;
    let code = invite(&ann, &id, json!({ "max_uses": 1 })).await["code"].clone();
    let mut guests = Vec::new();
    for n in 0..20 {
        guests.push(app.user(&format!("guest{n}")).await);
    }
    let answers = futures::future::join_all(
        guests.iter().map(|guest| guest.post("/api/invites/accept", json!({ "code": code }))),
    )
    .await;
    let mut let_in = 0;
    for answer in answers {
        if answer.status == StatusCode::CREATED {
            let_in += 1;
        } else {
            answer.expect_problem(410, "invite-used");
        }
    }
    assert_eq!(let_in, 1);
}

#[tokio::test]
async fn invites_end() {
    let app = App::start().await;
    let (ann, ben, cleo) = (app.user("ann").await, app.user("ben").await, app.user("cleo").await);
    let (id, _) = app.community(&ann, "Team").await;
    // Revoked.
    let revoked = invite(&ann, &id, json!({})).await;
    let path = format!("/api/communities/{id}/invites/{}", text(&revoked["id"]));
    ann.delete(&path).await.expect(StatusCode::NO_CONTENT);
    ann.delete(&path).await.expect(StatusCode::NO_CONTENT);
    ben.post("/api/invites/accept", json!({ "code": revoked["code"] }))
        .await
        .expect_problem(410, "invite-expired");
    // Expired.
    let expired = invite(&ann, &id, json!({ "expires_in_seconds": 60 })).await;
    sqlx::query("UPDATE invites SET expires_at = now() - interval '1 second'")
        .execute(&app.db)
        .await
        .unwrap();
    ben.post("/api/invites/accept", json!({ "code": expired["code"] }))
        .await
        .expect_problem(410, "invite-expired");
    // Its maker may no longer invite (A32).
    app.join(&ann, &ben, &id).await;
    let member = format!("/api/communities/{id}/members/{}", ben.user_id);
    ann.patch(&member, json!({ "role": "admin" })).await.expect(StatusCode::OK);
    let orphaned = invite(&ben, &id, json!({})).await;
    ann.patch(&member, json!({ "role": "member" })).await.expect(StatusCode::OK);
    cleo.post("/api/invites/accept", json!({ "code": orphaned["code"] }))
        .await
        .expect_problem(410, "invite-expired");
    // Banned.
    let code = invite(&ann, &id, json!({})).await["code"].clone();
    sqlx::query("INSERT INTO bans (id, community_id, user_id) VALUES ($1, $2::uuid, $3)")
        .bind(ajet_shared::id::EventId::new())
        .bind(&id)
        .bind(cleo.user_id)
        .execute(&app.db)
        .await
        .unwrap();
    cleo.post("/api/invites/accept", json!({ "code": code })).await.expect_problem(403, "banned");
}

#[tokio::test]
async fn invites_are_made_by_those_who_may_and_guessed_by_nobody() {
    let app = App::start().await;
    let (ann, ben) = (app.user("ann").await, app.user("ben").await);
    let (id, _) = app.community(&ann, "Team").await;
    app.join(&ann, &ben, &id).await;
    let path = format!("/api/communities/{id}/invites");
    ben.post(&path, json!({})).await.expect_problem(403, "forbidden");
    ben.get(&path).await.expect_problem(403, "forbidden");
    ann.patch(
        &format!("/api/communities/{id}/members/{}", ben.user_id),
        json!({ "role": "admin" }),
    )
    .await
    .expect(StatusCode::OK);
    ben.post(&path, json!({ "role": "admin" })).await.expect_problem(403, "forbidden");
    ann.post(&path, json!({ "role": "admin" })).await.expect(StatusCode::CREATED);
    for bad in [
        json!({ "max_uses": 0 }),
        json!({ "max_uses": 1001 }),
        json!({ "expires_in_seconds": 59 }),
        json!({ "expires_in_seconds": 7_776_001 }),
        json!({ "x": 1 }),
    ] {
        ann.post(&path, bad).await.expect_problem(422, "validation");
    }
    let code = text(&invite(&ann, &id, json!({})).await["code"]);
    // Another secret half under a known public half, another public half, and junk: all the same.
    let forged = format!("{}{}", &code[..code.len() - 43], "A".repeat(43));
    let unknown = ajet_shared::token::Token::generate(ajet_shared::token::TokenKind::Invite)
        .expose()
        .to_owned();
    for guess in [forged, unknown, "aji_junk".to_owned(), String::new()] {
        ben.post("/api/invites/accept", json!({ "code": guess }))
            .await
            .expect_problem(404, "not-found");
    }
}
