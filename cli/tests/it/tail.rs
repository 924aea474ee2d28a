//! `tail` goes on by itself.

use std::io::{BufRead, BufReader, Read as _};
use std::process::ChildStdout;
use std::sync::Mutex;

use axum::http::Method;
use axum::response::IntoResponse as _;
use serde_json::{Value, json};

use crate::harness::{COMMUNITY, GENERAL, Running, World, message, message_id, problem, stream};

fn event(position: u64, message: &Value) -> String {
    let envelope = json!({
        "id": format!("01936b5e-9999-7000-8000-{position:012}"), "v": 1, "type": "message.created", "data": message, "community_id": COMMUNITY,
        "channel_id": GENERAL, "seq": message["seq"], "actor_id": null, "timestamp": "2026-11-20T12:00:00Z", "hops": 0
    });
    format!("id: 1.{position}\nevent: message.created\ndata: {envelope}\n\n")
}

fn ready(position: u64) -> String {
    format!(
        "retry: 20\n\nid: 1.{position}\nevent: ready\ndata: {{\"epoch\":1,\"seq\":{position}}}\n\n"
    )
}

/// The answers to the connections, one after the other; the last stays open.
fn serve(world: &World, connections: Vec<Vec<String>>) {
    let connections = Mutex::new(connections.into_iter());
    world.on(move |seen| {
        seen.target.starts_with("/ws/tui/events").then(|| {
            let mut connections = connections.lock().unwrap();
            let pieces = connections.next().unwrap_or_default();
            let is_last = connections.len() == 0;
            stream(pieces, is_last)
        })
    });
}

fn start(world: &World, args: &[&str]) -> (Running, BufReader<ChildStdout>) {
    let mut child = Running(world.command(args).spawn().unwrap());
    let lines = BufReader::new(child.0.stdout.take().unwrap());
    (child, lines)
}

fn next(lines: &mut BufReader<ChildStdout>) -> String {
    let mut line = String::new();
    lines.read_line(&mut line).unwrap();
    line.trim_end().to_owned()
}

#[test]
fn a_dropped_connection_is_resumed_without_gap_or_double() {
    let world = World::new().with_messages(&["before"]);
    let [two, three, four] =
        [(2, "two"), (3, "three"), (4, "four")].map(|(seq, text)| message(seq, text));
    serve(
        &world,
        vec![
            vec![
                ready(10),
                event(11, &two),
                ": beat\n\n".to_owned(),
                "id: 1.12\nevent: heartbeat\ndata: {}\n\n".to_owned(),
            ],
            vec![ready(12), event(11, &two), event(13, &three), event(13, &three)],
            vec![ready(13), event(14, &four), "event: resumed\ndata: {\"count\":1}\n\n".to_owned()],
        ],
    );
    let (mut child, mut lines) = start(&world, &["tail", "general", "--format", "{text}"]);
    assert_eq!([(); 4].map(|()| next(&mut lines)), ["before", "two", "three", "four"]);
    let ids: Vec<String> = world
        .seen(&Method::GET, "/ws/tui/events")
        .iter()
        .map(|seen| seen.headers["last-event-id"].to_str().unwrap().to_owned())
        .collect();
    assert_eq!(
        ids,
        ["1.10", "1.12", "1.13"],
        "the first cursor comes from sync, the others from the stream"
    );
    interrupt(&child);
    assert_eq!(child.0.wait().unwrap().code(), Some(130));
}

fn interrupt(child: &Running) {
    assert!(
        std::process::Command::new("kill")
            .args(["-INT", &child.0.id().to_string()])
            .status()
            .unwrap()
            .success()
    );
}

fn resync() -> String {
    "id: 2.50\nevent: resync\ndata: {\"reason\":\"epoch\"}\n\n".to_owned()
}

#[test]
fn what_cannot_be_replayed_is_read_again() {
    for channels in [&["general", "-n", "1"][..], &["-n", "1"]] {
        let world = World::new().with_messages(&["one", "two", "three"]).with_first_sync(1);
        let after = event(51, &message(4, "four")).replace("id: 1.51", "id: 2.51");
        let third = event(49, &message(3, "three")).replace("id: 1.49", "id: 2.52");
        let fifth = event(53, &message(5, "five")).replace("id: 1.53", "id: 2.53");
        serve(
            &world,
            vec![vec![ready(10)], vec!["retry: 20\n\n".to_owned(), resync(), after, third, fifth]],
        );
        let args = [&["tail", "--json=seq,text"], channels].concat();
        let (_child, mut lines) = start(&world, &args);
        let expected = [(3, "three"), (2, "two"), (4, "four"), (5, "five")];
        for (seq, text) in expected {
            assert_eq!(next(&mut lines), format!(r#"{{"seq":{seq},"text":"{text}"}}"#));
        }
    }
}

#[test]
fn a_long_gap_in_all_channels_is_read_page_by_page() {
    let all = (1..=250).map(|seq| message(seq, &seq.to_string())).collect();
    let world = World::new().with_all(all).with_first_sync(20);
    serve(&world, vec![vec![ready(10)], vec![resync()]]);
    let (_child, mut lines) = start(&world, &["tail", "--format", "{text}"]);
    for seq in 21..=250 {
        assert_eq!(next(&mut lines), seq.to_string());
    }
    let dm = format!("/api/channels/{}/messages", crate::harness::DM);
    assert!(world.seen(&Method::GET, &dm).is_empty(), "nothing came there");
}

#[test]
fn replies_of_a_gap_come_with_threads() {
    let mut root = message(1, "root");
    root["last_reply_at"] = json!("2099-01-01T00:00:00Z");
    let world = World::new().with_all(vec![root, message(2, "two")]).with_first_sync(1);
    world.on(|seen| {
        let replies = [(0, "old"), (3, "reply")].map(|(seq, text)| {
            let mut reply = message(seq, text);
            reply["parent_id"] = json!(message_id(1));
            reply
        });
        let page = json!({ "items": replies, "next": null, "prev": null });
        seen.target
            .starts_with(&format!("/api/messages/{}/replies", message_id(1)))
            .then(|| axum::Json(page).into_response())
    });
    serve(&world, vec![vec![ready(10)], vec![resync()]]);
    let (_child, mut lines) = start(&world, &["tail", "--threads", "--format", "{text}"]);
    assert_eq!([(); 2].map(|()| next(&mut lines)), ["two", "reply"]);
}

/// The time that one command is given is long over when the gap comes, and the server is not well then.
#[test]
fn a_reading_that_fails_is_tried_again_for_as_long_as_it_takes() {
    let world = World::new().with_messages(&["one", "two"]).with_first_sync(1);
    let failures = std::sync::atomic::AtomicU32::new(0);
    world.on(move |seen| {
        let fails = seen.target.starts_with(&format!("/api/channels/{GENERAL}/messages"))
            && failures.fetch_add(1, std::sync::atomic::Ordering::SeqCst) < 2;
        fails.then(|| problem(503, "unavailable", "away"))
    });
    let late = ready(10).replace("retry: 20", "retry: 3500");
    serve(&world, vec![vec![late], vec![resync()]]);
    let (mut child, mut lines) = start(&world, &["tail", "--timeout", "3s", "--format", "{text}"]);
    assert_eq!(next(&mut lines), "two");
    interrupt(&child);
    child.0.wait().unwrap();
    let mut said = String::new();
    child.0.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(said.matches("Reading failed, trying again").count(), 1, "{said}");
}

#[test]
fn only_mentions_of_me_with_mentions() {
    let world = World::new();
    let mut called = message(3, "@ola look");
    called["mentions"] = json!([{ "type": "user", "id": crate::harness::ME }]);
    serve(&world, vec![vec![ready(10), event(11, &message(2, "nothing")), event(12, &called)]]);
    let (_child, mut lines) =
        start(&world, &["tail", "--mentions", "--format", "{channel} {text}"]);
    assert_eq!(next(&mut lines), "general @ola look");
}

#[test]
fn the_end_of_the_session_ends_it() {
    let world = World::new();
    serve(&world, vec![vec![ready(10), "event: signed-out\ndata: {}\n\n".to_owned()]]);
    let ran = world.run(&["tail"]);
    assert_eq!((ran.code, ran.err.contains("not signed in")), (Some(4), true), "{ran:?}");
    let world = World::new();
    world.on(|seen| {
        seen.target.starts_with("/ws/tui/events").then(|| problem(401, "unauthenticated", "gone"))
    });
    assert_eq!(world.run(&["tail"]).code, Some(4));
}

#[test]
fn a_server_that_is_away_is_waited_for() {
    let world = World::new();
    let times = std::sync::atomic::AtomicU32::new(0);
    let event = event(11, &message(2, "back"));
    world.on(move |seen| {
        seen.target.starts_with("/ws/tui/events").then(|| {
            match times.fetch_add(1, std::sync::atomic::Ordering::SeqCst) {
                0 | 1 => problem(502, "unavailable", "away"),
                _ => stream(vec![ready(10), event.clone()], true),
            }
        })
    });
    let (_child, mut lines) = start(&world, &["tail", "--format", "{text}"]);
    assert_eq!(next(&mut lines), "back");
}
