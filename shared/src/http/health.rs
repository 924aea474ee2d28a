//! `/healthz`, `/readyz` and `/metrics`: on each service's own port, never through the gateway.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;

/// Whether a service is ready, and what it counts. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Health(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    ready: AtomicBool,
    /// It is about to stop, whatever else is so.
    retired: AtomicBool,
    /// When somebody last asked for readiness.
    asked: Mutex<Option<Instant>>,
    metrics: std::sync::RwLock<Vec<Metric>>,
}

#[derive(Debug)]
struct Metric {
    name: &'static str,
    labels: &'static str,
    help: &'static str,
    kind: &'static str,
    value: Arc<AtomicU64>,
}

impl Health {
    /// Says whether requests may come.
    pub fn set_ready(&self, ready: bool) {
        self.0.ready.store(ready, Ordering::Release);
    }

    /// Requests may come.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.0.ready.load(Ordering::Acquire) && !self.0.retired.load(Ordering::Acquire)
    }

    /// Requests may not come any more, whoever says that it is ready.
    pub(super) fn retire(&self) {
        self.0.retired.store(true, Ordering::Release);
    }

    /// It is about to stop: who is here may finish, and should come back elsewhere.
    #[must_use]
    pub fn is_leaving(&self) -> bool {
        self.0.retired.load(Ordering::Acquire)
    }

    /// When somebody last asked whether requests may come.
    pub(super) fn last_asked(&self) -> Option<Instant> {
        *self.0.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note_asked(&self) {
        *self.0.asked.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// A counter for `/metrics`: only grows. `labels` is empty or `key="value"`.
    #[must_use]
    pub fn counter(
        &self,
        name: &'static str,
        labels: &'static str,
        help: &'static str,
    ) -> Arc<AtomicU64> {
        self.register(name, labels, help, "counter")
    }

    /// A gauge for `/metrics`: goes up and down.
    #[must_use]
    pub fn gauge(
        &self,
        name: &'static str,
        labels: &'static str,
        help: &'static str,
    ) -> Arc<AtomicU64> {
        self.register(name, labels, help, "gauge")
    }

    fn register(
        &self,
        name: &'static str,
        labels: &'static str,
        help: &'static str,
        kind: &'static str,
    ) -> Arc<AtomicU64> {
        let value = Arc::<AtomicU64>::default();
        if let Ok(mut metrics) = self.0.metrics.write() {
            metrics.push(Metric { name, labels, help, kind, value: value.clone() });
        }
        value
    }

    /// The metrics in Prometheus' text format 0.0.4.
    #[must_use]
    pub fn render(&self) -> String {
        let mut text = String::new();
        let mut described = "";
        let Ok(metrics) = self.0.metrics.read() else { return text };
        for metric in metrics.iter() {
            if described != metric.name {
                let _ = writeln!(
                    text,
                    "# HELP {} {}\n# TYPE {} {}",
                    metric.name, metric.help, metric.name, metric.kind
                );
                described = metric.name;
            }
            let value = metric.value.load(Ordering::Relaxed);
            let _ = if metric.labels.is_empty() {
                writeln!(text, "{} {value}", metric.name)
            } else {
                writeln!(text, "{}{{{}}} {value}", metric.name, metric.labels)
            };
        }
        text
    }
}

/// The three routes.
pub fn health_routes(health: Health) -> Router {
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .with_state(health)
}

async fn ready(State(health): State<Health>) -> impl IntoResponse {
    health.note_asked();
    if health.is_ready() {
        (StatusCode::OK, "ready\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "not ready\n")
    }
}

async fn metrics(State(health): State<Health>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], health.render())
}
