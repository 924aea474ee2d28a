//! Listening: one accept loop for all services.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::accept::Acceptor;
use super::stall::{Stallable, WRITE_STALL};

/// A peer must send its request head within this time (delivery-and-security.md section 3.5).
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// What is kept for one connection at most, unless a single piece is larger: heads that are larger do not come from the gateway.
const BUFFER_BYTES: usize = 64 * 1024;
/// How long open requests may go on after the shutdown began. Streams end by their own token before that.
const DRAIN: Duration = Duration::from_secs(10);

/// Listens, with an error that names the address.
pub async fn bind(address: SocketAddr) -> std::io::Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|error| {
        std::io::Error::new(error.kind(), format!("cannot listen on {address}: {error}"))
    })
}

/// Serves a router until `shutdown`, then lets open requests finish.
///
/// Not `axum::serve`: that installs no timer, and hyper then has no header timeout (stack.md E16); and it waits for ever on open streams.
pub async fn serve(listener: TcpListener, router: Router, shutdown: CancellationToken) {
    let mut server = Builder::new(TokioExecutor::new());
    server
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_headers(64)
        .max_buf_size(BUFFER_BYTES);
    server.http2().timer(TokioTimer::new()).max_concurrent_streams(100);
    let graceful = GracefulShutdown::new();
    let mut acceptor = Acceptor::new(listener);
    while let Some((stream, _)) = shutdown.run_until_cancelled(acceptor.next()).await {
        let connection = server
            .serve_connection(
                TokioIo::new(Stallable::new(stream, WRITE_STALL)),
                TowerToHyperService::new(router.clone()),
            )
            .into_owned();
        let connection = graceful.watch(connection);
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "connection ended early");
            }
        });
    }
    drop(acceptor);
    if tokio::time::timeout(DRAIN, graceful.shutdown()).await.is_err() {
        tracing::warn!("some requests were still open after the drain");
    }
}
