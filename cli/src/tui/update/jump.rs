//! `Ctrl-K`: filling the palette and doing what was chosen.

use std::collections::HashSet;

use ajet_shared::id::UserId;
use ajet_shared::search::SearchHit;
use ajet_shared::user::UserKind;
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::super::composer::Composer;
use super::super::event::Ask;
use super::super::model::{Model, Tone, Zone};
use super::super::overlay::Overlay;
use super::super::palette::{Group, Jump, Palette, PaletteItem};
use super::super::places::ChannelEntry;
use super::press::{ctrl, dead};
use super::{compose, go, insert, seek};

/// Entries of one group.
const GROUP_MAX: usize = 8;

/// How well a text fits a query; the smaller the better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fit {
    Whole,
    Start,
    WordStart,
    Inside,
    Scattered,
    Not,
}

impl Fit {
    pub(super) fn found(self) -> Option<Self> {
        (self != Self::Not).then_some(self)
    }
}

/// Prefix, then word starts, then anywhere, then the letters in their order.
pub(super) fn fit(query: &str, text: &str) -> Fit {
    let (query, text) = (query.to_lowercase(), text.to_lowercase());
    if query == text {
        return Fit::Whole;
    }
    if text.starts_with(&query) {
        return Fit::Start;
    }
    let mut words = text.split(|c: char| !c.is_alphanumeric());
    if words.any(|word| word.starts_with(&query)) {
        return Fit::WordStart;
    }
    if text.contains(&query) {
        return Fit::Inside;
    }
    let mut letters = text.chars();
    if query.chars().all(|wanted| letters.any(|letter| letter == wanted)) {
        Fit::Scattered
    } else {
        Fit::Not
    }
}

/// Opens the palette with this typed already.
pub(super) fn open(model: &mut Model, typed: &str) {
    compose::close_popup(model);
    let palette = Palette { query: Composer::of(typed.to_owned()), ..Palette::default() };
    model.overlay = Some(Overlay::Palette(palette));
    fill(model);
}

pub(super) fn press(model: &mut Model, key: KeyEvent) {
    let Some(Overlay::Palette(palette)) = &mut model.overlay else { return };
    let last = palette.items.len().saturating_sub(1);
    match (key.code, ctrl(key)) {
        (KeyCode::Esc, _) | (_, Some('k')) => model.overlay = None,
        (KeyCode::Down | KeyCode::Tab, _) | (_, Some('n' | 'j')) => {
            palette.selected = (palette.selected + 1).min(last);
        }
        (KeyCode::Up | KeyCode::BackTab, _) | (_, Some('p')) => {
            palette.selected = palette.selected.saturating_sub(1);
        }
        (KeyCode::PageDown, _) => palette.selected = (palette.selected + 8).min(last),
        (KeyCode::PageUp, _) => palette.selected = palette.selected.saturating_sub(8),
        (KeyCode::Enter, _) if key.modifiers.contains(KeyModifiers::ALT) => {
            let query =
                palette.query.text.trim_start_matches(['#', '@', '/', '?']).trim().to_owned();
            search(model, query);
        }
        (KeyCode::Enter, _) => choose(model, None),
        _ => match insert::edit_of(key) {
            Some(edit) => {
                palette.query.edit(edit);
                fill(model);
            }
            None => dead(model, key),
        },
    }
}

/// Does what the selected entry, or this one, stands for.
pub(super) fn choose(model: &mut Model, at: Option<usize>) {
    let Some(Overlay::Palette(palette)) = &model.overlay else { return };
    let Some(item) = palette.items.get(at.unwrap_or(palette.selected)) else {
        return model.say(Tone::Info, "Nothing fits");
    };
    let does = item.does.clone();
    if let Jump::Search(query) = does {
        return search(model, query);
    }
    model.overlay = None;
    match does {
        Jump::Channel(id) => go::open(model, id),
        Jump::Community(id) => go::community(model, id),
        Jump::Person(id) => model.ask(Ask::Conversation(id)),
        Jump::Message(channel, message) => seek::open_at(model, channel, message),
        Jump::Command(name) => command(model, &name),
        Jump::Search(_) => {}
    }
}

/// Puts a command into the box, in front of nothing else.
fn command(model: &mut Model, name: &str) {
    if model.focus == Zone::Pane && model.thread().is_none() || model.focus == Zone::List {
        model.focus = Zone::Channel;
    }
    match compose::active_mut(model) {
        Some(composer) if composer.text.trim().is_empty() && composer.editing.is_none() => {
            composer.set(String::new());
            compose::put(model, &format!("/{name} "));
        }
        Some(_) => {
            model.say(Tone::Info, "Send or clear what is in the box first; Ctrl-C clears it");
        }
        None => model.say(Tone::Info, "Open a channel first"),
    }
}

fn search(model: &mut Model, query: String) {
    if query.is_empty() {
        return model.say(Tone::Info, "Type what to search for");
    }
    let community = model.community;
    if let Some(Overlay::Palette(palette)) = &mut model.overlay {
        palette.searching = true;
    }
    model.ask(Ask::Search { community, query });
}

/// What a search found, if the palette still waits for it.
pub(super) fn found(model: &mut Model, hits: &[SearchHit]) {
    let items: Vec<PaletteItem> = hits.iter().map(|found| hit(model, found)).collect();
    let Some(Overlay::Palette(palette)) = &mut model.overlay else { return };
    if !std::mem::take(&mut palette.searching) {
        return;
    }
    palette.selected = 0;
    palette.items = items;
    if hits.is_empty() {
        model.say(Tone::Info, "Nothing was found");
    }
}

fn hit(model: &Model, hit: &SearchHit) -> PaletteItem {
    let channel = model.channels.get(&hit.channel_id).map(ChannelEntry::title);
    let message = &hit.message;
    let at = crate::zone::local(message.created_at);
    PaletteItem {
        group: Group::Messages,
        mark: "",
        label: format!("{}: {}", message.author.display_name, hit.snippet.text),
        detail: channel.unwrap_or_default(),
        note: format!("{} {:02}:{:02}", at.date(), at.hour(), at.minute()),
        does: Jump::Message(hit.channel_id, message.id),
    }
}

/// The entries for what is typed now.
pub(super) fn fill(model: &mut Model) {
    let Some(Overlay::Palette(palette)) = &model.overlay else { return };
    let typed = palette.query.text.trim_start().to_owned();
    let (sign, query) = match typed.chars().next() {
        Some(sign @ ('#' | '@' | '/' | '?')) => (Some(sign), typed[1..].trim().to_owned()),
        _ => (None, typed.trim().to_owned()),
    };
    let mut items = Vec::new();
    if matches!(sign, None | Some('#')) {
        items.extend(channels(model, &query));
    }
    if sign == Some('@') || (sign.is_none() && !query.is_empty()) {
        items.extend(people(model, &query));
    }
    if sign.is_none() || sign == Some('@') {
        items.sort_by_key(|(rank, _)| *rank);
    }
    let mut items: Vec<PaletteItem> =
        items.into_iter().map(|(_, item)| item).take(2 * GROUP_MAX).collect();
    if sign.is_none() && !query.is_empty() {
        items.extend(communities(model, &query));
    }
    if matches!(sign, None | Some('/')) {
        items.extend(commands(model, &query));
    }
    if sign == Some('?') || (sign.is_none() && !query.is_empty()) {
        items.extend(search_item(&query));
    }
    if let Some(Overlay::Palette(palette)) = &mut model.overlay {
        palette.items = items;
        palette.selected = 0;
        palette.searching = false;
    }
}

/// How well, then unread first where nothing is asked, then how long ago it was open.
type Rank = (Fit, bool, i64);

fn channels(model: &Model, query: &str) -> Vec<(Rank, PaletteItem)> {
    let open = model.open.as_ref().map(|open| open.id);
    let mut found: Vec<(Rank, PaletteItem)> = model
        .channels
        .values()
        .filter(|entry| !query.is_empty() || (entry.view.joined && Some(entry.id()) != open))
        .filter_map(|entry| {
            let fit = fit(query, &entry.label).found()?;
            let recency = entry.opened_at.map_or(i64::MAX, |at| -at.unix_timestamp());
            Some(((fit, query.is_empty() && !entry.is_unread(), recency), channel(model, entry)))
        })
        .collect();
    found.sort_by(|(a, one), (b, other)| (a, &one.label).cmp(&(b, &other.label)));
    found.truncate(GROUP_MAX);
    found
}

fn channel(model: &Model, entry: &ChannelEntry) -> PaletteItem {
    let mark = match entry.person {
        Some(person) if model.is_online(person) => "●",
        Some(_) => "○",
        None if entry.is_dm() => "◇",
        None if entry.is_private() => "⊡",
        None => "#",
    };
    let community = model
        .communities
        .iter()
        .find(|of| Some(of.community.id) == entry.view.channel.community_id);
    let place = community.map(|of| of.community.name.clone()).unwrap_or_default();
    let detail = if entry.view.joined { place } else { format!("{place}, not joined") };
    let note = match (entry.view.mentions, entry.view.unread) {
        (0, 0) => String::new(),
        (0, unread) => unread.to_string(),
        (mentions, _) => format!("@{mentions}"),
    };
    PaletteItem {
        group: Group::GoTo,
        mark,
        label: entry.label.clone(),
        detail,
        note,
        does: Jump::Channel(entry.id()),
    }
}

/// People I have no conversation with yet.
fn people(model: &Model, query: &str) -> Vec<(Rank, PaletteItem)> {
    let known: HashSet<UserId> = model.channels.values().filter_map(|entry| entry.person).collect();
    let mut found: Vec<(Rank, PaletteItem)> = model
        .people
        .values()
        .filter(|person| {
            person.kind == UserKind::Human && !known.contains(&person.id) && !model.is_me(person.id)
        })
        .filter_map(|person| {
            let fit = fit(query, &person.display_name).min(fit(query, &person.username)).found()?;
            let item = PaletteItem {
                group: Group::GoTo,
                mark: if person.online { "●" } else { "○" },
                label: person.display_name.clone(),
                detail: format!("@{}", person.username),
                note: String::new(),
                does: Jump::Person(person.id),
            };
            Some(((fit, false, i64::MAX), item))
        })
        .collect();
    found.sort_by(|(a, one), (b, other)| (a, &one.label).cmp(&(b, &other.label)));
    found.truncate(GROUP_MAX);
    found
}

fn communities(model: &Model, query: &str) -> Vec<PaletteItem> {
    let others =
        model.communities.iter().filter(|entry| Some(entry.community.id) != model.community);
    others
        .filter(|entry| fit(query, &entry.community.name) < Fit::Scattered)
        .map(|entry| PaletteItem {
            group: Group::GoTo,
            mark: "",
            label: entry.community.name.clone(),
            detail: "community".to_owned(),
            note: String::new(),
            does: Jump::Community(entry.community.id),
        })
        .collect()
}

fn commands(model: &Model, query: &str) -> Vec<PaletteItem> {
    let query = query.split_whitespace().next().unwrap_or_default();
    let mut found: Vec<(Fit, &ajet_shared::command::CommandInfo)> = model
        .commands
        .iter()
        .filter_map(|info| fit(query, &info.name).found().map(|fit| (fit, info)))
        .filter(|(fit, _)| query.is_empty() || *fit < Fit::Scattered)
        .collect();
    found.sort_by(|(a, one), (b, other)| (a, &one.name).cmp(&(b, &other.name)));
    found
        .into_iter()
        .take(GROUP_MAX)
        .map(|(_, info)| PaletteItem {
            group: Group::Run,
            mark: "/",
            label: info.name.clone(),
            detail: info.summary.clone(),
            note: String::new(),
            does: Jump::Command(info.name.clone()),
        })
        .collect()
}

fn search_item(query: &str) -> Option<PaletteItem> {
    (!query.is_empty()).then(|| PaletteItem {
        group: Group::Messages,
        mark: "",
        label: format!("Search all messages for \"{query}\""),
        detail: String::new(),
        note: "Alt-Enter".to_owned(),
        does: Jump::Search(query.to_owned()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fitting_prefers_starts() {
        assert_eq!(fit("rel", "release-room"), Fit::Start);
        assert_eq!(fit("room", "release-room"), Fit::WordStart);
        assert_eq!(fit("ease", "release-room"), Fit::Inside);
        assert_eq!(fit("rlr", "release-room"), Fit::Scattered);
        assert_eq!(fit("zz", "release-room"), Fit::Not);
        assert_eq!(fit("API", "api"), Fit::Whole);
        assert_eq!(fit("", "api"), Fit::Start);
    }
}
