//! Structured logs: one JSON object a line (which also makes log injection impossible), or text for people.

use tracing_subscriber::EnvFilter;

/// Starts logging to standard error. `AJET_LOG` is a tracing filter (default `info`), `AJET_LOG_FORMAT` is `json` (default) or `text`.
/// A second call does nothing, so that services may share a process.
pub fn init(service: &'static str) {
    let filter = EnvFilter::try_from_env("AJET_LOG")
        .unwrap_or_else(|_| EnvFilter::new("info,async_nats=warn,refinery_core=warn"));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let started = if std::env::var("AJET_LOG_FORMAT").is_ok_and(|format| format == "text") {
        builder.try_init().is_ok()
    } else {
        builder
            .json()
            .flatten_event(true)
            .with_current_span(true)
            .with_span_list(false)
            .try_init()
            .is_ok()
    };
    if started {
        tracing::info!(service, version = env!("CARGO_PKG_VERSION"), "starting");
    }
}
