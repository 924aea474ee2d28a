//! NATS subjects (requirements E1). No subject is written anywhere else.

use std::fmt;

use super::{Envelope, Event};
use crate::id::{ChannelId, CommunityId, UserId};

/// Where an event travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Subject {
    /// Durable events of a community.
    Events(CommunityId),
    /// Durable events of a direct message.
    Dm(ChannelId),
    /// Durable personal events.
    Notifications(UserId),
    /// Typing in a channel of a community.
    Typing(CommunityId, ChannelId),
    /// Typing in a direct message.
    TypingDm(ChannelId),
    /// Heartbeats of a community's members.
    Presence(CommunityId),
}

impl Subject {
    /// What the stream `CHAT` stores.
    pub const DURABLE: [&'static str; 3] = ["chat.events.>", "chat.dm.>", "chat.notifications.>"];
    /// What session managers listen to beside the stream.
    pub const EPHEMERAL: [&'static str; 2] = ["chat.typing.>", "chat.presence.>"];
    /// Wakes the relays of other api instances; carries nothing.
    pub const OUTBOX_WAKE: &'static str = "chat.sys.outbox";

    /// Reads a subject back.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.strip_prefix("chat.")?.split('.');
        let subject = match (parts.next()?, parts.next()?, parts.next()) {
            ("events", id, None) => Self::Events(id.parse().ok()?),
            ("dm", id, None) => Self::Dm(id.parse().ok()?),
            ("notifications", id, None) => Self::Notifications(id.parse().ok()?),
            ("presence", id, None) => Self::Presence(id.parse().ok()?),
            ("typing", "dm", Some(channel)) => Self::TypingDm(channel.parse().ok()?),
            ("typing", community, Some(channel)) => {
                Self::Typing(community.parse().ok()?, channel.parse().ok()?)
            }
            _ => return None,
        };
        parts.next().is_none().then_some(subject)
    }

    /// The subject of a durable event of a channel: its community's, or the direct message's own.
    #[must_use]
    pub fn of_channel(community_id: Option<CommunityId>, channel_id: ChannelId) -> Self {
        community_id.map_or(Self::Dm(channel_id), Self::Events)
    }
}

impl Envelope {
    /// Where this event travels. Personal events name their reader here, because the envelope does not.
    #[must_use]
    pub fn subject(&self, reader: Option<UserId>) -> Option<Subject> {
        match &self.event {
            Event::TypingStarted(_) | Event::TypingStopped(_) => {
                let channel = self.channel_id?;
                Some(self.community_id.map_or(Subject::TypingDm(channel), |community| {
                    Subject::Typing(community, channel)
                }))
            }
            Event::PresenceChanged(_) => self.community_id.map(Subject::Presence),
            _ => match (reader, self.community_id, self.channel_id) {
                (Some(user), ..) => Some(Subject::Notifications(user)),
                (None, Some(community), _) => Some(Subject::Events(community)),
                (None, None, Some(channel)) => Some(Subject::Dm(channel)),
                (None, None, None) => None,
            },
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Events(community) => write!(f, "chat.events.{community}"),
            Self::Dm(channel) => write!(f, "chat.dm.{channel}"),
            Self::Notifications(user) => write!(f, "chat.notifications.{user}"),
            Self::Typing(community, channel) => write!(f, "chat.typing.{community}.{channel}"),
            Self::TypingDm(channel) => write!(f, "chat.typing.dm.{channel}"),
            Self::Presence(community) => write!(f, "chat.presence.{community}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_subject_reads_back() {
        let (community, channel, user) = (CommunityId::new(), ChannelId::new(), UserId::new());
        for subject in [
            Subject::Events(community),
            Subject::Dm(channel),
            Subject::Notifications(user),
            Subject::Typing(community, channel),
            Subject::TypingDm(channel),
            Subject::Presence(community),
        ] {
            assert_eq!(Subject::parse(&subject.to_string()), Some(subject));
        }
        for bad in
            ["chat.events.x", "chat.events", "other.events.x", &format!("chat.dm.{channel}.more")]
        {
            assert_eq!(Subject::parse(bad), None, "{bad}");
        }
    }
}
