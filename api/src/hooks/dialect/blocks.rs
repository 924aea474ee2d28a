//! Slack's blocks as Markdown, the ones that are rendered and the ones that are only read (section 4.2).

use std::fmt::Write as _;

use serde_json::Value;

use super::attachments::picture_name;
use super::escape::{code, escape, fence, link, one_line};
use super::json::{at, flag, line, list, text, url};
use super::slack::Manner;
use super::{emoji, mrkdwn};

/// Blocks of one message. Source: Slack's own limit.
const BLOCKS_MAX: usize = 50;
/// Rows of a table.
const ROWS_MAX: usize = 50;
/// Columns of a table.
const COLUMNS_MAX: usize = 20;

/// All blocks, one paragraph each.
pub(super) fn markdown(blocks: &[Value], manner: Manner) -> String {
    blocks
        .iter()
        .take(BLOCKS_MAX)
        .map(|value| block(value, manner))
        .filter(|part| !part.trim().is_empty())
        .collect::<Vec<_>>()
        .join("\n\n")
}

fn block(value: &Value, manner: Manner) -> String {
    match text(value, "type").as_str() {
        "section" => section(value, manner),
        "header" => bold(&line(value, "text.text", 250)),
        "divider" => "---".to_owned(),
        "context" => context(value, manner),
        "image" => image(value),
        "actions" => joined(list(value, "elements").iter().map(button), " · "),
        "markdown" => text(value, "text"),
        "rich_text" => rich_text(value),
        "table" => table(value),
        _ => unknown(value, manner),
    }
}

fn joined(parts: impl Iterator<Item = String>, between: &str) -> String {
    parts.filter(|part| !part.trim().is_empty()).collect::<Vec<_>>().join(between)
}

fn bold(title: &str) -> String {
    let title = emoji::replaced(&mrkdwn::decoded(title));
    if title.is_empty() { title } else { format!("**{}**", escape(&title)) }
}

fn section(value: &Value, manner: Manner) -> String {
    let fields = list(value, "fields").iter().take(10).map(|field| manner.object(field));
    let accessory = at(value, "accessory");
    let beside = match text(accessory, "type").as_str() {
        "image" => image(accessory),
        "button" => button(accessory),
        _ => String::new(),
    };
    let parts = [manner.object(at(value, "text")), joined(fields, "\n"), beside];
    joined(parts.into_iter(), "\n\n")
}

fn context(value: &Value, manner: Manner) -> String {
    let element = |element: &Value| match text(element, "type").as_str() {
        "image" => image(element),
        _ => manner.object(element),
    };
    joined(list(value, "elements").iter().take(10).map(element), " · ")
}

/// A picture elsewhere is a link: showing it would tell the other server who reads.
fn image(value: &Value) -> String {
    let Some(url) = url(value, "image_url").or_else(|| url(value, "slack_file.url")) else {
        return escape(&line(value, "alt_text", 250));
    };
    let name = [line(value, "title.text", 250), line(value, "alt_text", 250)]
        .into_iter()
        .find(|name| !name.is_empty())
        .unwrap_or_else(|| picture_name(&url));
    link(&name, Some(&url))
}

/// A button that leads somewhere is a link; another is named, so that nobody looks for it in vain.
fn button(value: &Value) -> String {
    let label = emoji::replaced(&mrkdwn::decoded(&line(value, "text.text", 75)));
    match (url(value, "url"), label.as_str()) {
        (None, "") => String::new(),
        (None, label) => format!("~~{}~~", escape(label)),
        (Some(url), "") => format!("<{url}>"),
        (Some(url), label) => link(label, Some(&url)),
    }
}

fn rich_text(value: &Value) -> String {
    let part = |value: &Value| {
        let said = inline(value);
        match text(value, "type").as_str() {
            "rich_text_preformatted" => {
                let bare = list(value, "elements").iter().map(|part| {
                    let said = text(part, "text");
                    if said.is_empty() { text(part, "url") } else { said }
                });
                fence(&bare.collect::<String>(), "")
            }
            "rich_text_quote" => {
                let lines: Vec<&str> = said.trim_end().split('\n').collect();
                format!("> {}", lines.join("\n> "))
            }
            "rich_text_list" => rich_list(value),
            _ => said,
        }
    };
    joined(list(value, "elements").iter().map(part), "\n\n")
}

fn rich_list(value: &Value) -> String {
    let ordered = text(value, "style") == "ordered";
    let indent = super::json::number(value, "indent").unwrap_or(0).clamp(0, 8);
    let indent = "   ".repeat(usize::try_from(indent).unwrap_or(0));
    let item = |(number, value): (usize, &Value)| {
        let mark = if ordered { format!("{}.", number + 1) } else { "-".to_owned() };
        format!("{indent}{mark} {}", inline(value).trim().replace('\n', " "))
    };
    list(value, "elements").iter().enumerate().map(item).collect::<Vec<_>>().join("\n")
}

fn inline(value: &Value) -> String {
    list(value, "elements").iter().map(element).collect()
}

fn element(value: &Value) -> String {
    let said = text(value, "text");
    let named = |sign: &str, key: &str| match line(value, key, 80) {
        name if name.is_empty() => String::new(),
        name => format!("{sign}{}", escape(&name)),
    };
    let plain = match text(value, "type").as_str() {
        "link" => match url(value, "url") {
            Some(url) if said.is_empty() => format!("<{url}>"),
            Some(url) => link(&said, Some(&url)),
            None => escape(&said),
        },
        "user" => named("@", "user_id"),
        "usergroup" => named("@", "usergroup_id"),
        "channel" => named("#", "channel_id"),
        "broadcast" => match text(value, "range").as_str() {
            "here" => "@here".to_owned(),
            _ => "@channel".to_owned(),
        },
        "emoji" => {
            let name = line(value, "name", 80);
            emoji::named(&name).map_or_else(|| format!(":{}:", escape(&name)), str::to_owned)
        }
        "date" => escape(&text(value, "fallback")),
        _ if flag(value, "style.code") == Some(true) => code(&said),
        _ => escape(&said),
    };
    styled(value, plain)
}

/// Emphasis around a text; spaces at its edges stay outside, where Markdown wants them.
fn styled(value: &Value, text: String) -> String {
    let mut marks = String::new();
    for (style, mark) in [("style.strike", "~~"), ("style.bold", "**"), ("style.italic", "*")] {
        if flag(value, style) == Some(true) {
            marks.push_str(mark);
        }
    }
    let inside = text.trim();
    if marks.is_empty() || inside.is_empty() || inside.contains('\n') {
        return text;
    }
    let start = &text[..text.len() - text.trim_start().len()];
    let end = &text[text.trim_end().len()..];
    let back: String = marks.chars().rev().collect();
    format!("{start}{marks}{inside}{back}{end}")
}

fn table(value: &Value) -> String {
    let mut out = String::new();
    for (number, row) in list(value, "rows").iter().take(ROWS_MAX).enumerate() {
        let cells = row.as_array().map_or(&[][..], Vec::as_slice);
        let cells: Vec<String> = cells.iter().take(COLUMNS_MAX).map(cell).collect();
        let _ = writeln!(out, "| {} |", cells.join(" | "));
        if number == 0 {
            let _ = writeln!(out, "|{}", "---|".repeat(cells.len().max(1)));
        }
    }
    out.trim_end().to_owned()
}

fn cell(value: &Value) -> String {
    let said = match text(value, "type").as_str() {
        "rich_text" => rich_text(value).replace('\n', " "),
        _ => escape(&one_line(&text(value, "text"), 500)),
    };
    said.replace('|', "\\|")
}

/// A block we do not know: its texts, so that nothing is dropped.
fn unknown(value: &Value, manner: Manner) -> String {
    let Some(fields) = value.as_object() else { return String::new() };
    let texts = fields.iter().filter(|(key, _)| !key.ends_with("_id") && *key != "type");
    let parts = texts.map(|(_, value)| match value {
        Value::String(text) if super::json::web_url(text).is_none() => manner.markdown(text),
        Value::Object(_) if value.get("text").is_some_and(Value::is_string) => manner.object(value),
        Value::Array(items) => joined(
            items.iter().filter(|item| item.get("text").is_some()).map(|item| manner.object(item)),
            "\n",
        ),
        _ => String::new(),
    });
    joined(parts, "\n")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::{Dialect, slack};
    use super::*;

    fn read(blocks: &Value) -> String {
        let value = json!({ "text": "only for notifications", "blocks": blocks });
        slack::read(&value, Dialect::Slack).unwrap().text_md
    }

    #[test]
    fn every_block_shows() {
        for (block, expected) in [
            (
                json!({ "type": "section", "text": { "type": "mrkdwn", "text": "*Deploy* done" } }),
                "**Deploy** done",
            ),
            (
                json!({ "type": "section", "text": { "type": "plain_text", "text": "*Deploy* :zap:" } }),
                "\\*Deploy\\* ⚡",
            ),
            (
                json!({ "type": "section", "fields": [
                    { "type": "mrkdwn", "text": "*By*\nOla" },
                    { "type": "mrkdwn", "text": "*To*\nprod" },
                ] }),
                "**By**\nOla\n**To**\nprod",
            ),
            (
                json!({ "type": "header", "text": { "type": "plain_text", "text": "Release *1*" } }),
                "**Release \\*1\\***",
            ),
            (
                json!({ "type": "context", "elements": [
                    { "type": "image", "image_url": "https://a.b/i.png", "alt_text": "cat" },
                    { "type": "mrkdwn", "text": "by _ola_" },
                ] }),
                "[cat](https://a.b/i.png) · by *ola*",
            ),
            (
                json!({ "type": "actions", "elements": [
                    { "type": "button", "text": { "type": "plain_text", "text": "Open" }, "url": "https://a.b" },
                    { "type": "button", "text": { "type": "plain_text", "text": "Approve" }, "value": "1" },
                    { "type": "button", "text": { "type": "plain_text", "text": "Evil" }, "url": "javascript:x" },
                ] }),
                "[Open](https://a.b) · ~~Approve~~ · ~~Evil~~",
            ),
            (json!({ "type": "markdown", "text": "# Own **words**" }), "# Own **words**"),
            (
                json!({ "type": "image", "image_url": "https://a.b/c/i.png", "alt_text": "" }),
                "[i.png](https://a.b/c/i.png)",
            ),
            (
                json!({ "type": "table", "rows": [
                    [{ "type": "raw_text", "text": "a|b" }, { "type": "raw_text", "text": "c" }],
                    [{ "type": "raw_text", "text": "1" }, null],
                ] }),
                "| a\\|b | c |\n|---|---|\n| 1 |  |",
            ),
            (
                json!({ "type": "video", "title": { "type": "plain_text", "text": "How" }, "video_url": "https://a.b" }),
                "How",
            ),
        ] {
            assert_eq!(read(&json!([block])), expected, "{block}");
        }
    }

    #[test]
    fn rich_text_keeps_its_styles() {
        let blocks = json!([{ "type": "rich_text", "elements": [
            { "type": "rich_text_section", "elements": [
                { "type": "text", "text": "Hi " },
                { "type": "text", "text": "bold ", "style": { "bold": true, "italic": true } },
                { "type": "text", "text": "x*y", "style": { "code": true } },
                { "type": "link", "url": "https://a.b", "text": "there" },
                { "type": "emoji", "name": "rocket" },
                { "type": "broadcast", "range": "here" },
            ] },
            { "type": "rich_text_list", "style": "ordered", "elements": [
                { "type": "rich_text_section", "elements": [{ "type": "text", "text": "one" }] },
                { "type": "rich_text_section", "elements": [{ "type": "text", "text": "two" }] },
            ] },
            { "type": "rich_text_preformatted", "elements": [{ "type": "text", "text": "a < b" }] },
            { "type": "rich_text_quote", "elements": [{ "type": "text", "text": "said" }] },
        ] }]);
        assert_eq!(
            read(&blocks),
            "Hi ***bold*** `x*y`[there](https://a.b)🚀@here\n\n1. one\n2. two\n\n```\na < b\n```\n\n> said"
        );
    }
}
