//! Sessions begin and end here (delivery-and-security.md section 3.1).

use ajet_shared::db::audit::{self, Entry};
use ajet_shared::db::sessions::{self, NewSession, SessionKind};
use ajet_shared::db::{Cause, outbox};
use ajet_shared::events::{Envelope, Event, SessionRevoked};
use ajet_shared::id::{SessionId, UserId};
use ajet_shared::limits::SESSIONS_PER_USER_MAX;
use ajet_shared::token::{Token, TokenKind};
use ajet_shared::verify::{self, VerifyError};
use sqlx::PgConnection;
use time::OffsetDateTime;

use crate::visit::Visit;

/// A new token with its hash, made before the transaction that needs it.
pub(crate) struct Prepared {
    /// The token.
    pub(crate) token: Token,
    hash: String,
}

/// Makes a token.
pub(crate) async fn prepare() -> Result<Prepared, VerifyError> {
    let token = Token::generate(TokenKind::Session);
    let hash = verify::hash(&token).await?;
    Ok(Prepared { token, hash })
}

/// Begins a session and returns when it ends unless it is used. Of too many sessions the oldest end.
pub(crate) async fn begin(
    conn: &mut PgConnection,
    visit: &Visit,
    user_id: UserId,
    kind: SessionKind,
    prepared: &Prepared,
) -> Result<OffsetDateTime, sqlx::Error> {
    let ip = visit.ip.to_string();
    let session = NewSession {
        id: SessionId::new(),
        user_id,
        kind,
        selector: prepared.token.selector(),
        token_hash: &prepared.hash,
        ip: Some(&ip),
        user_agent: visit.user_agent(),
    };
    let expires_at = sessions::insert(conn, &session).await?;
    let cause = visit.cause(Some(user_id));
    for evicted in sessions::evict_oldest(conn, user_id, SESSIONS_PER_USER_MAX).await? {
        announce_end(conn, &cause, user_id, evicted).await?;
    }
    Ok(expires_at)
}

/// Ends a session: its streams close, everywhere. False if it had ended before.
pub(crate) async fn end(
    conn: &mut PgConnection,
    cause: &Cause,
    user_id: UserId,
    id: SessionId,
) -> Result<bool, sqlx::Error> {
    let ended = sessions::delete(conn, user_id, id).await?;
    if ended {
        announce_end(conn, cause, user_id, id).await?;
        audit::insert(conn, cause, &Entry::done("session.ended").on("session", id)).await?;
    }
    Ok(ended)
}

async fn announce_end(
    conn: &mut PgConnection,
    cause: &Cause,
    user_id: UserId,
    id: SessionId,
) -> Result<(), sqlx::Error> {
    let event = Event::SessionRevoked(SessionRevoked { session_id: Some(id) });
    let envelope = Envelope::new(event, cause.actor_id, cause.at).traced(cause.trace_id.clone());
    outbox::push_to(conn, user_id, &envelope).await
}
