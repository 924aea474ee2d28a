//! Heartbeats: answered at once, written in the background, told on core NATS (requirements E6, decisions.md 11).

use std::collections::HashSet;
use std::time::Duration;

use ajet_shared::clock;
use ajet_shared::db;
use ajet_shared::events::{Envelope, Event, PresenceChanged};
use ajet_shared::id::UserId;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::state::AppState;

/// Heartbeats that may wait; more are dropped, because the next one comes within a minute.
const QUEUE: usize = 10_000;
/// Heartbeats of this long are written together.
const GATHER: Duration = Duration::from_millis(250);

/// Takes heartbeats in without making anybody wait.
#[derive(Clone, Debug)]
pub(crate) struct Presence(mpsc::Sender<UserId>);

/// The other end, for [`run`].
pub(crate) type Heartbeats = mpsc::Receiver<UserId>;

impl Presence {
    /// A queue for heartbeats.
    pub(crate) fn new() -> (Self, Heartbeats) {
        let (sender, receiver) = mpsc::channel(QUEUE);
        (Self(sender), receiver)
    }

    /// Somebody is there.
    pub(crate) fn seen(&self, user_id: UserId) {
        if self.0.try_send(user_id).is_err() {
            tracing::debug!("heartbeat dropped");
        }
    }
}

/// Writes heartbeats in batches and tells the session managers, until `shutdown`; then writes those that wait.
pub(crate) async fn run(state: AppState, mut heartbeats: Heartbeats, shutdown: CancellationToken) {
    let mut open = true;
    while open {
        let mut batch = Vec::new();
        open = tokio::select! {
            received = heartbeats.recv_many(&mut batch, QUEUE) => received > 0,
            () = shutdown.cancelled() => false,
        };
        if open {
            // Those that come right behind ride along: a whole team's minute is a handful of statements.
            tokio::time::sleep(GATHER).await;
        }
        while let Ok(user_id) = heartbeats.try_recv() {
            batch.push(user_id);
        }
        let people: HashSet<UserId> = batch.into_iter().collect();
        if people.is_empty() {
            continue;
        }
        if let Err(error) = write(&state, &people.into_iter().collect::<Vec<_>>()).await {
            tracing::warn!(error = format!("{error:#}"), "heartbeats not written");
        }
    }
}

async fn write(state: &AppState, people: &[UserId]) -> anyhow::Result<()> {
    let mut conn = state.db.acquire().await?;
    db::users::touch(&mut conn, people).await?;
    let memberships = db::users::communities(&mut conn, people).await?;
    drop(conn);
    for (user_id, community_id) in memberships {
        let event = Event::PresenceChanged(PresenceChanged { user_id, online: true });
        let envelope = Envelope::new(event, Some(user_id), clock::now()).in_community(community_id);
        state.bus.publish_ephemeral(&envelope).await?;
    }
    Ok(())
}
