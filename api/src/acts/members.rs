//! People in communities and channels: their roles, and who goes.

use ajet_shared::actions::{Action, Resource};
use ajet_shared::community::{Member as CommunityMember, Role};
use ajet_shared::db::channel_members::{self, Going};
use ajet_shared::db::left_behind::{self, LeftBehind};
use ajet_shared::db::notices::{self, Notice};
use ajet_shared::db::{audit, authz, community_members};
use ajet_shared::id::{CommunityId, UserId};
use ajet_shared::user::UserKind;
use serde_json::json;

use crate::auth::{Caller, Member, Tx};
use crate::error::{ApiError, ApiResult};
use crate::state::AppState;

/// What was decided about a member: held until the transaction ends.
pub(super) struct Decided {
    /// Their role; none for somebody who does not belong.
    pub(super) role: Option<Role>,
    is_last_owner: bool,
}

impl Decided {
    /// Only members are acted on.
    pub(super) fn member(&self) -> ApiResult<Role> {
        self.role.ok_or(ApiError::NotFound)
    }

    /// A community keeps at least one owner (A100).
    fn keep_an_owner(&self) -> ApiResult<()> {
        if self.is_last_owner {
            return Err(ApiError::Conflict(
                "last-owner",
                "a community keeps at least one owner; make somebody else an owner first",
            ));
        }
        Ok(())
    }
}

/// Decides about an action on somebody, and holds both seats and those of the owners.
pub(super) async fn decide(
    tx: &mut Tx,
    caller: &Caller,
    community_id: CommunityId,
    user_id: UserId,
    action: impl FnOnce(bool) -> Action,
) -> ApiResult<Decided> {
    // Seeing the community comes first: to others neither it nor its members exist, and they hold nobody up.
    // What a token is for is asked about the act itself.
    let seen = authz::community_resource(tx, caller.user_id(), community_id).await?;
    caller.permit_person(Action::ReadCommunity, &seen)?;
    let people = [caller.user_id(), user_id];
    let held = community_members::hold_with_owners(tx, community_id, &people).await?;
    let role_of = |id| held.iter().find(|(holder, _)| *holder == id).map(|(_, role)| *role);
    let is_self = user_id == caller.user_id();
    let (role, target_role) = (role_of(caller.user_id()), role_of(user_id));
    let resource = Resource { role, target_role, is_self, ..Resource::default() };
    // Again, because the caller may have been removed in the meantime.
    caller.permit_person(Action::ReadCommunity, &resource)?;
    caller.permit(action(is_self), &resource)?;
    let mut owners = held.iter().filter(|(_, role)| *role == Role::Owner).map(|(id, _)| *id);
    let is_last_owner = owners.next() == Some(user_id) && owners.next().is_none();
    Ok(Decided { role: target_role, is_last_owner })
}

/// Gives a member another role.
pub(crate) async fn set_role(
    state: &AppState,
    caller: &Caller,
    community_id: CommunityId,
    user_id: UserId,
    role: Role,
) -> ApiResult<CommunityMember> {
    let mut tx = state.db.begin().await?;
    let decided =
        decide(&mut tx, caller, community_id, user_id, |_| Action::ChangeRole(role)).await?;
    let before = decided.member()?;
    if role == Role::Owner {
        refuse_bot(&mut tx, community_id, user_id).await?;
    } else {
        decided.keep_an_owner()?;
    }
    let cause = caller.cause();
    if community_members::set_role(&mut tx, &cause, community_id, user_id, role).await? {
        let entry = audit::Entry::done("role.changed").within(community_id).on("user", user_id);
        audit::insert(&mut tx, &cause, &entry.with(json!({ "from": before, "to": role }))).await?;
        notices::tell(&mut tx, &cause, user_id, Notice::Community(community_id)).await?;
    }
    let member =
        community_members::find(&mut tx, community_id, user_id).await?.ok_or(ApiError::NotFound)?;
    state.commit(tx).await?;
    Ok(member)
}

/// A bot owns nothing: the last person who owns a community could leave it to nobody (A100).
async fn refuse_bot(tx: &mut Tx, community_id: CommunityId, user_id: UserId) -> ApiResult<()> {
    let member = community_members::find(tx, community_id, user_id).await?;
    if member.is_some_and(|member| member.user.kind == UserKind::Bot) {
        return Err(ApiError::Validation("a bot cannot be an owner".to_owned()));
    }
    Ok(())
}

/// What somebody made that goes on working without them, as far as the caller may see it; for those who take them out.
pub(crate) async fn left_behind(
    state: &AppState,
    caller: &Caller,
    community_id: CommunityId,
    user_id: UserId,
) -> ApiResult<LeftBehind> {
    let mut conn = state.db.acquire().await?;
    caller.reads_community(&mut conn, community_id, Action::ManageTokens).await?;
    Ok(left_behind::count(&mut conn, community_id, user_id, caller.user_id()).await?)
}

/// Takes a member out of a community, or leaves it oneself. All channels of the community end with it, at once.
pub(crate) async fn remove(
    state: &AppState,
    caller: &Caller,
    community_id: CommunityId,
    user_id: UserId,
) -> ApiResult<()> {
    let mut tx = state.db.begin().await?;
    let is_self = user_id == caller.user_id();
    let decided = decide(&mut tx, caller, community_id, user_id, |is_self| {
        if is_self { Action::LeaveCommunity } else { Action::RemoveMember }
    })
    .await?;
    decided.member()?;
    decided.keep_an_owner()?;
    let cause = caller.cause();
    let going = if is_self { Going::Left } else { Going::Removed };
    if community_members::remove(&mut tx, &cause, community_id, user_id, going).await? {
        notices::tell(&mut tx, &cause, user_id, Notice::Community(community_id)).await?;
        let action = if is_self { "member.left" } else { "member.removed" };
        let entry = audit::Entry::done(action).within(community_id).on("user", user_id);
        audit::insert(&mut tx, &cause, &entry).await?;
    }
    state.commit(tx).await
}

/// Takes a member of the community into a channel. False if they were in it.
pub(crate) async fn add_to_channel(
    state: &AppState,
    member: &Member,
    user_id: UserId,
) -> ApiResult<bool> {
    let (mut tx, access) = member.begin_about(state, Action::AddChannelMember, &[user_id]).await?;
    let community_id = access.channel.community_id.ok_or(ApiError::NotFound)?;
    community_members::role(&mut tx, community_id, user_id).await?.ok_or(ApiError::NotFound)?;
    let cause = member.caller.cause();
    let new = channel_members::join(&mut tx, &cause, access.channel.id, user_id).await?;
    if new {
        let entry = audit::Entry::done("channel.member-added")
            .within(community_id)
            .on("channel", access.channel.id);
        audit::insert(&mut tx, &cause, &entry.with(json!({ "user_id": user_id }))).await?;
        let notice = Notice::AddedToChannel(community_id, access.channel.id);
        notices::tell(&mut tx, &cause, user_id, notice).await?;
    }
    state.commit(tx).await?;
    Ok(new)
}

/// Takes somebody out of a channel, or leaves it oneself.
pub(crate) async fn remove_from_channel(
    state: &AppState,
    member: &Member,
    user_id: UserId,
) -> ApiResult<()> {
    if user_id == member.caller.user_id() {
        return super::channels::leave(state, member).await.map(drop);
    }
    let (mut tx, access) = member.begin_ending(state, user_id).await?;
    let target_role = match access.channel.community_id {
        Some(community_id) => community_members::role(&mut tx, community_id, user_id).await?,
        None => None,
    };
    member
        .caller
        .permit(Action::RemoveChannelMember, &Resource { target_role, ..access.resource() })?;
    let cause = member.caller.cause();
    if !channel_members::remove(&mut tx, &cause, access.channel.id, user_id, Going::Removed).await?
    {
        return Err(ApiError::NotFound);
    }
    let entry = audit::Entry::done("channel.member-removed")
        .within(access.channel.community_id)
        .on("channel", access.channel.id);
    audit::insert(&mut tx, &cause, &entry.with(json!({ "user_id": user_id }))).await?;
    state.commit(tx).await
}
