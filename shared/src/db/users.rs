//! People, bots and the system user.

use sea_query::{Alias, Expr, ExprTrait, Func, JoinType, Query, SelectStatement};
use sqlx::PgConnection;
use time::OffsetDateTime;

use super::authz;
use super::iden::{ChannelMembers, CommunityMembers, Users};
use crate::id::{CommunityId, UserId};
use crate::limits::OFFLINE_AFTER;
use crate::names::{DisplayName, Username};
use crate::user::{Author, Me, UpdateMe, User, UserKind};

/// Violated when a handle is taken.
pub const USERNAME_KEY: &str = "users_username_key";

/// A new account.
#[derive(Clone, Debug)]
pub struct NewUser {
    /// Its id.
    pub id: UserId,
    /// The unique handle.
    pub username: Username,
    /// The name shown.
    pub display_name: DisplayName,
    /// The address the provider gave.
    pub email: Option<String>,
    /// A picture.
    pub avatar_url: Option<String>,
    /// What is behind it.
    pub kind: UserKind,
    /// When it was made.
    pub created_at: OffsetDateTime,
}

/// Adds an account. Violates [`USERNAME_KEY`] when the handle is taken.
pub async fn insert(conn: &mut PgConnection, user: &NewUser) -> Result<(), sqlx::Error> {
    let statement = Query::insert()
        .into_table(Users::Table)
        .columns([
            Users::Id,
            Users::Username,
            Users::DisplayName,
            Users::Email,
            Users::AvatarUrl,
            Users::Kind,
            Users::CreatedAt,
        ])
        .values_panic([
            user.id.into(),
            user.username.as_str().into(),
            user.display_name.as_str().into(),
            user.email.clone().into(),
            user.avatar_url.clone().into(),
            user.kind.as_str().into(),
            user.created_at.into(),
        ])
        .to_owned();
    super::execute(conn, &statement).await.map(drop)
}

/// The heartbeat is younger than two minutes.
pub(crate) fn online() -> Expr {
    Expr::cust(format!(
        "coalesce(users.last_seen_at > now() - interval '{} seconds', false)",
        OFFLINE_AFTER.as_secs()
    ))
}

/// Selects [`User`]s. With `nicknames`, `community_members` is joined in and its nickname and picture come first.
pub(crate) fn select(nicknames: bool) -> SelectStatement {
    let mut select = Query::select();
    select.columns([
        (Users::Table, Users::Id),
        (Users::Table, Users::Username),
        (Users::Table, Users::Kind),
        (Users::Table, Users::StatusText),
        (Users::Table, Users::StatusEmoji),
        (Users::Table, Users::CreatedAt),
    ]);
    shown_name(&mut select, nicknames);
    select.expr_as(online(), "online").from(Users::Table);
    select
}

fn shown_name(select: &mut SelectStatement, nicknames: bool) {
    if nicknames {
        let first = |own: CommunityMembers, general: Users| {
            Func::coalesce([
                Expr::col((CommunityMembers::Table, own)),
                Expr::col((Users::Table, general)),
            ])
        };
        select.expr_as(first(CommunityMembers::Nickname, Users::DisplayName), Users::DisplayName);
        select.expr_as(first(CommunityMembers::AvatarUrl, Users::AvatarUrl), Users::AvatarUrl);
    } else {
        select.columns([(Users::Table, Users::DisplayName), (Users::Table, Users::AvatarUrl)]);
    }
}

/// A profile, if `reader` may know of it: somebody who shares a community, a channel or a direct message with them.
pub async fn find_known(
    conn: &mut PgConnection,
    reader: UserId,
    id: UserId,
) -> Result<Option<User>, sqlx::Error> {
    let of_table = |table: &'static str, column: &'static str, mine: SelectStatement| {
        Query::select()
            .column(Alias::new("user_id"))
            .from(Alias::new(table))
            .and_where(Expr::col(Alias::new(column)).in_subquery(mine))
            .and_where(Expr::col(Alias::new("user_id")).eq(id))
            .to_owned()
    };
    let id_column = || Expr::col((Users::Table, Users::Id));
    let statement = select(false)
        .and_where(id_column().eq(id))
        .cond_where(
            id_column()
                .eq(reader)
                .or(id_column().in_subquery(of_table(
                    "community_members",
                    "community_id",
                    authz::communities_of(reader),
                )))
                .or(id_column().in_subquery(of_table(
                    "channel_members",
                    "channel_id",
                    authz::joined_channels(reader),
                ))),
        )
        .to_owned();
    super::fetch_optional(conn, &statement).await
}

/// Somebody by handle, if they share a community with `reader`: nobody else can be found by it (A96).
pub async fn find_co_member(
    conn: &mut PgConnection,
    reader: UserId,
    username: &str,
) -> Result<Option<User>, sqlx::Error> {
    let co_members = Query::select()
        .column(CommunityMembers::UserId)
        .from(CommunityMembers::Table)
        .and_where(
            Expr::col(CommunityMembers::CommunityId).in_subquery(authz::communities_of(reader)),
        )
        .to_owned();
    let statement = select(false)
        .and_where(Expr::col((Users::Table, Users::Username)).eq(username))
        .and_where(Expr::col((Users::Table, Users::Id)).in_subquery(co_members))
        .to_owned();
    super::fetch_optional(conn, &statement).await
}

/// A person by handle, for those who may do anything.
pub async fn find_by_username(
    conn: &mut PgConnection,
    username: &str,
) -> Result<Option<User>, sqlx::Error> {
    let statement =
        select(false).and_where(Expr::col((Users::Table, Users::Username)).eq(username)).to_owned();
    super::fetch_optional(conn, &statement).await
}

/// The caller's own profile.
pub async fn me(conn: &mut PgConnection, id: UserId) -> Result<Option<Me>, sqlx::Error> {
    let statement = select(false)
        .column((Users::Table, Users::Email))
        .and_where(Expr::col((Users::Table, Users::Id)).eq(id))
        .to_owned();
    super::fetch_optional(conn, &statement).await
}

/// Changes a profile. False if it is like that already. Violates [`USERNAME_KEY`] when the new handle is taken.
pub async fn update(
    conn: &mut PgConnection,
    id: UserId,
    change: &UpdateMe,
) -> Result<bool, sqlx::Error> {
    let mut statement = Query::update();
    statement.table(Users::Table).and_where(Expr::col(Users::Id).eq(id));
    let texts = [
        change.username.as_ref().map(|name| (Users::Username, Some(name.as_str()))),
        change.display_name.as_ref().map(|name| (Users::DisplayName, Some(name.as_str()))),
        change.status_text.as_deref().map(|text| (Users::StatusText, filled(text))),
        change.status_emoji.as_deref().map(|emoji| (Users::StatusEmoji, filled(emoji))),
    ];
    Ok(super::set_texts(&mut statement, texts.into_iter().flatten())
        && super::execute(conn, &statement).await? == 1)
}

/// An empty text clears the field.
fn filled(text: &str) -> Option<&str> {
    Some(text.trim()).filter(|text| !text.is_empty())
}

/// Selects [`Author`]s: what draws somebody, with the nickname of `community_id` where there is one.
pub(crate) fn select_authors(community_id: Option<CommunityId>) -> SelectStatement {
    let mut select = Query::select();
    select
        .columns([
            (Users::Table, Users::Id),
            (Users::Table, Users::Username),
            (Users::Table, Users::Kind),
        ])
        .from(Users::Table);
    shown_name(&mut select, community_id.is_some());
    if let Some(community_id) = community_id {
        select.join(
            JoinType::LeftJoin,
            CommunityMembers::Table,
            Expr::col((CommunityMembers::Table, CommunityMembers::UserId))
                .equals((Users::Table, Users::Id))
                .and(
                    Expr::col((CommunityMembers::Table, CommunityMembers::CommunityId))
                        .eq(community_id),
                ),
        );
    }
    select
}

/// What draws somebody in a community, or in a direct message without one.
pub async fn author(
    conn: &mut PgConnection,
    id: UserId,
    community_id: Option<CommunityId>,
) -> Result<Author, sqlx::Error> {
    let statement = select_authors(community_id)
        .and_where(Expr::col((Users::Table, Users::Id)).eq(id))
        .to_owned();
    super::fetch_one(conn, &statement).await
}

/// Notes that these people were there just now.
pub async fn touch(conn: &mut PgConnection, ids: &[UserId]) -> Result<(), sqlx::Error> {
    let ids: Vec<uuid::Uuid> = ids.iter().map(|id| id.uuid()).collect();
    let statement = Query::update()
        .table(Users::Table)
        .value(Users::LastSeenAt, Expr::current_timestamp())
        .and_where(Expr::cust_with_values("id = ANY($1)", [ids]))
        .to_owned();
    super::execute(conn, &statement).await.map(drop)
}

/// Ids of the communities these people belong to, for presence: pairs of person and community.
pub async fn communities(
    conn: &mut PgConnection,
    ids: &[UserId],
) -> Result<Vec<(UserId, CommunityId)>, sqlx::Error> {
    let ids: Vec<uuid::Uuid> = ids.iter().map(|id| id.uuid()).collect();
    let statement = Query::select()
        .columns([CommunityMembers::UserId, CommunityMembers::CommunityId])
        .from(CommunityMembers::Table)
        .and_where(Expr::cust_with_values("user_id = ANY($1)", [ids]))
        .to_owned();
    super::fetch_all(conn, &statement).await
}

/// Selects the people of one channel as [`Author`]s (their ids in `channel_members`).
pub(crate) fn select_channel_members(community_id: Option<CommunityId>) -> SelectStatement {
    let mut select = select_authors(community_id);
    select.join(
        JoinType::InnerJoin,
        ChannelMembers::Table,
        Expr::col((ChannelMembers::Table, ChannelMembers::UserId))
            .equals((Users::Table, Users::Id)),
    );
    select
}
