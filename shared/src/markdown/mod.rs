//! Markdown as people write it: to safe HTML, to styled lines for terminals, to a one-line summary, and whom it mentions.
//!
//! One dialect for all of them: `CommonMark` with tables, strikethrough and task lists. Raw HTML is text, a line end is a line break, and
//! a bare address is a link. Everything here is pure.

mod html;
mod links;
mod mentions;
mod spans;
mod table;

use std::fmt;

use pulldown_cmark::{Event, Options, Parser, TagEnd, TextMergeStream};

pub use html::to_html;
pub use mentions::{Mentions, mentions};
pub use spans::{Line, Span, Style, to_spans};

/// Containers inside containers that are drawn; what is deeper shows its text only, so that no message can be a bomb (A73).
const NESTING_MAX: usize = 16;

/// HTML that came out of the sanitiser. Nothing else makes one, so a template may print it as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SafeHtml(String);

impl SafeHtml {
    /// The markup.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SafeHtml {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl AsRef<str> for SafeHtml {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

/// The message on one line without markup, at most `max_chars` characters: for notifications, quotes and screen readers.
#[must_use]
pub fn plain(body: &str, max_chars: usize) -> String {
    let mut summary = String::new();
    let (mut chars, mut space) = (0, false);
    for event in parse(body) {
        let text = match &event {
            Event::Text(text) | Event::Code(text) | Event::Html(text) | Event::InlineHtml(text) => {
                text.as_ref()
            }
            Event::TaskListMarker(done) => {
                if *done {
                    "☑ "
                } else {
                    "☐ "
                }
            }
            Event::SoftBreak | Event::HardBreak | Event::Rule => " ",
            Event::End(end) if ends_block(*end) => " ",
            _ => continue,
        };
        for c in text.chars() {
            if c.is_whitespace() || c.is_control() {
                space = !summary.is_empty();
                continue;
            }
            chars += usize::from(space) + 1;
            if chars > max_chars {
                summary.push('…');
                return summary;
            }
            if std::mem::take(&mut space) {
                summary.push(' ');
            }
            summary.push(c);
        }
    }
    summary
}

fn ends_block(end: TagEnd) -> bool {
    !matches!(
        end,
        TagEnd::Emphasis | TagEnd::Strong | TagEnd::Strikethrough | TagEnd::Link | TagEnd::Image
    )
}

/// The events of our dialect, adjoining texts as one.
fn parse(source: &str) -> TextMergeStream<'_, Parser<'_>> {
    TextMergeStream::new(Parser::new_ext(source, dialect()))
}

const fn dialect() -> Options {
    Options::ENABLE_TABLES.union(Options::ENABLE_STRIKETHROUGH).union(Options::ENABLE_TASKLISTS)
}
