//! Events about messages, reactions and threads.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::id::{MessageId, UserId};
use crate::message::ReactionCount;
use crate::user::Author;

/// A message is gone; its row stays as a tombstone at the same place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageDeleted {
    /// Which message.
    pub message_id: MessageId,
    /// The message it replied to.
    #[serde(default)]
    pub parent_id: Option<MessageId>,
    /// Its own place in the channel (the envelope's `seq` is the place of the deletion).
    pub message_seq: i64,
    /// Who had written it.
    pub author_id: UserId,
    /// When it was deleted.
    #[serde(with = "time::serde::rfc3339")]
    pub deleted_at: OffsetDateTime,
}

/// A message was pinned or unpinned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessagePinned {
    /// Which message.
    pub message_id: MessageId,
}

/// Somebody gave or took back a reaction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReactionChanged {
    /// Under which message.
    pub message_id: MessageId,
    /// Who.
    pub user_id: UserId,
    /// Which emoji.
    pub emoji: String,
    /// How many people give it now.
    pub count: i64,
    /// All reactions of the message now, so that a reader can redraw them without asking.
    #[serde(default)]
    pub reactions: Vec<ReactionCount>,
}

/// A thread's summary, for its root message.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ThreadUpdated {
    /// The root.
    pub parent_id: MessageId,
    /// Replies now.
    pub reply_count: i32,
    /// When the newest came.
    #[serde(with = "time::serde::rfc3339::option", default)]
    pub last_reply_at: Option<OffsetDateTime>,
    /// Everybody who replied.
    pub participant_ids: Vec<UserId>,
    /// The first few of them, drawable.
    #[serde(default)]
    pub participants: Vec<Author>,
}
