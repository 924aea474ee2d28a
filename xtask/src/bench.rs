//! `cargo xtask bench`: figures of the running whole, each beside a baseline of the same machine in the same minute.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use ajet_shared::id::ClientMessageId;
use anyhow::{Context as _, bail};
use eventsource_stream::Eventsource as _;
use futures::StreamExt as _;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::cli::{BenchName, BenchOptions, LoginOptions};
use crate::{login, paths, ui};

/// Clients that follow the channel during `deliver`.
const READERS: usize = 50;
/// Streams that are open during `memory`.
const STREAMS: usize = 100;
/// Messages of one run of `deliver`, five a second.
const MESSAGES: usize = 200;
const PAUSE: Duration = Duration::from_millis(200);
/// How long a reader may take to see the last message.
const PATIENCE: Duration = Duration::from_secs(10);

/// Runs against the surrounding stack, or starts a fresh one of release builds, one process per service, and runs inside it.
pub(crate) async fn run(options: &BenchOptions) -> anyhow::Result<ExitCode> {
    if std::env::var_os("AJET_RUN_DIR").is_none() {
        return inside_a_stack(options).await;
    }
    match options.name {
        BenchName::Deliver => deliver().await?,
        BenchName::Memory => memory().await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn inside_a_stack(options: &BenchOptions) -> anyhow::Result<ExitCode> {
    let xtask = paths::bin_dir()?.join("xtask");
    let status = tokio::process::Command::new(&xtask)
        .args(["with-stack", "--release", "--separate", "--"])
        // The stack's own xtask, a release build as well: 50 readers must not be what is slow.
        .args(["/bin/sh", "-c", r#"exec "$AJET_BIN_DIR/xtask" bench "$0""#, options.name.as_str()])
        .status()
        .await?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A place to write to and everybody who reads it.
struct Room {
    url: String,
    http: reqwest::Client,
    channel: String,
    tokens: Vec<String>,
}

impl Room {
    /// Signs in one writer, who makes the community, and `readers` people who join it by invite.
    async fn open(readers: usize) -> anyhow::Result<Self> {
        let url = std::env::var("AJET_URL").context("AJET_URL")?;
        let mut tokens = vec![sign_in("writer", Some("Bench")).await?];
        for reader in 0..readers {
            tokens.push(sign_in(&format!("reader{reader:03}"), None).await?);
        }
        let http = reqwest::Client::builder().tcp_nodelay(true).build()?;
        let sync: Value = http
            .get(format!("{url}/api/sync"))
            .bearer_auth(&tokens[0])
            .send()
            .await?
            .error_for_status()?
            .json()
            .await?;
        let channel = sync["communities"][0]["channels"][0]["id"]
            .as_str()
            .context("the new community has no channel")?
            .to_owned();
        Ok(Self { url, http, channel, tokens })
    }

    async fn post(&self, body: &str) -> anyhow::Result<()> {
        self.http
            .post(format!("{}/api/channels/{}/messages", self.url, self.channel))
            .bearer_auth(&self.tokens[0])
            .json(&json!({ "body_md": body, "client_msg_id": ClientMessageId::new() }))
            .send()
            .await?
            .error_for_status()?;
        Ok(())
    }

    /// Opens a stream and waits until it is ready; every message's text goes to `seen` with the time it came.
    async fn follow(
        &self,
        token: &str,
        seen: mpsc::UnboundedSender<(String, Instant)>,
    ) -> anyhow::Result<()> {
        // A client of its own: a person is one connection, not a share of a pool.
        let http = reqwest::Client::builder().tcp_nodelay(true).build()?;
        let response = http
            .get(format!("{}/ws/tui/events", self.url))
            .bearer_auth(token)
            .send()
            .await?
            .error_for_status()?;
        let mut events = response.bytes_stream().eventsource();
        loop {
            let event = events.next().await.context("the stream ended before it was ready")??;
            if event.event == "ready" {
                break;
            }
        }
        tokio::spawn(async move {
            while let Some(Ok(event)) = events.next().await {
                let now = Instant::now();
                if event.event == "message.created"
                    && let Ok(envelope) = serde_json::from_str::<Value>(&event.data)
                    && let Some(body) = envelope["data"]["body_md"].as_str()
                {
                    let _ = seen.send((body.to_owned(), now));
                }
            }
        });
        Ok(())
    }
}

async fn sign_in(name: &str, community: Option<&str>) -> anyhow::Result<String> {
    login::token(&LoginOptions { name: name.to_owned(), community: community.map(str::to_owned) })
        .await
}

/// Post to seen, by 50 readers over `/ws/tui/events` through the gateway, at 5 messages a second.
async fn deliver() -> anyhow::Result<()> {
    ui::note(format_args!(
        "{READERS} readers, {MESSAGES} messages at {} a second",
        1000 / PAUSE.as_millis()
    ));
    let fsync = fdatasync(Path::new(&std::env::var("AJET_RUN_DIR")?))?;
    let room = Room::open(READERS).await?;
    let (seen_sender, mut seen) = mpsc::unbounded_channel();
    for token in &room.tokens[1..] {
        room.follow(token, seen_sender.clone()).await?;
    }
    let sent: Arc<Vec<OnceLock<Instant>>> =
        Arc::new((0..MESSAGES).map(|_| OnceLock::new()).collect());
    let mut answers = Vec::with_capacity(MESSAGES);
    room.post("warm up").await?;
    let mut tick = tokio::time::interval(PAUSE);
    for (number, sent) in sent.iter().enumerate() {
        tick.tick().await;
        let started = Instant::now();
        let _ = sent.set(started);
        room.post(&format!("message {number}")).await?;
        answers.push(started.elapsed());
    }
    let mut delays = Vec::with_capacity(MESSAGES * READERS);
    while delays.len() < MESSAGES * READERS {
        let (body, at) = tokio::time::timeout(PATIENCE, seen.recv())
            .await
            .context("a reader did not see every message")?
            .context("the readers are gone")?;
        let Some(number) =
            body.strip_prefix("message ").and_then(|number| number.parse::<usize>().ok())
        else {
            continue;
        };
        let Some(sent) = sent.get(number).and_then(OnceLock::get) else {
            bail!("a message came that nobody sent")
        };
        delays.push(at.duration_since(*sent));
    }
    println!("{:<28} {:>9} {:>9} {:>9}", "deliver", "min", "median", "p99");
    row("post -> seen", delays);
    row("post -> answered", answers);
    row("fdatasync of 512 bytes", fsync);
    Ok(())
}

/// Resident memory of each process, idle and with 100 open streams.
async fn memory() -> anyhow::Result<()> {
    let room = Room::open(0).await?;
    let idle = resident()?;
    let (sender, _receiver) = mpsc::unbounded_channel();
    for _ in 0..STREAMS {
        room.follow(&room.tokens[0], sender.clone()).await?;
    }
    let busy = resident()?;
    println!("{:<16} {:>12} {:>24}", "memory, MB", "idle", format!("{STREAMS} streams open"));
    for (name, idle) in idle {
        let busy = busy.get(&name).copied().unwrap_or_default();
        println!("{name:<16} {:>12.1} {:>24.1}", megabytes(idle), megabytes(busy));
    }
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
fn megabytes(kib: u64) -> f64 {
    kib as f64 / 1024.0
}

/// KiB by process name, from the pid files; a server with children (Postgres) counts them by their proportional share.
fn resident() -> anyhow::Result<BTreeMap<String, u64>> {
    let folder = std::env::var("AJET_RUN_DIR")?;
    let mut sizes = BTreeMap::new();
    for entry in std::fs::read_dir(&folder)? {
        let path = entry?.path();
        if path.extension().is_none_or(|extension| extension != "pid") {
            continue;
        }
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let pid: u32 = std::fs::read_to_string(&path)?
            .trim()
            .parse()
            .with_context(|| format!("{}", path.display()))?;
        sizes.insert(
            name,
            proportional_kib(pid)?
                + children(pid)
                    .into_iter()
                    .filter_map(|child| proportional_kib(child).ok())
                    .sum::<u64>(),
        );
    }
    Ok(sizes)
}

fn proportional_kib(pid: u32) -> anyhow::Result<u64> {
    let rollup = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))
        .with_context(|| format!("process {pid}"))?;
    let line = rollup.lines().find(|line| line.starts_with("Pss:")).context("no Pss")?;
    Ok(line.split_whitespace().nth(1).context("no Pss")?.parse()?)
}

fn children(pid: u32) -> Vec<u32> {
    std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"))
        .unwrap_or_default()
        .split_whitespace()
        .filter_map(|child| child.parse().ok())
        .collect()
}

/// What the disk takes to keep a small write: the floor under every durable answer.
fn fdatasync(folder: &Path) -> anyhow::Result<Vec<Duration>> {
    let mut file = tempfile::tempfile_in(folder)?;
    (0..MESSAGES)
        .map(|_| {
            let started = Instant::now();
            file.write_all(&[0; 512])?;
            file.sync_data()?;
            Ok(started.elapsed())
        })
        .collect()
}

fn row(name: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    let at = |percent: usize| times[(times.len() - 1) * percent / 100].as_secs_f64() * 1000.0;
    println!("{name:<28} {:>6.2} ms {:>6.2} ms {:>6.2} ms", at(0), at(50), at(99));
}
