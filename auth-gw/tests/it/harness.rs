//! A gateway of one test's own with everything around it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ajet_auth_gw::Config;
use ajet_shared::community::Role;
use ajet_shared::db::testing::TestDatabase;
use ajet_shared::db::{self, Cause, invites};
use ajet_shared::token::{Token, TokenKind};
use ajet_shared::verify;
use clap::Parser as _;
use reqwest::header::{COOKIE, LOCATION, SET_COOKIE};
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode};
use sqlx::PgPool;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::provider::Provider;
use crate::upstream;

/// What the services demand as `X-Ajet-Edge`.
pub(crate) const EDGE_SECRET: &str = "an-edge-secret-of-32-bytes-for-tests";
/// What opens the set-up.
pub(crate) const SETUP_TOKEN: &str = "a-setup-token-of-32-bytes-for-the-tests";
pub(crate) const PATIENCE: Duration = Duration::from_secs(15);

/// A running gateway. Ends with this value.
pub(crate) struct Stack {
    /// Where it listens.
    pub(crate) base: String,
    /// Its health.
    pub(crate) admin: String,
    /// Its database.
    pub(crate) db: PgPool,
    /// Its provider.
    pub(crate) provider: Arc<Provider>,
    /// The gateway's way to the database, which can be shut.
    pub(crate) gate: Gate,
    pub(crate) shutdown: CancellationToken,
    pub(crate) served: Option<tokio::task::JoinHandle<anyhow::Result<()>>>,
    _database: TestDatabase,
}

impl Stack {
    /// A gateway with relaxed limits.
    pub(crate) async fn start() -> Self {
        Self::start_with(&["--limits=relaxed"]).await
    }

    /// A gateway with these further settings.
    pub(crate) async fn start_with(settings: &[&str]) -> Self {
        let database = TestDatabase::migrated(&ajet_migrations::fingerprint(), async |url| {
            ajet_migrations::apply(&url).await
        })
        .await
        .expect("a database of the test's own");
        let (provider, provider_url) = Provider::start().await;
        let gate = Gate::start(&database.url).await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let admin = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (base, admin_base) = (
            format!("http://{}", listener.local_addr().unwrap()),
            format!("http://{}", admin.local_addr().unwrap()),
        );
        let upstream = async |name| format!("http://127.0.0.1:{}", upstream::start(name).await);
        let mut args: Vec<String> = [
            ("public-url", base.clone()),
            ("database-url", gate.url.clone()),
            ("edge-secret", EDGE_SECRET.to_owned()),
            ("api-upstreams", upstream("api").await),
            ("web-sm-upstreams", upstream("web-sm").await),
            ("tui-sm-upstreams", upstream("tui-sm").await),
            ("oauth-providers", "dev,other".to_owned()),
            ("setup-token", SETUP_TOKEN.to_owned()),
        ]
        .into_iter()
        .map(|(name, value)| format!("--{name}={value}"))
        .collect();
        for name in ["DEV", "OTHER"] {
            for (field, value) in [
                ("KIND", "dev"),
                ("CLIENT_ID", "id"),
                ("CLIENT_SECRET", "secret"),
                ("BASE_URL", &provider_url),
            ] {
                args.push(format!("--oauth-setting=AJET_OAUTH_{name}_{field}={value}"));
            }
        }
        args.push("--dev".to_owned());
        // Settings of the test replace those above.
        args.retain(|arg| {
            !settings.iter().any(|setting| setting.split('=').next() == arg.split('=').next())
        });
        args.extend(settings.iter().map(|setting| (*setting).to_owned()));
        let config =
            Config::try_parse_from(std::iter::once("auth-gw".to_owned()).chain(args)).unwrap();
        let shutdown = CancellationToken::new();
        let served = tokio::spawn(ajet_auth_gw::run_on(listener, admin, config, shutdown.clone()));
        let db = db::pool(&database.url, "test").unwrap();
        let stack = Self {
            base,
            admin: admin_base,
            db,
            provider,
            gate,
            shutdown,
            served: Some(served),
            _database: database,
        };
        eventually("the gateway is ready", async || {
            let answer = client().get(format!("{}/readyz", stack.admin)).send().await;
            answer.is_ok_and(|answer| answer.status() == StatusCode::OK)
        })
        .await;
        stack
    }

    /// A browser nobody has signed in with.
    pub(crate) fn browser(&self) -> Browser {
        Browser { base: self.base.clone(), cookies: BTreeMap::new(), http: client() }
    }

    /// The owner of a community that the set-up made.
    pub(crate) async fn owner(&self) -> Browser {
        let mut browser = self.browser();
        let answer = browser.set_up("owner", "Saltmarsh Labs", "saltmarsh").await;
        assert_eq!(answer.status(), StatusCode::OK, "{}", answer.text().await.unwrap());
        browser
    }

    /// An invite code of the only community.
    pub(crate) async fn invite(&self, max_uses: Option<i32>) -> String {
        let token = Token::generate(TokenKind::Invite);
        let hash = verify::hash(&token).await.unwrap();
        let mut conn = self.db.acquire().await.unwrap();
        let (community_id, owner): (uuid::Uuid, uuid::Uuid) = sqlx::query_as(
            "SELECT community_id, user_id FROM community_members WHERE role = 'owner'",
        )
        .fetch_one(&mut *conn)
        .await
        .unwrap();
        let new = invites::NewInvite {
            community_id: community_id.into(),
            selector: token.selector(),
            token_hash: &hash,
            role: Role::Member,
            max_uses,
            life: None,
            created_by: owner.into(),
        };
        invites::insert(&mut conn, &Cause::by(owner.into()), &new).await.unwrap();
        token.expose().to_owned()
    }

    /// One number from the database.
    pub(crate) async fn count(&self, sql: &'static str) -> i64 {
        sqlx::query_scalar(sql).fetch_one(&self.db).await.unwrap()
    }

    /// Actions in the audit log with their outcome, oldest first.
    pub(crate) async fn audit(&self) -> Vec<String> {
        sqlx::query_scalar("SELECT action || ' ' || outcome FROM audit_log ORDER BY id")
            .fetch_all(&self.db)
            .await
            .unwrap()
    }

    /// Sends bytes as they are and reads until the connection ends, or the answer is whole and the connection goes on.
    pub(crate) async fn raw(&self, bytes: &[u8]) -> String {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let mut stream =
            tokio::net::TcpStream::connect(self.base.trim_start_matches("http://")).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        let mut answer = Vec::new();
        let mut chunk = [0; 4096];
        while !is_whole(&answer) {
            let read = tokio::time::timeout(PATIENCE, stream.read(&mut chunk)).await;
            match read.expect("an answer, or the end").unwrap_or(0) {
                0 => {
                    answer.extend(b"<closed>");
                    break;
                }
                read => answer.extend(&chunk[..read]),
            }
        }
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// The host with its port.
    pub(crate) fn host(&self) -> &str {
        self.base.trim_start_matches("http://")
    }
}

/// The answer is there by its own length, and says that the connection goes on after it.
fn is_whole(answer: &[u8]) -> bool {
    let text = String::from_utf8_lossy(answer).to_lowercase();
    text.split_once("\r\n\r\n").is_some_and(|(head, body)| {
        let field = |name: &str| head.lines().find_map(|line| line.strip_prefix(name));
        let length = field("content-length: ").and_then(|length| length.parse().ok());
        field("connection: ") != Some("close") && length.is_some_and(|length| body.len() >= length)
    })
}

impl Drop for Stack {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

/// Passes connections on to a server, cuts them, or lets them hang.
pub(crate) struct Gate {
    /// The server's address through this gate.
    pub(crate) url: String,
    flow: tokio::sync::watch::Sender<Flow>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Flow {
    Open,
    Shut,
    Stalled,
}

impl Gate {
    async fn start(server: &str) -> Self {
        let mut url = url::Url::parse(server).unwrap();
        let server = format!("{}:{}", url.host_str().unwrap(), url.port().unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        url.set_host(Some("127.0.0.1")).unwrap();
        url.set_port(Some(listener.local_addr().unwrap().port())).unwrap();
        let (flow, flowing) = tokio::sync::watch::channel(Flow::Open);
        tokio::spawn(async move {
            while let Ok((mut inside, _)) = listener.accept().await {
                let (server, mut flowing) = (server.clone(), flowing.clone());
                tokio::spawn(async move {
                    let flow = *flowing.wait_for(|flow| *flow != Flow::Stalled).await.unwrap();
                    if flow == Flow::Shut {
                        return;
                    }
                    let mut outside = tokio::net::TcpStream::connect(server).await.unwrap();
                    tokio::select! {
                        _ = tokio::io::copy_bidirectional(&mut inside, &mut outside) => {}
                        _ = flowing.wait_for(|flow| *flow != Flow::Open) => {}
                    }
                    // What hangs is cut when the rest goes on.
                    let _ = flowing.wait_for(|flow| *flow != Flow::Stalled).await;
                });
            }
        });
        Self { url: url.to_string(), flow }
    }

    /// Cuts every connection and lets no new one through.
    pub(crate) fn shut(&self) {
        self.flow.send_replace(Flow::Shut);
    }

    /// Takes connections and bytes, and never answers.
    pub(crate) fn stall(&self) {
        self.flow.send_replace(Flow::Stalled);
    }

    /// Lets connections through again.
    pub(crate) fn open(&self) {
        self.flow.send_replace(Flow::Open);
    }
}

fn client() -> Client {
    Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap()
}

/// As much of a browser as the tests need: cookies by name, redirects by hand.
#[derive(Clone)]
pub(crate) struct Browser {
    pub(crate) base: String,
    pub(crate) cookies: BTreeMap<String, String>,
    http: Client,
}

impl Browser {
    /// A request with the cookies.
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.base));
        let cookies: Vec<String> =
            self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        if cookies.is_empty() { request } else { request.header(COOKIE, cookies.join("; ")) }
    }

    /// Sends a request and keeps the cookies of the answer.
    pub(crate) async fn send(&mut self, request: RequestBuilder) -> Response {
        let answer = request.send().await.unwrap();
        for cookie in answer.headers().get_all(SET_COOKIE) {
            let (name, value) =
                cookie.to_str().unwrap().split(';').next().unwrap().split_once('=').unwrap();
            if value.is_empty() {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        answer
    }

    /// Goes to a page.
    pub(crate) async fn open(&mut self, path: &str) -> Response {
        let request = self
            .request(Method::GET, path)
            .header("accept", "text/html")
            .header("sec-fetch-mode", "navigate");
        self.send(request).await
    }

    /// Sends a form from a page of the site.
    pub(crate) async fn submit(&mut self, path: &str, fields: &[(&str, &str)]) -> Response {
        let request = self
            .request(Method::POST, path)
            .header("accept", "text/html")
            .header("sec-fetch-mode", "navigate")
            .header("sec-fetch-site", "same-origin")
            .form(fields);
        self.send(request).await
    }

    /// The address at which the provider sends the browser back.
    pub(crate) async fn through_provider(&mut self, answer: Response, login: &str) -> String {
        assert_eq!(answer.status(), StatusCode::SEE_OTHER, "{}", answer.text().await.unwrap());
        let provider = format!("{}&login={login}", location(&answer));
        let answer = self.http.get(provider).send().await.unwrap();
        location(&answer).trim_start_matches(&self.base).to_owned()
    }

    /// Signs in at the provider; returns the answer of the callback.
    pub(crate) async fn sign_in(&mut self, login: &str, query: &str) -> Response {
        let answer = self.open(&format!("/auth/dev/start{query}")).await;
        let callback = self.through_provider(answer, login).await;
        self.open(&callback).await
    }

    /// Sets the server up; returns the answer of the callback.
    pub(crate) async fn set_up(&mut self, login: &str, name: &str, slug: &str) -> Response {
        let answer = self
            .submit(
                "/setup",
                &[("token", SETUP_TOKEN), ("name", name), ("slug", slug), ("provider", "dev")],
            )
            .await;
        let callback = self.through_provider(answer, login).await;
        self.open(&callback).await
    }

    /// The session's token.
    pub(crate) fn session(&self) -> Option<&str> {
        self.cookies.get("ajet_session").map(String::as_str)
    }

    /// The status of `/api/me` with the cookie.
    pub(crate) async fn status(&mut self) -> StatusCode {
        let request = self.request(Method::GET, "/api/me");
        self.send(request).await.status()
    }
}

/// Where an answer redirects to.
pub(crate) fn location(answer: &Response) -> String {
    answer.headers()[LOCATION].to_str().unwrap().to_owned()
}

/// The kind of a problem.
pub(crate) async fn problem(answer: Response) -> (u16, String) {
    let status = answer.status().as_u16();
    assert_eq!(answer.headers()["content-type"], "application/problem+json");
    let body: serde_json::Value = answer.json().await.unwrap();
    assert_eq!(body["status"], status);
    assert!(body["trace_id"].is_string());
    (status, body["type"].as_str().unwrap().trim_start_matches("/problems/").to_owned())
}

/// Waits for a condition.
pub(crate) async fn eventually(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let began = std::time::Instant::now();
    while !condition().await {
        assert!(began.elapsed() < PATIENCE, "waited in vain: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
