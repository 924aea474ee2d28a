//! The event bus: NATS with `JetStream` (delivery-and-security.md section 2.4).
//!
//! Durable events live in the stream [`STREAM`], a bounded cache that the relay can rebuild from the outbox at any time. Typing and
//! presence are plain NATS. The client reconnects by itself for as long as the process lives; [`Bus::link`] tells when it did.

use std::collections::HashMap;
use std::time::Duration;

use async_nats::jetstream::consumer::{DeliverPolicy, pull, push};
use async_nats::jetstream::context::{ContextBuilder, GetStreamErrorKind, PublishErrorKind};
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::stream::{
    Config, DiscardPolicy, Info, RetentionPolicy, StorageType, Stream,
};
use async_nats::jetstream::{self, ErrorCode};
use async_nats::{Client, ConnectOptions, Event as ClientEvent};
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::BoxStream;
use tokio::sync::watch;

use crate::events::{Envelope, Subject};
use crate::id::EventId;
use crate::position::Position;

/// Name of the stream that holds the durable events.
pub const STREAM: &str = "CHAT";
/// Header of a durable event: the epoch it was published in.
pub const EPOCH_HEADER: &str = "Ajet-Epoch";
/// Header of a durable event of a channel: its place there.
pub const SEQ_HEADER: &str = "Ajet-Seq";
/// Header of a durable event that an earlier epoch had told already.
pub const AGAIN_HEADER: &str = "Ajet-Again";

/// Older servers ignore `filter_subjects` and would deliver everything (stack.md section b).
const SERVER_MIN: (i64, i64) = (2, 10);
/// Key of the epoch in the stream's metadata.
const EPOCH_KEY: &str = "epoch";
/// The relay waits this long for one acknowledgement.
const ACK_TIMEOUT: Duration = Duration::from_secs(1);
/// Requests about the stream itself may take this long.
const ADMIN_TIMEOUT: Duration = Duration::from_secs(5);
/// How long [`Bus::connect`] waits for the first connection before it goes on in the background.
const FIRST_CONNECT: Duration = Duration::from_secs(3);
/// Pause between two attempts to connect.
const RECONNECT_EVERY: Duration = Duration::from_millis(50);
/// Acknowledgements the client may wait for at once; the relay keeps far fewer.
const ACKS_IN_FLIGHT: usize = 256;

const MAX_AGE: Duration = Duration::from_hours(24);
const DUPLICATE_WINDOW: Duration = Duration::from_mins(10);
const MAX_BYTES: i64 = 1 << 30;
const MAX_MESSAGE_BYTES: i32 = 128 * 1024;
/// Servers from 2.15 on allow 1000 consumers unless told otherwise; every session manager and every replay is one.
const MAX_CONSUMERS: i32 = 10_000;

/// Why the bus could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum BusError {
    /// The address cannot be used.
    #[error("the NATS address cannot be used: {0}")]
    Address(String),
    /// The server would deliver events to the wrong readers.
    #[error("nats-server {0} is too old: {min}.{minor} or newer is needed", min = SERVER_MIN.0, minor = SERVER_MIN.1)]
    TooOld(String),
    /// The stream is not there; the relay makes it.
    #[error("the stream {STREAM} does not exist")]
    NoStream,
    /// This message will never be taken, however often it is sent.
    #[error("refused: {0}")]
    Refused(String),
    /// It may work later.
    #[error("NATS: {0}")]
    Unavailable(String),
}

impl BusError {
    fn unavailable(error: impl std::fmt::Display) -> Self {
        Self::Unavailable(error.to_string())
    }
}

/// Whether the bus is connected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Link {
    /// There is a connection now.
    pub up: bool,
    /// How many connections there have been. A new one may lead to a server that lost something.
    pub generation: u64,
}

/// The stream as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamState {
    /// Generation of the stream; none if it was made by somebody else.
    pub epoch: Option<i32>,
    /// Sequence of the oldest event still held; `last_seq + 1` when there is none.
    pub first_seq: u64,
    /// Sequence of the newest event; 0 before the first.
    pub last_seq: u64,
}

impl StreamState {
    /// The newest position.
    #[must_use]
    pub fn position(&self) -> Position {
        Position { epoch: self.epoch.unwrap_or_default(), seq: self.last_seq }
    }

    fn of(info: &Info) -> Self {
        let epoch = info.config.metadata.get(EPOCH_KEY).and_then(|epoch| epoch.parse().ok());
        Self { epoch, first_seq: info.state.first_sequence, last_seq: info.state.last_sequence }
    }
}

/// A durable event on its way into the stream.
#[derive(Clone, Debug)]
pub struct Outgoing<'a> {
    /// Its id; a repeated one is not stored again.
    pub id: EventId,
    /// Where it goes.
    pub subject: &'a str,
    /// Its place in its channel.
    pub channel_seq: Option<i64>,
    /// The epoch it is published in.
    pub epoch: i32,
    /// An earlier epoch had told it, and the stream lost it since.
    pub again: bool,
    /// The envelope as JSON.
    pub payload: Bytes,
}

/// The stream took an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Acknowledged {
    /// Its sequence in the stream.
    pub stream_seq: u64,
    /// The stream had it already; the sequence is that of the first time.
    pub duplicate: bool,
}

/// A durable event as the stream delivers it.
#[derive(Clone, Debug)]
pub struct Delivered {
    /// Its sequence in the stream.
    pub stream_seq: u64,
    /// The epoch it was published in.
    pub epoch: i32,
    /// An earlier epoch had told it: it was committed before this one began.
    pub again: bool,
    /// How many events wait behind it for this consumer.
    pub pending: u64,
    /// Its subject.
    pub subject: async_nats::Subject,
    /// The envelope as JSON.
    pub payload: Bytes,
}

impl Delivered {
    /// Reads what the server says about a message.
    pub fn read(message: &jetstream::Message) -> Result<Self, BusError> {
        let info = message.info().map_err(BusError::unavailable)?;
        let header = |name| message.headers.as_ref().and_then(|headers| headers.get(name));
        let epoch = header(EPOCH_HEADER).and_then(|epoch| epoch.as_str().parse().ok());
        Ok(Self {
            stream_seq: info.stream_sequence,
            epoch: epoch.unwrap_or_default(),
            again: header(AGAIN_HEADER).is_some_and(|again| again.as_str() == "1"),
            pending: info.pending,
            subject: message.subject.clone(),
            payload: message.payload.clone(),
        })
    }
}

/// Events of the stream in order; an error ends it, and the reader goes on with a new one from where it stands.
pub type Deliveries = BoxStream<'static, Result<Delivered, BusError>>;

/// The connection to NATS. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Bus {
    client: Client,
    /// With the patience of administration.
    jetstream: jetstream::Context,
    /// With the patience of the relay.
    publisher: jetstream::Context,
    link: watch::Receiver<Link>,
}

impl Bus {
    /// Connects to `url` (`nats://user:password@host:port`, several separated by commas).
    ///
    /// A server that is away is no error: the client goes on trying. A server that is too old is one.
    pub async fn connect(url: &str, service: &str) -> Result<Self, BusError> {
        let bus = Self::dial(url, service).await?;
        let mut link = bus.link();
        if tokio::time::timeout(FIRST_CONNECT, link.wait_for(|link| link.up)).await.is_ok() {
            bus.check_version()?;
        } else {
            tracing::warn!("NATS is not reachable yet; going on without it");
        }
        Ok(bus)
    }

    /// Begins to connect, and goes on with that in the background.
    pub(crate) async fn dial(url: &str, service: &str) -> Result<Self, BusError> {
        let servers = url
            .split(',')
            .map(|url| url.trim().parse())
            .collect::<Result<Vec<async_nats::ServerAddr>, _>>();
        let servers = servers.map_err(|error| BusError::Address(error.to_string()))?;
        let (sender, link) = watch::channel(Link::default());
        // The client does not take them from the address by itself.
        let credentials = servers.iter().find_map(|server| {
            Some((server.username()?.to_owned(), server.password()?.to_owned()))
        });
        let options = match credentials {
            Some((user, password)) => ConnectOptions::with_user_and_password(user, password),
            None => ConnectOptions::new(),
        };
        let client = options
            .name(service)
            .retry_on_initial_connect()
            .max_reconnects(None)
            .connection_timeout(Duration::from_secs(2))
            .request_timeout(Some(ADMIN_TIMEOUT))
            .ping_interval(Duration::from_secs(10))
            .reconnect_delay_callback(|_| RECONNECT_EVERY)
            .event_callback(move |event| {
                note(&sender, &event);
                std::future::ready(())
            })
            .connect(servers)
            .await
            .map_err(|error| BusError::Address(error.to_string()))?;
        Ok(Self {
            jetstream: ContextBuilder::new().timeout(ADMIN_TIMEOUT).build(client.clone()),
            publisher: ContextBuilder::new()
                .timeout(ACK_TIMEOUT)
                .max_ack_inflight(ACKS_IN_FLIGHT)
                .backpressure_on_inflight(true)
                .build(client.clone()),
            link,
            client,
        })
    }

    /// The client itself, for what this type does not offer.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The `JetStream` context.
    #[must_use]
    pub fn jetstream(&self) -> &jetstream::Context {
        &self.jetstream
    }

    /// Whether there is a connection, and news of that.
    #[must_use]
    pub fn link(&self) -> watch::Receiver<Link> {
        self.link.clone()
    }

    /// There is a connection now.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.link.borrow().up
    }

    /// The stream, for creating consumers; asks nobody.
    pub async fn stream(&self) -> Result<Stream<()>, BusError> {
        self.check_version()?;
        self.jetstream
            .get_stream_no_info(STREAM)
            .await
            .map_err(|error| missing_or_unavailable(error.kind(), &error))
    }

    /// The stream's state; [`BusError::NoStream`] if it is not there.
    pub async fn stream_state(&self) -> Result<StreamState, BusError> {
        Ok(StreamState::of(&self.stream_info().await?))
    }

    /// The newest position: where a reader starts who reads everything else right after.
    pub async fn position(&self) -> Result<Position, BusError> {
        Ok(self.stream_state().await?.position())
    }

    /// Makes the stream, or brings the settings of an existing one up to date, and writes the epoch into its metadata.
    pub async fn ensure_stream(&self, epoch: i32) -> Result<StreamState, BusError> {
        let info = match self.stream_info().await {
            Ok(info) => {
                let wanted = changed(&info.config, epoch);
                if wanted == info.config {
                    info
                } else {
                    self.jetstream.update_stream(wanted).await.map_err(BusError::unavailable)?
                }
            }
            Err(BusError::NoStream) => {
                let created = self
                    .jetstream
                    .create_stream(configuration(epoch))
                    .await
                    .map_err(BusError::unavailable)?;
                created.cached_info().clone()
            }
            Err(error) => return Err(error),
        };
        Ok(StreamState::of(&info))
    }

    /// Removes the stream: for tests that lose it.
    pub async fn delete_stream(&self) -> Result<(), BusError> {
        self.jetstream.delete_stream(STREAM).await.map_err(BusError::unavailable).map(drop)
    }

    /// Publishes a durable event and waits until the stream has it.
    pub async fn publish(&self, event: Outgoing<'_>) -> Result<Acknowledged, BusError> {
        if !self.is_up() {
            // The client would keep it and send it late; the outbox keeps it better.
            return Err(BusError::Unavailable("not connected".to_owned()));
        }
        let mut message = PublishMessage::build()
            .payload(event.payload)
            .message_id(event.id.to_string())
            .header(EPOCH_HEADER, event.epoch.to_string());
        if let Some(seq) = event.channel_seq {
            message = message.header(SEQ_HEADER, seq.to_string());
        }
        if event.again {
            message = message.header(AGAIN_HEADER, "1");
        }
        let sent = self
            .publisher
            .send_publish(event.subject.to_owned(), message)
            .await
            .map_err(|error| publish_error(&error))?;
        let ack = sent.await.map_err(|error| publish_error(&error))?;
        Ok(Acknowledged { stream_seq: ack.sequence, duplicate: ack.duplicate })
    }

    /// Publishes an ephemeral event: typing or presence. Nobody may be listening.
    pub async fn publish_ephemeral(&self, envelope: &Envelope) -> Result<(), BusError> {
        let subject = envelope.subject(None).ok_or_else(|| {
            BusError::Refused(format!("{} belongs nowhere", envelope.event.name()))
        })?;
        let payload =
            serde_json::to_vec(envelope).map_err(|error| BusError::Refused(error.to_string()))?;
        if !self.is_up() {
            return Err(BusError::Unavailable("not connected".to_owned()));
        }
        self.client
            .publish(subject.to_string(), payload.into())
            .await
            .map_err(BusError::unavailable)
    }

    /// Tells the relays of other api instances that there is something in the outbox.
    pub async fn wake_relays(&self) {
        if self.is_up()
            && let Err(error) = self.client.publish(Subject::OUTBOX_WAKE, Bytes::new()).await
        {
            tracing::debug!(%error, "the other relays will find it by themselves");
        }
    }

    /// The wake-up calls of [`wake_relays`](Self::wake_relays).
    pub async fn wake_ups(&self) -> Result<async_nats::Subscriber, BusError> {
        self.client.subscribe(Subject::OUTBOX_WAKE).await.map_err(BusError::unavailable)
    }

    /// All durable events from `from_seq` on (1 is the first), and then those to come, in order.
    ///
    /// Costs the server one consumer: meant for one reader per process. After a lost connection begin anew instead of waiting for
    /// the consumer to notice (stack.md section b, 4).
    pub async fn live(&self, from_seq: u64) -> Result<Deliveries, BusError> {
        let config = push::OrderedConfig {
            deliver_subject: self.client.new_inbox(),
            filter_subjects: durable_subjects(),
            deliver_policy: DeliverPolicy::ByStartSequence { start_sequence: from_seq.max(1) },
            ..Default::default()
        };
        let consumer =
            self.stream().await?.create_consumer(config).await.map_err(BusError::unavailable)?;
        let messages = consumer.messages().await.map_err(BusError::unavailable)?;
        Ok(messages
            .map(|message| Delivered::read(&message.map_err(BusError::unavailable)?))
            .boxed())
    }

    /// The durable events `from_seq ..= to_seq`, in order, then ends. Sequences that the stream no longer has are left out: compare
    /// with [`StreamState::first_seq`] first.
    pub async fn replay(&self, from_seq: u64, to_seq: u64) -> Result<Deliveries, BusError> {
        if from_seq > to_seq {
            return Ok(futures::stream::empty().boxed());
        }
        let config = pull::OrderedConfig {
            filter_subjects: durable_subjects(),
            deliver_policy: DeliverPolicy::ByStartSequence { start_sequence: from_seq.max(1) },
            ..Default::default()
        };
        let consumer =
            self.stream().await?.create_consumer(config).await.map_err(BusError::unavailable)?;
        if consumer.cached_info().num_pending == 0 {
            return Ok(futures::stream::empty().boxed());
        }
        let messages = consumer.messages().await.map_err(BusError::unavailable)?;
        let deliveries =
            messages.map(|message| Delivered::read(&message.map_err(BusError::unavailable)?));
        Ok(until(to_seq, deliveries.boxed()))
    }

    /// Typing and presence of everybody, from now on.
    pub async fn subscribe_ephemeral(
        &self,
    ) -> Result<BoxStream<'static, async_nats::Message>, BusError> {
        let mut subscriptions = Vec::with_capacity(Subject::EPHEMERAL.len());
        for subject in Subject::EPHEMERAL {
            subscriptions
                .push(self.client.subscribe(subject).await.map_err(BusError::unavailable)?);
        }
        Ok(futures::stream::select_all(subscriptions).boxed())
    }

    /// The id of a stored event, if the stream still has it.
    pub async fn event_id_at(&self, stream_seq: u64) -> Result<Option<EventId>, BusError> {
        use async_nats::jetstream::stream::DirectGetErrorKind;
        let found = match self.stream().await?.direct_get(stream_seq).await {
            Ok(message) => message,
            Err(error) if error.kind() == DirectGetErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(BusError::unavailable(error)),
        };
        Ok(found
            .headers
            .get(async_nats::header::NATS_MESSAGE_ID)
            .and_then(|id| id.as_str().parse().ok()))
    }

    /// Sends what is under way and closes the connection.
    pub async fn drain(&self) {
        if self.is_up()
            && let Err(error) = self.client.drain().await
        {
            tracing::debug!(%error, "the NATS connection was gone already");
        }
    }

    async fn stream_info(&self) -> Result<Info, BusError> {
        if !self.is_up() {
            return Err(BusError::Unavailable("not connected".to_owned()));
        }
        self.check_version()?;
        match self.jetstream.get_stream(STREAM).await {
            Ok(stream) => Ok(stream.cached_info().clone()),
            Err(error) => Err(missing_or_unavailable(error.kind(), &error)),
        }
    }

    /// Refuses servers that would deliver events to the wrong readers.
    fn check_version(&self) -> Result<(), BusError> {
        let Some(info) = self.client.try_server_info() else { return Ok(()) };
        if self.client.is_server_compatible(SERVER_MIN.0, SERVER_MIN.1, 0) {
            Ok(())
        } else {
            Err(BusError::TooOld(info.version))
        }
    }
}

/// Follows the client's connection.
fn note(sender: &watch::Sender<Link>, event: &ClientEvent) {
    match event {
        ClientEvent::Connected => {
            sender.send_modify(|link| *link = Link { up: true, generation: link.generation + 1 });
            tracing::info!("NATS is connected");
        }
        ClientEvent::Disconnected | ClientEvent::Closed => {
            sender.send_modify(|link| link.up = false);
            tracing::warn!(%event, "NATS connection");
        }
        ClientEvent::SlowConsumer(_) | ClientEvent::ServerError(_) | ClientEvent::LameDuckMode => {
            tracing::warn!(%event, "NATS");
        }
        // One for every attempt to connect, 20 a second.
        ClientEvent::ClientError(_) | ClientEvent::Draining => tracing::debug!(%event, "NATS"),
    }
}

/// Ends a replay with its last event: the consumer itself would wait for those to come.
fn until(to_seq: u64, deliveries: Deliveries) -> Deliveries {
    futures::stream::unfold(Some(deliveries), move |deliveries| async move {
        let mut deliveries = deliveries?;
        let delivery = deliveries.next().await?;
        let over = match &delivery {
            Ok(delivered) if delivered.stream_seq > to_seq => return None,
            Ok(delivered) => delivered.stream_seq == to_seq || delivered.pending == 0,
            Err(_) => true,
        };
        Some((delivery, (!over).then_some(deliveries)))
    })
    .boxed()
}

fn durable_subjects() -> Vec<String> {
    Subject::DURABLE.map(str::to_owned).to_vec()
}

fn configuration(epoch: i32) -> Config {
    Config {
        name: STREAM.to_owned(),
        subjects: durable_subjects(),
        retention: RetentionPolicy::Limits,
        storage: StorageType::File,
        discard: DiscardPolicy::Old,
        max_age: MAX_AGE,
        max_bytes: MAX_BYTES,
        max_messages: -1,
        max_messages_per_subject: -1,
        max_message_size: MAX_MESSAGE_BYTES,
        max_consumers: MAX_CONSUMERS,
        duplicate_window: DUPLICATE_WINDOW,
        allow_direct: true,
        deny_delete: true,
        deny_purge: true,
        num_replicas: 1,
        metadata: HashMap::from([(EPOCH_KEY.to_owned(), epoch.to_string())]),
        ..Default::default()
    }
}

/// An existing stream's settings with ours in them. What the operator may choose (replicas, placement, size) and what the server
/// added stays, and so does what cannot be changed afterwards.
fn changed(existing: &Config, epoch: i32) -> Config {
    let mut config = existing.clone();
    let ours = configuration(epoch);
    config.subjects = ours.subjects;
    config.max_age = ours.max_age;
    config.max_message_size = ours.max_message_size;
    config.duplicate_window = ours.duplicate_window;
    config.allow_direct = ours.allow_direct;
    config.metadata.insert(EPOCH_KEY.to_owned(), epoch.to_string());
    config
}

fn missing_or_unavailable(kind: GetStreamErrorKind, error: &dyn std::fmt::Display) -> BusError {
    match kind {
        GetStreamErrorKind::JetStream(error)
            if error.error_code() == ErrorCode::STREAM_NOT_FOUND =>
        {
            BusError::NoStream
        }
        _ => BusError::unavailable(error),
    }
}

/// Tells a message that will never be taken from a server that cannot take it now.
fn publish_error(error: &jetstream::context::PublishError) -> BusError {
    use std::error::Error as _;
    let answer = error.source().and_then(|source| source.downcast_ref::<jetstream::Error>());
    match (error.kind(), answer) {
        (PublishErrorKind::StreamNotFound, _) => BusError::NoStream,
        (PublishErrorKind::MaxPayloadExceeded, _) => BusError::Refused(error.to_string()),
        (_, Some(answer)) if answer.error_code() == ErrorCode::STREAM_MESSAGE_EXCEEDS_MAXIMUM => {
            BusError::Refused(answer.to_string())
        }
        (_, Some(answer)) if answer.error_code() == ErrorCode::STREAM_NOT_FOUND => {
            BusError::NoStream
        }
        (_, Some(answer)) => BusError::unavailable(answer),
        (_, None) => BusError::unavailable(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_existing_stream_keeps_what_its_operator_chose() {
        let existing = Config { num_replicas: 3, max_bytes: 5, ..configuration(1) };
        let wanted = changed(&existing, 2);
        assert_eq!((wanted.num_replicas, wanted.max_bytes), (3, 5));
        assert_eq!(wanted.metadata.get(EPOCH_KEY).map(String::as_str), Some("2"));
        assert_eq!(changed(&existing, 1), existing);
    }
}
