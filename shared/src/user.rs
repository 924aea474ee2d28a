//! People, bots and the system user.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::id::UserId;
use crate::names::{DisplayName, Username};

/// What is behind an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "db", derive(sqlx::Type), sqlx(type_name = "text", rename_all = "snake_case"))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum UserKind {
    /// A person.
    Human,
    /// A program with an API token or a webhook.
    Bot,
    /// ajet-chat itself.
    System,
}

/// Who wrote something: enough to draw it, never the full profile (decisions.md 10).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "db", derive(sqlx::FromRow))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Author {
    /// Whose account.
    pub id: UserId,
    /// The unique handle, without `@`.
    pub username: String,
    /// The community nickname where one is set, else the display name.
    pub display_name: String,
    /// A path on this server, or nothing.
    pub avatar_url: Option<String>,
    /// What is behind the account.
    pub kind: UserKind,
}

impl From<&User> for Author {
    fn from(user: &User) -> Self {
        Self {
            id: user.id,
            username: user.username.clone(),
            display_name: user.display_name.clone(),
            avatar_url: user.avatar_url.clone(),
            kind: user.kind,
        }
    }
}

/// A profile as others see it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "db", derive(sqlx::FromRow))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct User {
    /// Whose account.
    pub id: UserId,
    /// The unique handle, without `@`.
    pub username: String,
    /// The name shown.
    pub display_name: String,
    /// A path on this server, or nothing.
    pub avatar_url: Option<String>,
    /// What is behind the account.
    pub kind: UserKind,
    /// What the person says of the moment.
    pub status_text: Option<String>,
    /// One emoji beside the name.
    pub status_emoji: Option<String>,
    /// A heartbeat came in the last two minutes.
    pub online: bool,
    /// When the account was made.
    #[serde(with = "time::serde::rfc3339")]
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub created_at: OffsetDateTime,
}

/// The caller: a profile and what only its owner sees.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "db", derive(sqlx::FromRow))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Me {
    /// The profile.
    #[serde(flatten)]
    #[cfg_attr(feature = "db", sqlx(flatten))]
    pub user: User,
    /// The address the provider gave, if any.
    pub email: Option<String>,
}

/// A change of one's own profile; absent fields stay.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct UpdateMe {
    /// New handle.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub username: Option<Username>,
    /// New name shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub display_name: Option<DisplayName>,
    /// New status text; empty clears it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status_text: Option<String>,
    /// New status emoji; empty clears it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status_emoji: Option<String>,
}

impl UserKind {
    /// As the database writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Human => "human",
            Self::Bot => "bot",
            Self::System => "system",
        }
    }
}
