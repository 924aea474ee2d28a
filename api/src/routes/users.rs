//! `/api/users/{id}`: profiles of people one shares something with.

use ajet_shared::actions::Scope;
use ajet_shared::db;
use ajet_shared::http::{Json, Path};
use ajet_shared::id::UserId;
use ajet_shared::user::User;
use axum::extract::State;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::auth::Caller;
use crate::error::{ApiError, ApiResult};
use crate::state::AppState;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(get))
}

/// A profile. Somebody the caller shares no community and no direct message with does not exist for them.
#[utoipa::path(get, path = "/api/users/{id}", tag = "users", params(("id" = UserId, Path)), responses((status = 200, body = User)))]
async fn get(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<UserId>,
) -> ApiResult<Json<User>> {
    caller.scope(Scope::ChannelsRead)?;
    let mut conn = state.db.acquire().await?;
    let user =
        db::users::find_known(&mut conn, caller.user_id(), id).await?.ok_or(ApiError::NotFound)?;
    Ok(Json(user))
}
