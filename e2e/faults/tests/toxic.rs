//! What fault tests stand on: the proxy between all parts, processes that are stopped and frozen, points at which they die, wrong clocks.
//!
//! They share the stack, so each has it for itself for as long as it disturbs it.

use std::error::Error;
use std::time::{Duration, Instant};

use ajet_faults::Stack;
use ajet_faults::toxic::{Control, Toxic, Way};
use ajet_shared::channel::{CreateChannel, Visibility};
use ajet_shared::client::{ApiClient, ClientOptions};
use ajet_shared::id::{ChannelId, ClientMessageId};
use ajet_shared::message::{Message, PostMessage};
use ajet_shared::page::PageQuery;
use time::OffsetDateTime;
use tokio::sync::{Mutex, MutexGuard, OnceCell};

type Outcome = Result<(), Box<dyn Error>>;

/// How long anything here may take.
const LIMIT: Duration = Duration::from_secs(40);

/// The stack, for one test at a time.
struct Scene {
    stack: Stack,
    control: Control,
    client: ApiClient,
    channel: ChannelId,
    _alone: MutexGuard<'static, ()>,
}

impl Scene {
    async fn set() -> Result<Self, Box<dyn Error>> {
        static ALONE: Mutex<()> = Mutex::const_new(());
        static PLACE: OnceCell<(ApiClient, ChannelId)> = OnceCell::const_new();
        let alone = ALONE.lock().await;
        let (stack, control) = (Stack::surrounding()?, Control::surrounding()?);
        // What a test that failed has left behind.
        control.restore("all").await?;
        let (client, channel) = PLACE.get_or_try_init(|| place(&stack)).await?.clone();
        Ok(Self { stack, control, client, channel, _alone: alone })
    }

    /// Posts as a good client does: the same message until it is answered. Gives how many requests that took.
    async fn post(&self, body: &str) -> Result<(Message, u32), Box<dyn Error>> {
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
    async fn count(&self, body: &str) -> Result<usize, Box<dyn Error>> {
        let page = self.client.messages(self.channel, PageQuery::default()).await?;
        Ok(page.items.iter().filter(|message| message.body_md == body).count())
    }

    async fn state(&self, process: &str) -> Result<(String, Option<i32>), Box<dyn Error>> {
        let processes = self.control.processes().await?;
        let found = processes.into_iter().find(|line| line.name == process);
        let line = found.ok_or_else(|| format!("there is no process {process}"))?;
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
async fn place(stack: &Stack) -> Result<(ApiClient, ChannelId), Box<dyn Error>> {
    let token = match stack.sign_in("toxic", None).await {
        Ok(token) => token,
        Err(_) => stack.sign_in("toxic", Some("Toxic")).await?,
    };
    let options = ClientOptions { user_agent: "ajet-faults", ..ClientOptions::default() };
    let client = ApiClient::with_options(vec![stack.public_url.parse()?], &options)?;
    let client = client.with_token(&token);
    let sync = client.sync().await?;
    let community = sync.communities.first().ok_or("in no community")?.community.id;
    let new = CreateChannel { name: "toxic".parse()?, visibility: Visibility::Public, topic: None };
    let channel = client.create_channel(community, &new).await?.channel.id;
    Ok((client, channel))
}

#[tokio::test]
async fn every_part_speaks_to_every_other_through_an_edge() -> Outcome {
    let scene = Scene::set().await?;
    scene.post("over all edges").await?;
    let edges = scene.control.edges().await?;
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
        let edge = edges.iter().find(|edge| edge.name == name).ok_or(name)?;
        assert_eq!(edge.conditions, "well", "{name}");
        assert!(!in_use || edge.connections > 0, "{name} is not in use");
    }
    Ok(())
}

#[tokio::test]
async fn a_disturbed_edge_is_felt() -> Outcome {
    let scene = Scene::set().await?;
    let page = format!("{}/login", scene.stack.public_url);
    let http = reqwest::Client::builder().no_proxy().timeout(LIMIT).build()?;
    let time = Duration::from_millis(150);
    scene.control.latency("client-gw-1", time, Duration::ZERO).await?;
    let begun = Instant::now();
    assert!(http.get(&page).send().await?.status().is_success());
    assert!(begun.elapsed() >= time * 2);
    scene.control.cut("client-gw-1").await?;
    assert!(http.get(&page).send().await.is_err_and(|error| error.is_connect()));
    scene.control.restore("client-gw-1").await?;
    assert!(http.get(&page).send().await?.status().is_success());

    scene.control.cut("gw-api").await?;
    assert!(scene.client.trying_once().sync().await.is_err());
    scene.control.restore("gw-api").await?;
    scene.post("the apis are back").await?;

    scene.control.disturb("api-1-nats,api-2-nats", Toxic::Reset, Way::Both).await?;
    scene.post("the bus is not asked").await?;
    Ok(())
}

#[tokio::test]
async fn a_process_is_stopped_started_and_frozen() -> Outcome {
    let scene = Scene::set().await?;
    scene.control.stop("api-1").await?;
    assert_eq!(scene.state("api-1").await?, ("down".to_owned(), None));
    assert!(!scene.stack.processes()?.contains(&"api-1".to_owned()));
    assert!(scene.control.stop("api-1").await.is_err());
    scene.post("the other one goes on").await?;
    scene.control.start("api-1", &[]).await?;
    assert_eq!(scene.state("api-1").await?.0, "running");
    assert!(scene.control.start("api-1", &[]).await.is_err());

    scene.control.freeze("postgres-1").await?;
    assert_eq!(scene.state("postgres-1").await?.0, "frozen");
    let waits = scene.client.with_timeout(Duration::from_millis(500)).trying_once();
    assert!(waits.sync().await.is_err());
    scene.control.thaw("postgres-1").await?;
    scene.post("Postgres is back").await?;

    let (_, pid) = scene.state("nats-1").await?;
    scene.control.freeze("nats-1").await?;
    scene.control.kill("nats-1").await?;
    assert_eq!(scene.state("nats-1").await?, ("down".to_owned(), None));
    scene.control.start("nats-1", &[]).await?;
    assert_ne!(scene.state("nats-1").await?.1, pid);
    Ok(())
}

#[tokio::test]
async fn an_api_dies_at_a_failpoint_and_the_message_stands_once() -> Outcome {
    let scene = Scene::set().await?;
    // The second time in the life of each process: the first one is a life without a fault.
    for point in ["before_commit", "after_commit", "after_ack"] {
        let setting = format!("{point}:2");
        scene.only_api_with(&[("AJET_FAILPOINT", &setting)]).await?;
        let mut bodies = Vec::new();
        for round in 1..=4 {
            let body = format!("{point} {round} {}", ClientMessageId::new());
            scene.post(&body).await?;
            bodies.push(body);
        }
        let log = std::fs::read_to_string(scene.stack.log("api-2"))?;
        assert!(log.contains("AJET_FAILPOINT: "), "{point} was not reached");
        scene.both_apis().await?;
        for body in bodies {
            assert_eq!(scene.count(&body).await?, 1, "{body}");
        }
    }
    let log = std::fs::read_to_string(scene.stack.log("api-2"))?;
    for point in ["BeforeCommit", "AfterCommit", "AfterAck"] {
        assert!(log.contains(&format!("AJET_FAILPOINT: {point}")), "{point} was not reached");
    }
    Ok(())
}

#[tokio::test]
async fn an_api_has_a_wrong_clock() -> Outcome {
    let scene = Scene::set().await?;
    scene.only_api_with(&[("AJET_CLOCK_OFFSET", "-7200")]).await?;
    let (message, _) = scene.post("two hours ago").await?;
    scene.both_apis().await?;
    let behind = OffsetDateTime::now_utc() - message.created_at;
    assert!((behind.whole_seconds() - 7_200).abs() < 60, "{behind}");
    let (id, _) = message.id.uuid().get_timestamp().ok_or("no time")?.to_unix();
    let behind = OffsetDateTime::now_utc().unix_timestamp() - i64::try_from(id)?;
    assert!((behind - 7_200).abs() < 60, "{behind}");
    Ok(())
}
