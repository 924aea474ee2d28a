//! Long-lived API tokens of bots and people (requirements B3).

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::actions::Scope;
use crate::id::{ApiTokenId, UserId};
use crate::user::Author;

/// Longest life of a token, in days. Source: delivery-and-security.md section 3.1.
pub const LIFE_MAX_DAYS: i64 = 365;

/// A token as those who manage it see it; the secret itself is shown once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ApiToken {
    /// Its id.
    pub id: ApiTokenId,
    /// What it is for.
    pub name: String,
    /// As whom it acts: a bot, or for a personal token the person.
    pub user: Author,
    /// What it may be used for at most; its right is this, cut down to what its user may do now.
    pub scopes: Vec<Scope>,
    /// Its first characters, to tell tokens apart: `ajp_` and the public half.
    pub prefix: String,
    /// Who made it.
    pub created_by: Option<UserId>,
    /// When it was made.
    #[serde(with = "time::serde::rfc3339")]
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub created_at: OffsetDateTime,
    /// When it ends.
    #[serde(with = "time::serde::rfc3339")]
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub expires_at: OffsetDateTime,
    /// When it was used last, to ten minutes.
    #[serde(with = "time::serde::rfc3339::option", default)]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, format = DateTime))]
    pub last_used_at: Option<OffsetDateTime>,
}

/// A new token. In a community it belongs to a bot of that name, which is made if there is none; under `/api/me` to the caller.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CreateToken {
    /// What it is for; in a community also the bot's name. 1 to 64 graphemes.
    pub name: String,
    /// What it may be used for; reading and writing messages without.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scopes: Vec<Scope>,
    /// How long it lasts, 1 to 365 days; 90 without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_in_days: Option<i64>,
}

/// The answer to a new token.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CreatedToken {
    /// What was made.
    #[serde(flatten)]
    pub token: ApiToken,
    /// `ajp_…`, shown once.
    pub secret: String,
}
