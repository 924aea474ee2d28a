//! Channels and members as events change them.

use ajet_shared::channel::ChannelView;
use ajet_shared::events::{ChannelChanged, MemberChanged, MemberScope};
use ajet_shared::id::{ChannelId, CommunityId};
use ajet_shared::message::{Message, MessageKind};
use ajet_shared::user::Author;

use super::super::event::Ask;
use super::super::list;
use super::super::model::{Model, Tone};
use super::super::places::{ChannelEntry, Person, Place};
use super::go;

/// A channel as the server knows it now. What I have open stays open.
pub(super) fn learn(model: &mut Model, view: ChannelView) {
    let Some(me) = model.my_id() else { return };
    for member in &view.members {
        model.people.entry(member.id).or_insert_with(|| Person::of(member));
    }
    let mut entry = ChannelEntry::new(view, me);
    entry.opened_at = model.channels.get(&entry.id()).and_then(|known| known.opened_at);
    model.channels.insert(entry.id(), entry);
}

/// A channel was made, renamed, archived, opened again, or got another topic.
pub(super) fn changed(model: &mut Model, changed: ChannelChanged) {
    let id = changed.channel.id;
    let Some(entry) = model.channels.get_mut(&id) else { return model.ask(Ask::Channel(id)) };
    // The newest seq counts messages, which come as events of their own.
    let last_seq = entry.view.channel.last_seq;
    entry.view.channel = changed.channel;
    entry.view.channel.last_seq = last_seq;
    if let (false, Some(name)) = (entry.is_dm(), &entry.view.channel.name) {
        entry.label.clone_from(name);
    }
}

/// Counts a message of a channel; false when the channel is not known. A message counts once, whatever replays bring. Mentions in
/// channels are counted by their notifications, as the server does.
pub(super) fn count(model: &mut Model, message: &Message) -> bool {
    let mine = model.is_me(message.author.id);
    let Some(entry) = model.channels.get_mut(&message.channel_id) else { return false };
    if message.seq <= entry.view.channel.last_seq {
        return true;
    }
    entry.view.channel.last_seq = message.seq;
    let is_news = !mine
        && message.kind != MessageKind::System
        && message.deleted_at.is_none()
        && message.seq > entry.view.last_read_seq;
    if is_news && message.parent_id.is_none() {
        entry.view.unread += 1;
    }
    if entry.is_dm() {
        entry.view.mentions = entry.view.unread;
    }
    true
}

/// Somebody came into a channel or community.
pub(super) fn joined(model: &mut Model, community: Option<CommunityId>, member: MemberChanged) {
    let me = model.is_me(member.user_id);
    if !me {
        model.people.entry(member.user_id).or_insert_with(|| Person::of(&member.user));
    }
    match (member.scope, member.channel) {
        (MemberScope::Channel, Some(channel)) if me => model.ask(Ask::Channel(channel.id)),
        (MemberScope::Channel, Some(channel)) => {
            if let Some(entry) = model.channels.get_mut(&channel.id) {
                entry.view.member_count += 1;
            }
        }
        (MemberScope::Community, _) if me && community.is_some() => {
            model.work.sync_due = Some(model.now);
        }
        _ => {}
    }
}

/// Somebody went, or was taken out.
pub(super) fn left(
    model: &mut Model,
    community: Option<CommunityId>,
    channel: Option<ChannelId>,
    member: &MemberChanged,
) {
    let id = member.channel.as_ref().map(|channel| channel.id).or(channel);
    if !model.is_me(member.user_id) {
        if let (MemberScope::Channel, Some(entry)) =
            (member.scope, id.and_then(|id| model.channels.get_mut(&id)))
        {
            entry.view.member_count = (entry.view.member_count - 1).max(0);
        }
        return;
    }
    match (member.scope, id, community) {
        (MemberScope::Channel, Some(id), _) => gone(model, id),
        (MemberScope::Community, _, Some(community)) => {
            let of_it = |entry: &&ChannelEntry| entry.view.channel.community_id == Some(community);
            let ids: Vec<ChannelId> =
                model.channels.values().filter(of_it).map(ChannelEntry::id).collect();
            model.communities.retain(|entry| entry.community.id != community);
            if model.community == Some(community) {
                model.community = model.communities.first().map(|entry| entry.community.id);
            }
            for id in ids {
                gone(model, id);
            }
        }
        _ => {}
    }
}

/// I am not in a channel any more.
pub(super) fn gone(model: &mut Model, id: ChannelId) {
    let Some(entry) = model.channels.remove(&id) else { return };
    // A public one can be looked into and joined again.
    let community = entry.view.channel.community_id;
    let in_it = model.communities.iter().any(|of| Some(of.community.id) == community);
    if !entry.is_private() && in_it {
        model.ask(Ask::Channel(id));
    }
    if model.open.as_ref().is_none_or(|open| open.id != id) {
        return;
    }
    let title = entry.title();
    // What was begun there is kept, should I come back.
    go::close_pane(model);
    super::compose::keep_all(model);
    go::close_channel(model);
    let next = list::channels(model)
        .into_iter()
        .chain(list::conversations(model))
        .next()
        .map(ChannelEntry::id);
    if let Some(next) = next {
        go::open(model, next);
    }
    // What is shown once goes along: nobody comes back to where it was.
    let secrets = model.work.secrets.remove(&Place::channel(id)).unwrap_or_default();
    match &mut model.open {
        Some(open) => secrets.into_iter().for_each(|note| open.timeline.note(note)),
        None => drop(model.work.secrets.insert(Place::channel(id), secrets)),
    }
    model.say(Tone::Info, &format!("You are not in {title} any more"));
}

/// A role or a name within a community changed.
pub(super) fn member_updated(
    model: &mut Model,
    community: Option<CommunityId>,
    member: &MemberChanged,
) {
    if model.is_me(member.user_id) && member.scope == MemberScope::Community {
        if let (Some(entry), Some(role)) = (
            model.communities.iter_mut().find(|of| Some(of.community.id) == community),
            member.role,
        ) {
            entry.role = role;
        }
        // Other commands are mine now.
        if let Some(open) = model.open.as_ref().map(|open| open.id) {
            model.ask(Ask::Commands(open));
        }
    }
    if let Some(person) = model.people.get_mut(&member.user_id) {
        *person = Person { online: person.online, ..Person::of(&member.user) };
    }
}

/// Somebody has another name: conversations are called after people.
pub(super) fn renamed(model: &mut Model, user: &Author) {
    let Some(me) = model.my_id() else { return };
    for entry in model.channels.values_mut() {
        if let Some(member) = entry.view.members.iter_mut().find(|member| member.id == user.id) {
            *member = user.clone();
            let opened_at = entry.opened_at;
            *entry = ChannelEntry::new(entry.view.clone(), me);
            entry.opened_at = opened_at;
        }
    }
}
