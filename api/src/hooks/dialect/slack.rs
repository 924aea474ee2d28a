//! Slack's message, as Slack, Mattermost and Rocket.Chat take it (section 4.2).

use serde_json::Value;

use super::attachments::card;
use super::blocks;
use super::escape::one_line;
use super::json::{as_text, at, flag, is_empty, text};
use super::mrkdwn::{Flavour, commonmark, mrkdwn, plain};
use super::{Dialect, Refusal, Said, emoji};

/// Attachments of one message. Source: section 4.1.
const ATTACHMENTS_MAX: usize = 100;
/// Characters of a name that a message brings.
const NAME_MAX: usize = 64;

/// How a text of this sender is to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Manner {
    dialect: Dialect,
    /// No `<…>` either: Mattermost's `skip_slack_parsing`.
    verbatim: bool,
}

impl Manner {
    /// A text of the sender as our Markdown.
    pub(super) fn markdown(self, text: &str) -> String {
        match self.dialect {
            Dialect::Mattermost if self.verbatim => text.to_owned(),
            Dialect::Mattermost => commonmark(text),
            Dialect::RocketChat => mrkdwn(text, Flavour::RocketChat),
            _ => mrkdwn(text, Flavour::Slack),
        }
    }

    /// A text object of a block: `{type, text}`, or only a text.
    pub(super) fn object(self, value: &Value) -> String {
        match value {
            Value::Object(_) if text(value, "type") == "plain_text" => plain(&text(value, "text")),
            Value::Object(_) => self.markdown(&text(value, "text")),
            other => self.markdown(&as_text(other).unwrap_or_default()),
        }
    }
}

/// Reads a message.
pub(super) fn read(value: &Value, dialect: Dialect) -> Result<Said, Refusal> {
    if !value.is_object() {
        return Err(Refusal::InvalidPayload);
    }
    let skip = ["skip_slack_parsing", "props.skip_slack_parsing"];
    let verbatim = skip.iter().any(|path| flag(value, path) == Some(true));
    let manner = Manner { dialect, verbatim };
    let mut attachments: Vec<&Value> = objects(value, "attachments")?.iter().collect();
    if attachments.len() > ATTACHMENTS_MAX {
        return Err(Refusal::TooManyAttachments);
    }
    // Fields of an attachment at the top are one attachment.
    if attachments.is_empty()
        && ["fallback", "fields", "pretext"].iter().any(|key| !is_empty(at(value, key)))
    {
        attachments.push(value);
    }
    let is_implied = attachments.first().is_some_and(|first| std::ptr::eq(*first, value));
    let said_text = words(value, "text")?;
    let blocks = blocks::markdown(objects(value, "blocks")?, manner);
    let text_md = match blocks {
        _ if is_implied => String::new(),
        // With blocks the text is what a notification says, and not shown twice.
        blocks if !blocks.is_empty() => blocks,
        _ if flag(value, "mrkdwn") == Some(false) => plain(&said_text),
        _ => manner.markdown(&said_text),
    };
    let cards =
        attachments.into_iter().map(|value| card(value, manner)).collect::<Result<_, _>>()?;
    let said = Said::new(&text_md, cards)?;
    Ok(Said { name: first(value, &["username", "alias"]), icon_emoji: icon(value), ..said })
}

fn icon(value: &Value) -> Option<String> {
    ["icon_emoji", "emoji"].iter().find_map(|key| emoji::icon(at(value, key).as_str()?))
}

/// The first of these fields with something in it, on one line.
pub(super) fn first(value: &Value, keys: &[&str]) -> Option<String> {
    keys.iter().map(|key| one_line(&text(value, key), NAME_MAX)).find(|text| !text.is_empty())
}

/// A text field: missing and null are empty, a list or an object is a mistake of the sender.
pub(super) fn words(value: &Value, key: &str) -> Result<String, Refusal> {
    match at(value, key) {
        Value::Null => Ok(String::new()),
        other => as_text(other).ok_or(Refusal::InvalidPayload),
    }
}

/// A list of objects: missing, null and empty are none; anything in it that is no object is a mistake of the sender (A84).
pub(super) fn objects<'a>(value: &'a Value, key: &str) -> Result<&'a [Value], Refusal> {
    match at(value, key) {
        Value::Array(items) if items.iter().all(Value::is_object) => Ok(items),
        Value::Object(_) => Ok(std::slice::from_ref(at(value, key))),
        empty if is_empty(empty) => Ok(&[]),
        _ => Err(Refusal::InvalidPayload),
    }
}
