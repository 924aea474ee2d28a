//! What every handler has at hand, and who is calling.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use ajet_shared::client::{ApiClient, HeaderValue};
use ajet_shared::http::TraceId;
use ajet_shared::hub::{Hub, Token};
use ajet_shared::problem::Problem;
use ajet_shared::sync::Sync;
use ajet_shared::user::Author;
use axum::extract::FromRequestParts;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;

use crate::kept::{KEPT_FOR, Kept, Knowledge};
use crate::renderer::WebRenderer;
use crate::view::names::{Acquainted, Directory};
use crate::view::shell::World;

/// How long a token's owner is remembered for typing, which is too frequent to ask the api each time.
const REMEMBER_CALLER: Duration = Duration::from_mins(1);
/// How many owners are remembered.
const CALLERS_MAX: usize = 10_000;

/// The collaborators of every handler. Cheap to clone.
#[derive(Clone)]
pub(crate) struct App {
    /// The api, without anybody's token.
    pub(crate) api: ApiClient,
    /// Live events.
    pub(crate) hub: Hub<WebRenderer>,
    /// Whose handles are whose.
    pub(crate) directory: Arc<Directory>,
    /// Of which communities the handles were read lately.
    pub(crate) acquainted: Arc<Acquainted>,
    /// Whose tokens were seen in the last minute.
    pub(crate) callers: Arc<Callers>,
    /// What pages knew whose streams broke off.
    pub(crate) kept: Arc<Kept>,
}

impl App {
    /// Keeps for a minute what a page knew whose stream broke off.
    pub(crate) fn keep(&self, token: Token, known: Knowledge) {
        self.kept.put(token.clone(), known, Instant::now());
        let kept = self.kept.clone();
        tokio::spawn(async move {
            tokio::time::sleep(KEPT_FOR).await;
            kept.expire(&token, Instant::now());
        });
    }
}

/// Tokens and their owners, for a short while.
#[derive(Default)]
pub(crate) struct Callers(Mutex<HashMap<HeaderValue, (Instant, Author)>>);

impl Callers {
    fn get(&self, token: &HeaderValue) -> Option<Author> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known
            .get(token)
            .filter(|(at, _)| at.elapsed() < REMEMBER_CALLER)
            .map(|(_, author)| author.clone())
    }

    fn put(&self, token: HeaderValue, author: Author) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= CALLERS_MAX {
            known.retain(|_, (at, _)| at.elapsed() < REMEMBER_CALLER);
        }
        known.insert(token, (Instant::now(), author));
    }
}

/// Somebody with a token. Whether it is good, the api says.
pub(crate) struct Caller {
    /// The api, speaking with the token.
    pub(crate) api: ApiClient,
    token: HeaderValue,
}

impl FromRequestParts<App> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Self::Rejection> {
        let token =
            parts.headers.get(AUTHORIZATION).cloned().ok_or_else(Problem::unauthenticated)?;
        let mut api = app.api.with_authorization(&token);
        if let Some(trace) = TraceId::current() {
            api = api.with_trace(&trace);
        }
        Ok(Self { api, token })
    }
}

impl Caller {
    /// What the caller proved to be somebody with.
    pub(crate) fn token(&self) -> Token {
        Token::new(&self.token)
    }

    /// All that the caller sees; the start of every page and stream.
    pub(crate) async fn sync(&self, app: &App) -> Result<Sync, Problem> {
        let sync = self.api.sync().await?;
        let user = &sync.me.user;
        app.directory.learn_names([(user.id, user.username.as_str())]);
        app.directory.learn(sync.dms.iter().flat_map(|dm| &dm.members));
        Ok(sync)
    }

    /// As [`Self::sync`], as a world with nothing on show yet.
    pub(crate) async fn world(&self, app: &App) -> Result<World, Problem> {
        let world = World::new(self.sync(app).await?);
        app.callers.put(self.token.clone(), world.me.clone());
        Ok(world)
    }

    /// Who this is.
    pub(crate) async fn author(&self, app: &App) -> Result<Author, Problem> {
        match app.hub.owner(&self.token()).or_else(|| app.callers.get(&self.token)) {
            Some(author) => Ok(author),
            None => Ok(self.world(app).await?.me),
        }
    }
}
