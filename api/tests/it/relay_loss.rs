//! What the relay finds when it begins: a stream that has more, less or other events than the outbox says.

use std::collections::HashSet;
use std::time::Duration;

use ajet_shared::bus::{Bus, Outgoing, STREAM};
use ajet_shared::db::{idempotency, meta, outbox};
use reqwest::StatusCode;
use sqlx::PgPool;
use uuid::Uuid;

use crate::harness::{App, eventually};
use crate::relay::{copy, deliveries, envelope, published, say, stream, texts};

/// Writes an event as the api would, without an api: a copy of the newest one under another id.
async fn write(db: &PgPool) -> Uuid {
    let id = Uuid::now_v7();
    sqlx::query(
        "INSERT INTO outbox (event_id, subject, ord_key, type, payload) \
         SELECT $1, subject, ord_key, type, jsonb_set(payload, '{id}', to_jsonb($1)) \
         FROM outbox ORDER BY id DESC LIMIT 1",
    )
    .bind(id)
    .execute(db)
    .await
    .unwrap();
    id
}

/// Publishes an event of the outbox and notes nothing, as a relay that dies right after.
async fn publish_unnoted(db: &PgPool, bus: &Bus, id: Uuid) {
    let (subject, payload): (String, String) =
        sqlx::query_as("SELECT subject, payload::text FROM outbox WHERE event_id = $1")
            .bind(id)
            .fetch_one(db)
            .await
            .unwrap();
    let event = Outgoing {
        id: id.into(),
        subject: &subject,
        channel_seq: None,
        epoch: 1,
        again: false,
        payload: payload.into(),
    };
    bus.publish(event).await.unwrap();
}

/// Every event of the outbox is in the stream once.
async fn told_once(app: &App, bus: &Bus) {
    eventually("all is published", async || published(&app.db).await).await;
    let written: Vec<Uuid> =
        sqlx::query_scalar("SELECT event_id FROM outbox").fetch_all(&app.db).await.unwrap();
    let arrived: Vec<Uuid> = stream(bus).await.iter().map(|event| event.id.uuid()).collect();
    let different: HashSet<&Uuid> = arrived.iter().collect();
    assert_eq!(different.len(), arrived.len(), "nothing is told twice: {arrived:?}");
    assert!(written.iter().all(|id| different.contains(id)), "{written:?} {arrived:?}");
}

#[tokio::test]
async fn what_the_stream_took_and_nobody_noted_is_not_published_again_however_late() {
    let mut app = App::start().await;
    let ann = app.user("ann").await;
    app.community(&ann, "Team").await;
    eventually("all is published", async || published(&app.db).await).await;
    app.end().await;
    // NATS forgets within a tenth of a second what it has seen, instead of ten minutes.
    let bus = Bus::connect(app.nats_url(), "test").await.unwrap();
    let mut config = bus.jetstream().get_stream(STREAM).await.unwrap().cached_info().config.clone();
    let window = Duration::from_millis(100);
    config.duplicate_window = window;
    bus.jetstream().update_stream(config).await.unwrap();
    let last = bus.stream_state().await.unwrap().last_seq;
    let stored = bus.stream().await.unwrap().direct_get(last).await.unwrap().time;
    eventually("it has forgotten", async || time::OffsetDateTime::now_utc() - stored > window * 2)
        .await;
    app.restart_nats().await;
    sqlx::query("UPDATE outbox SET stream_seq = NULL, epoch = NULL, published_at = NULL WHERE id > (SELECT max(id) - 2 FROM outbox)")
        .execute(&app.db)
        .await
        .unwrap();
    let bus = Bus::connect(app.nats_url(), "test").await.unwrap();
    eventually("the stream is back", async || bus.stream_state().await.is_ok()).await;
    let late = write(&app.db).await;
    publish_unnoted(&app.db, &bus, late).await;
    let held = stream(&bus).await.len();
    let _other = app.another(|_| {}).await;
    told_once(&app, &bus).await;
    assert_eq!(stream(&bus).await.len(), held);
    assert_eq!(bus.position().await.unwrap().epoch, 1, "nothing was lost");
}

#[tokio::test]
async fn what_is_told_again_is_marked_and_what_nobody_knows_to_have_been_told_is_not() {
    let mut app = App::start().await;
    let ann = app.user("ann").await;
    app.community(&ann, "Team").await;
    eventually("all is published", async || published(&app.db).await).await;
    app.end().await;
    let told = app.outbox().await.len();
    let bus = Bus::connect(app.nats_url(), "test").await.unwrap();
    // One that the stream took without anybody's knowledge, and one that it never saw.
    let (unnoted, waiting) = (write(&app.db).await, write(&app.db).await);
    publish_unnoted(&app.db, &bus, unnoted).await;
    bus.delete_stream().await.unwrap();
    let _other = app.another(|_| {}).await;
    told_once(&app, &bus).await;
    let all = deliveries(&bus).await;
    let (again, new): (Vec<_>, Vec<_>) = all.iter().partition(|event| event.again);
    assert_eq!(again.len(), told);
    let new: HashSet<Uuid> = new.into_iter().map(|event| envelope(event).id.uuid()).collect();
    assert_eq!(new, HashSet::from([unnoted, waiting]));
    // Lost once more, all of these are known.
    bus.delete_stream().await.unwrap();
    let late = write(&app.db).await;
    told_once(&app, &bus).await;
    assert_eq!(bus.position().await.unwrap().epoch, 3);
    for event in deliveries(&bus).await {
        assert_eq!(event.again, envelope(&event).id.uuid() != late);
    }
}

#[tokio::test]
async fn a_stream_lost_after_quiet_days_begins_a_new_epoch() {
    let mut app = App::start().await;
    let ann = app.user("ann").await;
    app.community(&ann, "Team").await;
    eventually("all is published", async || published(&app.db).await).await;
    app.stop_nats();
    let days = "UPDATE outbox SET created_at = now() - interval '80 hours', published_at = now() - interval '80 hours'";
    sqlx::query(days).execute(&app.db).await.unwrap();
    assert!(outbox::prune(&mut app.db.acquire().await.unwrap()).await.unwrap() > 0);
    assert_eq!(app.outbox().await.len(), 1, "the newest mark stays");
    std::fs::remove_dir_all(app.nats_store()).unwrap();
    app.restart_nats().await;
    let bus = Bus::connect(app.nats_url(), "test").await.unwrap();
    eventually("a new epoch begins", async || {
        bus.position().await.is_ok_and(|position| (position.epoch, position.seq) == (2, 0))
    })
    .await;
    eventually("it is counted", async || app.metric("chat_stream_rollback_total").await == 1).await;
    // Nothing was published in the new epoch yet; losing that stream is noticed all the same, and once.
    bus.delete_stream().await.unwrap();
    app.restart_nats().await;
    eventually("another one begins", async || {
        bus.position().await.is_ok_and(|position| position.epoch == 3)
    })
    .await;
}

#[tokio::test]
async fn a_stream_that_went_back_and_grew_beyond_is_recognised_by_what_it_holds() {
    let mut app = App::start().await;
    let ann = app.user("ann").await;
    let (_, general) = app.community(&ann, "Team").await;
    eventually("all is published", async || published(&app.db).await).await;
    app.stop_nats();
    let older = tempfile::tempdir().unwrap();
    copy(&app.nats_store(), &older.path().join("store"));
    app.restart_nats().await;
    for n in 0..5 {
        say(&ann, &general, &n.to_string()).await;
    }
    eventually("all is published", async || published(&app.db).await).await;
    app.end().await;
    app.stop_nats();
    std::fs::remove_dir_all(app.nats_store()).unwrap();
    copy(&older.path().join("store"), &app.nats_store());
    app.restart_nats().await;
    let bus = Bus::connect(app.nats_url(), "test").await.unwrap();
    eventually("the stream is back", async || bus.stream_state().await.is_ok()).await;
    // A relay that did not look took the numbers of the lost events for others, and died.
    for _ in 0..7 {
        let id = write(&app.db).await;
        publish_unnoted(&app.db, &bus, id).await;
    }
    let _other = app.another(|_| {}).await;
    eventually("a new epoch begins", async || {
        bus.position().await.is_ok_and(|position| position.epoch == 2)
    })
    .await;
    told_once(&app, &bus).await;
}

#[tokio::test]
async fn what_was_published_lately_comes_again_whatever_the_clock_of_its_writer_said() {
    let app = App::start().await;
    let ann = app.user("ann").await;
    let (_, general) = app.community(&ann, "Team").await;
    say(&ann, &general, "0").await;
    eventually("all is published", async || published(&app.db).await).await;
    let late = "UPDATE outbox SET created_at = created_at - interval '30 hours'";
    sqlx::query(late).execute(&app.db).await.unwrap();
    let bus = Bus::connect(app.nats_url(), "test").await.unwrap();
    bus.delete_stream().await.unwrap();
    say(&ann, &general, "1").await;
    eventually("all is there again", async || {
        bus.stream_state().await.is_ok() && texts(&stream(&bus).await) == ["0", "1"]
    })
    .await;
}

#[tokio::test]
async fn pruning_takes_small_steps_and_leaves_what_waits() {
    let app = App::start().await;
    // Rolled back: the relay never sees these rows.
    let mut tx = app.db.begin().await.unwrap();
    sqlx::query(
        "INSERT INTO outbox (event_id, subject, ord_key, type, payload, created_at, failed_at) \
         SELECT gen_random_uuid(), 's', gen_random_uuid(), 'x', '{}', now() - interval '73 hours', \
                CASE WHEN n > 2 THEN now() END FROM generate_series(1, 7000) n",
    )
    .execute(&mut *tx)
    .await
    .unwrap();
    assert_eq!(outbox::prune(&mut tx).await.unwrap(), outbox::PRUNE_STEP - 2);
    assert_eq!(outbox::prune(&mut tx).await.unwrap(), 7_000 - outbox::PRUNE_STEP);
    assert_eq!(outbox::prune(&mut tx).await.unwrap(), 0);
    assert_eq!(outbox::pending(&mut tx, 10).await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_backlog_is_counted_beyond_a_batch() {
    let mut app = App::start().await;
    let ann = app.user("ann").await;
    app.community(&ann, "Team").await;
    eventually("all is published", async || published(&app.db).await).await;
    app.stop_nats();
    sqlx::query(
        "INSERT INTO outbox (event_id, subject, ord_key, type, payload, created_at) \
         SELECT gen_random_uuid(), subject, ord_key, type, payload, now() - interval '7 seconds' \
         FROM (SELECT * FROM outbox ORDER BY id DESC LIMIT 1) newest, generate_series(1, 1200)",
    )
    .execute(&app.db)
    .await
    .unwrap();
    eventually("the backlog is seen", async || {
        app.metric("chat_outbox_pending").await == 1_200
            && app.metric("chat_outbox_lag_milliseconds").await >= 7_000
    })
    .await;
    app.restart_nats().await;
    eventually("nothing waits", async || app.metric("chat_outbox_pending").await == 0).await;
}

#[tokio::test]
async fn old_keys_go_in_small_steps() {
    let app = App::start().await;
    let ann = app.user("ann").await;
    let mut tx = app.db.begin().await.unwrap();
    sqlx::query(
        "INSERT INTO idempotency_keys (user_id, key, route, request_hash, created_at) \
         SELECT $1, gen_random_uuid(), 'r', sha256('x'), now() - n * interval '12 seconds' \
         FROM generate_series(1, 14000) n",
    )
    .bind(ann.user_id.uuid())
    .execute(&mut *tx)
    .await
    .unwrap();
    // A day has 7200 times twelve seconds.
    assert_eq!(idempotency::prune(&mut tx).await.unwrap(), idempotency::PRUNE_STEP);
    assert_eq!(idempotency::prune(&mut tx).await.unwrap(), 6_800 - idempotency::PRUNE_STEP);
    assert_eq!(idempotency::prune(&mut tx).await.unwrap(), 0);
}

#[tokio::test]
async fn a_page_loaded_before_the_new_epoch_has_an_event_begins_where_that_began() {
    let mut app = App::start().await;
    let ann = app.user("ann").await;
    app.stop_nats();
    meta::begin_epoch(&mut app.db.acquire().await.unwrap(), 2, 7).await.unwrap();
    let sync = ann.get("/api/sync").await.expect(StatusCode::OK);
    assert_eq!(sync["cursor"], "2.7");
}
