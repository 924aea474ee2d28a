//! Exit codes and error texts (design/cli.md sections 6 and 7).

use std::process::Stdio;

use axum::http::Method;

use crate::harness::{World, message_id, problem, with_input};

fn fails_with(status: u16, slug: &'static str) -> World {
    let world = World::new().with_messages(&["hello"]);
    world.on(move |seen| (seen.target == "/api/me").then(|| problem(status, slug, "the reason")));
    world
}

#[test]
fn every_answer_has_its_exit_code_and_the_form_of_an_error() {
    let cases = [
        (401, "unauthenticated", 4),
        (403, "forbidden", 5),
        (404, "not-found", 6),
        (409, "name-taken", 7),
        (422, "validation", 7),
        (429, "rate-limited", 8),
        (500, "internal", 1),
        (503, "unavailable", 9),
    ];
    for (status, slug, code) in cases {
        let world = fails_with(status, slug);
        let ran = world.run(&["whoami", "--timeout", "1s"]);
        assert_eq!((ran.code, ran.out.as_str()), (Some(code), ""), "{status}: {ran:?}");
        assert!(
            ran.err.starts_with("✗ ") && ran.err.ends_with("  trace trace-1\n"),
            "{status}: {}",
            ran.err
        );
        let ran = world.run(&["whoami", "--timeout", "1s", "--json"]);
        assert_eq!((ran.code, ran.out.as_str()), (Some(code), ""), "{status}");
        let error: serde_json::Value = serde_json::from_str(&ran.err).unwrap();
        assert_eq!(
            (&error["error"]["code"], &error["error"]["exit"]),
            (&slug.replace('-', "_").into(), &code.into()),
            "{status}"
        );
    }
}

#[test]
fn signed_out_says_how_to_sign_in() {
    let world = fails_with(401, "unauthenticated");
    let host = world.url.trim_start_matches("http://").to_owned();
    let ran = world.run(&["whoami"]);
    assert_eq!(
        ran.err,
        format!(
            "✗ You are not signed in to {host}.\n  ajet-chat login --server {host}\n  trace trace-1\n"
        )
    );
    let ran: crate::harness::Ran = world.signed_out(&["whoami"]).output().unwrap().into();
    assert_eq!((ran.code, ran.err.contains("ajet-chat login")), (Some(4), true), "{ran:?}");
}

#[test]
fn a_refused_connection_is_exit_9() {
    let world = World::new();
    let mut command = world.command(&["whoami", "--timeout", "1s"]);
    let ran: crate::harness::Ran =
        command.env("AJET_SERVER", "http://127.0.0.1:9").output().unwrap().into();
    assert_eq!(ran.code, Some(9), "{ran:?}");
    assert!(ran.err.starts_with("✗ Cannot reach 127.0.0.1:9: connection refused."), "{}", ran.err);
}

#[test]
fn reads_are_tried_again_and_the_time_is_kept() {
    let world = World::new();
    let left = std::sync::atomic::AtomicU32::new(2);
    world.on(move |seen| {
        let again = seen.target == "/api/me"
            && left
                .fetch_update(
                    std::sync::atomic::Ordering::SeqCst,
                    std::sync::atomic::Ordering::SeqCst,
                    |left| left.checked_sub(1),
                )
                .is_ok();
        again.then(|| problem(503, "unavailable", "in a moment"))
    });
    world.run(&["whoami"]).ok();
    assert_eq!(world.seen(&Method::GET, "/api/me").len(), 3);
}

#[test]
fn a_send_is_tried_again_with_the_same_id() {
    let world = World::new();
    let first = std::sync::atomic::AtomicBool::new(true);
    world.on(move |seen| {
        (seen.method == Method::POST && first.swap(false, std::sync::atomic::Ordering::SeqCst))
            .then(|| problem(503, "unavailable", "no"))
    });
    world.run(&["send", "general", "hi"]).ok();
    let posts =
        world.seen(&Method::POST, &format!("/api/channels/{}/messages", crate::harness::GENERAL));
    assert_eq!(posts.len(), 2);
    assert_eq!(posts[0].body["client_msg_id"], posts[1].body["client_msg_id"]);
}

#[test]
fn wrong_use_is_exit_2_and_sends_nothing() {
    let world = World::new();
    for args in [
        &["send"][..],
        &["nonsense"],
        &["whoami", "--nope"],
        &["whoami", "--json=nope"],
        &["whoami", "--format", "nope"],
        &["read", "general", "--format", "{nope}"],
        &["read", "general", "--since", "yesterday"],
        &["send", "general", "x", "--id", "7"],
        &["react", "last", "not-an-emoji"],
        &["api", "TRACE", "/"],
        &["api", "GET", "https://elsewhere.example/api/me"],
        &["delete", "last", "--no-input"],
        &["channel"],
    ] {
        let ran = world.run(args);
        let nothing_changed = world.seen(&Method::POST, "/").is_empty()
            && world.seen(&Method::DELETE, &format!("/api/messages/{}", message_id(1))).is_empty();
        assert!(nothing_changed && ran.out.is_empty(), "{args:?}: {ran:?}");
        assert!(
            matches!((ran.code, args[0]), (Some(2), _) | (Some(6), "delete")),
            "{args:?}: {ran:?}"
        );
    }
}

#[test]
fn names_that_are_not_there_get_advice() {
    let world = World::new().with_messages(&["one", "two"]);
    let ran = world.run(&["send", "genral", "hi"]);
    assert_eq!(ran.code, Some(6));
    assert_eq!(
        ran.err,
        "✗ No channel \"genral\" in Saltmarsh Labs. Did you mean general?\n  ajet-chat channel list --all\n"
    );
    let ran = world.run(&["delete", "7c0"]);
    assert_eq!(
        (ran.code, ran.err.as_str()),
        (Some(6), "✗ \"7c0\" fits too many messages. Give at least 8 characters, or the link.\n")
    );
    let ran = world.run(&["edit", "01936b5e", "new"]);
    assert_eq!(ran.code, Some(6));
    assert!(
        ran.err.starts_with("✗ \"01936b5e\" fits 2 messages.") && ran.err.contains(&message_id(2)),
        "{}",
        ran.err
    );
}

#[test]
fn texts_that_cannot_be_sent_are_refused_here() {
    let world = World::new();
    let ran = with_input(world.command(&["send", "general"]), &"x".repeat(61_204));
    assert_eq!(ran.code, Some(7));
    assert!(
        ran.err.starts_with(
            "✗ The message has 61,204 characters, 16,000 is the limit. Nothing was sent.\n"
        ),
        "{}",
        ran.err
    );
    let ran = world.run(&["send", "general"]);
    assert_eq!((ran.code, ran.err.contains("Nothing was sent")), (Some(2), true), "{ran:?}");
    assert!(world.seen(&Method::GET, "/api/sync").is_empty());
}

#[test]
fn a_closed_pipe_is_quiet() {
    let world = World::new().with_messages(&["x".repeat(15_000).as_str(); 50]);
    let mut child = world
        .command(&["read", "general", "-n", "50"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let ran: crate::harness::Ran = child.wait_with_output().unwrap().into();
    assert_eq!((ran.code, ran.err.as_str()), (Some(141), ""));
}

#[test]
fn secrets_are_not_said() {
    let world = World::new();
    for args in [
        &["whoami", "-vv"][..],
        &["config", "list", "--sources"],
        &["whoami", "-v", "--server", "http://127.0.0.1:9", "--timeout", "1s"],
    ] {
        let ran = world.run(args);
        assert!(!format!("{}{}", ran.out, ran.err).contains("test-token"), "{args:?}");
    }
}
