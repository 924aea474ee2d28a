//! A new version begins while others work on.

use std::time::{Duration, Instant};

use ajet_faults::{Books, Scene, Shape, eventually};
use anyhow::{Context as _, ensure};
use sqlx::Connection as _;

use crate::Outcome;

const WRITERS: usize = 5;
const READERS: usize = 4;
const BROWSERS: usize = 2;
const PACE: Duration = Duration::from_millis(100);
const PATIENCE: Duration = Duration::from_secs(30);
/// How long a migration may hold up others before it gives way. Source: delivery-and-security.md section 4.
const GIVES_WAY: Duration = Duration::from_secs(2);
/// What `V0004` and `V0005` made is not there yet, and nothing since `V0004` has been applied. The later ones change nothing where they
/// find what they make, which the api that works on meanwhile needs.
const BEFORE: &str = "DROP INDEX notifications_source_id_idx; DROP INDEX attachments_filename_trgm_idx; DROP TABLE kept_mutes; \
                      DELETE FROM refinery_schema_history WHERE version >= 4";

/// Somebody has written notifications and does not commit: nobody minds, but an index on that table cannot be made, and whoever writes
/// another notification queues behind whoever waits to make it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f37_a_migration_that_must_wait_gives_way() -> Outcome {
    let mut scene = Scene::set("F37").await?;
    let town = scene.town(WRITERS, READERS + BROWSERS).await?;
    let books = Books::of(&scene.stack)?;
    let newest = newest(&books).await?;
    let outcome = migration(&mut scene, &town, &books, newest).await;
    scene.heal().await?;
    outcome?;
    scene.passed().await
}

async fn migration(
    scene: &mut Scene,
    town: &ajet_faults::Town,
    books: &Books,
    newest: i32,
) -> anyhow::Result<()> {
    let api = "api-2";
    let url = scene.stack.apis[1].clone();
    scene.control.stop(api).await?;
    sqlx::raw_sql(BEFORE).execute(&books.db).await?;
    let mut holder = sqlx::PgConnection::connect(&scene.stack.database_url).await?;
    let mut writing = holder.begin().await?;
    sqlx::raw_sql("LOCK TABLE notifications IN ROW EXCLUSIVE MODE").execute(&mut *writing).await?;
    let posts = 600;
    let mut load = scene.load(town, Shape { posts, pace: PACE, browsers: BROWSERS }).await?;
    load.more(40).await?;
    let begun = Instant::now();
    scene.control.start(api, &[]).await?;
    let pid = scene.stack.pid(api)?;
    let stands_back = async || {
        let log = std::fs::read_to_string(scene.stack.log(api))?;
        Ok(log.matches("a migration stands back").count())
    };
    let tries: usize = 3;
    eventually("it stands back", PATIENCE, async || {
        let done: anyhow::Result<usize> = stands_back().await;
        Ok(done? >= tries)
    })
    .await?;
    ensure!(scene.stack.pid(api)? == pid, "{api} ended");
    ensure!(!is_ready(&url).await?, "{api} is ready with an old schema");
    ensure!(self::newest(books).await? < newest, "the migration did not wait");
    let released = Instant::now();
    writing.rollback().await?;
    scene.stack.ready_at(&url, PATIENCE).await?;
    scene.within("ready after the lock was let go", released.elapsed(), Duration::from_secs(10))?;
    ensure!(scene.stack.pid(api)? == pid, "{api} ended");
    scene.exactly("version of the schema", self::newest(books).await?, newest)?;
    let ended = load.end().await?;
    ended.flawless()?;
    for (kind, found) in ended.findings().kinds() {
        scene.exactly(kind, found.len(), 0)?;
    }
    // api-2 was down or not ready: whoever asked it was sent on to the other one.
    let repeated: u32 = ended.written.iter().map(|written| written.repeated).sum();
    scene.exactly("requests that failed", repeated, 0)?;
    scene.within(
        "p50 of posts meanwhile",
        ended.answered(begun, released, 0.5),
        Duration::from_millis(500),
    )?;
    scene.within("longest post meanwhile", ended.answered(begun, released, 1.0), GIVES_WAY)
}

async fn newest(books: &Books) -> anyhow::Result<i32> {
    let newest = "SELECT max(version) FROM refinery_schema_history";
    sqlx::query_scalar(newest).fetch_one(&books.db).await.context("the schema's history")
}

async fn is_ready(url: &str) -> anyhow::Result<bool> {
    let http = reqwest::Client::builder().no_proxy().build()?;
    Ok(http.get(format!("{url}/readyz")).send().await?.status().is_success())
}
