//! Who belongs to which community, and as what.

use sea_query::{Expr, ExprTrait, JoinType, LockType, OnConflict, Order, Query, SelectStatement};
use sqlx::PgConnection;

use super::iden::{Bans, CommunityMembers, Users};
use super::paging::Keyset;
use super::{Cause, channel_members, channels, outbox, users};
use crate::community::{Member, Role};
use crate::events::{Event, MemberChanged, MemberScope};
use crate::id::{ChannelId, CommunityId, UserId};
use crate::page::Page;

/// Somebody's role; none for those who do not belong.
pub async fn role(
    conn: &mut PgConnection,
    community_id: CommunityId,
    user_id: UserId,
) -> Result<Option<Role>, sqlx::Error> {
    super::fetch_scalar(conn, &seat(community_id, user_id)).await
}

fn seat(community_id: CommunityId, user_id: UserId) -> SelectStatement {
    Query::select()
        .column(CommunityMembers::Role)
        .from(CommunityMembers::Table)
        .and_where(Expr::col(CommunityMembers::CommunityId).eq(community_id))
        .and_where(Expr::col(CommunityMembers::UserId).eq(user_id))
        .to_owned()
}

/// The roles of those of some people who belong, held until the transaction ends: none of them is removed or gets another role
/// before it. Rows are always locked by ascending id, so that two who hold the same people cannot block each other.
///
/// Seats come before everything else a transaction locks: before channel memberships, and those before channels.
pub async fn hold(
    conn: &mut PgConnection,
    community_id: CommunityId,
    people: &[UserId],
) -> Result<Vec<(UserId, Role)>, sqlx::Error> {
    super::fetch_all(conn, &seats(community_id, these(people), LockType::Share)).await
}

/// The same for whoever is about to change or end the membership of one of them, and for the owners as well: of two owners who leave
/// at once, one stays.
pub async fn hold_with_owners(
    conn: &mut PgConnection,
    community_id: CommunityId,
    people: &[UserId],
) -> Result<Vec<(UserId, Role)>, sqlx::Error> {
    let owners = Expr::col(CommunityMembers::Role).eq(Role::Owner.as_str());
    let statement = seats(community_id, these(people).or(owners), LockType::Update);
    super::fetch_all(conn, &statement).await
}

fn these(people: &[UserId]) -> Expr {
    Expr::col(CommunityMembers::UserId).is_in(people.iter().copied())
}

fn seats(community_id: CommunityId, whose: Expr, lock: LockType) -> SelectStatement {
    Query::select()
        .columns([CommunityMembers::UserId, CommunityMembers::Role])
        .from(CommunityMembers::Table)
        .and_where(Expr::col(CommunityMembers::CommunityId).eq(community_id))
        .and_where(whose)
        .order_by(CommunityMembers::UserId, Order::Asc)
        .lock(lock)
        .to_owned()
}

/// The two people belong to a common community.
pub async fn share_community(
    conn: &mut PgConnection,
    one: UserId,
    other: UserId,
) -> Result<bool, sqlx::Error> {
    let statement = Query::select()
        .expr(Expr::val(1))
        .from(CommunityMembers::Table)
        .and_where(Expr::col(CommunityMembers::UserId).eq(one))
        .and_where(
            Expr::col(CommunityMembers::CommunityId)
                .in_subquery(super::authz::communities_of(other)),
        )
        .limit(1)
        .to_owned();
    Ok(super::fetch_scalar::<i32>(conn, &statement).await?.is_some())
}

/// Somebody may not come back for now.
pub async fn is_banned(
    conn: &mut PgConnection,
    community_id: CommunityId,
    user_id: UserId,
) -> Result<bool, sqlx::Error> {
    let statement = Query::select()
        .expr(Expr::val(1))
        .from(Bans::Table)
        .and_where(Expr::col(Bans::CommunityId).eq(community_id))
        .and_where(Expr::col(Bans::UserId).eq(user_id))
        .and_where(Expr::col(Bans::LiftedAt).is_null())
        .and_where(Expr::cust("(expires_at IS NULL OR expires_at > now())"))
        .to_owned();
    Ok(super::fetch_scalar::<i32>(conn, &statement).await?.is_some())
}

/// One page of the members, by id.
pub async fn list(
    conn: &mut PgConnection,
    community_id: CommunityId,
    keyset: Keyset,
) -> Result<Page<Member>, sqlx::Error> {
    let mut statement = select(community_id);
    keyset.apply(&mut statement, (Users::Table, Users::Id));
    Ok(keyset
        .page(super::fetch_all(conn, &statement).await?, |member: &Member| member.user.id.uuid()))
}

/// One member.
pub async fn find(
    conn: &mut PgConnection,
    community_id: CommunityId,
    user_id: UserId,
) -> Result<Option<Member>, sqlx::Error> {
    let statement =
        select(community_id).and_where(Expr::col((Users::Table, Users::Id)).eq(user_id)).to_owned();
    super::fetch_optional(conn, &statement).await
}

fn select(community_id: CommunityId) -> SelectStatement {
    users::select(true)
        .columns([
            (CommunityMembers::Table, CommunityMembers::Role),
            (CommunityMembers::Table, CommunityMembers::JoinedAt),
        ])
        .join(
            JoinType::InnerJoin,
            CommunityMembers::Table,
            Expr::col((CommunityMembers::Table, CommunityMembers::UserId))
                .equals((Users::Table, Users::Id)),
        )
        .and_where(
            Expr::col((CommunityMembers::Table, CommunityMembers::CommunityId)).eq(community_id),
        )
        .to_owned()
}

/// Takes somebody in with a role, joins them to the channels everybody is in and to `more` of them, and tells all readers.
/// False, and nothing changes, if they belonged already.
pub async fn join(
    conn: &mut PgConnection,
    cause: &Cause,
    community_id: CommunityId,
    user_id: UserId,
    role: Role,
    more: &[ChannelId],
) -> Result<bool, sqlx::Error> {
    let statement = Query::insert()
        .into_table(CommunityMembers::Table)
        .columns([
            CommunityMembers::CommunityId,
            CommunityMembers::UserId,
            CommunityMembers::Role,
            CommunityMembers::JoinedAt,
        ])
        .values_panic([community_id.into(), user_id.into(), role.as_str().into(), cause.at.into()])
        .on_conflict(
            OnConflict::columns([CommunityMembers::CommunityId, CommunityMembers::UserId])
                .do_nothing()
                .to_owned(),
        )
        .to_owned();
    if super::execute(conn, &statement).await? == 0 {
        return Ok(false);
    }
    // Whoever comes back starts anew: nothing opens a private channel again but a new invitation to it.
    channel_members::forget(conn, community_id, user_id).await?;
    announce(conn, cause, community_id, user_id, Some(role), Event::MemberJoined).await?;
    let mut channel_ids = super::communities::default_channels(conn, community_id).await?;
    channel_ids.extend_from_slice(more);
    channel_ids.sort_unstable();
    channel_ids.dedup();
    for channel_id in channel_ids {
        channel_members::join(conn, cause, channel_id, user_id).await?;
    }
    Ok(true)
}

/// Changes a role and tells all readers. False if somebody has it already or does not belong.
pub async fn set_role(
    conn: &mut PgConnection,
    cause: &Cause,
    community_id: CommunityId,
    user_id: UserId,
    role: Role,
) -> Result<bool, sqlx::Error> {
    let statement = Query::update()
        .table(CommunityMembers::Table)
        .value(CommunityMembers::Role, role.as_str())
        .and_where(Expr::col(CommunityMembers::CommunityId).eq(community_id))
        .and_where(Expr::col(CommunityMembers::UserId).eq(user_id))
        .and_where(Expr::col(CommunityMembers::Role).ne(role.as_str()))
        .to_owned();
    if super::execute(conn, &statement).await? == 0 {
        return Ok(false);
    }
    announce(conn, cause, community_id, user_id, Some(role), Event::MemberUpdated).await?;
    Ok(true)
}

/// Ends a membership and that of all channels of the community, and tells all readers and the one who goes. False if there was none.
pub async fn remove(
    conn: &mut PgConnection,
    cause: &Cause,
    community_id: CommunityId,
    user_id: UserId,
    going: channel_members::Going,
) -> Result<bool, sqlx::Error> {
    // Held first: whoever takes them into a channel now has done so before the channels are listed, or waits and finds them gone.
    let seat = seat(community_id, user_id).lock(LockType::Update).to_owned();
    if super::fetch_scalar::<Role>(conn, &seat).await?.is_none() {
        return Ok(false);
    }
    for channel_id in channel_members::joined_in(conn, community_id, user_id).await? {
        channel_members::remove(conn, cause, channel_id, user_id, going).await?;
    }
    // Written before the row goes, because the event shows the nickname.
    let event = match going {
        channel_members::Going::Left => Event::MemberLeft,
        channel_members::Going::Removed => Event::MemberRemoved,
    };
    announce(conn, cause, community_id, user_id, None, event).await?;
    let statement = Query::delete()
        .from_table(CommunityMembers::Table)
        .and_where(Expr::col(CommunityMembers::CommunityId).eq(community_id))
        .and_where(Expr::col(CommunityMembers::UserId).eq(user_id))
        .to_owned();
    super::execute(conn, &statement).await?;
    Ok(true)
}

async fn announce(
    conn: &mut PgConnection,
    cause: &Cause,
    community_id: CommunityId,
    user_id: UserId,
    role: Option<Role>,
    event: fn(MemberChanged) -> Event,
) -> Result<(), sqlx::Error> {
    let user = users::author(conn, user_id, Some(community_id)).await?;
    let event =
        event(MemberChanged { scope: MemberScope::Community, user_id, user, role, channel: None });
    outbox::push(conn, &channels::envelope(cause, event).in_community(community_id)).await
}
