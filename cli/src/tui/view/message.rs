//! One row of a timeline as lines: a message, one that is not sent yet, or a note.

use ajet_shared::hue::hue;
use ajet_shared::message::{Attachment, Message, MessageKind, ReactionCount};
use ajet_shared::terminal::terminal_line;
use ajet_shared::user::UserKind;
use ratatui::style::Modifier;
use ratatui::text::{Line, Span};

use super::super::drawn::Hit;
use super::super::model::Model;
use super::super::theme::{Role, Theme};
use super::super::timeline::Row;
use super::markdown::{self, Paper};
use super::width::columns;
use super::wrap::wrap;
use super::{card, clock, own};

/// Where text begins, in columns from the left of the zone: the mark, the time, a space.
pub(crate) const INDENT: u16 = 7;
/// Text is never wider, however wide the screen is.
pub(crate) const TEXT_MAX: usize = 100;

/// One line of a row of the timeline.
#[derive(Clone, Debug, Default)]
pub(crate) struct BlockLine {
    /// In the columns before the text.
    pub(crate) time: Option<String>,
    /// From column [`INDENT`] on.
    pub(crate) text: Line<'static>,
    /// At the right edge.
    pub(crate) note: Option<Span<'static>>,
    /// What can be clicked: first column and width from [`INDENT`] on.
    pub(crate) hits: Vec<(usize, usize, Hit)>,
    /// A rule over the whole zone, instead of all that.
    pub(crate) rule: Option<Rule>,
}

/// A rule with a word in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rule {
    pub(crate) word: String,
    pub(crate) role: Role,
    /// Columns between the word and the right end; none: the word stands in the middle.
    pub(crate) tail: Option<u16>,
}

impl From<Rule> for BlockLine {
    fn from(rule: Rule) -> Self {
        Self { rule: Some(rule), ..Self::default() }
    }
}

impl From<Line<'static>> for BlockLine {
    fn from(text: Line<'static>) -> Self {
        Self { text, ..Self::default() }
    }
}

/// What a row of the timeline is drawn with.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts about one row")]
pub(crate) struct Look<'a> {
    pub(crate) model: &'a Model,
    pub(crate) theme: Theme,
    /// Columns of the text.
    pub(crate) width: usize,
    pub(crate) selected: bool,
    /// The row before is of the same author, a moment ago: no author line.
    pub(crate) grouped: bool,
    pub(crate) unfolded: bool,
    /// There is room for what is nice to have.
    pub(crate) wide: bool,
    /// Its thread stands below it: no summary.
    pub(crate) heads_thread: bool,
    /// Lower case, not empty: what is searched for.
    pub(crate) query: Option<&'a str>,
}

impl<'a> Look<'a> {
    pub(super) fn paper(&self) -> Paper<'a> {
        Paper {
            theme: self.theme,
            width: self.width,
            me: self.model.me.as_ref().map(|me| me.username.as_str()),
            selected: self.selected,
            unfolded: self.unfolded,
        }
    }

    pub(super) fn quiet(&self, text: impl Into<String>, role: Role) -> Line<'static> {
        Line::styled(text.into(), self.theme.role(role)).into_spans()
    }
}

/// The style of a line moved into its spans, where everything else looks for it.
trait IntoSpans {
    fn into_spans(self) -> Self;
}

impl IntoSpans for Line<'static> {
    fn into_spans(mut self) -> Self {
        let style = std::mem::take(&mut self.style);
        for span in &mut self.spans {
            span.style = style.patch(span.style);
        }
        self
    }
}

/// The lines of a row.
pub(crate) fn block(row: &Row<'_>, look: &Look<'_>) -> Vec<BlockLine> {
    match row {
        Row::Message(message) => message_block(message, look),
        Row::Outgoing(entry) => own::outgoing_block(entry, look),
        Row::Note(note) => own::note_block(note, look),
    }
}

fn message_block(message: &Message, look: &Look<'_>) -> Vec<BlockLine> {
    if message.kind == MessageKind::System && message.deleted_at.is_none() {
        return system_block(message, look);
    }
    let mut lines = Vec::new();
    if !look.grouped && (message.kind != MessageKind::Me || message.deleted_at.is_some()) {
        lines.push(author_line(message, look));
    }
    let body = body(message, look).into_iter();
    lines.extend(body.map(|line| match look.query {
        Some(query) => markdown::highlight(line, query).into(),
        None => BlockLine::from(line),
    }));
    if message.deleted_at.is_none() {
        lines.extend(message.attachments.iter().map(|file| attachment_line(file, look)));
        lines.extend(reaction_lines(message, look));
    }
    lines.extend(thread_line(message, look));
    if lines.is_empty() {
        lines.push(BlockLine::default());
    }
    let shows_time = look.selected || !look.grouped;
    if lines[0].time.is_none() && shows_time {
        lines[0].time = Some(clock::clock(message.created_at));
    }
    if message.kind == MessageKind::Me {
        lines[0].note = note(message, look);
    }
    lines
}

fn author_line(message: &Message, look: &Look<'_>) -> BlockLine {
    let author = &message.author;
    let mut name = terminal_line(&author.display_name).into_owned();
    if let Some(metadata) =
        (message.kind == MessageKind::Webhook).then(|| card::metadata(message)).flatten()
        && let Some(emoji) = &metadata.icon_emoji
    {
        name = format!("{} {name}", terminal_line(emoji));
    }
    let note = note(message, look);
    let taken = note.as_ref().map_or(0, |note| columns(&note.content) + 2);
    let name = super::width::cut(&name, look.width.saturating_sub(taken)).into_owned();
    BlockLine {
        time: Some(clock::clock(message.created_at)),
        text: Line::from(Span::styled(name, look.theme.name(hue(author.id)))),
        note,
        ..BlockLine::default()
    }
}

/// The one word at the right of the author.
fn note(message: &Message, look: &Look<'_>) -> Option<Span<'static>> {
    let word = if message.edited_at.is_some() && message.deleted_at.is_none() {
        "edited"
    } else if message.kind == MessageKind::Webhook {
        "webhook"
    } else if message.author.kind == UserKind::Bot {
        "bot"
    } else if look.model.is_me(message.author.id) {
        "you"
    } else {
        return None;
    };
    Some(Span::styled(word, look.theme.role(Role::Text3)))
}

fn body(message: &Message, look: &Look<'_>) -> Vec<Line<'static>> {
    if message.deleted_at.is_some() {
        return vec![look.quiet("message deleted", Role::Text3)];
    }
    let paper = look.paper();
    match message.kind {
        MessageKind::Me => me_rows(message, look),
        MessageKind::Webhook => match card::metadata(message) {
            Some(metadata) => card::rows(&metadata, &paper),
            None => markdown::rows(&message.body_md, &paper),
        },
        // A message of files alone has no text.
        _ if message.body_md.trim().is_empty() && !message.attachments.is_empty() => Vec::new(),
        _ => markdown::rows(&message.body_md, &paper),
    }
}

/// `Mara Voss waves`.
fn me_rows(message: &Message, look: &Look<'_>) -> Vec<Line<'static>> {
    let name = terminal_line(&message.author.display_name).into_owned();
    let mut spans =
        vec![Span::styled(name, look.theme.name(hue(message.author.id))), Span::raw(" ")];
    let rows = markdown::rows(
        &message.body_md,
        &Paper { width: 1_000, selected: false, unfolded: true, ..look.paper() },
    );
    let mut rows = rows.into_iter();
    if let Some(first) = rows.next() {
        spans.extend(first.spans);
    }
    for span in &mut spans[1..] {
        span.style = span.style.add_modifier(Modifier::ITALIC);
    }
    let mut wrapped = wrap(&spans, look.width, &[]);
    wrapped.extend(rows.flat_map(|row| wrap(&row.spans, look.width, &[])));
    markdown::folded(wrapped, &look.paper(), false)
}

/// `→ 田辺 ゆき joined, invited by Mara Voss   09:02`.
fn system_block(message: &Message, look: &Look<'_>) -> Vec<BlockLine> {
    let quiet = look.theme.role(Role::Text2);
    let name = terminal_line(&message.author.display_name).into_owned();
    let text = ajet_shared::markdown::plain(&message.body_md, 1_000);
    let spans = [
        Span::styled("→ ", quiet),
        Span::styled(name, look.theme.name(hue(message.author.id))),
        Span::styled(format!(" {}", terminal_line(&text)), quiet),
    ];
    let time = clock::clock(message.created_at);
    let room = look.width.saturating_sub(time.len() + 2).max(10);
    let mut lines: Vec<BlockLine> =
        wrap(&spans, room, &[Span::raw("  ")]).into_iter().map(BlockLine::from).collect();
    lines[0].note = Some(Span::styled(time, quiet));
    lines
}

/// `▣ latency.png 640×400`, `▤ load-run.csv 184 KB`.
fn attachment_line(file: &Attachment, look: &Look<'_>) -> BlockLine {
    let (mark, about) = match (file.width, file.height) {
        (Some(width), Some(height)) => ("▣ ", format!("{width}×{height}")),
        _ => ("▤ ", size(file.size_bytes)),
    };
    let room = look.width.saturating_sub(3 + columns(&about)).max(4);
    let name = terminal_line(&file.filename);
    Line::from(vec![
        Span::styled(mark, look.theme.role(Role::Text3)),
        Span::styled(super::width::cut(&name, room).into_owned(), look.theme.role(Role::Accent)),
        Span::styled(format!(" {about}"), look.theme.role(Role::Text2)),
    ])
    .into()
}

/// `640 B`, `184 KB`, `1.2 MB`.
fn size(bytes: i64) -> String {
    let units = ["B", "KB", "MB", "GB"];
    let (mut tenths, mut unit) = (bytes.max(0).saturating_mul(10), 0);
    while tenths >= 10_000 && unit + 1 < units.len() {
        tenths /= 1_000;
        unit += 1;
    }
    if unit == 0 || tenths >= 100 {
        format!("{} {}", tenths / 10, units[unit])
    } else {
        format!("{}.{} {}", tenths / 10, tenths % 10, units[unit])
    }
}

/// `[🚢 5] 👀 2`: in brackets where I am among them; as many rows as it takes.
fn reaction_lines(message: &Message, look: &Look<'_>) -> Vec<BlockLine> {
    let mut lines: Vec<BlockLine> = Vec::new();
    let mut used = 0;
    for reaction in message.reactions.iter().filter(|reaction| reaction.count > 0) {
        let chip = chip(reaction, look.theme);
        let width = columns(&chip.content);
        if lines.is_empty() || used + 1 + width > look.width {
            lines.push(BlockLine::default());
            used = 0;
        }
        let Some(line) = lines.last_mut() else { break };
        if used > 0 {
            line.text.spans.push(Span::raw(" "));
            used += 1;
        }
        line.hits.push((used, width, Hit::Reaction(message.id, reaction.emoji.clone())));
        line.text.spans.push(chip);
        used += width;
    }
    lines
}

fn chip(reaction: &ReactionCount, theme: Theme) -> Span<'static> {
    let emoji = terminal_line(&reaction.emoji);
    if reaction.reacted_by_me == Some(true) {
        Span::styled(format!("[{emoji} {}]", reaction.count), theme.role(Role::Accent))
    } else {
        Span::styled(format!("{emoji} {}", reaction.count), theme.role(Role::Text2))
    }
}

/// `╰ 6 replies, last 11:14`, and who wrote them where there is room.
fn thread_line(message: &Message, look: &Look<'_>) -> Option<BlockLine> {
    if message.reply_count <= 0 || message.parent_id.is_some() || look.heads_thread {
        return None;
    }
    let mut text = match message.reply_count {
        1 => "╰ 1 reply".to_owned(),
        count => format!("╰ {count} replies"),
    };
    if let Some(at) = message.last_reply_at {
        text.push_str(", last ");
        text.push_str(&clock::short(at, look.model.now));
    }
    let width = columns(&text);
    let style = look.theme.role(Role::Accent);
    let mut line = BlockLine::from(Line::from(Span::styled(text, style)));
    line.hits.push((0, width, Hit::Thread(message.id)));
    if look.wide {
        let initials: Vec<String> =
            message.participants.iter().take(4).map(|one| initials(&one.display_name)).collect();
        line.note = Some(Span::styled(initials.join(" "), look.theme.role(Role::Text2)));
    }
    Some(line)
}

/// `LK` for Lena Kowalczyk.
fn initials(name: &str) -> String {
    let name = terminal_line(name);
    let first = |word: &str| {
        super::width::clusters(word).next().map(|one| one.text.to_uppercase()).unwrap_or_default()
    };
    let mut words = name.split_whitespace();
    let mut text = words.next().map(first).unwrap_or_default();
    text.push_str(&words.next_back().map(first).unwrap_or_default());
    text
}
