//! Invites: made by the api, redeemed by the gateway and the api alike.

use std::time::Duration;

use sea_query::{Expr, ExprTrait, LockType, Query, SelectStatement};
use sqlx::PgConnection;
use time::OffsetDateTime;

use super::iden::Invites;
use super::paging::Keyset;
use super::sessions::from_now;
use super::{Cause, audit, communities, community_members};
use crate::community::{Community, Role};
use crate::id::{ChannelId, CommunityId, InviteId, UserId};
use crate::invite::Invite;
use crate::page::Page;

/// A new invite; the caller has made the token and hashed its verifier.
#[derive(Clone, Debug)]
pub struct NewInvite<'a> {
    /// To which community.
    pub community_id: CommunityId,
    /// Public half of the code.
    pub selector: &'a str,
    /// Hash of the secret half.
    pub token_hash: &'a str,
    /// The role it gives.
    pub role: Role,
    /// How often it may be used.
    pub max_uses: Option<i32>,
    /// How long it lasts, by the database's clock; for good without.
    pub life: Option<Duration>,
    /// Who makes it.
    pub created_by: UserId,
}

fn select() -> SelectStatement {
    Query::select()
        .columns([
            Invites::Id,
            Invites::Role,
            Invites::MaxUses,
            Invites::Uses,
            Invites::CreatedBy,
            Invites::CreatedAt,
            Invites::ExpiresAt,
            Invites::RevokedAt,
        ])
        .from(Invites::Table)
        .to_owned()
}

/// Adds an invite.
pub async fn insert(
    conn: &mut PgConnection,
    cause: &Cause,
    new: &NewInvite<'_>,
) -> Result<Invite, sqlx::Error> {
    let id = InviteId::new();
    let statement = Query::insert()
        .into_table(Invites::Table)
        .columns([
            Invites::Id,
            Invites::CommunityId,
            Invites::Selector,
            Invites::TokenHash,
            Invites::Role,
            Invites::MaxUses,
            Invites::ExpiresAt,
            Invites::CreatedBy,
            Invites::CreatedAt,
        ])
        .values_panic([
            id.into(),
            new.community_id.into(),
            new.selector.into(),
            new.token_hash.into(),
            new.role.as_str().into(),
            new.max_uses.into(),
            new.life.map_or_else(|| Option::<OffsetDateTime>::None.into(), from_now),
            new.created_by.into(),
            cause.at.into(),
        ])
        .to_owned();
    super::execute(conn, &statement).await?;
    let entry = audit::Entry::done("invite.created").within(new.community_id).on("invite", id);
    audit::insert(
        conn,
        cause,
        &entry.with(serde_json::json!({ "role": new.role, "max_uses": new.max_uses })),
    )
    .await?;
    find(conn, new.community_id, id).await?.ok_or(sqlx::Error::RowNotFound)
}

/// An invite of a community.
pub async fn find(
    conn: &mut PgConnection,
    community_id: CommunityId,
    id: InviteId,
) -> Result<Option<Invite>, sqlx::Error> {
    let statement = select()
        .and_where(Expr::col(Invites::CommunityId).eq(community_id))
        .and_where(Expr::col(Invites::Id).eq(id))
        .to_owned();
    super::fetch_optional(conn, &statement).await
}

/// One page of the invites of a community, the newest last.
pub async fn list(
    conn: &mut PgConnection,
    community_id: CommunityId,
    keyset: Keyset,
) -> Result<Page<Invite>, sqlx::Error> {
    let mut statement = select();
    statement.and_where(Expr::col(Invites::CommunityId).eq(community_id));
    keyset.apply(&mut statement, Invites::Id);
    Ok(keyset.page(super::fetch_all(conn, &statement).await?, |invite: &Invite| invite.id.uuid()))
}

/// Ends an invite. False if it was revoked before.
pub async fn revoke(
    conn: &mut PgConnection,
    cause: &Cause,
    community_id: CommunityId,
    id: InviteId,
) -> Result<bool, sqlx::Error> {
    let statement = Query::update()
        .table(Invites::Table)
        .value(Invites::RevokedAt, cause.at)
        .and_where(Expr::col(Invites::CommunityId).eq(community_id))
        .and_where(Expr::col(Invites::Id).eq(id))
        .and_where(Expr::col(Invites::RevokedAt).is_null())
        .to_owned();
    let revoked = super::execute(conn, &statement).await? == 1;
    if revoked {
        audit::insert(
            conn,
            cause,
            &audit::Entry::done("invite.revoked").within(community_id).on("invite", id),
        )
        .await?;
    }
    Ok(revoked)
}

/// What a code opens, for the page that shows it and for [`redeem`]. Looking consumes nothing.
#[derive(Clone, Debug, PartialEq, sqlx::FromRow)]
pub struct Offer {
    /// The invite.
    pub id: InviteId,
    /// To which community.
    pub community_id: CommunityId,
    /// The community's name.
    pub community_name: String,
    /// The community's address.
    pub community_slug: String,
    /// Who made it, as shown.
    pub invited_by: String,
    /// The role it gives.
    pub role: Role,
    /// Hash of the secret half; whoever shows or redeems the offer has compared it.
    pub token_hash: String,
    /// It can still be used.
    pub usable: bool,
    /// It cannot, because it has been used as often as it may.
    pub used_up: bool,
}

/// A usable invite: not revoked, not expired, not used up, and its maker may still make such invites (A32).
const USABLE: &str = "(invites.revoked_at IS NULL AND (invites.expires_at IS NULL OR invites.expires_at > now()) \
     AND (invites.max_uses IS NULL OR invites.uses < invites.max_uses) \
     AND EXISTS (SELECT 1 FROM community_members AS maker WHERE maker.community_id = invites.community_id \
         AND maker.user_id = invites.created_by \
         AND (maker.role = 'owner' OR (maker.role = 'admin' AND invites.role = 'member'))))";

/// The offer behind the public half of a code; the caller compares the secret half with its hash.
pub async fn find_offer(
    conn: &mut PgConnection,
    selector: &str,
) -> Result<Option<Offer>, sqlx::Error> {
    let statement = offer_statement()
        .and_where(Expr::col(("invites", Invites::Selector)).eq(selector))
        .to_owned();
    super::fetch_optional(conn, &statement).await
}

/// The same by id, for a sign-in that carried the invite through the provider.
pub async fn find_offer_by_id(
    conn: &mut PgConnection,
    id: InviteId,
) -> Result<Option<Offer>, sqlx::Error> {
    let statement =
        offer_statement().and_where(Expr::col(("invites", Invites::Id)).eq(id)).to_owned();
    super::fetch_optional(conn, &statement).await
}

fn offer_statement() -> SelectStatement {
    use super::iden::{Communities, Users};
    use sea_query::JoinType::InnerJoin;
    Query::select()
        .columns([
            (Invites::Table, Invites::Id),
            (Invites::Table, Invites::CommunityId),
            (Invites::Table, Invites::Role),
            (Invites::Table, Invites::TokenHash),
        ])
        .expr_as(Expr::col((Communities::Table, Communities::Name)), "community_name")
        .expr_as(Expr::col((Communities::Table, Communities::Slug)), "community_slug")
        .expr_as(Expr::col((Users::Table, Users::DisplayName)), "invited_by")
        .expr_as(Expr::cust(USABLE), "usable")
        .expr_as(
            Expr::cust("(invites.max_uses IS NOT NULL AND invites.uses >= invites.max_uses)"),
            "used_up",
        )
        .from(Invites::Table)
        .join(
            InnerJoin,
            Communities::Table,
            Expr::col((Communities::Table, Communities::Id))
                .equals((Invites::Table, Invites::CommunityId)),
        )
        .join(
            InnerJoin,
            Users::Table,
            Expr::col((Users::Table, Users::Id)).equals((Invites::Table, Invites::CreatedBy)),
        )
        .to_owned()
}

/// Why an invite does not let somebody in.
#[derive(Debug, thiserror::Error)]
pub enum RedeemError {
    /// Used as often as it may: 410 `invite-used`.
    #[error("the invite has been used up")]
    Used,
    /// Expired, revoked, or its maker may not invite any more: 410 `invite-expired`.
    #[error("the invite is no longer valid")]
    Expired,
    /// Banned from the community: 403 `banned`.
    #[error("you are banned from this community")]
    Banned,
    /// The database could not do it.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

/// Lets somebody in by an invite whose code has been checked: membership, the channels everybody joins, events, audit.
///
/// One use is taken in the same transaction; somebody who belongs already takes none, also when they ask twice at once. The caller
/// commits.
pub async fn redeem(
    conn: &mut PgConnection,
    cause: &Cause,
    id: InviteId,
    user_id: UserId,
) -> Result<Community, RedeemError> {
    // One at a time: what is read from here on stays true, and a second click finds the member whom the first one made.
    let channel_ids = hold(conn, id).await?.ok_or(RedeemError::Expired)?;
    let offer = find_offer_by_id(conn, id).await?.ok_or(RedeemError::Expired)?;
    let community_id = offer.community_id;
    if community_members::role(conn, community_id, user_id).await?.is_none() {
        if community_members::is_banned(conn, community_id, user_id).await? {
            return Err(RedeemError::Banned);
        }
        if !offer.usable {
            return Err(if offer.used_up { RedeemError::Used } else { RedeemError::Expired });
        }
        // False if another invite let them in at this very moment; then this one is not used.
        if community_members::join(conn, cause, community_id, user_id, offer.role, &channel_ids)
            .await?
        {
            take_use(conn, id).await?;
            let entry = audit::Entry::done("invite.redeemed").within(community_id).on("invite", id);
            audit::insert(conn, cause, &entry).await?;
        }
    }
    Ok(communities::find(conn, community_id).await?.ok_or(sqlx::Error::RowNotFound)?)
}

/// Holds an invite until the transaction ends; returns the further channels it opens.
async fn hold(
    conn: &mut PgConnection,
    id: InviteId,
) -> Result<Option<Vec<ChannelId>>, sqlx::Error> {
    let statement = Query::select()
        .column(Invites::ChannelIds)
        .from(Invites::Table)
        .and_where(Expr::col(Invites::Id).eq(id))
        .lock(LockType::Update)
        .to_owned();
    let channel_ids: Option<Vec<uuid::Uuid>> = super::fetch_scalar(conn, &statement).await?;
    Ok(channel_ids.map(|ids| ids.into_iter().map(ChannelId::from).collect()))
}

/// Takes one use of an invite that is held and usable.
async fn take_use(conn: &mut PgConnection, id: InviteId) -> Result<(), sqlx::Error> {
    let statement = Query::update()
        .table(Invites::Table)
        .value(Invites::Uses, Expr::col(Invites::Uses).add(1))
        .and_where(Expr::col(Invites::Id).eq(id))
        .to_owned();
    super::execute(conn, &statement).await.map(drop)
}
