//! The beginning, and beginning again: what the server tells of me, where I go first, what is read again after a gap.

use ajet_shared::id::{ChannelId, CommunityId};
use ajet_shared::sync::Sync;
use ajet_shared::unread::Unread;
use ajet_shared::user::Author;

use super::super::event::{Ask, Effect, Part};
use super::super::list;
use super::super::model::{Model, Tone};
use super::super::places::{ChannelEntry, CommunityEntry, Place};
use super::super::timeline::{RowKey, Scroll, Timeline};
use super::{channels, go, stream};

/// After a gap so many people are read again at most: who is online is not replayed.
const FEW_PEOPLE: usize = 500;

/// All that I may see: at the start, and again after what cannot be replayed.
pub(super) fn synced(model: &mut Model, sync: Sync) {
    let me = &sync.me.user;
    if let Some(drafts) = model.work.kept.remove(&me.id) {
        model.drafts.extend(drafts);
    }
    model.me = Some(Author {
        id: me.id,
        username: me.username.clone(),
        display_name: me.display_name.clone(),
        avatar_url: me.avatar_url.clone(),
        kind: me.kind,
    });
    let opened: Vec<(ChannelId, Option<time::OffsetDateTime>)> =
        model.channels.iter().map(|(id, entry)| (*id, entry.opened_at)).collect();
    let open = model.open.as_ref().and_then(|open| model.channels.get(&open.id)).cloned();
    model.channels.clear();
    model.communities.clear();
    for community in sync.communities {
        for view in community.channels {
            channels::learn(model, view);
        }
        model
            .communities
            .push(CommunityEntry { community: community.community, role: community.role });
    }
    for view in sync.dms {
        channels::learn(model, view);
    }
    for (id, at) in opened {
        if let Some(entry) = model.channels.get_mut(&id) {
            entry.opened_at = at;
        }
    }
    model.activity.unread = Unread::new(sync.unread_notifications, &sync.unread_notification_ids);
    let communities: Vec<CommunityId> =
        model.communities.iter().map(|entry| entry.community.id).collect();
    if model.community.is_none_or(|id| !communities.contains(&id)) {
        model.community = communities.first().copied();
    }
    if let Some(entry) = open {
        keep_open(model, entry);
    }
    ask_about(model, &communities);
    model.work.syncing = false;
    stream::release(model);
    if std::mem::take(&mut model.work.reload) {
        reload(model);
    }
    if !std::mem::replace(&mut model.work.following, true) {
        let cursor = Some(sync.cursor);
        model.push(Effect::Follow { cursor, guest: stream::guest(model) });
        start(model);
    }
}

/// What is open is in no list of mine any more: it is looked into from outside, or I was put out while nothing was heard.
fn keep_open(model: &mut Model, entry: ChannelEntry) {
    let id = entry.id();
    if model.channels.contains_key(&id) {
        return;
    }
    let community = entry.view.channel.community_id;
    let looks_in = !entry.view.joined
        && model.communities.iter().any(|known| Some(known.community.id) == community);
    model.channels.insert(id, entry);
    if !looks_in {
        channels::gone(model, id);
    }
}

/// What the synchronisation does not bring. People are read once, and again where that is few calls: events keep them current, and whoever
/// came while none did comes with what they write.
fn ask_about(model: &mut Model, communities: &[CommunityId]) {
    let few = model.people.len() <= FEW_PEOPLE;
    for id in communities {
        if model.work.peopled.insert(*id) || few {
            model.ask(Ask::Members(*id, None));
        }
        model.ask(Ask::Channels(*id));
    }
    model.ask(Ask::Notifications);
}

/// Opens what was named, else where I was, else the first unread.
fn start(model: &mut Model) {
    if model.open.is_some() {
        return;
    }
    let wanted = std::mem::take(&mut model.work.wanted);
    if let Some(slug) = &wanted.community {
        let found = model.communities.iter().find(|entry| entry.community.slug == *slug);
        model.community = found.map(|entry| entry.community.id).or(model.community);
    }
    if let Some(named) = &wanted.named {
        if let Some(id) = named_channel(model, named) {
            return go::open(model, id);
        }
        let person = model
            .people
            .values()
            .find(|person| Some(person.username.as_str()) == named.strip_prefix('@'));
        match person.map(|person| person.id) {
            Some(id) => model.ask(Ask::Conversation(id)),
            // Looked for again once everybody is known.
            None => model.work.wanted.named = Some(named.clone()),
        }
    }
    let last =
        wanted.last.filter(|id| model.channels.get(id).is_some_and(|entry| entry.view.joined));
    let unread = || list::next_unread(model, true);
    let first = || {
        list::channels(model)
            .into_iter()
            .chain(list::conversations(model))
            .next()
            .map(ChannelEntry::id)
    };
    match last.or_else(unread).or_else(first) {
        Some(id) => go::open(model, id),
        None => model.say(Tone::Info, "You are in no channel yet: Ctrl-K lists what there is"),
    }
}

/// `general`, `#general` or `@ola`.
fn named_channel(model: &Model, named: &str) -> Option<ChannelId> {
    if let Some(user) = named.strip_prefix('@') {
        let id = model.people.values().find(|person| person.username == user)?.id;
        return model
            .channels
            .values()
            .find(|entry| entry.person == Some(id))
            .map(ChannelEntry::id);
    }
    let name = named.trim_start_matches('#').to_lowercase();
    let fits = |entry: &&ChannelEntry| !entry.is_dm() && entry.label == name;
    let here = model
        .channels
        .values()
        .filter(fits)
        .find(|e| e.view.channel.community_id == model.community);
    here.or_else(|| model.channels.values().find(fits)).map(ChannelEntry::id)
}

/// What was named on the command line may have come with this answer.
pub(super) fn open_wanted(model: &mut Model, last_page: bool) {
    let Some(named) = model.work.wanted.named.take() else { return };
    if let Some(id) = named_channel(model, &named) {
        return go::open(model, id);
    }
    let person = model
        .people
        .values()
        .find(|person| Some(person.username.as_str()) == named.strip_prefix('@'));
    match person.map(|person| person.id) {
        Some(id) => model.ask(Ask::Conversation(id)),
        None if last_page => model.say(Tone::Bad, &format!("There is no {named} that you can see")),
        None => model.work.wanted.named = Some(named),
    }
}

/// The visible channel and thread once more, at the place where they stand.
fn reload(model: &mut Model) {
    let mut parts = Vec::new();
    if let Some(open) = &mut model.open {
        parts.push((Place::channel(open.id), anchor(&open.timeline)));
        open.timeline.loading = true;
    }
    if let Some(thread) = model.thread_mut() {
        let place = thread.place();
        thread.timeline.loading = true;
        parts.push((place, anchor(&thread.timeline)));
        if let Some(parent) = place.parent {
            model.ask(Ask::Message(parent));
        }
    }
    for (place, part) in parts {
        model.ask(Ask::Page(place, part));
    }
}

fn anchor(timeline: &Timeline) -> Part {
    match timeline.scroll {
        Scroll::At { row: RowKey::Message(id), .. } => Part::Around(id),
        _ => Part::Newest,
    }
}
