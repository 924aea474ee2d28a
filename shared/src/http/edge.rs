//! The way in from the gateway: its secret, the trace id, the client's address.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tracing::Instrument;

use crate::id::EventId;
use crate::problem::Problem;
use crate::secret::Secret;

/// Proves that a request came through the gateway (delivery-and-security.md section 3.5).
pub const EDGE_HEADER: &str = "x-ajet-edge";
/// Finds one request in the logs of all services (requirements A6).
pub const TRACE_HEADER: &str = "x-trace-id";
/// The client's address as the gateway saw it.
pub const CLIENT_IP_HEADER: &str = "x-ajet-client-ip";

/// The secret that internal listeners demand.
#[derive(Clone, Debug)]
pub struct Edge(Arc<Secret>);

impl Edge {
    /// Guards with this secret.
    #[must_use]
    pub fn new(secret: Secret) -> Self {
        Self(Arc::new(secret))
    }

    /// Compares in a time that does not depend on where the texts differ.
    #[must_use]
    pub fn admits(&self, given: &[u8]) -> bool {
        let secret = self.0.expose().as_bytes();
        secret.len() == given.len()
            && secret.iter().zip(given).fold(0_u8, |differ, (a, b)| differ | (a ^ b)) == 0
    }
}

/// Middleware: refuses requests that did not come through the gateway.
pub async fn edge_only(State(edge): State<Edge>, request: Request, next: Next) -> Response {
    let admitted =
        request.headers().get(EDGE_HEADER).is_some_and(|given| edge.admits(given.as_bytes()));
    if admitted {
        next.run(request).await
    } else {
        Problem::new(403, "forbidden", "Only through the gateway")
            .with_detail("This address takes requests from the gateway only; call the public URL.")
            .into_response()
    }
}

tokio::task_local! {
    static CURRENT: TraceId;
}

/// The id of one request through all services.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceId(String);

impl TraceId {
    /// A new one.
    #[must_use]
    pub fn generate() -> Self {
        Self(EventId::new().uuid().simple().to_string())
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The id of the request that this task serves.
    #[must_use]
    pub fn current() -> Option<String> {
        CURRENT.try_with(|trace| trace.0.clone()).ok()
    }

    fn of(request: &Request) -> Self {
        request
            .headers()
            .get(TRACE_HEADER)
            .and_then(|value| value.to_str().ok())
            .filter(|text| {
                text.len() <= 64 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            })
            .map_or_else(Self::generate, |text| Self(text.to_owned()))
    }
}

/// Middleware: takes the trace id of the gateway (or makes one), logs the request and answers with the id.
///
/// Logs hold the method, the path without its query, the status and the time: no bodies, no credentials.
pub async fn trace(request: Request, next: Next) -> Response {
    let trace = TraceId::of(&request);
    let span = tracing::info_span!("request", trace_id = trace.as_str());
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let started = std::time::Instant::now();
    let serve = async {
        let mut response = next.run(request).await;
        let ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let status = response.status().as_u16();
        if status >= 500 {
            tracing::warn!(%method, path, status, ms, "answered");
        } else {
            tracing::debug!(%method, path, status, ms, "answered");
        }
        if let Ok(value) = trace.as_str().parse() {
            response.headers_mut().insert(TRACE_HEADER, value);
        }
        response
    };
    CURRENT.scope(trace.clone(), serve).instrument(span).await
}
