//! Disks that are full: of NATS, of Postgres' tables, of Postgres' log. What is acknowledged stays, and all goes on by itself when there
//! is room again.
//!
//! Postgres meets a full disk in two ways. Where tables do not fit, a statement fails, and everything else goes on: reading works. Where
//! its log does not fit, no promise could be kept any more: it ends itself and every connection, and starts anew until it can write; so
//! nobody is answered. Here each has a disk of its own, so that both are seen.
//!
//! NATS stays with the first write that failed: it refuses everything until it is restarted, also when there is room again. Whoever makes
//! room restarts it; a stream with a bound of half its disk never comes there.

use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use ajet_faults::{Books, Disk, Ended, Load, Logs, Person, Scene, Shape, Store, Town, eventually};
use ajet_shared::bus::STREAM;
use ajet_shared::channel::{CreateChannel, Visibility};
use ajet_shared::client::{Answer, Call, Method};
use ajet_shared::id::{ChannelId, ClientMessageId};
use ajet_shared::message::PostMessage;
use ajet_shared::page::PageQuery;
use anyhow::{Context as _, bail, ensure};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use crate::Outcome;

const WRITERS: usize = 5;
const READERS: usize = 4;
const BROWSERS: usize = 2;
const PACE: Duration = Duration::from_millis(100);
const PATIENCE: Duration = Duration::from_mins(1);
/// What a small disk has left beside what was there. Source: delivery-and-security.md section 4.
const ROOM: u64 = 16 << 20;
/// Room for ordinary events, but not for a large one.
const HARDLY_ANY: u64 = 8 << 10;
/// What the stream is given where it is bounded, half of its disk, and what it has otherwise.
const BOUND: i64 = 8 << 20;
const UNBOUNDED: i64 = 1 << 30;
/// A large message has so many letters.
const LARGE: usize = 13_000;
const LAG: &str = "chat_outbox_lag_milliseconds";
/// When somebody is told. Source: delivery-and-security.md section 4, steady targets.
const ALERT: Duration = Duration::from_secs(5);
/// A delay nobody would call one.
const UNNOTICED_MS: f64 = 1_000.0;
/// How soon after there is room again all is as before; a writer's longest pause is five seconds of it.
const RECOVERED: Duration = Duration::from_secs(10);

fn shape(posts: usize) -> Shape {
    Shape { posts, pace: PACE, browsers: BROWSERS }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f10_events_wait_while_the_disk_of_nats_is_full() -> Outcome {
    let mut scene = Scene::set("F10").await?;
    let town = scene.town(WRITERS, READERS + BROWSERS).await?;
    let side = side_channel(&town).await?;
    let (books, disk) = nats_on_small_disk(&scene).await?;
    let mut load = scene.load(&town, shape(900)).await?;
    load.more(40).await?;
    let logs = Logs::of_apis(&scene.stack);
    disk.fill(HARDLY_ANY)?;
    let full = Instant::now();
    // A large event that does not fit, and behind it one of the same channel that would.
    let mut text = Text::of(scene.seed);
    for body in [text.some(LARGE), "a small one behind it".to_owned()] {
        let answer = attempt(&town.mayor, side, &body).await?;
        ensure!(answer.status.as_u16() == 201, "{}", answer.status);
    }
    eventually("the lag is told", PATIENCE, async || {
        Ok(books.highest(LAG).await? > ALERT.as_secs_f64() * 1_000.0)
    })
    .await?;
    eventually("an alert", PATIENCE, async || alerted(&logs)).await?;
    load.more(100).await?;
    scene.number("events waiting on a full disk", books.waiting().await?);
    disk.clear()?;
    scene.control.stop("nats-1").await?;
    let freed = Instant::now();
    scene.control.start("nats-1", &[]).await?;
    books.drained(RECOVERED).await?;
    scene.within("all that waited is out", freed.elapsed(), RECOVERED)?;
    let ended = load.end().await?;
    unharmed(&mut scene, &ended)?;
    scene.within(
        "p99 of posts while it was full",
        ended.answered(full, freed, 0.99),
        Duration::from_millis(500),
    )?;
    scene.within("recovery", ended.recovery(freed), RECOVERED)?;
    eventually("no relay tells of a lag any more", RECOVERED, async || {
        Ok(books.highest(LAG).await? < UNNOTICED_MS)
    })
    .await?;
    scene.stack.verify().await?;
    disk.take_away().await?;
    scene.heal().await?;
    scene.passed().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f10_a_bounded_stream_never_fills_its_disk() -> Outcome {
    let mut scene = Scene::set("F10").await?;
    let town = scene.town(WRITERS, READERS + BROWSERS).await?;
    let side = side_channel(&town).await?;
    // In force before NATS starts on the small disk: it keeps events in files of a part of that size.
    bound(&Books::of(&scene.stack)?, BOUND).await?;
    let (books, disk) = nats_on_small_disk(&scene).await?;
    let outcome = more_than_it_holds(&mut scene, &town, &books, side).await;
    bound(&books, UNBOUNDED).await?;
    disk.take_away().await?;
    scene.heal().await?;
    outcome?;
    scene.passed().await
}

async fn more_than_it_holds(
    scene: &mut Scene,
    town: &Town,
    books: &Books,
    side: ChannelId,
) -> anyhow::Result<()> {
    let mut load = scene.load(town, shape(500)).await?;
    load.more(20).await?;
    let (mut text, mut worst, mut posted) = (Text::of(scene.seed), 0.0_f64, 0);
    // As much as the disk holds, and half of it again.
    while posted < 3 * ROOM / 2 {
        let body = text.wide(LARGE);
        insist(&town.mayor, side, &body).await?;
        posted += body.len() as u64;
        worst = worst.max(books.highest(LAG).await?);
    }
    let ended = load.end().await?;
    unharmed(scene, &ended)?;
    let stream = books.bus().await?.stream_state().await?;
    ensure!(stream.first_seq > 1, "the stream has not come to its bound");
    scene.number("MiB posted beside a disk of 16", posted >> 20);
    scene.number("events that the stream forgot", stream.first_seq - 1);
    scene.within("longest lag", millis(worst), millis(UNNOTICED_MS))?;
    scene.stack.verify().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f13_where_tables_have_no_room_reading_goes_on() -> Outcome {
    let mut scene = Scene::set("F13").await?;
    let town = scene.town(WRITERS, READERS + BROWSERS).await?;
    let side = side_channel(&town).await?;
    let disk = postgres_on_small_disk(&scene, "base").await?;
    let mut load = scene.load(&town, shape(500)).await?;
    load.more(40).await?;
    disk.fill(0)?;
    refused(&scene, &town, side).await?;
    let full = Instant::now();
    let mut reads = 0;
    while full.elapsed() < Duration::from_secs(4) {
        let person = &town.readers[reads % town.readers.len()];
        let query = PageQuery::default();
        person.client.sync().await.context("reading while tables have no room")?;
        person.client.messages(town.channels[0], query).await.context("reading a channel")?;
        page(person, &town.names[0]).await?;
        reads += 1;
    }
    scene.number("reads that were answered meanwhile", reads);
    recovers(scene, load, disk).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f13_where_the_log_has_no_room_nothing_acknowledged_is_lost() -> Outcome {
    let scene = Scene::set("F13").await?;
    let town = scene.town(WRITERS, READERS + BROWSERS).await?;
    let side = side_channel(&town).await?;
    let disk = postgres_on_small_disk(&scene, "pg_wal").await?;
    let mut load = scene.load(&town, shape(500)).await?;
    load.more(40).await?;
    disk.fill(0)?;
    // Every new piece of the log takes 16 MiB; the pieces it has in reserve are used up first.
    let books = Books::of(&scene.stack)?;
    let piece = "CREATE TEMPORARY TABLE one (); DROP TABLE one; SELECT pg_switch_wal()";
    eventually("the log is full", PATIENCE, async || {
        Ok(sqlx::raw_sql(piece).execute(&books.db).await.is_err())
    })
    .await?;
    refused(&scene, &town, side).await?;
    tokio::time::sleep(Duration::from_secs(4)).await;
    recovers(scene, load, disk).await
}

/// Makes room, and waits for everything to be as before.
async fn recovers(mut scene: Scene, load: Load, disk: Disk) -> Outcome {
    let freed = Instant::now();
    disk.clear()?;
    scene.stack.ready(PATIENCE).await?;
    scene.within("every service ready again", freed.elapsed(), RECOVERED)?;
    let ended = load.end().await?;
    ended.flawless()?;
    for (kind, found) in ended.findings().kinds() {
        scene.exactly(kind, found.len(), 0)?;
    }
    let repeated: u32 = ended.written.iter().map(|written| written.repeated).sum();
    scene.number("requests that had to be sent again", repeated);
    scene.within("recovery", ended.recovery(freed), RECOVERED)?;
    scene.stack.verify().await?;
    disk.take_away().await?;
    scene.heal().await?;
    scene.passed().await
}

/// Posts until nothing fits any more, and makes sure that this is what posting is told then.
async fn refused(scene: &Scene, town: &Town, side: ChannelId) -> anyhow::Result<()> {
    let (begun, mut text) = (Instant::now(), Text::of(scene.seed));
    loop {
        let answer = attempt(&town.mayor, side, &text.some(LARGE)).await?;
        match answer.status.as_u16() {
            201 => ensure!(begun.elapsed() < PATIENCE, "there is always room"),
            503 => {
                let problem: serde_json::Value = serde_json::from_slice(&answer.body)?;
                ensure!(problem["type"] == "/problems/unavailable", "{problem}");
                return Ok(());
            }
            _ => bail!("{}: {}", answer.status, String::from_utf8_lossy(&answer.body)),
        }
    }
}

/// Nothing is lost, doubled or out of order, nobody had to draw anew, and no post was refused.
fn unharmed(scene: &mut Scene, ended: &Ended) -> anyhow::Result<()> {
    ended.flawless()?;
    for (kind, found) in ended.findings().kinds() {
        scene.exactly(kind, found.len(), 0)?;
    }
    let repeated: u32 = ended.written.iter().map(|written| written.repeated).sum();
    scene.exactly("requests that failed", repeated, 0)
}

async fn nats_on_small_disk(scene: &Scene) -> anyhow::Result<(Books, Disk)> {
    let (books, nats) = (Books::of(&scene.stack)?, Store::of_nats(&scene.stack));
    scene.control.stop(nats.process).await?;
    let disk = nats.on_own_disk(ROOM)?;
    scene.control.start(nats.process, &[]).await?;
    scene.stack.ready(PATIENCE).await?;
    Ok((books, disk))
}

async fn postgres_on_small_disk(scene: &Scene, part: &str) -> anyhow::Result<Disk> {
    let part = Store::of_postgres(&scene.stack).await?.inside(part);
    scene.control.stop(part.process).await?;
    let disk = part.on_own_disk(2 * ROOM)?;
    scene.control.start(part.process, &[]).await?;
    let books = Books::of(&scene.stack)?;
    eventually("Postgres", PATIENCE, async || Ok(books.epoch().await.is_ok())).await?;
    scene.stack.ready(PATIENCE).await?;
    Ok(disk)
}

/// A channel nobody reads, for what is to fill a disk.
async fn side_channel(town: &Town) -> anyhow::Result<ChannelId> {
    let name = format!("side-{}", town.names[0]).parse()?;
    let new = CreateChannel { name, visibility: Visibility::Private, topic: None };
    Ok(town.mayor.client.create_channel(town.community, &new).await?.channel.id)
}

/// Gives the stream another bound.
async fn bound(books: &Books, bytes: i64) -> anyhow::Result<()> {
    let bus = books.bus().await?;
    eventually("the stream", PATIENCE, async || Ok(bus.stream_state().await.is_ok())).await?;
    let mut config = bus.jetstream().get_stream(STREAM).await?.cached_info().config.clone();
    config.max_bytes = bytes;
    bus.jetstream().update_stream(config).await?;
    Ok(())
}

fn millis(count: f64) -> Duration {
    Duration::from_secs_f64(count / 1_000.0)
}

/// Some relay has since written that events wait.
fn alerted(logs: &Logs) -> anyhow::Result<bool> {
    Ok(!logs.lines_with("events wait in the outbox")?.is_empty())
}

/// One request to post; whatever is answered.
async fn attempt(person: &Person, channel: ChannelId, body: &str) -> anyhow::Result<Answer> {
    let request = PostMessage {
        body_md: body.parse()?,
        client_msg_id: ClientMessageId::new(),
        parent_id: None,
        attachment_ids: Vec::new(),
    };
    let path = format!("/api/channels/{channel}/messages");
    Ok(person.client.send(&Call::new(Method::POST, path).json(&request)).await?)
}

/// Posts, however often that has to be asked for: so much text takes the database a while to index.
async fn insist(person: &Person, channel: ChannelId, body: &str) -> anyhow::Result<()> {
    let begun = Instant::now();
    loop {
        let answer = attempt(person, channel, body).await?;
        match answer.status.as_u16() {
            201 => return Ok(()),
            429 | 503 if begun.elapsed() < PATIENCE => tokio::time::sleep(PACE).await,
            status => bail!("{status}: {}", String::from_utf8_lossy(&answer.body)),
        }
    }
}

async fn page(person: &Person, channel: &str) -> anyhow::Result<()> {
    let http = reqwest::Client::builder().no_proxy().build()?;
    let answer = http
        .get(format!("{}/c/faults/channels/{channel}", person.gateway))
        .header("host", person.host.clone())
        .header("cookie", format!("ajet_session={}", person.token.expose()))
        .send()
        .await?;
    ensure!(answer.status().as_u16() == 200, "the page of {channel}: {}", answer.status());
    Ok(())
}

/// Texts that cannot be pressed together.
struct Text(StdRng);

impl Text {
    fn of(seed: u64) -> Self {
        Self(StdRng::seed_from_u64(seed))
    }

    fn some(&mut self, characters: usize) -> String {
        self.of_letters('a'..='z', characters)
    }

    /// The same of letters of four bytes.
    fn wide(&mut self, characters: usize) -> String {
        self.of_letters('\u{20000}'..='\u{2a6d0}', characters)
    }

    fn of_letters(&mut self, alphabet: RangeInclusive<char>, characters: usize) -> String {
        let letter = |_| self.0.random_range(alphabet.clone());
        let letters: Vec<char> = (0..characters).map(letter).collect();
        letters.chunks(7).map(|word| word.iter().collect::<String>()).collect::<Vec<_>>().join(" ")
    }
}
