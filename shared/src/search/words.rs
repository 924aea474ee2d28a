//! What is a word, and when two words are forms of one.

use super::query::TermKind;

/// Characters that the index of parts of words needs in a row.
const INDEXED_PART_CHARS: usize = 3;
/// Endings that English words take on without becoming another word; what the stemmer of the database cuts off, roughly.
const ENDINGS: &[&str] = &[
    "", "s", "es", "ed", "d", "e", "ing", "er", "ers", "ly", "y", "ies", "ied", "ier", "iest",
    "ily", "iness", "ment", "ments", "ion", "ions", "ation", "ations", "ness", "able", "ful", "'s",
    "’s",
];

/// How a bare token is looked for, and its text without the punctuation around it.
pub(super) fn kind_of(text: &str) -> (String, TermKind) {
    let is_inner = |c: char| c.is_alphanumeric() || matches!(c, '_' | '+' | '#' | '%' | '/' | '\\');
    let core = text.trim_matches(|c: char| !is_inner(c));
    if core.is_empty() {
        return (text.to_owned(), TermKind::Part);
    }
    let is_word = core.chars().all(|c| c.is_alphabetic() || matches!(c, '-' | '\'' | '’'));
    let is_short_name = core.is_ascii()
        && core.len() < INDEXED_PART_CHARS
        && core.chars().all(char::is_alphanumeric);
    let kind = if has_no_words(core) || !(is_word || is_short_name) {
        TermKind::Part
    } else {
        TermKind::Word
    };
    (core.to_owned(), kind)
}

/// The text is of a script that writes without spaces, or of no script at all.
pub(super) fn has_no_words(text: &str) -> bool {
    !text.chars().any(char::is_alphanumeric) || text.chars().any(is_unspaced)
}

/// Han, kana, Thai, Lao, Khmer, Myanmar; Hangul too, whose words carry particles.
const fn is_unspaced(c: char) -> bool {
    matches!(c,
        '\u{0e00}'..='\u{0eff}' | '\u{1000}'..='\u{109f}' | '\u{1100}'..='\u{11ff}' | '\u{1780}'..='\u{17ff}'
        | '\u{3040}'..='\u{30ff}' | '\u{3130}'..='\u{318f}' | '\u{31f0}'..='\u{31ff}' | '\u{3400}'..='\u{4dbf}'
        | '\u{4e00}'..='\u{9fff}' | '\u{ac00}'..='\u{d7af}' | '\u{f900}'..='\u{faff}' | '\u{ff66}'..='\u{ff9f}'
        | '\u{20000}'..='\u{323af}')
}

/// The index of parts of words can find it: it has enough letters in a row.
pub(super) fn is_indexed_part(text: &str) -> bool {
    text.split(|c: char| !c.is_alphanumeric()).any(|run| run.chars().count() >= INDEXED_PART_CHARS)
}

/// Two words in lower case are forms of one: equal up to their endings.
pub(super) fn are_forms_of_one(a: &str, b: &str) -> bool {
    if a == b {
        return true;
    }
    let common: usize =
        a.chars().zip(b.chars()).take_while(|(a, b)| a == b).map(|(a, _)| a.len_utf8()).sum();
    // The vowel or doubled letter that an ending takes away stays on one side: `make`, `making`; `ship`, `shipped`.
    let ends = |rest: &str| ENDINGS.contains(&rest);
    let doubled = |rest: &str| {
        let last = a[..common].chars().next_back();
        rest.strip_prefix(|c| Some(c) == last).is_some_and(|rest| !rest.is_empty() && ends(rest))
    };
    let (rest_a, rest_b) = (&a[common..], &b[common..]);
    a[..common].chars().count() >= INDEXED_PART_CHARS
        && (ends(rest_a) || doubled(rest_a))
        && (ends(rest_b) || doubled(rest_b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_of_a_word_are_known_and_neighbours_are_not() {
        for (a, b) in [
            ("deploy", "deployments"),
            ("test", "testing"),
            ("tests", "tested"),
            ("make", "making"),
            ("ship", "shipped"),
            ("happy", "happiness"),
            ("release", "releases"),
            ("tide", "tide"),
        ] {
            assert!(are_forms_of_one(a, b) && are_forms_of_one(b, a), "{a}, {b}");
        }
        for (a, b) in [
            ("general", "generate"),
            ("ship", "shore"),
            ("a", "as"),
            ("be", "being"),
            ("car", "carpet"),
        ] {
            assert!(!are_forms_of_one(a, b), "{a}, {b}");
        }
    }

    #[test]
    fn an_index_needs_three_letters_in_a_row() {
        for found in ["abc", "ERR-2041", "天气预", "x_long"] {
            assert!(is_indexed_part(found), "{found}");
        }
        for read in ["ab", "天气", "a-b-c", "((((", "%_%"] {
            assert!(!is_indexed_part(read), "{read}");
        }
    }
}
