//! Invites: make one, end one, come in by one.

use ajet_shared::actions::Action;
use ajet_shared::community::{Community, Role};
use ajet_shared::db::invites::{self, NewInvite};
use ajet_shared::id::{CommunityId, InviteId};
use ajet_shared::invite::{CreateInvite, CreatedInvite};
use ajet_shared::token::{Token, TokenKind};
use ajet_shared::verify;
use time::Duration;

use crate::auth::{Caller, Tx};
use crate::error::{ApiError, ApiResult};
use crate::state::AppState;

/// Uses of an invite that does not say. Source: delivery-and-security.md section 3.11.
const USES_DEFAULT: i32 = 1;
/// Uses an invite may have.
const USES_MAX: i32 = 1000;
/// Life of an invite that does not say. Source: delivery-and-security.md section 3.11.
const LIFE_DEFAULT: Duration = Duration::days(7);
/// Shortest life of an invite.
const LIFE_MIN: Duration = Duration::minutes(1);
/// Longest life of an invite.
const LIFE_MAX: Duration = Duration::days(90);

/// An invite that is worked out and not written yet.
pub(crate) struct Prepared {
    token: Token,
    token_hash: String,
    role: Role,
    max_uses: i32,
    life: Duration,
}

/// Checks what was asked for and makes the code, before a transaction begins: hashing takes milliseconds.
pub(crate) async fn prepare(request: &CreateInvite) -> ApiResult<Prepared> {
    let max_uses = request.max_uses.unwrap_or(USES_DEFAULT);
    if !(1..=USES_MAX).contains(&max_uses) {
        return Err(ApiError::Validation(format!("max_uses is 1 to {USES_MAX}")));
    }
    let life = request.expires_in_seconds.map_or(LIFE_DEFAULT, Duration::seconds);
    if !(LIFE_MIN..=LIFE_MAX).contains(&life) {
        return Err(ApiError::Validation(format!(
            "expires_in_seconds is {} to {}",
            LIFE_MIN.whole_seconds(),
            LIFE_MAX.whole_seconds()
        )));
    }
    let token = Token::generate(TokenKind::Invite);
    let token_hash = verify::hash(&token).await?;
    let role = request.role.unwrap_or(Role::Member);
    Ok(Prepared { token, token_hash, role, max_uses, life })
}

/// Makes an invite; its code is in the answer and never shown again. The caller of this function commits.
pub(crate) async fn create_in(
    tx: &mut Tx,
    state: &AppState,
    caller: &Caller,
    community_id: CommunityId,
    prepared: &Prepared,
) -> ApiResult<CreatedInvite> {
    caller.community(tx, community_id, Action::CreateInvite(prepared.role)).await?;
    state.limits.make_invite(tx, caller.user_id()).await?;
    let new = NewInvite {
        community_id,
        selector: prepared.token.selector(),
        token_hash: &prepared.token_hash,
        role: prepared.role,
        max_uses: Some(prepared.max_uses),
        life: Some(prepared.life.unsigned_abs()),
        created_by: caller.user_id(),
    };
    let invite = invites::insert(tx, &caller.cause(), &new).await?;
    let code = prepared.token.expose().to_owned();
    let url = format!("{}/invite/{code}", state.public_url);
    Ok(CreatedInvite { invite, code, url })
}

/// Ends an invite.
pub(crate) async fn revoke(
    state: &AppState,
    caller: &Caller,
    community_id: CommunityId,
    id: InviteId,
) -> ApiResult<()> {
    let mut tx = state.db.begin().await?;
    caller.community(&mut tx, community_id, Action::ManageInvites).await?;
    invites::find(&mut tx, community_id, id).await?.ok_or(ApiError::NotFound)?;
    invites::revoke(&mut tx, &caller.cause(), community_id, id).await?;
    state.commit(tx).await
}

/// Joins a community by the code of an invite.
pub(crate) async fn accept(state: &AppState, caller: &Caller, code: &str) -> ApiResult<Community> {
    caller.session()?;
    let token = Token::parse(TokenKind::Invite, code).map_err(|_| ApiError::NotFound)?;
    let offer = invites::find_offer(&mut *state.db.acquire().await?, token.selector())
        .await?
        .ok_or(ApiError::NotFound)?;
    if !verify::matches(&token, &offer.token_hash).await? {
        return Err(ApiError::NotFound);
    }
    let mut tx = state.db.begin().await?;
    let community = invites::redeem(&mut tx, &caller.cause(), offer.id, caller.user_id()).await?;
    state.commit(tx).await?;
    Ok(community)
}
