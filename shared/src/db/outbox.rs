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
/// Rows that one step of pruning looks at: some ten milliseconds, whatever has piled up.
pub const PRUNE_STEP: u64 = 5_000;

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
    ]);
    // `created_at` is the database's own, so that it can be compared with when rows were published: hosts differ in their clocks.
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
    /// What happened.
    #[sqlx(rename = "type")]
    pub kind: String,
    /// The envelope as JSON.
    pub payload: String,
    /// It was published once, and the stream lost it.
    pub again: bool,
    /// For how many seconds it has been waiting, by the database's clock.
    pub waited: f64,
}

/// Seconds since a row was written.
const WAITED: &str = "extract(epoch FROM now() - created_at)::float8";

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
            Outbox::Type,
            Outbox::Again,
        ])
        // It goes on the wire as it is: reading it and printing it again is what a long backlog would wait for.
        .expr_as(Expr::cust("payload::text"), "payload")
        .expr_as(Expr::cust(WAITED), "waited")
        .from(Outbox::Table)
        .and_where(waits())
        .order_by(Outbox::Id, Order::Asc)
        .limit(limit)
        .to_owned();
    super::fetch_all(conn, &statement).await
}

/// How many events wait, counted up to `limit`, and for how many seconds the first of them does.
pub async fn backlog(conn: &mut PgConnection, limit: u64) -> Result<(u64, f64), sqlx::Error> {
    let oldest = Query::select()
        .expr_as(Expr::cust(WAITED), "waited")
        .from(Outbox::Table)
        .and_where(waits())
        .order_by(Outbox::Id, Order::Asc)
        .limit(limit)
        .to_owned();
    let statement = Query::select()
        .expr_as(Expr::cust("count(*)"), "waiting")
        .expr_as(Expr::cust("coalesce(max(waited), 0)"), "waited")
        .from_subquery(oldest, "oldest")
        .to_owned();
    let Backlog { waiting, waited } = super::fetch_one(conn, &statement).await?;
    Ok((waiting.unsigned_abs(), waited))
}

#[derive(sqlx::FromRow)]
struct Backlog {
    waiting: i64,
    waited: f64,
}

/// It is neither published nor quarantined.
fn waits() -> Expr {
    Expr::col(Outbox::StreamSeq).is_null().and(Expr::col(Outbox::FailedAt).is_null())
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
    sqlx::query(
        "UPDATE outbox SET stream_seq = acked.seq, epoch = $3, published_at = now() \
         FROM unnest($1::bigint[], $2::bigint[]) AS acked(id, seq) WHERE outbox.id = acked.id",
    )
    .bind(ids)
    .bind(sequences)
    .bind(epoch)
    .execute(conn)
    .await
    .map(drop)
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

/// Where the stream has an event, as the relay has noted it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Mark {
    /// The place in the stream.
    pub stream_seq: i64,
    /// The event that was put there.
    pub event_id: EventId,
}

/// The highest mark of an epoch, however old it is: [`prune`] leaves it.
pub async fn newest_mark(conn: &mut PgConnection, epoch: i32) -> Result<Option<Mark>, sqlx::Error> {
    let statement = marks()
        .and_where(Expr::col(Outbox::Epoch).eq(epoch))
        .order_by(Outbox::StreamSeq, Order::Desc)
        .limit(1)
        .to_owned();
    super::fetch_optional(conn, &statement).await
}

/// The relay has noted this event at this place.
pub async fn has_mark(conn: &mut PgConnection, mark: Mark) -> Result<bool, sqlx::Error> {
    let statement = marks()
        .and_where(Expr::col(Outbox::EventId).eq(mark.event_id))
        .and_where(Expr::col(Outbox::StreamSeq).eq(mark.stream_seq))
        .to_owned();
    Ok(super::fetch_optional::<Mark>(conn, &statement).await?.is_some())
}

fn marks() -> sea_query::SelectStatement {
    Query::select()
        .columns([Outbox::StreamSeq, Outbox::EventId])
        .from(Outbox::Table)
        .and_where(Expr::col(Outbox::StreamSeq).is_not_null())
        .to_owned()
}

/// From where on the stream may hold events that still wait here, because whoever published them died before it could note it. None
/// if nothing waits.
///
/// What was noted before an event was written was taken before that event could be published.
pub async fn unnoted_from(conn: &mut PgConnection, epoch: i32) -> Result<Option<i64>, sqlx::Error> {
    let oldest = Query::select()
        .column(Outbox::CreatedAt)
        .from(Outbox::Table)
        .and_where(waits())
        .order_by(Outbox::CreatedAt, Order::Asc)
        .limit(1)
        .to_owned();
    let Some(oldest) = super::fetch_scalar::<OffsetDateTime>(conn, &oldest).await? else {
        return Ok(None);
    };
    let before = marks()
        .and_where(Expr::col(Outbox::Epoch).eq(epoch))
        .and_where(Expr::col(Outbox::PublishedAt).lte(oldest))
        .order_by(Outbox::StreamSeq, Order::Desc)
        .limit(1)
        .to_owned();
    let before: Option<Mark> = super::fetch_optional(conn, &before).await?;
    Ok(Some(before.map_or(1, |mark| mark.stream_seq + 1)))
}

/// Marks those of these events that still wait: they were found in the stream. Returns how many.
pub async fn adopt(
    conn: &mut PgConnection,
    epoch: i32,
    found: &[Mark],
) -> Result<u64, sqlx::Error> {
    let ids: Vec<Uuid> = found.iter().map(|mark| mark.event_id.uuid()).collect();
    let sequences: Vec<i64> = found.iter().map(|mark| mark.stream_seq).collect();
    // The first place counts, should the stream have it twice.
    let adopted = sqlx::query(
        "UPDATE outbox SET stream_seq = found.seq, epoch = $3, published_at = now() \
         FROM (SELECT held.id, min(held.seq) AS seq FROM unnest($1::uuid[], $2::bigint[]) AS held(id, seq) GROUP BY held.id) AS found \
         WHERE outbox.event_id = found.id AND outbox.stream_seq IS NULL",
    )
    .bind(ids)
    .bind(sequences)
    .bind(epoch)
    .execute(conn)
    .await?;
    Ok(adopted.rows_affected())
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

/// Makes events published within `window` wait again that the stream has lost: those above `last_seq`, whatever their epoch. Returns how many.
///
/// They are marked: all of them were told once, and what they say was true before the new epoch began.
pub async fn requeue_above(
    conn: &mut PgConnection,
    last_seq: i64,
    window: Duration,
) -> Result<u64, sqlx::Error> {
    // A day of a busy server is more than a request may take.
    sqlx::query("SET LOCAL statement_timeout = '5min'").execute(&mut *conn).await?;
    let mut statement = requeue_statement();
    statement
        .and_where(published_within(window))
        .and_where(Expr::col(Outbox::StreamSeq).gt(last_seq));
    super::execute(conn, &statement).await
}

fn requeue_statement() -> sea_query::UpdateStatement {
    Query::update()
        .table(Outbox::Table)
        .value(Outbox::StreamSeq, Option::<i64>::None)
        .value(Outbox::Epoch, Option::<i32>::None)
        .value(Outbox::PublishedAt, Option::<OffsetDateTime>::None)
        .value(Outbox::Again, true)
        .to_owned()
}

fn published_within(window: Duration) -> Expr {
    Expr::cust_with_values(
        "published_at > now() - make_interval(secs => $1)",
        [window.as_secs_f64()],
    )
}

/// Looks at the oldest [`PRUNE_STEP`] rows and deletes those older than [`KEEP`] that do not wait any more, because they were published
/// or set aside. Returns how many: none means that there is nothing to do.
///
/// The newest mark stays for ever: by it a stream is recognised that went back after quiet days.
pub async fn prune(conn: &mut PgConnection) -> Result<u64, sqlx::Error> {
    let oldest = Query::select()
        .columns([Outbox::Id, Outbox::CreatedAt, Outbox::StreamSeq, Outbox::FailedAt])
        .from(Outbox::Table)
        .order_by(Outbox::Id, Order::Asc)
        .limit(PRUNE_STEP)
        .to_owned();
    let newest_mark = Query::select()
        .column(Outbox::Id)
        .from(Outbox::Table)
        .and_where(Expr::col(Outbox::StreamSeq).is_not_null())
        .order_by(Outbox::Epoch, Order::Desc)
        .order_by(Outbox::StreamSeq, Order::Desc)
        .limit(1)
        .to_owned();
    let gone = Query::select()
        .column(Outbox::Id)
        .from_subquery(oldest, "oldest")
        .and_where(Expr::cust_with_values(
            "created_at <= now() - make_interval(secs => $1)",
            [KEEP.as_secs_f64()],
        ))
        .and_where(waits().not())
        .to_owned();
    let statement = Query::delete()
        .from_table(Outbox::Table)
        .and_where(Expr::col(Outbox::Id).in_subquery(gone))
        .and_where(Expr::col(Outbox::Id).not_in_subquery(newest_mark))
        .to_owned();
    super::execute(conn, &statement).await
}
