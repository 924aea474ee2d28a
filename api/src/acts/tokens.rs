//! API tokens: of a community's bots, by its admins, and of people, by themselves (requirements B3).

use std::collections::BTreeSet;

use ajet_shared::actions::{Action, DenyReason, Scope};
use ajet_shared::api_token::{ApiToken, CreateToken, CreatedToken, LIFE_MAX_DAYS};
use ajet_shared::community::Role;
use ajet_shared::db::api_tokens::{self, NewToken, Owner};
use ajet_shared::db::{Cause, api_users, community_members};
use ajet_shared::id::{ApiTokenId, CommunityId, UserId};
use ajet_shared::limits::TOKENS_PER_OWNER_MAX;
use ajet_shared::names::DisplayName;
use ajet_shared::token::{Token, TokenKind};
use ajet_shared::verify;
use sqlx::PgConnection;
use time::Duration;

use super::likeness::refuse_imitation;
use super::webhooks::parse_name;
use crate::auth::{Caller, Tx};
use crate::error::{ApiError, ApiResult};
use crate::state::AppState;

/// Life of a token that does not say.
const LIFE_DEFAULT_DAYS: i64 = 90;
/// What a token is for that does not say.
const SCOPES_DEFAULT: [Scope; 2] = [Scope::MessagesRead, Scope::MessagesWrite];

/// A token that is worked out and not written yet.
pub(crate) struct Prepared {
    name: DisplayName,
    scopes: BTreeSet<Scope>,
    life: Duration,
    token: Token,
    token_hash: String,
}

impl Prepared {
    fn scope_names(&self) -> Vec<String> {
        self.scopes.iter().map(ToString::to_string).collect()
    }
}

/// Checks what was asked for and makes the token, before a transaction begins: hashing takes milliseconds.
pub(crate) async fn prepare(request: &CreateToken) -> ApiResult<Prepared> {
    let name = parse_name(&request.name)?;
    let days = request.expires_in_days.unwrap_or(LIFE_DEFAULT_DAYS);
    if !(1..=LIFE_MAX_DAYS).contains(&days) {
        return Err(ApiError::Validation(format!("expires_in_days is 1 to {LIFE_MAX_DAYS}")));
    }
    let asked = request.scopes.iter().copied();
    let scopes = if request.scopes.is_empty() {
        SCOPES_DEFAULT.into_iter().collect()
    } else {
        asked.collect()
    };
    let token = Token::generate(TokenKind::Api);
    let token_hash = verify::hash(&token).await?;
    Ok(Prepared { name, scopes, life: Duration::days(days), token, token_hash })
}

async fn write(
    conn: &mut PgConnection,
    cause: &Cause,
    owner: Owner,
    user_id: UserId,
    created_by: UserId,
    prepared: &Prepared,
) -> ApiResult<CreatedToken> {
    if api_tokens::count(conn, user_id).await? >= TOKENS_PER_OWNER_MAX {
        return Err(ApiError::Conflict(
            "too-many-tokens",
            "there are 20 valid tokens already; revoke one first",
        ));
    }
    let new = NewToken {
        id: ApiTokenId::new(),
        user_id,
        name: prepared.name.as_str(),
        selector: prepared.token.selector(),
        token_hash: &prepared.token_hash,
        scopes: prepared.scope_names(),
        created_by,
        life: prepared.life.unsigned_abs(),
    };
    let token = api_tokens::create(conn, cause, owner, &new).await?;
    Ok(CreatedToken { token, secret: prepared.token.expose().to_owned() })
}

/// Makes a token for the bot of that name, and the bot if there is none; shown once. The caller of this function commits.
pub(crate) async fn create_in(
    tx: &mut Tx,
    caller: &Caller,
    community_id: CommunityId,
    prepared: &Prepared,
) -> ApiResult<CreatedToken> {
    caller.community(tx, community_id, Action::ManageTokens).await?;
    // A token makes no other one, which could do more and live longer.
    caller.session()?;
    let cause = caller.cause();
    api_users::hold(tx, community_id).await?;
    let known = api_users::find(tx, community_id, prepared.name.as_str()).await?;
    let bot = if let Some(bot) = known {
        refuse_eavesdropping(tx, caller.user_id(), bot, prepared).await?;
        take_in(tx, &cause, caller.user_id(), community_id, bot).await?;
        bot
    } else {
        refuse_imitation(tx, community_id, &prepared.name).await?;
        api_users::insert(tx, &cause, community_id, &prepared.name).await?
    };
    write(tx, &cause, Owner::Community(community_id), bot, caller.user_id(), prepared).await
}

/// With a token of a bot somebody reads what the bot reads: nobody gets one of a bot that is in conversations they are not in (A52),
/// unless they have made one that does as much and is valid still.
async fn refuse_eavesdropping(
    tx: &mut Tx,
    maker: UserId,
    bot: UserId,
    prepared: &Prepared,
) -> ApiResult<()> {
    if api_users::hears_more(tx, bot, maker).await?
        && !api_tokens::was_made_by(tx, maker, bot, &prepared.scope_names()).await?
    {
        return Err(ApiError::Conflict(
            "name-taken",
            "you cannot make a token for the bot of this name; choose another",
        ));
    }
    Ok(())
}

/// A bot that was taken out comes back with a new token, unless it is banned. One that stands above the caller gets none from them.
async fn take_in(
    tx: &mut Tx,
    cause: &Cause,
    maker: UserId,
    community_id: CommunityId,
    bot: UserId,
) -> ApiResult<()> {
    let role = community_members::role(tx, community_id, bot).await?;
    if role > community_members::role(tx, community_id, maker).await? {
        return Err(DenyReason::BotAbove.into());
    }
    if role.is_none() {
        if community_members::is_banned(tx, community_id, bot).await? {
            return Err(ApiError::Conflict("banned", "the bot of that name is banned"));
        }
        community_members::join(tx, cause, community_id, bot, Role::Member, &[]).await?;
    }
    Ok(())
}

/// The tokens of a community's bots that are valid now.
pub(crate) async fn list(
    state: &AppState,
    caller: &Caller,
    community_id: CommunityId,
) -> ApiResult<Vec<ApiToken>> {
    let mut conn = state.db.acquire().await?;
    caller.reads_community(&mut conn, community_id, Action::ManageTokens).await?;
    Ok(api_tokens::list(&mut conn, Owner::Community(community_id)).await?)
}

/// Ends a token of a community's bot.
pub(crate) async fn revoke(
    state: &AppState,
    caller: &Caller,
    community_id: CommunityId,
    id: ApiTokenId,
) -> ApiResult<()> {
    let mut tx = state.db.begin().await?;
    caller.community(&mut tx, community_id, Action::ManageTokens).await?;
    if !api_tokens::revoke(&mut tx, &caller.cause(), Owner::Community(community_id), id).await? {
        return Err(ApiError::NotFound);
    }
    state.commit(tx).await
}

/// Makes a personal token; shown once. Only a session may. The caller of this function commits.
pub(crate) async fn create_own(
    tx: &mut Tx,
    caller: &Caller,
    prepared: &Prepared,
) -> ApiResult<CreatedToken> {
    caller.session()?;
    let own = caller.user_id();
    write(tx, &caller.cause(), Owner::Person(own), own, own, prepared).await
}

/// The caller's personal tokens.
pub(crate) async fn list_own(state: &AppState, caller: &Caller) -> ApiResult<Vec<ApiToken>> {
    caller.session()?;
    let mut conn = state.db.acquire().await?;
    Ok(api_tokens::list(&mut conn, Owner::Person(caller.user_id())).await?)
}

/// Ends a personal token.
pub(crate) async fn revoke_own(state: &AppState, caller: &Caller, id: ApiTokenId) -> ApiResult<()> {
    caller.session()?;
    let mut tx = state.db.begin().await?;
    let owner = Owner::Person(caller.user_id());
    if !api_tokens::revoke(&mut tx, &caller.cause(), owner, id).await? {
        return Err(ApiError::NotFound);
    }
    state.commit(tx).await
}
