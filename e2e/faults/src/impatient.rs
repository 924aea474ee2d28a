//! Somebody impatient: asks for a page, reads and posts, again and again, each with one request, and notes how long each one took and
//! what it was answered. A request that fails or never ends is seen here, where a writer who tries again would hide it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use ajet_shared::channel::{CreateChannel, Visibility};
use ajet_shared::id::{ChannelId, ClientMessageId};
use anyhow::{Context as _, ensure};
use tokio::task::JoinSet;

use crate::{Person, Town};

/// Who waits for longer than this has given up: a request that hangs.
const HANGS: Duration = Duration::from_secs(30);
/// Between an answer and the next request.
const PAUSE: Duration = Duration::from_millis(100);

/// Asks until it is ended.
#[derive(Debug)]
pub struct Impatient {
    asked: Arc<Mutex<Vec<Asked>>>,
    tasks: JoinSet<()>,
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// To post, over REST.
    Post,
    /// To read, over REST.
    Read,
    /// To see a page.
    Page,
    /// To post, as a page does.
    Send,
}

const WISHES: [Wish; 4] = [Wish::Post, Wish::Read, Wish::Page, Wish::Send];

/// One request and what came of it.
#[derive(Clone, Debug)]
pub struct Asked {
    /// What was asked for.
    pub wish: Wish,
    /// When it was sent.
    pub begun: Instant,
    /// How long the answer took.
    pub took: Duration,
    /// The status; none if there was no answer.
    pub status: Option<u16>,
    /// The type of the answer, or why there was none.
    pub kind: String,
}

impl Asked {
    /// It was done.
    #[must_use]
    pub fn is_success(&self) -> bool {
        self.status.is_some_and(|status| (200..300).contains(&status))
    }

    /// It is a post, over REST or from a page.
    #[must_use]
    pub fn is_post(&self) -> bool {
        matches!(self.wish, Wish::Post | Wish::Send)
    }

    /// A refusal that says what is the matter: a problem, or a page for who wanted one.
    #[must_use]
    pub fn tells(&self) -> bool {
        self.kind.starts_with("application/problem+json")
            || (self.wish == Wish::Page && self.kind.starts_with("text/html"))
    }
}

struct Errand {
    person: Person,
    channel: ChannelId,
    path: String,
    origin: String,
    http: reqwest::Client,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Impatient {
    /// Begins, as the first writer of a town, in a channel that nobody else is in. Whoever compares ends it before.
    pub async fn begin(town: &Town, name: &str) -> anyhow::Result<Self> {
        let person = town.writers.first().context("nobody writes")?;
        let visibility = Visibility::Private;
        let new = CreateChannel { name: name.parse()?, visibility, topic: None };
        let mayor = &town.mayor.client;
        let channel = mayor.create_channel(town.community, &new).await?.channel.id;
        mayor.add_channel_member(channel, person.id).await?;
        let asked = Arc::<Mutex<Vec<Asked>>>::default();
        let http =
            reqwest::Client::builder().no_proxy().tcp_nodelay(true).timeout(HANGS).build()?;
        let errand = Arc::new(Errand {
            person: person.clone(),
            channel,
            path: format!("/c/faults/channels/{name}"),
            origin: format!("http://{}", person.host.to_str()?),
            http,
            asked: asked.clone(),
        });
        let mut tasks = JoinSet::new();
        for wish in WISHES {
            let errand = errand.clone();
            tasks.spawn(async move {
                loop {
                    errand.ask(wish).await;
                    tokio::time::sleep(PAUSE).await;
                }
            });
        }
        Ok(Self { asked, tasks })
    }

    /// Everything that was asked and answered so far.
    #[must_use]
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until every kind of request that is sent from now on has been done; how long that took.
    pub async fn is_content(&self, patience: Duration) -> anyhow::Result<Duration> {
        let begun = Instant::now();
        loop {
            let asked = self.asked();
            let done = |wish: &Wish| {
                let mut later = asked.iter().filter(|asked| asked.begun >= begun);
                later.any(|asked| asked.wish == *wish && asked.is_success())
            };
            if WISHES.iter().all(done) {
                return Ok(begun.elapsed());
            }
            let latest = &asked[asked.len().saturating_sub(8)..];
            ensure!(begun.elapsed() <= patience, "not well after {patience:?}: {latest:#?}");
            tokio::time::sleep(PAUSE / 4).await;
        }
    }

    /// Ends it; gives everything that was asked and answered.
    pub async fn end(mut self) -> Vec<Asked> {
        self.tasks.shutdown().await;
        self.asked()
    }
}

impl Errand {
    async fn ask(&self, wish: Wish) {
        let begun = Instant::now();
        let (status, kind) = match self.request(wish).send().await {
            Ok(answer) => {
                let kind = answer.headers().get("content-type").and_then(|kind| kind.to_str().ok());
                let (status, kind) =
                    (answer.status().as_u16(), kind.unwrap_or_default().to_owned());
                // An answer that breaks off is none.
                match answer.bytes().await {
                    Ok(_) => (Some(status), kind),
                    Err(error) => (None, format!("{error:?}")),
                }
            }
            Err(error) => (None, format!("{error:?}")),
        };
        let asked = Asked { wish, begun, took: begun.elapsed(), status, kind };
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).push(asked);
    }

    fn request(&self, wish: Wish) -> reqwest::RequestBuilder {
        let Person { gateway, host, token, .. } = &self.person;
        let channel = self.channel;
        let (method, path) = match wish {
            Wish::Post => (reqwest::Method::POST, format!("/api/channels/{channel}/messages")),
            Wish::Read => (reqwest::Method::GET, format!("/api/channels/{channel}/messages")),
            Wish::Page => (reqwest::Method::GET, self.path.clone()),
            Wish::Send => (reqwest::Method::POST, format!("/channels/{channel}/messages")),
        };
        let request = self.http.request(method, format!("{gateway}{path}"));
        let request = request.header("host", host.clone());
        let text = format!("{wish:?}?");
        let message =
            serde_json::json!({ "body_md": text, "client_msg_id": ClientMessageId::new() });
        let cookie = format!("ajet_session={}", token.expose());
        match wish {
            Wish::Post => request.bearer_auth(token.expose()).json(&message),
            Wish::Read => request.bearer_auth(token.expose()),
            Wish::Page => request.header("cookie", cookie).header("accept", "text/html"),
            Wish::Send => request
                .header("cookie", cookie)
                .header("origin", &self.origin)
                .header("x-ajet-csrf", "1")
                .json(&message),
        }
    }
}
