//! Static files: under a name that holds the hash of their content, kept for ever by browsers; and under stable names, which the
//! gateway's own pages use.

use axum::extract::Path;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

include!(concat!(env!("OUT_DIR"), "/assets.rs"));

/// One static file.
pub(crate) struct Asset {
    /// Its stable name below `/assets/`.
    alias: &'static str,
    /// Its address with the hash of its content.
    pub(crate) url: &'static str,
    mime: &'static str,
    bytes: &'static [u8],
}

impl Asset {
    /// Every static file.
    pub(crate) const ALL: [&'static Self; 9] = [
        &APP_CSS,
        &AUTH_CSS,
        &MORE_CSS,
        &SETTINGS_CSS,
        &APP_JS,
        &MORE_JS,
        &ICONS,
        &FAVICON,
        &DATASTAR_JS,
    ];
}

/// A year: the content of a hashed address never changes.
const IMMUTABLE: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
/// A minute: stable names get new content with a new release.
const BRIEF: HeaderValue = HeaderValue::from_static("public, max-age=60");

/// `GET /favicon.svg`: where browsers and the gateway's pages look for it.
pub(crate) async fn favicon() -> Response {
    get(Path("favicon.svg".to_owned())).await
}

/// `GET /assets/{file}`.
pub(crate) async fn get(Path(file): Path<String>) -> Response {
    let found = Asset::ALL.into_iter().find_map(|asset| {
        let hashed = asset.url.strip_prefix("/assets/") == Some(&*file);
        (hashed || asset.alias == file).then_some((asset, hashed))
    });
    let Some((asset, hashed)) = found else { return StatusCode::NOT_FOUND.into_response() };
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(asset.mime)),
        (header::CACHE_CONTROL, if hashed { IMMUTABLE } else { BRIEF }),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    ];
    (headers, asset.bytes).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn files_are_found_by_both_names_and_kept_by_the_hashed_one() {
        let stable = get(Path("app.css".into())).await;
        assert_eq!(stable.headers()[header::CACHE_CONTROL], BRIEF);
        let hashed = APP_CSS.url.strip_prefix("/assets/").unwrap();
        assert_eq!(get(Path(hashed.into())).await.headers()[header::CACHE_CONTROL], IMMUTABLE);
        assert_eq!(get(Path("app-0000000000.css".into())).await.status(), StatusCode::NOT_FOUND);
    }
}
