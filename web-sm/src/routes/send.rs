//! Writing a message. The answer only says whether it was taken; the stream alone draws it (decisions.md 3).

use ajet_shared::http::{Json, Path};
use ajet_shared::id::{ChannelId, MessageId};
use ajet_shared::message::PostMessage;
use ajet_shared::problem::Problem;
use axum::http::StatusCode;
use serde::Serialize;

use crate::state::Caller;

/// A message that was taken.
#[derive(Debug, Serialize)]
pub(crate) struct Sent {
    /// Its id: when the page shows it already, the row that waits for it can go.
    id: MessageId,
}

/// `POST /channels/{id}/messages`. Repeating it with the same `client_msg_id` changes nothing.
pub(crate) async fn send(
    caller: Caller,
    Path(id): Path<ChannelId>,
    Json(message): Json<PostMessage>,
) -> Result<(StatusCode, Json<Sent>), Problem> {
    let sent = caller.api.post_message(id, &message).await?;
    Ok((StatusCode::CREATED, Json(Sent { id: sent.id })))
}
