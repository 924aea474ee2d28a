//! Processes die by `kill -9`.

use std::time::{Duration, Instant};

use ajet_faults::{Ended, Load, Scene, Shape, Streams, kills, strike};
use ajet_shared::channel::Visibility;
use ajet_shared::id::{ChannelId, ClientMessageId};
use ajet_shared::message::PostMessage;
use anyhow::ensure;
use nix::sys::signal::Signal;
use tokio::time::sleep;

use crate::Outcome;

const WRITERS: usize = 5;
const READERS: usize = 6;
const BROWSERS: usize = 4;
/// About fifty messages a second in all: a busy team, and every kill meets some that are under way.
const PACE: Duration = Duration::from_millis(100);
/// For tests that go on until something has happened.
const MANY: usize = 1_000_000;
/// How long a process that was started may take to be ready.
const READY_WITHIN: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f01_random_kills_of_everything_lose_nothing() -> Outcome {
    let mut scene = Scene::set("F1").await?;
    let (posts, faults) = scene.length((2_000, 10), (10_000, 50));
    let town = scene.town(WRITERS, READERS + BROWSERS).await?;
    let plan = kills(scene.seed, &scene.stack.processes()?, faults, posts);
    let mut load = scene.load(&town, Shape { posts, pace: PACE, browsers: BROWSERS }).await?;
    let killed = strike(&scene.stack, &mut load, plan).await?;
    let ended = load.end().await?.after(killed);
    nothing_is_wrong(&mut scene, &ended)?;
    scene.exactly("messages", ended.posts.len(), posts)?;
    scene.exactly("kills", ended.killed.len(), faults)?;
    // Only looked at: some kills meet what has not recovered from the one before. Single ones are held to limits below.
    for (kind, worst) in ended.worst_recoveries() {
        scene
            .number(&format!("recovery of {kind}, worst"), format!("{:.1} s", worst.as_secs_f64()));
    }
    scene.passed().await
}

fn nothing_is_wrong(scene: &mut Scene, ended: &Ended) -> Outcome {
    ended.flawless()?;
    for (kind, found) in ended.findings().kinds() {
        scene.exactly(kind, found.len(), 0)?;
    }
    Ok(())
}

/// What came of the death of an api.
struct Death {
    at: Instant,
    led: bool,
    /// Until another one led.
    taken_over: Duration,
}

/// Kills an api and lets the other one go on alone for a while.
async fn kill_api(scene: &Scene, load: &mut Load, name: &str) -> anyhow::Result<Death> {
    let leader = scene.stack.leader(READY_WITHIN).await?;
    let at = Instant::now();
    scene.control.kill(name).await?;
    let next = scene.stack.leader(READY_WITHIN).await?;
    let taken_over = at.elapsed();
    ensure!(next != name, "{name} leads, and is dead");
    load.more(50).await?;
    scene.control.start(name, &[]).await?;
    scene.stack.ready(READY_WITHIN).await?;
    load.more(25).await?;
    Ok(Death { at, led: leader == name, taken_over })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f02_a_standby_takes_over_from_a_leader_that_dies() -> Outcome {
    let mut scene = Scene::set("F2").await?;
    let rounds = 3;
    let town = scene.town(WRITERS, READERS).await?;
    let mut load = scene.load(&town, Shape { posts: MANY, pace: PACE, browsers: 0 }).await?;
    load.more(25).await?;
    let mut deaths = Vec::new();
    for _ in 0..rounds {
        let leader = scene.stack.leader(READY_WITHIN).await?;
        let standby = if leader == "api-1" { "api-2" } else { "api-1" };
        deaths.push(kill_api(&scene, &mut load, standby).await?);
        deaths.push(kill_api(&scene, &mut load, &leader).await?);
    }
    load.ledger.enough();
    let ended = load.end().await?;
    nothing_is_wrong(&mut scene, &ended)?;
    let of = |led: bool| deaths.iter().filter(move |death| death.led == led);
    scene.exactly("leaders killed", of(true).count(), rounds)?;
    let worst = |led: bool, measure: &dyn Fn(&Death) -> Duration| {
        of(led).map(measure).max().unwrap_or(Duration::MAX)
    };
    let silence = |death: &Death| ended.silence(death.at, death.at + Duration::from_secs(5));
    let recovery = |death: &Death| ended.recovery(death.at);
    let taken_over = worst(true, &|death: &Death| death.taken_over);
    scene.number("another one leads", format!("{} ms", taken_over.as_millis()));
    scene.within("gap in events", worst(true, &silence), Duration::from_millis(1_500))?;
    scene.within(
        "a post after a leader's death is seen by all",
        worst(true, &recovery),
        Duration::from_millis(1_400),
    )?;
    scene.within(
        "a post after another api's death is seen by all",
        worst(false, &recovery),
        Duration::from_millis(1_100),
    )?;
    scene.passed().await
}

/// People with pages, and how many each has open: fewer than a gateway allows.
const CROWD: usize = 50;
const PAGES_EACH: usize = 10;
const RESUMED_WITHIN: Duration = Duration::from_secs(6);
/// How long that is waited for: what came later than promised shall be told as a number.
const RESUMED_AT_ALL: Duration = Duration::from_secs(30);

/// Says something that the crowd listens for.
async fn say(town: &ajet_faults::Town, channel: ChannelId, number: u64) -> Outcome {
    let request = PostMessage {
        body_md: Streams::text(number).parse()?,
        client_msg_id: ClientMessageId::new(),
        parent_id: None,
        attachment_ids: Vec::new(),
    };
    town.mayor.client.post_message(channel, &request).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f05_five_hundred_pages_go_on_at_the_other_instance() -> Outcome {
    let mut scene = Scene::set("F5").await?;
    let town = scene.town(1, 1).await?;
    let square = town.open_channel("square-f5", Visibility::Public).await?;
    let crowd = town.crowd(&scene.stack, "f5-crowd", CROWD, &[square]).await?;
    // All of them at the one that will die.
    scene.control.stop("web-sm-2").await?;
    let mut pages = Streams::pages(&crowd, PAGES_EACH, "/c/faults/channels/square-f5").await?;
    scene.control.start("web-sm-2", &[]).await?;
    scene.stack.ready(READY_WITHIN).await?;
    let connections = pages.connections();
    scene.exactly("pages", connections, CROWD * PAGES_EACH)?;
    say(&town, square, 0).await?;
    pages.all_hear(0, READY_WITHIN).await?;

    scene.control.kill("web-sm-1").await?;
    let killed = Instant::now();
    let speaking = async {
        let mut number = 0;
        while killed.elapsed() < RESUMED_WITHIN {
            number += 1;
            say(&town, square, number).await?;
            sleep(PACE * 2).await;
        }
        anyhow::Ok(number)
    };
    let (resumed, said) = tokio::join!(pages.connected(connections * 2, RESUMED_AT_ALL), speaking);
    let (resumed, said) = (resumed?, said?);
    for number in 0..=said {
        pages.all_hear(number, RESUMED_AT_ALL).await?;
    }
    scene.within("all of them have resumed", resumed, RESUMED_WITHIN)?;
    scene.number("messages meanwhile", said);
    scene.exactly("messages that a page got again", pages.doubled(), 0)?;
    scene.exactly("resyncs", pages.resyncs(), 0)?;
    let opened = pages.connections() - connections;
    scene.exactly("streams opened anew", opened, CROWD * PAGES_EACH)?;
    scene.passed().await
}

/// What posting may take while NATS is away. A machine that is not there to measure may need long for it even when all is well.
fn posting_within(scene: &Scene, before: Duration) -> Duration {
    let promised = Duration::from_millis(200);
    if scene.is_measured() { promised } else { promised.max(before * 2) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f06_posting_goes_on_while_nats_is_away() -> Outcome {
    let mut scene = Scene::set("F6").await?;
    let away = scene.length(Duration::from_secs(5), Duration::from_secs(20));
    let town = scene.town(WRITERS, READERS + BROWSERS).await?;
    let mut load = scene.load(&town, Shape { posts: MANY, pace: PACE, browsers: BROWSERS }).await?;
    let begun = Instant::now();
    load.more(50).await?;
    scene.control.kill("nats-1").await?;
    let gone = Instant::now();
    sleep(away).await;
    scene.control.start("nats-1", &[]).await?;
    let back = Instant::now();
    load.more(120).await?;
    // Once more as a supervisor does it: started again at once.
    let again = Instant::now();
    let pid = scene.stack.signal("nats-1", Signal::SIGKILL)?;
    scene.stack.started_again("nats-1", pid).await?;
    load.more(120).await?;
    load.ledger.enough();
    let ended = load.end().await?;
    nothing_is_wrong(&mut scene, &ended)?;
    let repeated: u32 = ended.written.iter().map(|writer| writer.repeated).sum();
    scene.exactly("requests that were not answered 2xx", repeated, 0)?;
    let p99 = |from, to| ended.answered(from, to, 0.99);
    let (before, slow) = (p99(begun, gone), p99(gone, back));
    scene.number("posting before the outage, p99", format!("{} ms", before.as_millis()));
    scene.within("posting during the outage, p99", slow, posting_within(&scene, before))?;
    let recovery = ended.recovery(back);
    scene.within("a post after its return is seen by all", recovery, Duration::from_secs(3))?;
    let at_once = ended.recovery(again);
    scene.within("the same when it is started at once", at_once, Duration::from_millis(2_400))?;
    scene.passed().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f43_gateways_die_and_nobody_is_signed_out() -> Outcome {
    let mut scene = Scene::set("F43").await?;
    let rounds = scene.length(1, 2);
    let town = scene.town(WRITERS, READERS + BROWSERS).await?;
    let mut load = scene.load(&town, Shape { posts: MANY, pace: PACE, browsers: BROWSERS }).await?;
    load.more(50).await?;
    let mut deaths = Vec::new();
    for name in ["auth-gw-1", "auth-gw-2"].into_iter().cycle().take(rounds * 2) {
        deaths.push(Instant::now());
        let pid = scene.stack.signal(name, Signal::SIGKILL)?;
        scene.stack.started_again(name, pid).await?;
        scene.stack.ready(READY_WITHIN).await?;
        // Until those who wait longest before they come back are back.
        sleep(RESUMED_WITHIN).await;
        load.more(25).await?;
    }
    load.ledger.enough();
    let ended = load.end().await?;
    nothing_is_wrong(&mut scene, &ended)?;
    let mut signed_out = 0;
    for person in town.writers.iter().chain(&town.readers).chain([&town.mayor]) {
        signed_out += usize::from(person.client.me().await.is_err());
    }
    scene.exactly("people signed out", signed_out, 0)?;
    let resumed = deaths.iter().map(|at| ended.recovery(*at)).max().unwrap_or(Duration::MAX);
    scene.within("all streams have resumed", resumed, RESUMED_WITHIN)?;
    let reconnects: u32 = ended.witness.seen.iter().map(|seen| seen.reconnects).sum();
    let pages: u32 = ended.witness.shown.iter().map(|shown| shown.reconnects).sum();
    scene.number("streams that came back", reconnects + pages);
    scene.passed().await
}
