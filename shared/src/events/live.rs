//! Ephemeral events: core NATS, never stored, at most once.

use serde::{Deserialize, Serialize};

use crate::id::{ChannelId, MessageId, UserId};
use crate::user::Author;

/// Whether somebody writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TypingState {
    /// A key was pressed.
    Started,
    /// Sent or cleared.
    Stopped,
}

/// Somebody writes in a channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Typing {
    /// Where.
    pub channel_id: ChannelId,
    /// In which thread, if in one.
    #[serde(default)]
    pub parent_id: Option<MessageId>,
    /// Who.
    pub user: Author,
}

/// Somebody came or went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PresenceChanged {
    /// Who.
    pub user_id: UserId,
    /// Seen within the last two minutes.
    pub online: bool,
}
