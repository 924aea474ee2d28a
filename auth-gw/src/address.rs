//! Addresses in requests: which paths are let in, where one may be sent after signing in, who the client is.

use std::net::IpAddr;

use http::HeaderMap;

use crate::config::Network;

/// Bytes of a request target. Source: delivery-and-security.md section 3.5.
pub(crate) const TARGET_BYTES_MAX: usize = 8 * 1024;
/// Characters of a way back; longer ones do not fit into the database.
const RETURN_TO_CHARS_MAX: usize = 2_000;

/// A path that every service reads the same way (A12): no dot segments, no empty ones, nothing that could become a slash.
pub(crate) fn is_plain_path(path: &str) -> bool {
    let lower = path.to_ascii_lowercase();
    let encoded =
        ["%2f", "%5c", "%00", "%2e", "%0a", "%0d"].iter().any(|code| lower.contains(code));
    path.starts_with('/')
        && !encoded
        && !path.contains("//")
        && !path.contains(['\\', ';', '\0'])
        && !path.split('/').any(|segment| segment == "." || segment == "..")
}

/// Where to go after signing in: a path of this site, else the front page (A24).
pub(crate) fn return_to(text: Option<&str>) -> &str {
    const FRONT: &str = "/";
    let Some(text) = text else { return FRONT };
    let begins_here = text.starts_with('/') && !text[1..].starts_with(['/', '\\']);
    let harmless = !text.chars().any(|c| c.is_control() || c == '\\');
    // Encoded line ends and slashes are refused too: whoever decodes once more must not find something else.
    let path = text.split(['?', '#']).next().unwrap_or(text);
    if begins_here && harmless && text.chars().count() <= RETURN_TO_CHARS_MAX && is_plain_path(path)
    {
        text
    } else {
        FRONT
    }
}

/// A path with a parameter added to its query.
pub(crate) fn with_parameter(target: &str, name: &str, value: &str) -> String {
    let pair =
        url::form_urlencoded::Serializer::new(String::new()).append_pair(name, value).finish();
    format!("{target}{}{pair}", if target.contains('?') { '&' } else { '?' })
}

/// A target without a parameter of its query.
pub(crate) fn without_parameter(target: &str, name: &str) -> String {
    let Some((path, query)) = target.split_once('?') else { return target.to_owned() };
    let kept: Vec<&str> =
        query.split('&').filter(|pair| pair.split('=').next() != Some(name)).collect();
    if kept.is_empty() { path.to_owned() } else { format!("{path}?{}", kept.join("&")) }
}

/// A parameter of a query, decoded.
pub(crate) fn parameter(query: Option<&str>, name: &str) -> Option<String> {
    url::form_urlencoded::parse(query?.as_bytes())
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.into_owned())
}

/// The client's address: the peer, or what the trusted proxies in front say (A6): the rightmost address that is not one of them.
pub(crate) fn client_ip(peer: IpAddr, headers: &HeaderMap, trusted: &[Network]) -> IpAddr {
    let is_trusted = |ip: IpAddr| trusted.iter().any(|network| network.contains(ip));
    let peer = peer.to_canonical();
    if !is_trusted(peer) {
        return peer;
    }
    let forwarded: Vec<&str> = headers
        .get_all("x-forwarded-for")
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .collect();
    let mut client = peer;
    for hop in forwarded.iter().rev() {
        // Behind a hop that is no address nothing can be believed.
        let Ok(ip) = hop.trim().parse::<IpAddr>() else { break };
        client = ip.to_canonical();
        if !is_trusted(client) {
            break;
        }
    }
    client
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_paths_come_in() {
        for good in [
            "/",
            "/api/me",
            "/c/team/channels/田",
            "/files/1/a%20b.png",
            "/api/messages/1/reactions/%F0%9F%91%8D",
            "/a.b/..c",
        ] {
            assert!(is_plain_path(good), "{good}");
        }
        for bad in [
            "",
            "*",
            "api",
            "/api/../internal/events",
            "/%2e%2e/x",
            "/%2E./x",
            "/a%2fb",
            "/a%2Fb",
            "//x",
            "/a//b",
            "/a\\b",
            "/a%5cb",
            "/a;a=b",
            "/./a",
            "/a/..",
            "/a%00",
            "/a%0d",
        ] {
            assert!(!is_plain_path(bad), "{bad}");
        }
    }

    #[test]
    fn the_way_back_stays_on_this_site() {
        let long = format!("/{}", "x".repeat(9 * 1024));
        for bad in [
            "//evil",
            "/\\evil",
            "https://evil",
            "javascript:alert(1)",
            "/%0d%0aSet-Cookie:x",
            &long,
            "",
            "evil",
            "/a\nb",
            "/a\\b",
            "/\t/evil",
            "///evil",
            "/%2f/evil",
            "/%5cevil",
        ] {
            assert_eq!(return_to(Some(bad)), "/", "{bad}");
        }
        for good in ["/", "/c/team/channels/general?thread=1#m", "/m/1?x=%2Fa", "/search?q=//x"] {
            assert_eq!(return_to(Some(good)), good);
        }
        assert_eq!(return_to(None), "/");
    }

    #[test]
    fn parameters_come_and_go() {
        assert_eq!(with_parameter("/a", "_b", "1"), "/a?_b=1");
        assert_eq!(with_parameter("/a?x=1", "return_to", "/b?c"), "/a?x=1&return_to=%2Fb%3Fc");
        assert_eq!(without_parameter("/a?x=1&_b=1&y=2", "_b"), "/a?x=1&y=2");
        assert_eq!(without_parameter("/a?_b=1", "_b"), "/a");
        assert_eq!(parameter(Some("a=1&b=%2Fx"), "b").as_deref(), Some("/x"));
    }

    #[test]
    fn only_trusted_proxies_name_the_client() {
        let trusted = ["10.0.0.0/8".parse().unwrap()];
        let ip = |peer: &str, forwarded: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("x-forwarded-for", forwarded.parse().unwrap());
            client_ip(peer.parse().unwrap(), &headers, &trusted).to_string()
        };
        assert_eq!(ip("1.2.3.4", "9.9.9.9"), "1.2.3.4", "forged");
        assert_eq!(ip("10.0.0.1", "9.9.9.9"), "9.9.9.9");
        assert_eq!(ip("10.0.0.1", "6.6.6.6, 9.9.9.9, 10.0.0.2"), "9.9.9.9");
        assert_eq!(ip("10.0.0.1", "9.9.9.9, junk"), "10.0.0.1");
        assert_eq!(ip("10.0.0.1", "10.0.0.3"), "10.0.0.3");
    }
}
