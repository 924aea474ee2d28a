//! `/api/commands`: the slash commands there are, and running one.

use ajet_shared::command::{CommandAnswer, CommandInfo, RunCommand};
use ajet_shared::http::{Json, Query};
use ajet_shared::id::ChannelId;
use ajet_shared::page::Page;
use axum::extract::State;
use serde::Deserialize;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::auth::Caller;
use crate::commands;
use crate::error::ApiResult;
use crate::state::AppState;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list, run))
}

/// Where they would be typed.
#[derive(Clone, Copy, Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
struct ListQuery {
    /// The channel.
    channel_id: ChannelId,
}

/// The commands the caller may use in a channel, in the order of the help: enough for help and completion.
#[utoipa::path(
    get, path = "/api/commands", tag = "commands", params(ListQuery), responses((status = 200, body = Page<CommandInfo>))
)]
async fn list(
    State(state): State<AppState>,
    caller: Caller,
    Query(query): Query<ListQuery>,
) -> ApiResult<Json<Page<CommandInfo>>> {
    Ok(Json(Page::whole(commands::list(&state, &caller, query.channel_id).await?)))
}

/// Runs a command as it was typed. It is never posted as a message: what cannot be understood is 422, and says what is near.
#[utoipa::path(
    post, path = "/api/commands", tag = "commands", request_body = RunCommand, responses((status = 200, body = CommandAnswer))
)]
async fn run(
    State(state): State<AppState>,
    caller: Caller,
    Json(request): Json<RunCommand>,
) -> ApiResult<Json<CommandAnswer>> {
    Ok(Json(commands::run(&state, &caller, &request).await?))
}
