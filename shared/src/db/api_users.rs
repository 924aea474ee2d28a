//! Bots: the accounts that webhooks and API users write as.

use sea_query::{Alias, Expr, ExprTrait, LockType, OnConflict, Query};
use sqlx::PgConnection;

use super::iden::{ApiUsers, Communities, Users};
use super::{Cause, audit, community_members};
use crate::community::Role;
use crate::id::{CommunityId, UserId};
use crate::names::{DisplayName, Username};
use crate::user::UserKind;

/// Numbers tried for one bot, `deploy-2` to `deploy-5`; behind them comes a piece of its id, which nobody has taken.
const NUMBERS_TRIED: u32 = 5;
/// Characters of an id that make a handle its own.
const ID_CHARS: usize = 8;
/// Characters of a name that go into the handle; leaves room for an ending and a piece of an id.
const HANDLE_CHARS: usize = 18;

/// What a bot is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A webhook writes as it. Its handle ends with `-hook`, so that people find theirs free.
    Webhook,
    /// A program acts as it by API tokens.
    Tokens,
}

/// Adds an account of kind bot under a handle that is free.
pub async fn insert_bot(
    conn: &mut PgConnection,
    cause: &Cause,
    name: &DisplayName,
    purpose: Purpose,
) -> Result<UserId, sqlx::Error> {
    let id = UserId::new();
    for username in handles(name, purpose, id) {
        let statement = Query::insert()
            .into_table(Users::Table)
            .columns([
                Users::Id,
                Users::Username,
                Users::DisplayName,
                Users::Kind,
                Users::CreatedAt,
            ])
            .values_panic([
                id.into(),
                username.as_str().into(),
                name.as_str().into(),
                UserKind::Bot.as_str().into(),
                cause.at.into(),
            ])
            .on_conflict(OnConflict::column(Users::Username).do_nothing().to_owned())
            .to_owned();
        if super::execute(conn, &statement).await? == 1 {
            return Ok(id);
        }
    }
    Err(sqlx::Error::RowNotFound)
}

/// Handles made from a name, the nearest first; the last one is made from the id as well.
fn handles(name: &DisplayName, purpose: Purpose, id: UserId) -> impl Iterator<Item = Username> {
    let mut kept = String::new();
    for c in name.as_str().to_lowercase().chars() {
        if c.is_ascii_alphanumeric() {
            kept.push(c);
        } else if !kept.is_empty() && !kept.ends_with('-') {
            kept.push('-');
        }
    }
    kept.truncate(HANDLE_CHARS);
    let kept = kept.trim_end_matches('-');
    let base = match (kept, purpose) {
        ("", Purpose::Webhook) => "hook".to_owned(),
        ("", Purpose::Tokens) => "bot".to_owned(),
        (kept, Purpose::Webhook) => format!("{kept}-hook"),
        (kept, Purpose::Tokens) => kept.to_owned(),
    };
    // The end of an id of version 7 is random, its beginning is the time.
    let random = id.uuid().simple().to_string().split_off(32 - ID_CHARS);
    let last = format!("{base}-{random}");
    std::iter::once(base.clone())
        .chain((2..=NUMBERS_TRIED).map(move |n| format!("{base}-{n}")))
        .chain([last])
        .filter_map(|name| name.parse().ok())
}

/// The bot of a community by its name, in any case.
pub async fn find(
    conn: &mut PgConnection,
    community_id: CommunityId,
    name: &str,
) -> Result<Option<UserId>, sqlx::Error> {
    let statement = Query::select()
        .column(ApiUsers::Id)
        .from(ApiUsers::Table)
        .and_where(Expr::col(ApiUsers::CommunityId).eq(community_id))
        .and_where(Expr::cust_with_values("lower(name) = lower($1)", [name]))
        .order_by(ApiUsers::Id, sea_query::Order::Asc)
        .limit(1)
        .to_owned();
    super::fetch_scalar(conn, &statement).await
}

/// Holds a community until the transaction ends, so that two who want the same bot at once get one.
pub async fn hold(conn: &mut PgConnection, community_id: CommunityId) -> Result<(), sqlx::Error> {
    let statement = Query::select()
        .column(Communities::Id)
        .from(Communities::Table)
        .and_where(Expr::col(Communities::Id).eq(community_id))
        .lock(LockType::NoKeyUpdate)
        .to_owned();
    super::fetch_scalar::<CommunityId>(conn, &statement).await.map(drop)
}

/// Makes a bot that belongs to a community as a member, in the channels that everybody is in. The community is held.
pub async fn insert(
    conn: &mut PgConnection,
    cause: &Cause,
    community_id: CommunityId,
    name: &DisplayName,
) -> Result<UserId, sqlx::Error> {
    let id = insert_bot(conn, cause, name, Purpose::Tokens).await?;
    let statement = Query::insert()
        .into_table(ApiUsers::Table)
        .columns([
            ApiUsers::Id,
            ApiUsers::CommunityId,
            ApiUsers::Name,
            ApiUsers::CreatedBy,
            ApiUsers::CreatedAt,
        ])
        .values_panic([
            id.into(),
            community_id.into(),
            name.as_str().into(),
            cause.actor_id.into(),
            cause.at.into(),
        ])
        .to_owned();
    super::execute(conn, &statement).await?;
    community_members::join(conn, cause, community_id, id, Role::Member, &[]).await?;
    let entry = audit::Entry::done("bot.created").within(community_id).on("user", id);
    audit::insert(conn, cause, &entry).await?;
    Ok(id)
}

/// A bot is in a private channel or a direct message that somebody is not in: with a token of it they would read along (A52).
pub async fn hears_more(
    conn: &mut PgConnection,
    bot: UserId,
    person: UserId,
) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar(
        "SELECT EXISTS (SELECT 1 FROM channel_members AS its JOIN channels ON channels.id = its.channel_id \
         WHERE its.user_id = $1 AND (channels.community_id IS NULL OR channels.visibility = 'private') \
         AND NOT EXISTS (SELECT 1 FROM channel_members AS theirs \
                         WHERE theirs.channel_id = its.channel_id AND theirs.user_id = $2))",
    )
    .bind(bot.uuid())
    .bind(person.uuid())
    .fetch_one(conn)
    .await
}

/// Ids of the bots of a community, as a condition on a column.
pub(crate) fn of_community(community_id: CommunityId) -> sea_query::SelectStatement {
    Query::select()
        .column((Alias::new("api_users"), ApiUsers::Id))
        .from(ApiUsers::Table)
        .and_where(Expr::col((ApiUsers::Table, ApiUsers::CommunityId)).eq(community_id))
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn handles_come_from_names() {
        let first = |name: &str, purpose| {
            handles(&name.parse().unwrap(), purpose, UserId::new()).next().unwrap().to_string()
        };
        assert_eq!(first("CI Builds!", Purpose::Webhook), "ci-builds-hook");
        assert_eq!(first("Deploy", Purpose::Tokens), "deploy");
        assert_eq!(first("admin", Purpose::Tokens), "admin-2", "reserved words are not given away");
        assert_eq!(first("田辺", Purpose::Tokens), "bot");
        assert_eq!(first("🚀", Purpose::Webhook), "hook");
        assert_eq!(
            first(&"x".repeat(60), Purpose::Webhook),
            format!("{}-hook", "x".repeat(HANDLE_CHARS))
        );
        let id = UserId::from(uuid::Uuid::from_u128(0xabcd_1234_5678));
        let long: DisplayName = "x".repeat(60).parse().unwrap();
        let tried: Vec<_> = handles(&long, Purpose::Webhook, id).map(String::from).collect();
        let base = format!("{}-hook", "x".repeat(HANDLE_CHARS));
        assert_eq!(tried[..2], [base.clone(), format!("{base}-2")]);
        assert_eq!(tried[5..], [format!("{base}-12345678")], "the id makes it its own");
    }
}
