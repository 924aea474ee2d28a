//! Extractors whose refusals are problems. They stand in for axum's own, which answer plain text.

use axum::body::{Body, Bytes};
use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::limits::JSON_DEPTH_MAX;
use crate::problem::Problem;

/// A JSON body, in and out.
#[derive(Clone, Copy, Debug)]
pub struct Json<T>(pub T);

/// The parameters in the path. One that does not parse is a thing that does not exist: 404.
#[derive(Clone, Copy, Debug)]
pub struct Path<T>(pub T);

/// The parameters behind the question mark.
#[derive(Clone, Copy, Debug)]
pub struct Query<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Self::Rejection> {
        if request.headers().contains_key(axum::http::header::CONTENT_ENCODING) {
            return Err(Problem::new(
                415,
                "unsupported-media-type",
                "Compressed requests are not supported",
            ));
        }
        let (parts, body) = request.into_parts();
        let whole = Request::from_parts(parts.clone(), body);
        let bytes = Bytes::from_request(whole, state)
            .await
            .map_err(|rejection| json_problem(&rejection.into()))?;
        if is_too_deep(&bytes) {
            return Err(Problem::new(400, "invalid-json", "The request is not JSON that we take")
                .with_detail(format!("It is nested deeper than {JSON_DEPTH_MAX} levels.")));
        }
        let request = Request::from_parts(parts, Body::from(bytes));
        match axum::Json::<T>::from_request(request, state).await {
            Ok(axum::Json(value)) => Ok(Self(value)),
            Err(rejection) => Err(json_problem(&rejection)),
        }
    }
}

/// Whether lists and objects are in one another more often than anybody means. Counts brackets outside of texts; whether it is JSON
/// at all is the parser's affair.
fn is_too_deep(json: &[u8]) -> bool {
    let (mut depth, mut in_text, mut escaped) = (0_usize, false, false);
    for byte in json {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            b'[' | b'{' if !in_text => {
                depth += 1;
                if depth > JSON_DEPTH_MAX {
                    return true;
                }
            }
            b']' | b'}' if !in_text => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    false
}

fn json_problem(rejection: &JsonRejection) -> Problem {
    match rejection {
        JsonRejection::JsonDataError(_) => {
            Problem::new(422, "validation", "The request has a value that cannot be used")
                .with_detail(innermost(rejection))
        }
        JsonRejection::JsonSyntaxError(_) => {
            Problem::new(400, "invalid-json", "The request is not JSON")
                .with_detail(innermost(rejection))
        }
        JsonRejection::MissingJsonContentType(_) => {
            Problem::new(415, "unsupported-media-type", "Send JSON")
                .with_detail("Set the header Content-Type: application/json.")
        }
        other if other.status() == StatusCode::PAYLOAD_TOO_LARGE => {
            Problem::new(413, "too-large", "The request is too large")
        }
        _ => Problem::new(400, "invalid-request", "The request cannot be read"),
    }
}

/// The last error of the chain: serde's own sentence, without the layers around it.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        axum::Json(self.0).into_response()
    }
}

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Path<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        match axum::extract::Path::<T>::from_request_parts(parts, state).await {
            Ok(axum::extract::Path(value)) => Ok(Self(value)),
            Err(PathRejection::FailedToDeserializePathParams(_)) => Err(Problem::not_found()),
            Err(_) => Err(Problem::internal()),
        }
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        match axum::extract::Query::<T>::from_request_parts(parts, state).await {
            Ok(axum::extract::Query(value)) => Ok(Self(value)),
            Err(rejection) => Err(query_problem(&rejection)),
        }
    }
}

fn query_problem(rejection: &QueryRejection) -> Problem {
    Problem::new(422, "validation", "The request has a value that cannot be used")
        .with_detail(innermost(rejection))
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    async fn taken(content_type: &str, body: impl Into<Body>) -> Result<Value, u16> {
        let request = Request::builder().header("content-type", content_type).body(body.into());
        let taken = Json::<Value>::from_request(request.unwrap(), &()).await;
        taken.map(|Json(value)| value).map_err(|problem| problem.status)
    }

    #[tokio::test]
    async fn json_is_taken_and_nothing_else() {
        const JSON: &str = "application/json";
        assert_eq!(taken(JSON, r#"{"a":[1]}"#).await, Ok(serde_json::json!({ "a": [1] })));
        let cases: [(&str, &str, u16); 6] = [
            (JSON, "", 400),
            (JSON, "\u{feff}{}", 400),
            (JSON, "{} x", 400),
            (JSON, "1e400", 400),
            ("text/plain", "{}", 415),
            ("application/x-www-form-urlencoded", "a=1", 415),
        ];
        for (content_type, body, status) in cases {
            assert_eq!(taken(content_type, body).await, Err(status), "{content_type}: {body}");
        }
    }

    #[tokio::test]
    async fn nesting_has_a_bound_and_brackets_in_texts_are_no_nesting() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(taken("application/json", nested(JSON_DEPTH_MAX)).await.is_ok());
        assert_eq!(taken("application/json", nested(JSON_DEPTH_MAX + 1)).await, Err(400));
        let text = format!(r#"["{}\"{}", {{}}, {{}}]"#, "[".repeat(50), "{".repeat(50));
        assert!(taken("application/json", text).await.is_ok());
        let wide = format!("[{}[]]", "[],".repeat(1000));
        assert!(taken("application/json", wide).await.is_ok());
    }
}
