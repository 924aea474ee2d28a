//! Deliveries: what other systems send becomes one message, and they are answered to the byte.

use ajet_shared::secret::Secret;
use ajet_shared::storage::{Storage, StorageConfig};
use reqwest::header::HeaderMap;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::harness::{App, Client, EDGE_SECRET, text};

/// A webhook, as its senders know it.
struct Hook {
    id: String,
    /// Its path, `/hook/<id>/<token>`.
    path: String,
    base: String,
    http: reqwest::Client,
}

/// What a sender sees.
#[derive(Debug)]
struct Reply {
    status: u16,
    headers: HeaderMap,
    text: String,
}

impl Reply {
    fn seen(&self) -> (u16, &str) {
        (self.status, &self.text)
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("no JSON: {}", self.text))
    }
}

impl Hook {
    async fn make(app: &App, admin: &Client, community: &str, settings: Value) -> Self {
        let made = admin
            .post(&format!("/api/communities/{community}/webhooks"), settings)
            .await
            .expect(StatusCode::CREATED);
        let path = text(&made["url"]).trim_start_matches("http://chat.example.org").to_owned();
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { id: text(&made["id"]), path, base: app.base.clone(), http }
    }

    /// Sends bytes with these headers to its address with this ending.
    async fn send(
        &self,
        ending: &str,
        headers: &[(&str, &str)],
        body: impl Into<Vec<u8>>,
    ) -> Reply {
        let url = format!("{}{}{ending}", self.base, self.path);
        let mut request = self.http.post(url).header("x-ajet-edge", EDGE_SECRET);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = request.body(body.into()).send().await.unwrap();
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        Reply { status, headers, text: answer.text().await.unwrap() }
    }

    async fn say(&self, body: Value) -> Reply {
        self.send("", &[("content-type", "application/json")], body.to_string()).await
    }
}

/// A community with one webhook into its only channel.
struct World {
    app: App,
    ann: Client,
    community: String,
    general: String,
    hook: Hook,
}

impl World {
    async fn start() -> Self {
        Self::start_with(json!({})).await
    }

    async fn start_with(settings: Value) -> Self {
        let app = App::start().await;
        let ann = app.user("ann").await;
        let (community, general) = app.community(&ann, "Team").await;
        let mut all = json!({ "channel_id": general, "name": "Builds" });
        all.as_object_mut().unwrap().extend(settings.as_object().unwrap().clone());
        let hook = Hook::make(&app, &ann, &community, all).await;
        Self { app, ann, community, general, hook }
    }

    /// What webhooks wrote, oldest first.
    async fn messages(&self) -> Vec<Value> {
        let page = self
            .ann
            .get(&format!("/api/channels/{}/messages", self.general))
            .await
            .expect(StatusCode::OK);
        let all = page["items"].as_array().unwrap();
        all.iter().filter(|message| message["kind"] == "webhook").cloned().collect()
    }

    async fn deliveries(&self) -> Vec<Value> {
        let path =
            format!("/api/communities/{}/webhooks/{}/deliveries", self.community, self.hook.id);
        self.ann.get(&path).await.expect(StatusCode::OK)["items"].as_array().unwrap().clone()
    }
}

#[tokio::test]
async fn a_delivery_becomes_a_message_and_is_answered_ok() {
    let world = World::start().await;
    let reply = world.hook.say(json!({ "text": "The *tide* is in" })).await;
    assert_eq!(reply.seen(), (200, "ok"));
    assert_eq!(reply.headers["content-type"], "text/plain");
    let messages = world.messages().await;
    let [message] = messages.as_slice() else { panic!("{messages:?}") };
    assert_eq!(message["body_md"], "The **tide** is in");
    assert_eq!(message["metadata"]["webhook_id"], world.hook.id);
    assert_eq!(message["metadata"]["text_md"], "The **tide** is in");
    assert_eq!(message["author"]["display_name"], "Builds");
    assert_eq!(message["author"]["kind"], "bot");
    let (subject, event) = world.app.newest("message.created").await;
    assert_eq!(subject, format!("chat.events.{}", world.community));
    assert_eq!(event["data"]["kind"], "webhook");
    assert_eq!(event["data"]["author"], message["author"]);
    let delivered = world.deliveries().await;
    assert_eq!(delivered[0]["status"], "posted");
    assert_eq!(delivered[0]["http_status"], 200);
    assert_eq!(delivered[0]["dialect"], "slack");
    assert_eq!(delivered[0]["message_id"], message["id"]);
    let hooks = world.ann.get(&format!("/api/communities/{}/webhooks", world.community)).await;
    assert!(hooks.body["items"][0]["last_used_at"].is_string());
}

#[tokio::test]
async fn bodies_come_in_every_form_that_senders_use() {
    let world = World::start().await;
    for (content_type, body, said) in [
        (Some("application/json;charset=utf-8"), r#"{"text":"one"}"#, "one"),
        (Some("application/x-www-form-urlencoded"), "payload=%7B%22text%22%3A%22two%22%7D", "two"),
        (Some("application/x-www-form-urlencoded"), r#"{"text":"three"}"#, "three"),
        (None, "payload={\"text\":\"four\"}", "four"),
        (None, r#"{"text":"five"}"#, "five"),
        (Some("text/plain"), "six", "six"),
    ] {
        let headers: Vec<_> = content_type.map(|kind| ("content-type", kind)).into_iter().collect();
        assert_eq!(world.hook.send("", &headers, body).await.seen(), (200, "ok"), "{body}");
        assert_eq!(world.messages().await.last().unwrap()["body_md"], said, "{body}");
    }
}

#[tokio::test]
async fn answers_are_what_each_sender_understands() {
    let world = World::start().await;
    let json = ("content-type", "application/json");
    let body = r#"{"text":"hello"}"#;
    let asked = world.hook.send("", &[json, ("accept", "application/json")], body).await;
    assert_eq!((asked.status, asked.json()["ok"].as_bool()), (200, Some(true)));
    let axios = [json, ("accept", "application/json, text/plain, */*")];
    assert_eq!(world.hook.send("", &axios, body).await.seen(), (200, "ok"));
    let waited = world.hook.send("?wait=True", &[json], body).await.json();
    assert_eq!(waited["channel"], world.general);
    assert_eq!(waited["message"]["text"], "hello");
    assert!(waited["ts"].as_str().unwrap().len() > 10);

    let content = r#"{"content":"from discord","username":"Tide Bot","avatar_url":"http://169.254.169.254/x","embeds":null}"#;
    assert_eq!(world.hook.send("/discord", &[json], content).await.seen(), (204, ""));
    let posted = world.hook.send("/discord?wait=true", &[json], content).await.json();
    assert_eq!(posted["content"], "from discord");
    assert_eq!(posted["author"]["username"], "Tide Bot");
    let by_body = world.hook.send("?wait=true", &[json], content).await.json();
    assert_eq!(by_body["type"], 0, "discord-webhook posts to the address as it is");
    let last = world.messages().await.pop().unwrap();
    assert_eq!(last["author"]["display_name"], "Tide Bot");
    assert_eq!(last["author"]["avatar_url"], Value::Null, "no picture is fetched");
    assert!(!last.to_string().contains("169.254"));

    let url = format!("{}{}/discord", world.app.base, world.hook.path);
    let shown = world.hook.http.get(url).header("x-ajet-edge", EDGE_SECRET).send().await.unwrap();
    let shown: Value = shown.json().await.unwrap();
    assert_eq!((&shown["name"], &shown["id"]), (&json!("Builds"), &json!(world.hook.id)));
    assert!(!shown.to_string().contains("ajw_"));
}

#[tokio::test]
async fn what_cannot_be_taken_is_refused_by_its_word() {
    let world = World::start().await;
    let hook = &world.hook;
    assert_eq!(hook.say(json!({ "text": "" })).await.seen(), (400, "no_text"));
    assert_eq!(hook.say(json!({ "text": " \n " })).await.seen(), (400, "no_text"));
    let json = ("content-type", "application/json");
    assert_eq!(hook.send("", &[json], "{\"text\":").await.seen(), (400, "invalid_payload"));
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    assert_eq!(hook.send("", &[json], deep).await.seen(), (400, "invalid_payload"));
    let many = json!({ "attachments": vec![json!({ "text": "x" }); 101] });
    assert_eq!(hook.say(many).await.seen(), (400, "too_many_attachments"));
    let large = hook.send("", &[json], vec![b'x'; 2 << 20]).await;
    assert_eq!(large.seen(), (413, "too_large"));
    let nothing = hook.send("/nonsense", &[json], "{}").await;
    assert_eq!(nothing.seen(), (404, "no_service"));
    assert!(world.messages().await.is_empty());
    let delivered = world.deliveries().await;
    // The large one is refused before anything is known of it, as the gateway does.
    assert_eq!(delivered.len(), 5);
    assert!(delivered.iter().all(|delivery| delivery["status"] == "refused"));
    assert_eq!(delivered[0]["detail"], "It has more than 100 attachments.");

    sqlx::query("UPDATE channels SET archived_at = now()").execute(&world.app.db).await.unwrap();
    assert_eq!(hook.say(json!({ "text": "late" })).await.seen(), (410, "channel_is_archived"));
}

#[tokio::test]
async fn nulls_and_strange_types_hurt_nobody() {
    let world = World::start().await;
    for body in [
        json!({ "text": "hi", "attachments": [null], "blocks": null, "username": null, "icon_emoji": 7 }),
        json!({ "text": "hi", "attachments": [{ "fields": [null, { "title": null, "value": 3 }] }] }),
        json!({ "text": "nul \u{0} in it", "link_names": 1 }),
        json!([null, 1, "x"]),
        json!(null),
    ] {
        let reply = world.hook.say(body.clone()).await;
        assert!(matches!(reply.status, 200 | 400 | 422), "{body} {reply:?}");
    }
    assert_eq!(world.hook.say(json!({ "text": "still there" })).await.seen(), (200, "ok"));
}

#[tokio::test]
async fn unknown_wrong_and_revoked_are_the_same() {
    let world = World::start().await;
    let other = Hook::make(
        &world.app,
        &world.ann,
        &world.community,
        json!({ "channel_id": world.general, "name": "Other" }),
    )
    .await;
    let token = |hook: &Hook| hook.path.rsplit('/').next().unwrap().to_owned();
    let mut wrong = token(&world.hook);
    let last = wrong.pop().unwrap();
    wrong.push(if last == 'A' { 'B' } else { 'A' });
    let mut seen = Vec::new();
    let nobody = ajet_shared::id::WebhookId::new();
    for path in [
        format!("/hook/{}/{wrong}", world.hook.id),
        format!("/hook/{}/{}", world.hook.id, token(&other)),
        format!("/hook/{nobody}/{}", token(&other)),
        format!("/hook/{}/junk", world.hook.id),
        "/hook/1/2".to_owned(),
        format!("/hook/{}/junk/slack", world.hook.id),
    ] {
        let hook =
            Hook { id: String::new(), path, base: other.base.clone(), http: other.http.clone() };
        seen.push(hook.say(json!({ "text": "x" })).await);
    }
    assert_eq!(other.say(json!({ "text": "x" })).await.seen(), (200, "ok"));
    let path = format!("/api/communities/{}/webhooks/{}", world.community, other.id);
    assert_eq!(world.ann.delete(&path).await.status, StatusCode::NO_CONTENT);
    seen.push(other.say(json!({ "text": "x" })).await);
    for reply in &seen {
        assert_eq!(reply.seen(), (404, "no_service"), "{reply:?}");
        assert_eq!(reply.headers["content-type"], "text/plain");
    }
    assert_eq!(world.messages().await.len(), 1);
}

#[tokio::test]
async fn a_delivery_that_is_sent_again_is_one_message() {
    store().await;
    let world = World::start().await;
    let push = json!({
        "ref": "refs/heads/main", "before": "0", "after": "1",
        "commits": [{ "id": "abcdef0123", "message": "Fix the tide", "url": "https://example.org/c", "author": { "name": "Mara" } }],
        "repository": { "full_name": "salt/marsh", "html_url": "https://example.org/r" },
        "pusher": { "name": "mara" }, "sender": { "login": "mara" },
    })
    .to_string();
    let github = |key: &'static str| {
        [
            ("content-type", "application/json"),
            ("x-github-event", "push"),
            ("x-github-delivery", key),
        ]
    };
    for _ in 0..3 {
        assert_eq!(world.hook.send("", &github("d-1"), push.clone()).await.seen(), (200, "ok"));
    }
    assert_eq!(world.messages().await.len(), 1);
    assert_eq!(world.hook.send("", &github("d-2"), push.clone()).await.seen(), (200, "ok"));
    assert_eq!(world.messages().await.len(), 2);
    let delivered = world.deliveries().await;
    assert_eq!(delivered.len(), 2);
    assert_eq!(
        (&delivered[0]["delivery_key"], &delivered[0]["event"]),
        (&json!("d-2"), &json!("push"))
    );
    // Many at once, and one whose text is too long for a message: its file differs each time.
    let key = [("content-type", "application/json"), ("idempotency-key", "k-1")];
    let long = json!({ "text": "x".repeat(20_000) }).to_string();
    let all = (0..8).map(|_| world.hook.send("", &key, long.clone()));
    for reply in futures::future::join_all(all).await {
        assert_eq!(reply.seen(), (200, "ok"));
    }
    assert_eq!(world.messages().await.len(), 3);
    let files = sqlx::query_scalar::<_, i64>("SELECT count(*) FROM attachments");
    assert_eq!(files.fetch_one(&world.app.db).await.unwrap(), 1, "of the eight files one is kept");
    let hook = &world.hook;
    let ping = [("content-type", "application/json"), ("x-github-event", "ping")];
    assert_eq!(hook.send("", &ping, r#"{"zen":"x","hook":{}}"#).await.seen(), (200, "ok"));
    assert_eq!(world.messages().await.len(), 3);
    assert_eq!(world.deliveries().await[0]["status"], "ignored");
}

#[tokio::test]
async fn a_signed_webhook_takes_nothing_unsigned() {
    let world = World::start_with(json!({ "signing_secret": "It's a Secret to Everybody" })).await;
    let hook = &world.hook;
    let json = ("content-type", "application/json");
    let body = r#"{"zen":"Anything added dilutes everything else."}"#;
    let hex = hmac(body);
    let good = format!("sha256={hex}");
    let github = [json, ("x-github-event", "ping")];
    let signed = |signature: &str, body: &'static str| {
        let signature = signature.to_owned();
        async move {
            let headers = [json, ("x-github-event", "ping"), ("x-hub-signature-256", &signature)];
            hook.send("", &headers, body).await.status
        }
    };
    assert_eq!(signed(&good, body).await, 200);
    assert_eq!(signed(&good, r#"{"zen":"Another."}"#).await, 403);
    assert_eq!(signed("sha256=", body).await, 401, "an empty one is none");
    assert_eq!(signed("sha256=zz", body).await, 403);
    assert_eq!(hook.send("", &github, body).await.seen(), (401, "signature_missing"));
    assert_eq!(hook.say(json!({ "text": "hello" })).await.seen(), (401, "signature_missing"));

    let gitea =
        [json, ("x-gitea-event", "push"), ("x-github-event", "push"), ("x-gitea-signature", &hex)];
    assert_eq!(hook.send("", &gitea, body).await.status, 200);
    let gitlab =
        |token: &'static str| [json, ("x-gitlab-event", "Job Hook"), ("x-gitlab-token", token)];
    let job = r#"{"object_kind":"build"}"#;
    assert_eq!(hook.send("", &gitlab("It's a Secret to Everybody"), job).await.seen(), (200, "ok"));
    assert_eq!(hook.send("", &gitlab("guessed"), job).await.seen(), (403, "signature_invalid"));
    let refused = world.deliveries().await;
    assert_eq!(
        (&refused[0]["status"], &refused[0]["http_status"]),
        (&json!("refused"), &json!(403))
    );
    assert!(!refused.iter().any(|delivery| delivery.to_string().contains("Everybody")));
    assert_eq!(world.messages().await.len(), 1, "the push that was signed");
}

/// HMAC-SHA256 with the secret of the test above, by a tool that is not ours.
fn hmac(body: &str) -> String {
    use std::io::Write as _;
    let code = "import hmac,hashlib,sys; print(hmac.new(b\"It's a Secret to Everybody\", sys.stdin.buffer.read(), hashlib.sha256).hexdigest())";
    let mut python = std::process::Command::new("python3")
        .args(["-c", code])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    python.stdin.take().unwrap().write_all(body.as_bytes()).unwrap();
    String::from_utf8(python.wait_with_output().unwrap().stdout).unwrap().trim().to_owned()
}

#[tokio::test]
async fn a_name_of_its_own_is_shown_and_is_no_members() {
    let world = World::start().await;
    let ben = world.app.user("ben").await;
    world.app.join(&world.ann, &ben, &world.community).await;
    let hook = &world.hook;
    let say = async |name: &str| {
        hook.say(json!({ "text": "hello", "username": name, "icon_emoji": ":rocket:" })).await
    };
    for bad in ["admin", "ADMIN", "аdmin", "system"] {
        assert_eq!(say(bad).await.seen(), (422, "invalid_username"), "{bad}");
    }
    assert!(world.messages().await.is_empty());
    // A member who takes a sender's name does not silence it, nor does anybody learn who is there: it is said under the webhook's name.
    let nickname = format!("/api/communities/{}/nickname", world.community);
    let taken = Some(json!({ "nickname": "Alertmanager" }));
    ben.send(Method::PUT, &nickname, taken).await.expect(StatusCode::NO_CONTENT);
    for posing in ["Alertmanager", "ann", "Ben", "B3N", "ｂｅｎ"] {
        assert_eq!(say(posing).await.seen(), (200, "ok"), "{posing}");
        let last = world.messages().await.pop().unwrap();
        assert_eq!(last["author"]["display_name"], "Builds", "{posing}");
    }
    let before = world.messages().await.len();
    assert_eq!(say("Tide Watch").await.seen(), (200, "ok"));
    assert_eq!(say("Builds").await.seen(), (200, "ok"));
    assert_eq!(say("\u{202e}nimda").await.status, 200, "what is no name is passed by");
    let messages = world.messages().await.split_off(before);
    let shown: Vec<&Value> =
        messages.iter().map(|message| &message["author"]["display_name"]).collect();
    assert_eq!(shown[0], "Tide Watch");
    assert_eq!(shown[1], "Builds");
    assert_eq!(messages[0]["metadata"]["name"], "Tide Watch");
    assert_eq!(messages[0]["metadata"]["icon_emoji"], "🚀");
    assert_eq!(messages[0]["author"]["id"], messages[1]["author"]["id"], "one account");
    let events = world.app.outbox().await;
    assert!(
        events.iter().any(|(_, _, event)| event["data"]["author"]["display_name"] == "Tide Watch")
    );
}

#[tokio::test]
async fn everybody_is_called_only_by_a_webhook_that_may() {
    let world = World::start().await;
    let ben = world.app.user("ben").await;
    world.app.join(&world.ann, &ben, &world.community).await;
    let unread = async || {
        let list = ben.get("/api/notifications").await.expect(StatusCode::OK);
        list["items"].as_array().unwrap().len()
    };
    let shout = json!({ "text": "<!channel> @channel @here fire" });
    assert_eq!(world.hook.say(shout.clone()).await.seen(), (200, "ok"));
    assert_eq!(unread().await, 0);
    let message = &world.messages().await[0];
    assert!(
        message["body_md"].as_str().unwrap().contains("@channel"),
        "it is plain text: {message}"
    );
    assert_eq!(message["mentions"], json!([]));
    assert_eq!(world.hook.say(json!({ "text": "look, @ben" })).await.seen(), (200, "ok"));
    assert_eq!(unread().await, 1, "a person may be called");
    let loud = Hook::make(
        &world.app,
        &world.ann,
        &world.community,
        json!({ "channel_id": world.general, "name": "Siren", "allow_broadcast": true }),
    )
    .await;
    assert_eq!(loud.say(shout).await.seen(), (200, "ok"));
    assert_eq!(unread().await, 2);
    let flood = (0..500).map(|n| format!("@user{n}")).collect::<Vec<_>>().join(" ");
    assert_eq!(world.hook.say(json!({ "text": flood })).await.seen(), (200, "ok"));
}

#[tokio::test]
async fn only_the_text_of_a_delivery_calls_people() {
    let world = World::start().await;
    let ben = world.app.user("ben").await;
    world.app.join(&world.ann, &ben, &world.community).await;
    let told = async || {
        let list = ben.get("/api/notifications").await.expect(StatusCode::OK);
        list["items"].as_array().unwrap().len()
    };
    // Anybody who can open an issue writes this.
    let issue = json!({
        "action": "opened",
        "issue": { "number": 1, "title": "hey @ben", "body": "@ben", "html_url": "https://a.b/1" },
        "repository": { "full_name": "a/b", "html_url": "https://a.b" },
        "sender": { "login": "ben" },
    });
    let headers = [("content-type", "application/json"), ("x-github-event", "issues")];
    let taken = world.hook.send("", &headers, issue.to_string()).await;
    assert_eq!(taken.seen(), (200, "ok"));
    let card = json!({ "text": "built", "attachments": [{ "text": "@ben", "title": "@ben" }] });
    assert_eq!(world.hook.say(card).await.seen(), (200, "ok"));
    assert_eq!(told().await, 0);
    let messages = world.messages().await;
    assert_eq!(messages.len(), 2);
    assert!(messages.iter().all(|message| message["mentions"] == json!([])), "{messages:?}");
    let called = json!({ "text": "look, @ben", "attachments": [{ "text": "@ben" }] });
    assert_eq!(world.hook.say(called).await.seen(), (200, "ok"));
    assert_eq!(told().await, 1);
}

#[tokio::test]
async fn a_large_delivery_is_read_like_any_other() {
    let world = World::start().await;
    let large = json!({ "text": "large", "ignored": "x".repeat(500_000) });
    assert_eq!(world.hook.say(large).await.seen(), (200, "ok"));
    assert_eq!(world.messages().await[0]["body_md"], "large");
    let broken = format!("{{\"text\": \"{}", "x".repeat(100_000));
    let json = ("content-type", "application/json");
    assert_eq!(world.hook.send("", &[json], broken).await.seen(), (400, "invalid_payload"));
}

#[tokio::test]
async fn a_card_from_the_end_of_time_has_no_time() {
    let world = World::start().await;
    let end = json!({ "attachments": [{ "text": "x", "ts": 253_402_300_799_i64 }] });
    assert_eq!(world.hook.say(end).await.seen(), (200, "ok"));
    let message = &world.messages().await[0];
    assert_eq!(message["body_md"], "x");
    assert!(!message["metadata"].to_string().contains("9999"), "{message}");
}

#[tokio::test]
async fn a_text_that_is_too_long_is_cut_and_comes_whole_as_a_file() {
    let world = World::start().await;
    store().await;
    let line = "a line of a very long log\n";
    let text: String = line.repeat(2_000);
    assert_eq!(world.hook.say(json!({ "text": text })).await.seen(), (200, "ok"));
    let message = &world.messages().await[0];
    let body = message["body_md"].as_str().unwrap();
    assert!(body.chars().count() <= 16_000 && body.ends_with('…'), "{}", body.len());
    let file = &message["attachments"][0];
    assert_eq!(file["filename"], "message.md");
    let got = world.ann.get(file["url"].as_str().unwrap()).await;
    assert_eq!(got.status, StatusCode::OK);
    assert_eq!(String::from_utf8(got.bytes).unwrap().trim(), text.trim());
    assert!(got.headers["content-disposition"].to_str().unwrap().starts_with("attachment"));
    let key: String = sqlx::query_scalar("SELECT storage_key FROM attachments")
        .fetch_one(&world.app.db)
        .await
        .unwrap();
    let id = message["id"].as_str().unwrap();
    assert_eq!(key, format!("{}/{}/{id}/message.md", world.community, world.general));
}

/// The store of this test run, with the bucket in it.
async fn store() {
    let setting = |name: &str| {
        std::env::var(format!("AJET_TEST_S3_{name}"))
            .expect("an object store; run the tests by `cargo xtask test`")
    };
    let storage = Storage::new(&StorageConfig {
        url: setting("URL"),
        region: setting("REGION"),
        bucket: setting("BUCKET"),
        access_key: setting("ACCESS_KEY"),
        secret_key: Secret::from(setting("SECRET_KEY")),
    });
    storage.ensure_bucket().await.unwrap();
}

#[tokio::test]
async fn a_webhook_opens_its_channel_and_nothing_else() {
    let world = World::start().await;
    let token = world.hook.path.rsplit('/').next().unwrap().to_owned();
    let bearer = world.app.anonymous().with_bearer(&token);
    bearer.get("/api/me").await.expect_problem(401, "unauthenticated");
    // Its address belongs to the gateway.
    let direct = world.hook.http.post(format!("{}{}", world.app.base, world.hook.path));
    assert_eq!(direct.body("{}").send().await.unwrap().status(), StatusCode::FORBIDDEN);
    let answer = world.app.anonymous().send(Method::GET, &world.hook.path, None).await;
    assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(
        world.hook.say(json!({ "text": "x", "channel": "#elsewhere" })).await.seen(),
        (200, "ok")
    );
    assert_eq!(world.messages().await.len(), 1, "the channel it asks for is passed by");
}

#[tokio::test]
async fn the_last_hundred_deliveries_are_kept() {
    let world = World::start().await;
    let mut conn = world.app.db.acquire().await.unwrap();
    let id: ajet_shared::id::WebhookId = world.hook.id.parse().unwrap();
    for n in 0..105 {
        let key = format!("k-{n}");
        let outcome = ajet_shared::db::webhooks::Outcome {
            delivery_key: &key,
            dialect: "raw",
            event: "",
            status: ajet_shared::webhook::DeliveryStatus::Ignored,
            http_status: 200,
            message_id: None,
            detail: "Nothing.",
        };
        ajet_shared::db::webhooks::record(&mut conn, id, &outcome).await.unwrap();
    }
    let kept = world.deliveries().await;
    assert_eq!(kept.len(), 100);
    assert_eq!(
        (&kept[0]["delivery_key"], &kept[99]["delivery_key"]),
        (&json!("k-104"), &json!("k-5"))
    );
}
