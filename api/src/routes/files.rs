//! Files of messages. Rights are checked for each request, and nothing of a file can run in a browser
//! (delivery-and-security.md section 3.10).

use ajet_shared::actions::Scope;
use ajet_shared::db::attachments::{self, percent_encode};
use ajet_shared::http::{Path, Query};
use ajet_shared::id::AttachmentId;
use ajet_shared::storage::StorageError;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::auth::Caller;
use crate::error::{ApiError, ApiResult};
use crate::state::AppState;

const CORP: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(get))
}

#[derive(Clone, Copy, Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
struct FileQuery {
    /// `1` for the small picture of an image.
    thumb: Option<u8>,
}

/// A file, for those who may read the message it hangs on.
#[utoipa::path(
    get, path = "/files/{id}/{name}", tag = "files",
    params(("id" = AttachmentId, Path), ("name" = String, Path, description = "For people; the id decides"), FileQuery),
    responses((status = 200, content_type = "application/octet-stream"), (status = 304))
)]
async fn get(
    State(state): State<AppState>,
    caller: Caller,
    Path((id, _name)): Path<(AttachmentId, String)>,
    Query(query): Query<FileQuery>,
    headers: HeaderMap,
) -> ApiResult<Response> {
    let mut conn = state.db.acquire().await?;
    let file = attachments::find(&mut conn, id).await?.ok_or(ApiError::NotFound)?;
    caller.reads(&mut conn, file.channel_id).await?;
    drop(conn);
    // Before it is posted an upload is its uploader's own.
    if !file.posted && file.user_id != caller.user_id() {
        return Err(ApiError::NotFound);
    }
    caller.scope(Scope::FilesRead)?;
    let thumbnail = query.thumb == Some(1);
    let key = if thumbnail {
        file.thumb_key.as_deref().ok_or(ApiError::NotFound)?
    } else {
        &file.storage_key
    };
    // A stored file never changes, so its id is its version.
    let etag = if thumbnail { format!("\"{id}-thumb\"") } else { format!("\"{id}\"") };
    let content_type = if thumbnail { "image/webp" } else { &file.content_type };
    let answer_headers = [
        (header::CONTENT_TYPE, header_value(content_type)),
        (header::CONTENT_DISPOSITION, header_value(&disposition(content_type, &file.filename))),
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("sandbox; default-src 'none'")),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (CORP, HeaderValue::from_static("same-origin")),
        (header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache")),
        (header::ETAG, header_value(&etag)),
    ];
    if is_known(&headers, &etag) {
        return Ok((StatusCode::NOT_MODIFIED, answer_headers).into_response());
    }
    let object = state.storage.get(key).await.map_err(|error| match error {
        StorageError::NotFound => {
            tracing::error!(%id, "a file is missing in the object store");
            ApiError::NotFound
        }
        error @ StorageError::Unavailable(_) => ApiError::Unavailable(error.into()),
    })?;
    let mut response = (answer_headers, Body::from_stream(object.bytes)).into_response();
    if let Some(size) = object.size_bytes {
        response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(size));
    }
    Ok(response)
}

/// The caller has this version already (RFC 9110 section 13.1.2).
fn is_known(headers: &HeaderMap, etag: &str) -> bool {
    let given =
        headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    given.flat_map(|value| value.split(',')).any(|given| {
        let given = given.trim();
        given == "*" || given.strip_prefix("W/").unwrap_or(given) == etag
    })
}

/// Types that a browser may show: pictures, sound and films, nothing that can hold a script.
fn is_shown(content_type: &str) -> bool {
    matches!(content_type, "image/png" | "image/jpeg" | "image/gif" | "image/webp")
        || content_type.starts_with("audio/")
        || content_type.starts_with("video/")
}

/// `Content-Disposition` with the name twice: plain for old clients, in full by RFC 8187.
fn disposition(content_type: &str, filename: &str) -> String {
    let kind = if is_shown(content_type) { "inline" } else { "attachment" };
    let plain: String = filename
        .chars()
        .map(|c| {
            if c.is_ascii_graphic() && !matches!(c, '"' | '\\' | '%') || c == ' ' { c } else { '_' }
        })
        .collect();
    format!("{kind}; filename=\"{plain}\"; filename*=UTF-8''{}", percent_encode(filename))
}

fn header_value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static("application/octet-stream"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_cannot_run_is_shown_and_no_name_breaks_the_header() {
        assert_eq!(
            disposition("image/png", "a b.png"),
            "inline; filename=\"a b.png\"; filename*=UTF-8''a%20b.png"
        );
        for kind in
            ["image/svg+xml", "text/html", "application/pdf", "application/xml", "text/plain"]
        {
            assert!(disposition(kind, "x").starts_with("attachment;"), "{kind}");
        }
        assert_eq!(
            disposition("text/plain", "a\"\r\nSet-Cookie: x\u{202e}.txt"),
            "attachment; filename=\"a___Set-Cookie: x_.txt\"; filename*=UTF-8''a%22%0D%0ASet-Cookie%3A%20x%E2%80%AE.txt"
        );
        assert!(HeaderValue::from_str(&disposition("text/plain", "ü\0\n")).is_ok());
    }

    #[test]
    fn a_known_version_is_not_sent_again() {
        let with = |value: &'static str| {
            HeaderMap::from_iter([(header::IF_NONE_MATCH, HeaderValue::from_static(value))])
        };
        assert!(is_known(&with("\"x\", W/\"a\""), "\"a\""));
        assert!(!is_known(&with("\"b\""), "\"a\""));
        assert!(!is_known(&HeaderMap::new(), "\"a\""));
    }
}
