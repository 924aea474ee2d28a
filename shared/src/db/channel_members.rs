//! Who is in which channel.

use std::collections::HashMap;

use sea_query::{Expr, ExprTrait, JoinType, OnConflict, Order, Query};
use sqlx::PgConnection;

use super::iden::{ChannelMembers, Channels, CommunityMembers, Users};
use super::paging::Keyset;
use super::{Cause, channels, outbox, read_state, users};
use crate::channel::{ChannelKind, ChannelView, NotifyLevel};
use crate::events::{Event, MemberChanged, MemberScope};
use crate::id::{ChannelId, CommunityId, UserId};
use crate::message::ReadState;
use crate::page::Page;
use crate::user::{Author, User};

/// Adds memberships without telling anybody; those that exist stay. Returns how many are new.
pub(crate) async fn insert(
    conn: &mut PgConnection,
    cause: &Cause,
    channel_id: ChannelId,
    people: &[UserId],
) -> Result<u64, sqlx::Error> {
    if people.is_empty() {
        return Ok(0);
    }
    let mut statement = Query::insert();
    statement.into_table(ChannelMembers::Table).columns([
        ChannelMembers::ChannelId,
        ChannelMembers::UserId,
        ChannelMembers::JoinedAt,
    ]);
    for user_id in people {
        statement.values_panic([channel_id.into(), (*user_id).into(), cause.at.into()]);
    }
    statement.on_conflict(
        OnConflict::columns([ChannelMembers::ChannelId, ChannelMembers::UserId])
            .do_nothing()
            .to_owned(),
    );
    super::execute(conn, &statement).await
}

/// Takes somebody into a channel and tells its readers. What was written before counts as read. False if they were in it.
pub async fn join(
    conn: &mut PgConnection,
    cause: &Cause,
    channel_id: ChannelId,
    user_id: UserId,
) -> Result<bool, sqlx::Error> {
    if insert(conn, cause, channel_id, &[user_id]).await? == 0 {
        return Ok(false);
    }
    let seq = channels::next_seq(conn, channel_id).await?;
    let read = Query::update()
        .table(ChannelMembers::Table)
        .value(ChannelMembers::LastReadSeq, seq)
        .and_where(Expr::col(ChannelMembers::ChannelId).eq(channel_id))
        .and_where(Expr::col(ChannelMembers::UserId).eq(user_id))
        .to_owned();
    super::execute(conn, &read).await?;
    announce(conn, cause, channel_id, seq, user_id, Event::MemberJoined).await?;
    Ok(true)
}

/// Chooses what of a channel notifies one of its members, and tells their other clients. False if it is like that already or they
/// are not in it.
pub async fn set_notify_level(
    conn: &mut PgConnection,
    cause: &Cause,
    channel_id: ChannelId,
    user_id: UserId,
    level: NotifyLevel,
) -> Result<bool, sqlx::Error> {
    let statement = Query::update()
        .table(ChannelMembers::Table)
        .value(ChannelMembers::NotifyLevel, level.as_str())
        .and_where(Expr::col(ChannelMembers::ChannelId).eq(channel_id))
        .and_where(Expr::col(ChannelMembers::UserId).eq(user_id))
        .and_where(Expr::col(ChannelMembers::NotifyLevel).ne(level.as_str()))
        .to_owned();
    if super::execute(conn, &statement).await? == 0 {
        return Ok(false);
    }
    if let Some(state) = read_state::find(conn, channel_id, user_id).await? {
        let event = read_state::event(cause, ReadState { notify_level: Some(level), ..state });
        outbox::push_to(conn, user_id, &event).await?;
    }
    Ok(true)
}

/// How somebody goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Going {
    /// By themselves.
    Left,
    /// Taken out.
    Removed,
}

/// Ends a membership and tells the channel's readers and the one who goes. False if there was none.
pub async fn remove(
    conn: &mut PgConnection,
    cause: &Cause,
    channel_id: ChannelId,
    user_id: UserId,
    going: Going,
) -> Result<bool, sqlx::Error> {
    let statement = Query::delete()
        .from_table(ChannelMembers::Table)
        .and_where(Expr::col(ChannelMembers::ChannelId).eq(channel_id))
        .and_where(Expr::col(ChannelMembers::UserId).eq(user_id))
        .to_owned();
    if super::execute(conn, &statement).await? == 0 {
        return Ok(false);
    }
    let seq = channels::next_seq(conn, channel_id).await?;
    let event = match going {
        Going::Left => Event::MemberLeft,
        Going::Removed => Event::MemberRemoved,
    };
    announce(conn, cause, channel_id, seq, user_id, event).await?;
    Ok(true)
}

async fn announce(
    conn: &mut PgConnection,
    cause: &Cause,
    channel_id: ChannelId,
    seq: i64,
    user_id: UserId,
    event: fn(MemberChanged) -> Event,
) -> Result<(), sqlx::Error> {
    let channel = channels::find(conn, channel_id).await?.ok_or(sqlx::Error::RowNotFound)?;
    let user = users::author(conn, user_id, channel.community_id).await?;
    let community_id = channel.community_id;
    let event = event(MemberChanged {
        scope: MemberScope::Channel,
        user_id,
        user,
        role: None,
        channel: Some(channel),
    });
    outbox::push(conn, &channels::envelope(cause, event).in_channel(community_id, channel_id, seq))
        .await
}

/// Ids of the channels of a community that somebody is in, in a fixed order (so that two transactions lock them alike).
pub async fn joined_in(
    conn: &mut PgConnection,
    community_id: CommunityId,
    user_id: UserId,
) -> Result<Vec<ChannelId>, sqlx::Error> {
    let statement = Query::select()
        .column((ChannelMembers::Table, ChannelMembers::ChannelId))
        .from(ChannelMembers::Table)
        .join(
            JoinType::InnerJoin,
            Channels::Table,
            Expr::col((Channels::Table, Channels::Id))
                .equals((ChannelMembers::Table, ChannelMembers::ChannelId)),
        )
        .and_where(Expr::col((Channels::Table, Channels::CommunityId)).eq(community_id))
        .and_where(Expr::col((ChannelMembers::Table, ChannelMembers::UserId)).eq(user_id))
        .order_by((ChannelMembers::Table, ChannelMembers::ChannelId), Order::Asc)
        .to_owned();
    super::fetch_scalars(conn, &statement).await
}

/// Ends somebody's memberships of the channels of a community without telling anybody.
pub(crate) async fn forget(
    conn: &mut PgConnection,
    community_id: CommunityId,
    user_id: UserId,
) -> Result<(), sqlx::Error> {
    let channels = Query::select()
        .column(Channels::Id)
        .from(Channels::Table)
        .and_where(Expr::col(Channels::CommunityId).eq(community_id))
        .to_owned();
    let statement = Query::delete()
        .from_table(ChannelMembers::Table)
        .and_where(Expr::col(ChannelMembers::UserId).eq(user_id))
        .and_where(Expr::col(ChannelMembers::ChannelId).in_subquery(channels))
        .to_owned();
    super::execute(conn, &statement).await.map(drop)
}

/// One page of the profiles of the people in a channel, by id.
pub async fn list(
    conn: &mut PgConnection,
    channel_id: ChannelId,
    community_id: Option<CommunityId>,
    keyset: Keyset,
) -> Result<Page<User>, sqlx::Error> {
    let mut statement = users::select(community_id.is_some());
    statement
        .join(
            JoinType::InnerJoin,
            ChannelMembers::Table,
            Expr::col((ChannelMembers::Table, ChannelMembers::UserId))
                .equals((Users::Table, Users::Id)),
        )
        .and_where(Expr::col((ChannelMembers::Table, ChannelMembers::ChannelId)).eq(channel_id));
    if let Some(community_id) = community_id {
        statement.join(
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
    keyset.apply(&mut statement, (Users::Table, Users::Id));
    Ok(keyset.page(super::fetch_all(conn, &statement).await?, |user: &User| user.id.uuid()))
}

#[derive(sqlx::FromRow)]
struct DirectMember {
    channel_id: ChannelId,
    #[sqlx(flatten)]
    author: Author,
}

/// Fills in who is in the direct messages among these channels.
pub(crate) async fn fill_direct(
    conn: &mut PgConnection,
    views: &mut [ChannelView],
) -> Result<(), sqlx::Error> {
    let direct: Vec<uuid::Uuid> = views
        .iter()
        .filter(|view| matches!(view.channel.kind, ChannelKind::Dm | ChannelKind::GroupDm))
        .map(|view| view.channel.id.uuid())
        .collect();
    if direct.is_empty() {
        return Ok(());
    }
    let statement = users::select_channel_members(None)
        .column((ChannelMembers::Table, ChannelMembers::ChannelId))
        .and_where(Expr::cust_with_values("channel_members.channel_id = ANY($1)", [direct]))
        .order_by((Users::Table, Users::Username), Order::Asc)
        .to_owned();
    let mut people: HashMap<ChannelId, Vec<Author>> = HashMap::new();
    for member in super::fetch_all::<DirectMember>(conn, &statement).await? {
        people.entry(member.channel_id).or_default().push(member.author);
    }
    for view in views {
        view.members = people.remove(&view.channel.id).unwrap_or_default();
    }
    Ok(())
}
