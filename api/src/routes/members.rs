//! Members of communities and channels.

use ajet_shared::actions::{Action, Resource};
use ajet_shared::channel::AddChannelMember;
use ajet_shared::community::{Member as CommunityMember, Role, UpdateMember};
use ajet_shared::db::channel_members::{self, Going};
use ajet_shared::db::notices::{self, Notice};
use ajet_shared::db::{audit, community_members};
use ajet_shared::http::{Json, Path, Query};
use ajet_shared::id::{ChannelId, CommunityId, UserId};
use ajet_shared::page::{Page, PageQuery};
use ajet_shared::user::User;
use axum::extract::State;
use axum::http::StatusCode;
use serde_json::json;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::paging::keyset_from_start;
use crate::auth::{Caller, Member, Reader, Tx};
use crate::error::{ApiError, ApiResult};
use crate::state::AppState;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(get, update, remove))
        .routes(routes!(list_of_channel, add_to_channel))
        .routes(routes!(remove_from_channel))
}

/// The members of a community, with who is online.
#[utoipa::path(
    get, path = "/api/communities/{id}/members", tag = "members", params(("id" = CommunityId, Path), PageQuery),
    responses((status = 200, body = Page<CommunityMember>))
)]
async fn list(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<CommunityId>,
    Query(page): Query<PageQuery>,
) -> ApiResult<Json<Page<CommunityMember>>> {
    let keyset = keyset_from_start(page)?;
    let mut conn = state.db.acquire().await?;
    caller.reads_community(&mut conn, id, Action::ReadCommunity).await?;
    Ok(Json(community_members::list(&mut conn, id, keyset).await?))
}

/// One member of a community.
#[utoipa::path(
    get, path = "/api/communities/{id}/members/{user_id}", tag = "members",
    params(("id" = CommunityId, Path), ("user_id" = UserId, Path)), responses((status = 200, body = CommunityMember))
)]
async fn get(
    State(state): State<AppState>,
    caller: Caller,
    Path((id, user_id)): Path<(CommunityId, UserId)>,
) -> ApiResult<Json<CommunityMember>> {
    let mut conn = state.db.acquire().await?;
    caller.reads_community(&mut conn, id, Action::ReadCommunity).await?;
    Ok(Json(community_members::find(&mut conn, id, user_id).await?.ok_or(ApiError::NotFound)?))
}

/// Gives a member another role.
#[utoipa::path(
    patch, path = "/api/communities/{id}/members/{user_id}", tag = "members",
    params(("id" = CommunityId, Path), ("user_id" = UserId, Path)), request_body = UpdateMember,
    responses((status = 200, body = CommunityMember))
)]
async fn update(
    State(state): State<AppState>,
    caller: Caller,
    Path((id, user_id)): Path<(CommunityId, UserId)>,
    Json(change): Json<UpdateMember>,
) -> ApiResult<Json<CommunityMember>> {
    let mut tx = state.db.begin().await?;
    let decided =
        decide(&mut tx, &caller, id, user_id, |_| Action::ChangeRole(change.role)).await?;
    if change.role != Role::Owner {
        decided.keep_an_owner()?;
    }
    let cause = caller.cause();
    if community_members::set_role(&mut tx, &cause, id, user_id, change.role).await? {
        let entry = audit::Entry::done("role.changed").within(id).on("user", user_id);
        audit::insert(
            &mut tx,
            &cause,
            &entry.with(json!({ "from": decided.role, "to": change.role })),
        )
        .await?;
        notices::tell(&mut tx, &cause, user_id, Notice::Community(id)).await?;
    }
    let member = community_members::find(&mut tx, id, user_id).await?.ok_or(ApiError::NotFound)?;
    state.commit(tx).await?;
    Ok(Json(member))
}

/// Takes a member out of a community, or leaves it oneself. All channels of the community end with it, at once.
#[utoipa::path(
    delete, path = "/api/communities/{id}/members/{user_id}", tag = "members",
    params(("id" = CommunityId, Path), ("user_id" = UserId, Path)), responses((status = 204, description = "No longer a member"))
)]
async fn remove(
    State(state): State<AppState>,
    caller: Caller,
    Path((id, user_id)): Path<(CommunityId, UserId)>,
) -> ApiResult<StatusCode> {
    let mut tx = state.db.begin().await?;
    let is_self = user_id == caller.user_id();
    decide(&mut tx, &caller, id, user_id, |is_self| {
        if is_self { Action::LeaveCommunity } else { Action::RemoveMember }
    })
    .await?
    .keep_an_owner()?;
    let cause = caller.cause();
    let going = if is_self { Going::Left } else { Going::Removed };
    if community_members::remove(&mut tx, &cause, id, user_id, going).await? {
        notices::tell(&mut tx, &cause, user_id, Notice::Community(id)).await?;
        let action = if is_self { "member.left" } else { "member.removed" };
        audit::insert(&mut tx, &cause, &audit::Entry::done(action).within(id).on("user", user_id))
            .await?;
    }
    state.commit(tx).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What was decided about a member: held until the transaction ends.
struct Decided {
    role: Role,
    is_last_owner: bool,
}

impl Decided {
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

/// Decides about an action on a member, who must be one.
async fn decide(
    tx: &mut Tx,
    caller: &Caller,
    community_id: CommunityId,
    user_id: UserId,
    action: impl FnOnce(bool) -> Action,
) -> ApiResult<Decided> {
    // Seeing the community comes first: to others neither it nor its members exist, and they hold nobody up.
    caller.reads_community(tx, community_id, Action::ReadCommunity).await?;
    let people = [caller.user_id(), user_id];
    let held = community_members::hold_with_owners(tx, community_id, &people).await?;
    let role_of = |id| held.iter().find(|(holder, _)| *holder == id).map(|(_, role)| *role);
    let is_self = user_id == caller.user_id();
    let (role, target_role) = (role_of(caller.user_id()), role_of(user_id));
    let resource = Resource { role, target_role, is_self, ..Resource::default() };
    // Again, because the caller may have been removed in the meantime.
    caller.permit(Action::ReadCommunity, &resource)?;
    caller.permit(action(is_self), &resource)?;
    let mut owners = held.iter().filter(|(_, role)| *role == Role::Owner).map(|(id, _)| *id);
    let is_last_owner = owners.next() == Some(user_id) && owners.next().is_none();
    Ok(Decided { role: target_role.ok_or(ApiError::NotFound)?, is_last_owner })
}

/// The people in a channel, with who is online.
#[utoipa::path(
    get, path = "/api/channels/{id}/members", tag = "members", params(("id" = ChannelId, Path), PageQuery),
    responses((status = 200, body = Page<User>))
)]
async fn list_of_channel(
    State(state): State<AppState>,
    reader: Reader,
    Query(page): Query<PageQuery>,
) -> ApiResult<Json<Page<User>>> {
    let keyset = keyset_from_start(page)?;
    let mut conn = state.db.acquire().await?;
    let channel = &reader.access.channel;
    Ok(Json(channel_members::list(&mut conn, channel.id, channel.community_id, keyset).await?))
}

/// Takes a member of the community into a channel.
#[utoipa::path(
    post, path = "/api/channels/{id}/members", tag = "members", params(("id" = ChannelId, Path)), request_body = AddChannelMember,
    responses((status = 204, description = "In the channel now"))
)]
async fn add_to_channel(
    State(state): State<AppState>,
    member: Member,
    Json(request): Json<AddChannelMember>,
) -> ApiResult<StatusCode> {
    let (mut tx, access) =
        member.begin_about(&state, Action::AddChannelMember, &[request.user_id]).await?;
    let community_id = access.channel.community_id.ok_or(ApiError::NotFound)?;
    community_members::role(&mut tx, community_id, request.user_id)
        .await?
        .ok_or(ApiError::NotFound)?;
    let cause = member.caller.cause();
    if channel_members::join(&mut tx, &cause, access.channel.id, request.user_id).await? {
        let entry = audit::Entry::done("channel.member-added")
            .within(community_id)
            .on("channel", access.channel.id);
        audit::insert(&mut tx, &cause, &entry.with(json!({ "user_id": request.user_id }))).await?;
        let notice = Notice::AddedToChannel(community_id, access.channel.id);
        notices::tell(&mut tx, &cause, request.user_id, notice).await?;
    }
    state.commit(tx).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Takes somebody out of a channel, or leaves it oneself.
#[utoipa::path(
    delete, path = "/api/channels/{id}/members/{user_id}", tag = "members",
    params(("id" = ChannelId, Path), ("user_id" = UserId, Path)), responses((status = 204, description = "No longer in the channel"))
)]
async fn remove_from_channel(
    State(state): State<AppState>,
    member: Member,
    Path((_channel_id, user_id)): Path<(ChannelId, UserId)>,
) -> ApiResult<StatusCode> {
    if user_id == member.caller.user_id() {
        return super::channels::leave_channel(&state, &member).await;
    }
    let (mut tx, access) = member.begin_ending(&state, Action::ReadChannel, user_id).await?;
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
    state.commit(tx).await?;
    Ok(StatusCode::NO_CONTENT)
}
