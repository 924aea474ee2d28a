//! `/` in message mode: search in what is loaded, and going from hit to hit.

use super::super::model::{Model, Search, Tone};
use super::super::overlay::Overlay;
use super::super::timeline::{RowKey, Timeline};
use super::press::unread;
use super::{act, go};

pub(super) fn open(model: &mut Model) {
    model.overlay = Some(Overlay::Search { query: super::super::composer::Composer::default() });
}

/// While it is typed: what there would be, highlighted.
pub(super) fn preview(model: &mut Model) {
    let Some(Overlay::Search { query }) = &model.overlay else { return };
    let query = query.text.trim().to_lowercase();
    model.search = search(model, query);
}

fn search(model: &Model, query: String) -> Option<Search> {
    if query.is_empty() {
        return None;
    }
    let (timeline, _) = act::focused(model)?;
    let hits = hits(timeline, &query);
    let current = hits.len().saturating_sub(1);
    Some(Search { query, hits, current })
}

fn hits(timeline: &Timeline, query: &str) -> Vec<ajet_shared::id::MessageId> {
    let fits = |text: &str| text.to_lowercase().contains(query);
    timeline
        .messages
        .iter()
        .filter(|message| message.deleted_at.is_none())
        .filter(|message| fits(&message.body_md) || fits(&message.author.display_name))
        .map(|message| message.id)
        .collect()
}

/// Goes to the newest hit.
pub(super) fn start(model: &mut Model, query: String) {
    model.search = search(model, query);
    match &model.search {
        None => {}
        Some(search) if search.hits.is_empty() => {
            let text = format!(
                "\"{}\" is not in what is loaded; Ctrl-K ? searches everything",
                search.query
            );
            model.search = None;
            model.say(Tone::Info, &text);
        }
        Some(_) => show(model),
    }
}

fn show(model: &mut Model) {
    let Some(search) = &model.search else { return };
    let (hit, text) = (
        search.hits[search.current],
        format!(
            "{} of {} with \"{}\"; n older, N newer, Esc ends",
            search.current + 1,
            search.hits.len(),
            search.query
        ),
    );
    go::select(model, model.focus, RowKey::Message(hit));
    model.say(Tone::Info, &text);
}

/// `n` and `N`: with a search the older or newer hit, else the next or previous unread channel.
pub(super) fn next(model: &mut Model, n: bool) {
    let Some(search) = &mut model.search else { return unread(model, n) };
    let count = search.hits.len();
    let to = if n {
        search.current.checked_sub(1)
    } else {
        Some(search.current + 1).filter(|at| *at < count)
    };
    match to {
        Some(at) => {
            search.current = at;
            show(model);
        }
        None if n => model.say(Tone::Info, "This is the oldest hit in what is loaded"),
        None => model.say(Tone::Info, "This is the newest hit"),
    }
}

/// More was loaded, or something went away: the hits follow.
pub(super) fn keep(model: &mut Model) {
    let Some(search) = &model.search else { return };
    let Some((timeline, _)) = act::focused(model) else { return };
    let fresh = hits(timeline, &search.query);
    if fresh == search.hits {
        return;
    }
    let current = search.hits.get(search.current).copied();
    if let Some(search) = &mut model.search {
        let at = current.and_then(|id| fresh.iter().position(|hit| *hit == id));
        search.current = at.unwrap_or(fresh.len().saturating_sub(1));
        search.hits = fresh;
    }
    if model.search.as_ref().is_some_and(|search| search.hits.is_empty()) && model.overlay.is_none()
    {
        model.search = None;
    }
}
