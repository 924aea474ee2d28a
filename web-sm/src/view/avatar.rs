//! The picture or initials of a person, and the dot that says whether somebody is there.

use ajet_shared::hue::hue;
use ajet_shared::id::UserId;
use ajet_shared::user::{Author, User, UserKind};
use askama::Template;

use super::{filters, fragments, names};

/// An avatar.
#[derive(Template)]
#[template(path = "fragments/avatar.html")]
pub(crate) struct Avatar<'a> {
    hue: u8,
    bot: bool,
    size: &'static str,
    picture: Option<&'a str>,
    initials: String,
    presence: Option<Presence>,
}

/// Whether somebody is there. Drawn several times for one person, so it is found by its attribute.
#[derive(Template)]
#[template(path = "fragments/presence.html")]
pub(crate) struct Presence {
    pub(crate) user_id: UserId,
    pub(crate) online: bool,
}

fragments!(Avatar<'_>, Presence);

impl<'a> Avatar<'a> {
    /// A person's avatar at the size of a message.
    pub(crate) fn of(author: &'a Author) -> Self {
        Self {
            hue: hue(author.id),
            bot: author.kind == UserKind::Bot,
            size: "",
            picture: author.avatar_url.as_deref(),
            initials: names::initials(&author.display_name),
            presence: None,
        }
    }

    /// The same of a profile.
    pub(crate) fn of_user(user: &'a User) -> Self {
        Self {
            hue: hue(user.id),
            bot: user.kind == UserKind::Bot,
            size: "",
            picture: user.avatar_url.as_deref(),
            initials: names::initials(&user.display_name),
            presence: None,
        }
    }

    /// A community's sign.
    pub(crate) fn of_community(id: ajet_shared::id::CommunityId, name: &str) -> Self {
        Self {
            hue: hue(id),
            bot: false,
            size: "",
            picture: None,
            initials: names::initials(name),
            presence: None,
        }
    }

    /// A group's number of people.
    pub(crate) fn of_group(id: ajet_shared::id::ChannelId, people: usize) -> Self {
        Self {
            hue: hue(id),
            bot: false,
            size: "",
            picture: None,
            initials: people.to_string(),
            presence: None,
        }
    }

    /// At another size: `xs`, `s`, `m` or `xl`.
    pub(crate) fn sized(mut self, size: &'static str) -> Self {
        self.size = size;
        self
    }

    /// With a dot.
    pub(crate) fn with_presence(mut self, user_id: UserId, online: bool) -> Self {
        self.presence = Some(Presence { user_id, online });
        self
    }
}
