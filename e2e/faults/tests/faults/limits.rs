//! Something there is not enough of: connections to the database, a row, open files, memory.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ajet_faults::{
    Ask, FileLimit, Kind, MemoryLimit, Mutes, Person, Reader, Scene, Shape, door, open_files,
};
use ajet_shared::channel::Visibility;
use ajet_shared::client::{Call, Method};
use ajet_shared::id::{ChannelId, ClientMessageId};
use ajet_shared::token::{Token, TokenKind};
use anyhow::{Context as _, ensure};
use futures::future::join_all;
use sqlx::{Connection as _, PgConnection};
use tokio::sync::Mutex;
use tokio::task::JoinHandle;

use crate::Outcome;

/// When all must be well after a limit is lifted. Source: delivery-and-security.md F32.
const RECOVERED: Duration = Duration::from_secs(5);
/// Within which an answer must come when the database gives none. Source: delivery-and-security.md section 2.7.
const UNAVAILABLE: Duration = Duration::from_secs(3);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f14_a_database_without_a_free_connection_keeps_nobody_out() -> Outcome {
    /// Posts at a time: more than the apis have connections.
    const POSTS: usize = 64;
    let mut scene = Scene::set("F14").await?;
    let town = scene.town(8, 1).await?;
    // Gateways that nobody needed until now.
    for gateway in ["auth-gw-1", "auth-gw-2"] {
        scene.control.stop(gateway).await?;
        scene.control.start(gateway, &[]).await?;
    }
    scene.heal().await?;
    let hog = Hog::take_all(&scene.stack.database_url).await?;
    scene.number("connections that somebody else holds", hog.held().await);
    let (mut slowest, mut statuses) = (Duration::ZERO, BTreeMap::<u16, usize>::new());
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(10) {
        // Nobody can know these tokens without a look into the database, and all of them come at once.
        let strangers = scene.stack.gateways.iter().cycle().take(20);
        for answer in join_all(strangers.map(|gateway| who_am_i(gateway, &town.mayor))).await {
            let (status, took) = answer?;
            ensure!(status == 401, "a wrong token is answered {status}");
            slowest = slowest.max(took);
        }
        scene.stack.sign_in("f14-writer0", None).await.context("signing in")?;
        // In channels by turns: in one of them they would wait for its row, and for no connection.
        let writers = town.writers.iter().cycle().zip(town.channels.iter().cycle());
        let posts = writers.take(POSTS).map(|(writer, channel)| post(writer, *channel));
        for (status, took) in join_all(posts).await {
            ensure!(took <= UNAVAILABLE, "{status} only after {took:?}");
            *statuses.entry(status).or_default() += 1;
        }
    }
    ensure!(hog.held().await > 200, "there were connections");
    drop(hog);
    let free = Instant::now();
    while post(&town.writers[0], town.channels[0]).await.0 != 201 {
        ensure!(free.elapsed() < RECOVERED, "no post {RECOVERED:?} after there are connections");
    }
    scene.within("a wrong token is refused within", slowest, UNAVAILABLE)?;
    scene.number("posts meanwhile", format!("{statuses:?}"));
    let strange = statuses.keys().any(|status| ![201, 503].contains(status));
    scene.exactly("answers other than 201 and 503", strange, false)?;
    ensure!(statuses.contains_key(&503), "the apis had connections enough");
    scene.within("posting again after", free.elapsed(), RECOVERED)?;
    scene.passed().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f15_a_channel_that_is_held_holds_up_no_other() -> Outcome {
    const HELD: Duration = Duration::from_secs(10);
    /// How many at a time try to post where nobody can.
    const IN_VAIN: usize = 40;
    let mut scene = Scene::set("F15").await?;
    let town = scene.town(5, 6).await?;
    let held = town.open_channel("held-f15", Visibility::Public).await?;
    let shape = Shape { posts: 1_000, pace: Duration::from_millis(100), browsers: 2 };
    let mut load = scene.load(&town, shape).await?;
    load.reaches(100).await?;
    let mut somebody = PgConnection::connect(&scene.stack.database_url).await?;
    let mut transaction = somebody.begin().await?;
    sqlx::query("select 1 from channels where id = $1 for update")
        .bind(held.uuid())
        .execute(&mut *transaction)
        .await?;
    let begun = Instant::now();
    let writers = town.writers.iter().cycle().take(IN_VAIN);
    let trying = join_all(writers.map(async |writer| {
        let (mut statuses, mut slowest) = (BTreeMap::<u16, usize>::new(), Duration::ZERO);
        while begun.elapsed() < HELD {
            let (status, took) = post(writer, held).await;
            *statuses.entry(status).or_default() += 1;
            slowest = slowest.max(took);
        }
        (statuses, slowest)
    }));
    let tried = trying.await;
    let released = Instant::now();
    transaction.commit().await?;
    let (status, took) = post(&town.writers[0], held).await;
    ensure!(status == 201, "{status} when it was free again");
    let ended = load.end().await?;
    ended.flawless()?;
    let mut statuses = BTreeMap::<u16, usize>::new();
    for (status, count) in tried.iter().flat_map(|(statuses, _)| statuses) {
        *statuses.entry(*status).or_default() += count;
    }
    let slowest = tried.iter().map(|(_, slowest)| *slowest).max().unwrap_or_default();
    scene.number("answers in the channel that was held", format!("{statuses:?}"));
    // Its row is held until the last of them is answered.
    ensure!(statuses.keys().all(|status| *status == 503), "{statuses:?}");
    scene.within("the slowest of them", slowest, Duration::from_secs(5))?;
    let others = ended.answered(begun, released, 0.99);
    scene.within("p99 of posts elsewhere", others, Duration::from_millis(200))?;
    scene.number(
        "p50 of posts elsewhere",
        format!("{} ms", ended.answered(begun, released, 0.5).as_millis()),
    );
    scene.within("the first post there when it was free", took, Duration::from_secs(2))?;
    scene.passed().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f32_too_few_files_is_a_refusal_and_no_crash() -> Outcome {
    let mut scene = Scene::set("F32").await?;
    let town = scene.town(2, 8).await?;
    short_session_manager(&mut scene, &town.readers).await?;
    // People are at the gateways by turns.
    short_gateway(&mut scene, &town.readers, &town.writers[1], town.channels[0]).await?;
    scene.passed().await
}

/// A session manager may open 256 files, and is asked for more streams than that: the other one takes them.
async fn short_session_manager(scene: &mut Scene, people: &[Person]) -> anyhow::Result<()> {
    /// At a time, and together: whose home it is, chance decides.
    const STREAMS: (usize, usize) = (100, 2_000);
    let (process, url) = ("web-sm-1", scene.stack.web_sms[0].clone());
    let pid = scene.stack.pid(process)?;
    let gateway = door(&scene.control, 1).await?;
    let limit = FileLimit::of(pid, 256)?;
    let mut mutes = Mutes::default();
    let took = loop {
        for asked in mutes.attempt(gateway, people, Ask::Page, STREAMS.0).await {
            asked.context("all get a stream")?;
        }
        let asked = Instant::now();
        if reqwest::get(format!("{url}/readyz")).await.is_err() {
            break asked.elapsed();
        }
        ensure!(mutes.count() < STREAMS.1, "it has files left for {} streams", mutes.count());
    };
    let files = open_files(pid)?;
    // Some may have numbers from before, when there was no limit.
    ensure!((240..300).contains(&files), "{process} has {files} files open");
    scene.within(
        "web-sm with 256 files: somebody who asks it is refused after",
        took,
        Duration::from_secs(1),
    )?;
    drop(limit);
    let lifted = Instant::now();
    scene.stack.ready_at(&url, RECOVERED).await?;
    scene.within("it is ready again after", lifted.elapsed(), RECOVERED)?;
    let before = scene.stack.metric(&url, "hub_connections").await?;
    let mut more = Mutes::default();
    while scene.stack.metric(&url, "hub_connections").await? <= before {
        // Everybody: the streams of some have their home here.
        for asked in more.attempt(gateway, people, Ask::Page, people.len()).await {
            asked.context("the limit is lifted")?;
        }
        ensure!(
            lifted.elapsed() < RECOVERED * 4,
            "{process} gets none of {} new streams",
            more.count()
        );
    }
    scene.within("and has new streams after", lifted.elapsed(), RECOVERED)?;
    scene.exactly("crashes", scene.stack.pid(process)? != pid, false)?;
    drop((mutes, more));
    Ok(())
}

/// A gateway may open 256 files: it serves whom it can, and refuses the others at once.
async fn short_gateway(
    scene: &mut Scene,
    people: &[Person],
    elsewhere: &Person,
    channel: ChannelId,
) -> anyhow::Result<()> {
    const STREAMS: usize = 400;
    let process = "auth-gw-1";
    let pid = scene.stack.pid(process)?;
    let gateway = door(&scene.control, 1).await?;
    let mut reader = people[0].clone();
    reader.gateway.clone_from(&scene.stack.gateways[0]);
    let reader = Reader::open(reader, Kind::Raw, &[]).await?;
    let limit = FileLimit::of(pid, 256)?;
    let mut mutes = Mutes::default();
    let asked = Instant::now();
    let tried = mutes.attempt(gateway, people, Ask::Events, STREAMS).await;
    let took = asked.elapsed();
    let (served, refused) = (mutes.count(), tried.iter().filter(|tried| tried.is_err()).count());
    scene.number("gateway with 256 files, asked for 400 streams: served", served);
    ensure!(served > 50 && refused > 50, "{served} were served, {refused} refused");
    scene.within("all 400 have their answer after", took, Duration::from_secs(15))?;
    for error in tried.iter().filter_map(|tried| tried.as_ref().err()) {
        let told = ["closed without an answer", "reset by peer", "HTTP/1.1 503"];
        let error = format!("{error:#}");
        ensure!(told.iter().any(|told| error.contains(told)), "one was told: {error}");
    }
    // Whoever is inside does not notice.
    let begun = reader.reached(channel);
    let (status, _) = post(elsewhere, channel).await;
    ensure!(status == 201, "{status} at the other gateway");
    let posted = Instant::now();
    while reader.reached(channel) <= begun {
        ensure!(posted.elapsed() < RECOVERED, "a stream that was open before hears nothing");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    drop(limit);
    let lifted = Instant::now();
    let requests: Vec<_> = people.iter().map(|person| Ask::Events.request(person)).collect();
    let more = Mutes::open(gateway, &requests, 40).await;
    let more = more.context("the limit is lifted, and all get a stream")?;
    scene.within(
        "40 further ones are served after the limit is lifted",
        lifted.elapsed(),
        RECOVERED,
    )?;
    scene.exactly("crashes of the gateway", scene.stack.pid(process)? != pid, false)?;
    scene.exactly("reconnects of who was inside", reader.seen().reconnects, 0)?;
    drop((mutes, more));
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f33_a_session_manager_that_is_killed_for_its_memory_is_missed_by_nobody() -> Outcome {
    /// What it may have beyond what it has. Into the 128 MiB of the matrix fit more than 3,800 clients that never read.
    const MORE: u64 = 8 * 1024 * 1024;
    /// Clients that never read, so many at a time, until it is too much.
    const CROWD: usize = 100;
    const PROCESS: &str = "tui-sm-1";
    let mut scene = Scene::set("F33").await?;
    let mut town = scene.town(5, 16).await?;
    // Where the checker does not look.
    let noise = town.open_channel("noise-f33", Visibility::Public).await?;
    let deaf = town.readers.split_off(10);
    let shape = Shape { posts: 3_000, pace: Duration::from_millis(100), browsers: 2 };
    let mut load = scene.load(&town, shape).await?;
    load.reaches(100).await?;
    let gateway = door(&scene.control, 1).await?;
    let pid = scene.stack.pid(PROCESS)?;
    let limit = MemoryLimit::beyond(pid, MORE)?;
    let mut mutes = Mutes::default();
    let crowd = async {
        loop {
            // Those that are asked for while it dies are not answered.
            drop(mutes.attempt(gateway, &deaf, Ask::Events, CROWD).await);
            // The longest text there may be, for everybody at once.
            say(&town.writers[0], noise, &"memory ".repeat(16_000 / 7)).await;
        }
    };
    let death = async {
        let begun = Instant::now();
        while limit.kills()? == 0 {
            ensure!(begun.elapsed() < Duration::from_secs(90), "it does with what it has");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(())
    };
    tokio::select! {
        death = death => death?,
        () = crowd => {}
    }
    let killed = Instant::now();
    scene.number("clients that never read when it was killed", mutes.count());
    drop(mutes);
    scene.stack.started_again(PROCESS, pid).await?;
    scene.stack.ready_at(&scene.stack.tui_sms[0], RECOVERED * 2).await?;
    scene.within("another one is there and ready after", killed.elapsed(), RECOVERED)?;
    let ended = load.end().await?;
    ended.flawless()?;
    let moved = ended.witness.seen.iter().filter(|seen| seen.reconnects > 0).count();
    ensure!(moved > 0, "nobody read at {PROCESS}");
    scene.number("readers that came back", moved);
    scene.exactly("lost messages", ended.findings().lost.len(), 0)?;
    scene.passed().await
}

/// Posts once; gives the status, or 0 without an answer, and how long that took.
async fn post(person: &Person, channel: ChannelId) -> (u16, Duration) {
    say(person, channel, "something").await
}

/// Posts a text once, at the gateway of a person.
async fn say(person: &Person, channel: ChannelId, text: &str) -> (u16, Duration) {
    let request = serde_json::json!({"body_md": text, "client_msg_id": ClientMessageId::new()});
    let mut call = Call::new(Method::POST, format!("/api/channels/{channel}/messages"));
    call = call.json(&request);
    call.headers.insert("host", person.host.clone());
    let begun = Instant::now();
    let answer = person.own_client.trying_once().send(&call).await;
    (answer.map_or(0, |answer| answer.status.as_u16()), begun.elapsed())
}

/// Asks a gateway who one is, with a token that is none; gives the status and how long that took.
async fn who_am_i(gateway: &str, person: &Person) -> anyhow::Result<(u16, Duration)> {
    let http = reqwest::Client::builder().no_proxy().build()?;
    let begun = Instant::now();
    let answer = http
        .get(format!("{gateway}/api/me"))
        .header("host", person.host.clone())
        .bearer_auth(Token::generate(TokenKind::Session).expose())
        .send()
        .await?;
    Ok((answer.status().as_u16(), begun.elapsed()))
}

/// Holds every connection of the database that nobody else has, and takes each that becomes free.
struct Hog {
    held: Arc<Mutex<Vec<PgConnection>>>,
    taking: JoinHandle<()>,
}

impl Hog {
    async fn take_all(url: &str) -> anyhow::Result<Self> {
        let held = Arc::<Mutex<Vec<PgConnection>>>::default();
        let (url, taken) = (url.to_owned(), held.clone());
        let taking = tokio::spawn(async move {
            loop {
                match PgConnection::connect(&url).await {
                    Ok(connection) => taken.lock().await.push(connection),
                    Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
                }
            }
        });
        let hog = Self { held, taking };
        let begun = Instant::now();
        let (mut before, mut since) = (0, Instant::now());
        // All are taken when there are no more for a second.
        while before == 0 || since.elapsed() < Duration::from_secs(1) {
            ensure!(begun.elapsed() < Duration::from_secs(30), "there is no end of connections");
            let now = hog.held().await;
            if now != before {
                (before, since) = (now, Instant::now());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(hog)
    }

    async fn held(&self) -> usize {
        self.held.lock().await.len()
    }
}

impl Drop for Hog {
    fn drop(&mut self) {
        self.taking.abort();
    }
}
