//! Events of Gitea and Forgejo: GitHub's shape, with names and places of their own (section 4.3).

use ajet_shared::webhook::Tone;
use serde_json::Value;

use super::forge::{described, ignore, numbered, one};
use super::json::{at, line, text, url};
use super::{Outcome, Refusal, github};

/// Reads an event.
pub(super) fn read(event: &str, value: &Value) -> Result<Outcome, Refusal> {
    if !value.is_object() {
        return Err(Refusal::InvalidPayload);
    }
    match event {
        "pull_request_approved" | "pull_request_review_approved" => {
            review(value, Tone::Ok, "approved")
        }
        "pull_request_rejected" | "pull_request_review_rejected" => {
            review(value, Tone::Warn, "changes wanted")
        }
        "pull_request_comment" | "pull_request_review_comment"
            if at(value, "review").is_object() =>
        {
            review(value, Tone::Info, "reviewed")
        }
        "pull_request_comment" => github::read("issue_comment", value),
        "pull_request_review_request" => github::read("pull_request", value),
        "issue_assign"
        | "issue_label"
        | "issue_milestone"
        | "pull_request_assign"
        | "pull_request_label"
        | "pull_request_milestone"
        | "pull_request_sync" => ignore(format!("Nobody needs a message for {event}.")),
        "wiki" => wiki(value),
        "package" => package(value),
        other => github::read(other, value),
    }
}

fn review(value: &Value, tone: Tone, did: &str) -> Result<Outcome, Refusal> {
    let request = at(value, "pull_request");
    let body = described(&text(value, "review.content"));
    if did == "reviewed" && body.is_empty() {
        return ignore("Nobody needs a message for a review without words.");
    }
    let title = numbered(
        '#',
        &line(request, "number", 20),
        &text(request, "title"),
        url(request, "html_url"),
    );
    let mut card = github::scene(value).card(tone, title, &[did.to_owned()]);
    card.text_md = body;
    one(card)
}

fn wiki(value: &Value) -> Result<Outcome, Refusal> {
    let page = line(value, "page", 150);
    let action = text(value, "action");
    github::scene(value).line(&format!("wiki page {page} {action}"))
}

fn package(value: &Value) -> Result<Outcome, Refusal> {
    let name = line(value, "package.name", 100);
    let version = line(value, "package.version", 60);
    let action = text(value, "action");
    github::scene(value).line(&format!("package {name} {version} {action}"))
}
