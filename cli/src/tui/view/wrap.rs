//! Breaks styled text into rows: where UAX 14 would, and between clusters where a word is longer than the row.

use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::width::{Cluster, clusters, columns};

/// What a cluster is to its neighbours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    Space,
    /// Digits.
    Number,
    /// Everything that belongs to a word.
    Letter,
    /// May be broken before and after: ideographs, kana, hangul, emoji.
    Ideograph,
    /// Never at the end of a row.
    Open,
    /// Never at the start of a row.
    Close,
    /// As `Close`, and a break may follow.
    WideClose,
    /// Never broken from its neighbours.
    Glue,
    Hyphen,
    Slash,
    Dash,
}

struct Cell<'a> {
    cluster: Cluster<'a>,
    style: Style,
    class: Class,
}

/// The rows of a text, at most `width` columns each; `hang` stands before every row but the first. Spaces at a break are dropped.
pub(crate) fn wrap(spans: &[Span<'_>], width: usize, hang: &[Span<'static>]) -> Vec<Line<'static>> {
    let cells = cells(spans);
    let indent: usize = hang.iter().map(|span| columns(&span.content)).sum();
    let (indent, hang) = if indent * 2 <= width { (indent, hang) } else { (0, &[][..]) };
    let mut rows = Vec::new();
    let mut start = 0;
    while start < cells.len() || rows.is_empty() {
        let first = rows.is_empty();
        let room = if first { width } else { width - indent };
        let end = row_end(&cells, start, room.max(1));
        let mut row: Vec<Span<'static>> = if first { Vec::new() } else { hang.to_vec() };
        append(&mut row, trimmed(&cells[start..end]));
        rows.push(Line::from(row));
        start = end;
    }
    rows
}

/// The text on one row: cut with `mark` as its last column where it is longer.
pub(crate) fn cut_line(spans: &[Span<'_>], width: usize, mark: Span<'static>) -> Line<'static> {
    let cells = cells(spans);
    let mut row = Vec::new();
    if cells.iter().map(|cell| cell.cluster.width).sum::<usize>() <= width {
        append(&mut row, &cells);
        return Line::from(row);
    }
    let room = width.saturating_sub(columns(&mark.content));
    let mut used = 0;
    let end = cells
        .iter()
        .position(|cell| {
            used += cell.cluster.width;
            used > room
        })
        .unwrap_or(cells.len());
    append(&mut row, &cells[..end]);
    if width > 0 {
        row.push(mark);
    }
    Line::from(row)
}

/// Columns a row takes.
pub(crate) fn line_columns(line: &Line<'_>) -> usize {
    line.spans.iter().map(|span| columns(&span.content)).sum()
}

fn cells<'a>(spans: &'a [Span<'_>]) -> Vec<Cell<'a>> {
    let cells = spans.iter().flat_map(|span| {
        clusters(&span.content).map(|cluster| Cell {
            cluster,
            style: span.style,
            class: class(cluster),
        })
    });
    cells.collect()
}

/// Where the row that begins at `start` ends: past the spaces at its end, and always past `start`.
fn row_end(cells: &[Cell<'_>], start: usize, room: usize) -> usize {
    let mut used = 0;
    let mut last_break = None;
    for at in start..cells.len() {
        if at > start && may_break(cells, at) {
            last_break = Some(at);
        }
        used += cells[at].cluster.width;
        // Spaces may stand over the edge; they are not drawn.
        if used > room && cells[at].class != Class::Space {
            return last_break.unwrap_or(at.max(start + 1));
        }
    }
    cells.len()
}

/// Whether a row may end before the cell at `at`.
fn may_break(cells: &[Cell<'_>], at: usize) -> bool {
    let before = |back: usize| at.checked_sub(back).map(|index| cells[index].class);
    let Some(left) = before(1) else { return false };
    match (left, cells[at].class) {
        (_, Class::Space | Class::Glue | Class::Close | Class::WideClose)
        | (Class::Glue | Class::Open, _) => false,
        (Class::Space | Class::WideClose | Class::Dash | Class::Ideograph, _)
        | (_, Class::Ideograph) => true,
        // Between the parts of a word or a path, but not after a sign at its start: `--flag`, `/usr`, `https://`.
        (Class::Hyphen | Class::Slash, Class::Letter) => {
            matches!(before(2), Some(Class::Letter | Class::Number | Class::Close))
        }
        _ => false,
    }
}

fn class(cluster: Cluster<'_>) -> Class {
    let c = cluster.text.chars().next().unwrap_or(' ');
    match c {
        '\u{a0}' | '\u{2007}' | '\u{202f}' | '"' | '\'' => Class::Glue,
        '0'..='9' => Class::Number,
        '-' => Class::Hyphen,
        '/' => Class::Slash,
        '—' | '–' => Class::Dash,
        '(' | '[' | '{' | '（' | '［' | '｛' | '〔' | '〈' | '《' | '「' | '『' | '【' | '〖'
        | '〘' | '〚' | '｢' => Class::Open,
        ')' | ']' | '}' | ',' | '.' | '!' | '?' | ':' | ';' | '…' => Class::Close,
        '）' | '］' | '｝' | '〕' | '〉' | '》' | '」' | '』' | '】' | '〗' | '〙' | '〛' | '｣'
        | '、' | '。' | '，' | '．' | '：' | '；' | '！' | '？' | '‥' | '・' | 'ー' | '々'
        | '〻' | 'ぁ' | 'ぃ' | 'ぅ' | 'ぇ' | 'ぉ' | 'っ' | 'ゃ' | 'ゅ' | 'ょ' | 'ゎ' | 'ァ'
        | 'ィ' | 'ゥ' | 'ェ' | 'ォ' | 'ッ' | 'ャ' | 'ュ' | 'ョ' | 'ヮ' | 'ヵ' | 'ヶ' | 'ゝ'
        | 'ゞ' | 'ヽ' | 'ヾ' | '゛' | '゜' | '％' => Class::WideClose,
        c if c.is_whitespace() => Class::Space,
        _ if cluster.width > 1 => Class::Ideograph,
        _ => Class::Letter,
    }
}

fn trimmed<'a, 'b>(cells: &'a [Cell<'b>]) -> &'a [Cell<'b>] {
    let end = cells.iter().rposition(|cell| cell.class != Class::Space).map_or(0, |last| last + 1);
    &cells[..end]
}

/// Appends cells, those of one style as one span.
fn append(row: &mut Vec<Span<'static>>, cells: &[Cell<'_>]) {
    for run in cells.chunk_by(|one, other| one.style == other.style) {
        let text: String = run.iter().map(|cell| cell.cluster.text).collect();
        row.push(Span::styled(text, run[0].style));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows_of(text: &str, width: usize, hang: &'static str) -> Vec<String> {
        let hang = if hang.is_empty() { Vec::new() } else { vec![Span::raw(hang)] };
        let rows = wrap(&[Span::raw(text.to_owned())], width, &hang);
        rows.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn rows_break_at_spaces_and_hang() {
        assert_eq!(rows_of("one two three", 20, ""), ["one two three"]);
        assert_eq!(rows_of("one two three four five", 18, ""), ["one two three four", "five"]);
        assert_eq!(rows_of("one two three four five", 18, "  "), ["one two three four", "  five"]);
        assert_eq!(rows_of("one   two", 4, ""), ["one", "two"]);
        assert_eq!(rows_of("", 4, ""), [""]);
        // A hang that would leave no room is left out.
        assert_eq!(rows_of("aaaa bbbb", 4, "    "), ["aaaa", "bbbb"]);
    }

    #[test]
    fn rows_break_between_ideographs_but_not_before_their_marks() {
        assert_eq!(
            rows_of("リリースノートの日本語版", 10, ""),
            ["リリース", "ノートの日", "本語版"]
        );
        assert_eq!(rows_of("日本語。日本", 6, ""), ["日本", "語。日", "本"]);
        assert_eq!(rows_of("日本「語」", 6, ""), ["日本", "「語」"]);
        assert_eq!(rows_of("ab田辺", 4, ""), ["ab田", "辺"]);
        assert_eq!(rows_of("well-known fact", 6, ""), ["well-", "known", "fact"]);
        assert_eq!(rows_of("run --flag", 6, ""), ["run", "--flag"]);
        assert_eq!(rows_of("and/or not", 5, ""), ["and/", "or", "not"]);
        assert_eq!(rows_of("10\u{a0}000 users", 8, ""), ["10\u{a0}000", "users"]);
    }

    #[test]
    fn long_words_break_between_clusters_and_nothing_is_wider_than_the_row() {
        assert_eq!(rows_of("abcdefghij", 4, ""), ["abcd", "efgh", "ij"]);
        assert_eq!(rows_of("👩\u{200d}🚀👩\u{200d}🚀👩\u{200d}🚀", 5, "").len(), 2);
        let text =
            "word https://example.org/a/very/long/address 田辺田辺田辺 e\u{301}e\u{301} ".repeat(9);
        for width in 2..60 {
            for row in rows_of(&text, width, "  ") {
                assert!(columns(&row) <= width, "{width}: {row}");
            }
        }
    }

    #[test]
    fn nothing_is_lost_but_spaces() {
        let text = "One 田辺 two-three, four/five (six) “seven” 8,000.5 nine…";
        let kept: String = text.chars().filter(|c| !c.is_whitespace()).collect();
        for width in 2..40 {
            let rows = rows_of(text, width, "").concat();
            assert_eq!(rows.chars().filter(|c| !c.is_whitespace()).collect::<String>(), kept);
        }
    }

    #[test]
    fn cutting_keeps_the_mark_in_the_last_column() {
        let line = |text: &str, width| {
            cut_line(&[Span::raw(text.to_owned())], width, Span::raw("›")).to_string()
        };
        assert_eq!(line("abcdef", 6), "abcdef");
        assert_eq!(line("abcdefg", 6), "abcde›");
        assert_eq!(line("田辺田辺", 6), "田辺›");
        assert_eq!(line("abc", 0), "");
    }
}
