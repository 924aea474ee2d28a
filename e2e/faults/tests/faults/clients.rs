//! Clients that vanish, are slow, or never read: they must cost little, and nobody else anything.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use ajet_faults::{
    Ask, FarAway, Kind, Mutes, Person, Reader, Scene, Seen, Shape, Stack, Town, door, open_files,
    percentile, resident_bytes,
};
use ajet_shared::channel::Visibility;
use ajet_shared::id::{ChannelId, ClientMessageId, MessageId};
use ajet_shared::message::PostMessage;
use anyhow::{Context as _, ensure};
use tokio::task::JoinHandle;

use crate::Outcome;

/// How often something is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// When the server must have let go of somebody who vanished. Source: delivery-and-security.md F22.
const REAPED: Duration = Duration::from_secs(45);
/// When somebody whose stream is dead must be back: the watchdog, the longest pause, and what opening takes.
/// Source: delivery-and-security.md F22.
const BACK: Duration = Duration::from_secs(45 + 5 + 2);

/// Counts readers whose queue was full.
const OVERFLOWS: &str = "hub_queue_overflow_total";
/// The session managers, by process.
const SESSION_MANAGERS: [&str; 4] = ["tui-sm-1", "tui-sm-2", "web-sm-1", "web-sm-2"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f22_who_vanishes_is_let_go_and_who_hears_nothing_comes_back() -> Outcome {
    let mut scene = Scene::set("F22").await?;
    let town = scene.town(2, 10).await?;
    vanished_clients(&mut scene, &town).await?;
    vanished_servers(&mut scene, &town).await?;
    scene.passed().await
}

/// Clients vanish: the gateway and the session managers notice.
async fn vanished_clients(scene: &mut Scene, town: &Town) -> anyhow::Result<()> {
    const CLIENTS: u16 = 40;
    let patience = 2 * REAPED;
    let mut far_away = FarAway::plugged_in()?;
    let (files, streams) = (files_of(&scene.stack)?, streams_of(&scene.stack).await?);
    let request = Ask::Events.request(&town.readers[0]);
    far_away.connect(door(&scene.control, 1).await?, &request, CLIENTS.into())?;
    let opened = streams.with(CLIENTS.into());
    eventually("the streams stand", patience, async || {
        Ok(streams_of(&scene.stack).await? == opened)
    })
    .await?;
    let full = files_of(&scene.stack)?;
    ensure!(
        full >= files + 3 * usize::from(CLIENTS),
        "{full} files with the streams, {files} without"
    );
    far_away.vanish()?;
    let gone = eventually("the streams end", patience, async || {
        Ok(streams_of(&scene.stack).await? == streams)
    })
    .await?;
    let closed = eventually("their files are closed", patience, async || {
        // A connection or two between the services come and go.
        Ok(files_of(&scene.stack)? <= files + 4)
    })
    .await?;
    scene.within("40 clients vanish: their streams have ended after", gone, REAPED)?;
    scene.within("and all of their files are closed after", gone + closed, REAPED)
}

/// From some session managers nothing arrives any more, and nothing gets to them: their readers notice.
async fn vanished_servers(scene: &mut Scene, town: &Town) -> anyhow::Result<()> {
    const DEAD: &str = "gw-tui-sm-1,gw-web-sm-1";
    let shape = Shape { posts: 560, pace: Duration::from_millis(250), browsers: 4 };
    let mut load = scene.load(town, shape).await?;
    load.reaches(40).await?;
    scene.control.half_open(DEAD).await?;
    let begun = Instant::now();
    let ended = load.end().await?;
    scene.control.restore(DEAD).await?;
    ended.flawless()?;
    let silence = ended.witness.seen.iter().map(|seen| silence(seen, begun)).max();
    let moved = ended.witness.seen.iter().filter(|seen| seen.reconnects > 0).count();
    ensure!(moved > 0, "nobody read at the session managers that were gone");
    scene.number("half of the session managers vanish: readers that came back", moved);
    scene.within(
        "the longest time that one of them heard nothing",
        silence.unwrap_or_default(),
        BACK,
    )
}

/// The longest time for which nothing came, from a moment on.
fn silence(seen: &Seen, from: Instant) -> Duration {
    let frames = seen.channels.values().flatten();
    let mut heard: Vec<_> = frames.map(|frame| frame.at).filter(|at| *at > from).collect();
    heard.push(from);
    heard.sort_unstable();
    heard.windows(2).map(|two| two[1] - two[0]).max().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f24_a_slow_client_is_slow_alone() -> Outcome {
    /// The way of the slow one; everybody else takes the other.
    const NARROW: &str = "client-gw-2";
    /// Readers at the same gateway who come another way. Bare event sources: those choose their gateway.
    const BESIDE: [usize; 2] = [1, 3];
    let mut scene = Scene::set("F24").await?;
    let mut town = scene.town(5, 9).await?;
    let mut slow = town.readers.pop().context("nobody")?;
    slow.gateway.clone_from(&scene.stack.gateways[1]);
    for person in town.readers.iter_mut().chain(&mut town.writers) {
        person.gateway.clone_from(&scene.stack.gateways[0]);
        person.own_client = person.client.clone();
    }
    let beside = format!("http://{}", door(&scene.control, 2).await?);
    for number in BESIDE {
        town.readers[number].gateway.clone_from(&beside);
    }
    let overflows = sum(&scene.stack.tui_sms, &scene.stack, OVERFLOWS).await?;
    let posts = 4_000;
    let shape = Shape { posts, pace: Duration::from_millis(80), browsers: 2 };
    let noise = town.open_channel("noise-f24", Visibility::Public).await?;
    let mut load = scene.load(&town, shape).await?;
    load.reaches(100).await?;
    let noise = tokio::spawn(drone(town.mayor.clone(), noise));
    let begun = Instant::now();
    load.more(600).await?;
    let slow = Reader::open(slow, Kind::Raw, &town.channels).await?;
    let (latency, jitter) = (Duration::from_millis(200), Duration::from_millis(50));
    scene.control.latency(NARROW, latency, jitter).await?;
    scene.control.bandwidth(NARROW, 10_000.try_into()?).await?;
    let narrowed = Instant::now();
    let patience = Duration::from_secs(90);
    let lagged = eventually("the slow one has too much waiting", patience, async || {
        Ok(sum(&scene.stack.tui_sms, &scene.stack, OVERFLOWS).await? > overflows)
    });
    let lagged = lagged.await?;
    let wide = Instant::now();
    noise.abort();
    scene.control.restore(NARROW).await?;
    let last = load.end().await?;
    last.flawless()?;
    let told = eventually("the slow one is told", patience, async || {
        let seen = slow.seen();
        let newest = |channel: &ChannelId| {
            last.posts
                .iter()
                .filter(|posted| posted.channel == *channel)
                .map(|posted| posted.seq)
                .max()
        };
        let is_there = |channel: &ChannelId| newest(channel) <= Some(slow.reached(*channel));
        Ok(!seen.resyncs.is_empty() && town.channels.iter().all(is_there))
    });
    told.await?;
    let seen = slow.seen();
    scene.number(
        "200 ms and 10 kB/s: its queue was full after",
        format!("{:.1} s", lagged.as_secs_f64()),
    );
    scene.exactly("resyncs of the slow one", seen.resyncs.len(), 1)?;
    ensure!(seen.resyncs[0].contains("overflow"), "told {:?}", seen.resyncs);
    scene.exactly("its reconnects", seen.reconnects, 0)?;
    let overflows = sum(&scene.stack.tui_sms, &scene.stack, OVERFLOWS).await? - overflows;
    scene.exactly("queues that were too full", overflows, 1.0)?;
    let at_its_gateway = |reader: usize| BESIDE.contains(&reader);
    let readers: [(&str, &dyn Fn(usize) -> bool); 2] = [
        ("the others", &|reader| !at_its_gateway(reader)),
        ("those at its gateway", &at_its_gateway),
    ];
    for (who, are_they) in readers {
        let without = |share| last.seen_by(are_they, begun, narrowed, share);
        let beside = |share| last.seen_by(are_they, narrowed, wide, share);
        let p99 = without(0.99);
        for (what, time) in [("p99", p99), ("p50", without(0.5)), ("p50 beside it", beside(0.5))] {
            scene.number(&format!("{who}: {what}"), format!("{} ms", time.as_millis()));
        }
        ensure!((LOOK_EVERY / 1_000..BACK).contains(&p99), "{who} saw nothing");
        // A tenth, or what a machine that does other things adds by chance.
        let bound = p99.mul_f64(1.1).max(p99 + Duration::from_millis(scene.length(40, 15)));
        scene.within(&format!("{who}: p99 beside it"), beside(0.99), bound)?;
    }
    scene.passed().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f25_a_thousand_clients_never_read() -> Outcome {
    const CLIENTS: usize = 1_000;
    /// The longest text of a message, as often as it takes until every queue is full.
    const TEXTS: usize = 200;
    let mut scene = Scene::set("F25").await?;
    let town = scene.town(1, 11).await?;
    let gateway = door(&scene.control, 1).await?;
    let (person, deaf) = town.readers.split_first().context("nobody")?;
    let reader = Reader::open(person.clone(), Kind::Raw, &[]).await?;
    let quiet = latencies(&town, &reader).await?;
    let streams = streams_of(&scene.stack).await?;
    let before = overflows(&scene.stack).await?;
    let memory = Memory::watch(&scene.stack)?;
    let http = reqwest::Client::builder().no_proxy().build()?;
    let (mut at_pages, mut at_events) = (Vec::new(), Vec::new());
    for person in deaf {
        let path = format!("/c/faults/channels/{}", town.names[0]);
        at_pages.push(Ask::Page.request_of(person, &person.page_stream(&http, &path).await?));
        at_events.push(Ask::Events.request(person));
    }
    let pages = Mutes::open(gateway, &at_pages, CLIENTS / 2).await?;
    let events = Mutes::open(gateway, &at_events, CLIENTS / 2).await?;
    ensure!(pages.count() + events.count() == CLIENTS, "some are missing");
    let opened = memory.grown();
    // Before the first of them is let go.
    let beside = latencies(&town, &reader).await?;
    let open = streams_of(&scene.stack).await?.gateway - streams.gateway;
    scene.exactly("of 1,000 open while the latency was measured", open, 1_000.0)?;
    let (begun, long) = (Instant::now(), "never read ".repeat(16_000 / 11));
    for _ in 0..TEXTS {
        post(&town, &long).await?;
    }
    scene.number("3.2 MB of messages took", format!("{:.1} s", begun.elapsed().as_secs_f64()));
    let full = overflows(&scene.stack).await?;
    for (whose, full, before) in
        [("pages", full.0, before.0), ("streams of events", full.1, before.1)]
    {
        ensure!(full > before, "no queue of {whose} was full");
        scene.number(&format!("queues of {whose} that were full"), full - before);
    }
    let latency = latencies(&town, &reader).await?;
    let still = streams_of(&scene.stack).await?.gateway - streams.gateway;
    let reaped = eventually("all of them are let go", 2 * REAPED, async || {
        Ok(streams_of(&scene.stack).await? == streams)
    });
    let reaped = reaped.await?;
    let per_client = |bytes: u64| mebibytes(bytes) / 1_000.0;
    for (process, bytes) in memory.grown() {
        scene.number(
            &format!("{process}: memory for each of 1,000"),
            format!("{:.3} MiB", per_client(bytes)),
        );
    }
    scene.number("after they were opened", format!("{:.3} MiB", per_client(opened.values().sum())));
    let all = memory.grown().values().sum();
    scene.at_most("memory for each of 1,000, all processes", per_client(all), 1.2, "MiB")?;
    let millis =
        |times: &[Duration], share| format!("{} ms", percentile(times.to_vec(), share).as_millis());
    scene.number("p99 of events for somebody who reads, alone", millis(&quiet, 0.99));
    let later = format!("beside the {still} that are left when queues are full");
    for (when, times) in [("beside all of them", beside), (later.as_str(), latency)] {
        scene.number(&format!("p50 {when}"), millis(&times, 0.5));
        scene.within(&format!("p99 {when}"), percentile(times, 0.99), Duration::from_millis(50))?;
    }
    scene.within("then all were let go of within", reaped, REAPED)?;
    drop((pages, events));
    scene.passed().await
}

/// Says long things for ever, about 50 kB a second, where the checker does not look.
async fn drone(person: Person, channel: ChannelId) -> anyhow::Result<()> {
    let text = "on and on ".repeat(1_000);
    let mut ticks = tokio::time::interval(Duration::from_millis(200));
    loop {
        ticks.tick().await;
        say(&person, channel, &text).await?;
    }
}

/// Posts small messages one after the other, and gives the time from each acknowledgement until the reader had it.
async fn latencies(town: &Town, reader: &Reader) -> anyhow::Result<Vec<Duration>> {
    let mut acknowledged = Vec::new();
    for number in 0..200 {
        let id = post(town, &format!("number {number}")).await?;
        acknowledged.push((id, Instant::now()));
    }
    let seen = || -> Option<Vec<Duration>> {
        let seen = reader.seen();
        let frames: Vec<_> = seen.channels.values().flatten().collect();
        let since = |(id, at): &(MessageId, Instant)| {
            let frame = frames.iter().find(|frame| frame.created == Some(*id))?;
            Some(frame.at.saturating_duration_since(*at))
        };
        acknowledged.iter().map(since).collect()
    };
    eventually("the reader has all of it", Duration::from_secs(20), async || Ok(seen().is_some()))
        .await?;
    seen().context("it had them")
}

/// The writer of the town says something in its first channel.
async fn post(town: &Town, text: &str) -> anyhow::Result<MessageId> {
    say(&town.writers[0], town.channels[0], text).await
}

/// Says something once.
async fn say(person: &Person, channel: ChannelId, text: &str) -> anyhow::Result<MessageId> {
    let request = PostMessage {
        body_md: text.parse()?,
        client_msg_id: ClientMessageId::new(),
        parent_id: None,
        attachment_ids: Vec::new(),
    };
    Ok(person.client.post_message(channel, &request).await?.id)
}

/// Waits until something is so; gives how long that took.
async fn eventually(
    what: &str,
    patience: Duration,
    is_so: impl AsyncFn() -> anyhow::Result<bool>,
) -> anyhow::Result<Duration> {
    let begun = Instant::now();
    while !is_so().await? {
        ensure!(begun.elapsed() < patience, "{what}: not within {patience:?}");
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Ok(begun.elapsed())
}

/// Files that the first gateway and the session managers have open.
fn files_of(stack: &Stack) -> anyhow::Result<usize> {
    let processes = ["auth-gw-1"].into_iter().chain(SESSION_MANAGERS);
    processes.map(|name| open_files(stack.pid(name)?)).sum()
}

/// Open streams.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Streams {
    /// As the first gateway counts them.
    gateway: f64,
    /// As all session managers together do.
    session_managers: f64,
}

impl Streams {
    /// With so many more, all of them at the first gateway.
    fn with(self, more: f64) -> Self {
        Self { gateway: self.gateway + more, session_managers: self.session_managers + more }
    }
}

async fn streams_of(stack: &Stack) -> anyhow::Result<Streams> {
    Ok(Streams {
        gateway: stack.metric(&stack.gateway_admins[0], "ajet_gateway_open_streams").await?,
        session_managers: sum(&session_managers(stack), stack, "hub_connections").await?,
    })
}

/// The memory of the first gateway and of the session managers, looked at again and again until dropped.
struct Memory {
    before: BTreeMap<&'static str, u64>,
    most: Arc<Mutex<BTreeMap<&'static str, u64>>>,
    watching: JoinHandle<()>,
}

impl Memory {
    fn watch(stack: &Stack) -> anyhow::Result<Self> {
        let mut pids = BTreeMap::new();
        for name in ["auth-gw-1"].into_iter().chain(SESSION_MANAGERS) {
            pids.insert(name, stack.pid(name)?);
        }
        let look = move || -> anyhow::Result<BTreeMap<_, _>> {
            pids.iter().map(|(name, pid)| Ok((*name, resident_bytes(*pid)?))).collect()
        };
        let before = look()?;
        let most = Arc::new(Mutex::new(before.clone()));
        let noted = most.clone();
        let watching = tokio::spawn(async move {
            while let Ok(now) = look() {
                for (name, bytes) in now {
                    let mut most = noted.lock().unwrap_or_else(PoisonError::into_inner);
                    most.entry(name).and_modify(|most| *most = bytes.max(*most));
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
        });
        Ok(Self { before, most, watching })
    }

    /// By how much each has grown at most, bytes.
    fn grown(&self) -> BTreeMap<&'static str, u64> {
        let most = self.most.lock().unwrap_or_else(PoisonError::into_inner).clone();
        most.into_iter().map(|(name, bytes)| (name, bytes - self.before[name])).collect()
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        self.watching.abort();
    }
}

#[expect(clippy::cast_precision_loss, reason = "for people")]
fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / 1_048_576.0
}

/// The addresses of all session managers.
fn session_managers(stack: &Stack) -> Vec<String> {
    stack.tui_sms.iter().chain(&stack.web_sms).cloned().collect()
}

/// How often a queue of a page, and one of a stream of events, was full.
async fn overflows(stack: &Stack) -> anyhow::Result<(f64, f64)> {
    let pages = sum(&stack.web_sms, stack, OVERFLOWS).await?;
    Ok((pages, sum(&stack.tui_sms, stack, OVERFLOWS).await?))
}

/// A metric of several services together.
async fn sum(services: &[String], stack: &Stack, name: &str) -> anyhow::Result<f64> {
    let mut sum = 0.0;
    for service in services {
        sum += stack.metric(service, name).await?;
    }
    Ok(sum)
}
