//! What a webhook posted: text and cards, `▎` in the colour of how it went at their edge.

use ajet_shared::markdown::plain;
use ajet_shared::message::Message;
use ajet_shared::terminal::terminal_line;
use ajet_shared::webhook::{Card, Field, Link as Target, Tone, WebhookMetadata};
use ratatui::style::Modifier;
use ratatui::text::{Line, Span};
use url::Url;

use super::super::theme::Role;
use super::clock;
use super::markdown::{self, Paper};
use super::wrap::wrap;

/// The edge of a card and the space after it.
const BAR: &str = "▎ ";
/// Two short fields stand side by side from this width on.
const TWO_FROM: usize = 40;
/// More cards than this are not drawn, whatever a message holds.
const CARDS_MAX: usize = 20;

/// What a message of a webhook carries, if it is what it should be and has anything to draw.
pub(crate) fn metadata(message: &Message) -> Option<WebhookMetadata> {
    let metadata: WebhookMetadata = serde_json::from_value(message.metadata.clone()).ok()?;
    (!metadata.text_md.is_empty() || !metadata.cards.is_empty()).then_some(metadata)
}

/// The rows of it.
pub(crate) fn rows(metadata: &WebhookMetadata, paper: &Paper<'_>) -> Vec<Line<'static>> {
    // Folded as a whole and not part by part.
    markdown::folded(all_rows(metadata, &Paper { unfolded: true, ..*paper }), paper, false)
}

fn all_rows(metadata: &WebhookMetadata, paper: &Paper<'_>) -> Vec<Line<'static>> {
    let mut rows = Vec::new();
    if !metadata.text_md.trim().is_empty() {
        rows.extend(markdown::rows(&metadata.text_md, paper));
    }
    for card in metadata.cards.iter().take(CARDS_MAX) {
        if let Some(pretext) = card.pretext_md.as_deref().filter(|text| !text.trim().is_empty()) {
            rows.extend(markdown::rows(pretext, paper));
        }
        rows.extend(markdown::barred(inside(card, paper), &bar(card.tone, paper)));
    }
    rows
}

fn bar(tone: Option<Tone>, paper: &Paper<'_>) -> Span<'static> {
    let role = match tone {
        Some(Tone::Ok) => Role::Ok,
        Some(Tone::Warn) => Role::Warn,
        Some(Tone::Bad) => Role::Bad,
        Some(Tone::Info) => Role::Accent,
        None => Role::Rule,
    };
    Span::styled(BAR, paper.theme.sign(role))
}

/// The sign in front of the title that says what the colour says; the words of the card say it, too.
const fn sign(tone: Option<Tone>) -> &'static str {
    match tone {
        Some(Tone::Ok) => "✓ ",
        Some(Tone::Warn) => "▲ ",
        Some(Tone::Bad) => "✗ ",
        Some(Tone::Info) | None => "",
    }
}

fn inside(card: &Card, paper: &Paper<'_>) -> Vec<Line<'static>> {
    let paper = &Paper { width: paper.width.saturating_sub(2).max(1), ..*paper };
    let quiet = paper.theme.role(Role::Text2);
    let mut rows = Vec::new();
    if let Some(author) = card.author.as_ref().filter(|author| !author.text.trim().is_empty()) {
        rows.extend(wrap(&[Span::styled(one_line(&author.text), quiet)], paper.width, &[]));
    }
    if let Some(title) = card.title.as_ref().filter(|title| !title.text.trim().is_empty()) {
        rows.extend(title_rows(title, card.tone, paper));
    }
    if !card.text_md.trim().is_empty() {
        rows.extend(markdown::rows(&card.text_md, paper));
    }
    rows.extend(field_rows(&card.fields, paper));
    if let Some(image) = &card.image {
        let text = if image.text.trim().is_empty() { "image" } else { &image.text };
        rows.extend(link_rows("▣ ", text, image.url.as_deref(), paper));
    }
    for action in &card.actions {
        rows.extend(link_rows("→ ", &action.text, action.url.as_deref(), paper));
    }
    if let Some(footer) = footer(card) {
        rows.extend(wrap(&[Span::styled(footer, quiet)], paper.width, &[]));
    }
    rows
}

fn title_rows(title: &Target, tone: Option<Tone>, paper: &Paper<'_>) -> Vec<Line<'static>> {
    let bold = paper.theme.role(Role::Text).add_modifier(Modifier::BOLD);
    let mut spans = vec![Span::styled(one_line(&title.text), bold)];
    if paper.theme.is_mono() {
        spans.insert(0, Span::styled(sign(tone), bold));
    }
    spans.extend(host(title.url.as_deref(), paper));
    wrap(&spans, paper.width, &[])
}

fn link_rows(
    mark: &'static str,
    text: &str,
    url: Option<&str>,
    paper: &Paper<'_>,
) -> Vec<Line<'static>> {
    let style = match url {
        Some(_) => paper.theme.role(Role::Accent).add_modifier(Modifier::UNDERLINED),
        None => paper.theme.role(Role::Text2),
    };
    let mut spans = vec![
        Span::styled(mark, paper.theme.role(Role::Text3)),
        Span::styled(one_line(text), style),
    ];
    spans.extend(host(url, paper));
    wrap(&spans, paper.width, &[Span::raw("  ")])
}

fn host(url: Option<&str>, paper: &Paper<'_>) -> Option<Span<'static>> {
    let url = Url::parse(url?).ok()?;
    let host = terminal_line(url.host_str()?).into_owned();
    Some(Span::styled(format!(" ({host})"), paper.theme.role(Role::Text3)))
}

/// `name: value`, two short ones on one row where there is room.
fn field_rows(fields: &[Field], paper: &Paper<'_>) -> Vec<Line<'static>> {
    let mut rows = Vec::new();
    let mut rest = fields.iter().peekable();
    while let Some(field) = rest.next() {
        let second = (field.short && paper.width >= TWO_FROM)
            .then(|| rest.next_if(|next| next.short))
            .flatten();
        let Some(second) = second else {
            rows.extend(field_row(field, paper));
            continue;
        };
        let middle = paper.width / 2;
        let half = &Paper { width: middle - 2, ..*paper };
        let (left, right) = (field_row(field, half), field_row(second, half));
        let height = left.len().max(right.len());
        let mut right = right.into_iter();
        let mut left = left.into_iter();
        for _ in 0..height {
            let (one, other) = (left.next().unwrap_or_default(), right.next().unwrap_or_default());
            rows.push(markdown::beside(one, other, middle));
        }
    }
    rows
}

fn field_row(field: &Field, paper: &Paper<'_>) -> Vec<Line<'static>> {
    let name = format!("{}: ", one_line(&field.name));
    let name = Span::styled(name, paper.theme.role(Role::Text2));
    if field.value_md.contains('\n') {
        let mut rows = wrap(&[name], paper.width, &[]);
        rows.extend(markdown::rows(&field.value_md, paper));
        return rows;
    }
    let mut values =
        markdown::rows(&field.value_md, &Paper { width: 1_000, selected: false, ..*paper });
    let mut spans = vec![name];
    if values.len() == 1 {
        spans.append(&mut values[0].spans);
    } else {
        spans.push(Span::raw(plain(&field.value_md, 400)));
    }
    wrap(&spans, paper.width, &[Span::raw("  ")])
}

fn footer(card: &Card) -> Option<String> {
    let words = card.footer.as_deref().map(one_line).filter(|words| !words.trim().is_empty());
    let moment = card
        .at
        .map(|at| format!("{} {}", clock::day(clock::date(at), at, false), clock::clock(at)));
    match (words, moment) {
        (Some(words), Some(moment)) => Some(format!("{words} · {moment}")),
        (words, moment) => words.or(moment),
    }
}

fn one_line(text: &str) -> String {
    terminal_line(text.trim()).into_owned()
}
