//! Events that reach one person, on all of their clients.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::id::{ChannelId, CommunityId, MessageId, NotificationId, SessionId};
use crate::user::Author;

/// Why somebody is notified (requirements E7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum NotificationKind {
    /// Called by name or with everybody.
    Mention,
    /// A direct message.
    Dm,
    /// A reply in a thread one is part of.
    ThreadReply,
    /// Taken into a channel.
    Invite,
    /// A role change, a ban and the like.
    System,
}

impl NotificationKind {
    /// As the database and the wire write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Mention => "mention",
            Self::Dm => "dm",
            Self::ThreadReply => "thread_reply",
            Self::Invite => "invite",
            Self::System => "system",
        }
    }
}

/// A row of the notification list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Notification {
    /// Its id.
    pub id: NotificationId,
    /// Why.
    #[serde(rename = "type")]
    pub kind: NotificationKind,
    /// Where.
    pub community_id: Option<CommunityId>,
    /// Where.
    pub channel_id: Option<ChannelId>,
    /// The message behind it.
    pub message_id: Option<MessageId>,
    /// Who caused it.
    pub actor: Option<Author>,
    /// It was seen.
    pub read: bool,
    /// When.
    #[serde(with = "time::serde::rfc3339")]
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub created_at: OffsetDateTime,
}

/// Notifications were seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotificationsRead {
    /// Which; none means all.
    pub ids: Option<Vec<NotificationId>>,
    /// How many are unread now.
    pub unread: i64,
}

/// A draft changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DraftUpdated {
    /// In which channel.
    pub channel_id: ChannelId,
    /// In which thread.
    pub parent_id: Option<MessageId>,
    /// There is something in it.
    pub present: bool,
}

/// A session ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionRevoked {
    /// Which; none means every session of the user.
    pub session_id: Option<SessionId>,
}
