//! Markdown as rows of a terminal: wrapped, painted, and no wider than there is room.

use ajet_shared::markdown::{Line, Span, Style, to_spans};
use ajet_shared::terminal::{columns, cut, terminal_line};

use crate::paint::Paint;

/// A row as it is printed, and the columns it takes.
pub(crate) type Row = (String, usize);

/// Markdown as rows. `quiet` is for what nobody wrote.
pub(crate) fn rows(paint: Paint, markdown: &str, room: usize, quiet: bool) -> Vec<Row> {
    to_spans(markdown, room).into_iter().flat_map(|line| row(paint, line, room, quiet)).collect()
}

/// One line as rows.
pub(crate) fn row(paint: Paint, line: Line, room: usize, quiet: bool) -> Vec<Row> {
    let wrapped = wrap(&with_targets(line), room).into_iter();
    wrapped
        .map(|row| {
            let taken = row.iter().map(|span| columns(&span.text)).sum();
            let text = row.iter().map(|span| {
                if quiet { paint.dim(&span.text) } else { paint.styled(span.style, &span.text) }
            });
            (text.collect(), taken)
        })
        .collect()
}

/// A link whose text is not its address shows the address behind it.
fn with_targets(line: Line) -> Line {
    let mut out: Vec<Span> = Vec::with_capacity(line.spans.len());
    let mut shown = String::new();
    let mut rest = line.spans.into_iter().peekable();
    while let Some(span) = rest.next() {
        let leads_to = span.link.clone();
        shown.push_str(&span.text);
        out.push(span);
        let Some(target) = leads_to else {
            shown.clear();
            continue;
        };
        if rest.peek().is_none_or(|next| next.link.as_ref() != Some(&target)) {
            let is_shown = shown.trim_end_matches('/') == target.trim_end_matches('/')
                || target.strip_prefix("mailto:") == Some(&shown);
            if !is_shown {
                out.push(Span {
                    text: format!(" ({})", terminal_line(&target)),
                    style: Style::MARK,
                    link: None,
                });
            }
            shown.clear();
        }
    }
    Line { spans: out, ..line }
}

/// A line cut into rows of at most `width` columns, at spaces where there are any.
fn wrap(line: &Line, width: usize) -> Vec<Vec<Span>> {
    let mut rows = vec![Vec::new()];
    let mut used = 0;
    let hang = line.hang.min(width / 2);
    let piece = |text: &str, span: &Span| Span {
        text: text.to_owned(),
        style: span.style,
        link: span.link.clone(),
    };
    for span in &line.spans {
        if line.fixed {
            let text = cut(&span.text, width.saturating_sub(used));
            used += columns(&text);
            if !text.is_empty() {
                rows[0].push(piece(&text, span));
            }
            continue;
        }
        for word in span.text.split_inclusive(' ') {
            let mut word = word;
            if used + columns(word.trim_end()) > width && used > hang {
                used = hang;
                rows.push(vec![Span { text: " ".repeat(hang), ..Span::default() }]);
                word = word.trim_start();
            }
            // A word wider than the row: an address, or a script without spaces.
            while used + columns(word.trim_end()) > width {
                let fitting = fitting(word, width - used);
                let row = rows.len() - 1;
                rows[row].push(piece(&word[..fitting], span));
                word = &word[fitting..];
                used = hang;
                rows.push(vec![Span { text: " ".repeat(hang), ..Span::default() }]);
            }
            used += columns(word);
            let row = rows.len() - 1;
            match rows[row].last_mut() {
                Some(last) if last.style == span.style && last.link == span.link => {
                    last.text.push_str(word);
                }
                _ => rows[row].push(piece(word, span)),
            }
        }
    }
    rows
}

/// Bytes of the text that fit into `width` columns, at least one character.
fn fitting(text: &str, width: usize) -> usize {
    let mut used = 0;
    for (at, c) in text.char_indices() {
        used += columns(c.encode_utf8(&mut [0; 4]));
        if used > width && at > 0 {
            return at;
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &str, width: usize) -> Vec<String> {
        let lines = to_spans(text, width);
        lines
            .into_iter()
            .flat_map(|line| wrap(&with_targets(line), width))
            .map(|row| row.iter().map(|span| span.text.as_str()).collect())
            .collect()
    }

    #[test]
    fn rows_break_at_spaces_and_hang() {
        assert_eq!(rows("one two three four", 20), ["one two three four"]);
        assert_eq!(rows("one two three four five", 20), ["one two three four ", "five"]);
        assert_eq!(rows("- one two three four five", 20), ["• one two three four ", "  five"]);
        assert_eq!(rows("田辺田辺田辺田辺田辺田辺", 20), ["田辺田辺田辺田辺田辺", "田辺"]);
        assert_eq!(rows("```\nxxxxxxxxxxxxxxxxxxxxxxxxx\n```", 20)[1], "│ xxxxxxxxxxxxxxxxx…");
        for row in rows(&"word https://example.org/a/very/long/address ".repeat(9), 24) {
            assert!(columns(row.trim_end()) <= 24, "{row}");
        }
    }

    #[test]
    fn links_say_where_they_lead() {
        assert_eq!(rows("[docs](https://a.b/c)", 60), ["docs (https://a.b/c)"]);
        assert_eq!(rows("https://a.b", 60), ["https://a.b"]);
        assert_eq!(rows("<x@a.b>", 60), ["x@a.b"]);
    }
}
