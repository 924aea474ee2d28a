//! Sending: the box to the outbox, the outbox to the server, in order and once.

use ajet_shared::client::ClientError;
use ajet_shared::id::ClientMessageId;
use ajet_shared::message::Message;
use ajet_shared::names::{MessageBody, NameError};
use time::Duration;

use super::super::event::{Ask, Effect};
use super::super::model::{Connection, Mode, Model, Tone};
use super::super::outbox::{OUTBOX_MAX, OutboxEntry, OutboxState};
use super::super::places::Place;
use super::super::timeline::Scroll;
use super::{Tried, act, compose, go, stream};

/// Said of a command without an answer.
const MAYBE_RUN: &str = "No answer; it may have been done. Enter asks again, it is not done twice.";
/// Pauses between attempts while the server does not take messages.
const PAUSES: [i64; 6] = [1, 2, 4, 8, 15, 30];

/// Enter: edits, runs a command, joins, or sends.
pub(super) fn submit(model: &mut Model) {
    let Some((composer, place)) = compose::active(model) else { return };
    let (text, editing) = (composer.text.trim_end().to_owned(), composer.editing);
    if let Some(id) = editing {
        return edit(model, id, text);
    }
    let joined = model.channels.get(&place.channel).is_some_and(|entry| entry.view.joined);
    if !joined {
        return model.ask(Ask::Join(place.channel));
    }
    if text.trim().is_empty() {
        return model.say(Tone::Info, "There is nothing to send");
    }
    match text.strip_prefix('/') {
        Some(escaped) if escaped.starts_with('/') => send(model, place, escaped.to_owned()),
        Some(_) => run(model, place, text),
        None => send(model, place, text),
    }
}

fn edit(model: &mut Model, id: ajet_shared::id::MessageId, text: String) {
    if text.trim().is_empty() {
        return model.say(Tone::Info, "An empty text is no message; Esc, then dd deletes it");
    }
    if let Err(error) = check(&text) {
        return model.say(Tone::Bad, &error);
    }
    let unchanged = act::known(model, id).is_some_and(|message| message.body_md == text);
    close_box(model);
    if unchanged {
        return model.say(Tone::Info, "Nothing was changed");
    }
    model.ask(Ask::Edit(id, text));
}

/// Empties the box; what an edit had set aside comes back.
fn close_box(model: &mut Model) {
    if let Some(composer) = compose::active_mut(model) {
        composer.editing = None;
        let aside = std::mem::take(&mut composer.set_aside);
        composer.set(aside);
    }
    compose::stop_typing(model);
    compose::keep_all(model);
}

fn run(model: &mut Model, place: Place, text: String) {
    if model.connection != Connection::Live {
        return model.say(Tone::Bad, "Commands need the connection; the text stays in the box");
    }
    close_box(model);
    let tried =
        model.work.tried.as_ref().filter(|tried| tried.place == place && tried.text == text);
    let key = tried.map_or_else(ClientMessageId::new, |tried| tried.key);
    model.ask(Ask::Run { place, text, key });
}

/// Why a text cannot be a message.
fn check(text: &str) -> Result<(), String> {
    MessageBody::try_from(text.to_owned()).map(drop).map_err(|error| match error {
        NameError::TooLong { chars, .. } => {
            let max = ajet_shared::limits::MESSAGE_BODY_MAX_CHARS;
            format!("Not sent: {chars} characters, {max} is the limit")
        }
        error => format!("Not sent: {error}"),
    })
}

fn send(model: &mut Model, place: Place, body: String) {
    if let Err(error) = check(&body) {
        return model.say(Tone::Bad, &error);
    }
    if model.my_outbox().count() >= OUTBOX_MAX {
        return model
            .say(Tone::Bad, "Not sent: 200 messages wait already; the text stays in the box");
    }
    let Some(user) = model.my_id() else { return };
    let entry = OutboxEntry {
        client_msg_id: ClientMessageId::new(),
        user,
        place,
        body,
        written_at: model.now,
        state: OutboxState::Waiting,
    };
    model.push(Effect::Keep(entry.clone()));
    model.outbox.push(entry);
    close_box(model);
    let Some(timeline) = act::focused_mut(model) else { return };
    timeline.divider = None;
    timeline.scroll = Scroll::Newest;
    if timeline.has_newer {
        go::select_end(model);
    }
}

/// Sends the next one, if none is on its way and there is somebody to take it.
pub(super) fn pump(model: &mut Model) {
    let rests = model.work.outbox_rests.is_some_and(|until| until > model.now);
    let reachable = matches!(model.connection, Connection::Live | Connection::CatchingUp(_));
    let me = model.my_id();
    if rests || !reachable || model.work.quitting {
        return;
    }
    if model.outbox.iter().any(|entry| entry.state == OutboxState::Sending) {
        return;
    }
    let next = model
        .outbox
        .iter_mut()
        .find(|entry| entry.state == OutboxState::Waiting && Some(entry.user) == me);
    if let Some(entry) = next {
        entry.state = OutboxState::Sending;
        let entry = entry.clone();
        model.ask(Ask::Post(entry));
    }
}

/// The server has it.
pub(super) fn posted(model: &mut Model, key: ClientMessageId, message: Message) {
    arrived(model, key);
    model.work.outbox_failures = 0;
    // Not counted: what others wrote before it may still be on its way, and a message of mine is news to nobody here.
    stream::place_message(model, message);
}

/// It stands in the channel, by the answer or by the stream, whichever was first.
pub(super) fn arrived(model: &mut Model, key: ClientMessageId) {
    let before = model.outbox.len();
    model.outbox.retain(|entry| entry.client_msg_id != key);
    if model.outbox.len() != before {
        model.push(Effect::Forget(key));
    }
}

/// The server did not take it: for now, or for good.
pub(super) fn refused(model: &mut Model, key: ClientMessageId, error: ClientError) {
    let later = is_temporary(&error);
    let wanted = match &error {
        ClientError::Problem(problem) => {
            problem.retry_after.map(|seconds| Duration::seconds(seconds.into()))
        }
        _ => None,
    };
    let why = super::answer::sentence(model, error);
    let now = model.now;
    let Some(entry) = model.outbox.iter_mut().find(|entry| entry.client_msg_id == key) else {
        return;
    };
    if later {
        entry.state = OutboxState::Waiting;
        let pause = PAUSES[(model.work.outbox_failures as usize).min(PAUSES.len() - 1)];
        model.work.outbox_failures += 1;
        model.work.outbox_rests = Some(now + wanted.unwrap_or(Duration::seconds(pause)));
        return;
    }
    entry.state = OutboxState::Failed(why.clone());
    let entry = entry.clone();
    model.push(Effect::Keep(entry));
    model.say(Tone::Bad, &format!("Not sent: {why}"));
}

/// Whether the same may be taken later: the server is away, busy, or does not know me for the moment.
pub(super) fn is_temporary(error: &ClientError) -> bool {
    match error {
        ClientError::Problem(problem) => {
            matches!(problem.status, 401 | 408 | 425 | 429 | 500 | 502..=504)
        }
        ClientError::Unreachable(_) | ClientError::Timeout(_) | ClientError::Decode(_) => true,
        ClientError::Setup(_) => false,
    }
}

/// Enter on a refused one.
pub(super) fn again(model: &mut Model, key: ClientMessageId) {
    let Some(entry) = model.outbox.iter_mut().find(|entry| entry.client_msg_id == key) else {
        return;
    };
    match entry.state {
        OutboxState::Failed(_) => {
            entry.state = OutboxState::Waiting;
            let entry = entry.clone();
            model.push(Effect::Keep(entry));
            model.work.outbox_rests = None;
            model.say(Tone::Info, "It is tried again");
        }
        OutboxState::Waiting => {
            model.work.outbox_rests = None;
            model.say(Tone::Info, "It goes out as soon as the server is reached; Ctrl-R tries now");
        }
        OutboxState::Sending => model.say(Tone::Info, "It is on its way"),
    }
}

/// `d`: the text goes into the box, if that is empty; nothing typed is lost by a slip.
pub(super) fn give_up(model: &mut Model, key: ClientMessageId) {
    let Some(at) = model.outbox.iter().position(|entry| entry.client_msg_id == key) else { return };
    if model.outbox[at].state == OutboxState::Sending {
        return model.say(Tone::Info, "It is on its way already");
    }
    let entry = model.outbox.remove(at);
    model.push(Effect::Forget(key));
    if let Some(composer) = compose::active_mut(model) {
        composer.killed = entry.body;
    }
    model.say(Tone::Info, "Deleted; i, then Ctrl-Y puts its text into the box");
}

/// A command could not be run, or nobody knows: its text comes back, so that it can be mended or asked again.
pub(super) fn not_run(model: &mut Model, tried: Tried, error: ClientError) {
    let no_answer = !matches!(error, ClientError::Problem(_) | ClientError::Setup(_));
    let later = is_temporary(&error);
    let why = if no_answer { MAYBE_RUN.to_owned() } else { super::answer::sentence(model, error) };
    model.work.tried = later.then(|| tried.clone());
    back_into_box(model, tried.place, tried.text, &why);
}

fn back_into_box(model: &mut Model, place: Place, text: String, why: &str) {
    let here = compose::active(model)
        .filter(|(_, here)| *here == place)
        .map(|(composer, _)| composer.is_empty());
    let Some(composer) = compose::active_mut(model) else { return model.say(Tone::Bad, why) };
    if here == Some(true) {
        composer.set(text);
        model.mode = Mode::Insert;
        return model.say(Tone::Bad, why);
    }
    composer.killed = text;
    model.say(Tone::Bad, &format!("{why} Ctrl-Y has the command"));
}
