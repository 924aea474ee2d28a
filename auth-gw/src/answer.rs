//! Answers of the gateway itself: problems, pages, redirects, and the headers every answer carries.

use ajet_shared::http::TRACE_HEADER;
use ajet_shared::problem::Problem;
use ajet_shared::verify::VerifyError;
use http::header::{self, HeaderName, HeaderValue};
use http::{HeaderMap, StatusCode};

use crate::body::{Body, empty, full};
use crate::hook;
use crate::limits::Verdict;
use crate::pages;
use crate::visit::Visit;

/// An answer on its way out.
pub(crate) type Response = http::Response<Body>;

/// What a handler gives: an answer, or why there is none.
pub(crate) type Answer = Result<Response, Failure>;

/// Why a request is not served. Becomes a problem, or a page for people.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) problem: Box<Problem>,
    pub(crate) headers: HeaderMap,
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self { problem: Box::new(problem), headers: HeaderMap::new() }
    }
}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        if ajet_shared::db::is_unavailable(&error) {
            tracing::warn!(%error, "the database does not answer");
            Problem::unavailable().into()
        } else {
            tracing::error!(%error, "database");
            Problem::internal().into()
        }
    }
}

impl From<VerifyError> for Failure {
    fn from(error: VerifyError) -> Self {
        if error.is_unavailable() {
            tracing::warn!(%error, "the database does not answer");
            Problem::unavailable().into()
        } else {
            tracing::error!(%error, "cannot verify a token");
            Problem::internal().into()
        }
    }
}

impl From<askama::Error> for Failure {
    fn from(error: askama::Error) -> Self {
        tracing::error!(%error, "template");
        Problem::internal().into()
    }
}

impl Failure {
    /// 400 with a sentence.
    pub(crate) fn bad_request(detail: &str) -> Self {
        Problem::new(400, "invalid-request", "The request cannot be read")
            .with_detail(detail)
            .into()
    }

    /// 403: the request does not come from our own page.
    pub(crate) fn csrf(detail: &str) -> Self {
        Problem::new(403, "csrf", "This request did not come from the page it should come from")
            .with_detail(detail)
            .into()
    }

    /// 429 with how long to wait.
    pub(crate) fn limited(verdict: &Verdict) -> Self {
        let seconds = verdict.wait_seconds().max(1);
        let mut failure = Self::from(Problem::rate_limited(verdict.policy.name(), seconds));
        limit_headers(&mut failure.headers, verdict);
        failure
    }

    /// 405 with what is allowed.
    pub(crate) fn method(allowed: &'static str) -> Self {
        let mut failure =
            Self::from(Problem::new(405, "method-not-allowed", "This method is not possible here"));
        failure.headers.insert(header::ALLOW, HeaderValue::from_static(allowed));
        failure
    }

    /// Also sends this header.
    pub(crate) fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.append(name, value);
        self
    }

    /// The answer: a page for somebody at a browser, a problem for a program.
    pub(crate) fn into_response(mut self, visit: &Visit) -> Response {
        self.problem.trace_id = Some(visit.trace.as_str().to_owned());
        let mut response = if hook::is_hook(&visit.path) {
            hook::refusal(&visit.path, &self.problem)
        } else if visit.wants_page {
            pages::failure(&self.problem).unwrap_or_else(|_| problem(&self.problem))
        } else {
            problem(&self.problem)
        };
        if let Some(seconds) = self.problem.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response.headers_mut().extend(self.headers);
        response
    }
}

/// 401: no valid credentials.
pub(crate) fn unauthenticated() -> Failure {
    Failure::from(Problem::unauthenticated())
        .with_header(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
}

/// A problem as JSON.
pub(crate) fn problem(problem: &Problem) -> Response {
    let body = serde_json::to_vec(problem).unwrap_or_default();
    let mut response = http::Response::new(full(body));
    *response.status_mut() =
        StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    response
}

/// The `RateLimit` fields.
pub(crate) fn limit_headers(headers: &mut HeaderMap, verdict: &Verdict) {
    let fields =
        [("ratelimit-policy", verdict.policy_field()), ("ratelimit", verdict.state_field())];
    for (name, value) in fields {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.append(HeaderName::from_static(name), value);
        }
    }
}

/// 204.
pub(crate) fn no_content() -> Response {
    let mut response = http::Response::new(empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

/// 200 with JSON.
pub(crate) fn json(value: &impl serde::Serialize) -> Response {
    let mut response = http::Response::new(full(serde_json::to_vec(value).unwrap_or_default()));
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// 303 to an address that has been made or checked here.
pub(crate) fn see_other(location: &str) -> Answer {
    let mut response = http::Response::new(empty());
    *response.status_mut() = StatusCode::SEE_OTHER;
    let location = HeaderValue::try_from(location).map_err(|_| Problem::internal())?;
    response.headers_mut().insert(header::LOCATION, location);
    Ok(response)
}

/// The headers every answer carries (delivery-and-security.md section 3.9), where the answer does not have its own.
pub(crate) fn finish(response: &mut Response, trace: &str, secure: bool) {
    const DEFAULTS: [(HeaderName, &str); 9] = [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (
            HeaderName::from_static("permissions-policy"),
            "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
        ),
        (header::X_FRAME_OPTIONS, "DENY"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
        ),
        (header::CACHE_CONTROL, "no-store"),
        (header::VARY, "Cookie, Authorization"),
    ];
    let headers = response.headers_mut();
    for (name, value) in DEFAULTS {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    if secure {
        headers
            .entry(header::STRICT_TRANSPORT_SECURITY)
            .or_insert(HeaderValue::from_static("max-age=31536000; includeSubDomains"));
    }
    if let Ok(trace) = HeaderValue::from_str(trace) {
        headers.insert(HeaderName::from_static(TRACE_HEADER), trace);
    }
}
