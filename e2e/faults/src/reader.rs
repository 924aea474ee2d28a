//! Somebody who reads `/ws/tui/events` and comes back with the last event's id, and every frame that came.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ajet_shared::client::{Events, Received};
use ajet_shared::events::{Envelope, Event};
use ajet_shared::id::{ChannelId, EventId, MessageId};
use anyhow::Context as _;
use eventsource_stream::Eventsource as _;
use futures::StreamExt as _;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::town::Person;

/// A stream that is silent for three heartbeats is dead.
const SILENCE_MAX: Duration = Duration::from_secs(45);
/// A server that does not answer the request for a stream.
const CONNECT_MAX: Duration = Duration::from_secs(15);
/// The pause of a reader whom the server told none.
const PAUSE: Duration = Duration::from_secs(2);

/// By which means somebody reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The client that the terminal is made of.
    Shared,
    /// A bare event source, as a browser or a bot of ten lines has it: whatever comes, counts.
    Raw,
}

/// An event of a channel as it came.
#[derive(Clone, Copy, Debug)]
pub struct Frame {
    /// Its place in its channel.
    pub seq: i64,
    /// Its id.
    pub event: EventId,
    /// The message it brought, if it brought a new one.
    pub created: Option<MessageId>,
    /// When it came.
    pub at: Instant,
}

/// Everything that came.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// Events by channel, in the order in which they came.
    pub channels: HashMap<ChannelId, Vec<Frame>>,
    /// Events without a place in a channel: notifications and the like.
    pub others: Vec<EventId>,
    /// Why everything had to be drawn anew.
    pub resyncs: Vec<String>,
    /// Connections after the first.
    pub reconnects: u32,
    /// Events that came as replays.
    pub replayed: u64,
}

/// Somebody who reads, until dropped.
#[derive(Debug)]
pub struct Reader {
    /// Who.
    pub person: Person,
    /// How.
    pub kind: Kind,
    notes: Arc<Notes>,
    task: JoinHandle<anyhow::Result<()>>,
}

#[derive(Debug, Default)]
struct Notes {
    seen: Mutex<Seen>,
    connections: watch::Sender<u32>,
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Reader {
    /// Begins to read; returns when the stream stands.
    pub async fn open(person: Person, kind: Kind) -> anyhow::Result<Self> {
        let notes = Arc::new(Notes::default());
        let task = match kind {
            Kind::Shared => tokio::spawn(follow(person.client.events(None, None), notes.clone())),
            Kind::Raw => tokio::spawn(listen(person.clone(), notes.clone())),
        };
        let mut connections = notes.connections.subscribe();
        tokio::time::timeout(CONNECT_MAX, connections.wait_for(|count| *count > 0))
            .await
            .with_context(|| format!("the stream of {} does not open", person.name))??;
        Ok(Self { person, kind, notes, task })
    }

    /// What came so far.
    #[must_use]
    pub fn seen(&self) -> Seen {
        self.notes.seen().clone()
    }

    /// The newest place that came of each channel.
    #[must_use]
    pub fn reached(&self, channel: ChannelId) -> i64 {
        let seen = self.notes.seen();
        let frames = seen.channels.get(&channel).into_iter().flatten();
        frames.map(|frame| frame.seq).max().unwrap_or(0)
    }

    /// Why it reads no more, if so.
    pub async fn ended(&mut self) -> Option<anyhow::Error> {
        if !self.task.is_finished() {
            return None;
        }
        Some(match (&mut self.task).await {
            Ok(Ok(())) => anyhow::anyhow!("the stream ended"),
            Ok(Err(error)) => error,
            Err(panic) => panic.into(),
        })
    }
}

impl Notes {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn connected(&self) {
        self.connections.send_modify(|count| *count += 1);
        self.seen().reconnects = self.connections.borrow().saturating_sub(1);
    }

    fn event(&self, envelope: &Envelope) {
        let mut seen = self.seen();
        let (Some(channel), Some(seq)) = (envelope.channel_id, envelope.seq) else {
            if !is_fleeting(&envelope.event) {
                seen.others.push(envelope.id);
            }
            return;
        };
        let created = match &envelope.event {
            Event::MessageCreated(message) => Some(message.id),
            _ => None,
        };
        let frame = Frame { seq, event: envelope.id, created, at: Instant::now() };
        seen.channels.entry(channel).or_default().push(frame);
    }
}

/// Typing and presence are no promise.
fn is_fleeting(event: &Event) -> bool {
    matches!(event, Event::TypingStarted(_) | Event::TypingStopped(_) | Event::PresenceChanged(_))
}

/// Reads by the shared client, which reconnects by itself.
async fn follow(mut events: Events, notes: Arc<Notes>) -> anyhow::Result<()> {
    loop {
        match events.next().await? {
            Received::Ready => notes.connected(),
            Received::Event(envelope) => notes.event(&envelope),
            Received::Resumed { count } => notes.seen().replayed += count,
            Received::Resync { reason } => notes.seen().resyncs.push(reason),
            Received::Lost { .. } => {}
        }
    }
}

/// A bare event source: remembers the last id and the pause the server wants, and comes back with both.
struct Source {
    person: Person,
    http: reqwest::Client,
    last_id: Option<String>,
    pause: Duration,
}

async fn listen(person: Person, notes: Arc<Notes>) -> anyhow::Result<()> {
    let http = reqwest::Client::builder().no_proxy().tcp_nodelay(true).build()?;
    let mut source = Source { person, http, last_id: None, pause: PAUSE };
    loop {
        // Whatever ended it: a bare event source comes back.
        if source.connection(&notes).await? == End::SignedOut {
            anyhow::bail!("{} was signed out", source.person.name);
        }
        tokio::time::sleep(source.pause).await;
    }
}

#[derive(PartialEq, Eq)]
enum End {
    Broken,
    SignedOut,
}

impl Source {
    async fn connection(&mut self, notes: &Notes) -> anyhow::Result<End> {
        let mut request = self
            .http
            .get(format!("{}/ws/tui/events", self.person.gateway))
            .header("host", self.person.host.clone())
            .header("accept", "text/event-stream")
            .bearer_auth(self.person.token.expose());
        if let Some(id) = &self.last_id {
            request = request.header("last-event-id", id);
        }
        let Ok(Ok(answer)) = tokio::time::timeout(CONNECT_MAX, request.send()).await else {
            return Ok(End::Broken);
        };
        match answer.status().as_u16() {
            200 => {}
            401 | 403 => return Ok(End::SignedOut),
            _ => return Ok(End::Broken),
        }
        let mut events = answer.bytes_stream().eventsource();
        while let Ok(Some(Ok(event))) = tokio::time::timeout(SILENCE_MAX, events.next()).await {
            if let Some(retry) = event.retry {
                self.pause = retry;
            }
            if !event.id.is_empty() {
                self.last_id = Some(event.id.clone());
            }
            match event.event.as_str() {
                "ready" => notes.connected(),
                "resumed" => notes.seen().replayed += count(&event.data),
                "resync" => notes.seen().resyncs.push(event.data),
                "heartbeat" => {}
                "signed-out" => return Ok(End::SignedOut),
                name => {
                    let envelope: Envelope = serde_json::from_str(&event.data)
                        .with_context(|| format!("{name}: {}", event.data))?;
                    notes.event(&envelope);
                }
            }
        }
        Ok(End::Broken)
    }
}

fn count(data: &str) -> u64 {
    let resumed: Option<serde_json::Value> = serde_json::from_str(data).ok();
    resumed.and_then(|resumed| resumed["count"].as_u64()).unwrap_or(0)
}
