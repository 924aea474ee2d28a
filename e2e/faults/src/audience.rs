//! Everybody who watches: terminals, bots and pages, opened before the first write and compared after the last.

use std::time::{Duration, Instant};

use ajet_shared::id::{ChannelId, EventId};
use anyhow::ensure;
use futures::future::try_join_all;

use crate::ledger::Posted;
use crate::mark::Mark;
use crate::model::Model;
use crate::reader::{Kind, Reader, Seen};
use crate::{Browser, Findings, Ledger, Person, Shown, Since, Town, Truth, check};

/// How long the last one may take to catch up after the last write: a kill near the end, and the longest pause before coming back.
const CATCH_UP: Duration = Duration::from_secs(20);
/// How often it is looked whether they have.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// The readers of a town. Dropping it ends them.
#[derive(Debug)]
pub struct Audience {
    readers: Vec<Reader>,
    browsers: Vec<Browser>,
    /// Who says the last word in each channel.
    speaker: Person,
    channels: Vec<ChannelId>,
}

/// What they saw.
#[derive(Debug)]
pub struct Witness {
    /// Each reader.
    pub seen: Vec<Seen>,
    /// Each page.
    pub shown: Vec<Shown>,
    /// What is wrong with it.
    pub findings: Findings,
}

impl Audience {
    /// The last `browsers` of the town's readers look at pages, each at another channel; the others read events, by turns through
    /// the shared client and as bare event sources.
    pub async fn open(town: &Town, browsers: usize) -> anyhow::Result<Self> {
        let (reading, looking) = town.readers.split_at(town.readers.len().saturating_sub(browsers));
        let kinds = [Kind::Shared, Kind::Raw].into_iter().cycle();
        let reader =
            |(person, kind): (&Person, Kind)| Reader::open(person.clone(), kind, &town.channels);
        let readers = try_join_all(reading.iter().zip(kinds).map(reader)).await?;
        let places = town.channels.iter().zip(&town.names).cycle();
        let browsers =
            try_join_all(looking.iter().zip(places).map(async |(person, (channel, name))| {
                let path = format!("/c/faults/channels/{name}");
                Browser::open(person.clone(), *channel, &path).await
            }))
            .await?;
        let speaker = town.mayor.clone();
        Ok(Self { readers, browsers, speaker, channels: town.channels.clone() })
    }

    /// Those who read events.
    #[must_use]
    pub fn readers(&self) -> &[Reader] {
        &self.readers
    }

    /// Those who look at pages.
    #[must_use]
    pub fn browsers(&self) -> &[Browser] {
        &self.browsers
    }

    /// Waits until everybody has come as far as Postgres, or will not any more, and then until they have the last word of every
    /// channel, which is said only now: whatever comes twice or too late has come before it. Compares without it.
    pub async fn testify(
        &mut self,
        ledger: &Ledger,
        truth: &Truth,
        since: &Since,
    ) -> anyhow::Result<Witness> {
        let posts = ledger.posts();
        self.catch_up(truth, since, &posts).await?;
        let marks = Mark::set(&self.speaker, &self.channels).await?;
        let deaf = self.hear(&marks).await?;
        let without = |mut seen: Seen| {
            for mark in &marks {
                mark.strike(&mut seen);
            }
            seen
        };
        let seen: Vec<_> = self
            .readers
            .iter()
            .map(|reader| (label(reader), reader.person.id, without(reader.seen())))
            .collect();
        let mut findings = check(ledger, truth, since, &seen);
        findings.lost.extend(deaf);
        self.compare(since, &mut findings).await?;
        let mut shown: Vec<Shown> = self.browsers.iter().map(Browser::shown).collect();
        for shown in &mut shown {
            shown.rows.retain(|row| marks.iter().all(|mark| mark.message != *row));
        }
        for (browser, shown) in self.browsers.iter().zip(&shown) {
            findings.page(&browser.person.name, browser.channel, shown, &posts);
        }
        Ok(Witness { seen: seen.into_iter().map(|(_, _, seen)| seen).collect(), shown, findings })
    }

    /// Waits until every reader of events knows these messages.
    pub async fn knows(&self, posts: &[Posted]) -> anyhow::Result<()> {
        let deadline = Instant::now() + CATCH_UP;
        for reader in &self.readers {
            while !posts.iter().all(|posted| reader.knows(posted.channel, posted.message)) {
                ensure!(Instant::now() < deadline, "{} does not catch up", label(reader));
                tokio::time::sleep(LOOK_EVERY).await;
            }
        }
        Ok(())
    }

    /// How many readers of events this one has come to that has no place in a channel.
    #[must_use]
    pub fn heard_by(&self, event: EventId) -> usize {
        let has_heard =
            |reader: &&Reader| reader.seen().others.iter().any(|told| told.event == event);
        self.readers.iter().filter(has_heard).count()
    }

    /// The place of a channel that every reader of events has reached.
    #[must_use]
    pub fn reached_by_all(&self, channel: ChannelId) -> i64 {
        self.readers.iter().map(|reader| reader.reached(channel)).min().unwrap_or(0)
    }

    /// Whoever does not catch up in time is left as it is: the checker says what is missing.
    async fn catch_up(
        &mut self,
        truth: &Truth,
        since: &Since,
        posts: &[Posted],
    ) -> anyhow::Result<()> {
        let deadline = Instant::now() + CATCH_UP;
        for reader in &mut self.readers {
            while !has_read(reader, truth, since) && Instant::now() < deadline {
                if let Some(error) = reader.ended().await {
                    return Err(error.context(label(reader)));
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
        }
        for browser in &self.browsers {
            let is_here =
                |posted: &&Posted| posted.channel == browser.channel && posted.parent.is_none();
            let wanted = posts.iter().filter(is_here).count();
            while browser.shown().rows.len() < wanted && Instant::now() < deadline {
                tokio::time::sleep(LOOK_EVERY).await;
            }
        }
        Ok(())
    }
}

impl Audience {
    /// What everybody has by events is what they would read now; who drew everything anew has done that.
    async fn compare(&self, since: &Since, findings: &mut Findings) -> anyhow::Result<()> {
        let client = self.speaker.client.retrying(Instant::now() + CATCH_UP);
        let now = Model::read(&client, &self.channels).await?.after(&since.channels);
        let whole = self.readers.iter().filter(|reader| reader.seen().resyncs.is_empty());
        for reader in whole {
            let model = reader.model().after(&since.channels);
            findings.disagreements.extend(model.differences(&label(reader), &now));
        }
        for browser in &self.browsers {
            let (name, rows) = (&browser.person.name, browser.shown().texts);
            findings.disagreements.extend(now.differences_of_page(name, &rows));
        }
        Ok(())
    }

    /// Waits for the last words; says who does not hear them.
    async fn hear(&mut self, marks: &[Mark]) -> anyhow::Result<Vec<String>> {
        let deadline = Instant::now() + CATCH_UP;
        let mut deaf = Vec::new();
        for reader in &mut self.readers {
            while !marks.iter().all(|mark| reader.knows(mark.channel, mark.message)) {
                if let Some(error) = reader.ended().await {
                    return Err(error.context(label(reader)));
                }
                if Instant::now() > deadline {
                    deaf.push(format!("{} did not hear the last word", label(reader)));
                    break;
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
        }
        for browser in &self.browsers {
            let Some(mark) = marks.iter().find(|mark| mark.channel == browser.channel) else {
                continue;
            };
            while !browser.shown().rows.contains(&mark.message) {
                if Instant::now() > deadline {
                    deaf.push(format!("{} does not show the last word", browser.person.name));
                    break;
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
        }
        Ok(deaf)
    }
}

fn has_read(reader: &Reader, truth: &Truth, since: &Since) -> bool {
    let channels = truth.by_channel(since);
    let mut newest = channels
        .iter()
        .filter_map(|(channel, events)| Some((channel, events.last()?.channel_seq?)));
    newest.all(|(channel, seq)| reader.reached_but(*channel, &truth.undone) >= seq)
}

fn label(reader: &Reader) -> String {
    format!("{} ({:?})", reader.person.name, reader.kind)
}
