//! One-time codes by which a terminal gets its session from a browser that is signed in.

use std::time::Duration;

use sea_query::{Expr, ExprTrait, Query};
use sqlx::PgConnection;
use uuid::Uuid;

use super::iden::LoginCodes;
use super::sessions::from_now;
use crate::id::UserId;

/// How long a code may wait to be exchanged. Source: delivery-and-security.md section 3.1.
pub const CODE_LIFE: Duration = Duration::from_mins(1);

/// A code that was taken out.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct LoginCode {
    /// Whose session it gives.
    pub user_id: UserId,
    /// PKCE S256 challenge that the terminal must answer.
    pub challenge: String,
}

/// Keeps a code for a terminal that listens on the loopback interface.
pub async fn insert_loopback(
    conn: &mut PgConnection,
    code_hash: &[u8; 32],
    user_id: UserId,
    challenge: &str,
) -> Result<(), sqlx::Error> {
    let statement = Query::insert()
        .into_table(LoginCodes::Table)
        .columns([
            LoginCodes::Id,
            LoginCodes::Kind,
            LoginCodes::CodeHash,
            LoginCodes::UserId,
            LoginCodes::Challenge,
            LoginCodes::ApprovedAt,
            LoginCodes::ExpiresAt,
        ])
        .values_panic([
            Uuid::now_v7().into(),
            "loopback".into(),
            code_hash.to_vec().into(),
            user_id.into(),
            challenge.into(),
            Expr::current_timestamp(),
            from_now(CODE_LIFE),
        ])
        .to_owned();
    super::execute(conn, &statement).await.map(drop)
}

/// Uses up a loopback code: of several callers one gets it.
pub async fn take_loopback(
    conn: &mut PgConnection,
    code_hash: &[u8; 32],
) -> Result<Option<LoginCode>, sqlx::Error> {
    let statement = Query::update()
        .table(LoginCodes::Table)
        .value(LoginCodes::UsedAt, Expr::current_timestamp())
        .and_where(Expr::col(LoginCodes::Kind).eq("loopback"))
        .and_where(Expr::col(LoginCodes::CodeHash).eq(code_hash.to_vec()))
        .and_where(Expr::col(LoginCodes::UsedAt).is_null())
        .and_where(Expr::col(LoginCodes::ExpiresAt).gt(Expr::current_timestamp()))
        .returning(Query::returning().columns([LoginCodes::UserId, LoginCodes::Challenge]))
        .to_owned();
    super::fetch_optional(conn, &statement).await
}

/// Removes codes that are over. Returns how many.
pub async fn prune(conn: &mut PgConnection) -> Result<u64, sqlx::Error> {
    let statement = Query::delete()
        .from_table(LoginCodes::Table)
        .and_where(Expr::col(LoginCodes::ExpiresAt).lte(Expr::current_timestamp()))
        .to_owned();
    super::execute(conn, &statement).await
}
