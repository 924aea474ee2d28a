//! The start of every client in a handful of queries.

use sea_query::{Expr, ExprTrait, Order, Query};
use sqlx::PgConnection;

use super::channels::{self, Listed};
use super::iden::Notifications;
use super::{communities, users};
use crate::channel::ChannelView;
use crate::id::{ChannelId, CommunityId, NotificationId, UserId};
use crate::position::Position;
use crate::sync::{CommunityReach, CommunityView, DirectReach, Reach, Sync};
use crate::user::Author;

/// Unread notifications that are named one by one.
const UNREAD_NAMED_MAX: u64 = 200;

/// All that one reader needs. `cursor` must have been read before this is called, so that a stream from there overlaps and never misses.
///
/// None if the account is gone. The session is the caller's to fill in.
pub async fn load(
    conn: &mut PgConnection,
    reader: UserId,
    cursor: Position,
) -> Result<Option<Sync>, sqlx::Error> {
    let Some(me) = users::me(conn, reader).await? else { return Ok(None) };
    let communities = communities(conn, reader).await?;
    let dms: Vec<ChannelView> = channels::list(conn, reader, Listed::Direct).await?;
    let unread_notification_ids = newest_unread(conn, reader).await?;
    let named = i64::try_from(unread_notification_ids.len()).unwrap_or(i64::MAX);
    let unread_notifications = if unread_notification_ids.len() as u64 == UNREAD_NAMED_MAX {
        std::cmp::max(unread_notifications(conn, reader).await?, named)
    } else {
        named
    };
    Ok(Some(Sync {
        cursor,
        me,
        session_id: None,
        communities,
        dms,
        unread_notifications,
        unread_notification_ids,
    }))
}

#[derive(sqlx::FromRow)]
struct Place {
    id: ChannelId,
    community_id: Option<CommunityId>,
    /// Of a direct message.
    members: Vec<UserId>,
}

/// What a stream of one reader carries, in three short queries. `cursor` as for [`load`]. None if the account is gone.
pub async fn reach(
    conn: &mut PgConnection,
    reader: UserId,
    cursor: Position,
) -> Result<Option<Reach>, sqlx::Error> {
    let Some(me) = users::me(conn, reader).await? else { return Ok(None) };
    let inside: Vec<CommunityId> =
        sqlx::query_scalar("SELECT community_id FROM community_members WHERE user_id = $1")
            .bind(reader)
            .fetch_all(&mut *conn)
            .await?;
    let places: Vec<Place> = sqlx::query_as(
        "SELECT channels.id, channels.community_id, \
         CASE WHEN channels.community_id IS NULL THEN ARRAY(SELECT everybody.user_id FROM channel_members AS everybody \
             WHERE everybody.channel_id = channels.id) ELSE '{}' END AS members \
         FROM channel_members AS mine JOIN channels ON channels.id = mine.channel_id WHERE mine.user_id = $1",
    )
    .bind(reader)
    .fetch_all(conn)
    .await?;
    let channels_of = |id: CommunityId| {
        places.iter().filter(|place| place.community_id == Some(id)).map(|place| place.id).collect()
    };
    let communities =
        inside.into_iter().map(|id| CommunityReach { id, channels: channels_of(id) }).collect();
    let dms = places
        .iter()
        .filter(|place| place.community_id.is_none())
        .map(|place| DirectReach { id: place.id, members: place.members.clone() })
        .collect();
    Ok(Some(Reach { cursor, me: Author::from(&me.user), session_id: None, communities, dms }))
}

/// The communities of one reader, each with the channels they have joined.
pub async fn communities(
    conn: &mut PgConnection,
    reader: UserId,
) -> Result<Vec<CommunityView>, sqlx::Error> {
    let mut communities = communities::list(conn, reader).await?;
    for channel in channels::list(conn, reader, Listed::Joined).await? {
        let home = communities
            .iter_mut()
            .find(|view| Some(view.community.id) == channel.channel.community_id);
        if let Some(view) = home {
            view.channels.push(channel);
        }
    }
    Ok(communities)
}

/// The newest notifications that somebody has not seen.
async fn newest_unread(
    conn: &mut PgConnection,
    reader: UserId,
) -> Result<Vec<NotificationId>, sqlx::Error> {
    let statement = Query::select()
        .column(Notifications::Id)
        .from(Notifications::Table)
        .and_where(Expr::col(Notifications::UserId).eq(reader))
        .and_where(Expr::col(Notifications::Read).not())
        .order_by(Notifications::Id, Order::Desc)
        .limit(UNREAD_NAMED_MAX)
        .to_owned();
    super::fetch_scalars(conn, &statement).await
}

/// How many notifications somebody has not seen.
pub async fn unread_notifications(
    conn: &mut PgConnection,
    reader: UserId,
) -> Result<i64, sqlx::Error> {
    let statement = Query::select()
        .expr(Expr::cust("count(*)"))
        .from(Notifications::Table)
        .and_where(Expr::col(Notifications::UserId).eq(reader))
        .and_where(Expr::col(Notifications::Read).not())
        .to_owned();
    Ok(super::fetch_scalar(conn, &statement).await?.unwrap_or(0))
}
