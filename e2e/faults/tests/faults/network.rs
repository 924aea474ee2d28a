//! What connects two parts is cut, stalls, or breaks again and again.

use std::time::{Duration, Instant};

use ajet_faults::{
    Ask, Block, Browser, Ended, Kind, Load, Person, Probe, Probed, Reader, Scene, Shape, Streams,
    Town, Wire, eventually, move_in,
};
use ajet_shared::channel::Visibility;
use ajet_shared::events::Envelope;
use ajet_shared::id::ChannelId;
use anyhow::{Context as _, bail, ensure};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::time::{sleep, sleep_until};

use crate::Outcome;

/// Four writers, about twenty messages a second in all.
const WRITERS: usize = 4;
const PACE: Duration = Duration::from_millis(200);
/// A page is told by then that no events flow. Source: delivery-and-security.md section 2.7.
const TOLD_WITHIN: Duration = Duration::from_secs(20);
/// By then everything has caught up with what it missed.
const CATCH_UP: Duration = Duration::from_secs(10);

/// A town of writers, `readers` of events and `browsers`, and writing that goes on for about `time`.
async fn writing(
    scene: &Scene,
    readers: usize,
    browsers: usize,
    time: Duration,
) -> anyhow::Result<(Town, Load)> {
    let town = scene.town(WRITERS, readers + browsers).await?;
    let load = scene.load(&town, shape(browsers, time)).await?;
    Ok((town, load))
}

fn shape(browsers: usize, time: Duration) -> Shape {
    let each = usize::try_from(time.as_millis() / PACE.as_millis()).unwrap_or(usize::MAX);
    Shape { posts: each * WRITERS, pace: PACE, browsers }
}

/// Nothing is lost, doubled, out of order; nobody drew anything anew.
fn nothing_is_wrong(scene: &mut Scene, ended: &Ended) -> Outcome {
    ended.flawless()?;
    for (kind, found) in ended.findings().kinds() {
        scene.exactly(kind, found.len(), 0)?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f19_session_managers_go_on_where_nats_left_them() -> Outcome {
    const SMS: &str = "web-sm-nats,tui-sm-nats";
    let mut scene = Scene::set("F19").await?;
    let away = Duration::from_secs(30);
    let (_, mut load) = writing(&scene, 4, 4, away * 2 + CATCH_UP * 2).await?;
    load.reaches(40).await?;

    let cut = Instant::now();
    scene.control.cut(SMS).await?;
    sleep_until((cut + away).into()).await;
    scene.control.restore(SMS).await?;
    let (restored, pause) = (Instant::now(), CATCH_UP);
    sleep(pause).await;
    let stalled = Instant::now();
    scene.control.stall(SMS).await?;
    sleep_until((stalled + away).into()).await;
    scene.control.restore(SMS).await?;
    let flows = Instant::now();
    let ended = load.end().await?;
    nothing_is_wrong(&mut scene, &ended)?;
    scene.within("events flow after the cut", ended.recovery(restored), CATCH_UP)?;
    scene.within("events flow after the stall", ended.recovery(flows), CATCH_UP)?;

    let (mut told, mut taken_back) = (Duration::ZERO, Duration::ZERO);
    for shown in &ended.witness.shown {
        let said = |from: Instant, paused: bool| {
            let after = shown.notices.iter().filter(move |(at, _)| *at >= from);
            after
                .filter(move |(_, text)| text.contains("paused") == paused)
                .map(|(at, _)| *at)
                .min()
        };
        let paused = said(cut, true).context("a page was not told that no events flow")?;
        let well = said(paused, false).context("a page was not told that events flow again")?;
        told = told.max(paused - cut);
        taken_back = taken_back.max(well.saturating_duration_since(restored));
        ensure!(well >= restored, "a page was told that events flow while they did not");
    }
    scene.within("pages are told", told, TOLD_WITHIN)?;
    scene.within("the notice is taken back", taken_back, CATCH_UP)?;
    scene.passed().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f20_without_the_api_events_flow_and_nobody_sees_more() -> Outcome {
    const EDGES: &str = "web-sm-api,tui-sm-api";
    let mut scene = Scene::set("F20").await?;
    let away = Duration::from_secs(30);
    let (town, mut load) = writing(&scene, 4, 2, away + CATCH_UP * 2).await?;
    let lodge = town.aside("lodge-f20", Visibility::Private).await?;
    let square = town.aside("square-f20", Visibility::Public).await?;
    let guest = move_in(&scene.stack, "f20-guest", 1, None).await?;
    for channel in [lodge, square] {
        town.mayor.client.add_channel_member(channel, guest.id).await?;
    }
    let watching = Reader::open(guest.clone(), Kind::Raw, &[lodge, square]).await?;
    let http = reqwest::Client::builder().no_proxy().build()?;
    let mut early = Wire::stream(&http, &guest, Ask::Events, "/ws/tui/events", None).await?;
    let welcome = town.mayor.say(lodge, "welcome").await?;
    let seen =
        early.find(CATCH_UP, |event| seq_in(&event.data, lodge) == Some(welcome.seq)).await?;
    let cursor = seen.id.context("an event without a position")?;
    let page = Browser::open(guest.clone(), lodge, "/c/faults/channels/lodge-f20").await?;
    load.reaches(40).await?;

    let cut = Instant::now();
    scene.control.cut(EDGES).await?;
    let (reader, path) = (town.readers[0].clone(), format!("/c/faults/channels/{}", town.names[0]));
    let pages = Probe::begin(Duration::from_millis(500), move |http| {
        reader.browses(http, &path).header("accept", "text/html")
    });
    sleep(Duration::from_secs(5)).await;
    let there = town.mayor.say(lodge, "while they are there").await?;
    hears(&watching, lodge, there.seq).await?;
    eventually("the page shows what it may", CATCH_UP, async || {
        Ok(page.shown().came.contains_key(&there.id))
    })
    .await?;
    town.mayor.client.remove_channel_member(lodge, guest.id).await?;
    let last = town.mayor.say(lodge, "now that they are gone").await?;
    // Whoever comes back meanwhile sees no more than those who stayed.
    let mut again = comes_back(&http, &guest, &cursor).await?;
    // The session manager that they come back to has their other stream, and so knows what they may see.
    scene.exactly("who comes back meanwhile is taken back", again.is_some(), true)?;
    let replayed = listen(&mut again).await;
    let still = town.mayor.say(lodge, "and still").await?;
    let open = town.mayor.say(square, "this is for them too").await?;
    let meanwhile = listen(&mut again).await;
    let heard = meanwhile.iter().any(|event| seq_in(&event.data, square) == Some(open.seq));
    ensure!(heard, "who came back hears nothing, not even where they belong");
    hears(&watching, square, open.seq).await?;
    sleep_until((cut + away).into()).await;
    let restored = Instant::now();
    let asked = pages.between(cut + Duration::from_secs(1), restored).await;
    scene.control.restore(EDGES).await?;
    while pages.fine_after(restored).is_none() {
        ensure!(restored.elapsed() < CATCH_UP, "pages do not come back");
        sleep(Duration::from_millis(50)).await;
    }
    let back = pages.fine_after(restored).map_or(Duration::MAX, |at| at - restored);
    scene.within("pages come back", back, CATCH_UP)?;
    let now = town.mayor.say(lodge, "even now").await?;
    let ended = load.end().await?;
    nothing_is_wrong(&mut scene, &ended)?;
    scene.within(
        "p99 of an event meanwhile",
        ended.seen(cut, restored, 0.99),
        Duration::from_secs(1),
    )?;
    let wrong: Vec<String> =
        asked.iter().filter(|page| !is_page_later(page)).map(Probed::line).collect();
    ensure!(wrong.is_empty(), "pages without the api: {wrong:?}");
    scene.number("pages that were 503 with Retry-After", asked.len());
    let leaks = replayed.iter().chain(&meanwhile).filter_map(|event| seq_in(&event.data, lodge));
    let leaks = leaks.filter(|seq| *seq >= last.seq).count();
    scene.exactly("events after the removal, to a stream opened meanwhile", leaks, 0)?;
    let seen = watching.seen();
    let leaks = seen.channels.get(&lodge).into_iter().flatten();
    let leaks = leaks.filter(|frame| frame.seq >= last.seq).count();
    scene.exactly("events after the removal, to the one who stayed", leaks, 0)?;
    let shown = page.shown().came;
    let leaks = [last, still, now].iter().filter(|said| shown.contains_key(&said.id)).count();
    scene.exactly("rows after the removal, on a page", leaks, 0)?;
    scene.passed().await
}

/// Waits until a reader has come to a place in a channel.
async fn hears(reader: &Reader, channel: ChannelId, seq: i64) -> Outcome {
    eventually("who stayed hears what they may", CATCH_UP, async || {
        Ok(reader.reached(channel) >= seq)
    })
    .await
    .map(drop)
}

/// What comes on a stream in a while.
async fn listen(stream: &mut Option<Wire>) -> Vec<Block> {
    match stream {
        Some(stream) => stream.listen(Duration::from_secs(3)).await,
        None => Vec::new(),
    }
}

/// Opens a stream anew, as often as it takes to meet a session manager that knows who comes. One that would have to ask the api refuses:
/// none if all do.
async fn comes_back(
    http: &reqwest::Client,
    person: &Person,
    cursor: &str,
) -> anyhow::Result<Option<Wire>> {
    let begun = Instant::now();
    loop {
        let wire = Wire::open(http, person, Ask::Events, "/ws/tui/events", Some(cursor)).await?;
        match wire.status {
            200 => return Ok(Some(wire)),
            503 if begun.elapsed() > Duration::from_secs(3) => return Ok(None),
            503 => {}
            status => bail!("who comes back is answered {status}"),
        }
        sleep(Duration::from_millis(100)).await;
    }
}

/// 503 for people, and when to come back.
fn is_page_later(page: &Probed) -> bool {
    page.status == Some(503)
        && page.content_type.starts_with("text/html")
        && page.retry_after.as_ref().is_some_and(|after| after.parse::<u32>().is_ok())
}

/// The place in a channel of the event that some data is.
fn seq_in(data: &str, channel: ChannelId) -> Option<i64> {
    let event: Envelope = serde_json::from_str(data).ok()?;
    event.seq.filter(|_| event.channel_id == Some(channel))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f21_apis_without_nats_take_messages_all_the_same() -> Outcome {
    let mut scene = Scene::set("F21").await?;
    let away = scene.length(Duration::from_secs(10), Duration::from_secs(30));
    let (_, mut load) = writing(&scene, 4, 2, away + CATCH_UP).await?;
    load.reaches(40).await?;
    let cut = Instant::now();
    scene.control.cut("api-nats").await?;
    sleep_until((cut + away).into()).await;
    let still = Instant::now();
    scene.control.restore("api-nats").await?;
    let restored = Instant::now();
    let ended = load.end().await?;
    nothing_is_wrong(&mut scene, &ended)?;
    // What was under way has come by then.
    scene.exactly("events that came meanwhile", ended.came(cut + away / 2, still), 0)?;
    let repeated: u32 = ended.written.iter().map(|writer| writer.repeated).sum();
    scene.exactly("requests that were not answered 2xx", repeated, 0)?;
    let (posting, flowing) = (ended.answered(cut, restored, 0.99), ended.recovery(restored));
    scene.within("p99 of a post without NATS", posting, Duration::from_millis(200))?;
    scene.within("events flow after NATS is back", flowing, Duration::from_secs(3))?;
    scene.passed().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f21_apis_without_postgres_say_so_and_come_back() -> Outcome {
    let (mut scene, town, mut load) = under_load("F21").await?;
    let reader = town.readers[0].clone();
    let probe =
        Probe::begin(Duration::from_millis(100), move |http| reader.asks(http, "/api/sync"));
    load.reaches(40).await?;
    let asked = outage(&mut scene, "api-postgres", &probe).await?;
    slowest(&mut scene, "without Postgres", &asked, Duration::from_secs(3))?;
    nothing_is_wrong(&mut scene, &load.end().await?)?;
    scene.passed().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f21_a_gateway_without_apis_answers_problems() -> Outcome {
    let (mut scene, town, mut load) = under_load("F21").await?;
    let reader = town.readers[0].clone();
    let probe =
        Probe::begin(Duration::from_millis(100), move |http| reader.asks(http, "/api/sync"));
    load.reaches(40).await?;
    let asked = outage(&mut scene, "gw-api", &probe).await?;
    slowest(&mut scene, "without apis", &asked, Duration::from_secs(3))?;
    nothing_is_wrong(&mut scene, &load.end().await?)?;
    scene.passed().await
}

/// A scene with writing that outlasts an outage.
async fn under_load(id: &'static str) -> anyhow::Result<(Scene, Town, Load)> {
    let scene = Scene::set(id).await?;
    let away = scene.length(Duration::from_secs(10), Duration::from_secs(30));
    // While nothing can be written, writers wait.
    let (town, load) = writing(&scene, 4, 2, away.min(CATCH_UP) + CATCH_UP).await?;
    Ok((scene, town, load))
}

/// Cuts an edge; gives what was answered meanwhile, each a proper refusal. All is well soon after.
async fn outage(scene: &mut Scene, edges: &str, probe: &Probe) -> anyhow::Result<Vec<Probed>> {
    let away = scene.length(Duration::from_secs(10), Duration::from_secs(30));
    scene.control.cut(edges).await?;
    let cut = Instant::now();
    sleep_until((cut + away).into()).await;
    let until = Instant::now();
    scene.control.restore(edges).await?;
    // Those of the last moments may be answered well again.
    let asked = probe.between(cut, until.checked_sub(Duration::from_secs(3)).unwrap_or(cut)).await;
    let wrong: Vec<_> = asked.iter().filter(|probed| !probed.is_proper_refusal()).collect();
    ensure!(
        wrong.is_empty(),
        "{}: {:?}",
        edges,
        wrong.iter().map(|one| one.line()).collect::<Vec<_>>()
    );
    scene.number(&format!("proper refusals, {edges} cut"), asked.len());
    while probe.fine_after(until).is_none() {
        ensure!(until.elapsed() < CATCH_UP, "{edges} is not used again");
        sleep(Duration::from_millis(20)).await;
    }
    let back = probe.fine_after(until).map_or(Duration::MAX, |at| at - until);
    scene.within(&format!("answers again, {edges} restored"), back, Duration::from_secs(6))?;
    Ok(asked)
}

fn slowest(scene: &mut Scene, when: &str, asked: &[Probed], limit: Duration) -> Outcome {
    let slowest = asked.iter().map(|probed| probed.took).max().unwrap_or_default();
    scene.within(&format!("slowest refusal {when}"), slowest, limit)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f23_connections_that_break_all_the_time_lose_nothing() -> Outcome {
    let mut scene = Scene::set("F23").await?;
    let time = scene.length(Duration::from_secs(30), Duration::from_mins(5));
    let (_, mut load) = writing(&scene, 6, 4, time).await?;
    load.reaches(20).await?;
    let (until, mut resets) = (Instant::now() + time, 0);
    let mut random = StdRng::seed_from_u64(scene.seed);
    while Instant::now() < until {
        sleep(Duration::from_millis(random.random_range(1_000..3_000))).await;
        scene.control.reset("client-gw").await?;
        resets += 1;
    }
    let ended = load.end().await?;
    nothing_is_wrong(&mut scene, &ended)?;
    let back: u32 = ended.witness.seen.iter().map(|seen| seen.reconnects).sum();
    let pages: u32 = ended.witness.shown.iter().map(|shown| shown.reconnects).sum();
    ensure!(back > 0 && pages > 0, "nobody had to come back");
    scene.number("resets of every connection", resets);
    scene.number("times that a reader came back", back + pages);
    scene.passed().await
}

/// Streams of one person: as many as a gateway allows.
const EACH: usize = 16;
/// When all must be live again. Source: delivery-and-security.md F27.
const LIVE: Duration = Duration::from_secs(15);
/// For how long calls are counted before, and from the storm on: each session asks every 30 s what it may see, and those that came
/// together ask together.
const COUNTED: Duration = Duration::from_mins(1);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f27_everybody_comes_back_at_once() -> Outcome {
    let mut scene = Scene::set("F27").await?;
    let people = scene.length(32, 125);
    let town = scene.town(WRITERS, 2).await?;
    let square = town.aside("square-f27", Visibility::Public).await?;
    let crowd = town.crowd(&scene.stack, "f27-crowd", people, &[square]).await?;
    let mut streams = Streams::open(&crowd, EACH, "/c/faults/channels/square-f27").await?;
    scene.number("streams", streams.count());
    // A busy team, so that there is something to compare with.
    let load = scene.load(&town, shape(0, COUNTED * 3)).await?;
    sleep(Duration::from_secs(3)).await;
    let before = calls_in(&scene, COUNTED).await?;
    let resumed = resumes(&scene).await?;
    let (connections, resets) = (streams.connections(), Instant::now());
    scene.control.reset("client-gw").await?;
    let counting = calls_in(&scene, COUNTED);
    let (live, during) =
        tokio::join!(streams.connected(connections + streams_of(&crowd), LIVE * 2), counting);
    let during = during?;
    scene.within("all live", live?, LIVE)?;
    scene.number("calls of the api in a minute before", before);
    scene.number("calls of the api in a minute from the storm on", during);
    scene.at_most("more calls", (during - before) / before * 100.0, 10.0, "%")?;
    let [memory, stream] = resumes(&scene).await?;
    let (memory, wanted) = (memory - resumed[0], f64::from(u32::try_from(people * EACH)?));
    scene.number("streams resumed from memory", memory);
    ensure!(memory >= wanted, "{memory} of {wanted} streams were resumed from memory");
    scene.exactly("streams resumed from the stream of NATS", stream - resumed[1], 0.0)?;
    town.mayor.say(square, &Streams::text(1)).await?;
    let heard = streams.all_hear(1, Duration::from_secs(5)).await?;
    scene.within("one message reaches all", heard, Duration::from_secs(5))?;
    scene.exactly("resyncs", streams.resyncs(), 0)?;
    scene.number("storm and message together", format!("{:.1} s", resets.elapsed().as_secs_f64()));
    let ended = load.end().await?;
    nothing_is_wrong(&mut scene, &ended)?;
    scene.passed().await
}

fn streams_of(crowd: &[Person]) -> usize {
    crowd.len() * EACH
}

/// How many streams the session managers have resumed, from memory and from the stream of NATS.
async fn resumes(scene: &Scene) -> anyhow::Result<[f64; 2]> {
    let mut sums = [0.0; 2];
    for manager in scene.stack.web_sms.iter().chain(&scene.stack.tui_sms) {
        for (sum, how) in sums.iter_mut().zip(["memory", "stream"]) {
            let name = format!("sse_resume_total{{how=\"{how}\"}}");
            *sum += scene.stack.metric(manager, &name).await?;
        }
    }
    Ok(sums)
}

/// How often the apis are asked something in some time.
async fn calls_in(scene: &Scene, time: Duration) -> anyhow::Result<f64> {
    let calls = async || -> anyhow::Result<f64> {
        let mut sum = 0.0;
        for api in &scene.stack.apis {
            sum += scene.stack.metric(api, "chat_api_requests_total").await?;
        }
        Ok(sum)
    };
    let first = calls().await?;
    sleep(time).await;
    Ok(calls().await? - first)
}
