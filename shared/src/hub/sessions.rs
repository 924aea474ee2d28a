//! By which tokens people are connected, and what is kept of those who were a moment ago.
//!
//! A stream that breaks off comes back within seconds. What its reader may see is kept meanwhile and goes on in the order of the stream,
//! so that the next stream with a cursor begins at once: the gateway has verified the token for that request, and everything else is
//! known here. What is in doubt is not kept: then the api is asked.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::task::AbortHandle;

use crate::client::HeaderValue;
use crate::id::{SessionId, UserId};
use crate::user::Author;

/// How long a session is kept after its last stream ended.
pub(super) const KEPT_FOR: Duration = Duration::from_mins(1);
/// Sessions without a stream that are kept; the oldest go first.
pub(super) const KEPT_MAX: usize = 5_000;

/// The credentials a reader came with. They are only compared and never shown.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Token(HeaderValue);

impl Token {
    /// By the `Authorization` header of the request.
    #[must_use]
    pub fn new(authorization: &HeaderValue) -> Self {
        Self(authorization.clone())
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}

/// One token with a stream here, or with one that ended a moment ago.
pub(super) struct Session {
    pub(super) user_id: UserId,
    #[expect(clippy::struct_field_names, reason = "it is the name of the thing everywhere")]
    pub(super) session_id: Option<SessionId>,
    /// The reader as others see them.
    pub(super) me: Author,
    /// Asks the api at once what the reader may see.
    pub(super) doubt: Arc<Notify>,
    id: u64,
    streams: usize,
    left_at: Option<Instant>,
    /// Asks the api from time to time; ends with the session.
    keeper: Option<AbortHandle>,
}

impl Drop for Session {
    fn drop(&mut self) {
        if let Some(keeper) = &self.keeper {
            keeper.abort();
        }
    }
}

impl Session {
    /// Of somebody who comes for the first time.
    pub(super) fn new(
        user_id: UserId,
        session_id: Option<SessionId>,
        me: Author,
        doubt: Arc<Notify>,
    ) -> Self {
        Self { user_id, session_id, me, doubt, id: 0, streams: 0, left_at: None, keeper: None }
    }

    /// It has a stream.
    pub(super) fn is_open(&self) -> bool {
        self.streams > 0
    }

    fn is_over(&self, now: Instant) -> bool {
        self.left_at.is_some_and(|at| now.duration_since(at) >= KEPT_FOR)
    }
}

#[derive(Default)]
pub(super) struct Sessions {
    by_token: HashMap<Token, Session>,
    /// Those that the last stream left, the oldest first. Some have come back since.
    left: VecDeque<(Token, u64, Instant)>,
    next_id: u64,
}

impl Sessions {
    /// The session of a token, unless it ended.
    pub(super) fn get(&self, token: &Token, now: Instant) -> Option<&Session> {
        self.by_token.get(token).filter(|session| !session.is_over(now))
    }

    /// The session of a token, even if its time is over.
    pub(super) fn whatever(&self, token: &Token) -> Option<&Session> {
        self.by_token.get(token)
    }

    pub(super) fn get_mut(&mut self, token: &Token) -> Option<&mut Session> {
        self.by_token.get_mut(token)
    }

    /// A stream begins. `new` makes the session of somebody who comes for the first time; true if that was needed.
    pub(super) fn enter(&mut self, token: &Token, new: impl FnOnce() -> Session) -> bool {
        let id = self.next_id;
        self.next_id += 1;
        let session = self.by_token.entry(token.clone()).or_insert_with(|| {
            let mut session = new();
            session.id = id;
            session
        });
        session.streams += 1;
        session.left_at = None;
        session.id == id
    }

    /// Gives a session its keeper.
    pub(super) fn keep(&mut self, token: &Token, keeper: AbortHandle) {
        match self.by_token.get_mut(token) {
            Some(session) => session.keeper = Some(keeper),
            None => keeper.abort(),
        }
    }

    /// A stream ended that asks by `doubt`. Gives the tokens that are not kept any longer because of it.
    pub(super) fn leave(
        &mut self,
        token: &Token,
        doubt: &Arc<Notify>,
        now: Instant,
    ) -> Option<Token> {
        // The token's session may have ended under the stream, and another one have begun: that one does not count it.
        let session =
            self.by_token.get_mut(token).filter(|session| Arc::ptr_eq(&session.doubt, doubt))?;
        session.streams = session.streams.saturating_sub(1);
        if session.streams > 0 {
            return None;
        }
        session.left_at = Some(now);
        self.left.push_back((token.clone(), session.id, now));
        if self.left.len() > KEPT_MAX { self.pop_oldest() } else { None }
    }

    /// The next token whose time is over, because nobody came back with it.
    pub(super) fn next_over(&mut self, now: Instant) -> Option<Token> {
        while self.left.front().is_some_and(|(.., at)| now.duration_since(*at) >= KEPT_FOR) {
            if let Some(token) = self.pop_oldest() {
                return Some(token);
            }
        }
        None
    }

    fn pop_oldest(&mut self) -> Option<Token> {
        let (token, id, at) = self.left.pop_front()?;
        // It may have come back since, and left again.
        let is_it = |session: &Session| session.id == id && session.left_at == Some(at);
        self.by_token.get(&token).is_some_and(is_it).then_some(token)
    }

    /// Ends a session: whoever comes with its token now is a stranger.
    pub(super) fn remove(&mut self, token: &Token) -> Option<Session> {
        self.by_token.remove(token)
    }

    /// The tokens that are kept without a stream.
    pub(super) fn left(&self) -> Vec<Token> {
        self.by_token
            .iter()
            .filter(|(_, session)| !session.is_open())
            .map(|(token, _)| token.clone())
            .collect()
    }
}
