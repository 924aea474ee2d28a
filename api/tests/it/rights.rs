//! Who may what where several rules meet: bots and their makers, tokens, mutes, names, the audit log (A52, A97, A100, A103).

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::harness::{Answer, App, Client, text};

/// A community of an owner, an admin and a member.
struct Town {
    app: App,
    id: String,
    general: String,
    ann: Client,
    ben: Client,
    cem: Client,
}

async fn town() -> Town {
    let app = App::start().await;
    let (ann, ben, cem) = (app.user("ann").await, app.user("ben").await, app.user("cem").await);
    let (id, general) = app.community(&ann, "Team").await;
    for guest in [&ben, &cem] {
        app.join(&ann, guest, &id).await;
    }
    let town = Town { app, id, general, ann, ben, cem };
    town.give(&town.ben.user_id.to_string(), "admin").await.expect(StatusCode::OK);
    town
}

impl Town {
    fn at(&self, rest: &str) -> String {
        format!("/api/communities/{}{rest}", self.id)
    }

    async fn give(&self, user_id: &str, role: &str) -> Answer {
        let path = self.at(&format!("/members/{user_id}"));
        self.ann.patch(&path, json!({ "role": role })).await
    }

    async fn token(&self, who: &Client, name: &str, scopes: &[&str]) -> Answer {
        who.post(&self.at("/tokens"), json!({ "name": name, "scopes": scopes })).await
    }

    async fn own_token(&self, who: &Client, scopes: &[&str]) -> Client {
        let request = json!({ "name": "own", "scopes": scopes });
        let made = who.post("/api/me/tokens", request).await.expect(StatusCode::CREATED);
        self.app.anonymous().with_bearer(&text(&made["secret"]))
    }

    async fn channel(&self, who: &Client, name: &str, visibility: &str) -> String {
        let request = json!({ "name": name, "visibility": visibility });
        let made = who.post(&self.at("/channels"), request).await.expect(StatusCode::CREATED);
        text(&made["id"])
    }

    async fn mute(&self, who: &Client) {
        let path = self.at(&format!("/members/{}/mute", who.user_id));
        put(&self.ann, &path, json!({})).await.expect(StatusCode::OK);
    }

    async fn says(&self, who: &Client, line: &str) -> Answer {
        who.post("/api/commands", json!({ "channel_id": self.general, "text": line })).await
    }

    async fn log(&self, who: &Client, action: &str) -> Vec<Value> {
        let path = self.at(&format!("/audit?action={action}"));
        who.get(&path).await.expect(StatusCode::OK)["items"].as_array().unwrap().clone()
    }
}

async fn put(who: &Client, path: &str, body: Value) -> Answer {
    who.send(Method::PUT, path, Some(body)).await
}

fn message() -> Value {
    json!({ "body_md": "hello", "client_msg_id": Uuid::now_v7() })
}

#[tokio::test]
async fn nobody_reads_through_a_bot_what_they_may_not_read() {
    let town = town().await;
    let all = ["messages:read", "messages:write"];
    let made = town.token(&town.ann, "Deploy", &all).await.expect(StatusCode::CREATED);
    let bot = text(&made["user"]["id"]);
    // Nothing is private yet: another admin may have a token as well.
    town.token(&town.ben, "Deploy", &all).await.expect(StatusCode::CREATED);

    let wages = town.channel(&town.ann, "wages", "private").await;
    let members = format!("/api/channels/{wages}/members");
    town.ann.post(&members, json!({ "user_id": bot })).await.expect(StatusCode::NO_CONTENT);
    let reads = ["messages:read", "messages:write", "files:read"];
    town.token(&town.ann, "deploy", &reads).await.expect(StatusCode::CREATED);
    let refused = town.token(&town.ben, "deploy", &reads).await;
    assert!(!refused.body.to_string().contains("wages"), "{refused:?}");
    refused.expect_problem(409, "name-taken");
    town.says(&town.ben, "/token create deploy files:read").await.expect_problem(409, "name-taken");
    // A token that does no more than one they made themselves shows them nothing new.
    town.token(&town.ben, "deploy", &all).await.expect(StatusCode::CREATED);
    // In the channel they see it all.
    town.ann
        .post(&members, json!({ "user_id": town.ben.user_id }))
        .await
        .expect(StatusCode::NO_CONTENT);
    town.token(&town.ben, "deploy", &reads).await.expect(StatusCode::CREATED);

    // Direct messages are nobody else's, an owner's neither.
    let helper = town.token(&town.ben, "Helper", &all).await.expect(StatusCode::CREATED);
    let with = json!({ "user_ids": [helper["user"]["id"]] });
    town.cem.post("/api/dms", with).await.expect(StatusCode::CREATED);
    town.token(&town.ann, "Helper", &["messages:read"]).await.expect_problem(409, "name-taken");
    town.token(&town.ben, "Helper", &["messages:read"]).await.expect(StatusCode::CREATED);
}

#[tokio::test]
async fn a_token_makes_nothing_that_outlives_it() {
    let town = town().await;
    let machine = town.own_token(&town.ann, &["admin", "messages:read", "channels:read"]).await;
    let hook = json!({ "channel_id": town.general, "name": "Builds" });
    let made = town.ann.post(&town.at("/webhooks"), hook.clone()).await.expect(StatusCode::CREATED);
    let rotate = town.at(&format!("/webhooks/{}/rotate", text(&made["id"])));
    let purge = format!("/api/channels/{}/purge", town.general);
    for answer in [
        town.token(&machine, "Deploy", &["admin"]).await,
        machine.post(&town.at("/webhooks"), hook).await,
        machine.post(&rotate, json!(null)).await,
        machine.post(&purge, json!({ "count": 1 })).await,
        town.says(&machine, "/token create deploy admin").await,
        town.says(&machine, "/webhook create #general Builds").await,
        town.says(&machine, "/purge #general 1 confirm").await,
    ] {
        answer.expect_problem(403, "session-required");
    }
    for path in ["/tokens", "/webhooks"] {
        machine.get(&town.at(path)).await.expect(StatusCode::OK);
    }
    let listed =
        machine.get(&format!("/api/commands?channel_id={}", town.general)).await.body.to_string();
    assert!(listed.contains("token list") && !listed.contains("token create"), "{listed}");
}

#[tokio::test]
async fn the_audit_log_names_no_channel_its_reader_may_not_see() {
    let town = town().await;
    let wages = town.channel(&town.cem, "wages", "private").await;
    let members = format!("/api/channels/{wages}/members");
    town.cem
        .post(&members, json!({ "user_id": town.ann.user_id }))
        .await
        .expect(StatusCode::NO_CONTENT);
    let hook = json!({ "channel_id": wages, "name": "Payroll" });
    town.ann.post(&town.at("/webhooks"), hook).await.expect(StatusCode::CREATED);
    for action in ["channel.member-added", "webhook.created"] {
        let inside = town.log(&town.ann, action).await;
        assert_ne!(inside[0]["target_id"], json!(null), "{inside:?}");
        assert_ne!(inside[0]["detail"], json!({}), "{inside:?}");
        let outside = town.log(&town.ben, action).await;
        assert_eq!(outside.len(), 1, "that something was done may be known");
        let entry = &outside[0];
        assert_eq!(
            (&entry["target_type"], &entry["target_id"], &entry["detail"]),
            (&json!(null), &json!(null), &json!({}))
        );
    }
    let whole = town.ben.get(&town.at("/audit")).await;
    assert!(!whole.body.to_string().contains(&wages), "{whole:?}");
    let public = json!({ "channel_id": town.general, "name": "Builds" });
    town.ann.post(&town.at("/webhooks"), public).await.expect(StatusCode::CREATED);
    let open = town.log(&town.ben, "webhook.created").await;
    assert_eq!(open[1]["detail"]["channel_id"], json!(town.general));
}

#[tokio::test]
async fn reading_the_audit_log_is_in_it_and_a_purge_says_what_was_asked_for() {
    let town = town().await;
    town.ben.get(&town.at("/audit")).await.expect(StatusCode::OK);
    let page = town.ben.get(&town.at("/audit?limit=1")).await.expect(StatusCode::OK);
    let before = format!("/audit?limit=1&before={}", text(&page["items"][0]["id"]));
    town.ben.get(&town.at(&before)).await.expect(StatusCode::OK);
    let reads = town.log(&town.ann, "audit.read").await;
    assert_eq!(reads.len(), 2, "turning pages is not written: {reads:?}");
    assert_eq!(reads[0]["actor_username"], "ben");
    let messages = format!("/api/channels/{}/messages", town.general);
    town.cem.post(&messages, message()).await.expect(StatusCode::CREATED);
    let path = format!("/api/channels/{}/purge", town.general);
    town.ann.post(&path, json!({ "count": 5 })).await.expect(StatusCode::OK);
    let purged = &town.log(&town.ann, "channel.purged").await[0];
    assert_eq!(purged["detail"], json!({ "requested": 5, "deleted": 1 }));
}

#[tokio::test]
async fn a_token_needs_the_scope_of_the_act_and_no_other() {
    let town = town().await;
    let keeper = town.own_token(&town.ben, &["admin"]).await;
    let seat = town.at(&format!("/members/{}", town.cem.user_id));
    put(&keeper, &format!("{seat}/mute"), json!({})).await.expect(StatusCode::OK);
    keeper.delete(&format!("{seat}/mute")).await.expect(StatusCode::NO_CONTENT);
    keeper.delete(&seat).await.expect(StatusCode::NO_CONTENT);
    let lobby = format!("/api/channels/{}", town.general);
    keeper.get(&lobby).await.expect_problem(403, "insufficient-scope");

    town.app.join(&town.ann, &town.cem, &town.id).await;
    let writer = town.own_token(&town.cem, &["channels:write"]).await;
    writer.patch(&lobby, json!({ "topic": "Freeze" })).await.expect(StatusCode::OK);
    writer.patch(&lobby, json!({})).await.expect_problem(403, "insufficient-scope");
    writer.patch(&lobby, json!({ "name": "lobby" })).await.expect_problem(403, "forbidden");
    writer.post(&format!("{lobby}/leave"), json!(null)).await.expect(StatusCode::NO_CONTENT);
    let mover = town.own_token(&town.ben, &["channels:write"]).await;
    town.cem.post(&format!("{lobby}/join"), json!(null)).await.expect(StatusCode::OK);
    mover
        .delete(&format!("{lobby}/members/{}", town.cem.user_id))
        .await
        .expect(StatusCode::NO_CONTENT);
    // What the person may not see the token does not see either.
    let wages = town.channel(&town.ann, "wages", "private").await;
    let hidden = mover.patch(&format!("/api/channels/{wages}"), json!({ "topic": "x" })).await;
    hidden.expect_problem(404, "not-found");
    let (other, _) = town.app.community(&town.app.user("eve").await, "Elsewhere").await;
    let path = format!("/api/communities/{other}/members/{}", town.cem.user_id);
    keeper.delete(&path).await.expect_problem(404, "not-found");
}

#[tokio::test]
async fn who_is_muted_does_not_speak_by_names_and_topics() {
    let town = town().await;
    let general = format!("/api/channels/{}", town.general);
    town.mute(&town.cem).await;
    town.mute(&town.ben).await;
    let new = json!({ "name": "ben-is-a-fool", "visibility": "public" });
    for answer in [
        town.cem.patch(&general, json!({ "topic": "You are all wrong" })).await,
        town.ben.patch(&general, json!({ "name": "you-are-all-wrong" })).await,
        town.cem.post(&town.at("/channels"), new).await,
        put(&town.cem, &town.at("/nickname"), json!({ "nickname": "You are wrong" })).await,
        town.says(&town.cem, "/topic You are all wrong").await,
        town.says(&town.cem, "/nick You are all wrong").await,
        town.says(&town.cem, "/channel create wrong").await,
    ] {
        answer.expect_problem(403, "muted");
    }
    town.cem.get(&general).await.expect(StatusCode::OK);
    town.cem.post(&format!("{general}/leave"), json!(null)).await.expect(StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn a_mute_outlasts_leaving_and_coming_back() {
    let town = town().await;
    let seat = town.at(&format!("/members/{}", town.cem.user_id));
    let messages = format!("/api/channels/{}/messages", town.general);
    put(&town.ann, &format!("{seat}/mute"), json!({ "for_seconds": 3600 }))
        .await
        .expect(StatusCode::OK);
    for who in [&town.cem, &town.ann] {
        who.delete(&seat).await.expect(StatusCode::NO_CONTENT);
        town.app.join(&town.ann, &town.cem, &town.id).await;
        town.cem.post(&messages, message()).await.expect_problem(403, "muted");
    }
    town.ann.delete(&format!("{seat}/mute")).await.expect(StatusCode::NO_CONTENT);
    town.cem.delete(&seat).await.expect(StatusCode::NO_CONTENT);
    town.app.join(&town.ann, &town.cem, &town.id).await;
    town.cem.post(&messages, message()).await.expect(StatusCode::CREATED);
    // One that ends meanwhile is over.
    town.mute(&town.cem).await;
    town.cem.delete(&seat).await.expect(StatusCode::NO_CONTENT);
    let ended = "UPDATE kept_mutes SET muted_until = now() - interval '1 second'";
    sqlx::query(ended).execute(&town.app.db).await.unwrap();
    town.app.join(&town.ann, &town.cem, &town.id).await;
    town.cem.post(&messages, message()).await.expect(StatusCode::CREATED);
    let kept = sqlx::query_scalar::<_, i64>("SELECT count(*) FROM kept_mutes");
    assert_eq!(kept.fetch_one(&town.app.db).await.unwrap(), 0);
}

#[tokio::test]
async fn a_common_name_is_not_used_up() {
    let town = town().await;
    for _ in 0..8 {
        let hook = json!({ "channel_id": town.general, "name": "Alertmanager" });
        town.ann.post(&town.at("/webhooks"), hook).await.expect(StatusCode::CREATED);
    }
    let handles: Vec<String> =
        sqlx::query_scalar("SELECT username FROM users WHERE kind = 'bot' ORDER BY id")
            .fetch_all(&town.app.db)
            .await
            .unwrap();
    assert_eq!(handles[..2], ["alertmanager-hook", "alertmanager-hook-2"]);
    assert!(handles[7].len() > "alertmanager-hook-9".len(), "{handles:?}");
}

#[tokio::test]
async fn nobody_looks_like_somebody_else() {
    let town = town().await;
    for bad in ["ann", "ANN", "B3N", "Аnn", "admin", "System"] {
        put(&town.cem, &town.at("/nickname"), json!({ "nickname": bad }))
            .await
            .expect_problem(422, "validation");
        town.cem
            .patch("/api/me", json!({ "display_name": bad }))
            .await
            .expect_problem(422, "validation");
        town.says(&town.cem, &format!("/nick {bad}")).await.expect_problem(422, "validation");
    }
    // One's own names are one's own, and so is the one that is there already.
    for good in ["cem", "Cem", "CEM", "Cem the Great"] {
        put(&town.cem, &town.at("/nickname"), json!({ "nickname": good }))
            .await
            .expect(StatusCode::NO_CONTENT);
    }
    let namesake = town.app.user("cem2").await;
    sqlx::query("UPDATE users SET display_name = 'CEM' WHERE username = 'cem2'")
        .execute(&town.app.db)
        .await
        .unwrap();
    town.app.join(&town.ann, &namesake, &town.id).await;
    let same = json!({ "display_name": "CEM", "status_text": "here" });
    namesake.patch("/api/me", same).await.expect(StatusCode::OK);
    // Where one is alone, nobody is imitated.
    let eve = town.app.user("eve").await;
    eve.patch("/api/me", json!({ "display_name": "Ann" })).await.expect(StatusCode::OK);
}

#[tokio::test]
async fn nobody_acts_on_themselves_and_a_bot_owns_nothing() {
    let town = town().await;
    for line in ["/kick @ben", "/ban @ben", "/mute @ben"] {
        let answer = town.says(&town.ben, line).await;
        assert_eq!(answer.body["detail"], "You may not do this to yourself.", "{line}");
        answer.expect_problem(403, "forbidden");
    }
    town.says(&town.ben, "/ban @cem 2hours").await.expect_problem(422, "command-usage");
    let span = town.says(&town.ben, "/mute @cem 5s").await;
    assert_eq!(span.body["detail"], "A mute lasts from 1 minute to 10 years.");
    town.ben.get(&town.at("/members")).await.expect(StatusCode::OK);

    let made = town.token(&town.ann, "Deploy", &[]).await.expect(StatusCode::CREATED);
    let bot = text(&made["user"]["id"]);
    town.give(&bot, "owner").await.expect_problem(422, "validation");
    town.says(&town.ann, "/role @deploy owner").await.expect_problem(422, "validation");
    town.give(&bot, "admin").await.expect(StatusCode::OK);
    let own = town.at(&format!("/members/{}", town.ann.user_id));
    town.ann.delete(&own).await.expect_problem(409, "last-owner");
}

#[tokio::test]
async fn who_is_taken_out_leaves_machines_behind_and_it_is_said() {
    let town = town().await;
    for name in ["Deploy", "Helper"] {
        town.token(&town.ben, name, &[]).await.expect(StatusCode::CREATED);
    }
    let hook = json!({ "channel_id": town.general, "name": "Builds" });
    town.ben.post(&town.at("/webhooks"), hook).await.expect(StatusCode::CREATED);
    let wages = town.channel(&town.ben, "wages", "private").await;
    let hidden = json!({ "channel_id": wages, "name": "Payroll" });
    town.ben.post(&town.at("/webhooks"), hidden).await.expect(StatusCode::CREATED);
    let said = town.says(&town.ann, "/ban @ben").await.expect(StatusCode::OK);
    assert_eq!(
        said["body_md"],
        "@ben is banned for good. What they made goes on working until it is revoked: \
         2 tokens (`/token list`) and 1 webhook (`/webhook list`)."
    );
    let said = town.says(&town.ann, "/ban @cem").await.expect(StatusCode::OK);
    assert_eq!(said["body_md"], "@cem is banned for good.");
}
