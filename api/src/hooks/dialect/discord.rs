//! Discord's message: `content`, which is Markdown of our kind, and `embeds` (section 4.3).

use ajet_shared::webhook::{Card, Field, Link};
use serde_json::Value;

use super::attachments::{picture_name, tone};
use super::escape::{escape, one_line};
use super::json::{flag, line, moment, text, url};
use super::slack::{first, objects, words};
use super::{Refusal, Said};

/// Embeds of one message, ten times Discord's own limit.
const EMBEDS_MAX: usize = 100;
/// Fields of one embed. Source: Discord.
const FIELDS_MAX: usize = 25;

/// Reads a message. Files that came along are named.
pub(super) fn read(value: &Value, files: &[String]) -> Result<Said, Refusal> {
    if !(value.is_object() || value.is_null() && !files.is_empty()) {
        return Err(Refusal::InvalidPayload);
    }
    let mut text_md = without_ids(&words(value, "content")?);
    if !files.is_empty() {
        let names = files.iter().map(|name| escape(name)).collect::<Vec<_>>().join(", ");
        text_md = format!("{text_md}\n\n(not taken over: {names})");
    }
    let embeds = objects(value, "embeds")?;
    if embeds.len() > EMBEDS_MAX {
        return Err(Refusal::TooManyAttachments);
    }
    let cards = embeds.iter().map(card).collect::<Result<_, _>>()?;
    let said = Said::new(&text_md, cards)?;
    Ok(Said { name: first(value, &["username"]), ..said })
}

fn card(value: &Value) -> Result<Card, Refusal> {
    let fields = objects(value, "fields")?;
    Ok(Card {
        tone: tone(super::json::at(value, "color")),
        author: linked(value, "author.name", "author.url"),
        title: linked(value, "title", "url"),
        text_md: without_ids(&words(value, "description")?),
        fields: fields.iter().take(FIELDS_MAX).map(field).collect(),
        image: url(value, "image.url")
            .or_else(|| url(value, "thumbnail.url"))
            .map(|url| Link { text: picture_name(&url), url: Some(url) }),
        footer: Some(line(value, "footer.text", 300)).filter(|text| !text.is_empty()),
        at: moment(value, "timestamp"),
        ..Card::default()
    })
}

fn linked(value: &Value, text_path: &str, url_path: &str) -> Option<Link> {
    let text = line(value, text_path, 256);
    (!text.is_empty()).then(|| Link { text, url: url(value, url_path) })
}

fn field(value: &Value) -> Field {
    Field {
        name: one_line(&text(value, "name"), 256),
        value_md: without_ids(&text(value, "value")),
        short: flag(value, "inline").unwrap_or(false),
    }
}

/// `<@123>`, `<#123>` and `<:name:123>` name things of another server; what can be said of them stays.
fn without_ids(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('<') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let end = rest.bytes().take(100).position(|byte| byte == b'>');
        let inside = end.map_or("", |end| &rest[1..end]);
        let taken = if let Some(said) = foreign(inside) {
            out.push_str(&said);
            inside.len() + 2
        } else {
            out.push('<');
            1
        };
        rest = &rest[taken..];
    }
    out.push_str(rest);
    out
}

fn foreign(inside: &str) -> Option<String> {
    let is_id = |id: &str| id.len() > 4 && id.bytes().all(|byte| byte.is_ascii_digit());
    if let Some(id) = inside.strip_prefix("@&").or(inside.strip_prefix("@!")) {
        return is_id(id).then(|| format!("@{id}"));
    }
    if let Some(id) = inside.strip_prefix(['@', '#']) {
        return is_id(id).then(|| inside.to_owned());
    }
    let (name, id) = inside.strip_prefix("a:").or(inside.strip_prefix(':'))?.split_once(':')?;
    is_id(id).then(|| format!(":{name}:"))
}

#[cfg(test)]
mod tests {
    use ajet_shared::webhook::Tone;
    use serde_json::json;

    use super::*;

    #[test]
    fn content_and_embeds_become_text_and_cards() {
        let said = read(
            &json!({
                "content": "**Hi** <@123456> <:cat:123456> a < b", "username": "Watch", "avatar_url": null,
                "tts": false, "flags": null,
                "embeds": [{
                    "title": "Down", "url": "https://a.b", "color": 15_158_332, "description": "`x`",
                    "author": { "name": "Ola", "url": "javascript:x" },
                    "fields": [{ "name": "Host", "value": "db-2", "inline": true }],
                    "footer": { "text": "uptime" }, "timestamp": "2026-11-20T09:00:00.000Z",
                    "image": { "url": "https://a.b/c/x.png" }
                }]
            }),
            &[],
        )
        .unwrap();
        assert_eq!(said.text_md, "**Hi** @123456 :cat: a < b");
        assert_eq!(said.name.as_deref(), Some("Watch"));
        let card = &said.cards[0];
        assert_eq!(card.tone, Some(Tone::Bad));
        assert_eq!(card.author.as_ref().unwrap().url, None);
        assert_eq!((card.fields[0].name.as_str(), card.fields[0].short), ("Host", true));
        assert!(card.at.is_some());
    }

    #[test]
    fn wrong_types_are_refused_and_emptiness_too() {
        for bad in [
            json!({ "embeds": [null] }),
            json!({ "embeds": "x" }),
            json!({ "content": {} }),
            json!({ "embeds": [{ "fields": [1] }] }),
            json!([]),
            json!("x"),
        ] {
            assert_eq!(read(&bad, &[]), Err(Refusal::InvalidPayload), "{bad}");
        }
        assert_eq!(read(&json!({ "content": " ", "embeds": [] }), &[]), Err(Refusal::NoText));
        let many = vec![json!({ "title": "x" }); 101];
        assert_eq!(read(&json!({ "embeds": many }), &[]), Err(Refusal::TooManyAttachments));
        assert!(read(&Value::Null, &["a.txt".to_owned()]).unwrap().text_md.contains("a.txt"));
    }
}
