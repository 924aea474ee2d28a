//! A server that breaks off in the middle of an event. That a real one does so at that very place is rare; that a bot loses nothing by
//! it must not be left to chance.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use ajet_shared::id::{EventId, UserId};
use ajet_shared::secret::Secret;
use anyhow::{Context as _, ensure};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

use super::{Bot, LOOK_EVERY, PATIENCE, Script};
use crate::Outcome;

/// What the bot has asked for.
#[derive(Debug, Default)]
struct Asked {
    /// The `Last-Event-ID` of each stream.
    since: Vec<String>,
    /// The keys of its answers.
    keys: Vec<String>,
}

/// What each stream brings before it breaks off. The last one does not.
#[derive(Debug)]
struct Play {
    streams: [String; 3],
    asked: Mutex<Asked>,
}

impl Play {
    /// The first event comes whole; the second breaks off behind its name, then before its blank line, then comes whole.
    fn new(first: EventId, second: EventId) -> Self {
        let ready = |id: &str| format!("retry: 500\n\nid: {id}\nevent: ready\ndata: {{}}\n\n");
        let ping = |id: &str, event: EventId| {
            let envelope = json!({
                "id": event, "v": 1, "type": "message.created", "channel_id": "here", "data": { "body_md": "ping" },
            });
            format!("id: {id}\nevent: message.created\ndata: {envelope}\n\n")
        };
        let (whole, after) = (ping("1.2", first), ping("1.3", second));
        let behind_its_name = after.split("data: ").next().unwrap_or_default();
        let before_its_end = after.trim_end_matches("\n\n");
        let streams = [
            format!("{}{whole}{behind_its_name}", ready("1.1")),
            format!("{}{before_its_end}\n", ready("1.2")),
            format!("{}{after}", ready("1.2")),
        ];
        Self { streams, asked: Mutex::default() }
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
        if head.starts_with("GET /ws/tui/events ") {
            let number = {
                let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
                asked.since.push(since);
                asked.since.len()
            };
            let (kind, last) = ("text/event-stream", self.streams.len());
            let events = &self.streams[number.min(last) - 1];
            stream.write_all(response(kind, events).as_bytes()).await?;
            if number >= last {
                // Open, until the bot is gone.
                stream.read_to_end(&mut body).await?;
            }
        } else {
            if head.starts_with("POST /api/channels/here/messages ") {
                let posted: Value = serde_json::from_slice(&body)?;
                let key = posted["client_msg_id"].as_str().context("no key")?.to_owned();
                self.asked.lock().unwrap_or_else(PoisonError::into_inner).keys.push(key);
            }
            stream.write_all(response("application/json", "{}").as_bytes()).await?;
        }
        Ok(())
    }
}

/// An answer that ends with its connection.
fn response(kind: &str, body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nConnection: close\r\n\r\n{body}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn half_an_event_is_none_and_comes_again() -> Outcome {
    for script in Script::all()? {
        let language = script.language;
        let folder =
            std::env::temp_dir().join(format!("ajet-half-{language}-{}", std::process::id()));
        std::fs::create_dir(&folder)?;
        let outcome = through_half_events(script, &folder).await;
        std::fs::remove_dir_all(&folder)?;
        outcome.context(language)?;
    }
    Ok(())
}

async fn through_half_events(script: Script, folder: &Path) -> Outcome {
    let (first, second) = (EventId::new(), EventId::new());
    let play = Arc::new(Play::new(first, second));
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
    while std::fs::read_to_string(bot.place()).unwrap_or_default().trim() != "1.3" {
        let said = || std::fs::read_to_string(folder.join("said")).unwrap_or_default();
        ensure!(begun.elapsed() < PATIENCE, "{:?}; it said: {}", play.asked, said());
        tokio::time::sleep(LOOK_EVERY).await;
    }
    server.abort();
    bot.kill().await?;
    let asked = play.asked.lock().unwrap_or_else(PoisonError::into_inner);
    ensure!(asked.since == ["", "1.2", "1.2"], "{asked:?}");
    ensure!(asked.keys == [first.to_string(), second.to_string()], "{asked:?}");
    Ok(())
}
