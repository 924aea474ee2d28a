//! Somebody who is not signed in, or whose browser does not say so yet.

use http::Method;
use http::header::{self, HeaderValue};

use crate::address;
use crate::answer::{Answer, Response, see_other, unauthenticated};
use crate::body::full;
use crate::pages;
use crate::route::{Route, Service};
use crate::visit::{Credentials, Visit};

/// The parameter of a page that was reached over the bounce (E11).
const BOUNCED: &str = "_b";
/// What a page shows when its session is over; the place is the page's banner.
const SIGNED_OUT: &str = r#"<div id="banner" role="status"><div class="banner">You are signed out. <a class="btn tiny" href="/login">Sign in again</a></div></div>"#;

/// A link on another site leads here: the browser keeps the strict cookie back. Once, it is sent on from a page of ours, and then
/// the cookie comes along (E11). Afterwards the mark leaves the address again.
pub(crate) fn bounce(visit: &Visit, route: Route<'_>, credentials: &Credentials) -> Option<Answer> {
    let personal =
        matches!(route, Route::Service(Service::WebSm) | Route::Invite(_) | Route::TerminalAsk);
    if !personal || !visit.is_navigation() {
        return None;
    }
    let bounced = visit.parameter(BOUNCED).is_some();
    let has_cookie = matches!(credentials, Credentials::Cookie(_));
    let from_outside = visit.header("sec-fetch-site") == Some("cross-site")
        && visit.header("sec-fetch-dest") == Some("document");
    match (bounced, has_cookie) {
        (false, false) if from_outside => {
            Some(pages::onward(&address::with_parameter(&visit.target(), BOUNCED, "1")))
        }
        (true, true) => Some(see_other(&address::without_parameter(&visit.target(), BOUNCED))),
        _ => None,
    }
}

/// The answer for somebody who is not signed in.
pub(crate) fn turn_away(visit: &Visit, service: Service) -> Answer {
    if service != Service::WebSm {
        return Err(unauthenticated());
    }
    if visit.is_datastar {
        // Refused in band: the page's script would take an error for a reason to try again (delivery-and-security.md section 2.9).
        return Ok(signed_out());
    }
    if visit.wants_page {
        let target = if visit.method == Method::GET {
            address::without_parameter(&visit.target(), BOUNCED)
        } else {
            "/".to_owned()
        };
        let back = address::return_to(Some(&target));
        return see_other(&if back == "/" {
            "/login".to_owned()
        } else {
            address::with_parameter("/login", "return_to", back)
        });
    }
    Err(unauthenticated())
}

/// What a page gets whose session is over.
pub(crate) fn signed_out() -> Response {
    let mut response = http::Response::new(full(SIGNED_OUT));
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    response
}
