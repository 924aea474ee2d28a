//! Boxes over the rest: the palette and the help (design/tui.md sections 1.4 and 3).

use ajet_shared::terminal::terminal_line;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};

use super::super::drawn::Hit;
use super::super::keys::HELP;
use super::super::palette::{Group, Palette, PaletteItem};
use super::super::theme::{Role, Theme};
use super::canvas::{clear, put, put_right};
use super::status::draw_query;
use super::width::{columns, cut, pad};

/// Columns of a box, where the screen has them.
const WIDTH: u16 = 60;
/// Columns of the sign and name of an entry of the palette.
const LABEL: usize = 19;
/// The same for messages, whose label is a line of text.
const LABEL_OF_MESSAGE: usize = 31;
/// What the palette can be asked.
const PALETTE_FOOT: &str = "# channels  @ people  / commands  ? messages  Esc close";

/// A box of this height in the middle of the screen; returns what is inside.
fn frame(
    title: &str,
    height: u16,
    screen: Rect,
    theme: Theme,
    buffer: &mut Buffer,
) -> (Rect, Rect) {
    let width = WIDTH.min(screen.width.saturating_sub(4)).max(20).min(screen.width);
    let height = height.min(screen.height.saturating_sub(2)).max(3).min(screen.height);
    let area = Rect {
        x: screen.x + (screen.width - width) / 2,
        y: screen.y + (screen.height - height) / 2,
        width,
        height,
    };
    clear(buffer, area);
    let line = theme.role(Role::Rule);
    let inside = usize::from(width - 2);
    let title = format!(" {} ", cut(title, inside.saturating_sub(2)));
    let rest = "─".repeat(inside.saturating_sub(columns(&title)));
    let (top, bottom) = (area.y, area.bottom() - 1);
    let x = put(buffer, (area.x, top), area.right(), "┌", line);
    let bold = Style::new().add_modifier(Modifier::BOLD);
    let x = put(buffer, (x, top), area.right(), &title, bold);
    put(buffer, (x, top), area.right(), &format!("{rest}┐"), line);
    for y in top + 1..bottom {
        put(buffer, (area.x, y), area.right(), "│", line);
        put(buffer, (area.right() - 1, y), area.right(), "│", line);
    }
    let foot = format!("└{}┘", "─".repeat(inside));
    put(buffer, (area.x, bottom), area.right(), &foot, line);
    let inner = Rect { x: area.x + 1, y: top + 1, width: width - 2, height: height - 2 };
    (area, inner)
}

/// A line of the palette below the query.
enum PaletteLine<'a> {
    Title(Group),
    Item(usize, &'a PaletteItem),
}

/// Draws the palette; returns where the cursor stands.
pub(crate) fn palette(
    palette: &Palette,
    screen: Rect,
    theme: Theme,
    buffer: &mut Buffer,
    hits: &mut Vec<(Rect, Hit)>,
) -> (u16, u16) {
    let lines = palette_lines(palette);
    // The frame, the query, the line before the foot and the foot.
    let height = u16::try_from(lines.len().max(1) + 5).unwrap_or(u16::MAX);
    let (area, inner) = frame("Jump, search or run", height, screen, theme, buffer);
    let right = inner.right();
    let x = put(buffer, (inner.x, inner.y), right, " › ", theme.sign(Role::Accent));
    let (end, cursor) = draw_query(&palette.query, (x, inner.y), right, buffer);
    if palette.searching {
        put_right(buffer, (end + 1, right - 1), inner.y, "searching…", theme.role(Role::Text3));
    }
    let foot = inner.height >= 4;
    let room = inner.height.saturating_sub(if foot { 3 } else { 1 });
    let body = Rect { y: inner.y + 1, height: room, ..inner };
    draw_palette_lines(palette, &lines, body, theme, buffer, hits);
    if foot {
        let y = inner.bottom() - 2;
        let line = format!("├{}┤", "─".repeat(usize::from(inner.width)));
        put(buffer, (area.x, y), area.right(), &line, theme.role(Role::Rule));
        let room = usize::from(inner.width.saturating_sub(2));
        let words = cut(PALETTE_FOOT, room);
        put(buffer, (inner.x + 1, y + 1), right, &words, theme.role(Role::Text3));
    }
    cursor
}

fn palette_lines(palette: &Palette) -> Vec<PaletteLine<'_>> {
    let mut lines = Vec::new();
    let mut group = None;
    for (at, item) in palette.items.iter().enumerate() {
        if group.replace(item.group) != Some(item.group) {
            lines.push(PaletteLine::Title(item.group));
        }
        lines.push(PaletteLine::Item(at, item));
    }
    lines
}

fn draw_palette_lines(
    palette: &Palette,
    lines: &[PaletteLine<'_>],
    area: Rect,
    theme: Theme,
    buffer: &mut Buffer,
    hits: &mut Vec<(Rect, Hit)>,
) {
    if lines.is_empty() && area.height > 0 {
        let text = if palette.searching { "" } else { "Nothing fits. Esc closes." };
        put(buffer, (area.x + 1, area.y), area.right(), text, theme.role(Role::Text3));
        return;
    }
    let selected = lines
        .iter()
        .position(|line| matches!(line, PaletteLine::Item(at, _) if *at == palette.selected))
        .unwrap_or(0);
    let first = (selected + 1).saturating_sub(usize::from(area.height));
    for (line, y) in lines.iter().skip(first).zip(area.y..area.bottom()) {
        match line {
            PaletteLine::Title(group) => {
                let style = theme.role(Role::Text3);
                put(buffer, (area.x + 1, y), area.right(), group.title(), style);
            }
            PaletteLine::Item(at, item) => {
                let row = Rect { y, height: 1, ..area };
                draw_item(item, *at == palette.selected, row, theme, buffer);
                hits.push((row, Hit::Palette(*at)));
            }
        }
    }
}

fn draw_item(item: &PaletteItem, selected: bool, row: Rect, theme: Theme, buffer: &mut Buffer) {
    let (y, right) = (row.y, row.right().saturating_sub(2));
    let mut style = Style::new();
    if selected {
        put(buffer, (row.x, y), right, "▌", theme.selection_mark());
        style = style.add_modifier(Modifier::BOLD);
    }
    let note = if item.note.is_empty() && selected { "↵" } else { item.note.as_str() };
    let note = terminal_line(note);
    let start = put_right(buffer, (row.x + 4, right), y, &note, theme.role(Role::Text3));
    let end = start.map_or(right, |start| start.saturating_sub(1));
    let label = terminal_line(&item.label);
    let label = match item.mark {
        "" => label.into_owned(),
        "/" => format!("/{label}"),
        mark => format!("{mark} {label}"),
    };
    let wanted = if item.group == Group::Messages { LABEL_OF_MESSAGE } else { LABEL };
    let label = if item.detail.is_empty() {
        cut(&label, usize::from(end.saturating_sub(row.x + 2))).into_owned()
    } else {
        pad(&label, wanted.min(usize::from(row.width / 2)))
    };
    let x = put(buffer, (row.x + 2, y), end, &label, style);
    let detail = terminal_line(&item.detail);
    let room = usize::from(end.saturating_sub(x + 1));
    put(buffer, (x + 1, y), end, &cut(&detail, room), theme.role(Role::Text2));
}

/// Draws the help, scrolled by so many lines, as far as there are any.
pub(crate) fn help(scroll: u16, screen: Rect, theme: Theme, buffer: &mut Buffer) {
    let lines = help_lines();
    let total = u16::try_from(lines.len()).unwrap_or(u16::MAX);
    let (area, inner) = frame("Keys", total.saturating_add(2), screen, theme, buffer);
    let last = total.saturating_sub(inner.height);
    let scroll = scroll.min(last);
    let keys = HELP.iter().flat_map(|(_, hints)| hints.iter()).map(|hint| columns(hint.key));
    let keys = keys.max().unwrap_or(0).min(usize::from(inner.width / 3));
    for (line, y) in lines.iter().skip(usize::from(scroll)).zip(inner.y..inner.bottom()) {
        match line {
            HelpLine::Gap => {}
            HelpLine::Title(title) => {
                put(buffer, (inner.x + 1, y), inner.right(), title, theme.role(Role::Text3));
            }
            HelpLine::Key(key, does) => {
                let bold = Style::new().add_modifier(Modifier::BOLD);
                let key = pad(key, keys);
                let x = put(buffer, (inner.x + 2, y), inner.right(), &key, bold);
                let room = usize::from(inner.right().saturating_sub(x + 3));
                put(buffer, (x + 2, y), inner.right(), &cut(does, room), Style::new());
            }
        }
    }
    let more = match (scroll > 0, scroll < last) {
        (false, false) => " Esc close ",
        (false, true) => " j more  Esc close ",
        (true, false) => " k back  Esc close ",
        (true, true) => " j/k  Esc close ",
    };
    let y = area.bottom() - 1;
    put_right(buffer, (area.x + 1, area.right() - 2), y, more, theme.role(Role::Text3));
}

enum HelpLine {
    Title(&'static str),
    Key(&'static str, &'static str),
    Gap,
}

fn help_lines() -> Vec<HelpLine> {
    let mut lines = Vec::new();
    for (title, hints) in HELP {
        if !lines.is_empty() {
            lines.push(HelpLine::Gap);
        }
        lines.push(HelpLine::Title(title));
        lines.extend(hints.iter().map(|hint| HelpLine::Key(hint.key, hint.does)));
    }
    lines
}
