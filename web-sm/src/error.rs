//! Problems as people see them: a page, a line at a form, or JSON for the page's script.

use ajet_shared::http::TraceId;
use ajet_shared::problem::Problem;
use axum::http::{HeaderValue, StatusCode, Uri, header};
use axum::response::{Html, IntoResponse, Redirect, Response};

use crate::urls;
use crate::view::pages::{ErrorPage, FormError};
use crate::view::render;

/// What a page answers instead.
#[derive(Debug)]
pub(crate) struct PageError {
    problem: Problem,
    /// The page that was asked for, to come back to after signing in.
    here: String,
}

impl PageError {
    /// Of a problem on the way to `uri`.
    pub(crate) fn at(uri: &Uri) -> impl Fn(Problem) -> Self + Copy + use<'_> {
        move |problem| Self {
            problem,
            here: uri.path_and_query().map_or_else(|| "/".to_owned(), ToString::to_string),
        }
    }
}

impl IntoResponse for PageError {
    fn into_response(mut self) -> Response {
        if self.problem.status == 401 {
            return Redirect::to(&urls::login(&self.here)).into_response();
        }
        if self.problem.trace_id.is_none() {
            self.problem.trace_id = TraceId::current();
        }
        let status =
            StatusCode::from_u16(self.problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Html(render(&ErrorPage::new(&self.problem)))).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; style-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"));
        if let Some(seconds) = self.problem.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// What a form answers instead: the reason, at the form. Datastar only takes fragments with status 200.
#[derive(Debug)]
pub(crate) struct RefusedForm(Problem);

impl From<Problem> for RefusedForm {
    fn from(problem: Problem) -> Self {
        Self(problem)
    }
}

impl From<ajet_shared::client::ClientError> for RefusedForm {
    fn from(error: ajet_shared::client::ClientError) -> Self {
        Self(error.into())
    }
}

impl IntoResponse for RefusedForm {
    fn into_response(self) -> Response {
        if self.0.status == 401 {
            return goto("/login");
        }
        let text = sentence(&self.0);
        fragment(render(&FormError { text: &text }))
    }
}

/// A problem in one sentence that begins with a capital and ends with a full stop.
pub(crate) fn sentence(problem: &Problem) -> String {
    let text = problem.to_string();
    let mut chars = text.trim_end_matches('.').chars();
    chars
        .next()
        .map_or_else(String::new, |first| first.to_uppercase().chain(chars).chain(['.']).collect())
}

/// Elements that take the place of those with the same ids.
pub(crate) fn fragment(html: String) -> Response {
    ([(header::CACHE_CONTROL, "no-store")], Html(html)).into_response()
}

/// Lets the page go somewhere else.
pub(crate) fn goto(path: &str) -> Response {
    let signals = serde_json::json!({ "_goto": path });
    (
        [(header::CACHE_CONTROL, "no-store"), (header::CONTENT_TYPE, "application/json")],
        signals.to_string(),
    )
        .into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_for_the_signed_out_leads_to_the_login_and_back() {
        let uri: Uri = "/c/labs/channels/general?thread=x".parse().unwrap();
        let response = PageError::at(&uri)(Problem::unauthenticated()).into_response();
        assert_eq!(
            response.headers()[header::LOCATION],
            "/login?return_to=%2Fc%2Flabs%2Fchannels%2Fgeneral%3Fthread%3Dx"
        );
    }

    #[test]
    fn a_reason_is_a_sentence() {
        assert_eq!(
            sentence(&Problem::not_found().with_detail("a channel name is empty")),
            "A channel name is empty."
        );
    }
}
