//! Writing into the cells of the screen. Everything that is drawn goes through here, cluster by cluster; nothing else writes.

use ratatui::buffer::{Buffer, CellDiffOption};
use ratatui::layout::{Position, Rect};
use ratatui::style::{Color, Style};
use ratatui::text::Line;

use super::width::{clusters, columns, is_right_to_left};

/// Ends a run of right-to-left text, so that a terminal which reorders text cannot draw its neighbours into it. Takes no room.
const LEFT_TO_RIGHT_MARK: char = '\u{200e}';

/// Writes from `(x, y)` up to the column `right`, which is not written any more. Returns the next column. A wide glyph that would
/// stand over the edge is left out.
pub(crate) fn put(
    buffer: &mut Buffer,
    (mut x, y): (u16, u16),
    right: u16,
    text: &str,
    style: Style,
) -> u16 {
    let right = right.min(buffer.area.right());
    let mut last: Option<(Position, &str)> = None;
    for cluster in clusters(text) {
        let width = u16::try_from(cluster.width).unwrap_or(u16::MAX);
        if x.saturating_add(width) > right {
            break;
        }
        for column in x..x + width {
            if let Some(cell) = buffer.cell_mut((column, y)) {
                cell.reset();
                cell.set_style(style);
                if column == x {
                    cell.set_symbol(cluster.text);
                }
            }
        }
        last = Some((Position { x, y }, cluster.text));
        x += width;
    }
    if let Some((position, text)) = last.filter(|(_, text)| is_right_to_left(text))
        && let Some(cell) = buffer.cell_mut(position)
    {
        cell.set_symbol(&format!("{text}{LEFT_TO_RIGHT_MARK}"));
    }
    x
}

/// Writes a styled row as [`put`] does.
pub(crate) fn put_line(buffer: &mut Buffer, at: (u16, u16), right: u16, line: &Line<'_>) -> u16 {
    let (mut x, y) = at;
    for span in &line.spans {
        x = put(buffer, (x, y), right, &span.content, line.style.patch(span.style));
    }
    x
}

/// Writes text that ends before the column `right`, if it fits after `left`. Returns where it begins.
pub(crate) fn put_right(
    buffer: &mut Buffer,
    (left, right): (u16, u16),
    y: u16,
    text: &str,
    style: Style,
) -> Option<u16> {
    let width = u16::try_from(columns(text)).unwrap_or(u16::MAX);
    let x = right.checked_sub(width).filter(|x| *x >= left)?;
    put(buffer, (x, y), right, text, style);
    Some(x)
}

/// A horizontal rule over the columns `left..right`.
pub(crate) fn rule(buffer: &mut Buffer, (left, right): (u16, u16), y: u16, style: Style) {
    for x in left..right {
        put(buffer, (x, y), right, "─", style);
    }
}

/// A vertical rule in column `x`.
pub(crate) fn rule_down(buffer: &mut Buffer, x: u16, (top, bottom): (u16, u16), style: Style) {
    for y in top..bottom {
        put(buffer, (x, y), x + 1, "│", style);
    }
}

/// Makes an area empty, for what is drawn over the rest.
pub(crate) fn clear(buffer: &mut Buffer, area: Rect) {
    let area = area.intersection(buffer.area);
    // A wide glyph that begins left of the area would hang into it.
    for y in area.top()..area.bottom() {
        let before = area.left().checked_sub(1).and_then(|x| buffer.cell_mut((x, y)));
        if let Some(cell) = before
            && columns(cell.symbol()) > 1
        {
            cell.set_symbol(" ");
        }
        for x in area.left()..area.right() {
            if let Some(cell) = buffer.cell_mut((x, y)) {
                cell.reset();
            }
        }
    }
}

/// Gives an area a background where it has none, and modifiers.
pub(crate) fn tint(buffer: &mut Buffer, area: Rect, style: Style) {
    let area = area.intersection(buffer.area);
    for position in area.positions() {
        if let Some(cell) = buffer.cell_mut(position) {
            let background = if cell.bg == Color::Reset { style.bg } else { None };
            cell.set_style(Style { bg: background, fg: None, ..style });
        }
    }
}

/// Has the cells beside clusters of several characters (flags, joined and coloured emoji) written anew with every drawing, because
/// terminals disagree about their width: what one draws wider would stay behind as a ghost. The last thing to be done to a screen.
pub(crate) fn settle(buffer: &mut Buffer) {
    let area = buffer.area;
    for y in area.top()..area.bottom() {
        for x in area.left()..area.right() {
            let symbol = buffer[(x, y)].symbol();
            // A single character has at most four bytes.
            if symbol.len() <= 4 || symbol.chars().nth(1).is_none() || columns(symbol) < 2 {
                continue;
            }
            let reach = u16::try_from(columns_apart(symbol).max(4)).unwrap_or(u16::MAX);
            for beside in x + 1..x.saturating_add(reach).min(area.right()) {
                buffer[(beside, y)].set_diff_option(CellDiffOption::AlwaysUpdate);
            }
        }
    }
}

/// Columns of a cluster on a terminal that draws its characters one by one.
fn columns_apart(symbol: &str) -> usize {
    symbol.chars().map(|c| columns(c.encode_utf8(&mut [0; 4]))).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(buffer: &Buffer) -> String {
        buffer.content.iter().map(ratatui::buffer::Cell::symbol).collect()
    }

    #[test]
    fn wide_glyphs_never_stand_over_the_edge() {
        let mut buffer = Buffer::empty(Rect::new(0, 0, 6, 1));
        assert_eq!(put(&mut buffer, (0, 0), 5, "田辺ゆ", Style::new()), 4);
        assert_eq!(row(&buffer), "田 辺   ");
        assert_eq!(put(&mut buffer, (5, 0), 9, "田", Style::new()), 5);
        assert_eq!(put_right(&mut buffer, (0, 6), 0, "ab", Style::new()), Some(4));
        assert_eq!(put_right(&mut buffer, (5, 6), 0, "ab", Style::new()), None);
    }

    #[test]
    fn right_to_left_text_is_closed() {
        let mut buffer = Buffer::empty(Rect::new(0, 0, 8, 1));
        put(&mut buffer, (0, 0), 8, "שלום", Style::new());
        put(&mut buffer, (4, 0), 8, " 12", Style::new());
        assert_eq!(row(&buffer), "שלום\u{200e} 12 ");
    }

    #[test]
    fn clearing_leaves_no_half_of_a_glyph() {
        let mut buffer = Buffer::empty(Rect::new(0, 0, 6, 1));
        put(&mut buffer, (0, 0), 6, "田辺ゆ", Style::new());
        clear(&mut buffer, Rect::new(3, 0, 3, 1));
        assert_eq!(row(&buffer), "田     ");
    }

    #[test]
    fn what_a_terminal_drew_too_wide_leaves_no_ghost() {
        let drawn = |text: &str| {
            let mut buffer = Buffer::empty(Rect::new(0, 0, 8, 1));
            put(&mut buffer, (0, 0), 8, text, Style::new());
            settle(&mut buffer);
            buffer
        };
        let rewritten = |before: &str, after: &str| -> Vec<u16> {
            let (before, after) = (drawn(before), drawn(after));
            before.diff(&after).into_iter().map(|(x, _, _)| x).collect()
        };
        assert_eq!(rewritten("🇩🇪", "a"), [0, 1, 2, 3]);
        assert_eq!(rewritten("👩\u{200d}🚀", "🎉"), [0, 2, 3]);
        // While it stands, its second half is left alone.
        assert_eq!(rewritten("🇩🇪 x", "🇩🇪 y"), [2, 3]);
        assert_eq!(rewritten("田", "a"), [0]);
    }
}
