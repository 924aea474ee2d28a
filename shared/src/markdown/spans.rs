//! Markdown to styled lines for a terminal. Knows nothing of a terminal library: the CLI writes them with escape codes, the TUI draws them.

use std::ops::BitOr;
use std::sync::Arc;

use pulldown_cmark::{Alignment, CodeBlockKind, Event, Tag, TagEnd};

use super::links::{Target, linkify};
use super::{NESTING_MAX, html, mentions, table};
use crate::terminal::{columns, terminal_line, terminal_safe};

/// How a piece of text looks; several may hold at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Style(u16);

impl Style {
    /// Nothing special.
    pub const PLAIN: Self = Self(0);
    /// Strong.
    pub const BOLD: Self = Self(1);
    /// Stressed.
    pub const ITALIC: Self = Self(1 << 1);
    /// Struck out.
    pub const STRIKE: Self = Self(1 << 2);
    /// Code.
    pub const CODE: Self = Self(1 << 3);
    /// A link; the span says where to.
    pub const LINK: Self = Self(1 << 4);
    /// Written like a mention.
    pub const MENTION: Self = Self(1 << 5);
    /// Inside a quotation.
    pub const QUOTE: Self = Self(1 << 6);
    /// A heading, or the head of a table.
    pub const HEADING: Self = Self(1 << 7);
    /// Drawn by us, not written: bars, bullets, rules.
    pub const MARK: Self = Self(1 << 8);

    /// Whether all of `other` holds.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

impl BitOr for Style {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// A piece of text in one style, safe for a terminal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// What is written; no line feeds.
    pub text: String,
    /// How it looks.
    pub style: Style,
    /// Where it leads: `http`, `https` or `mailto`.
    pub link: Option<Arc<str>>,
}

impl Span {
    pub(super) fn new(text: impl Into<String>, style: Style) -> Self {
        Self { text: text.into(), style, link: None }
    }
}

/// A line before wrapping.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Line {
    /// Its pieces.
    pub spans: Vec<Span>,
    /// Columns to indent by where it wraps.
    pub hang: usize,
    /// May not wrap (code, tables): cut it instead.
    pub fixed: bool,
}

impl Line {
    /// The text without its styles.
    #[must_use]
    pub fn text(&self) -> String {
        self.spans.iter().map(|span| span.text.as_str()).collect()
    }
}

/// The message as lines for a terminal. Tables and rules are drawn for `width` columns.
#[must_use]
pub fn to_spans(body: &str, width: usize) -> Vec<Line> {
    let source = linkify(body);
    let mut page = Page { width: width.max(20), ..Page::default() };
    for event in super::parse(&source) {
        page.event(event);
    }
    page.finish_line();
    page.lines
}

/// What stands left of every line of a container.
#[derive(Debug)]
struct Margin {
    /// On the first line, once: a bullet or a number.
    first: Option<String>,
    /// On the others.
    rest: String,
    style: Style,
}

/// A table while it is read.
#[derive(Debug, Default)]
pub(super) struct Table {
    pub(super) alignments: Vec<Alignment>,
    /// The first row is the head.
    pub(super) rows: Vec<Vec<Vec<Span>>>,
}

#[derive(Debug, Default)]
struct Page {
    width: usize,
    lines: Vec<Line>,
    line: Option<Line>,
    margins: Vec<Margin>,
    /// Containers too deep for a margin of their own.
    too_deep: usize,
    /// Next number of each open list; none for bullets.
    lists: Vec<Option<u64>>,
    styles: Vec<Style>,
    link: Option<Arc<str>>,
    /// For each open link or picture what is written behind it.
    links: Vec<Option<String>>,
    in_code: bool,
    table: Option<Table>,
    /// A block ended: the next one at the same level starts after an empty line.
    gap: bool,
}

impl Page {
    fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Start(tag) => self.start(tag),
            Event::End(tag) => self.end(tag),
            Event::Text(text) | Event::Html(text) | Event::InlineHtml(text) => self.text(&text),
            Event::Code(text) => self.push(&text, Style::CODE),
            Event::SoftBreak | Event::HardBreak => self.break_line(),
            Event::Rule => {
                self.block();
                let rule = "─".repeat(self.width.min(24));
                self.push(&rule, Style::MARK);
                self.end_block();
            }
            Event::TaskListMarker(done) => self.push(if done { "☑ " } else { "☐ " }, Style::MARK),
            Event::FootnoteReference(_) | Event::InlineMath(_) | Event::DisplayMath(_) => {}
        }
    }

    fn start(&mut self, tag: Tag<'_>) {
        match tag {
            Tag::Paragraph | Tag::HtmlBlock => self.block(),
            Tag::Heading { .. } => {
                self.block();
                self.styles.push(Style::HEADING | Style::BOLD);
            }
            Tag::BlockQuote(_) => {
                self.block();
                self.indent(Margin { first: None, rest: "▏ ".to_owned(), style: Style::MARK });
                self.styles.push(Style::QUOTE);
            }
            Tag::CodeBlock(kind) => self.open_code(&kind),
            Tag::List(first) => {
                if self.lists.is_empty() {
                    self.block();
                } else {
                    self.finish_line();
                }
                self.lists.push(first);
            }
            Tag::Item => {
                self.finish_line();
                self.gap = false;
                let marker = match self.lists.last_mut() {
                    Some(Some(number)) => {
                        *number += 1;
                        format!("{}. ", *number - 1)
                    }
                    _ => "• ".to_owned(),
                };
                let rest = " ".repeat(columns(&marker));
                self.indent(Margin { first: Some(marker), rest, style: Style::MARK });
            }
            Tag::Table(alignments) => {
                self.block();
                self.table = Some(Table { alignments, rows: Vec::new() });
            }
            Tag::TableHead | Tag::TableRow => {
                if let Some(table) = &mut self.table {
                    table.rows.push(Vec::new());
                }
            }
            Tag::TableCell => {
                if let Some(row) = self.table.as_mut().and_then(|table| table.rows.last_mut()) {
                    row.push(Vec::new());
                }
            }
            Tag::Emphasis => self.styles.push(Style::ITALIC),
            Tag::Strong => self.styles.push(Style::BOLD),
            Tag::Strikethrough => self.styles.push(Style::STRIKE),
            Tag::Link { link_type, dest_url, .. } | Tag::Image { link_type, dest_url, .. } => {
                let target =
                    if self.link.is_none() { Target::parse(link_type, &dest_url) } else { None };
                self.links.push(target.map(|target| {
                    self.link = Some(target.href.into());
                    target.host.map_or_else(String::new, |host| format!(" ({host})"))
                }));
            }
            _ => {}
        }
    }

    fn end(&mut self, tag: TagEnd) {
        match tag {
            TagEnd::Paragraph | TagEnd::HtmlBlock => self.end_block(),
            TagEnd::Heading(_) => {
                self.styles.pop();
                self.end_block();
            }
            TagEnd::BlockQuote(_) => {
                self.styles.pop();
                self.outdent();
                self.end_block();
            }
            TagEnd::CodeBlock => {
                self.in_code = false;
                self.break_line();
                self.code_frame("└");
                self.end_block();
            }
            TagEnd::List(_) => {
                self.lists.pop();
                self.finish_line();
                self.gap = self.lists.is_empty();
            }
            TagEnd::Item => {
                // An empty item is a bullet alone.
                if self.line.is_none()
                    && self.margins.last().is_some_and(|margin| margin.first.is_some())
                {
                    self.push("", Style::PLAIN);
                }
                self.finish_line();
                self.outdent();
            }
            TagEnd::Table => {
                if let Some(table) = self.table.take() {
                    let margin: usize =
                        self.margins.iter().map(|margin| columns(&margin.rest)).sum();
                    for spans in table::draw(&table, self.width.saturating_sub(margin)) {
                        self.open_line().spans.extend(spans);
                        self.open_line().fixed = true;
                        self.finish_line();
                    }
                }
                self.end_block();
            }
            TagEnd::Emphasis | TagEnd::Strong | TagEnd::Strikethrough => {
                self.styles.pop();
            }
            TagEnd::Link | TagEnd::Image => {
                if let Some(Some(note)) = self.links.pop() {
                    if !note.is_empty() {
                        self.push(&note, Style::LINK);
                    }
                    self.link = None;
                }
            }
            _ => {}
        }
    }

    fn indent(&mut self, margin: Margin) {
        if self.margins.len() < NESTING_MAX {
            self.margins.push(margin);
        } else {
            self.too_deep += 1;
        }
    }

    fn outdent(&mut self) {
        if self.too_deep > 0 {
            self.too_deep -= 1;
        } else {
            self.margins.pop();
        }
    }

    fn open_code(&mut self, kind: &CodeBlockKind<'_>) {
        self.block();
        let head =
            html::language(kind).map_or_else(|| "┌".to_owned(), |language| format!("┌ {language}"));
        self.code_frame(&head);
        self.in_code = true;
    }

    fn code_frame(&mut self, frame: &str) {
        self.push(frame, Style::MARK);
        self.open_line().fixed = true;
        self.finish_line();
    }

    /// Starts a block on a line of its own, after an empty one if a block of the same level stands before it.
    fn block(&mut self) {
        self.finish_line();
        if std::mem::take(&mut self.gap) {
            let mut empty = Line::default();
            for margin in &self.margins {
                empty.spans.push(Span::new(margin.rest.trim_end(), margin.style));
            }
            self.lines.push(empty);
        }
    }

    fn end_block(&mut self) {
        self.finish_line();
        self.gap = true;
    }

    /// The line being written, begun with the margins.
    fn open_line(&mut self) -> &mut Line {
        let (margins, in_code) = (&mut self.margins, self.in_code);
        self.line.get_or_insert_with(|| {
            let mut line = Line::default();
            for margin in margins {
                line.hang += columns(&margin.rest);
                let text = margin.first.take().unwrap_or_else(|| margin.rest.clone());
                line.spans.push(Span::new(text, margin.style));
            }
            if in_code {
                line.spans.push(Span::new("│ ", Style::MARK));
                line.fixed = true;
            }
            line
        })
    }

    fn finish_line(&mut self) {
        if let Some(line) = self.line.take() {
            self.lines.push(line);
        }
    }

    /// Ends the line that is being written. In a table, whose cells have one line, it is a space.
    fn break_line(&mut self) {
        if self.table.is_some() {
            self.push(" ", Style::PLAIN);
        } else {
            self.finish_line();
        }
    }

    fn text(&mut self, text: &str) {
        if self.in_code {
            // Every line of the block is drawn, the empty ones too; the last line feed only ends it.
            for line in text.split_inclusive('\n') {
                self.push(line.trim_end_matches('\n'), Style::CODE);
                if line.ends_with('\n') {
                    self.finish_line();
                }
            }
            return;
        }
        for (index, line) in text.split('\n').enumerate() {
            if index > 0 {
                self.break_line();
            }
            if !line.is_empty() {
                self.marked(line);
            }
        }
    }

    /// Text with its mentions.
    fn marked(&mut self, text: &str) {
        if self.link.is_some() || !text.contains('@') {
            return self.push(text, Style::PLAIN);
        }
        let mut written = 0;
        for (range, _) in mentions::find(text) {
            if written < range.start {
                self.push(&text[written..range.start], Style::PLAIN);
            }
            written = range.end;
            self.push(&text[range], Style::MENTION);
        }
        if written < text.len() {
            self.push(&text[written..], Style::PLAIN);
        }
    }

    fn push(&mut self, text: &str, style: Style) {
        let mut style = self.styles.iter().fold(style, |all, one| all | *one);
        if self.link.is_some() {
            style = style | Style::LINK;
        }
        let safe = if self.in_code { terminal_safe(text) } else { terminal_line(text) };
        let span = Span { text: safe.into_owned(), style, link: self.link.clone() };
        let cell = self
            .table
            .as_mut()
            .and_then(|table| table.rows.last_mut())
            .and_then(|row| row.last_mut());
        match cell {
            Some(cell) => cell.push(span),
            None => self.open_line().spans.push(span),
        }
    }
}
