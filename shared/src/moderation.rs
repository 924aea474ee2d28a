//! Keeping order: bans, mutes, purges and the audit log on the wire (requirements B6, delivery-and-security.md section 3.8).

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::channel::NotifyLevel;
use crate::id::{CommunityId, UserId};
use crate::user::Author;

/// Characters of the reason of a ban.
pub const REASON_MAX_CHARS: usize = 500;
/// Shortest mute or ban, in seconds.
pub const SPAN_MIN_SECONDS: i64 = 60;
/// Longest mute or ban that ends by itself, in seconds: ten years.
pub const SPAN_MAX_SECONDS: i64 = 10 * 366 * 86_400;

/// Somebody who may not come back for now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Ban {
    /// Its id; cursor of the list.
    pub id: Uuid,
    /// Who.
    pub user: Author,
    /// Why; perhaps empty.
    pub reason: String,
    /// Who decided it.
    pub banned_by: Option<UserId>,
    /// Since when.
    #[serde(with = "time::serde::rfc3339")]
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub created_at: OffsetDateTime,
    /// Until when; for good without.
    #[serde(with = "time::serde::rfc3339::option", default)]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, format = DateTime))]
    pub expires_at: Option<OffsetDateTime>,
}

/// A ban to put on somebody; it replaces the one they have.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BanMember {
    /// Why, one line for the other admins.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// How long, 60 seconds to ten years; for good without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_in_seconds: Option<i64>,
}

/// A mute to put on somebody; it replaces the one they have.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MuteMember {
    /// How long, 60 seconds to ten years; until it is lifted without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub for_seconds: Option<i64>,
}

/// Somebody who may not write for now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Muted {
    /// Who.
    pub user_id: UserId,
    /// Until when; until it is lifted without.
    #[serde(with = "time::serde::rfc3339::option", default)]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, format = DateTime))]
    pub until: Option<OffsetDateTime>,
}

/// The caller's own name in one community.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SetNickname {
    /// The name; null or empty goes back to the display name.
    #[serde(default)]
    pub nickname: Option<String>,
}

/// What of a channel shall notify the caller.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SetNotifyLevel {
    /// Everything, mentions, or nothing.
    pub notify_level: NotifyLevel,
}

/// How many of the newest messages of a channel shall go.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Purge {
    /// 1 to 500; more than 100 only for owners.
    pub count: u32,
}

/// How many messages went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Purged {
    /// Messages that are tombstones now.
    pub deleted: u32,
}

/// A line of the audit log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "db", derive(sqlx::FromRow))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AuditEntry {
    /// Its id; cursor of the list.
    pub id: Uuid,
    /// When.
    #[serde(with = "time::serde::rfc3339")]
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub at: OffsetDateTime,
    /// Where.
    pub community_id: Option<CommunityId>,
    /// Who; none for the system.
    pub actor_id: Option<UserId>,
    /// Their handle now, if they still have an account.
    pub actor_username: Option<String>,
    /// What was done, `noun.verb`: `member.banned`.
    pub action: String,
    /// `ok` or `denied`.
    pub outcome: String,
    /// On what: `user`, `channel`, `invite`, …
    pub target_type: Option<String>,
    /// Which.
    pub target_id: Option<Uuid>,
    /// The request, for the logs.
    pub trace_id: Option<String>,
    /// Facts.
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub detail: serde_json::Value,
}
