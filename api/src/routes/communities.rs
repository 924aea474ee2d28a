//! `/api/communities`: making, reading and renaming communities.

use ajet_shared::actions::{Action, Scope};
use ajet_shared::community::{Community, CreateCommunity, UpdateCommunity};
use ajet_shared::db;
use ajet_shared::http::{Json, Path, Query};
use ajet_shared::id::CommunityId;
use ajet_shared::page::{Page, PageQuery};
use ajet_shared::sync::CommunityView;
use axum::extract::State;
use axum::response::Response;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::paging::slice;
use crate::auth::Caller;
use crate::error::{ApiError, ApiResult};
use crate::idempotency::IdempotencyKey;
use crate::state::AppState;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(get, update))
}

/// The caller's communities by name, each with the channels they have joined.
#[utoipa::path(
    get, path = "/api/communities", tag = "communities", params(PageQuery), responses((status = 200, body = Page<CommunityView>))
)]
async fn list(
    State(state): State<AppState>,
    caller: Caller,
    Query(page): Query<PageQuery>,
) -> ApiResult<Json<Page<CommunityView>>> {
    caller.scope(Scope::ChannelsRead)?;
    let mut conn = state.db.acquire().await?;
    let communities = db::sync::communities(&mut conn, caller.user_id()).await?;
    Ok(Json(slice(communities, page, |view| view.community.id.uuid())?))
}

/// Makes a community; the caller becomes its owner, and `#general` is there.
#[utoipa::path(
    post, path = "/api/communities", tag = "communities", request_body = CreateCommunity,
    responses((status = 201, body = Community))
)]
async fn create(
    State(state): State<AppState>,
    caller: Caller,
    key: IdempotencyKey,
    Json(request): Json<CreateCommunity>,
) -> ApiResult<Response> {
    caller.session()?;
    let mut tx = state.db.begin().await?;
    if let Some(first) = key.replay(&mut tx, &caller, &request).await? {
        return Ok(first);
    }
    let community = db::communities::create(
        &mut tx,
        &caller.cause(),
        caller.user_id(),
        &request.name,
        request.slug.as_ref(),
    )
    .await
    .map_err(|error| {
        ApiError::on_constraint(error, db::communities::SLUG_KEY, || {
            ApiError::Conflict("slug-taken", "this address is taken")
        })
    })?;
    let answer = key.created(&mut tx, &caller, &community).await?;
    state.commit(tx).await?;
    Ok(answer)
}

/// A community the caller belongs to.
#[utoipa::path(
    get, path = "/api/communities/{id}", tag = "communities", params(("id" = CommunityId, Path)),
    responses((status = 200, body = Community))
)]
async fn get(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<CommunityId>,
) -> ApiResult<Json<Community>> {
    let mut conn = state.db.acquire().await?;
    caller.reads_community(&mut conn, id, Action::ReadCommunity).await?;
    Ok(Json(db::communities::find(&mut conn, id).await?.ok_or(ApiError::NotFound)?))
}

/// Renames a community, or says whether its plain members may make invites.
#[utoipa::path(
    patch, path = "/api/communities/{id}", tag = "communities", params(("id" = CommunityId, Path)), request_body = UpdateCommunity,
    responses((status = 200, body = Community))
)]
async fn update(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<CommunityId>,
    Json(change): Json<UpdateCommunity>,
) -> ApiResult<Json<Community>> {
    let mut tx = state.db.begin().await?;
    caller.community(&mut tx, id, Action::UpdateCommunity).await?;
    let community = db::communities::update(&mut tx, &caller.cause(), id, &change).await?;
    state.commit(tx).await?;
    Ok(Json(community))
}
