//! Small things a page does: join and leave, read marks, reactions, edits, typing. Each is one call of the api; the stream draws the result.

use ajet_shared::events::TypingState;
use ajet_shared::http::{Json, Path};
use ajet_shared::hub::TypingNote;
use ajet_shared::id::{ChannelId, MessageId};
use ajet_shared::message::{EditMessage, MarkRead};
use ajet_shared::names::Emoji;
use ajet_shared::problem::Problem;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};

use super::community::home_of;
use crate::error::{RefusedForm, goto};
use crate::state::{App, Caller};
use crate::urls;

/// `POST /channels/{id}/join`: shows the channel.
pub(crate) async fn join(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<ChannelId>,
) -> Result<Response, RefusedForm> {
    let joined = caller.api.join_channel(id).await?;
    let world = caller.world(&app).await?;
    let community = world
        .sync
        .communities
        .iter()
        .find(|view| Some(view.community.id) == joined.channel.community_id);
    Ok(goto(&urls::of(&joined, community)))
}

/// `POST /channels/{id}/leave`: shows the community.
pub(crate) async fn leave(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<ChannelId>,
) -> Result<Response, RefusedForm> {
    let left = caller.api.channel(id).await?;
    caller.api.leave_channel(id).await?;
    Ok(goto(&home_of(&caller.world(&app).await?, left.channel.community_id)))
}

/// `POST /channels/{id}/read`.
pub(crate) async fn read(
    caller: Caller,
    Path(id): Path<ChannelId>,
    Json(mark): Json<MarkRead>,
) -> Result<StatusCode, Problem> {
    caller.api.mark_read(id, mark.up_to).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A reaction given or taken back.
#[derive(Debug, Deserialize)]
pub(crate) struct React {
    emoji: Emoji,
    on: bool,
}

/// `POST /messages/{id}/reactions`.
pub(crate) async fn react(
    caller: Caller,
    Path(id): Path<MessageId>,
    Json(react): Json<React>,
) -> Result<StatusCode, Problem> {
    if react.on {
        caller.api.add_reaction(id, react.emoji.as_str()).await?;
    } else {
        caller.api.remove_reaction(id, react.emoji.as_str()).await?;
    }
    Ok(StatusCode::NO_CONTENT)
}

/// A message as it was written.
#[derive(Debug, Serialize)]
pub(crate) struct Source {
    body_md: String,
}

/// `GET /messages/{id}/source`: what the box for editing begins with.
pub(crate) async fn source(
    caller: Caller,
    Path(id): Path<MessageId>,
) -> Result<Json<Source>, Problem> {
    Ok(Json(Source { body_md: caller.api.message(id).await?.body_md }))
}

/// `POST /messages/{id}/edit`.
pub(crate) async fn edit(
    caller: Caller,
    Path(id): Path<MessageId>,
    Json(change): Json<EditMessage>,
) -> Result<StatusCode, Problem> {
    caller.api.edit_message(id, &change).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `POST /messages/{id}/delete`.
pub(crate) async fn delete(
    caller: Caller,
    Path(id): Path<MessageId>,
) -> Result<StatusCode, Problem> {
    caller.api.delete_message(id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Somebody writes or stopped.
#[derive(Debug, Deserialize)]
pub(crate) struct TypingBody {
    channel_id: ChannelId,
    state: TypingState,
    #[serde(default)]
    parent_id: Option<MessageId>,
}

/// `POST /typing`: told to the others at once, without the api. A channel one cannot see does not exist (decisions.md 11).
pub(crate) async fn typing(
    State(app): State<App>,
    caller: Caller,
    Json(body): Json<TypingBody>,
) -> Result<StatusCode, Problem> {
    let author = caller.author(&app).await?;
    let community_id = if let Some(known) = app.hub.joined(author.id, body.channel_id) {
        known
    } else {
        let view = caller.api.channel(body.channel_id).await.map_err(Problem::from)?;
        if !view.joined {
            return Err(Problem::not_found());
        }
        view.channel.community_id
    };
    let note = TypingNote {
        author,
        community_id,
        channel_id: body.channel_id,
        parent_id: body.parent_id,
        state: body.state,
    };
    // Nobody misses an indicator that cannot be sent.
    if let Err(error) = app.hub.publish_typing(note).await {
        tracing::debug!(%error, "typing not told");
    }
    Ok(StatusCode::NO_CONTENT)
}
