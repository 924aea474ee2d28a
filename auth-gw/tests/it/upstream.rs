//! A service behind the gateway that shows what it was sent.

use std::convert::Infallible;

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{any, get, post};
use bytes::Bytes;
use futures::StreamExt as _;
use serde_json::json;

/// Starts one on a free port; its name is in every answer.
pub(crate) async fn start(name: &'static str) -> u16 {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    start_on(listener, name);
    port
}

/// Starts one on a socket; ends with the returned task.
pub(crate) fn start_on(
    listener: tokio::net::TcpListener,
    name: &'static str,
) -> tokio::task::JoinHandle<()> {
    let router = axum::Router::new()
        .route("/api/reflect", post(reflect))
        .route("/sse", get(stream))
        .route("/ws/tui/events", get(stream))
        .route(
            "/assets/app.css",
            get(async || {
                ([(header::CACHE_CONTROL, "public, max-age=31536000, immutable")], "body{}")
            }),
        )
        .fallback(any(move |request: Request| echo(name, request)));
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() })
}

async fn echo(name: &'static str, request: Request) -> Response {
    let headers: serde_json::Map<String, serde_json::Value> = request
        .headers()
        .iter()
        .map(|(name, value)| (name.to_string(), json!(String::from_utf8_lossy(value.as_bytes()))))
        .collect();
    let method = request.method().to_string();
    let target = request.uri().to_string();
    let body = axum::body::to_bytes(request.into_body(), 1 << 20).await.unwrap();
    let mut response = Json(json!({
        "service": name, "method": method, "target": target, "headers": headers, "body": String::from_utf8_lossy(&body),
    }))
    .into_response();
    response.headers_mut().insert("x-upstream", HeaderValue::from_static("yes"));
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("x-upstream"));
    response
}

/// Sends every chunk back as it comes.
async fn reflect(request: Request) -> Response {
    Response::new(Body::from_stream(request.into_body().into_data_stream()))
}

/// One event, and then silence without an end: whoever waits for more before handing it on waits for ever.
async fn stream() -> Response {
    let tick = Bytes::from_static(b"event: tick\ndata: {}\n\n");
    let events =
        futures::stream::iter([Ok::<_, Infallible>(tick)]).chain(futures::stream::pending());
    let mut response = Response::new(Body::from_stream(events));
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    response
}
