//! The small forms of the gateway itself.

use std::collections::HashMap;

use ajet_shared::problem::Problem;
use http::header;
use http_body_util::BodyExt as _;

use crate::answer::Failure;
use crate::body::{Body, GatherError, Watched, gather};
use crate::upstream::BODY_IDLE;
use crate::visit::Visit;

/// Bytes of a form or of a small JSON body.
const BYTES_MAX: usize = 16 * 1024;

/// The fields of a form; of a field that comes twice, the first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Form(HashMap<String, String>);

impl Form {
    /// A field; empty if it is not there.
    pub(crate) fn get(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }
}

/// Reads a form.
pub(crate) async fn read(visit: &Visit, body: Body) -> Result<Form, Failure> {
    expect_type(visit, "application/x-www-form-urlencoded")?;
    let bytes = whole(body).await?;
    let mut fields = HashMap::new();
    for (name, value) in url::form_urlencoded::parse(&bytes) {
        fields.entry(name.into_owned()).or_insert_with(|| value.into_owned());
    }
    Ok(Form(fields))
}

/// Reads a JSON body.
pub(crate) async fn read_json<T: serde::de::DeserializeOwned>(
    visit: &Visit,
    body: Body,
) -> Result<T, Failure> {
    expect_type(visit, "application/json")?;
    let bytes = whole(body).await?;
    serde_json::from_slice(&bytes).map_err(|error| {
        let (status, slug, title) = match error.classify() {
            serde_json::error::Category::Data => {
                (422, "validation", "The request has a value that cannot be used")
            }
            _ => (400, "invalid-json", "The request is not JSON"),
        };
        Problem::new(status, slug, title).with_detail(error.to_string()).into()
    })
}

fn expect_type(visit: &Visit, expected: &str) -> Result<(), Failure> {
    let given = visit
        .header(header::CONTENT_TYPE)
        .and_then(|value| value.split(';').next())
        .unwrap_or_default();
    let plain = !visit.headers.contains_key(header::CONTENT_ENCODING);
    if plain && given.trim().eq_ignore_ascii_case(expected) {
        return Ok(());
    }
    Err(Problem::new(415, "unsupported-media-type", "The request has the wrong type")
        .with_detail(format!("Send {expected}."))
        .into())
}

async fn whole(body: Body) -> Result<bytes::Bytes, Failure> {
    let (watched, progress) = Watched::new(body, BODY_IDLE);
    gather(watched.boxed_unsync(), BYTES_MAX).await.map_err(|error| match error {
        GatherError::TooLarge => Problem::new(413, "too-large", "The request is too large").into(),
        GatherError::Broken if progress.stalled() => {
            Problem::new(408, "timeout", "The request did not arrive in time").into()
        }
        GatherError::Broken => Failure::bad_request("The body ended early."),
    })
}
