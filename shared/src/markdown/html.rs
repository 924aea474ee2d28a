//! Markdown to HTML: our own writer, then the sanitiser as a second, independent wall (delivery-and-security.md section 3.9).

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;
use std::sync::LazyLock;

use pulldown_cmark::{Alignment, CodeBlockKind, Event, HeadingLevel, LinkType, Tag, TagEnd};

use super::links::{Target, linkify};
use super::{NESTING_MAX, SafeHtml, mentions};
use crate::id::UserId;

/// Mentions drawn as such in one message; what comes after stays text (A74).
const MENTIONS_DRAWN_MAX: usize = 500;
/// Line breaks in a row that are drawn (A72).
const BREAKS_MAX: u8 = 2;

/// The message as HTML for the inside of `.prose`.
///
/// `resolve` knows the people: it gets a username in lower case and answers whose it is. Their mentions become
/// `<span class="mention u-<id>">`, the id as 32 hexadecimal digits, so that a page can mark "me" with one style rule while the HTML is
/// the same for all readers; `@channel` and `@here` become `<span class="mention all">`. Unknown names stay text.
#[must_use]
pub fn to_html(body: &str, resolve: &dyn Fn(&str) -> Option<UserId>) -> SafeHtml {
    let source = linkify(body);
    let mut writer = Writer::new(resolve, source.len());
    for event in super::parse(&source) {
        writer.event(event);
    }
    SafeHtml(SANITIZER.clean(&writer.out).to_string())
}

/// An opening tag that waits for the next event, because a task's row looks different.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Pending {
    Nothing,
    Item,
    ItemParagraph,
}

struct Writer<'a> {
    resolve: &'a dyn Fn(&str) -> Option<UserId>,
    out: String,
    pending: Pending,
    /// Containers written and open.
    depth: usize,
    /// Containers open but left out, because they are too deep.
    skipped: usize,
    /// Open links and pictures: what to write behind them, if they were written at all.
    links: Vec<Option<String>>,
    /// Links among them that were written: only one can be, HTML has no link inside a link.
    linked: usize,
    in_code: bool,
    in_head: bool,
    columns: Vec<Alignment>,
    column: usize,
    mentions_left: usize,
    breaks: u8,
}

impl<'a> Writer<'a> {
    fn new(resolve: &'a dyn Fn(&str) -> Option<UserId>, len: usize) -> Self {
        Self {
            resolve,
            out: String::with_capacity(len + len / 2 + 16),
            pending: Pending::Nothing,
            depth: 0,
            skipped: 0,
            links: Vec::new(),
            linked: 0,
            in_code: false,
            in_head: false,
            columns: Vec::new(),
            column: 0,
            mentions_left: MENTIONS_DRAWN_MAX,
            breaks: 0,
        }
    }

    fn event(&mut self, event: Event<'_>) {
        if self.pending != Pending::Nothing && self.finish_item(&event) {
            return;
        }
        if !matches!(event, Event::SoftBreak | Event::HardBreak) {
            self.breaks = 0;
        }
        match event {
            Event::Start(tag) => self.start(tag),
            Event::End(tag) => self.end(tag),
            Event::Text(text) | Event::Html(text) | Event::InlineHtml(text) => self.text(&text),
            Event::Code(text) => {
                self.out.push_str("<code>");
                escape(&mut self.out, &text, true);
                self.out.push_str("</code>");
            }
            Event::SoftBreak | Event::HardBreak => {
                self.breaks = self.breaks.saturating_add(1);
                if self.breaks <= BREAKS_MAX {
                    self.out.push_str("<br>");
                }
            }
            Event::Rule => self.out.push_str("<hr>"),
            Event::TaskListMarker(done) => self.checkbox(done),
            // Not in our dialect.
            Event::FootnoteReference(_) | Event::InlineMath(_) | Event::DisplayMath(_) => {}
        }
    }

    /// Closes the opening tag of a list item that waited; true when that used the event up.
    fn finish_item(&mut self, event: &Event<'_>) -> bool {
        if self.pending == Pending::Item
            && matches!(event, Event::Start(Tag::Paragraph))
            && self.depth < NESTING_MAX
        {
            self.pending = Pending::ItemParagraph;
            self.depth += 1;
            return true;
        }
        let task = matches!(event, Event::TaskListMarker(_));
        self.out.push_str(if task { " class=\"task\">" } else { ">" });
        if std::mem::replace(&mut self.pending, Pending::Nothing) == Pending::ItemParagraph {
            self.out.push_str("<p>");
        }
        false
    }

    fn checkbox(&mut self, done: bool) {
        self.out.push_str(if done {
            "<input type=\"checkbox\" checked disabled aria-label=\"done\">"
        } else {
            "<input type=\"checkbox\" disabled aria-label=\"not done\">"
        });
    }

    fn start(&mut self, tag: Tag<'_>) {
        if let Tag::Link { link_type, dest_url, .. } | Tag::Image { link_type, dest_url, .. } = &tag
        {
            return self.open_link(*link_type, dest_url, matches!(tag, Tag::Image { .. }));
        }
        if self.depth >= NESTING_MAX {
            self.skipped += 1;
            return self.out.push(' ');
        }
        self.depth += 1;
        match tag {
            Tag::Paragraph | Tag::HtmlBlock => self.out.push_str("<p>"),
            Tag::Heading { level, .. } => {
                let _ = write!(self.out, "<{}>", heading(level));
            }
            Tag::BlockQuote(_) => self.out.push_str("<blockquote>"),
            Tag::CodeBlock(kind) => self.open_code(&kind),
            Tag::List(None) => self.out.push_str("<ul>"),
            Tag::List(Some(1)) => self.out.push_str("<ol>"),
            Tag::List(Some(start)) => {
                let _ = write!(self.out, "<ol start=\"{start}\">");
            }
            Tag::Item => {
                self.out.push_str("<li");
                self.pending = Pending::Item;
            }
            Tag::Table(columns) => {
                self.columns = columns;
                self.out.push_str("<div class=\"table-scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Table\"><table>");
            }
            Tag::TableHead => {
                self.in_head = true;
                self.column = 0;
                self.out.push_str("<thead><tr>");
            }
            Tag::TableRow => {
                self.column = 0;
                self.out.push_str("<tr>");
            }
            Tag::TableCell => {
                self.out.push_str(if self.in_head { "<th" } else { "<td" });
                let right = self.columns.get(self.column) == Some(&Alignment::Right);
                self.out.push_str(if right { " class=\"r\">" } else { ">" });
                self.column += 1;
            }
            Tag::Emphasis => self.out.push_str("<em>"),
            Tag::Strong => self.out.push_str("<strong>"),
            Tag::Strikethrough => self.out.push_str("<del>"),
            // Links are done above; the rest is not in our dialect.
            _ => {}
        }
    }

    fn end(&mut self, tag: TagEnd) {
        if matches!(tag, TagEnd::Link | TagEnd::Image) {
            return self.close_link();
        }
        if self.skipped > 0 {
            self.skipped -= 1;
            return;
        }
        self.depth -= 1;
        match tag {
            TagEnd::Paragraph | TagEnd::HtmlBlock => self.out.push_str("</p>"),
            TagEnd::Heading(level) => {
                let _ = write!(self.out, "</{}>", heading(level));
            }
            TagEnd::BlockQuote(_) => self.out.push_str("</blockquote>"),
            TagEnd::CodeBlock => {
                self.in_code = false;
                self.out.push_str("</code></pre></figure>");
            }
            TagEnd::List(ordered) => self.out.push_str(if ordered { "</ol>" } else { "</ul>" }),
            TagEnd::Item => self.out.push_str("</li>"),
            TagEnd::Table => self.out.push_str("</tbody></table></div>"),
            TagEnd::TableHead => {
                self.in_head = false;
                self.out.push_str("</tr></thead><tbody>");
            }
            TagEnd::TableRow => self.out.push_str("</tr>"),
            TagEnd::TableCell => self.out.push_str(if self.in_head { "</th>" } else { "</td>" }),
            TagEnd::Emphasis => self.out.push_str("</em>"),
            TagEnd::Strong => self.out.push_str("</strong>"),
            TagEnd::Strikethrough => self.out.push_str("</del>"),
            _ => {}
        }
    }

    /// Links and pictures alike: a picture from elsewhere would tell its server who reads, so it is only a link to it (A66).
    fn open_link(&mut self, kind: LinkType, destination: &str, picture: bool) {
        let target = if self.linked == 0 { Target::parse(kind, destination) } else { None };
        let Some(target) = target else { return self.links.push(None) };
        self.linked += 1;
        self.out.push_str("<a href=\"");
        escape(&mut self.out, &target.href, true);
        self.out.push_str("\">");
        if picture {
            self.out.push_str("🖼 ");
        }
        self.links.push(Some(target.host.map_or_else(String::new, |host| format!(" ({host})"))));
    }

    fn close_link(&mut self) {
        if let Some(Some(note)) = self.links.pop() {
            self.linked -= 1;
            escape(&mut self.out, &note, true);
            self.out.push_str("</a>");
        }
    }

    fn open_code(&mut self, kind: &CodeBlockKind<'_>) {
        self.in_code = true;
        let language = language(kind);
        let (shown, label) = language.as_deref().map_or(("text", Cow::Borrowed("Code")), |name| {
            (name, Cow::Owned(format!("Code, {name}")))
        });
        let _ = write!(
            self.out,
            "<figure class=\"codeblock\"><figcaption><span>{shown}</span></figcaption><pre tabindex=\"0\" aria-label=\"{label}\"><code"
        );
        if let Some(language) = &language {
            let _ = write!(self.out, " class=\"language-{language}\"");
        }
        self.out.push('>');
    }

    fn text(&mut self, text: &str) {
        if self.in_code || self.linked > 0 || self.mentions_left == 0 || !text.contains('@') {
            return escape(&mut self.out, text, self.in_code);
        }
        let mut written = 0;
        for (range, name) in mentions::find(text) {
            if self.mentions_left == 0 {
                break;
            }
            escape(&mut self.out, &text[written..range.start], false);
            written = range.end;
            let written_as = &text[range];
            if matches!(name.as_ref(), "channel" | "here") {
                let _ = write!(self.out, "<span class=\"mention all\">{written_as}</span>");
            } else if let Some(user) = (self.resolve)(&name) {
                let _ = write!(
                    self.out,
                    "<span class=\"mention u-{}\">{written_as}</span>",
                    user.uuid().simple()
                );
            } else {
                self.out.push_str(written_as);
                continue;
            }
            self.mentions_left -= 1;
        }
        escape(&mut self.out, &text[written..], false);
    }
}

/// A message stands below the headings of its page.
const fn heading(level: HeadingLevel) -> &'static str {
    match level {
        HeadingLevel::H1 => "h3",
        HeadingLevel::H2 => "h4",
        _ => "h5",
    }
}

/// The language a code block names, if it is a plain word.
pub(super) fn language(kind: &CodeBlockKind<'_>) -> Option<String> {
    let CodeBlockKind::Fenced(info) = kind else { return None };
    let word = info.split([' ', ',', '\t']).next().unwrap_or_default();
    is_language(word).then(|| word.to_ascii_lowercase())
}

fn is_language(word: &str) -> bool {
    (1..=20).contains(&word.len())
        && word.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-#._".contains(&b))
}

/// Writes text as HTML text. Control characters become pictures of themselves, and what turns the direction of the text, or in code
/// is not seen at all, becomes `·` (A69).
fn escape(out: &mut String, text: &str, code: bool) {
    let mut copied = 0;
    for (at, c) in text.char_indices() {
        let replacement = match c {
            '&' => "&amp;",
            '<' => "&lt;",
            '>' => "&gt;",
            '"' => "&quot;",
            '\n' | '\t' => continue,
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => "·",
            c if c.is_control() => "\u{fffd}",
            c if code && crate::names::is_invisible(c) => "·",
            _ => continue,
        };
        out.push_str(&text[copied..at]);
        out.push_str(replacement);
        copied = at + c.len_utf8();
    }
    out.push_str(&text[copied..]);
}

/// Knows every element and attribute the writer may make, and nothing else. Made once: it costs more than a message.
static SANITIZER: LazyLock<ammonia::Builder<'static>> = LazyLock::new(|| {
    const TAGS: [&str; 28] = [
        "a",
        "blockquote",
        "br",
        "code",
        "del",
        "div",
        "em",
        "figcaption",
        "figure",
        "h3",
        "h4",
        "h5",
        "hr",
        "input",
        "li",
        "ol",
        "p",
        "pre",
        "span",
        "strong",
        "table",
        "tbody",
        "td",
        "th",
        "thead",
        "tr",
        "ul",
        "wbr",
    ];
    let attributes: HashMap<&str, HashSet<&str>> = [
        ("a", &["href"][..]),
        ("code", &["class"]),
        ("div", &["class", "tabindex", "role", "aria-label"]),
        ("figure", &["class"]),
        ("input", &["type", "checked", "disabled", "aria-label"]),
        ("li", &["class"]),
        ("ol", &["start"]),
        ("pre", &["tabindex", "aria-label"]),
        ("span", &["class"]),
        ("td", &["class"]),
        ("th", &["class"]),
    ]
    .into_iter()
    .map(|(tag, names)| (tag, names.iter().copied().collect()))
    .collect();
    let mut builder = ammonia::Builder::empty();
    builder
        .tags(TAGS.into_iter().collect())
        .tag_attributes(attributes)
        .generic_attributes(HashSet::new())
        .url_schemes(["http", "https", "mailto"].into_iter().collect())
        .url_relative(ammonia::UrlRelative::Deny)
        .link_rel(Some("nofollow noopener noreferrer ugc"))
        .set_tag_attribute_value("a", "target", "_blank")
        .set_tag_attribute_value("input", "type", "checkbox")
        .set_tag_attribute_value("input", "disabled", "")
        .attribute_filter(|tag, name, value| is_ours(tag, name, value).then(|| value.into()));
    builder
});

/// Whether this value of an attribute is one that the writer makes.
fn is_ours(tag: &str, name: &str, value: &str) -> bool {
    match (tag, name) {
        ("span", "class") => {
            let user = value.strip_prefix("mention u-");
            value == "mention all"
                || user
                    .is_some_and(|id| id.len() == 32 && id.bytes().all(|b| b.is_ascii_hexdigit()))
        }
        ("code", "class") => value.strip_prefix("language-").is_some_and(is_language),
        ("div", "class") => value == "table-scroll",
        ("figure", "class") => value == "codeblock",
        ("li", "class") => value == "task",
        ("td" | "th", "class") => value == "r",
        (_, "tabindex") => value == "0",
        (_, "role") => value == "region",
        (_, "class") => false,
        _ => true,
    }
}
