//! Who may not come back to a community.

use sea_query::{Expr, ExprTrait, JoinType, Query, SelectStatement};
use sqlx::PgConnection;
use sqlx::types::Json;
use time::OffsetDateTime;
use uuid::Uuid;

use super::Cause;
use super::iden::{Bans, Users};
use super::paging::Keyset;
use crate::id::{CommunityId, EventId, UserId};
use crate::moderation::Ban;
use crate::page::Page;
use crate::user::Author;

/// A ban that holds: by the database's clock, so that no host's clock ends it early.
const IN_FORCE: &str =
    "bans.lifted_at IS NULL AND (bans.expires_at IS NULL OR bans.expires_at > now())";

#[derive(sqlx::FromRow)]
struct BanRow {
    id: Uuid,
    user: Json<Author>,
    reason: String,
    banned_by: Option<UserId>,
    created_at: OffsetDateTime,
    expires_at: Option<OffsetDateTime>,
}

impl From<BanRow> for Ban {
    fn from(row: BanRow) -> Self {
        Self {
            id: row.id,
            user: row.user.0,
            reason: row.reason,
            banned_by: row.banned_by,
            created_at: row.created_at,
            expires_at: row.expires_at,
        }
    }
}

/// Selects the bans of a community that hold.
fn select(community_id: CommunityId) -> SelectStatement {
    Query::select()
        .columns([
            (Bans::Table, Bans::Id),
            (Bans::Table, Bans::Reason),
            (Bans::Table, Bans::BannedBy),
            (Bans::Table, Bans::CreatedAt),
            (Bans::Table, Bans::ExpiresAt),
        ])
        .expr_as(
            Expr::cust(
                "jsonb_build_object('id', users.id, 'username', users.username, 'display_name', users.display_name, \
                 'avatar_url', users.avatar_url, 'kind', users.kind)",
            ),
            "user",
        )
        .from(Bans::Table)
        .join(
            JoinType::InnerJoin,
            Users::Table,
            Expr::col((Users::Table, Users::Id)).equals((Bans::Table, Bans::UserId)),
        )
        .and_where(Expr::col((Bans::Table, Bans::CommunityId)).eq(community_id))
        .and_where(Expr::cust(IN_FORCE))
        .to_owned()
}

/// One page of the bans of a community that hold, the newest last.
pub async fn list(
    conn: &mut PgConnection,
    community_id: CommunityId,
    keyset: Keyset,
) -> Result<Page<Ban>, sqlx::Error> {
    let mut statement = select(community_id);
    keyset.apply(&mut statement, (Bans::Table, Bans::Id));
    let rows: Vec<BanRow> = super::fetch_all(conn, &statement).await?;
    Ok(keyset.page(rows.into_iter().map(Ban::from).collect(), |ban: &Ban| ban.id))
}

/// The ban on somebody, if one holds.
pub async fn find(
    conn: &mut PgConnection,
    community_id: CommunityId,
    user_id: UserId,
) -> Result<Option<Ban>, sqlx::Error> {
    let statement = select(community_id)
        .and_where(Expr::col((Bans::Table, Bans::UserId)).eq(user_id))
        .to_owned();
    Ok(super::fetch_optional::<BanRow>(conn, &statement).await?.map(Ban::from))
}

/// Somebody banned, by their handle.
pub async fn find_by_username(
    conn: &mut PgConnection,
    community_id: CommunityId,
    username: &str,
) -> Result<Option<Ban>, sqlx::Error> {
    let statement = select(community_id)
        .and_where(Expr::col((Users::Table, Users::Username)).eq(username))
        .to_owned();
    Ok(super::fetch_optional::<BanRow>(conn, &statement).await?.map(Ban::from))
}

/// Bans somebody for some seconds of the database's clock, or for good; replaces the ban that holds. Membership is another matter.
pub async fn put(
    conn: &mut PgConnection,
    cause: &Cause,
    community_id: CommunityId,
    user_id: UserId,
    reason: &str,
    seconds: Option<i64>,
) -> Result<Ban, sqlx::Error> {
    // One that ran out stays as history beside the new one.
    sqlx::query(
        "UPDATE bans SET lifted_at = expires_at \
         WHERE community_id = $1 AND user_id = $2 AND lifted_at IS NULL AND expires_at <= now()",
    )
    .bind(community_id.uuid())
    .bind(user_id.uuid())
    .execute(&mut *conn)
    .await?;
    sqlx::query(
        "INSERT INTO bans (id, community_id, user_id, reason, banned_by, created_at, expires_at) \
         VALUES ($1, $2, $3, $4, $5, $6, now() + make_interval(secs => $7)) \
         ON CONFLICT (community_id, user_id) WHERE lifted_at IS NULL DO UPDATE \
         SET reason = excluded.reason, banned_by = excluded.banned_by, expires_at = excluded.expires_at",
    )
    .bind(EventId::new().uuid())
    .bind(community_id.uuid())
    .bind(user_id.uuid())
    .bind(reason)
    .bind(cause.actor_id.map(UserId::uuid))
    .bind(cause.at)
    // Exact: no span that is allowed comes near the end of an f64's whole numbers.
    .bind(seconds.and_then(|seconds| i32::try_from(seconds).ok()).map(f64::from))
    .execute(&mut *conn)
    .await?;
    find(conn, community_id, user_id).await?.ok_or(sqlx::Error::RowNotFound)
}

/// Lets somebody back. False if no ban holds.
pub async fn lift(
    conn: &mut PgConnection,
    cause: &Cause,
    community_id: CommunityId,
    user_id: UserId,
) -> Result<bool, sqlx::Error> {
    let statement = Query::update()
        .table(Bans::Table)
        .value(Bans::LiftedAt, cause.at)
        .and_where(Expr::col(Bans::CommunityId).eq(community_id))
        .and_where(Expr::col(Bans::UserId).eq(user_id))
        .and_where(Expr::cust(IN_FORCE))
        .to_owned();
    Ok(super::execute(conn, &statement).await? > 0)
}
