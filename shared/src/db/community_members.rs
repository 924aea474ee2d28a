//! Who belongs to which community, and as what.

use std::collections::BTreeSet;

use sea_query::{Expr, ExprTrait, JoinType, LockType, OnConflict, Order, Query, SelectStatement};
use sqlx::PgConnection;

use super::iden::{Bans, CommunityMembers, Users};
use super::paging::Keyset;
use super::{Cause, channel_members, channels, kept_mutes, outbox, users};
use crate::community::{Member, Role};
use crate::events::{Event, MemberChanged, MemberScope, UserChanged};
use crate::id::{ChannelId, CommunityId, UserId};
use crate::moderation::Muted;
use crate::names::DisplayName;
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

/// Somebody belongs to a community with each of some others. Their seats in all that they have in common are held until the
/// transaction ends, in the order of [`hold`]: whoever is being removed is gone by the answer, or stays until then.
pub async fn hold_common(
    conn: &mut PgConnection,
    one: UserId,
    others: &[UserId],
) -> Result<bool, sqlx::Error> {
    let statement = Query::select()
        .columns([CommunityMembers::CommunityId, CommunityMembers::UserId])
        .from(CommunityMembers::Table)
        .and_where(these(&[&[one], others].concat()))
        .and_where(
            Expr::col(CommunityMembers::CommunityId).in_subquery(super::authz::communities_of(one)),
        )
        .order_by(CommunityMembers::CommunityId, Order::Asc)
        .order_by(CommunityMembers::UserId, Order::Asc)
        .lock(LockType::Share)
        .to_owned();
    let held: BTreeSet<(CommunityId, UserId)> =
        super::fetch_all(conn, &statement).await?.into_iter().collect();
    let common = |other: &UserId| {
        held.iter().any(|(home, holder)| holder == other && held.contains(&(*home, one)))
    };
    Ok(others.iter().all(common))
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

/// A member by handle: nobody else can be found by it (A96).
pub async fn find_by_username(
    conn: &mut PgConnection,
    community_id: CommunityId,
    username: &str,
) -> Result<Option<Member>, sqlx::Error> {
    let statement = select(community_id)
        .and_where(Expr::col((Users::Table, Users::Username)).eq(username))
        .to_owned();
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
    // Whoever comes back starts anew: nothing opens a private channel again but a new invitation to it. A mute goes on.
    channel_members::forget(conn, community_id, user_id).await?;
    kept_mutes::put_back(conn, community_id, user_id).await?;
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

/// Silences a member for some seconds of the database's clock, or until it is lifted. The caller holds their seat. None if they do
/// not belong.
pub async fn mute(
    conn: &mut PgConnection,
    community_id: CommunityId,
    user_id: UserId,
    seconds: Option<i64>,
) -> Result<Option<Muted>, sqlx::Error> {
    sqlx::query(
        "UPDATE community_members \
         SET muted_until = coalesce(now() + make_interval(secs => $3), 'infinity') \
         WHERE community_id = $1 AND user_id = $2",
    )
    .bind(community_id.uuid())
    .bind(user_id.uuid())
    // Exact: no span that is allowed comes near the end of an f64's whole numbers.
    .bind(seconds.and_then(|seconds| i32::try_from(seconds).ok()).map(f64::from))
    .execute(&mut *conn)
    .await?;
    muted(conn, community_id, user_id).await
}

/// Lets a member speak again. False if they were not silenced.
pub async fn unmute(
    conn: &mut PgConnection,
    community_id: CommunityId,
    user_id: UserId,
) -> Result<bool, sqlx::Error> {
    let statement = Query::update()
        .table(CommunityMembers::Table)
        .value(CommunityMembers::MutedUntil, Option::<time::OffsetDateTime>::None)
        .and_where(Expr::col(CommunityMembers::CommunityId).eq(community_id))
        .and_where(Expr::col(CommunityMembers::UserId).eq(user_id))
        .and_where(Expr::cust("muted_until > now()"))
        .to_owned();
    Ok(super::execute(conn, &statement).await? == 1)
}

/// Until when a member may not write, if they may not.
pub async fn muted(
    conn: &mut PgConnection,
    community_id: CommunityId,
    user_id: UserId,
) -> Result<Option<Muted>, sqlx::Error> {
    let until: Option<Option<time::OffsetDateTime>> = sqlx::query_scalar(
        "SELECT CASE WHEN isfinite(muted_until) THEN muted_until END FROM community_members \
         WHERE community_id = $1 AND user_id = $2 AND muted_until > now()",
    )
    .bind(community_id.uuid())
    .bind(user_id.uuid())
    .fetch_optional(conn)
    .await?;
    Ok(until.map(|until| Muted { user_id, until }))
}

/// Gives a member another name in the community, or none, and tells all readers. False if it is like that already.
pub async fn set_nickname(
    conn: &mut PgConnection,
    cause: &Cause,
    community_id: CommunityId,
    user_id: UserId,
    nickname: Option<&DisplayName>,
) -> Result<bool, sqlx::Error> {
    let mut statement = Query::update();
    statement
        .table(CommunityMembers::Table)
        .and_where(Expr::col(CommunityMembers::CommunityId).eq(community_id))
        .and_where(Expr::col(CommunityMembers::UserId).eq(user_id));
    let nickname = nickname.map(DisplayName::as_str);
    super::set_texts(&mut statement, [(CommunityMembers::Nickname, nickname)]);
    if super::execute(conn, &statement).await? == 0 {
        return Ok(false);
    }
    let Some(member) = find(conn, community_id, user_id).await? else { return Ok(false) };
    let changed = UserChanged {
        user: users::author(conn, user_id, Some(community_id)).await?,
        status_text: member.user.status_text,
        status_emoji: member.user.status_emoji,
    };
    let envelope = channels::envelope(cause, Event::UserUpdated(changed));
    outbox::push(conn, &envelope.in_community(community_id)).await?;
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
    kept_mutes::keep(conn, community_id, user_id).await?;
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
