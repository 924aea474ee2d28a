//! Errors on the wire: RFC 9457 problem details.

use serde::{Deserialize, Serialize};

/// The body of every error answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Problem {
    /// Stable name of the kind, `/problems/<slug>`.
    #[serde(rename = "type")]
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub kind: Box<str>,
    /// The kind in words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What happened here and what to do, one sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// Finds the request in the logs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<String>,
    /// Seconds to wait before trying again; the `Retry-After` header says the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u32>,
    /// The limit that is used up; the `RateLimit` headers say the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub policy: Option<Box<str>>,
}

impl Problem {
    /// A problem of the kind `slug`.
    #[must_use]
    pub fn new(status: u16, slug: &str, title: &str) -> Self {
        Self {
            kind: format!("/problems/{slug}").into(),
            title: title.to_owned(),
            status,
            detail: None,
            trace_id: None,
            retry_after: None,
            policy: None,
        }
    }

    /// With one sentence on this case.
    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// With the seconds to wait.
    #[must_use]
    pub fn with_retry_after(mut self, seconds: u32) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    /// The name of the kind without its prefix.
    #[must_use]
    pub fn slug(&self) -> &str {
        self.kind.strip_prefix("/problems/").unwrap_or(&self.kind)
    }

    /// Something this request needs is down; it comes back by itself.
    #[must_use]
    pub fn unavailable() -> Self {
        Self::new(503, "unavailable", "The service cannot answer right now")
            .with_detail(
                "Part of the server is not reachable. Nothing was lost; try again in a moment.",
            )
            .with_retry_after(crate::limits::RETRY_AFTER_SECONDS)
    }

    /// A limit is used up for so many seconds.
    #[must_use]
    pub fn rate_limited(policy: &str, seconds: u32) -> Self {
        let detail =
            format!("The limit {policy} allows no more right now; try again in {seconds} s.");
        Self {
            policy: Some(policy.into()),
            ..Self::new(429, "rate-limited", "Too many requests")
                .with_detail(detail)
                .with_retry_after(seconds)
        }
    }

    /// There is no such thing, or the caller may not know of it.
    #[must_use]
    pub fn not_found() -> Self {
        Self::new(404, "not-found", "Not found")
    }

    /// No valid credentials came with the request.
    #[must_use]
    pub fn unauthenticated() -> Self {
        Self::new(401, "unauthenticated", "Sign in first")
    }

    /// A bug; its details are in the log under the trace id.
    #[must_use]
    pub fn internal() -> Self {
        Self::new(500, "internal", "Something went wrong")
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.detail.as_deref().unwrap_or(&self.title))
    }
}

impl std::error::Error for Problem {}
