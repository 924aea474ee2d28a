//! One file per thing a browser asks for.

pub(crate) mod actions;
pub(crate) mod activity;
pub(crate) mod channel;
pub(crate) mod commands;
pub(crate) mod community;
pub(crate) mod history;
pub(crate) mod home;
pub(crate) mod people;
pub(crate) mod send;
pub(crate) mod settings;
pub(crate) mod stream;

use axum::http::{HeaderValue, header};
use axum::response::{Html, IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// A page, with the policy that its one style element needs (delivery-and-security.md section 3.9).
pub(crate) fn page(html: String, nonce: &str) -> Response {
    let policy = format!(
        "default-src 'none'; script-src 'self' 'nonce-{nonce}' 'unsafe-eval'; style-src 'self' 'nonce-{nonce}'; img-src 'self' data: blob:; \
         media-src 'self'; font-src 'self'; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    );
    let mut response = Html(html).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Ok(policy) = HeaderValue::from_str(&policy) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    response
}

/// A number used once, for the policy of one page.
pub(crate) fn nonce() -> String {
    STANDARD.encode(rand::random::<[u8; 16]>())
}
