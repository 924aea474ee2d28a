//! `ajet-api verify`: walks Postgres, the outbox and the stream, and says whether they agree. Changes nothing and needs no service to be
//! stopped: what is under way while it looks is no difference.

mod compare;
mod report;

use std::time::{Duration, Instant};

use ajet_shared::bus::{Bus, BusError, Delivered, StreamState};
use ajet_shared::db::agreement::{self, ChannelCount, NotedEvent};
use ajet_shared::db::{self, meta, outbox};
use ajet_shared::id::{EventId, MessageId};
use ajet_shared::secret::Secret;
use anyhow::Context as _;
use futures::StreamExt as _;
use serde::Deserialize;
use sqlx::PgPool;

pub use report::{Difference, Kind, Report};

/// What was published within this time must be in the stream. A little less than the stream holds: it forgets while we look.
const HELD: Duration = Duration::from_mins(24 * 60 - 10);
/// An event that waits longer than this waits too long.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often the backlog is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Settings of `ajet-api verify`.
#[derive(Clone, Debug, clap::Parser)]
#[command(
    name = "ajet-api verify",
    version,
    about = "Compares Postgres, the outbox and the stream; ends with 0 if they agree, with 1 if not, with 2 if it cannot tell"
)]
pub struct VerifyConfig {
    /// Postgres.
    #[arg(
        long,
        env = "AJET_DATABASE_URL",
        value_name = "postgres://ajet:password@127.0.0.1:5432/ajet",
        hide_env_values = true
    )]
    pub database_url: Secret,
    /// NATS, with the rights of the api.
    #[arg(
        long,
        env = "AJET_NATS_URL",
        value_name = "nats://api:password@127.0.0.1:4222",
        hide_env_values = true
    )]
    pub nats_url: Secret,
    /// Seconds that the relay may take to publish what waits, before it is compared.
    #[arg(long, value_name = "10", default_value = "10")]
    pub wait: u16,
    /// One JSON object instead of sentences.
    #[arg(long)]
    pub json: bool,
}

/// What was found in the three places, of one moment.
#[derive(Debug)]
struct Evidence {
    epoch: i32,
    rows: Vec<NotedEvent>,
    channels: Vec<ChannelCount>,
    untold: Vec<MessageId>,
    /// As it was before Postgres was read; none if there is none.
    stream: Option<StreamState>,
    /// What it held up to then.
    held: Vec<Held>,
    /// The oldest it has now.
    first_seq: u64,
}

/// An event in the stream.
#[derive(Clone, Copy, Debug)]
struct Held {
    stream_seq: u64,
    epoch: i32,
    /// None if it cannot be read.
    event: Option<Named>,
}

/// What an event says about itself.
#[derive(Clone, Copy, Debug, Deserialize)]
struct Named {
    id: EventId,
    seq: Option<i64>,
}

/// Compares; an error means that it cannot be told.
pub async fn verify(config: &VerifyConfig) -> anyhow::Result<Report> {
    let pool =
        db::pool(config.database_url.expose(), "ajet-api verify").context("AJET_DATABASE_URL")?;
    let bus =
        Bus::connect(config.nats_url.expose(), "ajet-api verify").await.context("AJET_NATS_URL")?;
    wait(&pool, Duration::from_secs(config.wait.into())).await.context("Postgres")?;
    let evidence = gather(&pool, &bus).await?;
    bus.drain().await;
    Ok(compare::compare(&evidence))
}

/// Waits until nothing waits in the outbox.
async fn wait(pool: &PgPool, patience: Duration) -> Result<(), sqlx::Error> {
    let begun = Instant::now();
    let mut conn = pool.acquire().await?;
    while outbox::backlog(&mut conn, 1).await?.0 > 0 && begun.elapsed() < patience {
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Ok(())
}

/// The end of the stream first: what is in it by then, Postgres knows of.
async fn gather(pool: &PgPool, bus: &Bus) -> anyhow::Result<Evidence> {
    let stream = match bus.stream_state().await {
        Ok(stream) => Some(stream),
        Err(BusError::NoStream) => None,
        Err(error) => return Err(error.into()),
    };
    let mut tx = pool.begin().await.context("Postgres")?;
    agreement::freeze(&mut tx).await?;
    let mut evidence = Evidence {
        epoch: meta::epoch(&mut tx).await?,
        rows: agreement::noted(&mut tx, HELD).await?,
        channels: agreement::channels(&mut tx).await?,
        untold: agreement::untold(&mut tx).await?,
        stream,
        held: Vec::new(),
        first_seq: 0,
    };
    tx.commit().await?;
    if let Some(stream) = stream {
        let mut deliveries = bus.replay(stream.first_seq, stream.last_seq).await?;
        while let Some(delivered) = deliveries.next().await {
            evidence.held.push(held(&delivered?));
        }
        evidence.first_seq = bus.stream_state().await?.first_seq;
    }
    Ok(evidence)
}

fn held(delivered: &Delivered) -> Held {
    Held {
        stream_seq: delivered.stream_seq,
        epoch: delivered.epoch,
        event: serde_json::from_slice(&delivered.payload).ok(),
    }
}
