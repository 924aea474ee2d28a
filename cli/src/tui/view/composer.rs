//! The box one writes in, with its cursor, who else is writing, and what can be completed.

use ajet_shared::terminal::{terminal_line, terminal_safe};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use unicode_segmentation::UnicodeSegmentation;

use super::super::completion::Popup;
use super::super::composer::Composer;
use super::super::drawn::Hit;
use super::super::theme::{Role, Theme};
use super::canvas::{clear, put, put_right};
use super::list;
use super::width::{columns, cut, pad};

/// ` › ` before the text, and one column after it for the cursor.
const PROMPT: u16 = 3;
/// Rows, however much is written.
const ROWS_MAX: usize = 8;
/// The popup is never wider.
const POPUP_MAX: u16 = 72;

/// A row of the box.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct TextRow {
    /// Where it begins in the text, in bytes.
    start: usize,
    /// As it is drawn.
    text: String,
}

/// Rows the box takes.
pub(crate) fn height(composer: &Composer, width: u16, screen: u16) -> u16 {
    let most = ROWS_MAX.min(usize::from(screen) / 3).max(1);
    u16::try_from(rows(&composer.text, room(width)).len().clamp(1, most)).unwrap_or(1)
}

/// What else the box shows.
pub(crate) struct Around<'a> {
    /// `Message #release-room`
    pub(crate) placeholder: &'a str,
    /// Who writes.
    pub(crate) typing: &'a str,
    /// Letters go into this box.
    pub(crate) active: bool,
}

/// Draws the box; returns where the cursor stands.
pub(crate) fn draw(
    composer: &Composer,
    around: &Around<'_>,
    theme: Theme,
    area: Rect,
    buffer: &mut Buffer,
) -> (u16, u16) {
    let prompt = if composer.editing.is_some() { " ✎ " } else { " › " };
    let role = if around.active { Role::Accent } else { Role::Text3 };
    let style = theme.sign(role);
    put(buffer, (area.x, area.y), area.right(), prompt, style);
    let left = area.x + PROMPT;
    if composer.is_empty() {
        let right = area.right();
        let end = put(buffer, (left, area.y), right, around.placeholder, theme.role(Role::Text3));
        put_right(buffer, (end + 1, right), area.y, around.typing, theme.role(Role::Text2));
        return (left, area.y);
    }
    let rows = rows(&composer.text, room(area.width));
    let (row, column) = locate(&rows, composer, room(area.width));
    let height = usize::from(area.height);
    let first = (row + 1).saturating_sub(height);
    for ((at, text), y) in rows.iter().enumerate().skip(first).zip(area.y..area.bottom()) {
        let end = put(buffer, (left, y), area.right(), &text.text, Style::new());
        if at == rows.len() - 1 {
            let typing = theme.role(Role::Text2);
            put_right(buffer, (end + 2, area.right()), y, around.typing, typing);
        }
    }
    let narrow = |number: usize| u16::try_from(number).unwrap_or(u16::MAX);
    let x = left.saturating_add(narrow(column)).min(area.right().saturating_sub(1));
    (x, area.y + narrow(row - first))
}

/// Columns of text in a box of this width.
fn room(width: u16) -> usize {
    usize::from(width.saturating_sub(PROMPT + 1)).max(1)
}

/// The text as rows. Breaks after spaces, in the middle of what is longer than a row.
fn rows(text: &str, room: usize) -> Vec<TextRow> {
    let mut rows = Vec::new();
    let mut start = 0;
    for line in text.split('\n') {
        wrap_line(line, start, room, &mut rows);
        start += line.len() + 1;
    }
    rows
}

fn wrap_line(line: &str, offset: usize, room: usize, rows: &mut Vec<TextRow>) {
    let mut row = TextRow { start: offset, text: String::new() };
    let mut used = 0;
    for (at, word) in line.split_word_bound_indices() {
        let shown = terminal_line(word);
        let width = columns(&shown);
        let is_space = word.chars().all(char::is_whitespace);
        if used + width > room && used > 0 && width <= room && !is_space {
            rows.push(std::mem::replace(
                &mut row,
                TextRow { start: offset + at, text: String::new() },
            ));
            used = 0;
        }
        if used + width <= room || is_space {
            row.text.push_str(&shown);
            used += width;
            continue;
        }
        for (inner, grapheme) in word.grapheme_indices(true) {
            let shown = terminal_line(grapheme);
            let width = columns(&shown);
            if used + width > room && used > 0 {
                let start = offset + at + inner;
                rows.push(std::mem::replace(&mut row, TextRow { start, text: String::new() }));
                used = 0;
            }
            row.text.push_str(&shown);
            used += width;
        }
    }
    rows.push(row);
}

/// Row and column of the cursor.
fn locate(rows: &[TextRow], composer: &Composer, room: usize) -> (usize, usize) {
    let cursor = composer.cursor.min(composer.text.len());
    let row = rows.partition_point(|row| row.start <= cursor).saturating_sub(1);
    let start = rows.get(row).map_or(0, |row| row.start);
    let before = composer.text.get(start..cursor).unwrap_or_default();
    (row, columns(&terminal_safe(before).replace('\n', "")).min(room))
}

/// `Mara is typing`, `Mara, Sam typing`, `3 typing`.
pub(crate) fn typing(names: &[&str]) -> String {
    let first = |name: &str| cut(&list::first_name(name), 16).into_owned();
    match names {
        [] => String::new(),
        [one] => format!("{} is typing", first(one)),
        [one, other] => format!("{}, {} typing", first(one), first(other)),
        more => format!("{} typing", more.len()),
    }
}

/// The popup over the box: its lowest row stands right above `bottom`.
pub(crate) fn draw_popup(
    popup: &Popup,
    theme: Theme,
    (area, bottom): (Rect, u16),
    buffer: &mut Buffer,
    hits: &mut Vec<(Rect, Hit)>,
) {
    let room = bottom.saturating_sub(area.y);
    let count = u16::try_from(popup.candidates.len()).unwrap_or(u16::MAX).min(room);
    // A line over it where there is room, so that it is not taken for messages.
    let lined = room > count;
    let width = area.width.saturating_sub(1).min(POPUP_MAX);
    let top = bottom - count;
    let place =
        Rect { x: area.x + 1, y: top - u16::from(lined), width, height: count + u16::from(lined) };
    clear(buffer, place);
    if lined {
        let rule = format!("┌{}┐", "─".repeat(usize::from(width.saturating_sub(2))));
        put(buffer, (place.x, place.y), place.right(), &rule, theme.role(Role::Rule));
    }
    let shown = usize::from(count);
    let first = (popup.selected + 1).saturating_sub(shown);
    let label = popup.candidates.iter().map(|one| columns(&one.label)).max().unwrap_or(0);
    let label = label.min(usize::from(width) / 2);
    for ((at, candidate), y) in popup.candidates.iter().enumerate().skip(first).zip(top..bottom) {
        let row = Rect { y, height: 1, ..place };
        let edge = theme.role(Role::Rule);
        put(buffer, (row.x, y), row.right(), "│", edge);
        put_right(buffer, (row.x, row.right()), y, "│", edge);
        let selected = at == popup.selected;
        let style = if selected { Style::new().add_modifier(Modifier::BOLD) } else { Style::new() };
        if selected {
            put(buffer, (row.x + 1, y), row.right() - 1, "▌", theme.selection_mark());
        }
        let end = row.right() - 1;
        let x =
            put(buffer, (row.x + 3, y), end, &pad(&terminal_line(&candidate.label), label), style);
        let room = usize::from(end.saturating_sub(x + 3));
        let detail = terminal_line(&candidate.detail);
        put(buffer, (x + 2, y), end, &cut(&detail, room), theme.role(Role::Text2));
        hits.push((row, Hit::Completion(at)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(text: &str, room: usize) -> Vec<String> {
        rows(text, room).into_iter().map(|row| row.text).collect()
    }

    fn cursor(text: &str, cursor: usize, room: usize) -> (usize, usize) {
        let composer = Composer { cursor, ..Composer::of(text.to_owned()) };
        locate(&rows(text, room), &composer, room)
    }

    #[test]
    fn text_breaks_after_spaces_and_keeps_its_line_ends() {
        assert_eq!(texts("one two three", 8), ["one two ", "three"]);
        assert_eq!(texts("a\n\nb", 8), ["a", "", "b"]);
        assert_eq!(texts("abcdefghij", 4), ["abcd", "efgh", "ij"]);
        assert_eq!(texts("田辺田辺", 5), ["田辺", "田辺"]);
        assert_eq!(texts("", 4), [""]);
    }

    #[test]
    fn the_cursor_is_where_the_next_letter_comes() {
        assert_eq!(cursor("one two three", 13, 8), (1, 5));
        assert_eq!(cursor("one two three", 8, 8), (1, 0));
        assert_eq!(cursor("one two three", 3, 8), (0, 3));
        assert_eq!(cursor("a\n\nb", 2, 8), (1, 0));
        assert_eq!(cursor("a\n\nb", 3, 8), (2, 0));
        assert_eq!(cursor("田辺", 3, 8), (0, 2));
        assert_eq!(cursor("abcd    ", 8, 4), (0, 4));
    }

    #[test]
    fn what_was_pasted_is_shown_harmless() {
        assert_eq!(texts("a\x1b[31mb", 20), ["a␛[31mb"]);
        assert_eq!(cursor("a\x1b[31mb", 2, 20), (0, 2));
    }

    #[test]
    fn writers_are_named_up_to_two() {
        assert_eq!(typing(&[]), "");
        assert_eq!(typing(&["Mara Voss"]), "Mara is typing");
        assert_eq!(typing(&["Mara Voss", "Sam"]), "Mara, Sam typing");
        assert_eq!(typing(&["a", "b", "c"]), "3 typing");
        assert_eq!(typing(&["\x1b[2J"]), "␛[2J is typing");
    }
}
