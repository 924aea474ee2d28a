//! The last row: mode, the keys that matter now or a sentence, and how the server is reached.

use ajet_shared::terminal::terminal_line;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};

use super::super::composer::Composer;
use super::super::keys::{Hint, help_hint, hints};
use super::super::model::{Connection, Mode, Model, Tone};
use super::super::overlay::{Overlay, ReactionPicker};
use super::super::theme::{Role, Theme};
use super::canvas::{put, put_right};
use super::width::{columns, cut, cut_start};

/// Between two hints.
const GAP: u16 = 2;

/// Draws the row; returns where the cursor stands, if one writes here.
pub(crate) fn draw(
    model: &Model,
    theme: Theme,
    area: Rect,
    buffer: &mut Buffer,
) -> Option<(u16, u16)> {
    let right = draw_connection(model, theme, area, buffer);
    let at = (draw_badge(model, theme, area, buffer) + 1, area.y);
    match &model.overlay {
        Some(Overlay::Reactions(picker)) => Some(draw_picker(picker, theme, at, right, buffer)),
        Some(Overlay::Search { query }) => {
            Some(draw_search(model, query, theme, at, right, buffer))
        }
        Some(Overlay::Confirm { question, .. }) => {
            // It ends with the keys that answer it: of a long one its end is shown.
            let room = usize::from(right.saturating_sub(at.0));
            let question = cut_start(&terminal_line(question), room).into_owned();
            let warn = theme.role(Role::Warn).add_modifier(Modifier::BOLD);
            put(buffer, at, right, &question, warn);
            None
        }
        _ => {
            draw_sentence_or_hints(model, theme, at, right, buffer);
            None
        }
    }
}

/// ` INS ` in the accent, others plain; all reversed.
fn draw_badge(model: &Model, theme: Theme, area: Rect, buffer: &mut Buffer) -> u16 {
    let (word, role) = match (&model.overlay, model.mode) {
        (Some(overlay), _) => (overlay.badge(), Role::Text),
        (None, Mode::Insert) => ("INS", Role::Accent),
        (None, Mode::Message) => ("MSG", Role::Text),
        (None, Mode::List) => ("LST", Role::Text),
    };
    let style = theme
        .role(role)
        .remove_modifier(Modifier::UNDERLINED)
        .add_modifier(Modifier::REVERSED | Modifier::BOLD);
    put(buffer, (area.x, area.y), area.right(), &format!(" {word} "), style)
}

/// The mark at the right end; returns the column before which everything else ends.
fn draw_connection(model: &Model, theme: Theme, area: Rect, buffer: &mut Buffer) -> u16 {
    let (text, role) = match &model.connection {
        Connection::Live => ("●".to_owned(), Role::Ok),
        Connection::Connecting => ("○ connecting".to_owned(), Role::Text3),
        Connection::CatchingUp(0) => ("◐ catching up".to_owned(), Role::Warn),
        Connection::CatchingUp(1) => ("◐ catching up 1 event".to_owned(), Role::Warn),
        Connection::CatchingUp(count) => (format!("◐ catching up {count} events"), Role::Warn),
        Connection::Reconnecting { .. } => ("▲ offline".to_owned(), Role::Warn),
        Connection::SignedOut => ("✗ signed out".to_owned(), Role::Bad),
    };
    let right = area.right().saturating_sub(1);
    let start = put_right(buffer, (area.x + 8, right), area.y, &text, theme.role(role));
    start.unwrap_or(right).saturating_sub(1)
}

fn draw_sentence_or_hints(
    model: &Model,
    theme: Theme,
    at: (u16, u16),
    right: u16,
    buffer: &mut Buffer,
) {
    let current = model.status.as_ref().filter(|status| status.until > model.now);
    match current {
        Some(status) if model.prefix.is_none() => {
            let (mark, role) = match status.tone {
                Tone::Good => ("✓ ", Role::Ok),
                Tone::Info => ("", Role::Text),
                Tone::Bad => ("✗ ", Role::Bad),
            };
            let text = format!("{mark}{}", terminal_line(&status.text));
            let room = usize::from(right.saturating_sub(at.0));
            put(buffer, at, right, &cut(&text, room), theme.role(role));
        }
        _ => draw_hints(model, theme, at, right, buffer),
    }
}

/// As many as fit, most useful first; the help last, and always.
fn draw_hints(model: &Model, theme: Theme, at: (u16, u16), right: u16, buffer: &mut Buffer) {
    let help = help_hint(model);
    let reserved = width(help);
    let (mut x, y) = at;
    for hint in hints(model) {
        if x + width(hint) + GAP + reserved > right {
            break;
        }
        x = draw_hint(hint, theme, (x, y), right, buffer) + GAP;
    }
    draw_hint(help, theme, (x, y), right, buffer);
}

fn draw_hint(hint: Hint, theme: Theme, at: (u16, u16), right: u16, buffer: &mut Buffer) -> u16 {
    let bold = Style::new().add_modifier(Modifier::BOLD);
    let x = put(buffer, at, right, hint.key, bold);
    put(buffer, (x + 1, at.1), right, hint.does, theme.role(Role::Text3))
}

fn width(hint: Hint) -> u16 {
    u16::try_from(columns(hint.key) + 1 + columns(hint.does)).unwrap_or(u16::MAX)
}

/// `1 👍 2 ✅ 3 👀  type a name, Enter adds, Esc`, or what fits the name that is typed.
fn draw_picker(
    picker: &ReactionPicker,
    theme: Theme,
    (mut x, y): (u16, u16),
    right: u16,
    buffer: &mut Buffer,
) -> (u16, u16) {
    let quiet = theme.role(Role::Text3);
    if picker.query.is_empty() {
        for (digit, emoji) in (1..=7).zip(&picker.recent) {
            x = put(buffer, (x, y), right, &format!("{digit} "), quiet);
            x = put(buffer, (x, y), right, &terminal_line(emoji), Style::new()) + 1;
        }
        let cursor = (x, y);
        put(buffer, (x + 1, y), right, "type a name, Enter adds, Esc", quiet);
        return cursor;
    }
    x = put(buffer, (x, y), right, ":", quiet);
    let (mut x, cursor) = draw_query(&picker.query, (x, y), right, buffer);
    x += 2;
    if picker.matches.is_empty() {
        put(buffer, (x, y), right, "no emoji of this name", quiet);
    }
    for (at, (emoji, name)) in picker.matches.iter().enumerate() {
        let style = if at == 0 { Style::new().add_modifier(Modifier::BOLD) } else { quiet };
        let text = format!("{emoji} {name}");
        if x + u16::try_from(columns(&text)).unwrap_or(u16::MAX) > right {
            break;
        }
        x = put(buffer, (x, y), right, &text, style) + 2;
    }
    cursor
}

/// `/ query  2 of 5`
fn draw_search(
    model: &Model,
    query: &Composer,
    theme: Theme,
    (x, y): (u16, u16),
    right: u16,
    buffer: &mut Buffer,
) -> (u16, u16) {
    let x = put(buffer, (x, y), right, "/ ", theme.sign(Role::Accent));
    let (x, cursor) = draw_query(query, (x, y), right, buffer);
    let count = match &model.search {
        _ if query.is_empty() => "searches what is loaded; Enter, Esc".to_owned(),
        Some(search) if !search.hits.is_empty() => {
            format!("{} of {}", search.current + 1, search.hits.len())
        }
        _ => "nothing found in what is loaded".to_owned(),
    };
    put(buffer, (x + 2, y), right, &count, theme.role(Role::Text3));
    cursor
}

/// Text that is typed; returns where it ends, and where the cursor stands.
pub(crate) fn draw_query(
    query: &Composer,
    (x, y): (u16, u16),
    right: u16,
    buffer: &mut Buffer,
) -> (u16, (u16, u16)) {
    let before = terminal_line(query.text.get(..query.cursor).unwrap_or(&query.text));
    let cursor = x.saturating_add(u16::try_from(columns(&before)).unwrap_or(u16::MAX));
    let end = put(buffer, (x, y), right, &terminal_line(&query.text), Style::new());
    (end, (cursor.min(right.saturating_sub(1)), y))
}
