//! People, channels and messages for the tests of this crate.

use std::sync::Arc;

use ajet_shared::channel::{Channel, ChannelKind, ChannelView, NotifyLevel, Visibility};
use ajet_shared::community::{Community, Role};
use ajet_shared::events::{Envelope, Event};
use ajet_shared::id::{ChannelId, ClientMessageId, CommunityId, MessageId, UserId};
use ajet_shared::message::{Message, MessageKind};
use ajet_shared::position::Position;
use ajet_shared::sync::{CommunityView, Sync};
use ajet_shared::user::{Author, Me, User, UserKind};
use time::macros::datetime;
use time::{Duration, OffsetDateTime};

use crate::renderer::WebRenderer;
use crate::view::names::Directory;
use crate::view::shell::World;

/// Text that must never become markup, in every place where users write.
pub(crate) const HOSTILE: &str =
    "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>${$x}@get('/api')";

/// When everything here happens.
pub(crate) const NOON: OffsetDateTime = datetime!(2026-11-20 12:00 UTC);

pub(crate) fn author(name: &str) -> Author {
    Author {
        id: UserId::new(),
        username: name.to_lowercase(),
        display_name: name.to_owned(),
        avatar_url: None,
        kind: UserKind::Human,
    }
}

pub(crate) fn message(author: &Author, channel: &ChannelView, seq: i64, body: &str) -> Message {
    Message {
        id: MessageId::new(),
        channel_id: channel.channel.id,
        seq,
        parent_id: None,
        author: author.clone(),
        kind: MessageKind::Text,
        body_md: body.to_owned(),
        created_at: NOON + Duration::seconds(seq),
        edited_at: None,
        deleted_at: None,
        reply_count: 0,
        last_reply_at: None,
        participants: Vec::new(),
        reactions: Vec::new(),
        attachments: Vec::new(),
        mentions: Vec::new(),
        metadata: serde_json::Value::Null,
        client_msg_id: Some(ClientMessageId::new()),
    }
}

pub(crate) fn channel(name: &str, community: CommunityId) -> ChannelView {
    ChannelView {
        channel: Channel {
            id: ChannelId::new(),
            community_id: Some(community),
            name: Some(name.to_owned()),
            kind: ChannelKind::Text,
            visibility: Visibility::Public,
            topic: Some(format!("About {name}")),
            last_seq: 10,
            created_at: NOON,
            archived_at: None,
        },
        joined: true,
        member_count: 2,
        last_read_seq: 10,
        unread: 0,
        mentions: 0,
        notify_level: NotifyLevel::Mentions,
        members: Vec::new(),
    }
}

/// A world with one community of these channels, the first of them open.
pub(crate) fn world(names: &[&str]) -> World {
    let community = Community {
        id: CommunityId::new(),
        name: "Labs".into(),
        slug: "labs".into(),
        members_may_invite: false,
        created_at: NOON,
    };
    let channels: Vec<_> = names.iter().map(|name| channel(name, community.id)).collect();
    let here = channels.first().cloned();
    let ola = author("Ola");
    let user = User {
        id: ola.id,
        username: ola.username,
        display_name: ola.display_name,
        avatar_url: None,
        kind: UserKind::Human,
        status_text: None,
        status_emoji: None,
        online: true,
        created_at: NOON,
    };
    let mut world = World::new(Sync {
        cursor: Position { epoch: 1, seq: 7 },
        me: Me { user, email: None },
        session_id: None,
        communities: vec![CommunityView { community, role: Role::Owner, channels }],
        dms: Vec::new(),
        unread_notifications: 0,
        unread_notification_ids: Vec::new(),
    });
    world.community = Some(0);
    world.here = here;
    world
}

pub(crate) fn renderer() -> WebRenderer {
    WebRenderer { directory: Arc::new(Directory::default()) }
}

/// An event of a channel.
pub(crate) fn event(event: Event, channel: &ChannelView, seq: i64, actor: UserId) -> Envelope {
    Envelope::new(event, Some(actor), NOON).in_channel(
        channel.channel.community_id,
        channel.channel.id,
        seq,
    )
}
