//! One request from its head to its answer.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use ajet_shared::http::{Health, TraceId};
use ajet_shared::problem::Problem;
use ajet_shared::verify::Verifier;
use http::header::{self, HeaderName, HeaderValue};
use http::{Method, StatusCode, request};
use http_body_util::BodyExt as _;
use sqlx::PgPool;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::answer::{self, Answer, Failure, Response, limit_headers};
use crate::body::{Body, Gauge, Stream, full};
use crate::config::{Config, Network};
use crate::cookies::Cookies;
use crate::guard::Findings;
use crate::limits::{Limits, Verdict};
use crate::oauth::{self, Provider};
use crate::policy::Policy;
use crate::route::{Route, Service, is_asset, is_stream, loggable, policies};
use crate::upstream::{ForwardError, Upstreams, client};
use crate::visit::{Caller, Credentials, Visit, wants_page};
use crate::{
    address, csrf, edge, forms, hook, invite, setup, sign_in, sign_out, stranger, terminal,
};

/// A page that may not have another stream waits for this long.
const STREAM_RETRY_MS: u32 = 30_000;
/// What it shows meanwhile, in the place where services say something about themselves (`web-sm/templates/fragments/notice.html`).
const TOO_MANY_STREAMS: &str = r#"<div id="banner" role="status"><div class="banner info">Too many pages are open: live updates begin here when there is room. You can keep writing.</div></div>"#;
/// Transactions at once, of the six connections to the database.
const TRANSACTIONS_MAX: usize = 3;
/// How long one waits for its turn: as long as for a connection.
const TURN_WITHIN: Duration = Duration::from_secs(2);

/// Everything the gateway works with.
pub(crate) struct Gateway {
    pub(crate) pool: PgPool,
    /// Turns for [`Self::begin`].
    transactions: Arc<Semaphore>,
    pub(crate) verifier: Verifier,
    pub(crate) providers: Vec<Provider>,
    pub(crate) limits: Arc<Limits>,
    pub(crate) cookies: Cookies,
    /// The authority of the public URL: what `Host` must say.
    pub(crate) host: String,
    /// The origin of the public URL: what `Origin` must say.
    pub(crate) origin: String,
    pub(crate) trusted_proxies: Vec<Network>,
    secure: bool,
    host_value: HeaderValue,
    edge_secret: HeaderValue,
    api: Upstreams,
    web_sm: Upstreams,
    tui_sm: Upstreams,
    counters: Counters,
    health: Health,
    shutdown: CancellationToken,
}

/// What `/metrics` shows.
struct Counters {
    requests: Arc<AtomicU64>,
    refused: Arc<AtomicU64>,
    limited: Arc<AtomicU64>,
    failed: Arc<AtomicU64>,
    streams: Arc<AtomicU64>,
}

impl Gateway {
    /// A gateway of these settings.
    pub(crate) fn new(
        config: &Config,
        pool: PgPool,
        health: &Health,
        shutdown: CancellationToken,
    ) -> anyhow::Result<Self> {
        let origin = config.public_url.origin().ascii_serialization();
        let host = origin.split_once("://").map_or(origin.as_str(), |(_, host)| host).to_owned();
        let secure = config.public_url.scheme() == "https";
        let http = oauth::http_client()?;
        let providers = config
            .providers()?
            .into_iter()
            .map(|settings| Provider::new(settings, &config.public_url, http.clone()))
            .collect::<anyhow::Result<_>>()?;
        let mut edge_secret = HeaderValue::from_str(config.edge_secret.expose())?;
        edge_secret.set_sensitive(true);
        let count = |labels, help| health.counter("ajet_gateway_requests_total", labels, help);
        let counters = Counters {
            requests: count("outcome=\"all\"", "Requests, by outcome."),
            refused: count("outcome=\"refused\"", "Requests, by outcome."),
            limited: count("outcome=\"limited\"", "Requests, by outcome."),
            failed: count("outcome=\"failed\"", "Requests, by outcome."),
            streams: health.gauge("ajet_gateway_open_streams", "", "Streams that are open now."),
        };
        let client = client();
        let upstreams = |name, labels, urls: &[url::Url]| {
            let failures = health.counter(
                "ajet_gateway_upstream_failures_total",
                labels,
                "Requests no instance answered.",
            );
            Upstreams::new(name, urls, client.clone(), failures)
        };
        Ok(Self {
            verifier: Verifier::new(pool.clone()),
            pool,
            transactions: Arc::new(Semaphore::new(TRANSACTIONS_MAX)),
            providers,
            limits: Arc::new(Limits::new(config.limit.clone(), config.limits)),
            cookies: Cookies::new(secure),
            host_value: HeaderValue::from_str(&host)?,
            host,
            origin,
            trusted_proxies: config.trusted_proxies.clone(),
            secure,
            edge_secret,
            api: upstreams("api", "service=\"api\"", &config.api_upstreams)?,
            web_sm: upstreams("web-sm", "service=\"web-sm\"", &config.web_sm_upstreams)?,
            tui_sm: upstreams("tui-sm", "service=\"tui-sm\"", &config.tui_sm_upstreams)?,
            counters,
            health: health.clone(),
            shutdown,
        })
    }

    /// Begins a transaction, which may wait for rows of others: only as many at once as leave connections for checking tokens, which is
    /// what everybody else waits for. The turn ends with the first part.
    pub(crate) async fn begin(
        &self,
    ) -> Result<(OwnedSemaphorePermit, sqlx::Transaction<'static, sqlx::Postgres>), sqlx::Error>
    {
        let turn = self.transactions.clone().acquire_owned();
        let turn = tokio::time::timeout(TURN_WITHIN, turn).await;
        let turn = turn.ok().and_then(Result::ok).ok_or(sqlx::Error::PoolTimedOut)?;
        Ok((turn, self.pool.begin().await?))
    }

    /// Asks the services again and again whether they are ready.
    pub(crate) async fn watch_upstreams(&self) {
        tokio::join!(self.api.watch(), self.web_sm.watch(), self.tui_sm.watch());
    }

    /// A provider by its name.
    pub(crate) fn provider(&self, name: &str) -> Option<&Provider> {
        self.providers.iter().find(|provider| provider.name == name)
    }

    /// Answers one request.
    pub(crate) async fn serve(
        &self,
        peer: IpAddr,
        findings: &Findings,
        request: http::Request<hyper::body::Incoming>,
    ) -> Response {
        let began = Instant::now();
        let (head, body) = request.into_parts();
        let visit = Visit {
            trace: TraceId::generate(),
            ip: address::client_ip(peer, &head.headers, &self.trusted_proxies),
            method: head.method.clone(),
            path: head.uri.path().to_owned(),
            query: head.uri.query().map(ToOwned::to_owned),
            wants_page: wants_page(head.uri.path(), &head.headers),
            is_datastar: head.headers.get("datastar-request").is_some_and(|value| value == "true"),
            headers: head.headers.clone(),
        };
        let ambiguous = findings.is_ambiguous();
        let answered = if ambiguous {
            Err(Failure::bad_request("The head of the request can be read in more than one way."))
        } else {
            self.answer(&visit, head, body.map_err(Into::into).boxed_unsync()).await
        };
        let mut response = answered.unwrap_or_else(|failure| failure.into_response(&visit));
        answer::finish(&mut response, visit.trace.as_str(), self.secure);
        // Who is about to stop says so with every answer: a connection that is closed in silence may meet a request on its way.
        if ambiguous || findings.is_unwatched() || self.health.is_leaving() {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        self.note(&visit, response.status(), began);
        response
    }

    fn note(&self, visit: &Visit, status: StatusCode, began: Instant) {
        self.counters.requests.fetch_add(1, Ordering::Relaxed);
        match status.as_u16() {
            429 => _ = self.counters.limited.fetch_add(1, Ordering::Relaxed),
            400..=499 => _ = self.counters.refused.fetch_add(1, Ordering::Relaxed),
            500.. => _ = self.counters.failed.fetch_add(1, Ordering::Relaxed),
            _ => {}
        }
        let ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let (trace_id, method, path, status) =
            (visit.trace.as_str(), &visit.method, loggable(&visit.path), status.as_u16());
        if status >= 500 {
            tracing::warn!(trace_id, %method, path, status, ms, "answered");
        } else {
            tracing::debug!(trace_id, %method, path, status, ms, "answered");
        }
    }

    async fn answer(&self, visit: &Visit, head: request::Parts, body: Body) -> Answer {
        edge::inspect(&head, &self.host)?;
        self.limit_by_ip(visit, Policy::Ip)?;
        let route = Route::of(&visit.path);
        if let Route::Service(Service::WebSm) = route
            && is_asset(&visit.path)
        {
            return self.forward(visit, head, body, Service::WebSm, None).await;
        }
        if let Route::Hook(address) = route {
            return hook::deliver(self, visit, head, body, address).await;
        }
        let credentials = Credentials::of(&visit.headers, self.cookies.session)?;
        if let Some(bounced) = stranger::bounce(visit, route, &credentials) {
            return bounced;
        }
        match route {
            Route::Service(service) => self.pass(visit, head, body, service, credentials).await,
            Route::Nowhere | Route::Hook(_) => Err(Problem::not_found().into()),
            Route::TerminalExchange => {
                post_only(visit)?;
                terminal::exchange(self, visit, forms::read_json(visit, body).await?).await
            }
            Route::Setup if visit.method == Method::POST => {
                setup::submit(self, visit, forms::read(visit, body).await?).await
            }
            Route::Setup => {
                get_only(visit)?;
                setup::page(self, visit).await
            }
            Route::Callback(provider) => {
                get_only(visit)?;
                sign_in::callback(self, visit, provider).await
            }
            Route::Logout => {
                post_only(visit)?;
                let caller = self.caller(visit, credentials).await?;
                sign_out::sign_out(self, visit, body, caller).await
            }
            Route::Login
            | Route::Start(_)
            | Route::TerminalAsk
            | Route::TerminalConfirm
            | Route::Invite(_) => {
                let caller = self.caller(visit, credentials).await?;
                self.own_page(visit, route, body, caller).await
            }
        }
    }

    /// The pages that look different for somebody who is signed in.
    async fn own_page(
        &self,
        visit: &Visit,
        route: Route<'_>,
        body: Body,
        caller: Option<Caller>,
    ) -> Answer {
        let caller = caller.as_ref();
        match (route, caller) {
            (Route::Login, _) => {
                get_only(visit)?;
                sign_in::page(self, visit, caller).await
            }
            (Route::Start(provider), _) => {
                get_only(visit)?;
                sign_in::start(self, visit, provider, caller).await
            }
            (Route::TerminalAsk, _) => {
                get_only(visit)?;
                terminal::ask(self, visit, caller).await
            }
            (Route::TerminalConfirm, Some(caller)) => {
                post_only(visit)?;
                terminal::confirm(self, visit, caller, &forms::read(visit, body).await?).await
            }
            (Route::Invite(code), Some(caller)) if visit.method == Method::POST => {
                invite::join(self, visit, code, caller, &forms::read(visit, body).await?).await
            }
            (Route::Invite(code), _) if visit.method == Method::GET => {
                invite::page(self, visit, code, caller).await
            }
            (Route::Invite(_), Some(_)) => Err(Failure::method("GET, POST")),
            (_, None) => {
                post_only(visit)?;
                Err(Problem::unauthenticated().into())
            }
            _ => Err(Problem::not_found().into()),
        }
    }

    /// A request for a service.
    async fn pass(
        &self,
        visit: &Visit,
        head: request::Parts,
        body: Body,
        service: Service,
        credentials: Credentials,
    ) -> Answer {
        let had_cookie = matches!(credentials, Credentials::Cookie(_));
        let Some(caller) = self.caller(visit, credentials).await? else {
            let mut answer = stranger::turn_away(visit, service);
            if had_cookie {
                // A session that is over: the browser need not send it again.
                let clear = self.cookies.clear_session();
                answer = answer
                    .map(|mut response| {
                        response.headers_mut().append(header::SET_COOKIE, clear.clone());
                        response
                    })
                    .map_err(|failure| failure.with_header(header::SET_COOKIE, clear));
            }
            return answer;
        };
        if caller.by_cookie() && !csrf::is_page_of(visit, caller.user_id()) {
            // Only that page is over; the session goes on in its own.
            return stranger::turn_away(visit, service);
        }
        if caller.by_cookie() && !matches!(visit.method, Method::GET | Method::HEAD) {
            self.require_own_script(visit, &caller).await?;
        }
        let mut shown: Option<Verdict> = None;
        let user_id = caller.user_id();
        for (policy, key) in policies(&visit.method, &visit.path, user_id, visit.ip, &self.limits) {
            let verdict = self.limits.check(policy, &key);
            if !verdict.allowed {
                return Self::too_many(visit, &verdict);
            }
            shown = shown.or(Some(verdict));
        }
        let mut response = self.forward(visit, head, body, service, Some(&caller)).await?;
        if let Some(verdict) = shown {
            limit_headers(response.headers_mut(), &verdict);
        }
        Ok(response)
    }

    fn too_many(visit: &Visit, verdict: &Verdict) -> Answer {
        if visit.path == "/sse" && visit.is_datastar {
            // The page would try again at once after an error; this way it waits, and says why (section 2.9).
            let mut response = http::Response::new(full(format!(
                "retry: {STREAM_RETRY_MS}\nevent: datastar-patch-elements\ndata: elements {TOO_MANY_STREAMS}\n\n"
            )));
            response
                .headers_mut()
                .insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
            return Ok(response);
        }
        Err(Failure::limited(verdict))
    }

    /// Sends a request on to a service.
    pub(crate) async fn forward(
        &self,
        visit: &Visit,
        mut head: request::Parts,
        body: Body,
        service: Service,
        caller: Option<&Caller>,
    ) -> Answer {
        let open = match caller {
            Some(caller) if is_stream(&visit.path) => {
                let open =
                    self.limits.open_stream(visit.ip, caller.user_id(), caller.identity.session_id);
                if open.is_none() {
                    let rate = self.limits.rate(Policy::Stream);
                    let wait = Duration::from_millis(STREAM_RETRY_MS.into());
                    return Self::too_many(
                        visit,
                        &Verdict::counted(Policy::Stream, rate, 0, false, wait),
                    );
                }
                open
            }
            _ => None,
        };
        edge::onward(
            &mut head,
            visit,
            caller.map(Caller::token),
            &self.edge_secret,
            &self.host_value,
        );
        // A stream comes back to the process that knows its reader.
        let home = caller
            .filter(|_| is_stream(&visit.path))
            .map(|caller| caller.identity.session_id.map_or(caller.user_id().into(), Uuid::from));
        let upstreams = match service {
            Service::Api => &self.api,
            Service::WebSm => &self.web_sm,
            Service::TuiSm => &self.tui_sm,
        };
        let mut response =
            upstreams.forward(&head, body, home).await.map_err(|error| match error {
                ForwardError::Away => Problem::unavailable(),
                ForwardError::Stalled => {
                    Problem::new(408, "timeout", "The request did not arrive in time")
                }
            })?;
        edge::scrub_answer(response.headers_mut());
        let is_stream = response
            .headers()
            .get(header::CONTENT_TYPE)
            .is_some_and(|value| value.as_bytes().starts_with(b"text/event-stream"));
        if is_stream {
            response.headers_mut().insert(
                HeaderName::from_static("x-accel-buffering"),
                HeaderValue::from_static("no"),
            );
            let gauge = Gauge::raise(&self.counters.streams);
            return Ok(response
                .map(|body| Stream::new(body, self.shutdown.clone(), open, gauge).boxed_unsync()));
        }
        Ok(response)
    }
}

fn get_only(visit: &Visit) -> Result<(), Failure> {
    if visit.method == Method::GET { Ok(()) } else { Err(Failure::method("GET")) }
}

fn post_only(visit: &Visit) -> Result<(), Failure> {
    if visit.method == Method::POST { Ok(()) } else { Err(Failure::method("POST")) }
}
