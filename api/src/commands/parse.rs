//! From a line to a command with its arguments. Knows the registry and nothing of the database.

use ajet_shared::command::ArgumentKind;
use ajet_shared::limits::MESSAGE_BODY_MAX_CHARS;
use uuid::Uuid;

use super::registry::{Arg, Command, all};

/// A parsed argument. Names of people and channels are looked up by whoever runs the command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    /// A handle without `@`.
    Person(String),
    /// A channel's name without `#`.
    Channel(String),
    /// A word, also the name of a command.
    Word(String),
    /// A whole number.
    Number(u32),
    /// Seconds.
    Span(i64),
    /// An id.
    Id(Uuid),
    /// What was left of the line.
    Text(String),
}

/// One place for each argument of the command.
pub(super) type Values = Vec<Option<Value>>;

/// Why a line is no command.
#[derive(Debug, thiserror::Error)]
pub(super) enum ParseError {
    /// It does not begin with one slash.
    #[error("a command begins with one slash; a message that shall begin with one begins with two")]
    NotACommand,
    /// Longer than a message may be.
    #[error("a command has at most {MESSAGE_BODY_MAX_CHARS} characters")]
    TooLong,
    /// Holds what no text may hold.
    #[error("a command may not hold the NUL character")]
    Nul,
    /// There is no such command.
    #[error("there is no command /{0}")]
    Unknown(String),
    /// A command with verbs, without one of them.
    #[error("/{family} needs one of: {verbs}")]
    Verb {
        /// The command.
        family: String,
        /// Its verbs.
        verbs: String,
    },
    /// The arguments are not its own.
    #[error("{reason}")]
    Usage {
        /// Which command.
        command: &'static Command,
        /// What is wrong.
        reason: String,
    },
}

/// Parses a line. A line break ends nothing: what follows belongs to the last argument, if that is a text, and is too much otherwise.
pub(super) fn parse(line: &str) -> Result<(&'static Command, Values), ParseError> {
    if line.contains('\0') {
        return Err(ParseError::Nul);
    }
    if line.chars().count() > MESSAGE_BODY_MAX_CHARS {
        return Err(ParseError::TooLong);
    }
    let line = line.trim_end().strip_prefix('/').ok_or(ParseError::NotACommand)?;
    if line.is_empty() || line.starts_with(|c: char| c == '/' || c.is_whitespace()) {
        return Err(ParseError::NotACommand);
    }
    let (command, rest) = find(line)?;
    let values = arguments(command.arguments, rest)
        .map_err(|reason| ParseError::Usage { command, reason })?;
    Ok((command, values))
}

/// The command that a line begins with, and what follows it.
fn find(line: &str) -> Result<(&'static Command, &str), ParseError> {
    let (first, rest) = word(line);
    let first = first.to_lowercase();
    if let Some(command) = named(&first) {
        return Ok((command, rest));
    }
    let verbs: Vec<&str> =
        all().filter_map(|command| command.name.strip_prefix(&first)?.strip_prefix(' ')).collect();
    if verbs.is_empty() {
        return Err(ParseError::Unknown(first.chars().take(32).collect()));
    }
    let (verb, rest) = word(rest);
    named(&format!("{first} {}", verb.to_lowercase()))
        .map(|command| (command, rest))
        .ok_or_else(|| ParseError::Verb { family: first, verbs: verbs.join(", ") })
}

/// The command of this name.
pub(super) fn named(name: &str) -> Option<&'static Command> {
    all().find(|command| command.name == name)
}

/// The first word, and what follows it.
fn word(text: &str) -> (&str, &str) {
    let text = text.trim_start();
    let end = text.find(char::is_whitespace).unwrap_or(text.len());
    text.split_at(end)
}

/// The first word, or what stands in quotes at the beginning.
fn token(text: &str) -> (&str, &str) {
    let text = text.trim_start();
    match text.strip_prefix('"').and_then(|quoted| quoted.split_once('"')) {
        Some((quoted, rest)) if rest.is_empty() || rest.starts_with(char::is_whitespace) => {
            (quoted, rest)
        }
        _ => word(text),
    }
}

fn arguments(expected: &[Arg], mut rest: &str) -> Result<Values, String> {
    let mut values = Vec::with_capacity(expected.len());
    for (place, argument) in expected.iter().enumerate() {
        if matches!(argument.kind, ArgumentKind::Text | ArgumentKind::Command) {
            let text = rest.trim();
            if text.is_empty() && !argument.optional {
                return Err(missing(argument));
            }
            values.push((!text.is_empty()).then(|| Value::Text(text.to_owned())));
            rest = "";
            continue;
        }
        let (text, after) = token(rest);
        if rest.trim_start().is_empty() {
            if !argument.optional {
                return Err(missing(argument));
            }
            values.push(None);
            continue;
        }
        let is_last = place + 1 == expected.len();
        match value(argument, text, is_last) {
            Ok(value) => {
                values.push(Some(value));
                rest = after;
            }
            // Not meant for this one: the next one looks at it.
            Err(_) if argument.optional && !is_last && !was_meant(argument, text) => {
                values.push(None);
            }
            Err(reason) => return Err(reason),
        }
    }
    if rest.trim().is_empty() {
        Ok(values)
    } else {
        Err("there is too much on the line".to_owned())
    }
}

/// A word that was meant for this argument although it cannot be read: `2hours` is a wrong duration, not the beginning of a reason.
fn was_meant(argument: &Arg, text: &str) -> bool {
    argument.kind == ArgumentKind::Duration && text.starts_with(|c: char| c.is_ascii_digit())
}

fn missing(argument: &Arg) -> String {
    format!("{} is missing", argument.name)
}

fn value(argument: &Arg, text: &str, is_last: bool) -> Result<Value, String> {
    let name = argument.name;
    match argument.kind {
        ArgumentKind::Person => match text.strip_prefix('@') {
            Some(handle) => Ok(Value::Person(handle.to_owned())),
            // Where it may be left out and others follow, only the sign says that it was not.
            None if argument.optional && !is_last => Err(format!("{name} is written @name")),
            None => Ok(Value::Person(text.to_owned())),
        },
        ArgumentKind::Channel => Ok(Value::Channel(text.trim_start_matches('#').to_owned())),
        ArgumentKind::Number => {
            text.parse().map(Value::Number).map_err(|_| format!("{name} is a whole number like 10"))
        }
        ArgumentKind::Duration => {
            span(text).map(Value::Span).ok_or_else(|| format!("{name} looks like 30m, 2h or 7d"))
        }
        ArgumentKind::Id => {
            text.parse().map(Value::Id).map_err(|_| format!("{name} is an id that the list shows"))
        }
        ArgumentKind::Word if !argument.choices.is_empty() => {
            let word = text.to_lowercase();
            if argument.choices.contains(&word.as_str()) {
                Ok(Value::Word(word))
            } else {
                Err(format!("{name} is one of: {}", argument.choices.join(", ")))
            }
        }
        ArgumentKind::Word | ArgumentKind::Command | ArgumentKind::Text => {
            if argument.form.is_some_and(|form| !form(text)) {
                return Err(format!("{name} cannot be read"));
            }
            Ok(Value::Word(text.to_owned()))
        }
    }
}

/// Seconds of `45s`, `30m`, `2h`, `7d`, `1w`.
fn span(text: &str) -> Option<i64> {
    let unit = text.chars().last()?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        'w' => 7 * 86_400,
        _ => return None,
    };
    let number = text.strip_suffix(unit)?;
    let digits = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| number.parse::<i64>().ok()?.checked_mul(seconds)).flatten()
}
