//! What nobody sends by accident: everything is refused or harmless, and nothing panics.

use super::*;

/// Every fixture with the header that names its event.
const ALL: [(&str, &str, &str); 27] = [
    ("x-none", "none", payload!("alertmanager_firing")),
    ("x-none", "none", payload!("alertmanager_resolved")),
    ("x-none", "none", payload!("discord_embeds")),
    ("x-gitea-event", "pull_request", payload!("gitea_merged")),
    ("x-gitea-event", "push", payload!("gitea_push")),
    ("x-gitea-event", "pull_request_rejected", payload!("gitea_rejected")),
    ("x-gitea-event", "push", payload!("gitea_slack")),
    ("x-github-event", "check_run", payload!("github_check_run")),
    ("x-github-event", "delete", payload!("github_delete")),
    ("x-github-event", "issues", payload!("github_issue")),
    ("x-github-event", "issue_comment", payload!("github_issue_comment")),
    ("x-github-event", "ping", payload!("github_ping")),
    ("x-github-event", "pull_request", payload!("github_pull_request")),
    ("x-github-event", "push", payload!("github_push")),
    ("x-github-event", "release", payload!("github_release")),
    ("x-github-event", "pull_request_review", payload!("github_review")),
    ("x-github-event", "push", payload!("github_tag")),
    ("x-github-event", "workflow_run", payload!("github_workflow_run")),
    ("x-gitlab-event", "Hook", payload!("gitlab_issue")),
    ("x-gitlab-event", "Hook", payload!("gitlab_merge_request")),
    ("x-gitlab-event", "Hook", payload!("gitlab_note")),
    ("x-gitlab-event", "Hook", payload!("gitlab_pipeline")),
    ("x-gitlab-event", "Push Hook", payload!("gitlab_push")),
    ("x-gitlab-event", "Hook", payload!("gitlab_release")),
    ("x-gitlab-event", "Tag Push Hook", payload!("gitlab_tag")),
    ("x-none", "none", payload!("grafana_firing")),
    ("x-none", "none", payload!("slack_attachments")),
];

/// All places in a value, as pointers.
fn places(value: &Value, at: &str, found: &mut Vec<String>) {
    found.push(at.to_owned());
    match value {
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate().take(2) {
                places(item, &format!("{at}/{index}"), found);
            }
        }
        Value::Object(fields) => {
            for (key, item) in fields {
                places(item, &format!("{at}/{key}"), found);
            }
        }
        _ => {}
    }
}

/// Each value of each fixture, turned into something else: no panic, no link that leads to a script, no message without a text.
#[test]
fn no_single_wrong_value_does_harm() {
    let odd = [
        json!(null),
        json!([null]),
        json!({ "a": [{}] }),
        json!(-1e300),
        json!("javascript:alert(1) *_~`<[|\u{1b}[2J\u{202e}日本\u{0}"),
        json!(""),
    ];
    for (header, event, body) in ALL {
        let value: Value = serde_json::from_str(body).unwrap();
        let mut found = Vec::new();
        places(&value, "", &mut found);
        for place in found {
            for odd in &odd {
                let mut changed = value.clone();
                *changed.pointer_mut(&place).unwrap() = odd.clone();
                let Ok(reading) = read_as(None, &[(header, event)], &changed.to_string()) else {
                    continue;
                };
                if let Outcome::Post(said) = reading.outcome {
                    assert!(!said.fallback_md.trim().is_empty(), "{event} {place} {odd}");
                    let cards = serde_json::to_string(&said.cards).unwrap();
                    assert!(!cards.contains("\"url\":\"java"), "{event} {place}: {cards}");
                    assert!(!said.fallback_md.contains("](java"), "{event} {place}");
                    assert!(!said.fallback_md.contains(['\u{1b}', '\0']), "{event} {place}");
                }
            }
        }
    }
}

/// A dialect that is asked for gets whatever comes.
#[test]
fn no_body_of_another_dialect_does_harm() {
    let names = [
        "slack",
        "mattermost",
        "rocketchat",
        "discord",
        "github",
        "gitea",
        "gitlab",
        "alertmanager",
        "grafana",
        "text",
        "raw",
    ];
    for name in names {
        let hint = Dialect::from_name(name);
        assert_eq!(hint.map(Dialect::name), Some(name));
        for (_, _, body) in ALL {
            let _ = read_as(hint, &[], body);
        }
        for body in ["null", "[]", "{}", "1", "\"x\"", "[{}]", "true"] {
            let _ = read_as(hint, &[], body);
        }
        let text = read_as(hint, &[("content-type", "text/plain")], "plain words");
        assert_eq!(said(&text.unwrap()).text_md, "plain words");
    }
    assert_eq!(read_as(Dialect::from_name("alertmanager"), &[], "{}"), Err(Refusal::NoText));
    assert_eq!(Dialect::from_name("forgejo"), Some(Dialect::Gitea));
    assert_eq!(Dialect::from_name("nonsense"), None);
}

#[test]
fn hostile_bodies_are_refused_or_harmless() {
    for body in [
        json!({ "attachments": [null] }),
        json!({ "attachments": "x" }),
        json!({ "attachments": [{ "fields": [null] }] }),
        json!({ "attachments": [{ "fields": [1] }] }),
        json!({ "text": { "$regex": "" } }),
        json!({ "text": ["x"] }),
        json!({ "blocks": [null], "text": "x" }),
        json!({ "embeds": [null] }),
    ] {
        assert_eq!(read_as(None, &[], &body.to_string()), Err(Refusal::InvalidPayload), "{body}");
    }
    for body in [
        json!({}),
        json!({ "text": "" }),
        json!({ "text": " ", "attachments": [{}] }),
        json!({ "attachments": [{}, {}] }),
    ] {
        assert_eq!(read_as(None, &[], &body.to_string()), Err(Refusal::NoText), "{body}");
    }
    let many = json!({ "attachments": vec![json!({ "text": "x" }); 101] });
    assert_eq!(read_as(None, &[], &many.to_string()), Err(Refusal::TooManyAttachments));
    assert_eq!(read_as(None, &[], &"[".repeat(10_000)), Err(Refusal::InvalidPayload));
    let event = ("x-github-event", "push");
    assert_eq!(read_as(None, &[event], "[]"), Err(Refusal::InvalidPayload));
    assert_eq!(read_as(None, &[event], "{\"commits\":[null]}"), Err(Refusal::InvalidPayload));
}

#[test]
fn nothing_leads_where_it_should_not_and_nothing_moves_the_cursor() {
    let hostile = "\u{1b}[2J\u{7}\0\u{9b}x <javascript:alert(1)|y>";
    let bad = "javascript:alert(1)";
    let body = json!({
        "text": hostile, "username": hostile, "attachments": [{
            "pretext": hostile, "author_name": hostile, "author_link": bad, "title": hostile, "title_link": bad,
            "text": hostile, "fields": [{ "title": hostile, "value": hostile }], "image_url": "data:image/png,x",
            "footer": hostile, "actions": [{ "text": hostile, "url": bad }]
        }]
    });
    let slack = read_json(&[], &body.to_string());
    let forge = changed(
        payload!("github_pull_request"),
        &[
            ("/pull_request/html_url", json!(bad)),
            ("/pull_request/title", json!(hostile)),
            ("/pull_request/body", json!(hostile)),
            ("/sender/login", json!(hostile)),
            ("/sender/html_url", json!("//evil.example")),
            ("/repository/full_name", json!(hostile)),
        ],
    );
    for reading in [slack, github("pull_request", &forge)] {
        let said = said(&reading);
        let all = format!("{} {:?}", serde_json::to_string(&said.cards).unwrap(), said.name);
        assert!(!all.contains("\"url\""), "{all}");
        let texts = format!("{}{}{:?}", said.text_md, said.fallback_md, said.name);
        assert!(!texts.chars().any(|c| c.is_control() && c != '\n'), "{texts:?}");
        let html = ajet_shared::markdown::to_html(&said.fallback_md, &|_| None).to_string();
        assert!(!html.contains("href"), "{html}");
    }
}
