//! One request as the gateway sees it: what it is worth knowing before and beside its body.

use std::net::IpAddr;

use ajet_shared::clock;
use ajet_shared::db::Cause;
use ajet_shared::http::TraceId;
use ajet_shared::id::UserId;
use ajet_shared::verify::Identity;
use http::{HeaderMap, Method, header};

use crate::answer::Failure;

/// A request without its body.
#[derive(Clone, Debug)]
pub(crate) struct Visit {
    /// Its id through all services.
    pub(crate) trace: TraceId,
    /// The client.
    pub(crate) ip: IpAddr,
    /// The method.
    pub(crate) method: Method,
    /// The path.
    pub(crate) path: String,
    /// Behind the question mark.
    pub(crate) query: Option<String>,
    /// The headers as they came.
    pub(crate) headers: HeaderMap,
    /// Somebody looks at a page: errors are pages too.
    pub(crate) wants_page: bool,
    /// The page's own script asks (Datastar).
    pub(crate) is_datastar: bool,
}

impl Visit {
    /// The path with its query.
    pub(crate) fn target(&self) -> String {
        self.query
            .as_ref()
            .map_or_else(|| self.path.clone(), |query| format!("{}?{query}", self.path))
    }

    /// A header as text.
    pub(crate) fn header(&self, name: impl header::AsHeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// A parameter of the query.
    pub(crate) fn parameter(&self, name: &str) -> Option<String> {
        crate::address::parameter(self.query.as_deref(), name)
    }

    /// A parameter that must be there.
    pub(crate) fn require(&self, name: &str) -> Result<String, Failure> {
        self.parameter(name)
            .ok_or_else(|| Failure::bad_request(&format!("The parameter {name} is missing.")))
    }

    /// The browser goes to a page of ours, by GET.
    pub(crate) fn is_navigation(&self) -> bool {
        self.method == Method::GET && !self.is_datastar && self.wants_page
    }

    /// What the client calls itself.
    pub(crate) fn user_agent(&self) -> Option<&str> {
        self.header(header::USER_AGENT)
    }

    /// Who does something in this request, for events and audit.
    pub(crate) fn cause(&self, actor_id: Option<UserId>) -> Cause {
        Cause {
            actor_id,
            at: clock::now(),
            trace_id: Some(self.trace.as_str().to_owned()),
            ip: Some(self.ip.to_string()),
        }
    }
}

/// Whether the client wants to be answered by a page.
pub(crate) fn wants_page(path: &str, headers: &HeaderMap) -> bool {
    if ["/api/", "/files/", "/ws/", "/hook/", "/hooks/"]
        .iter()
        .any(|prefix| path.starts_with(prefix))
    {
        return false;
    }
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if header("datastar-request").is_some() {
        return false;
    }
    match header("sec-fetch-mode") {
        Some(mode) => mode == "navigate",
        None => header("accept").is_some_and(|accept| accept.contains("text/html")),
    }
}

/// Credentials that came with a request.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Credentials {
    /// None.
    None,
    /// In our cookie, sent by the browser by itself.
    Cookie(String),
    /// As a bearer token, sent on purpose.
    Bearer(String),
}

impl Credentials {
    /// Reads them. Both kinds in one request are refused: nobody could say which one counts (A42).
    pub(crate) fn of(headers: &HeaderMap, session_cookie: &str) -> Result<Self, Failure> {
        let cookie = crate::cookies::find(headers, session_cookie);
        let mut authorizations = headers.get_all(header::AUTHORIZATION).iter();
        let authorization = authorizations.next();
        if authorizations.next().is_some() {
            return Err(Failure::bad_request("There are two Authorization headers."));
        }
        match (cookie, authorization) {
            (Some(_), Some(_)) => Err(ajet_shared::problem::Problem::new(
                400,
                "ambiguous-credentials",
                "Two kinds of credentials",
            )
            .with_detail("Send the session cookie or an Authorization header, not both.")
            .into()),
            (Some(token), None) => Ok(Self::Cookie(token)),
            (None, Some(value)) => {
                // Another scheme, or no text at all, is a wrong token: it is refused, not ignored.
                let text = value.to_str().unwrap_or_default();
                let (scheme, token) = text.split_once(' ').unwrap_or((text, ""));
                Ok(Self::Bearer(if scheme.eq_ignore_ascii_case("bearer") {
                    token.trim().to_owned()
                } else {
                    String::new()
                }))
            }
            (None, None) => Ok(Self::None),
        }
    }

    /// The token, if there is one.
    pub(crate) fn token(&self) -> Option<&str> {
        match self {
            Self::None => None,
            Self::Cookie(token) | Self::Bearer(token) => Some(token),
        }
    }
}

/// Somebody whose credentials are valid.
#[derive(Clone)]
pub(crate) struct Caller {
    /// Who.
    pub(crate) identity: Identity,
    /// By what.
    pub(crate) credentials: Credentials,
}

impl Caller {
    /// The account.
    pub(crate) const fn user_id(&self) -> UserId {
        self.identity.user_id
    }

    /// The token.
    pub(crate) fn token(&self) -> &str {
        self.credentials.token().unwrap_or_default()
    }

    /// The browser sent the credentials by itself, so that it must be proved who made it send the request.
    pub(crate) const fn by_cookie(&self) -> bool {
        matches!(self.credentials, Credentials::Cookie(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (header::HeaderName::from_static(name), value.parse().unwrap()))
            .collect()
    }

    #[test]
    fn credentials_are_one_or_the_other() {
        let of = |pairs: &[(&'static str, &str)]| {
            Credentials::of(&headers(pairs), "ajet_session")
                .map_err(|failure| String::from(failure.problem.kind))
        };
        assert!(of(&[]) == Ok(Credentials::None));
        assert!(of(&[("cookie", "a=b; ajet_session=t")]) == Ok(Credentials::Cookie("t".into())));
        assert!(
            of(&[("cookie", "a=b"), ("authorization", "bearer t")])
                == Ok(Credentials::Bearer("t".into()))
        );
        assert!(of(&[("authorization", "Basic abc")]) == Ok(Credentials::Bearer(String::new())));
        assert!(
            of(&[("cookie", "ajet_session=t"), ("authorization", "Bearer t")])
                == Err("/problems/ambiguous-credentials".into())
        );
    }

    #[test]
    fn pages_are_for_people() {
        let page = |path: &str, pairs: &[(&'static str, &str)]| wants_page(path, &headers(pairs));
        assert!(page("/", &[("accept", "text/html,*/*")]));
        assert!(page("/", &[("sec-fetch-mode", "navigate"), ("accept", "*/*")]));
        assert!(!page("/", &[("accept", "*/*")]));
        assert!(!page("/", &[("sec-fetch-mode", "cors"), ("accept", "text/html")]));
        assert!(!page("/api/me", &[("accept", "text/html")]));
        assert!(!page("/sse", &[("accept", "text/html"), ("datastar-request", "true")]));
    }
}
