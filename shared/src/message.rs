//! Messages, reactions, attachments, mentions and read state.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use time::OffsetDateTime;

use crate::channel::NotifyLevel;
use crate::id::{AttachmentId, ChannelId, ClientMessageId, MessageId, UserId};
use crate::names::MessageBody;
use crate::user::Author;

/// What a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "db", derive(sqlx::Type), sqlx(type_name = "text", rename_all = "snake_case"))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum MessageKind {
    /// Somebody wrote it.
    Text,
    /// Somebody says what they do (`/me waves`).
    Me,
    /// A webhook posted it; `metadata` is a [`crate::webhook::WebhookMetadata`].
    Webhook,
    /// The system tells what happened (joined, topic changed).
    System,
}

impl MessageKind {
    /// As the database and the wire write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Me => "me",
            Self::Webhook => "webhook",
            Self::System => "system",
        }
    }
}

/// A message as everybody sees it (architecture.md section 3).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Message {
    /// Its id.
    pub id: MessageId,
    /// Where it stands.
    pub channel_id: ChannelId,
    /// Its place in the channel: gapless over all events of the channel, ascending.
    pub seq: i64,
    /// The message it replies to; none at top level.
    pub parent_id: Option<MessageId>,
    /// Who wrote it.
    pub author: Author,
    /// What it is.
    pub kind: MessageKind,
    /// Markdown as written; empty once deleted.
    pub body_md: String,
    /// When it was written.
    #[serde(with = "time::serde::rfc3339")]
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub created_at: OffsetDateTime,
    /// When it was last edited.
    #[serde(with = "time::serde::rfc3339::option", default)]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, format = DateTime))]
    pub edited_at: Option<OffsetDateTime>,
    /// When it was deleted.
    #[serde(with = "time::serde::rfc3339::option", default)]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, format = DateTime))]
    pub deleted_at: Option<OffsetDateTime>,
    /// Replies in its thread.
    pub reply_count: i32,
    /// When the newest reply came.
    #[serde(with = "time::serde::rfc3339::option", default)]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, format = DateTime))]
    pub last_reply_at: Option<OffsetDateTime>,
    /// The first few people who replied.
    #[serde(default)]
    pub participants: Vec<Author>,
    /// Who reacted with what.
    #[serde(default)]
    pub reactions: Vec<ReactionCount>,
    /// Its files.
    #[serde(default)]
    pub attachments: Vec<Attachment>,
    /// Whom it calls.
    #[serde(default)]
    pub mentions: Vec<Mention>,
    /// What special messages carry (a system line's facts, a webhook's cards).
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub metadata: serde_json::Value,
    /// The author's own key; only in the author's copies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_msg_id: Option<ClientMessageId>,
}

/// One emoji under a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ReactionCount {
    /// The emoji.
    pub emoji: String,
    /// How many people gave it.
    pub count: i64,
    /// The reader gave it too; absent in events, which are the same for all readers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reacted_by_me: Option<bool>,
}

/// A file of a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Attachment {
    /// Its id.
    pub id: AttachmentId,
    /// Its name as the user gave it.
    pub filename: String,
    /// The type found in its first bytes.
    pub content_type: String,
    /// Its size in bytes.
    pub size_bytes: i64,
    /// Pixels, for images.
    pub width: Option<i32>,
    /// Pixels, for images.
    pub height: Option<i32>,
    /// Where to get it.
    pub url: String,
    /// Where to get a small picture of it.
    pub thumb_url: Option<String>,
}

/// Somebody or everybody a message calls (requirements D3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Mention {
    /// Whom.
    #[serde(rename = "type")]
    pub kind: MentionKind,
    /// The person; none for `@channel` and `@here`.
    pub id: Option<UserId>,
}

/// What a mention calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "db", derive(sqlx::Type), sqlx(type_name = "text", rename_all = "snake_case"))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum MentionKind {
    /// One person.
    User,
    /// Everybody in the channel.
    Channel,
    /// Everybody in the channel who is online.
    Here,
}

impl MentionKind {
    /// As the database and the wire write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Channel => "channel",
            Self::Here => "here",
        }
    }
}

/// A message to post. Repeating the same `client_msg_id` gives the first answer.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PostMessage {
    /// Markdown; empty only beside files.
    #[serde(deserialize_with = "text_or_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub body_md: MessageBody,
    /// Made by the client, a UUID.
    pub client_msg_id: ClientMessageId,
    /// The message to reply to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent_id: Option<MessageId>,
    /// Files uploaded before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attachment_ids: Vec<AttachmentId>,
}

fn text_or_none<'de, D: Deserializer<'de>>(deserializer: D) -> Result<MessageBody, D::Error> {
    MessageBody::or_none(String::deserialize(deserializer)?).map_err(D::Error::custom)
}

/// A new text for a message.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct EditMessage {
    /// Markdown.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub body_md: MessageBody,
}

/// Marks a channel read up to a message, that one included.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MarkRead {
    /// The newest message that was seen.
    pub up_to: MessageId,
}

/// How far one reader has read one channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ReadState {
    /// Which channel.
    pub channel_id: ChannelId,
    /// Sequence of the newest message read; 0 before the first.
    pub last_read_seq: i64,
    /// Top-level messages by others after that.
    pub unread: i64,
    /// Unread mentions; in direct messages every unread message.
    pub mentions: i64,
    /// What of the channel notifies the reader from now on, if that is what changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notify_level: Option<NotifyLevel>,
}
