//! People who write and people who read, while a test does harm; and what came of it.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ajet_shared::id::EventId;
use anyhow::{Context as _, ensure};
use futures::future::try_join_all;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::{
    Audience, Findings, Killed, Ledger, Posted, Report, Seen, Since, Stack, Town, Truth, Witness,
    Writer, Written,
};

/// How long somebody may be at something when all is written, who does it while others write.
const AFTERWARDS: Duration = Duration::from_mins(1);

/// How much is written, and who looks.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// Messages in all.
    pub posts: usize,
    /// About so long between two messages of one writer.
    pub pace: Duration,
    /// How many of the readers look at pages; the others read events.
    pub browsers: usize,
}

/// Writing and reading under way.
#[derive(Debug)]
pub struct Load {
    /// Every acknowledged write.
    pub ledger: Arc<Ledger>,
    /// Everybody who watches.
    pub audience: Audience,
    stack: Stack,
    seed: u64,
    posts: usize,
    since: Since,
    begun: Instant,
    undone: HashSet<EventId>,
    writing: JoinHandle<anyhow::Result<Vec<Written>>>,
    /// What the writers have been through, when they are done.
    written: Option<Vec<Written>>,
}

/// People who read, while nobody writes yet.
#[derive(Debug)]
pub struct Watch {
    /// Everybody who watches.
    pub audience: Audience,
    stack: Stack,
    seed: u64,
    since: Since,
}

impl Watch {
    pub(crate) async fn begin(
        stack: &Stack,
        town: &Town,
        browsers: usize,
        seed: u64,
    ) -> anyhow::Result<Self> {
        let audience = Audience::open(town, browsers).await?;
        let since = Truth::read(stack).await?.so_far(&town.channels);
        Ok(Self { audience, stack: stack.clone(), seed, since })
    }

    /// Has messages written that the check at the end is not to know of, because they will be undone; returns when they are.
    pub async fn in_vain(&self, town: &Town, shape: Shape) -> anyhow::Result<Arc<Ledger>> {
        let ledger = Arc::new(Ledger::default());
        write(town, shape, &ledger, !self.seed).await??;
        Ok(ledger)
    }

    /// Lets them write.
    #[must_use]
    pub fn write(self, town: &Town, shape: Shape) -> Load {
        let Self { audience, stack, seed, since } = self;
        let ledger = Arc::new(Ledger::default());
        let writing = write(town, shape, &ledger, seed);
        let posts = shape.posts / town.writers.len() * town.writers.len();
        let (begun, undone, written) = (Instant::now(), HashSet::new(), None);
        Load { ledger, audience, stack, seed, posts, since, begun, undone, writing, written }
    }

    /// What has been written by somebody else, who kept this ledger: to be ended at once.
    #[must_use]
    pub fn written(self, ledger: Ledger) -> Load {
        let Self { audience, stack, seed, since } = self;
        let (posts, ledger) = (ledger.posts().len(), Arc::new(ledger));
        let writing = tokio::spawn(async { Ok(Vec::new()) });
        let (begun, undone, written) = (Instant::now(), HashSet::new(), None);
        Load { ledger, audience, stack, seed, posts, since, begun, undone, writing, written }
    }
}

/// Lets everybody write their share.
fn write(
    town: &Town,
    shape: Shape,
    ledger: &Arc<Ledger>,
    seed: u64,
) -> JoinHandle<anyhow::Result<Vec<Written>>> {
    let each = shape.posts / town.writers.len();
    let names: Vec<String> = town.readers.iter().map(|reader| reader.name.clone()).collect();
    let writers = town.writers.iter().zip(1..).map(|(person, number): (_, u64)| {
        let (channels, names, ledger) = (town.channels.clone(), names.clone(), ledger.clone());
        let seed = seed ^ (number << 32);
        let writer = Writer::new(person.clone(), channels, names, ledger, seed);
        tokio::spawn(writer.write(each, shape.pace))
    });
    let writing: Vec<_> = writers.collect();
    tokio::spawn(try_join_all(
        writing.into_iter().map(async |writer| -> anyhow::Result<Written> { writer.await? }),
    ))
}

impl Load {
    pub(crate) async fn begin(
        stack: &Stack,
        town: &Town,
        shape: Shape,
        seed: u64,
    ) -> anyhow::Result<Self> {
        Ok(Watch::begin(stack, town, shape.browsers, seed).await?.write(town, shape))
    }

    /// These events have happened and are not true any more.
    pub fn undo(&mut self, undone: HashSet<EventId>) {
        self.undone = undone;
    }

    /// Waits until so many messages are acknowledged; an error when the writers have given up before.
    pub async fn reaches(&mut self, posts: usize) -> anyhow::Result<()> {
        let ledger = self.ledger.clone();
        tokio::select! {
            biased;
            () = ledger.reaches(posts) => return Ok(()),
            written = self.is_written() => written?,
        }
        ensure!(ledger.posts().len() >= posts, "there are fewer messages than {posts}");
        Ok(())
    }

    /// Does something while they write; an error when they give up before it is done.
    pub async fn meanwhile<T>(
        &mut self,
        deed: impl Future<Output = anyhow::Result<T>>,
    ) -> anyhow::Result<T> {
        tokio::pin!(deed);
        tokio::select! {
            biased;
            outcome = &mut deed => return outcome,
            written = self.is_written() => written?,
        }
        timeout(AFTERWARDS, deed).await.context("all is written, and something is not done")?
    }

    /// Waits until the writers are done; an error when one has given up.
    async fn is_written(&mut self) -> anyhow::Result<()> {
        if self.written.is_none() {
            self.written = Some((&mut self.writing).await??);
        }
        Ok(())
    }

    /// Waits until so many more messages are acknowledged.
    pub async fn more(&mut self, posts: usize) -> anyhow::Result<()> {
        let sofar = self.ledger.posts().len();
        self.reaches(sofar + posts).await
    }

    /// Waits for the last message, and for everybody to have it; compares.
    pub async fn end(mut self) -> anyhow::Result<Ended> {
        self.is_written().await?;
        let written = self.written.take().unwrap_or_default();
        let took = self.begun.elapsed();
        let posts = self.ledger.posts();
        let wanted = if self.ledger.is_enough() {
            written.iter().map(|writer| writer.posts).sum()
        } else {
            self.posts
        };
        ensure!(posts.len() == wanted, "{} of {wanted} messages", posts.len());
        let truth = Truth { undone: self.undone, ..Truth::read(&self.stack).await? };
        let witness = self.audience.testify(&self.ledger, &truth, &self.since).await?;
        let ended =
            Ended { seed: self.seed, took, posts, written, truth, witness, killed: Vec::new() };
        println!("{}", ended.report());
        Ok(ended)
    }
}

/// What came of it.
#[derive(Debug)]
pub struct Ended {
    /// What chance was drawn from.
    pub seed: u64,
    /// How long the writers took.
    pub took: Duration,
    /// The acknowledgements.
    pub posts: Vec<Posted>,
    /// The writers.
    pub written: Vec<Written>,
    /// Postgres and the stream.
    pub truth: Truth,
    /// The readers, and what is wrong.
    pub witness: Witness,
    /// Who was killed, for the report.
    pub killed: Vec<Killed>,
}

impl Ended {
    /// The summary, for people.
    #[must_use]
    pub fn report(&self) -> Report<'_> {
        Report(self)
    }

    /// With those who were killed; prints their part of the summary, too.
    #[must_use]
    pub fn after(mut self, killed: Vec<Killed>) -> Self {
        self.killed = killed;
        println!("{}", self.report());
        self
    }

    /// The longest recovery from the kills of each kind of process, by [`Self::recovery`].
    #[must_use]
    pub fn worst_recoveries(&self) -> BTreeMap<&str, Duration> {
        let mut worst = BTreeMap::new();
        for killed in &self.killed {
            let name = &killed.kill.process;
            let kind = name.rsplit_once('-').map_or(name.as_str(), |(kind, _)| kind);
            let longest: &mut Duration = worst.entry(kind).or_default();
            *longest = (*longest).max(self.recovery(killed.at));
        }
        worst
    }

    /// What is wrong.
    #[must_use]
    pub fn findings(&self) -> &Findings {
        &self.witness.findings
    }

    /// Nothing is lost, doubled or out of order, and nobody had to draw anything anew.
    pub fn flawless(&self) -> anyhow::Result<()> {
        ensure!(self.findings().are_none(), "seed {}: {:#?}", self.seed, self.findings());
        Ok(())
    }

    /// As [`Self::flawless`], but each reader may have drawn everything anew up to `each` times.
    pub fn flawless_but_resyncs(&self, each: usize) -> anyhow::Result<()> {
        let findings = Findings { resyncs: Vec::new(), ..self.findings().clone() };
        ensure!(findings.are_none(), "seed {}: {findings:#?}", self.seed);
        let most = self.most_resyncs();
        ensure!(most <= each, "a reader had {most} resyncs, allowed are {each}");
        Ok(())
    }

    /// How often the one who had most resyncs had one.
    #[must_use]
    pub fn most_resyncs(&self) -> usize {
        let readers = self.witness.seen.iter().map(|seen| seen.resyncs.len());
        let pages = self.witness.shown.iter().map(|shown| shown.resyncs as usize);
        readers.chain(pages).max().unwrap_or(0)
    }

    /// How long after `fault` it took until every reader, and every page, had seen a message that somebody began to post only after it:
    /// the time in which posting, publishing and reading have all recovered.
    #[must_use]
    pub fn recovery(&self, fault: Instant) -> Duration {
        let later = self.posts.iter().filter(|posted| posted.begun() >= fault);
        let later: HashSet<_> = later.map(|posted| posted.message).collect();
        let first = |seen: &Seen| {
            let frames = seen.channels.values().flatten();
            let came = frames
                .filter(|frame| frame.created.is_some_and(|message| later.contains(&message)));
            came.map(|frame| frame.at).min()
        };
        let first = self.witness.seen.iter().map(first);
        let shown = self.witness.shown.iter().map(|shown| {
            let came = shown.came.iter().filter(|(message, _)| later.contains(message));
            came.map(|(_, at)| *at).min()
        });
        // Somebody who saw none of them is lost, which the findings say.
        first.chain(shown).flatten().max().map_or(Duration::MAX, |at| at - fault)
    }

    /// The longest time in which a reader got no event, of those that lie between two moments or across one of them.
    #[must_use]
    pub fn silence(&self, from: Instant, to: Instant) -> Duration {
        let longest = |seen: &Seen| {
            let frames = seen.channels.values().flatten();
            let mut times: Vec<Instant> = frames.map(|frame| frame.at).collect();
            times.sort_unstable();
            let pairs = times.windows(2).filter(|pair| pair[1] > from && pair[0] < to);
            pairs.map(|pair| pair[1] - pair[0]).max().unwrap_or(Duration::MAX)
        };
        self.witness.seen.iter().map(longest).max().unwrap_or(Duration::MAX)
    }

    /// How many events and rows of pages came between two moments, to all together.
    #[must_use]
    pub fn came(&self, from: Instant, to: Instant) -> usize {
        let frames = self.witness.seen.iter().flat_map(|seen| seen.channels.values().flatten());
        let rows = self.witness.shown.iter().flat_map(|shown| shown.came.values());
        let times = frames.map(|frame| frame.at).chain(rows.copied());
        times.filter(|at| (from..to).contains(at)).count()
    }

    /// The time within which a share of the messages were answered, of those that were begun between two moments: `0.99` is p99.
    #[must_use]
    pub fn answered(&self, from: Instant, to: Instant, share: f64) -> Duration {
        let begun = |posted: &&Posted| (from..to).contains(&posted.begun());
        percentile(self.posts.iter().filter(begun).map(|posted| posted.took).collect(), share)
    }

    /// The time within which readers saw a share of the messages that were begun between two moments, from the first request on.
    #[must_use]
    pub fn seen(&self, from: Instant, to: Instant, share: f64) -> Duration {
        self.seen_by(|_| true, from, to, share)
    }

    /// The same, of some readers, by their number among the town's.
    #[must_use]
    pub fn seen_by(
        &self,
        is_one: impl Fn(usize) -> bool,
        from: Instant,
        to: Instant,
        share: f64,
    ) -> Duration {
        let begun: HashMap<_, _> =
            self.posts.iter().map(|posted| (posted.message, posted.begun())).collect();
        let readers = self.witness.seen.iter().enumerate().filter(|(number, _)| is_one(*number));
        let frames = readers.flat_map(|(_, seen)| seen.channels.values().flatten());
        let times = frames.filter_map(|frame| {
            let begun = begun.get(&frame.created?)?;
            (from..to).contains(begun).then(|| frame.at - *begun)
        });
        percentile(times.collect(), share)
    }
}

/// The value that a share of all do not exceed. Of none it is the longest there may be: what nobody did has not been fast.
#[must_use]
pub fn percentile(mut times: Vec<Duration>, share: f64) -> Duration {
    times.sort_unstable();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "an index"
    )]
    let index = (times.len() as f64 * share).ceil() as usize;
    times.get(index.saturating_sub(1)).copied().unwrap_or(Duration::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_one_of_the_values() {
        let times = |count| (1..=count).map(Duration::from_millis).collect::<Vec<_>>();
        assert_eq!(percentile(times(100), 0.99), Duration::from_millis(99));
        assert_eq!(percentile(times(100), 0.5), Duration::from_millis(50));
        assert_eq!(percentile(times(1), 0.99), Duration::from_millis(1));
        assert_eq!(percentile(Vec::new(), 0.99), Duration::MAX);
    }
}
