//! What a delivery says, made to fit a message (decisions.md 16): what is too long is cut, and goes along whole as a file.

use ajet_shared::id::WebhookId;
use ajet_shared::limits::{MESSAGE_BODY_MAX_BYTES, MESSAGE_BODY_MAX_CHARS};
use ajet_shared::names::{MessageBody, NameError};
use ajet_shared::webhook::WebhookMetadata;
use serde_json::Value;

use super::dialect::Said;

/// Bytes of the metadata as JSON. With the body they make the event, of which the outbox takes 128 KiB.
const METADATA_MAX_BYTES: usize = 56 * 1024;
/// Bytes of body and metadata together, as JSON; leaves room for the envelope.
const TOGETHER_MAX_BYTES: usize = 104 * 1024;
/// Cards of one message. Source: `WebhookMetadata`.
const CARDS_MAX: usize = 20;
/// Bytes of the file that holds the whole text: more than a delivery can bring, so that only what we add is ever cut.
const WHOLE_MAX_BYTES: usize = 4 * 1024 * 1024;
/// The end of a text that was cut.
const MORE: &str = "\n\n…";

/// A message in the making.
#[derive(Clone, Debug)]
pub(super) struct Fitted {
    /// Everything as plain Markdown, as much as fits.
    pub(super) body: MessageBody,
    /// What clients draw instead.
    pub(super) metadata: Value,
    /// The text above the cards, as it is in there.
    pub(super) text_md: String,
    /// The whole text, if some of it did not fit.
    pub(super) whole: Option<String>,
}

/// Makes a message of what was said.
pub(super) fn fit(
    webhook_id: WebhookId,
    name: Option<String>,
    said: Said,
) -> Result<Fitted, NameError> {
    let all = without_nul(&said.fallback_md);
    let (text_md, mut is_cut) = cut(&without_nul(&said.text_md), MESSAGE_BODY_MAX_CHARS);
    let mut metadata = WebhookMetadata {
        webhook_id: Some(webhook_id),
        name,
        icon_emoji: said.icon_emoji,
        text_md,
        cards: said.cards,
    };
    is_cut |= metadata.cards.len() > CARDS_MAX;
    metadata.cards.truncate(CARDS_MAX);
    let (metadata, text_md) = loop {
        let value = value_of(&metadata);
        if json_bytes(&value) <= METADATA_MAX_BYTES {
            break (value, metadata.text_md);
        }
        is_cut = true;
        // Whole cards go first, the last ones before the first.
        if metadata.cards.pop().is_none() {
            let chars = metadata.text_md.chars().count() / 2;
            metadata.text_md = cut(&metadata.text_md, chars).0;
        }
    };
    let mut chars = MESSAGE_BODY_MAX_CHARS;
    let body = loop {
        let (body, shorter) = cut(&all, chars);
        if json_bytes(&body.as_str().into()) + json_bytes(&metadata) <= TOGETHER_MAX_BYTES {
            is_cut |= shorter;
            break body;
        }
        chars /= 2;
    };
    let whole = is_cut.then(|| cut_bytes(&all, WHOLE_MAX_BYTES).to_owned());
    Ok(Fitted { body: body.parse()?, metadata, text_md, whole })
}

/// The text up to this many characters and the bytes of a message, and whether something is missing.
fn cut(text: &str, max_chars: usize) -> (String, bool) {
    if text.len() <= MESSAGE_BODY_MAX_BYTES && text.chars().count() <= max_chars {
        return (text.to_owned(), false);
    }
    let kept = max_chars.saturating_sub(MORE.chars().count());
    let end = text.char_indices().nth(kept).map_or(text.len(), |(at, _)| at);
    let kept = cut_bytes(&text[..end], MESSAGE_BODY_MAX_BYTES - MORE.len() - FENCE.len());
    // A fence that is left open would swallow what follows it.
    let open = kept.lines().filter(|line| line.trim_start().starts_with("```")).count() % 2 == 1;
    let fence = if open { FENCE } else { "" };
    (format!("{}{fence}{MORE}", &kept[..kept.len() - overlap(kept, max_chars, fence)]), true)
}

/// Ends a block of code.
const FENCE: &str = "\n```";

/// How many bytes of the end must give way to the fence.
fn overlap(kept: &str, max_chars: usize, fence: &str) -> usize {
    let over =
        (kept.chars().count() + fence.len() + MORE.chars().count()).saturating_sub(max_chars);
    kept.chars().rev().take(over).map(char::len_utf8).sum()
}

fn cut_bytes(text: &str, max_bytes: usize) -> &str {
    &text[..text.floor_char_boundary(max_bytes)]
}

/// Postgres keeps no NUL.
fn without_nul(text: &str) -> String {
    text.replace('\0', "")
}

fn value_of(metadata: &WebhookMetadata) -> Value {
    let mut value = serde_json::to_value(metadata).unwrap_or_else(|_| serde_json::json!({}));
    clean(&mut value);
    value
}

fn clean(value: &mut Value) {
    match value {
        Value::String(text) if text.contains('\0') => *text = without_nul(text),
        Value::Array(items) => items.iter_mut().for_each(clean),
        Value::Object(fields) => fields.values_mut().for_each(clean),
        _ => {}
    }
}

/// Bytes of a value as Postgres writes it: with a space behind every comma and colon.
fn json_bytes(value: &Value) -> usize {
    match value {
        Value::Array(items) => 2 + items.iter().map(|item| json_bytes(item) + 2).sum::<usize>(),
        Value::Object(fields) => {
            let field = |(name, value): (&String, &Value)| name.len() + 6 + json_bytes(value);
            2 + fields.iter().map(field).sum::<usize>()
        }
        other => serde_json::to_vec(other).map_or(0, |bytes| bytes.len()),
    }
}

#[cfg(test)]
mod tests {
    use ajet_shared::webhook::Card;

    use super::*;

    fn said(text: &str, cards: Vec<Card>) -> Said {
        let all = cards.iter().map(|card| card.text_md.as_str());
        let fallback_md = std::iter::once(text).chain(all).collect::<Vec<_>>().join("\n\n");
        Said { text_md: text.to_owned(), cards, fallback_md, ..Said::default() }
    }

    fn fitted(text: &str, cards: Vec<Card>) -> Fitted {
        fit(WebhookId::new(), None, said(text, cards)).unwrap()
    }

    #[test]
    fn what_fits_stays_as_it_is() {
        let text = "x".repeat(MESSAGE_BODY_MAX_CHARS);
        let fitted = fitted(&text, Vec::new());
        assert_eq!(fitted.body.as_str(), text);
        assert_eq!(fitted.metadata["text_md"], text);
        assert_eq!(fitted.whole, None);
    }

    #[test]
    fn what_is_too_long_is_cut_and_kept_whole() {
        let text = "x".repeat(MESSAGE_BODY_MAX_CHARS + 1);
        let fitted = fitted(&text, Vec::new());
        assert_eq!(fitted.body.as_str().chars().count(), MESSAGE_BODY_MAX_CHARS);
        assert!(fitted.body.as_str().ends_with("x\n\n…"));
        assert_eq!(fitted.whole.as_deref(), Some(text.as_str()));
    }

    #[test]
    fn a_fence_is_closed_where_it_is_cut() {
        let text = format!("```\n{}\n```", "line of a log\n".repeat(2_000));
        let fitted = fitted(&text, Vec::new());
        assert!(fitted.body.as_str().ends_with("\n```\n\n…"), "{}", fitted.body);
        assert!(fitted.body.as_str().chars().count() <= MESSAGE_BODY_MAX_CHARS);
    }

    #[test]
    fn whatever_comes_the_event_fits_the_outbox() {
        let card = |text: String| Card { text_md: text, ..Card::default() };
        let worst = [
            fitted(&"\u{1}".repeat(40_000), Vec::new()),
            fitted(&"🚀".repeat(40_000), Vec::new()),
            fitted("x", (0..20).map(|_| card("\"\\\n".repeat(8_000))).collect()),
            fitted(&"\"".repeat(30_000), (0..30).map(|_| card("é".repeat(3_000))).collect()),
        ];
        for fitted in worst {
            let all = json_bytes(&fitted.body.as_str().into()) + json_bytes(&fitted.metadata);
            assert!(all <= TOGETHER_MAX_BYTES, "{all}");
            assert!(fitted.whole.is_some());
        }
    }

    #[test]
    fn nothing_that_postgres_refuses_is_left() {
        let card = Card { text_md: "a\0b".to_owned(), ..Card::default() };
        let fitted = fitted("c\0d", vec![card]);
        assert_eq!(fitted.body.as_str(), "cd\n\nab");
        assert_eq!(fitted.metadata["cards"][0]["text_md"], "ab");
    }
}
