//! A hub's readers, driven by hand and without a server.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use time::OffsetDateTime;
use tokio::sync::Notify;

use super::super::delivery::Scope;
use super::super::queue::{Item, Next, Queue};
use super::super::state::{Seat, State};
use super::super::{Delivery, Renderer, RevalidateError};
use crate::channel::{Channel, ChannelKind, ChannelView, NotifyLevel, Visibility};
use crate::community::{Community, Role};
use crate::events::{Envelope, Event, MemberChanged, MemberScope};
use crate::id::{ChannelId, ClientMessageId, CommunityId, MessageId, SessionId, UserId};
use crate::message::{Message, MessageKind};
use crate::position::Position;
use crate::sync::{CommunityView, Sync};
use crate::user::{Author, Me, User, UserKind};

/// Shows nothing; these tests look at who gets an event, not at its bytes.
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

pub(super) fn sync(
    user_id: UserId,
    cursor: Position,
    communities: &HashMap<CommunityId, Vec<ChannelId>>,
    dms: &[ChannelId],
) -> Sync {
    let view = |id, community| ChannelView {
        channel: channel(id, community, Visibility::Private),
        joined: true,
        member_count: 1,
        last_read_seq: 0,
        unread: 0,
        mentions: 0,
        notify_level: NotifyLevel::All,
        members: Vec::new(),
    };
    Sync {
        cursor,
        me: Me {
            user: User {
                id: user_id,
                username: "p".to_owned(),
                display_name: "P".to_owned(),
                avatar_url: None,
                kind: UserKind::Human,
                status_text: None,
                status_emoji: None,
                online: true,
                created_at: OffsetDateTime::UNIX_EPOCH,
            },
            email: None,
        },
        session_id: None,
        communities: communities
            .iter()
            .map(|(id, channels)| CommunityView {
                community: Community {
                    id: *id,
                    name: "C".to_owned(),
                    slug: "c".to_owned(),
                    members_may_invite: false,
                    created_at: OffsetDateTime::UNIX_EPOCH,
                },
                role: Role::Member,
                channels: channels.iter().map(|channel| view(*channel, Some(*id))).collect(),
            })
            .collect(),
        dms: dms.iter().map(|id| view(*id, None)).collect(),
        unread_notifications: 0,
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

    pub(super) fn sit(
        &mut self,
        sync: &Sync,
        guest_of: Option<ChannelId>,
        session_id: Option<SessionId>,
    ) -> Arc<Queue<Plain>> {
        let queue = Arc::new(Queue::new());
        let id = self.state.next_id();
        let doubt = Arc::new(Notify::new());
        let seat = Seat {
            id,
            queue: queue.clone(),
            session_id,
            guest_of,
            doubt: doubt.clone(),
            members: Arc::new(|_| Box::pin(async { Err(RevalidateError::SignedOut) })),
        };
        self.state.attach(sync.me.user.id, seat, sync);
        self.doubts.push(doubt);
        self.seats.push((sync.me.user.id, id, queue.clone()));
        queue
    }

    pub(super) fn happen(&mut self, scope: Scope, event: Event) -> Position {
        let delivery = self.delivery(scope, event);
        self.state.hand_out(delivery, std::time::Instant::now());
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
