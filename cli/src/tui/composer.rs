//! The box one writes in: text, cursor and what a line editor does with them. Knows nothing of the network.

use ajet_shared::id::MessageId;
use unicode_segmentation::UnicodeSegmentation;

use super::completion::Popup;

/// A box. `text` is what will be sent; `cursor` is a byte position in it, on a grapheme boundary.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Composer {
    pub(crate) text: String,
    pub(crate) cursor: usize,
    /// The message being edited; the box says so, and Enter saves instead of sending.
    pub(crate) editing: Option<MessageId>,
    /// What stood here before the editing began.
    pub(crate) set_aside: String,
    /// What can be completed at the cursor.
    pub(crate) popup: Option<Popup>,
    /// The draft as it is on disk, as far as is known.
    pub(crate) kept: String,
    /// What `Ctrl-W U K` cut last, for `Ctrl-Y`.
    pub(crate) killed: String,
}

/// A movement or a change, as readline names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Edit {
    Insert(char),
    Newline,
    Backspace,
    Delete,
    Left,
    Right,
    WordLeft,
    WordRight,
    Home,
    End,
    KillWord,
    KillWordForward,
    KillToStart,
    KillToEnd,
    Yank,
    Up,
    Down,
}

impl Composer {
    pub(crate) fn of(text: String) -> Self {
        Self { cursor: text.len(), kept: text.clone(), text, ..Self::default() }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// Another text, the cursor at its end.
    pub(crate) fn set(&mut self, text: String) {
        self.cursor = text.len();
        self.text = text;
        self.popup = None;
    }

    pub(crate) fn take(&mut self) -> String {
        self.cursor = 0;
        self.popup = None;
        std::mem::take(&mut self.text)
    }

    /// Puts text in at the cursor; line ends of other systems become ours.
    pub(crate) fn insert(&mut self, text: &str) {
        let text = text.replace("\r\n", "\n").replace('\r', "\n");
        self.text.insert_str(self.cursor, &text);
        self.cursor += text.len();
    }

    /// Does it; false when there was nothing to do, so that the caller can say why or do something else.
    pub(crate) fn edit(&mut self, edit: Edit) -> bool {
        let before = (self.cursor, self.text.len());
        match edit {
            Edit::Insert(c) => self.insert(c.encode_utf8(&mut [0; 4])),
            Edit::Newline => self.insert("\n"),
            Edit::Backspace => self.cut(self.left(), self.cursor),
            Edit::Delete => self.cut(self.cursor, self.right()),
            Edit::Left => self.cursor = self.left(),
            Edit::Right => self.cursor = self.right(),
            Edit::WordLeft => self.cursor = self.word_left(),
            Edit::WordRight => self.cursor = self.word_right(),
            Edit::Home => self.cursor = self.line_start(),
            Edit::End => self.cursor = self.line_end(),
            Edit::KillWord => self.kill(self.word_left(), self.cursor),
            Edit::KillWordForward => self.kill(self.cursor, self.word_right()),
            Edit::KillToStart => self.kill(self.line_start(), self.cursor),
            Edit::KillToEnd => self.kill(self.cursor, self.line_end().max(self.right_if_at_end())),
            Edit::Yank => {
                let killed = std::mem::take(&mut self.killed);
                self.insert(&killed);
                self.killed = killed;
            }
            Edit::Up => return self.move_line(false),
            Edit::Down => return self.move_line(true),
        }
        before != (self.cursor, self.text.len())
    }

    /// Whether the cursor is inside a code block, where Enter makes a line.
    pub(crate) fn in_fence(&self) -> bool {
        let mut open: Option<(char, usize)> = None;
        for line in self.text[..self.cursor].lines() {
            let line = line.trim_start();
            let Some(mark) = line.chars().next().filter(|c| matches!(c, '`' | '~')) else {
                continue;
            };
            let length = line.chars().take_while(|c| *c == mark).count();
            let rest = line[length..].trim();
            match open {
                None if length >= 3 && !(mark == '`' && rest.contains('`')) => {
                    open = Some((mark, length));
                }
                Some((opened, least)) if mark == opened && length >= least && rest.is_empty() => {
                    open = None;
                }
                _ => {}
            }
        }
        open.is_some()
    }

    /// The word before the cursor and where it begins: what is completed.
    pub(crate) fn word(&self) -> (usize, &str) {
        let before = &self.text[..self.cursor];
        let start = before
            .rfind(char::is_whitespace)
            .map_or(0, |at| at + before[at..].chars().next().map_or(1, char::len_utf8));
        (start, &before[start..])
    }

    /// Puts `text` in place of what stands from `start` to the cursor.
    pub(crate) fn replace(&mut self, start: usize, text: &str) {
        self.text.replace_range(start..self.cursor, text);
        self.cursor = start + text.len();
    }

    fn cut(&mut self, from: usize, to: usize) {
        self.text.replace_range(from..to, "");
        self.cursor = from;
    }

    fn kill(&mut self, from: usize, to: usize) {
        if from < to {
            self.text[from..to].clone_into(&mut self.killed);
            self.cut(from, to);
        }
    }

    fn left(&self) -> usize {
        self.text[..self.cursor].grapheme_indices(true).next_back().map_or(0, |(at, _)| at)
    }

    fn right(&self) -> usize {
        self.cursor + self.text[self.cursor..].graphemes(true).next().map_or(0, str::len)
    }

    fn word_left(&self) -> usize {
        let before = self.text[..self.cursor].trim_end_matches(is_gap);
        before
            .rfind(is_gap)
            .map_or(0, |at| at + before[at..].chars().next().map_or(1, char::len_utf8))
    }

    fn word_right(&self) -> usize {
        let after = &self.text[self.cursor..];
        let skipped = after.len() - after.trim_start_matches(is_gap).len();
        self.cursor + after[skipped..].find(is_gap).map_or(after.len(), |at| skipped + at)
    }

    fn line_start(&self) -> usize {
        self.text[..self.cursor].rfind('\n').map_or(0, |at| at + 1)
    }

    fn line_end(&self) -> usize {
        self.text[self.cursor..].find('\n').map_or(self.text.len(), |at| self.cursor + at)
    }

    /// `Ctrl-K` at the end of a line joins the next one.
    fn right_if_at_end(&self) -> usize {
        if self.text[self.cursor..].starts_with('\n') { self.cursor + 1 } else { self.cursor }
    }

    /// To the same column of the line above or below; false when there is none.
    fn move_line(&mut self, down: bool) -> bool {
        let start = self.line_start();
        let column = self.text[start..self.cursor].graphemes(true).count();
        let target = if down {
            match self.line_end() {
                end if end == self.text.len() => return false,
                end => end + 1,
            }
        } else if start == 0 {
            return false;
        } else {
            self.text[..start - 1].rfind('\n').map_or(0, |at| at + 1)
        };
        let line = self.text[target..].split('\n').next().unwrap_or_default();
        self.cursor = target + line.graphemes(true).take(column).map(str::len).sum::<usize>();
        true
    }
}

fn is_gap(c: char) -> bool {
    !(c.is_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(text: &str, edits: &[Edit]) -> (String, usize) {
        let mut composer = Composer::of(text.to_owned());
        for edit in edits {
            composer.edit(*edit);
        }
        (composer.text, composer.cursor)
    }

    #[test]
    fn it_edits_like_readline() {
        use Edit::{
            Backspace, Delete, End, Home, Insert, KillToEnd, KillToStart, KillWord,
            KillWordForward, Left, WordLeft, WordRight, Yank,
        };
        assert_eq!(typed("ab", &[Left, Insert('x')]), ("axb".into(), 2));
        assert_eq!(typed("one two", &[KillWord]), ("one ".into(), 4));
        assert_eq!(typed("one two", &[KillWord, Home, Yank]), ("twoone ".into(), 3));
        assert_eq!(typed("one two", &[Home, KillWordForward]), (" two".into(), 0));
        assert_eq!(typed("one two", &[WordLeft, KillToStart]), ("two".into(), 0));
        assert_eq!(typed("a\nb", &[Home, Left, KillToEnd]), ("ab".into(), 1));
        assert_eq!(typed("one two", &[Home, WordRight, Delete]), ("onetwo".into(), 3));
        assert_eq!(typed("a\nbc", &[Home, End, Backspace]), ("a\nb".into(), 3));
        assert_eq!(typed("", &[Backspace, Delete, Left, KillWord, Yank]), (String::new(), 0));
    }

    #[test]
    fn a_cursor_never_splits_what_people_see_as_one() {
        assert_eq!(typed("👩‍🚀é", &[Edit::Backspace]), ("👩‍🚀".into(), "👩‍🚀".len()));
        assert_eq!(typed("a👩‍🚀", &[Edit::Backspace]), ("a".into(), 1));
        assert_eq!(typed("田辺", &[Edit::Left, Edit::Left, Edit::Delete]), ("辺".into(), 0));
    }

    #[test]
    fn lines_keep_the_column() {
        let mut composer = Composer::of("abc\nd\nefg".to_owned());
        assert!(composer.edit(Edit::Up));
        assert_eq!(composer.cursor, 5);
        assert!(composer.edit(Edit::Up));
        assert_eq!(composer.cursor, 1);
        assert!(!composer.edit(Edit::Up));
        assert!(
            composer.edit(Edit::Down) && composer.edit(Edit::Down) && !composer.edit(Edit::Down)
        );
    }

    #[test]
    fn fences_are_recognised_up_to_the_cursor() {
        for (text, inside) in [
            ("```", true),
            ("```rust\nlet x", true),
            ("```\nx\n```", false),
            ("````\n```", true),
            ("text", false),
            ("``` inline ``` x", false),
            ("~~~\n```", true),
        ] {
            assert_eq!(Composer::of(text.to_owned()).in_fence(), inside, "{text:?}");
        }
    }

    #[test]
    fn pasted_line_ends_become_ours() {
        let mut composer = Composer::default();
        composer.insert("a\r\nb\rc");
        assert_eq!(composer.text, "a\nb\nc");
    }

    #[test]
    fn the_word_at_the_cursor() {
        assert_eq!(Composer::of("hi @ma".to_owned()).word(), (3, "@ma"));
        assert_eq!(Composer::of("hi\u{3000}#r".to_owned()).word(), (5, "#r"));
        assert_eq!(Composer::of("x ".to_owned()).word(), (2, ""));
    }
}
