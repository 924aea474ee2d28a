//! What happened for the reader: mentions, direct messages, replies in their threads, invites, changes of their place.

use std::fmt;
use std::str::FromStr;

use ajet_shared::channel::ChannelView;
use ajet_shared::events::{Notification, NotificationKind};
use ajet_shared::id::{MessageId, NotificationId};
use ajet_shared::markdown::plain;
use ajet_shared::message::Message;
use ajet_shared::sync::CommunityView;
use askama::Template;
use serde::Deserialize;

use super::avatar::Avatar;
use super::header::name_of;
use super::message::Time;
use super::shell::{Shell, World};
use super::{filters, fragments};
use crate::urls;

/// Characters of a message that the list shows; the page cuts at two lines.
const EXCERPT_CHARS: usize = 240;

/// What of the list is on show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Show {
    /// Everything.
    #[default]
    All,
    /// Calls by name or with everybody.
    Mentions,
    /// Direct messages.
    Direct,
    /// Replies in threads.
    Threads,
    /// Invites, and what became of one's place.
    System,
}

impl Show {
    const EVERY: [Self; 5] = [Self::All, Self::Mentions, Self::Direct, Self::Threads, Self::System];

    /// This kind is shown.
    pub(crate) fn has(self, kind: NotificationKind) -> bool {
        match kind {
            NotificationKind::Mention => matches!(self, Self::All | Self::Mentions),
            NotificationKind::Dm => matches!(self, Self::All | Self::Direct),
            NotificationKind::ThreadReply => matches!(self, Self::All | Self::Threads),
            NotificationKind::Invite | NotificationKind::System => {
                matches!(self, Self::All | Self::System)
            }
        }
    }

    const fn label(self) -> &'static str {
        match self {
            Self::All => "All",
            Self::Mentions => "Mentions",
            Self::Direct => "Direct",
            Self::Threads => "Threads",
            Self::System => "System",
        }
    }
}

/// As an address carries it.
impl fmt::Display for Show {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::All => "all",
            Self::Mentions => "mentions",
            Self::Direct => "direct",
            Self::Threads => "threads",
            Self::System => "system",
        })
    }
}

impl FromStr for Show {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Self::EVERY.into_iter().find(|show| show.to_string() == text).ok_or(())
    }
}

/// One row of the list.
#[derive(Template)]
#[template(path = "fragments/note.html")]
pub(crate) struct Note<'a> {
    id: NotificationId,
    message_id: Option<MessageId>,
    href: String,
    unread: bool,
    icon: &'static str,
    what: &'static str,
    place: String,
    time: Time,
    avatar: Option<Avatar<'a>>,
    name: &'a str,
    excerpt: String,
}

/// The page.
#[derive(Template)]
#[template(path = "pages/activity.html")]
pub(crate) struct ActivityPage<'a> {
    pub(crate) shell: Shell<'a>,
    pub(crate) tabs: Vec<Tab>,
    pub(crate) notes: Vec<Note<'a>>,
    /// Where older ones are, if there are any.
    pub(crate) older: Option<String>,
    pub(crate) show: Show,
}

/// One of the lists one can choose from.
pub(crate) struct Tab {
    href: String,
    label: &'static str,
    current: bool,
}

fragments!(Note<'_>);

impl Tab {
    /// All of them.
    pub(crate) fn all(show: Show, slug: Option<&str>) -> Vec<Self> {
        let tab = |one: Show| Self {
            href: urls::activity(one, slug),
            label: one.label(),
            current: one == show,
        };
        Show::EVERY.map(tab).into()
    }
}

impl<'a> Note<'a> {
    /// Of a notification; `message` is what is behind it, where there is such a thing and the reader may see it.
    pub(crate) fn new(
        world: &World,
        notification: &'a Notification,
        message: Option<&Message>,
    ) -> Self {
        let (community, channel) = found(world, notification);
        let place = place(world, notification, message, community, channel);
        let (icon, what) = match notification.kind {
            NotificationKind::Mention => ("at", "Mention in"),
            NotificationKind::Dm => ("chat", "Message in"),
            NotificationKind::ThreadReply => ("thread", "Reply in"),
            NotificationKind::Invite => ("user-plus", "Invite to"),
            NotificationKind::System => ("shield", "Your place in"),
        };
        let name = notification.actor.as_ref().map_or("ajet-chat", |actor| &actor.display_name);
        Self {
            id: notification.id,
            message_id: notification.message_id,
            href: href(world, notification, community, channel),
            unread: !notification.read,
            icon,
            what,
            excerpt: excerpt(notification, message, name, &place, community),
            place,
            time: Time::of(notification.created_at),
            avatar: notification.actor.as_ref().map(Avatar::of),
            name,
        }
    }
}

/// Where it happened, as far as the reader is there.
fn found<'w>(
    world: &'w World,
    notification: &Notification,
) -> (Option<&'w CommunityView>, Option<&'w ChannelView>) {
    let communities = &world.sync.communities;
    let community =
        communities.iter().find(|view| Some(view.community.id) == notification.community_id);
    let mut channels = communities.iter().flat_map(|view| &view.channels).chain(&world.sync.dms);
    let channel = channels.find(|view| Some(view.channel.id) == notification.channel_id);
    (community, channel)
}

fn place(
    world: &World,
    notification: &Notification,
    message: Option<&Message>,
    community: Option<&CommunityView>,
    channel: Option<&ChannelView>,
) -> String {
    if notification.kind == NotificationKind::System {
        return community.map_or("a community", |view| &view.community.name).to_owned();
    }
    let channel = match channel {
        Some(view) if view.channel.name.is_some() => format!("#{}", name_of(view, world.me.id)),
        Some(view) if view.members.len() > 2 => name_of(view, world.me.id),
        Some(_) => "a direct message".to_owned(),
        None => "a channel".to_owned(),
    };
    let in_thread = notification.kind == NotificationKind::ThreadReply
        || message.is_some_and(|message| message.parent_id.is_some());
    let elsewhere = community
        .filter(|view| world.community().is_none_or(|shown| shown.community != view.community));
    let parts = [in_thread.then(|| "a thread".to_owned()), Some(channel)]
        .into_iter()
        .flatten()
        .chain(elsewhere.map(|view| view.community.name.clone()));
    parts.collect::<Vec<_>>().join(", ")
}

fn href(
    world: &World,
    notification: &Notification,
    community: Option<&CommunityView>,
    channel: Option<&ChannelView>,
) -> String {
    match (notification.message_id, channel, community) {
        (Some(id), ..) => format!("/m/{id}"),
        (None, Some(channel), community) => urls::of(channel, community.or(world.community())),
        (None, None, Some(view)) => urls::community(&view.community.slug),
        (None, None, None) => "/".to_owned(),
    }
}

fn excerpt(
    notification: &Notification,
    message: Option<&Message>,
    name: &str,
    place: &str,
    community: Option<&CommunityView>,
) -> String {
    match (notification.kind, message, community) {
        (NotificationKind::Invite, ..) => format!("{name} added you to {place}."),
        (NotificationKind::System, _, Some(view)) => {
            format!("{name} changed your place here. You are {} now.", with_article(view.role))
        }
        (NotificationKind::System, _, None) => "You are not in this community any more.".to_owned(),
        (_, Some(message), _) if message.deleted_at.is_some() => {
            "This message was deleted.".to_owned()
        }
        (_, Some(message), _) => {
            let text = plain(&message.body_md, EXCERPT_CHARS);
            if text.is_empty() { "A file.".to_owned() } else { text }
        }
        (_, None, _) => "This message is not open to you any more.".to_owned(),
    }
}

const fn with_article(role: ajet_shared::community::Role) -> &'static str {
    use ajet_shared::community::Role;
    match role {
        Role::Member => "a member",
        Role::Admin => "an admin",
        Role::Owner => "an owner",
    }
}

#[cfg(test)]
mod tests {
    use ajet_shared::user::Author;

    use super::*;
    use crate::fixtures::{HOSTILE, NOON, author, message, world};
    use crate::view::render;

    fn notification(kind: NotificationKind, world: &World, actor: &Author) -> Notification {
        let here = world.here.as_ref().unwrap();
        Notification {
            id: NotificationId::new(),
            kind,
            community_id: here.channel.community_id,
            channel_id: Some(here.channel.id),
            message_id: None,
            actor: Some(actor.clone()),
            read: false,
            created_at: NOON,
        }
    }

    #[test]
    fn every_kind_says_what_where_and_by_whom() {
        let (world, lena) = (world(&["general"]), author("Lena"));
        let here = world.here.clone().unwrap();
        let post = message(&lena, &here, 1, "@ola **look**");
        let mut note = notification(NotificationKind::Mention, &world, &lena);
        note.message_id = Some(post.id);
        let html = render(&Note::new(&world, &note, Some(&post)));
        for part in ["Mention in", "<b>#general</b>", "@ola look", "class=\"dot\"", "Lena"] {
            assert!(html.contains(part), "{part}: {html}");
        }
        assert!(html.contains(&format!("href=\"/m/{}\"", post.id)));
        let mut reply = post.clone();
        reply.parent_id = Some(post.id);
        note.kind = NotificationKind::ThreadReply;
        note.read = true;
        let html = render(&Note::new(&world, &note, Some(&reply)));
        assert!(html.contains("Reply in <b>a thread, #general</b>") && !html.contains("dot"));
        let html = render(&Note::new(&world, &note, None));
        assert!(html.contains("not open to you any more"), "{html}");

        let invite = notification(NotificationKind::Invite, &world, &lena);
        let html = render(&Note::new(&world, &invite, None));
        assert!(html.contains("Lena added you to #general."), "{html}");
        assert!(html.contains("href=\"/c/labs/channels/general\""));
        let mut system = notification(NotificationKind::System, &world, &lena);
        let html = render(&Note::new(&world, &system, None));
        assert!(html.contains("Your place in <b>Labs</b>") && html.contains("an owner"), "{html}");
        system.community_id = None;
        system.channel_id = None;
        system.actor = None;
        let html = render(&Note::new(&world, &system, None));
        assert!(html.contains("href=\"/\"") && html.contains("ajet-chat"), "{html}");
    }

    #[test]
    fn names_and_texts_stay_text() {
        let (mut world, mut mallory) = (world(&["general"]), author("Mallory"));
        mallory.display_name = HOSTILE.into();
        world.sync.communities[0].channels[0].channel.name = Some(HOSTILE.into());
        world.sync.communities[0].community.name = HOSTILE.into();
        let post = message(&mallory, &world.here.clone().unwrap(), 1, HOSTILE);
        for kind in [NotificationKind::Mention, NotificationKind::Invite, NotificationKind::System]
        {
            let note = notification(kind, &world, &mallory);
            let html = render(&Note::new(&world, &note, Some(&post)));
            assert!(!html.contains("<script>") && !html.contains("<img"), "{html}");
        }
    }

    #[test]
    fn a_list_shows_its_kinds() {
        assert!(Show::EVERY.into_iter().all(|show| show.to_string().parse() == Ok(show)));
        assert!(Show::All.has(NotificationKind::Dm) && !Show::Mentions.has(NotificationKind::Dm));
        assert!(Show::System.has(NotificationKind::Invite));
    }
}
