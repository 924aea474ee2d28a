//! Events about communities, channels, members and profiles.

use serde::{Deserialize, Serialize};

use crate::channel::Channel;
use crate::community::{Community, Role};
use crate::id::UserId;
use crate::user::Author;

/// A channel came to be or changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelChanged {
    /// The channel as it is now.
    pub channel: Channel,
    /// Whom the first event of a direct message or private channel names; these readers see the channel from here on.
    #[serde(default)]
    pub member_ids: Vec<UserId>,
}

/// What somebody joined or left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MemberScope {
    /// The community.
    Community,
    /// The channel of the envelope.
    Channel,
}

/// Somebody came, went or has another role. Reaches whom it names, too.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberChanged {
    /// What was joined or left.
    pub scope: MemberScope,
    /// Who.
    pub user_id: UserId,
    /// The same, drawable.
    pub user: Author,
    /// The role in the community now, where it matters.
    #[serde(default)]
    pub role: Option<Role>,
    /// The channel that was joined, for the reader who joined it.
    #[serde(default)]
    pub channel: Option<Channel>,
}

/// A community changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommunityChanged {
    /// The community as it is now.
    pub community: Community,
}

/// A profile changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserChanged {
    /// The person as it is drawn now.
    pub user: Author,
    /// What the person says of the moment.
    #[serde(default)]
    pub status_text: Option<String>,
    /// One emoji beside the name.
    #[serde(default)]
    pub status_emoji: Option<String>,
}
