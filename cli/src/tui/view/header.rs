//! The first rows of a zone: what one looks at, and the day. And the row over all of them when the server is away.

use ajet_shared::terminal::terminal_line;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use time::Date;

use super::super::model::{Connection, Model, Pane, ThreadPane};
use super::super::theme::{Role, Theme};
use super::canvas::{put, put_right, rule};
use super::feed::draw_rule;
use super::width::cut;
use super::{clock, list};

/// ` # release-room  14 · Shipping 0.9 on Friday`
pub(crate) fn channel(model: &Model, theme: Theme, area: Rect, topic: bool, buffer: &mut Buffer) {
    let (y, right) = (area.y, area.right());
    let bold = Style::new().add_modifier(Modifier::BOLD);
    let Some(channel) = model.channel() else {
        let text = match (&model.connection, model.open.is_some() || !model.channels.is_empty()) {
            (Connection::Connecting, _) => "Connecting…",
            (_, true) => "Loading…",
            (_, false) => "No channel yet: Ctrl-K finds one",
        };
        put(buffer, (area.x + 1, y), right, text, theme.role(Role::Text3));
        return;
    };
    let (sign, sign_style) = list::sign(model, channel, theme);
    let x = put(buffer, (area.x + 1, y), right, &sign, sign_style);
    let name = terminal_line(&channel.label);
    let room = usize::from(right.saturating_sub(x + 1));
    let x = put(buffer, (x + 1, y), right, &cut(&name, room), bold);
    let mut about = String::new();
    if !channel.is_dm() {
        about = channel.view.member_count.to_string();
    }
    if channel.is_archived() {
        about.push_str(" · archived, reading only");
    }
    let text = channel.view.channel.topic.as_deref().unwrap_or_default().trim();
    if topic && !text.is_empty() {
        if !about.is_empty() {
            about.push_str(" · ");
        }
        about.push_str(&terminal_line(text));
    }
    let room = usize::from(right.saturating_sub(x + 2));
    put(buffer, (x + 2, y), right, &cut(&about, room), theme.role(Role::Text2));
}

/// ` Thread · 6 replies` beside the messages, ` ‹ Thread in # release-room` in place of them.
pub(crate) fn thread(
    model: &Model,
    thread: &ThreadPane,
    theme: Theme,
    area: Rect,
    beside: bool,
    buffer: &mut Buffer,
) {
    let (y, right) = (area.y, area.right());
    let bold = Style::new().add_modifier(Modifier::BOLD);
    let quiet = theme.role(Role::Text2);
    if beside {
        let x = put(buffer, (area.x + 1, y), right, "Thread", bold);
        let loaded = i32::try_from(thread.timeline.messages.len()).unwrap_or(i32::MAX);
        let about = match thread.parent.reply_count.max(loaded) {
            0 => String::new(),
            1 => " · 1 reply".to_owned(),
            count => format!(" · {count} replies"),
        };
        put(buffer, (x, y), right, &about, quiet);
        return;
    }
    let x = put(buffer, (area.x + 1, y), right, "‹ ", theme.sign(Role::Accent));
    let x = put(buffer, (x, y), right, "Thread in ", quiet);
    let Some(channel) = model.channels.get(&thread.channel) else { return };
    let (sign, style) = list::sign(model, channel, theme);
    let x = put(buffer, (x, y), right, &format!("{sign} "), style);
    let room = usize::from(right.saturating_sub(x));
    put(buffer, (x, y), right, &cut(&terminal_line(&channel.label), room), bold);
}

/// ` Activity · 4 unread`, ` Threads`.
pub(crate) fn activity(model: &Model, theme: Theme, area: Rect, beside: bool, buffer: &mut Buffer) {
    let (y, right) = (area.y, area.right());
    let bold = Style::new().add_modifier(Modifier::BOLD);
    let mut x = area.x + 1;
    if !beside {
        x = put(buffer, (x, y), right, "‹ ", theme.sign(Role::Accent));
    }
    let (name, unread) = if model.activity.threads_only {
        ("Threads", i64::try_from(model.unread_threads()).unwrap_or(0))
    } else {
        ("Activity", model.activity.unread.total())
    };
    x = put(buffer, (x, y), right, name, bold);
    if unread > 0 {
        x = put(buffer, (x, y), right, &format!(" · {unread} unread"), theme.role(Role::Text2));
    }
    put_right(buffer, (x + 1, right - 1), y, "X marks all read", theme.role(Role::Text3));
}

/// The rule under a header, with the day of what stands below it.
pub(crate) fn day_rule(
    model: &Model,
    theme: Theme,
    area: Rect,
    day: Option<Date>,
    wide: bool,
    buffer: &mut Buffer,
) {
    let line = theme.role(Role::Rule);
    match day {
        Some(day) => {
            let word = clock::day(day, model.now, wide);
            let styles = (line, theme.role(Role::Text3));
            draw_rule(buffer, (area.x, area.right()), area.y, (&word, None), styles);
        }
        None => rule(buffer, (area.x, area.right()), area.y, line),
    }
}

/// Whether the server is away and the screen says so in a row of its own.
pub(crate) fn has_banner(model: &Model) -> bool {
    matches!(model.connection, Connection::Reconnecting { .. } | Connection::SignedOut)
}

/// `▲ Reconnecting in 4 s (try 3)  What you write is kept and sent later  Ctrl-R now`
pub(crate) fn banner(model: &Model, theme: Theme, area: Rect, buffer: &mut Buffer) {
    let bold = |role| theme.role(role).add_modifier(Modifier::BOLD);
    let (y, right) = (area.y, area.right());
    match &model.connection {
        Connection::Reconnecting { at, attempt } => {
            let left = *at - model.now;
            let seconds = left.whole_seconds() + i64::from(left.subsec_nanoseconds() > 0);
            let text = if seconds > 0 {
                format!("▲ Reconnecting in {seconds} s (try {attempt})")
            } else {
                format!("▲ Reconnecting (try {attempt})")
            };
            let x = put(buffer, (area.x, y), right, &text, bold(Role::Warn));
            let now = "Ctrl-R now";
            let quiet = theme.role(Role::Text2);
            let kept = "What you write is kept and sent later";
            let x = put_whole(buffer, (x + 2, y), right, kept, quiet);
            put_whole(buffer, (x, y), right, now, quiet);
        }
        Connection::SignedOut => {
            put(buffer, (area.x, y), right, "✗ Signed out, run ajet-chat login", bold(Role::Bad));
        }
        _ => {}
    }
}

/// Writes it if all of it fits. Returns where the next one begins.
fn put_whole(buffer: &mut Buffer, at: (u16, u16), right: u16, text: &str, style: Style) -> u16 {
    let width = u16::try_from(super::width::columns(text)).unwrap_or(u16::MAX);
    if at.0.saturating_add(width) > right {
        return at.0;
    }
    put(buffer, at, right, text, style) + 2
}

/// What the pane is called where only one of both is shown.
pub(crate) fn of_pane(
    model: &Model,
    pane: &Pane,
    theme: Theme,
    area: Rect,
    beside: bool,
    buffer: &mut Buffer,
) {
    match pane {
        Pane::Thread(one) => thread(model, one, theme, area, beside, buffer),
        Pane::Activity => activity(model, theme, area, beside, buffer),
    }
}
