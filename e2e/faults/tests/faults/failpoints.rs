//! Apis die at chosen points on the way of a message.

use std::time::{Duration, Instant};

use ajet_faults::{Ended, Scene, Shape};
use anyhow::ensure;
use tokio::time::sleep;

use crate::Outcome;

const WRITERS: usize = 6;
const READERS: usize = 4;
const BROWSERS: usize = 2;
const PACE: Duration = Duration::from_millis(60);
/// They write until there have been enough deaths.
const MANY: usize = 1_000_000;
/// Longer than a life may last.
const LIFE_MAX: Duration = Duration::from_secs(10);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// An api that dies whenever it comes to a point.
struct Mortal {
    process: &'static str,
    /// The point, and in which of its times in a life it is the last.
    setting: &'static str,
    /// What it says then, to its log.
    words: String,
    /// How often it had said so before.
    before: usize,
}

impl Mortal {
    /// Starts it anew.
    async fn bear(
        scene: &Scene,
        process: &'static str,
        setting: &'static str,
        point: &str,
    ) -> anyhow::Result<Self> {
        let words = format!("AJET_FAILPOINT: {point} is reached");
        let mut mortal = Self { process, setting, words, before: 0 };
        mortal.before = mortal.deaths(scene)?;
        scene.control.stop(process).await?;
        scene.control.start(process, &[("AJET_FAILPOINT", mortal.setting)]).await?;
        Ok(mortal)
    }

    /// How often it has died at its point, by its own last words.
    fn deaths(&self, scene: &Scene) -> anyhow::Result<usize> {
        let log = std::fs::read(scene.stack.log(self.process))?;
        let log = String::from_utf8_lossy(&log);
        Ok(log.lines().filter(|line| line.contains(&self.words)).count() - self.before)
    }

    /// Starts it without a fault.
    async fn spare(&self, scene: &Scene) -> anyhow::Result<()> {
        // Between two lives there is nothing to stop.
        let begun = Instant::now();
        while let Err(error) = scene.control.stop(self.process).await {
            ensure!(begun.elapsed() < LIFE_MAX, error.context("cannot be spared"));
            sleep(LOOK_EVERY).await;
        }
        scene.control.start(self.process, &[]).await
    }
}

/// Has people write until enough has happened: `deaths` counts what counts.
async fn write_until(
    scene: &Scene,
    points: [(&'static str, &'static str, &str); 2],
    deaths: impl Fn(&[usize]) -> usize,
    rounds: usize,
) -> anyhow::Result<([Mortal; 2], Ended)> {
    let town = scene.town(WRITERS, READERS + BROWSERS).await?;
    let load = scene.load(&town, Shape { posts: MANY, pace: PACE, browsers: BROWSERS }).await?;
    let [(one, first, said), (other, second, then)] = points;
    let mortals = [
        Mortal::bear(scene, one, first, said).await?,
        Mortal::bear(scene, other, second, then).await?,
    ];
    let mut last = (0, Instant::now());
    while last.0 < rounds {
        let each: Vec<usize> =
            mortals.iter().map(|mortal| mortal.deaths(scene)).collect::<Result<_, _>>()?;
        let now = deaths(&each);
        if now > last.0 {
            last = (now, Instant::now());
        }
        ensure!(last.1.elapsed() < LIFE_MAX * 2, "nobody dies any more, after {each:?}");
        sleep(LOOK_EVERY).await;
    }
    load.ledger.enough();
    for mortal in &mortals {
        mortal.spare(scene).await?;
    }
    Ok((mortals, load.end().await?))
}

fn nothing_is_doubled(scene: &mut Scene, ended: &Ended) -> Outcome {
    ended.flawless()?;
    scene.number("messages", ended.posts.len());
    scene.exactly("lost", ended.findings().lost.len(), 0)?;
    scene.exactly("in the database or the stream twice", ended.findings().doubled.len(), 0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f03_a_post_whose_api_dies_stands_once() -> Outcome {
    let mut scene = Scene::set("F3").await?;
    let rounds = scene.length(20, 1_000);
    let points =
        [("api-1", "before_commit:2", "BeforeCommit"), ("api-2", "after_commit:2", "AfterCommit")];
    let least = |each: &[usize]| each.iter().copied().min().unwrap_or(0);
    let (mortals, ended) = write_until(&scene, points, least, rounds).await?;
    nothing_is_doubled(&mut scene, &ended)?;
    let (before, after) = (mortals[0].deaths(&scene)?, mortals[1].deaths(&scene)?);
    scene.number("deaths before the commit", before);
    scene.number("deaths after the commit", after);
    // Each of those had committed a message whose author did not know: asking again says that it is there.
    let replayed: u32 = ended.written.iter().map(|writer| writer.replayed).sum();
    scene.number("answers that the message is there already", replayed);
    ensure!(replayed as usize >= after, "{replayed} replayed answers after {after} deaths");
    scene.passed().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f04_an_event_that_nobody_noted_is_in_the_stream_once() -> Outcome {
    let mut scene = Scene::set("F4").await?;
    let rounds = scene.length(20, 500);
    // Only the one that leads publishes; the other one then leads, and dies of the same.
    let points = [("api-1", "after_ack:3", "AfterAck"), ("api-2", "after_ack:3", "AfterAck")];
    let all = |each: &[usize]| each.iter().sum();
    let (mortals, ended) = write_until(&scene, points, all, rounds).await?;
    nothing_is_doubled(&mut scene, &ended)?;
    scene.number(
        "deaths after the acknowledgement",
        mortals[0].deaths(&scene)? + mortals[1].deaths(&scene)?,
    );
    scene.exactly(
        "events noted elsewhere than they are",
        ended.findings().disagreements.len(),
        0,
    )?;
    scene.passed().await
}
