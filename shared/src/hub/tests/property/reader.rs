//! A client: a page or a terminal that follows, breaks off, and comes back with its cursor.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::sync::Arc;

use futures::channel::oneshot;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

use super::super::world::{Plain, open};
use super::town::{Town, is_named};
use super::{Ask, Asks};
use crate::client::HeaderValue;
use crate::events::{Event, MemberScope};
use crate::hub::shared::Shared;
use crate::hub::{Connection, Reader, Refused, RevalidateError, Signal, Token};
use crate::id::{ChannelId, UserId};
use crate::position::Position;
use crate::sync::Reach;

type Opening = JoinHandle<Result<Connection<Plain>, Refused>>;

pub(super) struct Client {
    user: UserId,
    guest_of: Option<ChannelId>,
    /// When the page was loaded, for the last time.
    loaded: usize,
    /// The rooms that it has joined, as far as it knows, and the newest place it knows there.
    known: BTreeMap<ChannelId, i64>,
    /// The newest it heard where it is a guest.
    heard: i64,
    cursor: Position,
    /// What was read when the page was loaded, for its first stream.
    reach: Option<Reach>,
    opening: Option<Opening>,
    connection: Option<Connection<Plain>>,
    /// Where the connection stands, and what came by it.
    at: Position,
    got: HashSet<usize>,
    /// What came and was not read yet.
    inbox: VecDeque<Came>,
}

enum Came {
    Event(usize, Position),
    Resync(Position),
    At(Position),
}

impl Client {
    /// Loads a page; `at` is its cursor, `end` that of what the api says of it.
    pub(super) fn load(town: &mut Town, at: Position, end: Position) -> Self {
        let (user, guest_of) = town.visitor();
        Self {
            user,
            guest_of,
            loaded: town.now(),
            known: town.snapshot(user),
            heard: 0,
            cursor: at,
            reach: Some(town.reach(user, end)),
            opening: None,
            connection: None,
            at,
            got: HashSet::new(),
            inbox: VecDeque::new(),
        }
    }

    /// Opens a stream, unless there is one.
    pub(super) fn open(
        &mut self,
        town: &Town,
        runtime: &Runtime,
        shared: &Arc<Shared<Plain>>,
        asks: &Asks,
    ) {
        if self.opening.is_some() || self.connection.is_some() {
            return;
        }
        // Whoever lets it in looks at this moment.
        self.guest_of = self.guest_of.filter(|room| town.may_visit(self.user, *room));
        let (user, asks) = (self.user, asks.clone());
        let reader = Reader {
            token: Token::new(&HeaderValue::from_str(&user.to_string()).unwrap()),
            reach: self.reach.take(),
            revalidate: Arc::new(move || {
                let (answer, answered) = oneshot::channel();
                asks.lock().unwrap().push(Ask { user, cursor: None, reach: None, answer });
                let nobody = |_| RevalidateError::Unavailable("gone".to_owned());
                Box::pin(async move { answered.await.map_err(nobody) })
            }),
            members: Arc::new(|_| Box::pin(async { Err(RevalidateError::SignedOut) })),
        };
        let (shared, cursor, guest_of) = (shared.clone(), self.cursor, self.guest_of);
        let open = async move { open(&shared, reader, Some(cursor), guest_of).await };
        self.opening = Some(runtime.spawn(open));
        self.at = cursor;
        self.got.clear();
    }

    /// It has a stream.
    pub(super) fn is_here(&self) -> bool {
        self.connection.is_some()
    }

    /// Breaks off, and loses what was not read.
    pub(super) fn leave(&mut self) {
        self.connection = None;
        self.inbox.clear();
        if let Some(opening) = self.opening.take() {
            opening.abort();
        }
    }

    /// Looks at everything that has come since the last step: none of it may be what this reader must not see.
    pub(super) fn look(&mut self, runtime: &Runtime, town: &Town) {
        if let Some(opening) = self.opening.take_if(|opening| opening.is_finished()) {
            self.connection = runtime.block_on(opening).unwrap().ok();
        }
        let mut told = Vec::new();
        while let Some(signal) = self.connection.as_mut().and_then(Connection::try_next) {
            match signal {
                Signal::Ready { position } => self.inbox.push_back(Came::At(position)),
                Signal::Event(delivery) => {
                    let (fact, position) = (town.fact(delivery.envelope.id), delivery.position);
                    self.expect(town, fact, position, &told);
                    told.push(fact);
                    self.inbox.push_back(Came::Event(fact, position));
                }
                Signal::Resync { position, .. } => {
                    self.at = position;
                    self.got.clear();
                    self.inbox.push_back(Came::Resync(position));
                }
                Signal::Close { .. } => self.connection = None,
                _ => {}
            }
        }
    }

    fn expect(&mut self, town: &Town, fact: usize, position: Position, told: &[usize]) {
        let what =
            || format!("seed {} step {}: {:?}", town.seed, town.step, town.facts[fact].envelope);
        assert!(
            town.may_get(self.user, self.guest_of, fact, told),
            "not for {} (guest of {:?}): {}\n{}",
            self.user,
            self.guest_of,
            what(),
            town.rights(self.user, fact),
        );
        assert!(self.got.insert(fact), "twice: {}", what());
        assert!(position >= self.at, "{position} after {}: {}", self.at, what());
        self.at = position;
    }

    /// Reads what has come: in each room everything, one after the other.
    pub(super) fn read(&mut self, town: &Town) {
        while let Some(came) = self.inbox.pop_front() {
            match came {
                Came::At(position) => self.cursor = position,
                Came::Event(fact, position) => {
                    self.take(town, fact);
                    self.cursor = position;
                }
                // As a page that is drawn anew: it stands at the position and reads what is true.
                Came::Resync(position) => {
                    (self.cursor, self.loaded) = (position, town.now());
                    self.known = town.snapshot(self.user);
                }
            }
        }
    }

    fn take(&mut self, town: &Town, fact: usize) {
        let envelope = &town.facts[fact].envelope;
        let is_me = is_named(&envelope.event, self.user);
        let (Some(room), Some(seq)) = (envelope.channel_id, envelope.seq) else {
            if is_me && matches!(&envelope.event, Event::MemberLeft(_) | Event::MemberRemoved(_)) {
                let of = |id: &ChannelId| town.rooms.iter().find(|room| room.id == *id).unwrap();
                self.known.retain(|id, _| of(id).community != envelope.community_id);
            }
            return;
        };
        if self.guest_of == Some(room) {
            self.heard = self.heard.max(seq);
        }
        let newest = self.known.get(&room).copied();
        // It knew more when it was loaded, or had it before.
        if newest.is_some_and(|newest| seq <= newest) {
            return;
        }
        let goes = matches!(&envelope.event, Event::MemberLeft(of) | Event::MemberRemoved(of)
            if is_me && of.scope == MemberScope::Channel);
        if goes {
            self.known.remove(&room);
            return;
        }
        // It has lost the room and is about to be told; what the whole community is told of the room comes nonetheless.
        if newest.is_some_and(|newest| seq > newest + 1) && town.is_listed_to_left(self.user, fact)
        {
            return;
        }
        assert!(
            newest.is_none_or(|newest| seq == newest + 1),
            "seed {} step {}: {seq} after {newest:?}: {envelope:?}",
            town.seed,
            town.step
        );
        if is_me || newest.is_some() {
            self.known.insert(room, seq);
        }
    }

    /// At rest the client knows all there is. A guest only if nothing was ever told again: an old closing of the room sends it away.
    pub(super) fn expect_everything(&self, town: &Town, with_guests: bool) {
        assert_eq!(self.known, town.snapshot(self.user), "seed {}", town.seed);
        if let Some(room) = self.guest_of
            && with_guests
            && town.is_open_since(self.user, room, self.loaded)
        {
            let last = town.rooms.iter().find(|of| of.id == room).unwrap().last_seq;
            assert_eq!(self.heard, last, "seed {}: a guest", town.seed);
        }
    }
}
