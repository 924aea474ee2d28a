//! Whether a delivery was made by somebody who knows the shared secret (webhooks reference, section 4.3).

use ajet_shared::secret::Secret;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};

use super::dialect::Signed;

/// What a signature proves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Proof {
    /// The sender knows the secret.
    Good,
    /// There is none.
    Missing,
    /// It was made with another secret, or over another body.
    Wrong,
}

/// Checks what the sender brought, in a time that does not depend on how much of it is right.
pub(super) fn check(secret: &Secret, signed: &Signed) -> Proof {
    let secret = secret.expose().as_bytes();
    let good = match signed {
        Signed::Nothing => return Proof::Missing,
        Signed::Hmac { hex, over } => is_hmac(secret, hex, over),
        // Digests are of one length, so nothing is told about that of the secret.
        Signed::Secret(given) => {
            is_equal(&Sha256::digest(secret), &Sha256::digest(given.as_bytes()))
        }
    };
    if good { Proof::Good } else { Proof::Wrong }
}

fn is_hmac(secret: &[u8], hex: &str, over: &[u8]) -> bool {
    let (Some(given), Ok(mut mac)) = (decode(hex), Hmac::<Sha256>::new_from_slice(secret)) else {
        return false;
    };
    mac.update(over);
    mac.verify_slice(&given).is_ok()
}

fn is_equal(one: &[u8], other: &[u8]) -> bool {
    one.iter().zip(other).fold(0_u8, |differ, (a, b)| differ | (a ^ b)) == 0
}

/// Bytes written as hexadecimal digits.
fn decode(hex: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = hex
        .chars()
        .map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
        .collect::<Option<_>>()?;
    let (pairs, rest) = digits.as_chunks::<2>();
    rest.is_empty().then(|| pairs.iter().map(|[high, low]| high << 4 | low).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hmac(hex: &str, over: &str) -> Signed {
        Signed::Hmac { hex: hex.to_owned(), over: over.as_bytes().to_vec() }
    }

    #[test]
    fn the_example_of_github_is_good_and_nothing_near_it() {
        // "Validating webhook deliveries" in the documentation of GitHub.
        let secret = Secret::from("It's a Secret to Everybody".to_owned());
        let hex = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
        assert_eq!(check(&secret, &hmac(hex, "Hello, World!")), Proof::Good);
        assert_eq!(check(&secret, &hmac(&hex.to_uppercase(), "Hello, World!")), Proof::Good);
        for (hex, over) in [
            (hex, "Hello, World"),
            (&hex[..62], "Hello, World!"),
            (&hex[..63], "Hello, World!"),
            ("", "Hello, World!"),
            ("zz", "Hello, World!"),
            ("é", "Hello, World!"),
        ] {
            assert_eq!(check(&secret, &hmac(hex, over)), Proof::Wrong, "{hex} {over}");
        }
        assert_eq!(check(&secret, &Signed::Nothing), Proof::Missing);
    }

    #[test]
    fn a_plain_secret_is_compared_whole() {
        let secret = Secret::from("correct horse".to_owned());
        let plain = |text: &str| check(&secret, &Signed::Secret(text.to_owned()));
        assert_eq!(plain("correct horse"), Proof::Good);
        for wrong in ["", "correct", "correct horse!", "Correct horse"] {
            assert_eq!(plain(wrong), Proof::Wrong, "{wrong}");
        }
    }
}
