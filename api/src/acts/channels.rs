//! Channels: make, change, join, leave, archive, and how loud they are for oneself.

use ajet_shared::actions::Action;
use ajet_shared::channel::{Channel, ChannelView, CreateChannel, NotifyLevel, UpdateChannel};
use ajet_shared::db::audit;
use ajet_shared::db::channel_members::{self, Going};
use ajet_shared::db::channels::{self, NewChannel};
use ajet_shared::id::{ChannelId, CommunityId};
use sqlx::PgConnection;

use crate::auth::{Caller, Member, Tx};
use crate::error::{ApiError, ApiResult};
use crate::state::AppState;

/// Makes a channel; the caller is in it.
pub(crate) async fn create(
    state: &AppState,
    caller: &Caller,
    community_id: CommunityId,
    request: &CreateChannel,
) -> ApiResult<ChannelView> {
    let mut tx = state.db.begin().await?;
    let view = create_in(&mut tx, caller, community_id, request).await?;
    state.commit(tx).await?;
    Ok(view)
}

/// The same in a transaction that whoever calls it commits.
pub(crate) async fn create_in(
    tx: &mut Tx,
    caller: &Caller,
    community_id: CommunityId,
    request: &CreateChannel,
) -> ApiResult<ChannelView> {
    caller.community(tx, community_id, Action::CreateChannel).await?;
    let new = NewChannel {
        community_id,
        name: &request.name,
        visibility: request.visibility,
        topic: request.topic.as_ref(),
        is_default: false,
    };
    let channel = channels::create(tx, &caller.cause(), &new).await.map_err(name_taken)?;
    view(tx, caller, channel.id).await
}

/// One sentence for a name in use by any channel, also one the caller may not know of (A49).
fn name_taken(error: sqlx::Error) -> ApiError {
    ApiError::on_constraint(error, channels::NAME_KEY, || {
        ApiError::Conflict("name-taken", "this name cannot be used here; choose another")
    })
}

/// A channel as the caller sees it; that they may has been decided before.
pub(crate) async fn view(
    conn: &mut PgConnection,
    caller: &Caller,
    id: ChannelId,
) -> ApiResult<ChannelView> {
    channels::view(conn, caller.user_id(), id).await?.ok_or(ApiError::NotFound)
}

/// Renames a channel or changes its topic.
pub(crate) async fn update(
    state: &AppState,
    member: &Member,
    change: &UpdateChannel,
) -> ApiResult<ChannelView> {
    let (mut tx, access) = member.begin_seeing(state).await?;
    if change.name.is_none() && change.topic.is_none() {
        member.caller.permit(Action::ReadChannel, &access.resource())?;
    }
    if change.name.is_some() {
        member.caller.permit(Action::RenameChannel, &access.resource())?;
    }
    if change.topic.is_some() {
        member.caller.permit(Action::SetTopic, &access.resource())?;
    }
    channels::update(&mut tx, &member.caller.cause(), access.channel.id, change)
        .await
        .map_err(name_taken)?;
    let view = view(&mut tx, &member.caller, access.channel.id).await?;
    state.commit(tx).await?;
    Ok(view)
}

/// Joins a public channel; whoever is in it stays in it.
pub(crate) async fn join(state: &AppState, member: &Member) -> ApiResult<ChannelView> {
    let (mut tx, access) = member.begin(state, Action::JoinChannel).await?;
    let (cause, user_id) = (member.caller.cause(), member.caller.user_id());
    channel_members::join(&mut tx, &cause, access.channel.id, user_id).await?;
    let view = view(&mut tx, &member.caller, access.channel.id).await?;
    state.commit(tx).await?;
    Ok(view)
}

/// Leaves a channel; whoever is not in it stays out of it.
pub(crate) async fn leave(state: &AppState, member: &Member) -> ApiResult<Channel> {
    let user_id = member.caller.user_id();
    let (mut tx, access) = member.begin_ending(state, user_id).await?;
    member.caller.permit(Action::LeaveChannel, &access.resource())?;
    let cause = member.caller.cause();
    channel_members::remove(&mut tx, &cause, access.channel.id, user_id, Going::Left).await?;
    state.commit(tx).await?;
    Ok(access.channel)
}

/// Archives a channel, from then on it only reads; or opens it again.
pub(crate) async fn set_archived(
    state: &AppState,
    member: &Member,
    archived: bool,
) -> ApiResult<Channel> {
    let (mut tx, access) = member.begin(state, Action::ArchiveChannel).await?;
    let cause = member.caller.cause();
    let (channel, changed) =
        channels::set_archived(&mut tx, &cause, access.channel.id, archived).await?;
    if changed {
        let action = if archived { "channel.archived" } else { "channel.unarchived" };
        let entry =
            audit::Entry::done(action).within(channel.community_id).on("channel", channel.id);
        audit::insert(&mut tx, &cause, &entry).await?;
    }
    state.commit(tx).await?;
    Ok(channel)
}

/// Chooses what of a channel notifies the caller.
pub(crate) async fn set_notify_level(
    state: &AppState,
    member: &Member,
    level: NotifyLevel,
) -> ApiResult<ChannelView> {
    let (mut tx, access) = member.begin(state, Action::SetNotifyLevel).await?;
    let (id, user_id) = (access.channel.id, member.caller.user_id());
    let cause = member.caller.cause();
    channel_members::set_notify_level(&mut tx, &cause, id, user_id, level).await?;
    let view = view(&mut tx, &member.caller, id).await?;
    state.commit(tx).await?;
    Ok(view)
}
