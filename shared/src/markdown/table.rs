//! Tables on a terminal: aligned columns, or one record after the other where the columns do not fit.

use pulldown_cmark::Alignment;

use super::spans::{Span, Style, Table};
use crate::terminal::{columns, cut};

/// Between two columns.
const SEPARATOR: &str = "  ";
/// A column is never made narrower than this; a table that would need it becomes records.
const COLUMN_MIN: usize = 6;

/// The lines of a table, at most `width` columns wide.
pub(super) fn draw(table: &Table, width: usize) -> Vec<Vec<Span>> {
    let count = table.rows.iter().map(Vec::len).max().unwrap_or(0);
    if count == 0 {
        return Vec::new();
    }
    let mut widths = vec![1; count];
    for row in &table.rows {
        for (cell, width) in row.iter().zip(&mut widths) {
            *width = (*width).max(cell_columns(cell));
        }
    }
    let gaps = SEPARATOR.len() * (count - 1);
    if !shrink(&mut widths, width.saturating_sub(gaps)) {
        return records(table);
    }
    let mut lines = Vec::with_capacity(table.rows.len() + 1);
    for (index, row) in table.rows.iter().enumerate() {
        let head = index == 0;
        let mut line = Vec::new();
        for (column, &width) in widths.iter().enumerate() {
            if column > 0 {
                line.push(Span::new(SEPARATOR, Style::PLAIN));
            }
            let empty = Vec::new();
            let cell = row.get(column).unwrap_or(&empty);
            let right = table.alignments.get(column) == Some(&Alignment::Right);
            place(&mut line, cell, width, right, head);
        }
        lines.push(line);
        if head {
            let rule =
                widths.iter().map(|&width| "─".repeat(width)).collect::<Vec<_>>().join(SEPARATOR);
            lines.push(vec![Span::new(rule, Style::MARK)]);
        }
    }
    lines
}

/// Takes columns off the widest ones until all fit; false when that would make one too narrow.
fn shrink(widths: &mut [usize], available: usize) -> bool {
    while widths.iter().sum::<usize>() > available {
        let over = widths.iter().sum::<usize>() - available;
        let Some(widest) = widths.iter_mut().max() else { return false };
        if *widest <= COLUMN_MIN {
            return false;
        }
        *widest -= over.min((*widest - COLUMN_MIN).div_ceil(2).max(1));
    }
    true
}

/// Writes one cell, cut or padded to `width`.
fn place(line: &mut Vec<Span>, cell: &[Span], width: usize, right: bool, head: bool) {
    let style = if head { Style::HEADING | Style::BOLD } else { Style::PLAIN };
    let taken = cell_columns(cell);
    let padding = Span::new(" ".repeat(width.saturating_sub(taken)), Style::PLAIN);
    let padded = !padding.text.is_empty();
    if right && padded {
        line.push(padding.clone());
    }
    let mut left = width;
    for (index, span) in cell.iter().enumerate() {
        let more = index + 1 < cell.len();
        let wanted = columns(&span.text);
        // Room for the sign of the cut is kept when the rest of the cell does not fit any more.
        let text = if wanted < left || (wanted == left && !more) {
            span.text.clone()
        } else {
            cut(&span.text, left).into_owned()
        };
        left -= columns(&text).min(left);
        line.push(Span { text, style: span.style | style, link: span.link.clone() });
        if left == 0 {
            break;
        }
    }
    if !right && padded {
        line.push(padding);
    }
}

/// One block for each row: `head: value`, an empty line between them.
fn records(table: &Table) -> Vec<Vec<Span>> {
    let Some((head, rows)) = table.rows.split_first() else { return Vec::new() };
    let mut lines = Vec::new();
    for (index, row) in rows.iter().enumerate() {
        if index > 0 {
            lines.push(Vec::new());
        }
        for (name, cell) in head.iter().zip(row) {
            let mut line: Vec<Span> = name
                .iter()
                .map(|span| Span {
                    style: span.style | Style::HEADING | Style::BOLD,
                    ..span.clone()
                })
                .collect();
            line.push(Span::new(": ", Style::PLAIN));
            line.extend(cell.iter().cloned());
            lines.push(line);
        }
    }
    lines
}

fn cell_columns(cell: &[Span]) -> usize {
    cell.iter().map(|span| columns(&span.text)).sum()
}
