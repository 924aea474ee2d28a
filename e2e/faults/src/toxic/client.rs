//! The side of the control protocol that tests use.

use std::num::NonZeroU64;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::UnixStream;
use tokio::time::timeout;

use super::{Order, Request, Toxic, Way};

/// Says where the proxy of the surrounding stack is controlled.
pub const VARIABLE: &str = "AJET_TOXIC_URL";

/// How long a request may take: a service that is stopped finishes what it is doing first.
const PATIENCE: Duration = Duration::from_mins(1);

/// Controls the edges and processes of a stack.
#[derive(Clone, Debug)]
pub struct Control {
    socket: PathBuf,
}

/// An edge as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EdgeLine {
    /// Its full name.
    pub name: String,
    /// Where it listens.
    pub listen: String,
    /// Where it leads.
    pub target: String,
    /// Connections through it.
    pub connections: usize,
    /// `well`, or what is the matter, joined by commas.
    pub conditions: String,
}

/// A process as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessLine {
    /// Its name.
    pub name: String,
    /// `running`, `altered` when it runs with variables that are not its own, `frozen` or `down`.
    pub state: String,
    /// Its process id, unless it is down.
    pub pid: Option<i32>,
}

impl Control {
    /// That of the surrounding stack.
    pub fn surrounding() -> anyhow::Result<Self> {
        let url = std::env::var(VARIABLE).with_context(|| {
            format!("{VARIABLE} is not set; these tests need `cargo xtask with-stack --toxic`")
        })?;
        Self::at(&url)
    }

    /// That of a stack, by its address `unix:///…`.
    pub fn at(url: &str) -> anyhow::Result<Self> {
        let socket = url.strip_prefix("unix://");
        let socket = socket.with_context(|| format!("{VARIABLE} is {url}, not unix:///…"))?;
        Ok(Self { socket: socket.into() })
    }

    /// Does something to some edges; done when it is in force.
    pub async fn disturb(&self, edges: &str, toxic: Toxic, way: Way) -> anyhow::Result<()> {
        self.call(&Request::Disturb(edges.to_owned(), toxic, way)).await.map(drop)
    }

    /// Makes bytes arrive later, both ways.
    pub async fn latency(
        &self,
        edges: &str,
        time: Duration,
        jitter: Duration,
    ) -> anyhow::Result<()> {
        self.disturb(edges, Toxic::Latency(time, jitter), Way::Both).await
    }

    /// Narrows every connection to so many bytes a second, both ways.
    pub async fn bandwidth(&self, edges: &str, rate: NonZeroU64) -> anyhow::Result<()> {
        self.disturb(edges, Toxic::Bandwidth(rate), Way::Both).await
    }

    /// Makes everything wait, both ways.
    pub async fn stall(&self, edges: &str) -> anyhow::Result<()> {
        self.disturb(edges, Toxic::Stall, Way::Both).await
    }

    /// Makes everything vanish, both ways.
    pub async fn half_open(&self, edges: &str) -> anyhow::Result<()> {
        self.disturb(edges, Toxic::Drop, Way::Both).await
    }

    /// Breaks every connection.
    pub async fn reset(&self, edges: &str) -> anyhow::Result<()> {
        self.disturb(edges, Toxic::Reset, Way::Both).await
    }

    /// Breaks every connection and refuses new ones.
    pub async fn cut(&self, edges: &str) -> anyhow::Result<()> {
        self.disturb(edges, Toxic::Cut, Way::Both).await
    }

    /// Makes all well again.
    pub async fn restore(&self, edges: &str) -> anyhow::Result<()> {
        self.disturb(edges, Toxic::Restore, Way::Both).await
    }

    /// Asks a process to end, and keeps it down.
    pub async fn stop(&self, process: &str) -> anyhow::Result<()> {
        self.order(process, Order::Stop).await
    }

    /// Kills a process with `kill -9`, and keeps it down.
    pub async fn kill(&self, process: &str) -> anyhow::Result<()> {
        self.order(process, Order::Kill).await
    }

    /// Starts a process that is down, with these variables besides its own.
    pub async fn start(&self, process: &str, variables: &[(&str, &str)]) -> anyhow::Result<()> {
        let variables = variables.iter().map(|(name, value)| ((*name).into(), (*value).into()));
        self.order(process, Order::Start(variables.collect())).await
    }

    /// Freezes a process and its descendants.
    pub async fn freeze(&self, process: &str) -> anyhow::Result<()> {
        self.order(process, Order::Freeze).await
    }

    /// Lets a frozen process go on.
    pub async fn thaw(&self, process: &str) -> anyhow::Result<()> {
        self.order(process, Order::Thaw).await
    }

    /// Every edge.
    pub async fn edges(&self) -> anyhow::Result<Vec<EdgeLine>> {
        let lines = self.call(&Request::Edges).await?;
        lines.iter().map(|line| edge(line).with_context(|| line.clone())).collect()
    }

    /// Every process.
    pub async fn processes(&self) -> anyhow::Result<Vec<ProcessLine>> {
        let lines = self.call(&Request::Processes).await?;
        lines.iter().map(|line| process(line).with_context(|| line.clone())).collect()
    }

    async fn order(&self, process: &str, order: Order) -> anyhow::Result<()> {
        self.call(&Request::Process(process.to_owned(), order)).await.map(drop)
    }

    async fn call(&self, request: &Request) -> anyhow::Result<Vec<String>> {
        let answered = timeout(PATIENCE, self.ask(request)).await;
        answered.context("no answer in time").flatten().with_context(|| format!("`{request}`"))
    }

    async fn ask(&self, request: &Request) -> anyhow::Result<Vec<String>> {
        let mut stream = UnixStream::connect(&self.socket)
            .await
            .with_context(|| format!("nobody listens at {}", self.socket.display()))?;
        stream.write_all(format!("{request}\n").as_bytes()).await?;
        let mut lines = BufReader::new(stream).lines();
        let mut data = Vec::new();
        while let Some(line) = lines.next_line().await? {
            match line.strip_prefix("error ") {
                Some(sentence) => bail!("{sentence}"),
                None if line == "ok" => return Ok(data),
                None => data.push(line),
            }
        }
        bail!("the answer has no end")
    }
}

fn edge(line: &str) -> Option<EdgeLine> {
    let mut words = line.strip_prefix("edge ")?.split(' ').map(str::to_owned);
    Some(EdgeLine {
        name: words.next()?,
        listen: words.next()?,
        target: words.next()?,
        connections: words.next()?.parse().ok()?,
        conditions: words.next()?,
    })
}

fn process(line: &str) -> Option<ProcessLine> {
    let mut words = line.strip_prefix("process ")?.split(' ').map(str::to_owned);
    Some(ProcessLine { name: words.next()?, state: words.next()?, pid: words.next()?.parse().ok() })
}
