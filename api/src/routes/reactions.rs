//! Reactions: giving and taking back, as often as one likes.

use ajet_shared::actions::{Action, DenyReason};
use ajet_shared::db::reactions::{self, Change, Changed};
use ajet_shared::http::{Json, Path};
use ajet_shared::id::MessageId;
use ajet_shared::message::ReactionCount;
use ajet_shared::names::Emoji;
use axum::extract::State;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::messages::{GONE, act_on};
use crate::auth::Caller;
use crate::error::{ApiError, ApiResult};
use crate::state::AppState;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(add, remove))
}

/// Gives a reaction; again changes nothing. Answers all reactions of the message.
#[utoipa::path(
    put, path = "/api/messages/{id}/reactions/{emoji}", tag = "messages",
    params(("id" = MessageId, Path), ("emoji" = String, Path, description = "One emoji, percent-encoded")),
    responses((status = 200, body = Vec<ReactionCount>))
)]
async fn add(
    state: State<AppState>,
    caller: Caller,
    Path((id, emoji)): Path<(MessageId, String)>,
) -> ApiResult<Json<Vec<ReactionCount>>> {
    change(state, caller, id, emoji, Change::Add).await
}

/// Takes a reaction back; again changes nothing. Answers all reactions of the message.
#[utoipa::path(
    delete, path = "/api/messages/{id}/reactions/{emoji}", tag = "messages",
    params(("id" = MessageId, Path), ("emoji" = String, Path, description = "One emoji, percent-encoded")),
    responses((status = 200, body = Vec<ReactionCount>))
)]
async fn remove(
    state: State<AppState>,
    caller: Caller,
    Path((id, emoji)): Path<(MessageId, String)>,
) -> ApiResult<Json<Vec<ReactionCount>>> {
    change(state, caller, id, emoji, Change::Remove).await
}

async fn change(
    State(state): State<AppState>,
    caller: Caller,
    id: MessageId,
    emoji: String,
    change: Change,
) -> ApiResult<Json<Vec<ReactionCount>>> {
    let emoji = Emoji::try_from(emoji).map_err(|error| ApiError::Validation(error.to_string()))?;
    let mut tx = state.db.begin().await?;
    let (_, access) = act_on(&mut tx, &caller, id, Action::React).await?;
    match reactions::change(&mut tx, &caller.cause(), &access, id, caller.user_id(), &emoji, change)
        .await?
    {
        Changed::Done(reactions) => {
            state.commit(tx).await?;
            Ok(Json(reactions))
        }
        Changed::Already(reactions) => Ok(Json(reactions)),
        Changed::Gone => Err(GONE),
        Changed::Archived => Err(ApiError::Denied(DenyReason::Archived)),
        Changed::Full => Err(ApiError::Conflict(
            "too-many-reactions",
            "the message has as many different reactions as it may have",
        )),
    }
}
