//! Signing in and out, and where the token is kept.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

use axum::http::Method;
use axum::response::IntoResponse;

use crate::harness::{Running, TOKEN, World, problem, with_input};

#[test]
fn a_token_is_checked_then_kept_for_its_owner_only() {
    let world = World::new();
    let ran =
        with_input(world.signed_out(&["login", "--server", &world.url, "--with-token"]), "wrong\n");
    assert_eq!((ran.code, world.credentials().exists()), (Some(4), false), "{ran:?}");
    let ran = with_input(
        world.signed_out(&["login", "--server", &world.url, "--with-token"]),
        &format!("{TOKEN}\n"),
    )
    .ok();
    assert_eq!(
        ran.err,
        "✓ Signed in as Ola Brandt (@ola), saved as profile \"default\"\n  Communities: saltmarsh (default)\n"
    );
    assert_eq!(std::fs::metadata(world.credentials()).unwrap().permissions().mode() & 0o777, 0o600);
    let run = |args: &[&str]| crate::harness::Ran::from(world.signed_out(args).output().unwrap());
    assert_eq!(
        run(&["whoami", "--json=username,profile"]).ok().out,
        "{\"username\":\"ola\",\"profile\":\"default\"}\n"
    );
    assert_eq!(run(&["profile", "list"]).ok().out, format!("default\t{}\ttrue\ttrue\n", world.url));
    // A file that others may read is not used.
    std::fs::set_permissions(world.credentials(), std::fs::Permissions::from_mode(0o644)).unwrap();
    let ran = run(&["whoami"]);
    assert_eq!(ran.code, Some(1));
    assert!(
        ran.err.contains(&format!("chmod 600 {}", world.credentials().display())),
        "{}",
        ran.err
    );
    std::fs::set_permissions(world.credentials(), std::fs::Permissions::from_mode(0o600)).unwrap();
    run(&["logout"]).ok();
    assert_eq!(world.seen(&Method::POST, "/auth/logout").len(), 1);
    assert!(!std::fs::read_to_string(world.credentials()).unwrap().contains(TOKEN));
    assert_eq!(run(&["whoami"]).code, Some(4));
}

/// Starts a sign-in and gives the address the browser would open.
fn start(world: &World) -> (Running, BufReader<std::process::ChildStderr>, url::Url) {
    let mut child = Running(
        world
            .signed_out(&["login", "--server", &world.url, "--no-browser"])
            .stdin(Stdio::null())
            .spawn()
            .unwrap(),
    );
    let mut lines = BufReader::new(child.0.stderr.take().unwrap());
    loop {
        let mut line = String::new();
        assert_ne!(lines.read_line(&mut line).unwrap(), 0, "no address was printed");
        if let Ok(url) = url::Url::parse(line.trim()) {
            return (child, lines, url);
        }
    }
}

fn parameter(url: &url::Url, name: &str) -> String {
    url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned()).unwrap()
}

fn get(port: &str, target: &str) -> String {
    let mut stream = TcpStream::connect(format!("127.0.0.1:{port}")).unwrap();
    write!(stream, "GET {target} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn the_browser_brings_the_code_back() {
    let world = World::new();
    world.on(|seen| {
        (seen.target == "/auth/cli/token").then(|| {
            axum::Json(serde_json::json!({ "token": TOKEN, "expires_at": "2026-12-20T08:00:00Z" }))
                .into_response()
        })
    });
    let (mut child, mut lines, url) = start(&world);
    assert_eq!((url.path(), parameter(&url, "challenge").len()), ("/auth/cli/start", 43));
    let (port, state) = (parameter(&url, "port"), parameter(&url, "state"));
    assert!(get(&port, "/favicon.ico").starts_with("HTTP/1.1 404"));
    assert!(get(&port, "/callback?code=stolen&state=other").starts_with("HTTP/1.1 400"));
    assert!(get(&port, &format!("/callback?code=c-1&state={state}")).contains("Signed in."));
    assert!(child.0.wait().unwrap().success());
    let mut rest = String::new();
    lines.read_to_string(&mut rest).unwrap();
    assert!(rest.contains("✓ Signed in as Ola Brandt (@ola)"), "{rest}");
    let exchanged = &world.seen(&Method::POST, "/auth/cli/token")[0];
    assert_eq!(exchanged.body["code"], "c-1");
    assert_eq!(exchanged.body["verifier"].as_str().unwrap().len(), 43);
    assert!(exchanged.headers.get("authorization").is_none());
}

#[test]
fn a_no_in_the_browser_is_exit_3() {
    let world = World::new();
    let (mut child, _lines, url) = start(&world);
    get(
        &parameter(&url, "port"),
        &format!("/callback?error=access_denied&state={}", parameter(&url, "state")),
    );
    assert_eq!(child.0.wait().unwrap().code(), Some(3));
    assert!(!world.credentials().exists());
}

#[test]
fn logout_keeps_the_token_when_the_server_does_not_answer() {
    let world = World::new();
    with_input(world.signed_out(&["login", "--server", &world.url, "--with-token"]), TOKEN).ok();
    world
        .on(|seen| (seen.target == "/auth/logout").then(|| problem(503, "unavailable", "not now")));
    let ran: crate::harness::Ran = world.signed_out(&["logout"]).output().unwrap().into();
    assert_eq!(
        (ran.code, ran.err.contains("ajet-chat profile remove default")),
        (Some(9), true),
        "{ran:?}"
    );
    assert!(std::fs::read_to_string(world.credentials()).unwrap().contains(TOKEN));
}
