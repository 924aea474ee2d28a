//! The start of every client in a handful of queries.

use sea_query::{Expr, ExprTrait, Query};
use sqlx::PgConnection;

use super::channels::{self, Listed};
use super::iden::Notifications;
use super::{communities, users};
use crate::channel::ChannelView;
use crate::id::UserId;
use crate::position::Position;
use crate::sync::{CommunityView, Sync};

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
    let unread_notifications = unread_notifications(conn, reader).await?;
    Ok(Some(Sync { cursor, me, session_id: None, communities, dms, unread_notifications }))
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
