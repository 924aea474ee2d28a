//! Messages as records and as lines for people.

use std::fmt::Write as _;

use ajet_shared::channel::ChannelKind;
use ajet_shared::hue::hue;
use ajet_shared::message::{Message, MessageKind};
use ajet_shared::terminal::{columns, cut, terminal_line};
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;

use crate::cards;
use crate::context::Context;
use crate::lookup::Place;
use crate::naming::short;
use crate::output::Screen;
use crate::record::{Record, Schema};
use crate::rows::{Row, rows};
use crate::zone::local;

/// What `send`, `read`, `tail` and their like print.
pub(crate) const MESSAGE: Schema = Schema {
    fields: &[
        ("id", "the message's id"),
        ("url", "its link"),
        ("community", "address of its community; null in direct messages"),
        ("channel", "name of its channel, or @user of a direct message"),
        ("channel_id", "id of its channel"),
        ("seq", "its place in the channel"),
        ("parent_id", "the message it answers"),
        ("author", "name of who wrote it"),
        ("username", "their handle"),
        ("author_id", "their id"),
        ("kind", "text, me, webhook or system"),
        ("text", "markdown as written; empty once deleted"),
        ("created_at", "when it was written"),
        ("edited_at", "when it was last edited"),
        ("deleted_at", "when it was deleted"),
        ("reply_count", "replies in its thread"),
        ("reactions", "list of {emoji, count}"),
        ("attachments", "its files"),
        ("mentions", "whom it calls"),
    ],
    plain: &["created_at", "channel", "username", "id", "text"],
    extras: &["time", "short"],
};

/// A message as data.
pub(crate) fn record(context: &Context, message: &Message, place: &Place) -> Record {
    let reactions: Vec<Value> = message
        .reactions
        .iter()
        .map(|reaction| json!({ "emoji": reaction.emoji, "count": reaction.count }))
        .collect();
    let community = place.community.as_ref().map(|community| community.slug.clone());
    Record::default()
        .with("id", message.id.to_string())
        .with("url", context.message_url(place, message.id))
        .with("community", community)
        .with("channel", place.name.clone())
        .with("channel_id", message.channel_id.to_string())
        .with("seq", message.seq)
        .with("parent_id", message.parent_id.map(|id| id.to_string()))
        .with("author", message.author.display_name.clone())
        .with("username", message.author.username.clone())
        .with("author_id", message.author.id.to_string())
        .with("kind", json!(message.kind))
        .with("text", message.body_md.clone())
        .with("created_at", rfc3339(message.created_at))
        .with("edited_at", message.edited_at.map(rfc3339))
        .with("deleted_at", message.deleted_at.map(rfc3339))
        .with("reply_count", message.reply_count)
        .with("reactions", reactions)
        .with("attachments", json!(message.attachments))
        .with("mentions", json!(message.mentions))
        .extra("time", clock(message.created_at))
        .extra("short", short(message.id))
}

/// `2026-11-20T16:20:00Z`.
pub(crate) fn rfc3339(moment: OffsetDateTime) -> String {
    // A moment in another zone can lie beyond the last one that UTC can name.
    let moment = moment.checked_to_offset(time::UtcOffset::UTC).unwrap_or(moment);
    moment.format(&Rfc3339).unwrap_or_default()
}

/// `11:03`, where the user is.
fn clock(moment: OffsetDateTime) -> String {
    local(moment).format(format_description!("[hour]:[minute]")).unwrap_or_default()
}

/// `20 Nov 11:03`, where the user is.
pub(crate) fn when(moment: OffsetDateTime) -> String {
    local(moment)
        .format(format_description!("[day padding:none] [month repr:short] [hour]:[minute]"))
        .unwrap_or_default()
}

/// `Fri 20 Nov 2026`, where the user is.
pub(crate) fn day(moment: OffsetDateTime) -> String {
    local(moment)
        .format(format_description!(
            "[weekday repr:short] [day padding:none] [month repr:short] [year]"
        ))
        .unwrap_or_default()
}

/// Draws messages for people, one after the other; knows the day of the last one.
#[derive(Debug)]
pub(crate) struct Transcript {
    screen: Screen,
    width: usize,
    author_width: usize,
    /// Width of the channel column; none where all messages are of one channel.
    channel_width: Option<usize>,
    last_day: Option<time::Date>,
}

impl Transcript {
    /// For messages of one channel, or with the channel's name before each.
    pub(crate) fn new(screen: Screen, author_width: usize, channel_width: Option<usize>) -> Self {
        Self {
            screen,
            width: screen.width(),
            author_width: author_width.clamp(3, 20),
            channel_width,
            last_day: None,
        }
    }

    /// A message, after a line for its day where that changes. Replies stand further in.
    pub(crate) fn draw(&mut self, message: &Message, place: &Place, is_reply: bool) -> String {
        let paint = self.screen.paint;
        let mut out = String::new();
        let moment = local(message.created_at);
        if self.last_day.replace(moment.date()) != Some(moment.date()) {
            let _ = writeln!(out, "{}", paint.bold(&day(message.created_at)));
        }
        let mut head = paint.dim(&clock(message.created_at));
        let mut indent = 7;
        head.push_str("  ");
        if let Some(width) = self.channel_width {
            let label = padded(&place.label(), width);
            head.push_str(&paint.hue(hue(place.id()), &label));
            head.push_str("  ");
            indent += width + 2;
        }
        if is_reply {
            head.push_str(&paint.dim("↳ "));
            indent += 2;
        }
        head.push_str(
            &paint.hue(
                hue(message.author.id),
                &padded(&message.author.display_name, self.author_width),
            ),
        );
        head.push_str("  ");
        indent += self.author_width + 2;
        // A terminal too narrow for columns gets the text below the name.
        let below = self.width < indent + 24;
        let indent = if below { 2 } else { indent };
        let room = self.width.saturating_sub(indent + if below { 0 } else { 10 }).max(10);
        let mut lines = self.body(message, room).into_iter();
        out.push_str(&head);
        if below {
            let _ = write!(out, "{}\n{}", paint.dim(&short(message.id)), " ".repeat(indent));
        }
        let (first, taken) = lines.next().unwrap_or_default();
        out.push_str(&first);
        if !below {
            out.push_str(&" ".repeat(room.saturating_sub(taken) + 2));
            out.push_str(&paint.dim(&short(message.id)));
        }
        out.push('\n');
        for (line, _) in lines {
            out.push_str(format!("{}{line}", " ".repeat(indent)).trim_end());
            out.push('\n');
        }
        out
    }

    /// The lines right of the name, each with its width in columns.
    fn body(&self, message: &Message, room: usize) -> Vec<Row> {
        let paint = self.screen.paint;
        let dim = |text: String| (paint.dim(&text), columns(&text));
        if message.deleted_at.is_some() {
            return vec![dim("(deleted)".to_owned())];
        }
        let quiet = message.kind == MessageKind::System;
        let mut lines = match cards::of(message) {
            Some(drawn) => cards::draw(paint, &drawn, room),
            None if message.body_md.is_empty() => Vec::new(),
            None => rows(paint, &message.body_md, room, quiet),
        };
        for attachment in &message.attachments {
            let name = terminal_line(&attachment.filename).into_owned();
            lines.push((
                format!("▣ {name} {}", paint.dim(&size(attachment.size_bytes))),
                2 + columns(&name),
            ));
        }
        let mut notes = Vec::new();
        if message.edited_at.is_some() {
            notes.push("edited".to_owned());
        }
        notes.extend(
            message
                .reactions
                .iter()
                .map(|reaction| format!("{} {}", terminal_line(&reaction.emoji), reaction.count)),
        );
        match message.reply_count {
            0 => {}
            1 => notes.push("1 reply".to_owned()),
            count => notes.push(format!("{count} replies")),
        }
        if !notes.is_empty() {
            lines.push(dim(notes.join("  ")));
        }
        lines
    }
}

/// The width the authors of these messages need.
pub(crate) fn author_width<'a>(messages: impl Iterator<Item = &'a Message>) -> usize {
    messages.map(|message| columns(&terminal_line(&message.author.display_name))).max().unwrap_or(0)
}

fn padded(name: &str, width: usize) -> String {
    let name = terminal_line(name);
    let name = cut(&name, width);
    format!("{name}{}", " ".repeat(width.saturating_sub(columns(&name))))
}

/// `640 B`, `1.2 MB`.
fn size(bytes: i64) -> String {
    let units = ["B", "kB", "MB", "GB"];
    let (mut value, mut unit) = (bytes.max(0) * 10, 0);
    while value >= 10_000 && unit + 1 < units.len() {
        value /= 1_000;
        unit += 1;
    }
    if unit == 0 || value >= 1_000 {
        format!("{} {}", value / 10, units[unit])
    } else {
        format!("{}.{} {}", value / 10, value % 10, units[unit])
    }
}

/// Whether a message is for me in particular: it calls me, or it is a direct message by somebody else.
pub(crate) fn concerns(message: &Message, place: &Place, me: ajet_shared::id::UserId) -> bool {
    use ajet_shared::message::MentionKind;
    let called = message
        .mentions
        .iter()
        .any(|mention| mention.kind != MentionKind::User || mention.id == Some(me));
    let direct = matches!(place.view.channel.kind, ChannelKind::Dm | ChannelKind::GroupDm);
    message.author.id != me && (called || direct)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units() {
        assert_eq!(
            [640, 1_234, 25_000, 1_234_567].map(size),
            ["640 B", "1.2 kB", "25.0 kB", "1.2 MB"]
        );
    }
}
