//! What people notice when something beside the messages fails: files, sessions, signing in.

mod provider;

use std::time::{Duration, Instant};

use ajet_faults::toxic::Control;
use ajet_faults::{Ask, Block, Books, Load, Person, Scene, Shape, Town, Wire};
use ajet_shared::actions::Scope;
use ajet_shared::api_token::CreateToken;
use ajet_shared::channel::Visibility;
use ajet_shared::client::{ApiClient, Call, Method};
use ajet_shared::id::ChannelId;
use ajet_shared::page::PageQuery;
use ajet_shared::webhook::CreateWebhook;
use anyhow::{Context as _, ensure};
use tokio::time::sleep;

use self::provider::{Provider, Reply};
use crate::Outcome;

const PACE: Duration = Duration::from_millis(200);
/// Others do not notice. Source: delivery-and-security.md F6.
const P99: Duration = Duration::from_millis(200);
/// A service that is down is told so by then. Source: delivery-and-security.md section 2.7.
const REFUSED_WITHIN: Duration = Duration::from_secs(3);
/// A revocation holds everywhere by then.
const REVOKED_WITHIN: Duration = Duration::from_secs(1);
/// The same without NATS: by then the api has been asked again. Source: delivery-and-security.md F40.
const REVOKED_WITHOUT_NATS: Duration = Duration::from_secs(35);
/// A sign-in that cannot be finished says so by then.
const TOLD_WITHIN: Duration = Duration::from_secs(6);

/// Writing that goes on beside it, for about so long.
async fn writing(scene: &Scene, town: &Town, time: Duration) -> anyhow::Result<Load> {
    let each = usize::try_from(time.as_millis() / PACE.as_millis())?;
    let shape = Shape { posts: each * town.writers.len(), pace: PACE, browsers: 1 };
    scene.load(town, shape).await
}

fn http() -> anyhow::Result<reqwest::Client> {
    let redirects = reqwest::redirect::Policy::none();
    Ok(reqwest::Client::builder().no_proxy().redirect(redirects).build()?)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f31_without_the_object_store_only_files_are_missing() -> Outcome {
    let mut scene = Scene::set("F31").await?;
    let away = scene.length(Duration::from_secs(10), Duration::from_secs(30));
    let town = scene.town(4, 4).await?;
    let store = town.aside("storehouse-f31", Visibility::Public).await?;
    let hook = hook(&town, store).await?;
    let file = deliver(&hook, &town.mayor, store)
        .await?
        .context("the whole text is not kept as a file")?;
    let (reader, http) = (town.readers[0].clone(), http()?);
    ensure!(send(reader.asks(&http, &file)).await?.status == 200, "the file cannot be read");
    let mut load = writing(&scene, &town, away + Duration::from_secs(5)).await?;
    load.reaches(20).await?;

    let cut = Instant::now();
    scene.control.cut("api-s3").await?;
    let (mut slowest, mut refusals) = (Duration::ZERO, 0);
    while cut.elapsed() < away {
        let answer = send(reader.asks(&http, &file)).await?;
        let is_problem =
            answer.status == 503 && answer.kind.starts_with("application/problem+json");
        ensure!(is_problem && answer.retry_after.is_some(), "{answer:?}");
        slowest = slowest.max(answer.took);
        refusals += 1;
        sleep(Duration::from_millis(500)).await;
    }
    let whole = deliver(&hook, &town.mayor, store).await?;
    ensure!(whole.is_none(), "a file was kept while there was no store");
    let restored = Instant::now();
    scene.control.restore("api-s3").await?;
    while send(reader.asks(&http, &file)).await?.status != 200 {
        ensure!(restored.elapsed() < REFUSED_WITHIN, "files do not come back");
        sleep(Duration::from_millis(50)).await;
    }
    let back = restored.elapsed();
    let ended = load.end().await?;
    ended.flawless()?;
    scene.within("p99 of a post without the store", ended.answered(cut, restored, 0.99), P99)?;
    scene.within("slowest refusal of a file", slowest, REFUSED_WITHIN)?;
    scene.number("refusals: 503, problem, Retry-After", refusals);
    scene.within("files are back", back, REFUSED_WITHIN)?;
    scene.passed().await
}

/// A webhook into a channel; gives its address.
async fn hook(town: &Town, channel_id: ChannelId) -> anyhow::Result<String> {
    let new = CreateWebhook {
        channel_id,
        name: "Storekeeper".to_owned(),
        signing_secret: None,
        allow_broadcast: false,
    };
    Ok(town.mayor.client.create_webhook(town.community, &new).await?.url)
}

/// Sends a text that is too long for a message; gives the address of the file with the whole of it.
async fn deliver(
    hook: &str,
    reader: &Person,
    channel: ChannelId,
) -> anyhow::Result<Option<String>> {
    let text = "All that there is to say. ".repeat(1_000);
    let request = http()?.post(hook).json(&serde_json::json!({ "text": text }));
    let answer = request.send().await?;
    let (status, said) = (answer.status(), answer.text().await?);
    ensure!(status.is_success(), "the webhook answers {status}: {said}");
    let page = reader.client.messages(channel, PageQuery::default()).await?;
    let long = page.items.iter().rev().find(|message| message.body_md.len() > 10_000);
    let message = long.context("the delivery is no message")?;
    Ok(message.attachments.first().map(|file| file.url.clone()))
}

/// An answer, and how long it took.
#[derive(Debug)]
struct Answered {
    status: u16,
    kind: String,
    retry_after: Option<String>,
    text: String,
    took: Duration,
}

async fn send(request: reqwest::RequestBuilder) -> anyhow::Result<Answered> {
    let begun = Instant::now();
    let answer = request.send().await?;
    let header = |name| {
        let value = answer.headers().get(name).and_then(|value| value.to_str().ok());
        value.map(str::to_owned)
    };
    let (status, kind) = (answer.status().as_u16(), header("content-type").unwrap_or_default());
    let retry_after = header("retry-after");
    let text = String::from_utf8_lossy(&answer.bytes().await?).into_owned();
    Ok(Answered { status, kind, retry_after, text, took: begun.elapsed() })
}

/// Somebody with an open page and an open terminal.
struct Watcher {
    page: Option<Wire>,
    terminal: Wire,
}

impl Watcher {
    async fn open(person: &Person, town: &Town) -> anyhow::Result<Self> {
        let (http, path) = (http()?, format!("/c/faults/channels/{}", town.names[0]));
        let stream = person.page_stream(&http, &path).await?;
        let mut page = Wire::stream(&http, person, Ask::Page, &stream, None).await?;
        page.find(REFUSED_WITHIN, |event| event.id.is_some()).await?;
        Ok(Self { page: Some(page), ..Self::terminal(person).await? })
    }

    /// A program has no pages.
    async fn terminal(person: &Person) -> anyhow::Result<Self> {
        let path = "/ws/tui/events";
        let mut terminal = Wire::stream(&http()?, person, Ask::Events, path, None).await?;
        terminal.find(REFUSED_WITHIN, |event| event.id.is_some()).await?;
        Ok(Self { page: None, terminal })
    }

    /// Waits until both have ended, each with its word of it; gives how long after `since` the later one did.
    async fn end(&mut self, since: Instant, patience: Duration) -> anyhow::Result<Duration> {
        let last = self.terminal.to_the_end(patience).await.context("the terminal")?;
        let said = last.as_ref().is_some_and(|last| last.name == "signed-out");
        ensure!(said, "the last word to the terminal was {last:?}");
        if let Some(page) = &mut self.page {
            let last = page.to_the_end(patience).await.context("the page")?;
            let told = |last: &Block| last.data.contains("You are signed out");
            ensure!(last.as_ref().is_some_and(told), "the last word to the page was {last:?}");
        }
        Ok(since.elapsed())
    }
}

/// Asks every gateway until none takes the token any more; gives how long after `since` the last one did.
async fn refused_everywhere(
    scene: &Scene,
    person: &Person,
    since: Instant,
) -> anyhow::Result<Duration> {
    let (http, mut taken) = (http()?, Duration::ZERO);
    for gateway in &scene.stack.gateways {
        let person = Person { gateway: gateway.clone(), ..person.clone() };
        loop {
            let asked = since.elapsed();
            match send(person.asks(&http, "/api/me")).await?.status {
                401 => break,
                200 if asked < REVOKED_WITHIN * 3 => taken = taken.max(asked),
                status => anyhow::bail!("after {asked:?} {gateway} answers {status}"),
            }
            sleep(Duration::from_millis(20)).await;
        }
    }
    Ok(taken)
}

/// The same person, signed in a second time.
async fn elsewhere(scene: &Scene, person: &Person) -> anyhow::Result<ApiClient> {
    let token = scene.stack.sign_in(&person.name, None).await?;
    Ok(person.client.with_token(&token))
}

/// Ends every session of somebody but the one that asks.
async fn sign_out_the_others(client: &ApiClient) -> Outcome {
    for session in client.sessions().await?.items.iter().filter(|session| !session.current) {
        client.revoke_session(session.id).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f40_a_session_that_ends_ends_its_streams() -> Outcome {
    let mut scene = Scene::set("F40").await?;
    let town = scene.town(1, 2).await?;
    let [revoked, leaving] = [&town.readers[0], &town.readers[1]];

    let client = elsewhere(&scene, revoked).await?;
    let mut watcher = Watcher::open(revoked, &town).await?;
    let since = Instant::now();
    sign_out_the_others(&client).await?;
    let ended = watcher.end(since, REVOKED_WITHIN * 3).await?;
    scene.within("signed out elsewhere: streams end", ended, REVOKED_WITHIN)?;
    let taken = refused_everywhere(&scene, revoked, since).await?;
    scene.within("signed out elsewhere: the last request taken", taken, REVOKED_WITHIN)?;

    let mut watcher = Watcher::open(leaving, &town).await?;
    let since = Instant::now();
    leaving.client.send(&Call::new(Method::POST, "/auth/logout")).await?.ok()?;
    let ended = watcher.end(since, REVOKED_WITHIN * 3).await?;
    scene.within("signed out: streams end", ended, REVOKED_WITHIN)?;
    let taken = refused_everywhere(&scene, leaving, since).await?;
    scene.within("signed out: the last request taken", taken, REVOKED_WITHIN)?;

    let name = format!("bot {}", scene.seed);
    let scopes = vec![Scope::ChannelsRead, Scope::MessagesRead];
    let new = CreateToken { name, scopes, expires_in_days: None };
    let made = town.mayor.client.create_token(town.community, &new).await?;
    let bot = Person { token: made.secret.into(), ..town.mayor.clone() };
    let mut watcher = Watcher::terminal(&bot).await?;
    let since = Instant::now();
    town.mayor.client.revoke_token(town.community, made.token.id).await?;
    let ended = watcher.end(since, REVOKED_WITHIN * 3).await?;
    scene.within("revoked by an owner: the bot's stream ends", ended, REVOKED_WITHIN)?;
    let taken = refused_everywhere(&scene, &bot, since).await?;
    scene.within("revoked by an owner: the last request taken", taken, REVOKED_WITHIN)?;
    scene.passed().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f40_who_is_banned_hears_nothing_more() -> Outcome {
    let mut scene = Scene::set("F40").await?;
    let town = scene.town(1, 1).await?;
    let (banned, channel) = (&town.readers[0], town.channels[0]);
    let mut watcher = Watcher::open(banned, &town).await?;
    let ban = ajet_shared::moderation::BanMember::default();
    let since = Instant::now();
    town.mayor.client.ban(town.community, banned.id, &ban).await?;
    sleep(REVOKED_WITHIN.saturating_sub(since.elapsed())).await;
    let secret = town.mayor.say(channel, "They are gone.").await?.id.to_string();
    let heard = watcher.terminal.listen(REFUSED_WITHIN).await;
    let shown = match &mut watcher.page {
        Some(page) => page.listen(REFUSED_WITHIN).await,
        None => Vec::new(),
    };
    let leaks = heard.iter().chain(&shown).filter(|event| event.data.contains(&secret)).count();
    scene.exactly("what they hear after a second", leaks, 0)?;
    let page = send(banned.asks(&http()?, &format!("/api/channels/{channel}/messages"))).await?;
    ensure!(page.status == 404, "the channel is answered {}", page.status);
    scene.passed().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f40_without_nats_the_api_is_asked() -> Outcome {
    let mut scene = Scene::set("F40").await?;
    let town = scene.town(1, 1).await?;
    let revoked = &town.readers[0];
    let client = elsewhere(&scene, revoked).await?;
    let mut watcher = Watcher::open(revoked, &town).await?;
    scene.control.cut("web-sm-nats,tui-sm-nats,api-nats").await?;
    let since = Instant::now();
    sign_out_the_others(&client).await?;
    let taken = refused_everywhere(&scene, revoked, since).await?;
    scene.within("without NATS: the last request taken", taken, REVOKED_WITHIN)?;
    let ended = watcher.end(since, REVOKED_WITHOUT_NATS * 2).await?;
    scene.within("without NATS: streams end", ended, REVOKED_WITHOUT_NATS)?;
    let waiting = Books::of(&scene.stack)?.waiting().await?;
    ensure!(waiting > 0, "no event of it waits: they may have been told");
    scene.heal().await?;
    scene.passed().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f44_a_provider_that_fails_fails_alone() -> Outcome {
    let mut scene = Scene::set("F44").await?;
    let town = scene.town(4, 4).await?;
    let provider = Provider::start().await?;
    scene.control.stop("auth-gw-1").await?;
    scene.control.start("auth-gw-1", &[("AJET_OAUTH_DEV_BASE_URL", &provider.url)]).await?;
    scene.stack.ready(Duration::from_secs(30)).await?;
    let [first, second] = [&scene.stack.gateways[0], &scene.stack.gateways[1]].map(Clone::clone);
    let mut load = writing(&scene, &town, Duration::from_secs(45)).await?;
    load.reaches(20).await?;
    let begun = Instant::now();
    let mut slowest = Duration::ZERO;
    for (what, token, profile) in [
        ("500 for the token", Reply::Fails, Reply::Good),
        ("garbage for the token", Reply::Garbage, Reply::Good),
        ("500 for the profile", Reply::Good, Reply::Fails),
        ("garbage for the profile", Reply::Good, Reply::Garbage),
        ("a token and then nothing", Reply::Good, Reply::Silent),
        ("a slow token and then nothing", Reply::Slow, Reply::Silent),
        ("nothing", Reply::Silent, Reply::Silent),
    ] {
        provider.replies(token, profile);
        slowest = slowest.max(is_told(&first, &town.mayor).await.context(what)?);
    }
    slow_edge(&scene.control).await?;
    let late = tokio::try_join!(
        is_told(&second, &town.mayor),
        is_told(&second, &town.mayor),
        is_told(&second, &town.mayor)
    )
    .context("30 s late")?;
    slowest = slowest.max(late.0).max(late.1).max(late.2);
    let over = Instant::now();
    scene.control.restore("gw-provider").await?;
    let ended = load.end().await?;
    ended.flawless()?;
    scene.within("the longest until somebody is told", slowest, TOLD_WITHIN)?;
    scene.within("p99 of a post meanwhile", ended.answered(begun, over, 0.99), P99)?;
    scene.restart("auth-gw-1", &[]).await?;
    scene.stack.sign_in("f44-afterwards", None).await?;
    scene.passed().await
}

async fn slow_edge(control: &Control) -> Outcome {
    control.latency("gw-2-provider", Duration::from_secs(30), Duration::ZERO).await
}

/// Comes back from the provider with a code, as a browser does, and is told in plain words that it did not work; gives how long that
/// took.
async fn is_told(gateway: &str, someone: &Person) -> anyhow::Result<Duration> {
    let http = http()?;
    let start = http.get(format!("{gateway}/auth/dev/start")).header("host", someone.host.clone());
    let answer = start.send().await?;
    let header = |name: &str| {
        let value = answer.headers().get(name).and_then(|value| value.to_str().ok());
        value.map(str::to_owned).with_context(|| format!("no {name}: {}", answer.status()))
    };
    let (location, cookie) = (header("location")?, header("set-cookie")?);
    let state = location.split("state=").nth(1).context("no state")?;
    let state = state.split('&').next().unwrap_or_default();
    let cookie = cookie.split(';').next().unwrap_or_default();
    let request = http
        .get(format!("{gateway}/auth/callback/dev?code=some&state={state}"))
        .header("host", someone.host.clone())
        .header("accept", "text/html")
        .header("cookie", cookie);
    let answer = send(request).await?;
    let plain = answer.status == 502
        && answer.kind.starts_with("text/html")
        && answer.text.contains("Signing in did not work")
        && answer.text.contains("Try again in a moment");
    ensure!(plain, "{answer:?}");
    Ok(answer.took)
}
