//! What a webhook posted, drawn for people: each card behind a bar in the colour of how it went, and a word that says the same.

use std::sync::Arc;

use ajet_shared::markdown::{Line, Span, Style, to_spans};
use ajet_shared::message::{Message, MessageKind};
use ajet_shared::terminal::{columns, terminal_line};
use ajet_shared::webhook::{Card, Field, Link, Tone, WebhookMetadata};

use crate::messages::when;
use crate::paint::Paint;
use crate::rows::{Row, row, rows};

/// Columns of the bar and the space behind it.
const BAR: usize = 2;
/// Columns a card needs at least; the text inside wraps at them.
const ROOM_MIN: usize = 10;

/// What the message brought to draw; none for one that is read as text.
pub(crate) fn of(message: &Message) -> Option<WebhookMetadata> {
    if message.kind != MessageKind::Webhook {
        return None;
    }
    let drawn: WebhookMetadata = serde_json::from_value(message.metadata.clone()).ok()?;
    (!drawn.cards.is_empty()).then_some(drawn)
}

/// The text, then the cards.
pub(crate) fn draw(paint: Paint, drawn: &WebhookMetadata, room: usize) -> Vec<Row> {
    let mut out = rows(paint, &drawn.text_md, room, false);
    for card in &drawn.cards {
        if let Some(before) = &card.pretext_md {
            out.extend(rows(paint, before, room, false));
        }
        out.extend(
            inside(paint, card, room.saturating_sub(BAR).max(ROOM_MIN))
                .into_iter()
                .map(|(text, taken)| (format!("{} {text}", edge(paint, card.tone)), taken + BAR)),
        );
    }
    if out.is_empty() { vec![(String::new(), 0)] } else { out }
}

fn edge(paint: Paint, tone: Option<Tone>) -> String {
    toned(paint, tone, "▎")
}

fn toned(paint: Paint, tone: Option<Tone>, text: &str) -> String {
    match tone {
        Some(Tone::Ok) => paint.green(text),
        Some(Tone::Warn) => paint.yellow(text),
        Some(Tone::Bad) => paint.red(text),
        Some(Tone::Info) | None => paint.dim(text),
    }
}

/// The word for those who see no colours. News needs none.
fn word(tone: Option<Tone>) -> Option<&'static str> {
    match tone? {
        Tone::Ok => Some("✓ ok"),
        Tone::Warn => Some("! warning"),
        Tone::Bad => Some("✗ problem"),
        Tone::Info => None,
    }
}

fn inside(paint: Paint, card: &Card, room: usize) -> Vec<Row> {
    let mut out = Vec::new();
    if let Some(word) = word(card.tone) {
        let author = card.author.as_ref().map(|author| terminal_line(&author.text).into_owned());
        let rest = author.map(|author| format!("  {author}")).unwrap_or_default();
        let taken = columns(word) + columns(&rest);
        if taken <= room {
            let text = format!("{}{}", toned(paint, card.tone, word), paint.dim(&rest));
            out.push((text, taken));
        } else {
            out.push((toned(paint, card.tone, word), columns(word)));
        }
    } else if let Some(author) = &card.author {
        out.extend(row(paint, line(&[span(&author.text, Style::MARK, None)]), room, false));
    }
    if let Some(title) = &card.title {
        out.extend(row(paint, line(&[linked(title, Style::BOLD)]), room, false));
    }
    out.extend(text(paint, &card.text_md, room));
    for field in &card.fields {
        out.extend(rows_of_field(paint, field, room));
    }
    for link in card.actions.iter().chain(&card.image) {
        out.extend(row(paint, line(&[linked(link, Style::LINK)]), room, false));
    }
    let at = card.at.map(when);
    let foot: Vec<String> = card.footer.iter().cloned().chain(at).collect();
    if !foot.is_empty() {
        out.extend(row(paint, line(&[span(&foot.join(" · "), Style::MARK, None)]), room, true));
    }
    out
}

/// `Name: value` on one line, the value below where it has several.
fn rows_of_field(paint: Paint, field: &Field, room: usize) -> Vec<Row> {
    let name = format!("{}: ", terminal_line(&field.name));
    let value = rows(paint, &field.value_md, room, false);
    match value.as_slice() {
        [(text, taken)] if columns(&name) + taken <= room => {
            vec![(format!("{}{text}", paint.dim(&name)), columns(&name) + taken)]
        }
        _ => {
            let mut out = row(paint, line(&[span(name.trim_end(), Style::MARK, None)]), room, true);
            out.extend(value);
            out
        }
    }
}

/// Markdown of a card. Commits are links on their short sha; their addresses would fill the screen, and the title leads there, too.
fn text(paint: Paint, markdown: &str, room: usize) -> Vec<Row> {
    if markdown.trim().is_empty() {
        return Vec::new();
    }
    let lines = to_spans(markdown, room).into_iter().map(|mut line| {
        for span in line.spans.iter_mut().filter(|span| span.style.contains(Style::CODE)) {
            span.link = None;
        }
        line
    });
    lines.flat_map(|line| row(paint, line, room, false)).collect()
}

fn line(spans: &[Span]) -> Line {
    Line { spans: spans.to_vec(), hang: 0, fixed: false }
}

fn linked(link: &Link, style: Style) -> Span {
    span(&link.text, style, link.url.as_deref())
}

fn span(text: &str, style: Style, link: Option<&str>) -> Span {
    Span { text: terminal_line(text).into_owned(), style, link: link.map(Arc::from) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(cards: Vec<Card>) -> Vec<String> {
        let drawn =
            WebhookMetadata { text_md: "**Hi**".to_owned(), cards, ..WebhookMetadata::default() };
        draw(Paint::OFF, &drawn, 40).into_iter().map(|(text, _)| text).collect()
    }

    fn link(text: &str, url: Option<&str>) -> Link {
        Link { text: text.to_owned(), url: url.map(str::to_owned) }
    }

    #[test]
    fn a_card_stands_behind_a_bar_and_says_its_tone() {
        let card = Card {
            tone: Some(Tone::Bad),
            pretext_md: Some("look:".to_owned()),
            author: Some(link("mara", None)),
            title: Some(link("#7 Build", Some("https://a.b/7"))),
            text_md: "- [`1a2b3c4`](https://a.b/1) one\n- [two](https://a.b/2)".to_owned(),
            fields: vec![Field {
                name: "Env".to_owned(),
                value_md: "`prod`".to_owned(),
                short: true,
            }],
            actions: vec![link("Open", Some("https://a.b"))],
            footer: Some("kestrel · failed".to_owned()),
            ..Card::default()
        };
        assert_eq!(
            drawn(vec![card]),
            [
                "Hi",
                "look:",
                "▎ ✗ problem  mara",
                "▎ #7 Build (https://a.b/7)",
                "▎ • 1a2b3c4 one",
                "▎ • two (https://a.b/2)",
                "▎ Env: prod",
                "▎ Open (https://a.b)",
                "▎ kestrel · failed",
            ]
        );
    }

    #[test]
    fn nothing_is_wider_than_there_is_room_and_nothing_moves_the_cursor() {
        let long = "\u{1b}[2J wide 田辺 ".repeat(20);
        let card = Card {
            tone: Some(Tone::Warn),
            author: Some(link(&long, None)),
            title: Some(link(&long, Some("https://a.b/\u{1b}"))),
            text_md: long.clone(),
            fields: vec![Field { name: long.clone(), value_md: long.clone(), short: false }],
            footer: Some(long),
            ..Card::default()
        };
        for row in drawn(vec![card]) {
            assert!(columns(row.trim_end()) <= 40, "{row}");
            assert!(!row.chars().any(char::is_control), "{row:?}");
        }
    }

    #[test]
    fn a_tone_has_a_word_unless_it_is_news() {
        assert_eq!(word(Some(Tone::Ok)), Some("✓ ok"));
        assert_eq!(word(Some(Tone::Info)), None);
        assert_eq!(word(None), None);
    }
}
