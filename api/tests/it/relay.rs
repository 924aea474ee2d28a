//! The relay: everything in the outbox reaches the stream, in order, whatever happens to NATS and to the relay itself.

use std::path::Path;

use ajet_shared::bus::{Bus, BusError, Delivered, EPOCH_HEADER, SEQ_HEADER};
use ajet_shared::events::{Envelope, Event};
use futures::StreamExt;
use reqwest::StatusCode;
use serde_json::json;
use sqlx::PgPool;
use uuid::Uuid;

use crate::harness::{App, Client, eventually};

pub(crate) async fn say(client: &Client, channel_id: &str, body: &str) {
    let request = json!({ "body_md": body, "client_msg_id": Uuid::now_v7() });
    client
        .post(&format!("/api/channels/{channel_id}/messages"), request)
        .await
        .expect(StatusCode::CREATED);
}

pub(crate) async fn published(db: &PgPool) -> bool {
    let waiting: i64 = sqlx::query_scalar("SELECT count(*) FROM outbox WHERE stream_seq IS NULL")
        .fetch_one(db)
        .await
        .unwrap();
    waiting == 0
}

/// Everything in the stream.
pub(crate) async fn stream(bus: &Bus) -> Vec<Envelope> {
    deliveries(bus).await.iter().map(envelope).collect()
}

/// The same, as it is delivered.
pub(crate) async fn deliveries(bus: &Bus) -> Vec<Delivered> {
    let last = bus.stream_state().await.unwrap().last_seq;
    bus.replay(1, last).await.unwrap().map(Result::unwrap).collect().await
}

pub(crate) fn envelope(delivered: &Delivered) -> Envelope {
    serde_json::from_slice(&delivered.payload).unwrap()
}

/// The texts of the messages in some events.
pub(crate) fn texts(events: &[Envelope]) -> Vec<&str> {
    let text = |envelope| match envelope {
        &Envelope { event: Event::MessageCreated(ref message), .. } => {
            Some(message.body_md.as_str())
        }
        _ => None,
    };
    events.iter().filter_map(text).collect()
}

pub(crate) fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[tokio::test]
async fn events_arrive_in_order_with_their_ids_and_places() {
    let app = App::start().await;
    let ann = app.user("ann").await;
    let (id, general) = app.community(&ann, "Team").await;
    let bus = Bus::connect(app.nats_url(), "test").await.unwrap();
    eventually("the stream is there", async || bus.stream_state().await.is_ok()).await;
    let mut live = bus.live(1).await.unwrap();
    for n in 0..20 {
        say(&ann, &general, &n.to_string()).await;
    }
    let rows: Vec<(Uuid, String, Option<i64>)> =
        sqlx::query_as("SELECT event_id, subject, channel_seq FROM outbox ORDER BY id")
            .fetch_all(&app.db)
            .await
            .unwrap();
    let mut places = Vec::new();
    for (event_id, subject, channel_seq) in &rows {
        let delivered = live.next().await.unwrap().unwrap();
        let envelope: Envelope = serde_json::from_slice(&delivered.payload).unwrap();
        assert_eq!(
            (envelope.id.uuid(), envelope.seq, delivered.epoch),
            (*event_id, *channel_seq, 1)
        );
        assert_eq!(delivered.subject.as_str(), subject);
        let stored = bus.stream().await.unwrap().direct_get(delivered.stream_seq).await.unwrap();
        assert_eq!(stored.headers.get("Nats-Msg-Id").unwrap().as_str(), event_id.to_string());
        assert_eq!(stored.headers.get(EPOCH_HEADER).unwrap().as_str(), "1");
        assert_eq!(
            stored.headers.get(SEQ_HEADER).map(|seq| seq.as_str().parse().unwrap()),
            *channel_seq
        );
        places.push(delivered.stream_seq);
    }
    assert_eq!(places, (1..=rows.len() as u64).collect::<Vec<_>>(), "each once, none missing");
    assert!(rows.iter().any(|(_, subject, _)| subject == &format!("chat.events.{id}")));
    eventually("all is marked", async || published(&app.db).await).await;
    assert_eq!(app.metric("chat_outbox_published_total").await, rows.len() as u64);
    assert_eq!(app.metric("chat_relay_leader").await, 1);
}

#[tokio::test]
async fn posting_goes_on_while_nats_is_away_and_all_arrives_after() {
    let mut app = App::start().await;
    let ann = app.user("ann").await;
    let (_, general) = app.community(&ann, "Team").await;
    eventually("all is published", async || published(&app.db).await).await;
    app.stop_nats();
    for n in 0..10 {
        say(&ann, &general, &n.to_string()).await;
    }
    eventually("the backlog is seen", async || app.metric("chat_outbox_pending").await == 10).await;
    app.restart_nats().await;
    eventually("the backlog is published", async || published(&app.db).await).await;
    let bus = Bus::connect(app.nats_url(), "test").await.unwrap();
    assert_eq!(texts(&stream(&bus).await), ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]);
    assert_eq!(bus.position().await.unwrap().epoch, 1, "nothing was lost, so the epoch goes on");
}

/// Who reads a public channel as a guest loses it by an event of the community, which has an ordering key of its own.
#[tokio::test]
async fn whoever_is_taken_out_is_out_before_anything_that_was_written_after() {
    let mut app = App::start().await;
    let [ann, ben] = [app.user("ann").await, app.user("ben").await];
    let (id, general) = app.community(&ann, "Team").await;
    app.join(&ann, &ben, &id).await;
    eventually("all is published", async || published(&app.db).await).await;
    app.stop_nats();
    let community = format!("/api/communities/{id}");
    for n in 0..20 {
        let name = json!({ "name": format!("Team {n}") });
        ann.patch(&community, name).await.expect(StatusCode::OK);
    }
    ann.delete(&format!("{community}/members/{}", ben.user_id))
        .await
        .expect(StatusCode::NO_CONTENT);
    say(&ann, &general, "after").await;
    app.restart_nats().await;
    eventually("all is published", async || published(&app.db).await).await;
    let events = stream(&Bus::connect(app.nats_url(), "test").await.unwrap()).await;
    let out = events.iter().rposition(|envelope| {
        matches!(envelope.event, Event::MemberRemoved(_)) && envelope.channel_id.is_none()
    });
    let after =
        events.iter().position(|envelope| matches!(envelope.event, Event::MessageCreated(_)));
    assert!(out.unwrap() < after.unwrap(), "{out:?} {after:?}");
}

#[tokio::test]
async fn a_stream_that_went_back_gets_its_events_again_in_a_new_epoch() {
    let mut app = App::start().await;
    let ann = app.user("ann").await;
    let (_, general) = app.community(&ann, "Team").await;
    for n in 0..3 {
        say(&ann, &general, &n.to_string()).await;
    }
    eventually("all is published", async || published(&app.db).await).await;
    app.stop_nats();
    let older = tempfile::tempdir().unwrap();
    copy(&app.nats_store(), &older.path().join("store"));
    app.restart_nats().await;
    for n in 3..8 {
        say(&ann, &general, &n.to_string()).await;
    }
    eventually("all is published", async || published(&app.db).await).await;
    app.stop_nats();
    std::fs::remove_dir_all(app.nats_store()).unwrap();
    copy(&older.path().join("store"), &app.nats_store());
    app.restart_nats().await;
    let bus = Bus::connect(app.nats_url(), "test").await.unwrap();
    eventually("a new epoch begins", async || {
        bus.position().await.is_ok_and(|position| position.epoch == 2)
    })
    .await;
    eventually("the lost events are there", async || {
        texts(&stream(&bus).await).len() == 8 && published(&app.db).await
    })
    .await;
    assert_eq!(texts(&stream(&bus).await), ["0", "1", "2", "3", "4", "5", "6", "7"]);
    let again = deliveries(&bus).await;
    assert!(again.iter().all(|event| event.again == (event.epoch == 2)), "what was lost is marked");
    assert_eq!(app.metric("chat_stream_rollback_total").await, 1);
    assert!(app.audit().await.contains(&"stream.rolled_back".to_owned()));
    say(&ann, &general, "8").await;
    eventually("it goes on", async || published(&app.db).await).await;
    let last = bus.stream_state().await.unwrap().last_seq;
    let newest = bus.replay(last, last).await.unwrap().next().await.unwrap().unwrap();
    assert_eq!((newest.epoch, newest.again), (2, false));
}

#[tokio::test]
async fn a_stream_that_is_gone_is_made_anew() {
    let app = App::start().await;
    let ann = app.user("ann").await;
    let (_, general) = app.community(&ann, "Team").await;
    say(&ann, &general, "0").await;
    eventually("all is published", async || published(&app.db).await).await;
    let bus = Bus::connect(app.nats_url(), "test").await.unwrap();
    bus.delete_stream().await.unwrap();
    assert!(matches!(bus.stream_state().await, Err(BusError::NoStream)));
    say(&ann, &general, "1").await;
    eventually("all is there again", async || {
        bus.stream_state().await.is_ok() && texts(&stream(&bus).await) == ["0", "1"]
    })
    .await;
    assert_eq!(bus.position().await.unwrap().epoch, 2);
}

#[tokio::test]
async fn a_stream_that_was_replaced_under_a_connected_relay_gets_everything_again() {
    let app = App::start().await;
    let ann = app.user("ann").await;
    let (_, general) = app.community(&ann, "Team").await;
    eventually("all is published", async || published(&app.db).await).await;
    let bus = Bus::connect(app.nats_url(), "test").await.unwrap();
    bus.delete_stream().await.unwrap();
    bus.ensure_stream(1).await.unwrap();
    // Takes the number of an event that was lost, which therefore must not count as kept.
    say(&ann, &general, "hello").await;
    eventually("a new epoch begins", async || {
        bus.position().await.is_ok_and(|position| position.epoch == 2)
    })
    .await;
    eventually("all is published", async || published(&app.db).await).await;
    let written: Vec<Uuid> =
        sqlx::query_scalar("SELECT event_id FROM outbox").fetch_all(&app.db).await.unwrap();
    let arrived: Vec<Uuid> = stream(&bus).await.iter().map(|event| event.id.uuid()).collect();
    assert!(written.iter().all(|id| arrived.contains(id)), "{written:?} {arrived:?}");
}

#[tokio::test]
async fn a_database_from_a_backup_begins_a_new_epoch() {
    let mut app = App::start().await;
    let ann = app.user("ann").await;
    let (_, general) = app.community(&ann, "Team").await;
    eventually("all is published", async || published(&app.db).await).await;
    let (last,): (i64,) =
        sqlx::query_as("SELECT max(id) FROM outbox").fetch_one(&app.db).await.unwrap();
    say(&ann, &general, "after the backup").await;
    eventually("all is published", async || published(&app.db).await).await;
    app.stop_nats();
    // What a restored backup does not know.
    sqlx::query("DELETE FROM outbox WHERE id > $1").bind(last).execute(&app.db).await.unwrap();
    app.restart_nats().await;
    let bus = Bus::connect(app.nats_url(), "test").await.unwrap();
    eventually("a new epoch begins", async || {
        bus.position().await.is_ok_and(|position| position.epoch == 2)
    })
    .await;
    eventually("all is told again", async || published(&app.db).await).await;
    let written: Vec<Uuid> =
        sqlx::query_scalar("SELECT event_id FROM outbox").fetch_all(&app.db).await.unwrap();
    let arrived = stream(&bus).await;
    assert!(texts(&arrived).is_empty(), "what the database does not know is told no more");
    assert_eq!(arrived.len(), written.len());
}

#[tokio::test]
async fn an_event_that_nats_refuses_is_set_aside() {
    let app = App::start().await;
    let ann = app.user("ann").await;
    let (community, general) = app.community(&ann, "Team").await;
    eventually("all is published", async || published(&app.db).await).await;
    // Small enough for the table and, with its headers, too large for the stream.
    sqlx::query("INSERT INTO outbox (event_id, subject, ord_key, type, payload) VALUES ($1, $2, $3, 'x', to_jsonb(repeat('x', 131000)))")
        .bind(Uuid::now_v7())
        .bind(format!("chat.events.{community}"))
        .bind(Uuid::parse_str(&general).unwrap())
        .execute(&app.db)
        .await
        .unwrap();
    say(&ann, &general, "behind it").await;
    let other = app.user("ben").await;
    app.join(&ann, &other, &community).await;
    eventually("it is set aside and the rest goes on", async || {
        let (stuck,): (i64,) = sqlx::query_as(
            "SELECT count(*) FROM outbox WHERE stream_seq IS NULL AND failed_at IS NULL",
        )
        .fetch_one(&app.db)
        .await
        .unwrap();
        stuck == 0
    })
    .await;
    let (attempts, failure): (i32, String) =
        sqlx::query_as("SELECT attempts, failure FROM outbox WHERE failed_at IS NOT NULL")
            .fetch_one(&app.db)
            .await
            .unwrap();
    assert_eq!(attempts, 5, "{failure}");
    assert_eq!(app.metric("chat_outbox_quarantined_total").await, 1);
    let bus = Bus::connect(app.nats_url(), "test").await.unwrap();
    assert_eq!(texts(&stream(&bus).await), ["behind it"]);
}

#[tokio::test]
async fn another_instance_takes_over() {
    let mut app = App::start().await;
    let ann = app.user("ann").await;
    let (_, general) = app.community(&ann, "Team").await;
    let other = app.another(|_| {}).await;
    let at_other = ann.at(&other);
    // The other one writes, this one relays.
    say(&at_other, &general, "0").await;
    eventually("all is published", async || published(&app.db).await).await;
    assert_eq!(app.metric("chat_relay_leader").await, 1);
    app.end().await;
    let started = std::time::Instant::now();
    say(&at_other, &general, "1").await;
    eventually("the other one leads", async || published(&app.db).await).await;
    // Long before anybody would miss a connection that nobody closed.
    assert!(started.elapsed() < std::time::Duration::from_secs(5), "{:?}", started.elapsed());
    let bus = Bus::connect(app.nats_url(), "test").await.unwrap();
    assert_eq!(texts(&stream(&bus).await), ["0", "1"]);
    assert_eq!(bus.position().await.unwrap().epoch, 1);
}

#[tokio::test]
async fn a_relay_that_lost_its_database_connection_starts_over() {
    let app = App::start().await;
    let ann = app.user("ann").await;
    let (_, general) = app.community(&ann, "Team").await;
    eventually("all is published", async || published(&app.db).await).await;
    sqlx::query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()")
        .execute(&app.db)
        .await
        .unwrap();
    eventually("posting works again", async || {
        let request = json!({ "body_md": "back", "client_msg_id": Uuid::now_v7() });
        ann.post(&format!("/api/channels/{general}/messages"), request).await.status
            == StatusCode::CREATED
    })
    .await;
    eventually("all is published", async || published(&app.db).await).await;
}
