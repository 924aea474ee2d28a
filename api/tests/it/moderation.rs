//! Bans, mutes, purges, nicknames and the audit log over REST (requirements B6, A34, A99, A107).

use ajet_shared::actions::Actor;
use ajet_shared::db::posting::{self, Draft};
use ajet_shared::db::{Cause, community_members};
use ajet_shared::id::ClientMessageId;
use ajet_shared::message::PostMessage;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::harness::{Answer, App, Client, eventually, text};

struct Place {
    app: App,
    id: String,
    general: String,
    ann: Client,
    ben: Client,
    cem: Client,
}

/// An owner, an admin and a member.
async fn place() -> Place {
    let app = App::start().await;
    let (ann, ben, cem) = (app.user("ann").await, app.user("ben").await, app.user("cem").await);
    let (id, general) = app.community(&ann, "Team").await;
    app.join(&ann, &ben, &id).await;
    app.join(&ann, &cem, &id).await;
    let path = format!("/api/communities/{id}/members/{}", ben.user_id);
    ann.patch(&path, json!({ "role": "admin" })).await.expect(StatusCode::OK);
    Place { app, id, general, ann, ben, cem }
}

impl Place {
    fn ban(&self, who: &Client) -> String {
        format!("/api/communities/{}/bans/{}", self.id, who.user_id)
    }

    fn mute(&self, who: &Client) -> String {
        format!("/api/communities/{}/members/{}/mute", self.id, who.user_id)
    }

    fn messages(&self) -> String {
        format!("/api/channels/{}/messages", self.general)
    }

    async fn invite(&self) -> Value {
        let path = format!("/api/communities/{}/invites", self.id);
        let invite = self.ann.post(&path, json!({})).await.expect(StatusCode::CREATED);
        json!({ "code": invite["code"] })
    }
}

async fn put(who: &Client, path: &str, body: Value) -> Answer {
    who.send(Method::PUT, path, Some(body)).await
}

fn message(text: &str) -> Value {
    json!({ "body_md": text, "client_msg_id": ClientMessageId::new() })
}

#[tokio::test]
async fn a_ban_keeps_out_until_it_ends() {
    let at = place().await;
    let request = json!({ "reason": "spam", "expires_in_seconds": 3600 });
    put(&at.cem, &at.ban(&at.ben), request.clone()).await.expect_problem(403, "forbidden");
    put(&at.ben, &at.ban(&at.ann), request.clone()).await.expect_problem(403, "forbidden");
    put(&at.ann, &at.ban(&at.ann), request.clone()).await.expect_problem(403, "forbidden");
    let stranger = at.app.user("eve").await;
    put(&at.ben, &at.ban(&stranger), request.clone()).await.expect_problem(404, "not-found");
    put(&stranger, &at.ban(&at.cem), request.clone()).await.expect_problem(404, "not-found");
    for bad in [
        json!({ "expires_in_seconds": 1 }),
        json!({ "expires_in_seconds": i64::MAX }),
        json!({ "reason": "a\u{0}b" }),
        json!({ "reason": "x".repeat(501) }),
        json!({ "until": "tomorrow" }),
    ] {
        put(&at.ben, &at.ban(&at.cem), bad).await.expect_problem(422, "validation");
    }

    let ban = put(&at.ben, &at.ban(&at.cem), request).await.expect(StatusCode::OK);
    assert_eq!((&ban["user"]["username"], &ban["reason"]), (&json!("cem"), &json!("spam")));
    at.cem.get(&at.messages()).await.expect_problem(404, "not-found");
    let path = format!("/api/communities/{}/bans", at.id);
    let list = at.ben.get(&path).await.expect(StatusCode::OK);
    assert_eq!(list["items"].as_array().unwrap().len(), 1);
    at.cem.get(&path).await.expect_problem(404, "not-found");
    let code = at.invite().await;
    at.cem.post("/api/invites/accept", code.clone()).await.expect_problem(403, "banned");
    let told = at.cem.get("/api/notifications").await.expect(StatusCode::OK);
    assert_eq!(told["items"][0]["type"], "system");

    // Again replaces it: still one ban, for good now.
    let again = put(&at.ben, &at.ban(&at.cem), json!({})).await.expect(StatusCode::OK);
    assert_eq!((&again["id"], &again["expires_at"]), (&ban["id"], &json!(null)));
    // It ends by the clock of the database, and the next one stands beside it.
    sqlx::query("UPDATE bans SET expires_at = now() - interval '1 second'")
        .execute(&at.app.db)
        .await
        .unwrap();
    assert_eq!(at.ben.get(&path).await.expect(StatusCode::OK)["items"], json!([]));
    at.cem.post("/api/invites/accept", code).await.expect(StatusCode::CREATED);
    let next = put(&at.ben, &at.ban(&at.cem), json!({})).await.expect(StatusCode::OK);
    assert_ne!(next["id"], ban["id"]);
    at.ben.delete(&at.ban(&at.cem)).await.expect(StatusCode::NO_CONTENT);
    at.ben.delete(&at.ban(&at.cem)).await.expect_problem(404, "not-found");
    at.cem.post("/api/invites/accept", at.invite().await).await.expect(StatusCode::CREATED);
}

#[tokio::test]
async fn who_is_muted_reads_and_does_not_write() {
    let at = place().await;
    let first = at.cem.post(&at.messages(), message("before")).await.expect(StatusCode::CREATED);
    put(&at.cem, &at.mute(&at.ben), json!({})).await.expect_problem(403, "forbidden");
    put(&at.ben, &at.mute(&at.ann), json!({})).await.expect_problem(403, "forbidden");
    put(&at.ben, &at.mute(&at.cem), json!({ "for_seconds": 5 }))
        .await
        .expect_problem(422, "validation");
    let muted = put(&at.ben, &at.mute(&at.cem), json!({ "for_seconds": 3600 })).await;
    assert!(muted.expect(StatusCode::OK)["until"].is_string());
    let refused = at.cem.post(&at.messages(), message("after")).await;
    assert!(text(&refused.body["detail"]).starts_with("You are muted here until "), "{refused:?}");
    refused.expect_problem(403, "muted");
    let id = text(&first["id"]);
    at.cem
        .patch(&format!("/api/messages/{id}"), json!({ "body_md": "changed" }))
        .await
        .expect_problem(403, "muted");
    at.cem.put(&format!("/api/messages/{id}/reactions/👍")).await.expect_problem(403, "muted");
    at.cem.get(&at.messages()).await.expect(StatusCode::OK);

    // Until it is lifted; then at once.
    let muted = put(&at.ben, &at.mute(&at.cem), json!({})).await.expect(StatusCode::OK);
    assert_eq!(muted["until"], json!(null));
    let refused = at.cem.post(&at.messages(), message("after")).await;
    assert_eq!(refused.body["detail"], "You are muted here.");
    at.ben.delete(&at.mute(&at.cem)).await.expect(StatusCode::NO_CONTENT);
    at.ben.delete(&at.mute(&at.cem)).await.expect(StatusCode::NO_CONTENT);
    at.cem.post(&at.messages(), message("after")).await.expect(StatusCode::CREATED);
    // By the clock of the database, too.
    put(&at.ben, &at.mute(&at.cem), json!({ "for_seconds": 60 })).await.expect(StatusCode::OK);
    sqlx::query("UPDATE community_members SET muted_until = now() - interval '1 second'")
        .execute(&at.app.db)
        .await
        .unwrap();
    at.cem.post(&at.messages(), message("late")).await.expect(StatusCode::CREATED);
}

#[tokio::test]
async fn a_mute_waits_for_a_post_that_was_let_in() {
    let at = place().await;
    let mut posting = at.app.db.begin().await.unwrap();
    let request = PostMessage {
        body_md: "in flight".parse().unwrap(),
        client_msg_id: ClientMessageId::new(),
        parent_id: None,
        attachment_ids: Vec::new(),
    };
    let (actor, cause) = (Actor::User(at.cem.user_id), Cause::by(at.cem.user_id));
    let channel_id = at.general.parse().unwrap();
    posting::post(&mut posting, &actor, &cause, channel_id, &Draft::text(&request)).await.unwrap();
    let (ben, path) = (at.ben.clone(), at.mute(&at.cem));
    let mute = tokio::spawn(async move { put(&ben, &path, json!({})).await });
    eventually("the mute waits", async || waiting(&at.app, 1).await).await;
    posting.commit().await.unwrap();
    mute.await.unwrap().expect(StatusCode::OK);
    at.cem.post(&at.messages(), message("after")).await.expect_problem(403, "muted");
    let page = at.ann.get(&at.messages()).await.expect(StatusCode::OK);
    assert_eq!(page["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_post_waits_for_a_mute_and_is_refused() {
    let at = place().await;
    let community_id = at.id.parse().unwrap();
    let mut muting = at.app.db.begin().await.unwrap();
    let people = [at.ben.user_id, at.cem.user_id];
    community_members::hold_with_owners(&mut muting, community_id, &people).await.unwrap();
    community_members::mute(&mut muting, community_id, at.cem.user_id, None).await.unwrap();
    let (cem, path) = (at.cem.clone(), at.messages());
    let post = tokio::spawn(async move { cem.post(&path, message("late")).await });
    eventually("the post waits", async || waiting(&at.app, 1).await).await;
    muting.commit().await.unwrap();
    post.await.unwrap().expect_problem(403, "muted");
}

/// So many sessions of this database wait for a lock.
async fn waiting(app: &App, count: i64) -> bool {
    let waiting: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'",
    )
    .fetch_one(&app.db)
    .await
    .unwrap();
    waiting == count
}

#[tokio::test]
async fn a_purge_takes_the_newest_and_leaves_no_gap() {
    let at = place().await;
    let root = at.cem.post(&at.messages(), message("root")).await.expect(StatusCode::CREATED);
    let mut reply = message("reply @ann");
    reply["parent_id"] = root["id"].clone();
    at.ben.post(&at.messages(), reply).await.expect(StatusCode::CREATED);
    for n in 0..3 {
        at.cem.post(&at.messages(), message(&format!("m{n}"))).await.expect(StatusCode::CREATED);
    }
    let path = format!("/api/channels/{}/purge", at.general);
    at.cem.post(&path, json!({ "count": 1 })).await.expect_problem(403, "forbidden");
    for bad in [json!({ "count": 0 }), json!({ "count": 1_000_000 }), json!({ "count": -1 })] {
        at.ann.post(&path, bad).await.expect_problem(422, "validation");
    }
    at.ben.post(&path, json!({ "count": 101 })).await.expect_problem(403, "forbidden");
    let purged = at.ben.post(&path, json!({ "count": 4 })).await.expect(StatusCode::OK);
    assert_eq!(purged["deleted"], 4);
    let page = at.ann.get(&at.messages()).await.expect(StatusCode::OK);
    let items = page["items"].as_array().unwrap();
    let left: Vec<&Value> = items.iter().filter(|one| one["deleted_at"].is_null()).collect();
    assert_eq!(left.len(), 1);
    assert_eq!((&left[0]["body_md"], &left[0]["reply_count"]), (&json!("root"), &json!(0)));
    // Every number of the channel is an event, in order.
    let seqs: Vec<i64> = at
        .app
        .outbox()
        .await
        .into_iter()
        .filter(|(_, subject, payload)| {
            payload["channel_id"] == at.general.as_str() && !subject.contains(".user.")
        })
        .filter_map(|(_, _, payload)| payload["seq"].as_i64())
        .collect();
    assert_eq!(seqs, (1..=i64::try_from(seqs.len()).unwrap()).collect::<Vec<_>>());
    let deleted =
        at.app.outbox().await.iter().filter(|(kind, ..)| kind == "message.deleted").count();
    assert_eq!(deleted, 4);
    // The rest, and then nothing is left to do.
    let purged = at.ann.post(&path, json!({ "count": 500 })).await.expect(StatusCode::OK);
    assert_eq!(purged["deleted"], 1);
    let purged = at.ann.post(&path, json!({ "count": 1 })).await.expect(StatusCode::OK);
    assert_eq!(purged["deleted"], 0);
}

#[tokio::test]
async fn a_purge_that_is_sent_again_takes_no_more() {
    let at = place().await;
    for n in 0..4 {
        at.cem.post(&at.messages(), message(&format!("m{n}"))).await.expect(StatusCode::CREATED);
    }
    let path = format!("/api/channels/{}/purge", at.general);
    let key = uuid::Uuid::now_v7().to_string();
    for _ in 0..2 {
        let answer = at.ann.post_once(&key, &path, json!({ "count": 2 })).await;
        assert_eq!(answer.expect(StatusCode::OK), json!({ "deleted": 2 }));
    }
    let page = at.ann.get(&at.messages()).await.expect(StatusCode::OK);
    let left = page["items"].as_array().unwrap().iter().filter(|one| one["deleted_at"].is_null());
    assert_eq!(left.count(), 2);
}

#[tokio::test]
async fn a_purge_tells_each_thread_and_each_person_once() {
    let at = place().await;
    let root = at.cem.post(&at.messages(), message("root")).await.expect(StatusCode::CREATED);
    for n in 0..5 {
        let mut reply = message(&format!("{n} @ann"));
        reply["parent_id"] = root["id"].clone();
        at.ben.post(&at.messages(), reply).await.expect(StatusCode::CREATED);
    }
    at.ben.post(&at.messages(), message("seen @ann")).await.expect(StatusCode::CREATED);
    let before = at.app.outbox().await.len();
    let path = format!("/api/channels/{}/purge", at.general);
    at.ann.post(&path, json!({ "count": 5 })).await.expect(StatusCode::OK);
    let events = at.app.outbox().await.split_off(before);
    let of = |kind: &str| -> Vec<&(String, String, Value)> {
        events.iter().filter(|(name, ..)| name == kind).collect()
    };
    assert_eq!(of("message.deleted").len(), 5);
    let threads = of("thread.updated");
    assert_eq!(threads.len(), 1, "{threads:?}");
    assert_eq!(threads[0].2["data"]["reply_count"], 1);
    let mut read = of("notification.read");
    read.retain(|(_, subject, _)| subject.ends_with(&at.ann.user_id.to_string()));
    assert_eq!(read.len(), 1, "{read:?}");
    let told = &read[0].2["data"];
    assert_eq!((told["ids"].as_array().unwrap().len(), &told["unread"]), (5, &json!(1)));
    let left = at.ann.get("/api/notifications?unread=true").await.expect(StatusCode::OK);
    assert_eq!(left["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn taking_back_notifications_reads_no_more_than_them() {
    let at = place().await;
    at.ben.post(&at.messages(), message("@ann")).await.expect(StatusCode::CREATED);
    let mut conn = at.app.db.acquire().await.unwrap();
    sqlx::query("set enable_seqscan = off").execute(&mut *conn).await.unwrap();
    let plan: Vec<String> = sqlx::query_scalar(
        "explain select id from notifications where source_id = any(array[gen_random_uuid()]) \
         and type in ('mention', 'dm', 'thread_reply') order by id for update",
    )
    .fetch_all(&mut *conn)
    .await
    .unwrap();
    let plan = plan.join("\n");
    assert!(plan.contains("notifications_source_id_idx"), "{plan}");
}

#[tokio::test]
async fn the_audit_log_is_for_admins() {
    let at = place().await;
    put(&at.ben, &at.mute(&at.cem), json!({ "for_seconds": 60 })).await.expect(StatusCode::OK);
    let path = format!("/api/communities/{}/audit", at.id);
    at.cem.get(&path).await.expect_problem(403, "forbidden");
    at.app.user("eve").await.get(&path).await.expect_problem(404, "not-found");
    let page = at.ben.get(&format!("{path}?action=member.muted")).await.expect(StatusCode::OK);
    let entry = &page["items"][0];
    assert_eq!(
        (&entry["actor_username"], &entry["action"], &entry["target_type"]),
        (&json!("ben"), &json!("member.muted"), &json!("user"))
    );
    assert_eq!(page["items"].as_array().unwrap().len(), 1);
    assert!(!entry.as_object().unwrap().contains_key("ip"));
    let all = at.ann.get(&format!("{path}?limit=2")).await.expect(StatusCode::OK);
    assert!(!all["prev"].is_null());
    for bad in ["action=%00", "action=a%20b", "limit=0", "color=red"] {
        at.ann.get(&format!("{path}?{bad}")).await.expect_problem(422, "validation");
    }
}

#[tokio::test]
async fn a_nickname_holds_in_its_community() {
    let at = place().await;
    let path = format!("/api/communities/{}/nickname", at.id);
    let name = |name: &str| json!({ "nickname": name });
    put(&at.cem, &path, name("Cemmy")).await.expect(StatusCode::NO_CONTENT);
    let before = at.app.outbox().await.len();
    put(&at.cem, &path, name("Cemmy")).await.expect(StatusCode::NO_CONTENT);
    assert_eq!(at.app.outbox().await.len(), before, "nothing changed, nobody is told");
    let posted = at.cem.post(&at.messages(), message("hi")).await.expect(StatusCode::CREATED);
    assert_eq!(posted["author"]["display_name"], "Cemmy");
    put(&at.cem, &path, name("a\u{202e}b")).await.expect_problem(422, "validation");
    put(&at.cem, &path, json!({ "nickname": null })).await.expect(StatusCode::NO_CONTENT);
    let posted = at.cem.post(&at.messages(), message("hi")).await.expect(StatusCode::CREATED);
    assert_eq!(posted["author"]["display_name"], "CEM");
    at.app.user("eve").await.get(&path).await.expect_problem(405, "method-not-allowed");
    put(&at.app.user("fay").await, &path, name("x")).await.expect_problem(404, "not-found");
}

#[tokio::test]
async fn a_channel_is_as_loud_as_its_reader_wants() {
    let at = place().await;
    let path = format!("/api/channels/{}/notify-level", at.general);
    let view = put(&at.cem, &path, json!({ "notify_level": "nothing" })).await;
    assert_eq!(view.expect(StatusCode::OK)["notify_level"], "nothing");
    put(&at.cem, &path, json!({ "notify_level": "loud" })).await.expect_problem(422, "validation");
    at.ann.post(&at.messages(), message("hey @cem")).await.expect(StatusCode::CREATED);
    assert_eq!(
        at.cem.get("/api/notifications?unread=true").await.expect(StatusCode::OK)["items"],
        json!([])
    );
    put(&at.app.user("eve").await, &path, json!({ "notify_level": "all" }))
        .await
        .expect_problem(404, "not-found");
}
