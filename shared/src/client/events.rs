//! The live stream of a terminal or a program: `GET /ws/tui/events`, reconnecting by itself (delivery-and-security.md section 2.6).

use std::collections::HashMap;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use futures::{Stream, StreamExt};
use reqwest::header::{ACCEPT, HeaderValue};
use serde::Deserialize;
use tokio::time::Instant;

use super::retry::{backoff, jittered};
use super::sse::{Block, Parser};
use super::{ApiClient, Call, ClientError, HeaderName, Method, error};
use crate::events::Envelope;
use crate::id::ChannelId;
use crate::limits::STREAM_HEARTBEAT;
use crate::position::Position;
use crate::problem::Problem;

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// Silence of three heartbeats: the connection is dead, whatever the kernel says.
const SILENCE_MAX: Duration = STREAM_HEARTBEAT.saturating_mul(3);
/// A server that does not answer the request for a stream.
const CONNECT_MAX: Duration = Duration::from_secs(15);
/// Pauses between attempts, when the server said nothing about them.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);

/// What comes out of the stream.
#[derive(Clone, Debug)]
pub enum Received {
    /// The connection stands. Comes first, and again after each loss.
    Ready,
    /// Something happened.
    Event(Box<Envelope>),
    /// Everything that was missed has come.
    Resumed {
        /// How many events that was.
        count: u64,
    },
    /// What was missed cannot be replayed: forget what is known, read it again, go on with the events that follow.
    Resync {
        /// Why.
        reason: String,
    },
    /// The connection is lost; the next call tries again after the pause.
    Lost {
        /// Why.
        error: ClientError,
        /// How long until then.
        pause: Duration,
    },
}

/// An open stream. It ends only with an error that trying again cannot mend: signed out, not allowed, no such channel.
pub struct Events {
    client: ApiClient,
    channel: Option<ChannelId>,
    cursor: Option<Position>,
    seen: HashMap<ChannelId, i64>,
    body: Option<Body>,
    parser: Parser,
    heard: Instant,
    retry: Option<Duration>,
    failures: u32,
    wait_until: Option<Instant>,
}

type Body = Pin<Box<dyn Stream<Item = reqwest::Result<Bytes>> + Send>>;

impl std::fmt::Debug for Events {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Events")
            .field("cursor", &self.cursor)
            .field("open", &self.body.is_some())
            .finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
struct Resumed {
    count: u64,
}

#[derive(Deserialize)]
struct Resync {
    reason: String,
}

impl ApiClient {
    /// Follows everything that concerns the caller, from `cursor` on or from now; `channel` adds one readable channel not joined.
    #[must_use]
    pub fn events(&self, cursor: Option<Position>, channel: Option<ChannelId>) -> Events {
        Events {
            client: self.clone(),
            channel,
            cursor,
            seen: HashMap::new(),
            body: None,
            parser: Parser::default(),
            heard: Instant::now(),
            retry: None,
            failures: 0,
            wait_until: None,
        }
    }
}

impl Events {
    /// Where the stream stands: what [`ApiClient::events`] takes to go on from here.
    #[must_use]
    pub fn cursor(&self) -> Option<Position> {
        self.cursor
    }

    /// Sets when the next attempt comes, while the connection is lost: for clients with pauses of their own, and people who do not want
    /// to wait.
    pub fn retry_in(&mut self, pause: Duration) {
        if self.body.is_none() {
            self.wait_until = Some(Instant::now() + pause);
        }
    }

    /// Waits for the next thing. May be dropped and called again without losing anything.
    pub async fn next(&mut self) -> Result<Received, ClientError> {
        loop {
            while let Some(block) = self.parser.next_block() {
                if block.name == "signed-out" {
                    return Err(ClientError::Problem(Box::new(Problem::unauthenticated())));
                }
                if let Some(received) = self.take(&block) {
                    return Ok(received);
                }
            }
            if let Some(until) = self.wait_until {
                tokio::time::sleep_until(until).await;
                self.wait_until = None;
            }
            if let Err(error) = self.fill().await {
                return self.lost(error);
            }
        }
    }

    /// The same as a [`Stream`], which ends after the first error.
    pub fn into_stream(self) -> impl Stream<Item = Result<Received, ClientError>> + Send {
        futures::stream::unfold(Some(self), |events| async {
            let mut events = events?;
            match events.next().await {
                Ok(received) => Some((Ok(received), Some(events))),
                Err(error) => Some((Err(error), None)),
            }
        })
    }

    /// Gets more bytes, connecting first where needed.
    async fn fill(&mut self) -> Result<(), ClientError> {
        if self.body.is_none() {
            self.body = Some(
                tokio::time::timeout(CONNECT_MAX, connect(&self.client, self.channel, self.cursor))
                    .await
                    .map_err(|_| ClientError::Timeout(CONNECT_MAX))??,
            );
            self.parser = Parser::default();
            self.heard = Instant::now();
        }
        let Some(body) = &mut self.body else { return Ok(()) };
        let piece = tokio::time::timeout_at(self.heard + SILENCE_MAX, body.next()).await;
        match piece {
            Err(_) => Err(ClientError::Timeout(SILENCE_MAX)),
            Ok(None) => Err(ClientError::Unreachable("the server ended the stream".to_owned())),
            Ok(Some(Err(error))) => Err(ClientError::transport(&error, SILENCE_MAX)),
            Ok(Some(Ok(bytes))) => {
                self.heard = Instant::now();
                if self.parser.feed(&bytes) {
                    Ok(())
                } else {
                    Err(ClientError::Decode("not an event stream".to_owned()))
                }
            }
        }
    }

    /// Plans the next attempt, unless there is no sense in one.
    fn lost(&mut self, error: ClientError) -> Result<Received, ClientError> {
        self.body = None;
        let wanted = match &error {
            ClientError::Problem(problem) => match problem.status {
                // Refused for now: rate limit, restart, an upstream that is away.
                429 | 500 | 502..=504 => {
                    problem.retry_after.map(|seconds| Duration::from_secs(seconds.into()))
                }
                _ => return Err(error),
            },
            ClientError::Setup(_) => return Err(error),
            _ => None,
        };
        let pause = wanted.unwrap_or_else(|| match self.retry {
            // The server spreads its clients itself.
            Some(retry) if self.failures == 0 => retry,
            _ => jittered(backoff(self.failures, FIRST_PAUSE, LONGEST_PAUSE)),
        });
        self.failures = self.failures.saturating_add(1);
        self.wait_until = Some(Instant::now() + pause);
        Ok(Received::Lost { error, pause })
    }

    fn take(&mut self, block: &Block) -> Option<Received> {
        self.retry = block.retry.or(self.retry);
        let position: Option<Position> = block.id.as_deref().and_then(|id| id.parse().ok());
        match block.name.as_str() {
            "ready" => {
                self.failures = 0;
                self.move_to(position);
                Some(Received::Ready)
            }
            "resumed" => {
                self.move_to(position);
                let count =
                    serde_json::from_str::<Resumed>(&block.data).map_or(0, |resumed| resumed.count);
                Some(Received::Resumed { count })
            }
            "resync" => {
                self.seen.clear();
                self.cursor = position.or(self.cursor);
                let reason = serde_json::from_str::<Resync>(&block.data)
                    .map_or_else(|_| "unknown".to_owned(), |resync| resync.reason);
                Some(Received::Resync { reason })
            }
            _ => {
                self.failures = 0;
                let repeated = self.move_to(position);
                let envelope = serde_json::from_str::<Envelope>(&block.data).ok()?;
                // An event that came late travels under the cursor before it, so only its place in the channel tells a repetition.
                let is_news =
                    if envelope.seq.is_some() { self.is_news(&envelope) } else { !repeated };
                is_news.then(|| Received::Event(Box::new(envelope)))
            }
        }
    }

    /// Moves the cursor; true when it stood there or further already, so that what came is a repetition.
    fn move_to(&mut self, position: Option<Position>) -> bool {
        match (position, self.cursor) {
            (Some(new), Some(old)) if new.epoch == old.epoch && new.seq <= old.seq => true,
            (Some(new), _) => {
                self.cursor = Some(new);
                false
            }
            (None, _) => false,
        }
    }

    /// Whether an event of a channel is newer than all before; replays overlap what was seen.
    fn is_news(&mut self, envelope: &Envelope) -> bool {
        let (Some(channel), Some(seq)) = (envelope.channel_id, envelope.seq) else { return true };
        let newest = self.seen.entry(channel).or_insert(i64::MIN);
        let is_news = seq > *newest;
        *newest = seq.max(*newest);
        is_news
    }
}

async fn connect(
    client: &ApiClient,
    channel: Option<ChannelId>,
    cursor: Option<Position>,
) -> Result<Body, ClientError> {
    let query = channel.map(|id| format!("?channel={id}")).unwrap_or_default();
    let mut call = Call::new(Method::GET, format!("/ws/tui/events{query}"));
    call.headers.insert(ACCEPT, HeaderValue::from_static("text/event-stream"));
    if let Some(id) = cursor.and_then(|cursor| HeaderValue::from_str(&cursor.to_string()).ok()) {
        call.headers.insert(LAST_EVENT_ID, id);
    }
    // No limit on the whole answer: it has no end.
    let response = client.dispatch(&call, None).await?;
    let (status, headers) = (response.status(), response.headers().clone());
    if status == reqwest::StatusCode::NO_CONTENT {
        return Err(ClientError::Problem(Box::new(Problem::unauthenticated())));
    }
    if status.is_success() {
        return Ok(response.bytes_stream().boxed());
    }
    let body = response.bytes().await.unwrap_or_default();
    Err(ClientError::Problem(Box::new(error::problem(status, &headers, &body))))
}
