//! Notifications that are not about a message: taken into a channel, another role (requirements E7).

use sea_query::Query;
use sqlx::PgConnection;
use uuid::Uuid;

use super::iden::Notifications;
use super::{Cause, channels, outbox, users};
use crate::events::{Event, Notification, NotificationKind};
use crate::id::{ChannelId, CommunityId, NotificationId, UserId};

/// What somebody is told about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// Taken into a channel.
    AddedToChannel(CommunityId, ChannelId),
    /// Something about their place in a community changed.
    Community(CommunityId),
}

/// Tells somebody, on all of their clients. Nobody is told about their own act.
pub async fn tell(
    conn: &mut PgConnection,
    cause: &Cause,
    reader: UserId,
    notice: Notice,
) -> Result<(), sqlx::Error> {
    if cause.actor_id == Some(reader) {
        return Ok(());
    }
    let (kind, community_id, channel_id) = match notice {
        Notice::AddedToChannel(community_id, channel_id) => {
            (NotificationKind::Invite, community_id, Some(channel_id))
        }
        Notice::Community(community_id) => (NotificationKind::System, community_id, None),
    };
    let source_id: Uuid = channel_id.map_or(community_id.uuid(), ChannelId::uuid);
    let id = NotificationId::new();
    let statement = Query::insert()
        .into_table(Notifications::Table)
        .columns([
            Notifications::Id,
            Notifications::UserId,
            Notifications::Type,
            Notifications::SourceId,
            Notifications::ActorId,
            Notifications::CommunityId,
            Notifications::ChannelId,
            Notifications::CreatedAt,
        ])
        .values_panic([
            id.into(),
            reader.into(),
            kind.as_str().into(),
            source_id.into(),
            cause.actor_id.into(),
            community_id.into(),
            channel_id.into(),
            cause.at.into(),
        ])
        .to_owned();
    super::execute(conn, &statement).await?;
    let actor = match cause.actor_id {
        Some(actor_id) => Some(users::author(conn, actor_id, Some(community_id)).await?),
        None => None,
    };
    let notification = Notification {
        id,
        kind,
        community_id: Some(community_id),
        channel_id,
        message_id: None,
        actor,
        read: false,
        created_at: cause.at,
    };
    outbox::push_to(
        conn,
        reader,
        &channels::envelope(cause, Event::NotificationCreated(notification)),
    )
    .await
}
