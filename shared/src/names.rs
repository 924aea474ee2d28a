//! Names and texts that parse: a wrong value does not exist inside (style.md section 3.3).

use std::fmt;

use serde::{Deserialize, Serialize};
use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthChar as _;

use crate::limits::{
    CHANNEL_NAME_MAX_CHARS, COMMUNITY_NAME_MAX_CHARS, DISPLAY_NAME_MAX_GRAPHEMES,
    MESSAGE_BODY_MAX_BYTES, MESSAGE_BODY_MAX_CHARS, TOPIC_MAX_CHARS,
};

/// Why a text is not what it should be. The sentence is shown to people.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing visible in it.
    #[error("{what} is empty")]
    Empty {
        /// The thing named.
        what: &'static str,
    },
    /// Too many characters.
    #[error("{what} has {chars} characters, {max} is the limit")]
    TooLong {
        /// The thing named.
        what: &'static str,
        /// How many it has.
        chars: usize,
        /// How many are allowed.
        max: usize,
    },
    /// Holds something that may not be in it.
    #[error("{what} {rule}")]
    Invalid {
        /// The thing named.
        what: &'static str,
        /// What is allowed.
        rule: &'static str,
    },
}

macro_rules! define_names {
    ($($(#[$doc:meta])* $name:ident => $parse:path),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;

            fn try_from(text: String) -> Result<Self, Self::Error> {
                $parse(&text).map(Self)
            }
        }

        impl std::str::FromStr for $name {
            type Err = NameError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::try_from(text.to_owned())
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )+};
}

define_names! {
    /// A handle: `^[a-z0-9][a-z0-9._-]{1,31}$` and not a reserved word.
    Username => parse_username,
    /// A person's name, 1 to 64 graphemes, no control characters.
    DisplayName => parse_display_name,
    /// A channel name: lower-case letters, digits, `-` and `_`, 1 to 80; any script.
    ChannelName => parse_channel_name,
    /// A topic of at most 250 characters on one line; may be empty.
    Topic => parse_topic,
    /// A community's name, 1 to 80 characters.
    CommunityName => parse_community_name,
    /// A community's address: `^[a-z0-9][a-z0-9-]{0,39}$`.
    CommunitySlug => parse_slug,
    /// Markdown of 1 to 16,000 characters and at most 64 KiB, white space at the ends cut; or none, beside files.
    MessageBody => parse_body,
    /// One emoji.
    Emoji => parse_emoji,
}

/// Handles nobody may take: they mean something in a message or an address.
const RESERVED: &[&str] = &[
    "admin", "all", "api", "channel", "everyone", "here", "me", "owner", "root", "system", "ajet",
];

fn parse_username(text: &str) -> Result<String, NameError> {
    const WHAT: &str = "a username";
    let ok = (2..=32).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b))
        && text.as_bytes()[0].is_ascii_alphanumeric();
    if !ok {
        return Err(NameError::Invalid {
            what: WHAT,
            rule: "is 2 to 32 lower-case letters, digits, dots, hyphens or underscores",
        });
    }
    if RESERVED.contains(&text) {
        return Err(NameError::Invalid { what: WHAT, rule: "may not be a reserved word" });
    }
    Ok(text.to_owned())
}

/// Something that is not seen, or that changes how its neighbours are seen (controls, bidi overrides, zero width, noncharacters).
#[must_use]
pub fn is_invisible(c: char) -> bool {
    c.is_control()
        || is_noncharacter(c)
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// A code point that is never a character (Unicode 23.7).
const fn is_noncharacter(c: char) -> bool {
    let code = c as u32;
    code & 0xfffe == 0xfffe || (code >= 0xfdd0 && code <= 0xfdef)
}

/// Something that is seen without a neighbour; a combining mark alone is not (delivery-and-security.md A70).
fn is_seen(c: char) -> bool {
    !c.is_whitespace() && !is_invisible(c) && c.width() != Some(0)
}

/// Invisible, and not the joiner that emoji are made with.
#[must_use]
pub fn is_invisible_in_line(c: char) -> bool {
    is_invisible(c) && c != '\u{200d}'
}

fn one_line(what: &'static str, text: &str, max_chars: usize) -> Result<String, NameError> {
    let text = text.trim();
    // ZWJ joins emoji; every other invisible character could make two names look alike.
    if text.chars().any(|c| is_invisible(c) && c != '\u{200d}') {
        return Err(NameError::Invalid {
            what,
            rule: "may not hold control or invisible characters",
        });
    }
    let chars = text.chars().count();
    if chars > max_chars {
        return Err(NameError::TooLong { what, chars, max: max_chars });
    }
    Ok(text.to_owned())
}

fn some_line(what: &'static str, text: &str, max_chars: usize) -> Result<String, NameError> {
    let text = one_line(what, text, max_chars)?;
    if !text.chars().any(is_seen) {
        return Err(NameError::Empty { what });
    }
    Ok(text)
}

fn parse_display_name(text: &str) -> Result<String, NameError> {
    const WHAT: &str = "a display name";
    // Four code points a grapheme are enough for people; the table holds no more.
    let text = some_line(WHAT, text, DISPLAY_NAME_MAX_GRAPHEMES * 4)?;
    let chars = text.graphemes(true).count();
    if chars > DISPLAY_NAME_MAX_GRAPHEMES {
        return Err(NameError::TooLong { what: WHAT, chars, max: DISPLAY_NAME_MAX_GRAPHEMES });
    }
    Ok(text)
}

fn parse_channel_name(text: &str) -> Result<String, NameError> {
    const WHAT: &str = "a channel name";
    let name = some_line(WHAT, text.trim().trim_start_matches('#'), CHANNEL_NAME_MAX_CHARS)?
        .to_lowercase();
    if !name.chars().all(|c| c.is_alphanumeric() || c == '-' || c == '_') {
        return Err(NameError::Invalid {
            what: WHAT,
            rule: "is made of letters, digits, hyphens and underscores",
        });
    }
    Ok(name)
}

fn parse_topic(text: &str) -> Result<String, NameError> {
    one_line("a topic", text, TOPIC_MAX_CHARS)
}

fn parse_community_name(text: &str) -> Result<String, NameError> {
    some_line("a community name", text, COMMUNITY_NAME_MAX_CHARS)
}

fn parse_slug(text: &str) -> Result<String, NameError> {
    let ok = (1..=40).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && text.as_bytes()[0].is_ascii_alphanumeric();
    if ok {
        Ok(text.to_owned())
    } else {
        Err(NameError::Invalid {
            what: "an address",
            rule: "is 1 to 40 lower-case letters, digits or hyphens",
        })
    }
}

fn parse_body(text: &str) -> Result<String, NameError> {
    const WHAT: &str = "a message";
    if text.contains('\0') {
        return Err(NameError::Invalid { what: WHAT, rule: "may not hold the NUL character" });
    }
    if text.contains(is_noncharacter) {
        return Err(NameError::Invalid { what: WHAT, rule: "may not hold Unicode noncharacters" });
    }
    let body = text.trim_end().trim_start_matches(['\n', '\r']);
    if !body.chars().any(is_seen) {
        return Err(NameError::Empty { what: WHAT });
    }
    let chars = body.chars().count();
    if chars > MESSAGE_BODY_MAX_CHARS || body.len() > MESSAGE_BODY_MAX_BYTES {
        return Err(NameError::TooLong { what: WHAT, chars, max: MESSAGE_BODY_MAX_CHARS });
    }
    Ok(body.to_owned())
}

fn parse_emoji(text: &str) -> Result<String, NameError> {
    const ERROR: NameError = NameError::Invalid { what: "a reaction", rule: "is one emoji" };
    let mut graphemes = text.graphemes(true);
    let (Some(grapheme), None) = (graphemes.next(), graphemes.next()) else { return Err(ERROR) };
    if grapheme.len() > 64 || !grapheme.chars().any(is_emoji) {
        Err(ERROR)
    } else {
        Ok(text.to_owned())
    }
}

/// In one of the blocks that hold pictographs, or the mark that makes a plain character one.
fn is_emoji(c: char) -> bool {
    matches!(c, '\u{1f000}'..='\u{1faff}' | '\u{2190}'..='\u{2bff}' | '\u{3030}' | '\u{303d}' | '\u{3297}' | '\u{3299}' | '\u{a9}' | '\u{ae}' | '\u{203c}' | '\u{2049}' | '\u{2122}' | '\u{2139}' | '\u{20e3}' | '\u{fe0f}')
}

impl MessageBody {
    /// No text: what a message of files alone has.
    #[must_use]
    pub const fn none() -> Self {
        Self(String::new())
    }

    /// A text, or none if there is nothing to see in it.
    pub fn or_none(text: String) -> Result<Self, NameError> {
        match Self::try_from(text) {
            Err(NameError::Empty { .. }) => Ok(Self::none()),
            parsed => parsed,
        }
    }

    /// There is no text.
    #[must_use]
    pub const fn is_none(&self) -> bool {
        self.0.is_empty()
    }
}

impl CommunitySlug {
    /// The address made from a name: its letters and digits in ASCII, hyphens between; `community` when none are left.
    #[must_use]
    pub fn from_name(name: &CommunityName) -> Self {
        let mut slug = String::new();
        for c in name.as_str().to_lowercase().chars() {
            if c.is_ascii_alphanumeric() {
                slug.push(c);
            } else if !slug.is_empty() && !slug.ends_with('-') {
                slug.push('-');
            }
        }
        slug.truncate(40);
        let slug = slug.trim_end_matches('-');
        Self(if slug.is_empty() { "community".to_owned() } else { slug.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usernames_are_plain_and_not_reserved() {
        for good in ["ola", "a1", "mara.voss", "x-y_z"] {
            assert!(good.parse::<Username>().is_ok(), "{good}");
        }
        for bad in ["", "a", "Ola", ".ola", "аdmin", "here", "with space", &"x".repeat(33)] {
            assert!(bad.parse::<Username>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_body_needs_something_to_see() {
        for bad in
            ["", "  \n", "\u{200b}\u{200d}", "a\0b", "\u{301}\u{302}", "a\u{fffe}b", "\u{fdd0}"]
        {
            assert!(bad.parse::<MessageBody>().is_err(), "{bad:?}");
        }
        assert!(MessageBody::or_none(" \n".to_owned()).unwrap().is_none());
        assert!(MessageBody::or_none("a\0b".to_owned()).is_err());
        assert_eq!("  indented\n".parse::<MessageBody>().unwrap().as_str(), "  indented");
        assert!("x".repeat(MESSAGE_BODY_MAX_CHARS).parse::<MessageBody>().is_ok());
        assert!("x".repeat(MESSAGE_BODY_MAX_CHARS + 1).parse::<MessageBody>().is_err());
    }

    #[test]
    fn a_name_is_seen_and_fits_its_column() {
        for good in ["Mara Okafor", "e\u{301}", "田辺", "👩‍🚀", "ا", &"x".repeat(64)] {
            assert!(good.parse::<DisplayName>().is_ok(), "{good}");
        }
        let family = "👨\u{200d}👩\u{200d}👧\u{200d}👦";
        assert!(family.repeat(36).parse::<DisplayName>().is_ok());
        let (families, zalgo) = (family.repeat(37), format!("z{}", "\u{301}".repeat(300)));
        for bad in
            ["", " ", "\u{301}", "a\u{202e}b", "a\u{ffff}", &zalgo, &families, &"x".repeat(65)]
        {
            assert!(bad.parse::<DisplayName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_reaction_is_one_emoji() {
        for good in ["👍", "🚢", "❤️", "👩‍🚀", "🇩🇪", "1️⃣", "✅"] {
            assert!(good.parse::<Emoji>().is_ok(), "{good}");
        }
        for bad in ["", "a", "1", "👍👍", "<b>", "ok👍"] {
            assert!(bad.parse::<Emoji>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_slug_comes_from_the_name() {
        let slug = |name: &str| CommunitySlug::from_name(&name.parse().unwrap()).to_string();
        assert_eq!(slug("Saltmarsh Labs"), "saltmarsh-labs");
        assert_eq!(slug("田辺"), "community");
        assert_eq!("#Release-Room".parse::<ChannelName>().unwrap().as_str(), "release-room");
    }
}
