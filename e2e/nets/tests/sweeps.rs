//! The sweeps (A97, A111), last of all: no secret and no private channel's name in what the whole run left behind.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on should say so at once, also in its helpers"
)]

use std::collections::BTreeSet;

use ajet_nets::person::ERRORS;
use ajet_nets::stack::Stack;
use ajet_nets::sweep::{PARTIAL, mentions, tokens, traces};
use ajet_nets::witness::{FILE_PREFIX, LAST_WORDS, NAME as WITNESS};
use ajet_shared::bus::Bus;
use futures::StreamExt as _;
use sqlx::{Connection as _, PgConnection, Row as _};
use uuid::Uuid;

/// Names shorter than this are words that stand anywhere.
const NAME_CHARS_MIN: usize = 8;
/// Of a finding so many places are shown.
const SHOWN: usize = 5;
/// As `SIMILAR TO` has it, for the database.
const TOKEN: &str = "aj[spwi]_[0-9A-Za-z]{22}_";

/// A private channel whose name is worth searching for.
struct Private {
    id: Uuid,
    name: String,
    members: BTreeSet<Uuid>,
}

async fn database() -> (Stack, PgConnection) {
    let stack = Stack::surrounding().unwrap();
    let conn = PgConnection::connect(&stack.database_url).await.unwrap();
    (stack, conn)
}

async fn private_channels(conn: &mut PgConnection) -> Vec<Private> {
    let statement = "SELECT c.id, c.name, array_remove(array_agg(m.user_id), NULL) AS members \
         FROM channels c LEFT JOIN channel_members m ON m.channel_id = c.id \
         WHERE c.visibility = 'private' AND c.name IS NOT NULL GROUP BY c.id, c.name";
    let rows = sqlx::query(statement).fetch_all(conn).await.unwrap();
    let found: Vec<_> = rows
        .iter()
        .map(|row| Private {
            id: row.get("id"),
            name: row.get("name"),
            members: row.get::<Vec<Uuid>, _>("members").into_iter().collect(),
        })
        .filter(|channel| channel.name.chars().count() >= NAME_CHARS_MIN)
        .collect();
    assert!(found.len() > 3 || is_partial(), "the run has made private channels");
    found
}

/// Only a part of the tier was run, so there may be little to search.
fn is_partial() -> bool {
    std::env::var_os(PARTIAL).is_some()
}

fn assert_none(what: &str, found: &[String]) {
    let shown = found.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join("\n  ");
    assert!(found.is_empty(), "{what}, {} times:\n  {shown}", found.len());
}

#[tokio::test]
async fn no_log_and_no_answer_holds_a_token() {
    let stack = Stack::surrounding().unwrap();
    let traces = traces(&stack.run_dir).unwrap();
    let name =
        |wanted: &str| traces.iter().any(|(path, text)| path.ends_with(wanted) && !text.is_empty());
    // The search means something only where there is something to search.
    for wanted in ["ajet.log", ERRORS, &format!("{FILE_PREFIX}tui.stream")] {
        assert!(
            name(wanted) || is_partial(),
            "there is no {wanted} in {}",
            stack.run_dir.display()
        );
    }
    let found: Vec<_> = traces
        .iter()
        .flat_map(|(path, text)| {
            tokens(text).into_iter().map(move |token| format!("{}: {token}", path.display()))
        })
        .collect();
    assert_none("a token was written down", &found);
}

#[tokio::test]
async fn no_log_holds_the_name_of_a_private_channel() {
    let (stack, mut conn) = database().await;
    let channels = private_channels(&mut conn).await;
    let mut found = Vec::new();
    for (path, text) in traces(&stack.run_dir).unwrap() {
        // What answers and streams hold depends on who reads them; the other sweeps know who.
        let is_log = path.extension().is_some_and(|extension| extension == "log");
        for channel in channels.iter().filter(|_| is_log) {
            let places = mentions(&text, &channel.name).into_iter();
            found.extend(places.map(|place| format!("{}: {place}", path.display())));
        }
    }
    assert_none("a private channel's name is in a log", &found);
}

#[tokio::test]
async fn the_witness_never_heard_of_a_private_channel() {
    let (stack, mut conn) = database().await;
    let witness: Uuid = sqlx::query_scalar("SELECT id FROM users WHERE username = $1")
        .bind(WITNESS)
        .fetch_one(&mut conn)
        .await
        .unwrap();
    let channels = private_channels(&mut conn).await;
    let mut found = Vec::new();
    let mut heard = 0;
    for (path, text) in traces(&stack.run_dir).unwrap() {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if !name.starts_with(FILE_PREFIX) {
            continue;
        }
        heard += text.matches(LAST_WORDS).count();
        for channel in channels.iter().filter(|channel| !channel.members.contains(&witness)) {
            let by_id = channel.id.to_string();
            for secret in [&channel.name, &by_id] {
                let places = mentions(&text, secret).into_iter();
                found.extend(places.map(|place| format!("{name}: {place}")));
            }
        }
    }
    assert!(heard >= 2, "both streams of the witness brought what they may hear");
    assert_none("somebody outside heard of a private channel", &found);
}

#[tokio::test]
async fn no_error_told_an_outsider_the_name_of_a_private_channel() {
    let (stack, mut conn) = database().await;
    let channels = private_channels(&mut conn).await;
    let file = match std::fs::read_to_string(stack.run_dir.join(ERRORS)) {
        Err(error) if is_partial() && error.kind() == std::io::ErrorKind::NotFound => return,
        file => file.unwrap(),
    };
    let mut found = Vec::new();
    for line in file.lines() {
        let answer: serde_json::Value = serde_json::from_str(line).expect("one record a line");
        let reader = answer["user_id"].as_str().and_then(|id| id.parse::<Uuid>().ok());
        let body = answer["body"].as_str().unwrap_or_default();
        let outside = |channel: &&Private| reader.is_none_or(|id| !channel.members.contains(&id));
        for channel in channels.iter().filter(outside) {
            found.extend(mentions(body, &channel.name));
        }
    }
    assert_none("an error names a private channel", &found);
}

#[tokio::test]
async fn no_table_holds_a_token() {
    let (_, mut conn) = database().await;
    let tables: Vec<String> = sqlx::query_scalar(
        "SELECT table_name::text FROM information_schema.tables WHERE table_schema = 'public' AND table_type = 'BASE TABLE'",
    )
    .fetch_all(&mut conn)
    .await
    .unwrap();
    assert!(tables.iter().any(|table| table == "audit_log"), "{tables:?}");
    let mut found = Vec::new();
    for table in tables {
        // Whole rows as text: a column that comes later is searched without a change here.
        let statement = format!("SELECT left(t::text, 200) FROM \"{table}\" t WHERE t::text ~ $1");
        let rows: Vec<String> = sqlx::query_scalar(sqlx::AssertSqlSafe(statement))
            .bind(TOKEN)
            .fetch_all(&mut conn)
            .await
            .unwrap();
        found.extend(rows.into_iter().map(|row| format!("{table}: {row}")));
    }
    assert_none("a token is in the database", &found);
}

#[tokio::test]
async fn no_audit_row_or_notice_names_a_private_channel() {
    let (_, mut conn) = database().await;
    let channels = private_channels(&mut conn).await;
    let rows: Vec<String> =
        sqlx::query_scalar("SELECT t::text FROM audit_log t").fetch_all(&mut conn).await.unwrap();
    assert!(rows.len() > 10 || is_partial(), "the run has left audit rows");
    let mut found = Vec::new();
    for row in &rows {
        for channel in &channels {
            found.extend(
                mentions(row, &channel.name).into_iter().map(|place| format!("audit: {place}")),
            );
        }
    }
    assert_none("admins who are not in it would read a private channel's name", &found);
}

#[tokio::test]
async fn the_stream_holds_no_token_and_names_private_channels_to_their_members_only() {
    let (stack, mut conn) = database().await;
    let channels = private_channels(&mut conn).await;
    let bus = Bus::connect(&stack.nats_url, "sweep").await.unwrap();
    let state = bus.stream_state().await.unwrap();
    let mut stored = bus.replay(state.first_seq, state.last_seq).await.unwrap();
    let (mut read, mut found) = (0_u64, Vec::new());
    while let Some(delivered) = stored.next().await {
        let delivered = delivered.unwrap();
        read += 1;
        let text = String::from_utf8_lossy(&delivered.payload).into_owned();
        let subject = delivered.subject.as_str();
        found.extend(tokens(&text).into_iter().map(|token| format!("{subject}: {token}")));
        for channel in &channels {
            if may_name(subject, &text, channel) {
                continue;
            }
            let places = mentions(&text, &channel.name).into_iter();
            found.extend(places.map(|place| format!("{subject}: {place}")));
        }
    }
    assert!(read > 100 || is_partial(), "the stream holds {read} events");
    assert_none("an event tells too much", &found);
}

/// An event of the channel itself is delivered to its members only; a personal one must be to a member.
fn may_name(subject: &str, payload: &str, channel: &Private) -> bool {
    if let Some(reader) = subject.strip_prefix("chat.notifications.") {
        return reader.parse().is_ok_and(|id: Uuid| channel.members.contains(&id));
    }
    let event: serde_json::Value = serde_json::from_str(payload).unwrap();
    event["channel_id"] == channel.id.to_string()
}
