//! Somebody who reads `/ws/tui/events` and comes back with the last event's id, and every frame that came.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ajet_shared::client::{Events, Received};
use ajet_shared::events::{Envelope, Event};
use ajet_shared::id::{ChannelId, EventId, MessageId};
use ajet_shared::page::PageQuery;
use ajet_shared::position::Position;
use anyhow::Context as _;
use eventsource_stream::Eventsource as _;
use futures::StreamExt as _;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::model::Model;
use crate::town::Person;

/// A stream that is silent for three heartbeats is dead.
const SILENCE_MAX: Duration = Duration::from_secs(45);
/// A server that does not answer the request for a stream.
const CONNECT_MAX: Duration = Duration::from_secs(15);
/// How long drawing anew may take while faults go on.
const DRAW_MAX: Duration = Duration::from_secs(30);
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
    /// How often everything had been drawn anew by then: what comes after that may be what was drawn.
    pub life: usize,
}

/// An event without a place in a channel as it came.
#[derive(Clone, Copy, Debug)]
pub struct Told {
    /// Its id.
    pub event: EventId,
    /// How often everything had been drawn anew by then.
    pub life: usize,
}

/// Everything that came.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// Events by channel, in the order in which they came.
    pub channels: HashMap<ChannelId, Vec<Frame>>,
    /// Events without a place in a channel: notifications and the like.
    pub others: Vec<Told>,
    /// Why everything had to be drawn anew.
    pub resyncs: Vec<String>,
    /// The position of the last time.
    pub drawn_at: Option<Position>,
    /// The messages that were there when it was drawn anew.
    pub drawn: HashSet<MessageId>,
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
    model: Mutex<Model>,
    connections: watch::Sender<u32>,
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Reader {
    /// Begins to read; returns when the stream stands.
    ///
    /// After a resync it does as a client does: it reads what stands in `channels` anew.
    pub async fn open(person: Person, kind: Kind, channels: &[ChannelId]) -> anyhow::Result<Self> {
        let notes = Arc::new(Notes::default());
        let screen =
            Screen { person: person.clone(), channels: channels.to_vec(), notes: notes.clone() };
        let task = match kind {
            Kind::Shared => tokio::spawn(follow(person.client.events(None, None), screen)),
            Kind::Raw => tokio::spawn(listen(screen)),
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

    /// The messages as they are by the events that came. Nothing of what was there before, or when everything was drawn anew.
    #[must_use]
    pub fn model(&self) -> Model {
        self.notes.model.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The newest place that came of each channel.
    #[must_use]
    pub fn reached(&self, channel: ChannelId) -> i64 {
        self.reached_but(channel, &HashSet::new())
    }

    /// The same, of what is not `undone`.
    #[must_use]
    pub fn reached_but(&self, channel: ChannelId, undone: &HashSet<EventId>) -> i64 {
        let seen = self.notes.seen();
        let frames = seen.channels.get(&channel).into_iter().flatten();
        let frames = frames.filter(|frame| !undone.contains(&frame.event));
        frames.map(|frame| frame.seq).max().unwrap_or(0)
    }

    /// This message came, or was there when everything was drawn anew.
    #[must_use]
    pub fn knows(&self, channel: ChannelId, message: MessageId) -> bool {
        let seen = self.notes.seen();
        let mut frames = seen.channels.get(&channel).into_iter().flatten();
        seen.drawn.contains(&message) || frames.any(|frame| frame.created == Some(message))
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
        self.model.lock().unwrap_or_else(PoisonError::into_inner).apply(&envelope.event);
        let mut seen = self.seen();
        let (Some(channel), Some(seq)) = (envelope.channel_id, envelope.seq) else {
            if !is_fleeting(&envelope.event) {
                let life = seen.resyncs.len();
                seen.others.push(Told { event: envelope.id, life });
            }
            return;
        };
        let created = match &envelope.event {
            Event::MessageCreated(message) => Some(message.id),
            _ => None,
        };
        let life = seen.resyncs.len();
        let frame = Frame { seq, event: envelope.id, created, at: Instant::now(), life };
        seen.channels.entry(channel).or_default().push(frame);
    }
}

/// Typing and presence are no promise.
fn is_fleeting(event: &Event) -> bool {
    matches!(event, Event::TypingStarted(_) | Event::TypingStopped(_) | Event::PresenceChanged(_))
}

/// What a reader has before them, and how they draw it anew.
struct Screen {
    person: Person,
    channels: Vec<ChannelId>,
    notes: Arc<Notes>,
}

impl Screen {
    /// What a resync asks for, once the api can be reached.
    async fn draw(&self, reason: String, position: Option<Position>) -> anyhow::Result<()> {
        let begun = Instant::now();
        let drawn = loop {
            match self.messages().await {
                Ok(drawn) => break drawn,
                Err(error) if begun.elapsed() > DRAW_MAX => {
                    return Err(error.context("nothing can be drawn anew"));
                }
                Err(_) => tokio::time::sleep(PAUSE / 10).await,
            }
        };
        let mut seen = self.notes.seen();
        seen.resyncs.push(reason);
        seen.drawn_at = position;
        seen.drawn = drawn;
        Ok(())
    }

    /// Everything that stands in the channels and their threads: the whole of it, where a client would read the newest page.
    async fn messages(&self) -> anyhow::Result<HashSet<MessageId>> {
        let mut found = HashSet::new();
        for channel in &self.channels {
            let mut query = PageQuery::default();
            loop {
                let page = self.person.client.messages(*channel, query).await?;
                for message in &page.items {
                    found.insert(message.id);
                    if message.reply_count > 0 {
                        let replies = self.replies(message.id).await?;
                        found.extend(replies);
                    }
                }
                let Some(older) = page.prev else { break };
                query = PageQuery { before: Some(older), ..PageQuery::default() };
            }
        }
        Ok(found)
    }
}

impl Screen {
    async fn replies(&self, root: MessageId) -> anyhow::Result<Vec<MessageId>> {
        let (mut found, mut query) = (Vec::new(), PageQuery::default());
        loop {
            let page = self.person.client.replies(root, query).await?;
            found.extend(page.items.iter().map(|reply| reply.id));
            let Some(older) = page.prev else { return Ok(found) };
            query = PageQuery { before: Some(older), ..PageQuery::default() };
        }
    }
}

/// Reads by the shared client, which reconnects by itself.
async fn follow(mut events: Events, screen: Screen) -> anyhow::Result<()> {
    let notes = &screen.notes;
    loop {
        match events.next().await? {
            Received::Ready => notes.connected(),
            Received::Event(envelope) => notes.event(&envelope),
            Received::Resumed { count } => notes.seen().replayed += count,
            Received::Resync { reason } => screen.draw(reason, events.cursor()).await?,
            Received::Lost { .. } => {}
        }
    }
}

/// A bare event source: remembers the last id and the pause the server wants, and comes back with both.
struct Source {
    screen: Screen,
    http: reqwest::Client,
    last_id: Option<String>,
    pause: Duration,
}

async fn listen(screen: Screen) -> anyhow::Result<()> {
    let http = reqwest::Client::builder().no_proxy().tcp_nodelay(true).build()?;
    let mut source = Source { screen, http, last_id: None, pause: PAUSE };
    loop {
        // Whatever ended it: a bare event source comes back.
        if source.connection().await? == End::SignedOut {
            anyhow::bail!("{} was signed out", source.screen.person.name);
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
    async fn connection(&mut self) -> anyhow::Result<End> {
        let Screen { person, notes, .. } = &self.screen;
        let mut request = self
            .http
            .get(format!("{}/ws/tui/events", person.gateway))
            .header("host", person.host.clone())
            .header("accept", "text/event-stream")
            .bearer_auth(person.token.expose());
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
                "resync" => self.screen.draw(event.data, event.id.parse().ok()).await?,
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
