//! What Postgres says happened, and what the stream holds.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use ajet_shared::bus::Bus;
use ajet_shared::db::agreement::{self, EventRow, MessageRow};
use ajet_shared::events::Envelope;
use ajet_shared::id::{ChannelId, EventId, UserId};
use anyhow::bail;
use futures::StreamExt as _;

use crate::Stack;

/// How long the relay may take to publish what is left after the last write.
const DRAIN: Duration = Duration::from_secs(20);

/// All messages, all events, and the stream.
#[derive(Debug, Default)]
pub struct Truth {
    /// Every message of the database.
    pub messages: Vec<MessageRow>,
    /// Every row of the outbox, by id.
    pub events: Vec<EventRow>,
    /// What the stream holds: sequence and event.
    pub stream: Vec<(u64, EventId)>,
    /// What it holds that is no event at all.
    pub unreadable: Vec<u64>,
    /// The oldest sequence that it holds: what came before, it has forgotten.
    pub first_seq: u64,
    /// The epoch of the stream.
    pub epoch: Option<i32>,
    /// What an earlier epoch had told, and stands in the stream of this one again.
    pub again: HashSet<EventId>,
    /// What was true and is not any more, because the database is an older copy of itself. Nobody knows but the test.
    pub undone: HashSet<EventId>,
}

impl Truth {
    /// Reads all of it, once the outbox is empty.
    pub async fn read(stack: &Stack) -> anyhow::Result<Self> {
        let pool = ajet_shared::db::pool(&stack.database_url, "ajet-faults")?;
        let begun = Instant::now();
        let events = loop {
            let events = agreement::events(&mut *pool.acquire().await?).await?;
            let waiting =
                events.iter().filter(|event| event.stream_seq.is_none() && !event.failed).count();
            if waiting == 0 {
                break events;
            }
            if begun.elapsed() > DRAIN {
                bail!("{waiting} events still wait in the outbox after {DRAIN:?}");
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
        let messages = agreement::messages(&mut *pool.acquire().await?).await?;
        let again = "SELECT event_id FROM outbox WHERE again";
        let again: Vec<EventId> = sqlx::query_scalar(again).fetch_all(&pool).await?;
        let bus = Bus::connect(&stack.nats_url, "ajet-faults").await?;
        let state = bus.stream_state().await?;
        let mut held = bus.replay(state.first_seq, state.last_seq).await?;
        let (mut stream, mut unreadable) = (Vec::new(), Vec::new());
        while let Some(delivered) = held.next().await {
            let delivered = delivered?;
            match serde_json::from_slice::<Envelope>(&delivered.payload) {
                Ok(envelope) => stream.push((delivered.stream_seq, envelope.id)),
                Err(_) => unreadable.push(delivered.stream_seq),
            }
        }
        let (first_seq, epoch) = (state.first_seq, state.epoch);
        let (again, undone) = (again.into_iter().collect(), HashSet::new());
        Ok(Self { messages, events, stream, unreadable, first_seq, epoch, again, undone })
    }

    /// Where everything stands now.
    #[must_use]
    pub fn so_far(&self, channels: &[ChannelId]) -> Since {
        let newest = |channel: &ChannelId| {
            let own = self.events.iter().filter(|event| event.ord_key == channel.uuid());
            (*channel, own.filter_map(|event| event.channel_seq).max().unwrap_or(0))
        };
        Since {
            channels: channels.iter().map(newest).collect(),
            events: self.events.iter().map(|event| event.event_id).collect(),
        }
    }

    /// What one person was notified of.
    pub fn notifications<'a>(
        &'a self,
        user: UserId,
        since: &'a Since,
    ) -> impl Iterator<Item = &'a EventRow> {
        self.events.iter().filter(move |event| {
            event.ord_key == user.uuid()
                && event.kind == "notification.created"
                && !since.events.contains(&event.event_id)
        })
    }

    /// The events of each channel, in its order.
    #[must_use]
    pub fn by_channel(&self, since: &Since) -> HashMap<ChannelId, Vec<&EventRow>> {
        let mut channels: HashMap<ChannelId, Vec<&EventRow>> =
            since.channels.keys().map(|channel| (*channel, Vec::new())).collect();
        for event in self.events.iter().filter(|event| !since.events.contains(&event.event_id)) {
            let events = channels.get_mut(&ChannelId::from(event.ord_key));
            if let (Some(_), Some(events)) = (event.channel_seq, events) {
                events.push(event);
            }
        }
        for events in channels.values_mut() {
            events.sort_by_key(|event| event.channel_seq);
        }
        channels
    }
}

/// What was there before a test began to write.
#[derive(Clone, Debug, Default)]
pub struct Since {
    /// Where each channel stood.
    pub channels: HashMap<ChannelId, i64>,
    /// What had happened.
    pub events: HashSet<EventId>,
}
