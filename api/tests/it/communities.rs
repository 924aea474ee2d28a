//! Communities and their members.

use reqwest::StatusCode;
use serde_json::json;

use crate::harness::{App, text};

#[tokio::test]
async fn a_new_community_has_its_owner_and_general() {
    let app = App::start().await;
    let ann = app.user("ann").await;
    let community = ann
        .post("/api/communities", json!({ "name": "Saltmarsh Labs" }))
        .await
        .expect(StatusCode::CREATED);
    assert_eq!(community["slug"], "saltmarsh-labs");
    let id = text(&community["id"]);
    let channels = ann.get(&format!("/api/communities/{id}/channels")).await.expect(StatusCode::OK);
    let general = &channels["items"][0];
    assert_eq!(
        (general["name"].as_str(), general["joined"].as_bool(), general["member_count"].as_i64()),
        (Some("general"), Some(true), Some(1))
    );
    let members = ann.get(&format!("/api/communities/{id}/members")).await.expect(StatusCode::OK);
    assert_eq!(
        (members["items"][0]["username"].as_str(), members["items"][0]["role"].as_str()),
        (Some("ann"), Some("owner"))
    );
    // In the same transaction: who came, the channel, who is in it.
    let events: Vec<String> = app.outbox().await.into_iter().map(|(kind, ..)| kind).collect();
    assert_eq!(events, ["member.joined", "channel.created", "member.joined"]);
    assert_eq!(app.audit().await, ["community.created"]);

    let second = ann
        .post("/api/communities", json!({ "name": "Saltmarsh Labs" }))
        .await
        .expect(StatusCode::CREATED);
    assert_eq!(second["slug"], "saltmarsh-labs-2", "a slug nobody asked for finds a free one");
    ann.post("/api/communities", json!({ "name": "X", "slug": "saltmarsh-labs" }))
        .await
        .expect_problem(409, "slug-taken");
    ann.post("/api/communities", json!({ "name": "\u{200b}" }))
        .await
        .expect_problem(422, "validation");
}

#[tokio::test]
async fn renaming_tells_the_members_and_needs_an_admin() {
    let app = App::start().await;
    let (ann, ben) = (app.user("ann").await, app.user("ben").await);
    let (id, _) = app.community(&ann, "Old").await;
    app.join(&ann, &ben, &id).await;
    let path = format!("/api/communities/{id}");
    ben.patch(&path, json!({ "name": "Ben's" })).await.expect_problem(403, "forbidden");
    assert_eq!(
        ann.patch(&path, json!({ "name": "New" })).await.expect(StatusCode::OK)["name"],
        "New"
    );
    let (kind, subject, payload) = app.outbox().await.pop().unwrap();
    assert_eq!((kind.as_str(), subject), ("community.updated", format!("chat.events.{id}")));
    assert_eq!(payload["data"]["community"]["name"], "New");
    assert_eq!(payload["actor_id"], json!(ann.user_id));
    assert_eq!(ben.get(&path).await.expect(StatusCode::OK)["name"], "New");
}

#[tokio::test]
async fn to_strangers_a_community_does_not_exist() {
    let app = App::start().await;
    let (ann, eve) = (app.user("ann").await, app.user("eve").await);
    let (id, _) = app.community(&ann, "Secret").await;
    let nowhere = ajet_shared::id::CommunityId::new();
    for tail in ["", "/channels", "/members", "/invites"] {
        let hidden = eve.get(&format!("/api/communities/{id}{tail}")).await;
        let missing = eve.get(&format!("/api/communities/{nowhere}{tail}")).await;
        assert_eq!(hidden.without_trace(), missing.without_trace(), "{tail}");
        hidden.expect_problem(404, "not-found");
    }
    let user = format!("/api/communities/{id}/members/{}", ann.user_id);
    eve.patch(&user, json!({ "role": "member" })).await.expect_problem(404, "not-found");
    eve.delete(&user).await.expect_problem(404, "not-found");
    eve.get(&format!("/api/users/{}", ann.user_id)).await.expect_problem(404, "not-found");
    assert_eq!(eve.get("/api/communities").await.expect(StatusCode::OK)["items"], json!([]));
}

#[tokio::test]
async fn roles_are_given_by_owners_only() {
    let app = App::start().await;
    let (ann, ben, cleo) = (app.user("ann").await, app.user("ben").await, app.user("cleo").await);
    let (id, _) = app.community(&ann, "Team").await;
    app.join(&ann, &ben, &id).await;
    app.join(&ann, &cleo, &id).await;
    let member =
        |user: &crate::harness::Client| format!("/api/communities/{id}/members/{}", user.user_id);
    ben.patch(&member(&ben), json!({ "role": "admin" })).await.expect_problem(403, "forbidden");
    assert_eq!(
        ann.patch(&member(&ben), json!({ "role": "admin" })).await.expect(StatusCode::OK)["role"],
        "admin"
    );
    ben.patch(&member(&cleo), json!({ "role": "owner" })).await.expect_problem(403, "forbidden");
    ben.delete(&member(&ann)).await.expect_problem(403, "forbidden");
    ann.patch(&member(&ben), json!({ "role": "emperor" })).await.expect_problem(422, "validation");
    assert_eq!(app.newest("member.updated").await.1["data"]["role"], "admin");
    let (subject, notice) = app.newest("notification.created").await;
    assert_eq!(
        (subject, notice["data"]["type"].as_str()),
        (format!("chat.notifications.{}", ben.user_id), Some("system"))
    );
    assert_eq!(app.audit().await.last().unwrap(), "role.changed");
}

#[tokio::test]
async fn the_last_owner_stays() {
    let app = App::start().await;
    let (ann, ben) = (app.user("ann").await, app.user("ben").await);
    let (id, _) = app.community(&ann, "Team").await;
    app.join(&ann, &ben, &id).await;
    let member =
        |user: &crate::harness::Client| format!("/api/communities/{id}/members/{}", user.user_id);
    ann.delete(&member(&ann)).await.expect_problem(409, "last-owner");
    ann.patch(&member(&ann), json!({ "role": "member" })).await.expect_problem(409, "last-owner");
    ann.patch(&member(&ben), json!({ "role": "owner" })).await.expect(StatusCode::OK);
    // Two owners who leave at once: one of them stays.
    let (ann_path, ben_path) = (member(&ann), member(&ben));
    let (one, other) = tokio::join!(ann.delete(&ann_path), ben.delete(&ben_path));
    let mut statuses = [one.status.as_u16(), other.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [204, 409]);
}

#[tokio::test]
async fn leaving_a_community_ends_its_channels_too() {
    let app = App::start().await;
    let (ann, ben) = (app.user("ann").await, app.user("ben").await);
    let (id, general) = app.community(&ann, "Team").await;
    app.join(&ann, &ben, &id).await;
    let channel = format!("/api/channels/{general}");
    assert_eq!(ben.get(&channel).await.expect(StatusCode::OK)["joined"], true);
    ann.delete(&format!("/api/communities/{id}/members/{}", ben.user_id))
        .await
        .expect(StatusCode::NO_CONTENT);
    ben.get(&channel).await.expect_problem(404, "not-found");
    ben.get(&format!("/api/communities/{id}")).await.expect_problem(404, "not-found");
    let events = app.outbox().await;
    let scopes: Vec<_> = events
        .iter()
        .filter(|(kind, ..)| kind == "member.removed")
        .map(|(_, _, payload)| text(&payload["data"]["scope"]))
        .collect();
    assert_eq!(scopes, ["channel", "community"]);
    ann.delete(&format!("/api/communities/{id}/members/{}", ben.user_id))
        .await
        .expect_problem(404, "not-found");
}

#[tokio::test]
async fn members_come_in_pages_and_say_who_is_online() {
    let app = App::start().await;
    let ann = app.user("ann").await;
    let (id, general) = app.community(&ann, "Team").await;
    for name in ["ben", "cleo", "dan"] {
        let guest = app.user(name).await;
        app.join(&ann, &guest, &id).await;
    }
    ann.post("/api/heartbeat", json!({})).await.expect(StatusCode::NO_CONTENT);
    crate::harness::eventually("ann is online", async || {
        let me = ann.get("/api/me").await.expect(StatusCode::OK);
        me["online"] == true
    })
    .await;
    for list in
        [format!("/api/communities/{id}/members"), format!("/api/channels/{general}/members")]
    {
        let first = ann.get(&format!("{list}?limit=3")).await.expect(StatusCode::OK);
        let names: Vec<_> = first["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|member| text(&member["username"]))
            .collect();
        assert_eq!(names, ["ann", "ben", "cleo"]);
        assert_eq!(
            (first["items"][0]["online"].as_bool(), first["items"][1]["online"].as_bool()),
            (Some(true), Some(false))
        );
        let rest = ann
            .get(&format!("{list}?limit=3&after={}", text(&first["next"])))
            .await
            .expect(StatusCode::OK);
        assert_eq!(
            (rest["items"][0]["username"].as_str(), &rest["next"]),
            (Some("dan"), &json!(null))
        );
        let back = ann
            .get(&format!("{list}?limit=3&before={}", text(&rest["prev"])))
            .await
            .expect(StatusCode::OK);
        assert_eq!(back["items"], first["items"]);
        for bad in [
            "limit=0",
            "limit=101",
            "limit=x",
            "limit=1&limit=2",
            "after=1",
            "around=00000000-0000-0000-0000-000000000000",
            "x=1",
        ] {
            ann.get(&format!("{list}?{bad}")).await.expect_problem(422, "validation");
        }
    }
}

#[tokio::test]
async fn repeating_a_creation_gives_the_first_answer() {
    let app = App::start().await;
    let (ann, ben) = (app.user("ann").await, app.user("ben").await);
    let key = || ajet_shared::id::EventId::new().to_string();
    let (one, request) = (key(), json!({ "name": "Team" }));
    let first =
        ann.post_once(&one, "/api/communities", request.clone()).await.expect(StatusCode::CREATED);
    let again = ann.post_once(&one, "/api/communities", request.clone()).await;
    assert_eq!(again.headers["idempotency-replayed"], "true");
    assert_eq!(again.expect(StatusCode::CREATED), first);
    ann.post_once(&one, "/api/communities", json!({ "name": "Other" }))
        .await
        .expect_problem(422, "idempotency-mismatch");
    ann.post_once("not-a-uuid", "/api/communities", request.clone())
        .await
        .expect_problem(422, "validation");
    assert_ne!(
        ben.post_once(&one, "/api/communities", request).await.expect(StatusCode::CREATED)["id"],
        first["id"],
        "keys are everybody's own"
    );

    let path = format!("/api/communities/{}/channels", text(&first["id"]));
    ann.post_once(&one, &path, json!({ "name": "x", "visibility": "public" }))
        .await
        .expect_problem(422, "idempotency-mismatch");
    // Twenty at once: one channel, twenty equal answers.
    let two = key();
    let request = json!({ "name": "x", "visibility": "public" });
    let answers =
        futures::future::join_all((0..20).map(|_| ann.post_once(&two, &path, request.clone())))
            .await;
    let mut bodies: Vec<_> =
        answers.into_iter().map(|answer| answer.expect(StatusCode::CREATED).to_string()).collect();
    bodies.dedup();
    assert_eq!(bodies.len(), 1);

    let three = key();
    let path = format!("/api/communities/{}/invites", text(&first["id"]));
    ann.post_once(&three, &path, json!({})).await.expect(StatusCode::CREATED);
    ann.post_once(&three, &path, json!({})).await.expect_problem(409, "already-created");
}

#[tokio::test]
async fn members_invite_members_where_the_community_lets_them() {
    let app = App::start().await;
    let (ann, ben) = (app.user("ann").await, app.user("ben").await);
    let (id, general) = app.community(&ann, "Team").await;
    app.join(&ann, &ben, &id).await;
    let (community, invites) =
        (format!("/api/communities/{id}"), format!("/api/communities/{id}/invites"));
    let slash = async || {
        ben.post("/api/commands", json!({ "channel_id": general, "text": "/invite" })).await
    };
    let policy = async |on: bool| {
        let changed = ann.patch(&community, json!({ "members_may_invite": on })).await;
        assert_eq!(changed.expect(StatusCode::OK)["members_may_invite"], on);
    };
    ben.post(&invites, json!({})).await.expect_problem(403, "forbidden");
    slash().await.expect_problem(403, "forbidden");
    ben.patch(&community, json!({ "members_may_invite": true }))
        .await
        .expect_problem(403, "forbidden");

    policy(true).await;
    let told = app.newest("community.updated").await;
    assert_eq!(told.1["data"]["community"]["members_may_invite"], true);
    assert_eq!(app.audit().await.iter().filter(|act| *act == "policy.changed").count(), 1);
    let invite = ben.post(&invites, json!({})).await.expect(StatusCode::CREATED);
    assert_eq!(invite["role"], "member");
    assert!(text(&slash().await.expect(StatusCode::OK)["body_md"]).contains("/invite/"));
    // Members let in members, and the list stays the admins'.
    ben.post(&invites, json!({ "role": "admin" })).await.expect_problem(403, "forbidden");
    ben.get(&invites).await.expect_problem(403, "forbidden");
    // Saying it again is no change.
    let before = app.outbox().await.len();
    policy(true).await;
    assert_eq!(app.outbox().await.len(), before);
    assert_eq!(app.audit().await.iter().filter(|act| *act == "policy.changed").count(), 1);

    // Whoever left the channel may still invite by a link from there.
    ben.post(&format!("/api/channels/{general}/leave"), json!({}))
        .await
        .expect(StatusCode::NO_CONTENT);
    slash().await.expect(StatusCode::OK);
    policy(false).await;
    ben.post(&invites, json!({})).await.expect_problem(403, "forbidden");
    slash().await.expect_problem(403, "not-joined");
}
