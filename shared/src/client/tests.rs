//! The client against servers that answer, refuse, hang and break off.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;

use super::*;

/// A server that answers each connection once with these bytes and gives the heads of the requests.
fn serve(answer: &'static str) -> (Url, std::sync::mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    let (sender, heads) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut head = [0; 4096];
            let len = stream.read(&mut head).unwrap();
            stream.write_all(answer.as_bytes()).unwrap();
            if sender.send(String::from_utf8_lossy(&head[..len]).into_owned()).is_err() {
                return;
            }
        }
    });
    (url, heads)
}

#[tokio::test]
async fn an_upstream_that_refuses_is_passed_over() {
    let (alive, heads) = serve(EMPTY);
    let gone = "http://127.0.0.1:9".parse().unwrap();
    let client =
        ApiClient::new(vec![gone, alive], Some(Secret::from("edge-secret".to_owned()))).unwrap();
    let client = client.with_token(&Secret::from("t".to_owned())).with_trace("trace-1");
    for _ in 0..4 {
        let answer = client.send(&Call::new(Method::POST, "/api/x").json(&1)).await.unwrap();
        assert_eq!(answer.status, StatusCode::OK);
        let head = heads.recv().unwrap();
        for line in [
            "POST /api/x HTTP/1.1",
            "authorization: Bearer t",
            "x-ajet-edge: edge-secret",
            "x-trace-id: trace-1",
        ] {
            assert!(head.contains(line), "{line} in {head}");
        }
    }
    assert!(!format!("{client:?}").contains("edge-secret"), "secrets stay out of debug output");
}

/// A server that reads a request and then closes, or never says anything; counts what it was sent.
fn mute(closes: bool) -> (Url, std::sync::mpsc::Receiver<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    let (sender, requests) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let mut held = Vec::new();
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 4096]);
            if !closes {
                held.push(stream);
            }
            if sender.send(()).is_err() {
                return;
            }
        }
    });
    (url, requests)
}

const UNREADY: &str = "HTTP/1.1 503 Service Unavailable\r\nx-ajet-unready: 1\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
const EMPTY: &str = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{}";

#[tokio::test]
async fn a_call_that_broke_off_goes_elsewhere_if_it_may_be_sent_twice() {
    let ((closing, requests), (alive, _heads)) = (mute(true), serve(EMPTY));
    let client = ApiClient::new(vec![closing, alive], None).unwrap();
    let call = Call::new(Method::POST, "/api/x").json(&1);
    for _ in 0..4 {
        assert!(client.send(&call.clone().repeatable()).await.is_ok());
    }
    assert_eq!(requests.try_iter().count(), 2, "in turn");
    let answers = [client.send(&call).await, client.send(&call).await];
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1);
}

#[tokio::test]
async fn an_upstream_that_serves_nobody_yet_is_passed_over() {
    let ((starting, _asked), (alive, _heads)) = (serve(UNREADY), serve(EMPTY));
    let client = ApiClient::new(vec![starting.clone(), alive], None).unwrap();
    let call = Call::new(Method::POST, "/api/x").json(&1);
    let began = Instant::now();
    for _ in 0..4 {
        assert_eq!(client.send(&call).await.unwrap().status, StatusCode::OK);
    }
    assert_eq!(asked_last(&client, began), starting, "for a while it is not asked again");
    let alone = ApiClient::new(vec![starting], None).unwrap();
    assert_eq!(alone.send(&call).await.unwrap().status, StatusCode::SERVICE_UNAVAILABLE);
}

/// The upstream whose turn would come last in a call at this time.
fn asked_last(client: &ApiClient, at: Instant) -> Url {
    // Wherever the turn begins.
    let [one, other] = [(); 2].map(|()| {
        client.connection.upstreams.in_turn(at).last().map(|upstream| upstream.url.clone())
    });
    assert_eq!(one, other, "they are asked in turn");
    one.unwrap()
}

#[tokio::test]
async fn what_another_upstream_may_have_done_is_not_reported_as_undone() {
    let ((starting, _asked), (closing, _requests)) = (serve(UNREADY), mute(true));
    for (upstreams, repeatable) in
        [(vec![starting.clone(), closing.clone()], false), (vec![closing, starting], true)]
    {
        let client = ApiClient::new(upstreams, None).unwrap();
        let call = Call { repeatable, ..Call::new(Method::POST, "/api/x") };
        let answer = client.send(&call).await;
        assert!(matches!(answer, Err(ClientError::Unreachable(_))), "{answer:?}");
    }
}

#[tokio::test]
async fn an_upstream_that_hangs_is_asked_once_in_a_while() {
    let ((hanging, _requests), (alive, _heads)) = (mute(false), serve(EMPTY));
    let patient = ApiClient::new(vec![hanging.clone(), alive], None).unwrap();
    let hasty = patient.with_timeout(Duration::from_millis(300));
    let call = Call::new(Method::GET, "/api/x");
    // One slow answer may be that request's own fault; after the second in a row it is the upstream's.
    assert!(matches!(hasty.send(&call).await, Err(ClientError::Timeout(_))));
    assert!(patient.send(&call).await.is_ok());
    let began = Instant::now();
    assert!(matches!(hasty.send(&call).await, Err(ClientError::Timeout(_))));
    assert_eq!(asked_last(&patient, began), hanging, "for a while it is not asked again");
}

#[tokio::test]
async fn a_token_follows_no_redirect() {
    let (url, heads) = serve(
        "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:9/\r\nconnection: close\r\ncontent-length: 0\r\n\r\n",
    );
    let client = ApiClient::new(vec![url], None).unwrap().with_token(&Secret::from("t".to_owned()));
    assert_eq!(client.me().await.unwrap_err().status(), Some(302));
    heads.recv().unwrap();
}
