//! Webhooks on their way in: every address that senders use (webhooks reference, section 4.1), the check of the token, the limits.
//!
//! A cookie or an `Authorization` header means nothing here. Errors are short words as plain text (decisions.md 15), and what is no
//! address, an unknown id, a wrong token and a revoked webhook are the same to the byte.

use ajet_shared::db::audit::Entry;
use ajet_shared::db::webhooks;
use ajet_shared::id::WebhookId;
use ajet_shared::limits::HOOK_BODY_MAX_BYTES;
use ajet_shared::problem::Problem;
use bytes::{Bytes, BytesMut};
use http::header::{self, HeaderValue};
use http::{Method, StatusCode, Uri, request};
use http_body_util::BodyExt as _;
use uuid::Uuid;

use crate::answer::{Answer, Failure, Response, limit_headers};
use crate::body::{Body, Watched, full};
use crate::gateway::Gateway;
use crate::limits::{Key, Verdict};
use crate::policy::Policy;
use crate::route::Service;
use crate::upstream::BODY_IDLE;
use crate::visit::Visit;

/// Of a body that is too large as much is read as lets its sender see the answer instead of a broken connection.
const DRAINED_MAX_BYTES: usize = 4 * HOOK_BODY_MAX_BYTES;
/// Characters of a UUID with hyphens.
const ID_CHARS: usize = 36;

/// An address of a webhook, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Address<'a> {
    /// Which webhook.
    id: WebhookId,
    /// Its token, not checked.
    token: &'a str,
    /// How what comes in is to be read.
    dialect: Option<&'a str>,
}

impl<'a> Address<'a> {
    /// Takes the segments of a path apart; none if they are no address.
    pub(crate) fn of(segments: &[&'a str]) -> Option<Self> {
        let (id, token, dialect) = match *segments {
            ["hooks", one, dialect] if one.len() > ID_CHARS => {
                let (id, token) = split(one)?;
                (id, token, Some(dialect))
            }
            ["hook", id, "hooks", token] | ["hook", id, token] => (id, token, None),
            ["hooks", id, token] => (id, token, Some("rocketchat")),
            ["hook", id, "hooks", token, dialect] | ["hook" | "hooks", id, token, dialect] => {
                (id, token, Some(dialect))
            }
            // Mattermost has one secret segment.
            ["hooks", one] => {
                let (id, token) = split(one)?;
                (id, token, Some("mattermost"))
            }
            ["api", "webhooks", id, token] => (id, token, Some("discord")),
            ["api", "webhooks", id, token, dialect] => (id, token, Some(dialect)),
            _ => return None,
        };
        let id = (id.len() == ID_CHARS).then(|| Uuid::try_parse(id).ok()).flatten()?;
        dialect.is_none_or(is_dialect).then_some(Self { id: id.into(), token, dialect })
    }

    /// Senders of this shape expect what Discord answers.
    fn is_discord(&self) -> bool {
        self.dialect == Some("discord")
    }

    /// The one address that the api knows.
    fn target(&self, query: Option<&str>) -> Option<Uri> {
        let dialect = self.dialect.map_or_else(String::new, |dialect| format!("/{dialect}"));
        let query = query.map_or_else(String::new, |query| format!("?{query}"));
        format!("/hook/{}/{}{dialect}{query}", self.id, self.token).parse().ok()
    }
}

/// `<uuid>_<token>`.
fn split(one: &str) -> Option<(&str, &str)> {
    let (id, token) = one.split_at_checked(ID_CHARS)?;
    Some((id, token.strip_prefix('_')?))
}

/// A word that the api takes as the last segment.
fn is_dialect(word: &str) -> bool {
    matches!(
        word,
        "slack"
            | "mattermost"
            | "rocketchat"
            | "discord"
            | "github"
            | "gitea"
            | "forgejo"
            | "gitlab"
            | "alertmanager"
            | "grafana"
            | "text"
            | "raw"
    )
}

/// A path whose errors are plain words.
pub(crate) fn is_hook(path: &str) -> bool {
    ["/hook/", "/hooks/", "/api/webhooks/"].iter().any(|prefix| path.starts_with(prefix))
        || matches!(path, "/hook" | "/hooks" | "/api/webhooks")
}

/// Passes a delivery on.
pub(crate) async fn deliver(
    gateway: &Gateway,
    visit: &Visit,
    mut head: request::Parts,
    body: Body,
    address: Address<'_>,
) -> Answer {
    // Before the token is looked at, so that a refusal tells nothing about it.
    let asks = visit.method == Method::GET && address.is_discord();
    if visit.method != Method::POST && !asks {
        return Err(Failure::method(if address.is_discord() { "GET, POST" } else { "POST" }));
    }
    gateway.limit_by_ip(visit, Policy::HookIp)?;
    let verdict = admit(gateway, visit, address).await?;
    let bytes = read(visit, body).await?;
    head.uri = address.target(visit.query.as_deref()).ok_or_else(Problem::not_found)?;
    head.headers.remove(header::CONTENT_LENGTH);
    let mut response = gateway.forward(visit, head, full(bytes), Service::Api, None).await?;
    // What fails before the api's handlers does so as a problem.
    let kind = response.headers().get(header::CONTENT_TYPE);
    if kind.is_some_and(|kind| kind == "application/problem+json") {
        let is_away = response.status() == StatusCode::SERVICE_UNAVAILABLE;
        return Err(if is_away { Problem::unavailable() } else { Problem::internal() }.into());
    }
    if response.status() != StatusCode::NOT_FOUND {
        limit_headers(response.headers_mut(), &verdict);
    }
    Ok(response)
}

/// Checks the token, and counts a delivery of the webhook.
async fn admit(gateway: &Gateway, visit: &Visit, address: Address<'_>) -> Result<Verdict, Failure> {
    if gateway.verifier.verify_webhook(address.id, address.token).await?.is_none() {
        gateway.refuse_locked_out(visit)?;
        if gateway.limits.wrong_credentials(visit.ip) {
            note_burst(gateway, visit, address.id).await;
        }
        return Err(Problem::not_found().into());
    }
    let verdict = gateway.limits.check(Policy::Hook, &hook_key(gateway, address.id));
    if verdict.allowed { Ok(verdict) } else { Err(Failure::limited(&verdict)) }
}

fn hook_key(gateway: &Gateway, id: WebhookId) -> Key {
    gateway.limits.thing(&id.to_string())
}

/// Too many wrong tokens from one address: for the admins of the community, if the webhook is one.
async fn note_burst(gateway: &Gateway, visit: &Visit, id: WebhookId) {
    let read = async {
        let mut conn = gateway.pool.acquire().await?;
        webhooks::community_of(&mut conn, id).await
    };
    let community_id = read.await.ok().flatten();
    let entry = Entry::denied("webhook.bad_tokens").within(community_id).on("webhook", id);
    gateway.audit(visit, None, &entry).await;
}

/// The whole body.
async fn read(visit: &Visit, body: Body) -> Result<Bytes, Failure> {
    let (watched, progress) = Watched::new(body, BODY_IDLE);
    let mut watched = watched.boxed_unsync();
    let mut gathered = BytesMut::new();
    let mut count = announced(visit);
    let too_large = || Problem::new(413, "too-large", "The request is too large");
    if count > DRAINED_MAX_BYTES {
        return Err(too_large().into());
    }
    count = 0;
    while let Some(frame) = watched.frame().await {
        let frame = frame.map_err(|_| {
            if progress.stalled() {
                Problem::new(408, "timeout", "The request did not arrive in time").into()
            } else {
                Failure::bad_request("The body ended early.")
            }
        })?;
        let Ok(data) = frame.into_data() else { continue };
        count += data.len();
        if count > DRAINED_MAX_BYTES {
            break;
        }
        if count <= HOOK_BODY_MAX_BYTES {
            gathered.extend_from_slice(&data);
        }
    }
    if count > HOOK_BODY_MAX_BYTES { Err(too_large().into()) } else { Ok(gathered.freeze()) }
}

/// How long the body says it is.
fn announced(visit: &Visit) -> usize {
    visit.header(header::CONTENT_LENGTH).and_then(|length| length.parse().ok()).unwrap_or(0)
}

/// A refusal as senders know it.
pub(crate) fn refusal(path: &str, problem: &Problem) -> Response {
    let segments: Vec<&str> = path.split('/').skip(1).collect();
    if problem.status == 429 && Address::of(&segments).is_some_and(|address| address.is_discord()) {
        let body = serde_json::json!({
            "message": "You are being rate limited.",
            "retry_after": problem.retry_after.unwrap_or(1),
            "global": false,
        });
        return with_type(429, "application/json", body.to_string());
    }
    let word = match problem.status {
        404 => "no_service",
        405 => "method_not_allowed",
        408 => "timeout",
        413 => "too_large",
        429 => "rate_limited",
        503 => "service_unavailable",
        500.. => "internal_error",
        _ => "invalid_request",
    };
    with_type(problem.status, "text/plain", word.to_owned())
}

fn with_type(status: u16, kind: &'static str, body: String) -> Response {
    let mut response = http::Response::new(full(body));
    *response.status_mut() =
        StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0198c0de-0000-7000-8000-000000000001";

    fn target(path: &str) -> Option<String> {
        let segments: Vec<&str> = path[1..].split('/').collect();
        Address::of(&segments)?.target(None).map(|target| target.to_string())
    }

    #[test]
    fn every_address_that_senders_use_leads_to_one() {
        let one = format!("/hook/{ID}/tok");
        for (path, last) in [
            (format!("/hook/{ID}/tok"), ""),
            (format!("/hooks/{ID}/tok"), "/rocketchat"),
            (format!("/hook/{ID}/hooks/tok"), ""),
            (format!("/hooks/{ID}_tok"), "/mattermost"),
            (format!("/hooks/{ID}_tok/slack"), "/slack"),
            (format!("/hook/{ID}/tok/github"), "/github"),
            (format!("/hook/{ID}/hooks/tok/gitlab"), "/gitlab"),
            (format!("/hooks/{ID}/tok/raw"), "/raw"),
            (format!("/api/webhooks/{ID}/tok"), "/discord"),
            (format!("/api/webhooks/{ID}/tok/slack"), "/slack"),
            (format!("/api/webhooks/{ID}/tok/github"), "/github"),
        ] {
            assert_eq!(target(&path), Some(format!("{one}{last}")), "{path}");
        }
    }

    #[test]
    fn what_is_no_address_leads_nowhere() {
        for path in [
            "/hook/1/tok".to_owned(),
            format!("/hook/{ID}"),
            format!("/hooks/{ID}"),
            format!("/hooks/{ID}tok"),
            format!("/hook/{ID}/tok/nonsense"),
            format!("/hook/{ID}/tok/slack/more"),
            format!("/api/webhooks/{ID}"),
            format!("/api/webhooks/{ID}/tok/messages/1"),
            format!("/hook/{}/tok", ID.replace('-', "")),
            "/hooks/ü".to_owned(),
        ] {
            assert_eq!(target(&path), None, "{path}");
        }
    }

    #[test]
    fn refusals_are_words() {
        let body = |path: &str, status| {
            let refused = refusal(path, &Problem::new(status, "x", "y"));
            refused.headers()[header::CONTENT_TYPE].to_str().unwrap().to_owned()
        };
        assert_eq!(body("/hook/x/y", 404), "text/plain");
        assert_eq!(body(&format!("/api/webhooks/{ID}/tok"), 429), "application/json");
        assert!(is_hook("/hooks/a") && is_hook("/api/webhooks/a/b") && !is_hook("/hookah"));
    }
}
