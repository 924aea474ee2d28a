//! Somebody who writes like a good client: one key per message, the same request again and again until it is answered.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ajet_shared::client::{Answer, Call, ClientError, Method};
use ajet_shared::id::{ChannelId, ClientMessageId, MessageId};
use ajet_shared::message::{EditMessage, Message, PostMessage};
use anyhow::{Context as _, bail};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{RngExt as _, SeedableRng as _};

use crate::ledger::{Edited, Ledger, Posted};
use crate::town::Person;

/// One request may take this long. Longer than the gateway waits for an upstream that hangs.
const REQUEST_MAX: Duration = Duration::from_secs(12);
/// The pauses between two tries grow from the first to the second. Source: delivery-and-security.md section 2.7.
const PAUSES: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(5));
/// A write that is not answered after this time will not be.
const PATIENCE: Duration = Duration::from_mins(1);
/// Of a hundred messages so many are replies, call somebody, or are changed afterwards.
const REPLIES: u32 = 15;
const CALLS: u32 = 10;
const CHANGES: u32 = 10;

/// Somebody who writes.
pub struct Writer {
    person: Person,
    channels: Vec<ChannelId>,
    /// Names to call now and then.
    names: Vec<String>,
    ledger: Arc<Ledger>,
    random: StdRng,
    /// Own messages that can be replied to.
    roots: Vec<(ChannelId, MessageId)>,
}

/// What one of them has been through.
#[derive(Clone, Copy, Debug, Default)]
pub struct Written {
    /// Messages.
    pub posts: usize,
    /// Requests that had to be sent again.
    pub repeated: u32,
    /// Messages that an earlier request had posted already.
    pub replayed: u32,
}

impl Writer {
    /// Somebody who writes into `channels`, by the dice of `seed`.
    #[must_use]
    pub fn new(
        person: Person,
        channels: Vec<ChannelId>,
        names: Vec<String>,
        ledger: Arc<Ledger>,
        seed: u64,
    ) -> Self {
        let random = StdRng::seed_from_u64(seed);
        Self { person, channels, names, ledger, random, roots: Vec::new() }
    }

    /// Writes `count` messages, about one in every `pace`; fewer if the ledger says that it is enough.
    pub async fn write(mut self, count: usize, pace: Duration) -> anyhow::Result<Written> {
        let mut written = Written::default();
        for number in 0..count {
            let pause = pace.mul_f64(self.random.random_range(0.0..2.0));
            tokio::time::sleep(pause).await;
            if self.ledger.is_enough() {
                break;
            }
            let posted = self.post(number, &mut written).await?;
            if self.random.random_ratio(CHANGES, 100) {
                self.change(&posted, &mut written).await?;
            }
            if posted.parent.is_none() {
                self.roots.push((posted.channel, posted.message));
            }
            self.ledger.post(posted);
            written.posts += 1;
        }
        Ok(written)
    }

    async fn post(&mut self, number: usize, written: &mut Written) -> anyhow::Result<Posted> {
        let reply = self
            .random
            .random_ratio(REPLIES, 100)
            .then(|| self.roots.choose(&mut self.random))
            .flatten();
        let (channel, parent) = match reply {
            Some((channel, root)) => (*channel, Some(*root)),
            None => (*self.channels.choose(&mut self.random).context("no channel")?, None),
        };
        let call =
            self.random.random_ratio(CALLS, 100).then(|| self.names.choose(&mut self.random));
        let call = call.flatten().map_or_else(String::new, |name| format!(" @{name}"));
        let body = format!("{} says {number}{call}", self.person.name);
        let request = PostMessage {
            body_md: body.parse()?,
            client_msg_id: ClientMessageId::new(),
            parent_id: parent,
            attachment_ids: Vec::new(),
        };
        let path = format!("/api/channels/{channel}/messages");
        let begun = Instant::now();
        let (answer, tries) = self.insist(Call::new(Method::POST, path).json(&request)).await?;
        written.repeated += tries - 1;
        written.replayed += u32::from(answer.status.as_u16() == 200);
        let message: Message = serde_json::from_slice(&answer.body)?;
        Ok(Posted {
            key: request.client_msg_id,
            message: message.id,
            channel,
            seq: message.seq,
            author: self.person.id,
            body,
            parent,
            tries,
            took: begun.elapsed(),
            at: Instant::now(),
        })
    }

    async fn change(&self, posted: &Posted, written: &mut Written) -> anyhow::Result<()> {
        let body = format!("{}, as amended", posted.body);
        let request = EditMessage { body_md: body.parse()? };
        let path = format!("/api/messages/{}", posted.message);
        let (_, tries) = self.insist(Call::new(Method::PATCH, path).json(&request)).await?;
        written.repeated += tries - 1;
        self.ledger.edit(Edited { message: posted.message, body });
        Ok(())
    }

    /// Sends a request until it is answered; gives the answer and how many requests that took.
    async fn insist(&self, mut call: Call) -> anyhow::Result<(Answer, u32)> {
        call.headers.insert("host", self.person.host.clone());
        let client = self.person.own_client.with_timeout(REQUEST_MAX);
        let begun = Instant::now();
        let mut pause = PAUSES.0;
        for tries in 1.. {
            let outcome = client.send(&call).await;
            match self.judge(outcome) {
                Ok(answer) => return Ok((answer, tries)),
                Err(reason) if begun.elapsed() > PATIENCE => {
                    bail!("{} gives up after {tries} tries: {reason}", call.path)
                }
                Err(_) => {}
            }
            tokio::time::sleep(pause.mul_f64(rand::random_range(0.5..1.0))).await;
            pause = (pause * 2).min(PAUSES.1);
        }
        bail!("nobody counts that far")
    }

    /// The answer if it counts, else why it does not. What no fault excuses is noted.
    fn judge(&self, outcome: Result<Answer, ClientError>) -> Result<Answer, String> {
        match outcome {
            Ok(answer) if answer.status.is_success() => Ok(answer),
            Ok(answer) => {
                let text = format!("{} {}", answer.status, String::from_utf8_lossy(&answer.body));
                if !matches!(answer.status.as_u16(), 429 | 502..=504) {
                    self.ledger.unexpected(format!("{}: {text}", self.person.name));
                }
                Err(text)
            }
            Err(error) => Err(error.to_string()),
        }
    }
}
