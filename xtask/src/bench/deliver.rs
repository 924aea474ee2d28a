//! From posting a message to its being seen by 50 readers, beside a bare server that only passes on.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use tokio::sync::mpsc;

use super::bare::Server;
use super::room::{Room, Sighting, client};
use super::table;

/// Clients that follow the channel.
const READERS: usize = 50;
/// Messages of one run, five a second.
const MESSAGES: usize = 200;
const PAUSE: Duration = Duration::from_millis(200);
/// How long a reader may take to see the last message.
const PATIENCE: Duration = Duration::from_secs(10);

pub(super) async fn run() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let http = client()?;
    let (sender, seen) = mpsc::unbounded_channel();
    for _ in 0..READERS {
        server.follow(sender.clone()).await?;
    }
    let (delays, answers) =
        measure(seen, async |body: String| server.post(&http, &body).await).await?;
    table::times("bare SSE server: post → seen by 50", delays);
    table::times("bare SSE server: post → answered", answers);

    let room = Room::open(READERS).await?;
    let (sender, seen) = mpsc::unbounded_channel();
    for token in &room.tokens[1..] {
        room.follow(token, sender.clone()).await?;
    }
    room.post(&room.http, &room.tokens[0], &room.channel, "warm up").await?;
    let post =
        async |body: String| room.post(&room.http, &room.tokens[0], &room.channel, &body).await;
    let (delays, answers) = measure(seen, post).await?;
    table::times("post → seen by 50", delays);
    table::times("post → answered", answers);
    Ok(())
}

/// Posts all messages and waits until everybody has seen each of them once.
async fn measure(
    mut seen: mpsc::UnboundedReceiver<Sighting>,
    post: impl AsyncFn(String) -> anyhow::Result<()>,
) -> anyhow::Result<(Vec<Duration>, Vec<Duration>)> {
    let sent: Arc<Vec<OnceLock<Instant>>> =
        Arc::new((0..MESSAGES).map(|_| OnceLock::new()).collect());
    let mut answers = Vec::with_capacity(MESSAGES);
    let mut tick = tokio::time::interval(PAUSE);
    for (number, sent) in sent.iter().enumerate() {
        tick.tick().await;
        let started = Instant::now();
        let _ = sent.set(started);
        post(format!("message {number}")).await?;
        answers.push(started.elapsed());
    }
    let mut delays = Vec::with_capacity(MESSAGES * READERS);
    let mut times = vec![0_usize; MESSAGES];
    while delays.len() < MESSAGES * READERS {
        let (body, at) = tokio::time::timeout(PATIENCE, seen.recv())
            .await
            .context("a reader did not see every message")?
            .context("the readers are gone")?;
        let number = body.strip_prefix("message ").and_then(|number| number.parse::<usize>().ok());
        let Some(number) = number else { continue };
        let Some(sent) = sent.get(number).and_then(OnceLock::get) else {
            bail!("a message came that nobody sent")
        };
        times[number] += 1;
        if times[number] > READERS {
            bail!("message {number} came more than once to somebody");
        }
        delays.push(at.duration_since(*sent));
    }
    Ok((delays, answers))
}
