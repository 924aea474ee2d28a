//! What lies over the rest: help, questions, reactions, search. The palette has its own file.

use crossterm::event::{KeyCode, KeyEvent};

use super::super::composer::Composer;
use super::super::keys;
use super::super::model::{Mode, Model, Tone};
use super::super::overlay::{Confirmed, Overlay};
use super::press::{dead, letter};
use super::{act, compose, find, insert, jump};

pub(super) fn press(model: &mut Model, key: KeyEvent) {
    if key.code == KeyCode::Esc {
        model.overlay = None;
        return;
    }
    match model.overlay.take() {
        Some(Overlay::Help { scroll }) => help(model, scroll, key),
        Some(Overlay::Confirm { question, yes }) => confirm(model, question, yes, key),
        Some(overlay @ Overlay::Reactions(_)) => {
            model.overlay = Some(overlay);
            reactions(model, key);
        }
        Some(overlay @ Overlay::Search { .. }) => {
            model.overlay = Some(overlay);
            search(model, key);
        }
        other => model.overlay = other,
    }
}

/// The text that is typed in an overlay or in the list.
pub(super) fn query_mut(model: &mut Model) -> Option<&mut Composer> {
    match &mut model.overlay {
        Some(Overlay::Palette(palette)) => Some(&mut palette.query),
        Some(Overlay::Reactions(picker)) => Some(&mut picker.query),
        Some(Overlay::Search { query }) => Some(query),
        Some(Overlay::List) => model.list.filter.as_mut(),
        // A filter may have been left open by a click into a box.
        None if model.mode == Mode::List => model.list.filter.as_mut(),
        Some(Overlay::Help { .. } | Overlay::Confirm { .. }) | None => None,
    }
}

/// It changed.
pub(super) fn query_changed(model: &mut Model) {
    match &mut model.overlay {
        Some(Overlay::Palette(_)) => jump::fill(model),
        Some(Overlay::Reactions(picker)) => picker.matches = act::fitting_emoji(&picker.query.text),
        _ => {}
    }
}

fn help(model: &mut Model, scroll: u16, key: KeyEvent) {
    let lines: usize = keys::HELP.iter().map(|(_, hints)| hints.len() + 2).sum();
    let last =
        u16::try_from(lines).unwrap_or(u16::MAX).saturating_sub(model.size.1.saturating_sub(4));
    let scroll = match (key.code, letter(key)) {
        (KeyCode::Down, _) | (_, Some('j')) => scroll + 1,
        (KeyCode::Up, _) | (_, Some('k')) => scroll.saturating_sub(1),
        (KeyCode::PageDown, _) | (_, Some(' ')) => scroll + 10,
        (KeyCode::PageUp, _) => scroll.saturating_sub(10),
        (KeyCode::F(1) | KeyCode::Enter, _) | (_, Some('?' | 'q')) => return,
        _ => {
            dead(model, key);
            scroll
        }
    };
    model.overlay = Some(Overlay::Help { scroll: scroll.min(last) });
}

fn confirm(model: &mut Model, question: String, yes: Confirmed, key: KeyEvent) {
    match (letter(key), yes) {
        (Some('y' | 'Y'), yes) => act::confirmed(model, yes),
        (Some('c' | 'C'), Confirmed::Paste(text)) => {
            let fence = fence(&text);
            compose::put(
                model,
                &format!("{fence}\n{}\n{fence}\n", text.trim_end_matches(['\n', '\r'])),
            );
        }
        (Some('n' | 'N'), _) => model.say(Tone::Info, "Nothing was done"),
        (_, yes) => model.overlay = Some(Overlay::Confirm { question, yes }),
    }
}

/// A fence that no line of the text ends.
fn fence(text: &str) -> String {
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    "`".repeat((longest + 1).max(3))
}

fn reactions(model: &mut Model, key: KeyEvent) {
    let Some(Overlay::Reactions(picker)) = &mut model.overlay else { return };
    let message = picker.message;
    let digit = letter(key).and_then(|c| c.to_digit(10)).filter(|_| picker.query.is_empty());
    if let Some(digit @ 1..) = digit {
        let chosen = picker.recent.get(digit as usize - 1).cloned();
        return match chosen {
            Some(emoji) => give(model, message, &emoji),
            None => dead(model, key),
        };
    }
    if key.code == KeyCode::Enter {
        let typed = picker.query.text.trim().trim_matches(':').to_owned();
        let chosen = picker.matches.first().map(|(emoji, _)| (*emoji).to_owned());
        // The character itself may be pasted.
        let chosen =
            chosen.or_else(|| typed.parse::<ajet_shared::names::Emoji>().ok().map(String::from));
        return match chosen {
            Some(emoji) => give(model, message, &emoji),
            None => model.say(Tone::Info, "No emoji is called so"),
        };
    }
    match insert::edit_of(key) {
        Some(edit) => {
            picker.query.edit(edit);
            query_changed(model);
        }
        None => dead(model, key),
    }
}

fn give(model: &mut Model, message: ajet_shared::id::MessageId, emoji: &str) {
    model.overlay = None;
    act::react(model, message, emoji);
}

fn search(model: &mut Model, key: KeyEvent) {
    let Some(Overlay::Search { query }) = &mut model.overlay else { return };
    if key.code == KeyCode::Enter {
        let text = query.text.trim().to_lowercase();
        model.overlay = None;
        return find::start(model, text);
    }
    match insert::edit_of(key) {
        Some(edit) => {
            query.edit(edit);
            find::preview(model);
        }
        None => dead(model, key),
    }
}
