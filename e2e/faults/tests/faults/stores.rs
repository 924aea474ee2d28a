//! NATS and Postgres lose what they had, or come back as they once were: Postgres is the truth, and the stream is made to follow it.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use ajet_faults::{
    Books, Browser, Ended, Ledger, Load, Person, Scene, Shape, Store, Town, Truth, eventually,
};
use ajet_shared::bus::{Bus, Outgoing};
use ajet_shared::client::Received;
use ajet_shared::id::{EventId, MessageId};
use ajet_shared::page::PageQuery;
use ajet_shared::position::Position;
use anyhow::{Context as _, ensure};
use futures::future::try_join_all;
use uuid::Uuid;

use crate::Outcome;

const WRITERS: usize = 5;
const READERS: usize = 4;
const BROWSERS: usize = 2;
/// About fifty messages a second in all.
const PACE: Duration = Duration::from_millis(100);
/// For loads that go on until something has happened.
const MANY: usize = 1_000_000;
/// How long something may take that no number is promised for.
const PATIENCE: Duration = Duration::from_secs(30);
/// Source: delivery-and-security.md section 4.
const ROLLED_BACK: Duration = Duration::from_secs(10);
/// Source: delivery-and-security.md section 4.
const DELETED: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f08_a_store_that_is_an_older_copy_costs_one_resync() -> Outcome {
    let mut scene = Scene::set("F8").await?;
    let mut loss = Loss::prepare(&scene, 80).await?;
    let back = loss.roll_back(&scene).await?;
    scene.control.start(loss.nats.process, &[]).await?;
    loss.end(&mut scene, back, ROLLED_BACK, 1).await?;
    scene.passed().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f08_an_older_copy_that_grew_to_the_same_number_is_known_by_what_it_holds() -> Outcome {
    Box::pin(grown(0)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f08_an_older_copy_that_grew_beyond_is_known_by_what_it_holds() -> Outcome {
    Box::pin(grown(15)).await
}

/// The store goes back, and before any relay looks, it is as long as it was or longer: a relay published into it that had not looked,
/// and died before it noted anything.
async fn grown(beyond: u64) -> Outcome {
    let mut scene = Scene::set("F8").await?;
    let mut loss = Loss::prepare(&scene, 20).await?;
    let books = loss.books.clone();
    let back = loss.roll_back(&scene).await?;
    // Nobody of ours looks meanwhile.
    scene.control.cut("api-nats,web-sm-nats,tui-sm-nats").await?;
    scene.control.start(loss.nats.process, &[]).await?;
    let bus = up(&books).await?;
    let missing = loss.had - bus.stream_state().await?.last_seq + beyond;
    eventually("enough waits", PATIENCE, async || {
        Ok(books.waiting().await? >= i64::try_from(missing)?)
    })
    .await?;
    publish_unnoted(&books, &bus, missing).await?;
    let grown = bus.stream_state().await?.last_seq;
    ensure!(grown == loss.had + beyond, "{grown} instead of {}", loss.had + beyond);
    scene.control.restore("all").await?;
    scene.number("grown before anybody looked, in ms", back.elapsed().as_millis());
    loss.end(&mut scene, Instant::now(), ROLLED_BACK, 1).await?;
    scene.passed().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f09_a_deleted_store_is_filled_again() -> Outcome {
    let mut scene = Scene::set("F9").await?;
    let loss = Loss::prepare(&scene, 200).await?;
    scene.control.stop(loss.nats.process).await?;
    loss.nats.empty()?;
    let back = Instant::now();
    scene.control.start(loss.nats.process, &[]).await?;
    loss.end(&mut scene, back, DELETED, 1).await?;
    scene.passed().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f09_a_store_deleted_after_a_quiet_day_is_no_first_start() -> Outcome {
    let mut scene = Scene::set("F9").await?;
    let town = scene.town(WRITERS, READERS + BROWSERS).await?;
    let shape = shape(150);
    scene.load(&town, shape).await?.end().await?.flawless()?;
    let (books, nats) = (Books::of(&scene.stack)?, Store::of_nats(&scene.stack));
    let before = Noted::read(&books).await?;
    let watch = scene.watch(&town, BROWSERS).await?;
    let aged = "UPDATE outbox SET created_at = created_at - interval '25 hours', \
                published_at = published_at - interval '25 hours' WHERE stream_seq IS NOT NULL";
    let aged = sqlx::query(aged).execute(&books.db).await?.rows_affected();
    scene.number("events of the day before", aged);
    scene.control.stop(nats.process).await?;
    nats.empty()?;
    scene.control.start(nats.process, &[]).await?;
    let took = books.reaches_epoch(before.epoch + 1, DELETED).await?;
    scene.within("a new epoch", took, DELETED)?;
    let bus = up(&books).await?;
    scene.exactly(
        "events older than a day that were published again",
        bus.stream_state().await?.last_seq,
        0,
    )?;
    let begun = Instant::now();
    let load = watch.write(&town, shape);
    books.drained(PATIENCE).await?;
    scene.stack.verify().await?;
    // What is older than the stream is pruned two days later; the check at the end believes that the stream has what the outbox has.
    sqlx::query("DELETE FROM outbox WHERE published_at < now() - interval '24 hours'")
        .execute(&books.db)
        .await?;
    let ended = load.end().await?;
    before.one_more(&mut scene, &books).await?;
    resyncs(&mut scene, &ended, 1)?;
    scene.within("recovery", ended.recovery(begun), DELETED)?;
    scene.passed().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f42_a_database_older_than_the_stream_leaves_no_ghosts() -> Outcome {
    let mut scene = Scene::set("F42").await?;
    let town = scene.town(WRITERS, READERS + BROWSERS).await?;
    let shape = shape(100);
    scene.load(&town, shape).await?.end().await?.flawless()?;
    let (books, postgres) = (Books::of(&scene.stack)?, Store::of_postgres(&scene.stack).await?);
    scene.control.stop(postgres.process).await?;
    let older = postgres.copy()?;
    scene.control.start(postgres.process, &[]).await?;
    scene.stack.ready(PATIENCE).await?;
    let before = Noted::read(&books).await?;
    let watch = scene.watch(&town, BROWSERS).await?;
    let ghosts = watch.in_vain(&town, shape).await?;
    watch.audience.knows(&ghosts.posts()).await?;
    let truth = Truth::read(&scene.stack).await?;
    let newest = up(&books).await?.position().await?;
    scene.control.stop(postgres.process).await?;
    postgres.put_back(&older)?;
    let back = Instant::now();
    scene.control.start(postgres.process, &[]).await?;
    books.reaches_epoch(before.epoch + 1, PATIENCE).await?;
    scene.within("a new epoch", back.elapsed(), ROLLED_BACK)?;
    in_the_new_epoch(&mut scene, &books, back).await?;
    scene.stack.ready(PATIENCE).await?;
    let left: HashSet<EventId> = events(&Truth::read(&scene.stack).await?).collect();
    let undone: HashSet<EventId> = events(&truth).filter(|event| !left.contains(event)).collect();
    ensure!(undone.len() >= ghosts.posts().len(), "only {} events are undone", undone.len());
    scene.number("events undone", undone.len());
    let begun = Instant::now();
    let mut load = watch.write(&town, shape);
    load.undo(undone.clone());
    no_ghosts(&scene, &town, newest, &ghosts, &undone).await?;
    let ended = load.end().await?;
    before.one_more(&mut scene, &books).await?;
    // One: the session managers find a stream of a new epoch. Nothing else makes anybody draw anew.
    resyncs(&mut scene, &ended, 1)?;
    scene.within("recovery", ended.recovery(begun), ROLLED_BACK)?;
    scene.passed().await
}

/// Waits until no session manager serves anything of the old epoch any more.
async fn in_the_new_epoch(scene: &mut Scene, books: &Books, back: Instant) -> anyhow::Result<()> {
    let managers: Vec<String> =
        scene.stack.web_sms.iter().chain(&scene.stack.tui_sms).cloned().collect();
    let wanted = f64::from(books.epoch().await?);
    eventually("the session managers in the new epoch", PATIENCE, async || {
        let epochs = managers.iter().map(|url| scene.stack.metric(url, "hub_epoch"));
        Ok(try_join_all(epochs).await?.iter().all(|epoch| *epoch >= wanted))
    })
    .await?;
    scene.within("no session manager in the old epoch", back.elapsed(), ROLLED_BACK)
}

/// Nobody is shown what is not in the database: not who comes back with an old cursor, not who loads a page, not who asks; and everybody
/// is who they were.
async fn no_ghosts(
    scene: &Scene,
    town: &Town,
    newest: Position,
    ghosts: &Ledger,
    undone: &HashSet<EventId>,
) -> anyhow::Result<()> {
    for behind in [0, 1, 50] {
        let cursor = Position { seq: newest.seq - behind, ..newest };
        let came = replayed(&town.readers[0], cursor).await?;
        let came: Vec<_> = came.intersection(undone).collect();
        ensure!(came.is_empty(), "who comes back with {cursor} sees {came:?}");
    }
    let ghosts: HashSet<MessageId> = ghosts.posts().iter().map(|posted| posted.message).collect();
    for (channel, name) in town.channels.iter().zip(&town.names) {
        let path = format!("/c/faults/channels/{name}");
        let page = Browser::open(town.writers[0].clone(), *channel, &path).await?;
        let shown = page.shown().before.into_iter().find(|row| ghosts.contains(row));
        ensure!(shown.is_none(), "the page of {name} shows {shown:?}");
        let query = PageQuery::default();
        let listed = town.writers[0].client.messages(*channel, query).await?.items;
        let listed = listed.iter().find(|message| ghosts.contains(&message.id));
        ensure!(listed.is_none(), "{name} has {listed:?}");
    }
    for person in town.writers.iter().chain(&town.readers) {
        let me = person.client.me().await.with_context(|| format!("{}'s session", person.name))?;
        ensure!(me.user.id == person.id, "{} is somebody else", person.name);
    }
    scene.stack.verify().await
}

/// The events that come to somebody who comes back with a cursor of before, up to the resync and for a moment after it.
async fn replayed(person: &Person, cursor: Position) -> anyhow::Result<HashSet<EventId>> {
    const MOMENT: Duration = Duration::from_millis(500);
    let mut events = person.client.events(Some(cursor), None);
    let (mut came, mut resyncs) = (HashSet::new(), 0);
    let mut until = tokio::time::Instant::now() + PATIENCE;
    while let Ok(received) = tokio::time::timeout_at(until, events.next()).await {
        match received? {
            Received::Event(envelope) => _ = came.insert(envelope.id),
            Received::Resync { .. } => {
                resyncs += 1;
                until = tokio::time::Instant::now() + MOMENT;
            }
            Received::Ready | Received::Resumed { .. } | Received::Lost { .. } => {}
        }
    }
    ensure!(resyncs == 1, "who comes back with {cursor} has {resyncs} resyncs");
    Ok(came)
}

fn events(truth: &Truth) -> impl Iterator<Item = EventId> {
    truth.events.iter().map(|event| event.event_id)
}

fn shape(posts: usize) -> Shape {
    Shape { posts, pace: PACE, browsers: BROWSERS }
}

/// The bus, when NATS is there and has its stream.
async fn up(books: &Books) -> anyhow::Result<Bus> {
    let bus = books.bus().await?;
    eventually("the stream", PATIENCE, async || Ok(bus.stream_state().await.is_ok())).await?;
    Ok(bus)
}

/// The last number of the stream that a relay has noted.
async fn newest(books: &Books) -> anyhow::Result<u64> {
    let newest = "SELECT coalesce(max(stream_seq), 0) FROM outbox WHERE epoch = $1";
    let epoch = books.epoch().await?;
    let newest: i64 = sqlx::query_scalar(newest).bind(epoch).fetch_one(&books.db).await?;
    Ok(newest.unsigned_abs())
}

/// Publishes what waits, and notes nothing.
async fn publish_unnoted(books: &Books, bus: &Bus, count: u64) -> anyhow::Result<()> {
    let waiting = "SELECT event_id, subject, channel_seq, payload::text FROM outbox \
                   WHERE stream_seq IS NULL AND failed_at IS NULL ORDER BY id LIMIT $1";
    let rows: Vec<(Uuid, String, Option<i64>, String)> =
        sqlx::query_as(waiting).bind(i64::try_from(count)?).fetch_all(&books.db).await?;
    let epoch = books.epoch().await?;
    for (id, subject, channel_seq, payload) in rows {
        let (id, payload) = (id.into(), payload.into());
        let again = false;
        bus.publish(Outgoing { id, subject: &subject, channel_seq, epoch, again, payload }).await?;
    }
    Ok(())
}

/// A load under way whose stream is about to be lost.
struct Loss {
    books: Books,
    nats: Store,
    load: Load,
    noted: Noted,
    older: Option<ajet_faults::Older>,
    /// The last number of the stream when it was lost.
    had: u64,
}

impl Loss {
    /// Begins to write; `lost` messages come into the stream after the copy of it that will be put back.
    async fn prepare(scene: &Scene, lost: usize) -> anyhow::Result<Self> {
        let town = scene.town(WRITERS, READERS + BROWSERS).await?;
        let (books, nats) = (Books::of(&scene.stack)?, Store::of_nats(&scene.stack));
        let noted = Noted::read(&books).await?;
        let mut load = scene.load(&town, shape(MANY)).await?;
        load.more(40).await?;
        scene.control.stop(nats.process).await?;
        let (older, kept) = (Some(nats.copy()?), newest(&books).await?);
        scene.control.start(nats.process, &[]).await?;
        load.more(lost).await?;
        eventually("the relay goes on", PATIENCE, async || {
            Ok(newest(&books).await? >= kept + u64::try_from(lost)?)
        })
        .await?;
        let had = newest(&books).await?;
        Ok(Self { books, nats, load, noted, older, had })
    }

    /// Puts the older copy in place, and leaves NATS down.
    async fn roll_back(&mut self, scene: &Scene) -> anyhow::Result<Instant> {
        scene.control.stop(self.nats.process).await?;
        let older = self.older.take().context("it was put back before")?;
        self.nats.put_back(&older)?;
        // What the relay has noted by now is what it will miss.
        self.had = newest(&self.books).await?;
        Ok(Instant::now())
    }

    /// Waits for the end and judges.
    async fn end(
        self,
        scene: &mut Scene,
        back: Instant,
        limit: Duration,
        each: usize,
    ) -> anyhow::Result<()> {
        let Self { books, mut load, noted, had, .. } = self;
        scene.number("events in the stream that was lost", had);
        books.reaches_epoch(noted.epoch + 1, PATIENCE).await?;
        // Of these everybody must hear in the new epoch.
        load.more(40).await?;
        load.ledger.enough();
        let ended = load.end().await?;
        noted.one_more(scene, &books).await?;
        resyncs(scene, &ended, each)?;
        scene.within("recovery", ended.recovery(back), limit)
    }
}

/// What is noted of new epochs.
struct Noted {
    epoch: i32,
    audited: i64,
    counted: f64,
}

impl Noted {
    async fn read(books: &Books) -> anyhow::Result<Self> {
        let (epoch, audited) = (books.epoch().await?, books.audited().await?);
        Ok(Self { epoch, audited, counted: books.rollbacks().await? })
    }

    /// One new epoch began, and everything says so.
    async fn one_more(&self, scene: &mut Scene, books: &Books) -> anyhow::Result<()> {
        let now = Self::read(books).await?;
        scene.exactly("new epochs", now.epoch - self.epoch, 1)?;
        scene.exactly("audit events", now.audited - self.audited, 1)?;
        scene.exactly("chat_stream_rollback_total", now.counted - self.counted, 1.0)
    }
}

/// Nothing is lost, doubled or out of order, and each reader had to draw anew at least once and at most so often.
fn resyncs(scene: &mut Scene, ended: &Ended, most: usize) -> anyhow::Result<()> {
    ended.flawless_but_resyncs(most)?;
    for (kind, found) in ended.findings().kinds() {
        if kind != "resyncs" {
            scene.exactly(kind, found.len(), 0)?;
        }
    }
    let readers = ended.witness.seen.iter().map(|seen| seen.resyncs.len());
    let pages = ended.witness.shown.iter().map(|shown| shown.resyncs as usize);
    let each: Vec<usize> = readers.chain(pages).collect();
    let least = each.iter().copied().min().unwrap_or(0);
    scene.number("resyncs of each reader", format!("{each:?}"));
    ensure!(least >= 1, "{}: somebody had no resync: {each:?}", scene.id);
    Ok(())
}
