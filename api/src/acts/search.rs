//! Searching everything the caller may see.

use ajet_shared::actions::{Action, Actor, Scope, authorize};
use ajet_shared::db::authz;
use ajet_shared::db::search::{self, Bounds};
use ajet_shared::limits::{PAGE_SIZE_MAX, RETRY_AFTER_SECONDS};
use ajet_shared::page::Page;
use ajet_shared::problem::Problem;
use ajet_shared::search::{self as terms, SearchHit, SearchRequest, SearchSort, snippet};
use sqlx::PgConnection;

use crate::auth::Caller;
use crate::error::{ApiError, ApiResult, permit};
use crate::state::AppState;

/// Hits of a page when the client does not say.
const LIMIT_DEFAULT: u16 = 20;

/// Finds messages that the caller may see.
pub(crate) async fn find(
    state: &AppState,
    caller: &Caller,
    request: &SearchRequest,
) -> ApiResult<Page<SearchHit>> {
    caller.scope(Scope::SearchRead)?;
    let query =
        terms::Query::parse(&request.q).map_err(|error| ApiError::Validation(error.to_string()))?;
    let bounds = bounds(request)?;
    let _turn = state.searches.begin(caller.user_id()).ok_or_else(too_many)?;
    let mut tx = state.db.begin().await?;
    known(&mut tx, caller, &bounds).await?;
    let found = search::find(&mut tx, caller.user_id(), &query, &bounds).await?;
    tx.commit().await?;
    // What was looked for in the end is what is marked.
    let query = if found.as_parts { query.as_parts().unwrap_or(query) } else { query };
    let prev = found.messages.last().filter(|_| found.more).map(|message| message.id.uuid());
    let hit = |message: ajet_shared::message::Message| SearchHit {
        channel_id: message.channel_id,
        snippet: snippet(&message.body_md, &query),
        message,
    };
    Ok(Page { items: found.messages.into_iter().map(hit).collect(), next: None, prev })
}

fn bounds(request: &SearchRequest) -> ApiResult<Bounds> {
    let limit = request.limit.unwrap_or(LIMIT_DEFAULT);
    if limit == 0 || limit > PAGE_SIZE_MAX {
        return Err(ApiError::Validation(format!("limit is 1 to {PAGE_SIZE_MAX}")));
    }
    let sort = request.sort.unwrap_or_default();
    if sort == SearchSort::Best && request.before.is_some() {
        return Err(ApiError::Validation("before goes with sort=new only".to_owned()));
    }
    let &SearchRequest { community_id, channel_id, before, .. } = request;
    Ok(Bounds { community_id, channel_id, before, limit, sort })
}

/// Where somebody wants to search must be theirs to see; else it does not exist.
async fn known(conn: &mut PgConnection, caller: &Caller, bounds: &Bounds) -> ApiResult<()> {
    // The scope has been asked for: what is left is what the person may see.
    let person = Actor::User(caller.user_id());
    if let Some(community) = bounds.community_id {
        let resource = authz::community_resource(conn, caller.user_id(), community).await?;
        permit(authorize(&person, Action::ReadCommunity, &resource))?;
    }
    if let Some(channel) = bounds.channel_id {
        let access = authz::channel_access(conn, caller.user_id(), channel).await?;
        let access = access.ok_or(ApiError::NotFound)?;
        permit(authorize(&person, Action::ReadChannel, &access.resource()))?;
    }
    Ok(())
}

fn too_many() -> ApiError {
    Problem::new(429, "rate-limited", "Too many requests")
        .with_detail("Two searches of yours are still under way. Wait for one of them.")
        .with_retry_after(RETRY_AFTER_SECONDS)
        .into()
}
