//! Slash commands over HTTP: every one as somebody who may and as somebody who may not (requirements F1, A48, A96, A101, A106, A107).

use ajet_shared::id::ClientMessageId;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::harness::{Answer, App, Client, eventually, text};

/// A community of an owner, an admin and two members, and somebody who is not in it.
struct Town {
    app: App,
    id: String,
    general: String,
    ann: Client,
    ben: Client,
    cem: Client,
    dia: Client,
    eve: Client,
}

async fn town() -> Town {
    let app = App::start().await;
    let (ann, ben) = (app.user("ann").await, app.user("ben").await);
    let (cem, dia, eve) = (app.user("cem").await, app.user("dia").await, app.user("eve").await);
    let (id, general) = app.community(&ann, "Team").await;
    for guest in [&ben, &cem, &dia] {
        app.join(&ann, guest, &id).await;
    }
    let path = format!("/api/communities/{id}/members/{}", ben.user_id);
    ann.patch(&path, json!({ "role": "admin" })).await.expect(StatusCode::OK);
    Town { app, id, general, ann, ben, cem, dia, eve }
}

impl Town {
    async fn run(&self, who: &Client, line: &str) -> Answer {
        run_in(who, &self.general, line).await
    }

    /// What a command says that works.
    async fn says(&self, who: &Client, line: &str) -> String {
        text(&self.run(who, line).await.expect(StatusCode::OK)["body_md"])
    }

    async fn channel(&self, who: &Client, name: &str, visibility: &str) -> String {
        let path = format!("/api/communities/{}/channels", self.id);
        let request = json!({ "name": name, "visibility": visibility });
        text(&who.post(&path, request).await.expect(StatusCode::CREATED)["id"])
    }

    async fn messages(&self, who: &Client) -> Vec<Value> {
        let path = format!("/api/channels/{}/messages", self.general);
        who.get(&path).await.expect(StatusCode::OK)["items"].as_array().unwrap().clone()
    }

    async fn was_audited(&self, action: &str) -> bool {
        self.app.audit().await.iter().any(|entry| entry == action)
    }

    async fn member(&self, who: &Client) -> Answer {
        self.ann.get(&format!("/api/communities/{}/members/{}", self.id, who.user_id)).await
    }
}

async fn run_in(who: &Client, channel: &str, line: &str) -> Answer {
    who.post("/api/commands", json!({ "channel_id": channel, "text": line })).await
}

async fn names(who: &Client, channel: &str) -> Vec<String> {
    let list = who.get(&format!("/api/commands?channel_id={channel}")).await.expect(StatusCode::OK);
    list["items"].as_array().unwrap().iter().map(|command| text(&command["name"])).collect()
}

const EVERYBODY: [&str; 14] = [
    "me",
    "shrug",
    "msg",
    "join",
    "leave",
    "topic",
    "channel create",
    "nick",
    "status",
    "invite",
    "mute",
    "unmute",
    "help",
    "search",
];
const ADMINS: [&str; 12] = [
    "channel archive",
    "channel unarchive",
    "purge",
    "kick",
    "ban",
    "unban",
    "webhook create",
    "webhook list",
    "webhook revoke",
    "token create",
    "token list",
    "token revoke",
];

#[tokio::test]
async fn everybody_is_listed_what_they_may_use_there() {
    let town = town().await;
    let as_member = names(&town.cem, &town.general).await;
    for name in EVERYBODY {
        assert!(as_member.iter().any(|listed| listed == name), "{name}: {as_member:?}");
    }
    let as_admin = names(&town.ben, &town.general).await;
    for name in ADMINS {
        assert!(!as_member.iter().any(|listed| listed == name), "{name}");
        assert!(as_admin.iter().any(|listed| listed == name), "{name}");
    }
    let as_owner = names(&town.ann, &town.general).await;
    assert_eq!(as_owner.len(), as_admin.len() + 1);
    assert!(as_owner.contains(&"role".to_owned()));

    // What needs a community is not listed in a direct message, what needs a membership not outside of it.
    let dm = town.cem.post("/api/dms", json!({ "user_ids": [town.dia.user_id] })).await;
    let in_dm = names(&town.cem, &text(&dm.expect(StatusCode::CREATED)["id"])).await;
    assert!(in_dm.contains(&"me".to_owned()) && !in_dm.contains(&"topic".to_owned()), "{in_dm:?}");
    let lobby = town.channel(&town.ann, "lobby", "public").await;
    assert!(!names(&town.cem, &lobby).await.contains(&"me".to_owned()));

    let path = format!("/api/commands?channel_id={}", town.general);
    town.eve.get(&path).await.expect_problem(404, "not-found");
    town.app.anonymous().get(&path).await.expect_problem(401, "unauthenticated");
    town.ann.get("/api/commands").await.expect_problem(422, "validation");
    let one = &town.ann.get(&path).await.expect(StatusCode::OK)["items"][0];
    assert_eq!((&one["name"], &one["usage"]), (&json!("me"), &json!("/me <text>")));
}

#[tokio::test]
async fn what_is_not_listed_is_refused() {
    let town = town().await;
    let id = "01936b5e-7c0d-7b1e-9a55-2f6f2a3f9d10";
    let lines = [
        "/kick @dia".to_owned(),
        "/ban @dia 7d spam".to_owned(),
        "/unban @dia".to_owned(),
        "/mute @dia 1h".to_owned(),
        "/unmute @dia".to_owned(),
        "/role @dia admin".to_owned(),
        "/role cem owner".to_owned(),
        "/invite".to_owned(),
        "/purge #general 5 confirm".to_owned(),
        "/channel archive".to_owned(),
        "/channel unarchive #general".to_owned(),
        "/webhook create #general CI".to_owned(),
        "/webhook list".to_owned(),
        format!("/webhook revoke {id}"),
        "/token create bot".to_owned(),
        "/token list".to_owned(),
        format!("/token revoke {id}"),
    ];
    let before = town.app.outbox().await.len();
    for line in &lines {
        let answer = town.run(&town.cem, line).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{line}: {answer:?}");
        let outside = town.run(&town.eve, line).await;
        assert_eq!(outside.status, StatusCode::NOT_FOUND, "{line}: {outside:?}");
    }
    // An admin does not make owners, nor acts on those who stand as high (A101).
    for line in ["/role @cem owner", "/role @ben owner", "/kick @ann", "/ban @ann", "/mute @ann"] {
        town.run(&town.ben, line).await.expect_problem(403, "forbidden");
    }
    assert_eq!(town.app.outbox().await.len(), before);
}

#[tokio::test]
async fn talking() {
    let town = town().await;
    let key = "01936b5e-7c0d-7b1e-9a55-2f6f2a3f9d10";
    let line =
        |text: &str| json!({ "channel_id": town.general, "text": text, "client_msg_id": key });
    let first = town.cem.post("/api/commands", line("/me waves")).await.expect(StatusCode::OK);
    assert_eq!((&first["kind"], &first["message"]["kind"]), (&json!("posted"), &json!("me")));
    assert_eq!(first["message"]["body_md"], "waves");
    // The same line again is the same message; another line with its key is a mistake.
    let again = town.cem.post("/api/commands", line("/me waves")).await.expect(StatusCode::OK);
    assert_eq!(again["message"]["id"], first["message"]["id"]);
    town.cem
        .post("/api/commands", line("/me bows"))
        .await
        .expect_problem(422, "idempotency-mismatch");
    let (_, created) = town.app.newest("message.created").await;
    assert_eq!(created["data"]["kind"], "me");

    let shrug = town.run(&town.cem, "/shrug no idea").await.expect(StatusCode::OK);
    assert_eq!(shrug["message"]["body_md"], r"no idea ¯\\\_(ツ)\_/¯");

    let key = "01936b5e-7c0d-7b1e-9a55-2f6f2a3f9d11";
    let line =
        json!({ "channel_id": town.general, "text": "/msg @dia psst", "client_msg_id": key });
    let sent = town.cem.post("/api/commands", line.clone()).await.expect(StatusCode::OK);
    let again = town.cem.post("/api/commands", line).await.expect(StatusCode::OK);
    assert_eq!(again["message"]["id"], sent["message"]["id"]);
    let dms = town.dia.get("/api/dms").await.expect(StatusCode::OK);
    assert_eq!(dms["items"][0]["id"], sent["message"]["channel_id"]);
    assert_eq!(dms["items"][0]["unread"], 1);

    // Who shares nothing with the caller does not exist, and nobody writes to themselves (A96, A98).
    let stranger = town.run(&town.cem, "/msg @eve hello").await;
    let nobody = town.run(&town.cem, "/msg @zzz hello").await;
    assert_eq!(text(&stranger.body["detail"]).replace("eve", "zzz"), text(&nobody.body["detail"]));
    stranger.expect_problem(404, "not-found");
    town.run(&town.cem, "/msg @cem hello").await.expect_problem(422, "command-usage");
    town.run(&town.cem, "/msg @dia").await.expect_problem(422, "command-usage");
    assert_eq!(town.messages(&town.ann).await.len(), 2);
}

#[tokio::test]
async fn nothing_that_is_not_understood_is_posted() {
    let town = town().await;
    let unknown = town.run(&town.cem, "/tpoic new").await;
    let detail = text(&unknown.body["detail"]);
    assert!(detail.contains("/topic") && !detail.contains("/purge"), "{detail}");
    unknown.expect_problem(422, "unknown-command");
    for line in ["hello", "//me waves", "/", "/leave\n/leave", "/me a\0b", "/webhook", "/me"] {
        town.run(&town.cem, line).await.expect_problem(422, "command-usage");
    }
    town.run(&town.cem, &format!("/me {}", "x".repeat(17_000)))
        .await
        .expect_problem(422, "command-usage");
    let nobody = json!({ "channel_id": town.general, "text": "/me x", "as": "ann" });
    town.cem.post("/api/commands", nobody).await.expect_problem(422, "validation");
    // One command a line: what follows is text (A106).
    let said = town.run(&town.ann, "/me waves\n/ban @cem").await.expect(StatusCode::OK);
    assert_eq!(said["message"]["body_md"], "waves\n/ban @cem");
    town.run(&town.ann, "/msg @cem; /ban @dia").await.expect_problem(404, "not-found");
    town.member(&town.cem).await.expect(StatusCode::OK);
    // In a fence it is no command: clients post it.
    assert_eq!(town.messages(&town.ann).await.len(), 1);
}

#[tokio::test]
async fn channels_come_and_go() {
    let town = town().await;
    let made = town.run(&town.cem, "/channel create Plans").await.expect(StatusCode::OK);
    assert_eq!(made["kind"], "redirect");
    let plans = text(&made["channel_id"]);
    town.run(&town.cem, "/channel create plans").await.expect_problem(409, "name-taken");
    town.run(&town.cem, "/channel create a/b").await.expect_problem(422, "validation");
    let joined = town.run(&town.dia, "/join #plans").await.expect(StatusCode::OK);
    assert_eq!((&joined["kind"], text(&joined["channel_id"])), (&json!("redirect"), plans.clone()));
    town.run(&town.dia, "/join plans").await.expect(StatusCode::OK);

    assert_eq!(
        text(&run_in(&town.dia, &plans, "/topic").await.expect(StatusCode::OK)["body_md"]),
        "#plans has no topic."
    );
    run_in(&town.dia, &plans, "/topic Freeze at 16:00").await.expect(StatusCode::OK);
    let (_, updated) = town.app.newest("channel.updated").await;
    assert_eq!(updated["data"]["channel"]["topic"], "Freeze at 16:00");
    run_in(&town.dia, &plans, "/topic \"\"").await.expect(StatusCode::OK);
    run_in(&town.dia, &plans, "/topic a\u{202e}b").await.expect_problem(422, "validation");
    let long = format!("/topic {}", "x".repeat(251));
    run_in(&town.dia, &plans, &long).await.expect_problem(422, "validation");

    run_in(&town.dia, &plans, "/leave").await.expect(StatusCode::OK);
    town.app.newest("member.left").await;
    run_in(&town.dia, &plans, "/topic mine").await.expect_problem(403, "not-joined");
    town.run(&town.ben, "/channel archive #plans").await.expect(StatusCode::OK);
    run_in(&town.cem, &plans, "/me waves").await.expect_problem(403, "channel-archived");
    run_in(&town.ben, &plans, "/channel unarchive").await.expect(StatusCode::OK);
    assert!(town.was_audited("channel.archived").await);
    assert!(town.was_audited("channel.unarchived").await);

    // A private channel is no channel to those outside it, whatever they are (A48).
    run_in(&town.cem, &plans, "/channel create wages private").await.expect(StatusCode::OK);
    for line in ["/join #wages", "/purge #wages 1 confirm", "/channel archive #wages"] {
        let hidden = town.run(&town.ann, line).await;
        let none = town.run(&town.ann, &line.replace("wages", "zzzzz")).await;
        assert_eq!(
            text(&hidden.body["detail"]).replace("wages", "zzzzz"),
            text(&none.body["detail"])
        );
        hidden.expect_problem(404, "not-found");
    }
}

#[tokio::test]
async fn people_change_themselves_and_take_others_in() {
    let town = town().await;
    assert_eq!(
        town.says(&town.cem, "/nick Cem the Great").await,
        "Here you are `Cem the Great` now."
    );
    let (_, updated) = town.app.newest("user.updated").await;
    assert_eq!(updated["data"]["user"]["display_name"], "Cem the Great");
    assert_eq!(
        town.member(&town.cem).await.expect(StatusCode::OK)["display_name"],
        "Cem the Great"
    );
    town.run(&town.cem, "/nick a\u{200b}b").await.expect_problem(422, "validation");
    town.says(&town.cem, "/nick").await;
    assert_eq!(town.member(&town.cem).await.expect(StatusCode::OK)["display_name"], "CEM");

    assert_eq!(town.says(&town.cem, "/status 🌴 away").await, "Your status: 🌴 `away`");
    let me = town.cem.get("/api/me").await.expect(StatusCode::OK);
    assert_eq!((&me["status_emoji"], &me["status_text"]), (&json!("🌴"), &json!("away")));
    assert_eq!(town.says(&town.cem, "/status").await, "Your status is cleared.");
    assert_eq!(town.cem.get("/api/me").await.expect(StatusCode::OK)["status_text"], json!(null));

    let made = town.run(&town.cem, "/channel create wages private").await.expect(StatusCode::OK);
    let wages = text(&made["channel_id"]);
    let invited = run_in(&town.cem, &wages, "/invite @dia").await.expect(StatusCode::OK);
    assert_eq!(text(&invited["body_md"]), "@dia is in #wages now.");
    town.dia.get(&format!("/api/channels/{wages}")).await.expect(StatusCode::OK);
    let told = town.dia.get("/api/notifications?unread=true").await.expect(StatusCode::OK);
    assert_eq!(told["items"][0]["type"], "invite");
    let again = run_in(&town.cem, &wages, "/invite @dia").await.expect(StatusCode::OK);
    assert_eq!(text(&again["body_md"]), "@dia is in #wages already.");
    run_in(&town.cem, &wages, "/invite @eve").await.expect_problem(404, "not-found");
    assert!(town.was_audited("channel.member-added").await);

    let link = town.run(&town.ben, "/invite").await.expect(StatusCode::OK);
    assert_eq!(link["secret"], true);
    let body = text(&link["body_md"]);
    let code = body.rsplit('/').next().unwrap();
    town.eve.post("/api/invites/accept", json!({ "code": code })).await.expect(StatusCode::CREATED);

    assert_eq!(town.says(&town.ann, "/role @dia admin").await, "@dia is an admin now.");
    assert_eq!(town.member(&town.dia).await.expect(StatusCode::OK)["role"], "admin");
    assert!(town.was_audited("role.changed").await);
    town.run(&town.ann, "/role @ann member").await.expect_problem(409, "last-owner");
}

#[tokio::test]
async fn order_is_kept() {
    let town = town().await;
    let said = town.says(&town.ben, "/mute @cem 2h").await;
    assert!(said.starts_with("@cem is muted until ") && said.ends_with("UTC."), "{said}");
    let muted = town.run(&town.cem, "/me waves").await;
    let detail = text(&muted.body["detail"]);
    muted.expect_problem(403, "muted");
    assert!(detail.starts_with("You are muted here"), "{detail}");
    assert_eq!(town.says(&town.ben, "/unmute cem").await, "@cem may speak again.");
}

#[tokio::test]
async fn who_is_banned_stays_out_until_it_is_lifted() {
    let town = town().await;
    assert_eq!(town.says(&town.ben, "/kick @dia").await, "@dia is no longer in #general.");
    town.run(&town.ben, "/kick @dia").await.expect_problem(404, "not-found");
    town.member(&town.dia).await.expect(StatusCode::OK);
    assert_eq!(town.says(&town.ben, "/ban @dia spam").await, "@dia is banned for good.");
    town.member(&town.dia).await.expect_problem(404, "not-found");
    let (_, removed) = town.app.newest("member.removed").await;
    assert_eq!(removed["data"]["user_id"], json!(town.dia.user_id));
    let invite = town
        .ann
        .post(&format!("/api/communities/{}/invites", town.id), json!({}))
        .await
        .expect(StatusCode::CREATED);
    let code = json!({ "code": invite["code"] });
    town.dia.post("/api/invites/accept", code.clone()).await.expect_problem(403, "banned");
    town.run(&town.ben, "/unban @cem").await.expect_problem(404, "not-found");
    let said = town.says(&town.ben, "/unban @dia").await;
    assert_eq!(said, "@dia is no longer banned and may be invited again.");
    town.dia.post("/api/invites/accept", code).await.expect(StatusCode::CREATED);
    for action in ["channel.member-removed", "member.banned", "member.unbanned"] {
        assert!(town.was_audited(action).await, "{action}");
    }
    let until = town.says(&town.ben, "/ban @dia 30m").await;
    assert!(until.starts_with("@dia is banned until "), "{until}");
}

#[tokio::test]
async fn a_purge_asks_first() {
    let town = town().await;
    for line in ["one", "two", "three"] {
        town.run(&town.cem, &format!("/me {line}")).await.expect(StatusCode::OK);
    }
    let asked = town.says(&town.ben, "/purge #general 2").await;
    assert!(asked.contains("`/purge #general 2 confirm`"), "{asked}");
    assert!(town.messages(&town.ann).await.iter().all(|message| message["deleted_at"].is_null()));
    assert_eq!(
        town.says(&town.ben, "/purge #general 2 confirm").await,
        "2 messages of #general were deleted."
    );
    let left: Vec<Value> = town
        .messages(&town.ann)
        .await
        .into_iter()
        .filter(|one| one["deleted_at"].is_null())
        .collect();
    assert_eq!(left.len(), 1);
    assert_eq!(left[0]["body_md"], "one");
    assert!(town.was_audited("channel.purged").await);
    // A107
    for line in
        ["/purge #general 1000000", "/purge #general -1 confirm", "/purge #general 0 confirm"]
    {
        town.run(&town.ann, line).await.expect_problem(422, "command-usage");
    }
    town.run(&town.ben, "/purge #general 101 confirm").await.expect_problem(403, "forbidden");
    town.run(&town.ann, "/purge #general 101 confirm").await.expect(StatusCode::OK);
    let (_, other) = town.app.community(&town.eve, "Elsewhere").await;
    run_in(&town.ann, &other, "/purge #general 1 confirm").await.expect_problem(404, "not-found");
}

#[tokio::test]
async fn a_line_that_is_sent_again_makes_nothing_again() {
    let town = town().await;
    for line in ["one", "two", "three"] {
        town.run(&town.cem, &format!("/me {line}")).await.expect(StatusCode::OK);
    }
    let again = async |line: &str| {
        let key = ClientMessageId::new();
        let line = json!({ "channel_id": town.general, "text": line, "client_msg_id": key });
        let first = town.ann.post("/api/commands", line.clone()).await.expect(StatusCode::OK);
        (first, town.ann.post("/api/commands", line).await)
    };
    let (first, second) = again("/purge #general 1 confirm").await;
    assert_eq!(second.expect(StatusCode::OK), first);
    let left = town.messages(&town.ann).await;
    assert_eq!(left.iter().filter(|one| one["deleted_at"].is_null()).count(), 2);
    for (line, table) in [
        ("/invite", "invites"),
        ("/token create deploy", "api_tokens"),
        ("/webhook create #general Builds", "webhooks"),
    ] {
        let count = async || -> i64 {
            let sql = format!("SELECT count(*) FROM {table}");
            sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).fetch_one(&town.app.db).await.unwrap()
        };
        let before = count().await;
        let (first, second) = again(line).await;
        assert_eq!(first["secret"], true, "{line}");
        second.expect_problem(409, "already-created");
        assert_eq!(count().await, before + 1, "{line}");
        // Typed again it is another line.
        let (_, second) = again(line).await;
        second.expect_problem(409, "already-created");
        assert_eq!(count().await, before + 2, "{line}");
    }
    let key = ClientMessageId::new();
    let run = async |text: &str| {
        let line = json!({ "channel_id": town.general, "text": text, "client_msg_id": key });
        town.ann.post("/api/commands", line).await
    };
    run("/purge #general 1 confirm").await.expect(StatusCode::OK);
    run("/purge #general 2 confirm").await.expect_problem(422, "idempotency-mismatch");
    let kept: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM idempotency_keys WHERE secret AND response IS NOT NULL",
    )
    .fetch_one(&town.app.db)
    .await
    .unwrap();
    assert_eq!(kept, 0);
}

#[tokio::test]
async fn what_is_said_in_a_thread_stays_there() {
    let town = town().await;
    let root = town.run(&town.cem, "/me waves").await.expect(StatusCode::OK)["message"].clone();
    let said = async |line: &str| {
        let line = json!({ "channel_id": town.general, "text": line, "parent_id": root["id"] });
        town.ben.post("/api/commands", line).await
    };
    for line in ["/me waves back", "/shrug"] {
        let answer = said(line).await.expect(StatusCode::OK);
        assert_eq!(answer["message"]["parent_id"], root["id"], "{line}");
    }
    // A direct message is elsewhere, and an answer is for one person.
    let direct = said("/msg @cem hello").await.expect(StatusCode::OK);
    assert_eq!(direct["message"]["parent_id"], json!(null));
    said("/help").await.expect(StatusCode::OK);
    assert_eq!(town.messages(&town.ann).await.len(), 1);
    let (_, elsewhere) = town.app.community(&town.cem, "Elsewhere").await;
    let line = json!({ "channel_id": elsewhere, "text": "/me x", "parent_id": root["id"] });
    town.cem.post("/api/commands", line).await.expect_problem(422, "validation");
}

#[tokio::test]
async fn a_channel_is_muted_for_oneself() {
    let town = town().await;
    assert_eq!(town.says(&town.cem, "/mute").await, "#general is muted for you.");
    let path = format!("/api/channels/{}", town.general);
    let view = town.cem.get(&path).await.expect(StatusCode::OK);
    assert_eq!(view["notify_level"], "nothing");
    town.run(&town.cem, "/mute 2h").await.expect_problem(422, "command-usage");
    assert_eq!(town.says(&town.cem, "/unmute").await, "#general is no longer muted for you.");
    let view = town.cem.get(&path).await.expect(StatusCode::OK);
    assert_eq!(view["notify_level"], "mentions");
}

#[tokio::test]
async fn machines_are_let_in_and_held_to_their_scopes() {
    let town = town().await;
    let made = town.run(&town.ben, "/webhook create #general Kestrel CI").await;
    let made = made.expect(StatusCode::OK);
    assert_eq!(made["secret"], true);
    assert!(text(&made["body_md"]).contains("/hook/"), "{made}");
    let listed = town.says(&town.ben, "/webhook list").await;
    assert!(listed.contains("`Kestrel CI` posts to #general"), "{listed}");
    let id = listed.rsplit('`').nth(1).unwrap();
    town.says(&town.ben, &format!("/webhook revoke {id}")).await;
    assert!(town.says(&town.ben, "/webhook list").await.starts_with("There is no webhook here"));
    town.run(&town.ben, "/webhook revoke nothing").await.expect_problem(422, "command-usage");

    town.run(&town.ben, "/token create bot everything").await.expect_problem(422, "command-usage");
    let made = town.run(&town.ben, "/token create Herald messages:read,messages:write").await;
    let made = made.expect(StatusCode::OK);
    assert_eq!(made["secret"], true);
    let body = text(&made["body_md"]);
    let mut bot = town.app.anonymous();
    bot.bearer = body.rsplit('`').nth(1).map(str::to_owned);
    // The bot's token may write and nothing more.
    for line in ["/kick @cem", "/topic mine", "/nick Boss"] {
        town.run(&bot, line).await.expect_problem(403, "insufficient-scope");
    }
    town.run(&bot, "/status away").await.expect_problem(403, "session-required");
    let listed = names(&bot, &town.general).await;
    assert!(
        !listed.contains(&"ban".to_owned()) && listed.contains(&"msg".to_owned()),
        "{listed:?}"
    );

    let listed = town.says(&town.ben, "/token list").await;
    assert!(listed.contains("messages:read messages:write"), "{listed}");
    let id = listed.rsplit('`').nth(1).unwrap();
    town.says(&town.ben, &format!("/token revoke {id}")).await;
    eventually("the token has ended", async || {
        town.run(&bot, "/help").await.status == StatusCode::UNAUTHORIZED
    })
    .await;
    for action in ["webhook.created", "webhook.revoked", "token.created", "token.revoked"] {
        assert!(town.was_audited(action).await, "{action}: {:?}", town.app.audit().await);
    }
}

#[tokio::test]
async fn help_knows_who_asks() {
    let town = town().await;
    let help = town.says(&town.cem, "/help").await;
    assert!(help.contains("`/topic [text]`") && !help.contains("/purge"), "{help}");
    let help = town.says(&town.ann, "/help").await;
    assert!(help.contains("**Integrations**") && help.contains("/purge #channel"), "{help}");
    let one = town.says(&town.ann, "/help /webhook").await;
    assert!(one.contains("`/webhook create #channel <name>`") && one.contains("admins"), "{one}");
    town.run(&town.cem, "/help purge").await.expect_problem(422, "command-usage");
}

#[tokio::test]
async fn what_was_said_is_found_again() {
    let town = town().await;
    town.run(&town.cem, "/me ships the harbour `crane`").await.expect(StatusCode::OK);
    let wages = town.run(&town.cem, "/channel create wages private").await.expect(StatusCode::OK);
    let wages = text(&wages["channel_id"]);
    run_in(&town.cem, &wages, "/me hides the harbour").await.expect(StatusCode::OK);
    let found = town.says(&town.ann, "/search harbour").await;
    assert!(found.contains("[#general](") && found.contains("@cem"), "{found}");
    assert!(!found.contains("wages") && !found.contains("hides"), "{found}");
    assert_eq!(town.says(&town.ann, "/search lighthouse").await, "Nothing was found.");
    assert!(town.says(&town.cem, "/search harbour").await.contains("#wages"));
}
