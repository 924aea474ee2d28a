//! The live stream: the connection, and each kind of event.

use ajet_shared::client::{ClientError, Received};
use ajet_shared::events::{Envelope, Event, PresenceChanged, Typing, UserChanged};
use ajet_shared::id::ChannelId;
use ajet_shared::limits::TYPING_HIDES_AFTER;
use ajet_shared::message::Message;

use super::super::event::{Ask, Effect};
use super::super::model::{Connection, Model, Pane, Tone, Typist};
use super::super::places::{Person, Place};
use super::super::timeline::Timeline;
use super::{channels, news, send};

/// Before everything is read again because the stream was refused.
const FIRST_PAUSE: time::Duration = time::Duration::seconds(5);
/// The pause doubles so often, and stays so.
const PAUSE_DOUBLINGS: u32 = 4;

/// A channel that is open though I am not in it: the stream brings it for as long as it is, unless it ended because of it.
pub(super) fn guest(model: &Model) -> Option<ChannelId> {
    let refused = model.work.refused_guest;
    model
        .channel()
        .filter(|entry| !entry.view.joined && Some(entry.id()) != refused)
        .map(super::super::places::ChannelEntry::id)
}

/// Starts the stream again where it stands, with the guest channel there is now.
pub(super) fn follow(model: &mut Model) {
    if model.work.following {
        let guest = guest(model);
        model.push(Effect::Follow { cursor: None, guest });
    }
}

pub(super) fn receive(model: &mut Model, received: Received) {
    match received {
        Received::Ready => {
            model.work.attempt = 0;
            model.work.endings = 0;
            model.work.outbox_rests = None;
            model.connection = match model.connection {
                Connection::Reconnecting { .. } => Connection::CatchingUp(0),
                _ => Connection::Live,
            };
        }
        Received::Resumed { .. } => live(model),
        Received::Resync { .. } => {
            live(model);
            model.work.sync_due = Some(model.now);
        }
        Received::Lost { pause, .. } => {
            let attempt = model.work.attempt + 1;
            model.work.attempt = attempt;
            model.work.typing = None;
            model.typists.clear();
            model.connection = Connection::Reconnecting { at: model.now + pause, attempt };
        }
        Received::Event(envelope) => {
            if let Connection::CatchingUp(count) = &mut model.connection {
                *count += 1;
            }
            if model.work.syncing {
                model.work.held.push(*envelope);
            } else {
                apply(model, *envelope);
            }
        }
    }
}

/// What came while everything was read anew, applied to what was read; what that knows already changes nothing again.
pub(super) fn release(model: &mut Model) {
    for envelope in std::mem::take(&mut model.work.held) {
        apply(model, envelope);
    }
}

fn live(model: &mut Model) {
    model.connection = Connection::Live;
    news::mark_read(model);
}

/// The stream will not come back.
pub(super) fn ended(model: &mut Model, error: &ClientError) {
    model.work.following = false;
    if error.status() == Some(401) {
        return signed_out(model);
    }
    model.say(Tone::Bad, &format!("Live events ended: {error}"));
    // It may have been the guest channel: what is left is followed without it.
    model.work.refused_guest = guest(model).or(model.work.refused_guest);
    let pause = FIRST_PAUSE * 2_i32.pow(model.work.endings.min(PAUSE_DOUBLINGS));
    model.work.endings += 1;
    let at = model.now + pause;
    model.connection = Connection::Reconnecting { at, attempt: model.work.endings };
    model.work.sync_due = Some(at);
}

pub(super) fn signed_out(model: &mut Model) {
    model.connection = Connection::SignedOut;
    model.say(Tone::Bad, "You are signed out: quit and run ajet-chat login");
}

fn apply(model: &mut Model, envelope: Envelope) {
    let at = envelope.channel_id.zip(envelope.seq);
    happened(model, envelope);
    // Whatever comes again up to here was counted.
    if let Some((channel, seq)) = at
        && let Some(entry) = model.channels.get_mut(&channel)
    {
        entry.view.channel.last_seq = entry.view.channel.last_seq.max(seq);
    }
}

fn happened(model: &mut Model, envelope: Envelope) {
    match envelope.event {
        Event::MessageCreated(message) => created(model, message),
        Event::MessageEdited(message) => edited(model, &message),
        Event::MessageDeleted(deleted) => {
            each_copy(model, deleted.message_id, |message| {
                message.deleted_at = Some(deleted.deleted_at);
                message.body_md.clear();
                message.attachments.clear();
                message.reactions.clear();
            });
            uncount(model, envelope.channel_id, envelope.seq, &deleted);
        }
        Event::ReactionAdded(changed) => reacted(model, &changed, true),
        Event::ReactionRemoved(changed) => reacted(model, &changed, false),
        Event::ThreadUpdated(thread) => each_copy(model, thread.parent_id, |message| {
            message.reply_count = thread.reply_count;
            message.last_reply_at = thread.last_reply_at;
            message.participants.clone_from(&thread.participants);
        }),
        Event::ChannelCreated(changed)
        | Event::ChannelUpdated(changed)
        | Event::ChannelArchived(changed)
        | Event::ChannelUnarchived(changed) => channels::changed(model, changed),
        Event::MemberJoined(member) => channels::joined(model, envelope.community_id, member),
        Event::MemberLeft(member) | Event::MemberRemoved(member) => {
            channels::left(model, envelope.community_id, envelope.channel_id, &member);
        }
        Event::MemberUpdated(member) => {
            channels::member_updated(model, envelope.community_id, &member);
        }
        Event::CommunityUpdated(changed) => {
            if let Some(entry) =
                model.communities.iter_mut().find(|of| of.community.id == changed.community.id)
            {
                entry.community = changed.community;
            }
        }
        Event::UserUpdated(changed) => renamed(model, changed),
        Event::NotificationCreated(notification) => news::created(model, notification),
        Event::NotificationRead(read) => news::read(model, &read),
        Event::ReadUpdated(state) => news::read_state(model, state),
        Event::TypingStarted(typing) => typing_started(model, typing),
        Event::TypingStopped(typing) => not_typing(model, typing.user.id, place_of(&typing)),
        Event::PresenceChanged(changed) => present(model, changed),
        Event::SessionRevoked(_)
        | Event::DraftUpdated(_)
        | Event::MessagePinned(_)
        | Event::MessageUnpinned(_)
        | Event::Unknown(_) => {}
    }
}

fn place_of(typing: &Typing) -> Place {
    Place { channel: typing.channel_id, parent: typing.parent_id }
}

/// A message, at its place, once.
fn created(model: &mut Model, message: Message) {
    let place = Place { channel: message.channel_id, parent: message.parent_id };
    not_typing(model, message.author.id, place);
    if let Some(key) = message.client_msg_id {
        send::arrived(model, key);
    }
    if !channels::count(model, &message) {
        // Nothing is known of this channel: a conversation that somebody opened with me.
        model.ask(Ask::Channel(message.channel_id));
    }
    place_message(model, message);
}

/// Puts a message into the timeline it belongs to, if that is open and loaded so far.
pub(super) fn place_message(model: &mut Model, message: Message) {
    let timeline = match message.parent_id {
        Some(parent) => match &mut model.pane {
            Some(Pane::Thread(thread)) if thread.parent.id == parent => Some(&mut thread.timeline),
            _ => None,
        },
        None => model
            .open
            .as_mut()
            .filter(|open| open.id == message.channel_id)
            .map(|open| &mut open.timeline),
    };
    let Some(timeline) = timeline else { return };
    // Also before the first page came: it may have been read before this message was there.
    if belongs(timeline, &message) {
        timeline.upsert(message);
        timeline.let_go();
    }
}

/// Whether there is no gap between what is loaded and this message.
fn belongs(timeline: &Timeline, message: &Message) -> bool {
    let first = timeline.messages.first().map(|first| first.seq);
    let after_gap =
        timeline.has_newer && timeline.newest().is_none_or(|newest| message.seq > newest.seq);
    let before_gap = timeline.has_older && first.is_none_or(|first| message.seq < first);
    !after_gap && !before_gap
}

fn edited(model: &mut Model, message: &Message) {
    each_copy(model, message.id, |known| {
        known.body_md.clone_from(&message.body_md);
        known.edited_at = message.edited_at;
        known.mentions.clone_from(&message.mentions);
        known.metadata.clone_from(&message.metadata);
    });
}

/// Changes every copy of a message on the screen: in the channel, in the thread, and as the head of it.
pub(super) fn each_copy(
    model: &mut Model,
    id: ajet_shared::id::MessageId,
    change: impl Fn(&mut Message),
) {
    if let Some(message) = model.open.as_mut().and_then(|open| open.timeline.message_mut(id)) {
        change(message);
    }
    if let Some(thread) = model.thread_mut() {
        if let Some(message) = thread.timeline.message_mut(id) {
            change(message);
        }
        if thread.parent.id == id {
            change(&mut thread.parent);
        }
    }
}

/// An unread message that is deleted is not unread any more, unless it was not even when the counters were read.
fn uncount(
    model: &mut Model,
    channel: Option<ChannelId>,
    seq: Option<i64>,
    deleted: &ajet_shared::events::MessageDeleted,
) {
    let mine = model.is_me(deleted.author_id);
    let Some(entry) = channel.and_then(|id| model.channels.get_mut(&id)) else { return };
    if seq.is_some_and(|seq| seq <= entry.view.channel.last_seq) {
        return;
    }
    if !mine && deleted.parent_id.is_none() && deleted.message_seq > entry.view.last_read_seq {
        entry.view.unread = (entry.view.unread - 1).max(0);
        if entry.is_dm() {
            entry.view.mentions = entry.view.unread;
        }
    }
}

/// The counts are the event's; which of them are mine is known here only. Counts do not tell: the answer to my own call may have been
/// there before the event.
fn reacted(model: &mut Model, changed: &ajet_shared::events::ReactionChanged, added: bool) {
    let mine = model.is_me(changed.user_id);
    each_copy(model, changed.message_id, |message| {
        let before = std::mem::replace(&mut message.reactions, changed.reactions.clone());
        for reaction in &mut message.reactions {
            let known = before.iter().find(|known| known.emoji == reaction.emoji);
            reaction.reacted_by_me =
                Some(known.is_some_and(|known| known.reacted_by_me == Some(true)));
            if mine && reaction.emoji == changed.emoji {
                reaction.reacted_by_me = Some(added);
            }
        }
    });
}

fn renamed(model: &mut Model, changed: UserChanged) {
    let user = changed.user;
    if model.is_me(user.id) {
        model.me = Some(user.clone());
    }
    if let Some(person) = model.people.get_mut(&user.id) {
        *person = Person { online: person.online, ..Person::of(&user) };
    }
    channels::renamed(model, &user);
    let timelines = model.open.as_mut().map(|open| &mut open.timeline);
    for message in timelines.into_iter().flat_map(|timeline| &mut timeline.messages) {
        if message.author.id == user.id && message.author.kind == user.kind {
            message.author = user.clone();
        }
    }
}

fn typing_started(model: &mut Model, typing: Typing) {
    if model.is_me(typing.user.id) {
        return;
    }
    let (place, until) = (place_of(&typing), model.now + TYPING_HIDES_AFTER);
    let user = typing.user;
    let known = |typist: &&mut Typist| typist.user == user.id && typist.place == place;
    if let Some(typist) = model.typists.iter_mut().find(known) {
        typist.until = until;
        return;
    }
    model.typists.push(Typist { place, user: user.id, name: user.display_name, until });
}

fn not_typing(model: &mut Model, user: ajet_shared::id::UserId, place: Place) {
    model.typists.retain(|typist| typist.user != user || typist.place != place);
}

fn present(model: &mut Model, changed: PresenceChanged) {
    if let Some(person) = model.people.get_mut(&changed.user_id) {
        person.online = changed.online;
    }
}
