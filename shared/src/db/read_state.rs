//! How far somebody has read a channel (requirements D7).

use sea_query::{Expr, ExprTrait, JoinType, Query};
use sqlx::PgConnection;

use super::iden::{ChannelMembers, Channels, Messages};
use super::{Cause, channels, notifications, outbox};
use crate::events::{Envelope, Event};
use crate::id::{ChannelId, UserId};
use crate::message::ReadState;

#[derive(sqlx::FromRow)]
struct ReadStateRow {
    last_read_seq: i64,
    unread: i64,
    mentions: i64,
}

/// How far somebody has read a channel; none if they are not in it.
pub async fn find(
    conn: &mut PgConnection,
    channel_id: ChannelId,
    reader: UserId,
) -> Result<Option<ReadState>, sqlx::Error> {
    let statement = Query::select()
        .column((ChannelMembers::Table, ChannelMembers::LastReadSeq))
        .expr_as(channels::unread(), "unread")
        .expr_as(channels::mentions(), "mentions")
        .from(ChannelMembers::Table)
        .join(
            JoinType::InnerJoin,
            Channels::Table,
            Expr::col((Channels::Table, Channels::Id))
                .equals((ChannelMembers::Table, ChannelMembers::ChannelId)),
        )
        .and_where(Expr::col((ChannelMembers::Table, ChannelMembers::ChannelId)).eq(channel_id))
        .and_where(Expr::col((ChannelMembers::Table, ChannelMembers::UserId)).eq(reader))
        .to_owned();
    let row: Option<ReadStateRow> = super::fetch_optional(conn, &statement).await?;
    Ok(row.map(|row| ReadState {
        channel_id,
        last_read_seq: row.last_read_seq,
        unread: row.unread,
        mentions: row.mentions,
        notify_level: None,
    }))
}

/// Marks a channel read up to a seq, with the mentions and direct messages up to there, and tells the reader's other clients if that
/// changed anything. The mark never moves back. None if the reader is not in the channel.
pub async fn mark(
    conn: &mut PgConnection,
    cause: &Cause,
    channel_id: ChannelId,
    reader: UserId,
    up_to: i64,
) -> Result<Option<ReadState>, sqlx::Error> {
    let statement = Query::update()
        .table(ChannelMembers::Table)
        .value(ChannelMembers::LastReadSeq, up_to)
        .and_where(Expr::col(ChannelMembers::ChannelId).eq(channel_id))
        .and_where(Expr::col(ChannelMembers::UserId).eq(reader))
        .and_where(Expr::col(ChannelMembers::LastReadSeq).lt(up_to))
        .to_owned();
    let moved = super::execute(conn, &statement).await? == 1;
    notifications::mark_read(conn, cause, reader, notifications::Seen::Channel(channel_id, up_to))
        .await?;
    let state = find(conn, channel_id, reader).await?;
    if let Some(state) = state.filter(|_| moved) {
        outbox::push_to(conn, reader, &event(cause, state)).await?;
    }
    Ok(state)
}

/// Others have written at the top level of a channel between two of its numbers. Asked under the channel's lock, where every number
/// in between is committed.
pub(crate) async fn has_unread(
    conn: &mut PgConnection,
    channel_id: ChannelId,
    reader: UserId,
    after: i64,
    before: i64,
) -> Result<bool, sqlx::Error> {
    // Most posts follow what their author has read: they need not ask.
    if after + 1 >= before {
        return Ok(false);
    }
    let statement = Query::select()
        .expr(Expr::val(1))
        .from(Messages::Table)
        .and_where(Expr::col(Messages::ChannelId).eq(channel_id))
        .and_where(Expr::col(Messages::Seq).gt(after))
        .and_where(Expr::col(Messages::Seq).lt(before))
        .and_where(Expr::col(Messages::ParentId).is_null())
        .and_where(Expr::col(Messages::DeletedAt).is_null())
        .and_where(Expr::col(Messages::Kind).ne("system"))
        .and_where(Expr::col(Messages::UserId).ne(reader))
        .limit(1)
        .to_owned();
    Ok(super::fetch_scalar::<i32>(conn, &statement).await?.is_some())
}

/// The event by which the reader's other clients learn of it.
pub(crate) fn event(cause: &Cause, state: ReadState) -> Envelope {
    channels::envelope(cause, Event::ReadUpdated(state))
}
