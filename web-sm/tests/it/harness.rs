//! A NATS server, a stand-in for the api with one community, and the service itself, all of one test's own.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ajet_shared::bus::{Bus, Outgoing};
use ajet_shared::channel::{Channel, ChannelKind, ChannelView, NotifyLevel, Visibility};
use ajet_shared::clock;
use ajet_shared::community::{Community, Role};
use ajet_shared::events::{Envelope, Event, Subject};
use ajet_shared::id::{ChannelId, ClientMessageId, CommunityId, MessageId, UserId};
use ajet_shared::message::{Message, MessageKind};
use ajet_shared::page::Page;
use ajet_shared::position::Position;
use ajet_shared::problem::Problem;
use ajet_shared::sync::{CommunityView, Sync};
use ajet_shared::user::{Author, Me, User, UserKind};
use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Json, Router};
use futures::StreamExt as _;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// No test waits longer than this for anything.
const PATIENCE: Duration = Duration::from_secs(30);
/// What the gateway proves itself with.
pub(crate) const EDGE: &str = "an-edge-secret-of-32-characters!";
/// The only token the stand-in knows.
pub(crate) const TOKEN: &str = "good";

/// Everything one test needs.
pub(crate) struct World {
    nats: Child,
    nats_url: String,
    bus: Bus,
    pub(crate) address: SocketAddr,
    pub(crate) http: reqwest::Client,
    pub(crate) known: Known,
    asked: Asked,
    shutdown: CancellationToken,
    folder: tempfile::TempDir,
}

/// The paths that the stand-in api was asked for.
type Asked = Arc<Mutex<Vec<String>>>;

async fn count(State(asked): State<Asked>, request: Request, next: Next) -> Response {
    asked.lock().unwrap().push(request.uri().path().to_owned());
    next.run(request).await
}

/// What the stand-in api answers.
#[derive(Clone)]
pub(crate) struct Known {
    bus: Bus,
    pub(crate) me: Author,
    pub(crate) lena: Author,
    pub(crate) community: Community,
    pub(crate) channel: ChannelView,
    pub(crate) messages: Vec<Message>,
    is_archived: Arc<AtomicBool>,
}

impl Drop for World {
    fn drop(&mut self) {
        self.shutdown.cancel();
        let _ = self.nats.kill();
        let _ = self.nats.wait();
    }
}

impl World {
    /// With so many messages in the channel.
    pub(crate) async fn start(messages: i64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (nats, nats_url) = start_nats(&folder, "-1").await;
        let bus = Bus::connect(&nats_url, "test").await.unwrap();
        bus.ensure_stream(1).await.unwrap();
        let known = Known::new(bus.clone(), messages);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let api = listener.local_addr().unwrap();
        let asked = Asked::default();
        let router = known.clone().routes().layer(from_fn_with_state(asked.clone(), count));
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        let address = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let config = ajet_web_sm::Config {
            listen: address,
            public_url: "http://127.0.0.1".parse().unwrap(),
            nats_url: nats_url.clone().into(),
            api_upstreams: vec![format!("http://{api}").parse().unwrap()],
            edge_secret: EDGE.to_owned().into(),
            hub: ajet_shared::hub::Settings {
                presence_seconds: 60,
                gap_patience: Duration::from_millis(250),
            },
        };
        let shutdown = CancellationToken::new();
        tokio::spawn(ajet_web_sm::run(config, shutdown.clone()));
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()
            .unwrap();
        let world = Self { nats, nats_url, bus, address, http, known, asked, shutdown, folder };
        eventually("the service is ready", async || {
            world
                .http
                .get(format!("http://{address}/readyz"))
                .send()
                .await
                .is_ok_and(|answer| answer.status() == 200)
        })
        .await;
        world
    }

    /// The power of the NATS server fails.
    pub(crate) fn kill_nats(&mut self) {
        self.nats.kill().unwrap();
        self.nats.wait().unwrap();
    }

    /// It is back, with what it had.
    pub(crate) async fn restart_nats(&mut self) {
        let (_, port) = self.nats_url.rsplit_once(':').unwrap();
        (self.nats, _) = start_nats(&self.folder, port).await;
    }

    /// What the api was asked for since the last time.
    pub(crate) fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }

    /// Waits until so many streams are open.
    pub(crate) async fn streams(&self, open: usize) {
        let (url, wanted) =
            (format!("http://{}/metrics", self.address), format!("hub_connections {open}\n"));
        eventually("so many streams are open", async || {
            let metrics = self.http.get(&url).send().await.unwrap().text().await.unwrap();
            metrics.contains(&wanted)
        })
        .await;
    }

    /// The service is asked to stop.
    pub(crate) fn stop(&self) {
        self.shutdown.cancel();
    }

    /// A request as the gateway passes it on.
    pub(crate) fn get(&self, path: &str) -> reqwest::RequestBuilder {
        self.http.get(format!("http://{}{path}", self.address)).header("x-ajet-edge", EDGE)
    }

    /// A request that acts.
    pub(crate) fn post(&self, path: &str) -> reqwest::RequestBuilder {
        let url = format!("http://{}{path}", self.address);
        self.http.post(url).header("x-ajet-edge", EDGE).bearer_auth(TOKEN)
    }

    /// Tells the reader something.
    pub(crate) async fn tell(&self, event: Event) {
        let envelope = Envelope::new(event, Some(self.known.lena.id), clock::now());
        let outgoing = Outgoing {
            id: envelope.id,
            subject: &Subject::Notifications(self.known.me.id).to_string(),
            channel_seq: None,
            epoch: 1,
            again: false,
            payload: serde_json::to_vec(&envelope).unwrap().into(),
        };
        self.bus.publish(outgoing).await.unwrap();
    }

    /// The page of the channel.
    pub(crate) async fn page(&self) -> String {
        let answer = self.get("/c/labs/channels/general").bearer_auth(TOKEN).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        answer.text().await.unwrap()
    }

    /// The stream that the page opens.
    pub(crate) async fn stream(&self, page: &str, last_event_id: Option<Position>) -> Stream {
        let (_, rest) = page.split_once("@get('").unwrap();
        let (path, _) = rest.split_once('\'').unwrap();
        let mut request = self.get(&path.replace("&amp;", "&")).bearer_auth(TOKEN);
        if let Some(position) = last_event_id {
            request = request.header("last-event-id", position.to_string());
        }
        let answer = request.send().await.unwrap();
        assert_eq!(answer.headers()["content-type"], "text/event-stream");
        Stream { body: answer.bytes_stream().boxed(), text: String::new() }
    }

    /// Lena writes.
    pub(crate) async fn write(&self, seq: i64, body: &str) -> (MessageId, Position) {
        let message = message(&self.known.lena, &self.known.channel, seq, body);
        let id = message.id;
        let (community, channel) = (self.known.community.id, self.known.channel.channel.id);
        let envelope =
            Envelope::new(Event::MessageCreated(message), Some(self.known.lena.id), clock::now())
                .in_channel(Some(community), channel, seq);
        let outgoing = Outgoing {
            id: envelope.id,
            subject: &Subject::Events(community).to_string(),
            channel_seq: envelope.seq,
            epoch: 1,
            again: false,
            payload: serde_json::to_vec(&envelope).unwrap().into(),
        };
        let acknowledged = self.bus.publish(outgoing).await.unwrap();
        (id, Position { epoch: 1, seq: acknowledged.stream_seq })
    }
}

/// Waits for a condition; never sleeps for luck.
async fn eventually(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while !condition().await {
        assert!(tokio::time::Instant::now() < deadline, "timed out: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn start_nats(folder: &tempfile::TempDir, port: &str) -> (Child, String) {
    let program = std::env::var_os("AJET_TEST_NATS_SERVER")
        .map_or_else(|| PathBuf::from("nats-server"), PathBuf::from);
    let process = Command::new(program)
        .args(["-a", "127.0.0.1", "-p", port, "-js", "-sd"])
        .arg(folder.path())
        .arg("--ports_file_dir")
        .arg(folder.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("nats-server; run the tests by `cargo xtask test integration`");
    let ports = folder.path().join(format!("nats-server_{}.ports", process.id()));
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

/// An open stream as text.
pub(crate) struct Stream {
    body: futures::stream::BoxStream<'static, reqwest::Result<bytes::Bytes>>,
    text: String,
}

impl Stream {
    /// Reads until the text holds this, and gives all of it so far.
    pub(crate) async fn until(&mut self, wanted: &str) -> &str {
        let read = async {
            while !self.text.contains(wanted) {
                let piece = self.body.next().await.expect("the stream goes on").unwrap();
                self.text.push_str(std::str::from_utf8(&piece).unwrap());
            }
        };
        assert!(
            tokio::time::timeout(PATIENCE, read).await.is_ok(),
            "no {wanted:?} in {}",
            self.text
        );
        &self.text
    }
}

fn author(name: &str) -> Author {
    Author {
        id: UserId::new(),
        username: name.to_lowercase(),
        display_name: name.to_owned(),
        avatar_url: None,
        kind: UserKind::Human,
    }
}

fn message(author: &Author, channel: &ChannelView, seq: i64, body: &str) -> Message {
    Message {
        id: MessageId::new(),
        channel_id: channel.channel.id,
        seq,
        parent_id: None,
        author: author.clone(),
        kind: MessageKind::Text,
        body_md: body.to_owned(),
        created_at: clock::now(),
        edited_at: None,
        deleted_at: None,
        reply_count: 0,
        last_reply_at: None,
        participants: Vec::new(),
        reactions: Vec::new(),
        attachments: Vec::new(),
        mentions: Vec::new(),
        metadata: Value::Null,
        client_msg_id: Some(ClientMessageId::new()),
    }
}

impl Known {
    /// The profile of somebody.
    pub(crate) fn user(author: &Author) -> User {
        User {
            id: author.id,
            username: author.username.clone(),
            display_name: author.display_name.clone(),
            avatar_url: None,
            kind: UserKind::Human,
            status_text: Some("at sea".into()),
            status_emoji: None,
            online: true,
            created_at: clock::now(),
        }
    }

    fn new(bus: Bus, messages: i64) -> Self {
        let (me, lena) = (author("Ola Brandt"), author("Lena Kowalczyk"));
        let community = Community {
            id: CommunityId::new(),
            name: "Labs".into(),
            slug: "labs".into(),
            members_may_invite: false,
            created_at: clock::now(),
        };
        let channel = Channel {
            id: ChannelId::new(),
            community_id: Some(community.id),
            name: Some("general".into()),
            kind: ChannelKind::Text,
            visibility: Visibility::Public,
            topic: Some("Everything".into()),
            last_seq: messages,
            created_at: clock::now(),
            archived_at: None,
        };
        let channel = ChannelView {
            channel,
            joined: true,
            member_count: 2,
            last_read_seq: messages,
            unread: 0,
            mentions: 0,
            notify_level: NotifyLevel::Mentions,
            members: Vec::new(),
        };
        let text = |n: i64| {
            format!(
                "Message {n}: the **freeze** is at {}:00, `0.9.{n}` goes out after that, see <https://example.org/{n}>",
                n % 24
            )
        };
        let messages = (1..=messages)
            .map(|seq| message(if seq % 3 == 0 { &me } else { &lena }, &channel, seq, &text(seq)))
            .collect();
        let is_archived = Arc::default();
        Self { bus, me, lena, community, channel, messages, is_archived }
    }

    /// From now on the channel is archived, and no event says so.
    pub(crate) fn archive(&self) {
        self.is_archived.store(true, Ordering::Release);
    }

    /// The channel as the api knows it.
    fn channel(&self) -> ChannelView {
        let mut view = self.channel.clone();
        view.channel.archived_at = self.is_archived.load(Ordering::Acquire).then(clock::now);
        view
    }

    fn routes(self) -> Router {
        Router::new()
            .route("/api/sync", get(sync))
            .route("/api/channels/{id}/messages", get(messages))
            .route(
                "/api/channels/{id}/members",
                get(async || Json(Page::<User>::whole(Vec::new()))),
            )
            .route(
                "/api/communities/{id}/members",
                get(async || Json(Page::<ajet_shared::community::Member>::whole(Vec::new()))),
            )
            .route(
                "/api/communities/{id}/channels",
                get(async || Json(Page::<ChannelView>::whole(Vec::new()))),
            )
            .route("/api/heartbeat", post(async || ()))
            .merge(crate::talk::routes())
            .with_state(self)
    }

    pub(crate) fn check(headers: &HeaderMap) -> Result<(), Problem> {
        let given = headers.get("authorization").and_then(|value| value.to_str().ok());
        if given == Some(&format!("Bearer {TOKEN}")) {
            Ok(())
        } else {
            Err(Problem::unauthenticated())
        }
    }
}

async fn sync(State(known): State<Known>, headers: HeaderMap) -> Result<Json<Sync>, Problem> {
    Known::check(&headers)?;
    let channel = known.channel();
    let me = known.me;
    let user = User {
        id: me.id,
        username: me.username,
        display_name: me.display_name,
        avatar_url: None,
        kind: UserKind::Human,
        status_text: None,
        status_emoji: None,
        online: true,
        created_at: clock::now(),
    };
    Ok(Json(Sync {
        cursor: known.bus.position().await.unwrap_or_default(),
        me: Me { user, email: None },
        session_id: None,
        communities: vec![CommunityView {
            community: known.community,
            role: Role::Owner,
            channels: vec![channel],
        }],
        dms: Vec::new(),
        unread_notifications: 0,
        unread_notification_ids: Vec::new(),
    }))
}

async fn messages(
    State(known): State<Known>,
    headers: HeaderMap,
) -> Result<Json<Page<Message>>, Problem> {
    Known::check(&headers)?;
    Ok(Json(Page::whole(known.messages)))
}
