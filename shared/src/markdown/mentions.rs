//! Whom a message calls.

use std::borrow::Cow;
use std::collections::HashSet;
use std::ops::Range;

use pulldown_cmark::{Event, Tag, TagEnd};

use super::links::linkify;

/// Whom a message calls (requirements D3). Who of them exists, and may be called, is for the caller to find out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mentions {
    /// Usernames in lower case, in the order of the text, each once.
    pub users: Vec<String>,
    /// Everybody in the channel.
    pub channel: bool,
    /// Everybody in the channel who is online.
    pub here: bool,
}

/// Whom `body` calls. Code and links call nobody.
#[must_use]
pub fn mentions(body: &str) -> Mentions {
    let mut found = Mentions::default();
    if !body.contains('@') {
        return found;
    }
    let mut seen = HashSet::new();
    let mut quiet = 0_usize;
    for event in super::parse(&linkify(body)) {
        match event {
            Event::Start(Tag::CodeBlock(_) | Tag::Link { .. } | Tag::Image { .. }) => quiet += 1,
            Event::End(TagEnd::CodeBlock | TagEnd::Link | TagEnd::Image) => quiet -= 1,
            Event::Text(text) | Event::Html(text) | Event::InlineHtml(text) if quiet == 0 => {
                for (_, name) in find(&text) {
                    match name.as_ref() {
                        "channel" => found.channel = true,
                        "here" => found.here = true,
                        name => {
                            if seen.insert(name.to_owned()) {
                                found.users.push(name.to_owned());
                            }
                        }
                    }
                }
            }
            _ => {}
        }
    }
    found
}

/// Everything in a piece of text that is written like a mention: its place, the `@` included, and the name in lower case.
pub(super) fn find(text: &str) -> impl Iterator<Item = (Range<usize>, Cow<'_, str>)> {
    let mut from = 0;
    std::iter::from_fn(move || {
        loop {
            let at = from + text[from..].find('@')?;
            from = at + 1;
            // `mail@example.com`, `@@x` and `/@x` are something else.
            if text[..at]
                .bytes()
                .next_back()
                .is_some_and(|b| b.is_ascii_alphanumeric() || b"._-+/@=".contains(&b))
            {
                continue;
            }
            let rest = &text[from..];
            let len = rest
                .bytes()
                .position(|b| !(b.is_ascii_alphanumeric() || b"._-".contains(&b)))
                .unwrap_or(rest.len());
            // `@ola@elsewhere.example` is somebody of another server.
            if rest[len..].starts_with('@') {
                continue;
            }
            let name = rest[..len].trim_end_matches(['.', '-']);
            if (2..=32).contains(&name.len()) && name.as_bytes()[0].is_ascii_alphanumeric() {
                from += name.len();
                return Some((at..from, lower(name)));
            }
        }
    })
}

fn lower(name: &str) -> Cow<'_, str> {
    if name.bytes().any(|b| b.is_ascii_uppercase()) {
        Cow::Owned(name.to_ascii_lowercase())
    } else {
        Cow::Borrowed(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_in_order_and_once() {
        let found = mentions(
            "@Mara please look, **@ola**. And @mara again (@t.k-2) @foo_bar! 田辺@yuki さん",
        );
        assert_eq!(found.users, ["mara", "ola", "t.k-2", "foo_bar", "yuki"]);
        assert!(!found.channel && !found.here);
        let all = mentions("@channel and @HERE");
        assert!(all.users.is_empty() && all.channel && all.here);
    }

    #[test]
    fn code_links_and_addresses_call_nobody() {
        for body in [
            "`@ola`",
            "```\n@ola\n```",
            "    @ola",
            "mail@example.com",
            "[@ola](https://a.b)",
            "https://a.b/?x=1,@ola",
            "https://social.example/@ola",
            "@ola@social.example",
            "@a",
            "@ ola",
        ] {
            assert_eq!(mentions(body), Mentions::default(), "{body}");
        }
    }

    #[test]
    fn html_and_tables_are_text() {
        assert_eq!(mentions("<div>\n@ola\n</div>").users, ["ola"]);
        assert_eq!(mentions("|a|b|\n|-|-|\n|@ola|x|").users, ["ola"]);
        assert_eq!(mentions("> @ola\n\n- @mara").users, ["ola", "mara"]);
    }
}
