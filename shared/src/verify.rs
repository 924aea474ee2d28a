//! Who a bearer token belongs to: the one verifier of the gateway and the api.
//!
//! Cheap things first: a token with a wrong checksum never reaches the database, and bcrypt (cost 6 over the 43-character verifier,
//! delivery-and-security.md head decision 2) runs once per token and process, whose verdict is kept as long as the token is in use.
//! The state of its row (there, not over, user not suspended) is never older than [`STATE_AGE_MAX`], so that a revocation holds
//! everywhere within a second without any message.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};
use sqlx::PgPool;
use time::OffsetDateTime;
use tokio::sync::{Mutex, Semaphore};

use crate::actions::{Actor, Scope};
use crate::db::{api_tokens, sessions, webhooks};
use crate::id::{ApiTokenId, ChannelId, CommunityId, SessionId, UserId, WebhookId};
use crate::token::{Token, TokenKind};

/// The state of a token's row is read again after this time. Source: delivery-and-security.md head decision 2.
pub const STATE_AGE_MAX: Duration = Duration::from_secs(1);
/// The database must answer within this time: a little more than one waits for a connection.
const ANSWER_WITHIN: Duration = Duration::from_millis(2_500);
/// Whoever asks so soon after the database failed gets the same error instead of trying it too.
const FAILURE_AGE_MAX: Duration = Duration::from_millis(500);
/// bcrypt's cost. The secrets have 256 random bits, so that stretching them adds nothing but time.
const BCRYPT_COST: u32 = 6;
/// bcrypt calculations at the same time: the rest of the cores stays free for answers.
const BCRYPT_AT_ONCE: usize = 2;
/// Tokens remembered at most. Source: delivery-and-security.md section 3.1.
const REMEMBERED_MAX: u64 = 50_000;
/// A token that is not used for this long is forgotten.
const REMEMBERED_FOR: Duration = Duration::from_mins(30);

static BCRYPT: Semaphore = Semaphore::const_new(BCRYPT_AT_ONCE);

/// Who asks, proved by a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The account.
    pub user_id: UserId,
    /// The session, if it is one and not an API token.
    pub session_id: Option<SessionId>,
    /// The account with the scopes of an API token.
    pub actor: Actor,
    /// When the token ends unless it is used.
    pub expires_at: OffsetDateTime,
}

/// A webhook, proved by its token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hook {
    /// Which.
    pub id: WebhookId,
    /// Of which community.
    pub community_id: CommunityId,
    /// Where it posts.
    pub channel_id: ChannelId,
    /// As whom it posts.
    pub user_id: UserId,
}

/// Who or what holds a token.
#[derive(Clone, Debug)]
enum Holder {
    Person(Identity),
    Webhook(Hook),
}

/// Why it cannot be said whose a token is.
#[derive(Clone, Debug, thiserror::Error)]
pub enum VerifyError {
    /// The database does not answer.
    #[error("database: {0}")]
    Database(Arc<sqlx::Error>),
    /// The database takes too long.
    #[error("the database takes too long")]
    TimedOut,
    /// bcrypt refused its input or its task died: a damaged hash in the row.
    #[error("bcrypt: {0}")]
    Bcrypt(String),
}

impl From<sqlx::Error> for VerifyError {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(Arc::new(error))
    }
}

impl VerifyError {
    /// The database cannot answer now but may soon.
    #[must_use]
    pub fn is_unavailable(&self) -> bool {
        match self {
            Self::Database(error) => crate::db::is_unavailable(error),
            Self::TimedOut => true,
            Self::Bcrypt(_) => false,
        }
    }
}

/// Verifies tokens and remembers the outcome. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Verifier {
    pool: PgPool,
    remembered: moka::future::Cache<[u8; 32], Arc<Remembered>>,
    hashes_checked: Arc<AtomicU64>,
}

/// What is known of one token.
#[derive(Debug)]
struct Remembered {
    /// The hash that bcrypt compared it with; a row with another one is another token.
    token_hash: String,
    /// bcrypt's verdict.
    genuine: bool,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// When the reading began, or when it failed.
    at: Instant,
    outcome: Result<Option<Holder>, VerifyError>,
}

impl State {
    /// It is good enough for somebody who asked then: not older than the question, or young.
    fn holds(&self, asked_at: Instant) -> bool {
        let age_max = if self.outcome.is_ok() { STATE_AGE_MAX } else { FAILURE_AGE_MAX };
        self.at >= asked_at || self.at.elapsed() < age_max
    }
}

/// A row behind a token: a session, an API token or a webhook.
struct Row {
    id: RowId,
    token_hash: String,
    holder: Holder,
    stale: bool,
}

#[derive(Clone, Copy)]
enum RowId {
    Session(SessionId),
    Token(ApiTokenId),
    Webhook,
}

/// Why nothing is remembered.
#[derive(Clone, Debug)]
enum Unknown {
    NoRow,
    Error(VerifyError),
}

impl Verifier {
    /// A verifier over this database.
    #[must_use]
    pub fn new(pool: PgPool) -> Self {
        let remembered = moka::future::Cache::builder()
            .max_capacity(REMEMBERED_MAX)
            .time_to_idle(REMEMBERED_FOR)
            .build();
        Self { pool, remembered, hashes_checked: Arc::default() }
    }

    /// Whose token this is; none if it is not a valid one.
    pub async fn verify(&self, text: &str) -> Result<Option<Identity>, VerifyError> {
        let Ok(token) = Token::parse_bearer(text) else { return Ok(None) };
        Ok(match self.holder(&token, text).await? {
            Some(Holder::Person(identity)) => Some(identity),
            Some(Holder::Webhook(_)) | None => None,
        })
    }

    /// The webhook that an address stands for; none if it is not a valid one.
    pub async fn verify_webhook(
        &self,
        id: WebhookId,
        text: &str,
    ) -> Result<Option<Hook>, VerifyError> {
        let Ok(token) = Token::parse(TokenKind::Webhook, text) else { return Ok(None) };
        Ok(match self.holder(&token, text).await? {
            Some(Holder::Webhook(hook)) if hook.id == id => Some(hook),
            _ => None,
        })
    }

    async fn holder(&self, token: &Token, text: &str) -> Result<Option<Holder>, VerifyError> {
        let asked_at = Instant::now();
        let key: [u8; 32] = Sha256::digest(text).into();
        // Of many first uses at the same time one reads and calculates, the others wait for it.
        let remembered = match self.remembered.try_get_with(key, self.learn(token)).await {
            Ok(remembered) => remembered,
            Err(unknown) => {
                return match &*unknown {
                    Unknown::NoRow => Ok(None),
                    Unknown::Error(error) => Err(error.clone()),
                };
            }
        };
        if !remembered.genuine {
            return Ok(None);
        }
        let mut state = remembered.state.lock().await;
        if !state.holds(asked_at) {
            // One reads, in a bounded time; those who wait for it share what it finds, a failure too.
            *state = self.look(token, &remembered.token_hash).await;
        }
        let outcome = state.outcome.clone();
        drop(state);
        if matches!(outcome, Ok(None)) {
            self.remembered.invalidate(&key).await;
        }
        outcome
    }

    /// Forgets a token in this process at once, as after signing out.
    pub async fn forget(&self, text: &str) {
        let key: [u8; 32] = Sha256::digest(text).into();
        self.remembered.invalidate(&key).await;
    }

    /// How often bcrypt ran, for metrics.
    #[must_use]
    pub fn hashes_checked(&self) -> u64 {
        self.hashes_checked.load(Ordering::Relaxed)
    }

    async fn learn(&self, token: &Token) -> Result<Arc<Remembered>, Unknown> {
        let at = Instant::now();
        let row = self.read(token).await.map_err(Unknown::Error)?.ok_or(Unknown::NoRow)?;
        self.hashes_checked.fetch_add(1, Ordering::Relaxed);
        let genuine = matches(token, &row.token_hash).await.map_err(Unknown::Error)?;
        if genuine {
            self.touch(&row).await;
        }
        let state = Mutex::new(State { at, outcome: Ok(genuine.then_some(row.holder)) });
        Ok(Arc::new(Remembered { token_hash: row.token_hash, genuine, state }))
    }

    /// The state of the row behind a token that was genuine with this hash.
    async fn look(&self, token: &Token, token_hash: &str) -> State {
        let began_at = Instant::now();
        match self.read(token).await {
            Ok(row) => {
                if let Some(row) = &row {
                    self.touch(row).await;
                }
                let holder = row.filter(|row| row.token_hash == token_hash).map(|row| row.holder);
                State { at: began_at, outcome: Ok(holder) }
            }
            Err(error) => State { at: Instant::now(), outcome: Err(error) },
        }
    }

    async fn read(&self, token: &Token) -> Result<Option<Row>, VerifyError> {
        in_time(async {
            let mut conn = self.pool.acquire().await?;
            let row = match token.kind() {
                TokenKind::Session => {
                    sessions::find_live(&mut conn, token.selector()).await?.map(Row::from)
                }
                TokenKind::Api => {
                    api_tokens::find_live(&mut conn, token.selector()).await?.map(Row::from)
                }
                TokenKind::Webhook => {
                    webhooks::find_live(&mut conn, token.selector()).await?.map(Row::from)
                }
                TokenKind::Invite => None,
            };
            Ok(row)
        })
        .await
    }

    /// Writes down that the token is used. Nobody is turned away because that failed.
    async fn touch(&self, row: &Row) {
        if !row.stale {
            return;
        }
        let written = in_time(async {
            let mut conn = self.pool.acquire().await?;
            match row.id {
                RowId::Session(id) => sessions::touch(&mut conn, id).await,
                RowId::Token(id) => api_tokens::touch(&mut conn, id).await,
                RowId::Webhook => Ok(()),
            }
        });
        if let Err(error) = written.await {
            tracing::warn!(%error, "cannot write down the use of a token");
        }
    }
}

impl From<sessions::LiveSession> for Row {
    fn from(session: sessions::LiveSession) -> Self {
        Self {
            id: RowId::Session(session.id),
            token_hash: session.token_hash,
            holder: Holder::Person(Identity {
                user_id: session.user_id,
                session_id: Some(session.id),
                actor: Actor::User(session.user_id),
                expires_at: session.expires_at,
            }),
            stale: session.stale,
        }
    }
}

impl From<api_tokens::LiveToken> for Row {
    fn from(token: api_tokens::LiveToken) -> Self {
        // A scope of a newer version means nothing here, and so gives nothing.
        let scopes: BTreeSet<Scope> =
            token.scopes.iter().filter_map(|scope| scope.parse().ok()).collect();
        Self {
            id: RowId::Token(token.id),
            token_hash: token.token_hash,
            holder: Holder::Person(Identity {
                user_id: token.user_id,
                session_id: None,
                actor: Actor::Token(token.user_id, scopes),
                expires_at: token.expires_at,
            }),
            stale: token.stale,
        }
    }
}

impl From<webhooks::LiveWebhook> for Row {
    fn from(webhook: webhooks::LiveWebhook) -> Self {
        Self {
            id: RowId::Webhook,
            token_hash: webhook.token_hash,
            holder: Holder::Webhook(Hook {
                id: webhook.id,
                community_id: webhook.community_id,
                channel_id: webhook.channel_id,
                user_id: webhook.user_id,
            }),
            // Its use is written down with each delivery.
            stale: false,
        }
    }
}

/// What the database answers, unless it takes too long. Boxed, because a question in flight is large and most tokens need none.
fn in_time<T>(
    work: impl Future<Output = Result<T, sqlx::Error>>,
) -> impl Future<Output = Result<T, VerifyError>> {
    let answered = tokio::time::timeout(ANSWER_WITHIN, Box::pin(work));
    async { Ok(answered.await.map_err(|_| VerifyError::TimedOut)??) }
}

/// The hash of a token's secret half, as the database keeps it; it names its scheme.
pub async fn hash(token: &Token) -> Result<String, VerifyError> {
    let verifier = token.verifier().to_owned();
    bcrypt_task(move || bcrypt::non_truncating_hash(verifier, BCRYPT_COST)).await
}

/// Whether a token's secret half fits a hash.
pub async fn matches(token: &Token, hash: &str) -> Result<bool, VerifyError> {
    let (verifier, hash) = (token.verifier().to_owned(), hash.to_owned());
    bcrypt_task(move || bcrypt::non_truncating_verify(verifier, &hash)).await
}

async fn bcrypt_task<T: Send + 'static>(
    work: impl FnOnce() -> bcrypt::BcryptResult<T> + Send + 'static,
) -> Result<T, VerifyError> {
    let permit = BCRYPT.acquire().await.map_err(|error| VerifyError::Bcrypt(error.to_string()))?;
    let done = tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| VerifyError::Bcrypt(error.to_string()))?;
    drop(permit);
    done.map_err(|error| VerifyError::Bcrypt(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::{hash, matches};
    use crate::token::{Token, TokenKind};

    #[tokio::test]
    async fn only_the_very_same_verifier_fits() {
        let token = Token::generate(TokenKind::Session);
        let hashed = hash(&token).await.unwrap();
        assert!(hashed.starts_with("$2b$06$"), "the hash names its scheme");
        assert!(matches(&token, &hashed).await.unwrap());
        let mut other = token.expose().to_owned();
        let last = other.pop().unwrap();
        other.push(if last == 'A' { 'B' } else { 'A' });
        let other = Token::parse(TokenKind::Session, &other).unwrap();
        assert!(!matches(&other, &hashed).await.unwrap(), "the last character counts");
    }
}
