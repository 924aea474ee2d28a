//! The way in from the gateway: its secret, the trace id, the client's address.

use std::sync::Arc;

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tracing::Instrument;
use uuid::Uuid;

use crate::id::EventId;
use crate::problem::Problem;
use crate::secret::Secret;

/// Proves that a request came through the gateway (delivery-and-security.md section 3.5).
pub const EDGE_HEADER: &str = "x-ajet-edge";
/// Finds one request in the logs of all services (requirements A6).
pub const TRACE_HEADER: &str = "x-trace-id";
/// The client's address as the gateway saw it.
pub const CLIENT_IP_HEADER: &str = "x-ajet-client-ip";

/// Marks a refusal by an instance that serves nobody yet: nothing was done, and another instance may do it.
pub const UNREADY_HEADER: &str = "x-ajet-unready";

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

/// A path for the log: the words of its route and ids. What else it holds may be a channel's name or a webhook's token.
fn loggable(route: Option<&str>, path: &str) -> String {
    let mut words = route.unwrap_or_default().split('/');
    let shown = path.split('/').map(|segment| {
        let is_word = words.next() == Some(segment);
        let is_id = segment.len() == 36 && Uuid::try_parse(segment).is_ok();
        if is_word || is_id { segment } else { "*" }
    });
    shown.collect::<Vec<_>>().join("/")
}

/// Middleware: takes the trace id of the gateway (or makes one), logs the request and answers with the id.
///
/// Logs hold the method, the path without its query, names and secrets, the status and the time: no bodies, no credentials.
pub async fn trace(request: Request, next: Next) -> Response {
    let trace = TraceId::of(&request);
    let span = tracing::info_span!("request", trace_id = trace.as_str());
    let matched = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    let (method, path) = (request.method().clone(), loggable(matched, request.uri().path()));
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

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::body::Body;
    use axum::middleware::from_fn;
    use axum::routing::get;
    use tower::ServiceExt as _;

    use super::*;

    #[test]
    fn names_and_secrets_in_paths_are_not_logged() {
        let id = "0198c0de-0000-7000-8000-000000000001";
        let cases = [
            (Some("/api/me"), "/api/me".to_owned(), "/api/me".to_owned()),
            (
                Some("/c/{slug}/channels/{name}"),
                "/c/labs/channels/plans".to_owned(),
                "/c/*/channels/*".to_owned(),
            ),
            (Some("/hook/{id}/{token}"), format!("/hook/{id}/ajw_secret"), format!("/hook/{id}/*")),
            (Some("/assets/{file}"), "/assets/app.css".to_owned(), "/assets/*".to_owned()),
            (None, "/secret/plans".to_owned(), "/*/*".to_owned()),
        ];
        for (route, path, logged) in cases {
            assert_eq!(loggable(route, &path), logged, "{path}");
        }
    }

    #[tokio::test]
    async fn the_route_is_known_where_requests_are_logged() {
        async fn tell(request: Request, _: Next) -> String {
            let matched = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
            loggable(matched, request.uri().path())
        }
        let router = Router::new().route("/c/{slug}", get(|| async {})).layer(from_fn(tell));
        let request = Request::builder().uri("/c/labs").body(Body::empty()).unwrap();
        let body = router.oneshot(request).await.unwrap().into_body();
        assert_eq!(axum::body::to_bytes(body, 100).await.unwrap(), "/c/*");
    }
}
