//! A large community, made inside Postgres: as many messages as asked for, in 200 channels, by 50 people, over two years.

use std::time::Instant;

use anyhow::Context as _;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use super::room::Room;
use crate::ui::{self, Step};

/// Channels; a few of them hold most of the messages.
pub(super) const CHANNELS: i64 = 200;
/// Messages of one statement.
const CHUNK: i64 = 25_000;
/// After so many messages the channels come round in the same order: it lets a reply find a message of its own channel.
const PERIOD: i64 = 10_007;

/// A word that many messages have, and one that few have.
pub(super) const COMMON: &str = "w10";
pub(super) const RARE: &str = "w19000";

/// Makes them, unless they are there; the owner of the room sees all of them.
pub(super) async fn fill(room: &Room, messages: i64) -> anyhow::Result<()> {
    let url = std::env::var("AJET_DATABASE_URL").context("AJET_DATABASE_URL")?;
    let mut conn = PgConnection::connect(&url).await?;
    let there: i64 = sqlx::query_scalar("select count(*) from channels where name like 'big-%'")
        .fetch_one(&mut conn)
        .await?;
    if there > 0 {
        return Ok(());
    }
    let begun = Instant::now();
    let step = Step::announced("data", format_args!("{messages} messages"));
    frame(&mut conn, &room.community).await?;
    let indexes = drop_indexes(&mut conn).await?;
    insert(&url, messages, begun).await?;
    around(&mut conn, messages).await?;
    ui::note(format_args!("{:<12} {} indexes", "data", indexes.len()));
    build_indexes(&url, indexes).await?;
    sqlx::query("vacuum analyze messages").execute(&mut conn).await?;
    sqlx::query("analyze").execute(&mut conn).await?;
    step.done(format_args!("{messages} messages"));
    Ok(())
}

/// People, channels, and the phrases that messages are made of: 20,000 words, the lower their number the more frequent. (`n * 0`
/// makes Postgres roll the dice for every phrase and not once for all.)
async fn frame(conn: &mut PgConnection, community: &str) -> anyhow::Result<()> {
    let statements = [
        "create table bench_people as select n as number, uuidv7_like(n) as id from generate_series(1, 50) as n".to_owned(),
        "insert into users (id, username, display_name) select id, 'citizen' || number, 'Citizen ' || number from bench_people".to_owned(),
        format!("insert into community_members (community_id, user_id) select '{community}', id from bench_people"),
        format!("create table bench_channels as select n as number, uuidv7_like(1000 + n) as id from generate_series(0, {CHANNELS} - 1) as n"),
        format!("insert into channels (id, community_id, name) select id, '{community}', 'big-' || number from bench_channels"),
        "insert into channel_members (channel_id, user_id) \
            select bench_channels.id, community_members.user_id from bench_channels, community_members \
            where community_members.role = 'owner'"
            .to_owned(),
        "create table bench_phrases as select n as number, \
            (select string_agg('w' || (20000 * power(random(), 3))::int, ' ') from generate_series(1, 4 + n * 0)) as text \
            from generate_series(0, 49999) as n"
            .to_owned(),
        "alter table bench_phrases add primary key (number)".to_owned(),
        "analyze bench_phrases".to_owned(),
    ];
    // Ids that sort by their number, in the shape of version 7.
    let function = "create or replace function uuidv7_like(n bigint) returns uuid language sql immutable as $$ \
        select (lpad(to_hex(1600000000000 + n), 12, '0') || '70008000' || lpad(to_hex(n), 12, '0'))::uuid $$";
    sqlx::query(function).execute(&mut *conn).await?;
    for statement in statements {
        sqlx::query(AssertSqlSafe(statement)).execute(&mut *conn).await?;
    }
    Ok(())
}

/// Removes the indexes that are cheaper to build at the end; gives what makes them again.
async fn drop_indexes(conn: &mut PgConnection) -> anyhow::Result<Vec<String>> {
    let statement = "select indexname, indexdef from pg_indexes where tablename = 'messages' and indexdef like '%USING gin%'";
    let indexes: Vec<(String, String)> = sqlx::query_as(statement).fetch_all(&mut *conn).await?;
    for (name, _) in &indexes {
        sqlx::query(AssertSqlSafe(format!("drop index {name}"))).execute(&mut *conn).await?;
    }
    Ok(indexes.into_iter().map(|(_, definition)| definition).collect())
}

/// Inserts all messages, chunk by chunk, by as many connections as there are cores.
async fn insert(url: &str, messages: i64, begun: Instant) -> anyhow::Result<()> {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicI64, Ordering};
    let next = Arc::new(AtomicI64::new(0));
    let connections = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
    let mut tasks = Vec::new();
    for _ in 0..connections {
        let mut conn = connect(url).await?;
        let next = next.clone();
        tasks.push(tokio::spawn(async move {
            loop {
                let from = next.fetch_add(CHUNK, Ordering::Relaxed);
                if from >= messages {
                    return anyhow::Ok(());
                }
                let to = (from + CHUNK).min(messages) - 1;
                sqlx::query(AssertSqlSafe(chunk(from, to, messages))).execute(&mut conn).await?;
                if (from / CHUNK) % 8 == 7 {
                    let took = ui::seconds(begun.elapsed());
                    ui::note(format_args!("{:<12} {to} messages after {took}", "data"));
                }
            }
        }));
    }
    for task in tasks {
        task.await??;
    }
    Ok(())
}

/// Foreign keys hold by construction; checking them row by row takes longer than the rows.
async fn connect(url: &str) -> anyhow::Result<PgConnection> {
    let mut conn = PgConnection::connect(url).await?;
    for setting in [
        "session_replication_role = replica",
        "synchronous_commit = off",
        "maintenance_work_mem = '512MB'",
    ] {
        sqlx::query(AssertSqlSafe(format!("set {setting}"))).execute(&mut conn).await?;
    }
    Ok(conn)
}

/// A minute lies between two messages. Every tenth replies to the one a period before, which is of the same channel and no reply.
fn chunk(from: i64, to: i64, messages: i64) -> String {
    format!(
        "insert into messages (id, channel_id, seq, user_id, client_msg_id, request_hash, parent_id, body_md, reply_count, last_reply_at, \
                               thread_participants, created_at) \
         select uuidv7_like(1000000 + n * 60000), bench_channels.id, n + 1, author.id, uuidv7_like(n), sha256(int8send(n)), \
                case when n % 10 = 3 and n >= {PERIOD} then uuidv7_like(1000000 + (n - {PERIOD}) * 60000) end, \
                a.text || ' ' || b.text || ' ' || c.text, \
                case when n % 10 = 6 and n + {PERIOD} < {messages} then 1 else 0 end, \
                case when n % 10 = 6 and n + {PERIOD} < {messages} then now() end, \
                case when n % 10 = 6 and n + {PERIOD} < {messages} then array[author.id] else '{{}}' end, \
                to_timestamp(1600001000 + n * 60) \
         from generate_series({from}::bigint, {to}::bigint) as n \
         join bench_channels on bench_channels.number = floor({CHANNELS} * power((n * 7919 % {PERIOD}) / {PERIOD}.0, 2))::bigint \
         join bench_people as author on author.number = 1 + n * 31 % 50 \
         join bench_phrases as a on a.number = n * 7 % 50000 \
         join bench_phrases as b on b.number = n * 13 % 49999 \
         join bench_phrases as c on c.number = n * 29 % 49993 \
         order by n"
    )
}

/// What hangs on messages: reactions under every twentieth, and where the channels stand.
async fn around(conn: &mut PgConnection, messages: i64) -> anyhow::Result<()> {
    let statements = [
        format!(
            "insert into reactions (message_id, user_id, emoji) \
             select uuidv7_like(1000000 + n * 20 * 60000), bench_people.id, case when bench_people.number % 3 = 0 then '🎉' else '👍' end \
             from generate_series(0::bigint, {messages}::bigint / 20 - 1) as n \
             join bench_people on bench_people.number <= 1 + n % 5"
        ),
        format!("update channels set last_seq = {messages} where name like 'big-%'"),
    ];
    sqlx::query("set session_replication_role = replica").execute(&mut *conn).await?;
    for statement in statements {
        sqlx::query(AssertSqlSafe(statement)).execute(&mut *conn).await?;
    }
    sqlx::query("set session_replication_role = origin").execute(&mut *conn).await?;
    Ok(())
}

/// Builds the indexes side by side.
async fn build_indexes(url: &str, definitions: Vec<String>) -> anyhow::Result<()> {
    let mut tasks = Vec::new();
    for definition in definitions {
        let mut conn = connect(url).await?;
        tasks.push(tokio::spawn(async move {
            sqlx::query(AssertSqlSafe(definition)).execute(&mut conn).await.map(drop)
        }));
    }
    for task in tasks {
        task.await??;
    }
    Ok(())
}

/// The channels of the data, the fullest first, and a message deep in each.
pub(super) async fn channels() -> anyhow::Result<Vec<(uuid::Uuid, uuid::Uuid)>> {
    let url = std::env::var("AJET_DATABASE_URL").context("AJET_DATABASE_URL")?;
    let mut conn = PgConnection::connect(&url).await?;
    let statement = "select bench_channels.id, deep.id from bench_channels cross join lateral \
        (select id from messages where channel_id = bench_channels.id and parent_id is null and seq > 100000 order by seq limit 1) as deep \
        order by bench_channels.number limit 50";
    Ok(sqlx::query_as(statement).fetch_all(&mut conn).await?)
}
