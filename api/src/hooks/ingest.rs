//! A delivery from its arrival to its answer: whose it is, what it says, whether it may, the message it becomes, and what is noted of it.

use std::time::Duration;

use ajet_shared::actions::{Actor, DenyReason};
use ajet_shared::clock;
use ajet_shared::db::attachments::{self, NewAttachment};
use ajet_shared::db::posting::Draft;
use ajet_shared::db::webhooks::{self, LiveWebhook};
use ajet_shared::db::{self, Cause};
use ajet_shared::http::TraceId;
use ajet_shared::id::{AttachmentId, ClientMessageId, EventId, MessageId, WebhookId};
use ajet_shared::lookalike::is_posing;
use ajet_shared::message::{Message, MessageKind, PostMessage};
use ajet_shared::names::{DisplayName, Emoji};
use ajet_shared::storage::storage_key;
use ajet_shared::token::{Token, TokenKind};
use ajet_shared::webhook::DeliveryStatus;
use axum::body::Bytes;
use axum::http::HeaderMap;
use axum::response::{IntoResponse as _, Response};
use sha2::{Digest as _, Sha256};

use super::answer::{self, Refused, Style};
use super::dialect::{self, Dialect, Incoming, Outcome, Reading, Refusal, Said};
use super::fit::{Fitted, fit};
use super::signature::{self, Proof};
use crate::error::ApiError;
use crate::posting;
use crate::state::AppState;

/// Name of the file that holds a text that did not fit.
const WHOLE_NAME: &str = "message.md";
/// A store that takes longer is away; the rest of a request's time belongs to the message.
const STORED_WITHIN: Duration = Duration::from_secs(2);
/// Characters of a name, which may have fewer graphemes.
const NAME_MAX_CHARS: usize = 128;
/// A body up to here is read in a few milliseconds at most.
const READ_AT_ONCE_MAX_BYTES: usize = 64 * 1024;

/// What came in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Delivery<'a> {
    /// The first part of its address.
    pub(crate) id: WebhookId,
    /// The second part.
    pub(crate) token: &'a str,
    /// The third part, if there is one.
    pub(crate) hint: Option<Dialect>,
    /// Its headers.
    pub(crate) headers: &'a HeaderMap,
    /// What stood behind the question mark.
    pub(crate) query: Option<&'a str>,
    /// The body.
    pub(crate) body: &'a Bytes,
    /// Where it came from.
    pub(crate) ip: Option<&'a str>,
}

/// What became of it.
enum Done {
    Posted(Box<Message>),
    Ignored(String),
}

/// What is noted of it beside its outcome.
struct Note {
    key: String,
    dialect: &'static str,
    event: String,
}

/// Takes a delivery and answers its sender.
pub(crate) async fn take(state: &AppState, delivery: &Delivery<'_>) -> Response {
    let hook = match open(state, delivery.id, delivery.token).await {
        Ok(hook) => hook,
        Err(refused) => return refused.into_response(),
    };
    let mut style =
        Style::of(delivery.hint == Some(Dialect::Discord), delivery.query, delivery.headers);
    let mut note = Note {
        key: EventId::new().to_string(),
        dialect: delivery.hint.unwrap_or(Dialect::Raw).name(),
        event: String::new(),
    };
    let done = process(state, delivery, &hook, &mut note).await;
    if note.dialect == Dialect::Discord.name() {
        style = style.of_discord();
    }
    let (status, message_id, detail) = match &done {
        Ok(Done::Posted(message)) => (DeliveryStatus::Posted, Some(message.id), ""),
        Ok(Done::Ignored(why)) => (DeliveryStatus::Ignored, None, why.as_str()),
        Err(refused) if refused.is_ours() => (DeliveryStatus::Failed, None, refused.detail()),
        Err(refused) => (DeliveryStatus::Refused, None, refused.detail()),
    };
    let response = match &done {
        Ok(Done::Posted(message)) => answer::posted(style, message),
        Ok(Done::Ignored(_)) => answer::ignored(style),
        Err(refused) => refused.into_response(),
    };
    let outcome = webhooks::Outcome {
        delivery_key: &note.key,
        dialect: note.dialect,
        event: &note.event,
        status,
        http_status: response.status().as_u16(),
        message_id,
        detail,
    };
    record(state, hook.id, &outcome).await;
    response
}

/// The webhook of an address. An unknown id, a wrong token and a revoked webhook are the same.
pub(crate) async fn open(
    state: &AppState,
    id: WebhookId,
    token: &str,
) -> Result<LiveWebhook, Refused> {
    let verified = state.verifier.verify_webhook(id, token).await.map_err(ApiError::from);
    verified.map_err(refuse)?.ok_or(Refused::NoService)?;
    let token = Token::parse(TokenKind::Webhook, token).map_err(|_| Refused::NoService)?;
    // Read again: the verifier's own reading may be a second old, and a revocation counts at once.
    let read = async {
        let mut conn = state.db.acquire().await?;
        webhooks::find_live(&mut conn, token.selector()).await
    };
    read.await.map_err(database)?.ok_or(Refused::NoService)
}

async fn process(
    state: &AppState,
    delivery: &Delivery<'_>,
    hook: &LiveWebhook,
    note: &mut Note,
) -> Result<Done, Refused> {
    let reading = read(delivery).await?;
    note.dialect = reading.dialect.name();
    note.event = reading.event;
    if let Some(key) = &reading.delivery_key {
        note.key.clone_from(key);
    }
    if hook.signed {
        let read = async {
            let mut conn = state.db.acquire().await?;
            webhooks::signing_secret(&mut conn, hook.id).await
        };
        let secret = read.await.map_err(database)?.ok_or(Refused::NoService)?;
        match signature::check(&secret, &reading.signed) {
            Proof::Good => {}
            Proof::Missing => return Err(Refused::Unsigned),
            Proof::Wrong => return Err(Refused::BadSignature),
        }
    }
    match reading.outcome {
        Outcome::Ignore(why) => Ok(Done::Ignored(why)),
        Outcome::Post(said) => {
            let key = reading
                .delivery_key
                .map_or_else(ClientMessageId::new, |key| message_key(hook.id, &key));
            let may_call = !reading.dialect.is_forge();
            let message = post(state, delivery, hook, key, *said, may_call).await?;
            Ok(Done::Posted(Box::new(message)))
        }
    }
}

/// Reads a delivery; a large one away from the threads that serve everybody.
async fn read(delivery: &Delivery<'_>) -> Result<Reading, Refused> {
    let (hint, body) = (delivery.hint, delivery.body);
    if body.len() <= READ_AT_ONCE_MAX_BYTES {
        let (headers, query) = (delivery.headers, delivery.query);
        return Ok(dialect::read(&Incoming { hint, headers, query, body })?);
    }
    let (headers, query) = (delivery.headers.clone(), delivery.query.map(str::to_owned));
    let body = body.clone();
    let reading = tokio::task::spawn_blocking(move || {
        dialect::read(&Incoming { hint, headers: &headers, query: query.as_deref(), body: &body })
    });
    let reading = reading.await.map_err(|error| refuse(ApiError::Internal(error.into())))?;
    Ok(reading?)
}

/// The key that makes a delivery one message, however often it is sent.
fn message_key(id: WebhookId, key: &str) -> ClientMessageId {
    let digest = Sha256::new().chain_update(id.uuid()).chain_update(key).finalize();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    ClientMessageId::from(uuid::Builder::from_custom_bytes(bytes).into_uuid())
}

async fn post(
    state: &AppState,
    delivery: &Delivery<'_>,
    hook: &LiveWebhook,
    key: ClientMessageId,
    mut said: Said,
    may_call: bool,
) -> Result<Message, Refused> {
    if let Some(message) = posted_before(state, hook, key).await? {
        return Ok(message);
    }
    if hook.archived {
        return Err(Refused::Archived);
    }
    let name = own_name(state, hook, said.name.take()).await?;
    said.icon_emoji = said.icon_emoji.filter(|emoji| emoji.parse::<Emoji>().is_ok());
    let Fitted { body, metadata, text_md, whole } =
        fit(hook.id, name, said).map_err(|_| Refused::NoText)?;
    let id = MessageId::new();
    let attachment_ids = match whole {
        Some(whole) => attach(state, hook, id, whole).await?,
        None => Vec::new(),
    };
    let request =
        PostMessage { body_md: body, client_msg_id: key, parent_id: None, attachment_ids };
    let draft = Draft {
        metadata,
        // What stands in a card was written by somebody else than whoever set the sender up: it calls nobody.
        calling: Some(if may_call { &text_md } else { "" }),
        calls_everybody: hook.allow_broadcast,
        id: Some(id),
        ..Draft::of(MessageKind::Webhook, &request)
    };
    let actor = Actor::Webhook(hook.user_id, hook.channel_id);
    let cause = Cause {
        actor_id: Some(hook.user_id),
        at: clock::now(),
        trace_id: TraceId::current(),
        ip: delivery.ip.map(str::to_owned),
    };
    let posted = posting::post(state, &actor, &cause, hook.channel_id, &draft).await;
    if !matches!(&posted, Ok(posted) if !posted.replayed) {
        discard(state, &request.attachment_ids).await;
    }
    match posted {
        Ok(posted) => Ok(posted.message),
        // The same delivery came twice at once, and its files differ by their ids: the other one was first.
        Err(error) => match posted_before(state, hook, key).await? {
            Some(message) => Ok(message),
            None => Err(refuse(error)),
        },
    }
}

/// Takes back what was put into the store for a message that there is not.
async fn discard(state: &AppState, ids: &[AttachmentId]) {
    for id in ids {
        let deleted = async {
            let mut conn = state.db.acquire().await?;
            attachments::delete_unposted(&mut conn, *id).await
        };
        match deleted.await {
            Ok(keys) => state.discard(keys),
            Err(error) => tracing::warn!(%error, %id, "a file without a message is left"),
        }
    }
}

async fn posted_before(
    state: &AppState,
    hook: &LiveWebhook,
    key: ClientMessageId,
) -> Result<Option<Message>, Refused> {
    let read = async {
        let mut conn = state.db.acquire().await?;
        match webhooks::posted_before(&mut conn, hook.user_id, key).await? {
            Some(id) => db::messages::find(&mut conn, Some(hook.user_id), id).await,
            None => Ok(None),
        }
    };
    read.await.map_err(database)
}

/// The name that a delivery brought, if it may carry it. What cannot be a name at all is passed by, and so is a member's name; a word of
/// authority is refused.
async fn own_name(
    state: &AppState,
    hook: &LiveWebhook,
    name: Option<String>,
) -> Result<Option<String>, Refused> {
    let name = name.and_then(|name| name.parse::<DisplayName>().ok()).map(String::from);
    let name = name.filter(|name| *name != hook.name && name.chars().count() <= NAME_MAX_CHARS);
    let Some(name) = name else { return Ok(None) };
    if is_posing(&name) {
        return Err(Refused::Imitation);
    }
    let resembles = state.looks.resembles_member(&state.db, hook.community_id, &name).await;
    // Said under the webhook's own name: otherwise whoever takes the sender's name would silence it.
    Ok((!resembles.map_err(database)?).then_some(name))
}

/// Puts the whole text into the store. A message without it is better than none: when the store is away, the text stays cut.
async fn attach(
    state: &AppState,
    hook: &LiveWebhook,
    message_id: MessageId,
    whole: String,
) -> Result<Vec<AttachmentId>, Refused> {
    let id = AttachmentId::new();
    let key = storage_key(Some(hook.community_id), hook.channel_id, message_id, WHOLE_NAME, &[]);
    let content_type = "text/plain; charset=utf-8";
    let size_bytes = i64::try_from(whole.len()).unwrap_or(i64::MAX);
    let put = state.storage.put(&key, content_type, whole.into());
    let failure = match tokio::time::timeout(STORED_WITHIN, put).await {
        Ok(Ok(())) => None,
        Ok(Err(error)) => Some(error.to_string()),
        Err(_) => Some("the store takes too long".to_owned()),
    };
    if let Some(error) = failure {
        tracing::warn!(error, webhook_id = %hook.id, "the whole text of a delivery was not kept");
        return Ok(Vec::new());
    }
    let file = NewAttachment {
        id,
        channel_id: hook.channel_id,
        user_id: hook.user_id,
        message_id: None,
        filename: WHOLE_NAME,
        content_type,
        size_bytes,
        storage_key: &key,
        thumb_key: None,
        pixels: None,
        created_at: clock::now(),
    };
    let write = async {
        let mut conn = state.db.acquire().await?;
        attachments::insert(&mut conn, &file).await
    };
    write.await.map_err(database)?;
    Ok(vec![id])
}

/// Notes what became of a delivery. Its answer stands if that fails.
async fn record(state: &AppState, id: WebhookId, outcome: &webhooks::Outcome<'_>) {
    let written = async {
        let mut tx = state.db.begin().await?;
        webhooks::record(&mut tx, id, outcome).await?;
        tx.commit().await
    };
    if let Err(error) = written.await {
        tracing::warn!(%error, webhook_id = %id, "a delivery was not written down");
    }
}

fn database(error: sqlx::Error) -> Refused {
    refuse(ApiError::Database(error))
}

/// What went wrong, as the sender is told; what is ours is logged.
fn refuse(error: ApiError) -> Refused {
    match error {
        ApiError::Denied(DenyReason::Archived) => Refused::Archived,
        ApiError::NotFound => Refused::NoService,
        ApiError::Database(error) if db::is_unavailable(&error) => {
            tracing::warn!(%error, "database unavailable");
            Refused::Unavailable
        }
        ApiError::Unavailable(error) => {
            tracing::warn!(error = format!("{error:#}"), "dependency unavailable");
            Refused::Unavailable
        }
        error => {
            tracing::error!(%error, "a delivery failed");
            Refused::Internal
        }
    }
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::InvalidPayload => Self::InvalidPayload,
            Refusal::NoText => Self::NoText,
            Refusal::TooManyAttachments => Self::TooManyAttachments,
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_delivery_has_one_key_and_another_one_another() {
        let (hook, other) = (WebhookId::new(), WebhookId::new());
        assert_eq!(message_key(hook, "a"), message_key(hook, "a"));
        assert_ne!(message_key(hook, "a"), message_key(hook, "b"));
        assert_ne!(message_key(hook, "a"), message_key(other, "a"));
        assert_eq!(Uuid::from(message_key(hook, "a")).get_version_num(), 8);
    }
}
