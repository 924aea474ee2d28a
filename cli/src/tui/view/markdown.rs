//! Markdown as rows of a message (design/tui.md section 5).

use ajet_shared::markdown::{Line as Parsed, Span as Piece, Style as Look, to_spans};
use ajet_shared::terminal::terminal_line;
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};
use url::Url;

use super::super::theme::{Role, Theme};
use super::width::columns;
use super::wrap::{cut_line, line_columns, wrap};

/// Longer bodies are parsed and shown up to here, unless they are unfolded.
const SHOWN_BYTES_MAX: usize = 8 * 1024;
/// Rows of a message that is not unfolded, the row that says so included.
const FOLDED_ROWS: usize = 24;
/// The sign of a line that was cut at the edge.
const CUT: &str = "›";

/// How a text is drawn.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Paper<'a> {
    pub(crate) theme: Theme,
    /// Columns.
    pub(crate) width: usize,
    /// My handle: a mention of it stands out.
    pub(crate) me: Option<&'a str>,
    /// The message is selected: frames of code are drawn to the edge and say what can be done.
    pub(crate) selected: bool,
    /// All of it is shown, however long.
    pub(crate) unfolded: bool,
}

/// The rows of a text, folded where it is long.
pub(crate) fn rows(body: &str, paper: &Paper<'_>) -> Vec<Line<'static>> {
    let shown = if paper.unfolded { body } else { start_of(body, SHOWN_BYTES_MAX) };
    folded(all_rows(shown, paper), paper, shown.len() < body.len())
}

/// The first of many rows, and how many more there are; `cut` says that even more were never made.
pub(crate) fn folded(
    mut rows: Vec<Line<'static>>,
    paper: &Paper<'_>,
    cut: bool,
) -> Vec<Line<'static>> {
    if !paper.unfolded && (rows.len() > FOLDED_ROWS || cut) {
        let hidden = rows.len().saturating_sub(FOLDED_ROWS - 1);
        rows.truncate(FOLDED_ROWS - 1);
        let plus = if cut { "+" } else { "" };
        let text = format!("… {hidden}{plus} more lines, Space unfolds");
        rows.push(Line::from(Span::styled(text, paper.theme.role(Role::Text3))));
    }
    rows
}

fn all_rows(body: &str, paper: &Paper<'_>) -> Vec<Line<'static>> {
    let lines = to_spans(body, paper.width);
    let mut rows = Vec::with_capacity(lines.len());
    let mut code_lines = 0;
    for (at, line) in lines.iter().enumerate() {
        if line.spans.is_empty() && !is_kept_gap(&lines, at) {
            continue;
        }
        match frame(line) {
            Some('┌') => code_lines = 0,
            Some('│') => code_lines += 1,
            _ => {}
        }
        rows.extend(row_of(line, paper, code_lines));
    }
    rows
}

/// An empty line between two paragraphs stays; around code, lists, quotes and tables, and under a heading, the shape is enough.
fn is_kept_gap(lines: &[Parsed], at: usize) -> bool {
    let shaped = |line: &Parsed| line.fixed || line.hang > 0;
    let heading =
        |line: &Parsed| line.spans.iter().all(|piece| piece.style.contains(Look::HEADING));
    let after = lines.get(at + 1);
    let before = at.checked_sub(1).and_then(|before| lines.get(before));
    !before.is_some_and(|line| shaped(line) || heading(line)) && !after.is_some_and(shaped)
}

fn row_of(line: &Parsed, paper: &Paper<'_>, code_lines: usize) -> Vec<Line<'static>> {
    let pieces = without_bullet_of_task(&line.spans);
    let mut spans = styled(pieces, line.fixed, paper);
    if !line.fixed {
        return wrap(&spans, paper.width, &hang(pieces, line.hang, &spans));
    }
    let mark = Span::styled(CUT, paper.theme.role(Role::Text3));
    match frame(line) {
        Some(corner @ ('┌' | '└')) if paper.selected => {
            extend_frame(&mut spans, corner, paper, code_lines);
        }
        _ => {}
    }
    vec![cut_line(&spans, paper.width, mark)]
}

/// `☑` says as much as a bullet.
fn without_bullet_of_task(pieces: &[Piece]) -> &[Piece] {
    let is = |at: usize, texts: &[&str]| {
        pieces.get(at).is_some_and(|piece| {
            piece.style.contains(Look::MARK) && texts.contains(&piece.text.as_str())
        })
    };
    if is(0, &["• "]) && is(1, &["☑ ", "☐ "]) { &pieces[1..] } else { pieces }
}

/// What stands left of the rows after the first: the bars of quotes again, spaces for the rest.
fn hang(pieces: &[Piece], columns_wanted: usize, spans: &[Span<'static>]) -> Vec<Span<'static>> {
    let mut left = columns_wanted;
    let mut hang = Vec::new();
    for (piece, span) in pieces.iter().zip(spans) {
        let width = columns(&piece.text);
        if left == 0 || width > left || !piece.style.contains(Look::MARK) {
            break;
        }
        left -= width;
        hang.push(if piece.text.starts_with('▏') {
            span.clone()
        } else {
            Span::raw(" ".repeat(width))
        });
    }
    if left > 0 {
        hang.push(Span::raw(" ".repeat(left)));
    }
    hang
}

/// The sign of a line of a code block: `┌`, `│` or `└`. Only we draw those as marks.
fn frame(line: &Parsed) -> Option<char> {
    let mark = line.spans.iter().find(|piece| {
        piece.style.contains(Look::MARK) && piece.text.starts_with(['┌', '│', '└'])
    })?;
    if line.fixed { mark.text.chars().next() } else { None }
}

/// Draws the frame of a code block to the edge: `┌ rust ──── y copies`, `└──── 9 lines`.
fn extend_frame(
    spans: &mut Vec<Span<'static>>,
    corner: char,
    paper: &Paper<'_>,
    code_lines: usize,
) {
    let word = match (corner, code_lines) {
        ('┌', _) => " Y copies".to_owned(),
        (_, 1) => " 1 line".to_owned(),
        (_, lines) => format!(" {lines} lines"),
    };
    let used: usize = spans.iter().map(|span| columns(&span.content)).sum();
    let gap = usize::from(corner == '┌' && spans.iter().any(|span| span.content.contains("┌ ")));
    let Some(length) = paper.width.checked_sub(used + gap + columns(&word)) else { return };
    let rule = format!("{}{}", " ".repeat(gap), "─".repeat(length));
    spans.push(Span::styled(rule, paper.theme.role(Role::Rule)));
    spans.push(Span::styled(word, paper.theme.role(Role::Text3)));
}

/// The pieces in the colours of the theme; a link whose text is not its address is followed by its host.
fn styled(pieces: &[Piece], fixed: bool, paper: &Paper<'_>) -> Vec<Span<'static>> {
    let mut spans: Vec<Span<'static>> = Vec::with_capacity(pieces.len());
    let mut shown = String::new();
    for (at, piece) in pieces.iter().enumerate() {
        let style = style(piece, fixed, paper);
        let is_inline_code = piece.style.contains(Look::CODE) && !fixed;
        let text = if is_inline_code && paper.theme.is_mono() {
            format!("`{}`", piece.text)
        } else {
            piece.text.clone()
        };
        spans.push(Span::styled(text, style));
        let Some(target) = &piece.link else { continue };
        shown.push_str(&piece.text);
        if pieces.get(at + 1).is_none_or(|next| next.link.as_ref() != Some(target)) {
            let note = (!fixed).then(|| host(target, &shown)).flatten();
            spans.extend(
                note.map(|host| Span::styled(format!(" ({host})"), paper.theme.role(Role::Text3))),
            );
            shown.clear();
        }
    }
    spans
}

/// Where a link leads, unless its text says so.
fn host(target: &str, shown: &str) -> Option<String> {
    let host = match target.strip_prefix("mailto:") {
        Some(address) => address.split('?').next().unwrap_or(address).to_owned(),
        None => Url::parse(target).ok()?.host_str()?.to_owned(),
    };
    let says_so = shown.trim_end_matches('/') == target.trim_end_matches('/')
        || shown == host
        || shown.ends_with(&format!("({host})"));
    (!says_so).then(|| terminal_line(&host).into_owned())
}

fn style(piece: &Piece, fixed: bool, paper: &Paper<'_>) -> Style {
    let theme = paper.theme;
    let is = |look| piece.style.contains(look);
    let mut style = Style::new();
    if is(Look::QUOTE) {
        style = style.patch(theme.role(Role::Text2));
    }
    if is(Look::MARK) {
        style = style.patch(theme.role(Role::Text3));
    }
    if is(Look::CODE) {
        style = style.patch(if fixed { theme.code_block() } else { theme.code() });
    }
    if is(Look::MENTION) {
        let role = if calls_me(&piece.text, paper.me) { Role::Signal } else { Role::Accent };
        style = style.patch(theme.role(role)).add_modifier(Modifier::BOLD);
    }
    if is(Look::LINK) {
        style = style.patch(theme.role(Role::Accent)).add_modifier(Modifier::UNDERLINED);
    }
    for (look, modifier) in [
        (Look::BOLD, Modifier::BOLD),
        (Look::HEADING, Modifier::BOLD),
        (Look::ITALIC, Modifier::ITALIC),
        (Look::STRIKE, Modifier::CROSSED_OUT),
    ] {
        if is(look) {
            style = style.add_modifier(modifier);
        }
    }
    style
}

fn calls_me(mention: &str, me: Option<&str>) -> bool {
    let name = mention.trim_start_matches('@');
    matches!(name, "channel" | "here") || me.is_some_and(|me| name.eq_ignore_ascii_case(me))
}

/// At most `max` bytes, whole lines where there are any.
fn start_of(body: &str, max: usize) -> &str {
    if body.len() <= max {
        return body;
    }
    let end = body.floor_char_boundary(max);
    let start = &body[..end];
    start.rfind('\n').map_or(start, |line_end| &start[..line_end])
}

/// A row with what matches the search turned round. `query` is in lower case.
pub(crate) fn highlight(line: Line<'static>, query: &str) -> Line<'static> {
    let finds = |text: &str| {
        let lower = text.to_lowercase();
        // Where lower case is longer or shorter, positions would be wrong.
        (lower.len() == text.len()).then(|| lower.find(query)).flatten()
    };
    let mut spans = Vec::with_capacity(line.spans.len());
    for span in line.spans {
        let mut rest: &str = &span.content;
        while let Some(at) = finds(rest) {
            let end = at + query.len();
            if !rest.is_char_boundary(at) || !rest.is_char_boundary(end) {
                break;
            }
            spans.push(Span::styled(rest[..at].to_owned(), span.style));
            let found = span.style.add_modifier(Modifier::REVERSED);
            spans.push(Span::styled(rest[at..end].to_owned(), found));
            rest = &rest[end..];
        }
        spans.push(Span::styled(rest.to_owned(), span.style));
    }
    spans.retain(|span| !span.content.is_empty());
    Line::from(spans)
}

/// Rows with a bar before each, for cards.
pub(crate) fn barred(rows: Vec<Line<'static>>, bar: &Span<'static>) -> Vec<Line<'static>> {
    rows.into_iter()
        .map(|row| {
            let mut spans = vec![bar.clone()];
            spans.extend(row.spans);
            Line::from(spans)
        })
        .collect()
}

/// Two rows side by side, the second from column `middle` on.
pub(crate) fn beside(left: Line<'static>, right: Line<'static>, middle: usize) -> Line<'static> {
    let gap = middle.saturating_sub(line_columns(&left));
    let mut spans = left.spans;
    spans.push(Span::raw(" ".repeat(gap)));
    spans.extend(right.spans);
    Line::from(spans)
}
