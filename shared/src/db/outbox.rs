//! The outbox: every durable event, written in the transaction that makes it true (delivery-and-security.md section 2.3).
//!
//! The first half is for writers, the second for the relay.

use std::time::Duration;

use sea_query::{Expr, ExprTrait, Order, Query};
use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::iden::Outbox;
use crate::events::Envelope;
use crate::id::{EventId, UserId};

/// How long published rows are kept, so that a lost stream can be rebuilt.
pub const KEEP: Duration = Duration::from_hours(72);

/// Writes an event of a channel or a community.
///
/// An envelope that belongs nowhere is a bug and is refused as one that cannot be encoded.
pub async fn push(conn: &mut PgConnection, envelope: &Envelope) -> Result<(), sqlx::Error> {
    insert(conn, &[(envelope, None)]).await
}

/// Writes a personal event: it travels on the reader's own subject.
pub async fn push_to(
    conn: &mut PgConnection,
    reader: UserId,
    envelope: &Envelope,
) -> Result<(), sqlx::Error> {
    insert(conn, &[(envelope, Some(reader))]).await
}

/// Writes several events in one statement, in this order; a reader makes an event personal.
pub async fn insert(
    conn: &mut PgConnection,
    events: &[(&Envelope, Option<UserId>)],
) -> Result<(), sqlx::Error> {
    if events.is_empty() {
        return Ok(());
    }
    let mut statement = Query::insert();
    statement.into_table(Outbox::Table).columns([
        Outbox::EventId,
        Outbox::Subject,
        Outbox::OrdKey,
        Outbox::ChannelSeq,
        Outbox::Type,
        Outbox::Payload,
        Outbox::CreatedAt,
    ]);
    for (envelope, reader) in events {
        let subject = envelope.subject(*reader).ok_or_else(|| homeless(envelope))?;
        let key = ordering_key(envelope, *reader).ok_or_else(|| homeless(envelope))?;
        let payload =
            serde_json::to_value(envelope).map_err(|error| sqlx::Error::Encode(error.into()))?;
        statement.values_panic([
            envelope.id.into(),
            subject.to_string().into(),
            key.into(),
            envelope.seq.into(),
            envelope.event.name().into(),
            payload.into(),
            envelope.timestamp.into(),
        ]);
    }
    super::execute(conn, &statement).await.map(drop)
}

fn homeless(envelope: &Envelope) -> sqlx::Error {
    sqlx::Error::Encode(
        format!("event {} has neither a channel, a community nor a reader", envelope.event.name())
            .into(),
    )
}

/// Events of one key are published one after the other: the reader, else the channel, else the community.
fn ordering_key(envelope: &Envelope, reader: Option<UserId>) -> Option<Uuid> {
    reader
        .map(UserId::uuid)
        .or_else(|| envelope.channel_id.map(crate::id::ChannelId::uuid))
        .or_else(|| envelope.community_id.map(crate::id::CommunityId::uuid))
}

/// An event that waits for the relay.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Pending {
    /// Its place in the outbox.
    pub id: i64,
    /// Its id, also the NATS message id.
    pub event_id: EventId,
    /// Where it goes.
    pub subject: String,
    /// Its ordering key.
    pub ord_key: Uuid,
    /// Its place in the channel.
    pub channel_seq: Option<i64>,
    /// The envelope.
    pub payload: serde_json::Value,
    /// When it was written.
    pub created_at: OffsetDateTime,
}

/// The oldest events that are neither published nor quarantined.
///
/// Selected by "unpublished", never by a cursor over ids: a transaction that commits late has a low id and must not be skipped.
pub async fn pending(conn: &mut PgConnection, limit: u64) -> Result<Vec<Pending>, sqlx::Error> {
    let statement = Query::select()
        .columns([
            Outbox::Id,
            Outbox::EventId,
            Outbox::Subject,
            Outbox::OrdKey,
            Outbox::ChannelSeq,
            Outbox::Payload,
            Outbox::CreatedAt,
        ])
        .from(Outbox::Table)
        .and_where(Expr::col(Outbox::StreamSeq).is_null())
        .and_where(Expr::col(Outbox::FailedAt).is_null())
        .order_by(Outbox::Id, Order::Asc)
        .limit(limit)
        .to_owned();
    super::fetch_all(conn, &statement).await
}

/// Marks events as published: pairs of outbox id and stream sequence.
pub async fn mark_published(
    conn: &mut PgConnection,
    epoch: i32,
    acknowledged: &[(i64, i64)],
) -> Result<(), sqlx::Error> {
    if acknowledged.is_empty() {
        return Ok(());
    }
    let (ids, sequences): (Vec<i64>, Vec<i64>) = acknowledged.iter().copied().unzip();
    let sequence_of_row = Expr::cust_with_values(
        "(SELECT acked.seq FROM unnest($1::bigint[], $2::bigint[]) AS acked(id, seq) WHERE acked.id = outbox.id)",
        [sea_query::Value::from(ids.clone()), sequences.into()],
    );
    let statement = Query::update()
        .table(Outbox::Table)
        .value(Outbox::StreamSeq, sequence_of_row)
        .value(Outbox::Epoch, epoch)
        .value(Outbox::PublishedAt, Expr::current_timestamp())
        .and_where(Expr::cust_with_values("id = ANY($1)", [ids]))
        .to_owned();
    super::execute(conn, &statement).await.map(drop)
}

/// Counts a failed attempt to publish an event; after `quarantine_after` of them the event is set aside. Returns whether it now is.
pub async fn mark_failed(
    conn: &mut PgConnection,
    id: i64,
    failure: &str,
    quarantine_after: i32,
) -> Result<bool, sqlx::Error> {
    let statement = Query::update()
        .table(Outbox::Table)
        .value(Outbox::Attempts, Expr::col(Outbox::Attempts).add(1))
        .value(Outbox::Failure, failure)
        .value(
            Outbox::FailedAt,
            Expr::cust_with_values(
                "CASE WHEN attempts + 1 >= $1 THEN now() END",
                [quarantine_after],
            ),
        )
        .and_where(Expr::col(Outbox::Id).eq(id))
        .returning(Query::returning().expr(Expr::col(Outbox::FailedAt).is_not_null()))
        .to_owned();
    Ok(super::fetch_scalar(conn, &statement).await?.unwrap_or(false))
}

/// The highest stream sequence recorded for an epoch.
pub async fn newest_stream_seq(
    conn: &mut PgConnection,
    epoch: i32,
) -> Result<Option<i64>, sqlx::Error> {
    let statement = Query::select()
        .column(Outbox::StreamSeq)
        .from(Outbox::Table)
        .and_where(Expr::col(Outbox::Epoch).eq(epoch))
        .and_where(Expr::col(Outbox::StreamSeq).is_not_null())
        .order_by(Outbox::StreamSeq, Order::Desc)
        .limit(1)
        .to_owned();
    super::fetch_scalar(conn, &statement).await
}

/// The highest stream sequence recorded for events that the stream may still hold, whatever their epoch.
pub async fn newest_held(
    conn: &mut PgConnection,
    window: Duration,
) -> Result<Option<i64>, sqlx::Error> {
    let statement = Query::select()
        .expr(Expr::col(Outbox::StreamSeq).max())
        .from(Outbox::Table)
        .and_where(younger_than(window))
        .and_where(Expr::col(Outbox::StreamSeq).is_not_null())
        .to_owned();
    Ok(super::fetch_scalar::<Option<i64>>(conn, &statement).await?.flatten())
}

/// The event is one of ours.
pub async fn contains(conn: &mut PgConnection, event_id: EventId) -> Result<bool, sqlx::Error> {
    let statement = Query::select()
        .expr(Expr::val(1))
        .from(Outbox::Table)
        .and_where(Expr::col(Outbox::EventId).eq(event_id))
        .to_owned();
    Ok(super::fetch_scalar::<i32>(conn, &statement).await?.is_some())
}

/// Key of the advisory lock that the leading relay holds: "ajetrely" in ASCII.
const LEADER_LOCK: i64 = 0x616a_6574_7265_6c79;

/// Tries to become the relay that publishes. Holds for as long as this connection lives.
pub async fn try_lead(conn: &mut PgConnection) -> Result<bool, sqlx::Error> {
    let statement = Query::select()
        .expr(Expr::cust_with_values("pg_try_advisory_lock($1)", [LEADER_LOCK]))
        .to_owned();
    Ok(super::fetch_scalar(conn, &statement).await?.unwrap_or(false))
}

/// Makes events of the last `window` wait again that the stream has lost: those above `last_seq`, whatever their epoch. Returns how many.
pub async fn requeue_above(
    conn: &mut PgConnection,
    last_seq: i64,
    window: Duration,
) -> Result<u64, sqlx::Error> {
    let mut statement = requeue_statement();
    statement.and_where(younger_than(window)).and_where(Expr::col(Outbox::StreamSeq).gt(last_seq));
    super::execute(conn, &statement).await
}

fn requeue_statement() -> sea_query::UpdateStatement {
    Query::update()
        .table(Outbox::Table)
        .value(Outbox::StreamSeq, Option::<i64>::None)
        .value(Outbox::Epoch, Option::<i32>::None)
        .value(Outbox::PublishedAt, Option::<OffsetDateTime>::None)
        .to_owned()
}

fn younger_than(age: Duration) -> Expr {
    Expr::cust_with_values("created_at > now() - make_interval(secs => $1)", [age.as_secs_f64()])
}

/// Deletes events older than [`KEEP`] that do not wait any more, because they were published or set aside. Returns how many.
pub async fn prune(conn: &mut PgConnection) -> Result<u64, sqlx::Error> {
    let statement = Query::delete()
        .from_table(Outbox::Table)
        .and_where(younger_than(KEEP).not())
        .and_where(
            Expr::col(Outbox::StreamSeq)
                .is_not_null()
                .or(Expr::col(Outbox::FailedAt).is_not_null()),
        )
        .to_owned();
    super::execute(conn, &statement).await
}
