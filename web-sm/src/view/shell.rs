//! The frame around every page: communities, channels, direct messages, and what the stream needs to know.

use std::collections::HashMap;
use std::fmt;

use ajet_shared::channel::{ChannelView, NotifyLevel};
use ajet_shared::community::Role;
use ajet_shared::hue::hue;
use ajet_shared::id::{ChannelId, CommunityId, UserId};
use ajet_shared::position::Position;
use ajet_shared::sync::{CommunityView, Sync};
use ajet_shared::user::{Author, UserKind};
use askama::Template;

use super::activity::Show;
use super::avatar::Avatar;
use super::message::Tail;
use super::names::{count, plural};
use super::sidebar::{ChannelList, DmList, Inbox, NavRow};
use super::{filters, fragments, header};
use crate::urls;

/// What a page is drawn from. The cursor in `sync` was read before all of it.
pub(crate) struct World {
    /// The reader's communities, channels and direct messages.
    pub(crate) sync: Sync,
    /// The reader as others see them.
    pub(crate) me: Author,
    /// The community on show, as an index into `sync.communities`.
    pub(crate) community: Option<usize>,
    /// The channel on show; perhaps one that the reader only reads.
    pub(crate) here: Option<ChannelView>,
    /// The page is the activity list, showing this of it.
    pub(crate) activity: Option<Show>,
    /// Who of the people in direct messages is there.
    pub(crate) online: HashMap<UserId, bool>,
}

impl World {
    /// The reader's state, with nothing on show yet.
    pub(crate) fn new(sync: Sync) -> Self {
        let me = author_of(&sync);
        Self { sync, me, community: None, here: None, activity: None, online: HashMap::new() }
    }

    /// The community on show.
    pub(crate) fn community(&self) -> Option<&CommunityView> {
        self.sync.communities.get(self.community?)
    }

    /// Its slug.
    pub(crate) fn slug(&self) -> Option<&str> {
        self.community().map(|view| view.community.slug.as_str())
    }

    /// The reader may invite people to the community on show. What the api decides, for what is offered.
    pub(crate) fn may_invite(&self) -> bool {
        self.community()
            .is_some_and(|view| view.role >= Role::Admin || view.community.members_may_invite)
    }

    /// The channel to begin with: `general`, or the first one that is not archived.
    pub(crate) fn first_channel(&self) -> Option<&ChannelView> {
        let mut open =
            self.community()?.channels.iter().filter(|view| view.channel.archived_at.is_none());
        let general = open.clone().find(|view| view.channel.name.as_deref() == Some("general"));
        general.or_else(|| open.next())
    }

    /// The address of the channel or list on show.
    pub(crate) fn path(&self) -> String {
        if let Some(show) = self.activity {
            return urls::activity(show, self.slug());
        }
        match (&self.here, self.community()) {
            (Some(here), community) => urls::of(here, community),
            (None, Some(view)) => urls::community(&view.community.slug),
            (None, None) => "/".to_owned(),
        }
    }

    /// `#inbox-nav`.
    pub(crate) fn inbox(&self) -> Inbox {
        Inbox::new(self.sync.unread_notifications, self.slug(), self.activity.is_some())
    }

    /// `#channel-list` of the community on show.
    pub(crate) fn channel_list(&self) -> ChannelList<'_> {
        let rows = self.community().into_iter().flat_map(|view| {
            let shown = view
                .channels
                .iter()
                .filter(|channel| channel.channel.archived_at.is_none() || self.is_here(channel));
            shown.map(|channel| {
                NavRow::of_channel(channel, &view.community.slug, self.me.id, self.is_here(channel))
            })
        });
        ChannelList { rows: rows.collect() }
    }

    /// `#dm-list`.
    pub(crate) fn dm_list(&self) -> DmList<'_> {
        let rows =
            self.sync.dms.iter().map(|dm| {
                NavRow::of_dm(dm, self.slug(), self.me.id, self.is_here(dm), &self.online)
            });
        DmList { rows: rows.collect() }
    }

    fn is_here(&self, view: &ChannelView) -> bool {
        self.here.as_ref().is_some_and(|here| here.channel.id == view.channel.id)
    }

    /// What the rail says of each community beside its name: that something is unread, and how many mentions.
    pub(crate) fn marks(&self) -> impl Iterator<Item = Mark> {
        self.sync.communities.iter().map(|view| Mark {
            unread: view.channels.iter().any(counts),
            mentions: view.channels.iter().map(|channel| channel.mentions).sum(),
        })
    }

    /// `#rail`'s list.
    pub(crate) fn rail(&self) -> Rail<'_> {
        let communities = self.sync.communities.iter().zip(self.marks()).enumerate();
        let items = communities.map(|(n, (view, Mark { unread, mentions }))| RailItem {
            id: view.community.id,
            href: urls::community(&view.community.slug),
            avatar: Avatar::of_community(view.community.id, &view.community.name),
            name: &view.community.name,
            current: Some(n) == self.community,
            unread,
            mentions: if mentions > 0 { count(mentions) } else { String::new() },
            words: match (mentions, unread) {
                (0, false) => String::new(),
                (0, true) => ", unread messages".to_owned(),
                _ => format!(", {}", plural(mentions, "mention", "mentions")),
            },
        });
        Rail { items: items.collect() }
    }

    /// Unread messages everywhere, muted channels left out; and those of the channel on show.
    pub(crate) fn badge(&self) -> Badge {
        let all =
            self.sync.communities.iter().flat_map(|view| &view.channels).chain(&self.sync.dms);
        let mut badge = Badge::default();
        for view in all.filter(|view| counts(view)) {
            badge.total += view.unread;
            if self.is_here(view) {
                badge.here = view.unread;
            }
        }
        badge
    }
}

/// Unread messages of this channel call for attention.
fn counts(view: &ChannelView) -> bool {
    view.unread > 0 && (view.notify_level != NotifyLevel::Nothing || view.mentions > 0)
}

/// The caller as an author stub.
fn author_of(sync: &Sync) -> Author {
    let user = &sync.me.user;
    Author {
        id: user.id,
        username: user.username.clone(),
        display_name: user.display_name.clone(),
        avatar_url: user.avatar_url.clone(),
        kind: UserKind::Human,
    }
}

/// What the rail says of a community beside its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    unread: bool,
    mentions: i64,
}

/// What of a channel stands in parts of the page that no stream draws: its name, in the address and the title, and what is at its
/// foot. As text for the stream's address.
pub(crate) fn face(view: &ChannelView) -> String {
    let foot = match (view.channel.archived_at, view.joined) {
        (Some(_), _) => "archived",
        (None, true) => "write",
        (None, false) => "join",
    };
    format!("{foot}.{}", view.channel.name.as_deref().unwrap_or_default())
}

/// Numbers for the title and the icon.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Badge {
    /// Unread messages.
    pub(crate) total: i64,
    /// Those of the channel on show.
    pub(crate) here: i64,
}

/// The communities.
#[derive(Template)]
#[template(path = "fragments/rail.html")]
pub(crate) struct Rail<'a> {
    items: Vec<RailItem<'a>>,
}

struct RailItem<'a> {
    id: CommunityId,
    href: String,
    avatar: Avatar<'a>,
    name: &'a str,
    current: bool,
    unread: bool,
    mentions: String,
    words: String,
}

fragments!(Rail<'_>, InviteEntry);

/// What the stream is asked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct StreamQuery {
    pub(crate) cursor: Position,
    pub(crate) community: Option<CommunityId>,
    pub(crate) channel: Option<ChannelId>,
    /// See [`face`].
    pub(crate) face: Option<String>,
    /// Place in the channel of the newest message on the page: what the stream brings up to here is on it already.
    pub(crate) seen: i64,
    /// The newest message, for grouping with what comes.
    pub(crate) tail: Option<Tail>,
    /// What of the activity list is on show.
    pub(crate) activity: Option<Show>,
}

/// As the query of an address inside an HTML attribute.
impl fmt::Display for StreamQuery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cursor={}&amp;seen={}", self.cursor, self.seen)?;
        if let Some(id) = self.community {
            write!(f, "&amp;community={id}")?;
        }
        if let Some(id) = self.channel {
            write!(f, "&amp;channel={id}")?;
        }
        if let Some(face) = &self.face {
            write!(f, "&amp;face={}", urls::segment(face))?;
        }
        if let Some(tail) = self.tail {
            write!(f, "&amp;tail={tail}")?;
        }
        if let Some(show) = self.activity {
            write!(f, "&amp;activity={show}")?;
        }
        Ok(())
    }
}

/// Which part a phone shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum View {
    /// The lists.
    Nav,
    /// The channel.
    Main,
    /// The pane.
    Pane,
}

impl fmt::Display for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nav => "nav",
            Self::Main => "main",
            Self::Pane => "pane",
        })
    }
}

/// `#invite-entry`, in the community's menu; hidden from those who may not invite.
#[derive(Template)]
#[template(path = "fragments/invite-entry.html")]
pub(crate) struct InviteEntry {
    home: String,
    shown: bool,
}

impl InviteEntry {
    /// Of the community on show.
    pub(crate) fn of(world: &World) -> Self {
        Self {
            home: world.slug().map_or_else(|| "/".to_owned(), urls::community),
            shown: world.may_invite(),
        }
    }
}

/// Everything of the frame, for the layout.
pub(crate) struct Shell<'a> {
    pub(crate) hue: u8,
    pub(crate) nonce: &'a str,
    pub(crate) title: String,
    pub(crate) canonical: String,
    pub(crate) view: View,
    pub(crate) me: &'a Author,
    pub(crate) me_hex: String,
    pub(crate) my_avatar: Avatar<'a>,
    pub(crate) stream: StreamQuery,
    pub(crate) badge: Badge,
    pub(crate) community: Option<&'a str>,
    pub(crate) home: String,
    /// The reader is an owner or admin of the community.
    pub(crate) is_admin: bool,
    pub(crate) invite: InviteEntry,
    pub(crate) rail: Rail<'a>,
    pub(crate) inbox: Inbox,
    pub(crate) channels: ChannelList<'a>,
    pub(crate) dms: DmList<'a>,
}

impl<'a> Shell<'a> {
    /// The frame around a channel of the world, or around another page called `title`.
    pub(crate) fn new(
        world: &'a World,
        view: View,
        title: &str,
        nonce: &'a str,
        seen: i64,
    ) -> Self {
        let community = world.community();
        let name = community.map(|view| view.community.name.as_str());
        let subject = world
            .here
            .as_ref()
            .map_or_else(|| title.to_owned(), |here| header::title_of(here, world.me.id));
        Self {
            hue: community.map_or(6, |view| hue(view.community.id)),
            nonce,
            title: [Some(subject.as_str()), name, Some("ajet-chat")]
                .into_iter()
                .flatten()
                .collect::<Vec<_>>()
                .join(" · "),
            canonical: world.path(),
            view,
            me: &world.me,
            me_hex: world.me.id.uuid().simple().to_string(),
            my_avatar: Avatar::of(&world.me),
            stream: StreamQuery {
                cursor: world.sync.cursor,
                community: community.map(|view| view.community.id),
                channel: world.here.as_ref().map(|here| here.channel.id),
                face: world.here.as_ref().map(face),
                seen,
                tail: None,
                activity: world.activity,
            },
            badge: world.badge(),
            community: name,
            home: community
                .map_or_else(|| "/".to_owned(), |view| urls::community(&view.community.slug)),
            is_admin: community.is_some_and(|view| view.role >= Role::Admin),
            invite: InviteEntry::of(world),
            rail: world.rail(),
            inbox: world.inbox(),
            channels: world.channel_list(),
            dms: world.dm_list(),
        }
    }

    /// The reader's avatar with a dot, for the button at the foot of the communities.
    pub(crate) fn my_small_avatar(&self) -> Avatar<'_> {
        Avatar::of(self.me).sized("m").with_presence(self.me.id, true)
    }
}
