//! Long-lived API tokens of bots and, as personal tokens, of people.

use std::time::Duration;

use sea_query::{Condition, Expr, ExprTrait, JoinType, Order, Query, SelectStatement};
use sqlx::PgConnection;
use sqlx::types::Json;
use time::OffsetDateTime;

use super::iden::{ApiTokens, CommunityMembers, Users};
use super::sessions::{TOUCH_EVERY, from_now};
use super::{Cause, api_users, audit, outbox};
use crate::actions::Scope;
use crate::api_token::ApiToken;
use crate::events::{Envelope, Event, SessionRevoked};
use crate::id::{ApiTokenId, CommunityId, SessionId, UserId};
use crate::user::Author;

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
    /// How long it lasts, by the database's clock.
    pub life: Duration,
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
            from_now(token.life),
        ])
        .to_owned();
    super::execute(conn, &statement).await.map(drop)
}

/// Whose tokens: those of a community's bots, or one person's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// The bots of a community.
    Community(CommunityId),
    /// A person.
    Person(UserId),
}

impl Owner {
    fn condition(self) -> Condition {
        let user_id = Expr::col((ApiTokens::Table, ApiTokens::UserId));
        Condition::all()
            .add(match self {
                Self::Community(id) => user_id.in_subquery(api_users::of_community(id)),
                Self::Person(id) => user_id.eq(id),
            })
            .add(Expr::col((ApiTokens::Table, ApiTokens::RevokedAt)).is_null())
            .add(Expr::col((ApiTokens::Table, ApiTokens::ExpiresAt)).gt(Expr::current_timestamp()))
    }

    const fn community(self) -> Option<CommunityId> {
        match self {
            Self::Community(id) => Some(id),
            Self::Person(_) => None,
        }
    }
}

#[derive(sqlx::FromRow)]
struct Row {
    id: ApiTokenId,
    name: String,
    selector: String,
    scopes: Vec<String>,
    created_by: Option<UserId>,
    created_at: OffsetDateTime,
    expires_at: OffsetDateTime,
    last_used_at: Option<OffsetDateTime>,
    author: Json<Author>,
}

impl From<Row> for ApiToken {
    fn from(row: Row) -> Self {
        Self {
            id: row.id,
            name: row.name,
            user: row.author.0,
            scopes: row.scopes.iter().filter_map(|scope| scope.parse::<Scope>().ok()).collect(),
            prefix: format!("ajp_{}", row.selector),
            created_by: row.created_by,
            created_at: row.created_at,
            expires_at: row.expires_at,
            last_used_at: row.last_used_at,
        }
    }
}

fn select(owner: Owner) -> SelectStatement {
    let column = |column: ApiTokens| (ApiTokens::Table, column);
    let mut select = Query::select();
    select
        .columns([
            column(ApiTokens::Id),
            column(ApiTokens::Name),
            column(ApiTokens::Selector),
            column(ApiTokens::Scopes),
            column(ApiTokens::CreatedBy),
            column(ApiTokens::CreatedAt),
            column(ApiTokens::ExpiresAt),
            column(ApiTokens::LastUsedAt),
        ])
        .expr_as(
            Expr::cust(
                "jsonb_build_object('id', users.id, 'username', users.username, \
                 'display_name', coalesce(community_members.nickname, users.display_name), \
                 'avatar_url', coalesce(community_members.avatar_url, users.avatar_url), 'kind', users.kind)",
            ),
            "author",
        )
        .from(ApiTokens::Table)
        .join(
            JoinType::InnerJoin,
            Users::Table,
            Expr::col(column(ApiTokens::UserId)).equals((Users::Table, Users::Id)),
        )
        .join(
            JoinType::LeftJoin,
            CommunityMembers::Table,
            Condition::all()
                .add(
                    Expr::col((CommunityMembers::Table, CommunityMembers::UserId))
                        .equals((Users::Table, Users::Id)),
                )
                .add(
                    Expr::col((CommunityMembers::Table, CommunityMembers::CommunityId))
                        .eq(owner.community().map(CommunityId::uuid)),
                ),
        )
        .cond_where(owner.condition());
    select
}

/// What makes a token one of the owner's that is valid now.
pub(crate) fn valid(owner: Owner) -> Condition {
    owner.condition()
}

/// Somebody made a token of a bot that is valid now and may do all of this.
pub async fn was_made_by(
    conn: &mut PgConnection,
    maker: UserId,
    bot: UserId,
    scopes: &[String],
) -> Result<bool, sqlx::Error> {
    let statement = Query::select()
        .expr(Expr::val(1))
        .from(ApiTokens::Table)
        .cond_where(valid(Owner::Person(bot)))
        .and_where(Expr::col((ApiTokens::Table, ApiTokens::CreatedBy)).eq(maker))
        .and_where(Expr::cust_with_values("api_tokens.scopes @> $1", [scopes.to_vec()]))
        .limit(1)
        .to_owned();
    Ok(super::fetch_scalar::<i32>(conn, &statement).await?.is_some())
}

/// A token that was valid once and is not any more.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct EndedToken {
    /// Its id.
    pub id: ApiTokenId,
    /// Whose it was.
    pub user_id: UserId,
    /// The hash of its secret half.
    pub token_hash: String,
    /// Of which community's bot, unless it was a person's own.
    pub community_id: Option<CommunityId>,
}

/// A token by its public half, if it was revoked or has run out.
pub async fn find_ended(
    conn: &mut PgConnection,
    selector: &str,
) -> Result<Option<EndedToken>, sqlx::Error> {
    sqlx::query_as(
        "SELECT token.id, token.user_id, token.token_hash, bot.community_id \
         FROM api_tokens AS token LEFT JOIN api_users AS bot ON bot.id = token.user_id \
         WHERE token.selector = $1 AND (token.revoked_at IS NOT NULL OR token.expires_at <= now())",
    )
    .bind(selector)
    .fetch_optional(conn)
    .await
}

/// The tokens that are valid now, oldest first.
pub async fn list(conn: &mut PgConnection, owner: Owner) -> Result<Vec<ApiToken>, sqlx::Error> {
    let statement =
        select(owner).order_by((ApiTokens::Table, ApiTokens::Id), Order::Asc).to_owned();
    let rows: Vec<Row> = super::fetch_all(conn, &statement).await?;
    Ok(rows.into_iter().map(ApiToken::from).collect())
}

/// One of them.
pub async fn find(
    conn: &mut PgConnection,
    owner: Owner,
    id: ApiTokenId,
) -> Result<Option<ApiToken>, sqlx::Error> {
    let statement =
        select(owner).and_where(Expr::col((ApiTokens::Table, ApiTokens::Id)).eq(id)).to_owned();
    Ok(super::fetch_optional::<Row>(conn, &statement).await?.map(ApiToken::from))
}

/// How many tokens of one bot or person are valid now.
pub async fn count(conn: &mut PgConnection, user_id: UserId) -> Result<i64, sqlx::Error> {
    let statement = Query::select()
        .expr(Expr::cust("count(*)"))
        .from(ApiTokens::Table)
        .cond_where(Owner::Person(user_id).condition())
        .to_owned();
    Ok(super::fetch_scalar(conn, &statement).await?.unwrap_or(0))
}

/// Adds a token and writes it into the audit log.
pub async fn create(
    conn: &mut PgConnection,
    cause: &Cause,
    owner: Owner,
    token: &NewToken<'_>,
) -> Result<ApiToken, sqlx::Error> {
    insert(conn, token).await?;
    let entry = audit::Entry::done("token.created").within(owner.community()).on("token", token.id);
    let facts = serde_json::json!({ "user_id": token.user_id, "scopes": token.scopes });
    audit::insert(conn, cause, &entry.with(facts)).await?;
    find(conn, owner, token.id).await?.ok_or(sqlx::Error::RowNotFound)
}

/// Ends a token: it is refused everywhere within a second, and its streams end. False if there is no such valid token.
pub async fn revoke(
    conn: &mut PgConnection,
    cause: &Cause,
    owner: Owner,
    id: ApiTokenId,
) -> Result<bool, sqlx::Error> {
    let statement = Query::update()
        .table(ApiTokens::Table)
        .value(ApiTokens::RevokedAt, cause.at)
        .and_where(Expr::col(ApiTokens::Id).eq(id))
        .cond_where(owner.condition())
        .returning_col(ApiTokens::UserId)
        .to_owned();
    let Some(user_id) = super::fetch_scalar::<UserId>(conn, &statement).await? else {
        return Ok(false);
    };
    // No session has the id of a token; but streams that were opened without a session ask anew when any of their user's ends.
    let session_id = Some(SessionId::from(id.uuid()));
    let event = Event::SessionRevoked(SessionRevoked { session_id });
    let envelope = Envelope::new(event, cause.actor_id, cause.at).traced(cause.trace_id.clone());
    outbox::push_to(conn, user_id, &envelope).await?;
    let entry = audit::Entry::done("token.revoked").within(owner.community()).on("token", id);
    audit::insert(conn, cause, &entry).await?;
    Ok(true)
}
