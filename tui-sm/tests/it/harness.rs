//! A NATS server, a stand-in for the api and the service itself, all of one test's own.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ajet_shared::bus::{Bus, Outgoing};
use ajet_shared::clock;
use ajet_shared::events::{Envelope, Event, MemberChanged, MemberScope, Subject};
use ajet_shared::id::{ChannelId, ClientMessageId, CommunityId, MessageId, SessionId, UserId};
use ajet_shared::message::{Message, MessageKind};
use ajet_shared::position::Position;
use ajet_shared::secret::Secret;
use ajet_shared::user::{Author, UserKind};
use axum::http::HeaderMap;
use futures::StreamExt as _;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::api::{self, Api, Rights};
use crate::nats::Nats;

/// No test waits longer than this for anything.
pub(crate) const PATIENCE: Duration = Duration::from_secs(15);
const EDGE: &str = "edge-secret";

/// Waits for a condition; never sleeps for luck.
pub(crate) async fn eventually(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while !condition().await {
        assert!(tokio::time::Instant::now() < deadline, "timed out: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Everything one test needs.
pub(crate) struct World {
    pub(crate) nats: Nats,
    pub(crate) bus: Bus,
    pub(crate) epoch: i32,
    pub(crate) community: CommunityId,
    people: Arc<Mutex<HashMap<String, Rights>>>,
    asked: Arc<AtomicUsize>,
    seqs: HashMap<ChannelId, i64>,
    api: SocketAddr,
    service: Option<Service>,
    gap_patience: Duration,
    http: reqwest::Client,
}

struct Service {
    address: SocketAddr,
    shutdown: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

impl World {
    pub(crate) async fn start() -> Self {
        Self::start_with(Duration::from_millis(250)).await
    }

    /// With a service that waits for what is missing for as long as a test may take.
    pub(crate) async fn patient() -> Self {
        Self::start_with(PATIENCE * 2).await
    }

    async fn start_with(gap_patience: Duration) -> Self {
        let nats = Nats::start().await;
        let bus = Bus::connect(&nats.url, "test").await.unwrap();
        bus.ensure_stream(1).await.unwrap();
        let people = Arc::<Mutex<HashMap<String, Rights>>>::default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let api = listener.local_addr().unwrap();
        let asked = Arc::<AtomicUsize>::default();
        let (people_of_api, bus_of_api) = (people.clone(), bus.clone());
        let router =
            api::routes(Api { people: people_of_api, bus: bus_of_api, asked: asked.clone() });
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        let mut world = Self {
            nats,
            bus,
            epoch: 1,
            community: CommunityId::new(),
            people,
            asked,
            seqs: HashMap::new(),
            api,
            service: None,
            gap_patience,
            http: reqwest::Client::new(),
        };
        world.start_service().await;
        world
    }

    pub(crate) async fn start_service(&mut self) {
        let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let config = ajet_tui_sm::Config {
            listen: free,
            public_url: "http://127.0.0.1".to_owned(),
            nats_url: Secret::from(self.nats.url.clone()),
            api_upstreams: vec![format!("http://{}", self.api).parse().unwrap()],
            edge_secret: Secret::from(EDGE.to_owned()),
            hub: ajet_shared::hub::Settings {
                presence_seconds: 1,
                gap_patience: self.gap_patience,
            },
        };
        let shutdown = CancellationToken::new();
        let task = tokio::spawn({
            let shutdown = shutdown.clone();
            async move { ajet_tui_sm::run(config, shutdown).await.unwrap() }
        });
        self.service = Some(Service { address: free, shutdown, task });
        eventually("the service is ready", async || self.is_ready().await).await;
    }

    pub(crate) async fn is_ready(&self) -> bool {
        let url = format!("http://{}/readyz", self.address());
        self.http.get(url).send().await.is_ok_and(|response| response.status() == 200)
    }

    /// Stops the service and waits until it has ended.
    pub(crate) async fn stop_service(&mut self) {
        let service = self.service.take().unwrap();
        service.shutdown.cancel();
        tokio::time::timeout(PATIENCE, service.task).await.expect("the service stops").unwrap();
    }

    /// Begins to stop the service.
    pub(crate) fn begin_shutdown(&self) {
        self.service.as_ref().unwrap().shutdown.cancel();
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.service.as_ref().unwrap().address
    }

    /// Lets somebody in by this token.
    pub(crate) fn person(&self, token: &str, joined: &[ChannelId]) -> UserId {
        let user_id = UserId::new();
        let rights = Rights {
            user_id: Some(user_id),
            session_id: Some(SessionId::new()),
            community: Some(self.community),
            joined: joined.to_vec(),
            ..Rights::default()
        };
        self.people.lock().unwrap().insert(token.to_owned(), rights);
        user_id
    }

    /// Changes what the api knows of somebody.
    pub(crate) fn change(&self, token: &str, change: impl FnOnce(&mut Rights)) {
        change(self.people.lock().unwrap().get_mut(token).unwrap());
    }

    /// How often the api was asked what somebody may see.
    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }

    pub(crate) fn rights(&self, token: &str) -> Rights {
        self.people.lock().unwrap()[token].clone()
    }

    /// The api knows the token no more.
    pub(crate) fn sign_out(&self, token: &str) {
        self.people.lock().unwrap().remove(token);
    }

    pub(crate) fn request(
        &self,
        method: reqwest::Method,
        path: &str,
        token: &str,
    ) -> reqwest::RequestBuilder {
        self.http
            .request(method, format!("http://{}{path}", self.address()))
            .header("x-ajet-edge", EDGE)
            .bearer_auth(token)
    }

    /// Opens a stream.
    pub(crate) async fn stream(
        &self,
        token: &str,
        query: &str,
        last_event_id: Option<Position>,
    ) -> Stream {
        let mut request =
            self.request(reqwest::Method::GET, &format!("/ws/tui/events{query}"), token);
        if let Some(id) = last_event_id {
            request = request.header("last-event-id", id.to_string());
        }
        let response = tokio::time::timeout(PATIENCE, request.send()).await.unwrap().unwrap();
        assert_eq!(response.status(), 200);
        Stream::new(response)
    }

    /// Opens a stream from now and reads its `ready`.
    pub(crate) async fn live(&self, token: &str) -> Stream {
        let mut stream = self.stream(token, "", None).await;
        assert_eq!(stream.next().await.name, "ready");
        stream
    }

    /// The next number of a channel.
    pub(crate) fn next_seq(&mut self, channel: ChannelId) -> i64 {
        let seq = self.seqs.entry(channel).or_default();
        *seq += 1;
        *seq
    }

    /// Publishes an event as the relay would; returns its position.
    pub(crate) async fn publish(&self, subject: Subject, envelope: &Envelope) -> Position {
        let outgoing = Outgoing {
            id: envelope.id,
            subject: &subject.to_string(),
            channel_seq: envelope.seq,
            epoch: self.epoch,
            again: false,
            payload: serde_json::to_vec(envelope).unwrap().into(),
        };
        let acknowledged = self.bus.publish(outgoing).await.unwrap();
        Position { epoch: self.epoch, seq: acknowledged.stream_seq }
    }

    /// Somebody writes in a channel of the community.
    pub(crate) async fn write(
        &mut self,
        channel: ChannelId,
        author: UserId,
        body: &str,
    ) -> Position {
        let seq = self.next_seq(channel);
        self.write_at(channel, author, body, seq).await
    }

    pub(crate) async fn write_at(
        &self,
        channel: ChannelId,
        author: UserId,
        body: &str,
        seq: i64,
    ) -> Position {
        let event = Event::MessageCreated(message(channel, author, body, seq));
        let envelope = Envelope::new(event, Some(author), clock::now()).in_channel(
            Some(self.community),
            channel,
            seq,
        );
        self.publish(Subject::Events(self.community), &envelope).await
    }

    pub(crate) async fn kick(&mut self, channel: ChannelId, user_id: UserId) -> Position {
        let seq = self.next_seq(channel);
        let change = MemberChanged {
            scope: MemberScope::Channel,
            user_id,
            user: author(user_id),
            role: None,
            channel: None,
        };
        let envelope = Envelope::new(Event::MemberRemoved(change), None, clock::now()).in_channel(
            Some(self.community),
            channel,
            seq,
        );
        self.publish(Subject::Events(self.community), &envelope).await
    }

    pub(crate) async fn metrics(&self) -> String {
        self.http
            .get(format!("http://{}/metrics", self.address()))
            .send()
            .await
            .unwrap()
            .text()
            .await
            .unwrap()
    }
}

pub(crate) fn author(id: UserId) -> Author {
    Author {
        id,
        username: "ada".to_owned(),
        display_name: "Ada".to_owned(),
        avatar_url: None,
        kind: UserKind::Human,
    }
}

pub(crate) fn message(channel_id: ChannelId, by: UserId, body: &str, seq: i64) -> Message {
    Message {
        id: MessageId::new(),
        channel_id,
        seq,
        parent_id: None,
        author: author(by),
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

/// An open stream of events.
pub(crate) struct Stream {
    pub(crate) response_headers: HeaderMap,
    body: futures::stream::BoxStream<'static, reqwest::Result<bytes::Bytes>>,
    buffer: String,
}

/// One event of the stream.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Frame {
    pub(crate) name: String,
    pub(crate) id: Option<Position>,
    pub(crate) retry: Option<u64>,
    pub(crate) data: Value,
}

impl Frame {
    /// The body of the message it carries.
    pub(crate) fn body(&self) -> &str {
        self.data["data"]["body_md"].as_str().unwrap_or_default()
    }
}

impl Stream {
    fn new(response: reqwest::Response) -> Self {
        Self {
            response_headers: response.headers().clone(),
            body: response.bytes_stream().boxed(),
            buffer: String::new(),
        }
    }

    /// The next block as it came; none at the end of the stream.
    pub(crate) async fn block(&mut self) -> Option<Frame> {
        loop {
            if let Some((block, rest)) = self.buffer.split_once("\n\n") {
                let (frame, rest) = (parse(block), rest.to_owned());
                self.buffer = rest;
                return Some(frame);
            }
            let piece = tokio::time::timeout(PATIENCE, self.body.next())
                .await
                .expect("something comes in time")?;
            self.buffer.push_str(std::str::from_utf8(&piece.ok()?).unwrap());
        }
    }

    /// The next event.
    pub(crate) async fn next(&mut self) -> Frame {
        loop {
            let frame = self.block().await.expect("the stream goes on");
            if !frame.name.is_empty() {
                return frame;
            }
        }
    }

    /// The bodies of the next messages.
    pub(crate) async fn bodies(&mut self, count: usize) -> Vec<String> {
        let mut bodies = Vec::new();
        while bodies.len() < count {
            let frame = self.next().await;
            assert_eq!(frame.name, "message.created", "{frame:?}");
            bodies.push(frame.body().to_owned());
        }
        bodies
    }

    /// Nothing comes for this long.
    pub(crate) async fn silence(&mut self, length: Duration) {
        if let Ok(block) = tokio::time::timeout(length, self.block()).await {
            panic!("came: {block:?}");
        }
    }
}

fn parse(block: &str) -> Frame {
    let mut frame = Frame::default();
    for line in block.lines() {
        match line.split_once(": ") {
            Some(("event", name)) => name.clone_into(&mut frame.name),
            Some(("id", id)) => frame.id = Some(id.parse().unwrap()),
            Some(("retry", ms)) => frame.retry = Some(ms.parse().unwrap()),
            Some(("data", data)) => frame.data = serde_json::from_str(data).unwrap(),
            _ => {}
        }
    }
    frame
}
