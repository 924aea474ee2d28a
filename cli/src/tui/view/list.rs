//! The list at the left: where one can go, and what is new there.

use ajet_shared::terminal::terminal_line;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};

use super::super::drawn::Hit;
use super::super::model::{Mode, Model, Zone};
use super::super::overlay::Overlay;
use super::super::places::{ChannelEntry, ListRow, Section};
use super::super::theme::{Role, Theme};
use super::canvas::{put, put_right, tint};
use super::width::{columns, cut};

/// A row as it is drawn: a sign, a name, and one mark at the right.
#[derive(Default)]
struct Entry {
    sign: String,
    sign_style: Style,
    /// Columns before the sign.
    indent: u16,
    name: String,
    name_style: Style,
    mark: String,
    mark_style: Style,
    /// What is open now: `▌`.
    current: bool,
}

/// Draws the list; returns where the cursor of the filter stands.
pub(crate) fn draw(
    model: &Model,
    theme: Theme,
    area: Rect,
    buffer: &mut Buffer,
    hits: &mut Vec<(Rect, Hit)>,
) -> Option<(u16, u16)> {
    if area.height == 0 {
        return None;
    }
    hits.push((area, Hit::Zone(Zone::List)));
    let cursor = draw_head(model, theme, area, buffer);
    let rows = model.list_rows();
    let body = Rect { y: area.y + 1, height: area.height - 1, ..area };
    let lines = arranged(&rows, usize::from(body.height), model);
    let has_cursor = model.mode == Mode::List || matches!(model.overlay, Some(Overlay::List));
    for (line, y) in lines.iter().zip(body.y..body.bottom()) {
        let Some(row) = line else { continue };
        let place = Rect { y, height: 1, ..area };
        draw_row(&entry(model, theme, row), place, buffer, theme);
        hits.push((place, Hit::List(*row)));
        if has_cursor && model.list.selected == Some(*row) {
            tint(buffer, place, Style::new().add_modifier(Modifier::REVERSED));
        }
    }
    cursor
}

fn draw_head(model: &Model, theme: Theme, area: Rect, buffer: &mut Buffer) -> Option<(u16, u16)> {
    let right = area.right();
    if let Some(filter) = &model.list.filter {
        let x = put(buffer, (area.x, area.y), right, " / ", theme.sign(Role::Accent));
        let text = terminal_line(&filter.text);
        let x = put(buffer, (x, area.y), right, &text, Style::new());
        return Some((x.min(right.saturating_sub(1)), area.y));
    }
    let name = model.current_community().map_or("ajet-chat", |entry| &entry.community.name);
    let bold = Style::new().add_modifier(Modifier::BOLD);
    let name = terminal_line(name);
    let room = usize::from(area.width.saturating_sub(3));
    put(buffer, (area.x + 1, area.y), right, &cut(&name, room), bold);
    if model.communities.len() > 1 {
        put_right(buffer, (area.x, right), area.y, "▾", theme.role(Role::Text3));
    }
    None
}

/// The rows with empty lines between their groups, if they fit; the communities at the lower end. Where not all fits, the part around
/// the cursor or the open channel.
fn arranged(rows: &[ListRow], height: usize, model: &Model) -> Vec<Option<ListRow>> {
    let groups: Vec<&[ListRow]> =
        rows.chunk_by(|_, next| !matches!(next, ListRow::Section(_))).collect();
    let lines = |gaps: &dyn Fn(usize) -> usize| {
        let mut lines = Vec::new();
        for (at, group) in groups.iter().enumerate() {
            lines.extend(std::iter::repeat_n(None, gaps(at)));
            lines.extend(group.iter().map(|row| Some(*row)));
        }
        lines
    };
    let spare = height.saturating_sub(rows.len());
    // Before the first group, then before channels, then before each of the others; the rest pushes the communities down.
    let last = groups.len().saturating_sub(1);
    let is_communities = groups.last().and_then(|group| group.first())
        == Some(&ListRow::Section(Section::Communities));
    if spare > last {
        // They end where the rule over the box begins.
        let push = if is_communities { (spare - last).saturating_sub(2).max(1) } else { 1 };
        return lines(&|at| if at == last { push } else { 1 });
    }
    if spare >= 2 {
        return lines(&|at| usize::from(at < 2));
    }
    let all = lines(&|_| 0);
    let wanted = if model.mode == Mode::List || model.overlay.is_some() {
        model.list.selected
    } else {
        model.open.as_ref().map(|open| ListRow::Channel(open.id))
    };
    let at = wanted.and_then(|row| rows.iter().position(|one| *one == row)).unwrap_or(0);
    let start = (at + 1 + height / 4).saturating_sub(height).min(all.len().saturating_sub(height));
    all[start..].iter().take(height).copied().collect()
}

fn draw_row(entry: &Entry, area: Rect, buffer: &mut Buffer, theme: Theme) {
    let (y, right) = (area.y, area.right());
    if entry.current {
        put(buffer, (area.x, y), right, "▌", theme.selection_mark());
    }
    let start = put_right(buffer, (area.x + 4, right), y, &entry.mark, entry.mark_style);
    let end = match start {
        Some(x) if !entry.mark.is_empty() => x.saturating_sub(1),
        _ => right,
    };
    let x = put(buffer, (area.x + entry.indent, y), end, &entry.sign, entry.sign_style);
    let x = if entry.sign.is_empty() { x } else { x + 1 };
    let room = usize::from(end.saturating_sub(x));
    put(buffer, (x, y), end, &cut(&entry.name, room), entry.name_style);
}

fn entry(model: &Model, theme: Theme, row: &ListRow) -> Entry {
    match row {
        ListRow::Unread => shortcut("Unread", 0, false, theme),
        ListRow::Threads => {
            shortcut("Threads", model.unread_threads(), pane_is_threads(model, true), theme)
        }
        ListRow::Activity => {
            let unread = usize::try_from(model.activity.unread.total()).unwrap_or(0);
            shortcut("Activity", unread, pane_is_threads(model, false), theme)
        }
        ListRow::Section(section) => section_entry(model, *section, theme),
        ListRow::Channel(id) => match model.channels.get(id) {
            Some(channel) => channel_entry(model, channel, theme),
            None => Entry::default(),
        },
        ListRow::Community(id, digit) => {
            let known = model.communities.iter().find(|entry| entry.community.id == *id);
            let name = known.map_or("", |entry| &entry.community.name);
            let (mentions, unread) = model.community_unread(*id);
            let is_current = model.community == Some(*id);
            let (mark, mark_style) = match (mentions, unread) {
                // Its channels stand above and say so themselves.
                _ if is_current => (String::new(), Style::new()),
                (1.., _) => (format!("@{mentions}"), theme.role(Role::Signal)),
                (_, true) => ("•".to_owned(), Style::new().add_modifier(Modifier::BOLD)),
                _ => (String::new(), Style::new()),
            };
            Entry {
                sign: digit.to_string(),
                sign_style: theme.role(Role::Text3),
                indent: 2,
                name: terminal_line(name).into_owned(),
                name_style: bold_if(unread || is_current),
                mark,
                mark_style,
                current: false,
            }
        }
    }
}

fn pane_is_threads(model: &Model, threads: bool) -> bool {
    matches!(model.pane, Some(super::super::model::Pane::Activity))
        && model.activity.threads_only == threads
}

fn shortcut(name: &str, count: usize, current: bool, theme: Theme) -> Entry {
    Entry {
        indent: 3,
        name: name.to_owned(),
        name_style: bold_if(count > 0),
        mark: if count > 0 { count.to_string() } else { String::new() },
        mark_style: theme.sign(Role::Signal),
        current,
        ..Entry::default()
    }
}

fn section_entry(model: &Model, section: Section, theme: Theme) -> Entry {
    let name = match section {
        Section::Channels => "CHANNELS",
        Section::Direct => "DIRECT",
        Section::Communities => "COMMUNITIES",
    };
    let folded = model.list.folded.contains(&section);
    Entry {
        sign: if folded { "▸" } else { "▾" }.to_owned(),
        sign_style: theme.role(Role::Text3),
        name: name.to_owned(),
        name_style: theme.role(Role::Text3),
        ..Entry::default()
    }
}

fn channel_entry(model: &Model, channel: &ChannelEntry, theme: Theme) -> Entry {
    let (sign, sign_style) = sign(model, channel, theme);
    let (mark, mark_style) = mark(model, channel, theme);
    let quiet = channel.is_muted() && !channel.is_unread();
    let style = if quiet { theme.role(Role::Text3) } else { bold_if(channel.is_unread()) };
    Entry {
        sign,
        sign_style,
        indent: if channel.is_dm() { 2 } else { 3 },
        name: name(model, channel),
        name_style: style,
        mark,
        mark_style,
        current: model.open.as_ref().is_some_and(|open| open.id == channel.id()),
    }
}

/// The label; first names where there are several people.
fn name(model: &Model, channel: &ChannelEntry) -> String {
    let others: Vec<String> = channel
        .view
        .members
        .iter()
        .filter(|member| !model.is_me(member.id))
        .map(|member| first_name(&member.display_name))
        .collect();
    if channel.is_dm() && others.len() > 1 {
        others.join(", ")
    } else {
        terminal_line(&channel.label).into_owned()
    }
}

/// `Mara` of `Mara Voss`.
pub(crate) fn first_name(name: &str) -> String {
    let name = terminal_line(name);
    name.split_whitespace().next().unwrap_or("somebody").to_owned()
}

/// `#`, `⊡`, `♪`, `●`, `○`, `◇`, or how many others.
pub(crate) fn sign(model: &Model, channel: &ChannelEntry, theme: Theme) -> (String, Style) {
    let quiet = theme.role(Role::Text3);
    if !channel.is_dm() {
        let sign = match (channel.is_voice(), channel.is_private()) {
            (true, _) => "♪",
            (_, true) => "⊡",
            _ => "#",
        };
        return (sign.to_owned(), quiet);
    }
    match channel.person {
        Some(person) if model.is_bot(person) => ("◇".to_owned(), quiet),
        Some(person) if model.is_online(person) || model.is_me(person) => {
            ("●".to_owned(), theme.role(Role::Ok))
        }
        Some(_) => ("○".to_owned(), quiet),
        None => (channel.view.members.len().saturating_sub(1).to_string(), quiet),
    }
}

/// The one thing that matters most about a channel.
fn mark(model: &Model, channel: &ChannelEntry, theme: Theme) -> (String, Style) {
    let view = &channel.view;
    let is_bot = channel.person.is_some_and(|person| model.is_bot(person));
    if view.mentions > 0 {
        (format!("@{}", at_most_99(view.mentions)), theme.role(Role::Signal))
    } else if view.unread > 0 && !channel.is_muted() {
        (at_most_99(view.unread), Style::new().add_modifier(Modifier::BOLD))
    } else if model.has_draft(channel.id()) {
        ("✎".to_owned(), theme.role(Role::Text2))
    } else if channel.is_muted() {
        ("⊘".to_owned(), theme.role(Role::Text3))
    } else if is_bot {
        ("bot".to_owned(), theme.role(Role::Text3))
    } else {
        (String::new(), Style::new())
    }
}

fn at_most_99(count: i64) -> String {
    if count > 99 { "99+".to_owned() } else { count.to_string() }
}

fn bold_if(bold: bool) -> Style {
    if bold { Style::new().add_modifier(Modifier::BOLD) } else { Style::new() }
}

/// Columns the list needs over the messages, where there is no room beside them.
pub(crate) fn overlay_width(model: &Model, screen: u16) -> u16 {
    let longest = model
        .channels
        .values()
        .map(|channel| columns(&terminal_line(&channel.label)))
        .max()
        .unwrap_or(0);
    u16::try_from(longest + 11).unwrap_or(u16::MAX).clamp(19, 28).min(screen.saturating_sub(4))
}
