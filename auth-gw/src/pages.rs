//! The pages of the gateway itself: sign-in, set-up, invite, terminal, errors. They look like the rest; web-sm serves the style.

use ajet_shared::problem::Problem;
use askama::Template;
use http::StatusCode;
use http::header::{self, HeaderValue};

use crate::address::with_parameter;
use crate::answer::{Answer, Response};
use crate::body::full;
use crate::oauth::Provider;

/// A button that leads to a provider.
pub(crate) struct Button {
    /// Where it leads.
    pub(crate) href: String,
    /// The provider's name in forms.
    pub(crate) name: String,
    /// The provider's name for people.
    pub(crate) title: String,
    /// Its glyph.
    pub(crate) icon: &'static str,
    /// Its host, if that says more than its name.
    pub(crate) host: Option<String>,
}

/// The buttons of all providers; each also carries the given parameter.
pub(crate) fn buttons(providers: &[Provider], parameter: Option<(&str, &str)>) -> Vec<Button> {
    let button = |provider: &Provider| {
        let start = format!("/auth/{}/start", provider.name);
        Button {
            href: parameter
                .map_or_else(|| start.clone(), |(name, value)| with_parameter(&start, name, value)),
            name: provider.name.clone(),
            title: provider.title.clone(),
            icon: provider.icon(),
            host: provider.host.clone(),
        }
    };
    providers.iter().map(button).collect()
}

/// What went wrong before.
pub(crate) struct Trouble {
    /// In short.
    pub(crate) title: String,
    /// In a sentence.
    pub(crate) detail: String,
    /// Finds it in the logs.
    pub(crate) trace: Option<String>,
}

/// Sign-in.
#[derive(Template)]
#[template(path = "login.html")]
pub(crate) struct Login {
    /// The community, if there is just one.
    pub(crate) community: Option<String>,
    /// What went wrong before.
    pub(crate) trouble: Option<Trouble>,
    /// There is no community yet.
    pub(crate) fresh: bool,
    /// The providers.
    pub(crate) buttons: Vec<Button>,
    /// The host people know.
    pub(crate) site: String,
}

/// First-run set-up.
#[derive(Template)]
#[template(path = "setup.html")]
pub(crate) struct Setup {
    /// The set-up token, sent along.
    pub(crate) token: String,
    /// What is wrong with what was typed.
    pub(crate) trouble: Option<String>,
    /// As typed.
    pub(crate) name: String,
    /// As typed.
    pub(crate) slug: String,
    /// The providers.
    pub(crate) buttons: Vec<Button>,
    /// The host people know.
    pub(crate) site: String,
}

/// An invite.
#[derive(Template)]
#[template(path = "invite.html")]
pub(crate) struct Invite {
    /// To where.
    pub(crate) community: String,
    /// By whom.
    pub(crate) invited_by: String,
    /// As what.
    pub(crate) role: &'static str,
    /// The providers, for somebody who is not signed in.
    pub(crate) buttons: Vec<Button>,
    /// The form's token, for somebody who is.
    pub(crate) joining: Option<String>,
    /// Where the form goes.
    pub(crate) action: String,
}

/// A terminal wants to be signed in.
#[derive(Template)]
#[template(path = "terminal.html")]
pub(crate) struct Terminal {
    /// The form's token.
    pub(crate) csrf: String,
    /// Where the terminal listens.
    pub(crate) port: u16,
    /// What it must prove later.
    pub(crate) challenge: String,
    /// What it wants back.
    pub(crate) state: String,
    /// The computer, as it calls itself.
    pub(crate) host: Option<String>,
    /// Who is signed in.
    pub(crate) person: String,
}

#[derive(Template)]
#[template(path = "onward.html")]
struct Onward<'a> {
    to: &'a str,
}

#[derive(Template)]
#[template(path = "failure.html")]
struct FailurePage<'a> {
    title: &'a str,
    detail: Option<&'a str>,
    trace: Option<&'a str>,
    back: &'a str,
    back_label: &'a str,
}

/// A page as an answer. Its forms may be sent on to `form_targets` (origins) beside this site: browsers check redirects after a form too.
pub(crate) fn page(status: StatusCode, template: &impl Template, form_targets: &[&str]) -> Answer {
    Ok(html(status, template.render()?, form_targets))
}

fn html(status: StatusCode, text: String, form_targets: &[&str]) -> Response {
    let mut response = http::Response::new(full(text));
    *response.status_mut() = status;
    let policy = format!(
        "default-src 'none'; style-src 'self'; img-src 'self' data:; font-src 'self'; form-action 'self' {}; frame-ancestors 'none'; \
         base-uri 'none'",
        form_targets.join(" ")
    );
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    if let Ok(policy) = HeaderValue::try_from(policy) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    response
}

/// A page that leads on to a path of this site. A redirect would still count as coming from the other site, and the browser would
/// keep the strict session cookie back (E10, E11).
pub(crate) fn onward(to: &str) -> Answer {
    page(StatusCode::OK, &Onward { to }, &[])
}

/// A problem as a page.
pub(crate) fn failure(problem: &Problem) -> Result<Response, askama::Error> {
    let (back, back_label) = if matches!(problem.status, 401 | 403 | 410) {
        ("/login", "To the sign-in page")
    } else {
        ("/", "To the start page")
    };
    let page = FailurePage {
        title: &problem.title,
        detail: problem.detail.as_deref(),
        trace: problem.trace_id.as_deref(),
        back,
        back_label,
    };
    let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    Ok(html(status, page.render()?, &[]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_typed_is_escaped() {
        let page = Invite {
            community: "<script>alert(1)</script>".into(),
            invited_by: "\"><img>".into(),
            role: "member",
            buttons: Vec::new(),
            joining: Some("t".into()),
            action: "/invite/x".into(),
        };
        let html = page.render().unwrap();
        assert!(!html.contains("<script>") && !html.contains("<img>"), "{html}");
        let html = Onward { to: "/a\"><script>" }.render().unwrap();
        assert!(!html.contains("<script>"));
    }
}
