//! The two cookies of the gateway (delivery-and-security.md section 3.2).

use std::time::Duration;

use ajet_shared::limits::SESSION_ABSOLUTE;
use http::header::{COOKIE, HeaderMap, HeaderValue};

/// Names and attributes of our cookies.
#[derive(Clone, Debug)]
pub(crate) struct Cookies {
    /// The session's.
    pub(crate) session: &'static str,
    /// The one that binds a sign-in to its browser.
    pub(crate) oauth: &'static str,
    secure: bool,
}

/// How long a sign-in may take.
const OAUTH_MAX_AGE: Duration = ajet_shared::db::oauth::SIGN_IN_WITHIN;

impl Cookies {
    /// `secure` is off for plain HTTP on loopback only, where browsers refuse the `__Host-` prefix.
    pub(crate) const fn new(secure: bool) -> Self {
        if secure {
            Self { session: "__Host-ajet_session", oauth: "__Host-ajet_oauth", secure }
        } else {
            Self { session: "ajet_session", oauth: "ajet_oauth", secure }
        }
    }

    /// Sets the session. Strict: no other site can make the browser send it.
    pub(crate) fn set_session(&self, token: &str) -> HeaderValue {
        self.set(self.session, token, "Strict", SESSION_ABSOLUTE)
    }

    /// Takes the session away.
    pub(crate) fn clear_session(&self) -> HeaderValue {
        self.set(self.session, "", "Strict", Duration::ZERO)
    }

    /// Binds a sign-in to this browser. Lax: it must survive the way back from the provider.
    pub(crate) fn set_oauth(&self, value: &str) -> HeaderValue {
        self.set(self.oauth, value, "Lax", OAUTH_MAX_AGE)
    }

    /// Takes the binding away.
    pub(crate) fn clear_oauth(&self) -> HeaderValue {
        self.set(self.oauth, "", "Lax", Duration::ZERO)
    }

    fn set(&self, name: &str, value: &str, same_site: &str, max_age: Duration) -> HeaderValue {
        let secure = if self.secure { "; Secure" } else { "" };
        let text = format!(
            "{name}={value}; Path=/; HttpOnly; SameSite={same_site}; Max-Age={}{secure}",
            max_age.as_secs()
        );
        // Names and values are made here, of characters that a header may hold.
        HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static(""))
    }
}

/// The value of a cookie. Of several with one name none counts: one of them was planted (A95).
pub(crate) fn find(headers: &HeaderMap, name: &str) -> Option<String> {
    let mut found = headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .filter(|(key, value)| *key == name && !value.is_empty())
        .map(|(_, value)| value.to_owned());
    let first = found.next();
    if found.next().is_some() { None } else { first }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_session_cookie_is_strict_and_host_bound() {
        let cookie = Cookies::new(true).set_session("t");
        let cookie = cookie.to_str().unwrap();
        assert_eq!(
            cookie,
            "__Host-ajet_session=t; Path=/; HttpOnly; SameSite=Strict; Max-Age=7776000; Secure"
        );
        assert!(!Cookies::new(false).set_session("t").to_str().unwrap().contains("Secure"));
    }

    #[test]
    fn a_cookie_that_comes_twice_does_not_count() {
        let mut headers = HeaderMap::new();
        headers.append(COOKIE, HeaderValue::from_static("x=1; s=a"));
        assert_eq!(find(&headers, "s").as_deref(), Some("a"));
        headers.append(COOKIE, HeaderValue::from_static("s=b"));
        assert_eq!(find(&headers, "s"), None);
        assert_eq!(find(&headers, "other"), None);
    }
}
