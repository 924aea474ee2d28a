//! Postgres, NATS, a session manager and the leading api stop, at once or as if time stood still, and go on.

use std::time::{Duration, Instant};

use ajet_faults::{Asked, Ended, Impatient, Load, Logs, Scene, Shape, Town, Wish, eventually};

use crate::Outcome;

const WRITERS: usize = 3;
const READERS: usize = 3;
const BROWSERS: usize = 3;
/// A writer says something about this often.
const PACE: Duration = Duration::from_millis(200);
/// What a request that cannot be done may take. Source: delivery-and-security.md section 2.7.
const REFUSED_WITHIN: Duration = Duration::from_secs(3);
/// What any request may take while the database hangs. Source: delivery-and-security.md section 4, F12.
const ANSWERED_WITHIN: Duration = Duration::from_secs(6);
/// In which another api leads when the one that does stands still.
const TAKEN_OVER_WITHIN: Duration = Duration::from_secs(20);
/// How long is waited for what must come: whether it came in time is judged afterwards.
const PATIENCE: Duration = Duration::from_mins(1);
/// How long nothing is done before and after the harm.
const QUIET: Duration = Duration::from_secs(1);

/// Enough messages for so long a time.
fn shape(time: Duration, pace: Duration) -> Shape {
    let rounds = usize::try_from(time.as_millis() / pace.as_millis()).unwrap_or(0);
    Shape { posts: rounds * WRITERS, pace, browsers: BROWSERS }
}

/// Writers, readers and pages for so long, and somebody impatient in a channel of their own.
async fn busy(
    scene: &Scene,
    time: Duration,
    pace: Duration,
) -> anyhow::Result<(Town, Load, Impatient)> {
    let town = scene.town(WRITERS, READERS + BROWSERS).await?;
    let load = scene.load(&town, shape(time, pace)).await?;
    let tower = format!("tower-{}", scene.id.to_lowercase());
    let impatient = Impatient::begin(&town, &tower).await?;
    impatient.is_content(PATIENCE).await?;
    Ok((town, load, impatient))
}

/// Notes that nothing was lost, doubled or out of order.
fn nothing_lost(scene: &mut Scene, ended: &Ended) -> Outcome {
    for (kind, found) in ended.findings().kinds() {
        scene.exactly(kind, found.len(), 0)?;
    }
    ended.flawless()
}

/// The longest of some requests.
fn longest<'a>(asked: impl Iterator<Item = &'a Asked>) -> Duration {
    asked.map(|asked| asked.took).max().unwrap_or_default()
}

/// Whatever was not done is answered 503.
fn only_unavailable(scene: &mut Scene, asked: &[Asked]) -> Outcome {
    let refused: Vec<_> = asked.iter().filter(|asked| !asked.is_success()).collect();
    let others: Vec<_> = refused.iter().filter(|asked| asked.status != Some(503)).collect();
    anyhow::ensure!(others.is_empty(), "seed {}: {others:#?}", scene.seed);
    let silent = refused.iter().filter(|asked| !asked.tells()).count();
    scene.number("requests answered 503", refused.len());
    scene.exactly("of those without a word about why", silent, 0)
}

/// Every kind of request that began between two moments was refused at least once.
fn every_wish_refused(asked: &[Asked], from: Instant, to: Instant) -> Outcome {
    for wish in [Wish::Post, Wish::Read, Wish::Page, Wish::Send] {
        let mut meanwhile = asked.iter().filter(|asked| (from..to).contains(&asked.begun));
        let refused = meanwhile.any(|asked| asked.wish == wish && asked.status == Some(503));
        anyhow::ensure!(refused, "{wish:?} was never answered 503");
    }
    Ok(())
}

/// The web session manager with the most streams, and how many it has.
async fn busiest(scene: &Scene) -> anyhow::Result<(String, f64)> {
    let (mut busiest, mut most) = (String::new(), -1.0);
    for (url, number) in scene.stack.web_sms.iter().zip(1..) {
        let streams = scene.stack.metric(url, "hub_connections").await?;
        if streams > most {
            (busiest, most) = (format!("web-sm-{number}"), streams);
        }
    }
    Ok((busiest, most))
}

/// How many streams broke.
fn reconnects(ended: &Ended) -> u32 {
    let readers = ended.witness.seen.iter().map(|seen| seen.reconnects);
    readers.chain(ended.witness.shown.iter().map(|shown| shown.reconnects)).sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f11_a_killed_postgres_is_refused_for_at_once_and_comes_back() -> Outcome {
    let mut scene = Scene::set("F11").await?;
    // Longer than a request may take, and the next one of its kind.
    let away = scene.length(REFUSED_WITHIN * 2, Duration::from_secs(15));
    let (_town, load, impatient) = busy(&scene, away + QUIET * 3, PACE).await?;
    tokio::time::sleep(QUIET).await;
    let killed = Instant::now();
    scene.control.kill("postgres-1").await?;
    tokio::time::sleep(away).await;
    scene.control.start("postgres-1", &[]).await?;
    let back = Instant::now();
    let well = impatient.is_content(PATIENCE).await?;
    let asked = impatient.end().await;
    let ended = load.end().await?;
    only_unavailable(&mut scene, &asked)?;
    every_wish_refused(&asked, killed, back)?;
    let refused = asked.iter().filter(|asked| !asked.is_success());
    scene.within("longest refusal", longest(refused), REFUSED_WITHIN)?;
    let meanwhile = asked.iter().filter(|asked| asked.begun >= killed);
    scene.within("longest request", longest(meanwhile), ANSWERED_WITHIN)?;
    scene.within("requests of every kind are done again", well, ANSWERED_WITHIN)?;
    scene.within("seen by all again", ended.recovery(back), ANSWERED_WITHIN)?;
    scene.number("streams that broke", reconnects(&ended));
    nothing_lost(&mut scene, &ended)?;
    scene.passed().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f12_a_postgres_that_stands_still_costs_nobody_their_stream() -> Outcome {
    const STILL: Duration = Duration::from_secs(20);
    let mut scene = Scene::set("F12").await?;
    let (_town, load, impatient) = busy(&scene, STILL + QUIET * 6, PACE).await?;
    tokio::time::sleep(QUIET).await;
    scene.control.freeze("postgres-1").await?;
    let frozen = Instant::now();
    tokio::time::sleep(STILL).await;
    scene.control.thaw("postgres-1").await?;
    let thawed = Instant::now();
    let well = impatient.is_content(PATIENCE).await?;
    let asked = impatient.end().await;
    let ended = load.end().await?;
    only_unavailable(&mut scene, &asked)?;
    every_wish_refused(&asked, frozen, thawed)?;
    let meanwhile = asked.iter().filter(|asked| asked.begun + asked.took >= frozen);
    scene.within("longest request", longest(meanwhile), ANSWERED_WITHIN)?;
    scene.within("requests of every kind are done again", well, ANSWERED_WITHIN)?;
    scene.within("seen by all again", ended.recovery(thawed), ANSWERED_WITHIN)?;
    scene.exactly("streams that broke", reconnects(&ended), 0)?;
    nothing_lost(&mut scene, &ended)?;
    scene.passed().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f16_a_nats_that_stands_still_loses_and_doubles_nothing() -> Outcome {
    const STILL: Duration = Duration::from_secs(10);
    let mut scene = Scene::set("F16").await?;
    let (_town, load, impatient) = busy(&scene, STILL + QUIET * 6, PACE).await?;
    tokio::time::sleep(QUIET).await;
    scene.control.freeze("nats-1").await?;
    let frozen = Instant::now();
    tokio::time::sleep(STILL).await;
    let still = Instant::now();
    scene.control.thaw("nats-1").await?;
    let thawed = Instant::now();
    impatient.is_content(PATIENCE).await?;
    let asked = impatient.end().await;
    let ended = load.end().await?;
    let posts = asked.iter().filter(|asked| asked.is_post() && asked.begun >= frozen);
    scene.exactly("posts that failed", posts.filter(|asked| !asked.is_success()).count(), 0)?;
    // What was under way has come by then.
    scene.exactly("events that came meanwhile", ended.came(frozen + STILL / 2, still), 0)?;
    scene.number("posting meanwhile, p99", seconds(ended.answered(frozen, thawed, 0.99)));
    scene.number("seen by all again", seconds(ended.recovery(thawed)));
    nothing_lost(&mut scene, &ended)?;
    scene.passed().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f17_readers_leave_a_session_manager_that_stands_still() -> Outcome {
    const STILL: Duration = Duration::from_mins(1);
    // Not so much in that time that all of it cannot be told again: 500 events. Source: section 2.6.
    const CALM: Duration = Duration::from_millis(1_200);
    const ELSEWHERE_WITHIN: Duration = Duration::from_secs(50);
    let mut scene = Scene::set("F17").await?;
    let (_town, load, impatient) = busy(&scene, STILL + QUIET * 6, CALM).await?;
    tokio::time::sleep(QUIET).await;
    let (still, pages) = busiest(&scene).await?;
    scene.control.freeze(&still).await?;
    let frozen = Instant::now();
    tokio::time::sleep(STILL).await;
    scene.control.thaw(&still).await?;
    impatient.is_content(PATIENCE).await?;
    let asked = impatient.end().await;
    let ended = load.end().await?;
    anyhow::ensure!(pages > 0.5, "no page was at {still}");
    // One that stays has lost nothing, or nothing again.
    let gaps = ended.witness.shown.iter().map(|shown| &shown.gaps);
    let gone = gaps.clone().filter(|gaps| !gaps.is_empty()).count();
    scene.exactly("pages that went elsewhere", f64::from(u32::try_from(gone)?), pages)?;
    let last = gaps.flatten().map(|(_, back)| back.duration_since(frozen)).max();
    scene.within("the last page is elsewhere", last.unwrap_or_default(), ELSEWHERE_WITHIN)?;
    let posts = asked.iter().filter(|asked| asked.wish == Wish::Post);
    scene.exactly("posts that failed", posts.filter(|asked| !asked.is_success()).count(), 0)?;
    let pages = asked.iter().filter(|asked| asked.wish == Wish::Page);
    scene.within("longest load of a page", longest(pages), ANSWERED_WITHIN)?;
    nothing_lost(&mut scene, &ended)?;
    scene.passed().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f18_a_leader_from_the_past_doubles_nothing() -> Outcome {
    const STILL: Duration = Duration::from_secs(30);
    let mut scene = Scene::set("F18").await?;
    let (_town, load, impatient) = busy(&scene, STILL + QUIET * 10, PACE).await?;
    tokio::time::sleep(QUIET).await;
    let leader = scene.stack.leader(QUIET * 3).await?;
    let log = Logs::now(&scene.stack, &[&leader]);
    scene.control.freeze(&leader).await?;
    let frozen = Instant::now();
    tokio::time::sleep(STILL).await;
    let follower = scene.stack.leader(QUIET).await;
    scene.control.thaw(&leader).await?;
    let thawed = Instant::now();
    // It goes on as if it led, and finds that it does not: else it had lost the lead before, and this was about nothing.
    eventually("the old leader finds that it does not lead", PATIENCE, async || {
        let found = ["the relay starts over", "another relay may lead"];
        let lines = found.map(|text| log.lines_with(text)).into_iter();
        Ok(lines.collect::<anyhow::Result<Vec<_>>>()?.iter().any(|lines| !lines.is_empty()))
    })
    .await?;
    impatient.is_content(PATIENCE).await?;
    let asked = impatient.end().await;
    let ended = load.end().await?;
    // One that stands still answers nothing, so whoever says that it leads is another.
    anyhow::ensure!(follower? != leader, "nobody has taken over from {leader}");
    scene.within("another relay leads, seen by all", ended.recovery(frozen), TAKEN_OVER_WITHIN)?;
    scene.number("slowest post", seconds(ended.answered(frozen, thawed, 1.0)));
    let meanwhile = asked.iter().filter(|asked| asked.begun >= frozen);
    scene.number("longest request", seconds(longest(meanwhile)));
    nothing_lost(&mut scene, &ended)?;
    scene.passed().await
}

fn seconds(time: Duration) -> String {
    format!("{:.2} s", time.as_secs_f64())
}
