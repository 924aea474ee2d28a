//! The form of every secret credential (delivery-and-security.md section 3.1).
//!
//! `ajs_` + 16 base62 selector + 6 base62 CRC32 + `_` + 43 base64url verifier, 70 characters. The selector finds the row, the checksum
//! refuses junk before any database work, the verifier (32 random bytes) is the secret; only its hash is stored.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rand::{Rng, RngExt};

use crate::secret::Secret;

const SELECTOR_CHARS: usize = 16;
const CHECKSUM_CHARS: usize = 6;
const VERIFIER_CHARS: usize = 43;
const PREFIX_CHARS: usize = 4;
const TOKEN_CHARS: usize = PREFIX_CHARS + SELECTOR_CHARS + CHECKSUM_CHARS + 1 + VERIFIER_CHARS;
const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// What a token opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TokenKind {
    /// A signed-in session.
    Session,
    /// A long-lived API token.
    Api,
    /// An incoming webhook.
    Webhook,
    /// An invite.
    Invite,
}

impl TokenKind {
    const fn prefix(self) -> &'static str {
        match self {
            Self::Session => "ajs_",
            Self::Api => "ajp_",
            Self::Webhook => "ajw_",
            Self::Invite => "aji_",
        }
    }
}

/// A well-formed token. It is a secret: `Debug` hides the verifier.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    kind: TokenKind,
    text: String,
}

/// The text is not one of our tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is not a token of ajet-chat")]
pub struct TokenError;

impl Token {
    /// A new random token.
    #[must_use]
    pub fn generate(kind: TokenKind) -> Self {
        let mut rng = rand::rng();
        let selector: String = (0..SELECTOR_CHARS)
            .map(|_| char::from(BASE62[rng.random_range(0..BASE62.len())]))
            .collect();
        let mut verifier = [0_u8; 32];
        rng.fill_bytes(&mut verifier);
        let checksum = checksum(kind, &selector);
        let text =
            format!("{}{selector}{checksum}_{}", kind.prefix(), URL_SAFE_NO_PAD.encode(verifier));
        Self { kind, text }
    }

    /// Parses a token of the given kind; the checksum must fit.
    pub fn parse(kind: TokenKind, text: &str) -> Result<Self, TokenError> {
        let well_formed = text.len() == TOKEN_CHARS
            && text.starts_with(kind.prefix())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
            && text.as_bytes()[TOKEN_CHARS - VERIFIER_CHARS - 1] == b'_';
        let token =
            Self { kind, text: if well_formed { text.to_owned() } else { return Err(TokenError) } };
        let end = PREFIX_CHARS + SELECTOR_CHARS;
        if token.text[end..end + CHECKSUM_CHARS] == checksum(kind, token.selector()) {
            Ok(token)
        } else {
            Err(TokenError)
        }
    }

    /// Parses a token that may come as a bearer: of a session or of the API.
    pub fn parse_bearer(text: &str) -> Result<Self, TokenError> {
        Self::parse(TokenKind::Session, text).or_else(|_| Self::parse(TokenKind::Api, text))
    }

    /// What it opens.
    #[must_use]
    pub const fn kind(&self) -> TokenKind {
        self.kind
    }

    /// The public half: finds the row, may be logged.
    #[must_use]
    pub fn selector(&self) -> &str {
        &self.text[PREFIX_CHARS..PREFIX_CHARS + SELECTOR_CHARS]
    }

    /// The secret half, 43 characters.
    #[must_use]
    pub fn verifier(&self) -> &str {
        &self.text[TOKEN_CHARS - VERIFIER_CHARS..]
    }

    /// The whole token, to hand it to its owner once.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.text
    }

    /// The whole token as a secret value.
    #[must_use]
    pub fn to_secret(&self) -> Secret {
        Secret::from(self.text.clone())
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token({}{}…)", self.kind.prefix(), self.selector())
    }
}

fn checksum(kind: TokenKind, selector: &str) -> String {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(kind.prefix().as_bytes());
    hasher.update(selector.as_bytes());
    let mut rest = hasher.finalize();
    let mut digits = [b'0'; CHECKSUM_CHARS];
    for digit in digits.iter_mut().rev() {
        *digit = BASE62[(rest % 62) as usize];
        rest /= 62;
    }
    String::from_utf8_lossy(&digits).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_survives_the_round_trip_and_nothing_else_parses() {
        let token = Token::generate(TokenKind::Session);
        assert_eq!(token.expose().len(), TOKEN_CHARS);
        assert_eq!(Token::parse(TokenKind::Session, token.expose()), Ok(token.clone()));
        assert_eq!(Token::parse(TokenKind::Api, token.expose()), Err(TokenError));
        assert_eq!(Token::parse_bearer(&token.expose().to_lowercase()), Err(TokenError));
        assert_eq!(Token::parse_bearer(&format!("{}x", token.expose())), Err(TokenError));
        let mut other = token.expose().to_owned().into_bytes();
        other[5] = if other[5] == b'x' { b'y' } else { b'x' };
        assert_eq!(Token::parse_bearer(std::str::from_utf8(&other).unwrap()), Err(TokenError));
    }

    #[test]
    fn debug_hides_the_verifier() {
        let token = Token::generate(TokenKind::Invite);
        assert!(!format!("{token:?}").contains(token.verifier()));
    }
}
