//! The schema: applied once by many, described rightly, and keeping its promises.

use ajet_shared::db::testing::TestDatabase;
use ajet_shared::db::{self, iden, schema};
use ajet_shared::id::{EventId, UserId};

use crate::harness::{App, eventually};

#[tokio::test]
async fn replicas_that_start_at_once_on_an_empty_database_all_succeed() {
    let database = TestDatabase::empty().await.unwrap();
    let starts: Vec<_> = (0..8)
        .map(|_| {
            let url = database.url.clone();
            tokio::spawn(async move { ajet_migrations::apply(&url).await })
        })
        .collect();
    let mut applied = Vec::new();
    for start in starts {
        applied.push(start.await.unwrap().expect("every replica comes up"));
    }
    applied.sort_unstable();
    let latest = usize::try_from(ajet_migrations::latest()).unwrap();
    assert_eq!(
        applied,
        [0, 0, 0, 0, 0, 0, 0, latest],
        "one does the work, the others find nothing to do"
    );
    let pool = db::pool(&database.url, "test").unwrap();
    assert!(schema::is_current(&mut pool.acquire().await.unwrap()).await.unwrap());
    assert_eq!(schema::NEEDED, ajet_migrations::latest());
}

#[tokio::test]
async fn a_migration_that_waits_for_a_lock_lets_others_pass() {
    let app = App::start().await;
    let mut tx = app.db.begin().await.unwrap();
    sqlx::query("LOCK TABLE refinery_schema_history").execute(&mut *tx).await.unwrap();
    let url = app.database_url().to_owned();
    let applying = tokio::spawn(async move { ajet_migrations::apply(&url).await });
    let waits = async || {
        let waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'refinery_schema_history'::regclass";
        sqlx::query_scalar::<_, i64>(waiting).fetch_one(&app.db).await.unwrap() > 0
    };
    eventually("it waits for the table", waits).await;
    eventually("it stands back", async || !waits().await).await;
    assert!(!applying.is_finished(), "and does not give up");
    tx.rollback().await.unwrap();
    assert_eq!(applying.await.unwrap().unwrap(), 0);
}

#[tokio::test]
async fn the_identifiers_in_the_code_are_those_of_the_database() {
    let app = App::start().await;
    let mut rows: Vec<(String, String)> = sqlx::query_as(
        "SELECT table_name::text, column_name::text FROM information_schema.columns \
         WHERE table_schema = 'public' AND table_name <> 'refinery_schema_history'",
    )
    .fetch_all(&app.db)
    .await
    .unwrap();
    let mut ours: Vec<(String, String)> = iden::tables()
        .into_iter()
        .flat_map(|(table, columns)| columns.into_iter().map(move |column| (table.clone(), column)))
        .collect();
    rows.sort();
    ours.sort();
    assert_eq!(ours, rows);
}

#[tokio::test]
async fn every_table_says_what_it_is_for_and_every_constraint_has_our_name() {
    let app = App::start().await;
    let undescribed: Vec<String> = sqlx::query_scalar(
        "SELECT relname::text FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace \
         AND relname <> 'refinery_schema_history' AND obj_description(oid, 'pg_class') IS NULL",
    )
    .fetch_all(&app.db)
    .await
    .unwrap();
    assert_eq!(undescribed, Vec::<String>::new());
    let unnamed: Vec<String> = sqlx::query_scalar(
        "SELECT conname::text FROM pg_constraint WHERE connamespace = 'public'::regnamespace \
         AND conrelid <> 0 AND conrelid::regclass::text <> 'refinery_schema_history' \
         AND conname !~ ('^' || conrelid::regclass::text || '_.*(pkey|key|fkey|check)$')",
    )
    .fetch_all(&app.db)
    .await
    .unwrap();
    assert_eq!(unnamed, Vec::<String>::new());
}

#[tokio::test]
async fn the_audit_log_cannot_be_rewritten() {
    let app = App::start().await;
    let cause = db::Cause::by(UserId::new());
    let mut conn = app.db.acquire().await.unwrap();
    db::audit::insert(
        &mut conn,
        &cause,
        &db::audit::Entry::done("test.done").on("event", EventId::new()),
    )
    .await
    .unwrap();
    for statement in ["UPDATE audit_log SET action = 'x'", "DELETE FROM audit_log"] {
        let error = sqlx::query(statement).execute(&mut *conn).await.unwrap_err();
        assert_eq!(
            error.as_database_error().unwrap().code().as_deref(),
            Some("42501"),
            "{statement}"
        );
    }
}

#[tokio::test]
async fn a_value_of_the_installation_is_set_once_or_replaced() {
    let app = App::start().await;
    let mut conn = app.db.acquire().await.unwrap();
    assert_eq!(db::meta::epoch(&mut conn).await.unwrap(), 1);
    assert_eq!(db::meta::epoch_start(&mut conn).await.unwrap(), None);
    db::meta::begin_epoch(&mut conn, 2, 7).await.unwrap();
    assert_eq!(db::meta::epoch(&mut conn).await.unwrap(), 2);
    assert_eq!(db::meta::epoch_start(&mut conn).await.unwrap(), Some(7));
    assert_eq!(db::meta::get_or_set(&mut conn, "k", "first").await.unwrap(), "first");
    assert_eq!(db::meta::get_or_set(&mut conn, "k", "second").await.unwrap(), "first");
    db::meta::set(&mut conn, "k", "third").await.unwrap();
    assert_eq!(db::meta::get(&mut conn, "k").await.unwrap().as_deref(), Some("third"));
    db::meta::remove(&mut conn, "k").await.unwrap();
    assert_eq!(db::meta::get(&mut conn, "k").await.unwrap(), None);
}
