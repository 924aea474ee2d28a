//! The live side (architecture.md section 4): one reader of the stream per process, many readers of what it brings.
//!
//! [`Hub::start`] runs the *pump*: it follows the stream with one consumer, decodes each event once and hands it to the queues of
//! those who may see it, decided at that moment from memberships that change in the order of the stream. The pump never waits for
//! anybody: a queue that is full is dropped and its reader told to draw everything anew. A [`Connection`] is one such reader. It begins
//! with what was missed since its cursor, from the ring or the stream, or with one resync; never with a part (delivery-and-security.md
//! section 2).
//!
//! - `pump` follows the stream, `gaps` keeps the order inside each channel, `ring` is the recent past, `replay` decides how a
//!   cursor is answered and what of the past is shown
//! - `sessions` knows by which tokens they came and keeps them a minute longer, `arrivals` bounds what the api is asked about new ones
//! - `state` knows the readers, `visibility` what each may see, `queue` what waits for one connection, `connection` hands it out
//! - `presence` and `rosters` tell once a minute who came and went, `typing` passes on who writes

mod arrivals;
mod connection;
mod delivery;
mod gaps;
mod metrics;
mod presence;
mod pump;
mod queue;
mod replay;
mod ring;
mod rosters;
mod sessions;
mod shared;
mod state;
#[cfg(test)]
mod tests;
mod typing;
mod visibility;
mod watch;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::future::BoxFuture;
use tokio_util::sync::CancellationToken;

pub use arrivals::Arrival;
pub use connection::Connection;
pub use delivery::Delivery;
pub use sessions::Token;
pub use state::Losses;

use crate::bus::{Bus, BusError};
use crate::client::{ApiClient, ClientError};
use crate::events::{Envelope, PresenceChanged, TypingState};
use crate::http::Health;
use crate::id::{ChannelId, CommunityId, MessageId, UserId};
use crate::position::Position;
use crate::problem::Problem;
use crate::sync::Reach;
use crate::user::Author;
use shared::{Shared, lock};

/// Turns one event into bytes; called at most once per event and lens for all readers.
pub trait Renderer: Send + Sync + 'static {
    /// How many different renderings readers share: one per thing a reader may have open, for example.
    const LENSES: usize;

    /// The bytes that all readers with this lens share; none when the lens shows nothing of the event.
    fn render(&self, position: Position, event: &Envelope, lens: usize) -> Option<Bytes>;
}

/// Asks the api what a reader may see.
pub type RevalidateFn =
    Arc<dyn Fn() -> BoxFuture<'static, Result<Reach, RevalidateError>> + Send + Sync>;
/// Asks the api, with a reader's rights, who is in a channel.
pub type MembersFn = Arc<
    dyn Fn(ChannelId) -> BoxFuture<'static, Result<Vec<UserId>, RevalidateError>> + Send + Sync,
>;

/// Why the api did not say what a reader may see.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RevalidateError {
    /// The token is no longer good: the stream ends.
    #[error("signed out")]
    SignedOut,
    /// The api refuses it, a token that is for other things: the stream ends, and whoever comes back is told why.
    #[error("{}", .0.title)]
    Refused(Box<Problem>),
    /// The api has too much to do, or something behind it is away: the stream goes on with what is known.
    #[error("the api cannot say: {}", .0.title)]
    NotNow(Box<Problem>),
    /// The api cannot be reached: the stream goes on with what is known.
    #[error("the api is not reachable: {0}")]
    Unavailable(String),
}

/// Somebody who wants to follow what happens.
#[derive(Clone)]
pub struct Reader {
    /// What the reader proved to be somebody with.
    pub token: Token,
    /// What the api has answered about the token, read after the cursor that the stream continues from. Without it the hub takes what it
    /// knows of the token, or asks.
    pub reach: Option<Reach>,
    /// Called for a token that is not known, every 30 s ± 5 s while it is, and at once when the events alone do not tell what the reader
    /// may see.
    pub revalidate: RevalidateFn,
    /// Called once per channel and process, for presence.
    pub members: MembersFn,
}

impl Reader {
    /// The reader behind a client of the api that carries the reader's token.
    #[must_use]
    pub fn new(api: &ApiClient, token: Token, reach: Option<Reach>) -> Self {
        let (for_reach, for_members) = (api.clone(), api.clone());
        Self {
            token,
            reach,
            revalidate: Arc::new(move || {
                let api = for_reach.clone();
                Box::pin(async move { api.reach().await.map_err(RevalidateError::from) })
            }),
            members: Arc::new(move |channel_id| {
                let api = for_members.clone();
                Box::pin(async move {
                    api.channel_member_ids(channel_id).await.map_err(RevalidateError::from)
                })
            }),
        }
    }
}

impl From<ClientError> for RevalidateError {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::Problem(problem) => match problem.status {
                401 => Self::SignedOut,
                429 | 500.. => Self::NotNow(problem),
                _ => Self::Refused(problem),
            },
            error => Self::Unavailable(error.to_string()),
        }
    }
}

impl From<RevalidateError> for Problem {
    fn from(error: RevalidateError) -> Self {
        match error {
            RevalidateError::SignedOut => Self::unauthenticated(),
            RevalidateError::Refused(problem) | RevalidateError::NotNow(problem) => *problem,
            RevalidateError::Unavailable(_) => Self::unavailable(),
        }
    }
}

/// What a stream has to write next.
#[derive(Debug)]
pub enum Signal<R: Renderer> {
    /// First on every connect, with the position the stream stands at: the cursor it came with, or where it begins.
    Ready {
        /// Where the stream stands.
        position: Position,
    },
    /// End of a replay.
    Resumed {
        /// How many events it brought.
        count: usize,
    },
    /// A durable event this reader may see, in the order of the stream; replayed ones, too.
    Event(Arc<Delivery<R>>),
    /// Somebody else writes in a channel of the reader. Ephemeral, without a position.
    Typing(Arc<Envelope>),
    /// Once a minute: who of the people this reader shares a channel with came or went.
    Presence(Vec<PresenceChanged>),
    /// Something may be missing: draw everything anew and continue from here.
    Resync {
        /// Why.
        reason: ResyncReason,
        /// Where the stream goes on.
        position: Position,
    },
    /// Nothing happened for a while.
    Heartbeat {
        /// Everything up to here has been handed out.
        position: Position,
    },
    /// The stream ends.
    Close {
        /// Why. Only after `SignedOut` the client must not come back.
        reason: CloseReason,
        /// When to come back.
        retry: Duration,
    },
}

/// Why a reader must draw everything anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResyncReason {
    /// The cursor is of another epoch, or the stream lost events and began a new one.
    Epoch,
    /// The cursor is newer than anything known here.
    Ahead,
    /// The cursor is too old.
    Window,
    /// The reader was too slow.
    Overflow,
    /// An event of a channel of the reader did not come.
    Gap,
    /// The reader came into a channel, or lost a place, without an event that says so.
    Membership,
}

impl ResyncReason {
    /// As the wire writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Epoch => "epoch",
            Self::Ahead => "ahead",
            Self::Window => "window",
            Self::Overflow => "overflow",
            Self::Gap => "gap",
            Self::Membership => "membership",
        }
    }
}

/// Why a stream ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// The session is over.
    SignedOut,
    /// This process stops; another one, or its successor, goes on.
    Drain,
    /// The connection is an hour old, or what a guest may see has to be looked at anew.
    Aged,
}

/// Why a stream cannot begin now.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The process has not read the stream yet.
    #[error("live events are not ready yet")]
    Starting,
    /// There are as many streams as one process carries.
    #[error("this server has no room for another stream")]
    Full,
    /// The api is slow: too many wait for what it says of them.
    #[error("this server is busy")]
    Busy,
    /// The process stops.
    #[error("this server is stopping")]
    Draining,
    /// The api says why.
    #[error("{}", .0.title)]
    Api(Box<Problem>),
}

/// What somebody does in a channel, for [`Hub::publish_typing`].
#[derive(Clone, Debug)]
pub struct TypingNote {
    /// Who.
    pub author: Author,
    /// The channel's community; none for direct messages.
    pub community_id: Option<CommunityId>,
    /// Where. The caller has checked that the author may write there.
    pub channel_id: ChannelId,
    /// In which thread.
    pub parent_id: Option<MessageId>,
    /// Begins or ends.
    pub state: TypingState,
}

/// What an operator may change about the live side.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct Settings {
    /// How often a reader is told who came and went, seconds. Source: requirements E6.
    #[arg(
        long,
        env = "AJET_PRESENCE_SECONDS",
        value_name = "60",
        default_value_t = 60,
        value_parser = clap::value_parser!(u64).range(1..=3600)
    )]
    pub presence_seconds: u64,
    /// How long a missing event of a channel is waited for. Not for operators: tests that want it to come wait longer.
    #[arg(skip = pump::GAP_PATIENCE)]
    pub gap_patience: Duration,
}

/// The live side of a session manager. Cheap to clone.
pub struct Hub<R: Renderer> {
    shared: Arc<Shared<R>>,
}

impl<R: Renderer> Clone for Hub<R> {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone() }
    }
}

impl<R: Renderer> Hub<R> {
    /// Starts following the stream, for ever; sets `health` ready when it has caught up. At `shutdown` the connections are ended one by
    /// one over a few seconds.
    pub fn start(
        bus: Bus,
        renderer: R,
        settings: Settings,
        health: Health,
        shutdown: CancellationToken,
    ) -> Self {
        let shared = Arc::new(Shared::new(bus, renderer, health, shutdown));
        tokio::spawn(pump::run(shared.clone(), settings.gap_patience));
        tokio::spawn(watch::run(shared.clone()));
        tokio::spawn(metrics::run(shared.clone()));
        let tell_every = Duration::from_secs(settings.presence_seconds);
        tokio::spawn(presence::run(shared.clone(), tell_every));
        Self { shared }
    }

    /// Up to where events have been handed out.
    #[must_use]
    pub fn position(&self) -> Position {
        self.shared.position()
    }

    /// Events flow: the bus is reached, and everything in it was read once.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.shared.is_caught_up() && self.shared.bus.is_up()
    }

    /// A stream with this token that continues a cursor begins without a question to the api: one is open, or was a moment ago.
    #[must_use]
    pub fn knows(&self, token: &Token) -> bool {
        self.shared.state().known(token, Instant::now()).is_some()
    }

    /// Who has a stream open with this token.
    #[must_use]
    pub fn owner(&self, token: &Token) -> Option<Author> {
        self.shared.state().session(token).map(|session| session.me.clone())
    }

    /// Who of these people is there, where that is known here: not in the first minutes, nor while the bus is away.
    #[must_use]
    pub fn online(&self, people: &[UserId]) -> Option<HashMap<UserId, bool>> {
        let board = lock(&self.shared.board);
        board.online(people, tokio::time::Instant::now()).filter(|_| self.shared.bus.is_up())
    }

    /// For a caller that asks the api itself before it connects a reader: first waits until a stream can begin after `cursor`, so that
    /// nobody waits for that who has a turn. What was lost up to then the caller's questions know of, and [`Self::connect_in_turn`] looks
    /// at what is lost after.
    pub async fn ready(&self, cursor: Option<Position>) -> Result<Losses, Refused> {
        connection::ready(&self.shared, cursor).await
    }

    /// Then waits for the turn of the token, so that what one caller learns need not be asked by the next. The question follows
    /// [`Self::may_ask`].
    pub async fn turn(&self, token: &Token) -> Result<Arrival, Refused> {
        self.shared.arrivals.turn(token).await.ok_or(Refused::Busy)
    }

    /// Waits until there are few enough questions to the api.
    pub async fn may_ask(&self, arrival: &mut Arrival) -> Result<(), Refused> {
        if self.shared.arrivals.place(arrival).await { Ok(()) } else { Err(Refused::Busy) }
    }

    /// Last begins a stream after `cursor`, without one it begins now, and ends the turn as soon as the reader is known. `extra_channel`
    /// adds a public channel the reader has not joined; the caller has checked that the reader may read it, after [`Self::ready`] gave
    /// `losses`.
    pub async fn connect_in_turn(
        &self,
        reader: Reader,
        turn: Option<Arrival>,
        cursor: Option<Position>,
        extra_channel: Option<ChannelId>,
        losses: Losses,
    ) -> Result<Connection<R>, Refused> {
        connection::begin(&self.shared, reader, turn, cursor, extra_channel, losses).await
    }

    /// The community of a channel that somebody connected here has joined: the outer option is none if they have not (or are not
    /// connected here), the inner one for direct messages.
    #[must_use]
    pub fn joined(&self, user_id: UserId, channel_id: ChannelId) -> Option<Option<CommunityId>> {
        self.shared.state().access(user_id)?.community_of(channel_id)
    }

    /// Tells the others in the channel; at most once in two seconds per person and channel, the last word counts.
    pub async fn publish_typing(&self, note: TypingNote) -> Result<(), BusError> {
        typing::publish(&self.shared, note).await
    }
}
