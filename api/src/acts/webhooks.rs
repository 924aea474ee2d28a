//! Webhooks: make one, give it another address, end it, see what came in. By those who administer the community and see the channel.

use ajet_shared::actions::{Action, DenyReason};
use ajet_shared::db::api_users::{self, Purpose};
use ajet_shared::db::webhooks::{self, NewWebhook};
use ajet_shared::id::{ChannelId, CommunityId, WebhookId};
use ajet_shared::limits::WEBHOOKS_PER_COMMUNITY_MAX;
use ajet_shared::names::DisplayName;
use ajet_shared::secret::Secret;
use ajet_shared::token::{Token, TokenKind};
use ajet_shared::verify;
use ajet_shared::webhook::{CreateWebhook, CreatedWebhook, Webhook, WebhookDelivery};
use sqlx::PgConnection;

use super::likeness::refuse_imitation;
use crate::auth::{Caller, Tx};
use crate::error::{ApiError, ApiResult};
use crate::state::AppState;

/// Characters of a name, which may have fewer graphemes.
const NAME_MAX_CHARS: usize = 128;
/// Characters of a shared secret.
const SECRET_CHARS: std::ops::RangeInclusive<usize> = 8..=256;

/// A webhook that is worked out and not written yet.
pub(crate) struct Prepared {
    channel_id: ChannelId,
    name: DisplayName,
    signing_secret: Option<Secret>,
    allow_broadcast: bool,
    key: Key,
}

/// A new token with its hash.
struct Key {
    token: Token,
    token_hash: String,
}

impl Key {
    async fn make() -> ApiResult<Self> {
        let token = Token::generate(TokenKind::Webhook);
        let token_hash = verify::hash(&token).await?;
        Ok(Self { token, token_hash })
    }

    fn answer(&self, state: &AppState, webhook: Webhook) -> CreatedWebhook {
        let url = format!("{}/hook/{}/{}", state.public_url, webhook.id, self.token.expose());
        CreatedWebhook { webhook, url }
    }
}

/// Checks what was asked for and makes the token, before a transaction begins: hashing takes milliseconds.
pub(crate) async fn prepare(request: &CreateWebhook) -> ApiResult<Prepared> {
    let name = parse_name(&request.name)?;
    let secret = request.signing_secret.as_deref();
    if secret.is_some_and(|secret| !SECRET_CHARS.contains(&secret.chars().count())) {
        return Err(ApiError::Validation(format!(
            "signing_secret has {} to {} characters",
            SECRET_CHARS.start(),
            SECRET_CHARS.end()
        )));
    }
    // Postgres keeps no NUL, and a secret is sent in a header.
    if secret.is_some_and(|secret| secret.chars().any(char::is_control)) {
        return Err(ApiError::Validation("signing_secret may not hold control characters".into()));
    }
    Ok(Prepared {
        channel_id: request.channel_id,
        name,
        signing_secret: secret.map(|secret| Secret::from(secret.to_owned())),
        allow_broadcast: request.allow_broadcast,
        key: Key::make().await?,
    })
}

/// A name for something that is not a person.
pub(super) fn parse_name(text: &str) -> ApiResult<DisplayName> {
    let name: DisplayName = text
        .parse()
        .map_err(|error: ajet_shared::names::NameError| ApiError::Validation(error.to_string()))?;
    let chars = name.as_str().chars().count();
    if chars > NAME_MAX_CHARS {
        return Err(ApiError::Validation(format!(
            "the name has {chars} characters, {NAME_MAX_CHARS} is the limit"
        )));
    }
    Ok(name)
}

/// Decides about the webhooks of a channel, inside the transaction that acts. A channel that the caller may not see has none.
async fn permit(
    conn: &mut PgConnection,
    caller: &Caller,
    community_id: CommunityId,
    channel_id: ChannelId,
) -> ApiResult<bool> {
    caller.community(conn, community_id, Action::ManageWebhooks).await?;
    let access = caller.channel(conn, channel_id, Action::ManageWebhooks, &[]).await?;
    if access.channel.community_id != Some(community_id) {
        return Err(ApiError::NotFound);
    }
    Ok(access.channel.archived_at.is_some())
}

/// Makes a webhook; its address is in the answer and never shown again. The caller of this function commits.
pub(crate) async fn create_in(
    tx: &mut Tx,
    state: &AppState,
    caller: &Caller,
    community_id: CommunityId,
    prepared: &Prepared,
) -> ApiResult<CreatedWebhook> {
    let archived = permit(tx, caller, community_id, prepared.channel_id).await?;
    // An address outlives the token by which it would be made.
    caller.session()?;
    if archived {
        return Err(DenyReason::Archived.into());
    }
    refuse_imitation(tx, community_id, &prepared.name).await?;
    if webhooks::count(tx, community_id).await? >= WEBHOOKS_PER_COMMUNITY_MAX {
        return Err(ApiError::Conflict(
            "too-many-webhooks",
            "a community has at most 100 webhooks; revoke one first",
        ));
    }
    let cause = caller.cause();
    let user_id = api_users::insert_bot(tx, &cause, &prepared.name, Purpose::Webhook).await?;
    let new = NewWebhook {
        community_id,
        channel_id: prepared.channel_id,
        user_id,
        name: prepared.name.as_str(),
        selector: prepared.key.token.selector(),
        token_hash: &prepared.key.token_hash,
        signing_secret: prepared.signing_secret.as_ref(),
        allow_broadcast: prepared.allow_broadcast,
    };
    let webhook = webhooks::insert(tx, &cause, &new).await?;
    Ok(prepared.key.answer(state, webhook))
}

/// The webhooks that post into channels that the caller may see.
pub(crate) async fn list(
    state: &AppState,
    caller: &Caller,
    community_id: CommunityId,
) -> ApiResult<Vec<Webhook>> {
    let mut conn = state.db.acquire().await?;
    caller.reads_community(&mut conn, community_id, Action::ManageWebhooks).await?;
    Ok(webhooks::list(&mut conn, community_id, caller.user_id()).await?)
}

/// Finds a webhook and decides about it, inside the transaction that acts.
async fn manage(
    conn: &mut PgConnection,
    caller: &Caller,
    community_id: CommunityId,
    id: WebhookId,
) -> ApiResult<Webhook> {
    // First who asks: only admins learn which webhooks there are.
    caller.community(conn, community_id, Action::ManageWebhooks).await?;
    let webhook = webhooks::find(conn, community_id, id).await?.ok_or(ApiError::NotFound)?;
    permit(conn, caller, community_id, webhook.channel_id).await?;
    Ok(webhook)
}

/// Ends a webhook: from now on its address does not exist.
pub(crate) async fn revoke(
    state: &AppState,
    caller: &Caller,
    community_id: CommunityId,
    id: WebhookId,
) -> ApiResult<()> {
    let mut tx = state.db.begin().await?;
    manage(&mut tx, caller, community_id, id).await?;
    webhooks::revoke(&mut tx, &caller.cause(), community_id, id).await?;
    state.commit(tx).await
}

/// Gives a webhook another address; the old one does not exist any more.
pub(crate) async fn rotate(
    state: &AppState,
    caller: &Caller,
    community_id: CommunityId,
    id: WebhookId,
) -> ApiResult<CreatedWebhook> {
    let key = Key::make().await?;
    let mut tx = state.db.begin().await?;
    let webhook = manage(&mut tx, caller, community_id, id).await?;
    caller.session()?;
    let (selector, hash) = (key.token.selector(), &key.token_hash);
    if !webhooks::rotate(&mut tx, &caller.cause(), community_id, id, selector, hash).await? {
        return Err(ApiError::NotFound);
    }
    state.commit(tx).await?;
    Ok(key.answer(state, webhook))
}

/// What came in last, newest first.
pub(crate) async fn deliveries(
    state: &AppState,
    caller: &Caller,
    community_id: CommunityId,
    id: WebhookId,
    limit: u16,
) -> ApiResult<Vec<WebhookDelivery>> {
    let mut tx = state.db.begin().await?;
    manage(&mut tx, caller, community_id, id).await?;
    Ok(webhooks::deliveries(&mut tx, id, limit).await?)
}
