//! Going from one place to another, and moving in one.

use ajet_shared::id::{ChannelId, CommunityId};
use ajet_shared::message::Message;

use super::super::drawn::{Drawn, TimelineDrawn};
use super::super::event::{Ask, Effect, Part};
use super::super::list;
use super::super::model::{Mode, Model, OpenChannel, Pane, ThreadPane, Tone, Zone};
use super::super::overlay::Overlay;
use super::super::places::{ListRow, Place};
use super::super::timeline::{RowKey, Scroll, Timeline};
use super::{act, compose, find, news, stream};

/// Opens a channel or conversation, ready to write.
pub(super) fn open(model: &mut Model, id: ChannelId) {
    (model.work.seek, model.work.seek_thread) = (None, None);
    let Some(entry) = model.channels.get_mut(&id) else { return };
    entry.opened_at = Some(model.now);
    let (community, joined) = (entry.view.channel.community_id, entry.view.joined);
    let divider = (entry.view.unread > 0).then_some(entry.view.last_read_seq);
    if model.open.as_ref().is_some_and(|open| open.id == id) {
        return reveal_channel(model);
    }
    leave(model);
    let mut timeline = Timeline::empty();
    timeline.divider = divider;
    timeline.notes = model.work.secrets.remove(&Place::channel(id)).unwrap_or_default();
    timeline.scroll = if divider.is_some() { Scroll::Divider } else { Scroll::Newest };
    let composer = compose::opened(model, Place::channel(id));
    let was_guest = stream::guest(model);
    model.open = Some(OpenChannel { id, timeline, composer });
    if community.is_some() {
        model.community = community;
    }
    model.commands.clear();
    model.list.selected = Some(ListRow::Channel(id));
    reveal_channel(model);
    model.mode = Mode::Insert;
    model.ask(Ask::Page(Place::channel(id), Part::Newest));
    model.ask(Ask::Commands(id));
    model.push(Effect::Opened(id));
    if !joined || was_guest.is_some() {
        stream::follow(model);
    }
}

/// The centre is seen and has the focus, whatever lay over it.
fn reveal_channel(model: &mut Model) {
    if !model.pane_beside()
        || model
            .thread()
            .is_some_and(|thread| Some(thread.channel) != model.open.as_ref().map(|open| open.id))
    {
        close_pane(model);
    }
    model.overlay = None;
    model.focus = Zone::Channel;
    if model.mode == Mode::List {
        model.mode = Mode::Insert;
    }
}

/// Keeps what was begun where one leaves.
fn leave(model: &mut Model) {
    compose::keep_all(model);
    compose::stop_typing(model);
    close_thread(model);
    model.search = None;
    close_channel(model);
}

/// Puts the open channel away; what was begun and what is shown once is kept.
pub(super) fn close_channel(model: &mut Model) {
    if let Some(open) = model.open.take() {
        let place = Place::channel(open.id);
        compose::put_aside(model, place, &open.composer);
        keep_secrets(model, place, open.timeline);
        model.work.refused_guest = None;
    }
}

fn keep_secrets(model: &mut Model, place: Place, timeline: Timeline) {
    let secrets: Vec<_> = timeline.notes.into_iter().filter(|note| note.secret).collect();
    if !secrets.is_empty() {
        model.work.secrets.entry(place).or_default().extend(secrets);
    }
}

/// Another community: where I was in it last, else its first unread channel, else its first.
pub(super) fn community(model: &mut Model, id: CommunityId) {
    model.community = Some(id);
    let channels = list::channels(model);
    let of_it = || channels.iter().filter(|entry| entry.view.joined);
    let last =
        of_it().filter(|entry| entry.opened_at.is_some()).max_by_key(|entry| entry.opened_at);
    let chosen =
        last.or_else(|| of_it().find(|entry| entry.is_unread())).or_else(|| of_it().next());
    match chosen.map(|entry| entry.id()) {
        Some(channel) => open(model, channel),
        None => {
            model.say(Tone::Info, "You are in no channel of this community yet: /join, or Ctrl-K");
        }
    }
}

/// Opens the thread of a message beside the channel.
pub(super) fn open_thread(model: &mut Model, parent: Message) {
    (model.work.seek, model.work.seek_thread) = (None, None);
    open_thread_at(model, parent, Part::Newest);
}

/// The same, with another part of it.
pub(super) fn open_thread_at(model: &mut Model, parent: Message, part: Part) {
    let place = Place::thread(parent.channel_id, parent.id);
    if model.thread().is_none_or(|thread| thread.place() != place) {
        close_pane(model);
        let composer = compose::opened(model, place);
        let mut timeline = Timeline::empty();
        timeline.notes = model.work.secrets.remove(&place).unwrap_or_default();
        // Below its first message there may be nothing at all.
        timeline.loading = parent.reply_count > 0;
        model.ask(Ask::Page(place, part));
        model.pane = Some(Pane::Thread(Box::new(ThreadPane {
            channel: place.channel,
            parent,
            timeline,
            composer,
        })));
    }
    model.focus = Zone::Pane;
    model.mode = Mode::Insert;
}

/// Closes whatever the right shows; the focus goes back to the channel.
pub(super) fn close_pane(model: &mut Model) {
    close_thread(model);
    model.pane = None;
    if model.focus == Zone::Pane {
        model.focus = Zone::Channel;
    }
}

fn close_thread(model: &mut Model) {
    compose::keep_all(model);
    compose::stop_typing(model);
    if let Some(Pane::Thread(thread)) = model.pane.take_if(|pane| matches!(pane, Pane::Thread(_))) {
        let place = thread.place();
        compose::put_aside(model, place, &thread.composer);
        if model.focus == Zone::Pane {
            model.focus = Zone::Channel;
        }
        compose::hand_over(model);
        keep_secrets(model, place, thread.timeline);
    }
}

/// `Ctrl-T`: the thread of the selected message, or away with it.
pub(super) fn toggle_thread(model: &mut Model) {
    if model.thread().is_some() {
        return close_pane(model);
    }
    let parent = act::selected(model).or_else(|| {
        let open = model.open.as_ref()?;
        open.timeline.messages.iter().rev().find(|message| message.reply_count > 0)
    });
    match parent.cloned() {
        Some(parent) => open_thread(model, parent),
        None => model.say(
            Tone::Info,
            "Select a message first: Esc, then j and k; there is no thread here yet",
        ),
    }
}

/// `Ctrl-N`.
pub(super) fn toggle_activity(model: &mut Model, threads_only: bool) {
    if matches!(model.pane, Some(Pane::Activity)) && model.activity.threads_only == threads_only {
        model.mode = Mode::Insert;
        return close_pane(model);
    }
    close_pane(model);
    model.pane = Some(Pane::Activity);
    model.activity.threads_only = threads_only;
    model.activity.selected = 0;
    model.focus = Zone::Pane;
    model.mode = Mode::Message;
    news::load(model);
}

/// `Ctrl-B`.
pub(super) fn toggle_list(model: &mut Model) {
    if model.size.0 >= super::super::model::LIST_FROM {
        model.list.hidden = !model.list.hidden;
        if model.list.hidden && model.mode == Mode::List {
            model.mode = Mode::Message;
        }
        return;
    }
    enter_list(model);
}

/// To the list, over the messages where there is no room beside them.
pub(super) fn enter_list(model: &mut Model) {
    if model.list.selected.is_none() {
        model.list.selected = model.open.as_ref().map(|open| ListRow::Channel(open.id));
    }
    if model.list_beside() {
        model.mode = Mode::List;
    } else {
        model.overlay = Some(Overlay::List);
    }
}

/// From writing to the messages: the lowest one in sight is selected.
pub(super) fn to_messages(model: &mut Model) {
    compose::close_popup(model);
    model.mode = Mode::Message;
    let drawn = match model.focus {
        Zone::Pane => &model.drawn.thread,
        _ => &model.drawn.channel,
    };
    let lowest = drawn.as_ref().and_then(|drawn| drawn.rows.last().copied());
    let Some((timeline, place)) = act::focused(model) else { return };
    let rows = model.rows(timeline, place);
    let is_there = |key: &RowKey| rows.iter().any(|row| row.key() == *key);
    let selected =
        timeline.selected.filter(|key| is_there(key) && timeline.scroll != Scroll::Newest);
    let chosen = selected
        .or(lowest.filter(is_there))
        .or_else(|| rows.last().map(super::super::timeline::Row::key));
    if let Some(timeline) = act::focused_mut(model) {
        timeline.selected = chosen;
    }
}

/// Selects a row of a zone and brings it into sight.
pub(super) fn select(model: &mut Model, zone: Zone, row: RowKey) {
    model.focus = zone;
    if let Some(timeline) = act::focused_mut(model) {
        timeline.selected = Some(row);
        timeline.reveal = true;
    }
}

/// The keys of the focused rows, top to bottom; in a thread its first message comes first.
fn keys(model: &Model) -> Vec<RowKey> {
    let Some((timeline, place)) = act::focused(model) else { return Vec::new() };
    let parent = place.parent.map(RowKey::Message);
    parent
        .into_iter()
        .chain(model.rows(timeline, place).iter().map(super::super::timeline::Row::key))
        .collect()
}

/// Moves the selection by so many rows.
pub(super) fn step(model: &mut Model, rows: isize) {
    let keys = keys(model);
    let Some((timeline, _)) = act::focused(model) else { return };
    let (has_newer, has_older) = (timeline.has_newer, timeline.has_older);
    let Some(last) = keys.len().checked_sub(1) else {
        return model.say(Tone::Info, "There is nothing here yet");
    };
    let at = timeline
        .selected
        .and_then(|key| keys.iter().position(|known| *known == key))
        .unwrap_or(last);
    let to = at.saturating_add_signed(rows).min(last);
    if to == at {
        let text = match rows > 0 {
            true if has_newer => "Newer messages are being read",
            true => "This is the newest message",
            false if has_older => "Older messages are being read",
            false => "This is the first message",
        };
        return model.say(Tone::Info, text);
    }
    if let Some(timeline) = act::focused_mut(model) {
        timeline.selected = Some(keys[to]);
        timeline.reveal = true;
    }
    // The newest one: further ones push it up.
    if to == last && !has_newer {
        follow_newest(model);
    }
}

fn follow_newest(model: &mut Model) {
    if let Some(timeline) = act::focused_mut(model) {
        timeline.scroll = Scroll::Newest;
    }
}

/// `Ctrl-D` and the like: as many messages as half a screen, or a whole one, shows.
pub(super) fn page(model: &mut Model, down: bool, whole: bool) {
    let drawn = match model.focus {
        Zone::Pane => &model.drawn.thread,
        _ => &model.drawn.channel,
    };
    let rows = drawn.as_ref().map_or(10, |drawn| drawn.rows.len());
    let rows = isize::try_from(if whole { rows } else { rows / 2 }.max(1)).unwrap_or(10);
    step(model, if down { rows } else { -rows });
}

/// The oldest loaded row.
pub(super) fn select_start(model: &mut Model) {
    let first = keys(model).first().copied();
    if let Some(timeline) = act::focused_mut(model) {
        timeline.selected = first;
        timeline.reveal = true;
    }
}

/// The newest row, read from the server where it is not loaded.
pub(super) fn select_end(model: &mut Model) {
    let last = keys(model).last().copied();
    let Some((timeline, place)) = act::focused(model) else { return };
    let reload = timeline.has_newer;
    if let Some(timeline) = act::focused_mut(model) {
        timeline.selected = last;
        timeline.scroll = Scroll::Newest;
    }
    if reload {
        model.ask(Ask::Page(place, Part::Newest));
    }
}

/// The wheel and the page keys of insert mode: lines, the selection stays.
pub(super) fn scroll(model: &mut Model, zone: Zone, lines: i32) {
    let drawn = match zone {
        Zone::Pane => &model.drawn.thread,
        _ => &model.drawn.channel,
    };
    let top = drawn.as_ref().and_then(|drawn| match drawn.scroll {
        Scroll::At { row, offset } => Some((row, offset)),
        _ => drawn.rows.first().map(|row| (*row, drawn.top)),
    });
    let Some((row, offset)) = top else { return };
    let timeline = match zone {
        Zone::Pane => model.thread_mut().map(|thread| &mut thread.timeline),
        _ => model.open.as_mut().map(|open| &mut open.timeline),
    };
    if let Some(timeline) = timeline {
        timeline.scroll = Scroll::At { row, offset: offset - lines };
        timeline.reveal = false;
    }
}

/// What the view tells: where things really stand. More is read when an end of what is loaded is in sight.
pub(super) fn drawn(model: &mut Model, drawn: Drawn) {
    if let (Some(open), Some(drawn)) = (&mut model.open, &drawn.channel) {
        let place = Place::channel(open.id);
        let part = settle(&mut open.timeline, drawn);
        model.work.effects.extend(part.map(|part| Effect::Ask(Ask::Page(place, part))));
    }
    if let (Some(Pane::Thread(thread)), Some(drawn)) = (&mut model.pane, &drawn.thread) {
        let place = thread.place();
        let part = settle(&mut thread.timeline, drawn);
        model.work.effects.extend(part.map(|part| Effect::Ask(Ask::Page(place, part))));
    }
    model.drawn = drawn;
    news::mark_read(model);
    find::keep(model);
}

/// Takes over where a timeline stands, and says which part of it is missing.
fn settle(timeline: &mut Timeline, drawn: &TimelineDrawn) -> Option<Part> {
    timeline.reveal = false;
    // While the rule of what is new is waited for, the wish stays.
    if timeline.scroll != Scroll::Divider || !timeline.fresh {
        timeline.scroll = drawn.scroll;
    }
    if timeline.loading || timeline.fresh {
        return None;
    }
    let part = if drawn.at_oldest && timeline.has_older {
        Part::Before(timeline.messages.first()?.id)
    } else if drawn.at_newest && timeline.has_newer {
        Part::After(timeline.newest()?.id)
    } else {
        return None;
    };
    timeline.loading = true;
    Some(part)
}
