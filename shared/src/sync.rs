//! The start of every client: all that one reader needs, in one call (decisions.md 12).

use serde::{Deserialize, Serialize};

use crate::channel::ChannelView;
use crate::community::{Community, Role};
use crate::id::SessionId;
use crate::position::Position;
use crate::user::Me;

/// The answer of `GET /api/sync`. The cursor was read before the rest, so a stream that starts there overlaps and never misses.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Sync {
    /// Where a stream that continues this state starts.
    #[cfg_attr(feature = "openapi", schema(value_type = String, example = "1.4711"))]
    pub cursor: Position,
    /// The caller.
    pub me: Me,
    /// The session behind the token; none for API tokens. A stream of this session ends when it does.
    #[serde(default)]
    pub session_id: Option<SessionId>,
    /// The caller's communities, by name.
    pub communities: Vec<CommunityView>,
    /// The caller's direct messages, newest first.
    pub dms: Vec<ChannelView>,
    /// Unread notifications.
    pub unread_notifications: i64,
}

/// A community as one member sees it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "db", derive(sqlx::FromRow))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CommunityView {
    /// The community.
    #[serde(flatten)]
    #[cfg_attr(feature = "db", sqlx(flatten))]
    pub community: Community,
    /// What the reader may do there.
    pub role: Role,
    /// The channels the reader has joined, by name.
    #[cfg_attr(feature = "db", sqlx(skip))]
    pub channels: Vec<ChannelView>,
}
