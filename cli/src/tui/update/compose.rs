//! The boxes: which one is written in, drafts, typing, pasting, the editor.

use ajet_shared::limits::TYPING_HIDES_AFTER;
use time::Duration;

use super::super::composer::Composer;
use super::super::event::{Ask, Effect};
use super::super::model::{Connection, Mode, Model, Tone, Zone};
use super::super::overlay::{Confirmed, Overlay};
use super::super::places::Place;
use super::{Typing, complete};

/// A text that rests this long is kept on disk.
const DRAFT_AFTER: Duration = Duration::SECOND;
/// The server passes on no more (docs/events.md).
const TYPING_EVERY: Duration = Duration::seconds(2);
/// Typing is told again after this, before it hides at the others.
const TYPING_AGAIN: Duration = Duration::seconds(8);
/// Said where an edit was left.
const UNSAVED: &str = "The edit was not saved; Ctrl-Y puts back what you wrote";
/// A paste of more lines is asked about.
const PASTE_LINES_MAX: usize = 20;

/// The box of the zone with the focus, and where its text goes.
pub(super) fn active(model: &Model) -> Option<(&Composer, Place)> {
    match model.focus {
        Zone::Pane => model.thread().map(|thread| (&thread.composer, thread.place())),
        _ => model.open.as_ref().map(|open| (&open.composer, Place::channel(open.id))),
    }
}

pub(super) fn active_mut(model: &mut Model) -> Option<&mut Composer> {
    match model.focus {
        Zone::Pane => model.thread_mut().map(|thread| &mut thread.composer),
        _ => model.open.as_mut().map(|open| &mut open.composer),
    }
}

/// The text of the box changed: offers, draft, typing.
pub(super) fn changed(model: &mut Model) {
    complete::offer(model);
    model.work.drafts_due = Some(model.now + DRAFT_AFTER);
    tell_typing(model);
}

pub(super) fn close_popup(model: &mut Model) -> bool {
    active_mut(model).is_some_and(|composer| composer.popup.take().is_some())
}

/// Keeps the texts of the open boxes on disk. A text being edited is no draft: what it replaced is.
pub(super) fn keep_all(model: &mut Model) {
    model.work.drafts_due = None;
    let Some(user) = model.my_id() else { return };
    let mut kept = Vec::new();
    if let Some(open) = &mut model.open {
        kept.extend(written_here(&mut open.composer).map(|text| (Place::channel(open.id), text)));
    }
    if let Some(thread) = model.thread_mut() {
        let place = thread.place();
        kept.extend(written_here(&mut thread.composer).map(|text| (place, text)));
    }
    for (place, text) in kept {
        model.push(Effect::Draft { user, place, text });
    }
}

/// What is to be kept of a box: only what was written here. Another program may have kept something else there.
fn written_here(composer: &mut Composer) -> Option<String> {
    let text = draft(composer);
    (text != composer.kept).then(|| {
        composer.kept.clone_from(&text);
        text
    })
}

/// The box of a place that is opened, with what was begun there. Another program may have sent it meanwhile: the disk is asked.
pub(super) fn opened(model: &mut Model, place: Place) -> Composer {
    let text = model.drafts.remove(&place).unwrap_or_default();
    if let Some(user) = model.my_id() {
        model.push(Effect::Recall { user, place });
    }
    let mut composer = Composer::of(text);
    if let Some(unsaved) = model.work.unsaved.take() {
        composer.killed = unsaved;
        model.say(Tone::Info, UNSAVED);
    }
    composer
}

/// What the disk has of a place: it goes into the box, unless something was written there meanwhile.
pub(super) fn recalled(model: &mut Model, place: Place, text: String) {
    let composer = match &mut model.open {
        Some(open) if Place::channel(open.id) == place => Some(&mut open.composer),
        _ => model
            .thread_mut()
            .filter(|thread| thread.place() == place)
            .map(|thread| &mut thread.composer),
    };
    let Some(composer) = composer else { return };
    if composer.editing.is_none() && composer.text == composer.kept && text != composer.text {
        composer.kept.clone_from(&text);
        composer.set(text);
    }
}

/// An edit that was not saved goes to the box that is written in now.
pub(super) fn hand_over(model: &mut Model) {
    if model.open.is_none() {
        return;
    }
    let Some(unsaved) = model.work.unsaved.take() else { return };
    if let Some(composer) = active_mut(model) {
        composer.killed = unsaved;
    }
    model.say(Tone::Info, UNSAVED);
}

fn draft(composer: &Composer) -> String {
    if composer.editing.is_some() { composer.set_aside.clone() } else { composer.text.clone() }
}

/// What a box held that is closed now.
pub(super) fn put_aside(model: &mut Model, place: Place, composer: &Composer) {
    if composer.editing.is_some() && !composer.is_empty() {
        model.work.unsaved = Some(composer.text.clone());
    }
    let text = draft(composer);
    if text.trim().is_empty() {
        model.drafts.remove(&place);
    } else {
        model.drafts.insert(place, text);
    }
}

/// Tells the others that I write, or that I stopped.
fn tell_typing(model: &mut Model) {
    let Some((composer, place)) = active(model) else { return };
    let writes = !composer.text.trim().is_empty()
        && !composer.text.starts_with('/')
        && composer.editing.is_none();
    if !writes {
        return stop_typing(model);
    }
    if model.connection != Connection::Live {
        return;
    }
    let now = model.now;
    match &mut model.work.typing {
        Some(typing) if typing.place == place => {
            typing.key_at = now;
            if now - typing.told_at < TYPING_AGAIN {
                return;
            }
            typing.told_at = now;
        }
        Some(typing) if now - typing.told_at < TYPING_EVERY => return,
        _ => model.work.typing = Some(Typing { place, told_at: now, key_at: now }),
    }
    model.ask(Ask::Typing { place, started: true });
}

pub(super) fn stop_typing(model: &mut Model) {
    if let Some(typing) = model.work.typing.take()
        && model.connection == Connection::Live
    {
        model.ask(Ask::Typing { place: typing.place, started: false });
    }
}

/// When I stopped without a word.
pub(super) fn typing_ends(model: &Model) -> Option<time::OffsetDateTime> {
    model.work.typing.map(|typing| typing.key_at + TYPING_HIDES_AFTER)
}

/// Puts text into the box at the cursor and goes on writing there.
pub(super) fn put(model: &mut Model, text: &str) {
    let Some(composer) = active_mut(model) else { return };
    composer.insert(text);
    model.mode = Mode::Insert;
    changed(model);
}

/// From the clipboard. Never sent, never a command: it only stands in the box.
pub(super) fn paste(model: &mut Model, text: String) {
    if let Some(query) = super::layers::query_mut(model) {
        query.insert(&text.replace(['\n', '\r'], " "));
        return super::layers::query_changed(model);
    }
    if model.overlay.is_some() || model.focus == Zone::Pane && model.thread().is_none() {
        return model.say(Tone::Info, "There is no box to paste into here");
    }
    if text.lines().count() > PASTE_LINES_MAX {
        let question = format!(
            "{} lines: y as they are, c as a code block, n not at all",
            text.lines().count()
        );
        model.overlay = Some(Overlay::Confirm { question, yes: Confirmed::Paste(text) });
        return;
    }
    put(model, &text);
}

/// `Ctrl-O`.
pub(super) fn editor(model: &mut Model) {
    match active(model) {
        Some((composer, _)) => {
            let text = composer.text.clone();
            model.push(Effect::Editor(text));
        }
        None => model.say(Tone::Info, "There is no box to write in"),
    }
}

/// The editor was closed.
pub(super) fn written(model: &mut Model, text: Result<String, String>) {
    match text {
        Ok(text) => {
            let text = text.trim_end_matches(['\n', '\r']).to_owned();
            if let Some(composer) = active_mut(model) {
                composer.set(text);
            }
            model.mode = Mode::Insert;
            changed(model);
            model.say(Tone::Info, "Enter sends it");
        }
        Err(why) => model.say(Tone::Bad, &why),
    }
}
