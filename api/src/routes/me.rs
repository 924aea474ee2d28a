//! `/api/me`: the caller's own profile and sessions.

use ajet_shared::db::{self, audit, outbox};
use ajet_shared::events::{Envelope, Event, SessionRevoked};
use ajet_shared::http::{Json, Path};
use ajet_shared::id::SessionId;
use ajet_shared::page::Page;
use ajet_shared::session::Session;
use ajet_shared::user::{Me, UpdateMe};
use axum::extract::State;
use axum::http::StatusCode;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::acts;
use crate::auth::Caller;
use crate::error::{ApiError, ApiResult};
use crate::state::AppState;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(get, update))
        .routes(routes!(list_sessions))
        .routes(routes!(revoke_session))
}

/// The caller.
#[utoipa::path(get, path = "/api/me", tag = "me", responses((status = 200, body = Me)))]
async fn get(State(state): State<AppState>, caller: Caller) -> ApiResult<Json<Me>> {
    let mut conn = state.db.acquire().await?;
    let me = db::users::me(&mut conn, caller.user_id()).await?.ok_or(ApiError::Unauthenticated)?;
    Ok(Json(me))
}

/// Changes the caller's profile; everybody who shares a community sees it at once.
#[utoipa::path(patch, path = "/api/me", tag = "me", request_body = UpdateMe, responses((status = 200, body = Me)))]
async fn update(
    State(state): State<AppState>,
    caller: Caller,
    Json(change): Json<UpdateMe>,
) -> ApiResult<Json<Me>> {
    Ok(Json(acts::me::update(&state, &caller, &change).await?))
}

/// Where the caller is signed in, newest first.
#[utoipa::path(get, path = "/api/me/sessions", tag = "me", responses((status = 200, body = Page<Session>)))]
async fn list_sessions(
    State(state): State<AppState>,
    caller: Caller,
) -> ApiResult<Json<Page<Session>>> {
    let current = caller.session()?;
    let mut conn = state.db.acquire().await?;
    Ok(Json(Page::whole(db::sessions::list(&mut conn, caller.user_id(), Some(current)).await?)))
}

/// Signs the caller out somewhere; its open streams end at once.
#[utoipa::path(
    delete, path = "/api/me/sessions/{id}", tag = "me", params(("id" = SessionId, Path)),
    responses((status = 204, description = "Signed out there"))
)]
async fn revoke_session(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<SessionId>,
) -> ApiResult<StatusCode> {
    caller.session()?;
    let mut tx = state.db.begin().await?;
    if !db::sessions::delete(&mut tx, caller.user_id(), id).await? {
        return Err(ApiError::NotFound);
    }
    let cause = caller.cause();
    let revoked = Event::SessionRevoked(SessionRevoked { session_id: Some(id) });
    let envelope = Envelope::new(revoked, cause.actor_id, cause.at).traced(cause.trace_id.clone());
    outbox::push_to(&mut tx, caller.user_id(), &envelope).await?;
    audit::insert(&mut tx, &cause, &audit::Entry::done("session.revoked").on("session", id))
        .await?;
    state.commit(tx).await?;
    Ok(StatusCode::NO_CONTENT)
}
