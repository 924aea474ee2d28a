//! Every service is restarted while people write and read.

use std::time::{Duration, Instant};

use ajet_faults::{Asked, Balancer, Browser, Impatient, Scene, Shape, Shown, Town};
use ajet_shared::client::{ApiClient, ClientOptions};
use anyhow::ensure;
use futures::future::try_join_all;

use crate::Outcome;

const WRITERS: usize = 3;
const READERS: usize = 2;
const BROWSERS: usize = 3;
/// Pages whose coming back is timed: so many that it can be said how they spread.
const PAGES: usize = 56;
const PACE: Duration = Duration::from_millis(200);
/// Over at least so long the pages of an instance come back. Source: delivery-and-security.md section 4, F26.
const SPREAD_MIN: Duration = Duration::from_secs(4);
/// Fewer pages do not show how they spread.
const PAGES_ENOUGH: usize = 24;
/// Everything that is asked for is done once before anything is restarted.
const BEGUN_WITHIN: Duration = Duration::from_mins(1);
/// A stop, the start after it and the readiness after that.
const ROLL_PATIENCE: Duration = Duration::from_secs(30);
/// When the last page comes back at most: the drain, the longest pause, and a busy machine.
const BACK_WITHIN: Duration = Duration::from_secs(12);
/// Restarts that begin within this time go side by side.
const SIDE_BY_SIDE: Duration = Duration::from_millis(500);

/// One restart.
struct Rolled {
    process: String,
    begun: Instant,
    /// Until it was ready again.
    took: Duration,
}

/// Everybody in the town comes by the balancer.
fn move_behind(town: &mut Town, balancer: &Balancer) -> anyhow::Result<()> {
    let options = ClientOptions { user_agent: "ajet-faults", ..ClientOptions::default() };
    for person in town.writers.iter_mut().chain(&mut town.readers) {
        let client = ApiClient::with_options(vec![balancer.url().parse()?], &options)?;
        person.own_client = client.with_token(&person.token);
        person.gateway = balancer.url();
    }
    Ok(())
}

/// Where an instance says whether it is ready.
fn address<'a>(scene: &'a Scene, process: &str) -> anyhow::Result<&'a str> {
    let (service, number) = process.rsplit_once('-').unwrap_or((process, "1"));
    let stack = &scene.stack;
    let all = match service {
        "api" => &stack.apis,
        "web-sm" => &stack.web_sms,
        "tui-sm" => &stack.tui_sms,
        _ => &stack.gateway_admins,
    };
    Ok(&all[number.parse::<usize>()? - 1])
}

/// Asks an instance to end and starts it again.
async fn roll(scene: &Scene, process: &str) -> anyhow::Result<Rolled> {
    let begun = Instant::now();
    scene.control.stop(process).await?;
    let stopped = begun.elapsed();
    scene.control.start(process, &[]).await?;
    scene.stack.ready_at(address(scene, process)?, ROLL_PATIENCE).await?;
    let took = begun.elapsed();
    println!("  {process}: down after {stopped:?}, ready after {took:?}");
    Ok(Rolled { process: process.to_owned(), begun, took })
}

/// All services in the order of the handbook: first the apis, then the session managers, then the gateways, of each service one
/// instance after the other. In the short form the two kinds of session managers go side by side.
async fn roll_all(scene: &Scene, balancer: &Balancer) -> anyhow::Result<Vec<Rolled>> {
    let together: &[&[&str]] = &[
        &["api-1"],
        &["api-2"],
        &["tui-sm-1", "web-sm-1"],
        &["tui-sm-2", "web-sm-2"],
        &["auth-gw-1"],
        &["auth-gw-2"],
    ];
    let mut rolled = Vec::new();
    for processes in together {
        balancer.takes_all().await;
        if scene.long {
            for process in *processes {
                rolled.push(roll(scene, process).await?);
                balancer.takes_all().await;
            }
        } else {
            rolled
                .extend(try_join_all(processes.iter().map(|process| roll(scene, process))).await?);
        }
    }
    Ok(rolled)
}

/// Waits until every page has its stream again.
async fn settle(pages: &[Browser]) -> Outcome {
    let begun = Instant::now();
    while !pages.iter().all(|page| page.shown().lost.is_none()) {
        ensure!(begun.elapsed() < BACK_WITHIN, "pages have not come back after {BACK_WITHIN:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

/// When each page came back after a restart. A stream that ends is ended by the restart that has begun last, and by both of two that go
/// side by side.
fn returns(seen: &[Shown], rolled: &[Rolled], roll: &Rolled) -> Vec<Vec<Instant>> {
    let mut others = rolled.iter().map(|other| other.begun);
    let next = others.find(|begun| *begun > roll.begun + SIDE_BY_SIDE);
    let belongs = |(lost, _): &&(Instant, Instant)| {
        *lost >= roll.begun && next.is_none_or(|next| *lost < next)
    };
    let back = |shown: &Shown| shown.gaps.iter().filter(belongs).map(|(_, back)| *back).collect();
    seen.iter().map(back).collect()
}

/// Each page came back once at most after each restart that is in its way, and they did not come all at once.
fn pages_came_back(scene: &mut Scene, pages: &[Browser], rolled: &[Rolled]) -> Outcome {
    let seen: Vec<Shown> = pages.iter().map(Browser::shown).collect();
    let mut spreads = Vec::new();
    for roll in rolled {
        let process = &roll.process;
        let each = returns(&seen, rolled, roll);
        let most = each.iter().map(Vec::len).max().unwrap_or(0);
        let all: Vec<Instant> = each.into_iter().flatten().collect();
        let spread = all.iter().min().zip(all.iter().max()).map(|(first, last)| *last - *first);
        let spread = spread.unwrap_or_default();
        println!("  {process}: {} pages came back, over {spread:?}", all.len());
        ensure!(most <= 1, "a page came back {most} times after {process}");
        ensure!(all.is_empty() || !process.starts_with("api"), "{process} ended streams");
        if all.len() >= PAGES_ENOUGH && !process.starts_with("tui-sm") {
            spreads.push(spread);
        }
    }
    let redrawn: u32 = seen.iter().map(|shown| shown.resyncs).sum();
    scene.exactly("pages drawn anew", redrawn, 0)?;
    let least = spreads.iter().min().copied().unwrap_or_default();
    scene.number("restarts by which many pages came back", spreads.len());
    scene.number("least spread of their coming back", format!("{:.1} s", least.as_secs_f64()));
    ensure!(spreads.len() >= 2, "too few pages came back");
    ensure!(least >= SPREAD_MIN, "pages came back within {least:?}");
    Ok(())
}

/// Nothing that a person waits for has failed.
fn nothing_failed(scene: &mut Scene, asked: &[Asked]) -> Outcome {
    let failed: Vec<_> = asked.iter().filter(|asked| !asked.is_success()).collect();
    println!("  {} of {} requests failed: {failed:#?}", failed.len(), asked.len());
    scene.number("requests beside those of the writers", asked.len());
    scene.exactly("posts that failed", failed.iter().filter(|asked| asked.is_post()).count(), 0)?;
    scene.exactly("other requests that failed", failed.len(), 0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f26_a_restart_of_everything_costs_no_post() -> Outcome {
    let mut scene = Scene::set("F26").await?;
    let begun = Instant::now();
    let balancer = Balancer::open(&scene.stack).await?;
    let mut town = scene.town(WRITERS, READERS + BROWSERS).await?;
    move_behind(&mut town, &balancer)?;
    let shape = Shape { posts: scene.length(330, 600), pace: PACE, browsers: BROWSERS };
    let places = town.channels.iter().zip(&town.names).cycle();
    let pages = try_join_all(places.zip(town.readers.iter().cycle()).take(PAGES).map(
        async |((channel, name), person)| {
            Browser::open(person.clone(), *channel, &format!("/c/faults/channels/{name}")).await
        },
    ))
    .await?;
    let load = scene.load(&town, shape).await?;
    let impatient = Impatient::begin(&town, "tower-f26").await?;
    impatient.is_content(BEGUN_WITHIN).await?;
    println!("  under way after {:?}", begun.elapsed());
    let rolled = roll_all(&scene, &balancer).await?;
    settle(&pages).await?;
    let asked = impatient.end().await;
    let ended = load.end().await?;
    nothing_failed(&mut scene, &asked)?;
    let repeated: u32 = ended.written.iter().map(|writer| writer.repeated).sum();
    scene.number("messages", ended.posts.len());
    scene.exactly("posts and edits of writers that failed", repeated, 0)?;
    pages_came_back(&mut scene, &pages, &rolled)?;
    for rolled in &rolled {
        scene.number(
            &format!("{} is ready again after", rolled.process),
            format!("{:.1} s", rolled.took.as_secs_f64()),
        );
    }
    ended.flawless()?;
    scene.passed().await
}
