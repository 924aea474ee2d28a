//! Asks for a secret: from standard input, and on a terminal without showing what is typed.

use std::io::{BufRead, IsTerminal, Write};

use ajet_shared::terminal::terminal_line;
use crossterm::event::{Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers, read};
use crossterm::terminal::{disable_raw_mode, enable_raw_mode};

use crate::context::Context;
use crate::error::{CliError, CliResult};

/// A secret from standard input: never an argument, which everybody on the machine can read. On a terminal it is asked for, and
/// nothing of it is shown. `without` says what to do where there is none.
pub(super) fn ask_secret(context: &Context, what: &str, without: &str) -> CliResult<String> {
    let terminal = std::io::stdin().is_terminal();
    if terminal && context.global.no_input {
        return Err(CliError::usage(format!("{what} is needed.")).hint(without));
    }
    let line = if terminal { typed_unseen(what)? } else { first_line()? };
    let line = line.trim();
    if line.is_empty() {
        return Err(CliError::usage(format!("{what} is needed.")).hint(without));
    }
    Ok(line.to_owned())
}

fn first_line() -> CliResult<String> {
    let mut line = String::new();
    let read = std::io::stdin().lock().read_line(&mut line);
    read.map_err(|error| unreadable(&error))?;
    Ok(line)
}

fn unreadable(error: &std::io::Error) -> CliError {
    CliError::failed(format!("Cannot read standard input: {error}."))
}

/// The terminal shows what is typed again, however asking ends.
struct Unseen;

impl Unseen {
    fn begin() -> CliResult<Self> {
        enable_raw_mode().map_err(|error| unreadable(&error))?;
        Ok(Self)
    }
}

impl Drop for Unseen {
    fn drop(&mut self) {
        let _ = disable_raw_mode();
        eprintln!();
    }
}

fn typed_unseen(what: &str) -> CliResult<String> {
    // First the terminal, then the question: whoever is asked is not seen.
    let unseen = Unseen::begin()?;
    eprint!("? {} (not shown): ", terminal_line(what));
    let _ = std::io::stderr().flush();
    let mut line = Line::default();
    loop {
        let step = match read().map_err(|error| unreadable(&error))? {
            Event::Key(key) if key.kind != KeyEventKind::Release => line.press(key),
            Event::Paste(text) => {
                line.0.push_str(&text);
                Step::More
            }
            _ => Step::More,
        };
        match step {
            Step::More => {}
            Step::Done => {
                drop(unseen);
                return Ok(line.0);
            }
            Step::Interrupted => {
                drop(unseen);
                return Err(CliError::interrupted());
            }
        }
    }
}

/// What was typed so far.
#[derive(Default)]
struct Line(String);

#[derive(Debug, PartialEq, Eq)]
enum Step {
    More,
    Done,
    Interrupted,
}

impl Line {
    /// As a terminal edits a line by itself.
    fn press(&mut self, key: KeyEvent) -> Step {
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Enter => return Step::Done,
            KeyCode::Char('c') if control => return Step::Interrupted,
            KeyCode::Char('d' | 'j' | 'm') if control => return Step::Done,
            KeyCode::Char('u') if control => self.0.clear(),
            KeyCode::Char('h') if control => drop(self.0.pop()),
            KeyCode::Char(_) if control => {}
            KeyCode::Char(letter) => self.0.push(letter),
            KeyCode::Backspace => drop(self.0.pop()),
            _ => {}
        }
        Step::More
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(keys: &[(KeyCode, KeyModifiers)]) -> (String, Step) {
        let mut line = Line::default();
        let mut step = Step::More;
        for (code, modifiers) in keys {
            step = line.press(KeyEvent::new(*code, *modifiers));
        }
        (line.0, step)
    }

    #[test]
    fn a_line_is_edited_as_the_terminal_would() {
        let plain = |letter| (KeyCode::Char(letter), KeyModifiers::NONE);
        let held = |letter| (KeyCode::Char(letter), KeyModifiers::CONTROL);
        let enter = (KeyCode::Enter, KeyModifiers::NONE);
        let back = (KeyCode::Backspace, KeyModifiers::NONE);
        let shifted = (KeyCode::Char('B'), KeyModifiers::SHIFT);
        assert_eq!(typed(&[plain('a'), shifted, enter]), ("aB".to_owned(), Step::Done));
        assert_eq!(typed(&[back, plain('é'), plain('x'), back]), ("é".to_owned(), Step::More));
        assert_eq!(typed(&[plain('a'), held('u'), plain('b')]), ("b".to_owned(), Step::More));
        assert_eq!(typed(&[plain('a'), held('a'), held('d')]), ("a".to_owned(), Step::Done));
        assert_eq!(typed(&[plain('a'), held('c')]).1, Step::Interrupted);
    }
}
