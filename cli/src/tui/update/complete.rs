//! What is offered at the cursor of a box.

use ajet_shared::command::{Argument, ArgumentKind, CommandInfo};
use ajet_shared::terminal::terminal_line;
use ajet_shared::user::UserKind;
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::super::completion::{CANDIDATES_MAX, Candidate, Popup};
use super::super::model::Model;
use super::super::places::Person;
use super::compose;
use super::jump::{Fit, fit};
use crate::emoji;

/// Letters of an emoji's name before any is offered: `:)` is no question.
const EMOJI_LETTERS: usize = 2;

/// Makes the offers for what stands before the cursor now.
pub(super) fn offer(model: &mut Model) {
    let popup = find(model, false);
    if let Some(composer) = compose::active_mut(model) {
        composer.popup = popup;
    }
}

/// `Tab` where nothing is offered yet: offers what there is, false when that is nothing.
pub(super) fn force(model: &mut Model) -> bool {
    let Some(popup) = find(model, true) else { return false };
    let single = popup.candidates.len() == 1;
    if let Some(composer) = compose::active_mut(model) {
        composer.popup = Some(popup);
    }
    if single {
        accept(model);
    }
    true
}

/// The keys of the popup; false when the key is not its own.
pub(super) fn press(model: &mut Model, key: KeyEvent) -> bool {
    let Some(composer) = compose::active_mut(model) else { return false };
    let Some(popup) = &mut composer.popup else { return false };
    let last = popup.candidates.len() - 1;
    let plain = key.modifiers.is_empty();
    match key.code {
        KeyCode::Tab if popup.chosen || last == 0 => accept(model),
        KeyCode::Tab => {
            // One press takes the best; with several left the next presses walk.
            popup.chosen = true;
            accept(model);
        }
        KeyCode::BackTab | KeyCode::Up => {
            popup.selected = popup.selected.checked_sub(1).unwrap_or(last);
            popup.chosen = true;
        }
        KeyCode::Down => {
            popup.selected = if popup.selected == last { 0 } else { popup.selected + 1 };
            popup.chosen = true;
        }
        KeyCode::Enter if popup.chosen && plain => accept(model),
        KeyCode::Enter if key.modifiers.intersects(KeyModifiers::ALT | KeyModifiers::SHIFT) => {
            return false;
        }
        _ => return false,
    }
    true
}

/// Puts the selected offer in.
pub(super) fn accept(model: &mut Model) {
    let Some(composer) = compose::active_mut(model) else { return };
    let Some(popup) = composer.popup.take() else { return };
    if let Some(chosen) = popup.candidates.get(popup.selected) {
        composer.replace(popup.start, &chosen.insert);
    }
    compose::changed(model);
}

fn find(model: &Model, forced: bool) -> Option<Popup> {
    let (composer, _) = compose::active(model)?;
    if composer.in_fence() {
        return None;
    }
    let (word_start, word) = composer.word();
    let is_command = composer.text.starts_with('/')
        && !composer.text.starts_with("//")
        && composer.editing.is_none();
    let (start, candidates) = if is_command {
        of_command(model, &composer.text[1..composer.cursor.max(1)], word_start, word)
    } else {
        (word_start, of_word(model, word, forced))
    };
    // What stands there complete already is no question.
    let typed = &composer.text[start..composer.cursor];
    let done = candidates.len() == 1 && candidates[0].insert.trim_end() == typed;
    (!candidates.is_empty() && !done).then_some(Popup {
        start,
        candidates,
        selected: 0,
        chosen: false,
    })
}

fn of_word(model: &Model, word: &str, forced: bool) -> Vec<Candidate> {
    if let Some(name) = word.strip_prefix('@') {
        return people(model, name, "@");
    }
    if let Some(name) = word.strip_prefix('#') {
        return channels(model, name, "#");
    }
    match word.strip_prefix(':') {
        Some(name) if forced || name.chars().count() >= EMOJI_LETTERS => emoji(name),
        _ => Vec::new(),
    }
}

/// A command's name, which may be of two words, or the argument the cursor is in; and where that begins.
fn of_command(
    model: &Model,
    typed: &str,
    word_start: usize,
    word: &str,
) -> (usize, Vec<Candidate>) {
    // Only letters that keep their length: what is found in the one is cut out of the other.
    let lower = typed.to_ascii_lowercase();
    let is_typed = |info: &&CommandInfo| {
        lower.strip_prefix(&info.name).is_some_and(|rest| rest.starts_with(' '))
    };
    let Some(info) = model.commands.iter().filter(is_typed).max_by_key(|info| info.name.len())
    else {
        return (0, commands(model, &lower));
    };
    let given = typed[info.name.len()..].split_whitespace().count() - usize::from(!word.is_empty());
    let last = info.arguments.last().filter(|last| last.kind == ArgumentKind::Text);
    let argument = info.arguments.get(given).or(last);
    (word_start, argument.map(|argument| of_argument(model, argument, word)).unwrap_or_default())
}

fn of_argument(model: &Model, argument: &Argument, word: &str) -> Vec<Candidate> {
    if !argument.choices.is_empty() {
        let choices = argument.choices.iter().filter(|choice| choice.starts_with(word));
        return choices.take(CANDIDATES_MAX).map(|choice| candidate(choice, "", choice)).collect();
    }
    match argument.kind {
        ArgumentKind::Person => people(model, word.trim_start_matches('@'), "@"),
        ArgumentKind::Channel => channels(model, word.trim_start_matches('#'), "#"),
        ArgumentKind::Command => commands(model, word.trim_start_matches('/')),
        ArgumentKind::Text => of_word(model, word, false),
        _ => Vec::new(),
    }
}

fn candidate(label: &str, detail: &str, insert: &str) -> Candidate {
    Candidate {
        label: terminal_line(label).into_owned(),
        detail: terminal_line(detail).into_owned(),
        insert: format!("{insert} "),
    }
}

/// The best of a list, by how well a query fits them.
fn best<T>(items: impl Iterator<Item = T>, fits: impl Fn(&T) -> Option<(Fit, String)>) -> Vec<T> {
    let mut found: Vec<((Fit, String), T)> =
        items.filter_map(|item| fits(&item).map(|rank| (rank, item))).collect();
    found.sort_by(|(a, _), (b, _)| a.cmp(b));
    found.into_iter().take(CANDIDATES_MAX).map(|(_, item)| item).collect()
}

fn people(model: &Model, query: &str, sign: &str) -> Vec<Candidate> {
    let near = |person: &&Person| {
        let fit = fit(query, &person.username).min(fit(query, &person.display_name));
        fit.found().map(|fit| (fit, person.display_name.to_lowercase()))
    };
    let known = model.people.values().filter(|person| person.kind != UserKind::System);
    let mut candidates: Vec<Candidate> = best(known, near)
        .into_iter()
        .map(|person| {
            let handle = format!("{sign}{}", person.username);
            candidate(&handle, &person.display_name, &handle)
        })
        .collect();
    for (name, detail) in
        [("channel", "everybody in this channel"), ("here", "everybody here who is online")]
    {
        if !query.is_empty() && name.starts_with(query) && candidates.len() < CANDIDATES_MAX {
            let handle = format!("{sign}{name}");
            candidates.push(candidate(&handle, detail, &handle));
        }
    }
    candidates
}

fn channels(model: &Model, query: &str, sign: &str) -> Vec<Candidate> {
    let here = model
        .channels
        .values()
        .filter(|entry| !entry.is_dm() && entry.view.channel.community_id == model.community);
    best(here, |entry| fit(query, &entry.label).found().map(|fit| (fit, entry.label.clone())))
        .into_iter()
        .map(|entry| {
            let name = format!("{sign}{}", entry.label);
            candidate(&name, entry.view.channel.topic.as_deref().unwrap_or_default(), &name)
        })
        .collect()
}

fn emoji(query: &str) -> Vec<Candidate> {
    emoji::fitting(query)
        .take(CANDIDATES_MAX)
        .map(|(name, emoji)| candidate(&format!("{emoji} :{name}:"), "", emoji))
        .collect()
}

/// Commands whose names begin so, then those that have it inside; once a verb is asked for, only those of that name.
fn commands(model: &Model, query: &str) -> Vec<Candidate> {
    let fits = |info: &&CommandInfo| {
        let fit = if query.contains(' ') && !info.name.starts_with(query) {
            Fit::Not
        } else {
            fit(query, &info.name)
        };
        fit.found().map(|fit| (fit, info.name.clone()))
    };
    best(model.commands.iter(), fits)
        .into_iter()
        .map(|info| candidate(&info.usage, &info.summary, &format!("/{}", info.name)))
        .collect()
}
