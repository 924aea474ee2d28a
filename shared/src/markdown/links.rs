//! Which links may be followed, and bare addresses that become links.

use std::borrow::Cow;
use std::fmt::Write as _;

use pulldown_cmark::{Event, LinkType, Parser, Tag, TagEnd, TextMergeWithOffset};
use url::Url;

/// A link that may be followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    /// Where it leads, normalised: an international host is in its ASCII form.
    pub href: String,
    /// The host as DNS has it, to be shown when the written one could look like another.
    pub host: Option<String>,
}

impl Target {
    /// The target, unless its scheme could do something else than lead somewhere, or it is relative to our own pages (A67).
    pub(super) fn parse(kind: LinkType, destination: &str) -> Option<Self> {
        if kind == LinkType::Email {
            return Some(Self { href: format!("mailto:{destination}"), host: None });
        }
        let url = Url::parse(destination).ok()?;
        if !matches!(url.scheme(), "http" | "https" | "mailto") {
            return None;
        }
        let host = url
            .host_str()
            .filter(|host| host.split('.').any(|label| label.starts_with("xn--")))
            .map(str::to_owned);
        Some(Self { href: url.into(), host })
    }
}

/// The source with bare `http` and `https` addresses in angle brackets, which makes them links for the parser.
///
/// Done before parsing rather than on the parsed text, because an underscore or star inside an address would otherwise be markup.
pub(super) fn linkify(source: &str) -> Cow<'_, str> {
    if !source.contains("://") {
        return Cow::Borrowed(source);
    }
    let mut linked = String::new();
    let mut copied = 0;
    let mut quiet = 0_usize;
    let events = Parser::new_ext(source, super::dialect()).into_offset_iter();
    for (event, range) in TextMergeWithOffset::new(events) {
        match event {
            Event::Start(Tag::Link { .. } | Tag::Image { .. } | Tag::CodeBlock(_)) => quiet += 1,
            Event::End(TagEnd::Link | TagEnd::Image | TagEnd::CodeBlock) => quiet -= 1,
            Event::Text(_) if quiet == 0 => {
                let mut from = range.start.max(copied);
                while let Some((start, end)) = find_address(source, from, range.end) {
                    let _ = write!(linked, "{}<{}>", &source[copied..start], &source[start..end]);
                    (copied, from) = (end, end);
                }
            }
            _ => {}
        }
    }
    if copied == 0 {
        return Cow::Borrowed(source);
    }
    linked.push_str(&source[copied..]);
    Cow::Owned(linked)
}

/// The next address that starts in `from..until`, as a range of the source.
fn find_address(source: &str, mut from: usize, until: usize) -> Option<(usize, usize)> {
    while let Some(colon) = source.get(from..until)?.find("://").map(|at| from + at) {
        from = colon + 3;
        let scheme = ["https", "http"].into_iter().find(|scheme| {
            colon
                .checked_sub(scheme.len())
                .and_then(|start| source.get(start..colon))
                .is_some_and(|text| text.eq_ignore_ascii_case(scheme))
        });
        let Some(start) = scheme.map(|scheme| colon - scheme.len()) else { continue };
        let before = source[..start].chars().next_back();
        if before.is_some_and(|c| c.is_ascii_alphanumeric() || matches!(c, '\\' | '<')) {
            continue;
        }
        let end = from + address_len(&source[from..]);
        if end > from {
            return Some((start, end));
        }
    }
    None
}

/// How much of the text after `://` belongs to the address: up to white space or a delimiter, without the punctuation of the sentence around it.
fn address_len(text: &str) -> usize {
    if !text.starts_with(|c: char| c.is_alphanumeric() || c == '[') {
        return 0;
    }
    let stop = text.find(|c: char| {
        c.is_whitespace() || c.is_control() || matches!(c, '<' | '>' | '"' | '`' | '|' | '\\')
    });
    let mut address = &text[..stop.unwrap_or(text.len())];
    // A closing bracket belongs to the address only if the address also opened it.
    let mut surplus = [('(', ')'), ('[', ']'), ('{', '}')].map(|(open, close)| {
        (close, address.matches(close).count().saturating_sub(address.matches(open).count()))
    });
    while let Some(last) = address.chars().next_back() {
        let outside = match surplus.iter_mut().find(|(close, _)| *close == last) {
            Some((_, 0)) => false,
            Some((_, left)) => {
                *left -= 1;
                true
            }
            None => matches!(
                last,
                '.' | ','
                    | ':'
                    | ';'
                    | '!'
                    | '?'
                    | '\''
                    | '*'
                    | '_'
                    | '~'
                    | '“'
                    | '”'
                    | '。'
                    | '、'
            ),
        };
        if !outside {
            break;
        }
        address = &address[..address.len() - last.len_utf8()];
    }
    address.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bare_addresses_become_links() {
        let cases = [
            ("see https://a.b/c_d_e, ok", "see <https://a.b/c_d_e>, ok"),
            ("(https://a.b/x_(y))", "(<https://a.b/x_(y)>)"),
            ("https://a.b/__init__.py", "<https://a.b/__init__.py>"),
            ("**http://a.b**", "**<http://a.b>**"),
            ("https://a.b https://c.d.", "<https://a.b> <https://c.d>."),
            (
                "| https://a.b | x |\n|---|---|\n| https://c.d | y |",
                "| <https://a.b> | x |\n|---|---|\n| <https://c.d> | y |",
            ),
        ];
        for (source, expected) in cases {
            assert_eq!(linkify(source), expected);
        }
    }

    #[test]
    fn code_links_and_other_schemes_are_left_alone() {
        for source in [
            "`https://a.b`",
            "```\nhttps://a.b\n```",
            "[x](https://a.b)",
            "[https://a.b](https://c.d)",
            "<https://a.b>",
            "xhttps://a.b",
            "ftp://a.b",
            "https://",
            "javascript://x",
        ] {
            assert_eq!(linkify(source), source);
        }
    }
}
