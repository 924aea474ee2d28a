//! Listening: connections, how many of them, and how they end.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ajet_shared::http::{Acceptor, WRITE_STALL};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::gateway::Gateway;
use crate::guard::Guarded;
use crate::limits::{Limits, household};

/// A client must send its request head within this time. Source: delivery-and-security.md section 3.5.
const HEADER_WITHIN: Duration = Duration::from_secs(10);
/// How long open requests may go on after the listener is closed; streams end within the first half of it.
const DRAIN: Duration = Duration::from_secs(10);
/// What hyper reads of a head at most. Larger than what is allowed, so that the refusal can be a problem (`edge::inspect`).
const HEAD_BYTES: usize = 64 * 1024;
/// Streams of one HTTP/2 connection. Source: delivery-and-security.md section 3.5.
const H2_STREAMS: u32 = 100;
/// How often a silent HTTP/2 connection is asked whether somebody is there.
const H2_PING_EVERY: Duration = Duration::from_secs(20);

/// Serves until `shutdown`, then lets open requests finish.
pub(crate) async fn serve(
    listener: TcpListener,
    gateway: Arc<Gateway>,
    shutdown: CancellationToken,
) {
    let mut server = Builder::new(TokioExecutor::new());
    server
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_WITHIN)
        .max_buf_size(HEAD_BYTES);
    server
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(H2_STREAMS)
        .max_header_list_size(u32::try_from(HEAD_BYTES).unwrap_or(u32::MAX))
        .keep_alive_interval(H2_PING_EVERY);
    let graceful = GracefulShutdown::new();
    let connections = Arc::<Connections>::default();
    let mut acceptor = Acceptor::new(listener);
    while let Some((stream, peer)) = shutdown.run_until_cancelled(acceptor.next()).await {
        let peer = peer.ip().to_canonical();
        let is_proxy = gateway.trusted_proxies.iter().any(|network| network.contains(peer));
        let Some(place) = connections.admit(peer, is_proxy, &gateway.limits) else {
            // Too many: closed without a word, which costs the least.
            continue;
        };
        let (guarded, findings) = Guarded::new(stream, WRITE_STALL);
        let gateway = gateway.clone();
        let service = service_fn(move |request| {
            let (gateway, findings) = (gateway.clone(), findings.clone());
            async move { Ok::<_, Infallible>(gateway.serve(peer, &findings, request).await) }
        });
        let connection =
            graceful.watch(server.serve_connection(TokioIo::new(guarded), service).into_owned());
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "connection ended early");
            }
            drop(place);
        });
    }
    drop(acceptor);
    if tokio::time::timeout(DRAIN, graceful.shutdown()).await.is_err() {
        tracing::warn!("some requests were still open after the drain");
    }
}

/// Open connections by household.
#[derive(Default)]
struct Connections(Mutex<HashMap<IpAddr, u32>>);

impl Connections {
    fn admit(self: &Arc<Self>, peer: IpAddr, is_proxy: bool, limits: &Limits) -> Option<Place> {
        let peer = household(peer);
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let all: u32 = open.values().sum();
        let own = open.get(&peer).copied().unwrap_or(0);
        if all >= limits.connections() || (own >= limits.connections_per_ip() && !is_proxy) {
            return None;
        }
        open.insert(peer, own + 1);
        Some(Place { connections: self.clone(), peer })
    }
}

/// A connection's place among those of its household.
struct Place {
    connections: Arc<Connections>,
    peer: IpAddr,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.connections.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.peer) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.peer);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::tests::settings;
    use ajet_shared::rate::LimitMode;

    #[test]
    fn one_ipv6_household_shares_its_places() {
        let limits = Limits::new(settings(), LimitMode::Default);
        let connections = Arc::<Connections>::default();
        let admit =
            |peer: &str, is_proxy| connections.admit(peer.parse().unwrap(), is_proxy, &limits);
        let mut places: Vec<_> =
            (0..64).map(|n| admit(&format!("2001:db8::{n:x}"), false).unwrap()).collect();
        assert!(admit("2001:db8::ffff", false).is_none());
        assert!(admit("2001:db8::ffff", true).is_some(), "proxies may have any number");
        assert!(admit("2001:db8:0:1::1", false).is_some(), "the neighbours are not hit");
        places.pop();
        assert!(admit("2001:db8::ffff", false).is_some());
    }
}
