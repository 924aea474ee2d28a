//! Channels: made, found, joined, left, archived, hidden.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::harness::{App, Client, text};

async fn make(client: &Client, community_id: &str, name: &str, visibility: &str) -> String {
    let path = format!("/api/communities/{community_id}/channels");
    let channel = client
        .post(&path, json!({ "name": name, "visibility": visibility, "topic": "all of it" }))
        .await
        .expect(StatusCode::CREATED);
    assert_eq!(
        (channel["joined"].as_bool(), channel["topic"].as_str()),
        (Some(true), Some("all of it"))
    );
    text(&channel["id"])
}

fn names(page: &Value) -> Vec<String> {
    page["items"].as_array().unwrap().iter().map(|channel| text(&channel["name"])).collect()
}

#[tokio::test]
async fn a_channel_lives() {
    let app = App::start().await;
    let (ann, ben) = (app.user("ann").await, app.user("ben").await);
    let (id, _) = app.community(&ann, "Team").await;
    app.join(&ann, &ben, &id).await;
    let lobby = make(&ben, &id, "Release-Room", "public").await;
    let path = format!("/api/channels/{lobby}");
    assert_eq!(
        names(&ann.get(&format!("/api/communities/{id}/channels")).await.expect(StatusCode::OK)),
        ["general", "release-room"]
    );
    // Readable before joining, and not yet hers.
    assert_eq!(ann.get(&path).await.expect(StatusCode::OK)["joined"], false);
    assert_eq!(
        ann.post(&format!("{path}/join"), json!({})).await.expect(StatusCode::OK)["joined"],
        true
    );
    let before = app.outbox().await.len();
    ann.post(&format!("{path}/join"), json!({})).await.expect(StatusCode::OK);
    assert_eq!(app.outbox().await.len(), before, "joining twice tells nobody twice");

    assert_eq!(
        ben.patch(&path, json!({ "topic": "ships" })).await.expect(StatusCode::OK)["topic"],
        "ships"
    );
    ben.patch(&path, json!({ "name": "mine" })).await.expect_problem(403, "forbidden");
    assert_eq!(
        ann.patch(&path, json!({ "name": "harbour", "topic": "" })).await.expect(StatusCode::OK)["topic"],
        json!(null)
    );
    ann.patch(&path, json!({ "name": "general" })).await.expect_problem(409, "name-taken");
    ann.patch(&path, json!({ "colour": "red" })).await.expect_problem(422, "validation");

    ben.post(&format!("{path}/archive"), json!({})).await.expect_problem(403, "forbidden");
    assert_ne!(
        ann.post(&format!("{path}/archive"), json!({})).await.expect(StatusCode::OK)["archived_at"],
        json!(null)
    );
    ben.patch(&path, json!({ "topic": "too late" })).await.expect_problem(403, "channel-archived");
    assert_eq!(
        ann.post(&format!("{path}/unarchive"), json!({})).await.expect(StatusCode::OK)["archived_at"],
        json!(null)
    );

    ann.post(&format!("{path}/leave"), json!({})).await.expect(StatusCode::NO_CONTENT);
    ann.post(&format!("{path}/leave"), json!({})).await.expect(StatusCode::NO_CONTENT);
    assert_eq!(ann.get(&path).await.expect(StatusCode::OK)["joined"], false);

    // Numbers of a channel's events have no gaps and are those of the outbox.
    let events: Vec<(String, i64)> = app
        .outbox()
        .await
        .into_iter()
        .filter(|(_, _, payload)| payload["channel_id"] == lobby.as_str())
        .map(|(kind, _, payload)| (kind, payload["seq"].as_i64().unwrap()))
        .collect();
    let kinds: Vec<&str> = events.iter().map(|(kind, _)| kind.as_str()).collect();
    assert_eq!(
        kinds,
        [
            "channel.created",
            "member.joined",
            "member.joined",
            "channel.updated",
            "channel.updated",
            "channel.archived",
            "channel.unarchived",
            "member.left"
        ]
    );
    assert_eq!(events.iter().map(|(_, seq)| *seq).collect::<Vec<_>>(), (1..=8).collect::<Vec<_>>());
    let last_seq = ann.get(&path).await.expect(StatusCode::OK)["last_seq"].clone();
    assert_eq!(last_seq, 8);
}

#[tokio::test]
async fn a_hidden_channel_is_the_twin_of_a_missing_one() {
    let app = App::start().await;
    let (owner, ben) = (app.user("ann").await, app.user("ben").await);
    let (id, _) = app.community(&owner, "Team").await;
    app.join(&owner, &ben, &id).await;
    let hidden = make(&ben, &id, "surprise", "private").await;
    let missing = ajet_shared::id::ChannelId::new().to_string();
    let requests: [(Method, &str, Option<Value>); 10] = [
        (Method::GET, "", None),
        (Method::PATCH, "", Some(json!({ "topic": "x" }))),
        (Method::PATCH, "", Some(json!({ "name": "x" }))),
        (Method::POST, "/join", Some(json!({}))),
        (Method::POST, "/leave", Some(json!({}))),
        (Method::POST, "/archive", Some(json!({}))),
        (Method::POST, "/unarchive", Some(json!({}))),
        (Method::GET, "/members", None),
        (Method::POST, "/members", Some(json!({ "user_id": owner.user_id }))),
        (Method::DELETE, "/members/00000000-0000-0000-0000-000000000000", None),
    ];
    // Even the owner of the community: a private channel is its members' (A52).
    for (method, tail, body) in requests {
        let twin = owner
            .send(method.clone(), &format!("/api/channels/{missing}{tail}"), body.clone())
            .await;
        let answer =
            owner.send(method.clone(), &format!("/api/channels/{hidden}{tail}"), body).await;
        assert_eq!(answer.without_trace(), twin.without_trace(), "{method} {tail}");
        answer.expect_problem(404, "not-found");
    }
    assert_eq!(
        names(&owner.get(&format!("/api/communities/{id}/channels")).await.expect(StatusCode::OK)),
        ["general"]
    );
    // Its first event names whom it reaches, and an id that is none is no channel either.
    let created = app.outbox().await.into_iter().find(|(kind, _, payload)| {
        kind == "channel.created" && payload["channel_id"] == hidden.as_str()
    });
    assert_eq!(created.unwrap().2["data"]["member_ids"], json!([ben.user_id]));
    owner.get("/api/channels/not-an-id").await.expect_problem(404, "not-found");
    // The answer to its name is the same as to any name in use, and tells nothing.
    owner
        .post(
            &format!("/api/communities/{id}/channels"),
            json!({ "name": "surprise", "visibility": "public" }),
        )
        .await
        .expect_problem(409, "name-taken");
}

#[tokio::test]
async fn members_take_others_in_and_admins_take_them_out() {
    let app = App::start().await;
    let (ann, ben, cleo, eve) = (
        app.user("ann").await,
        app.user("ben").await,
        app.user("cleo").await,
        app.user("eve").await,
    );
    let (id, _) = app.community(&ann, "Team").await;
    app.join(&ann, &ben, &id).await;
    app.join(&ann, &cleo, &id).await;
    let channel = make(&ben, &id, "plans", "private").await;
    let members = format!("/api/channels/{channel}/members");
    cleo.post(&members, json!({ "user_id": cleo.user_id })).await.expect_problem(404, "not-found");
    ben.post(&members, json!({ "user_id": eve.user_id })).await.expect_problem(404, "not-found");
    for guest in [&cleo, &ann] {
        ben.post(&members, json!({ "user_id": guest.user_id }))
            .await
            .expect(StatusCode::NO_CONTENT);
    }
    assert_eq!(
        cleo.get(&format!("/api/channels/{channel}")).await.expect(StatusCode::OK)["member_count"],
        3
    );
    let (_, joined) = app.newest("member.joined").await;
    assert_eq!(
        (joined["data"]["user_id"].clone(), joined["data"]["channel"]["name"].as_str()),
        (json!(ann.user_id), Some("plans"))
    );
    let (subject, notice) = app.newest("notification.created").await;
    assert_eq!(
        (subject, notice["data"]["type"].as_str()),
        (format!("chat.notifications.{}", ann.user_id), Some("invite"))
    );
    cleo.delete(&format!("{members}/{}", ben.user_id)).await.expect_problem(403, "forbidden");
    ann.delete(&format!("{members}/{}", ben.user_id)).await.expect(StatusCode::NO_CONTENT);
    ann.delete(&format!("{members}/{}", ben.user_id)).await.expect_problem(404, "not-found");
    ben.get(&format!("/api/channels/{channel}")).await.expect_problem(404, "not-found");
    cleo.delete(&format!("{members}/{}", cleo.user_id)).await.expect(StatusCode::NO_CONTENT);
    cleo.get(&format!("/api/channels/{channel}")).await.expect_problem(404, "not-found");
    assert_eq!(app.audit().await.last().unwrap(), "channel.member-removed");
}

#[tokio::test]
async fn lists_of_channels_are_walked_by_cursors() {
    let app = App::start().await;
    let ann = app.user("ann").await;
    let (id, _) = app.community(&ann, "Team").await;
    for name in ["alpha", "beta", "delta"] {
        make(&ann, &id, name, "public").await;
    }
    let list = format!("/api/communities/{id}/channels");
    assert_eq!(
        names(&ann.get(&list).await.expect(StatusCode::OK)),
        ["alpha", "beta", "delta", "general"]
    );
    let first = ann.get(&format!("{list}?limit=2")).await.expect(StatusCode::OK);
    let second = ann
        .get(&format!("{list}?limit=2&after={}", text(&first["next"])))
        .await
        .expect(StatusCode::OK);
    assert_eq!(
        (names(&second), &second["next"]),
        (vec!["delta".to_owned(), "general".to_owned()], &json!(null))
    );
    ann.get(&format!("{list}?after={}", ajet_shared::id::ChannelId::new()))
        .await
        .expect_problem(404, "not-found");
}

#[tokio::test]
async fn events_of_many_at_once_have_no_gaps() {
    let app = App::start().await;
    let ann = app.user("ann").await;
    let (id, general) = app.community(&ann, "Team").await;
    let mut guests = Vec::new();
    for n in 0..12 {
        let guest = app.user(&format!("guest{n}")).await;
        app.join(&ann, &guest, &id).await;
        guests.push(guest);
    }
    let path = format!("/api/channels/{general}");
    let rounds = guests.iter().map(|guest| async {
        for _ in 0..3 {
            guest.post(&format!("{path}/leave"), json!({})).await.expect(StatusCode::NO_CONTENT);
            guest.post(&format!("{path}/join"), json!({})).await.expect(StatusCode::OK);
        }
    });
    futures::future::join_all(rounds).await;
    let mut seqs: Vec<i64> = app
        .outbox()
        .await
        .into_iter()
        .filter_map(|(_, _, payload)| payload["seq"].as_i64())
        .collect();
    let written = seqs.clone();
    seqs.sort_unstable();
    assert_eq!(written, seqs, "the outbox has the order of the channel");
    assert_eq!(seqs, (1..=i64::try_from(seqs.len()).unwrap()).collect::<Vec<_>>());
}

#[tokio::test]
async fn direct_messages_are_opened_with_people_one_knows() {
    let app = App::start().await;
    let (ann, ben, cleo, eve) = (
        app.user("ann").await,
        app.user("ben").await,
        app.user("cleo").await,
        app.user("eve").await,
    );
    let (id, _) = app.community(&ann, "Team").await;
    app.join(&ann, &ben, &id).await;
    app.join(&ann, &cleo, &id).await;
    let dm = ann
        .post("/api/dms", json!({ "user_ids": [ben.user_id] }))
        .await
        .expect(StatusCode::CREATED);
    assert_eq!(
        (dm["kind"].as_str(), dm["member_count"].as_i64(), dm["community_id"].clone()),
        (Some("dm"), Some(2), json!(null))
    );
    assert_eq!(
        ben.post("/api/dms", json!({ "user_ids": [ann.user_id] })).await.expect(StatusCode::OK)["id"],
        dm["id"]
    );
    let group = ann
        .post("/api/dms", json!({ "user_ids": [ben.user_id, cleo.user_id] }))
        .await
        .expect(StatusCode::CREATED);
    assert_eq!(
        (group["kind"].as_str(), group["members"].as_array().unwrap().len()),
        (Some("group_dm"), 3)
    );
    let (subject, created) = app.newest("channel.created").await;
    assert_eq!(subject, format!("chat.dm.{}", text(&group["id"])));
    assert_eq!(
        created["data"]["member_ids"].as_array().unwrap().len(),
        3,
        "its first event names whom it reaches"
    );
    let path = format!("/api/channels/{}", text(&dm["id"]));
    cleo.get(&path).await.expect_problem(404, "not-found");
    for (tail, body) in [
        ("/leave", json!({})),
        ("/archive", json!({})),
        ("/members", json!({ "user_id": cleo.user_id })),
    ] {
        ann.post(&format!("{path}{tail}"), body).await.expect_problem(403, "forbidden");
    }
    ann.post("/api/dms", json!({ "user_ids": [eve.user_id] }))
        .await
        .expect_problem(404, "not-found");
    ann.post("/api/dms", json!({ "user_ids": [ajet_shared::id::UserId::new()] }))
        .await
        .expect_problem(404, "not-found");
    ann.post("/api/dms", json!({ "user_ids": [] })).await.expect_problem(422, "validation");
    ann.post("/api/dms", json!({ "user_ids": [ann.user_id] }))
        .await
        .expect_problem(422, "validation");
    assert_eq!(
        ben.get("/api/dms").await.expect(StatusCode::OK)["items"].as_array().unwrap().len(),
        2
    );
}
