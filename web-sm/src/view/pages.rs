//! Whole pages.

use ajet_shared::channel::ChannelView;
use ajet_shared::hue::hue;
use ajet_shared::id::{ChannelId, CommunityId};
use ajet_shared::problem::Problem;
use askama::Template;

use super::composer::Composer;
use super::header::{Header, icon_of};
use super::shell::Shell;
use super::timeline::Item;
use super::{filters, fragments, members, thread};

/// A channel or direct message, perhaps with a pane.
#[derive(Template)]
#[template(path = "pages/channel.html")]
pub(crate) struct ChannelPage<'a> {
    pub(crate) shell: Shell<'a>,
    pub(crate) channel_id: ChannelId,
    pub(crate) header: Header<'a>,
    pub(crate) label: String,
    pub(crate) items: Vec<Item<'a>>,
    pub(crate) composer: Composer,
    pub(crate) pane: Option<Pane<'a>>,
}

/// What stands beside a channel.
pub(crate) enum Pane<'a> {
    /// A thread.
    Thread(Box<thread::Pane<'a>>),
    /// Who is in the channel.
    Members(members::Pane<'a>),
}

impl std::fmt::Display for Pane<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Thread(pane) => pane.fmt(f),
            Self::Members(pane) => pane.fmt(f),
        }
    }
}

fragments!(Pane<'_>, BrowseRow, FormError<'_>, Notice, Reveal<'_>, SignedOut, Extras);

/// The public channels of a community.
#[derive(Template)]
#[template(path = "pages/browse.html")]
pub(crate) struct BrowsePage<'a> {
    pub(crate) shell: Shell<'a>,
    pub(crate) rows: Vec<BrowseRow>,
}

/// One of them.
#[derive(Template)]
#[template(path = "fragments/browse-row.html")]
pub(crate) struct BrowseRow {
    id: ChannelId,
    hue: u8,
    icon: &'static str,
    name: String,
    href: String,
    topic: String,
    members: String,
    joined: bool,
}

impl BrowseRow {
    /// A channel of the community with this slug.
    pub(crate) fn new(view: &ChannelView, slug: &str) -> Self {
        let name = view.channel.name.clone().unwrap_or_default();
        Self {
            id: view.channel.id,
            hue: hue(view.channel.id),
            icon: icon_of(view.channel.visibility),
            href: crate::urls::channel(slug, &name),
            name,
            topic: view.channel.topic.clone().unwrap_or_default(),
            members: super::names::plural(view.member_count, "member", "members"),
            joined: view.joined,
        }
    }
}

/// The form for a new channel.
#[derive(Template)]
#[template(path = "pages/new-channel.html")]
pub(crate) struct NewChannelPage<'a> {
    pub(crate) shell: Shell<'a>,
    pub(crate) community_id: CommunityId,
}

/// The form for a new invite.
#[derive(Template)]
#[template(path = "pages/invite.html")]
pub(crate) struct InvitePage<'a> {
    pub(crate) shell: Shell<'a>,
    pub(crate) community_id: CommunityId,
}

/// Nothing to show: no community yet, or none of its channels joined.
#[derive(Template)]
#[template(path = "pages/nothing.html")]
pub(crate) struct NothingPage<'a> {
    pub(crate) shell: Shell<'a>,
}

/// Something went wrong; one way on.
#[derive(Template)]
#[template(path = "pages/error.html")]
pub(crate) struct ErrorPage<'a> {
    status: u16,
    title: &'a str,
    detail: &'a str,
    trace_id: Option<&'a str>,
    way: (&'static str, &'static str),
}

impl<'a> ErrorPage<'a> {
    /// Of a problem.
    pub(crate) fn new(problem: &'a Problem) -> Self {
        let (title, detail, way) = match problem.status {
            404 => (
                "This page does not exist",
                "The link may be old, or what it leads to is not open to you.",
                ("/", "Go to your channels"),
            ),
            403 => (
                "This is not open to you",
                "Ask an owner or admin of the community if you need it.",
                ("/", "Go to your channels"),
            ),
            503 => (
                "Part of the server is not reachable",
                "Nothing was lost. It comes back by itself; try again in a moment.",
                ("", "Try again"),
            ),
            429 => ("Too many requests", "Wait a moment, then try again.", ("", "Try again")),
            500.. => (
                "Something went wrong",
                "The error was noted. Try again, or tell an admin the number below.",
                ("", "Try again"),
            ),
            _ => (
                problem.title.as_str(),
                problem.detail.as_deref().unwrap_or_default(),
                ("/", "Go to your channels"),
            ),
        };
        Self { status: problem.status, title, detail, trace_id: problem.trace_id.as_deref(), way }
    }
}

/// What a form could not do.
#[derive(Template)]
#[template(path = "fragments/form-error.html")]
pub(crate) struct FormError<'a> {
    pub(crate) text: &'a str,
}

/// A secret, shown once.
#[derive(Template)]
#[template(path = "fragments/reveal.html")]
pub(crate) struct Reveal<'a> {
    pub(crate) url: &'a str,
    pub(crate) note: String,
}

/// Menus, dialogs and the emoji, the same for everybody: fetched when a page has come to rest, before anybody asks for them.
#[derive(Template)]
#[template(path = "fragments/extras.html")]
pub(crate) struct Extras;

/// The end of a stream whose session is over.
#[derive(Template)]
#[template(path = "fragments/signed-out.html")]
pub(crate) struct SignedOut;

/// What the service has to say about itself.
#[derive(Template)]
#[template(path = "fragments/notice.html")]
pub(crate) struct Notice {
    text: &'static str,
    /// The service knows how it goes on, so the page does not take over with a word of its own.
    info: bool,
}

impl Notice {
    /// Nothing: all is well.
    pub(crate) const NOTHING: Self = Self { text: "", info: false };
    /// No events flow.
    pub(crate) const PAUSED: Self = Self {
        text: "Live updates are paused. You can keep writing; what others write comes when they are back.",
        info: false,
    };
    /// The service stops.
    pub(crate) const STOPPING: Self = Self {
        text: "The server restarts. You can keep writing, messages go out when it is back.",
        info: true,
    };
    /// There is no room for another stream.
    pub(crate) const FULL: Self = Self {
        text: "The server is busy: live updates begin when there is room. You can keep writing.",
        info: true,
    };
}
