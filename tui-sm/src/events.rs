//! `GET /ws/tui/events`: everything that concerns the caller, as it happens (delivery-and-security.md section 2.6).

use std::convert::Infallible;
use std::time::Duration;

use ajet_shared::http::Query;
use ajet_shared::hub::{Connection, Reader};
use ajet_shared::id::{ChannelId, UserId};
use ajet_shared::position::Position;
use ajet_shared::problem::Problem;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use bytes::{Bytes, BytesMut};
use futures::Stream;
use serde::Deserialize;

use crate::frame::{self, Frames};
use crate::{App, Caller, refusal};

/// Where a client that lost its connection goes on.
const LAST_EVENT_ID: &str = "last-event-id";
/// When the clients of a connection that broke come back, in milliseconds. Source: delivery-and-security.md section 2.6.
const RETRY_MS: std::ops::Range<u64> = 1_000..5_000;
/// Frames that wait go out together, up to about this many bytes.
const CHUNK_BYTES: usize = 32 * 1024;

#[derive(Debug, Deserialize)]
pub(crate) struct Parameters {
    cursor: Option<String>,
    channel: Option<String>,
}

/// Opens the stream.
pub(crate) async fn stream(
    State(app): State<App>,
    caller: Caller,
    Query(parameters): Query<Parameters>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let cursor = cursor(&headers, &parameters);
    // First: what is lost from here on may have closed the channel that is looked at next.
    let losses = app.hub.ready(cursor).await.map_err(refusal)?;
    let extra_channel = match &parameters.channel {
        Some(id) => extra_channel(&caller, id).await?,
        None => None,
    };
    let reader = Reader::new(&caller.api, caller.token, None);
    let connection = app.hub.connect_in_turn(reader, None, cursor, extra_channel, losses);
    let connection = connection.await.map_err(refusal)?;
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store, no-transform")),
        (header::HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no")),
    ];
    Ok((headers, Body::from_stream(chunks(connection))).into_response())
}

/// The header wins over the query. What is no cursor is one of no epoch, which the hub answers with a resync.
fn cursor(headers: &HeaderMap, parameters: &Parameters) -> Option<Position> {
    const NO_EPOCH: Position = Position { epoch: -1, seq: 0 };
    let header = headers.get(LAST_EVENT_ID).map(|value| value.to_str().unwrap_or("?"));
    let text = header.filter(|text| !text.is_empty()).or(parameters.cursor.as_deref())?;
    Some(text.parse().unwrap_or(NO_EPOCH))
}

/// A channel to read beside the joined ones. None when it is one of those; a problem when the caller may not read it.
async fn extra_channel(caller: &Caller, id: &str) -> Result<Option<ChannelId>, Problem> {
    let id: ChannelId = id.parse().map_err(|_| Problem::not_found())?;
    let view = caller.api.channel(id).await?;
    Ok((!view.joined).then_some(id))
}

/// The stream's bytes. What waits at the same moment goes out in one chunk; one frame alone goes out uncopied.
fn chunks(connection: Connection<Frames>) -> impl Stream<Item = Result<Bytes, Infallible>> {
    let head = frame::head(Duration::from_millis(rand::random_range(RETRY_MS)));
    let reader = connection.user_id();
    futures::stream::unfold((connection, head), move |(mut connection, head)| async move {
        let first = loop {
            let signal = connection.next().await?;
            if let Some(bytes) = frame::bytes(&signal, reader) {
                break bytes;
            }
        };
        let mut next = next_frame(&mut connection, reader);
        if head.is_empty() && next.is_none() {
            return Some((Ok(first), (connection, head)));
        }
        let mut chunk = BytesMut::from(&head[..]);
        chunk.extend_from_slice(&first);
        while let Some(bytes) = next {
            chunk.extend_from_slice(&bytes);
            next =
                if chunk.len() < CHUNK_BYTES { next_frame(&mut connection, reader) } else { None };
        }
        Some((Ok(chunk.freeze()), (connection, Bytes::new())))
    })
}

fn next_frame(connection: &mut Connection<Frames>, reader: UserId) -> Option<Bytes> {
    loop {
        let signal = connection.try_next()?;
        if let Some(bytes) = frame::bytes(&signal, reader) {
            return Some(bytes);
        }
    }
}
