//! Everything that was said and everything that was told of it: what a check compares with the stream and with what clients saw.
//!
//! Whole tables at once, so meant for stacks of a test and for `ajet-api verify`.

use std::time::Duration;

use sea_query::{Alias, Expr, ExprTrait, Order, Query};
use sqlx::PgConnection;
use uuid::Uuid;

use super::iden::{Channels, Messages, Outbox};
use crate::id::{ChannelId, ClientMessageId, EventId, MessageId, UserId};

/// A message as its row says.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct MessageRow {
    /// Its id.
    pub id: MessageId,
    /// Its channel.
    pub channel_id: ChannelId,
    /// Its place there.
    pub seq: i64,
    /// Who wrote it.
    pub user_id: UserId,
    /// The author's key.
    pub client_msg_id: ClientMessageId,
    /// The root of its thread.
    pub parent_id: Option<MessageId>,
    /// What it says.
    pub body_md: String,
    /// Somebody said it; the system told nothing here.
    pub is_spoken: bool,
}

/// An event as the outbox has it.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct EventRow {
    /// Its id.
    pub event_id: EventId,
    /// What happened.
    pub kind: String,
    /// Its ordering key: the channel, else the community or user.
    pub ord_key: Uuid,
    /// Its place in the channel.
    pub channel_seq: Option<i64>,
    /// The epoch it was published in.
    pub epoch: Option<i32>,
    /// Where the stream has it; none while it waits.
    pub stream_seq: Option<i64>,
    /// It was set aside.
    pub failed: bool,
}

/// Every message.
pub async fn messages(conn: &mut PgConnection) -> Result<Vec<MessageRow>, sqlx::Error> {
    let statement = Query::select()
        .columns([
            Messages::Id,
            Messages::ChannelId,
            Messages::Seq,
            Messages::UserId,
            Messages::ClientMsgId,
            Messages::ParentId,
            Messages::BodyMd,
        ])
        .expr_as(Expr::col(Messages::Kind).ne("system"), "is_spoken")
        .from(Messages::Table)
        .order_by(Messages::Id, Order::Asc)
        .to_owned();
    super::fetch_all(conn, &statement).await
}

/// Every event the outbox still has.
pub async fn events(conn: &mut PgConnection) -> Result<Vec<EventRow>, sqlx::Error> {
    let statement = Query::select()
        .columns([
            Outbox::EventId,
            Outbox::OrdKey,
            Outbox::ChannelSeq,
            Outbox::Epoch,
            Outbox::StreamSeq,
        ])
        .expr_as(Expr::col(Outbox::Type), "kind")
        .expr_as(Expr::col(Outbox::FailedAt).is_not_null(), "failed")
        .from(Outbox::Table)
        .order_by(Outbox::Id, Order::Asc)
        .to_owned();
    super::fetch_all(conn, &statement).await
}

/// An event as the relay has noted it, for comparing with a stream that goes on meanwhile.
#[derive(Clone, Copy, Debug, sqlx::FromRow)]
pub struct NotedEvent {
    /// Its id.
    pub event_id: EventId,
    /// Its ordering key.
    pub ord_key: Uuid,
    /// Its place in the channel.
    pub channel_seq: Option<i64>,
    /// Where the stream has it; none while it waits.
    pub stream_seq: Option<i64>,
    /// It was set aside.
    pub failed: bool,
    /// For how many seconds it has been there.
    pub age: f64,
    /// It was published so lately that the stream must still have it.
    pub held: bool,
}

/// How far a channel has counted.
#[derive(Clone, Copy, Debug, sqlx::FromRow)]
pub struct ChannelCount {
    /// The channel.
    pub id: ChannelId,
    /// The number of its newest event.
    pub last_seq: i64,
}

/// Makes all that this transaction reads be of one moment, however long reading takes; to be called first in it.
pub async fn freeze(conn: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(
        "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY; SET LOCAL statement_timeout = '60s'",
    )
    .execute(conn)
    .await
    .map(drop)
}

/// Every event the outbox still has, oldest first; the stream holds what was published within `window`.
pub async fn noted(
    conn: &mut PgConnection,
    window: Duration,
) -> Result<Vec<NotedEvent>, sqlx::Error> {
    let held = Expr::cust_with_values(
        "coalesce(published_at > now() - make_interval(secs => $1), false)",
        [window.as_secs_f64()],
    );
    let statement = Query::select()
        .columns([Outbox::EventId, Outbox::OrdKey, Outbox::ChannelSeq, Outbox::StreamSeq])
        .expr_as(Expr::col(Outbox::FailedAt).is_not_null(), "failed")
        .expr_as(Expr::cust("extract(epoch FROM now() - created_at)::float8"), "age")
        .expr_as(held, "held")
        .from(Outbox::Table)
        .order_by(Outbox::Id, Order::Asc)
        .to_owned();
    super::fetch_all(conn, &statement).await
}

/// Every channel's count.
pub async fn channels(conn: &mut PgConnection) -> Result<Vec<ChannelCount>, sqlx::Error> {
    let statement =
        Query::select().columns([Channels::Id, Channels::LastSeq]).from(Channels::Table).to_owned();
    super::fetch_all(conn, &statement).await
}

/// Messages that no event tells of, as far back as the outbox goes in their channel.
pub async fn untold(conn: &mut PgConnection) -> Result<Vec<MessageId>, sqlx::Error> {
    let (told, first) = (Alias::new("told"), Alias::new("first"));
    let oldest = Query::select()
        .column(Outbox::OrdKey)
        .expr_as(Expr::col(Outbox::ChannelSeq).min(), first.clone())
        .from(Outbox::Table)
        .and_where(Expr::col(Outbox::ChannelSeq).is_not_null())
        .group_by_col(Outbox::OrdKey)
        .to_owned();
    let event = Query::select()
        .expr(Expr::val(1))
        .from(Outbox::Table)
        .and_where(
            Expr::col((Outbox::Table, Outbox::OrdKey))
                .equals((Messages::Table, Messages::ChannelId)),
        )
        .and_where(
            Expr::col((Outbox::Table, Outbox::ChannelSeq)).equals((Messages::Table, Messages::Seq)),
        )
        .to_owned();
    let statement = Query::select()
        .column((Messages::Table, Messages::Id))
        .from(Messages::Table)
        .join_subquery(
            sea_query::JoinType::InnerJoin,
            oldest,
            told.clone(),
            Expr::col((told.clone(), Outbox::OrdKey))
                .equals((Messages::Table, Messages::ChannelId)),
        )
        .and_where(Expr::col((Messages::Table, Messages::Seq)).gte(Expr::col((told, first))))
        .and_where(Expr::exists(event).not())
        .to_owned();
    super::fetch_scalars(conn, &statement).await
}
