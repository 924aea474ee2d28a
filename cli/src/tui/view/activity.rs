//! What I was notified of: who, where, when, and the beginning of it.

use ajet_shared::events::NotificationKind;
use ajet_shared::hue::hue;
use ajet_shared::markdown::plain;
use ajet_shared::terminal::terminal_line;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};

use super::super::drawn::Hit;
use super::super::model::{ActivityItem, Mode, Model, Zone};
use super::super::theme::{Role, Theme};
use super::canvas::{put, put_right, tint};
use super::clock;
use super::message::INDENT;
use super::width::cut;

/// Rows of one entry.
const HEIGHT: u16 = 2;

/// Draws the entries below the header.
pub(crate) fn draw(
    model: &Model,
    theme: Theme,
    area: Rect,
    buffer: &mut Buffer,
    hits: &mut Vec<(Rect, Hit)>,
) {
    hits.push((area, Hit::Zone(Zone::Pane)));
    let shown = model.activity.shown();
    if shown.is_empty() {
        let text = match (model.activity.loading, model.activity.threads_only) {
            (true, _) => "Loading…",
            (_, true) => "Nobody answered in your threads yet.",
            _ => "Nobody called you yet.",
        };
        if area.height > 0 {
            let style = theme.role(Role::Text3);
            put(buffer, (area.x + INDENT, area.y), area.right(), text, style);
        }
        return;
    }
    let fitting = usize::from((area.height / HEIGHT).max(1));
    let first = (model.activity.selected + 1).saturating_sub(fitting);
    let has_cursor = model.mode == Mode::Message && model.focus == Zone::Pane;
    for (position, y) in (first..shown.len()).zip((area.y..area.bottom()).step_by(HEIGHT.into())) {
        let height = HEIGHT.min(area.bottom() - y);
        let place = Rect { y, height, ..area };
        let selected = has_cursor && position == model.activity.selected;
        draw_entry(model, theme, &model.activity.items[shown[position]], place, buffer);
        if selected {
            for y in place.top()..place.bottom() {
                put(buffer, (place.x, y), place.right(), "▌", theme.selection_mark());
            }
            tint(buffer, place, theme.selected_row());
        }
        hits.push((place, Hit::Activity(position)));
    }
}

fn draw_entry(model: &Model, theme: Theme, item: &ActivityItem, area: Rect, buffer: &mut Buffer) {
    let notification = &item.notification;
    let (y, right) = (area.y, area.right() - 1);
    let quiet = theme.role(Role::Text2);
    let time = clock::short(notification.created_at, model.now);
    let right = put_right(buffer, (area.x + INDENT, right), y, &time, quiet).unwrap_or(right);
    let right = right.saturating_sub(1);
    if !notification.read {
        put(buffer, (area.x + 1, y), right, "•", theme.sign(Role::Signal));
    }
    let (sign, words) = what(notification.kind);
    put(buffer, (area.x + 3, y), right, sign, theme.role(Role::Text3));
    let mut x = area.x + INDENT;
    if let Some(actor) = &notification.actor {
        let style = theme.name(hue(actor.id));
        let style = if notification.read { style.remove_modifier(Modifier::BOLD) } else { style };
        let room = usize::from(right.saturating_sub(x));
        let name = terminal_line(&actor.display_name);
        x = put(buffer, (x, y), right, &cut(&name, room), style) + 1;
    }
    let channel = notification.channel_id.and_then(|id| model.channels.get(&id));
    let place = channel
        .filter(|channel| !channel.is_dm())
        .map(|channel| format!(" in {}", channel.title()));
    let words = format!("{words}{}", place.as_deref().unwrap_or_default());
    let room = usize::from(right.saturating_sub(x));
    put(buffer, (x, y), right, &cut(&terminal_line(&words), room), quiet);
    if area.height > 1 {
        let excerpt = item.excerpt.as_deref().map(|text| plain(text, 400)).unwrap_or_default();
        let excerpt = terminal_line(&excerpt);
        let room = usize::from(area.width.saturating_sub(INDENT + 1));
        let style = if notification.read { quiet } else { Style::new() };
        put(buffer, (area.x + INDENT, y + 1), area.right(), &cut(&excerpt, room), style);
    }
}

/// A sign, and what happened.
const fn what(kind: NotificationKind) -> (&'static str, &'static str) {
    match kind {
        NotificationKind::Mention => ("@", "mentioned you"),
        NotificationKind::Dm => ("●", "wrote to you"),
        NotificationKind::ThreadReply => ("╰", "answered"),
        NotificationKind::Invite => ("→", "took you in"),
        NotificationKind::System => ("·", "changed something"),
    }
}
