//! Message mode: letters act on the selected message.

use ajet_shared::message::MessageKind;
use crossterm::event::{KeyCode, KeyEvent};

use super::super::model::{Mode, Model, Pane, Tone, Zone};
use super::super::overlay::Overlay;
use super::super::timeline::{RowKey, Scroll};
use super::press::{ctrl, dead, letter};
use super::{act, compose, find, go, insert, jump, news, send};

pub(super) fn press(model: &mut Model, key: KeyEvent) {
    if let Some(prefix) = model.prefix.take() {
        return continued(model, prefix, key);
    }
    if model.focus == Zone::Pane
        && matches!(model.pane, Some(Pane::Activity))
        && news::press(model, key)
    {
        return;
    }
    let row = act::focused(model).and_then(|(timeline, _)| timeline.selected);
    match (key.code, ctrl(key), letter(key)) {
        (KeyCode::Down, ..) | (.., Some('j')) => go::step(model, 1),
        (KeyCode::Up, ..) | (.., Some('k')) => go::step(model, -1),
        (_, Some('d'), _) => go::page(model, true, false),
        (_, Some('u'), _) => go::page(model, false, false),
        (KeyCode::PageDown, ..) => go::page(model, true, true),
        (KeyCode::PageUp, ..) => go::page(model, false, true),
        (KeyCode::End, ..) | (.., Some('G')) => go::select_end(model),
        (KeyCode::Home, ..) => go::select_start(model),
        (.., Some(prefix @ 'g')) => model.prefix = Some(prefix),
        (.., Some('d')) => delete(model, row),
        (.., Some('n')) => find::next(model, true),
        (.., Some('N')) => find::next(model, false),
        (KeyCode::Enter, ..) => enter(model, row),
        (.., Some('r')) => reply(model),
        (.., Some('+')) => act::pick_reaction(model),
        (.., Some('e')) => edit(model),
        (.., Some('>')) => quote(model),
        (.., Some('y')) => act::copy(model, false),
        (.., Some('Y')) => act::copy(model, true),
        (.., Some('o')) => act::open_link(model),
        (.., Some('u')) => {
            model.say(Tone::Bad, "This server keeps no mark of what was unread again");
        }
        (.., Some('p' | 'b')) => {
            model.say(Tone::Info, "Pins and saved messages come with a later release");
        }
        (.., Some('s' | 'v')) => model.say(Tone::Info, "o opens the file in your browser"),
        (.., Some('m')) => model.say(Tone::Info, "@ in the box and Ctrl-K list the people"),
        (.., Some('x')) if !matches!(row, Some(RowKey::Message(_)) | None) => drop_row(model, row),
        (.., Some(' ')) => unfold(model, row),
        (.., Some('/')) => find::open(model),
        (.., Some(':')) => jump::open(model, "/"),
        (.., Some('t')) => go::toggle_thread(model),
        (.., Some('?')) => model.overlay = Some(Overlay::Help { scroll: 0 }),
        (.., Some('i' | 'a')) => write(model),
        (KeyCode::Left | KeyCode::BackTab, ..) | (.., Some('h')) => zone(model, false),
        (KeyCode::Right, ..) | (.., Some('l')) => zone(model, true),
        (KeyCode::Tab, ..) => next_zone(model),
        (KeyCode::Esc, ..) => escape(model),
        _ => dead(model, key),
    }
}

fn continued(model: &mut Model, prefix: char, key: KeyEvent) {
    match (prefix, letter(key), key.code) {
        ('g', Some('g'), _) => go::select_start(model),
        ('d', Some('d'), _) => act::ask_delete(model),
        (.., KeyCode::Esc) => {}
        _ => dead(model, key),
    }
}

/// `d` deletes what is not sent at once, a message after the second `d` and a yes.
fn delete(model: &mut Model, row: Option<RowKey>) {
    match row {
        Some(RowKey::Message(_)) | None => model.prefix = Some('d'),
        Some(_) => drop_row(model, row),
    }
}

fn drop_row(model: &mut Model, row: Option<RowKey>) {
    if let Some(row) = row {
        act::drop_row(model, row);
    }
}

fn enter(model: &mut Model, row: Option<RowKey>) {
    match row {
        Some(RowKey::Outgoing(id)) => send::again(model, id),
        Some(RowKey::Note(_)) => {
            model.say(Tone::Info, "Only you see this; x takes it away, Y copies it");
        }
        _ => reply(model),
    }
}

/// Opens the thread of the selected message with the cursor in its box.
fn reply(model: &mut Model) {
    if model.focus == Zone::Pane && model.thread().is_some() {
        return write(model);
    }
    match act::selected(model) {
        Some(message) if message.kind == MessageKind::System => {
            model.say(Tone::Info, "This line takes no answers");
        }
        Some(message) if message.deleted_at.is_some() && message.reply_count == 0 => {
            model.say(Tone::Info, "This message is deleted");
        }
        Some(message) => {
            let message = message.clone();
            go::open_thread(model, message);
        }
        None => model.say(Tone::Info, "Select a message to answer"),
    }
}

fn edit(model: &mut Model) {
    match act::selected(model) {
        Some(message) if !model.is_me(message.author.id) => {
            model.say(Tone::Info, "Only the author can edit a message");
        }
        Some(message) if message.deleted_at.is_some() => {
            model.say(Tone::Info, "This message is deleted");
        }
        Some(message) if !matches!(message.kind, MessageKind::Text | MessageKind::Me) => {
            model.say(Tone::Info, "This line cannot be edited");
        }
        Some(message) => {
            let (id, text) = (message.id, message.body_md.clone());
            insert::edit_message(model, id, text);
        }
        None => model.say(Tone::Info, "Select one of your messages to edit it"),
    }
}

fn quote(model: &mut Model) {
    let Some(message) = act::selected(model).filter(|message| message.deleted_at.is_none()) else {
        return model.say(Tone::Info, "Select a message to quote");
    };
    let quoted: Vec<String> = message.body_md.lines().map(|line| format!("> {line}")).collect();
    let text = format!("{}\n\n", quoted.join("\n"));
    compose::put(model, &text);
}

fn unfold(model: &mut Model, row: Option<RowKey>) {
    let (Some(RowKey::Message(id)), Some(timeline)) = (row, act::focused_mut(model)) else {
        return;
    };
    match timeline.unfolded.iter().position(|known| *known == id) {
        Some(at) => drop(timeline.unfolded.remove(at)),
        None => timeline.unfolded.push(id),
    }
    timeline.reveal = true;
}

/// Back to writing.
fn write(model: &mut Model) {
    if model.focus == Zone::Pane && model.thread().is_none() {
        model.focus = Zone::Channel;
    }
    model.mode = Mode::Insert;
}

fn zone(model: &mut Model, right: bool) {
    match (model.focus, right) {
        (Zone::Pane, true) => model.say(Tone::Info, "Nothing is further right"),
        (Zone::Pane, false) if model.pane_beside() => focus(model, Zone::Channel),
        (Zone::Pane, false) => go::close_pane(model),
        (_, true) if model.pane.is_some() => focus(model, Zone::Pane),
        (_, true) => go::toggle_thread(model),
        (_, false) => go::enter_list(model),
    }
}

fn next_zone(model: &mut Model) {
    match model.focus {
        Zone::Pane => go::enter_list(model),
        _ if model.pane.is_some() => focus(model, Zone::Pane),
        _ => go::enter_list(model),
    }
}

pub(super) fn focus(model: &mut Model, zone: Zone) {
    model.focus = zone;
    go::to_messages(model);
}

/// One step back: the search, the pane, then to the newest message.
fn escape(model: &mut Model) {
    if model.search.take().is_some() {
        return model.say(Tone::Info, "The search is over");
    }
    if model.focus == Zone::Pane {
        go::close_pane(model);
        return go::to_messages(model);
    }
    let at_newest = act::focused(model)
        .is_none_or(|(timeline, _)| timeline.scroll == Scroll::Newest && !timeline.has_newer);
    go::select_end(model);
    if at_newest {
        model.say(Tone::Info, "i to write, Ctrl-K to go elsewhere, Ctrl-Q quits");
    }
}
