//! Talking: messages, and the direct messages they are written to.

use ajet_shared::actions::Scope;
use ajet_shared::channel::ChannelView;
use ajet_shared::db::posting::Draft;
use ajet_shared::db::{channels, community_members};
use ajet_shared::id::{ChannelId, ClientMessageId, MessageId, UserId};
use ajet_shared::message::{MessageKind, PostMessage};
use ajet_shared::names::MessageBody;

use crate::auth::Caller;
use crate::error::{ApiError, ApiResult};
use crate::posting::{self, Posted};
use crate::state::AppState;

/// People in one direct message, the one who opens it included.
const PEOPLE_MAX: usize = 9;

/// Opens a direct message with people the caller shares a community with, or finds the one they have. Returns whether it is new.
pub(crate) async fn open_direct(
    state: &AppState,
    caller: &Caller,
    others: &[UserId],
) -> ApiResult<(ChannelView, bool)> {
    caller.scope(Scope::MessagesWrite)?;
    let mut people = others.to_vec();
    people.push(caller.user_id());
    people.sort_unstable();
    people.dedup();
    if !(2..=PEOPLE_MAX).contains(&people.len()) {
        return Err(ApiError::Validation(format!(
            "user_ids names 1 to {} other people",
            PEOPLE_MAX - 1
        )));
    }
    let mut tx = state.db.begin().await?;
    let user_id = caller.user_id();
    let others: Vec<UserId> = people.iter().copied().filter(|id| *id != user_id).collect();
    if !community_members::hold_common(&mut tx, user_id, &others).await? {
        return Err(ApiError::NotFound);
    }
    let (channel, new) = channels::open_direct(&mut tx, &caller.cause(), &people).await?;
    if new {
        state.limits.begin_conversation(&mut tx, user_id, &others).await?;
    }
    let view = super::channels::view(&mut tx, caller, channel.id).await?;
    state.commit(tx).await?;
    Ok((view, new))
}

/// Posts a line in a channel, or in a thread of it, once for each `client_msg_id`.
pub(crate) async fn say(
    state: &AppState,
    caller: &Caller,
    (channel_id, parent_id): (ChannelId, Option<MessageId>),
    kind: MessageKind,
    text: String,
    client_msg_id: ClientMessageId,
) -> ApiResult<Posted> {
    let body_md =
        MessageBody::try_from(text).map_err(|error| ApiError::Validation(error.to_string()))?;
    let request = PostMessage { body_md, client_msg_id, parent_id, attachment_ids: Vec::new() };
    let draft = Draft::of(kind, &request);
    posting::post(state, &caller.actor, &caller.cause(), channel_id, &draft).await
}
