//! Channels: text channels of a community and direct messages.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::id::{ChannelId, CommunityId, UserId};
use crate::names::{ChannelName, Topic};
use crate::user::Author;

/// What kind of channel (requirements C2, C3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "db", derive(sqlx::Type), sqlx(type_name = "text", rename_all = "snake_case"))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum ChannelKind {
    /// A text channel of a community.
    Text,
    /// Reserved.
    Voice,
    /// Two people.
    Dm,
    /// Three and more people.
    GroupDm,
}

impl ChannelKind {
    /// As the database and the wire write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Voice => "voice",
            Self::Dm => "dm",
            Self::GroupDm => "group_dm",
        }
    }
}

/// Who may see a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "db", derive(sqlx::Type), sqlx(type_name = "text", rename_all = "snake_case"))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum Visibility {
    /// Every member of the community.
    Public,
    /// Its members only.
    Private,
}

impl Visibility {
    /// As the database and the wire write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Private => "private",
        }
    }
}

/// What of a channel notifies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "db", derive(sqlx::Type), sqlx(type_name = "text", rename_all = "snake_case"))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum NotifyLevel {
    /// Every message.
    All,
    /// Mentions only.
    #[default]
    Mentions,
    /// Nothing: muted.
    Nothing,
}

impl NotifyLevel {
    /// As the database and the wire write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Mentions => "mentions",
            Self::Nothing => "nothing",
        }
    }
}

/// A channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "db", derive(sqlx::FromRow))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Channel {
    /// Its id.
    pub id: ChannelId,
    /// Its community; none for direct messages.
    pub community_id: Option<CommunityId>,
    /// Its name; none for direct messages.
    pub name: Option<String>,
    /// What kind of channel.
    pub kind: ChannelKind,
    /// Who may see it.
    pub visibility: Visibility,
    /// What it is about.
    pub topic: Option<String>,
    /// Sequence of its newest event.
    pub last_seq: i64,
    /// When it was made.
    #[serde(with = "time::serde::rfc3339")]
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub created_at: OffsetDateTime,
    /// Since when it only reads.
    #[serde(with = "time::serde::rfc3339::option", default)]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, format = DateTime))]
    pub archived_at: Option<OffsetDateTime>,
}

/// A channel as one reader sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "db", derive(sqlx::FromRow))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ChannelView {
    /// The channel.
    #[serde(flatten)]
    #[cfg_attr(feature = "db", sqlx(flatten))]
    pub channel: Channel,
    /// The reader is a member.
    pub joined: bool,
    /// How many people are in it.
    pub member_count: i64,
    /// Up to where the reader has read; 0 before the first.
    pub last_read_seq: i64,
    /// Top-level messages by others after that.
    pub unread: i64,
    /// Unread mentions of the reader; in direct messages every unread message.
    pub mentions: i64,
    /// What of it notifies the reader.
    pub notify_level: NotifyLevel,
    /// Everybody in it, the reader included; filled for direct messages only.
    #[serde(default)]
    #[cfg_attr(feature = "db", sqlx(skip))]
    pub members: Vec<Author>,
}

/// A new channel.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CreateChannel {
    /// Its name.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub name: ChannelName,
    /// Who may see it.
    pub visibility: Visibility,
    /// What it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub topic: Option<Topic>,
}

/// A change of a channel; absent fields stay.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct UpdateChannel {
    /// New name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub name: Option<ChannelName>,
    /// New topic; empty clears it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub topic: Option<Topic>,
}

/// Somebody to add to a channel.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AddChannelMember {
    /// Who.
    pub user_id: UserId,
}
