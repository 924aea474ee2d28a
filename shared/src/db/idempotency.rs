//! First answers to requests with an `Idempotency-Key`, kept for a day (delivery-and-security.md section 2.2).

use std::time::Duration;

use sea_query::{Expr, ExprTrait, OnConflict, Order, Query};
use sqlx::PgConnection;
use uuid::Uuid;

use super::iden::IdempotencyKeys;
use crate::id::UserId;

/// How long a first answer is kept.
pub const KEEP: Duration = Duration::from_hours(24);
/// Keys that one step of pruning forgets: some ten milliseconds, whatever has piled up.
pub const PRUNE_STEP: u64 = 5_000;

/// What is known of a key.
#[derive(Clone, Debug, PartialEq)]
pub enum Known {
    /// Nothing: it is taken now, until the transaction ends.
    Fresh,
    /// The same request was answered before, with this.
    Answered {
        /// Its HTTP status.
        status: i16,
        /// Its body.
        response: serde_json::Value,
    },
    /// The same request was answered before, and the answer held a secret that is not kept.
    Secret,
    /// The key was used for another request.
    Mismatch,
}

#[derive(sqlx::FromRow)]
struct KeyRow {
    route: String,
    request_hash: Vec<u8>,
    status: Option<i16>,
    response: Option<serde_json::Value>,
}

/// Takes a key for the transaction of `conn`, or says what became of it. A second request with the key waits here until the first
/// one's transaction ends, so there is never a key under way.
pub async fn take(
    conn: &mut PgConnection,
    user_id: UserId,
    key: Uuid,
    route: &str,
    request_hash: [u8; 32],
) -> Result<Known, sqlx::Error> {
    let statement = Query::insert()
        .into_table(IdempotencyKeys::Table)
        .columns([
            IdempotencyKeys::UserId,
            IdempotencyKeys::Key,
            IdempotencyKeys::Route,
            IdempotencyKeys::RequestHash,
        ])
        .values_panic([user_id.into(), key.into(), route.into(), request_hash.to_vec().into()])
        .on_conflict(
            OnConflict::columns([IdempotencyKeys::UserId, IdempotencyKeys::Key])
                .do_nothing()
                .to_owned(),
        )
        .to_owned();
    if super::execute(conn, &statement).await? == 1 {
        return Ok(Known::Fresh);
    }
    let statement = Query::select()
        .columns([
            IdempotencyKeys::Route,
            IdempotencyKeys::RequestHash,
            IdempotencyKeys::Status,
            IdempotencyKeys::Response,
        ])
        .from(IdempotencyKeys::Table)
        .and_where(Expr::col(IdempotencyKeys::UserId).eq(user_id))
        .and_where(Expr::col(IdempotencyKeys::Key).eq(key))
        .to_owned();
    let row: KeyRow = super::fetch_one(conn, &statement).await?;
    Ok(match row {
        row if row.route != route || row.request_hash != request_hash => Known::Mismatch,
        KeyRow { status: Some(status), response: Some(response), .. } => {
            Known::Answered { status, response }
        }
        _ => Known::Secret,
    })
}

/// Keeps the answer to a request whose key was taken; none is kept if it holds a secret.
pub async fn answer(
    conn: &mut PgConnection,
    user_id: UserId,
    key: Uuid,
    status: i16,
    response: Option<serde_json::Value>,
) -> Result<(), sqlx::Error> {
    let statement = Query::update()
        .table(IdempotencyKeys::Table)
        .value(IdempotencyKeys::Status, status)
        .value(IdempotencyKeys::Secret, response.is_none())
        .value(IdempotencyKeys::Response, response)
        .and_where(Expr::col(IdempotencyKeys::UserId).eq(user_id))
        .and_where(Expr::col(IdempotencyKeys::Key).eq(key))
        .to_owned();
    super::execute(conn, &statement).await.map(drop)
}

/// Forgets at most [`PRUNE_STEP`] keys older than [`KEEP`]. Returns how many: none means that there is nothing to do.
pub async fn prune(conn: &mut PgConnection) -> Result<u64, sqlx::Error> {
    let old = Query::select()
        .columns([IdempotencyKeys::UserId, IdempotencyKeys::Key])
        .from(IdempotencyKeys::Table)
        .and_where(Expr::cust_with_values(
            "created_at < now() - make_interval(secs => $1)",
            [KEEP.as_secs_f64()],
        ))
        .order_by(IdempotencyKeys::CreatedAt, Order::Asc)
        .limit(PRUNE_STEP)
        .to_owned();
    let columns = [IdempotencyKeys::UserId, IdempotencyKeys::Key].map(Expr::col);
    let statement = Query::delete()
        .from_table(IdempotencyKeys::Table)
        .and_where(Expr::tuple(columns).in_subquery(old))
        .to_owned();
    super::execute(conn, &statement).await
}
