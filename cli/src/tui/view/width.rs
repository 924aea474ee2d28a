//! Columns of text as this program draws it: grapheme clusters, one or two cells each (design/tui.md section 5).
//!
//! The width of a cluster is the one ratatui's buffer uses, so what is measured here is what is drawn there.

use std::borrow::Cow;

use ratatui::buffer::CellWidth;
use unicode_segmentation::UnicodeSegmentation;

/// Characters of the longest emoji in use (two people of two skin colours, a heart and a kiss). A longer cluster is an attack on
/// the width: every terminal draws it otherwise.
const CLUSTER_MAX_CHARS: usize = 10;

/// What stands in a cell, or in two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cluster<'a> {
    pub(crate) text: &'a str,
    pub(crate) width: usize,
}

/// The clusters of a text that take room. Control characters and stray marks take none and are left out.
pub(crate) fn clusters(text: &str) -> impl Iterator<Item = Cluster<'_>> {
    text.graphemes(true).filter_map(cluster)
}

fn cluster(text: &str) -> Option<Cluster<'_>> {
    if text.len() == 1 {
        return (!text.as_bytes()[0].is_ascii_control()).then_some(Cluster { text, width: 1 });
    }
    if text.contains(char::is_control) {
        return None;
    }
    // Of one that is too long only the first character is left.
    let text = match text.char_indices().nth(CLUSTER_MAX_CHARS) {
        Some(_) => text.char_indices().nth(1).map_or(text, |(end, _)| &text[..end]),
        None => text,
    };
    let width = usize::from(text.cell_width());
    (width > 0).then_some(Cluster { text, width })
}

/// Columns the text takes.
pub(crate) fn columns(text: &str) -> usize {
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return text.len();
    }
    clusters(text).map(|cluster| cluster.width).sum()
}

/// The start of a text that fits into `max` columns, with `…` as its last one when something was cut.
pub(crate) fn cut(text: &str, max: usize) -> Cow<'_, str> {
    if columns(text) <= max {
        return Cow::Borrowed(text);
    }
    let mut kept = fitting(text, max.saturating_sub(1));
    if max > 0 {
        kept.push('…');
    }
    Cow::Owned(kept)
}

/// The end of a text that fits into `max` columns, with `…` as its first one when something was cut.
pub(crate) fn cut_start(text: &str, max: usize) -> Cow<'_, str> {
    let mut over = columns(text).saturating_sub(max);
    if over == 0 {
        return Cow::Borrowed(text);
    }
    over += 1;
    let rest = clusters(text).skip_while(|cluster| {
        let skipped = over > 0;
        over = over.saturating_sub(cluster.width);
        skipped
    });
    let sign = if max > 0 { "…" } else { "" };
    let kept: String = rest.map(|cluster| cluster.text).collect();
    Cow::Owned(format!("{sign}{kept}"))
}

/// The clusters from the start that fit into `max` columns.
fn fitting(text: &str, max: usize) -> String {
    let mut used = 0;
    clusters(text)
        .take_while(|cluster| {
            used += cluster.width;
            used <= max
        })
        .map(|cluster| cluster.text)
        .collect()
}

/// The text cut or filled with spaces to exactly `width` columns.
pub(crate) fn pad(text: &str, width: usize) -> String {
    let text = cut(text, width);
    let left = width.saturating_sub(columns(&text));
    format!("{text}{}", " ".repeat(left))
}

/// Whether a cluster is written from right to left (Hebrew, Arabic, Syriac, Thaana, `NKo` and their presentation forms).
pub(crate) fn is_right_to_left(cluster: &str) -> bool {
    cluster.chars().next().is_some_and(|c| {
        matches!(c, '\u{590}'..='\u{8ff}' | '\u{fb1d}'..='\u{fdff}' | '\u{fe70}'..='\u{fefc}' | '\u{10800}'..='\u{10fff}' | '\u{1e800}'..='\u{1efff}')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clusters_have_the_width_a_terminal_gives_them() {
        for (text, width) in [
            ("a", 1),
            ("é", 1),
            ("e\u{301}", 1),
            ("田", 2),
            ("Ａ", 2),
            ("ｶ", 1),
            ("🎉", 2),
            ("❤\u{fe0f}", 2),
            ("❤", 1),
            ("👩\u{200d}🚀", 2),
            ("👨\u{200d}👩\u{200d}👧\u{200d}👦", 2),
            ("👍🏽", 2),
            ("🇩🇪", 2),
            ("1\u{fe0f}\u{20e3}", 2),
            ("א", 1),
            ("…", 1),
            ("▌", 1),
            ("\u{301}", 0),
        ] {
            assert_eq!(columns(text), width, "{text:?}");
        }
        assert_eq!(columns("田辺 ゆき"), 9);
    }

    #[test]
    fn a_chain_of_joined_emoji_is_one_emoji() {
        let chain = vec!["👩"; 200].join("\u{200d}");
        let drawn: String = clusters(&chain).map(|cluster| cluster.text).collect();
        assert_eq!((drawn.as_str(), columns(&chain)), ("👩", 2));
        let kiss = "👩🏻\u{200d}❤\u{fe0f}\u{200d}💋\u{200d}👨🏿";
        assert_eq!(clusters(kiss).map(|cluster| cluster.text).collect::<String>(), kiss);
    }

    #[test]
    fn nothing_a_terminal_obeys_is_a_cluster() {
        let text = "a\x1b[31m\u{9b}\r\nb\x07\x7f";
        assert!(clusters(text).all(|cluster| !cluster.text.contains(char::is_control)));
    }

    #[test]
    fn cutting_and_filling_count_columns() {
        assert_eq!(cut("release", 7), "release");
        assert_eq!(cut("release", 4), "rel…");
        assert_eq!(cut("田辺ゆき", 5), "田辺…");
        assert_eq!(cut("田辺ゆき", 4), "田…");
        assert_eq!(cut("x", 0), "");
        assert_eq!(cut_start("release", 7), "release");
        assert_eq!(cut_start("release", 4), "…ase");
        assert_eq!(cut_start("田辺ゆき", 5), "…ゆき");
        assert_eq!(cut_start("x田", 0), "");
        assert_eq!(pad("田辺ゆき", 4), "田… ");
        assert_eq!(pad("ab", 4), "ab  ");
    }
}
