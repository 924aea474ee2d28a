//! A page of 50 messages, newest and deep, with authors, reactions and threads, beside the bare rows.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use sqlx::{Connection as _, PgConnection};
use uuid::Uuid;

use super::data;
use super::room::{Room, surrounding};
use super::table;

/// Pages of each kind.
const PAGES: usize = 400;

pub(super) async fn run(messages: i64) -> anyhow::Result<()> {
    let room = Room::open(0).await?;
    data::fill(&room, messages).await?;
    let places = data::channels().await?;
    let url = std::env::var("AJET_DATABASE_URL").context("AJET_DATABASE_URL")?;
    let mut conn = PgConnection::connect(&url).await?;
    let api = surrounding()?.api.into_iter().next().context("no api")?;
    for deep in [false, true] {
        let kind = if deep { "deep" } else { "newest" };
        let mut bare = Vec::with_capacity(PAGES);
        let (mut gateway, mut direct) = (Vec::with_capacity(PAGES), Vec::with_capacity(PAGES));
        for turn in 0..PAGES {
            let (channel, anchor) = places[turn % places.len()];
            bare.push(rows(&mut conn, channel, deep.then_some(anchor)).await?);
            let before = if deep { format!("&before={anchor}") } else { String::new() };
            let path = format!("/api/channels/{channel}/messages?limit=50{before}");
            gateway.push(page(&room, &room.url, &path).await?);
            direct.push(page(&room, &api, &path).await?);
        }
        table::times(&format!("bare SQL: 50 rows, {kind}"), bare);
        table::times(&format!("page of 50, {kind}, at the api"), direct);
        table::times(&format!("page of 50, {kind}, through the gateway"), gateway);
    }
    Ok(())
}

async fn rows(
    conn: &mut PgConnection,
    channel: Uuid,
    before: Option<Uuid>,
) -> anyhow::Result<Duration> {
    const STATEMENT: &str = "select id, user_id, body_md, created_at from messages where channel_id = $1 and parent_id is null \
        and seq < coalesce((select seq from messages where id = $2), 9223372036854775807) order by seq desc limit 50";
    let started = Instant::now();
    sqlx::query(STATEMENT).bind(channel).bind(before).fetch_all(conn).await?;
    Ok(started.elapsed())
}

async fn page(room: &Room, base: &str, path: &str) -> anyhow::Result<Duration> {
    let secret = surrounding_secret()?;
    let started = Instant::now();
    let mut request = room.http.get(format!("{base}{path}")).bearer_auth(&room.tokens[0]);
    if base != room.url {
        request = request.header("x-ajet-edge", secret);
    }
    request.send().await?.error_for_status()?.bytes().await?;
    Ok(started.elapsed())
}

fn surrounding_secret() -> anyhow::Result<String> {
    std::env::var("AJET_EDGE_SECRET").context("AJET_EDGE_SECRET")
}
