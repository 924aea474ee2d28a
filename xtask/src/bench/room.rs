//! People in a stack, and what they do.

use std::time::Instant;

use ajet_shared::id::ClientMessageId;
use anyhow::Context as _;
use eventsource_stream::Eventsource as _;
use futures::StreamExt as _;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::cli::LoginOptions;
use crate::info::Info;
use crate::login;

/// A place to write to and everybody who is there.
pub(super) struct Room {
    pub(super) url: String,
    pub(super) http: reqwest::Client,
    pub(super) community: String,
    /// `#general`.
    pub(super) channel: String,
    /// The owner first.
    pub(super) tokens: Vec<String>,
}

/// A message's text and when it came.
pub(super) type Sighting = (String, Instant);

impl Room {
    /// Signs in the owner, who makes the community unless it is there, and `others` people who join it by invite.
    pub(super) async fn open(others: usize) -> anyhow::Result<Self> {
        let url = std::env::var("AJET_URL").context("AJET_URL")?;
        let owner = surrounding()?.owner;
        let mut tokens = vec![match owner {
            Some(owner) => sign_in(&owner, None).await?,
            None => sign_in("bench", Some("Bench")).await?,
        }];
        for other in 0..others {
            tokens.push(sign_in(&format!("guest{other:03}"), None).await?);
        }
        let http = client()?;
        let mut room = Self { url, http, community: String::new(), channel: String::new(), tokens };
        let sync = room.get("/api/sync").await?;
        let community = &sync["communities"][0];
        room.community = id(community)?;
        let channels = community["channels"].as_array().context("channels")?;
        let general = channels.iter().find(|channel| channel["name"] == "general");
        room.channel = id(general.context("the community has no #general")?)?;
        Ok(room)
    }

    /// Reads something as the owner.
    pub(super) async fn get(&self, path: &str) -> anyhow::Result<Value> {
        let request = self.http.get(format!("{}{path}", self.url)).bearer_auth(&self.tokens[0]);
        Ok(request.send().await?.error_for_status()?.json().await?)
    }

    /// Makes a channel that everybody is in.
    pub(super) async fn add_channel(&self, name: &str) -> anyhow::Result<String> {
        let url = format!("{}/api/communities/{}/channels", self.url, self.community);
        let new = json!({ "name": name, "visibility": "public" });
        let request = self.http.post(url).bearer_auth(&self.tokens[0]).json(&new);
        let channel = id(&request.send().await?.error_for_status()?.json::<Value>().await?)?;
        for token in &self.tokens[1..] {
            let url = format!("{}/api/channels/{channel}/join", self.url);
            self.http.post(url).bearer_auth(token).send().await?.error_for_status()?;
        }
        Ok(channel)
    }

    /// Writes a message as one of them, by a connection of their own.
    pub(super) async fn post(
        &self,
        http: &reqwest::Client,
        token: &str,
        channel: &str,
        body: &str,
    ) -> anyhow::Result<()> {
        http.post(format!("{}/api/channels/{channel}/messages", self.url))
            .bearer_auth(token)
            .json(&json!({ "body_md": body, "client_msg_id": ClientMessageId::new() }))
            .send()
            .await?
            .error_for_status()?
            .bytes()
            .await?;
        Ok(())
    }

    /// Opens a stream and waits until it is ready; every message's text goes to `seen` with the time it came.
    pub(super) async fn follow(
        &self,
        token: &str,
        seen: mpsc::UnboundedSender<Sighting>,
    ) -> anyhow::Result<()> {
        // A client of its own: a person is one connection, not a share of a pool.
        let answer = client()?
            .get(format!("{}/ws/tui/events", self.url))
            .bearer_auth(token)
            .send()
            .await?
            .error_for_status()?;
        let mut events = answer.bytes_stream().eventsource();
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
                    // Nobody counts any more.
                    let _ = seen.send((body.to_owned(), now));
                }
            }
        });
        Ok(())
    }
}

/// A client with connections of its own.
pub(super) fn client() -> anyhow::Result<reqwest::Client> {
    Ok(reqwest::Client::builder().tcp_nodelay(true).no_proxy().build()?)
}

/// The surrounding stack.
pub(super) fn surrounding() -> anyhow::Result<Info> {
    let folder = std::env::var("AJET_RUN_DIR").context("AJET_RUN_DIR")?;
    Info::read(&std::path::Path::new(&folder).join("stack.json"))
}

fn id(value: &Value) -> anyhow::Result<String> {
    Ok(value["id"].as_str().context("no id")?.to_owned())
}

async fn sign_in(name: &str, community: Option<&str>) -> anyhow::Result<String> {
    login::token(&LoginOptions { name: name.to_owned(), community: community.map(str::to_owned) })
        .await
}
