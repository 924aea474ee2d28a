//! NATS is away for longer than it remembers what it was given.

use std::time::{Duration, Instant};

use ajet_faults::toxic::{Toxic, Way};
use ajet_faults::{Browser, Load, Logs, Scene, Shape, Town};
use ajet_shared::bus::{Bus, STREAM};
use ajet_shared::db;
use anyhow::{Context as _, ensure};

use crate::Outcome;

const WRITERS: usize = 5;
const READERS: usize = 6;
const BROWSERS: usize = 4;
/// What a backlog of 9,000 events may take. Source: delivery-and-security.md section 4, F7.
const DRAINED_WITHIN: Duration = Duration::from_secs(30);
const BACKLOG: f64 = 9_000.0;
/// How long NATS remembers ids in the short form, in which it is away for 20 s.
const WINDOW: Duration = Duration::from_secs(2);
/// For so long the acknowledgements of NATS get lost before it goes.
const UNHEARD: Duration = Duration::from_millis(700);
/// How long a page may take to show what a new one shows.
const SETTLED_WITHIN: Duration = Duration::from_secs(10);
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Somebody's page of each channel, by its path.
struct Pages(Vec<(Browser, String)>);

impl Pages {
    async fn open(town: &Town) -> anyhow::Result<Self> {
        let mut pages = Vec::new();
        let places = town.channels.iter().zip(&town.names);
        for ((channel, name), person) in places.zip(town.readers.iter().cycle()) {
            let path = format!("/c/faults/channels/{name}");
            pages.push((Browser::open(person.clone(), *channel, &path).await?, path));
        }
        Ok(Self(pages))
    }

    /// Every number on them is what a page that is loaded now shows.
    async fn are_as_new(&self) -> anyhow::Result<()> {
        for (page, path) in &self.0 {
            let begun = Instant::now();
            let new = Browser::open(page.person.clone(), page.channel, path).await?;
            loop {
                let (old, new) = (page.shown().badges, new.shown().badges);
                if old == new {
                    ensure!(
                        !old["activity"].is_empty() || old["title"] != "0",
                        "{path} counts nothing"
                    );
                    break;
                }
                let wrong =
                    format!("{path} of {} shows {old:?}, a new one {new:?}", page.person.name);
                ensure!(begun.elapsed() < SETTLED_WITHIN, wrong);
                tokio::time::sleep(LOOK_EVERY).await;
            }
        }
        Ok(())
    }
}

/// Lets NATS forget soon what it was given.
async fn shrink_memory(scene: &Scene) -> anyhow::Result<()> {
    let bus = Bus::connect(&scene.stack.nats_url, "ajet-faults").await?;
    let stream = bus.jetstream().get_stream(STREAM).await.context("the stream")?;
    let mut config = stream.cached_info().config.clone();
    config.duplicate_window = WINDOW;
    bus.jetstream().update_stream(config).await.context("the stream's settings")?;
    Ok(())
}

/// How many events wait in the outbox.
async fn waiting(scene: &Scene) -> anyhow::Result<usize> {
    let pool = db::pool(&scene.stack.database_url, "ajet-faults")?;
    let events = db::agreement::events(&mut *pool.acquire().await?).await?;
    Ok(events.iter().filter(|event| event.stream_seq.is_none() && !event.failed).count())
}

/// NATS takes events whose acknowledgements nobody hears, and is gone before anybody could ask again.
async fn goes(scene: &Scene) -> anyhow::Result<()> {
    scene.control.disturb("api-nats", Toxic::Drop, Way::Down).await?;
    tokio::time::sleep(UNHEARD).await;
    scene.control.kill("nats-1").await?;
    scene.control.restore("api-nats").await
}

/// A relay has since found events in the stream that it did not know to be there.
fn were_adopted(logs: &Logs) -> anyhow::Result<bool> {
    Ok(!logs.lines_with("the stream had events that nobody had noted")?.is_empty())
}

/// How a backlog went out.
struct Drained {
    /// Until the relay had begun.
    began: Duration,
    /// Until all of it was out, or as much of it as is promised for.
    took: Duration,
    /// Events of it that went out in between.
    events: f64,
}

impl Drained {
    /// How long the promised backlog would have taken at that pace.
    fn whole(&self) -> f64 {
        let pace = self.took.saturating_sub(self.began).as_secs_f64() / self.events;
        self.began.as_secs_f64() + pace * BACKLOG
    }
}

/// Waits until the relay has published what had gathered.
async fn drained(scene: &Scene, backlog: usize) -> anyhow::Result<Drained> {
    let start = Instant::now();
    let before = published(scene).await?;
    let wanted = f64::from(u32::try_from(backlog)?).min(BACKLOG);
    let (mut began, mut first) = (Duration::ZERO, 0.0);
    loop {
        let out = published(scene).await? - before;
        let took = start.elapsed();
        if out >= wanted {
            return Ok(Drained { began, took, events: out - first });
        }
        if out < 1.0 {
            began = took;
        } else if first < 1.0 {
            (began, first) = (took, out);
        }
        ensure!(took < DRAINED_WITHIN * 2, "{out} of {wanted} events are out");
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// How many events the relays that run have published.
async fn published(scene: &Scene) -> anyhow::Result<f64> {
    let mut published = 0.0;
    for api in &scene.stack.apis {
        published += scene.stack.metric(api, "chat_outbox_published_total").await?;
    }
    Ok(published)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f07_nats_may_be_away_for_longer_than_it_remembers() -> Outcome {
    let mut scene = Scene::set("F7").await?;
    // In full length ten messages a second; in short somewhat more, for a backlog that is worth measuring.
    let (away, pace) = scene.length((Duration::from_secs(20), 250), (Duration::from_mins(15), 500));
    let pace = Duration::from_millis(pace);
    let rounds = (away + Duration::from_secs(8)).as_millis() / pace.as_millis();
    let posts = usize::try_from(rounds)? * WRITERS;
    let town = scene.town(WRITERS, READERS + BROWSERS).await?;
    let pages = Pages::open(&town).await?;
    if !scene.long {
        shrink_memory(&scene).await?;
    }
    let mut load: Load = scene.load(&town, Shape { posts, pace, browsers: BROWSERS }).await?;
    load.more(20).await?;
    let logs = Logs::of_apis(&scene.stack);
    goes(&scene).await?;
    let gone = Instant::now();
    tokio::time::sleep(away).await;
    let backlog = waiting(&scene).await?;
    scene.control.start("nats-1", &[]).await?;
    let back = Instant::now();
    let drained = drained(&scene, backlog).await?;
    let ended = load.end().await?;
    ensure!(were_adopted(&logs)?, "NATS had taken nothing whose acknowledgement was lost");
    scene.number("events that waited", backlog);
    scene.within("up to 9,000 of them out", drained.took, DRAINED_WITHIN)?;
    let limit = DRAINED_WITHIN.as_secs_f64();
    scene.at_most("9,000 at that pace", drained.whole(), limit, "s")?;
    scene.number("posting meanwhile, p99", format!("{:?}", ended.answered(gone, back, 0.99)));
    scene.number("resyncs of a reader at most", ended.most_resyncs());
    scene.exactly("seen or stored twice", ended.findings().doubled.len(), 0)?;
    ended.flawless()?;
    pages.are_as_new().await?;
    scene.passed().await
}
