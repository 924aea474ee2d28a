//! Clients that ask for a stream and never read what comes.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use futures::StreamExt as _;
use futures::stream;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use crate::Person;
use crate::toxic::Control;

/// As little as the kernel takes for a client that reads nothing: what waits, waits at the server.
const BUFFER_BYTES: u32 = 4 * 1024;
/// How many ask at a time.
const AT_ONCE: usize = 32;
/// The longest time until one is answered.
const PATIENCE: Duration = Duration::from_secs(20);

/// What such a client asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    /// `/ws/tui/events`, with the token in a header.
    Events,
    /// `/sse`, with the token in a cookie.
    Page,
}

impl Ask {
    /// The request of a person, as bytes on the wire.
    #[must_use]
    pub fn request(self, person: &Person) -> String {
        self.request_of(
            person,
            match self {
                Self::Events => "/ws/tui/events",
                Self::Page => "/sse",
            },
        )
    }

    /// The same for a stream at this address: that of a page that shows something.
    #[must_use]
    pub fn request_of(self, person: &Person, path: &str) -> String {
        let (host, token) = (person.host.to_str().unwrap_or_default(), person.token.expose());
        let credentials = match self {
            Self::Events => format!("authorization: Bearer {token}"),
            Self::Page => format!("cookie: ajet_session={token}"),
        };
        format!(
            "GET {path} HTTP/1.1\r\nhost: {host}\r\n{credentials}\r\naccept: text/event-stream\r\n\r\n"
        )
    }
}

/// Streams that nobody reads, until dropped.
#[derive(Debug, Default)]
pub struct Mutes(Vec<TcpStream>);

impl Mutes {
    /// Opens `count` streams at a gateway, by these requests in turn. Each must be answered 200.
    pub async fn open(
        gateway: SocketAddr,
        requests: &[String],
        count: usize,
    ) -> anyhow::Result<Self> {
        let mut mutes = Self::default();
        let requests = requests.iter().cycle().take(count).cloned();
        for asked in mutes.send(gateway, requests).await {
            asked?;
        }
        ensure!(mutes.0.len() == count, "{} of {count} streams", mutes.0.len());
        Ok(mutes)
    }

    /// Tries to open `count` further streams, and keeps those that are. Gives how each try ended.
    pub async fn attempt(
        &mut self,
        gateway: SocketAddr,
        people: &[Person],
        ask: Ask,
        count: usize,
    ) -> Vec<anyhow::Result<()>> {
        self.send(gateway, people.iter().cycle().take(count).map(|person| ask.request(person)))
            .await
    }

    async fn send(
        &mut self,
        gateway: SocketAddr,
        requests: impl Iterator<Item = String>,
    ) -> Vec<anyhow::Result<()>> {
        let asked = stream::iter(requests).map(|request| async move {
            timeout(PATIENCE, stream_of(gateway, &request)).await.context("no answer in time")?
        });
        let asked: Vec<_> = asked.buffer_unordered(AT_ONCE).collect().await;
        asked.into_iter().map(|asked| asked.map(|stream| self.0.push(stream))).collect()
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.len()
    }
}

/// A stream as far as its first line, which stays in the kernel with all that follows.
async fn stream_of(gateway: SocketAddr, request: &str) -> anyhow::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.set_recv_buffer_size(BUFFER_BYTES)?;
    let mut stream = socket.connect(gateway).await?;
    stream.write_all(request.as_bytes()).await?;
    let mut line = [0; 12];
    let read = stream.peek(&mut line).await?;
    match &line[..read] {
        b"HTTP/1.1 200" => Ok(stream),
        b"" => bail!("closed without an answer"),
        other => bail!("{}", String::from_utf8_lossy(other)),
    }
}

/// Where a gateway itself listens, past its edge: what happens to a connection there happens to its client, and not to the proxy.
pub async fn door(control: &Control, gateway: usize) -> anyhow::Result<SocketAddr> {
    let name = format!("client-gw-{gateway}");
    let edges = control.edges().await?;
    let edge = edges.into_iter().find(|edge| edge.name == name);
    Ok(edge.with_context(|| format!("there is no edge {name}"))?.target.parse()?)
}
