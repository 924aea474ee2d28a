//! Clocks of machines are wrong, differ, and jump.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use ajet_faults::{Load, Logs, Person, Scene, Shape, Town};
use ajet_shared::api_token::CreateToken;
use ajet_shared::client::{ApiClient, ClientError};
use ajet_shared::id::{ChannelId, ClientMessageId};
use ajet_shared::invite::CreateInvite;
use ajet_shared::message::{Message, PostMessage};
use ajet_shared::moderation::BanMember;
use ajet_shared::page::PageQuery;
use anyhow::{Context as _, bail, ensure};
use rand::rngs::StdRng;
use rand::seq::{IndexedRandom as _, SliceRandom as _};
use rand::{RngExt as _, SeedableRng as _};
use sqlx::PgPool;
use tokio::time::sleep;
use uuid::Uuid;

use crate::Outcome;

const VARIABLE: &str = "AJET_CLOCK_OFFSET";
/// An hour behind, an hour ahead, two days ahead, in seconds.
const OFFSETS: [i64; 3] = [-3_600, 3_600, 172_800];
/// What a service remembers of a credential is a second old at most. Source: delivery-and-security.md head decision 2.
const REMEMBERED: Duration = Duration::from_millis(1_500);
const PACE: Duration = Duration::from_millis(100);
const DAY: f64 = 86_400.0;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f29_clocks_that_are_wrong_change_no_order_and_end_nothing_early() -> Outcome {
    let mut scene = Scene::set("F29").await?;
    let town = scene.town(4, 6).await?;
    let pool = ajet_shared::db::pool(&scene.stack.database_url, "ajet-faults")?;
    let mut random = StdRng::seed_from_u64(scene.seed);
    let (mut rounds, mut backwards, mut disordered) = (0, 0, 0);
    for offset in OFFSETS {
        // The first api has each of them once, everybody else has another one.
        let mut others: Vec<i64> = OFFSETS.iter().copied().filter(|one| *one != offset).collect();
        others.push(0);
        others.shuffle(&mut random);
        let clocks = [("api-1", offset), ("api-2", others[0]), ("auth-gw-1", others[1])];
        for (process, offset) in clocks.into_iter().chain([("auth-gw-2", others[2])]) {
            scene.restart(process, &[(VARIABLE, &offset.to_string())]).await?;
        }
        let posts = 150;
        let load = scene.load(&town, Shape { posts, pace: PACE, browsers: 2 }).await?;
        let ended = load.end().await?;
        disordered += ended.findings().disordered.len();
        ended.flawless()?;
        for channel in &town.channels {
            backwards += in_order(&town.mayor, *channel).await?;
        }
        let round = Round { scene: &scene, town: &town, pool: &pool, number: rounds };
        round.everything_ends_by_the_database().await.with_context(|| format!("{clocks:?}"))?;
        rounds += 1;
    }
    for process in ["api-1", "api-2", "auth-gw-1", "auth-gw-2"] {
        scene.restart(process, &[]).await?;
    }
    ensure!(backwards > 0, "no message was written at an earlier time than the one before it");
    scene.exactly("messages out of order", disordered, 0)?;
    scene.number("messages whose time is before that of the one before", backwards);
    scene.number("rounds in which what ends, ended by the database's clock", rounds);
    scene.passed().await
}

/// A channel lists its messages by their number; gives how many are older, by their time, than the one before.
async fn in_order(reader: &Person, channel: ChannelId) -> anyhow::Result<usize> {
    let (mut later, mut backwards) = (None::<Message>, 0);
    loop {
        let before = later.as_ref().map(|message| message.id.uuid());
        let query = PageQuery { before, limit: Some(100), ..PageQuery::default() };
        let mut items = reader.client.messages(channel, query).await?.items;
        let Some(first) = items.first().cloned() else { return Ok(backwards) };
        items.extend(later.replace(first));
        ensure!(items.is_sorted_by(|one, next| one.seq < next.seq), "{channel} is out of order");
        let pairs = items.windows(2);
        backwards += pairs.filter(|pair| pair[1].created_at < pair[0].created_at).count();
    }
}

/// One setting of the clocks.
struct Round<'a> {
    scene: &'a Scene,
    town: &'a Town,
    pool: &'a PgPool,
    number: usize,
}

impl Round<'_> {
    /// Each api by itself, as somebody.
    fn apis(&self, person: &Person) -> anyhow::Result<Vec<ApiClient>> {
        let stack = &self.scene.stack;
        let edge = || Some(stack.edge_secret.clone());
        let client = |url: &String| {
            Ok(ApiClient::new(vec![url.parse()?], edge())?.with_token(&person.token))
        };
        stack.apis.iter().map(client).collect()
    }

    async fn everything_ends_by_the_database(&self) -> Outcome {
        let name = format!("f29-{}-stranger", self.number);
        let strangers = self.town.strangers(&self.scene.stack, &name, 6).await?;
        let (guests, others) = strangers.split_at(4);
        let makers = self.apis(&self.town.mayor)?;
        for (maker, guests) in makers.iter().zip(guests.chunks(2)) {
            self.invites(maker, guests).await.context("invites")?;
            self.tokens(maker).await.context("tokens")?;
            self.mutes(maker).await.context("mutes")?;
        }
        for (maker, other) in makers.iter().zip(others) {
            self.bans(maker, other).await.context("bans")?;
            self.sessions(other).await.context("sessions")?;
        }
        Ok(())
    }

    /// Seconds by the database's clock until a column of a row.
    async fn left(&self, table: &str, column: &str, key: &str, id: Uuid) -> anyhow::Result<f64> {
        let sql = format!(
            "SELECT extract(epoch FROM {column} - now())::float8 FROM {table} WHERE {key} = $1"
        );
        let left =
            sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).bind(id).fetch_one(self.pool).await?;
        Ok(left)
    }

    /// Moves the end of a row to so many seconds from now, by the database's clock.
    async fn set(&self, table: &str, column: &str, key: &str, id: Uuid, left: f64) -> Outcome {
        let sql = format!(
            "UPDATE {table} SET {column} = now() + make_interval(secs => $2) WHERE {key} = $1"
        );
        let set = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(id).bind(left);
        ensure!(set.execute(self.pool).await?.rows_affected() > 0, "no such row in {table}");
        Ok(())
    }

    async fn invites(&self, maker: &ApiClient, guests: &[Person]) -> Outcome {
        let new = CreateInvite { expires_in_seconds: Some(3_600), ..CreateInvite::default() };
        for guest in guests {
            let made = maker.create_invite(self.town.community, &new).await?;
            let id = made.invite.id.uuid();
            near(self.left("invites", "expires_at", "id", id).await?, 3_600.0)?;
            self.set("invites", "expires_at", "id", id, -1.0).await?;
            for api in self.apis(guest)? {
                refused(api.accept_invite(&made.code).await, 410)?;
            }
            self.set("invites", "expires_at", "id", id, 60.0).await?;
            let apis = self.apis(guest)?;
            // Whichever api is asked, also the one whose clock is past that.
            let which = usize::from(guest.id == guests[0].id);
            apis[which].accept_invite(&made.code).await?;
        }
        Ok(())
    }

    async fn tokens(&self, maker: &ApiClient) -> Outcome {
        let name = format!("f29 {}", Uuid::now_v7().simple());
        let new = CreateToken { name, scopes: Vec::new(), expires_in_days: Some(365) };
        let made = maker.create_my_token(&new).await?;
        let id = made.token.id.uuid();
        near(self.left("api_tokens", "expires_at", "id", id).await?, 365.0 * DAY)?;
        let mut bot = self.town.mayor.clone();
        bot.token = made.secret.into();
        let channel = self.town.channels[0];
        for api in self.apis(&bot)? {
            api.messages(channel, PageQuery::default()).await?;
        }
        self.set("api_tokens", "expires_at", "id", id, -1.0).await?;
        sleep(REMEMBERED).await;
        for api in self.apis(&bot)? {
            refused(api.messages(channel, PageQuery::default()).await, 401)?;
        }
        Ok(())
    }

    async fn mutes(&self, maker: &ApiClient) -> Outcome {
        let (muted, channel) = (&self.town.writers[0], self.town.channels[0]);
        maker.mute(self.town.community, muted.id, Some(60)).await?;
        let (table, column, id) = ("community_members", "muted_until", muted.id.uuid());
        near(self.left(table, column, "user_id", id).await?, 60.0)?;
        for api in self.apis(muted)? {
            refused(say(&api, channel).await, 403)?;
        }
        self.set(table, column, "user_id", id, -1.0).await?;
        for api in self.apis(muted)? {
            say(&api, channel).await?;
        }
        Ok(())
    }

    async fn bans(&self, maker: &ApiClient, banned: &Person) -> Outcome {
        let once = CreateInvite::default();
        let invite = async || maker.create_invite(self.town.community, &once).await;
        let apis = self.apis(banned)?;
        apis[0].accept_invite(&invite().await?.code).await?;
        let new = BanMember { expires_in_seconds: Some(60), ..BanMember::default() };
        let ban = maker.ban(self.town.community, banned.id, &new).await?;
        near(self.left("bans", "expires_at", "id", ban.id).await?, 60.0)?;
        let code = invite().await?.code;
        for api in &apis {
            refused(api.accept_invite(&code).await, 403)?;
        }
        self.set("bans", "expires_at", "id", ban.id, -1.0).await?;
        apis[1].accept_invite(&code).await?;
        Ok(())
    }

    /// A session that is over is over everywhere, one that is not is good everywhere.
    async fn sessions(&self, person: &Person) -> Outcome {
        for api in self.apis(person)? {
            api.me().await?;
        }
        let id = person.client.sessions().await?.items.first().context("no session")?.id;
        self.set("sessions", "expires_at", "id", id.uuid(), -1.0).await?;
        sleep(REMEMBERED).await;
        for api in self.apis(person)?.iter().chain([&person.client]) {
            refused(api.me().await, 401)?;
        }
        Ok(())
    }
}

async fn say(api: &ApiClient, channel: ChannelId) -> Result<(), ClientError> {
    let request = PostMessage {
        body_md: "What time is it?".parse().map_err(|_| ClientError::Setup("text".to_owned()))?,
        client_msg_id: ClientMessageId::new(),
        parent_id: None,
        attachment_ids: Vec::new(),
    };
    api.post_message(channel, &request).await.map(drop)
}

/// Within what a test may dawdle.
fn near(left: f64, wanted: f64) -> Outcome {
    ensure!((left - wanted).abs() < 30.0, "ends in {left} s, not in {wanted} s");
    Ok(())
}

fn refused<T>(outcome: Result<T, ClientError>, status: u16) -> Outcome {
    match outcome {
        Err(error) if error.status() == Some(status) => Ok(()),
        Err(error) => bail!("{error}, not {status}"),
        Ok(_) => bail!("it was taken, not answered {status}"),
    }
}

/// Every service of ours.
const SERVICES: [&str; 8] =
    ["api-1", "api-2", "auth-gw-1", "auth-gw-2", "web-sm-1", "web-sm-2", "tui-sm-1", "tui-sm-2"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f30_clocks_that_jump_upset_nobody() -> Outcome {
    let mut scene = Scene::set("F30").await?;
    let town = scene.town(4, 8).await?;
    let clock = Clock(scene.stack.run_dir.join("clock"));
    clock.set(0)?;
    let setting = format!("@{}", clock.0.display());
    for service in SERVICES {
        scene.restart(service, &[(VARIABLE, &setting)]).await?;
    }
    let logs = Logs::now(&scene.stack, &SERVICES);
    let time = Duration::from_secs(20);
    let each = usize::try_from(time.as_millis() / PACE.as_millis())?;
    let shape = Shape { posts: each * town.writers.len(), pace: PACE, browsers: 3 };
    let load = scene.load(&town, shape).await?;
    let jumps = jump(&scene, &clock, &load, time).await?;
    load.end().await?.flawless()?;
    clock.set(0)?;
    let mut backwards = 0;
    for channel in &town.channels {
        backwards += in_order(&town.mayor, *channel).await?;
    }
    ensure!(backwards > 0, "no service has noticed that its clock jumped");
    let odd = odd_metrics(&scene).await?;
    ensure!(odd.is_empty(), "{odd:?}");
    let panics = logs.lines_with("panick")?;
    ensure!(panics.is_empty(), "{panics:?}");
    for service in SERVICES {
        scene.restart(service, &[]).await?;
    }
    scene.number("jumps", jumps);
    scene.number("messages whose time is before that of the one before", backwards);
    scene.exactly("panics", panics.len(), 0)?;
    scene.exactly("negative or absurd metrics", odd.len(), 0)?;
    scene.passed().await
}

/// A file from which services read how wrong their clock is.
struct Clock(PathBuf);

impl Clock {
    /// All at once: nobody reads half of it.
    fn set(&self, offset: i64) -> Outcome {
        let new = self.0.with_extension("new");
        std::fs::write(&new, offset.to_string())?;
        Ok(std::fs::rename(new, &self.0)?)
    }
}

/// Lets the clock jump by seconds, hours and days, there and back.
async fn jump(scene: &Scene, clock: &Clock, load: &Load, time: Duration) -> anyhow::Result<usize> {
    const TO: [i64; 9] = [0, 1, -1, 60, -60, 3_600, -3_600, 172_800, -172_800];
    let mut random = StdRng::seed_from_u64(scene.seed);
    let (until, mut jumps) = (Instant::now() + time, 0);
    while Instant::now() < until {
        clock.set(*TO.choose(&mut random).context("nowhere")?)?;
        jumps += 1;
        sleep(Duration::from_millis(random.random_range(200..1_500))).await;
    }
    ensure!(!load.ledger.posts().is_empty(), "nobody wrote");
    Ok(jumps)
}

/// Metrics that no honest clock brings about.
async fn odd_metrics(scene: &Scene) -> anyhow::Result<Vec<String>> {
    let stack = &scene.stack;
    let services = [&stack.apis, &stack.web_sms, &stack.tui_sms, &stack.gateway_admins];
    let http = reqwest::Client::builder().no_proxy().build()?;
    let mut odd = Vec::new();
    for url in services.into_iter().flatten() {
        let text = http.get(format!("{url}/metrics")).send().await?.text().await?;
        let values = text.lines().filter(|line| !line.starts_with('#'));
        odd.extend(
            values
                .filter(|line| {
                    let value = line.rsplit(' ').next().and_then(|value| value.parse::<f64>().ok());
                    value.is_none_or(|value| !(0.0..1e12).contains(&value))
                })
                .map(|line| format!("{url}: {line}")),
        );
    }
    Ok(odd)
}
