//! Communities.

use sea_query::{Expr, ExprTrait, JoinType, LockType, Order, Query, SelectStatement};
use sqlx::PgConnection;

use super::iden::{Channels, Communities, CommunityMembers};
use super::{Cause, audit, channels, community_members, outbox};
use crate::channel::Visibility;
use crate::community::{Community, Role, UpdateCommunity};
use crate::events::{CommunityChanged, Event};
use crate::id::{ChannelId, CommunityId, UserId};
use crate::names::{ChannelName, CommunityName, CommunitySlug};
use crate::sync::CommunityView;

/// Violated when an address is taken.
pub const SLUG_KEY: &str = "communities_slug_key";

/// The channel that every new community has and everybody joins.
const FIRST_CHANNEL: &str = "general";

/// Addresses tried for a community that did not ask for one: `name`, `name-2`, …
const SLUGS_TRIED: u32 = 50;

fn select() -> SelectStatement {
    Query::select()
        .columns([
            (Communities::Table, Communities::Id),
            (Communities::Table, Communities::Name),
            (Communities::Table, Communities::Slug),
            (Communities::Table, Communities::MembersMayInvite),
            (Communities::Table, Communities::CreatedAt),
        ])
        .from(Communities::Table)
        .to_owned()
}

/// A community by id, whoever asks.
pub async fn find(
    conn: &mut PgConnection,
    id: CommunityId,
) -> Result<Option<Community>, sqlx::Error> {
    let statement =
        select().and_where(Expr::col((Communities::Table, Communities::Id)).eq(id)).to_owned();
    super::fetch_optional(conn, &statement).await
}

/// There is a community: the first-run set-up is over.
pub async fn any(conn: &mut PgConnection) -> Result<bool, sqlx::Error> {
    let statement = Query::select().expr(Expr::val(1)).from(Communities::Table).limit(1).to_owned();
    Ok(super::fetch_scalar::<i32>(conn, &statement).await?.is_some())
}

/// The communities somebody belongs to, by name, each with their role and without its channels.
pub async fn list(
    conn: &mut PgConnection,
    user_id: UserId,
) -> Result<Vec<CommunityView>, sqlx::Error> {
    let statement = select()
        .column((CommunityMembers::Table, CommunityMembers::Role))
        .join(
            JoinType::InnerJoin,
            CommunityMembers::Table,
            Expr::col((CommunityMembers::Table, CommunityMembers::CommunityId))
                .equals((Communities::Table, Communities::Id)),
        )
        .and_where(Expr::col((CommunityMembers::Table, CommunityMembers::UserId)).eq(user_id))
        .order_by((Communities::Table, Communities::Name), Order::Asc)
        .order_by((Communities::Table, Communities::Id), Order::Asc)
        .to_owned();
    super::fetch_all(conn, &statement).await
}

/// Makes a community with its owner and `#general`; the api and the gateway's first-run set-up both use it.
///
/// Without a slug a free one is made from the name. Violates [`SLUG_KEY`] when the slug is taken.
pub async fn create(
    conn: &mut PgConnection,
    cause: &Cause,
    owner: UserId,
    name: &CommunityName,
    slug: Option<&CommunitySlug>,
) -> Result<Community, sqlx::Error> {
    let slug = match slug {
        Some(slug) => slug.to_string(),
        None => free_slug(conn, &CommunitySlug::from_name(name)).await?,
    };
    let id = CommunityId::new();
    let statement = Query::insert()
        .into_table(Communities::Table)
        .columns([
            Communities::Id,
            Communities::Name,
            Communities::Slug,
            Communities::CreatedBy,
            Communities::CreatedAt,
        ])
        .values_panic([id.into(), name.as_str().into(), slug.into(), owner.into(), cause.at.into()])
        .to_owned();
    super::execute(conn, &statement).await?;
    community_members::join(conn, cause, id, owner, Role::Owner, &[]).await?;
    let general: ChannelName = FIRST_CHANNEL
        .parse()
        .map_err(|error: crate::names::NameError| sqlx::Error::Encode(error.into()))?;
    // The owner makes the channel, whoever causes it (the set-up acts for the one who signs in).
    let by_owner = Cause { actor_id: Some(owner), ..cause.clone() };
    let first = channels::NewChannel {
        community_id: id,
        name: &general,
        visibility: Visibility::Public,
        topic: None,
        is_default: true,
    };
    channels::create(conn, &by_owner, &first).await?;
    audit::insert(
        conn,
        &by_owner,
        &audit::Entry::done("community.created").within(id).on("community", id),
    )
    .await?;
    find(conn, id).await?.ok_or(sqlx::Error::RowNotFound)
}

async fn free_slug(conn: &mut PgConnection, wanted: &CommunitySlug) -> Result<String, sqlx::Error> {
    let base: String = wanted.as_str().chars().take(36).collect();
    let candidates =
        std::iter::once(wanted.to_string()).chain((2..=SLUGS_TRIED).map(|n| format!("{base}-{n}")));
    let candidates: Vec<String> = candidates.collect();
    let statement = Query::select()
        .column(Communities::Slug)
        .from(Communities::Table)
        .and_where(Expr::col(Communities::Slug).is_in(candidates.clone()))
        .to_owned();
    let taken: Vec<String> = super::fetch_scalars(conn, &statement).await?;
    Ok(candidates
        .into_iter()
        .find(|slug| !taken.contains(slug))
        .unwrap_or_else(|| wanted.to_string()))
}

/// Whether plain members may make invites; stays so until the transaction ends.
pub(crate) async fn hold_members_may_invite(
    conn: &mut PgConnection,
    id: CommunityId,
) -> Result<bool, sqlx::Error> {
    let statement = Query::select()
        .column(Communities::MembersMayInvite)
        .from(Communities::Table)
        .and_where(Expr::col(Communities::Id).eq(id))
        .lock(LockType::Share)
        .to_owned();
    Ok(super::fetch_scalar(conn, &statement).await?.unwrap_or(false))
}

/// Says whether plain members may make invites, for the audit log as well. False if it was so already.
async fn set_policy(
    conn: &mut PgConnection,
    cause: &Cause,
    id: CommunityId,
    members_may_invite: bool,
) -> Result<bool, sqlx::Error> {
    let statement = Query::update()
        .table(Communities::Table)
        .value(Communities::MembersMayInvite, members_may_invite)
        .and_where(Expr::col(Communities::Id).eq(id))
        .and_where(Expr::col(Communities::MembersMayInvite).ne(members_may_invite))
        .to_owned();
    let changed = super::execute(conn, &statement).await? == 1;
    if changed {
        let entry = audit::Entry::done("policy.changed").within(id).on("community", id);
        let facts = serde_json::json!({ "members_may_invite": members_may_invite });
        audit::insert(conn, cause, &entry.with(facts)).await?;
    }
    Ok(changed)
}

/// Changes a community and tells its members if that changed anything.
pub async fn update(
    conn: &mut PgConnection,
    cause: &Cause,
    id: CommunityId,
    change: &UpdateCommunity,
) -> Result<Community, sqlx::Error> {
    let mut statement = Query::update();
    statement.table(Communities::Table).and_where(Expr::col(Communities::Id).eq(id));
    let name = change.name.as_ref().map(|name| (Communities::Name, Some(name.as_str())));
    let mut changed =
        super::set_texts(&mut statement, name) && super::execute(conn, &statement).await? == 1;
    if let Some(may) = change.members_may_invite {
        changed |= set_policy(conn, cause, id, may).await?;
    }
    let community = find(conn, id).await?.ok_or(sqlx::Error::RowNotFound)?;
    if changed {
        let event = Event::CommunityUpdated(CommunityChanged { community: community.clone() });
        outbox::push(conn, &channels::envelope(cause, event).in_community(id)).await?;
    }
    Ok(community)
}

/// The channels everybody in the community joins.
pub(crate) async fn default_channels(
    conn: &mut PgConnection,
    id: CommunityId,
) -> Result<Vec<ChannelId>, sqlx::Error> {
    let statement = Query::select()
        .column(Channels::Id)
        .from(Channels::Table)
        .and_where(Expr::col(Channels::CommunityId).eq(id))
        .and_where(Expr::col(Channels::IsDefault))
        .and_where(Expr::col(Channels::ArchivedAt).is_null())
        .order_by(Channels::Id, Order::Asc)
        .to_owned();
    super::fetch_scalars(conn, &statement).await
}
