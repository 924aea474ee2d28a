//! The edge: which requests come in at all, and what of their heads goes on (delivery-and-security.md section 3.5).

use ajet_shared::http::{CLIENT_IP_HEADER, EDGE_HEADER, TRACE_HEADER};
use ajet_shared::problem::Problem;
use http::header::{self, HeaderName, HeaderValue};
use http::{HeaderMap, Method, request};

use crate::address::{TARGET_BYTES_MAX, is_plain_path};
use crate::answer::Failure;
use crate::visit::Visit;

/// Headers of one request. Source: delivery-and-security.md section 3.5.
const HEADERS_MAX: usize = 64;
/// Bytes of all headers. Source: delivery-and-security.md section 3.5.
const HEADER_BYTES_MAX: usize = 16 * 1024;

/// What concerns one connection only and is never passed on. Other names in `Connection` are not honoured: that is how a client
/// would make a proxy drop what it relies on.
const HOP_BY_HOP: [HeaderName; 9] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// What a client may claim and nobody may believe.
const CLAIMS: [&str; 8] = [
    "x-ajet-",
    "x-forwarded-",
    "x-user",
    "x-auth",
    "x-original-",
    "x-rewrite-",
    "x-http-method",
    "x-remote-",
];
const CLAIMS_EXACT: [&str; 7] = [
    "forwarded",
    "x-real-ip",
    "x-trace-id",
    "remote-user",
    "x-method-override",
    "x-client-ip",
    "true-client-ip",
];

/// Refuses a head that is too large, ambiguous or for another site. `host` is the authority of the public URL.
pub(crate) fn inspect(head: &request::Parts, host: &str) -> Result<(), Failure> {
    let target_bytes = head.uri.path_and_query().map_or(0, |target| target.as_str().len());
    if target_bytes > TARGET_BYTES_MAX {
        return Err(Problem::new(414, "uri-too-long", "The address is too long").into());
    }
    let header_bytes: usize =
        head.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    if head.headers.len() > HEADERS_MAX || header_bytes > HEADER_BYTES_MAX {
        return Err(Problem::new(
            431,
            "headers-too-large",
            "The request has too many or too large headers",
        )
        .into());
    }
    if let Some(name) = head.headers.keys().find(|name| name.as_str().contains('_')) {
        // Some servers take X_User for X-User.
        return Err(Failure::bad_request(&format!("The header name {name} holds an underscore.")));
    }
    if !matches!(
        head.method,
        Method::GET | Method::HEAD | Method::POST | Method::PUT | Method::PATCH | Method::DELETE
    ) {
        return Err(Failure::method("GET, HEAD, POST, PUT, PATCH, DELETE"));
    }
    if !is_plain_path(head.uri.path()) {
        return Err(Failure::bad_request(
            "The path has segments or characters that are not allowed.",
        ));
    }
    let mut hosts = head.headers.get_all(header::HOST).iter();
    let named = match (head.uri.authority(), hosts.next()) {
        (Some(authority), _) => Some(authority.as_str()),
        (None, Some(value)) => value.to_str().ok(),
        (None, None) => None,
    };
    if hosts.next().is_some() {
        return Err(Failure::bad_request("There are two Host headers."));
    }
    match named {
        Some(named) if named.eq_ignore_ascii_case(host) => Ok(()),
        Some(_) => Err(Problem::new(421, "misdirected", "This is another site")
            .with_detail("This server is known by another name; use the address you were given.")
            .into()),
        None => Err(Failure::bad_request("The Host header is missing.")),
    }
}

/// Makes the head that goes on: without what is not for the service, with what only the gateway may say.
pub(crate) fn onward(
    head: &mut request::Parts,
    visit: &Visit,
    token: Option<&str>,
    edge_secret: &HeaderValue,
    host: &HeaderValue,
) {
    scrub(&mut head.headers);
    let headers = &mut head.headers;
    headers.insert(header::HOST, host.clone());
    headers.insert(HeaderName::from_static(EDGE_HEADER), edge_secret.clone());
    let ours =
        [(TRACE_HEADER, visit.trace.as_str().to_owned()), (CLIENT_IP_HEADER, visit.ip.to_string())];
    for (name, value) in ours {
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
    headers.remove(header::AUTHORIZATION);
    if let Some(Ok(mut bearer)) =
        token.map(|token| HeaderValue::try_from(format!("Bearer {token}")))
    {
        bearer.set_sensitive(true);
        headers.insert(header::AUTHORIZATION, bearer);
    }
}

/// Takes out what must not go on: what belongs to this connection, all cookies, and every claim about who the client is.
fn scrub(headers: &mut HeaderMap) {
    for name in HOP_BY_HOP.iter().chain(&[header::COOKIE, header::EXPECT]) {
        headers.remove(name);
    }
    let claimed: Vec<HeaderName> = headers
        .keys()
        .filter(|name| {
            let name = name.as_str();
            CLAIMS.iter().any(|prefix| name.starts_with(prefix)) || CLAIMS_EXACT.contains(&name)
        })
        .cloned()
        .collect();
    for name in claimed {
        headers.remove(name);
    }
}

/// Takes out of an answer what belongs to the inner connection.
pub(crate) fn scrub_answer(headers: &mut HeaderMap) {
    for name in &HOP_BY_HOP {
        headers.remove(name);
    }
    headers.remove(header::SERVER);
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: &str = "chat.example.org";

    fn head(build: impl FnOnce(request::Builder) -> request::Builder) -> request::Parts {
        build(http::Request::get("/api/me").header("host", HOST)).body(()).unwrap().into_parts().0
    }

    fn refused(head: &request::Parts) -> u16 {
        inspect(head, HOST).map_or_else(|failure| failure.problem.status, |()| 200)
    }

    #[test]
    fn ordinary_requests_come_in() {
        assert_eq!(refused(&head(|request| request)), 200);
        assert_eq!(
            refused(&head(|request| request.uri("http://CHAT.example.org/x").method("DELETE"))),
            200,
            "absolute form, any case"
        );
    }

    #[test]
    fn strange_requests_stay_outside() {
        let long = format!("/{}", "x".repeat(9 * 1024));
        assert_eq!(refused(&head(|request| request.uri(long))), 414);
        assert_eq!(
            refused(&head(
                |request| (0..65).fold(request, |request, n| request.header(format!("x-{n}"), "1"))
            )),
            431
        );
        assert_eq!(refused(&head(|request| request.header("x-long", "x".repeat(17 * 1024)))), 431);
        assert_eq!(refused(&head(|request| request.header("x_forwarded_user", "admin"))), 400);
        assert_eq!(refused(&head(|request| request.method("TRACE"))), 405);
        assert_eq!(refused(&head(|request| request.method("BREW"))), 405);
        assert_eq!(refused(&head(|request| request.uri("/api/../internal"))), 400);
        assert_eq!(refused(&head(|request| request.header("host", "evil.example"))), 400);
        assert_eq!(
            refused(
                &http::Request::get("/")
                    .header("host", "evil.example")
                    .body(())
                    .unwrap()
                    .into_parts()
                    .0
            ),
            421
        );
        assert_eq!(refused(&http::Request::get("/").body(()).unwrap().into_parts().0), 400);
    }

    #[test]
    fn claims_cookies_and_hops_do_not_go_on() {
        let mut head = head(|request| {
            request
                .header("x-user-id", "1")
                .header("x-ajet-client-ip", "6.6.6.6")
                .header("x-forwarded-for", "6.6.6.6")
                .header("x-forwarded-uri", "/healthz")
                .header("remote-user", "admin")
                .header("x-original-url", "/healthz")
                .header("x-http-method-override", "DELETE")
                .header("x-trace-id", "forged")
                .header("cookie", "ajet_session=t; other=1")
                .header("connection", "close, accept, x-ajet-client-ip, authorization")
                .header("upgrade", "h2c")
                .header("authorization", "Bearer forged")
                .header("accept", "text/html")
        });
        scrub(&mut head.headers);
        let mut left: Vec<&str> = head.headers.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(
            left,
            ["accept", "authorization", "host"],
            "names in Connection are not honoured"
        );
    }
}
