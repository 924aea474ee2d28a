//! Long-lived API tokens of bots and, as personal tokens, of people.

use sea_query::{Expr, ExprTrait, JoinType, Query};
use sqlx::PgConnection;
use time::OffsetDateTime;

use super::iden::{ApiTokens, Users};
use super::sessions::TOUCH_EVERY;
use crate::id::{ApiTokenId, UserId};

/// A token that is valid now, as the verifier reads it.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct LiveToken {
    /// Its id.
    pub id: ApiTokenId,
    /// Whose rights it has, cut down to its scopes.
    pub user_id: UserId,
    /// The hash of its secret half.
    pub token_hash: String,
    /// What it may be used for.
    pub scopes: Vec<String>,
    /// When it ends.
    pub expires_at: OffsetDateTime,
    /// It was used, and that was not written down for [`TOUCH_EVERY`].
    pub stale: bool,
}

/// A token by its public half, if it is neither over nor revoked nor its user suspended.
pub async fn find_live(
    conn: &mut PgConnection,
    selector: &str,
) -> Result<Option<LiveToken>, sqlx::Error> {
    let token = |column: ApiTokens| Expr::col((ApiTokens::Table, column));
    let statement = Query::select()
        .columns([
            (ApiTokens::Table, ApiTokens::Id),
            (ApiTokens::Table, ApiTokens::UserId),
            (ApiTokens::Table, ApiTokens::TokenHash),
            (ApiTokens::Table, ApiTokens::Scopes),
            (ApiTokens::Table, ApiTokens::ExpiresAt),
        ])
        .expr_as(
            Expr::cust_with_values(
                "coalesce(api_tokens.last_used_at < now() - make_interval(secs => $1), true)",
                [TOUCH_EVERY.as_secs_f64()],
            ),
            "stale",
        )
        .from(ApiTokens::Table)
        .join(
            JoinType::InnerJoin,
            Users::Table,
            token(ApiTokens::UserId).equals((Users::Table, Users::Id)),
        )
        .and_where(token(ApiTokens::Selector).eq(selector))
        .and_where(token(ApiTokens::RevokedAt).is_null())
        .and_where(token(ApiTokens::ExpiresAt).gt(Expr::current_timestamp()))
        .and_where(Expr::col((Users::Table, Users::SuspendedAt)).is_null())
        .to_owned();
    super::fetch_optional(conn, &statement).await
}

/// Writes down that a token is used.
pub async fn touch(conn: &mut PgConnection, id: ApiTokenId) -> Result<(), sqlx::Error> {
    let statement = Query::update()
        .table(ApiTokens::Table)
        .value(ApiTokens::LastUsedAt, Expr::current_timestamp())
        .and_where(Expr::col(ApiTokens::Id).eq(id))
        .to_owned();
    super::execute(conn, &statement).await.map(drop)
}

/// A token about to be made.
#[derive(Clone, Debug)]
pub struct NewToken<'a> {
    /// Its id.
    pub id: ApiTokenId,
    /// Whose.
    pub user_id: UserId,
    /// What for, in its maker's words.
    pub name: &'a str,
    /// Its public half.
    pub selector: &'a str,
    /// The hash of its secret half.
    pub token_hash: &'a str,
    /// What it may be used for.
    pub scopes: Vec<String>,
    /// Who made it.
    pub created_by: UserId,
    /// When it ends.
    pub expires_at: OffsetDateTime,
}

/// Adds a token.
pub async fn insert(conn: &mut PgConnection, token: &NewToken<'_>) -> Result<(), sqlx::Error> {
    let statement = Query::insert()
        .into_table(ApiTokens::Table)
        .columns([
            ApiTokens::Id,
            ApiTokens::UserId,
            ApiTokens::Name,
            ApiTokens::Selector,
            ApiTokens::TokenHash,
            ApiTokens::Scopes,
            ApiTokens::CreatedBy,
            ApiTokens::ExpiresAt,
        ])
        .values_panic([
            token.id.into(),
            token.user_id.into(),
            token.name.into(),
            token.selector.into(),
            token.token_hash.into(),
            token.scopes.clone().into(),
            token.created_by.into(),
            token.expires_at.into(),
        ])
        .to_owned();
    super::execute(conn, &statement).await.map(drop)
}
