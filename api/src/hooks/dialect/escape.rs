//! Plain text inside Markdown, so that it shows as it was written.

/// Plain text as Markdown that draws exactly this text; line ends stay.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    for (number, line) in text.split('\n').enumerate() {
        if number > 0 {
            out.push('\n');
        }
        escape_line(line, &mut out);
    }
    out
}

/// One line; `out` stands at the beginning of one.
pub(super) fn escape_line(line: &str, out: &mut String) {
    let rest = escape_start(line, out);
    escape_inline(rest, None, None, out);
}

/// Writes what a line begins with so that it opens no block: no quote, heading, list, rule, table or indented code. Answers what is left.
pub(super) fn escape_start<'a>(line: &'a str, out: &mut String) -> &'a str {
    let text = line.trim_start_matches([' ', '\t']);
    // Four spaces would make it code; these are as wide and do not.
    for c in line[..line.len() - text.len()].chars() {
        out.push_str(if c == '\t' { "\u{a0}\u{a0}\u{a0}\u{a0}" } else { "\u{a0}" });
    }
    let Some(first) = text.chars().next() else { return text };
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    if digits > 0 {
        let after = &text[digits..];
        if after.starts_with(['.', ')']) {
            out.push_str(&text[..digits]);
            out.push('\\');
            out.push_str(&after[..1]);
            return &after[1..];
        }
        return text;
    }
    let ruled = text.chars().all(|c| "-:|= ".contains(c));
    if "#>-+".contains(first) || ruled {
        out.push('\\');
        out.push(first);
        return &text[first.len_utf8()..];
    }
    text
}

/// Text inside a line. Its neighbours say whether an underscore at its edge could be emphasis; none is the edge of the line.
pub(super) fn escape_inline(
    text: &str,
    before: Option<char>,
    after: Option<char>,
    out: &mut String,
) {
    let mut before = before;
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        let next = chars.peek().map_or(after, |(_, next)| Some(*next));
        if needs_escape(c, before, next) {
            out.push('\\');
        }
        let is_bare_address = c == ':' && text[at..].starts_with("://");
        out.push(c);
        before = Some(c);
        if is_bare_address {
            // What follows is an address: markup characters in it are its own, and a backslash would break it.
            while let Some((_, c)) =
                chars.next_if(|(_, c)| !c.is_whitespace() && !"<>`[]\\\"".contains(*c))
            {
                out.push(c);
                before = Some(c);
            }
        }
    }
}

fn needs_escape(c: char, before: Option<char>, next: Option<char>) -> bool {
    let in_word = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    match c {
        '\\' | '`' | '*' | '~' | '[' | ']' | '<' => true,
        '_' => !(in_word(before) && in_word(next)),
        '&' => next.is_some_and(|c| c.is_ascii_alphanumeric() || c == '#'),
        _ => false,
    }
}

/// A link in Markdown, or only its text where it leads nowhere.
pub(super) fn link(text: &str, url: Option<&str>) -> String {
    let text = text.replace('\n', " ");
    let text = text.trim();
    let mut label = String::with_capacity(text.len());
    match url {
        Some(url) if text.is_empty() => format!("<{url}>"),
        // An address as the label is made a link by itself, and a link in a link is none.
        Some(url) if text == url => format!("<{url}>"),
        Some(url) => {
            escape_inline(text, Some('['), Some(']'), &mut label);
            format!("[{}]({url})", label.replace("://", ":\\//"))
        }
        None => {
            escape_line(text, &mut label);
            label
        }
    }
}

/// Text as inline code, whatever it holds.
pub(super) fn code(text: &str) -> String {
    let text = text.replace('\n', " ");
    if text.trim().is_empty() {
        return String::new();
    }
    let ticks = "`".repeat(longest_run(&text, '`') + 1);
    let space = if text.starts_with('`') || text.ends_with('`') { " " } else { "" };
    format!("{ticks}{space}{text}{space}{ticks}")
}

/// Text as a fenced block, whatever it holds.
pub(super) fn fence(text: &str, language: &str) -> String {
    let ticks = "`".repeat(longest_run(text, '`').max(2) + 1);
    format!("{ticks}{language}\n{}\n{ticks}", text.trim_end_matches('\n'))
}

/// Text on one line, with single spaces and cut after `max` characters.
pub(super) fn one_line(text: &str, max: usize) -> String {
    let mut out = String::new();
    let mut chars = 0;
    for word in text.split_whitespace() {
        if !out.is_empty() {
            out.push(' ');
            chars += 1;
        }
        for c in word.chars() {
            if chars >= max {
                out.push('…');
                return out;
            }
            out.push(c);
            chars += 1;
        }
    }
    out
}

/// The start of a text with lines, cut after `max` characters at a line's end where one is near.
pub(super) fn shorten(text: &str, max: usize) -> String {
    let Some((end, _)) = text.char_indices().nth(max) else { return text.to_owned() };
    let start = &text[..end];
    let cut = start.rfind('\n').filter(|at| at * 4 > end * 3).unwrap_or(end);
    format!("{}…", start[..cut].trim_end())
}

fn longest_run(text: &str, of: char) -> usize {
    let mut longest = 0;
    let mut run = 0;
    for c in text.chars() {
        run = if c == of { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    longest
}

#[cfg(test)]
mod tests {
    use ajet_shared::markdown::{plain, to_html};

    use super::*;

    #[test]
    fn text_shows_as_it_was_written() {
        for text in [
            "*no* _no_ ~no~ `no` [no](https://a.b) ![no](https://a.b)",
            "# no heading",
            "> no quote",
            "- no list",
            "1. no list",
            "12) no list",
            "+ no list",
            "<b>no</b> &amp; &lt; &#60; <https://a.b>",
            "snake_case_stays and _so do these_",
            "a\\*b",
            "| no | table |",
        ] {
            let html = to_html(&escape(text), &|_| None).to_string();
            for tag in ["<em", "<strong", "<code", "<h1", "<ul", "<ol", "<del", "<blockq", "<img"] {
                assert!(!html.contains(tag), "{text}: {html}");
            }
            assert_eq!(plain(&escape(text), 1_000), text, "{html}");
        }
        let html =
            to_html(&escape("| a |\n|---|\n| b |\n\ntitle\n===\nx\n---"), &|_| None).to_string();
        assert!(
            !html.contains("<table") && !html.contains("<h") && !html.contains("<hr"),
            "{html}"
        );
        assert!(!to_html(&escape("    four spaces"), &|_| None).to_string().contains("<pre"));
    }

    #[test]
    fn addresses_are_left_alone() {
        assert_eq!(
            escape("see https://a.b/_x_/~y?a=1&b=2 _z"),
            "see https://a.b/_x_/~y?a=1&b=2 \\_z"
        );
    }

    #[test]
    fn links_cannot_be_broken_out_of() {
        assert_eq!(link("a](b", Some("https://a.b")), "[a\\](b](https://a.b)");
        assert_eq!(link("https://a.b", Some("https://a.b")), "<https://a.b>");
        assert_eq!(link("*x*", None), "\\*x\\*");
        let html = to_html(&link("https://c.d", Some("https://a.b")), &|_| None).to_string();
        assert!(
            html.contains("href=\"https://a.b/\"") && !html.contains("href=\"https://c.d"),
            "{html}"
        );
    }

    #[test]
    fn code_holds_anything() {
        assert_eq!(code("x"), "`x`");
        assert_eq!(code("a`b"), "``a`b``");
        assert_eq!(code("`"), "`` ` ``");
        assert_eq!(code(" "), "");
        assert_eq!(fence("a\n```\nb\n", ""), "````\na\n```\nb\n````");
    }

    #[test]
    fn long_text_is_cut() {
        assert_eq!(one_line("a\n b  c", 10), "a b c");
        assert_eq!(one_line("abcdef", 3), "abc…");
        assert_eq!(shorten("one\ntwo\nthree", 8), "one\ntwo…");
        assert_eq!(shorten("田辺田辺", 2), "田辺…");
    }
}
