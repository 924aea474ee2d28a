//! Messages a second through the whole path, durable before the answer, beside bare inserts of one row and one commit each.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use sqlx::{Connection as _, PgConnection};

use super::bare;
use super::room::{Room, client};
use super::table;

/// Each of these many people posts one message after the other.
const SENDERS: [usize; 3] = [1, 16, 64];
/// Channels they share: the row of a channel is locked while a message is written to it.
const CHANNELS: usize = 16;
/// How long.
const TIME: Duration = Duration::from_secs(5);

pub(super) async fn run() -> anyhow::Result<()> {
    let most = SENDERS.into_iter().max().unwrap_or(1);
    let room = Arc::new(Room::open(most - 1).await?);
    let mut channels = Vec::with_capacity(CHANNELS);
    for number in 0..CHANNELS {
        channels.push(room.add_channel(&format!("bench-{number}-{}", std::process::id())).await?);
    }
    let bare = bare::Table::make().await?;
    for senders in SENDERS {
        let times = bare.insert(senders, TIME).await?;
        row(&format!("bare INSERT, {senders} connections"), times);
        let rows = count().await?;
        let times = posts(&room, &channels, senders).await?;
        let (answers, more) = (times.len(), count().await? - rows);
        row(&format!("POST by {senders} people"), times);
        if i64::try_from(answers)? != more {
            bail!("{answers} messages were acknowledged, Postgres has {more}");
        }
    }
    table::figure("every answer counted against rows", "equal");
    Ok(())
}

async fn posts(
    room: &Arc<Room>,
    channels: &[String],
    senders: usize,
) -> anyhow::Result<Vec<Duration>> {
    let mut tasks = Vec::with_capacity(senders);
    for sender in 0..senders {
        let (room, channel) = (room.clone(), channels[sender % channels.len()].clone());
        let (http, token) = (client()?, room.tokens[sender].clone());
        tasks.push(tokio::spawn(async move {
            room.post(&http, &token, &channel, "warm up").await?;
            let (begun, mut times) = (Instant::now(), Vec::new());
            while begun.elapsed() < TIME {
                let started = Instant::now();
                room.post(
                    &http,
                    &token,
                    &channel,
                    "a message of the usual length, as people write them all day",
                )
                .await?;
                times.push(started.elapsed());
            }
            anyhow::Ok(times)
        }));
    }
    let mut times = Vec::new();
    for task in tasks {
        times.extend(task.await??);
    }
    Ok(times)
}

fn row(what: &str, times: Vec<Duration>) {
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    let rate = times.len() as f64 / TIME.as_secs_f64();
    table::times_and(what, times, &format!("{rate:.0}/s"));
}

/// Messages in Postgres, those that warm up apart.
async fn count() -> anyhow::Result<i64> {
    let url = std::env::var("AJET_DATABASE_URL").context("AJET_DATABASE_URL")?;
    let mut conn = PgConnection::connect(&url).await?;
    let statement = "select count(*) from messages where body_md like 'a message of the usual%'";
    Ok(sqlx::query_scalar(statement).fetch_one(&mut conn).await?)
}
