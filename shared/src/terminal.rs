//! Text from the network, made harmless for a terminal (delivery-and-security.md section 3.11). The TUI and every command of the
//! CLI send all strings of the server through here; escape sequences are only ever built by us.

use std::borrow::Cow;
use std::fmt::Write as _;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::names::is_invisible;

/// Combining marks kept on one base character; more of them would climb over the neighbouring lines.
const MARKS_MAX: u8 = 4;
/// A tab, which a terminal would jump by.
const TAB: &str = "    ";
const ZERO_WIDTH_JOINER: char = '\u{200d}';

/// The text with nothing in it that a terminal would obey: control characters become visible pictures, invisible and
/// direction-changing characters become `·`, tabs become spaces. Line feeds stay.
#[must_use]
pub fn terminal_safe(text: &str) -> Cow<'_, str> {
    if is_plain_ascii(text) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 16);
    let (mut previous, mut marks) = ('\0', 0_u8);
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let next = chars.peek().copied();
        marks = if c.width() == Some(0) { marks.saturating_add(1) } else { 0 };
        match c {
            '\n' => safe.push('\n'),
            '\t' => safe.push_str(TAB),
            // A line end of another system; alone it would overwrite the line.
            '\r' if next == Some('\n') => {}
            // The joiner may stay where it makes one emoji out of two.
            ZERO_WIDTH_JOINER if is_pictograph(previous) && next.is_some_and(is_pictograph) => {
                safe.push(c);
            }
            c if c.is_control() => safe.push(control_picture(c)),
            c if is_invisible(c) => safe.push('·'),
            _ if marks > MARKS_MAX => {}
            c => safe.push(c),
        }
        previous = c;
    }
    if safe == text { Cow::Borrowed(text) } else { Cow::Owned(safe) }
}

/// As [`terminal_safe`], on one line: what should be a name or a title cannot draw lines of its own.
#[must_use]
pub fn terminal_line(text: &str) -> Cow<'_, str> {
    match terminal_safe(text) {
        safe if safe.contains('\n') => Cow::Owned(safe.replace('\n', " ")),
        safe => safe,
    }
}

/// JSON that a terminal only shows: what is not seen, and turns, moves or rubs out its neighbours, is written as an escape. JSON itself
/// does so below U+0020 only. The value stays the same.
#[must_use]
pub fn json_safe(json: &str) -> Cow<'_, str> {
    let is_safe = |c: char| c == '\n' || !is_invisible(c);
    if json.chars().all(is_safe) {
        return Cow::Borrowed(json);
    }
    let mut safe = String::with_capacity(json.len());
    for c in json.chars() {
        if is_safe(c) {
            safe.push(c);
        } else {
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                let _ = write!(safe, "\\u{unit:04x}");
            }
        }
    }
    Cow::Owned(safe)
}

/// Columns a text takes on a terminal.
#[must_use]
pub fn columns(text: &str) -> usize {
    text.width()
}

/// The start of a text that fits into `max` columns, with `…` as its last one when something was cut.
#[must_use]
pub fn cut(text: &str, max: usize) -> Cow<'_, str> {
    if columns(text) <= max {
        return Cow::Borrowed(text);
    }
    let mut used = 0;
    let mut kept = String::new();
    for grapheme in unicode_segmentation::UnicodeSegmentation::graphemes(text, true) {
        used += columns(grapheme);
        if used >= max {
            break;
        }
        kept.push_str(grapheme);
    }
    if max > 0 {
        kept.push('…');
    }
    Cow::Owned(kept)
}

fn is_plain_ascii(text: &str) -> bool {
    text.bytes().all(|b| matches!(b, b'\n' | b' '..=b'~'))
}

/// The picture Unicode has for a control character (block U+2400); all of C1 starts sequences, so it is drawn as escape.
fn control_picture(c: char) -> char {
    match u32::from(c) {
        code @ 0..0x20 => char::from_u32(0x2400 + code).unwrap_or('·'),
        0x7f => '␡',
        _ => '␛',
    }
}

/// Roughly: emoji, their modifiers and the variation selector, the only neighbours a joiner may have.
fn is_pictograph(c: char) -> bool {
    matches!(c, '\u{1f000}'..='\u{1faff}' | '\u{2190}'..='\u{2bff}' | '\u{fe0f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_keeps_its_value_and_loses_what_a_terminal_obeys() {
        let value = "a\u{1b}[31m\u{9b}2J\u{7f}\u{202e}\u{e0041}👩‍🚀\n\"ü\"";
        let json = serde_json::to_string(value).unwrap();
        let safe = json_safe(&json);
        assert!(!safe.chars().any(is_invisible), "{safe}");
        assert_eq!(serde_json::from_str::<String>(&safe).unwrap(), value);
        assert!(matches!(json_safe("{\n \"plain\": 1\n}"), Cow::Borrowed(_)));
    }

    /// Abuse test A71: nothing a terminal obeys may come out.
    #[test]
    fn hostile_text_loses_every_control_character() {
        let corpus = [
            "\x1b[31mred\x1b[0m",
            "\x1b]0;title\x07",
            "\x1b]8;;https://evil\x1b\\click\x1b]8;;\x1b\\",
            "\x1b]52;c;cHduZWQ=\x07",
            "\x1bP1$r\x1b\\",
            "\u{9b}2J\u{9d}0;x\u{9c}",
            "safe\rEVIL",
            "abc\x08\x08\x08xyz",
            "bell\x07 del\x7f nul\0",
            "form\x0cfeed\x0b",
        ];
        for text in corpus {
            let safe = terminal_safe(text);
            assert!(safe.chars().all(|c| c == '\n' || !c.is_control()), "{text:?} became {safe:?}");
        }
        assert_eq!(terminal_safe("\x1b[31mred"), "␛[31mred");
        assert_eq!(terminal_safe("a\rb\r\nc"), "a␍b\nc");
        assert_eq!(terminal_safe("\u{9b}2J"), "␛2J");
    }

    #[test]
    fn what_hides_or_turns_text_becomes_visible() {
        assert_eq!(terminal_safe("exe.gpj\u{202e}"), "exe.gpj·");
        assert_eq!(terminal_safe("a\u{2066}b\u{2069}\u{200b}\u{feff}"), "a·b···");
        assert_eq!(terminal_safe("tag\u{e0041}"), "tag·");
        assert_eq!(terminal_safe("a\u{200d}b"), "a·b");
    }

    #[test]
    fn ordinary_text_is_not_copied() {
        for text in ["plain", "two\nlines", "田辺 ゆき", "👩‍🚀 ❤️ 🇩🇪", "naïve é"]
        {
            assert!(matches!(terminal_safe(text), Cow::Borrowed(same) if same == text), "{text}");
        }
    }

    #[test]
    fn tabs_lines_and_towers_are_tamed() {
        assert_eq!(terminal_safe("a\tb"), "a    b");
        assert_eq!(terminal_line("a\nb"), "a b");
        let tower = format!("a{}b", "\u{301}".repeat(500));
        assert_eq!(terminal_safe(&tower).chars().count(), 2 + usize::from(MARKS_MAX));
    }

    #[test]
    fn cutting_counts_columns() {
        assert_eq!(cut("release", 10), "release");
        assert_eq!(cut("release", 4), "rel…");
        assert_eq!(cut("田辺ゆき", 5), "田辺…");
        assert_eq!(cut("x", 0), "");
    }
}
