//! Events that nobody can use or publish: they must not hold up the others.

use std::time::{Duration, Instant};

use ajet_faults::{Books, Ended, Scene, Shape, Town, eventually};
use ajet_shared::id::{ClientMessageId, EventId};
use ajet_shared::message::PostMessage;
use ajet_shared::user::UpdateMe;
use anyhow::{Context as _, ensure};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::Outcome;

const WRITERS: usize = 5;
const READERS: usize = 4;
const BROWSERS: usize = 2;
const PACE: Duration = Duration::from_millis(100);
const PATIENCE: Duration = Duration::from_secs(30);
/// What the stream takes at most, headers and all.
const EVENT_MAX_BYTES: usize = 128 * 1024;
/// From a request to its event at every reader; "as on any other day". Source: delivery-and-security.md section 4, steady targets, with
/// room for a machine that tests share.
const SEEN: Duration = Duration::from_millis(500);
/// Source: delivery-and-security.md section 4.
const GOES_ON: Duration = Duration::from_secs(10);
const SKIPPED: &str = "hub_skipped_total";
const QUARANTINED: &str = "chat_outbox_quarantined_total";

fn shape(posts: usize) -> Shape {
    Shape { posts, pace: PACE, browsers: BROWSERS }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f34_what_cannot_be_read_is_skipped_and_counted() -> Outcome {
    let mut scene = Scene::set("F34").await?;
    let town = scene.town(WRITERS, READERS + BROWSERS).await?;
    let outcome = strangers(&mut scene, &town).await;
    // What should not be in the stream stays there otherwise: nothing in it can be deleted.
    stream_anew(&scene, &town).await?;
    outcome?;
    scene.passed().await
}

async fn strangers(scene: &mut Scene, town: &Town) -> anyhow::Result<()> {
    let books = Books::of(&scene.stack)?;
    let managers: Vec<String> =
        scene.stack.web_sms.iter().chain(&scene.stack.tui_sms).cloned().collect();
    let skipped = books.total(&managers, SKIPPED).await?;
    let mut load = scene.load(town, shape(300)).await?;
    load.more(40).await?;
    let bus = books.bus().await?;
    let (planted, unusable) = (planted(town)?, 5);
    let begun = Instant::now();
    for round in 0..3 {
        for Stranger { subject, payload, .. } in
            planted.iter().filter(|it| round == 0 || it.is_unreadable)
        {
            let sent = bus.jetstream().publish(subject.clone(), payload.clone().into()).await?;
            sent.await.with_context(|| format!("{} bytes on {subject}", payload.len()))?;
        }
        load.more(20).await?;
    }
    let ended = load.end().await?;
    let unreadable = ended.truth.unreadable.len();
    let known: Vec<EventId> = planted.iter().filter_map(|stranger| stranger.id).collect();
    let mut findings = ended.findings().clone();
    findings.disagreements.retain(|sentence| {
        let is_planted = known.iter().any(|id| sentence.contains(&id.to_string()));
        !is_planted && !sentence.ends_with("is no event")
    });
    ensure!(findings.are_none(), "{findings:#?}");
    scene.number("events nobody can read", unreadable);
    let times = 3 * planted.iter().filter(|it| it.is_unreadable).count();
    scene.exactly("of them in the stream", unreadable, times)?;
    // Every session manager skips each once: those that are no event, of an unknown type, on an unknown subject.
    let each = times + unusable - 2;
    let counted = books.total(&managers, SKIPPED).await? - skipped;
    #[expect(clippy::cast_precision_loss, reason = "a small count")]
    scene.exactly(SKIPPED, counted, (each * managers.len()) as f64)?;
    others_flow(scene, &ended, begun)
}

/// Readers saw what others wrote meanwhile as on any other day.
fn others_flow(scene: &mut Scene, ended: &Ended, begun: Instant) -> anyhow::Result<()> {
    scene.within("p99 from post to reader", ended.seen(begun, Instant::now(), 0.99), SEEN)
}

/// Something in the stream that no relay has put there.
struct Stranger {
    subject: String,
    payload: Vec<u8>,
    /// If it is an event at all.
    id: Option<EventId>,
    is_unreadable: bool,
}

/// What somebody with all rights, or a newer version, could put into the stream.
fn planted(town: &Town) -> anyhow::Result<Vec<Stranger>> {
    let subject = format!("chat.events.{}", town.community);
    let event = |kind: &str, data: Value, more: Value| {
        let id = EventId::new();
        let mut event = json!({
            "id": id, "v": 1, "type": kind, "data": data, "community_id": town.community, "channel_id": town.channels[0],
            "seq": null, "actor_id": null, "timestamp": "2026-11-20T04:22:59Z",
        });
        if let (Some(event), Some(more)) = (event.as_object_mut(), more.as_object()) {
            event.extend(more.clone());
        }
        (id, event)
    };
    let readable = |(id, event): (EventId, Value), subject: &str| Stranger {
        subject: subject.to_owned(),
        payload: event.to_string().into_bytes(),
        id: Some(id),
        is_unreadable: false,
    };
    let unreadable = |payload: &[u8]| Stranger {
        subject: subject.clone(),
        payload: payload.to_vec(),
        id: None,
        is_unreadable: true,
    };
    let pinned = json!({ "message_id": Uuid::now_v7() });
    // As large as the stream takes it: known, and of use to nobody for its size alone.
    let (id, mut largest) = event("message.pinned", pinned.clone(), json!({ "filler": "" }));
    let room = EVENT_MAX_BYTES - largest.to_string().len();
    largest["filler"] = json!("x".repeat(room));
    ensure!(largest.to_string().len() == EVENT_MAX_BYTES);
    Ok(vec![
        // Skipped: five, two of them no events at all.
        readable(event("poll.closed", json!({ "poll_id": Uuid::now_v7() }), json!({})), &subject),
        readable(event("message.pinned", json!({ "message_id": 7 }), json!({})), &subject),
        readable(event("message.pinned", pinned.clone(), json!({})), &format!("{subject}.more")),
        unreadable(b"{\"id\": \"cut off"),
        unreadable(b"\xff\xfe\x00 no text"),
        // Read by everybody: fields that are not known, and the largest there may be.
        readable(
            event("message.pinned", pinned, json!({ "shard": 3, "ttl": { "days": 9 } })),
            &subject,
        ),
        readable((id, largest), &subject),
    ])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f35_an_event_that_cannot_be_published_is_set_aside() -> Outcome {
    let mut scene = Scene::set("F35").await?;
    let town = scene.town(WRITERS, READERS + BROWSERS).await?;
    let outcome = poisoned(&mut scene, &town).await;
    let books = Books::of(&scene.stack)?;
    // The row is mended by hand, and because it is late, the stream is made anew from the outbox.
    let mend = "UPDATE outbox SET payload = payload #- '{data,filler}', attempts = 0, failure = NULL, failed_at = NULL \
                WHERE payload #> '{data,filler}' IS NOT NULL";
    sqlx::query(mend).execute(&books.db).await?;
    stream_anew(&scene, &town).await?;
    outcome?;
    scene.passed().await
}

async fn poisoned(scene: &mut Scene, town: &Town) -> anyhow::Result<()> {
    let books = Books::of(&scene.stack)?;
    let quarantined = books.total(&scene.stack.apis, QUARANTINED).await?;
    let mut load = scene.load(town, shape(400)).await?;
    load.more(40).await?;
    let (reader, channel) = (&town.readers[0], town.channels[0]);
    let seq = poison(&books, "message.pinned", channel.uuid(), true).await?;
    poison(&books, "user.updated", town.community.uuid(), false).await?;
    poison(&books, "notification.created", reader.id.uuid(), false).await?;
    let begun = Instant::now();
    // Behind each of them something that somebody waits for.
    let status = UpdateMe { status_text: Some("here".to_owned()), ..UpdateMe::default() };
    town.mayor.client.update_me(&status).await?;
    let told = newest_event(&books, "user.updated", town.community.uuid()).await?;
    let call = PostMessage {
        body_md: format!("behind it, @{}", reader.name).parse()?,
        client_msg_id: ClientMessageId::new(),
        parent_id: None,
        attachment_ids: Vec::new(),
    };
    let behind = town
        .open_channel(&format!("behind-{}", scene.seed), ajet_shared::channel::Visibility::Public)
        .await?;
    let call = town.mayor.client.post_message(behind, &call).await?.id.to_string();
    let called = newest_event(&books, "notification.created", reader.id.uuid()).await?;
    for (what, event, readers) in
        [("the community's next event", told, READERS), ("the person's next event", called, 1)]
    {
        eventually(what, GOES_ON, async || Ok(load.audience.heard_by(event) == readers)).await?;
        scene.within(what, begun.elapsed(), GOES_ON)?;
    }
    eventually("the channel goes on", GOES_ON, async || {
        Ok(load.audience.reached_by_all(channel) > seq)
    })
    .await?;
    scene.within("the channel's next event", begun.elapsed(), GOES_ON)?;
    let counted = books.total(&scene.stack.apis, QUARANTINED).await? - quarantined;
    scene.exactly(QUARANTINED, counted, 3.0)?;
    let attempts: Vec<i32> =
        sqlx::query_scalar("SELECT attempts FROM outbox WHERE failed_at IS NOT NULL")
            .fetch_all(&books.db)
            .await?;
    scene.number("tries", format!("{attempts:?}"));
    ensure!(attempts == [5, 5, 5], "tries: {attempts:?}");
    let ended = load.end().await?;
    let mut findings = ended.findings().clone();
    let set_aside = findings.lost.iter().filter(|sentence| sentence.ends_with("was set aside"));
    scene.exactly("events set aside", set_aside.count(), 3)?;
    findings.lost.retain(|sentence| !sentence.ends_with("was set aside"));
    // The call stands in a channel that the check knows nothing of.
    findings.disagreements.retain(|sentence| !sentence.contains(&call));
    findings.resyncs.clear();
    ensure!(findings.are_none(), "{findings:#?}");
    // Once each, for the hole in the channel that all of them are in.
    let readers = ended.witness.seen.iter().map(|seen| seen.resyncs.len());
    let pages = ended.witness.shown.iter().map(|shown| shown.resyncs as usize);
    let resyncs: Vec<usize> = readers.chain(pages).collect();
    scene.number("resyncs of readers and pages", format!("{resyncs:?}"));
    ensure!(resyncs == [1; READERS + BROWSERS], "resyncs: {resyncs:?}");
    scene.stack.verify().await
}

/// Puts an event into the outbox that is larger than the stream takes; gives its place in its channel.
async fn poison(books: &Books, kind: &str, key: Uuid, in_channel: bool) -> anyhow::Result<i64> {
    let mut tx = books.db.begin().await?;
    let seq: Option<i64> = if in_channel {
        let next = "UPDATE channels SET last_seq = last_seq + 1 WHERE id = $1 RETURNING last_seq";
        Some(sqlx::query_scalar(next).bind(key).fetch_one(&mut *tx).await?)
    } else {
        None
    };
    // Like the newest of its key, with as much in it as the outbox takes; the headers make it too large for the stream.
    let insert = "WITH model AS ( \
            SELECT subject, payload || jsonb_build_object('id', $1::uuid, 'seq', $2::bigint, 'type', $3::text, \
                'data', '{\"filler\": \"\"}'::jsonb) AS payload \
            FROM outbox WHERE ord_key = $4 ORDER BY id DESC LIMIT 1) \
        INSERT INTO outbox (event_id, subject, ord_key, channel_seq, type, payload) \
        SELECT $1, subject, $4, $2, $3, \
            jsonb_set(payload, '{data,filler}', to_jsonb(repeat('x', 131072 - octet_length(payload::text)))) FROM model";
    let made = sqlx::query(insert)
        .bind(Uuid::now_v7())
        .bind(seq)
        .bind(kind)
        .bind(key)
        .execute(&mut *tx)
        .await?;
    ensure!(made.rows_affected() == 1, "nothing of {key} to copy");
    tx.commit().await?;
    Ok(seq.unwrap_or(0))
}

async fn newest_event(books: &Books, kind: &str, key: Uuid) -> anyhow::Result<EventId> {
    let newest = "SELECT event_id FROM outbox WHERE type = $1 AND ord_key = $2 AND failed_at IS NULL \
                  AND attempts = 0 AND octet_length(payload::text) < 100000 ORDER BY id DESC LIMIT 1";
    let id: Uuid = sqlx::query_scalar(newest).bind(kind).bind(key).fetch_one(&books.db).await?;
    Ok(id.into())
}

/// Takes the stream away and waits until there is a new one that is filled from the outbox.
async fn stream_anew(scene: &Scene, town: &Town) -> anyhow::Result<()> {
    let books = Books::of(&scene.stack)?;
    let epoch = books.epoch().await?;
    books.bus().await?.delete_stream().await?;
    // The relay looks when it has something to publish.
    let after = PostMessage {
        body_md: "The stream is new.".parse()?,
        client_msg_id: ClientMessageId::new(),
        parent_id: None,
        attachment_ids: Vec::new(),
    };
    town.mayor.client.post_message(town.channels[0], &after).await?;
    books.reaches_epoch(epoch + 1, PATIENCE).await?;
    books.drained(PATIENCE).await.map(drop)
}
