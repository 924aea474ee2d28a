//! Searches over the whole community, beside the bare search of Postgres.

use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use sqlx::{Connection as _, PgConnection};
use url::form_urlencoded::byte_serialize;

use super::data;
use super::room::Room;
use super::table;

/// Searches of each kind.
const TIMES: usize = 100;

pub(super) async fn run(messages: i64) -> anyhow::Result<()> {
    let room = Room::open(0).await?;
    data::fill(&room, messages).await?;
    let url = std::env::var("AJET_DATABASE_URL").context("AJET_DATABASE_URL")?;
    let mut conn = PgConnection::connect(&url).await?;
    let phrase: String = sqlx::query_scalar(
        "select substring(text from '^[^ ]+ [^ ]+') from bench_phrases where number = 4711",
    )
    .fetch_one(&mut conn)
    .await?;
    let (common, rare) = (data::COMMON, data::RARE);
    for (what, words) in
        [("a common word", common), ("a rare word", rare), ("two words", "w10 w100")]
    {
        table::times(&format!("bare SQL: {what}"), bare(&mut conn, words).await?);
    }
    for (what, query, more) in [
        ("a common word", common.to_owned(), ""),
        ("a rare word", rare.to_owned(), ""),
        ("two words", "w10 w100".to_owned(), ""),
        ("a phrase", format!("\"{phrase}\""), ""),
        ("in a channel", format!("{common} in:#big-20"), ""),
        ("by a person", format!("{common} from:@citizen7"), ""),
        ("a word that is nowhere", "nowhere".to_owned(), ""),
        ("a part of words (no index: two letters)", "天气".to_owned(), ""),
        ("a common word, best of 2,000", common.to_owned(), "&sort=best"),
    ] {
        let path = format!("{}/api/search?q={}{more}", room.url, encoded(&query));
        table::times_and(&format!("search: {what}"), times(&room, &path).await?, "");
    }
    Ok(())
}

fn encoded(text: &str) -> String {
    byte_serialize(text.as_bytes()).collect()
}

async fn bare(conn: &mut PgConnection, words: &str) -> anyhow::Result<Vec<Duration>> {
    const STATEMENT: &str = "select id, body_md from messages where search @@ plainto_tsquery('english', $1) order by id desc limit 20";
    sqlx::query("set plan_cache_mode = force_custom_plan").execute(&mut *conn).await?;
    let mut times = Vec::with_capacity(TIMES);
    for _ in 0..TIMES {
        let started = Instant::now();
        let rows = sqlx::query(STATEMENT).bind(words).fetch_all(&mut *conn).await?;
        times.push(started.elapsed());
        if rows.is_empty() {
            bail!("nothing is found for {words}: the data is not what it should be");
        }
    }
    Ok(times)
}

async fn times(room: &Room, url: &str) -> anyhow::Result<Vec<Duration>> {
    let mut times = Vec::with_capacity(TIMES);
    for _ in 0..TIMES {
        let started = Instant::now();
        let request = room.http.get(url).bearer_auth(&room.tokens[0]);
        request.send().await?.error_for_status()?.bytes().await?;
        times.push(started.elapsed());
    }
    Ok(times)
}
