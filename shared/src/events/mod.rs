//! Everything that can happen, as it travels: one enum, one envelope, one place that says which subject carries what.
//!
//! Fields are only ever added; consumers ignore what they do not know (requirements E2).

mod channel;
mod live;
mod message;
mod personal;
mod subject;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

pub use channel::{ChannelChanged, CommunityChanged, MemberChanged, MemberScope, UserChanged};
pub use live::{PresenceChanged, Typing, TypingState};
pub use message::{MessageDeleted, MessagePinned, ReactionChanged, ThreadUpdated};
pub use personal::{
    DraftUpdated, Notification, NotificationKind, NotificationsRead, SessionRevoked,
};
pub use subject::Subject;

use crate::id::{ChannelId, CommunityId, EventId, UserId};
use crate::message::{Message, ReadState};

/// Version of the envelope.
pub const ENVELOPE_VERSION: u16 = 1;

/// An event on its way (requirements E2, architecture.md section 3).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Envelope {
    /// Unique; also the NATS message id.
    pub id: EventId,
    /// Version of this envelope.
    pub v: u16,
    /// What happened; `type` and `data` on the wire.
    #[serde(flatten)]
    pub event: Event,
    /// The community it belongs to; none for direct messages and personal events.
    pub community_id: Option<CommunityId>,
    /// The channel it belongs to, if any.
    pub channel_id: Option<ChannelId>,
    /// Its place in the channel, gapless and ascending; none for events without a channel and for ephemeral ones.
    pub seq: Option<i64>,
    /// Who did it; none for the system.
    pub actor_id: Option<UserId>,
    /// When it happened.
    #[serde(with = "time::serde::rfc3339")]
    pub timestamp: OffsetDateTime,
    /// The request that caused it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<String>,
    /// What caused it when it was not a person: a webhook, a bot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub via: Option<String>,
    /// How many programs passed it on; stops bots that answer each other.
    #[serde(default)]
    pub hops: u8,
}

/// What happened (decisions.md 8).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data")]
pub enum Event {
    /// Somebody wrote.
    #[serde(rename = "message.created")]
    MessageCreated(Message),
    /// A message has a new text.
    #[serde(rename = "message.edited")]
    MessageEdited(Message),
    /// A message is gone.
    #[serde(rename = "message.deleted")]
    MessageDeleted(MessageDeleted),
    /// A message was pinned.
    #[serde(rename = "message.pinned")]
    MessagePinned(MessagePinned),
    /// A message is no longer pinned.
    #[serde(rename = "message.unpinned")]
    MessageUnpinned(MessagePinned),
    /// Somebody reacted.
    #[serde(rename = "reaction.added")]
    ReactionAdded(ReactionChanged),
    /// Somebody took a reaction back.
    #[serde(rename = "reaction.removed")]
    ReactionRemoved(ReactionChanged),
    /// A thread has a new summary.
    #[serde(rename = "thread.updated")]
    ThreadUpdated(ThreadUpdated),
    /// There is a new channel; the first event of a direct message.
    #[serde(rename = "channel.created")]
    ChannelCreated(ChannelChanged),
    /// A channel has a new name or topic.
    #[serde(rename = "channel.updated")]
    ChannelUpdated(ChannelChanged),
    /// A channel only reads from now on.
    #[serde(rename = "channel.archived")]
    ChannelArchived(ChannelChanged),
    /// A channel can be written to again.
    #[serde(rename = "channel.unarchived")]
    ChannelUnarchived(ChannelChanged),
    /// Somebody came in.
    #[serde(rename = "member.joined")]
    MemberJoined(MemberChanged),
    /// Somebody went.
    #[serde(rename = "member.left")]
    MemberLeft(MemberChanged),
    /// Somebody was taken out.
    #[serde(rename = "member.removed")]
    MemberRemoved(MemberChanged),
    /// Somebody has another role.
    #[serde(rename = "member.updated")]
    MemberUpdated(MemberChanged),
    /// A community has a new name.
    #[serde(rename = "community.updated")]
    CommunityUpdated(CommunityChanged),
    /// A profile changed; sent once per community.
    #[serde(rename = "user.updated")]
    UserUpdated(UserChanged),
    /// The reader is called.
    #[serde(rename = "notification.created")]
    NotificationCreated(Notification),
    /// The reader has seen notifications.
    #[serde(rename = "notification.read")]
    NotificationRead(NotificationsRead),
    /// The reader has read on, or made a channel louder or quieter, on some client.
    #[serde(rename = "read.updated")]
    ReadUpdated(ReadState),
    /// The reader's draft changed, on some client.
    #[serde(rename = "draft.updated")]
    DraftUpdated(DraftUpdated),
    /// A session of the reader ended; its streams close.
    #[serde(rename = "session.revoked")]
    SessionRevoked(SessionRevoked),
    /// Somebody writes (ephemeral).
    #[serde(rename = "typing.started")]
    TypingStarted(Typing),
    /// Somebody stopped writing (ephemeral).
    #[serde(rename = "typing.stopped")]
    TypingStopped(Typing),
    /// Somebody came or went (ephemeral).
    #[serde(rename = "presence.changed")]
    PresenceChanged(PresenceChanged),
    /// A newer publisher sent a type this build does not know; consumers skip it.
    #[serde(untagged)]
    Unknown(serde_json::Value),
}

impl Event {
    /// The name on the wire, which also names the SSE event.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::MessageCreated(_) => "message.created",
            Self::MessageEdited(_) => "message.edited",
            Self::MessageDeleted(_) => "message.deleted",
            Self::MessagePinned(_) => "message.pinned",
            Self::MessageUnpinned(_) => "message.unpinned",
            Self::ReactionAdded(_) => "reaction.added",
            Self::ReactionRemoved(_) => "reaction.removed",
            Self::ThreadUpdated(_) => "thread.updated",
            Self::ChannelCreated(_) => "channel.created",
            Self::ChannelUpdated(_) => "channel.updated",
            Self::ChannelArchived(_) => "channel.archived",
            Self::ChannelUnarchived(_) => "channel.unarchived",
            Self::MemberJoined(_) => "member.joined",
            Self::MemberLeft(_) => "member.left",
            Self::MemberRemoved(_) => "member.removed",
            Self::MemberUpdated(_) => "member.updated",
            Self::CommunityUpdated(_) => "community.updated",
            Self::UserUpdated(_) => "user.updated",
            Self::NotificationCreated(_) => "notification.created",
            Self::NotificationRead(_) => "notification.read",
            Self::ReadUpdated(_) => "read.updated",
            Self::DraftUpdated(_) => "draft.updated",
            Self::SessionRevoked(_) => "session.revoked",
            Self::TypingStarted(_) => "typing.started",
            Self::TypingStopped(_) => "typing.stopped",
            Self::PresenceChanged(_) => "presence.changed",
            Self::Unknown(value) => {
                value.get("type").and_then(serde_json::Value::as_str).unwrap_or("unknown")
            }
        }
    }
}

impl Envelope {
    /// A fresh envelope around an event. Channel and community are set by the functions below.
    #[must_use]
    pub fn new(event: Event, actor_id: Option<UserId>, timestamp: OffsetDateTime) -> Self {
        Self {
            id: EventId::new(),
            v: ENVELOPE_VERSION,
            event,
            community_id: None,
            channel_id: None,
            seq: None,
            actor_id,
            timestamp,
            trace_id: None,
            via: None,
            hops: 0,
        }
    }

    /// An event of a channel, at its place there.
    #[must_use]
    pub fn in_channel(
        mut self,
        community_id: Option<CommunityId>,
        channel_id: ChannelId,
        seq: i64,
    ) -> Self {
        self.community_id = community_id;
        self.channel_id = Some(channel_id);
        self.seq = Some(seq);
        self
    }

    /// An event of a community as a whole.
    #[must_use]
    pub fn in_community(mut self, community_id: CommunityId) -> Self {
        self.community_id = Some(community_id);
        self
    }

    /// With the trace id of the request that caused it.
    #[must_use]
    pub fn traced(mut self, trace_id: Option<String>) -> Self {
        self.trace_id = trace_id;
        self
    }
}
