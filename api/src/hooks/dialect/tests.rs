//! Whole deliveries: what real senders send, and what becomes of it.

use ajet_shared::webhook::{Card, Tone};
use axum::http::HeaderMap;
use serde_json::{Value, json};

use super::*;

macro_rules! payload {
    ($name:literal) => {
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/payloads/", $name, ".json"))
    };
}

fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
}

fn read_as(
    hint: Option<Dialect>,
    pairs: &[(&'static str, &str)],
    body: &str,
) -> Result<Reading, Refusal> {
    let headers = headers(pairs);
    read(&Incoming { hint, headers: &headers, query: None, body: body.as_bytes() })
}

fn read_json(pairs: &[(&'static str, &str)], body: &str) -> Reading {
    let mut all = vec![("content-type", "application/json")];
    all.extend(pairs);
    read_as(None, &all, body).unwrap()
}

fn said(reading: &Reading) -> &Said {
    match &reading.outcome {
        Outcome::Post(said) => said,
        Outcome::Ignore(why) => panic!("ignored: {why}"),
    }
}

fn card(reading: &Reading) -> &Card {
    assert_eq!(said(reading).cards.len(), 1);
    &said(reading).cards[0]
}

/// Tone, title, its address, author and footer of the one card.
fn summary(reading: &Reading) -> (Option<Tone>, String, String, String, String) {
    let card = card(reading);
    let title = card.title.clone().unwrap_or_default();
    (
        card.tone,
        title.text,
        title.url.unwrap_or_default(),
        card.author.clone().unwrap_or_default().text,
        card.footer.clone().unwrap_or_default(),
    )
}

fn expect(reading: &Reading, tone: Tone, title: &str, url: &str, author: &str, footer: &str) {
    let expected = (Some(tone), title.into(), url.into(), author.into(), footer.into());
    assert_eq!(summary(reading), expected);
}

fn github(event: &str, body: &str) -> Reading {
    let reading = read_json(&[("x-github-event", event), ("x-github-delivery", "d-1")], body);
    assert_eq!((reading.dialect, reading.event.as_str()), (Dialect::Github, event));
    assert_eq!(reading.delivery_key.as_deref(), Some("d-1"));
    reading
}

fn gitea(event: &str, body: &str) -> Reading {
    let reading = read_json(
        &[("x-gitea-event", event), ("x-github-event", event), ("x-gogs-event", event)],
        body,
    );
    assert_eq!(reading.dialect, Dialect::Gitea);
    reading
}

fn gitlab(hook: &str, body: &str) -> Reading {
    let reading = read_json(&[("x-gitlab-event", hook), ("idempotency-key", "k-1")], body);
    assert_eq!(reading.dialect, Dialect::Gitlab);
    assert_eq!(reading.delivery_key.as_deref(), Some("k-1"));
    reading
}

/// The payload with some of its values changed.
fn changed(body: &str, changes: &[(&str, Value)]) -> String {
    let mut value: Value = serde_json::from_str(body).unwrap();
    for (pointer, to) in changes {
        *value.pointer_mut(pointer).unwrap_or_else(|| panic!("{pointer}")) = to.clone();
    }
    value.to_string()
}

mod forges;
mod hostile;

#[test]
fn gitea_in_slacks_shape_is_slack() {
    let reading = read_json(
        &[("x-gitea-event", "push"), ("x-github-event", "push")],
        payload!("gitea_slack"),
    );
    assert_eq!(reading.dialect, Dialect::Slack);
    assert_eq!(
        said(&reading).text_md,
        "\\[saltmarsh/kestrel\\] [ola](https://forge.example/ola) pushed"
    );
    assert_eq!(card(&reading).tone, Some(Tone::Ok));
}

#[test]
fn slack_with_everything() {
    let reading = read_json(&[], payload!("slack_attachments"));
    let said = said(&reading);
    assert_eq!(reading.dialect, Dialect::Slack);
    assert_eq!(said.text_md, "Deploy of **kestrel**");
    assert_eq!(said.name.as_deref(), Some("Deploy Bot"));
    assert_eq!(said.icon_emoji.as_deref(), Some("🚀"));
    let card = card(&reading);
    assert_eq!(card.tone, Some(Tone::Ok));
    assert_eq!(card.pretext_md.as_deref(), Some("@channel look"));
    assert_eq!(card.title.as_ref().unwrap().text, "Run #7 & more");
    assert_eq!(card.text_md, "took **3 min**");
    assert_eq!((card.fields[1].value_md.as_str(), card.fields[1].short), ("0", true));
    assert_eq!(card.actions.len(), 1, "only what leads somewhere");
    assert_eq!(card.image.as_ref().unwrap().text, "load.png");
    assert_eq!(card.at.unwrap().unix_timestamp(), 1_700_000_000);
    for part in ["Deploy of", "look", "Run #7", "3 min", "**Env**: prod", "deploy.example"] {
        assert!(said.fallback_md.contains(part), "{part}");
    }
}

#[test]
fn shapes_are_told_apart() {
    for (hint, pairs, body, dialect) in [
        (None, vec![], json!({ "text": "x" }), Dialect::Slack),
        (Some(Dialect::Mattermost), vec![], json!({ "text": "x" }), Dialect::Mattermost),
        (Some(Dialect::RocketChat), vec![], json!({ "text": "x" }), Dialect::RocketChat),
        (Some(Dialect::Mattermost), vec![], json!({ "content": "x" }), Dialect::Discord),
        (
            Some(Dialect::Raw),
            vec![("x-github-event", "push")],
            json!({ "text": "x" }),
            Dialect::Raw,
        ),
        (None, vec![], json!({ "content": "x", "text": null }), Dialect::Discord),
        (None, vec![], json!({ "pretext": "x" }), Dialect::Slack),
        (None, vec![], json!({ "fallback": "x" }), Dialect::Slack),
        (
            None,
            vec![],
            json!({ "version": "1.0", "message": "x", "attachments": [] }),
            Dialect::Raw,
        ),
        (None, vec![], json!({ "alerts": [] }), Dialect::Raw),
        (None, vec![], json!([1, 2]), Dialect::Raw),
        (
            None,
            vec![("x-gitlab-event", "Push Hook")],
            json!({ "object_kind": "push" }),
            Dialect::Gitlab,
        ),
    ] {
        let reading = read_as(hint, &pairs, &body.to_string()).unwrap();
        assert_eq!(reading.dialect, dialect, "{body}");
    }
    let headers = headers(&[]);
    let incoming = Incoming {
        hint: None,
        headers: &headers,
        query: Some("wait=1&dialect=raw"),
        body: b"{\"text\":1}",
    };
    assert_eq!(read(&incoming).unwrap().dialect, Dialect::Raw);
    let text = read_as(None, &[("content-type", "text/plain")], "built **well**").unwrap();
    assert_eq!((text.dialect, said(&text).text_md.as_str()), (Dialect::Text, "built **well**"));
}

#[test]
fn what_was_signed_is_what_was_sent() {
    let hmac = |hex: &str, over: &str| Signed::Hmac { hex: hex.to_owned(), over: over.into() };
    let body = payload!("gitea_push");
    let form = format!(
        "payload={}",
        body.replace('%', "%25").replace('&', "%26").replace('+', "%2B").replace('\n', "%0A")
    );
    let form_type = ("content-type", "application/x-www-form-urlencoded");
    for (pairs, body, expected) in [
        (vec![("x-hub-signature-256", "sha256=ab12")], body, hmac("ab12", body)),
        (vec![("x-gitea-event", "push"), ("x-gitea-signature", "ab12")], body, hmac("ab12", body)),
        (
            vec![
                ("x-gitea-event", "push"),
                ("x-gitea-signature", ""),
                ("x-hub-signature-256", "sha256="),
            ],
            body,
            Signed::Nothing,
        ),
        (
            vec![form_type, ("x-gitea-event", "push"), ("x-gitea-signature", "ab12")],
            &form,
            hmac("ab12", body),
        ),
        (
            vec![form_type, ("x-github-event", "push"), ("x-hub-signature-256", "sha256=ab12")],
            &form,
            hmac("ab12", &form),
        ),
        (vec![("x-gitlab-token", "s3cret")], body, Signed::Secret("s3cret".to_owned())),
        (vec![], body, Signed::Nothing),
    ] {
        assert!(read_as(None, &pairs, body).unwrap().signed == expected, "{pairs:?}");
    }
    assert_eq!(format!("{:?}", Signed::Secret("s3cret".to_owned())), "Secret");
}
