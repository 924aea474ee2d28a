//! What came of a call.

use ajet_shared::client::ClientError;
use ajet_shared::command::{AnswerKind, CommandAnswer};
use ajet_shared::community::Member;
use ajet_shared::id::CommunityId;
use ajet_shared::message::Message;
use ajet_shared::page::Page;
use time::Duration;

use super::super::event::{Ask, Effect, Part, Reply};
use super::super::model::{Connection, Mode, Model, Pane, Tone, Zone};
use super::super::places::{ChannelEntry, Person, Place};
use super::super::timeline::{Note, RowKey, Scroll, Timeline, keep_mine};
use super::{Tried, act, begin, channels, go, jump, news, seek, send, stream};
use crate::error::CliError;

/// A pause before reading again what could not be read.
const AGAIN_AFTER: Duration = Duration::seconds(2);

pub(super) fn answer(model: &mut Model, ask: Ask, outcome: Result<Reply, ClientError>) {
    match outcome {
        Ok(reply) => succeeded(model, ask, reply),
        Err(error) => failed(model, ask, error),
    }
}

fn succeeded(model: &mut Model, ask: Ask, reply: Reply) {
    match (ask, reply) {
        (_, Reply::Sync(sync)) => begin::synced(model, *sync),
        (_, Reply::Channels(views)) => {
            for view in views {
                if !model.channels.contains_key(&view.channel.id) {
                    channels::learn(model, view);
                }
            }
        }
        (Ask::Members(community, _), Reply::Members(page)) => members(model, community, page),
        (ask, Reply::Channel(view)) => channel(model, &ask, *view),
        (Ask::Page(place, part), Reply::Page(page)) => loaded(model, place, part, page),
        (Ask::Post(entry), Reply::Message(message)) => {
            send::posted(model, entry.client_msg_id, *message);
        }
        (Ask::Edit(..), Reply::Message(message)) => stream::each_copy(model, message.id, |known| {
            known.body_md.clone_from(&message.body_md);
            known.edited_at = message.edited_at;
        }),
        (_, Reply::Message(message)) => {
            news::excerpt(model, &message);
            stream::each_copy(model, message.id, |known| *known = (*message).clone());
            if model.work.seek.is_some_and(|seek| seek.message == message.id) {
                seek::sought(model, &message);
            } else if model.work.seek_thread.take_if(|parent| *parent == message.id).is_some() {
                seek::open_thread(model, *message);
            }
        }
        (Ask::Commands(channel), Reply::Commands(commands))
            if model.open.as_ref().is_some_and(|open| open.id == channel) =>
        {
            model.commands = commands;
        }
        (_, Reply::Notifications(notifications)) => news::loaded(model, notifications),
        (Ask::React { message, emoji, add }, Reply::Reactions(reactions)) => {
            stream::each_copy(model, message, |known| {
                let mut new = known.clone();
                new.reactions.clone_from(&reactions);
                keep_mine(&mut new, known);
                for reaction in new.reactions.iter_mut().filter(|reaction| reaction.emoji == emoji)
                {
                    reaction.reacted_by_me = Some(add);
                }
                *known = new;
            });
        }
        (_, Reply::Read(state)) => news::read_state(model, state),
        (Ask::Run { place, key, .. }, Reply::Ran(answer)) => {
            model.work.tried.take_if(|tried| tried.key == key);
            ran(model, place, *answer);
        }
        (_, Reply::Found(messages)) => jump::found(model, &messages),
        (Ask::Leave(channel), _) => channels::gone(model, channel),
        (Ask::Delete(_), _) => model.say(Tone::Good, "Deleted"),
        _ => {}
    }
}

fn members(model: &mut Model, community: CommunityId, page: Page<Member>) {
    for member in page.items {
        let user = member.user;
        let person = Person {
            id: user.id,
            username: user.username,
            display_name: user.display_name,
            kind: user.kind,
            online: user.online,
        };
        model.people.insert(user.id, person);
    }
    let last_page = page.next.is_none();
    if let Some(next) = page.next {
        model.ask(Ask::Members(community, Some(next)));
    }
    begin::open_wanted(
        model,
        last_page && model.communities.last().is_some_and(|last| last.community.id == community),
    );
}

fn channel(model: &mut Model, ask: &Ask, view: ajet_shared::channel::ChannelView) {
    let id = view.channel.id;
    let was_guest = stream::guest(model);
    channels::learn(model, view);
    match ask {
        Ask::Conversation(_) => go::open(model, id),
        Ask::Join(_) => {
            let title = model.channels.get(&id).map(ChannelEntry::title).unwrap_or_default();
            if was_guest.is_some() {
                stream::follow(model);
            }
            model.say(Tone::Good, &format!("You are in {title} now"));
        }
        _ if model.work.open_next.take_if(|next| *next == id).is_some() => go::open(model, id),
        _ => {
            let elsewhere = model.open.as_ref().is_none_or(|open| open.id != id);
            if let Some(seek) = model.work.seek.filter(|seek| elsewhere && seek.channel == id) {
                seek::open_at(model, id, seek.message);
            }
        }
    }
}

/// A page of messages.
fn loaded(model: &mut Model, place: Place, part: Part, page: Page<Message>) {
    let timeline = match place.parent {
        None => model
            .open
            .as_mut()
            .filter(|open| open.id == place.channel)
            .map(|open| &mut open.timeline),
        Some(parent) => match &mut model.pane {
            Some(Pane::Thread(thread)) if thread.parent.id == parent => Some(&mut thread.timeline),
            _ => None,
        },
    };
    let Some(timeline) = timeline else { return };
    timeline.loading = false;
    if !fits(timeline, part) {
        return;
    }
    timeline.fresh = false;
    let (older, newer) = (page.prev.is_some(), page.next.is_some());
    match part {
        Part::Before(_) => timeline.has_older = older,
        Part::After(_) => timeline.has_newer = newer,
        Part::Newest | Part::Around(_) => {
            let known = std::mem::take(&mut timeline.messages);
            timeline.has_older = older;
            timeline.has_newer = part != Part::Newest && newer;
            // What the stream brought while the page was on its way is newer than the page.
            let last = page.items.last().map(|message| message.seq);
            let newer_ones =
                known.into_iter().filter(|message| last.is_none_or(|last| message.seq > last));
            if !timeline.has_newer {
                timeline.messages.extend(newer_ones);
            }
        }
    }
    for message in page.items {
        timeline.upsert(message);
    }
    timeline.settle_notes();
    let Some(id) = model.work.seek.map(|seek| seek.message) else { return };
    if timeline.message(id).is_some() {
        model.work.seek = None;
        timeline.selected = Some(RowKey::Message(id));
        timeline.scroll = Scroll::At { row: RowKey::Message(id), offset: 3 };
        timeline.reveal = true;
        let zone = if place.parent.is_some() { Zone::Pane } else { Zone::Channel };
        model.focus = zone;
        model.mode = Mode::Message;
    } else if part == Part::Around(id) {
        seek::lost(model);
    }
}

/// Whether a page joins what is loaded now. Pages are asked for at once and come in any order: one that continues what was replaced
/// meanwhile would leave a hole.
fn fits(timeline: &Timeline, part: Part) -> bool {
    match part {
        Part::Before(id) => timeline.messages.first().is_some_and(|first| first.id == id),
        Part::After(id) => timeline.newest().is_some_and(|newest| newest.id == id),
        Part::Newest | Part::Around(_) => true,
    }
}

/// A command was run that was typed there.
fn ran(model: &mut Model, place: Place, answer: CommandAnswer) {
    if let Some(message) = answer.message {
        stream::place_message(model, message);
    }
    if let (AnswerKind::Redirect, Some(channel)) = (answer.kind, answer.channel_id) {
        if model.channels.get(&channel).is_some_and(|entry| entry.view.joined) {
            go::open(model, channel);
        } else {
            // Joined or made a moment ago: what the stream says of it may still be on its way.
            model.work.open_next = Some(channel);
            model.ask(Ask::Channel(channel));
        }
    }
    let body = answer.body_md.trim();
    if body.is_empty() {
        return;
    }
    if answer.kind == AnswerKind::Redirect
        || (!body.contains('\n') && body.chars().count() <= 60 && !answer.secret)
    {
        return model.say(Tone::Good, body);
    }
    model.work.notes += 1;
    let note = Note::new(model.work.notes, body.to_owned(), model.now, answer.secret);
    show_note(model, place, note);
}

/// Where it was typed, else where I am; one that is shown once is not lost where neither is open.
fn show_note(model: &mut Model, place: Place, note: Note) {
    let here = act::focused(model).map(|(_, here)| here);
    let open = model.open.as_ref().map(|open| Place::channel(open.id));
    let shown = [Some(place), here, open]
        .into_iter()
        .flatten()
        .find(|place| act::timeline_mut(model, *place).is_some());
    match shown.and_then(|place| act::timeline_mut(model, place)) {
        Some(timeline) => {
            timeline.note(note);
            timeline.scroll = Scroll::Newest;
        }
        None if note.secret => model.work.secrets.entry(place).or_default().push(note),
        None => {}
    }
}

fn failed(model: &mut Model, ask: Ask, error: ClientError) {
    if error.status() == Some(401) {
        // While the stream stands, it is what tells that the session is over.
        if !model.work.following {
            stream::signed_out(model);
        }
        // Nothing is known and nothing was written yet: better said in the shell, beside the command that mends it.
        if ask == Ask::Sync && model.me.is_none() {
            return model.push(Effect::NotSignedIn);
        }
    }
    let temporary = send::is_temporary(&error);
    match ask {
        Ask::Post(entry) => return send::refused(model, entry.client_msg_id, error),
        Ask::Run { place, text, key } => {
            return send::not_run(model, Tried { place, text, key }, error);
        }
        Ask::Sync => {
            model.work.syncing = false;
            stream::release(model);
            if model.connection == Connection::Connecting || temporary {
                model.work.sync_due = Some(model.now + AGAIN_AFTER);
            }
        }
        Ask::Page(place, part) => return page_failed(model, place, part, error),
        Ask::Edit(_, text) => {
            // The text is not lost: Ctrl-Y has it.
            if let Some(composer) = super::compose::active_mut(model) {
                composer.killed = text;
            }
            let why = sentence(model, error);
            return model.say(Tone::Bad, &format!("Not changed: {why} Ctrl-Y has your text"));
        }
        Ask::Read(..) => {
            model.work.read = None;
            return;
        }
        Ask::Channel(_) | Ask::Message(_) => {
            let waited_for = seek::waits_for(model, &ask);
            if waited_for {
                (model.work.seek, model.work.seek_thread) = (None, None);
            }
            if error.status() == Some(404) {
                if waited_for {
                    seek::lost(model);
                }
                return;
            }
        }
        // Nobody waits for these.
        Ask::Typing { .. }
        | Ask::Heartbeat
        | Ask::Commands(_)
        | Ask::Members(..)
        | Ask::Channels(_) => return,
        Ask::Notifications => model.activity.loading = false,
        _ => {}
    }
    let why = sentence(model, error);
    model.say(Tone::Bad, &why);
}

/// A page is read again after a moment, for as long as somebody looks at the place.
fn page_failed(model: &mut Model, place: Place, part: Part, error: ClientError) {
    let temporary = send::is_temporary(&error);
    // What was sought is not looked for again: by then the reader is elsewhere.
    model.work.seek.take_if(|seek| part == Part::Around(seek.message));
    if matches!(part, Part::Newest | Part::Around(_)) && temporary {
        model.work.sync_due = Some(model.now + AGAIN_AFTER);
        return;
    }
    let timeline = match place.parent {
        None => model.open.as_mut().map(|open| &mut open.timeline),
        Some(_) => model.thread_mut().map(|thread| &mut thread.timeline),
    };
    if let Some(timeline) = timeline {
        timeline.loading = false;
    }
    let why = sentence(model, error);
    model.say(Tone::Bad, &why);
}

/// A failure in one sentence.
pub(super) fn sentence(model: &Model, error: ClientError) -> String {
    let host = model.server.split("://").nth(1).unwrap_or(&model.server);
    CliError::from_client(error, host).message().to_owned()
}
