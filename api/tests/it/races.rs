//! Two at once. One of them is a transaction that the test holds open at its most awkward moment, the other a request that has to
//! wait for it and then decide by what is true.

use std::pin::Pin;

use ajet_shared::actions::Actor;
use ajet_shared::community::Role;
use ajet_shared::db::channel_members::Going;
use ajet_shared::db::{
    Cause, authz, changing, channels, community_members, invites, messages, outbox, posting,
};
use ajet_shared::id::{ChannelId, ClientMessageId, CommunityId, MessageId};
use ajet_shared::message::PostMessage;
use reqwest::StatusCode;
use serde_json::{Value, json};
use sqlx::PgPool;
use uuid::Uuid;

use crate::harness::{Answer, App, Client, eventually, text};

/// How many transactions wait for another one's lock.
async fn waiting(db: &PgPool) -> i64 {
    sqlx::query_scalar(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'",
    )
    .fetch_one(db)
    .await
    .unwrap()
}

/// A request that is under way while the test goes on.
type Request = Pin<Box<dyn Future<Output = Answer> + Send>>;

fn request(method: reqwest::Method, client: &Client, path: String, body: Option<Value>) -> Request {
    let client = client.clone();
    Box::pin(async move { client.send(method, &path, body).await })
}

fn post(client: &Client, path: String, body: Value) -> Request {
    request(reqwest::Method::POST, client, path, Some(body))
}

fn delete(client: &Client, path: String) -> Request {
    request(reqwest::Method::DELETE, client, path, None)
}

/// Sends requests, sees all of them wait for `first`, commits it, and returns what became of them.
async fn behind(
    app: &App,
    first: sqlx::Transaction<'_, sqlx::Postgres>,
    requests: Vec<Request>,
) -> Vec<Answer> {
    let wanted = i64::try_from(requests.len()).unwrap();
    let running: Vec<_> = requests.into_iter().map(tokio::spawn).collect();
    eventually("the requests wait", async || waiting(&app.db).await == wanted).await;
    first.commit().await.unwrap();
    let mut answers = Vec::new();
    for request in running {
        answers.push(request.await.unwrap());
    }
    answers
}

async fn after(app: &App, first: sqlx::Transaction<'_, sqlx::Postgres>, second: Request) -> Answer {
    behind(app, first, vec![second]).await.remove(0)
}

fn community_id(id: &str) -> CommunityId {
    id.parse().unwrap()
}

fn channel_id(id: &str) -> ChannelId {
    id.parse().unwrap()
}

fn member(community: &str, client: &Client) -> String {
    format!("/api/communities/{community}/members/{}", client.user_id)
}

async fn private_channel(owner: &Client, community: &str) -> String {
    let request = json!({ "name": "secret", "visibility": "private" });
    let made = owner.post(&format!("/api/communities/{community}/channels"), request).await;
    text(&made.expect(StatusCode::CREATED)["id"])
}

fn message(body: &str) -> Value {
    json!({ "body_md": body, "client_msg_id": Uuid::now_v7() })
}

async fn say(client: &Client, channel: &str, body: &str) -> Value {
    client
        .post(&format!("/api/channels/{channel}/messages"), message(body))
        .await
        .expect(StatusCode::CREATED)
}

async fn is_in(app: &App, channel: &str, client: &Client) -> bool {
    sqlx::query_scalar(
        "SELECT EXISTS (SELECT FROM channel_members WHERE channel_id = $1 AND user_id = $2)",
    )
    .bind(channel_id(channel).uuid())
    .bind(client.user_id.uuid())
    .fetch_one(&app.db)
    .await
    .unwrap()
}

/// A community of ann with ben in it; returns it and its `#general`.
async fn team(app: &App) -> (Client, Client, String, String) {
    let (ann, ben) = (app.user("ann").await, app.user("ben").await);
    let (id, general) = app.community(&ann, "Team").await;
    app.join(&ann, &ben, &id).await;
    (ann, ben, id, general)
}

#[tokio::test]
async fn accepting_twice_at_once_is_accepting_once() {
    let app = App::start().await;
    let (ann, ben) = (app.user("ann").await, app.user("ben").await);
    let (id, _) = app.community(&ann, "Team").await;
    let invite = ann
        .post(&format!("/api/communities/{id}/invites"), json!({ "max_uses": 1 }))
        .await
        .expect(StatusCode::CREATED);
    let mut first = app.db.begin().await.unwrap();
    let invite_id = text(&invite["id"]).parse().unwrap();
    invites::redeem(&mut first, &Cause::by(ben.user_id), invite_id, ben.user_id).await.unwrap();
    let again = post(&ben, "/api/invites/accept".into(), json!({ "code": invite["code"] }));
    assert_eq!(after(&app, first, again).await.expect(StatusCode::CREATED)["id"], id.as_str());
    let uses: i32 =
        sqlx::query_scalar("SELECT uses FROM invites").fetch_one(&app.db).await.unwrap();
    assert_eq!(uses, 1);
}

#[tokio::test]
async fn two_invites_at_once_cost_one_use() {
    let app = App::start().await;
    let (ann, ben) = (app.user("ann").await, app.user("ben").await);
    let (id, _) = app.community(&ann, "Team").await;
    let path = format!("/api/communities/{id}/invites");
    let one = ann.post(&path, json!({})).await.expect(StatusCode::CREATED);
    let other = ann.post(&path, json!({})).await.expect(StatusCode::CREATED);
    let mut first = app.db.begin().await.unwrap();
    let invite_id = text(&one["id"]).parse().unwrap();
    invites::redeem(&mut first, &Cause::by(ben.user_id), invite_id, ben.user_id).await.unwrap();
    let accept = post(&ben, "/api/invites/accept".into(), json!({ "code": other["code"] }));
    after(&app, first, accept).await.expect(StatusCode::CREATED);
    let uses: i64 =
        sqlx::query_scalar("SELECT sum(uses) FROM invites").fetch_one(&app.db).await.unwrap();
    assert_eq!(uses, 1);
    assert_eq!(app.audit().await.iter().filter(|action| *action == "invite.redeemed").count(), 1);
}

#[tokio::test]
async fn a_member_is_removed_once() {
    let app = App::start().await;
    let (ann, ben, id, _) = team(&app).await;
    let mut first = app.db.begin().await.unwrap();
    let cause = Cause::by(ann.user_id);
    assert!(
        community_members::remove(
            &mut first,
            &cause,
            community_id(&id),
            ben.user_id,
            Going::Removed
        )
        .await
        .unwrap()
    );
    after(&app, first, delete(&ann, member(&id, &ben))).await.expect_problem(404, "not-found");
    let told = app.outbox().await;
    assert_eq!(told.iter().filter(|(kind, ..)| kind == "member.removed").count(), 2);
    // The transaction above writes none: that is its caller's.
    assert!(!app.audit().await.contains(&"member.removed".to_owned()));
}

#[tokio::test]
async fn somebody_who_is_being_promoted_is_no_longer_below_an_admin() {
    let app = App::start().await;
    let (ann, ben, id, _) = team(&app).await;
    let cleo = app.user("cleo").await;
    app.join(&ann, &cleo, &id).await;
    ann.patch(&member(&id, &cleo), json!({ "role": "admin" })).await.expect(StatusCode::OK);
    let mut first = app.db.begin().await.unwrap();
    let cause = Cause::by(ann.user_id);
    community_members::set_role(&mut first, &cause, community_id(&id), ben.user_id, Role::Admin)
        .await
        .unwrap();
    after(&app, first, delete(&cleo, member(&id, &ben))).await.expect_problem(403, "forbidden");
    ann.get(&member(&id, &ben)).await.expect(StatusCode::OK);
}

#[tokio::test]
async fn somebody_who_is_being_demoted_is_no_longer_an_admin() {
    let app = App::start().await;
    let (ann, ben, id, _) = team(&app).await;
    ann.patch(&member(&id, &ben), json!({ "role": "admin" })).await.expect(StatusCode::OK);
    let mut first = app.db.begin().await.unwrap();
    let cause = Cause::by(ann.user_id);
    community_members::set_role(&mut first, &cause, community_id(&id), ben.user_id, Role::Member)
        .await
        .unwrap();
    let rename = request(
        reqwest::Method::PATCH,
        &ben,
        format!("/api/communities/{id}"),
        Some(json!({ "name": "Mine" })),
    );
    after(&app, first, rename).await.expect_problem(403, "forbidden");
}

#[tokio::test]
async fn somebody_who_is_being_removed_gets_into_no_channel() {
    let app = App::start().await;
    let (ann, ben, id, _) = team(&app).await;
    let secret = private_channel(&ann, &id).await;
    let open = ann
        .post(
            &format!("/api/communities/{id}/channels"),
            json!({ "name": "open", "visibility": "public" }),
        )
        .await
        .expect(StatusCode::CREATED);
    let open = text(&open["id"]);
    let mut first = app.db.begin().await.unwrap();
    let cause = Cause::by(ann.user_id);
    community_members::remove(&mut first, &cause, community_id(&id), ben.user_id, Going::Removed)
        .await
        .unwrap();
    let requests = vec![
        post(&ann, format!("/api/channels/{secret}/members"), json!({ "user_id": ben.user_id })),
        post(&ben, format!("/api/channels/{open}/join"), json!({})),
        post(
            &ben,
            format!("/api/communities/{id}/channels"),
            json!({ "name": "bens", "visibility": "public" }),
        ),
    ];
    for answer in behind(&app, first, requests).await {
        answer.expect_problem(404, "not-found");
    }
    assert!(!is_in(&app, &secret, &ben).await && !is_in(&app, &open, &ben).await);
}

#[tokio::test]
async fn who_comes_back_is_in_no_private_channel() {
    let app = App::start().await;
    let (ann, ben) = (app.user("ann").await, app.user("ben").await);
    let (id, general) = app.community(&ann, "Team").await;
    let secret = private_channel(&ann, &id).await;
    // Left behind by whatever: not even then.
    sqlx::query("INSERT INTO channel_members (channel_id, user_id) VALUES ($1, $2)")
        .bind(channel_id(&secret).uuid())
        .bind(ben.user_id.uuid())
        .execute(&app.db)
        .await
        .unwrap();
    app.join(&ann, &ben, &id).await;
    assert!(is_in(&app, &general, &ben).await && !is_in(&app, &secret, &ben).await);
    ben.get(&format!("/api/channels/{secret}")).await.expect_problem(404, "not-found");
}

#[tokio::test]
async fn nothing_is_written_after_a_channel_is_archived() {
    let app = App::start().await;
    let (ann, ben, _, general) = team(&app).await;
    let said = text(&say(&ben, &general, "before").await["id"]);
    let mut first = app.db.begin().await.unwrap();
    let cause = Cause::by(ann.user_id);
    channels::set_archived(&mut first, &cause, channel_id(&general), true).await.unwrap();
    let requests = vec![
        post(&ben, format!("/api/channels/{general}/messages"), message("after")),
        request(
            reqwest::Method::PATCH,
            &ben,
            format!("/api/messages/{said}"),
            Some(json!({ "body_md": "after" })),
        ),
        request(reqwest::Method::PUT, &ann, format!("/api/messages/{said}/reactions/👍"), None),
    ];
    for answer in behind(&app, first, requests).await {
        answer.expect_problem(403, "channel-archived");
    }
    assert_eq!(app.outbox().await.last().unwrap().0, "channel.archived");
}

#[tokio::test]
async fn two_who_archive_a_channel_at_once_archive_it_once() {
    let app = App::start().await;
    let (ann, ben, id, general) = team(&app).await;
    ann.patch(&member(&id, &ben), json!({ "role": "admin" })).await.expect(StatusCode::OK);
    for archived in [true, false] {
        let mut first = app.db.begin().await.unwrap();
        let cause = Cause::by(ann.user_id);
        channels::set_archived(&mut first, &cause, channel_id(&general), archived).await.unwrap();
        let word = if archived { "archive" } else { "unarchive" };
        let again = post(&ben, format!("/api/channels/{general}/{word}"), json!({}));
        after(&app, first, again).await.expect(StatusCode::OK);
    }
    // The transactions above write none: that is their caller's.
    let audit = app.audit().await;
    assert!(!audit.iter().any(|action| action.starts_with("channel.")), "{audit:?}");
}

#[tokio::test]
async fn nobody_opens_a_conversation_with_somebody_who_is_being_removed() {
    let app = App::start().await;
    let (ann, ben, id, _) = team(&app).await;
    let cleo = app.user("cleo").await;
    app.join(&ann, &cleo, &id).await;
    let cause = Cause::by(ann.user_id);
    let mut first = app.db.begin().await.unwrap();
    let gone = community_members::remove(
        &mut first,
        &cause,
        community_id(&id),
        ben.user_id,
        Going::Removed,
    );
    assert!(gone.await.unwrap());
    let requests = vec![
        post(&cleo, "/api/dms".into(), json!({ "user_ids": [ben.user_id] })),
        post(&ben, "/api/dms".into(), json!({ "user_ids": [cleo.user_id] })),
        post(&cleo, "/api/dms".into(), json!({ "user_ids": [ann.user_id, ben.user_id] })),
    ];
    for answer in behind(&app, first, requests).await {
        answer.expect_problem(404, "not-found");
    }
    let cleo = cleo.get("/api/dms").await.expect(StatusCode::OK);
    assert_eq!(cleo["items"], json!([]));
}

#[tokio::test]
async fn nobody_replies_to_a_message_that_is_being_deleted() {
    let app = App::start().await;
    let (ann, ben, _, general) = team(&app).await;
    let root = text(&say(&ann, &general, "root").await["id"]);
    let root_id: MessageId = root.parse().unwrap();
    let mut first = app.db.begin().await.unwrap();
    let located = messages::locate(&mut first, root_id).await.unwrap().unwrap();
    let access = authz::channel_access(&mut first, ann.user_id, channel_id(&general))
        .await
        .unwrap()
        .unwrap();
    changing::delete(&mut first, &Cause::by(ann.user_id), &access, root_id, &located)
        .await
        .unwrap()
        .unwrap();
    let mut reply = message("reply");
    reply["parent_id"] = json!(root);
    let reply = post(&ben, format!("/api/channels/{general}/messages"), reply);
    after(&app, first, reply).await.expect_problem(422, "validation");
    let replies: i64 =
        sqlx::query_scalar("SELECT count(*) FROM messages WHERE parent_id IS NOT NULL")
            .fetch_one(&app.db)
            .await
            .unwrap();
    assert_eq!(replies, 0);
}

#[tokio::test]
async fn who_answers_has_read_what_came_in_the_meantime() {
    let app = App::start().await;
    let (ann, ben, _, general) = team(&app).await;
    let mut first = app.db.begin().await.unwrap();
    let posted = PostMessage {
        body_md: "meanwhile".to_owned().try_into().unwrap(),
        client_msg_id: ClientMessageId::from(Uuid::now_v7()),
        parent_id: None,
        attachment_ids: Vec::new(),
    };
    let cause = Cause::by(ann.user_id);
    posting::post(
        &mut first,
        &Actor::User(ann.user_id),
        &cause,
        channel_id(&general),
        &posting::Draft::text(&posted),
    )
    .await
    .unwrap();
    let answer = post(&ben, format!("/api/channels/{general}/messages"), message("answer"));
    let answer = after(&app, first, answer).await.expect(StatusCode::CREATED);
    let (subject, read) = app.newest("read.updated").await;
    assert_eq!(subject, format!("chat.notifications.{}", ben.user_id));
    assert_eq!(read["data"]["last_read_seq"], answer["seq"]);
    // Who has read everything has nothing to tell.
    let told = app.outbox().await.len();
    say(&ben, &general, "more").await;
    assert_eq!(app.outbox().await.len(), told + 1);
}

#[tokio::test]
async fn a_change_that_changes_nothing_is_not_told() {
    let app = App::start().await;
    let (ann, _, id, general) = team(&app).await;
    let (community, channel) =
        (format!("/api/communities/{id}"), format!("/api/channels/{general}"));
    let changes = [
        ("/api/me", json!({ "display_name": "Ann", "status_text": "here" })),
        (community.as_str(), json!({ "name": "Group" })),
        (channel.as_str(), json!({ "name": "lobby", "topic": "all" })),
    ];
    for (path, change) in changes {
        let before = app.outbox().await.len();
        let first = ann.patch(path, change.clone()).await.expect(StatusCode::OK);
        assert_eq!(app.outbox().await.len(), before + 1, "{path}");
        assert_eq!(ann.patch(path, change).await.expect(StatusCode::OK), first);
        assert_eq!(app.outbox().await.len(), before + 1, "{path}");
    }
}

#[tokio::test]
async fn what_was_set_aside_is_forgotten_after_a_while_and_what_waits_is_not() {
    let app = App::start().await;
    // On a connection of the test's own and rolled back: the relay never sees these rows.
    let mut tx = app.db.begin().await.unwrap();
    for (failed, hours) in [(true, 71), (true, 73), (false, 73)] {
        sqlx::query(
            "INSERT INTO outbox (event_id, subject, ord_key, type, payload, created_at, failed_at) \
             VALUES ($1, 's', $1, 'x', '{}', now() - make_interval(hours => $2), CASE WHEN $3 THEN now() END)",
        )
        .bind(Uuid::now_v7())
        .bind(hours)
        .bind(failed)
        .execute(&mut *tx)
        .await
        .unwrap();
    }
    assert_eq!(outbox::prune(&mut tx).await.unwrap(), 1);
    let left: i64 = sqlx::query_scalar("SELECT count(*) FROM outbox WHERE subject = 's'")
        .fetch_one(&mut *tx)
        .await
        .unwrap();
    assert_eq!(left, 2);
}

#[tokio::test]
async fn acts_on_the_same_people_at_once_never_lock_each_other_out() {
    let app = App::start().await;
    let (ann, ben, id, general) = team(&app).await;
    let cleo = app.user("cleo").await;
    ann.patch(&member(&id, &ben), json!({ "role": "owner" })).await.expect(StatusCode::OK);
    let secret = private_channel(&ann, &id).await;
    let seat = json!({ "user_id": cleo.user_id });
    for _ in 0..10 {
        app.join(&ann, &cleo, &id).await;
        let requests = vec![
            post(&ann, format!("/api/channels/{secret}/members"), seat.clone()),
            post(&ann, format!("/api/channels/{general}/members"), seat.clone()),
            post(&cleo, format!("/api/channels/{general}/messages"), message("@ann @ben")),
            post(&cleo, format!("/api/channels/{general}/leave"), json!({})),
            post(&cleo, format!("/api/channels/{general}/leave"), json!({})),
            post(&cleo, format!("/api/channels/{general}/join"), json!({})),
            request(
                reqwest::Method::PATCH,
                &ben,
                member(&id, &cleo),
                Some(json!({ "role": "admin" })),
            ),
            delete(&ann, member(&id, &cleo)),
            delete(&ben, member(&id, &cleo)),
            delete(&cleo, member(&id, &cleo)),
        ];
        for answer in futures::future::join_all(requests).await {
            assert!(!answer.status.is_server_error(), "{answer:?}");
        }
        assert!(!is_in(&app, &secret, &cleo).await && !is_in(&app, &general, &cleo).await);
    }
}

/// A purge and somebody who marks everything read want the same rows: both take them in one order.
#[tokio::test]
async fn a_purge_and_a_reader_do_not_wait_for_each_other() {
    let app = App::start().await;
    let (ann, ben, _, general) = team(&app).await;
    for n in 0..2 {
        say(&ben, &general, &format!("{n} @ann")).await;
    }
    let held: Vec<Uuid> = sqlx::query_scalar("SELECT id FROM notifications ORDER BY id")
        .fetch_all(&app.db)
        .await
        .unwrap();
    assert_eq!(held.len(), 2);
    // A reader who has come as far as the first of them.
    let mut first = app.db.begin().await.unwrap();
    lock(&mut first, held[0]).await;
    let purge = post(&ann, format!("/api/channels/{general}/purge"), json!({ "count": 2 }));
    let purge = tokio::spawn(purge);
    eventually("the purge waits", async || waiting(&app.db).await == 1).await;
    lock(&mut first, held[1]).await;
    first.commit().await.unwrap();
    assert_eq!(purge.await.unwrap().expect(StatusCode::OK)["deleted"], 2);

    // And a purge that has come as far as the first of them, and a reader.
    for n in 0..2 {
        say(&ben, &general, &format!("{n} @ann")).await;
    }
    let held: Vec<Uuid> = sqlx::query_scalar("SELECT id FROM notifications ORDER BY id")
        .fetch_all(&app.db)
        .await
        .unwrap();
    let mut first = app.db.begin().await.unwrap();
    lock(&mut first, held[0]).await;
    let read = tokio::spawn(post(&ann, "/api/notifications/read".into(), json!({})));
    eventually("the reader waits", async || waiting(&app.db).await == 1).await;
    lock(&mut first, held[1]).await;
    first.commit().await.unwrap();
    read.await.unwrap().expect(StatusCode::NO_CONTENT);
}

/// Takes a notification, at once or not at all.
async fn lock(tx: &mut sqlx::PgConnection, id: Uuid) {
    sqlx::query("SELECT FROM notifications WHERE id = $1 FOR UPDATE NOWAIT")
        .bind(id)
        .execute(tx)
        .await
        .unwrap();
}
