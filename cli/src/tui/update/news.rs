//! What is new: notifications, the activity pane, what counts as read.

use std::collections::{HashMap, HashSet};

use ajet_shared::events::{Notification, NotificationKind, NotificationsRead};
use ajet_shared::id::{ChannelId, MessageId, NotificationId};
use ajet_shared::message::{Message, ReadState};
use ajet_shared::unread::Unread;
use crossterm::event::{KeyCode, KeyEvent};

use super::super::event::{Ask, Effect, NOTIFICATIONS};
use super::super::model::{Activity, ActivityItem, Connection, Model, Pane, Tone, Zone};
use super::press::letter;
use super::{go, seek};

/// Notifications kept; older ones are on the server.
const ITEMS_MAX: usize = 100;
/// Messages read for their first lines.
const EXCERPTS_MAX: usize = 30;
/// Characters of a first line.
const EXCERPT_CHARS: usize = 160;

/// The pane was opened.
pub(super) fn load(model: &mut Model) {
    model.activity.loading = true;
    model.ask(Ask::Notifications);
}

/// What I was notified of lately.
pub(super) fn loaded(model: &mut Model, notifications: Vec<Notification>) {
    let is_all = notifications.len() < usize::from(NOTIFICATIONS);
    let newest = notifications.iter().map(|one| one.id).max();
    let cursor = selected(model).map(|one| one.id);
    let mut known: Vec<ActivityItem> = std::mem::take(&mut model.activity.items);
    let mut items: Vec<ActivityItem> = notifications
        .into_iter()
        .map(|mut notification| {
            let old = known.iter_mut().find(|item| item.notification.id == notification.id);
            // It was read while the list was on its way; what is read stays so.
            notification.read |= old.as_ref().is_some_and(|item| item.notification.read);
            ActivityItem { notification, excerpt: old.and_then(|item| item.excerpt.take()) }
        })
        .collect();
    // So did what came meanwhile.
    items.extend(known.into_iter().filter(|item| Some(item.notification.id) > newest));
    items.sort_by_key(|item| {
        std::cmp::Reverse((item.notification.created_at, item.notification.id))
    });
    items.truncate(ITEMS_MAX);
    model.activity.items = items;
    model.activity.loading = false;
    if is_all {
        recount(model);
    }
    select(&mut model.activity, cursor);
    ask_excerpts(model);
}

/// Every notification there is is known: the counters follow from them, whatever came twice.
fn recount(model: &mut Model) {
    let unread = model.activity.items.iter().map(|item| &item.notification);
    let unread: Vec<_> = unread.filter(|one| !one.read).map(|one| one.id).collect();
    model.activity.unread = Unread::new(i64::try_from(unread.len()).unwrap_or(i64::MAX), &unread);
    let counts = unread_mentions(&model.activity);
    for (id, entry) in model.channels.iter_mut().filter(|(_, entry)| !entry.is_dm()) {
        entry.view.mentions = counts.get(id).copied().unwrap_or(0);
    }
}

fn unread_mentions(activity: &Activity) -> HashMap<ChannelId, i64> {
    let mut counts = HashMap::new();
    for item in &activity.items {
        if let Some(channel) = unread_mention(&item.notification) {
            *counts.entry(channel).or_insert(0) += 1;
        }
    }
    counts
}

/// Where an unread mention is.
fn unread_mention(notification: &Notification) -> Option<ChannelId> {
    let counts = !notification.read && notification.kind == NotificationKind::Mention;
    notification.channel_id.filter(|_| counts)
}

/// The messages behind the notifications, once the pane is open.
fn ask_excerpts(model: &mut Model) {
    if !matches!(model.pane, Some(Pane::Activity)) {
        return;
    }
    let missing: Vec<MessageId> = model
        .activity
        .items
        .iter()
        .take(EXCERPTS_MAX)
        .filter(|item| item.excerpt.is_none())
        .filter_map(|item| item.notification.message_id)
        .filter(|id| !model.work.excerpts.contains(id))
        .collect();
    for id in missing {
        model.work.excerpts.insert(id);
        model.ask(Ask::Message(id));
    }
}

/// A message that was asked for its first line.
pub(super) fn excerpt(model: &mut Model, message: &Message) {
    let line = message.body_md.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    let line: String = if message.deleted_at.is_some() {
        "deleted".to_owned()
    } else if line.is_empty() {
        message.attachments.first().map(|file| file.filename.clone()).unwrap_or_default()
    } else {
        line.chars().take(EXCERPT_CHARS).collect()
    };
    for item in &mut model.activity.items {
        if item.notification.message_id == Some(message.id) {
            item.excerpt = Some(line.clone());
        }
    }
}

/// A notification came.
pub(super) fn created(model: &mut Model, notification: Notification) {
    // It may have been counted before it came by the stream, and be new to the list all the same; or the other way round.
    let is_news = model.activity.unread.created(&notification);
    if model.activity.items.iter().any(|item| item.notification.id == notification.id) {
        return;
    }
    if is_news && !notification.read && !model.focused {
        model.push(Effect::Bell);
    }
    let mentioned = unread_mention(&notification)
        .filter(|_| is_news)
        .and_then(|id| model.channels.get_mut(&id));
    if let Some(entry) = mentioned.filter(|entry| !entry.is_dm()) {
        entry.view.mentions += 1;
    }
    let cursor = selected(model).map(|one| one.id);
    model.activity.items.insert(0, ActivityItem { notification, excerpt: None });
    model.activity.items.truncate(ITEMS_MAX);
    select(&mut model.activity, cursor);
    ask_excerpts(model);
    // Its message may be in sight already.
    mark_read(model);
}

/// Some, or all, were seen somewhere.
pub(super) fn read(model: &mut Model, read: &NotificationsRead) {
    let mut channels = HashSet::new();
    for item in &mut model.activity.items {
        if read.ids.as_ref().is_none_or(|ids| ids.contains(&item.notification.id)) {
            channels.extend(unread_mention(&item.notification));
            item.notification.read = true;
        }
    }
    model.activity.unread.read(read);
    // Not one less for each: the counters of the channel may have come before, and know of it.
    let left = unread_mentions(&model.activity);
    for id in channels {
        if let Some(entry) = model.channels.get_mut(&id).filter(|entry| !entry.is_dm()) {
            entry.view.mentions = entry.view.mentions.min(left.get(&id).copied().unwrap_or(0));
        }
    }
}

/// Puts the cursor on an entry again, wherever it stands now.
fn select(activity: &mut Activity, id: Option<NotificationId>) {
    let shown = activity.shown();
    let at = shown.iter().position(|at| Some(activity.items[*at].notification.id) == id);
    activity.selected = at.unwrap_or(activity.selected.min(shown.len().saturating_sub(1)));
}

/// Keys of the activity pane; false for those it does not know.
pub(super) fn press(model: &mut Model, key: KeyEvent) -> bool {
    match (key.code, letter(key)) {
        (KeyCode::Down, _) | (_, Some('j')) => step(model, 1),
        (KeyCode::Up, _) | (_, Some('k')) => step(model, -1),
        (KeyCode::PageDown, _) => step(model, 10),
        (KeyCode::PageUp, _) => step(model, -10),
        (KeyCode::End, _) | (_, Some('G')) => step(model, isize::MAX),
        (KeyCode::Home, _) | (_, Some('g')) => step(model, isize::MIN),
        (KeyCode::Enter, _) => open_selected(model),
        (_, Some('x')) => mark_selected(model),
        (_, Some('X')) => {
            model.ask(Ask::ReadNotifications(None));
            read(model, &NotificationsRead { ids: None, unread: 0 });
            model.say(Tone::Good, "All marked read");
        }
        (_, Some('r' | 'e' | 'd' | '+' | '>' | 'y' | 'Y' | 'o' | 'u' | 'n' | 'N' | ' ' | '/')) => {
            model.say(Tone::Info, "Enter opens it; the keys of messages work there");
        }
        _ => return false,
    }
    true
}

pub(super) fn step(model: &mut Model, by: isize) {
    let Some(last) = model.activity.shown().len().checked_sub(1) else {
        return model.say(Tone::Info, "There is nothing here");
    };
    model.activity.selected = model.activity.selected.saturating_add_signed(by).min(last);
}

fn selected(model: &Model) -> Option<&Notification> {
    let at = *model.activity.shown().get(model.activity.selected)?;
    Some(&model.activity.items[at].notification)
}

fn mark_selected(model: &mut Model) {
    let Some(id) = selected(model).filter(|one| !one.read).map(|one| one.id) else {
        return model.say(Tone::Info, "It is marked read already");
    };
    model.ask(Ask::ReadNotifications(Some(vec![id])));
    let unread = (model.activity.unread.total() - 1).max(0);
    read(model, &NotificationsRead { ids: Some(vec![id]), unread });
}

pub(super) fn open_selected(model: &mut Model) {
    let Some(notification) = selected(model).cloned() else {
        return model.say(Tone::Info, "There is nothing here");
    };
    if !notification.read {
        mark_selected(model);
    }
    match (notification.channel_id, notification.message_id) {
        (Some(channel), Some(message)) => {
            model.focus = Zone::Channel;
            seek::open_at(model, channel, message);
        }
        (Some(channel), None) => {
            if model.channels.contains_key(&channel) {
                go::open(model, channel);
            } else {
                model.work.open_next = Some(channel);
                model.ask(Ask::Channel(channel));
            }
        }
        _ => model.say(Tone::Info, "There is nothing to open"),
    }
}

/// Marks read what is in sight of somebody: the open channel up to its newest message, and what I was told of the open thread.
pub(super) fn mark_read(model: &mut Model) {
    if model.focused && !model.is_too_small() && model.connection == Connection::Live {
        read_thread(model);
        read_channel(model);
    }
}

/// Notifications about the messages of the open thread, once its newest is in sight. The mark of the channel does not reach them: they
/// may be older than what was read there, and answers are not counted by it.
fn read_thread(model: &mut Model) {
    let at_newest = model.drawn.thread.as_ref().is_some_and(|drawn| drawn.at_newest);
    let Some(thread) = model.thread() else { return };
    if !at_newest || thread.timeline.fresh || thread.timeline.has_newer {
        return;
    }
    let is_here = |one: &&Notification| {
        !one.read && one.message_id.is_some_and(|id| thread.timeline.message(id).is_some())
    };
    let all = model.activity.items.iter().map(|item| &item.notification);
    let ids: Vec<NotificationId> = all.filter(is_here).map(|one| one.id).collect();
    if ids.is_empty() {
        return;
    }
    let seen = i64::try_from(ids.len()).unwrap_or(i64::MAX);
    let unread = (model.activity.unread.total() - seen).max(0);
    model.ask(Ask::ReadNotifications(Some(ids.clone())));
    read(model, &NotificationsRead { ids: Some(ids), unread });
}

fn read_channel(model: &mut Model) {
    let Some(open) = &model.open else { return };
    let seen = model.drawn.channel.as_ref().is_some_and(|drawn| drawn.at_newest);
    let Some(entry) = model.channels.get(&open.id) else { return };
    let waits = entry.view.unread > 0 || entry.view.mentions > 0;
    if !seen || open.timeline.has_newer || open.timeline.fresh || !entry.view.joined || !waits {
        return;
    }
    let mut newest = open.timeline.newest().map(|message| (message.seq, message.id));
    // A mention in a thread counts for the channel; it is read when the thread is.
    let thread = model.thread().filter(|thread| thread.channel == open.id);
    if model.drawn.thread.as_ref().is_some_and(|drawn| drawn.at_newest) {
        newest = newest.max(
            thread
                .and_then(|thread| thread.timeline.newest())
                .map(|message| (message.seq, message.id)),
        );
    }
    let Some((seq, id)) = newest else { return };
    let channel = open.id;
    // With the counters: what is counted later is asked for again.
    let mark = Some((channel, seq, entry.view.unread, entry.view.mentions));
    if model.work.read == mark {
        return;
    }
    model.work.read = mark;
    model.ask(Ask::Read(channel, id));
}

/// How far I have read, as the server knows it.
pub(super) fn read_state(model: &mut Model, state: ReadState) {
    if let Some(entry) = model.channels.get_mut(&state.channel_id) {
        // An older one that comes late.
        if state.last_read_seq < entry.view.last_read_seq {
            return;
        }
        // A mark that is where it was has read nothing: what is unread may have come since.
        if state.last_read_seq > entry.view.last_read_seq {
            entry.view.last_read_seq = state.last_read_seq;
            entry.view.unread = state.unread;
        }
        entry.view.mentions = state.mentions;
        entry.view.notify_level = state.notify_level.unwrap_or(entry.view.notify_level);
    }
}
