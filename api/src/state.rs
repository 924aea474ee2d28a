//! What every handler can reach.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ajet_shared::bus::Bus;
use ajet_shared::db;
use ajet_shared::http::Health;
use ajet_shared::storage::{Storage, StorageConfig};
use ajet_shared::verify::Verifier;
use anyhow::Context as _;
use sqlx::{PgPool, Postgres, Transaction};
use tokio::sync::Notify;

use crate::admission::Posts;
use crate::config::Config;
use crate::error::ApiResult;
use crate::hooks::looks::Looks;
use crate::limits::Limits;
use crate::position::StreamPosition;
use crate::presence::{Heartbeats, Presence};
use crate::searches::Searches;

/// Connections to the database: some are there before anybody needs them, so that it goes on when the database has none left (F14).
const CONNECTIONS: RangeInclusive<u32> = 4..=16;

/// The application's collaborators. Cheap to clone; there is no container.
#[derive(Clone, Debug)]
pub(crate) struct AppState {
    /// Postgres.
    pub(crate) db: PgPool,
    /// NATS.
    pub(crate) bus: Bus,
    /// Where its stream stands.
    pub(crate) position: StreamPosition,
    /// The object store.
    pub(crate) storage: Storage,
    /// Checks bearer tokens.
    pub(crate) verifier: Verifier,
    /// Wakes the relay after a commit that wrote to the outbox.
    pub(crate) outbox_wake: Arc<Notify>,
    /// Takes heartbeats in.
    pub(crate) presence: Presence,
    /// Who is searching.
    pub(crate) searches: Searches,
    /// What is limited here.
    pub(crate) limits: Limits,
    /// Who is posting.
    pub(crate) posts: Posts,
    /// Whom the names that webhooks bring may resemble.
    pub(crate) looks: Looks,
    /// Readiness and metrics.
    pub(crate) health: Health,
    /// The address people use, without a slash at the end.
    pub(crate) public_url: Arc<str>,
    /// The schema is current; before that no request is served.
    schema_current: Arc<AtomicBool>,
}

impl AppState {
    /// Builds the collaborators. None of them needs to be reachable yet, except that NATS and the object store must be named well.
    pub(crate) async fn connect(config: &Config) -> anyhow::Result<(Self, Heartbeats)> {
        let db = db::pool_of(config.database_url.expose(), "ajet-api", CONNECTIONS)
            .context("AJET_DATABASE_URL")?;
        let bus =
            Bus::connect(config.nats_url.expose(), "ajet-api").await.context("AJET_NATS_URL")?;
        let storage = Storage::new(&StorageConfig {
            url: config.s3_url.clone(),
            region: config.s3_region.clone(),
            bucket: config.s3_bucket.clone(),
            access_key: config.s3_access_key.expose().to_owned(),
            secret_key: config.s3_secret_key.clone(),
        });
        let (presence, heartbeats) = Presence::new();
        let state = Self {
            verifier: Verifier::new(db.clone()),
            db,
            bus,
            position: StreamPosition::default(),
            storage,
            outbox_wake: Arc::default(),
            presence,
            searches: Searches::default(),
            posts: Posts::default(),
            looks: Looks::default(),
            limits: Limits::new(config),
            health: Health::default(),
            public_url: config.public_url.as_str().into(),
            schema_current: Arc::default(),
        };
        Ok((state, heartbeats))
    }

    /// Commits a transaction that wrote events, and wakes the relay.
    pub(crate) async fn commit(&self, tx: Transaction<'_, Postgres>) -> ApiResult<()> {
        tx.commit().await?;
        self.outbox_wake.notify_one();
        Ok(())
    }

    /// Removes files from the store behind the caller's back: nobody can reach them any more, so it may fail.
    pub(crate) fn discard(&self, keys: Vec<String>) {
        if keys.is_empty() {
            return;
        }
        let storage = self.storage.clone();
        tokio::spawn(async move {
            for key in keys {
                if let Err(error) = storage.delete(&key).await {
                    tracing::warn!(%error, key, "a deleted file is still in the store");
                }
            }
        });
    }

    /// From now on requests are served.
    pub(crate) fn set_schema_current(&self) {
        self.schema_current.store(true, Ordering::Release);
    }

    /// The schema is current.
    pub(crate) fn is_schema_current(&self) -> bool {
        self.schema_current.load(Ordering::Acquire)
    }
}
