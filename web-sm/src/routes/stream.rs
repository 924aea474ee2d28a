//! `GET /sse`: the page stays as it would be if it were loaded now (delivery-and-security.md section 2.6).

use std::collections::HashMap;
use std::time::{Duration, Instant};

use ajet_shared::events::Envelope;
use ajet_shared::http::Query;
use ajet_shared::hub::{Arrival, CloseReason, Connection, Reader, Refused, Signal};
use ajet_shared::id::{ChannelId, CommunityId};
use ajet_shared::position::Position;
use ajet_shared::problem::Problem;
use ajet_shared::sync::Reach;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use tokio::sync::mpsc;

use crate::error::fragment;
use crate::frames::Frames;
use crate::kept::Knowledge;
use crate::load::{Beside, Subject};
use crate::renderer::WebRenderer;
use crate::state::{App, Caller};
use crate::view::activity::Show;
use crate::view::message::Tail;
use crate::view::pages::{Notice, SignedOut};
use crate::view::render;
use crate::view::shell::World;
use crate::viewer::{Start, Viewer};

/// A browser that takes nothing for this long is gone. Source: delivery-and-security.md section 2.10.
const STUCK: Duration = Duration::from_secs(30);
/// How often a page that was told that no events flow is looked after.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// Pieces on their way to one browser.
const IN_FLIGHT: usize = 4;
/// About how much is sent in one piece, bytes.
const PIECE: usize = 32 * 1024;
/// How long a browser waits after a break, milliseconds. Source: delivery-and-security.md section 2.6.
const RETRY_MS: std::ops::Range<u64> = 1_000..5_000;
/// The same when there is no room.
const RETRY_FULL_MS: u128 = 30_000;

/// What a page shows, by its stream's address.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Shown {
    cursor: Option<String>,
    community: Option<CommunityId>,
    channel: Option<ChannelId>,
    face: Option<String>,
    #[serde(default)]
    seen: i64,
    tail: Option<String>,
    activity: Option<Show>,
}

/// `GET /sse`.
pub(crate) async fn stream(
    State(app): State<App>,
    caller: Result<Caller, Problem>,
    headers: HeaderMap,
    shown: Result<Query<Shown>, Problem>,
) -> Response {
    // A stream of nothing in particular still carries the lists.
    let shown = shown.map_or_else(|_| Shown::default(), |Query(shown)| shown);
    // `Last-Event-ID` is newer than the address. A text that is no position is one that cannot be honoured.
    let last_event = headers.get("last-event-id").and_then(|value| value.to_str().ok());
    let resumed = last_event.is_some();
    let cursor =
        last_event.or(shown.cursor.as_deref()).map(|text| text.parse().unwrap_or_default());
    match open(&app, caller, &shown, cursor, resumed).await {
        Ok((connection, viewer, caller)) => {
            let (pieces, body) = mpsc::channel(IN_FLIGHT);
            let writer = Writer {
                app,
                caller,
                connection,
                viewer,
                heard: None,
                keeps: true,
                paused: false,
                pieces,
            };
            tokio::spawn(writer.run());
            events(Body::from_stream(futures::stream::unfold(body, |mut body| async move {
                let piece: Bytes = body.recv().await?;
                Some((Ok::<_, std::convert::Infallible>(piece), body))
            })))
        }
        Err(Closed::SignedOut) => fragment(render(&SignedOut)),
        Err(Closed::Later(ms, notice)) => {
            let mut frames = Frames::default();
            frames.retry(ms).outer(&notice);
            events(Body::from(frames.into_bytes()))
        }
        Err(Closed::Failed(problem)) => problem.into_response(),
    }
}

/// Why there is no stream.
enum Closed {
    /// The browser must not come back: a fragment as `text/html` ends it (decisions.md 6).
    SignedOut,
    /// It comes back after so many milliseconds, and says why meanwhile.
    Later(u128, Notice),
    /// It comes back by its own rules.
    Failed(Problem),
}

impl From<Problem> for Closed {
    fn from(problem: Problem) -> Self {
        if problem.status == 401 { Self::SignedOut } else { Self::Failed(problem) }
    }
}

impl From<Refused> for Closed {
    fn from(refused: Refused) -> Self {
        let soon = u128::from(rand::random_range(RETRY_MS));
        match refused {
            Refused::Full => Self::Later(RETRY_FULL_MS, Notice::FULL),
            Refused::Starting | Refused::Busy => Self::Later(soon, Notice::PAUSED),
            Refused::Draining => Self::Later(soon, Notice::STOPPING),
            Refused::Api(problem) => (*problem).into(),
        }
    }
}

type Opened = (Connection<WebRenderer>, Viewer, Caller);

async fn open(
    app: &App,
    caller: Result<Caller, Problem>,
    shown: &Shown,
    cursor: Option<Position>,
    resumed: bool,
) -> Result<Opened, Closed> {
    let caller = caller?;
    let losses = app.hub.ready(cursor).await?;
    // A page that was just loaded shows what is newer than anything kept, and what no event may have told yet.
    let broke_off = cursor.filter(|_| resumed);
    // The other pages of this browser wait for what is learned here, until the hub knows the reader.
    let Known { mut world, read_at, reach, turn } = know(app, &caller, broke_off).await?;
    if let Some(id) = shown.channel {
        let subject = Subject::Id { id, community: shown.community };
        // A channel that is gone for this reader: the lists go on, and the page leaves it ([`Start::gone`]).
        match caller.find(&mut world, &subject).await {
            Ok(()) => {}
            Err(problem) if problem.status == 404 => {}
            Err(problem) => return Err(problem.into()),
        }
    }
    if world.community.is_none() {
        world.community = world
            .sync
            .communities
            .iter()
            .position(|view| Some(view.community.id) == shown.community);
    }
    world.activity = shown.activity;
    caller.look_who_is_there(app, &mut world, reach.is_none()).await?;
    if reach.is_some() {
        // Its other pages come, too.
        let (sync, online) = (world.sync.clone(), world.online.clone());
        let known = Knowledge { sync, online, read_at };
        app.keep(caller.token(), known);
    }
    let guest_of = world.here.as_ref().filter(|here| !here.joined).map(|here| here.channel.id);
    let reader = Reader::new(&caller.api, caller.token(), reach);
    let connection = app.hub.connect_in_turn(reader, turn, cursor, guest_of, losses).await?;
    let tail = shown.tail.as_deref().and_then(|text| text.parse::<Tail>().ok());
    let start = Start {
        gone: shown.channel.is_some() && world.here.is_none(),
        face: shown.face.clone(),
        tail,
        seen: shown.seen,
        resumed,
        replaying: cursor.is_some(),
        read_at: Some(read_at),
    };
    Ok((connection, Viewer::new(world, start), caller))
}

/// What a stream begins with.
struct Known {
    world: World,
    /// When the api said so.
    read_at: Instant,
    /// What it has said, where it was asked for this stream.
    reach: Option<Reach>,
    turn: Option<Arrival>,
}

/// What the lists of a page begin with: what a stream knew that `broke_off` there a moment ago, or else what the api says.
async fn know(app: &App, caller: &Caller, broke_off: Option<Position>) -> Result<Known, Closed> {
    let token = caller.token();
    let kept = || {
        let known =
            app.kept.get(&token, broke_off?, Instant::now()).filter(|_| app.hub.knows(&token))?;
        let mut world = World::new(known.sync.clone());
        world.online.clone_from(&known.online);
        Some(Known { world, read_at: known.read_at, reach: None, turn: None })
    };
    if let Some(known) = kept() {
        return Ok(known);
    }
    let mut turn = app.hub.turn(&token).await?;
    if let Some(known) = kept() {
        return Ok(known);
    }
    app.hub.may_ask(&mut turn).await?;
    let read_at = Instant::now();
    let world = caller.world(app).await?;
    turn.answered();
    let reach = Some(Reach::from(&world.sync));
    Ok(Known { world, read_at, reach, turn: Some(turn) })
}

fn events(body: Body) -> Response {
    const HEADERS: [(HeaderName, HeaderValue); 3] = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store, no-transform")),
        (HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no")),
    ];
    (HEADERS, body).into_response()
}

/// Writes one stream.
struct Writer {
    app: App,
    caller: Caller,
    connection: Connection<WebRenderer>,
    viewer: Viewer,
    /// Everything up to here is on the page.
    heard: Option<Position>,
    /// What the page knows is good for the stream that follows this one.
    keeps: bool,
    /// The page says that no events flow.
    paused: bool,
    pieces: mpsc::Sender<Bytes>,
}

impl Writer {
    async fn run(mut self) {
        self.write().await;
        let Self { app, caller, connection, viewer, heard, keeps, .. } = self;
        if keeps && connection.is_whole() {
            // After this the reader may come back: first what the page knew, then the place in the hub.
            if let Some(known) = viewer.into_knowledge(heard) {
                app.keep(caller.token(), known);
            }
        }
        drop(connection);
    }

    async fn write(&mut self) {
        let mut frames = Frames::default();
        frames.begin(u128::from(rand::random_range(RETRY_MS)));
        loop {
            let look_at = self.paused.then(|| Instant::now() + LOOK_AGAIN);
            let wakes_at = self.viewer.wakes_at().into_iter().chain(look_at).min();
            let silence = async {
                match wakes_at {
                    Some(at) => tokio::time::sleep_until(at.into()).await,
                    None => std::future::pending().await,
                }
            };
            let mut signal = tokio::select! {
                signal = self.connection.next() => match signal {
                    Some(signal) => Some(signal),
                    None => return,
                },
                () = silence => None,
                () = self.pieces.closed() => return,
            };
            self.viewer.tick(Instant::now(), &mut frames);
            if self.paused {
                self.look_whether_live(&mut frames);
            }
            while let Some(next) = signal {
                if !self.apply(next, &mut frames).await {
                    let _ = self.send(&mut frames).await;
                    return;
                }
                signal = if frames.len() < PIECE { self.connection.try_next() } else { None };
            }
            if !self.send(&mut frames).await {
                return;
            }
        }
    }

    async fn send(&self, frames: &mut Frames) -> bool {
        if frames.is_empty() {
            return true;
        }
        self.pieces.send_timeout(std::mem::take(frames).into_bytes(), STUCK).await.is_ok()
    }

    /// Says on the page whether events flow, where that has changed.
    fn look_whether_live(&mut self, frames: &mut Frames) {
        let paused = !self.app.hub.is_live();
        if paused != self.paused {
            self.paused = paused;
            frames.outer(if paused { &Notice::PAUSED } else { &Notice::NOTHING });
        }
    }

    /// Draws one signal; false at the end of the stream.
    async fn apply(&mut self, signal: Signal<WebRenderer>, frames: &mut Frames) -> bool {
        match signal {
            Signal::Ready { position } => {
                self.viewer.ready(frames);
                frames.at(position);
            }
            Signal::Resumed { .. } => self.viewer.resumed(frames),
            Signal::Event(delivery) => {
                let shared = |lens| delivery.bytes(lens).cloned();
                let (position, now) = (delivery.position, Instant::now());
                self.viewer.event(&delivery.envelope, position, &shared, now, frames);
                self.complete(&delivery.envelope, frames).await;
                self.heard = Some(position);
                frames.at(position);
            }
            Signal::Typing(envelope) => self.viewer.typing(&envelope, Instant::now(), frames),
            Signal::Presence(changes) => self.viewer.presence(&changes, frames),
            Signal::Resync { reason, position } => {
                tracing::debug!(reason = reason.as_str(), "the page is drawn anew");
                self.heard = None;
                self.keeps = self.redraw(position, frames).await;
                return self.keeps;
            }
            Signal::Heartbeat { position } => {
                // Nothing came for a while: because nobody wrote, or because nothing gets here.
                self.look_whether_live(frames);
                frames.signals(&serde_json::json!({ "_hb": position.seq % 1_000_000 }));
                self.heard = Some(position);
                frames.at(position);
            }
            Signal::Close { reason: CloseReason::SignedOut, .. } => {
                self.keeps = false;
                frames.outer(&SignedOut);
                return false;
            }
            Signal::Close { reason, retry } => {
                if reason == CloseReason::Drain {
                    frames.outer(&Notice::STOPPING);
                }
                // From time to time everything is read anew.
                self.keeps = false;
                frames.retry(retry.as_millis());
                return false;
            }
        }
        true
    }

    /// Draws what an event alone does not tell: the people of a new direct message, the text behind a notification.
    async fn complete(&mut self, envelope: &Envelope, frames: &mut Frames) {
        if let Some(id) = self.viewer.nameless(envelope) {
            if let Ok(view) = self.caller.api.channel(id).await {
                let people = view.members.iter().map(|member| member.id).collect();
                // Asked anew: what was known is as old as the stream.
                let there = self.caller.presence_of(people, HashMap::new()).await;
                self.viewer.world.online.extend(there);
                self.viewer.introduced(view, frames);
            } else {
                self.viewer.guessed();
            }
        }
        if let Some(notification) = self.viewer.news(envelope) {
            let message = self.caller.message_behind(&self.app, notification).await;
            self.viewer.noted(notification, message.as_ref(), frames);
        }
    }

    /// The page as it would be loaded now. If it cannot be read, the stream ends without having said where it stands, so that the
    /// next one comes with the old position and tries again.
    async fn redraw(&mut self, position: Position, frames: &mut Frames) -> bool {
        let Some(id) = self.viewer.channel_id() else {
            // A page without a channel is its lists.
            let Ok(mut world) = self.caller.world(&self.app).await else {
                return later(frames);
            };
            world.community =
                self.viewer.world.community.filter(|n| *n < world.sync.communities.len());
            world.online.clone_from(&self.viewer.world.online);
            world.activity = self.viewer.world.activity;
            let start = Start { gone: self.viewer.is_gone(), ..Start::default() };
            self.viewer.redrawn(world, start);
            self.viewer.ready(frames);
            if self.viewer.world.activity.is_some() {
                // What was missed is in no event any more: the list is loaded again.
                frames.signals(&serde_json::json!({ "_goto": self.viewer.world.path() }));
            }
            frames.at(position);
            return true;
        };
        let community = self.viewer.world.community().map(|view| view.community.id);
        let subject = Subject::Id { id, community };
        match self.caller.load(&self.app, &subject, None, Beside::Nothing).await {
            Ok(loaded) => {
                if loaded.patches(&self.app, frames).is_err() {
                    return later(frames);
                }
                frames.signals(&serde_json::json!({ "_resync": position.seq % 1_000_000 + 1 }));
                frames.at(position);
                let start = Start {
                    // The address and the foot are still those of before.
                    face: self.viewer.face(),
                    tail: loaded.tail(),
                    seen: loaded.seen(),
                    ..Start::default()
                };
                self.viewer.redrawn(loaded.world, start);
                self.viewer.settle(frames);
                true
            }
            Err(problem) if problem.status == 404 => {
                // The channel is gone for this reader.
                frames.signals(&serde_json::json!({ "_goto": "/" }));
                false
            }
            Err(_) => later(frames),
        }
    }
}

/// The page cannot be drawn now: it says so, and the next stream tries again.
fn later(frames: &mut Frames) -> bool {
    frames.outer(&Notice::PAUSED).retry(u128::from(rand::random_range(RETRY_MS)));
    false
}
