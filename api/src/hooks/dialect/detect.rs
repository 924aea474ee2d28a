//! Which dialect a delivery is in, and what its headers say about it.

use axum::http::HeaderMap;
use serde_json::Value;

use super::body::Body;
use super::json::is_empty;
use super::{Dialect, Incoming};

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) dialect: Dialect,
    /// As the header says it, or the body; see [`word`].
    pub(super) event: String,
}

/// Headers first, then the body's keys; Gitea before GitHub, because it sends both (section 4.1).
pub(super) fn detect(incoming: &Incoming<'_>, body: &Body) -> Found {
    let asked = incoming.query.and_then(asked_for).or(incoming.hint);
    let dialect = match asked {
        Some(Dialect::Raw) => Dialect::Raw,
        // Whatever was asked for: this has no fields.
        _ if body.text.is_some() => by_language(body),
        // The shape of an address says how Slack's fields are meant, no more.
        None | Some(Dialect::Mattermost | Dialect::RocketChat) => by_content(incoming, body, asked),
        Some(dialect) => dialect,
    };
    Found { dialect, event: word(&event(dialect, incoming.headers, &body.value)) }
}

/// A text for people, or a document that stands in a fence.
fn by_language(body: &Body) -> Dialect {
    if body.language.is_some() { Dialect::Raw } else { Dialect::Text }
}

fn by_content(incoming: &Incoming<'_>, body: &Body, alias: Option<Dialect>) -> Dialect {
    let has = |key: &str| body.value.get(key).is_some_and(|value| !is_empty(value));
    // Gitea sends its headers with bodies of type Slack and Discord too.
    let is_chat = ["text", "attachments", "blocks", "content", "embeds"].into_iter().any(has)
        && !["repository", "project", "sender", "object_kind", "hook"].into_iter().any(has);
    let forge = by_header(incoming.headers).filter(|_| !is_chat);
    if let Some(forge) = forge {
        return forge;
    }
    let alert = ["groupKey", "alerts", "version"].iter().all(|key| body.value.get(key).is_some());
    if alert {
        let grafana = ["orgId", "title", "state", "message"].into_iter().any(has);
        return if grafana { Dialect::Grafana } else { Dialect::Alertmanager };
    }
    if ["embeds", "content"].into_iter().any(has) {
        return Dialect::Discord;
    }
    let slack = ["text", "attachments", "blocks", "fallback", "fields", "pretext"];
    if slack.into_iter().any(has) {
        return alias.unwrap_or(Dialect::Slack);
    }
    // Fields of a chat without anything in them are no strange system, but an empty message.
    let empty = slack.iter().chain(&["content", "embeds"]).any(|key| body.value.get(key).is_some());
    let only = body.value.as_object().is_some_and(|fields| fields.values().all(is_empty));
    match alias {
        Some(alias) if empty => alias,
        None if empty && only => Dialect::Slack,
        _ => Dialect::Raw,
    }
}

fn by_header(headers: &HeaderMap) -> Option<Dialect> {
    [
        ("x-gitea-event", Dialect::Gitea),
        ("x-forgejo-event", Dialect::Gitea),
        ("x-github-event", Dialect::Github),
        ("x-gitlab-event", Dialect::Gitlab),
    ]
    .into_iter()
    .find_map(|(name, dialect)| headers.contains_key(name).then_some(dialect))
}

/// `dialect=` of a query.
fn asked_for(query: &str) -> Option<Dialect> {
    query.split('&').find_map(|pair| pair.strip_prefix("dialect=")).and_then(Dialect::from_name)
}

/// The sender's word for what happened.
fn event(dialect: Dialect, headers: &HeaderMap, value: &Value) -> String {
    let said = match dialect {
        Dialect::Github => header(headers, "x-github-event"),
        Dialect::Gitea => header(headers, "x-gitea-event")
            .or_else(|| header(headers, "x-forgejo-event"))
            .or_else(|| header(headers, "x-github-event")),
        Dialect::Gitlab => value
            .get("object_kind")
            .or_else(|| value.get("event_name"))
            .and_then(Value::as_str)
            .or_else(|| header(headers, "x-gitlab-event")),
        Dialect::Alertmanager | Dialect::Grafana => value.get("status").and_then(Value::as_str),
        Dialect::Slack | Dialect::Mattermost | Dialect::RocketChat => {
            value.pointer("/metadata/event_type").and_then(Value::as_str)
        }
        Dialect::Discord | Dialect::Text | Dialect::Raw => None,
    };
    match said {
        Some(said) => said.to_owned(),
        None if matches!(dialect, Dialect::Github | Dialect::Gitea) => guessed(value).to_owned(),
        None => String::new(),
    }
}

/// The event of a forge that lost its headers, by the keys of the body.
fn guessed(value: &Value) -> &'static str {
    let has = |key: &str| value.get(key).is_some_and(|value| !is_empty(value));
    match () {
        () if has("zen") => "ping",
        () if has("workflow_run") => "workflow_run",
        () if has("pull_request") && has("review") => "pull_request_review",
        () if has("pull_request") => "pull_request",
        () if has("comment") && has("issue") => "issue_comment",
        () if has("issue") => "issues",
        () if has("release") => "release",
        () if has("commits") || has("compare") => "push",
        () => "",
    }
}

/// An event's name as it is logged and shown: nothing in it that could be anything else.
fn word(event: &str) -> String {
    event.chars().filter(|c| c.is_ascii_alphanumeric() || "_-.: ".contains(*c)).take(64).collect()
}

/// The sender's own id of a delivery. Not GitLab's event id: events that follow from one another share it.
pub(super) fn delivery_key(headers: &HeaderMap) -> Option<String> {
    ["x-gitea-delivery", "x-forgejo-delivery", "x-github-delivery", "idempotency-key"]
        .into_iter()
        .find_map(|name| header(headers, name))
        .filter(|key| key.len() <= 200 && key.bytes().all(|byte| byte.is_ascii_graphic()))
        .map(str::to_owned)
}

/// A header with something in it.
pub(super) fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok().map(str::trim).filter(|value| !value.is_empty())
}
