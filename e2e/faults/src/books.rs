//! What a stack notes about itself: its epoch, what waits in the outbox, what its services count.

use std::time::{Duration, Instant};

use ajet_shared::bus::Bus;
use ajet_shared::db::{self, meta};
use anyhow::{Context as _, bail};
use sqlx::PgPool;

use crate::Stack;

/// How often something is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Access to all of it.
#[derive(Clone, Debug)]
pub struct Books {
    /// The database.
    pub db: PgPool,
    stack: Stack,
}

impl Books {
    /// Those of a stack.
    pub fn of(stack: &Stack) -> anyhow::Result<Self> {
        Ok(Self { db: db::pool(&stack.database_url, "ajet-faults")?, stack: stack.clone() })
    }

    /// The bus, with all rights.
    pub async fn bus(&self) -> anyhow::Result<Bus> {
        Ok(Bus::connect(&self.stack.nats_url, "ajet-faults").await?)
    }

    /// The epoch that Postgres is in.
    pub async fn epoch(&self) -> anyhow::Result<i32> {
        Ok(meta::epoch(&mut *self.db.acquire().await?).await?)
    }

    /// How many new epochs the audit log tells of.
    pub async fn audited(&self) -> anyhow::Result<i64> {
        let count = "SELECT count(*) FROM audit_log WHERE action = 'stream.rolled_back'";
        Ok(sqlx::query_scalar(count).fetch_one(&self.db).await?)
    }

    /// Events that wait to be published.
    pub async fn waiting(&self) -> anyhow::Result<i64> {
        let count = "SELECT count(*) FROM outbox WHERE stream_seq IS NULL AND failed_at IS NULL";
        Ok(sqlx::query_scalar(count).fetch_one(&self.db).await?)
    }

    /// A metric of all instances of a service together.
    pub async fn total(&self, services: &[String], metric: &str) -> anyhow::Result<f64> {
        let mut total = 0.0;
        for url in services {
            total += self.stack.metric(url, metric).await.with_context(|| url.clone())?;
        }
        Ok(total)
    }

    /// A metric of the api where it is highest.
    pub async fn highest(&self, metric: &str) -> anyhow::Result<f64> {
        let mut highest = 0.0_f64;
        for url in &self.stack.apis {
            highest = highest.max(self.stack.metric(url, metric).await?);
        }
        Ok(highest)
    }

    /// New epochs that the relays have counted.
    pub async fn rollbacks(&self) -> anyhow::Result<f64> {
        self.total(&self.stack.apis, "chat_stream_rollback_total").await
    }

    /// Waits until Postgres is in this epoch, or a later one.
    pub async fn reaches_epoch(&self, epoch: i32, patience: Duration) -> anyhow::Result<Duration> {
        eventually(&format!("epoch {epoch}"), patience, async || {
            // The database may be on its way back.
            Ok(self.epoch().await.is_ok_and(|now| now >= epoch))
        })
        .await
    }

    /// Waits until nothing waits in the outbox any more.
    pub async fn drained(&self, patience: Duration) -> anyhow::Result<Duration> {
        eventually("an empty outbox", patience, async || Ok(self.waiting().await? == 0)).await
    }
}

/// Waits until something is so; gives how long that took.
pub async fn eventually(
    what: &str,
    patience: Duration,
    mut is_so: impl AsyncFnMut() -> anyhow::Result<bool>,
) -> anyhow::Result<Duration> {
    let begun = Instant::now();
    while !is_so().await? {
        if begun.elapsed() > patience {
            bail!("{what}: not within {patience:?}");
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Ok(begun.elapsed())
}
