//! Messages: post, list, edit, delete, and the replies of a thread.

use ajet_shared::actions::{Action, Resource};
use ajet_shared::db::authz::{self, Access};
use ajet_shared::db::changing;
use ajet_shared::db::messages::{self, Located, Place};
use ajet_shared::db::posting::Draft;
use ajet_shared::http::{Json, Path, Query};
use ajet_shared::id::{AttachmentId, ChannelId, ClientMessageId, MessageId};
use ajet_shared::limits::MESSAGE_BODY_MAX_BYTES;
use ajet_shared::message::{EditMessage, Message, MessageKind, PostMessage};
use ajet_shared::names::MessageBody;
use ajet_shared::page::{Page, PageQuery};
use ajet_shared::problem::Problem;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde::Deserialize;
use sqlx::PgConnection;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::auth::{Caller, Reader};
use crate::error::{ApiError, ApiResult};
use crate::posting;
use crate::state::AppState;

/// The place of the message in its channel, so that a client can wait until its stream has come that far.
const CHANNEL_SEQ: HeaderName = HeaderName::from_static("ajet-channel-seq");
/// The answer is that of an earlier request.
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(get, update, delete))
        .routes(routes!(replies))
}

/// Which messages of a channel.
#[derive(Clone, Copy, Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
struct ListQuery {
    /// Messages older than this one, the newest of them last.
    before: Option<Uuid>,
    /// Messages newer than this one.
    after: Option<Uuid>,
    /// Messages on both sides of this one, itself included.
    around: Option<Uuid>,
    /// Messages wanted, 1 to 100.
    limit: Option<u16>,
    /// The replies to this message instead of the top level.
    parent_id: Option<MessageId>,
}

/// Messages of a channel, ascending by `seq`; the newest without a cursor. Deleted ones keep their place without their text.
#[utoipa::path(
    get, path = "/api/channels/{id}/messages", tag = "messages", params(("id" = ChannelId, Path), ListQuery),
    responses((status = 200, body = Page<Message>))
)]
async fn list(
    State(state): State<AppState>,
    reader: Reader,
    Query(query): Query<ListQuery>,
) -> ApiResult<Json<Page<Message>>> {
    let page = PageQuery {
        before: query.before,
        after: query.after,
        around: query.around,
        limit: query.limit,
    };
    let mut conn = state.db.acquire().await?;
    let channel_id = reader.access.channel.id;
    let place = match query.parent_id {
        None => Place::Channel(channel_id),
        Some(root) => {
            let located = messages::locate(&mut conn, root)
                .await?
                .filter(|located| located.channel_id == channel_id);
            located.ok_or(ApiError::NotFound)?;
            Place::Thread(root)
        }
    };
    page_of(&mut conn, &reader.caller, place, page).await
}

/// The replies to a message, ascending by `seq`.
#[utoipa::path(
    get, path = "/api/messages/{id}/replies", tag = "messages", params(("id" = MessageId, Path), PageQuery),
    responses((status = 200, body = Page<Message>))
)]
async fn replies(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<MessageId>,
    Query(page): Query<PageQuery>,
) -> ApiResult<Json<Page<Message>>> {
    let mut conn = state.db.acquire().await?;
    let located = messages::locate(&mut conn, id).await?.ok_or(ApiError::NotFound)?;
    caller.reads(&mut conn, located.channel_id).await?;
    page_of(&mut conn, &caller, Place::Thread(id), page).await
}

async fn page_of(
    conn: &mut PgConnection,
    caller: &Caller,
    place: Place,
    page: PageQuery,
) -> ApiResult<Json<Page<Message>>> {
    let (anchor, limit) = page.parse()?;
    let page = messages::list(conn, caller.user_id(), place, anchor, limit).await?;
    page.map(Json).ok_or(ApiError::NotFound)
}

/// What [`PostMessage`] is before its text is known to be one.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CreateRequest {
    body_md: String,
    client_msg_id: ClientMessageId,
    #[serde(default)]
    parent_id: Option<MessageId>,
    #[serde(default)]
    attachment_ids: Vec<AttachmentId>,
}

/// Posts a message. Repeating the same `client_msg_id` gives the first answer: 200 and `Idempotency-Replayed: true`.
#[utoipa::path(
    post, path = "/api/channels/{id}/messages", tag = "messages", params(("id" = ChannelId, Path)), request_body = PostMessage,
    responses((status = 201, body = Message), (status = 200, body = Message, description = "Posted before"))
)]
async fn create(
    State(state): State<AppState>,
    caller: Caller,
    Path(channel_id): Path<ChannelId>,
    Json(request): Json<CreateRequest>,
) -> ApiResult<(StatusCode, HeaderMap, Json<Message>)> {
    let text = sized(request.body_md)?;
    // Files need no text.
    let body_md = if request.attachment_ids.is_empty() {
        MessageBody::try_from(text)
    } else {
        MessageBody::or_none(text)
    };
    let request = PostMessage {
        body_md: body_md.map_err(|error| ApiError::Validation(error.to_string()))?,
        client_msg_id: request.client_msg_id,
        parent_id: request.parent_id,
        attachment_ids: request.attachment_ids,
    };
    let posted =
        posting::post(&state, &caller.actor, &caller.cause(), channel_id, &Draft::text(&request))
            .await?;
    let mut headers = HeaderMap::from_iter([(CHANNEL_SEQ, HeaderValue::from(posted.message.seq))]);
    if posted.replayed {
        headers.insert(REPLAYED, HeaderValue::from_static("true"));
        return Ok((StatusCode::OK, headers, Json(posted.message)));
    }
    Ok((StatusCode::CREATED, headers, Json(posted.message)))
}

/// A text that is too large to be looked at is 413.
fn sized(text: String) -> ApiResult<String> {
    if text.len() > MESSAGE_BODY_MAX_BYTES {
        return Err(Problem::new(413, "too-large", "The message is too large").into());
    }
    Ok(text)
}

/// A message.
#[utoipa::path(
    get, path = "/api/messages/{id}", tag = "messages", params(("id" = MessageId, Path)), responses((status = 200, body = Message))
)]
async fn get(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<MessageId>,
) -> ApiResult<Json<Message>> {
    let mut conn = state.db.acquire().await?;
    let located = messages::locate(&mut conn, id).await?.ok_or(ApiError::NotFound)?;
    caller.reads(&mut conn, located.channel_id).await?;
    whole(&mut conn, &caller, id).await
}

async fn whole(
    conn: &mut PgConnection,
    caller: &Caller,
    id: MessageId,
) -> ApiResult<Json<Message>> {
    messages::find(conn, Some(caller.user_id()), id).await?.map(Json).ok_or(ApiError::NotFound)
}

/// Finds a message and decides about it, inside the transaction that acts.
pub(super) async fn act_on(
    conn: &mut PgConnection,
    caller: &Caller,
    id: MessageId,
    action: Action,
) -> ApiResult<(Located, Access)> {
    let located = messages::locate(conn, id).await?.ok_or(ApiError::NotFound)?;
    let access = authz::channel_access_held(conn, caller.user_id(), located.channel_id, &[])
        .await?
        .ok_or(ApiError::NotFound)?;
    // Nobody is the author of what the system tells.
    let is_author = located.user_id == caller.user_id() && located.kind != MessageKind::System;
    caller.permit(action, &Resource { is_author, ..access.resource() })?;
    Ok((located, access))
}

/// What is asked of a message that is deleted.
pub(super) const GONE: ApiError = ApiError::Conflict("message-deleted", "the message was deleted");

/// Gives a message a new text; its author only.
#[utoipa::path(
    patch, path = "/api/messages/{id}", tag = "messages", params(("id" = MessageId, Path)), request_body = EditMessage,
    responses((status = 200, body = Message))
)]
async fn update(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<MessageId>,
    Json(request): Json<EditRequest>,
) -> ApiResult<Json<Message>> {
    let text = MessageBody::try_from(sized(request.body_md)?)
        .map_err(|error| ApiError::Validation(error.to_string()))?;
    let mut tx = state.db.begin().await?;
    let (located, access) = act_on(&mut tx, &caller, id, Action::EditMessage).await?;
    if located.deleted {
        return Err(GONE);
    }
    let (cause, limit) = (caller.cause(), Some(state.limits.mention));
    let edited = changing::edit(&mut tx, &caller.actor, &cause, &access, id, &text, limit).await?;
    if edited.is_none() {
        // It says that already: nothing happened, and nothing is told.
        tx.rollback().await?;
        return whole(&mut *state.db.acquire().await?, &caller, id).await;
    }
    let message = whole(&mut tx, &caller, id).await?;
    state.commit(tx).await?;
    Ok(message)
}

/// What [`EditMessage`] is before its text is known to be one.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct EditRequest {
    body_md: String,
}

/// Deletes a message: its author, or an admin. Its place stays, and so do the replies to it.
#[utoipa::path(delete, path = "/api/messages/{id}", tag = "messages", params(("id" = MessageId, Path)), responses((status = 204)))]
async fn delete(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<MessageId>,
) -> ApiResult<StatusCode> {
    let mut tx = state.db.begin().await?;
    let (located, access) = act_on(&mut tx, &caller, id, Action::DeleteMessage).await?;
    if let Some(files) = changing::delete(&mut tx, &caller.cause(), &access, id, &located).await? {
        state.commit(tx).await?;
        state.discard(files);
    }
    Ok(StatusCode::NO_CONTENT)
}
