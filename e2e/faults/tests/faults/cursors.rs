//! Positions that no stream can go on from.

use std::time::Duration;

use ajet_faults::{Ask, Block, Person, Scene, Shape, Wire};
use ajet_shared::id::{ChannelId, MessageId};
use ajet_shared::page::PageQuery;
use ajet_shared::position::Position;
use anyhow::{Context as _, ensure};

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
    let (mut terminal, mut web) = (0, 0);
    for (what, cursor, reason) in cursors(now) {
        let path = "/ws/tui/events";
        let mut wire = Wire::stream(&http, &reader, Ask::Events, path, Some(&cursor)).await?;
        terminal_draws_once(&mut wire, &reader, &town.mayor, channel, reason)
            .await
            .with_context(|| format!("{what} ({cursor}), terminal"))?;
        terminal += 1;
        let mut wire = Wire::stream(&http, &reader, Ask::Page, &page_stream, Some(&cursor)).await?;
        page_draws_once(&mut wire, &reader, &town.mayor, channel)
            .await
            .with_context(|| format!("{what} ({cursor}), page"))?;
        web += 1;
    }
    scene.exactly("terminals that drew everything anew once, for the right reason", terminal, 4)?;
    scene.exactly("pages that did, and are right", web, 4)?;
    scene.passed().await
}

/// One `resync`, from whose position on the stream goes on without a gap.
async fn terminal_draws_once(
    wire: &mut Wire,
    reader: &Person,
    speaker: &Person,
    channel: ChannelId,
    reason: &str,
) -> Outcome {
    let resync = wire.find(PATIENCE, |event| event.name == "resync").await?;
    let said: serde_json::Value = serde_json::from_str(&resync.data)?;
    ensure!(said["reason"] == reason, "the reason is {said}, not {reason}");
    let position: Position = resync.id.as_deref().context("no position")?.parse()?;
    let now = reader.client.sync().await?.cursor;
    ensure!(position.epoch == now.epoch && position.seq <= now.seq, "{position} is not {now}");
    let message = speaker.say(channel, "What now?").await?.id.to_string();
    let created = |event: &Block| event.name == "message.created" && event.data.contains(&message);
    wire.find(PATIENCE, created).await?;
    let rest = wire.listen(REST).await;
    let again = rest.iter().filter(|event| event.name == "resync" || created(event)).count();
    ensure!(again == 0, "something came again: {rest:?}");
    Ok(())
}

/// One drawing of the whole page, which shows what stands in the channel, and what is said next below it.
async fn page_draws_once(
    wire: &mut Wire,
    reader: &Person,
    speaker: &Person,
    channel: ChannelId,
) -> Outcome {
    let list = |event: &Block| event.data.starts_with("selector #messages\nmode inner\n");
    let drawn = wire.find(PATIENCE, list).await.context("the list")?;
    let stands = reader.client.messages(channel, PageQuery::default()).await?;
    let stands: Vec<MessageId> = stands.items.iter().map(|message| message.id).collect();
    let shown: Vec<MessageId> = messages_in(&drawn.data).collect();
    ensure!(
        shown == stands,
        "the page shows {} messages, not the newest {}",
        shown.len(),
        stands.len()
    );
    let resync = wire.find(PATIENCE, |event| event.data.contains("\"_resync\""));
    resync.await.context("the word of it")?;
    let message = speaker.say(channel, "What now?").await?.id.to_string();
    let appended = |event: &Block| {
        event.data.starts_with("selector #messages\nmode append\n")
            && event.data.contains(&format!("message-{message}\""))
    };
    wire.find(PATIENCE, appended).await.context("the next message")?;
    let rest = wire.listen(REST).await;
    let again = rest.iter().filter(|event| event.data.contains("\"_resync\"")).count();
    ensure!(again == 0, "drawn again: {rest:?}");
    Ok(())
}

fn messages_in(markup: &str) -> impl Iterator<Item = MessageId> {
    markup.split(" id=\"message-").skip(1).filter_map(|rest| rest.split('"').next()?.parse().ok())
}
