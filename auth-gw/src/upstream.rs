//! The services behind the gateway: connections, taking turns, stepping over one that is away.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use http::uri::{Authority, PathAndQuery, Scheme};
use http::{Method, Uri, Version, request};
use http_body_util::BodyExt as _;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{Client, Error};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use url::Url;

use crate::body::{Body, Lender, Progress, Watched};

/// An upstream that does not accept within this time is away.
const CONNECT_WITHIN: Duration = Duration::from_secs(1);
/// One that refused a connection is stepped over for this long.
const AWAY_FOR: Duration = Duration::from_millis(500);
/// Idle connections are let go before the services close them (after 10 s), so that no request meets a closing one.
const IDLE: Duration = Duration::from_secs(5);
/// Nothing moves, neither the request's body nor an answer: the upstream hangs.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// A client sends no byte of its body for this long. Source: delivery-and-security.md section 3.5.
pub(crate) const BODY_IDLE: Duration = Duration::from_secs(15);

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum ForwardError {
    /// Nobody there: 503.
    Away,
    /// The client stopped sending its body: 408.
    Stalled,
}

/// Connections to all services.
pub(crate) type HttpClient = Client<HttpConnector, Body>;

/// The client for all upstreams.
pub(crate) fn client() -> HttpClient {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    connector.set_connect_timeout(Some(CONNECT_WITHIN));
    Client::builder(TokioExecutor::new())
        .pool_idle_timeout(IDLE)
        .pool_timer(TokioTimer::new())
        .timer(TokioTimer::new())
        .build(connector)
}

/// The instances of one service.
pub(crate) struct Upstreams {
    name: &'static str,
    instances: Vec<Instance>,
    next: AtomicUsize,
    client: HttpClient,
    failures: Arc<AtomicU64>,
}

struct Instance {
    authority: Authority,
    away_until: Mutex<Option<Instant>>,
}

impl Instance {
    fn is_away(&self) -> bool {
        self.away_until
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .is_some_and(|until| Instant::now() < until)
    }

    fn set_away(&self, until: Option<Instant>) {
        *self.away_until.lock().unwrap_or_else(PoisonError::into_inner) = until;
    }
}

impl Upstreams {
    /// Instances at these addresses.
    pub(crate) fn new(
        name: &'static str,
        urls: &[Url],
        client: HttpClient,
        failures: Arc<AtomicU64>,
    ) -> anyhow::Result<Self> {
        let authority = |url: &Url| -> anyhow::Result<Authority> {
            let host = url.host_str().unwrap_or_default();
            Ok(format!("{host}:{}", url.port_or_known_default().unwrap_or(80)).parse()?)
        };
        let instances = urls
            .iter()
            .map(|url| Ok(Instance { authority: authority(url)?, away_until: Mutex::default() }))
            .collect::<anyhow::Result<_>>()?;
        Ok(Self { name, instances, next: AtomicUsize::new(0), client, failures })
    }

    /// Sends a request to an instance; one that cannot be connected to is stepped over.
    pub(crate) async fn forward(
        &self,
        head: &request::Parts,
        body: Body,
    ) -> Result<http::Response<Body>, ForwardError> {
        let (watched, progress) = Watched::new(body, BODY_IDLE);
        let lender = Lender::new(watched.boxed_unsync());
        let mut tries = self.in_turn();
        // A request that changes nothing may be repeated when the connection broke before any answer (a restart of the instance).
        let repeatable = matches!(head.method, Method::GET | Method::HEAD);
        let mut repeated = false;
        while let Some(instance) = tries.pop() {
            let request = inner_request(instance, head, lender.lend());
            let error = match answer_in_time(self.client.request(request), &progress).await {
                Some(Ok(response)) => {
                    instance.set_away(None);
                    return Ok(response.map(|body| body.map_err(Into::into).boxed_unsync()));
                }
                Some(Err(error)) => error,
                None => {
                    tracing::warn!(upstream = self.name, instance = %instance.authority, "no answer in time");
                    break;
                }
            };
            if progress.stalled() {
                return Err(ForwardError::Stalled);
            }
            if error.is_connect() {
                tracing::debug!(upstream = self.name, instance = %instance.authority, %error, "cannot connect");
                instance.set_away(Some(Instant::now() + AWAY_FOR));
            } else if repeatable && !repeated {
                repeated = true;
                tries.insert(0, instance);
            } else {
                tracing::warn!(upstream = self.name, instance = %instance.authority, error = chain(&error), "broke off");
                break;
            }
            if !lender.is_untouched() {
                break;
            }
        }
        self.failures.fetch_add(1, Ordering::Relaxed);
        Err(ForwardError::Away)
    }

    /// The instances in the order in which to take them from the end: in turn, those that are away last.
    fn in_turn(&self) -> Vec<&Instance> {
        let count = self.instances.len();
        let first = self.next.fetch_add(1, Ordering::Relaxed);
        let (mut here, mut away) = (Vec::with_capacity(count), Vec::new());
        for offset in 0..count {
            let instance = &self.instances[first.wrapping_add(offset) % count];
            if instance.is_away() { away.push(instance) } else { here.push(instance) }
        }
        here.append(&mut away);
        here.reverse();
        here
    }
}

/// The request for one instance.
fn inner_request(instance: &Instance, head: &request::Parts, body: Body) -> http::Request<Body> {
    let mut request = http::Request::new(body);
    *request.method_mut() = head.method.clone();
    *request.version_mut() = Version::HTTP_11;
    *request.headers_mut() = head.headers.clone();
    let target =
        head.uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
    let mut uri = http::uri::Parts::default();
    uri.scheme = Some(Scheme::HTTP);
    uri.authority = Some(instance.authority.clone());
    uri.path_and_query = Some(target);
    // All three parts are there, which is all that can be wrong.
    *request.uri_mut() = Uri::from_parts(uri).unwrap_or_default();
    request
}

/// Waits for an answer as long as something moves.
async fn answer_in_time<T>(
    answer: impl Future<Output = Result<T, Error>>,
    progress: &Progress,
) -> Option<Result<T, Error>> {
    tokio::pin!(answer);
    loop {
        // A client may be slow with its body; its silence is judged by the body itself.
        let patience =
            if progress.is_finished() { ANSWER_WITHIN } else { ANSWER_WITHIN + BODY_IDLE };
        let until = progress.last() + patience;
        if Instant::now() >= until {
            return None;
        }
        if let Ok(answer) = tokio::time::timeout_at(until.into(), &mut answer).await {
            return Some(answer);
        }
    }
}

/// An error with its causes, for the log.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn upstreams() -> Upstreams {
        let urls: Vec<Url> =
            (1..=3).map(|port| format!("http://127.0.0.1:{port}").parse().unwrap()).collect();
        Upstreams::new("test", &urls, client(), Arc::default()).unwrap()
    }

    fn ports(instances: &[&Instance]) -> Vec<u16> {
        instances.iter().rev().map(|instance| instance.authority.port_u16().unwrap()).collect()
    }

    #[tokio::test]
    async fn instances_take_turns_and_those_away_come_last() {
        let upstreams = upstreams();
        assert_eq!(ports(&upstreams.in_turn()), [1, 2, 3]);
        assert_eq!(ports(&upstreams.in_turn()), [2, 3, 1]);
        upstreams.instances[2].set_away(Some(Instant::now() + AWAY_FOR));
        assert_eq!(ports(&upstreams.in_turn()), [1, 2, 3]);
        assert_eq!(ports(&upstreams.in_turn()), [1, 2, 3], "starts behind the one that is away");
    }

    #[tokio::test]
    async fn nobody_there_is_said_at_once() {
        let (head, ()) = http::Request::get("/x").body(()).unwrap().into_parts();
        let began = Instant::now();
        assert!(matches!(
            upstreams().forward(&head, crate::body::empty()).await,
            Err(ForwardError::Away)
        ));
        assert!(began.elapsed() < Duration::from_secs(2));
    }
}
