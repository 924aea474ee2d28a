//! `curl` with a `Last-Event-ID` gets exactly what was missed.

use std::collections::HashSet;
use std::process::Stdio;

use ajet_faults::{Person, Scene, Town, Truth};
use ajet_shared::channel::Visibility;
use ajet_shared::events::Envelope;
use ajet_shared::id::{ChannelId, EventId};
use ajet_shared::message::EditMessage;
use ajet_shared::position::Position;
use anyhow::{Context as _, bail, ensure};
use nix::sys::signal::Signal;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use super::{PATIENCE, say, say_below};
use crate::Outcome;

/// `curl -N`, as the documentation has it, from `since` on.
struct Curl {
    _process: Child,
    lines: tokio::io::Lines<BufReader<tokio::process::ChildStdout>>,
}

/// A block of an event stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Block {
    id: String,
    event: String,
    data: String,
}

impl Curl {
    fn open(scene: &Scene, reader: &Person, since: Option<&str>) -> anyhow::Result<Self> {
        let mut curl = Command::new("curl");
        curl.args(["-sSN", "-H", &format!("Authorization: Bearer {}", reader.token.expose())]);
        if let Some(id) = since {
            curl.args(["-H", &format!("Last-Event-ID: {id}")]);
        }
        curl.arg(format!("{}/ws/tui/events", scene.stack.public_url));
        let mut process =
            curl.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true).spawn()?;
        let lines = BufReader::new(process.stdout.take().context("no output")?).lines();
        Ok(Self { _process: process, lines })
    }

    /// The next whole block.
    async fn next(&mut self) -> anyhow::Result<Block> {
        let mut block = Block::default();
        loop {
            let line = tokio::time::timeout(PATIENCE, self.lines.next_line()).await;
            let line = line.context("nothing comes")??.context("the stream has ended")?;
            match line.split_once(": ") {
                Some(("id", id)) => id.clone_into(&mut block.id),
                Some(("event", event)) => event.clone_into(&mut block.event),
                Some(("data", data)) => data.clone_into(&mut block.data),
                _ if line.is_empty() && !block.event.is_empty() => return Ok(block),
                _ => {}
            }
        }
    }

    /// Reads a whole replay: what it brings, each event with its cursor.
    async fn replay(&mut self) -> anyhow::Result<Vec<(String, EventId)>> {
        let mut events = Vec::new();
        loop {
            let block = self.next().await?;
            match block.event.as_str() {
                "ready" | "heartbeat" | "presence.changed" => {}
                "resumed" => {
                    let count: serde_json::Value = serde_json::from_str(&block.data)?;
                    ensure!(count["count"] == events.len(), "{count} of {}", events.len());
                    return Ok(events);
                }
                "resync" => bail!("a resync: {}", block.data),
                _ => {
                    let envelope: Envelope = serde_json::from_str(&block.data)?;
                    ensure!(envelope.event.name() == block.event, "{block:?}");
                    events.push((block.id, envelope.id));
                }
            }
        }
    }
}

/// One of everything that may happen, in channels of the reader, and some in one that is not.
async fn let_things_happen(town: &Town, elsewhere: ChannelId) -> Outcome {
    let (one, other) = (&town.writers[0], &town.writers[1]);
    let (public, private) = (town.channels[0], town.channels[3]);
    let root = say(one, public, "the first").await?;
    say(one, elsewhere, "not for everybody").await?;
    say_below(other, public, Some(root.id), "an answer").await?;
    other.client.add_reaction(root.id, "👍").await?;
    let new = EditMessage { body_md: "the first, mended".parse()? };
    one.client.edit_message(root.id, &new).await?;
    let gone = say(other, private, "not for long").await?;
    say(one, elsewhere, "nor this").await?;
    other.client.delete_message(gone.id).await?;
    let call = format!("@{} is called", town.readers[0].name);
    say(one, private, &call).await?;
    for number in 0..10 {
        say(other, public, &format!("number {number}")).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn curl_with_a_last_event_id_gets_exactly_what_was_missed() -> Outcome {
    let mut scene = Scene::set("curl").await?;
    let town = scene.town(2, 1).await?;
    let reader = &town.readers[0];
    let elsewhere = secret_channel(&town).await?;
    // Everything from before has gone out, so that the first position is that of the tail.
    Truth::read(&scene.stack).await?;
    let start = Curl::open(&scene, reader, None)?.next().await?;
    ensure!(start.event == "ready", "{start:?}");
    let_things_happen(&town, elsewhere).await?;

    let wanted = concerning(&Truth::read(&scene.stack).await?, &town, &start.id)?;
    ensure!(wanted.len() > 15, "too little happened: {wanted:?}");
    let half = wanted.len() / 2;
    for round in ["from memory", "from the stream"] {
        for (since, rest) in [
            (&start.id, &wanted[..]),
            (&wanted[half].0, &wanted[half + 1..]),
            (&wanted[wanted.len() - 1].0, &[]),
        ] {
            let replayed = Curl::open(&scene, reader, Some(since))?.replay().await?;
            ensure!(replayed == rest, "{round}, since {since}: {replayed:?}, not {rest:?}");
        }
        scene.number(&format!("events replayed {round}"), wanted.len());
        if round == "from memory" {
            forget(&scene).await?;
        }
    }
    scene.passed().await
}

/// A channel that the reader is not in and one of the writers is.
async fn secret_channel(town: &Town) -> anyhow::Result<ChannelId> {
    let name = format!("elsewhere-{}", town.names[0]);
    let channel = town.open_channel(&name, Visibility::Private).await?;
    town.mayor.client.remove_channel_member(channel, town.readers[0].id).await?;
    Ok(channel)
}

/// All memory is gone; what is replayed comes from the stream.
async fn forget(scene: &Scene) -> Outcome {
    for process in ["tui-sm-1", "tui-sm-2"] {
        let pid = scene.stack.signal(process, Signal::SIGKILL)?;
        scene.stack.started_again(process, pid).await?;
    }
    scene.stack.ready(PATIENCE).await
}

/// Every event after `since` that concerns the reader, as Postgres has it, in the order of the stream.
fn concerning(truth: &Truth, town: &Town, since: &str) -> anyhow::Result<Vec<(String, EventId)>> {
    let since: Position = since.parse()?;
    let mut own: HashSet<_> = town.channels.iter().map(|channel| channel.uuid()).collect();
    own.extend([town.community.uuid(), town.readers[0].id.uuid()]);
    let mut events = Vec::new();
    for event in truth.events.iter().filter(|event| own.contains(&event.ord_key)) {
        let epoch = event.epoch.context("no epoch")?;
        let seq = u64::try_from(event.stream_seq.context("it waits")?)?;
        if epoch == since.epoch && seq > since.seq {
            events.push((seq, (format!("{epoch}.{seq}"), event.event_id)));
        }
    }
    events.sort_unstable_by_key(|(seq, _)| *seq);
    Ok(events.into_iter().map(|(_, event)| event).collect())
}
