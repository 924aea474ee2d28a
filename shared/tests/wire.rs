//! The wire format of every event, written down: a change here is a change for every client (decisions.md 8). Fields are only ever
//! added, and old readers must go on reading.

use ajet_shared::channel::{Channel, ChannelKind, NotifyLevel, Visibility};
use ajet_shared::community::{Community, Role};
use ajet_shared::events::{
    ChannelChanged, CommunityChanged, DraftUpdated, Envelope, Event, MemberChanged, MemberScope,
    MessageDeleted, MessagePinned, Notification, NotificationKind, NotificationsRead,
    PresenceChanged, ReactionChanged, SessionRevoked, ThreadUpdated, Typing, TypingState,
    UserChanged,
};
use ajet_shared::id::{
    AttachmentId, ChannelId, ClientMessageId, CommunityId, EventId, MessageId, NotificationId,
    SessionId, UserId,
};
use ajet_shared::message::{
    Attachment, Mention, MentionKind, Message, MessageKind, ReactionCount, ReadState,
};
use ajet_shared::user::{Author, UserKind};
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::macros::datetime;
use uuid::Uuid;

#[path = "wire/versions.rs"]
mod versions;

const AT: OffsetDateTime = datetime!(2026-11-20 04:22:59.401275 UTC);

fn id<T: From<Uuid>>(n: u128) -> T {
    Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0000 | n).into()
}

fn text(n: u128) -> String {
    id::<Uuid>(n).to_string()
}

fn author() -> Author {
    Author {
        id: id(1),
        username: "ola".into(),
        display_name: "Ola".into(),
        avatar_url: None,
        kind: UserKind::Human,
    }
}

fn author_json() -> Value {
    json!({ "id": text(1), "username": "ola", "display_name": "Ola", "avatar_url": null, "kind": "human" })
}

fn message() -> Message {
    Message {
        id: id(10),
        channel_id: id(20),
        seq: 7,
        parent_id: Some(id(9)),
        author: author(),
        kind: MessageKind::Text,
        body_md: "ship **it**, @ola".into(),
        created_at: AT,
        edited_at: None,
        deleted_at: None,
        reply_count: 2,
        last_reply_at: Some(AT),
        participants: vec![author()],
        reactions: vec![ReactionCount { emoji: "🚢".into(), count: 3, reacted_by_me: None }],
        attachments: vec![Attachment {
            id: id(30),
            filename: "a b.png".into(),
            content_type: "image/png".into(),
            size_bytes: 12,
            width: Some(3),
            height: Some(4),
            url: "/files/x/a%20b.png".into(),
            thumb_url: None,
        }],
        mentions: vec![
            Mention { kind: MentionKind::User, id: Some(id(1)) },
            Mention { kind: MentionKind::Here, id: None },
        ],
        metadata: json!({}),
        client_msg_id: Some(id::<ClientMessageId>(11)),
    }
}

fn message_json() -> Value {
    json!({
        "id": text(10), "channel_id": text(20), "seq": 7, "parent_id": text(9), "author": author_json(), "kind": "text",
        "body_md": "ship **it**, @ola", "created_at": "2026-11-20T04:22:59.401275Z", "edited_at": null, "deleted_at": null,
        "reply_count": 2, "last_reply_at": "2026-11-20T04:22:59.401275Z", "participants": [author_json()],
        "reactions": [{ "emoji": "🚢", "count": 3 }],
        "attachments": [{
            "id": text(30), "filename": "a b.png", "content_type": "image/png", "size_bytes": 12, "width": 3, "height": 4,
            "url": "/files/x/a%20b.png", "thumb_url": null,
        }],
        "mentions": [{ "type": "user", "id": text(1) }, { "type": "here", "id": null }],
        "metadata": {}, "client_msg_id": text(11),
    })
}

fn channel() -> Channel {
    Channel {
        id: id::<ChannelId>(20),
        community_id: Some(id(40)),
        name: Some("release-room".into()),
        kind: ChannelKind::Text,
        visibility: Visibility::Private,
        topic: None,
        last_seq: 7,
        created_at: AT,
        archived_at: None,
    }
}

fn channel_json() -> Value {
    json!({
        "id": text(20), "community_id": text(40), "name": "release-room", "kind": "text", "visibility": "private", "topic": null,
        "last_seq": 7, "created_at": "2026-11-20T04:22:59.401275Z", "archived_at": null,
    })
}

fn member(role: Option<Role>) -> MemberChanged {
    MemberChanged {
        scope: MemberScope::Channel,
        user_id: id(1),
        user: author(),
        role,
        channel: Some(channel()),
    }
}

fn member_json(role: &Value) -> Value {
    json!({ "scope": "channel", "user_id": text(1), "user": author_json(), "role": role, "channel": channel_json() })
}

fn reaction() -> ReactionChanged {
    ReactionChanged {
        message_id: id(10),
        user_id: id(1),
        emoji: "🚢".into(),
        count: 1,
        reactions: vec![ReactionCount { emoji: "🚢".into(), count: 1, reacted_by_me: None }],
    }
}

fn typing() -> Typing {
    Typing { channel_id: id(20), parent_id: None, user: author() }
}

/// Every event with its name and its `data`.
#[expect(clippy::too_many_lines, reason = "one line or two for each event there is")]
fn catalogue() -> Vec<(Event, &'static str, Value)> {
    let changed = || ChannelChanged { channel: channel(), member_ids: vec![id::<UserId>(1)] };
    let changed_json = json!({ "channel": channel_json(), "member_ids": [text(1)] });
    let reaction_json = json!({
        "message_id": text(10), "user_id": text(1), "emoji": "🚢", "count": 1, "reactions": [{ "emoji": "🚢", "count": 1 }],
    });
    let typing_json = json!({ "channel_id": text(20), "parent_id": null, "user": author_json() });
    vec![
        (Event::MessageCreated(message()), "message.created", message_json()),
        (Event::MessageEdited(message()), "message.edited", message_json()),
        (
            Event::MessageDeleted(MessageDeleted {
                message_id: id::<MessageId>(10),
                parent_id: None,
                message_seq: 7,
                author_id: id(1),
                deleted_at: AT,
            }),
            "message.deleted",
            json!({
                "message_id": text(10), "parent_id": null, "message_seq": 7, "author_id": text(1),
                "deleted_at": "2026-11-20T04:22:59.401275Z",
            }),
        ),
        (
            Event::MessagePinned(MessagePinned { message_id: id(10) }),
            "message.pinned",
            json!({ "message_id": text(10) }),
        ),
        (
            Event::MessageUnpinned(MessagePinned { message_id: id(10) }),
            "message.unpinned",
            json!({ "message_id": text(10) }),
        ),
        (Event::ReactionAdded(reaction()), "reaction.added", reaction_json.clone()),
        (Event::ReactionRemoved(reaction()), "reaction.removed", reaction_json),
        (
            Event::ThreadUpdated(ThreadUpdated {
                parent_id: id(9),
                reply_count: 2,
                last_reply_at: Some(AT),
                participant_ids: vec![id(1)],
                participants: vec![author()],
            }),
            "thread.updated",
            json!({
                "parent_id": text(9), "reply_count": 2, "last_reply_at": "2026-11-20T04:22:59.401275Z",
                "participant_ids": [text(1)], "participants": [author_json()],
            }),
        ),
        (Event::ChannelCreated(changed()), "channel.created", changed_json.clone()),
        (Event::ChannelUpdated(changed()), "channel.updated", changed_json.clone()),
        (Event::ChannelArchived(changed()), "channel.archived", changed_json.clone()),
        (Event::ChannelUnarchived(changed()), "channel.unarchived", changed_json),
        (Event::MemberJoined(member(None)), "member.joined", member_json(&Value::Null)),
        (Event::MemberLeft(member(None)), "member.left", member_json(&Value::Null)),
        (Event::MemberRemoved(member(None)), "member.removed", member_json(&Value::Null)),
        (
            Event::MemberUpdated(member(Some(Role::Admin))),
            "member.updated",
            member_json(&json!("admin")),
        ),
        (
            Event::CommunityUpdated(CommunityChanged {
                community: Community {
                    id: id(40),
                    name: "Saltmarsh".into(),
                    slug: "saltmarsh".into(),
                    members_may_invite: false,
                    created_at: AT,
                },
            }),
            "community.updated",
            json!({
                "community": {
                    "id": text(40), "name": "Saltmarsh", "slug": "saltmarsh", "members_may_invite": false,
                    "created_at": "2026-11-20T04:22:59.401275Z",
                },
            }),
        ),
        (
            Event::UserUpdated(UserChanged {
                user: author(),
                status_text: Some("away".into()),
                status_emoji: None,
            }),
            "user.updated",
            json!({ "user": author_json(), "status_text": "away", "status_emoji": null }),
        ),
        (
            Event::NotificationCreated(Notification {
                id: id::<NotificationId>(50),
                kind: NotificationKind::ThreadReply,
                community_id: Some(id::<CommunityId>(40)),
                channel_id: Some(id(20)),
                message_id: Some(id(10)),
                actor: Some(author()),
                read: false,
                created_at: AT,
            }),
            "notification.created",
            json!({
                "id": text(50), "type": "thread_reply", "community_id": text(40), "channel_id": text(20), "message_id": text(10),
                "actor": author_json(), "read": false, "created_at": "2026-11-20T04:22:59.401275Z",
            }),
        ),
        (
            Event::NotificationRead(NotificationsRead { ids: Some(vec![id(50)]), unread: 4 }),
            "notification.read",
            json!({ "ids": [text(50)], "unread": 4 }),
        ),
        (
            Event::ReadUpdated(ReadState {
                channel_id: id(20),
                last_read_seq: 7,
                unread: 1,
                mentions: 0,
                notify_level: Some(NotifyLevel::Nothing),
            }),
            "read.updated",
            json!({
                "channel_id": text(20), "last_read_seq": 7, "unread": 1, "mentions": 0, "notify_level": "nothing",
            }),
        ),
        (
            Event::DraftUpdated(DraftUpdated {
                channel_id: id(20),
                parent_id: None,
                present: true,
            }),
            "draft.updated",
            json!({ "channel_id": text(20), "parent_id": null, "present": true }),
        ),
        (
            Event::SessionRevoked(SessionRevoked { session_id: Some(id::<SessionId>(60)) }),
            "session.revoked",
            json!({ "session_id": text(60) }),
        ),
        (Event::TypingStarted(typing()), "typing.started", typing_json.clone()),
        (Event::TypingStopped(typing()), "typing.stopped", typing_json),
        (
            Event::PresenceChanged(PresenceChanged { user_id: id(1), online: true }),
            "presence.changed",
            json!({ "user_id": text(1), "online": true }),
        ),
    ]
}

/// Where an event stands in the catalogue. A new variant does not compile until it is written down there, too.
fn place(event: &Event) -> Option<usize> {
    Some(match event {
        Event::MessageCreated(_) => 0,
        Event::MessageEdited(_) => 1,
        Event::MessageDeleted(_) => 2,
        Event::MessagePinned(_) => 3,
        Event::MessageUnpinned(_) => 4,
        Event::ReactionAdded(_) => 5,
        Event::ReactionRemoved(_) => 6,
        Event::ThreadUpdated(_) => 7,
        Event::ChannelCreated(_) => 8,
        Event::ChannelUpdated(_) => 9,
        Event::ChannelArchived(_) => 10,
        Event::ChannelUnarchived(_) => 11,
        Event::MemberJoined(_) => 12,
        Event::MemberLeft(_) => 13,
        Event::MemberRemoved(_) => 14,
        Event::MemberUpdated(_) => 15,
        Event::CommunityUpdated(_) => 16,
        Event::UserUpdated(_) => 17,
        Event::NotificationCreated(_) => 18,
        Event::NotificationRead(_) => 19,
        Event::ReadUpdated(_) => 20,
        Event::DraftUpdated(_) => 21,
        Event::SessionRevoked(_) => 22,
        Event::TypingStarted(_) => 23,
        Event::TypingStopped(_) => 24,
        Event::PresenceChanged(_) => 25,
        Event::Unknown(_) => return None,
    })
}

#[test]
fn every_event_has_its_written_form_and_reads_back() {
    for (place_in_catalogue, (event, name, data)) in catalogue().into_iter().enumerate() {
        assert_eq!(place(&event), Some(place_in_catalogue), "{name}");
        assert_eq!(event.name(), name);
        let written = serde_json::to_value(&event).unwrap();
        assert_eq!(written, json!({ "type": name, "data": data }));
        assert_eq!(serde_json::from_value::<Event>(written).unwrap(), event, "{name}");
    }
    assert_eq!(catalogue().len(), 26);
}

#[test]
fn the_envelope_has_its_written_form() {
    let event = Event::PresenceChanged(PresenceChanged { user_id: id(1), online: true });
    let mut envelope = Envelope::new(event, Some(id(1)), AT)
        .in_channel(Some(id(40)), id(20), 8)
        .traced(Some("abc".into()));
    envelope.id = id::<EventId>(70);
    let written = json!({
        "id": text(70), "v": 1, "type": "presence.changed", "data": { "user_id": text(1), "online": true },
        "community_id": text(40), "channel_id": text(20), "seq": 8, "actor_id": text(1),
        "timestamp": "2026-11-20T04:22:59.401275Z", "trace_id": "abc", "hops": 0,
    });
    assert_eq!(serde_json::to_value(&envelope).unwrap(), written);
    assert_eq!(serde_json::from_value::<Envelope>(written).unwrap(), envelope);
}

#[test]
fn events_carry_nothing_that_depends_on_the_reader() {
    let written = catalogue()
        .iter()
        .map(|(event, ..)| serde_json::to_string(event).unwrap())
        .collect::<String>();
    assert!(!written.contains("reacted_by_me"));
}

#[test]
fn an_older_reader_skips_new_types_and_ignores_new_fields() {
    let mut newer = json!({
        "id": text(70), "v": 1, "type": "poll.closed", "data": { "poll_id": text(80) }, "community_id": null, "channel_id": null,
        "seq": null, "actor_id": null, "timestamp": "2026-11-20T04:22:59Z", "shard": 3,
    });
    let envelope: Envelope = serde_json::from_value(newer.clone()).unwrap();
    assert_eq!((envelope.event.name(), envelope.id), ("poll.closed", id::<EventId>(70)));
    newer["type"] = json!("message.pinned");
    newer["data"] = json!({ "message_id": text(10), "pinned_until": "later" });
    let envelope: Envelope = serde_json::from_value(newer).unwrap();
    assert_eq!(envelope.event, Event::MessagePinned(MessagePinned { message_id: id(10) }));
}

#[test]
fn optional_fields_of_old_events_may_be_missing() {
    let deleted = json!({ "type": "message.deleted", "data": {
        "message_id": text(10), "message_seq": 7, "author_id": text(1), "deleted_at": "2026-11-20T04:22:59Z",
    } });
    assert!(matches!(serde_json::from_value(deleted).unwrap(), Event::MessageDeleted(_)));
    assert_eq!(serde_json::to_value(TypingState::Started).unwrap(), json!("started"));
    assert_eq!(serde_json::to_value(AttachmentId::from(Uuid::nil())).unwrap(), json!(Uuid::nil()));
}
