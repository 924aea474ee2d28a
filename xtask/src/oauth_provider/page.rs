//! The provider's page: "Sign in as …".

use std::fmt::Write as _;

use axum::http::header;
use axum::response::{Html, IntoResponse};

use super::Request;
use crate::demo::PEOPLE;

const STYLE: &str = include_str!("page.css");

/// Asks who the person wants to be.
pub(super) fn sign_in(request: &Request, problem: Option<&str>) -> impl IntoResponse + use<> {
    let mut hidden = String::new();
    let fields = [
        ("client_id", &request.client_id),
        ("redirect_uri", &request.redirect_uri),
        ("response_type", &request.response_type),
        ("state", &request.state),
        ("scope", &request.scope),
        ("code_challenge", &request.code_challenge),
        ("code_challenge_method", &request.code_challenge_method),
    ];
    for (name, value) in fields {
        // Writing to a string cannot fail.
        let _ = write!(hidden, r#"<input type="hidden" name="{name}" value="{}">"#, escape(value));
    }
    let mut people = String::new();
    for person in PEOPLE {
        let _ = write!(
            people,
            r#"<li><button name="login" value="{login}"><b>{name}</b> <span>@{login}</span></button></li>"#,
            login = person.login,
            name = person.name,
        );
    }
    let typed = escape(request.other.as_deref().unwrap_or_default());
    let (alert, invalid) = problem.map_or_else(Default::default, |problem| {
        let alert = format!(r#"<p id="problem" role="alert">{}</p>"#, escape(problem));
        (alert, r#"aria-invalid="true" aria-describedby="problem" autofocus"#)
    });
    document(&format!(
        r#"<h1>Sign in as …</h1>
<p>ajet-chat asks who you are. This provider exists only in development and believes everything.</p>
<form method="post"><ul>{people}</ul>{hidden}</form>
<form method="post">{hidden}
<label for="other">Somebody else</label>
<div class="row"><input id="other" name="other" value="{typed}" required minlength="2" maxlength="32" autocomplete="username" autocapitalize="none" spellcheck="false" placeholder="a login name" {invalid}><button>Sign in</button></div>
{alert}</form>
<form method="post">{hidden}<button class="quiet" name="cancel" value="1">Cancel</button></form>"#
    ))
}

/// Tells somebody who has come without a request what this is.
pub(super) fn home() -> impl IntoResponse + use<> {
    document(
        "<h1>Nothing to do here</h1>\n<p>This is where ajet-chat signs people in during development. Begin there.</p>",
    )
}

/// Says why nothing can be done here.
pub(super) fn refusal(text: &str) -> impl IntoResponse + use<> {
    document(&format!("<h1>This does not work</h1>\n<p role=\"alert\">{}</p>", escape(text)))
}

fn document(main: &str) -> impl IntoResponse + use<> {
    let headers = [
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; frame-ancestors 'none'",
        ),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    let html = format!(
        r#"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Sign in · Development provider</title>
<link rel="icon" href="data:,">
<style>{STYLE}</style>
</head>
<body>
<main>
<p class="name">Development provider</p>
{main}
</main>
</body>
</html>
"#
    );
    (headers, Html(html))
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::escape;

    #[test]
    fn what_comes_from_outside_stays_text() {
        assert_eq!(escape(r#"<a b="c">&"#), "&lt;a b=&quot;c&quot;&gt;&amp;");
    }
}
