//! A server that breaks off in the middle of an event, and one that does not take an answer. That a real one does so at that very place
//! is rare; that a bot loses nothing by it must not be left to chance.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use ajet_shared::id::{EventId, UserId};
use ajet_shared::secret::Secret;
use anyhow::{Context as _, ensure};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

use super::{Bot, LOOK_EVERY, PATIENCE, Script};
use crate::Outcome;

const OK: &str = "200 OK";
const UNAUTHORIZED: &str = "401 Unauthorized";

/// What the bot has asked for, and what it will be told.
#[derive(Debug, Default)]
struct Asked {
    /// The `Last-Event-ID` of each stream.
    since: Vec<String>,
    /// The keys of its answers.
    keys: Vec<String>,
    /// How its next answers are taken; later ones are.
    verdicts: VecDeque<&'static str>,
    /// Its token was refused.
    is_over: bool,
}

/// What the streams bring.
#[derive(Debug)]
enum Streams {
    /// One after the other, each of which breaks off. The last one stays open.
    Broken([String; 3]),
    /// These blocks, as far as they come after the place of who asks. It stays open.
    Whole([(&'static str, String); 3]),
}

/// A server of one bot.
#[derive(Debug)]
struct Play {
    streams: Streams,
    asked: Mutex<Asked>,
}

/// How a stream begins at a place.
fn ready(id: &str) -> String {
    format!("retry: 500\n\nid: {id}\nevent: ready\ndata: {{}}\n\n")
}

/// Somebody says "ping".
fn ping(id: &str, event: EventId) -> String {
    let envelope = json!({
        "id": event, "v": 1, "type": "message.created", "channel_id": "here", "data": { "body_md": "ping" },
    });
    format!("id: {id}\nevent: message.created\ndata: {envelope}\n\n")
}

impl Play {
    /// The first event comes whole; the second breaks off behind its name, then before its blank line, then comes whole.
    fn of_halves(first: EventId, second: EventId) -> Self {
        let (whole, after) = (ping("1.2", first), ping("1.3", second));
        let behind_its_name = after.split("data: ").next().unwrap_or_default();
        let before_its_end = after.trim_end_matches("\n\n");
        let streams = [
            format!("{}{whole}{behind_its_name}", ready("1.1")),
            format!("{}{before_its_end}\n", ready("1.2")),
            format!("{}{after}", ready("1.2")),
        ];
        Self { streams: Streams::Broken(streams), asked: Mutex::default() }
    }

    /// Three events; the answers to them are taken like this.
    fn of_refusals(events: [EventId; 3], verdicts: &[&'static str]) -> Self {
        let ids = ["1.2", "1.3", "1.4"];
        let blocks = [0, 1, 2].map(|n| (ids[n], ping(ids[n], events[n])));
        let asked = Asked { verdicts: verdicts.iter().copied().collect(), ..Asked::default() };
        Self { streams: Streams::Whole(blocks), asked: Mutex::new(asked) }
    }

    fn asked(&self) -> MutexGuard<'_, Asked> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A stream is asked for: what it brings, and whether it stays open.
    fn events(&self, since: String) -> (String, bool) {
        let mut asked = self.asked();
        asked.since.push(since);
        match &self.streams {
            Streams::Broken(streams) => {
                let (number, last) = (asked.since.len(), streams.len());
                (streams[number.min(last) - 1].clone(), number >= last)
            }
            Streams::Whole(blocks) => {
                let since = asked.since.last().map(String::as_str).unwrap_or_default();
                let missed = blocks.iter().filter(|(id, _)| *id > since);
                let missed: String = missed.map(|(_, block)| block.as_str()).collect();
                (ready(if since.is_empty() { "1.1" } else { since }) + &missed, true)
            }
        }
    }

    /// An answer comes: how it is taken.
    fn verdict(&self, body: &[u8]) -> anyhow::Result<&'static str> {
        let posted: Value = serde_json::from_slice(body)?;
        let key = posted["client_msg_id"].as_str().context("no key")?.to_owned();
        let mut asked = self.asked();
        asked.keys.push(key);
        let verdict = asked.verdicts.pop_front().unwrap_or(OK);
        asked.is_over |= verdict == UNAUTHORIZED;
        Ok(verdict)
    }

    /// Answers one request, on a connection that is for it alone.
    async fn answer(&self, stream: TcpStream) -> Outcome {
        let mut stream = BufReader::new(stream);
        let (mut head, mut since, mut length) = (String::new(), String::new(), 0);
        stream.read_line(&mut head).await?;
        loop {
            let mut line = String::new();
            stream.read_line(&mut line).await?;
            let Some((name, value)) = line.trim().split_once(':') else { break };
            match name.to_lowercase().as_str() {
                "last-event-id" => value.trim().clone_into(&mut since),
                "content-length" => length = value.trim().parse()?,
                _ => {}
            }
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await?;
        let mut stream = stream.into_inner();
        let is_over = self.asked().is_over;
        if is_over {
            stream.write_all(response(UNAUTHORIZED, "application/json", "{}").as_bytes()).await?;
        } else if head.starts_with("GET /ws/tui/events ") {
            let (events, stays_open) = self.events(since);
            stream.write_all(response(OK, "text/event-stream", &events).as_bytes()).await?;
            if stays_open {
                // Until the bot is gone.
                stream.read_to_end(&mut body).await?;
            }
        } else {
            let is_answer = head.starts_with("POST /api/channels/here/messages ");
            let status = if is_answer { self.verdict(&body)? } else { OK };
            stream.write_all(response(status, "application/json", "{}").as_bytes()).await?;
        }
        Ok(())
    }
}

/// An answer that ends with its connection.
fn response(status: &str, kind: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nRetry-After: 1\r\nConnection: close\r\n\r\n{body}"
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn half_an_event_is_none_and_comes_again() -> Outcome {
    for script in Script::all()? {
        let (first, second) = (EventId::new(), EventId::new());
        let asked = play("half", script, Play::of_halves(first, second), "1.3", false).await?;
        ensure!(asked.since == ["", "1.2", "1.2"], "{}: {asked:?}", script.language);
        let keys = [first, second].map(|event| event.to_string());
        ensure!(asked.keys == keys, "{}: {asked:?}", script.language);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_was_not_taken_is_given_again_and_one_that_was_refused_is_not() -> Outcome {
    const LATER: [&str; 3] =
        ["503 Service Unavailable", "429 Too Many Requests", "408 Request Timeout"];
    let verdicts = [&LATER[..], &[OK, "403 Forbidden", UNAUTHORIZED]].concat();
    for script in Script::all()? {
        let events = [EventId::new(), EventId::new(), EventId::new()];
        let server = Play::of_refusals(events, &verdicts);
        let asked = play("refused", script, server, "1.3", true).await?;
        let mut keys = vec![events[0].to_string(); LATER.len() + 1];
        keys.extend(events[1..].iter().map(ToString::to_string));
        ensure!(asked.keys == keys, "{}: {asked:?}", script.language);
    }
    Ok(())
}

/// Lets a bot talk to such a server until its place is `last`, and if it `ends` until it has ended, with that place.
async fn play(
    name: &str,
    script: Script,
    server: Play,
    last: &str,
    ends: bool,
) -> anyhow::Result<Asked> {
    let language = script.language;
    let folder =
        std::env::temp_dir().join(format!("ajet-{name}-{language}-{}", std::process::id()));
    std::fs::create_dir(&folder)?;
    let asked = played(script, &folder, Arc::new(server), last, ends).await;
    std::fs::remove_dir_all(&folder)?;
    asked.context(language)
}

async fn played(
    script: Script,
    folder: &Path,
    play: Arc<Play>,
    last: &str,
    ends: bool,
) -> anyhow::Result<Asked> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let mut bot = Bot {
        id: UserId::new(),
        script,
        folder: folder.to_owned(),
        server: format!("http://{}", listener.local_addr()?),
        token: Secret::from("ajp_none".to_owned()),
        process: None,
    };
    bot.start()?;
    let serving = play.clone();
    let server = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let serving = serving.clone();
            tokio::spawn(async move { serving.answer(stream).await });
        }
    });
    let begun = Instant::now();
    let place = || std::fs::read_to_string(folder.join("last-id")).unwrap_or_default();
    while place().trim() != last || (ends && !bot.has_ended()?) {
        let said = || std::fs::read_to_string(folder.join("said")).unwrap_or_default();
        ensure!(begun.elapsed() < PATIENCE, "{:?}; it said: {}", play.asked(), said());
        tokio::time::sleep(LOOK_EVERY).await;
    }
    server.abort();
    if !ends {
        bot.kill().await?;
    }
    ensure!(place().trim() == last, "its place is {}", place());
    Ok(std::mem::take(&mut *play.asked()))
}
