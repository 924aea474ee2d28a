//! A key was pressed: what works everywhere, then overlays, then the mode.

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use time::Duration;

use super::super::event::Effect;
use super::super::list;
use super::super::model::{Mode, Model, Tone};
use super::super::outbox::{OutboxEntry, OutboxState};
use super::super::overlay::{Confirmed, Overlay};
use super::{TWICE, act, go, insert, jump, layers, listing, message};

/// The modifiers that make another key out of one; Shift is in the letter already.
fn held(key: KeyEvent) -> KeyModifiers {
    key.modifiers & (KeyModifiers::CONTROL | KeyModifiers::ALT)
}

/// `Ctrl` and a letter.
pub(super) fn ctrl(key: KeyEvent) -> Option<char> {
    match (held(key), key.code) {
        (KeyModifiers::CONTROL, KeyCode::Char(c)) => Some(c.to_ascii_lowercase()),
        _ => None,
    }
}

/// `Alt` and a letter.
pub(super) fn alt(key: KeyEvent) -> Option<char> {
    match (held(key), key.code) {
        (KeyModifiers::ALT, KeyCode::Char(c)) => Some(c),
        _ => None,
    }
}

/// A letter alone.
pub(super) fn letter(key: KeyEvent) -> Option<char> {
    match (held(key), key.code) {
        (KeyModifiers::NONE, KeyCode::Char(c)) => Some(c),
        _ => None,
    }
}

pub(super) fn press(model: &mut Model, key: KeyEvent) {
    if key.kind == KeyEventKind::Release {
        return;
    }
    // A sentence has been read when somebody goes on.
    if model.status.as_ref().is_some_and(|status| status.tone != Tone::Bad) {
        model.status = None;
    }
    if ctrl(key) == Some('c') {
        return interrupt(model);
    }
    model.work.ctrl_c_until = None;
    if ctrl(key) == Some('q') {
        return quit(model);
    }
    if process(model, key) {
        return;
    }
    if model.overlay.is_none() && anywhere(model, key) {
        return;
    }
    match (&model.overlay, model.mode) {
        (Some(Overlay::Palette(_)), _) => jump::press(model, key),
        (Some(Overlay::List), _) | (None, Mode::List) => listing::press(model, key),
        (Some(_), _) => layers::press(model, key),
        (None, Mode::Insert) => insert::press(model, key),
        (None, Mode::Message) => message::press(model, key),
    }
}

/// Nothing to do here: says so, because no key is silent.
pub(super) fn dead(model: &mut Model, key: KeyEvent) {
    let name = name(key);
    let help = if model.mode == Mode::Insert { "F1" } else { "?" };
    model.say(Tone::Info, &format!("{name} does nothing here, {help} shows the keys"));
}

/// As people call a key.
pub(super) fn name(key: KeyEvent) -> String {
    let mut name = String::new();
    if key.modifiers.contains(KeyModifiers::CONTROL) {
        name.push_str("Ctrl-");
    }
    if key.modifiers.contains(KeyModifiers::ALT) {
        name.push_str("Alt-");
    }
    match key.code {
        KeyCode::Char(' ') => name.push_str("Space"),
        KeyCode::Char(c) if held(key).is_empty() => name.push(c),
        KeyCode::Char(c) => name.extend(c.to_uppercase()),
        code => name.push_str(&code.to_string()),
    }
    name
}

/// What the terminal itself is asked for, over every overlay too.
fn process(model: &mut Model, key: KeyEvent) -> bool {
    match ctrl(key) {
        Some('l') => model.push(Effect::Redraw),
        Some('z') => model.push(Effect::Suspend),
        Some('r') => act::reconnect(model),
        _ => return false,
    }
    true
}

/// The keys that work in every mode.
fn anywhere(model: &mut Model, key: KeyEvent) -> bool {
    let alt_held = held(key) == KeyModifiers::ALT;
    match (ctrl(key), alt(key), key.code) {
        (Some('k'), ..) if !insert::kills_line(model) => jump::open(model, ""),
        (Some('7' | '_' | '/'), ..) | (.., KeyCode::F(1)) => {
            model.overlay = Some(Overlay::Help { scroll: 0 });
        }
        (Some('b'), ..) => go::toggle_list(model),
        (Some('t'), ..) => go::toggle_thread(model),
        (Some('n'), ..) => go::toggle_activity(model, false),
        (_, Some('n'), _) => unread(model, true),
        (_, Some('p'), _) => unread(model, false),
        (.., KeyCode::PageDown) if alt_held => unread(model, true),
        (.., KeyCode::PageUp) if alt_held => unread(model, false),
        (.., KeyCode::Up) if alt_held => neighbour(model, false),
        (.., KeyCode::Down) if alt_held => neighbour(model, true),
        (_, Some(digit @ '1'..='9'), _) => community(model, digit),
        _ => return false,
    }
    true
}

pub(super) fn unread(model: &mut Model, forwards: bool) {
    match list::next_unread(model, forwards) {
        Some(channel) => go::open(model, channel),
        None => model.say(Tone::Info, "Nothing else is unread"),
    }
}

fn neighbour(model: &mut Model, down: bool) {
    match list::neighbour(model, down) {
        Some(channel) => go::open(model, channel),
        None if down => model.say(Tone::Info, "This is the last channel"),
        None => model.say(Tone::Info, "This is the first channel"),
    }
}

fn community(model: &mut Model, digit: char) {
    let at = usize::try_from(digit.to_digit(10).unwrap_or(1)).unwrap_or(1) - 1;
    match model.communities.get(at).map(|entry| entry.community.id) {
        Some(id) => go::community(model, id),
        None => model.say(Tone::Info, &format!("You have no community number {digit}")),
    }
}

/// `Ctrl-C`: empties the box (nothing is lost, `Ctrl-Y` has it), twice quits.
fn interrupt(model: &mut Model) {
    if model.work.ctrl_c_until.is_some_and(|until| until > model.now) {
        return act::quit(model);
    }
    model.work.ctrl_c_until = Some(model.now + TWICE);
    model.prefix = None;
    if model.overlay.take().is_some() {
        return model.say(Tone::Info, "Ctrl-C again quits");
    }
    let emptied = insert::empty(model);
    let text = if emptied {
        "The box is empty, Ctrl-Y puts it back; Ctrl-C again quits"
    } else {
        "Ctrl-C again quits"
    };
    model.say(Tone::Info, text);
    if let Some(status) = &mut model.status {
        status.until = model.now + TWICE + Duration::milliseconds(1);
    }
}

fn quit(model: &mut Model) {
    let is_refused = |entry: &&OutboxEntry| matches!(entry.state, OutboxState::Failed(_));
    let refused = model.my_outbox().filter(is_refused).count();
    let waiting = model.my_outbox().count() - refused;
    let verb = |count: usize| if count == 1 { "is" } else { "are" };
    let waits = format!("{waiting} {} not sent yet (sent at the next start)", verb(waiting));
    let was = if refused == 1 { "was" } else { "were" };
    let question = match (waiting, refused) {
        (0, 0) => return act::quit(model),
        (_, 0) => format!("{waits}. Quit? y/n"),
        (0, _) => format!("{refused} {was} refused (kept). Quit? y/n"),
        _ => format!("{waits}, {refused} {was} refused (kept). Quit? y/n"),
    };
    model.overlay = Some(Overlay::Confirm { question, yes: Confirmed::Quit });
}
