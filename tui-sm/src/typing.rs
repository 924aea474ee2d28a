//! `POST /ws/tui/typing`: somebody writes (requirements E5, decisions.md 11).

use ajet_shared::events::TypingState;
use ajet_shared::http::Json;
use ajet_shared::hub::TypingNote;
use ajet_shared::id::{ChannelId, CommunityId, MessageId, UserId};
use ajet_shared::problem::Problem;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;

use crate::{App, Caller};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CreateRequest {
    channel_id: ChannelId,
    state: TypingState,
    #[serde(default)]
    parent_id: Option<MessageId>,
}

/// Tells the others. Typing is at most once: when it cannot be told, nobody is the worse for it.
pub(crate) async fn create(
    State(app): State<App>,
    caller: Caller,
    Json(request): Json<CreateRequest>,
) -> Result<StatusCode, Problem> {
    // Somebody who types has a stream open nearly always, and then typing costs no call of the api.
    let author = match app.hub.owner(&caller.token) {
        Some(author) => author,
        None => caller.api.reach().await?.me,
    };
    let community_id = community(&app, &caller, author.id, request.channel_id).await?;
    if let Some(parent_id) = request.parent_id {
        let parent = caller.api.message(parent_id).await?;
        if parent.channel_id != request.channel_id {
            return Err(Problem::not_found());
        }
    }
    let note = TypingNote {
        author,
        community_id,
        channel_id: request.channel_id,
        parent_id: request.parent_id,
        state: request.state,
    };
    if let Err(error) = app.hub.publish_typing(note).await {
        tracing::debug!(%error, "typing not told");
    }
    Ok(StatusCode::NO_CONTENT)
}

/// The community of a channel the caller may write in. What the caller cannot see does not exist.
async fn community(
    app: &App,
    caller: &Caller,
    user_id: UserId,
    channel_id: ChannelId,
) -> Result<Option<CommunityId>, Problem> {
    if let Some(community_id) = app.hub.joined(user_id, channel_id) {
        return Ok(community_id);
    }
    let view = caller.api.channel(channel_id).await?;
    if view.joined {
        Ok(view.channel.community_id)
    } else {
        Err(Problem::new(403, "not-joined", "You may not do this")
            .with_detail("Join the channel first."))
    }
}
