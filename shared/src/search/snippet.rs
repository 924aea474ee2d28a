//! The part of a message that was found, as plain text with what to mark.

use super::query::{Query, Term, TermKind};
use super::words::are_forms_of_one;
use super::{Match, Snippet};
use crate::markdown;

/// Characters of a message that are looked through for the first match.
const SEARCHED_CHARS: usize = 16_000;
/// Characters of a snippet, about.
const LENGTH: usize = 200;
/// Of them so many stand before the first match.
const BEFORE: usize = 60;

/// The part of `body` (Markdown) around the first thing that `query` looks for.
#[must_use]
pub fn snippet(body: &str, query: &Query) -> Snippet {
    let text: Vec<char> = markdown::plain(body, SEARCHED_CHARS).chars().collect();
    let found = matches(&text, query);
    let first = found.first().map_or(0, |found| found.start);
    let start =
        if text.len() <= LENGTH { 0 } else { word_start(&text, first.saturating_sub(BEFORE)) };
    let end = text.len().min(start + LENGTH);
    let mut shown = String::new();
    let mut shift = 0;
    if start > 0 {
        shown.push('…');
        shift = 1;
    }
    shown.extend(&text[start..end]);
    if end < text.len() {
        shown.push('…');
    }
    let matches = found
        .into_iter()
        .filter(|found| found.start >= start && found.start < end)
        .map(|found| Match {
            start: found.start - start + shift,
            end: found.end.min(end) - start + shift,
        })
        .collect();
    Snippet { text: shown, matches }
}

/// The start of the word that `place` is in, unless that is far away.
fn word_start(text: &[char], place: usize) -> usize {
    (place.saturating_sub(20)..=place)
        .rev()
        .find(|at| *at == 0 || text[at - 1].is_whitespace())
        .unwrap_or(place)
}

/// Everything that is looked for, ascending and without overlap.
fn matches(text: &[char], query: &Query) -> Vec<Match> {
    let lower: Vec<char> = text.iter().map(|c| lower(*c)).collect();
    let words = words(&lower);
    let mut found: Vec<Match> =
        query.wanted().flat_map(|term| matches_of(&lower, &words, term)).collect();
    found.sort_by_key(|found| (found.start, found.end));
    let mut merged: Vec<Match> = Vec::with_capacity(found.len());
    for found in found {
        match merged.last_mut() {
            Some(last) if found.start < last.end => last.end = last.end.max(found.end),
            _ => merged.push(found),
        }
    }
    merged
}

/// One character for one, so that places stay the same.
fn lower(c: char) -> char {
    let mut lower = c.to_lowercase();
    match (lower.next(), lower.next()) {
        (Some(single), None) => single,
        _ => c,
    }
}

/// The words of a text: where they stand, and themselves.
fn words(lower: &[char]) -> Vec<(Match, String)> {
    let mut words = Vec::new();
    let mut start = None;
    for (place, c) in lower.iter().chain(&[' ']).enumerate() {
        match (c.is_alphanumeric(), start) {
            (true, None) => start = Some(place),
            (false, Some(first)) => {
                words.push((
                    Match { start: first, end: place },
                    lower[first..place].iter().collect(),
                ));
                start = None;
            }
            _ => {}
        }
    }
    words
}

fn matches_of(lower_text: &[char], words: &[(Match, String)], term: &Term) -> Vec<Match> {
    let wanted: Vec<char> = term.text.chars().map(lower).collect();
    if term.kind == TermKind::Part {
        return occurrences(lower_text, &wanted);
    }
    let wanted: Vec<String> = self::words(&wanted).into_iter().map(|(_, word)| word).collect();
    if wanted.is_empty() {
        return Vec::new();
    }
    words
        .windows(wanted.len())
        .filter(|window| {
            window.iter().zip(&wanted).all(|((_, word), wanted)| are_forms_of_one(word, wanted))
        })
        .filter_map(|window| {
            Some(Match { start: window.first()?.0.start, end: window.last()?.0.end })
        })
        .collect()
}

fn occurrences(text: &[char], wanted: &[char]) -> Vec<Match> {
    if wanted.is_empty() {
        return Vec::new();
    }
    text.windows(wanted.len())
        .enumerate()
        .filter(|(_, window)| *window == wanted)
        .map(|(start, _)| Match { start, end: start + wanted.len() })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marked(body: &str, query: &str) -> String {
        let snippet = snippet(body, &Query::parse(query).unwrap());
        let piece =
            |(text, found): (&str, bool)| if found { format!("[{text}]") } else { text.to_owned() };
        snippet.pieces().into_iter().map(piece).collect()
    }

    #[test]
    fn what_was_found_is_marked_in_plain_text() {
        assert_eq!(marked("**Shipped** the ships", "ship"), "[Shipped] the [ships]");
        assert_eq!(
            marked("a release candidate, a candidate", "\"release candidate\""),
            "a [release candidate], a candidate"
        );
        assert_eq!(marked("see `ERR-2041`", "err-2041"), "see [ERR-2041]");
        assert_eq!(marked("今天天气很好", "天气"), "今天[天气]很好");
        assert_eq!(marked("100% of a_b", "% a_b"), "100[%] of [a_b]");
        assert_eq!(marked("nothing here", "absent"), "nothing here");
        assert_eq!(marked("one two", "one -two"), "[one] two");
    }

    #[test]
    fn markup_stays_text() {
        assert_eq!(
            marked("say <img src=x onerror=alert(1)>", "onerror"),
            "say <img src=x [onerror]=alert(1)>"
        );
    }

    #[test]
    fn a_long_text_is_cut_around_the_first_match() {
        let body = format!("{}needle {}", "hay ".repeat(300), "hay ".repeat(300));
        let snippet = snippet(&body, &Query::parse("needle").unwrap());
        assert!(
            snippet.text.starts_with("…hay ") && snippet.text.ends_with('…'),
            "{}",
            snippet.text
        );
        assert!(snippet.text.chars().count() <= LENGTH + 2);
        let pieces = snippet.pieces();
        assert_eq!(
            pieces.iter().filter(|(_, found)| *found).map(|(text, _)| *text).collect::<Vec<_>>(),
            ["needle"]
        );
    }
}
