//! The list of channels and direct messages.

use std::collections::HashMap;
use std::hash::BuildHasher;

use ajet_shared::channel::{ChannelView, NotifyLevel};
use ajet_shared::id::{ChannelId, UserId};
use ajet_shared::user::UserKind;
use askama::Template;

use super::activity::Show;
use super::avatar::Avatar;
use super::header::{icon_of, name_of, others};
use super::names::{count, plural};
use super::{filters, fragments};
use crate::urls;

/// One channel or direct message in the list.
#[expect(clippy::struct_excessive_bools, reason = "each is one state that the template asks for")]
#[derive(Template)]
#[template(path = "fragments/nav-row.html")]
pub(crate) struct NavRow<'a> {
    id: ChannelId,
    prefix: &'static str,
    href: String,
    icon: Option<&'static str>,
    avatar: Option<Avatar<'a>>,
    name: String,
    bot: bool,
    current: bool,
    unread: bool,
    muted: bool,
    mentions: i64,
    badge: String,
    badge_words: String,
}

/// `#channel-list`.
#[derive(Template)]
#[template(path = "fragments/channel-list.html")]
pub(crate) struct ChannelList<'a> {
    pub(crate) rows: Vec<NavRow<'a>>,
}

/// `#dm-list`.
#[derive(Template)]
#[template(path = "fragments/dm-list.html")]
pub(crate) struct DmList<'a> {
    pub(crate) rows: Vec<NavRow<'a>>,
}

/// `#inbox-nav`: what calls the reader, wherever it happened.
#[derive(Template)]
#[template(path = "fragments/inbox.html")]
pub(crate) struct Inbox {
    href: String,
    /// How many; empty for none.
    badge: String,
    current: bool,
}

fragments!(NavRow<'_>, ChannelList<'_>, DmList<'_>, Inbox);

impl Inbox {
    /// With so many notifications that were not seen yet.
    pub(crate) fn new(unread: i64, slug: Option<&str>, current: bool) -> Self {
        Self {
            href: urls::activity(Show::All, slug),
            badge: if unread > 0 { count(unread) } else { String::new() },
            current,
        }
    }
}

impl<'a> NavRow<'a> {
    /// A channel of the community with this slug.
    pub(crate) fn of_channel(view: &'a ChannelView, slug: &str, me: UserId, current: bool) -> Self {
        let icon = icon_of(view.channel.visibility);
        Self {
            icon: Some(icon),
            ..Self::new(view, "channel", urls::channel(slug, &name_of(view, me)), me, current)
        }
    }

    /// A direct message, seen from the community with this slug. `online` tells who is there.
    pub(crate) fn of_dm<S: BuildHasher>(
        view: &'a ChannelView,
        slug: Option<&str>,
        me: UserId,
        current: bool,
        online: &HashMap<UserId, bool, S>,
    ) -> Self {
        let people = others(view, me);
        let (avatar, bot) = match people.as_slice() {
            [one] if one.kind == UserKind::Human => (
                Avatar::of(one)
                    .sized("xs")
                    .with_presence(one.id, online.get(&one.id).copied().unwrap_or(false)),
                false,
            ),
            [one] => (Avatar::of(one).sized("xs"), true),
            more => (Avatar::of_group(view.channel.id, more.len()).sized("xs"), false),
        };
        Self {
            avatar: Some(avatar),
            bot,
            ..Self::new(view, "dm", urls::dm(view.channel.id, slug), me, current)
        }
    }

    fn new(
        view: &ChannelView,
        prefix: &'static str,
        href: String,
        me: UserId,
        current: bool,
    ) -> Self {
        let muted = view.notify_level == NotifyLevel::Nothing;
        let mentions = view.mentions;
        let shown = if mentions > 0 { mentions } else { view.unread };
        Self {
            id: view.channel.id,
            prefix,
            href,
            icon: None,
            avatar: None,
            name: name_of(view, me),
            bot: false,
            current,
            unread: mentions > 0 || (view.unread > 0 && !muted),
            muted,
            mentions,
            badge: if shown > 0 { count(shown) } else { String::new() },
            badge_words: if mentions > 0 && prefix == "channel" {
                plural(mentions, "mention", "mentions")
            } else {
                format!("{shown} unread")
            },
        }
    }
}
