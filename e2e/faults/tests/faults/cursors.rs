//! Positions that no stream can go on from.

use std::time::Duration;

use ajet_faults::{Ask, Block, Books, Person, Scene, Shape, Wire};
use ajet_shared::bus::{Bus, STREAM};
use ajet_shared::id::{ChannelId, MessageId};
use ajet_shared::page::PageQuery;
use ajet_shared::position::Position;
use anyhow::{Context as _, ensure};
use nix::sys::signal::Signal;

use crate::Outcome;

/// More than one replay brings. Source: delivery-and-security.md section 2.6.
const POSTS: usize = 600;
/// A position ahead is waited for, 3 s, and then everything is drawn.
const PATIENCE: Duration = Duration::from_secs(10);
/// Whatever comes twice has come by then.
const REST: Duration = Duration::from_secs(1);

/// Positions, and why each cannot be gone on from.
fn cursors(now: Position) -> [(&'static str, String, &'static str); 4] {
    let Position { epoch, seq } = now;
    [
        ("too old", format!("{epoch}.0"), "window"),
        ("garbage", "' OR 1=1 --".to_owned(), "epoch"),
        ("from the future", format!("{epoch}.{}", seq + 100_000), "ahead"),
        ("of another epoch", format!("{}.{seq}", epoch + 1), "epoch"),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f28_a_cursor_that_is_none_is_answered_by_one_resync() -> Outcome {
    let mut scene = Scene::set("F28").await?;
    let town = scene.town(6, 1).await?;
    let pace = Duration::from_millis(50);
    let load = scene.load(&town, Shape { posts: POSTS, pace, browsers: 0 }).await?;
    load.end().await?.flawless()?;
    let (reader, channel) = (town.readers[0].clone(), town.channels[0]);
    let http = reqwest::Client::builder().no_proxy().build()?;
    let now = reader.client.sync().await?.cursor;
    let path = format!("/c/faults/channels/{}", town.names[0]);
    let page_stream = reader.page_stream(&http, &path).await?;
    let mut drawn = 0;
    for (what, cursor, reason) in cursors(now) {
        let one = Place { what, cursor, reason };
        one.is_drawn_once(&http, &reader, &town.mayor, channel, &page_stream).await?;
        drawn += 1;
    }
    scene.exactly("terminals that drew everything anew once, for the right reason", drawn, 4)?;
    scene.exactly("pages that did, and are right", drawn, 4)?;
    scene.passed().await
}

/// What came after it is neither in memory nor in the stream any more, and is so little that it would be told if it were.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f28_a_cursor_of_before_all_that_is_kept_is_answered_by_one_resync() -> Outcome {
    /// Events that the stream keeps, and how many more the reader has missed.
    const KEPT: u64 = 20;
    const MORE: u64 = 5;
    let mut scene = Scene::set("F28").await?;
    let town = scene.town(6, 1).await?;
    let pace = Duration::from_millis(50);
    let load = scene.load(&town, Shape { posts: POSTS / 10, pace, browsers: 0 }).await?;
    load.end().await?.flawless()?;
    let (reader, channel) = (town.readers[0].clone(), town.channels[0]);
    let http = reqwest::Client::builder().no_proxy().build()?;
    let path = format!("/c/faults/channels/{}", town.names[0]);
    let page_stream = reader.page_stream(&http, &path).await?;
    let books = Books::of(&scene.stack)?;
    let bus = books.bus().await?;
    let now = bus.position().await?;
    let bound = keep_at_most(&bus, i64::try_from(KEPT)?).await?;
    let first = bus.stream_state().await?.first_seq;
    keep_at_most(&bus, bound).await?;
    ensure!(first == now.seq + 1 - KEPT, "of {now} the stream begins at {first}");
    // Their memory begins where the stream does.
    for process in ["web-sm-1", "web-sm-2", "tui-sm-1", "tui-sm-2"] {
        let pid = scene.stack.signal(process, Signal::SIGKILL)?;
        scene.stack.started_again(process, pid).await?;
    }
    scene.stack.ready(PATIENCE).await?;
    let (what, reason) = ("older than all that is kept", "window");
    let cursor = Position { seq: first - MORE, ..now }.to_string();
    let one = Place { what, cursor, reason };
    one.is_drawn_once(&http, &reader, &town.mayor, channel, &page_stream).await?;
    // One that is kept goes on without: it is the age that made the difference.
    let cursor = Position { seq: first, ..now }.to_string();
    let mut wire =
        Wire::stream(&http, &reader, Ask::Events, "/ws/tui/events", Some(&cursor)).await?;
    wire.find(PATIENCE, |event| event.name == "resumed").await.context("a younger cursor")?;
    scene.number("missed events that were kept nowhere", MORE);
    scene.passed().await
}

/// Has the stream keep so many events and no more; gives how many it did. It cannot be purged.
async fn keep_at_most(bus: &Bus, count: i64) -> anyhow::Result<i64> {
    let stream = bus.jetstream().get_stream(STREAM).await.context("the stream")?;
    let mut config = stream.cached_info().config.clone();
    let before = std::mem::replace(&mut config.max_messages, count);
    bus.jetstream().update_stream(config).await.context("the stream's settings")?;
    Ok(before)
}

/// A position, and why it cannot be gone on from.
struct Place {
    what: &'static str,
    cursor: String,
    reason: &'static str,
}

impl Place {
    /// A terminal and a page come back with it.
    async fn is_drawn_once(
        &self,
        http: &reqwest::Client,
        reader: &Person,
        speaker: &Person,
        channel: ChannelId,
        page_stream: &str,
    ) -> Outcome {
        let Self { what, cursor, reason } = self;
        let path = "/ws/tui/events";
        let mut wire = Wire::stream(http, reader, Ask::Events, path, Some(cursor)).await?;
        terminal_draws_once(&mut wire, reader, speaker, channel, reason)
            .await
            .with_context(|| format!("{what} ({cursor}), terminal"))?;
        let mut wire = Wire::stream(http, reader, Ask::Page, page_stream, Some(cursor)).await?;
        page_draws_once(&mut wire, reader, speaker, channel)
            .await
            .with_context(|| format!("{what} ({cursor}), page"))
    }
}

/// One `resync`, before which nothing is told, and from whose position on the stream goes on without a gap.
async fn terminal_draws_once(
    wire: &mut Wire,
    reader: &Person,
    speaker: &Person,
    channel: ChannelId,
    reason: &str,
) -> Outcome {
    let (mut before, mut after) = (Vec::new(), Vec::new());
    let is_resync = |event: &Block| event.name == "resync";
    let resync = wire.find_and_keep(PATIENCE, is_resync, &mut before).await?;
    let told: Vec<_> = before.iter().filter(|event| is_told(event)).collect();
    ensure!(told.is_empty(), "before the resync came {told:?}");
    let said: serde_json::Value = serde_json::from_str(&resync.data)?;
    ensure!(said["reason"] == reason, "the reason is {said}, not {reason}");
    let position: Position = resync.id.as_deref().context("no position")?.parse()?;
    let now = reader.client.sync().await?.cursor;
    ensure!(position.epoch == now.epoch && position.seq <= now.seq, "{position} is not {now}");
    let message = speaker.say(channel, "What now?").await?.id.to_string();
    let created = |event: &Block| event.name == "message.created" && event.data.contains(&message);
    wire.find_and_keep(PATIENCE, created, &mut after).await?;
    after.extend(wire.listen(REST).await);
    let again = after.iter().filter(|event| is_resync(event) || created(event)).count();
    ensure!(again == 0, "something came again: {after:?}");
    Ok(())
}

/// An event, and no word of the service about the stream.
fn is_told(event: &Block) -> bool {
    !["", "ready", "heartbeat"].contains(&event.name.as_str())
}

/// One drawing of the whole page, which shows what stands in the channel, and what is said next below it.
async fn page_draws_once(
    wire: &mut Wire,
    reader: &Person,
    speaker: &Person,
    channel: ChannelId,
) -> Outcome {
    let (mut before, mut after) = (Vec::new(), Vec::new());
    let list = |event: &Block| event.data.starts_with("selector #messages\nmode inner\n");
    let resync = |event: &Block| event.data.contains("\"_resync\"");
    let drawn = wire.find_and_keep(PATIENCE, list, &mut before).await.context("the list")?;
    let appends = |event: &&Block| event.data.starts_with("selector #messages\nmode append\n");
    let told: Vec<_> = before.iter().filter(|event| appends(event) || resync(event)).collect();
    ensure!(told.is_empty(), "before the list came {told:?}");
    let stands = reader.client.messages(channel, PageQuery::default()).await?;
    let stands: Vec<MessageId> = stands.items.iter().map(|message| message.id).collect();
    let shown: Vec<MessageId> = messages_in(&drawn.data).collect();
    ensure!(
        shown == stands,
        "the page shows {} messages, not the newest {}",
        shown.len(),
        stands.len()
    );
    wire.find_and_keep(PATIENCE, resync, &mut after).await.context("the word of it")?;
    let message = speaker.say(channel, "What now?").await?.id.to_string();
    let appended =
        |event: &Block| appends(&event) && event.data.contains(&format!("message-{message}\""));
    wire.find_and_keep(PATIENCE, appended, &mut after).await.context("the next message")?;
    after.extend(wire.listen(REST).await);
    let is_again = |event: &&Block| resync(event) || list(event) || appended(event);
    let again = after.iter().filter(is_again).count();
    ensure!(again == 0, "drawn again: {after:?}");
    Ok(())
}

fn messages_in(markup: &str) -> impl Iterator<Item = MessageId> {
    markup.split(" id=\"message-").skip(1).filter_map(|rest| rest.split('"').next()?.parse().ok())
}
