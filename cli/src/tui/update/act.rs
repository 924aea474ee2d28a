//! What is done to messages and to the program itself.

use ajet_shared::id::MessageId;
use ajet_shared::message::Message;

use super::super::event::{Ask, Effect};
use super::super::model::{Connection, Model, Tone, Zone};
use super::super::overlay::{Confirmed, Overlay, ReactionPicker};
use super::super::places::Place;
use super::super::timeline::{RowKey, Timeline};
use super::{compose, go};
use crate::emoji;

/// Offered before somebody has used any.
const FIRST_EMOJI: [&str; 7] = ["👍", "✅", "👀", "🎉", "🚀", "❤️", "😂"];

/// Ends it: what was begun is kept first.
pub(super) fn quit(model: &mut Model) {
    if !std::mem::replace(&mut model.work.quitting, true) {
        compose::keep_all(model);
        compose::stop_typing(model);
        model.push(Effect::Quit);
    }
}

pub(super) fn reconnect(model: &mut Model) {
    match model.connection {
        Connection::Reconnecting { .. } => {
            model.push(Effect::Reconnect);
            model.say(Tone::Info, "Connecting now");
        }
        Connection::SignedOut => {
            model.say(Tone::Bad, "You are signed out: quit and run ajet-chat login");
        }
        _ => model.say(Tone::Info, "The connection stands"),
    }
    model.work.outbox_rests = None;
    model.work.sync_due = model.work.sync_due.map(|_| model.now);
}

/// The timeline that has the focus, and its place.
pub(super) fn focused(model: &Model) -> Option<(&Timeline, Place)> {
    match model.focus {
        Zone::Pane => model.thread().map(|thread| (&thread.timeline, thread.place())),
        _ => model.open.as_ref().map(|open| (&open.timeline, Place::channel(open.id))),
    }
}

pub(super) fn focused_mut(model: &mut Model) -> Option<&mut Timeline> {
    match model.focus {
        Zone::Pane => model.thread_mut().map(|thread| &mut thread.timeline),
        _ => model.open.as_mut().map(|open| &mut open.timeline),
    }
}

/// The timeline of a place, if it is open.
pub(super) fn timeline_mut(model: &mut Model, place: Place) -> Option<&mut Timeline> {
    if place.parent.is_some() {
        let thread = model.thread_mut().filter(|thread| thread.place() == place)?;
        return Some(&mut thread.timeline);
    }
    model.open.as_mut().filter(|open| open.id == place.channel).map(|open| &mut open.timeline)
}

/// The selected message; in a thread the one it hangs on counts as its first.
pub(super) fn selected(model: &Model) -> Option<&Message> {
    let (timeline, _) = focused(model)?;
    match timeline.selected? {
        RowKey::Message(id) => known(model, id),
        _ => None,
    }
}

/// A message that is on the screen.
pub(super) fn known(model: &Model, id: MessageId) -> Option<&Message> {
    let open = model.open.as_ref().and_then(|open| open.timeline.message(id));
    open.or_else(|| {
        let thread = model.thread()?;
        thread.timeline.message(id).or_else(|| (thread.parent.id == id).then_some(&thread.parent))
    })
}

/// Gives a reaction, or takes it back.
pub(super) fn react(model: &mut Model, message: MessageId, emoji: &str) {
    let mine = known(model, message).is_some_and(|message| {
        message.reactions.iter().any(|one| one.emoji == emoji && one.reacted_by_me == Some(true))
    });
    if !mine {
        model.work.recent_emoji.retain(|known| known != emoji);
        model.work.recent_emoji.insert(0, emoji.to_owned());
        model.work.recent_emoji.truncate(FIRST_EMOJI.len());
    }
    model.ask(Ask::React { message, emoji: emoji.to_owned(), add: !mine });
}

/// Asks which reaction.
pub(super) fn pick_reaction(model: &mut Model) {
    let Some(message) =
        selected(model).filter(|message| message.deleted_at.is_none()).map(|message| message.id)
    else {
        return model.say(Tone::Info, "Select a message to react to");
    };
    let mut recent = model.work.recent_emoji.clone();
    for emoji in FIRST_EMOJI {
        if recent.len() < FIRST_EMOJI.len() && !recent.iter().any(|known| known == emoji) {
            recent.push(emoji.to_owned());
        }
    }
    let picker = ReactionPicker {
        message,
        recent,
        query: super::super::composer::Composer::default(),
        matches: Vec::new(),
    };
    model.overlay = Some(Overlay::Reactions(picker));
}

/// What a name that is being typed may mean.
pub(super) fn fitting_emoji(query: &str) -> Vec<(&'static str, &'static str)> {
    emoji::fitting(query).take(9).map(|(name, emoji)| (emoji, name)).collect()
}

pub(super) fn ask_delete(model: &mut Model) {
    let Some(message) = selected(model) else {
        return model.say(Tone::Info, "Select one of your messages first");
    };
    let (id, mine) = (message.id, model.is_me(message.author.id));
    if message.deleted_at.is_some() {
        return model.say(Tone::Info, "It is deleted already");
    }
    let question =
        if mine { "Delete this message? y/n" } else { "Delete the message of somebody else? y/n" };
    model.overlay =
        Some(Overlay::Confirm { question: question.to_owned(), yes: Confirmed::Delete(id) });
}

/// A yes.
pub(super) fn confirmed(model: &mut Model, yes: Confirmed) {
    match yes {
        Confirmed::Delete(id) => model.ask(Ask::Delete(id)),
        Confirmed::Leave(channel) => model.ask(Ask::Leave(channel)),
        Confirmed::Quit => quit(model),
        Confirmed::Open(address) => model.push(Effect::Browse(address)),
        Confirmed::Paste(text) => compose::put(model, &text),
    }
}

/// Where people see a message.
pub(super) fn link(model: &Model, message: &Message) -> Option<String> {
    let entry = model.channels.get(&message.channel_id)?;
    let server = model.server.trim_end_matches('/');
    let community = model
        .communities
        .iter()
        .find(|of| Some(of.community.id) == entry.view.channel.community_id);
    Some(match community {
        Some(community) => {
            let name: String =
                url::form_urlencoded::byte_serialize(entry.label.as_bytes()).collect();
            format!("{server}/c/{}/channels/{name}/m/{}", community.community.slug, message.id)
        }
        None => format!("{server}/dm/{}", message.channel_id),
    })
}

/// Copies the link of the selected row, or what it says.
pub(super) fn copy(model: &mut Model, text: bool) {
    let copied = match focused(model).and_then(|(timeline, _)| timeline.selected) {
        Some(RowKey::Message(_)) => selected(model).and_then(|message| {
            if text { Some(message.body_md.clone()) } else { link(model, message) }
        }),
        Some(RowKey::Outgoing(id)) if text => model
            .outbox
            .iter()
            .find(|entry| entry.client_msg_id == id)
            .map(|entry| entry.body.clone()),
        Some(RowKey::Note(number)) => focused(model)
            .and_then(|(timeline, _)| timeline.notes.iter().find(|note| note.number == number))
            .map(|note| note.body_md.clone()),
        _ => None,
    };
    match copied {
        Some(copied) => {
            model.push(Effect::Copy(copied));
            model.say(Tone::Good, if text { "Text copied" } else { "Link copied" });
        }
        None => model.say(Tone::Info, "Select a message to copy"),
    }
}

/// Asks whether to open the first address of the selected message outside.
pub(super) fn open_link(model: &mut Model) {
    let Some(message) = selected(model) else {
        return model.say(Tone::Info, "Select a message with a link");
    };
    let file = message
        .attachments
        .first()
        .map(|file| format!("{}{}", model.server.trim_end_matches('/'), file.url));
    match first_link(&message.body_md).or(file) {
        Some(address) => {
            let safe = ajet_shared::terminal::terminal_line(&address).into_owned();
            let question = format!("Open {safe} ? y/n");
            model.overlay = Some(Overlay::Confirm { question, yes: Confirmed::Open(address) });
        }
        None => model.say(Tone::Info, "There is no link in this message"),
    }
}

/// The first address of a text that may be opened.
fn first_link(text: &str) -> Option<String> {
    let start = [text.find("https://"), text.find("http://")].into_iter().flatten().min()?;
    let ends = |c: char| {
        c.is_whitespace() || c.is_control() || matches!(c, ')' | '>' | '"' | '`' | '<' | ']')
    };
    let address = text[start..]
        .split(ends)
        .next()?
        .trim_end_matches(['.', ',', ';', ':', '!', '?', '*', '_']);
    // Asked for as the parser writes it, so that what is shown is what is opened.
    let parsed = url::Url::parse(address).ok()?;
    matches!(parsed.scheme(), "http" | "https").then(|| parsed.to_string())
}

/// Takes a note away, or gives up a message that was refused.
pub(super) fn drop_row(model: &mut Model, key: RowKey) {
    match key {
        RowKey::Note(number) => {
            if let Some(timeline) = focused_mut(model) {
                timeline.notes.retain(|note| note.number != number);
            }
        }
        RowKey::Outgoing(id) => super::send::give_up(model, id),
        RowKey::Message(_) => {}
    }
    go::select_end(model);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_web_addresses_are_opened_and_whole_ones() {
        assert_eq!(
            first_link("see https://a.example/x?y=1."),
            Some("https://a.example/x?y=1".to_owned())
        );
        assert_eq!(first_link("[a](http://b.example/) c"), Some("http://b.example/".to_owned()));
        assert_eq!(first_link("https://x\u{1b}]0;y\u{7}"), Some("https://x/".to_owned()));
        assert_eq!(first_link("javascript:alert(1) file:///etc"), None);
    }
}
