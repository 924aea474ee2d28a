//! Where the text of a message comes from: the argument, standard input, or the editor.

use std::io::{IsTerminal, Read};
use std::process::Command;

use ajet_shared::limits::MESSAGE_BODY_MAX_CHARS;
use ajet_shared::names::{MessageBody, NameError};

use crate::error::{CliError, CliResult, Exit, sentence};
use crate::settings::env;

/// More than any message may have; the rest is counted, not kept.
const READ_MAX: u64 = 8 * 1024 * 1024;

/// The text given, read or written now. `start` is what the editor opens with.
pub(crate) fn obtain(given: Option<&str>, start: &str, no_input: bool) -> CliResult<String> {
    match given {
        Some("-") => read_stdin(),
        Some(text) => Ok(text.to_owned()),
        None if !std::io::stdin().is_terminal() => read_stdin(),
        None if no_input || !std::io::stdout().is_terminal() => Err(nothing()),
        None => edit(start),
    }
}

fn nothing() -> CliError {
    CliError::usage("There is no text. Nothing was sent.")
        .hint("Give it as an argument or on standard input: echo hi | ajet-chat send general")
}

/// All of standard input as text.
pub(crate) fn read_stdin() -> CliResult<String> {
    let mut bytes = Vec::new();
    std::io::stdin()
        .lock()
        .take(READ_MAX)
        .read_to_end(&mut bytes)
        .map_err(|error| CliError::failed(format!("Cannot read standard input: {error}.")))?;
    String::from_utf8(bytes).map_err(|_| {
        CliError::new(
            Exit::Refused,
            "not_text",
            "Standard input is not UTF-8 text. Nothing was sent.",
        )
        .hint("Only texts can be sent as a message.")
    })
}

fn edit(start: &str) -> CliResult<String> {
    let text = in_editor(start)?;
    if text.trim().is_empty() || text.trim() == start.trim() {
        return Err(CliError::new(
            Exit::Declined,
            "cancelled",
            "The text was not written. Nothing was sent.",
        ));
    }
    Ok(text)
}

/// What the user's editor makes of a text.
pub(crate) fn in_editor(start: &str) -> CliResult<String> {
    let editor = env("VISUAL").or_else(|| env("EDITOR")).ok_or_else(|| {
        CliError::usage("There is no text, and no editor to write it in. Nothing was sent.")
            .hint("Give the text as an argument, or set EDITOR.")
    })?;
    let file = std::env::temp_dir().join(format!("ajet-chat-{}.md", uuid::Uuid::now_v7().simple()));
    let failed = |error: std::io::Error| {
        CliError::failed(format!("Cannot open the editor {editor}: {error}."))
    };
    crate::settings::write_private(&file, start)?;
    let mut words = editor.split_whitespace();
    let status = Command::new(words.next().unwrap_or_default()).args(words).arg(&file).status();
    let text = std::fs::read_to_string(&file);
    let _ = std::fs::remove_file(&file);
    if !status.map_err(failed)?.success() {
        return Err(CliError::new(
            Exit::Declined,
            "cancelled",
            "The editor ended with an error. Nothing was sent.",
        ));
    }
    text.map_err(failed)
}

/// The text as a message, in a code block if a language is given.
pub(crate) fn body(text: &str, code: Option<&str>) -> CliResult<MessageBody> {
    let text = match code {
        Some(language) => fenced(text, language)?,
        None => text.to_owned(),
    };
    MessageBody::try_from(text).map_err(|error| match error {
        NameError::Empty { .. } => nothing(),
        NameError::TooLong { chars, .. } => {
            let (chars, max) = (grouped(chars), grouped(MESSAGE_BODY_MAX_CHARS));
            CliError::new(
                Exit::Refused,
                "too_long",
                format!(
                    "The message has {chars} characters, {max} is the limit. Nothing was sent."
                ),
            )
            .hint("Send the end of it: tail -c 15000 FILE | ajet-chat send CHANNEL --code text")
        }
        NameError::Invalid { .. } => CliError::new(
            Exit::Refused,
            "validation",
            format!("{} Nothing was sent.", sentence(&error.to_string())),
        ),
    })
}

/// A code block around the text, its fence longer than any in the text.
fn fenced(text: &str, language: &str) -> CliResult<String> {
    if language.contains(|c: char| c.is_whitespace() || c == '`' || c.is_control()) {
        return Err(CliError::usage(format!("\"{language}\" is not the name of a language."))
            .hint("It is one word: --code rust, --code text"));
    }
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat((longest + 1).max(3));
    Ok(format!("{fence}{language}\n{}\n{fence}", text.trim_end_matches(['\n', '\r'])))
}

/// `61,204`.
fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fences_hold_what_is_in_them() {
        assert_eq!(fenced("a\nb\n", "text").unwrap(), "```text\na\nb\n```");
        assert_eq!(fenced("```x```", "md").unwrap(), "````md\n```x```\n````");
        assert!(fenced("x", "a b").is_err());
    }

    #[test]
    fn limits_are_named_with_their_numbers() {
        let error = body(&"x".repeat(61_204), None).unwrap_err();
        assert_eq!(error.exit, Exit::Refused);
        assert_eq!(
            (grouped(61_204), grouped(999), grouped(1_000_000)),
            ("61,204".into(), "999".into(), "1,000,000".into())
        );
        assert_eq!(body("  \n", None).unwrap_err().exit, Exit::Usage);
        assert_eq!(body("a\0", None).unwrap_err().exit, Exit::Refused);
    }
}
