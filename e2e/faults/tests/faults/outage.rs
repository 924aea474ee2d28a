//! NATS is away for longer than it remembers what it was given.

use std::time::{Duration, Instant};

use ajet_faults::toxic::{Toxic, Way};
use ajet_faults::{Books, Browser, Load, Logs, Scene, Shape, Town, eventually};
use ajet_shared::bus::{Bus, STREAM};
use anyhow::{Context as _, ensure};

use crate::Outcome;

const WRITERS: usize = 5;
const READERS: usize = 6;
const BROWSERS: usize = 4;
/// What a backlog of 9,000 events may take. Source: delivery-and-security.md section 4, F7.
const DRAINED_WITHIN: Duration = Duration::from_secs(30);
const BACKLOG: u64 = 9_000;
/// What must have gathered, in the short form too: a pace that is taken from fewer says nothing of 9,000.
const BACKLOG_MIN: u64 = 1_500;
/// How long the drain is watched at all: whether it was quick enough is judged afterwards.
const PATIENCE: Duration = Duration::from_mins(3);
/// How long NATS remembers ids in the short form.
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

/// Has NATS remember for so long what it was given; gives how long it did.
async fn remember(scene: &Scene, window: Duration) -> anyhow::Result<Duration> {
    let bus = Bus::connect(&scene.stack.nats_url, "ajet-faults").await?;
    let stream = bus.jetstream().get_stream(STREAM).await.context("the stream")?;
    let mut config = stream.cached_info().config.clone();
    let before = std::mem::replace(&mut config.duplicate_window, window);
    bus.jetstream().update_stream(config).await.context("the stream's settings")?;
    Ok(before)
}

/// The last number of the stream that a relay has noted.
async fn noted(books: &Books) -> anyhow::Result<u64> {
    let newest = "SELECT coalesce(max(stream_seq), 0) FROM outbox WHERE epoch = $1";
    let epoch = books.epoch().await?;
    let newest: i64 = sqlx::query_scalar(newest).bind(epoch).fetch_one(&books.db).await?;
    Ok(newest.unsigned_abs())
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
    /// Until the first of it was out.
    began: Duration,
    /// Until all of it was out, or as much of it as is promised for.
    took: Duration,
    /// Events that went out in between.
    events: u64,
}

impl Drained {
    /// How long the promised backlog would have taken at that pace.
    fn whole(&self) -> Duration {
        #[expect(clippy::cast_precision_loss, reason = "thousands")]
        let times = BACKLOG as f64 / self.events.max(1) as f64;
        self.began + self.took.saturating_sub(self.began).mul_f64(times)
    }
}

/// Waits until the stream has what had gathered above the last number that was noted. The stream moves with each event, where what the
/// relays count moves with each batch.
async fn drained(books: &Books, noted: u64, backlog: u64) -> anyhow::Result<Drained> {
    let start = Instant::now();
    let bus = books.bus().await?;
    let last = async || anyhow::Ok(bus.stream_state().await?.last_seq);
    eventually("the stream", PATIENCE, async || Ok(last().await.is_ok())).await?;
    let first = last().await?;
    let mut moving = None;
    loop {
        let (now, took) = (last().await?, start.elapsed());
        if now > first {
            moving.get_or_insert((now, took));
        }
        if now >= noted + backlog.min(BACKLOG) {
            let (first, began) = moving.unwrap_or((now, took));
            return Ok(Drained { began, took, events: now - first });
        }
        ensure!(took < PATIENCE, "{} of {backlog} events are out", now - noted);
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f07_nats_may_be_away_for_longer_than_it_remembers() -> Outcome {
    let mut scene = Scene::set("F7").await?;
    if scene.long {
        away(&mut scene).await?;
        return scene.passed().await;
    }
    let before = remember(&scene, WINDOW).await?;
    let outcome = away(&mut scene).await;
    scene.heal().await?;
    remember(&scene, before).await?;
    outcome?;
    scene.passed().await
}

async fn away(scene: &mut Scene) -> Outcome {
    // In full length ten messages a second; in short more, for a backlog that says something.
    let (away, pace) = scene.length((Duration::from_secs(30), 75), (Duration::from_mins(15), 500));
    let pace = Duration::from_millis(pace);
    let rounds = (away + Duration::from_secs(8)).as_millis() / pace.as_millis();
    let posts = usize::try_from(rounds)? * WRITERS;
    let town = scene.town(WRITERS, READERS + BROWSERS).await?;
    let (pages, books) = (Pages::open(&town).await?, Books::of(&scene.stack)?);
    let mut load: Load = scene.load(&town, Shape { posts, pace, browsers: BROWSERS }).await?;
    load.more(20).await?;
    let logs = Logs::of_apis(&scene.stack);
    goes(scene).await?;
    let gone = Instant::now();
    tokio::time::sleep(away).await;
    let backlog = u64::try_from(books.waiting().await?)?;
    ensure!(backlog >= BACKLOG_MIN, "only {backlog} events wait");
    let noted = noted(&books).await?;
    scene.control.start("nats-1", &[]).await?;
    let back = Instant::now();
    let drained = drained(&books, noted, backlog).await?;
    let ended = load.end().await?;
    ensure!(were_adopted(&logs)?, "NATS had taken nothing whose acknowledgement was lost");
    scene.number("events that waited", backlog);
    scene.within("up to 9,000 of them out", drained.took, DRAINED_WITHIN)?;
    scene.within("9,000 at that pace", drained.whole(), DRAINED_WITHIN)?;
    scene.number(
        "posting meanwhile, p99",
        format!("{} ms", ended.answered(gone, back, 0.99).as_millis()),
    );
    scene.number("resyncs of a reader at most", ended.most_resyncs());
    scene.exactly("seen or stored twice", ended.findings().doubled.len(), 0)?;
    ended.flawless()?;
    pages.are_as_new().await
}
