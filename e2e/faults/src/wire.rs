//! One connection of an event stream, for tests that look at single frames.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use futures::StreamExt as _;
use futures::stream::BoxStream;
use tokio::time::{Instant, timeout, timeout_at};

use crate::browser::Block;
use crate::{Ask, Person};

/// A server that does not answer.
const CONNECT_MAX: Duration = Duration::from_secs(15);

/// An open stream, or whatever was answered instead of one.
pub struct Wire {
    /// The status of the answer.
    pub status: u16,
    /// Its content type.
    pub content_type: String,
    bytes: BoxStream<'static, reqwest::Result<Vec<u8>>>,
    text: Vec<u8>,
}

impl std::fmt::Debug for Wire {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Wire").field("status", &self.status).finish_non_exhaustive()
    }
}

/// What came, or did not.
#[derive(Debug)]
pub enum Heard {
    /// An event.
    Event(Block),
    /// The end, however it came.
    End,
    /// Nothing in time.
    Silence,
}

impl Wire {
    /// Asks a person's own gateway for a stream: `path` with the credentials that go with `ask`.
    pub async fn open(
        http: &reqwest::Client,
        person: &Person,
        ask: Ask,
        path: &str,
        last_id: Option<&str>,
    ) -> anyhow::Result<Self> {
        let request = match ask {
            Ask::Events => person.asks(http, path),
            Ask::Page => person.browses(http, path),
        };
        let mut request = request.header("accept", "text/event-stream");
        if let Some(id) = last_id {
            request = request.header("last-event-id", id);
        }
        let answer = timeout(CONNECT_MAX, request.send()).await.context("no answer in time")??;
        let kind = answer.headers().get("content-type").and_then(|kind| kind.to_str().ok());
        Ok(Self {
            status: answer.status().as_u16(),
            content_type: kind.unwrap_or_default().to_owned(),
            bytes: answer.bytes_stream().map(|piece| Ok(piece?.to_vec())).boxed(),
            text: Vec::new(),
        })
    }

    /// The same, of a stream that must open.
    pub async fn stream(
        http: &reqwest::Client,
        person: &Person,
        ask: Ask,
        path: &str,
        last_id: Option<&str>,
    ) -> anyhow::Result<Self> {
        let wire = Self::open(http, person, ask, path, last_id).await?;
        let is_stream = wire.content_type.starts_with("text/event-stream");
        ensure!(is_stream, "{path} is answered {} as {}", wire.status, wire.content_type);
        Ok(wire)
    }

    /// The next event.
    pub async fn next(&mut self, patience: Duration) -> Heard {
        let until = Instant::now() + patience;
        loop {
            if let Some(end) = self.text.windows(2).position(|two| two == b"\n\n") {
                let block: Vec<u8> = self.text.drain(..end + 2).collect();
                return Heard::Event(Block::parse(&String::from_utf8_lossy(&block)));
            }
            match timeout_at(until, self.bytes.next()).await {
                Ok(Some(Ok(piece))) => self.text.extend_from_slice(&piece),
                Ok(_) => return Heard::End,
                Err(_) => return Heard::Silence,
            }
        }
    }

    /// Everything that comes in this time, or until the end.
    pub async fn listen(&mut self, time: Duration) -> Vec<Block> {
        let until = Instant::now() + time;
        let mut heard = Vec::new();
        while let Heard::Event(block) = self.next(until - Instant::now()).await {
            heard.push(block);
        }
        heard
    }

    /// Waits for an event that this is true of; an error when the stream ends before, or time is up.
    pub async fn find(
        &mut self,
        patience: Duration,
        wanted: impl Fn(&Block) -> bool,
    ) -> anyhow::Result<Block> {
        self.find_and_keep(patience, wanted, &mut Vec::new()).await
    }

    /// The same; what comes before it is added to `others`.
    pub async fn find_and_keep(
        &mut self,
        patience: Duration,
        wanted: impl Fn(&Block) -> bool,
        others: &mut Vec<Block>,
    ) -> anyhow::Result<Block> {
        let until = Instant::now() + patience;
        loop {
            match self.next(until - Instant::now()).await {
                Heard::Event(block) if wanted(&block) => return Ok(block),
                Heard::Event(block) => others.push(block),
                Heard::End => anyhow::bail!("the stream ended"),
                Heard::Silence => anyhow::bail!("it did not come within {patience:?}"),
            }
        }
    }

    /// Reads to the end; gives what came last.
    pub async fn to_the_end(&mut self, patience: Duration) -> anyhow::Result<Option<Block>> {
        let until = Instant::now() + patience;
        let mut last = None;
        loop {
            match self.next(until - Instant::now()).await {
                Heard::Event(block) => last = Some(block),
                Heard::End => return Ok(last),
                Heard::Silence => anyhow::bail!("the stream is open after {patience:?}"),
            }
        }
    }
}
