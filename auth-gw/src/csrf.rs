//! Requests that a browser sends by itself must come from our own page (delivery-and-security.md section 3.4).

use ajet_shared::id::UserId;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac as _};
use rand::Rng as _;
use sha2::Sha256;

use crate::answer::Failure;
use crate::visit::Visit;

/// Asks for the header that only a script of our own page can set.
const HEADER: &str = "x-ajet-csrf";
/// Whose page it is that asks.
const USER_HEADER: &str = "x-ajet-user";
const NONCE_BYTES: usize = 16;

/// The request comes from a page of this site.
pub(crate) fn same_origin(visit: &Visit, public_origin: &str) -> Result<(), Failure> {
    let same = match (visit.header("sec-fetch-site"), visit.header("origin")) {
        (Some(site), _) => site == "same-origin",
        (None, Some(origin)) => origin == public_origin,
        (None, None) => false,
    };
    if same { Ok(()) } else { Err(Failure::csrf("Open the page on this site and try again.")) }
}

/// As [`same_origin`], for forms that need no session and carry their own secret: a client that is no browser may send them.
pub(crate) fn not_cross_origin(visit: &Visit, public_origin: &str) -> Result<(), Failure> {
    if visit.header("sec-fetch-site").is_none() && visit.header("origin").is_none() {
        Ok(())
    } else {
        same_origin(visit, public_origin)
    }
}

/// The request has a header that another site cannot make a browser send without asking first.
pub(crate) fn has_header(visit: &Visit) -> bool {
    visit.header(HEADER) == Some("1") || visit.is_datastar
}

/// The request comes from a page of this person, as far as it says whose it is. A page can outlive its session, and what one has written there
/// must not be said by who signed in next in the same browser.
pub(crate) fn is_page_of(visit: &Visit, user_id: UserId) -> bool {
    visit
        .headers
        .get(USER_HEADER)
        .is_none_or(|said| said.as_bytes() == user_id.to_string().as_bytes())
}

/// The hidden token of a form, bound to the session: only who knows the session's token can make one.
pub(crate) fn token(session_token: &str) -> String {
    let mut nonce = [0_u8; NONCE_BYTES];
    rand::rng().fill_bytes(&mut nonce);
    let mut bytes = nonce.to_vec();
    bytes.extend(signature(session_token, &nonce));
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The hidden token was made for this session.
pub(crate) fn is_token_of(session_token: &str, text: &str) -> bool {
    let Ok(bytes) = URL_SAFE_NO_PAD.decode(text) else { return false };
    let Some((nonce, mac)) = bytes.split_at_checked(NONCE_BYTES) else { return false };
    keyed(session_token).chain_update(nonce).verify_slice(mac).is_ok()
}

fn signature(session_token: &str, nonce: &[u8]) -> Vec<u8> {
    keyed(session_token).chain_update(nonce).finalize().into_bytes().to_vec()
}

fn keyed(session_token: &str) -> Hmac<Sha256> {
    // HMAC takes a key of any length; the label keeps these signatures apart from any other use of the token.
    let mac = <Hmac<Sha256> as hmac::KeyInit>::new_from_slice(session_token.as_bytes());
    mac.unwrap_or_else(|never| unreachable!("HMAC refused a key: {never}"))
        .chain_update(b"ajet-csrf-1")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_token_belongs_to_one_session() {
        let made = token("session one");
        assert!(is_token_of("session one", &made));
        assert_ne!(made, token("session one"), "fresh every time");
        assert!(!is_token_of("session two", &made));
        for bad in ["", "AAAA", &made[1..], "not base64!"] {
            assert!(!is_token_of("session one", bad), "{bad}");
        }
    }
}
