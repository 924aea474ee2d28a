//! A hub's readers, driven by hand and without a server.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use time::OffsetDateTime;
use tokio::sync::Notify;

use super::super::delivery::Scope;
use super::super::queue::{Item, Next, Queue};
use super::super::sessions::Token;
use super::super::shared::Shared;
use super::super::state::{Seat, State};
use super::super::{Connection, Delivery, Reader, Refused, Renderer, RevalidateError, connection};
use crate::channel::{Channel, ChannelKind, Visibility};
use crate::client::HeaderValue;
use crate::events::{Envelope, Event, MemberChanged, MemberScope};
use crate::id::{ChannelId, ClientMessageId, CommunityId, MessageId, SessionId, UserId};
use crate::message::{Message, MessageKind};
use crate::position::Position;
use crate::sync::{CommunityReach, DirectReach, Reach};
use crate::user::{Author, UserKind};

/// Shows nothing; these tests look at who gets an event, not at its bytes.
#[derive(Debug)]
pub(super) struct Plain;

impl Renderer for Plain {
    const LENSES: usize = 1;

    fn render(&self, position: Position, event: &Envelope, _: usize) -> Option<Bytes> {
        Some(format!("{position} {}", event.event.name()).into())
    }
}

pub(super) fn person(id: UserId) -> Author {
    Author {
        id,
        username: "p".to_owned(),
        display_name: "P".to_owned(),
        avatar_url: None,
        kind: UserKind::Human,
    }
}

pub(super) fn channel(
    id: ChannelId,
    community_id: Option<CommunityId>,
    visibility: Visibility,
) -> Channel {
    Channel {
        id,
        community_id,
        name: community_id.map(|_| "c".to_owned()),
        kind: if community_id.is_some() { ChannelKind::Text } else { ChannelKind::Dm },
        visibility,
        topic: None,
        last_seq: 0,
        created_at: OffsetDateTime::UNIX_EPOCH,
        archived_at: None,
    }
}

pub(super) fn message(id: MessageId, channel_id: ChannelId, author: UserId) -> Message {
    Message {
        id,
        channel_id,
        seq: 1,
        parent_id: None,
        author: person(author),
        kind: MessageKind::Text,
        body_md: "secret words".to_owned(),
        created_at: OffsetDateTime::UNIX_EPOCH,
        edited_at: None,
        deleted_at: None,
        reply_count: 0,
        last_reply_at: None,
        participants: Vec::new(),
        reactions: Vec::new(),
        attachments: Vec::new(),
        mentions: Vec::new(),
        metadata: serde_json::Value::Null,
        client_msg_id: Some(ClientMessageId::new()),
    }
}

pub(super) fn member(scope: MemberScope, user_id: UserId) -> MemberChanged {
    MemberChanged { scope, user_id, user: person(user_id), role: None, channel: None }
}

/// What the api would answer at `cursor`.
pub(super) fn sync(
    user_id: UserId,
    cursor: Position,
    communities: &HashMap<CommunityId, Vec<ChannelId>>,
    dms: &[ChannelId],
) -> Reach {
    Reach {
        cursor,
        me: person(user_id),
        session_id: None,
        communities: communities
            .iter()
            .map(|(id, channels)| CommunityReach { id: *id, channels: channels.clone() })
            .collect(),
        dms: dms.iter().map(|id| DirectReach { id: *id, members: Vec::new() }).collect(),
    }
}

/// A hub's readers, driven by hand.
pub(super) struct World {
    pub(super) state: State<Plain>,
    pub(super) renderer: Arc<Plain>,
    pub(super) seats: Vec<(UserId, u64, Arc<Queue<Plain>>)>,
    /// Where those who sat down are told to ask the api, in their order.
    pub(super) doubts: Vec<Arc<Notify>>,
}

impl World {
    pub(super) fn new() -> Self {
        let mut state = State::new();
        state.position.epoch = 1;
        Self { state, renderer: Arc::new(Plain), seats: Vec::new(), doubts: Vec::new() }
    }

    /// Somebody opens a stream with a token of its own.
    pub(super) fn sit(
        &mut self,
        reach: &Reach,
        guest_of: Option<ChannelId>,
        session_id: Option<SessionId>,
    ) -> Arc<Queue<Plain>> {
        let token = format!("Bearer {}", self.state.next_id());
        self.sit_with(&Self::token(&token), reach, guest_of, session_id)
    }

    pub(super) fn token(text: &str) -> Token {
        Token::new(&HeaderValue::from_str(text).unwrap())
    }

    pub(super) fn sit_with(
        &mut self,
        token: &Token,
        reach: &Reach,
        guest_of: Option<ChannelId>,
        session_id: Option<SessionId>,
    ) -> Arc<Queue<Plain>> {
        let seat = self.seat(token, guest_of, session_id);
        let (id, queue, doubt) = (seat.id, seat.queue.clone(), seat.doubt.clone());
        self.state.attach(reach.me.id, seat, reach);
        self.doubts.push(doubt);
        self.seats.push((reach.me.id, id, queue.clone()));
        queue
    }

    /// Somebody comes back whom the hub knows; none if it has to ask.
    pub(super) fn come_back(&mut self, token: &Token) -> Option<Arc<Queue<Plain>>> {
        let session = self.state.known(token, Instant::now())?;
        let (me, session_id) = (session.me.clone(), session.session_id);
        let seat = self.seat(token, None, session_id);
        let (id, queue) = (seat.id, seat.queue.clone());
        self.state.rejoin(me.id, seat, &me);
        self.seats.push((me.id, id, queue.clone()));
        Some(queue)
    }

    /// The api has answered whatever was asked about somebody.
    pub(super) fn release(&mut self, user_id: UserId) {
        self.state.release(user_id, self.state.doubts(user_id));
    }

    /// All streams of somebody break off.
    pub(super) fn leave(&mut self, user_id: UserId) {
        for (_, id, _) in self.seats.extract_if(.., |(who, ..)| *who == user_id) {
            self.state.detach(user_id, id);
        }
    }

    fn seat(
        &mut self,
        token: &Token,
        guest_of: Option<ChannelId>,
        session_id: Option<SessionId>,
    ) -> Seat<Plain> {
        Seat {
            id: self.state.next_id(),
            queue: Arc::new(Queue::new()),
            token: token.clone(),
            session_id,
            guest_of,
            doubt: self.state.doubt_of(token),
            members: Arc::new(|_| Box::pin(async { Err(RevalidateError::SignedOut) })),
        }
    }

    pub(super) fn happen(&mut self, scope: Scope, event: Event) -> Position {
        let delivery = self.delivery(scope, event);
        self.state.hand_out(delivery, Instant::now());
        self.state.position
    }

    /// An event that comes next, not handed out yet.
    pub(super) fn delivery(&self, scope: Scope, event: Event) -> Arc<Delivery<Plain>> {
        let position = Position { seq: self.state.position.seq + 1, ..self.state.position };
        let mut envelope = Envelope::new(event, None, OffsetDateTime::UNIX_EPOCH);
        match scope {
            Scope::Channel(community, channel) => {
                (envelope.community_id, envelope.channel_id) = (community, Some(channel));
            }
            Scope::Community(community) => envelope.community_id = Some(community),
            Scope::Person(_) => {}
        }
        Arc::new(Delivery::new(self.renderer.clone(), position, scope, envelope, 100))
    }

    /// The same event under another position.
    pub(super) fn again(
        &self,
        delivery: &Delivery<Plain>,
        position: Position,
    ) -> Arc<Delivery<Plain>> {
        let Delivery { scope, envelope, .. } = delivery;
        Arc::new(Delivery::new(self.renderer.clone(), position, *scope, envelope.clone(), 100))
    }

    pub(super) fn message(channel: ChannelId) -> Event {
        Event::MessageCreated(message(MessageId::new(), channel, UserId::new()))
    }

    pub(super) fn write(&mut self, community: Option<CommunityId>, channel: ChannelId) -> Position {
        self.happen(Scope::Channel(community, channel), Self::message(channel))
    }
}

/// Opens a stream for somebody who was just let into `guest_of`.
pub(super) async fn open(
    shared: &Arc<Shared<Plain>>,
    reader: Reader,
    cursor: Option<Position>,
    guest_of: Option<ChannelId>,
) -> Result<Connection<Plain>, Refused> {
    let losses = shared.state().losses();
    connection::ready(shared, cursor).await?;
    connection::begin(shared, reader, None, cursor, guest_of, losses).await
}

pub(super) fn drain(queue: &Queue<Plain>) -> Vec<&'static str> {
    let mut got = Vec::new();
    loop {
        got.push(match queue.next() {
            Next::Item(Item::Event(delivery)) => match delivery.envelope.event {
                Event::MessageCreated(_) => "message",
                _ => "event",
            },
            Next::Item(Item::Typing(_)) => "typing",
            Next::Item(Item::Presence(_)) => "presence",
            Next::Resync(reason) => reason.as_str(),
            Next::Close(_) => return vec!["closed"],
            Next::Nothing => return got,
        });
    }
}
