//! Somebody who listens all the time and may see little: whatever reaches them is written down for the sweep (A97).
//!
//! The witness is a member of the demo's community and in no private channel of it, so most of what happens there comes by their
//! streams, and no private channel's name may. At the end they are told one last thing, which they must have heard.

use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::person::{Body, Person, text};
use crate::stack::Stack;

/// Login name of the witness.
pub const NAME: &str = "nets-witness";
/// Where what reached them is kept: this and the stream's name.
pub const FILE_PREFIX: &str = "witness-";
/// What they are told at the end, to show that they were listening.
pub const LAST_WORDS: &str = "the witness hears this";
/// So long they may take to hear it.
const PATIENCE: Duration = Duration::from_secs(15);
/// What can be read besides, at the end.
const LISTS: [&str; 6] =
    ["/api/sync", "/api/notifications", "/api/communities", "/api/dms", "/", "/extras"];

/// Listening.
#[derive(Debug)]
pub struct Witness {
    person: Person,
    community: String,
    /// Where the owner speaks to them.
    channel: String,
    files: [PathBuf; 2],
    run_dir: PathBuf,
    listening: Vec<JoinHandle<()>>,
}

impl Witness {
    /// Joins the demo's community and begins to listen.
    pub async fn start(stack: &Stack) -> anyhow::Result<Self> {
        let owner = Person::demo_owner(stack).await.context("the demo's owner")?;
        let community = text(&owner.get("/api/communities").await?, "/items/0/id")?;
        let person = Person::invited(stack, NAME, &owner, &community).await?;
        let new = json!({ "name": NAME, "visibility": "public" });
        let made = owner.post(&format!("/api/communities/{community}/channels"), new).await?;
        let channel = text(&made, "/id")?;
        person.post(&format!("/api/channels/{channel}/join"), Value::Null).await?;
        let files =
            ["tui", "web"].map(|name| stack.run_dir.join(format!("{FILE_PREFIX}{name}.stream")));
        let streams =
            ["/ws/tui/events".to_owned(), format!("/sse?community={community}&channel={channel}")];
        let listening = streams.into_iter().zip(&files);
        let listening = listening
            .map(|(path, file)| tokio::spawn(listen(person.clone(), path, file.clone())))
            .collect();
        let run_dir = stack.run_dir.clone();
        Ok(Self { person, community, channel, files, run_dir, listening })
    }

    /// Says the last words, and waits until all streams have brought them.
    async fn hear_last_words(&self, stack: &Stack) -> anyhow::Result<()> {
        // Signed in anew: the owner's many other sessions have ended the one from the beginning by now (20 a person).
        let owner = Person::demo_owner(stack).await.context("the demo's owner")?;
        let said = json!({ "body_md": LAST_WORDS, "client_msg_id": uuid::Uuid::now_v7() });
        owner.post(&format!("/api/channels/{}/messages", self.channel), said).await?;
        let until = Instant::now() + PATIENCE;
        let heard = |file: &PathBuf| {
            std::fs::read_to_string(file).is_ok_and(|heard| heard.contains(LAST_WORDS))
        };
        while !self.files.iter().all(heard) {
            if Instant::now() > until {
                bail!(
                    "the witness was not listening: not all of {:?} have the last words",
                    self.files
                );
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }

    /// Stops listening, and reads once what can be read by asking.
    pub async fn stop(self, stack: &Stack) -> anyhow::Result<()> {
        self.hear_last_words(stack).await?;
        for stream in &self.listening {
            stream.abort();
        }
        let channels = format!("/api/communities/{}/channels", self.community);
        let members = format!("/api/communities/{}/members", self.community);
        let mut seen = String::new();
        for path in LISTS.into_iter().chain([channels.as_str(), members.as_str()]) {
            let answer = self.person.call(Method::GET, path, Body::Empty).await?;
            let _ = writeln!(seen, "GET {path}: {}\n{}", answer.status, answer.body);
        }
        append(&self.run_dir.join(format!("{FILE_PREFIX}lists.txt")), seen.as_bytes())
    }
}

/// Writes down what a stream brings; one that ends is opened again.
async fn listen(person: Person, path: String, file: PathBuf) {
    loop {
        if let Ok(mut stream) = person.open(Method::GET, &path, Body::Empty, &[]).await {
            while let Ok(Some(piece)) = stream.chunk().await {
                if append(&file, &piece).is_err() {
                    return;
                }
            }
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

fn append(file: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let mut out = OpenOptions::new().create(true).append(true).open(file)?;
    out.write_all(bytes).with_context(|| file.display().to_string())
}
