//! Listening: one accept loop for all services.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, Version, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::Health;
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

/// Serves a router until `shutdown`, then lets open requests finish. From the moment on at which `health` says that this process is about
/// to stop, each answer ends its connection.
///
/// Not `axum::serve`: that installs no timer, and hyper then has no header timeout (stack.md E16); and it waits for ever on open streams.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    health: Health,
    shutdown: CancellationToken,
) {
    let router = router.layer(from_fn_with_state(health, let_go));
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

/// Middleware: a process that is about to stop says so with every answer, because a connection that is closed in silence may meet a
/// request on its way. HTTP/2 has its own way to say it.
async fn let_go(State(health): State<Health>, request: Request, next: Next) -> Response {
    let is_one_by_one = request.version() <= Version::HTTP_11;
    let mut response = next.run(request).await;
    if is_one_by_one && health.is_leaving() {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
    use tokio::net::TcpStream;

    use super::super::health_routes;
    use super::*;

    /// One request, and the head of its answer.
    async fn asked(connection: &mut BufReader<TcpStream>) -> String {
        let request = b"GET /healthz HTTP/1.1\r\nHost: test\r\n\r\n";
        connection.write_all(request).await.unwrap();
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert_ne!(connection.read_line(&mut head).await.unwrap(), 0, "closed: {head}");
        }
        connection.read_exact(&mut [0; "ok\n".len()]).await.unwrap();
        head.to_lowercase()
    }

    #[tokio::test]
    async fn who_is_about_to_stop_ends_connections_with_an_answer() {
        let listener = bind(([127, 0, 0, 1], 0).into()).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (health, shutdown) = (Health::default(), CancellationToken::new());
        let router = health_routes(health.clone());
        let served = tokio::spawn(serve(listener, router, health.clone(), shutdown.clone()));
        let mut connection = BufReader::new(TcpStream::connect(address).await.unwrap());
        for _ in 0..2 {
            assert!(!asked(&mut connection).await.contains("connection: close"));
        }
        health.retire();
        assert!(asked(&mut connection).await.contains("connection: close"));
        let mut rest = Vec::new();
        connection.read_to_end(&mut rest).await.unwrap();
        assert_eq!(rest, b"", "and that is the end of it, though nobody has closed the listener");
        let mut another = BufReader::new(TcpStream::connect(address).await.unwrap());
        assert!(asked(&mut another).await.contains("connection: close"), "who comes is served");
        shutdown.cancel();
        served.await.unwrap();
    }
}
