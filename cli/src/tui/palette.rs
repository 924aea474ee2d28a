//! `Ctrl-K`: jump, search or run.

use ajet_shared::id::{ChannelId, CommunityId, MessageId, UserId};

use super::composer::Composer;

/// The open palette. Everything in it is ready to be drawn; texts are raw.
#[derive(Clone, Debug, Default)]
pub(crate) struct Palette {
    /// What was typed.
    pub(crate) query: Composer,
    /// Best first, grouped: the view writes the name of the group before the first of each.
    pub(crate) items: Vec<PaletteItem>,
    pub(crate) selected: usize,
    /// A search over all messages is on its way.
    pub(crate) searching: bool,
}

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PaletteItem {
    pub(crate) group: Group,
    /// `#`, `⊡`, `●`, `○`, `/` or nothing.
    pub(crate) mark: &'static str,
    /// `release-room`, `Mara Voss`, `topic`.
    pub(crate) label: String,
    /// `Saltmarsh Labs`, `@mara`, `change the topic`.
    pub(crate) detail: String,
    /// `3`, `@2`, a time; stands at the right.
    pub(crate) note: String,
    pub(crate) does: Jump,
}

/// The groups, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Group {
    /// `GO TO`
    GoTo,
    /// `RUN`
    Run,
    /// `MESSAGES`
    Messages,
}

impl Group {
    /// As it is written over its entries.
    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::GoTo => "GO TO",
            Self::Run => "RUN",
            Self::Messages => "MESSAGES",
        }
    }
}

/// What choosing an entry does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Jump {
    Channel(ChannelId),
    Community(CommunityId),
    /// The direct message with somebody, made where it is not there.
    Person(UserId),
    /// Puts `/name ` into the box.
    Command(String),
    /// A hit of the search.
    Message(ChannelId, MessageId),
    /// Searches everything for this.
    Search(String),
}
