//! Where one can be: channels, direct messages, threads, and the rows of the list.

use ajet_shared::channel::{ChannelKind, ChannelView, NotifyLevel, Visibility};
use ajet_shared::community::{Community, Role};
use ajet_shared::id::{ChannelId, CommunityId, MessageId, UserId};
use ajet_shared::user::{Author, UserKind};
use time::OffsetDateTime;

/// Somewhere to write: a channel, or a thread in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) channel: ChannelId,
    /// The message whose thread it is.
    pub(crate) parent: Option<MessageId>,
}

impl Place {
    pub(crate) const fn channel(channel: ChannelId) -> Self {
        Self { channel, parent: None }
    }

    pub(crate) const fn thread(channel: ChannelId, parent: MessageId) -> Self {
        Self { channel, parent: Some(parent) }
    }
}

/// A channel or direct message as the list knows it.
#[derive(Clone, Debug)]
pub(crate) struct ChannelEntry {
    /// As the server told it, counters kept current by events.
    pub(crate) view: ChannelView,
    /// `general`, or the names of the others for a direct message. Raw.
    pub(crate) label: String,
    /// The one other person of a direct message of two; me for notes to myself.
    pub(crate) person: Option<UserId>,
    /// When it was opened last, for the order of the palette.
    pub(crate) opened_at: Option<OffsetDateTime>,
}

impl ChannelEntry {
    pub(crate) fn new(view: ChannelView, me: UserId) -> Self {
        let others: Vec<&Author> = view.members.iter().filter(|member| member.id != me).collect();
        let is_dm = matches!(view.channel.kind, ChannelKind::Dm | ChannelKind::GroupDm);
        let label = match &view.channel.name {
            Some(name) if !is_dm => name.clone(),
            _ if others.is_empty() => "notes to myself".to_owned(),
            _ => {
                let names: Vec<&str> = others.iter().map(|one| one.display_name.as_str()).collect();
                names.join(", ")
            }
        };
        let person = match (view.channel.kind, others.as_slice()) {
            (ChannelKind::Dm, [one]) => Some(one.id),
            (ChannelKind::Dm, []) => Some(me),
            _ => None,
        };
        Self { view, label, person, opened_at: None }
    }

    pub(crate) fn id(&self) -> ChannelId {
        self.view.channel.id
    }

    /// Of one or several people, in no community.
    pub(crate) fn is_dm(&self) -> bool {
        matches!(self.view.channel.kind, ChannelKind::Dm | ChannelKind::GroupDm)
    }

    pub(crate) fn is_private(&self) -> bool {
        !self.is_dm() && self.view.channel.visibility == Visibility::Private
    }

    pub(crate) fn is_voice(&self) -> bool {
        self.view.channel.kind == ChannelKind::Voice
    }

    pub(crate) fn is_muted(&self) -> bool {
        self.view.notify_level == NotifyLevel::Nothing
    }

    pub(crate) fn is_archived(&self) -> bool {
        self.view.channel.archived_at.is_some()
    }

    /// Unread messages; none counts while it is muted and nobody mentions me.
    pub(crate) fn is_unread(&self) -> bool {
        self.view.mentions > 0 || (self.view.unread > 0 && !self.is_muted())
    }

    /// `#general`, or `Mara Voss` for a direct message. Raw.
    pub(crate) fn title(&self) -> String {
        if self.is_dm() { self.label.clone() } else { format!("#{}", self.label) }
    }
}

/// A community I am in.
#[derive(Clone, Debug)]
pub(crate) struct CommunityEntry {
    pub(crate) community: Community,
    pub(crate) role: Role,
}

/// Somebody, as far as is known.
#[derive(Clone, Debug)]
pub(crate) struct Person {
    pub(crate) id: UserId,
    pub(crate) username: String,
    pub(crate) display_name: String,
    pub(crate) kind: UserKind,
    pub(crate) online: bool,
}

impl Person {
    pub(crate) fn of(author: &Author) -> Self {
        Self {
            id: author.id,
            username: author.username.clone(),
            display_name: author.display_name.clone(),
            kind: author.kind,
            online: false,
        }
    }
}

/// Parts of the list that fold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Section {
    /// Channels of the current community.
    Channels,
    /// Direct messages.
    Direct,
    /// All communities; there only when there are several.
    Communities,
}

/// A row of the list that can be selected, in the order of [`super::model::Model::list_rows`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum ListRow {
    /// Goes to the next unread channel.
    Unread,
    /// My threads: the activity pane, thread replies only.
    Threads,
    /// The activity pane.
    Activity,
    /// Folds and unfolds.
    Section(Section),
    /// A channel or direct message.
    Channel(ChannelId),
    /// A community, with the digit of `Alt-1..9`.
    Community(CommunityId, u8),
}
