//! What a command says when it fails, and how it exits (design/cli.md sections 6 and 7).

use std::fmt::Write as _;

use ajet_shared::client::ClientError;
use ajet_shared::problem::Problem;
use ajet_shared::terminal::{json_safe, terminal_line, terminal_safe};
use serde::Serialize;

use crate::paint::Paint;

/// The exit codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Nothing failed: the command was answered already (`--json=help`).
    Done = 0,
    /// None of the others.
    Failed = 1,
    /// Wrong use; nothing was sent.
    Usage = 2,
    /// The user said no, or a wait ran out.
    Declined = 3,
    /// Sign in first.
    SignedOut = 4,
    /// Not allowed.
    Forbidden = 5,
    /// Not found, or more than one fits.
    NotFound = 6,
    /// Refused because of its content or of the state of things.
    Refused = 7,
    /// Too fast.
    RateLimited = 8,
    /// The server is not reachable, or not able to answer now.
    Unreachable = 9,
    /// Ctrl-C.
    Interrupted = 130,
    /// The reader of the output went away; nothing is said.
    ClosedPipe = 141,
}

/// A failure, in words for people.
#[derive(Debug)]
pub(crate) struct CliError {
    pub(crate) exit: Exit,
    /// Stable name for programs.
    code: String,
    message: String,
    hints: Vec<String>,
    trace_id: Option<String>,
}

/// What every command gives.
pub(crate) type CliResult<T = ()> = Result<T, CliError>;

impl CliError {
    pub(crate) fn new(exit: Exit, code: &str, message: impl Into<String>) -> Self {
        Self {
            exit,
            code: code.to_owned(),
            message: message.into(),
            hints: Vec::new(),
            trace_id: None,
        }
    }

    /// Ends a command whose work is done.
    pub(crate) fn done() -> Self {
        Self::new(Exit::Done, "", "")
    }

    /// Ends a command at Ctrl-C.
    pub(crate) fn interrupted() -> Self {
        Self::new(Exit::Interrupted, "interrupted", "")
    }

    /// What happened, without advice.
    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, "usage", message)
    }

    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self::new(Exit::NotFound, "not_found", message)
    }

    pub(crate) fn failed(message: impl Into<String>) -> Self {
        Self::new(Exit::Failed, "failed", message)
    }

    pub(crate) fn signed_out(host: &str) -> Self {
        Self::new(Exit::SignedOut, "unauthenticated", format!("You are not signed in to {host}."))
            .hint(format!("ajet-chat login --server {host}"))
    }

    /// With one more line on what to do, best a command to copy.
    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// What a failed call means to the user of this server.
    pub(crate) fn from_client(error: ClientError, host: &str) -> Self {
        match error {
            ClientError::Problem(problem) => Self::from_problem(&problem, host),
            ClientError::Unreachable(reason) => Self::new(
                Exit::Unreachable,
                "unreachable",
                format!("Cannot reach {host}: {reason}."),
            )
            .hint("Check the address and your network, then try again."),
            ClientError::Timeout(after) => Self::new(
                Exit::Unreachable,
                "timeout",
                format!("No answer from {host} after {} s.", after.as_secs().max(1)),
            )
            .hint("Try again, or allow more time: --timeout 60s"),
            ClientError::Decode(reason) => Self::new(
                Exit::Failed,
                "unreadable",
                format!("{host} answered something this version cannot read: {reason}."),
            )
            .hint("Is it an ajet-chat server, and not newer than this program?"),
            ClientError::Setup(reason) => Self::usage(sentence(&reason)),
        }
    }

    fn from_problem(problem: &Problem, host: &str) -> Self {
        let exit = match problem.status {
            401 => Exit::SignedOut,
            403 => Exit::Forbidden,
            404 => Exit::NotFound,
            400..=428 => Exit::Refused,
            429 => Exit::RateLimited,
            502..=504 => Exit::Unreachable,
            _ => Exit::Failed,
        };
        let mut error = match exit {
            Exit::SignedOut => Self::signed_out(host),
            Exit::RateLimited => Self::new(exit, "", "Too many requests in a short time.").hint(
                match problem.retry_after {
                    Some(1) => "Try again in a second.".to_owned(),
                    Some(seconds) => format!("Try again in {seconds} seconds."),
                    None => "Try again in a moment.".to_owned(),
                },
            ),
            _ => Self::new(exit, "", sentence(&problem.to_string())),
        };
        error.code = problem.slug().replace('-', "_");
        error.trace_id.clone_from(&problem.trace_id);
        error
    }

    /// Writes the error to standard error, as text or as JSON.
    pub(crate) fn report(&self, json: bool, paint: Paint) {
        if matches!(self.exit, Exit::Done | Exit::Interrupted | Exit::ClosedPipe) {
            return;
        }
        if json {
            eprintln!("{}", self.to_json());
        } else {
            eprint!("{}", self.to_text(paint));
        }
    }

    fn to_json(&self) -> String {
        #[derive(Serialize)]
        struct Body<'a> {
            code: &'a str,
            exit: u8,
            message: &'a str,
            hint: Option<String>,
            trace_id: Option<&'a str>,
        }
        #[derive(Serialize)]
        struct Outer<'a> {
            error: Body<'a>,
        }
        let hint = (!self.hints.is_empty()).then(|| self.hints.join("\n"));
        let body = Body {
            code: &self.code,
            exit: self.exit as u8,
            message: &self.message,
            hint,
            trace_id: self.trace_id.as_deref(),
        };
        json_safe(&serde_json::to_string(&Outer { error: body }).unwrap_or_default()).into_owned()
    }

    fn to_text(&self, paint: Paint) -> String {
        let mut text = format!("{} {}\n", paint.red("✗"), terminal_safe(&self.message));
        for line in self.hints.iter().flat_map(|hint| hint.lines()) {
            let _ = writeln!(text, "  {}", terminal_line(line));
        }
        if let Some(trace) = &self.trace_id {
            let _ = writeln!(text, "  {}", paint.dim(&format!("trace {}", terminal_line(trace))));
        }
        text
    }
}

/// A reason as a sentence: a capital at the start, a full stop at the end.
pub(crate) fn sentence(text: &str) -> String {
    let text = text.trim();
    let mut chars = text.chars();
    let mut sentence: String =
        chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default();
    if !sentence.ends_with(['.', '?', '!', '…']) {
        sentence.push('.');
    }
    sentence
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exit(status: u16) -> u8 {
        CliError::from_client(
            ClientError::Problem(Box::new(Problem::new(status, "x-y", "No"))),
            "h",
        )
        .exit as u8
    }

    #[test]
    fn each_status_has_its_exit_code() {
        let cases = [
            (400, 7),
            (401, 4),
            (403, 5),
            (404, 6),
            (409, 7),
            (410, 7),
            (413, 7),
            (422, 7),
            (429, 8),
            (500, 1),
            (502, 9),
            (503, 9),
            (504, 9),
        ];
        for (status, code) in cases {
            assert_eq!(exit(status), code, "{status}");
        }
    }

    #[test]
    fn the_form_is_sign_reason_hint_trace() {
        let mut problem = Problem::new(403, "missing-role", "Not allowed")
            .with_detail("only admins may do this\x1b[2J");
        problem.trace_id = Some("t1".to_owned());
        let error = CliError::from_client(ClientError::Problem(Box::new(problem)), "h")
            .hint("ask an admin");
        assert_eq!(
            error.to_text(Paint::OFF),
            "✗ Only admins may do this␛[2J.\n  ask an admin\n  trace t1\n"
        );
        assert_eq!(
            error.to_json(),
            r#"{"error":{"code":"missing_role","exit":5,"message":"Only admins may do this\u001b[2J.","hint":"ask an admin","trace_id":"t1"}}"#
        );
    }
}
