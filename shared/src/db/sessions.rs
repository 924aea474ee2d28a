//! Signed-in sessions. Times are compared with the database's clock, so that all services agree on when one has ended.

use std::time::Duration;

use sea_query::{Expr, ExprTrait, JoinType, Order, Query};
use sqlx::PgConnection;
use time::OffsetDateTime;

use super::iden::{Sessions, Users};
use crate::id::{SessionId, UserId};
use crate::limits::{SESSION_ABSOLUTE, SESSION_IDLE};
use crate::session::Session;

/// How often the use of a session or token is written down. Source: delivery-and-security.md section 3.1.
pub const TOUCH_EVERY: Duration = Duration::from_mins(10);

/// Where a session lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionKind {
    /// In a browser's cookie.
    Browser,
    /// In the command line's file.
    Terminal,
}

impl SessionKind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Browser => "browser",
            Self::Terminal => "terminal",
        }
    }
}

/// A session about to begin.
#[derive(Clone, Debug)]
pub struct NewSession<'a> {
    /// Its id.
    pub id: SessionId,
    /// Whose.
    pub user_id: UserId,
    /// Where it lives.
    pub kind: SessionKind,
    /// The public half of its token.
    pub selector: &'a str,
    /// The hash of the secret half.
    pub token_hash: &'a str,
    /// From where.
    pub ip: Option<&'a str>,
    /// What signed in, as it named itself.
    pub user_agent: Option<&'a str>,
}

/// Characters of a user agent that are kept.
const USER_AGENT_MAX_CHARS: usize = 256;

/// Begins a session and returns when it ends unless it is used.
pub async fn insert(
    conn: &mut PgConnection,
    session: &NewSession<'_>,
) -> Result<OffsetDateTime, sqlx::Error> {
    let user_agent: Option<String> =
        session.user_agent.map(|text| text.chars().take(USER_AGENT_MAX_CHARS).collect());
    let statement = Query::insert()
        .into_table(Sessions::Table)
        .columns([
            Sessions::Id,
            Sessions::UserId,
            Sessions::Kind,
            Sessions::Selector,
            Sessions::TokenHash,
            Sessions::Ip,
            Sessions::UserAgent,
            Sessions::ExpiresAt,
            Sessions::AbsoluteExpiresAt,
        ])
        .values_panic([
            session.id.into(),
            session.user_id.into(),
            session.kind.as_str().into(),
            session.selector.into(),
            session.token_hash.into(),
            session.ip.into(),
            user_agent.into(),
            from_now(SESSION_IDLE),
            from_now(SESSION_ABSOLUTE),
        ])
        .returning_col(Sessions::ExpiresAt)
        .to_owned();
    super::fetch_scalar(conn, &statement).await?.ok_or(sqlx::Error::RowNotFound)
}

/// The database's time plus a duration.
pub(super) fn from_now(duration: Duration) -> Expr {
    Expr::cust_with_values("now() + make_interval(secs => $1)", [duration.as_secs_f64()])
}

/// A credential that is valid now, as the verifier reads it.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct LiveSession {
    /// Its id.
    pub id: SessionId,
    /// Whose.
    pub user_id: UserId,
    /// The hash of the secret half of its token.
    pub token_hash: String,
    /// When it ends unless it is used.
    pub expires_at: OffsetDateTime,
    /// It was used, and that was not written down for [`TOUCH_EVERY`].
    pub stale: bool,
}

/// A session by the public half of its token, if it is neither over nor its user suspended.
pub async fn find_live(
    conn: &mut PgConnection,
    selector: &str,
) -> Result<Option<LiveSession>, sqlx::Error> {
    let session = |column: Sessions| Expr::col((Sessions::Table, column));
    let statement = Query::select()
        .columns([
            (Sessions::Table, Sessions::Id),
            (Sessions::Table, Sessions::UserId),
            (Sessions::Table, Sessions::TokenHash),
            (Sessions::Table, Sessions::ExpiresAt),
        ])
        .expr_as(
            Expr::cust_with_values(
                "sessions.last_seen_at < now() - make_interval(secs => $1)",
                [TOUCH_EVERY.as_secs_f64()],
            ),
            "stale",
        )
        .from(Sessions::Table)
        .join(
            JoinType::InnerJoin,
            Users::Table,
            session(Sessions::UserId).equals((Users::Table, Users::Id)),
        )
        .and_where(session(Sessions::Selector).eq(selector))
        .and_where(session(Sessions::ExpiresAt).gt(Expr::current_timestamp()))
        .and_where(Expr::col((Users::Table, Users::SuspendedAt)).is_null())
        .to_owned();
    super::fetch_optional(conn, &statement).await
}

/// Writes down that a session is used, which pushes its end forward, but never past its absolute end.
pub async fn touch(conn: &mut PgConnection, id: SessionId) -> Result<(), sqlx::Error> {
    let statement = Query::update()
        .table(Sessions::Table)
        .value(Sessions::LastSeenAt, Expr::current_timestamp())
        .value(
            Sessions::ExpiresAt,
            Expr::cust_with_values(
                "least(now() + make_interval(secs => $1), absolute_expires_at)",
                [SESSION_IDLE.as_secs_f64()],
            ),
        )
        .and_where(Expr::col(Sessions::Id).eq(id))
        // Of several services that see the same stale row, one writes.
        .and_where(Expr::cust_with_values(
            "last_seen_at < now() - make_interval(secs => $1)",
            [TOUCH_EVERY.as_secs_f64()],
        ))
        .to_owned();
    super::execute(conn, &statement).await.map(drop)
}

/// Ends the oldest sessions of a user beyond the `keep` newest; returns them.
pub async fn evict_oldest(
    conn: &mut PgConnection,
    user_id: UserId,
    keep: i64,
) -> Result<Vec<SessionId>, sqlx::Error> {
    let newest = Query::select()
        .column(Sessions::Id)
        .from(Sessions::Table)
        .and_where(Expr::col(Sessions::UserId).eq(user_id))
        // By the database's clock: ids have that of the gateway that made them, and gateways differ.
        .order_by(Sessions::CreatedAt, Order::Desc)
        .order_by(Sessions::Id, Order::Desc)
        .limit(u64::try_from(keep).unwrap_or_default())
        .to_owned();
    let statement = Query::delete()
        .from_table(Sessions::Table)
        .and_where(Expr::col(Sessions::UserId).eq(user_id))
        .and_where(Expr::col(Sessions::Id).not_in_subquery(newest))
        .returning_col(Sessions::Id)
        .to_owned();
    super::fetch_scalars(conn, &statement).await
}

/// The sessions of a user, newest first. `current` marks the one that asks.
pub async fn list(
    conn: &mut PgConnection,
    user_id: UserId,
    current: Option<SessionId>,
) -> Result<Vec<Session>, sqlx::Error> {
    let is_current = current.map_or_else(|| Expr::val(false), |id| Expr::col(Sessions::Id).eq(id));
    let statement = Query::select()
        .columns([
            Sessions::Id,
            Sessions::UserAgent,
            Sessions::Ip,
            Sessions::CreatedAt,
            Sessions::LastSeenAt,
            Sessions::ExpiresAt,
        ])
        .expr_as(is_current, "current")
        .from(Sessions::Table)
        .and_where(Expr::col(Sessions::UserId).eq(user_id))
        .and_where(Expr::col(Sessions::ExpiresAt).gt(Expr::current_timestamp()))
        .order_by(Sessions::CreatedAt, Order::Desc)
        .order_by(Sessions::Id, Order::Desc)
        .to_owned();
    super::fetch_all(conn, &statement).await
}

/// Ends one session of a user. Returns whether there was one.
pub async fn delete(
    conn: &mut PgConnection,
    user_id: UserId,
    id: SessionId,
) -> Result<bool, sqlx::Error> {
    let statement = Query::delete()
        .from_table(Sessions::Table)
        .and_where(Expr::col(Sessions::Id).eq(id))
        .and_where(Expr::col(Sessions::UserId).eq(user_id))
        .to_owned();
    Ok(super::execute(conn, &statement).await? > 0)
}

/// Removes sessions that are over. Returns how many.
pub async fn prune(conn: &mut PgConnection) -> Result<u64, sqlx::Error> {
    let statement = Query::delete()
        .from_table(Sessions::Table)
        .and_where(Expr::col(Sessions::ExpiresAt).lte(Expr::current_timestamp()))
        .to_owned();
    super::execute(conn, &statement).await
}
