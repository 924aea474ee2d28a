//! The rows of the list and moving in it.

use super::model::Model;
use super::places::{ChannelEntry, ListRow, Section};

/// The rows, top to bottom.
pub(crate) fn rows(model: &Model) -> Vec<ListRow> {
    let filter = model.list.filter.as_ref().map(|filter| filter.text.to_lowercase());
    let fits = |name: &str| {
        filter.as_ref().is_none_or(|filter| name.to_lowercase().contains(filter.as_str()))
    };
    let folded = |section| filter.is_none() && model.list.folded.contains(&section);
    let mut rows = Vec::new();
    if filter.is_none() {
        rows.extend([ListRow::Unread, ListRow::Threads, ListRow::Activity]);
    }
    rows.push(ListRow::Section(Section::Channels));
    if !folded(Section::Channels) {
        rows.extend(
            channels(model)
                .into_iter()
                .filter(|entry| fits(&entry.label))
                .map(|e| ListRow::Channel(e.id())),
        );
    }
    let conversations = conversations(model);
    if !conversations.is_empty() {
        rows.push(ListRow::Section(Section::Direct));
        if !folded(Section::Direct) {
            rows.extend(
                conversations
                    .into_iter()
                    .filter(|e| fits(&e.label))
                    .map(|e| ListRow::Channel(e.id())),
            );
        }
    }
    if model.communities.len() > 1 {
        rows.push(ListRow::Section(Section::Communities));
        if !folded(Section::Communities) {
            let communities = model.communities.iter().filter(|entry| fits(&entry.community.name));
            rows.extend(
                communities
                    .zip(1_u8..=u8::MAX)
                    .map(|(entry, n)| ListRow::Community(entry.community.id, n)),
            );
        }
    }
    rows
}

/// The channels of the current community that I am in, by name; the open one also when I am not.
pub(crate) fn channels(model: &Model) -> Vec<&ChannelEntry> {
    let open = model.open.as_ref().map(|open| open.id);
    let mut channels: Vec<&ChannelEntry> = model
        .channels
        .values()
        .filter(|entry| !entry.is_dm() && entry.view.channel.community_id == model.community)
        .filter(|entry| (entry.view.joined && !entry.is_archived()) || open == Some(entry.id()))
        .collect();
    channels.sort_by_key(|entry| (entry.is_voice(), entry.label.as_str()));
    channels
}

/// My conversations, by name: their places are to be learned, so they do not move.
pub(crate) fn conversations(model: &Model) -> Vec<&ChannelEntry> {
    let mut conversations: Vec<&ChannelEntry> =
        model.channels.values().filter(|entry| entry.is_dm()).collect();
    conversations.sort_by_key(|entry| entry.label.to_lowercase());
    conversations
}

/// The next or previous unread channel after the open one, in the order of the list and round its end.
pub(crate) fn next_unread(model: &Model, forwards: bool) -> Option<ajet_shared::id::ChannelId> {
    let mut order: Vec<&ChannelEntry> = channels(model);
    order.extend(conversations(model));
    let elsewhere = model.channels.values().filter(|entry| {
        !entry.is_dm() && entry.view.joined && entry.view.channel.community_id != model.community
    });
    order.extend(elsewhere);
    if !forwards {
        order.reverse();
    }
    let open = model.open.as_ref().map(|open| open.id);
    let here = order.iter().position(|entry| Some(entry.id()) == open).map_or(0, |at| at + 1);
    order
        .iter()
        .cycle()
        .skip(here)
        .take(order.len())
        .find(|entry| entry.is_unread() && Some(entry.id()) != open)
        .map(|entry| entry.id())
}

/// The channel or conversation before or after the open one in the list.
pub(crate) fn neighbour(model: &Model, down: bool) -> Option<ajet_shared::id::ChannelId> {
    let mut order: Vec<&ChannelEntry> = channels(model);
    order.extend(conversations(model));
    let open = model.open.as_ref().map(|open| open.id);
    let here = order.iter().position(|entry| Some(entry.id()) == open);
    let next = match (here, down) {
        (None, _) => 0,
        (Some(at), true) => at + 1,
        (Some(at), false) => at.checked_sub(1)?,
    };
    order.get(next).map(|entry| entry.id())
}
