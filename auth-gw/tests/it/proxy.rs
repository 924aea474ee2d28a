//! What goes through, and how.

use std::time::Duration;

use bytes::Bytes;
use futures::{Stream, StreamExt as _};
use reqwest::{Method, StatusCode};
use serde_json::Value;

use crate::harness::{EDGE_SECRET, PATIENCE, Stack, location, problem};
use crate::upstream;

#[tokio::test]
async fn a_service_sees_the_token_and_nothing_that_was_forged() {
    let stack = Stack::start().await;
    let mut owner = stack.owner().await;
    let token = owner.session().unwrap().to_owned();
    owner.cookies.insert("other".to_owned(), "1".to_owned());
    let request = owner
        .request(Method::GET, "/api/me?x=1")
        .header("x-user-id", "admin")
        .header("x-forwarded-user", "admin")
        .header("x-forwarded-for", "6.6.6.6")
        .header("x-ajet-client-ip", "6.6.6.6")
        .header("x-ajet-edge", "guessed")
        .header("x-trace-id", "forged")
        .header("x-original-url", "/healthz")
        .header("x-http-method-override", "DELETE")
        .header("remote-user", "admin")
        .header("connection", "close, x-ajet-client-ip, authorization")
        .header("x-harmless", "1");
    let answer = owner.send(request).await;
    assert_eq!(answer.status(), StatusCode::OK);
    assert!(
        !answer.headers().contains_key("connection") || answer.headers()["connection"] == "close"
    );
    let trace = answer.headers()["x-trace-id"].to_str().unwrap().to_owned();
    let seen: Value = answer.json().await.unwrap();
    let headers = seen["headers"].as_object().unwrap();
    assert_eq!(
        (seen["service"].as_str(), seen["target"].as_str()),
        (Some("api"), Some("/api/me?x=1"))
    );
    assert_eq!(headers["authorization"], format!("Bearer {token}"));
    assert_eq!(headers["x-ajet-edge"], EDGE_SECRET);
    assert_eq!(headers["x-ajet-client-ip"], "127.0.0.1");
    assert_eq!(headers["x-trace-id"], trace, "a fresh one");
    assert_eq!(headers["host"], stack.host());
    assert_eq!(headers["x-harmless"], "1");
    for gone in [
        "cookie",
        "x-user-id",
        "x-forwarded-user",
        "x-forwarded-for",
        "x-original-url",
        "x-http-method-override",
        "remote-user",
    ] {
        assert!(!headers.contains_key(gone), "{gone}: {seen}");
    }
}

#[tokio::test]
async fn each_path_has_its_service_and_its_way_to_be_turned_away() {
    let stack = Stack::start().await;
    let mut owner = stack.owner().await;
    for (path, service) in [
        ("/", "web-sm"),
        ("/c/saltmarsh", "web-sm"),
        ("/files/1/a.png", "api"),
        ("/ws/tui/typing", "tui-sm"),
    ] {
        let request = owner.request(Method::GET, path);
        let seen: Value = owner.send(request).await.json().await.unwrap();
        assert_eq!(seen["service"], service, "{path}");
    }
    let mut anybody = stack.browser();
    for path in ["/api/me", "/files/1/a.png", "/ws/tui/events"] {
        let request = anybody.request(Method::GET, path).header("accept", "text/html");
        let answer = anybody.send(request).await;
        assert_eq!(answer.headers()["www-authenticate"], "Bearer");
        assert_eq!(problem(answer).await, (401, "unauthenticated".to_owned()), "{path}");
    }
    assert_eq!(location(&anybody.open("/").await), "/login");
    assert_eq!(
        location(&anybody.open("/c/team?thread=1").await),
        "/login?return_to=%2Fc%2Fteam%3Fthread%3D1"
    );
    let request = anybody.request(Method::GET, "/sse").header("datastar-request", "true");
    let answer = anybody.send(request).await;
    assert_eq!(
        (answer.status(), answer.headers()["content-type"].to_str().unwrap()),
        (StatusCode::OK, "text/html; charset=utf-8")
    );
    assert!(answer.text().await.unwrap().contains("You are signed out"));
    let style = anybody.open("/assets/app.css").await;
    assert_eq!(
        style.headers()["cache-control"],
        "public, max-age=31536000, immutable",
        "style is for everybody, and kept"
    );
    for path in ["/hook/1/2", "/metrics", "/internal/events", "/auth/nothing"] {
        let request = anybody.request(Method::GET, path);
        assert_eq!(anybody.send(request).await.status(), StatusCode::NOT_FOUND, "{path}");
    }
}

#[tokio::test]
async fn a_link_on_another_site_arrives_signed_in() {
    let stack = Stack::start().await;
    let mut anybody = stack.browser();
    let request = |path: &str| {
        stack
            .browser()
            .request(Method::GET, path)
            .header("sec-fetch-site", "cross-site")
            .header("sec-fetch-mode", "navigate")
            .header("sec-fetch-dest", "document")
    };
    // The browser kept the strict cookie back: once more, from a page of ours.
    let page = anybody.send(request("/c/team?thread=1")).await;
    assert_eq!(page.status(), StatusCode::OK);
    assert!(page.text().await.unwrap().contains("url=/c/team?thread=1&#38;_b=1"));
    assert_eq!(
        location(&anybody.open("/c/team?_b=1").await),
        "/login?return_to=%2Fc%2Fteam",
        "still no session"
    );
    let mut owner = stack.owner().await;
    assert_eq!(
        location(&owner.open("/c/team?thread=1&_b=1").await),
        "/c/team?thread=1",
        "the mark leaves the address"
    );
}

/// A request that has begun, by its first chunk each way: sends what is put in, gives what comes back.
async fn reflected(
    stack: &Stack,
    token: &str,
) -> (
    tokio::sync::mpsc::UnboundedSender<std::io::Result<Bytes>>,
    impl Stream<Item = reqwest::Result<Bytes>> + Unpin + use<>,
) {
    let (sender, receiver) = tokio::sync::mpsc::unbounded_channel();
    let body = futures::stream::unfold(receiver, |mut receiver| async move {
        receiver.recv().await.map(|chunk| (chunk, receiver))
    });
    sender.send(Ok(Bytes::from_static(b"one"))).unwrap();
    let request = stack
        .browser()
        .request(Method::POST, "/api/reflect")
        .bearer_auth(token)
        .body(reqwest::Body::wrap_stream(body));
    let mut chunks = request.send().await.unwrap().bytes_stream();
    assert_eq!(chunks.next().await.unwrap().unwrap(), "one", "before the second has been sent");
    (sender, chunks)
}

#[tokio::test]
async fn both_directions_stream() {
    let stack = Stack::start().await;
    let owner = stack.owner().await;
    let (sender, mut chunks) = reflected(&stack, owner.session().unwrap()).await;
    sender.send(Ok(Bytes::from_static(b"two"))).unwrap();
    assert_eq!(chunks.next().await.unwrap().unwrap(), "two");
    drop(sender);
    assert!(chunks.next().await.is_none());
}

#[tokio::test]
async fn events_come_at_once_and_end_with_the_gateway() {
    // Nobody is left to be told. That it takes no longer than five seconds is proved in `body.rs`.
    let mut stack = Stack::start_with(&["--limits=relaxed", "--stop-notice=0"]).await;
    let owner = stack.owner().await;
    let answer = owner.request(Method::GET, "/sse").send().await.unwrap();
    assert_eq!(answer.headers()["x-accel-buffering"], "no");
    let mut events = answer.bytes_stream();
    let first = tokio::time::timeout(PATIENCE, events.next()).await.expect("not held back");
    assert!(first.unwrap().unwrap().starts_with(b"event: tick"));
    let (sender, mut begun) = reflected(&stack, owner.session().unwrap()).await;
    stack.shutdown.cancel();
    let farewell = tokio::time::timeout(PATIENCE, events.next()).await;
    let farewell = farewell.expect("an end").unwrap().unwrap();
    assert!(farewell.starts_with(b"retry: "), "when to come back");
    assert!(events.next().await.is_none(), "a clean end, no error");
    sender.send(Ok(Bytes::from_static(b"two"))).unwrap();
    assert_eq!(begun.next().await.unwrap().unwrap(), "two", "what has begun is finished");
    drop(sender);
    assert!(begun.next().await.is_none());
    stack.served.take().unwrap().await.unwrap().unwrap();
}

#[tokio::test]
async fn it_says_that_it_goes_before_it_is_gone() {
    let mut stack = Stack::start_with(&["--limits=relaxed", "--stop-notice=1"]).await;
    let mut owner = stack.owner().await;
    stack.shutdown.cancel();
    crate::harness::eventually("not ready any more", async || {
        reqwest::get(format!("{}/readyz", stack.admin)).await.unwrap().status()
            == StatusCode::SERVICE_UNAVAILABLE
    })
    .await;
    assert_eq!(owner.status().await, StatusCode::OK, "who comes meanwhile is served");
    let answer = owner.request(Method::GET, "/").send().await.unwrap();
    assert_eq!(answer.headers()["connection"], "close", "and told to come by another one next");
    stack.served.take().unwrap().await.unwrap().unwrap();
    assert!(reqwest::get(&stack.base).await.is_err());
}

#[tokio::test]
async fn an_instance_that_is_away_is_stepped_over_with_the_whole_body() {
    let alive = upstream::start("alive").await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let dead = listener.local_addr().unwrap().port();
    drop(listener);
    let stack = Stack::start_with(&[
        "--limits=relaxed",
        &format!("--api-upstreams=http://127.0.0.1:{dead},http://127.0.0.1:{alive}"),
    ])
    .await;
    let owner = stack.owner().await;
    for n in 0..6 {
        let request = stack
            .browser()
            .request(Method::POST, "/api/x")
            .bearer_auth(owner.session().unwrap())
            .body(format!("body {n}"));
        let seen: Value = request.send().await.unwrap().json().await.unwrap();
        assert_eq!(
            (seen["service"].as_str(), seen["body"].as_str()),
            (Some("alive"), Some(format!("body {n}").as_str()))
        );
    }
}

#[tokio::test]
async fn a_service_that_is_down_is_503_until_it_is_back() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let upstreams = [
        format!("--api-upstreams=http://{address}"),
        format!("--web-sm-upstreams=http://{address}"),
    ];
    let stack = Stack::start_with(&["--limits=relaxed", &upstreams[0], &upstreams[1]]).await;
    let mut owner = stack.owner().await;
    let request = owner.request(Method::GET, "/api/me");
    let answer = owner.send(request).await;
    assert_eq!(answer.headers()["retry-after"], "2");
    assert_eq!(problem(answer).await, (503, "unavailable".to_owned()));
    let page = owner.open("/").await;
    assert_eq!(
        (page.status(), page.headers()["retry-after"].to_str().unwrap()),
        (StatusCode::SERVICE_UNAVAILABLE, "2")
    );
    assert!(page.text().await.unwrap().contains("try again in a moment"));
    upstream::start_on(tokio::net::TcpListener::bind(address).await.unwrap(), "back");
    assert_eq!(owner.status().await, StatusCode::OK, "by itself");
}

#[tokio::test]
async fn a_database_that_is_down_is_503_within_three_seconds_until_it_is_back() {
    let stack = Stack::start().await;
    let mut owner = stack.owner().await;
    assert_eq!(owner.status().await, StatusCode::OK);
    stack.gate.shut();
    tokio::time::sleep(ajet_shared::verify::STATE_AGE_MAX).await;
    let began = std::time::Instant::now();
    let request = owner.request(Method::GET, "/api/me");
    let (answer, mut anybody) = (owner.send(request).await, stack.browser());
    assert_eq!(answer.headers()["retry-after"], "2");
    assert_eq!(problem(answer).await, (503, "unavailable".to_owned()));
    assert_eq!(anybody.open("/login").await.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(began.elapsed() < Duration::from_secs(6), "two requests: {:?}", began.elapsed());
    assert_eq!(
        anybody.open("/assets/app.css").await.status(),
        StatusCode::OK,
        "what needs no database goes on"
    );
    crate::harness::eventually("the gateway says that it is not ready", async || {
        reqwest::get(format!("{}/readyz", stack.admin)).await.unwrap().status()
            == StatusCode::SERVICE_UNAVAILABLE
    })
    .await;
    stack.gate.open();
    crate::harness::eventually("it is back by itself", async || {
        owner.status().await == StatusCode::OK
    })
    .await;
}
