//! The database: pool, tables and one module of repository functions per table family.
//!
//! Repository functions are free functions over `&mut PgConnection`, so that their callers own the transaction. Statements are
//! built with sea-query by small pure functions, or written out where one does much, and run through the helpers below; no service has SQL of
//! its own.

pub mod agreement;
pub mod api_tokens;
pub mod api_users;
pub mod attachments;
pub mod audit;
pub mod authz;
pub mod bans;
pub mod changing;
pub mod channel_members;
pub mod channels;
pub mod communities;
pub mod community_members;
pub mod error;
pub mod idempotency;
pub mod iden;
pub mod invites;
pub mod kept_mutes;
pub mod left_behind;
pub mod login_codes;
pub mod member_names;
pub mod mentions;
pub mod messages;
pub mod meta;
pub mod notices;
pub mod notifications;
pub mod oauth;
pub mod outbox;
pub mod paging;
pub mod posting;
pub mod rate_counters;
pub mod reactions;
pub mod read_state;
pub mod schema;
pub mod search;
pub mod sessions;
pub mod setup;
pub mod sync;
pub mod testing;
pub mod users;
pub mod webhooks;

use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::join_all;
use sea_query::{
    BinOper, Condition, Expr, ExprTrait, IntoIden, PostgresQueryBuilder, UpdateStatement,
};
use sea_query_sqlx::SqlxBinder;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions, PgRow};
use sqlx::{AssertSqlSafe, FromRow, PgConnection, PgPool};
use time::OffsetDateTime;

pub use self::error::{constraint, is_unavailable};

use crate::clock;
use crate::id::UserId;

/// Who does something, when and in which request: what events and audit rows carry.
#[derive(Clone, Debug)]
pub struct Cause {
    /// Who; none for the system.
    pub actor_id: Option<UserId>,
    /// When; all rows and events of one act carry the same time.
    pub at: OffsetDateTime,
    /// The request.
    pub trace_id: Option<String>,
    /// From where.
    pub ip: Option<String>,
}

impl Cause {
    /// Somebody's act, now.
    #[must_use]
    pub fn by(actor_id: UserId) -> Self {
        Self { actor_id: Some(actor_id), at: clock::now(), trace_id: None, ip: None }
    }

    /// The system's own act, now.
    #[must_use]
    pub fn system() -> Self {
        Self { actor_id: None, at: clock::now(), trace_id: None, ip: None }
    }
}

/// How long a request waits for a connection. Source: delivery-and-security.md section 2.7.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(2);
/// Connections one process has at most.
const POOL_SIZE_MAX: u32 = 16;

/// Opens the pool of one service. Nothing is connected yet: a database that is down shows as a failing request, not as a failing start.
///
/// Who waits for a lock gives up after 2 s, so that what is held up by one row leaves its connection to others (F15).
/// Statements are cut off after 5 s and forgotten transactions after 10 s by the server, so nothing holds a row lock for long.
/// Plans are made for the actual values: a generic plan turns a search into a walk over the whole table (performance.md section 0.4).
/// A connection has no term: one that was closed for its age could not be opened again while the database has none left for anybody.
pub fn pool(database_url: &str, service: &str) -> Result<PgPool, sqlx::Error> {
    pool_of(database_url, service, 0..=POOL_SIZE_MAX)
}

/// As [`pool`], with so many connections at least, which [`keep_open`] opens, and at most.
///
/// For a service that must work on when the database has no connection left for anybody (F14).
pub fn pool_of(
    database_url: &str,
    service: &str,
    connections: RangeInclusive<u32>,
) -> Result<PgPool, sqlx::Error> {
    let options = PgConnectOptions::from_str(database_url)?.application_name(service).options([
        ("lock_timeout", "2s"),
        ("statement_timeout", "5s"),
        ("idle_in_transaction_session_timeout", "10s"),
        ("plan_cache_mode", "force_custom_plan"),
    ]);
    Ok(PgPoolOptions::new()
        .min_connections(*connections.start())
        .max_connections(*connections.end())
        .max_lifetime(None)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .connect_lazy_with(options))
}

/// Asks as many connections as a pool is to have at least whether they work, and opens those that are missing.
///
/// To be done every few seconds: the pool itself does that only at its start. Nobody waits for it: a connection goes back as soon as it
/// has answered.
pub async fn keep_open(pool: &PgPool) {
    let ask = |_| pool.acquire().map(drop);
    join_all((0..pool.options().get_min_connections()).map(ask)).await;
}

/// Runs a statement and returns all of its rows.
pub async fn fetch_all<T>(
    conn: &mut PgConnection,
    statement: &impl SqlxBinder,
) -> Result<Vec<T>, sqlx::Error>
where
    T: for<'r> FromRow<'r, PgRow> + Send + Unpin,
{
    let (sql, values) = statement.build_sqlx(PostgresQueryBuilder);
    sqlx::query_as_with(AssertSqlSafe(sql), values).fetch_all(conn).await
}

/// Runs a statement and returns its first row, if there is one.
pub async fn fetch_optional<T>(
    conn: &mut PgConnection,
    statement: &impl SqlxBinder,
) -> Result<Option<T>, sqlx::Error>
where
    T: for<'r> FromRow<'r, PgRow> + Send + Unpin,
{
    let (sql, values) = statement.build_sqlx(PostgresQueryBuilder);
    sqlx::query_as_with(AssertSqlSafe(sql), values).fetch_optional(conn).await
}

/// Runs a statement and returns its one row; none is [`sqlx::Error::RowNotFound`].
pub async fn fetch_one<T>(
    conn: &mut PgConnection,
    statement: &impl SqlxBinder,
) -> Result<T, sqlx::Error>
where
    T: for<'r> FromRow<'r, PgRow> + Send + Unpin,
{
    let (sql, values) = statement.build_sqlx(PostgresQueryBuilder);
    sqlx::query_as_with(AssertSqlSafe(sql), values).fetch_one(conn).await
}

/// Runs a statement and returns the first column of its first row, if there is one.
pub async fn fetch_scalar<T>(
    conn: &mut PgConnection,
    statement: &impl SqlxBinder,
) -> Result<Option<T>, sqlx::Error>
where
    T: for<'r> sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres> + Send + Unpin,
{
    let (sql, values) = statement.build_sqlx(PostgresQueryBuilder);
    sqlx::query_scalar_with(AssertSqlSafe(sql), values).fetch_optional(conn).await
}

/// Runs a statement and returns the first column of every row.
pub async fn fetch_scalars<T>(
    conn: &mut PgConnection,
    statement: &impl SqlxBinder,
) -> Result<Vec<T>, sqlx::Error>
where
    T: for<'r> sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres> + Send + Unpin,
{
    let (sql, values) = statement.build_sqlx(PostgresQueryBuilder);
    sqlx::query_scalar_with(AssertSqlSafe(sql), values).fetch_all(conn).await
}

/// Sets columns to texts and makes the statement pass by a row that has all of them already, so that nothing is told when nothing
/// changes. False if there is nothing to set; then the statement is none.
fn set_texts<'a, C: IntoIden + Copy>(
    statement: &mut UpdateStatement,
    texts: impl IntoIterator<Item = (C, Option<&'a str>)>,
) -> bool {
    let mut differs = Condition::any();
    for (column, text) in texts {
        statement.value(column, text);
        differs = differs.add(Expr::col(column).binary(BinOper::Custom("IS DISTINCT FROM"), text));
    }
    let any = !differs.is_empty();
    statement.cond_where(differs);
    any
}

/// Runs a statement and returns how many rows it touched.
pub async fn execute(
    conn: &mut PgConnection,
    statement: &impl SqlxBinder,
) -> Result<u64, sqlx::Error> {
    let (sql, values) = statement.build_sqlx(PostgresQueryBuilder);
    Ok(sqlx::query_with(AssertSqlSafe(sql), values).execute(conn).await?.rows_affected())
}
