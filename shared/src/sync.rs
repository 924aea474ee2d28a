//! The start of every client: all that one reader needs, in one call (decisions.md 12).

use serde::{Deserialize, Serialize};

use crate::channel::ChannelView;
use crate::community::{Community, Role};
use crate::id::{ChannelId, CommunityId, NotificationId, SessionId, UserId};
use crate::position::Position;
use crate::user::{Author, Me};

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
    /// The newest of them, 200 at most: what was committed before this answer may come by the stream after its cursor, and is counted
    /// already when it is named here.
    #[serde(default)]
    pub unread_notification_ids: Vec<NotificationId>,
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

/// The answer of `GET /api/me/access`: what a stream of the caller carries, and nothing of what is in it. For session managers, which ask
/// for it again and again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Reach {
    /// Everything up to here is known to this answer.
    #[cfg_attr(feature = "openapi", schema(value_type = String, example = "1.4711"))]
    pub cursor: Position,
    /// The caller.
    pub me: Author,
    /// The session behind the token; none for API tokens.
    #[serde(default)]
    pub session_id: Option<SessionId>,
    /// The caller's communities.
    pub communities: Vec<CommunityReach>,
    /// The caller's direct messages.
    pub dms: Vec<DirectReach>,
}

/// A community and the channels of it that somebody has joined.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CommunityReach {
    /// Which.
    pub id: CommunityId,
    /// Joined channels.
    pub channels: Vec<ChannelId>,
}

/// A direct message and who is in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DirectReach {
    /// Which.
    pub id: ChannelId,
    /// The people in it.
    pub members: Vec<UserId>,
}

impl From<&Sync> for Reach {
    fn from(sync: &Sync) -> Self {
        let joined = |views: &[ChannelView]| {
            views.iter().filter(|view| view.joined).map(|view| view.channel.id).collect()
        };
        let direct = |view: &ChannelView| DirectReach {
            id: view.channel.id,
            members: view.members.iter().map(|member| member.id).collect(),
        };
        Self {
            cursor: sync.cursor,
            me: Author::from(&sync.me.user),
            session_id: sync.session_id,
            communities: sync
                .communities
                .iter()
                .map(|view| CommunityReach {
                    id: view.community.id,
                    channels: joined(&view.channels),
                })
                .collect(),
            dms: sync.dms.iter().filter(|view| view.joined).map(direct).collect(),
        }
    }
}
