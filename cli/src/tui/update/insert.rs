//! Insert mode: letters are written.

use ajet_shared::message::MessageKind;
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::super::composer::Edit;
use super::super::model::{Mode, Model, Tone, Zone};
use super::press::{alt, ctrl, dead, letter};
use super::{act, complete, compose, go, send};

pub(super) fn press(model: &mut Model, key: KeyEvent) {
    if let Some(prefix) = model.prefix.take() {
        return continued(model, prefix, key);
    }
    if compose::active(model).is_none() {
        return nowhere(model, key);
    }
    if complete::press(model, key) {
        return;
    }
    if let Some(edit) = edit_of(key) {
        return edited(model, edit);
    }
    let shifted = key.modifiers.intersects(KeyModifiers::ALT | KeyModifiers::SHIFT);
    match (key.code, ctrl(key)) {
        (KeyCode::Enter, _) if shifted => edited(model, Edit::Newline),
        (KeyCode::Enter, _) => enter(model),
        (KeyCode::Esc, _) => escape(model),
        (KeyCode::Tab | KeyCode::BackTab, _) => {
            if !complete::force(model) {
                model.say(
                    Tone::Info,
                    "There is nothing to complete here: @ people, # channels, : emoji, / commands",
                );
            }
        }
        (KeyCode::PageUp, _) => scroll_page(model, -1),
        (KeyCode::PageDown, _) => scroll_page(model, 1),
        (_, Some('o')) => compose::editor(model),
        (_, Some('x')) => model.prefix = Some('X'),
        _ if alt(key) == Some('e') => compose::editor(model),
        _ => dead(model, key),
    }
}

/// There is no channel to write in: only what leads somewhere works.
fn nowhere(model: &mut Model, key: KeyEvent) {
    match key.code {
        KeyCode::Esc => go::to_messages(model),
        _ => model.say(Tone::Info, "No channel is open: Ctrl-K opens one"),
    }
}

fn continued(model: &mut Model, prefix: char, key: KeyEvent) {
    match (prefix, ctrl(key), key.code) {
        ('X', Some('e'), _) => compose::editor(model),
        (.., KeyCode::Esc) => {}
        _ => dead(model, key),
    }
}

/// The editing a key stands for.
pub(super) fn edit_of(key: KeyEvent) -> Option<Edit> {
    if let Some(c) = letter(key) {
        return Some(Edit::Insert(c));
    }
    if let Some(c) = ctrl(key) {
        return Some(match c {
            'a' => Edit::Home,
            'e' => Edit::End,
            'w' => Edit::KillWord,
            'u' => Edit::KillToStart,
            'k' => Edit::KillToEnd,
            'y' => Edit::Yank,
            'd' => Edit::Delete,
            'f' => Edit::Right,
            'h' => Edit::Backspace,
            'j' => Edit::Newline,
            _ => return None,
        });
    }
    if let Some(c) = alt(key) {
        return match c {
            'b' => Some(Edit::WordLeft),
            'f' => Some(Edit::WordRight),
            'd' => Some(Edit::KillWordForward),
            _ => None,
        };
    }
    let word = key.modifiers.intersects(KeyModifiers::CONTROL | KeyModifiers::ALT);
    Some(match key.code {
        KeyCode::Backspace if word => Edit::KillWord,
        KeyCode::Backspace => Edit::Backspace,
        KeyCode::Delete => Edit::Delete,
        KeyCode::Left if word => Edit::WordLeft,
        KeyCode::Right if word => Edit::WordRight,
        KeyCode::Left => Edit::Left,
        KeyCode::Right => Edit::Right,
        KeyCode::Home => Edit::Home,
        KeyCode::End => Edit::End,
        KeyCode::Up => Edit::Up,
        KeyCode::Down => Edit::Down,
        _ => return None,
    })
}

/// `Ctrl-K` cuts where there is something behind the cursor; elsewhere, where a line editor would do nothing, it jumps.
pub(super) fn kills_line(model: &Model) -> bool {
    model.mode == Mode::Insert
        && compose::active(model).is_some_and(|(composer, _)| composer.cursor < composer.text.len())
}

fn edited(model: &mut Model, edit: Edit) {
    let Some(composer) = compose::active_mut(model) else { return };
    let before = composer.text.len();
    if composer.edit(edit) {
        if composer.text.len() != before || matches!(edit, Edit::Insert(_)) {
            compose::changed(model);
        } else {
            complete::offer(model);
        }
        return;
    }
    let empty = composer.is_empty();
    match edit {
        Edit::Up if empty => edit_last(model),
        Edit::Up => go_to_edge(model, Edit::Home),
        Edit::Down => go_to_edge(model, Edit::End),
        Edit::Yank => model.say(Tone::Info, "Nothing was cut yet"),
        Edit::Home | Edit::End | Edit::Left | Edit::Right | Edit::WordLeft | Edit::WordRight => {}
        _ if empty => model.say(Tone::Info, "The box is empty"),
        _ => {}
    }
}

fn go_to_edge(model: &mut Model, edge: Edit) {
    if let Some(composer) = compose::active_mut(model) {
        composer.edit(edge);
    }
}

/// Enter: a line inside a code block, else it goes out.
fn enter(model: &mut Model) {
    let in_fence = compose::active(model).is_some_and(|(composer, _)| composer.in_fence());
    if in_fence {
        return edited(model, Edit::Newline);
    }
    send::submit(model);
}

/// One step back, and no text is lost on the way.
fn escape(model: &mut Model) {
    let Some(composer) = compose::active_mut(model) else { return go::to_messages(model) };
    if composer.popup.take().is_some() {
        return;
    }
    if composer.editing.take().is_some() {
        composer.killed = composer.take();
        let aside = std::mem::take(&mut composer.set_aside);
        composer.set(aside);
        return model.say(Tone::Info, "It stays as it was; Ctrl-Y puts back what you wrote");
    }
    go::to_messages(model);
}

/// Empties the box for `Ctrl-C`; false when it was empty.
pub(super) fn empty(model: &mut Model) -> bool {
    if model.mode != Mode::Insert {
        return false;
    }
    let Some(composer) = compose::active_mut(model) else { return false };
    if composer.is_empty() && composer.editing.is_none() {
        return false;
    }
    composer.editing = None;
    composer.killed = composer.take();
    let aside = std::mem::take(&mut composer.set_aside);
    composer.set(aside);
    compose::changed(model);
    true
}

/// `↑` in an empty box.
fn edit_last(model: &mut Model) {
    let mine = act::focused(model).and_then(|(timeline, _)| {
        timeline.messages.iter().rev().find(|message| {
            model.is_me(message.author.id)
                && message.deleted_at.is_none()
                && matches!(message.kind, MessageKind::Text | MessageKind::Me)
        })
    });
    match mine.map(|message| (message.id, message.body_md.clone())) {
        Some((id, text)) => edit_message(model, id, text),
        None => model.say(Tone::Info, "You have written nothing here lately"),
    }
}

/// The box holds a message to be changed; what was in it comes back afterwards.
pub(super) fn edit_message(model: &mut Model, id: ajet_shared::id::MessageId, text: String) {
    let Some(composer) = compose::active_mut(model) else { return };
    if composer.editing.is_none() {
        composer.set_aside = composer.take();
    }
    composer.editing = Some(id);
    composer.set(text);
    model.mode = Mode::Insert;
    if let Some(timeline) = act::focused_mut(model) {
        timeline.selected = Some(super::super::timeline::RowKey::Message(id));
    }
}

fn scroll_page(model: &mut Model, pages: i32) {
    let zone = if model.focus == Zone::Pane { Zone::Pane } else { Zone::Channel };
    let drawn = if zone == Zone::Pane { &model.drawn.thread } else { &model.drawn.channel };
    let lines = drawn.as_ref().map_or(10, |drawn| i32::from(drawn.height.saturating_sub(2).max(1)));
    go::scroll(model, zone, pages * lines);
}
