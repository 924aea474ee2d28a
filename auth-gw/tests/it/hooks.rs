//! Webhooks: every address that senders use, and what does not exist.

use ajet_shared::db::Cause;
use ajet_shared::db::api_users::{self, Purpose};
use ajet_shared::db::webhooks::{self, NewWebhook};
use ajet_shared::id::{ChannelId, CommunityId, UserId, WebhookId};
use ajet_shared::token::{Token, TokenKind};
use ajet_shared::verify;
use reqwest::{Method, Response, StatusCode};
use serde_json::Value;

use crate::harness::{EDGE_SECRET, Stack, eventually};

/// A webhook of the only community, into its only channel.
pub(crate) struct Hook {
    community_id: CommunityId,
    owner: UserId,
    id: WebhookId,
    token: String,
}

impl Hook {
    async fn make(stack: &Stack) -> Self {
        stack.owner().await;
        let token = Token::generate(TokenKind::Webhook);
        let hash = verify::hash(&token).await.unwrap();
        let mut conn = stack.db.acquire().await.unwrap();
        let (community_id, owner, channel_id): (uuid::Uuid, uuid::Uuid, uuid::Uuid) = sqlx::query_as(
            "SELECT member.community_id, member.user_id, channels.id FROM community_members AS member \
             JOIN channels ON channels.community_id = member.community_id WHERE role = 'owner'",
        )
        .fetch_one(&mut *conn)
        .await
        .unwrap();
        let (community_id, owner) = (CommunityId::from(community_id), UserId::from(owner));
        let cause = Cause::by(owner);
        let name = "Builds".parse().unwrap();
        let user_id =
            api_users::insert_bot(&mut conn, &cause, &name, Purpose::Webhook).await.unwrap();
        let new = NewWebhook {
            community_id,
            channel_id: ChannelId::from(channel_id),
            user_id,
            name: "Builds",
            selector: token.selector(),
            token_hash: &hash,
            signing_secret: None,
            allow_broadcast: false,
        };
        let id = webhooks::insert(&mut conn, &cause, &new).await.unwrap().id;
        Self { community_id, owner, id, token: token.expose().to_owned() }
    }

    async fn revoke(&self, stack: &Stack) {
        let mut conn = stack.db.acquire().await.unwrap();
        let cause = Cause::by(self.owner);
        assert!(webhooks::revoke(&mut conn, &cause, self.community_id, self.id).await.unwrap());
    }
}

async fn send(stack: &Stack, method: Method, path: &str) -> Response {
    stack.browser().request(method, path).body("{\"text\":\"hello\"}").send().await.unwrap()
}

/// Everything of an answer that a sender could tell others by.
async fn whole(answer: Response) -> (StatusCode, Vec<(String, String)>, String) {
    let mut headers: Vec<_> = answer
        .headers()
        .iter()
        .filter(|(name, _)| !matches!(name.as_str(), "x-trace-id" | "date"))
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
        .collect();
    headers.sort();
    (answer.status(), headers, answer.text().await.unwrap())
}

#[tokio::test]
async fn every_address_that_senders_use_reaches_the_api() {
    let stack = Stack::start().await;
    let Hook { id, token, .. } = Hook::make(&stack).await;
    let one = format!("/hook/{id}/{token}");
    for (path, target) in [
        (format!("/hook/{id}/{token}"), one.clone()),
        (format!("/hook/{id}/{token}?wait=true"), format!("{one}?wait=true")),
        (format!("/hooks/{id}/{token}"), format!("{one}/rocketchat")),
        (format!("/hook/{id}/hooks/{token}"), one.clone()),
        (format!("/hooks/{id}_{token}"), format!("{one}/mattermost")),
        (format!("/hooks/{id}_{token}/slack"), format!("{one}/slack")),
        (format!("/hook/{id}/{token}/github"), format!("{one}/github")),
        (format!("/hook/{id}/{token}/gitea"), format!("{one}/gitea")),
        (format!("/hook/{id}/{token}/gitlab"), format!("{one}/gitlab")),
        (format!("/hook/{id}/{token}/alertmanager"), format!("{one}/alertmanager")),
        (format!("/hook/{id}/{token}/grafana"), format!("{one}/grafana")),
        (format!("/hook/{id}/{token}/raw"), format!("{one}/raw")),
        (format!("/api/webhooks/{id}/{token}"), format!("{one}/discord")),
        (format!("/api/webhooks/{id}/{token}?wait=True"), format!("{one}/discord?wait=True")),
        (format!("/api/webhooks/{id}/{token}/slack"), format!("{one}/slack")),
        (format!("/api/webhooks/{id}/{token}/github"), format!("{one}/github")),
    ] {
        let answer = send(&stack, Method::POST, &path).await;
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
        assert!(answer.headers().contains_key("ratelimit"), "{path}");
        let seen: Value = answer.json().await.unwrap();
        assert_eq!(
            (seen["service"].as_str(), seen["target"].as_str()),
            (Some("api"), Some(target.as_str()))
        );
        assert_eq!(seen["method"], "POST");
        assert_eq!(seen["body"], "{\"text\":\"hello\"}");
        assert_eq!(seen["headers"]["x-ajet-edge"], EDGE_SECRET);
    }
}

#[tokio::test]
async fn a_delivery_needs_no_credentials_and_passes_none_on() {
    let stack = Stack::start().await;
    let hook = Hook::make(&stack).await;
    let mut owner = stack.browser();
    owner.sign_in("owner", "").await;
    assert!(owner.session().is_some());
    let request = owner
        .request(Method::POST, &format!("/hook/{}/{}", hook.id, hook.token))
        .header("authorization", "Basic Z2l0ZWE6c2VjcmV0")
        .header("origin", "https://elsewhere.example")
        .header("sec-fetch-site", "cross-site")
        .header("x-github-event", "push")
        .header("x-hub-signature-256", "sha256=00")
        .header("content-type", "application/x-www-form-urlencoded")
        .body("payload=%7B%7D");
    let answer = owner.send(request).await;
    assert_eq!(answer.status(), StatusCode::OK);
    let seen: Value = answer.json().await.unwrap();
    let headers = seen["headers"].as_object().unwrap();
    assert_eq!(headers["x-github-event"], "push");
    assert_eq!(headers["x-hub-signature-256"], "sha256=00");
    assert_eq!(headers["content-type"], "application/x-www-form-urlencoded");
    assert_eq!(headers["x-ajet-client-ip"], "127.0.0.1");
    for gone in ["cookie", "authorization"] {
        assert!(!headers.contains_key(gone), "{gone}: {seen}");
    }
}

#[tokio::test]
async fn what_does_not_exist_is_the_same_to_the_byte() {
    let stack = Stack::start().await;
    let hook = Hook::make(&stack).await;
    let (id, token) = (hook.id, hook.token.clone());
    let mut wrong = token.clone();
    let last = wrong.pop().unwrap();
    wrong.push(if last == 'A' { 'B' } else { 'A' });
    let (nobody, unknown) = (WebhookId::new(), Token::generate(TokenKind::Webhook));
    let paths = [
        format!("/hook/{id}/{wrong}"),
        format!("/hook/{nobody}/{token}"),
        format!("/hook/{nobody}/{}", unknown.expose()),
        format!("/hook/{id}/junk"),
        format!("/hook/{id}/{}", token.to_lowercase()),
        format!("/hook/{id}/{token}/nonsense"),
        format!("/hook/{id}"),
        "/hook/1/2".to_owned(),
        "/hooks".to_owned(),
        format!("/hooks/{id}_{wrong}"),
        format!("/api/webhooks/{id}/{wrong}"),
        format!("/api/webhooks/{id}/{token}/messages/1"),
    ];
    let first = whole(send(&stack, Method::POST, &paths[0]).await).await;
    assert_eq!((first.0, first.2.as_str()), (StatusCode::NOT_FOUND, "no_service"));
    assert!(first.1.contains(&("content-type".to_owned(), "text/plain".to_owned())));
    for path in &paths[1..] {
        assert_eq!(whole(send(&stack, Method::POST, path).await).await, first, "{path}");
    }
    let path = format!("/hook/{id}/{token}");
    assert_eq!(send(&stack, Method::POST, &path).await.status(), StatusCode::OK);
    hook.revoke(&stack).await;
    eventually("a revoked webhook does not exist", async || {
        whole(send(&stack, Method::POST, &path).await).await == first
    })
    .await;
}

#[tokio::test]
async fn only_post_and_never_more_than_a_mebibyte() {
    let stack = Stack::start().await;
    let hook = Hook::make(&stack).await;
    let path = format!("/hook/{}/{}", hook.id, hook.token);
    for method in [Method::GET, Method::PUT, Method::PATCH, Method::DELETE] {
        // Also where nobody is: the refusal tells nothing about the token.
        for path in [path.clone(), format!("/hook/{}/x", hook.id)] {
            let answer = send(&stack, method.clone(), &path).await;
            assert_eq!(answer.status(), StatusCode::METHOD_NOT_ALLOWED, "{method} {path}");
            assert_eq!(answer.headers()["allow"], "POST");
            assert_eq!(answer.text().await.unwrap(), "method_not_allowed");
        }
    }
    let discord = format!("/api/webhooks/{}/{}", hook.id, hook.token);
    let seen: Value = send(&stack, Method::GET, &discord).await.json().await.unwrap();
    assert_eq!(
        (seen["method"].as_str(), &seen["target"]),
        (Some("GET"), &format!("{path}/discord").into())
    );
    let post = async |bytes: usize| {
        let body = "x".repeat(bytes);
        let request = stack.browser().request(Method::POST, &path).body(body);
        let answer = request.send().await.unwrap();
        (answer.status(), answer.text().await.unwrap())
    };
    assert_eq!(post(1 << 20).await.0, StatusCode::OK);
    for bytes in [(1 << 20) + 1, 2 << 20] {
        assert_eq!(post(bytes).await, (StatusCode::PAYLOAD_TOO_LARGE, "too_large".to_owned()));
    }
    let chunks =
        futures::stream::iter((0..20).map(|_| Ok::<_, std::io::Error>(vec![b'x'; 1 << 17])));
    let request =
        stack.browser().request(Method::POST, &path).body(reqwest::Body::wrap_stream(chunks));
    assert_eq!(request.send().await.unwrap().status(), StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn deliveries_are_limited_by_webhook() {
    let stack = Stack::start_with(&["--limits=default", "--limit-hook=30/60,3"]).await;
    let hook = Hook::make(&stack).await;
    let path = format!("/hook/{}/{}", hook.id, hook.token);
    for _ in 0..3 {
        assert_eq!(send(&stack, Method::POST, &path).await.status(), StatusCode::OK);
    }
    let answer = send(&stack, Method::POST, &path).await;
    assert_eq!(answer.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(answer.headers()["content-type"], "text/plain");
    assert_eq!(answer.headers()["ratelimit-policy"], "\"hook\";q=30;w=60");
    assert!(answer.headers()["retry-after"].to_str().unwrap().parse::<u32>().unwrap() > 0);
    assert_eq!(answer.text().await.unwrap(), "rate_limited");
    let discord = format!("/api/webhooks/{}/{}", hook.id, hook.token);
    let answer: Value = send(&stack, Method::POST, &discord).await.json().await.unwrap();
    assert_eq!(answer["global"], false);
    assert!(answer["retry_after"].as_u64().unwrap() > 0);
}

#[tokio::test]
async fn a_burst_of_wrong_tokens_is_written_down_and_turned_away() {
    let stack = Stack::start_with(&["--limits=default", "--limit-badtoken=3/60"]).await;
    let hook = Hook::make(&stack).await;
    let wrong = format!("/hook/{}/junk", hook.id);
    let mut statuses = Vec::new();
    for _ in 0..5 {
        statuses.push(send(&stack, Method::POST, &wrong).await.status().as_u16());
    }
    assert_eq!(statuses, [404, 404, 404, 404, 429]);
    let (community_id, detail): (Option<uuid::Uuid>, Value) = sqlx::query_as(
        "SELECT community_id, to_jsonb(audit_log) FROM audit_log WHERE action = 'webhook.bad_tokens'",
    )
    .fetch_one(&stack.db)
    .await
    .unwrap();
    assert_eq!(community_id, Some(hook.community_id.uuid()));
    assert_eq!(detail["outcome"], "denied");
    assert!(!detail.to_string().contains("ajw_"), "{detail}");
    let right = format!("/hook/{}/{}", hook.id, hook.token);
    assert_eq!(send(&stack, Method::POST, &right).await.status(), StatusCode::OK, "others go on");
}

#[tokio::test]
async fn a_token_is_checked_by_bcrypt_once() {
    let stack = Stack::start().await;
    let hook = Hook::make(&stack).await;
    let verifier = verify::Verifier::new(stack.db.clone());
    for _ in 0..3 {
        let found = verifier.verify_webhook(hook.id, &hook.token).await.unwrap().unwrap();
        assert_eq!((found.id, found.community_id), (hook.id, hook.community_id));
    }
    assert_eq!(verifier.hashes_checked(), 1);
    assert_eq!(verifier.verify_webhook(WebhookId::new(), &hook.token).await.unwrap(), None);
    assert_eq!(verifier.verify(&hook.token).await.unwrap(), None, "it signs nobody in");
    hook.revoke(&stack).await;
    tokio::time::sleep(verify::STATE_AGE_MAX).await;
    assert_eq!(verifier.verify_webhook(hook.id, &hook.token).await.unwrap(), None);
}
