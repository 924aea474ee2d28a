//! Communities, their members and roles.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::id::CommunityId;
use crate::names::{CommunityName, CommunitySlug};
use crate::user::User;

/// What a member may do in a community (requirements B6). Ordered: a later one may do more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "db", derive(sqlx::Type), sqlx(type_name = "text", rename_all = "snake_case"))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum Role {
    /// May read, write and open channels.
    Member,
    /// Also moderates and manages.
    Admin,
    /// May do all there is.
    Owner,
}

impl Role {
    /// As the database and the wire write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Member => "member",
            Self::Admin => "admin",
            Self::Owner => "owner",
        }
    }
}

/// The top-level container of channels and members.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "db", derive(sqlx::FromRow))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Community {
    /// Its id.
    pub id: CommunityId,
    /// Its name.
    pub name: String,
    /// Its address: `/c/<slug>`.
    pub slug: String,
    /// Plain members may make invites.
    #[serde(default)]
    pub members_may_invite: bool,
    /// When it was made.
    #[serde(with = "time::serde::rfc3339")]
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub created_at: OffsetDateTime,
}

/// A new community. Without a slug one is made from the name.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CreateCommunity {
    /// Its name.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub name: CommunityName,
    /// Its address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub slug: Option<CommunitySlug>,
}

/// A change of a community; absent fields stay.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct UpdateCommunity {
    /// New name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub name: Option<CommunityName>,
    /// Whether plain members may make invites.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub members_may_invite: Option<bool>,
}

/// A person in a community.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "db", derive(sqlx::FromRow))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Member {
    /// The profile; `display_name` is the nickname where one is set.
    #[serde(flatten)]
    #[cfg_attr(feature = "db", sqlx(flatten))]
    pub user: User,
    /// What the member may do.
    pub role: Role,
    /// When the member joined.
    #[serde(with = "time::serde::rfc3339")]
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub joined_at: OffsetDateTime,
}

/// A change of somebody's role.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct UpdateMember {
    /// The new role.
    pub role: Role,
}
