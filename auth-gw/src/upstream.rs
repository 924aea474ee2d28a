//! The services behind the gateway: connections, taking turns or keeping to one, stepping over one that is away.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use http::uri::{Authority, PathAndQuery, Scheme};
use http::{Uri, Version, request};
use http_body_util::BodyExt as _;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{Client, Error};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::time::Instant;
use url::Url;
use uuid::Uuid;

use crate::body::{self, Body, Lender, Progress, Watched};
use crate::instance::{Condition, Instance};

/// An upstream that does not accept within this time is away.
const CONNECT_WITHIN: Duration = Duration::from_secs(1);
/// A connection that is silent for this long is asked whether the instance is there. Source: delivery-and-security.md section 2.6.
const KEEP_ALIVE: Duration = Duration::from_secs(20);
/// What is kept of an answer whose client is slow.
const BUFFER_BYTES: usize = 64 * 1024;
/// Idle connections are let go before the services close them (after 10 s), so that no request meets a closing one.
const IDLE: Duration = Duration::from_secs(5);
/// Nothing moves, neither the request's body nor an answer: the upstream hangs.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// How often it is looked at whether anything has moved.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How often each instance is asked whether it takes requests.
const ASK_EVERY: Duration = Duration::from_secs(1);
/// One that says nothing for this long hangs.
const ASK_PATIENCE: Duration = Duration::from_secs(2);
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
    // A stream of an instance whose machine is gone would stay open for ever.
    connector.set_keepalive(Some(KEEP_ALIVE));
    connector.set_keepalive_interval(Some(KEEP_ALIVE / 4));
    connector.set_keepalive_retries(Some(3));
    Client::builder(TokioExecutor::new())
        .http1_max_buf_size(BUFFER_BYTES)
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

/// Why an instance gave no answer.
enum Failure {
    /// The request never left: it may go anywhere, whatever it does.
    NotSent(Error),
    /// The connection broke after the request had begun to leave: nobody knows what has become of it.
    BrokeOff(Error),
    /// Nothing comes.
    NoAnswer,
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
            .map(|url| Ok(Instance::new(authority(url)?)))
            .collect::<anyhow::Result<_>>()?;
        Ok(Self { name, instances, next: AtomicUsize::new(0), client, failures })
    }

    /// Sends a request to an instance. One that did not get it is stepped over; a request that may be made twice (RFC 9110 section
    /// 9.2.2) goes to one more when its connection broke before any answer, or nothing came. Never any other: what it did is not known.
    ///
    /// With `home` all requests that have it in common go to the same instance while that is there, from every gateway.
    pub(crate) async fn forward(
        &self,
        head: &request::Parts,
        body: Body,
        home: Option<Uuid>,
    ) -> Result<http::Response<Body>, ForwardError> {
        let (watched, progress) = Watched::new(body, BODY_IDLE);
        let lender = Lender::new(watched.boxed_unsync());
        let mut tries = self.tries(home);
        let mut repeatable = head.method.is_idempotent();
        while let Some(instance) = tries.pop() {
            let request = inner_request(instance, head, lender.lend());
            let turning = (repeatable && !tries.is_empty()).then_some(&lender);
            let failure = match self.ask(instance, request, &progress, turning).await {
                Ok(response) => return Ok(response),
                Err(failure) => failure,
            };
            if progress.stalled() {
                return Err(ForwardError::Stalled);
            }
            self.note(instance, &failure);
            if !matches!(failure, Failure::NotSent(_)) && !std::mem::take(&mut repeatable) {
                break;
            }
            if matches!(failure, Failure::BrokeOff(_)) {
                // Last of all to the same one, which may have been started again by then.
                tries.insert(0, instance);
            }
            if !lender.is_untouched() {
                break;
            }
        }
        self.failures.fetch_add(1, Ordering::Relaxed);
        Err(ForwardError::Away)
    }

    /// One try. With `turning` it ends as soon as the instance is found to hang, if the body can still be sent to another.
    async fn ask(
        &self,
        instance: &Instance,
        request: http::Request<Body>,
        progress: &Progress,
        turning: Option<&Lender>,
    ) -> Result<http::Response<Body>, Failure> {
        let answer = tokio::select! {
            answer = answer_in_time(self.client.request(request), progress) => answer,
            () = silent(instance, turning) => None,
        };
        match answer {
            Some(Ok(response)) => {
                instance.answered();
                Ok(response.map(|body| body.map_err(Into::into).boxed_unsync()))
            }
            Some(Err(error)) if was_not_sent(&error) => Err(Failure::NotSent(error)),
            Some(Err(error)) => Err(Failure::BrokeOff(error)),
            None => Err(Failure::NoAnswer),
        }
    }

    /// Remembers a failure, and says so in the log.
    fn note(&self, instance: &Instance, failure: &Failure) {
        let (upstream, address) = (self.name, &instance.authority);
        match failure {
            Failure::NotSent(error) => {
                instance.refused();
                tracing::debug!(upstream, instance = %address, error = chain(error), "takes no request");
            }
            Failure::BrokeOff(error) => {
                tracing::warn!(upstream, instance = %address, error = chain(error), "broke off");
            }
            Failure::NoAnswer => {
                instance.hung();
                tracing::warn!(upstream, instance = %address, "no answer in time");
            }
        }
    }

    /// Asks every instance for its readiness again and again.
    pub(crate) async fn watch(&self) {
        futures::future::join_all(self.instances.iter().map(async |instance| {
            loop {
                let condition = self.condition(instance).await;
                if instance.is_in(condition) {
                    tracing::info!(upstream = self.name, instance = %instance.authority, ?condition, "changed");
                }
                tokio::time::sleep(ASK_EVERY).await;
            }
        }))
        .await;
    }

    async fn condition(&self, instance: &Instance) -> Condition {
        let mut request = http::Request::new(body::empty());
        *request.uri_mut() = uri(instance, PathAndQuery::from_static("/readyz"));
        match tokio::time::timeout(ASK_PATIENCE, self.client.request(request)).await {
            Ok(Ok(answer)) if answer.status().is_success() => Condition::Ready,
            Ok(_) => Condition::Unready,
            Err(_) => Condition::Silent,
        }
    }

    /// The instances in the order in which to take them from the end: at home or in turn, those that are away last.
    fn tries(&self, home: Option<Uuid>) -> Vec<&Instance> {
        let order = match home {
            Some(home) => self.near(home),
            None => self.in_turn(),
        };
        let (here, mut tries): (Vec<_>, Vec<_>) = order
            .into_iter()
            .rev()
            .map(|place| &self.instances[place])
            .partition(|instance| !instance.is_away());
        tries.extend(here);
        tries
    }

    fn in_turn(&self) -> Vec<usize> {
        let count = self.instances.len();
        let first = self.next.fetch_add(1, Ordering::Relaxed);
        (0..count).map(|offset| first.wrapping_add(offset) % count).collect()
    }

    /// By rendezvous: each instance draws a number for this home, and the highest wins. When one goes away only its own move, and each of
    /// them to where every other gateway sends it. Instances draw by their places in the list, which are the same for all gateways, while
    /// addresses may differ.
    fn near(&self, home: Uuid) -> Vec<usize> {
        let mut places: Vec<usize> = (0..self.instances.len()).collect();
        places.sort_by_key(|place| std::cmp::Reverse(drawn(home, *place as u64)));
        places
    }
}

/// The number that the instance at this place draws. It must stay the same from build to build, so it is made here.
fn drawn(home: Uuid, place: u64) -> u64 {
    // The finalizer of SplitMix64.
    let mix = |number: u64| {
        let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        number ^ (number >> 31)
    };
    let (high, low) = home.as_u64_pair();
    mix(high ^ mix(low ^ mix(place + 1)))
}

/// The request for one instance.
fn inner_request(instance: &Instance, head: &request::Parts, body: Body) -> http::Request<Body> {
    let mut request = http::Request::new(body);
    *request.method_mut() = head.method.clone();
    *request.version_mut() = Version::HTTP_11;
    *request.headers_mut() = head.headers.clone();
    let target =
        head.uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
    *request.uri_mut() = uri(instance, target);
    request
}

fn uri(instance: &Instance, target: PathAndQuery) -> Uri {
    let mut uri = http::uri::Parts::default();
    uri.scheme = Some(Scheme::HTTP);
    uri.authority = Some(instance.authority.clone());
    uri.path_and_query = Some(target);
    // All three parts are there, which is all that can be wrong.
    Uri::from_parts(uri).unwrap_or_default()
}

/// Waits until the instance is found to hang while the body is still whole; for ever where nothing could be done about it.
async fn silent(instance: &Instance, turning: Option<&Lender>) {
    instance.fallen_silent().await;
    if !turning.is_some_and(Lender::is_untouched) {
        std::future::pending::<()>().await;
    }
}

/// No byte of the request has left: there was no connection, or it was found closed before it was used.
fn was_not_sent(error: &Error) -> bool {
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        if error.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_canceled) {
            return true;
        }
        cause = error.source();
    }
    error.is_connect()
}

/// Waits for an answer as long as something moves.
async fn answer_in_time<T>(
    answer: impl Future<Output = Result<T, Error>>,
    progress: &Progress,
) -> Option<Result<T, Error>> {
    tokio::pin!(answer);
    let began = Instant::now();
    loop {
        // A client may be slow with its body; its silence is judged by the body itself.
        let patience =
            if progress.is_finished() { ANSWER_WITHIN } else { ANSWER_WITHIN + BODY_IDLE };
        let until = progress.last().max(began) + patience;
        if Instant::now() >= until {
            return None;
        }
        // Meanwhile the rest of the body may have come, after which patience is shorter.
        let look = until.min(Instant::now() + LOOK_EVERY);
        if let Ok(answer) = tokio::time::timeout_at(look, &mut answer).await {
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
mod tests;
