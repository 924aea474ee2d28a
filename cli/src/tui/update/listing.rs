//! List mode, beside the messages or over them.

use crossterm::event::{KeyCode, KeyEvent};

use super::super::composer::Composer;
use super::super::model::{Mode, Model, Tone, Zone};
use super::super::overlay::{Confirmed, Overlay};
use super::super::places::{ChannelEntry, ListRow, Section};
use super::press::{ctrl, dead, letter, unread};
use super::{compose, go, insert, jump, message};

pub(super) fn press(model: &mut Model, key: KeyEvent) {
    if model.list.filter.is_some() {
        return filtering(model, key);
    }
    if let Some(prefix) = model.prefix.take() {
        return match (prefix, letter(key), key.code) {
            ('z', Some('a'), _) => fold(model),
            ('g', Some('g'), _) => step(model, isize::MIN),
            (.., KeyCode::Esc) => {}
            _ => dead(model, key),
        };
    }
    match (key.code, letter(key), ctrl(key)) {
        (KeyCode::Down, ..) | (_, Some('j'), _) => step(model, 1),
        (KeyCode::Up, ..) | (_, Some('k'), _) => step(model, -1),
        (KeyCode::PageDown, ..) | (.., Some('d')) => step(model, 10),
        (KeyCode::PageUp, ..) | (.., Some('u')) => step(model, -10),
        (KeyCode::End, ..) | (_, Some('G'), _) => step(model, isize::MAX),
        (KeyCode::Home, ..) => step(model, isize::MIN),
        (_, Some(prefix @ ('z' | 'g')), _) => model.prefix = Some(prefix),
        (KeyCode::Enter, ..) => choose(model),
        (KeyCode::Right | KeyCode::Tab | KeyCode::Esc, ..) | (_, Some('l'), _) => out(model),
        (_, Some('J'), _) => unread(model, true),
        (_, Some('K'), _) => unread(model, false),
        (_, Some('x'), _) => ask_leave(model),
        (_, Some('c'), _) => create(model),
        (_, Some('M'), _) => model.say(Tone::Info, "Open it and write /mute or /unmute"),
        (_, Some('/'), _) => model.list.filter = Some(Composer::default()),
        (_, Some('?'), _) => model.overlay = Some(Overlay::Help { scroll: 0 }),
        (_, Some(':'), _) => jump::open(model, "/"),
        (_, Some('h'), _) | (KeyCode::Left, ..) => model.say(Tone::Info, "Nothing is further left"),
        (_, Some('i' | 'a'), _) => {
            out(model);
            model.focus = Zone::Channel;
            model.mode = Mode::Insert;
        }
        (.., Some('k')) => jump::open(model, ""),
        (.., Some('b')) => go::toggle_list(model),
        _ => dead(model, key),
    }
}

/// Moves the cursor.
fn step(model: &mut Model, by: isize) {
    let rows = model.list_rows();
    let Some(last) = rows.len().checked_sub(1) else {
        return model.say(Tone::Info, "Nothing fits");
    };
    let at = model
        .list
        .selected
        .and_then(|row| rows.iter().position(|known| *known == row))
        .unwrap_or(0);
    let to = at.saturating_add_signed(by).min(last);
    model.list.selected = Some(rows[to]);
}

/// Out of the list, to the messages.
fn out(model: &mut Model) {
    model.list.filter = None;
    if matches!(model.overlay, Some(Overlay::List)) {
        model.overlay = None;
    }
    if model.mode == Mode::List {
        message::focus(model, Zone::Channel);
    }
}

/// Enter, or a click.
pub(super) fn choose(model: &mut Model) {
    let Some(row) = model.list.selected else {
        return model.say(Tone::Info, "Select a channel first");
    };
    model.list.filter = None;
    match row {
        ListRow::Channel(id) => {
            go::open(model, id);
            model.mode = Mode::Insert;
        }
        ListRow::Community(id, _) => go::community(model, id),
        ListRow::Section(_) => fold(model),
        ListRow::Unread => unread(model, true),
        ListRow::Threads | ListRow::Activity => {
            model.overlay = None;
            go::toggle_activity(model, row == ListRow::Threads);
        }
    }
}

/// Folds the section the cursor is in.
fn fold(model: &mut Model) {
    let section = match model.list.selected {
        Some(ListRow::Section(section)) => section,
        Some(ListRow::Channel(id)) if model.channels.get(&id).is_some_and(ChannelEntry::is_dm) => {
            Section::Direct
        }
        Some(ListRow::Channel(_)) => Section::Channels,
        Some(ListRow::Community(..)) => Section::Communities,
        _ => return model.say(Tone::Info, "Select a section, or a channel in it"),
    };
    if !model.list.folded.remove(&section) {
        model.list.folded.insert(section);
    }
    model.list.selected = Some(ListRow::Section(section));
}

fn ask_leave(model: &mut Model) {
    let Some(ListRow::Channel(id)) = model.list.selected else {
        return model.say(Tone::Info, "Select the channel to leave");
    };
    let Some(entry) = model.channels.get(&id) else { return };
    if entry.is_dm() {
        return model.say(Tone::Info, "A conversation cannot be left");
    }
    let name = ajet_shared::terminal::terminal_line(&entry.label).into_owned();
    let question = format!("Leave #{name}? y/n");
    model.overlay = Some(Overlay::Confirm { question, yes: Confirmed::Leave(id) });
}

/// `c`: the command stands in the box, only the name is missing.
fn create(model: &mut Model) {
    out(model);
    model.focus = Zone::Channel;
    let aside = compose::active(model).is_some_and(|(composer, _)| !composer.is_empty());
    if aside {
        return model
            .say(Tone::Info, "Send or clear what is in the box first, then: /channel create NAME");
    }
    compose::put(model, "/channel create ");
}

/// `/`: only rows that fit what is typed.
fn filtering(model: &mut Model, key: KeyEvent) {
    match key.code {
        KeyCode::Esc => model.list.filter = None,
        KeyCode::Enter => choose(model),
        KeyCode::Down => step(model, 1),
        KeyCode::Up => step(model, -1),
        _ => match (insert::edit_of(key), &mut model.list.filter) {
            (Some(edit), Some(filter)) => {
                filter.edit(edit);
                let rows = model.list_rows();
                let first = rows.iter().find(|row| !matches!(row, ListRow::Section(_)));
                model.list.selected = first.copied().or(model.list.selected);
            }
            _ => dead(model, key),
        },
    }
}
