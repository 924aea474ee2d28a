//! The typed client of the HTTP API: session managers call the api with it, the command line the gateway.
//!
//! One [`ApiClient`] holds the pooled connections and is cheap to clone; [`ApiClient::with_token`] and its like give a clone that
//! speaks for somebody. Requests go round the upstreams; one that refuses the connection is passed over.

mod error;
mod events;
mod integrations;
mod moderation;
mod retry;
mod routes;
mod sse;
mod upstream;

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
pub use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
pub use reqwest::{Method, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use url::Url;

pub use error::ClientError;
pub use events::{Events, Received};

use crate::secret::Secret;
use upstream::Upstreams;

/// Proves to a service behind the gateway that the request came through it.
const EDGE_HEADER: HeaderName = HeaderName::from_static("x-ajet-edge");
/// Marks the answer of an instance that has just begun and serves nobody yet.
const UNREADY_HEADER: HeaderName = HeaderName::from_static("x-ajet-unready");
/// Finds one request in the logs of all services.
const TRACE_HEADER: HeaderName = HeaderName::from_static("x-trace-id");
/// How long an idle connection is kept: shorter than our servers wait (10 s), so that no request meets a closing one.
const POOL_IDLE: Duration = Duration::from_secs(8);

/// How a client behaves.
#[derive(Clone, Debug)]
pub struct ClientOptions {
    /// The secret of internal listeners; only for calls behind the gateway.
    pub edge: Option<Secret>,
    /// How the client names itself.
    pub user_agent: &'static str,
    /// An upstream that does not take the connection within this time is passed over.
    pub connect_timeout: Duration,
    /// A request takes no longer.
    pub timeout: Duration,
    /// Whether the proxy settings of the environment hold. Not between our own services.
    pub system_proxy: bool,
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self {
            edge: None,
            user_agent: concat!("ajet/", env!("CARGO_PKG_VERSION")),
            connect_timeout: Duration::from_secs(2),
            timeout: Duration::from_secs(10),
            system_proxy: false,
        }
    }
}

/// Calls the API. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ApiClient {
    connection: Arc<Connection>,
    authorization: Option<HeaderValue>,
    trace: Option<HeaderValue>,
    timeout: Duration,
    retry_until: Option<Instant>,
}

#[derive(Debug)]
struct Connection {
    http: reqwest::Client,
    upstreams: Upstreams,
    edge: Option<HeaderValue>,
}

/// An answer as it came.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

/// A request that is not typed: what `ajet-chat api` sends.
#[derive(Clone, Debug)]
pub struct Call {
    /// The method.
    pub method: Method,
    /// Path and query, from `/`.
    pub path: String,
    /// Further headers.
    pub headers: HeaderMap,
    /// The body, JSON unless a header says otherwise.
    pub body: Option<Bytes>,
    /// It may be sent twice.
    pub repeatable: bool,
}

impl Call {
    /// A call without a body. GET, PUT and HEAD count as repeatable.
    #[must_use]
    pub fn new(method: Method, path: impl Into<String>) -> Self {
        let repeatable = matches!(method, Method::GET | Method::HEAD | Method::PUT);
        Self { method, path: path.into(), headers: HeaderMap::new(), body: None, repeatable }
    }

    /// With this body as JSON.
    #[must_use]
    pub fn json(mut self, body: &impl Serialize) -> Self {
        self.body = serde_json::to_vec(body).ok().map(Bytes::from);
        self
    }

    /// The server recognises a repetition by a key in the body.
    #[must_use]
    pub fn repeatable(mut self) -> Self {
        self.repeatable = true;
        self
    }
}

impl ApiClient {
    /// A client for services behind the gateway: `upstreams` are replicas of one service.
    pub fn new(upstreams: Vec<Url>, edge: Option<Secret>) -> Result<Self, ClientError> {
        Self::with_options(upstreams, &ClientOptions { edge, ..ClientOptions::default() })
    }

    /// A client with its own settings.
    pub fn with_options(upstreams: Vec<Url>, options: &ClientOptions) -> Result<Self, ClientError> {
        if upstreams.is_empty() {
            return Err(ClientError::Setup("no upstream is given".to_owned()));
        }
        let mut builder = reqwest::Client::builder()
            .user_agent(options.user_agent)
            .connect_timeout(options.connect_timeout)
            .pool_idle_timeout(POOL_IDLE)
            .tcp_nodelay(true)
            .tcp_keepalive(Duration::from_secs(20))
            // A token must not follow a redirect to somewhere else.
            .redirect(reqwest::redirect::Policy::none());
        if !options.system_proxy {
            builder = builder.no_proxy();
        }
        let http = builder.build().map_err(|error| ClientError::Setup(error::innermost(&error)))?;
        let edge =
            options.edge.as_ref().map(|secret| secret_header(secret.expose())).transpose()?;
        let connection = Connection { http, upstreams: Upstreams::new(upstreams), edge };
        Ok(Self {
            connection: Arc::new(connection),
            authorization: None,
            trace: None,
            timeout: options.timeout,
            retry_until: None,
        })
    }

    /// The same client, speaking for the owner of a token. A token that cannot be a header is sent as none: the server then says 401.
    #[must_use]
    pub fn with_token(&self, token: &Secret) -> Self {
        Self {
            authorization: secret_header(&format!("Bearer {}", token.expose())).ok(),
            ..self.clone()
        }
    }

    /// The same client with an `Authorization` header as a request brought it.
    #[must_use]
    pub fn with_authorization(&self, header: &HeaderValue) -> Self {
        let mut header = header.clone();
        header.set_sensitive(true);
        Self { authorization: Some(header), ..self.clone() }
    }

    /// The same client, passing on the trace id of a request.
    #[must_use]
    pub fn with_trace(&self, trace_id: &str) -> Self {
        Self { trace: HeaderValue::from_str(trace_id).ok(), ..self.clone() }
    }

    /// The same client with another limit on the time of one request.
    #[must_use]
    pub fn with_timeout(&self, timeout: Duration) -> Self {
        Self { timeout, ..self.clone() }
    }

    /// The same client, repeating what may be repeated: on 429, 502, 503, 504 and when the server is not reached, four tries in all
    /// with growing pauses, never past `deadline` (design/cli.md section 6).
    #[must_use]
    pub fn retrying(&self, deadline: Instant) -> Self {
        Self { retry_until: Some(deadline), ..self.clone() }
    }

    /// The same client, trying once: for those who run on without a deadline and try again themselves.
    #[must_use]
    pub fn trying_once(&self) -> Self {
        Self { retry_until: None, ..self.clone() }
    }

    /// Sends a call and gives the answer as it came, also when it is an error.
    pub async fn send(&self, call: &Call) -> Result<Answer, ClientError> {
        let mut tries = retry::Tries::new(self.retry_until.filter(|_| call.repeatable));
        loop {
            let outcome = self.attempt(call, tries.remaining(self.timeout)).await;
            match tries.pause_after(&outcome) {
                Some(pause) => tokio::time::sleep(pause).await,
                None => return outcome,
            }
        }
    }

    async fn attempt(&self, call: &Call, timeout: Duration) -> Result<Answer, ClientError> {
        let response = self.dispatch(call, Some(timeout)).await?;
        let (status, headers) = (response.status(), response.headers().clone());
        let body =
            response.bytes().await.map_err(|error| ClientError::transport(&error, timeout))?;
        Ok(Answer { status, headers, body })
    }

    /// Sends a call to the next upstream. To the one after that if it takes no connection, or has just begun and serves nobody yet:
    /// nothing was done then, so any call may.
    /// One that may be sent twice goes to another, once, if the connection broke before there was an answer.
    async fn dispatch(
        &self,
        call: &Call,
        timeout: Option<Duration>,
    ) -> Result<reqwest::Response, ClientError> {
        let (mut failure, mut refusal, mut in_doubt) = (None, None, false);
        let mut repeatable = call.repeatable;
        for upstream in self.connection.upstreams.in_turn(Instant::now()) {
            let sent_at = Instant::now();
            let error = match self.request(&upstream.url, call, timeout)?.send().await {
                Ok(response) if response.headers().contains_key(UNREADY_HEADER) => {
                    upstream.refused(Instant::now());
                    refusal = Some(response);
                    continue;
                }
                Ok(response) => {
                    upstream.answered(Instant::now());
                    return Ok(response);
                }
                Err(error) => error,
            };
            in_doubt |= !error.is_connect();
            let goes_on = if error.is_connect() {
                upstream.refused(Instant::now());
                true
            } else if error.is_timeout() {
                // What time the call had is over.
                upstream.left_unanswered(sent_at, Instant::now());
                false
            } else {
                std::mem::take(&mut repeatable)
            };
            failure = Some(ClientError::transport(&error, timeout.unwrap_or(self.timeout)));
            if !goes_on {
                break;
            }
        }
        // What one of them has said is more than that another cannot be reached; but not once another may have done it.
        refusal.filter(|_| !in_doubt).map_or_else(
            || Err(failure.unwrap_or_else(|| ClientError::Setup("no upstream is given".to_owned()))),
            Ok,
        )
    }

    fn request(
        &self,
        upstream: &Url,
        call: &Call,
        timeout: Option<Duration>,
    ) -> Result<reqwest::RequestBuilder, ClientError> {
        // Joined as text: `Url::join` would resolve `..` and an absolute address in the path.
        let address = format!("{}{}", upstream.as_str().trim_end_matches('/'), call.path);
        let url = Url::parse(&address)
            .map_err(|_| ClientError::Setup(format!("{address} is not an address")))?;
        let mut headers = HeaderMap::with_capacity(6);
        if let Some(edge) = &self.connection.edge {
            headers.insert(EDGE_HEADER, edge.clone());
        }
        if let Some(authorization) = &self.authorization {
            headers.insert(AUTHORIZATION, authorization.clone());
        }
        if let Some(trace) = &self.trace {
            headers.insert(TRACE_HEADER, trace.clone());
        }
        if call.body.is_some() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        headers.extend(call.headers.iter().map(|(name, value)| (name.clone(), value.clone())));
        let mut request = self.connection.http.request(call.method.clone(), url).headers(headers);
        if let Some(timeout) = timeout {
            request = request.timeout(timeout);
        }
        if let Some(body) = &call.body {
            request = request.body(body.clone());
        }
        Ok(request)
    }

    /// Sends a call whose answer is JSON.
    async fn json<T: DeserializeOwned>(&self, call: Call) -> Result<T, ClientError> {
        let answer = self.succeed(call).await?;
        serde_json::from_slice(&answer.body).map_err(|error| ClientError::Decode(error.to_string()))
    }

    /// Sends a call whose answer says nothing.
    async fn done(&self, call: Call) -> Result<(), ClientError> {
        self.succeed(call).await.map(drop)
    }

    async fn succeed(&self, call: Call) -> Result<Answer, ClientError> {
        self.send(&call).await?.ok()
    }
}

impl Answer {
    /// The answer, unless it is an error.
    pub fn ok(self) -> Result<Self, ClientError> {
        if self.status.is_success() {
            Ok(self)
        } else {
            Err(ClientError::Problem(Box::new(error::problem(
                self.status,
                &self.headers,
                &self.body,
            ))))
        }
    }
}

fn secret_header(value: &str) -> Result<HeaderValue, ClientError> {
    let mut header = HeaderValue::from_str(value).map_err(|_| {
        ClientError::Setup("a secret holds characters that cannot be sent".to_owned())
    })?;
    header.set_sensitive(true);
    Ok(header)
}

#[cfg(test)]
mod tests;
