//! An api of one test's own: the real [`ajet_api::run_on`] over a database from the template and a NATS server that nobody else uses.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use ajet_shared::db::sessions::{self, NewSession, SessionKind};
use ajet_shared::db::testing::TestDatabase;
use ajet_shared::db::users::{self, NewUser};
use ajet_shared::id::{SessionId, UserId};
use ajet_shared::rate::LimitMode;
use ajet_shared::secret::Secret;
use ajet_shared::token::{Token, TokenKind};
use ajet_shared::user::UserKind;
use ajet_shared::{clock, db, verify};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

/// What the tests' api demands as `X-Ajet-Edge`.
pub(crate) const EDGE_SECRET: &str = "an-edge-secret-of-32-bytes-for-tests";
/// How long a condition may take before a test gives up.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running api. Ends with this value.
pub(crate) struct App {
    /// Where it listens.
    pub(crate) base: String,
    /// Its database.
    pub(crate) db: PgPool,
    http: reqwest::Client,
    shutdown: CancellationToken,
    served: Option<tokio::task::JoinHandle<anyhow::Result<()>>>,
    nats: Nats,
    database: TestDatabase,
}

impl App {
    /// Starts one on a migrated database and waits until it is ready.
    pub(crate) async fn start() -> Self {
        let database = TestDatabase::migrated(&ajet_migrations::fingerprint(), async |url| {
            ajet_migrations::apply(&url).await
        })
        .await
        .expect("a database of the test's own");
        Self::start_on(database).await
    }

    /// Starts one on this database and waits until it is ready.
    pub(crate) async fn start_on(database: TestDatabase) -> Self {
        let nats = Nats::start().await;
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let config = config(&database.url, &nats.url, address);
        let shutdown = CancellationToken::new();
        let served = tokio::spawn(ajet_api::run_on(listener, config, shutdown.clone()));
        let app = Self {
            base: format!("http://{address}"),
            db: db::pool(&database.url, "test").unwrap(),
            http: reqwest::Client::builder().no_proxy().build().unwrap(),
            shutdown,
            served: Some(served),
            nats,
            database,
        };
        eventually("the api is ready", async || {
            let answer = app.http.get(format!("{}/readyz", app.base)).send().await;
            answer.is_ok_and(|answer| answer.status() == StatusCode::OK)
        })
        .await;
        app
    }

    /// Address of the database.
    pub(crate) fn database_url(&self) -> &str {
        &self.database.url
    }

    /// Somebody with an account and a session, both real rows.
    pub(crate) async fn user(&self, username: &str) -> Client {
        let mut conn = self.db.acquire().await.unwrap();
        let new = NewUser {
            id: UserId::new(),
            username: username.parse().unwrap(),
            display_name: username.to_uppercase().parse().unwrap(),
            email: Some(format!("{username}@example.org")),
            avatar_url: None,
            kind: UserKind::Human,
            created_at: clock::now(),
        };
        users::insert(&mut conn, &new).await.unwrap();
        self.sign_in(new.id).await
    }

    /// One more session for an account.
    pub(crate) async fn sign_in(&self, user_id: UserId) -> Client {
        let token = Token::generate(TokenKind::Session);
        let token_hash = verify::hash(&token).await.unwrap();
        let session_id = SessionId::new();
        let session = new_session(session_id, user_id, &token, &token_hash);
        sessions::insert(&mut self.db.acquire().await.unwrap(), &session).await.unwrap();
        Client {
            user_id,
            session_id,
            base: self.base.clone(),
            bearer: Some(token.expose().to_owned()),
            http: self.http.clone(),
        }
    }

    /// Somebody without credentials.
    pub(crate) fn anonymous(&self) -> Client {
        Client {
            user_id: UserId::new(),
            session_id: SessionId::new(),
            base: self.base.clone(),
            bearer: None,
            http: self.http.clone(),
        }
    }

    /// A community of `owner`; returns its id and that of `#general`.
    pub(crate) async fn community(&self, owner: &Client, name: &str) -> (String, String) {
        let community = owner
            .post("/api/communities", json!({ "name": name }))
            .await
            .expect(StatusCode::CREATED);
        let id = text(&community["id"]);
        let channels =
            owner.get(&format!("/api/communities/{id}/channels")).await.expect(StatusCode::OK);
        (id, text(&channels["items"][0]["id"]))
    }

    /// Lets `guest` into the community by an invite of `owner`.
    pub(crate) async fn join(&self, owner: &Client, guest: &Client, community_id: &str) {
        let invite = owner
            .post(&format!("/api/communities/{community_id}/invites"), json!({}))
            .await
            .expect(StatusCode::CREATED);
        guest
            .post("/api/invites/accept", json!({ "code": invite["code"] }))
            .await
            .expect(StatusCode::CREATED);
    }

    /// The outbox, oldest first: type, subject and payload.
    pub(crate) async fn outbox(&self) -> Vec<(String, String, Value)> {
        sqlx::query_as("SELECT type, subject, payload FROM outbox ORDER BY id")
            .fetch_all(&self.db)
            .await
            .unwrap()
    }

    /// The newest event of a type: subject and payload.
    pub(crate) async fn newest(&self, kind: &str) -> (String, Value) {
        let found = self.outbox().await.into_iter().rev().find(|(written, ..)| written == kind);
        let (_, subject, payload) = found.unwrap_or_else(|| panic!("no {kind}"));
        (subject, payload)
    }

    /// Actions in the audit log, oldest first.
    pub(crate) async fn audit(&self) -> Vec<String> {
        sqlx::query_scalar("SELECT action FROM audit_log ORDER BY id")
            .fetch_all(&self.db)
            .await
            .unwrap()
    }

    /// Ends the api and waits for it, as SIGTERM does.
    pub(crate) async fn stop(mut self) -> anyhow::Result<()> {
        self.shutdown.cancel();
        self.served.take().expect("it runs").await?
    }

    /// Where its NATS server listens.
    pub(crate) fn nats_url(&self) -> &str {
        &self.nats.url
    }

    /// Ends this test's NATS server.
    pub(crate) fn stop_nats(&mut self) {
        self.nats.kill();
    }

    /// Starts it again, over what its store holds now.
    pub(crate) async fn restart_nats(&mut self) {
        self.nats.restart().await;
    }

    /// The folder of the NATS server's store.
    pub(crate) fn nats_store(&self) -> PathBuf {
        self.nats.folder.path().join("jetstream")
    }
}

impl App {
    /// One more instance over the same database and NATS server, with settings of its own.
    pub(crate) async fn another(&self, change: impl FnOnce(&mut ajet_api::Config)) -> Instance {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut config = config(&self.database.url, &self.nats.url, address);
        change(&mut config);
        let shutdown = CancellationToken::new();
        let served = tokio::spawn(ajet_api::run_on(listener, config, shutdown.clone()));
        let instance = Instance { base: format!("http://{address}"), shutdown, served };
        eventually("the other api is ready", async || {
            let answer = self.http.get(format!("{}/readyz", instance.base)).send().await;
            answer.is_ok_and(|answer| answer.status() == StatusCode::OK)
        })
        .await;
        instance
    }

    /// Ends this instance as SIGTERM does; its servers stay.
    pub(crate) async fn end(&mut self) {
        self.shutdown.cancel();
        self.served.take().expect("it runs").await.unwrap().unwrap();
    }

    /// What `/metrics` says of one name.
    pub(crate) async fn metric(&self, name: &str) -> u64 {
        metric_of(&self.http, &self.base, name).await
    }

    /// What another instance says of it.
    pub(crate) async fn metric_at(&self, instance: &Instance, name: &str) -> u64 {
        metric_of(&self.http, &instance.base, name).await
    }
}

async fn metric_of(http: &reqwest::Client, base: &str, name: &str) -> u64 {
    let text = http.get(format!("{base}/metrics")).send().await.unwrap().text().await.unwrap();
    let line =
        text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ').map(str::to_owned));
    line.unwrap_or_else(|| panic!("no metric {name} in {text}")).parse().unwrap()
}

/// One more running api. Ends with this value.
pub(crate) struct Instance {
    base: String,
    shutdown: CancellationToken,
    served: tokio::task::JoinHandle<anyhow::Result<()>>,
}

impl Drop for Instance {
    fn drop(&mut self) {
        self.shutdown.cancel();
        self.served.abort();
    }
}

impl Drop for App {
    fn drop(&mut self) {
        self.shutdown.cancel();
        if let Some(served) = self.served.take() {
            served.abort();
        }
    }
}

fn new_session<'a>(
    id: SessionId,
    user_id: UserId,
    token: &'a Token,
    token_hash: &'a str,
) -> NewSession<'a> {
    NewSession {
        id,
        user_id,
        kind: SessionKind::Terminal,
        selector: token.selector(),
        token_hash,
        ip: None,
        user_agent: Some("test"),
    }
}

/// Settings of an api over these servers.
pub(crate) fn config(
    database_url: &str,
    nats_url: &str,
    listen: std::net::SocketAddr,
) -> ajet_api::Config {
    let s3 = |name: &str, default: &str| {
        std::env::var(format!("AJET_TEST_S3_{name}")).unwrap_or_else(|_| default.to_owned())
    };
    ajet_api::Config {
        listen,
        public_url: "http://chat.example.org".to_owned(),
        database_url: Secret::from(database_url.to_owned()),
        nats_url: Secret::from(nats_url.to_owned()),
        s3_url: s3("URL", "http://127.0.0.1:9"),
        s3_bucket: s3("BUCKET", "ajet"),
        s3_region: s3("REGION", "us-east-1"),
        s3_access_key: Secret::from(s3("ACCESS_KEY", "ajet")),
        s3_secret_key: Secret::from(s3("SECRET_KEY", "not-a-secret")),
        edge_secret: Secret::from(EDGE_SECRET.to_owned()),
        limits: LimitMode::Relaxed,
        limit_mention: "200/3600".parse().unwrap(),
        limit_dm_new: "20/3600".parse().unwrap(),
        limit_invite_create: "20/86400".parse().unwrap(),
        limit_search: "20/60".parse().unwrap(),
    }
}

/// Somebody who calls the api.
#[derive(Clone)]
pub(crate) struct Client {
    /// Whose account.
    pub(crate) user_id: UserId,
    /// Which session.
    pub(crate) session_id: SessionId,
    /// The token.
    pub(crate) bearer: Option<String>,
    base: String,
    http: reqwest::Client,
}

impl Client {
    /// The same person at another instance.
    pub(crate) fn at(&self, instance: &Instance) -> Self {
        Self { base: instance.base.clone(), ..self.clone() }
    }

    /// Whoever comes with this token.
    pub(crate) fn with_bearer(&self, token: &str) -> Self {
        Self { bearer: Some(token.to_owned()), ..self.clone() }
    }

    /// Posts with an `Idempotency-Key`.
    pub(crate) async fn post_once(&self, key: &str, path: &str, body: Value) -> Answer {
        let request = self.request(Method::POST, path).header("Idempotency-Key", key).json(&body);
        Answer::read(request.send().await.unwrap()).await
    }

    /// Sends a request as this person.
    pub(crate) async fn send(&self, method: Method, path: &str, body: Option<Value>) -> Answer {
        let mut request = self.request(method, path);
        if let Some(body) = body {
            request = request.json(&body);
        }
        Answer::read(request.send().await.unwrap()).await
    }

    fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let mut request = self
            .http
            .request(method, format!("{}{path}", self.base))
            .header("X-Ajet-Edge", EDGE_SECRET);
        if let Some(bearer) = &self.bearer {
            request = request.bearer_auth(bearer);
        }
        request
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, None).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.send(Method::POST, path, Some(body)).await
    }

    pub(crate) async fn patch(&self, path: &str, body: Value) -> Answer {
        self.send(Method::PATCH, path, Some(body)).await
    }

    pub(crate) async fn put(&self, path: &str) -> Answer {
        self.send(Method::PUT, path, None).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.send(Method::DELETE, path, None).await
    }
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: reqwest::header::HeaderMap,
    /// The body as JSON, null if it is none.
    pub(crate) body: Value,
    pub(crate) bytes: Vec<u8>,
}

impl Answer {
    async fn read(response: reqwest::Response) -> Self {
        let (status, headers) = (response.status(), response.headers().clone());
        let bytes = response.bytes().await.unwrap().to_vec();
        Self { status, headers, body: serde_json::from_slice(&bytes).unwrap_or(Value::Null), bytes }
    }

    /// The body, if the status is this one.
    #[track_caller]
    pub(crate) fn expect(self, status: StatusCode) -> Value {
        assert_eq!(self.status, status, "{}", String::from_utf8_lossy(&self.bytes));
        self.body
    }

    /// The answer is a problem of this status and kind.
    #[track_caller]
    pub(crate) fn expect_problem(self, status: u16, slug: &str) {
        assert_eq!(self.headers["content-type"], "application/problem+json", "{self:?}");
        let trace_id = self.body["trace_id"].as_str().expect("a trace id");
        assert_eq!(self.headers["x-trace-id"], trace_id);
        assert_eq!(
            (self.status.as_u16(), self.body["type"].as_str()),
            (status, Some(format!("/problems/{slug}").as_str())),
            "{}",
            self.body
        );
    }

    /// The answer without what differs from request to request, for comparing what must look the same.
    pub(crate) fn without_trace(&self) -> (StatusCode, Value) {
        let mut body = self.body.clone();
        if let Some(object) = body.as_object_mut() {
            object.remove("trace_id");
        }
        (self.status, body)
    }
}

/// The string of a JSON value.
#[track_caller]
pub(crate) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("not a string: {value}")).to_owned()
}

/// Waits for a condition; never sleeps for luck.
pub(crate) async fn eventually(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while !condition().await {
        assert!(tokio::time::Instant::now() < deadline, "timed out: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A NATS server of one test's own, because the relays of two databases must not share a stream.
struct Nats {
    process: Child,
    url: String,
    folder: tempfile::TempDir,
}

impl Nats {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (process, url) = Self::launch(folder.path(), "-1").await;
        Self { process, url, folder }
    }

    /// Starts it again at the same address over the same store.
    async fn restart(&mut self) {
        self.kill();
        let port = self.url.rsplit(':').next().unwrap().to_owned();
        (self.process, self.url) = Self::launch(self.folder.path(), &port).await;
    }

    async fn launch(folder: &Path, port: &str) -> (Child, String) {
        let program = std::env::var_os("AJET_TEST_NATS_SERVER")
            .map_or_else(|| PathBuf::from("nats-server"), PathBuf::from);
        let process = Command::new(program)
            .args(["-a", "127.0.0.1", "-p", port, "-js", "-sd"])
            .arg(folder)
            .arg("--ports_file_dir")
            .arg(folder)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("nats-server; run the tests by `cargo xtask test integration`");
        let ports = folder.join(format!("nats-server_{}.ports", process.id()));
        let mut url = None;
        eventually("nats-server listens", async || {
            let ports: Option<Value> =
                std::fs::read(&ports).ok().and_then(|text| serde_json::from_slice(&text).ok());
            url = ports.and_then(|ports| ports["nats"][0].as_str().map(str::to_owned));
            url.is_some()
        })
        .await;
        (process, url.unwrap_or_default())
    }

    fn kill(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Drop for Nats {
    fn drop(&mut self) {
        self.kill();
    }
}
