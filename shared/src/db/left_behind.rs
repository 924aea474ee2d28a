//! What somebody made that goes on working without them: tokens of bots, and webhooks.

use sea_query::{Expr, ExprTrait, JoinType, Query};
use sqlx::PgConnection;

use super::api_tokens::{self, Owner};
use super::authz::visible_channels;
use super::iden::{ApiTokens, Channels, Webhooks};
use crate::id::{CommunityId, UserId};

/// How much somebody made that is valid now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LeftBehind {
    /// Tokens of the community's bots.
    pub tokens: i64,
    /// Webhooks that post into channels that the reader may see; of others nobody is told (A97).
    pub webhooks: i64,
}

/// Counts what `maker` made in a community, for `reader`.
pub async fn count(
    conn: &mut PgConnection,
    community_id: CommunityId,
    maker: UserId,
    reader: UserId,
) -> Result<LeftBehind, sqlx::Error> {
    let tokens = Query::select()
        .expr(Expr::cust("count(*)"))
        .from(ApiTokens::Table)
        .cond_where(api_tokens::valid(Owner::Community(community_id)))
        .and_where(Expr::col((ApiTokens::Table, ApiTokens::CreatedBy)).eq(maker))
        .to_owned();
    let webhooks = Query::select()
        .expr(Expr::cust("count(*)"))
        .from(Webhooks::Table)
        .join(
            JoinType::InnerJoin,
            Channels::Table,
            Expr::col((Channels::Table, Channels::Id))
                .equals((Webhooks::Table, Webhooks::ChannelId)),
        )
        .and_where(Expr::col((Webhooks::Table, Webhooks::CommunityId)).eq(community_id))
        .and_where(Expr::col((Webhooks::Table, Webhooks::CreatedBy)).eq(maker))
        .and_where(Expr::col((Webhooks::Table, Webhooks::RevokedAt)).is_null())
        .cond_where(visible_channels(reader))
        .to_owned();
    Ok(LeftBehind {
        tokens: super::fetch_scalar(conn, &tokens).await?.unwrap_or(0),
        webhooks: super::fetch_scalar(conn, &webhooks).await?.unwrap_or(0),
    })
}
