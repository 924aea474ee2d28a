//! What fault tests stand on: the proxy between all parts, processes that are stopped and frozen, points at which they die, wrong clocks.

use std::ops::Deref;
use std::time::{Duration, Instant};

use ajet_faults::toxic::{Toxic, Way};
use ajet_faults::{Scene, Stack};
use ajet_shared::channel::{CreateChannel, Visibility};
use ajet_shared::client::{ApiClient, ClientOptions};
use ajet_shared::id::{ChannelId, ClientMessageId};
use ajet_shared::message::{Message, PostMessage};
use ajet_shared::page::PageQuery;
use anyhow::Context as _;
use time::OffsetDateTime;
use tokio::sync::OnceCell;

use crate::Outcome;

/// How long anything here may take.
const LIMIT: Duration = Duration::from_secs(40);

/// The stack, and somebody in it.
struct Yard {
    scene: Scene,
    client: ApiClient,
    channel: ChannelId,
}

impl Deref for Yard {
    type Target = Scene;

    fn deref(&self) -> &Scene {
        &self.scene
    }
}

impl Yard {
    async fn set() -> anyhow::Result<Self> {
        static PLACE: OnceCell<(ApiClient, ChannelId)> = OnceCell::const_new();
        let scene = Scene::set("toxic").await?;
        let (client, channel) = PLACE.get_or_try_init(|| place(&scene.stack)).await?.clone();
        Ok(Self { scene, client, channel })
    }

    /// Posts as a good client does: the same message until it is answered. Gives how many requests that took.
    async fn post(&self, body: &str) -> anyhow::Result<(Message, u32)> {
        let request = PostMessage {
            body_md: body.parse()?,
            client_msg_id: ClientMessageId::new(),
            parent_id: None,
            attachment_ids: Vec::new(),
        };
        let begun = Instant::now();
        let mut tries = 1;
        loop {
            match self.client.post_message(self.channel, &request).await {
                Ok(message) => return Ok((message, tries)),
                Err(error) if begun.elapsed() > LIMIT => return Err(error.into()),
                Err(_) => tries += 1,
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// How often a text stands in the channel.
    async fn count(&self, body: &str) -> anyhow::Result<usize> {
        let page = self.client.messages(self.channel, PageQuery::default()).await?;
        Ok(page.items.iter().filter(|message| message.body_md == body).count())
    }

    async fn state(&self, process: &str) -> anyhow::Result<(String, Option<i32>)> {
        let processes = self.control.processes().await?;
        let found = processes.into_iter().find(|line| line.name == process);
        let line = found.with_context(|| format!("there is no process {process}"))?;
        Ok((line.state, line.pid))
    }

    /// Starts the second api with these variables as the only one there is.
    async fn only_api_with(&self, variables: &[(&str, &str)]) -> Outcome {
        self.control.stop("api-1").await?;
        self.control.stop("api-2").await?;
        self.control.start("api-2", variables).await?;
        Ok(())
    }

    /// Both as they were.
    async fn both_apis(&self) -> Outcome {
        self.control.stop("api-2").await?;
        self.control.start("api-2", &[]).await?;
        self.control.start("api-1", &[]).await?;
        self.post("both are back").await?;
        Ok(())
    }
}

/// Somebody with a channel of their own, in the community that is there or the first one.
async fn place(stack: &Stack) -> anyhow::Result<(ApiClient, ChannelId)> {
    let token = match stack.sign_in("toxic", None).await {
        Ok(token) => token,
        Err(_) => stack.sign_in("toxic", Some("Toxic")).await?,
    };
    let options = ClientOptions { user_agent: "ajet-faults", ..ClientOptions::default() };
    let client = ApiClient::with_options(vec![stack.public_url.parse()?], &options)?;
    let client = client.with_token(&token);
    let sync = client.sync().await?;
    let community = sync.communities.first().context("in no community")?.community.id;
    let new = CreateChannel { name: "toxic".parse()?, visibility: Visibility::Public, topic: None };
    let channel = client.create_channel(community, &new).await?.channel.id;
    Ok((client, channel))
}

#[tokio::test]
async fn every_part_speaks_to_every_other_through_an_edge() -> Outcome {
    let yard = Yard::set().await?;
    yard.post("over all edges").await?;
    let edges = yard.control.edges().await?;
    let names: Vec<&str> = edges.iter().map(|edge| edge.name.as_str()).collect();
    // Two of each service: 2 clients', 12 and 4 of gateways, 8 and 4 of session managers, 6 of apis.
    assert_eq!(names.len(), 36, "{names:?}");
    for (name, in_use) in [
        ("client-gw-2", false),
        ("gw-2-api-1", false),
        ("gw-1-web-sm-2", false),
        ("gw-1-tui-sm-1", false),
        ("gw-1-provider", false),
        ("gw-1-postgres", true),
        ("web-sm-2-api-1", false),
        ("web-sm-1-nats", true),
        ("tui-sm-2-nats", true),
        ("api-1-postgres", true),
        ("api-2-nats", true),
        ("api-1-s3", false),
    ] {
        let edge = edges.iter().find(|edge| edge.name == name).context(name)?;
        assert_eq!(edge.conditions, "well", "{name}");
        assert!(!in_use || edge.connections > 0, "{name} is not in use");
    }
    yard.scene.passed().await
}

#[tokio::test]
async fn a_disturbed_edge_is_felt() -> Outcome {
    let yard = Yard::set().await?;
    let page = format!("{}/login", yard.stack.public_url);
    let http = reqwest::Client::builder().no_proxy().timeout(LIMIT).build()?;
    let time = Duration::from_millis(150);
    yard.control.latency("client-gw-1", time, Duration::ZERO).await?;
    let begun = Instant::now();
    assert!(http.get(&page).send().await?.status().is_success());
    assert!(begun.elapsed() >= time * 2);
    yard.control.cut("client-gw-1").await?;
    assert!(http.get(&page).send().await.is_err_and(|error| error.is_connect()));
    yard.control.restore("client-gw-1").await?;
    assert!(http.get(&page).send().await?.status().is_success());

    yard.control.cut("gw-api").await?;
    assert!(yard.client.trying_once().sync().await.is_err());
    yard.control.restore("gw-api").await?;
    yard.post("the apis are back").await?;

    yard.control.disturb("api-1-nats,api-2-nats", Toxic::Reset, Way::Both).await?;
    yard.post("the bus is not asked").await?;
    yard.scene.passed().await
}

#[tokio::test]
async fn a_process_is_stopped_started_and_frozen() -> Outcome {
    let yard = Yard::set().await?;
    yard.control.stop("api-1").await?;
    assert_eq!(yard.state("api-1").await?, ("down".to_owned(), None));
    assert!(!yard.stack.processes()?.contains(&"api-1".to_owned()));
    assert!(yard.control.stop("api-1").await.is_err());
    yard.post("the other one goes on").await?;
    yard.control.start("api-1", &[]).await?;
    assert_eq!(yard.state("api-1").await?.0, "running");
    assert!(yard.control.start("api-1", &[]).await.is_err());

    yard.control.freeze("postgres-1").await?;
    assert_eq!(yard.state("postgres-1").await?.0, "frozen");
    let waits = yard.client.with_timeout(Duration::from_millis(500)).trying_once();
    assert!(waits.sync().await.is_err());
    yard.control.thaw("postgres-1").await?;
    yard.post("Postgres is back").await?;

    let (_, pid) = yard.state("nats-1").await?;
    yard.control.freeze("nats-1").await?;
    yard.control.kill("nats-1").await?;
    assert_eq!(yard.state("nats-1").await?, ("down".to_owned(), None));
    yard.control.start("nats-1", &[]).await?;
    assert_ne!(yard.state("nats-1").await?.1, pid);
    yard.scene.passed().await
}

#[tokio::test]
async fn what_a_test_has_left_behind_is_made_well() -> Outcome {
    let yard = Yard::set().await?;
    for process in ["api-1", "api-2"] {
        yard.control.stop(process).await?;
        yard.control.start(process, &[("AJET_CLOCK_OFFSET", "-7200")]).await?;
        assert_eq!(yard.state(process).await?.0, "altered");
    }
    yard.control.freeze("api-2").await?;
    yard.control.stop("tui-sm-1").await?;
    yard.control.cut("gw-api").await?;
    yard.scene.heal().await?;
    for process in ["api-1", "api-2", "tui-sm-1"] {
        assert_eq!(yard.state(process).await?.0, "running");
    }
    let (message, _) = yard.post("now").await?;
    let behind = OffsetDateTime::now_utc() - message.created_at;
    assert!(behind.whole_seconds().abs() < 60, "{behind}");
    yard.scene.passed().await
}

#[tokio::test]
async fn an_api_dies_at_a_failpoint_and_the_message_stands_once() -> Outcome {
    let yard = Yard::set().await?;
    // The second time in the life of each process: the first one is a life without a fault.
    for point in ["before_commit", "after_commit", "after_ack"] {
        let setting = format!("{point}:2");
        yard.only_api_with(&[("AJET_FAILPOINT", &setting)]).await?;
        let mut bodies = Vec::new();
        for round in 1..=4 {
            let body = format!("{point} {round} {}", ClientMessageId::new());
            yard.post(&body).await?;
            bodies.push(body);
        }
        let log = std::fs::read_to_string(yard.stack.log("api-2"))?;
        assert!(log.contains("AJET_FAILPOINT: "), "{point} was not reached");
        yard.both_apis().await?;
        for body in bodies {
            assert_eq!(yard.count(&body).await?, 1, "{body}");
        }
    }
    let log = std::fs::read_to_string(yard.stack.log("api-2"))?;
    for point in ["BeforeCommit", "AfterCommit", "AfterAck"] {
        assert!(log.contains(&format!("AJET_FAILPOINT: {point}")), "{point} was not reached");
    }
    yard.scene.passed().await
}

#[tokio::test]
async fn an_api_has_a_wrong_clock() -> Outcome {
    let yard = Yard::set().await?;
    yard.only_api_with(&[("AJET_CLOCK_OFFSET", "-7200")]).await?;
    let (message, _) = yard.post("two hours ago").await?;
    yard.both_apis().await?;
    let behind = OffsetDateTime::now_utc() - message.created_at;
    assert!((behind.whole_seconds() - 7_200).abs() < 60, "{behind}");
    let (id, _) = message.id.uuid().get_timestamp().context("no time")?.to_unix();
    let behind = OffsetDateTime::now_utc().unix_timestamp() - i64::try_from(id)?;
    assert!((behind - 7_200).abs() < 60, "{behind}");
    yard.scene.passed().await
}
