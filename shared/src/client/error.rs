//! What can go wrong with a call.

use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::{HeaderMap, HeaderName, RETRY_AFTER};

use super::TRACE_HEADER;
use crate::problem::Problem;

/// A call that failed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ClientError {
    /// The server answered, and the answer is no.
    #[error("{0}")]
    Problem(Box<Problem>),
    /// No server took the connection, or it broke off.
    #[error("not reachable: {0}")]
    Unreachable(String),
    /// No answer in time.
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    /// The answer is not what it should be: another version, or something else than ajet-chat.
    #[error("the answer cannot be read: {0}")]
    Decode(String),
    /// The client cannot be made like this.
    #[error("{0}")]
    Setup(String),
}

impl ClientError {
    /// The status of the answer, if there was one.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Problem(problem) => Some(problem.status),
            _ => None,
        }
    }

    pub(super) fn transport(error: &reqwest::Error, timeout: Duration) -> Self {
        if error.is_timeout() && !error.is_connect() {
            Self::Timeout(timeout)
        } else {
            Self::Unreachable(reason(error))
        }
    }
}

impl From<ClientError> for Problem {
    /// What a session manager answers when its call to the api failed.
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::Problem(problem) => *problem,
            ClientError::Unreachable(_) | ClientError::Timeout(_) => Self::unavailable(),
            ClientError::Decode(_) | ClientError::Setup(_) => Self::internal(),
        }
    }
}

/// Why a connection failed, in the words of people where the cause is a common one.
fn reason(error: &reqwest::Error) -> String {
    let innermost = innermost(error);
    if innermost.contains("failed to lookup") || innermost.contains("Name or service not known") {
        return "there is no such host".to_owned();
    }
    if error.is_timeout() {
        return "the connection timed out".to_owned();
    }
    // `Connection refused (os error 111)`: the number says nothing to people.
    innermost.split(" (os error").next().unwrap_or_default().to_lowercase()
}

/// The last error of the chain, which names the cause.
pub(super) fn innermost(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

/// The problem an answer describes, or one made from its status when something between us and the server answered.
pub(super) fn problem(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Problem {
    let mut problem = serde_json::from_slice::<Problem>(body).unwrap_or_else(|_| {
        let (slug, title) = match status.as_u16() {
            401 => ("unauthenticated", "Sign in first"),
            403 => ("forbidden", "Not allowed"),
            404 => ("not-found", "Not found"),
            429 => ("rate-limited", "Too many requests"),
            502..=504 => ("unavailable", "The service cannot answer right now"),
            _ => ("unexpected", "The server gave an answer that was not expected"),
        };
        Problem::new(status.as_u16(), slug, title)
            .with_detail(format!("The server answered {status}."))
    });
    problem.status = status.as_u16();
    problem.trace_id = problem.trace_id.or_else(|| text(headers, &TRACE_HEADER).map(str::to_owned));
    problem.retry_after = problem
        .retry_after
        .or_else(|| text(headers, &RETRY_AFTER).and_then(|seconds| seconds.parse().ok()));
    problem
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_of_something_else_is_a_problem_too() {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, "7".parse().unwrap());
        headers.insert(TRACE_HEADER, "abc".parse().unwrap());
        let made = problem(StatusCode::BAD_GATEWAY, &headers, b"<html>502</html>");
        assert_eq!(
            (made.slug(), made.retry_after, made.trace_id.as_deref()),
            ("unavailable", Some(7), Some("abc"))
        );
        let ours = serde_json::to_vec(&Problem::not_found()).unwrap();
        assert_eq!(problem(StatusCode::NOT_FOUND, &HeaderMap::new(), &ours), Problem::not_found());
    }
}
