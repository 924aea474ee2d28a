//! Everything the terminal interface knows, as plain data. [`super::update`] changes it, [`super::view`] draws it; neither does IO.
//!
//! For the view: every string here that came from the server is raw, unless its documentation says otherwise, and goes through
//! `ajet_shared::terminal` before it is drawn. Times are UTC; `crate::zone::local` turns them into the reader's.

use std::collections::{BTreeMap, HashMap, HashSet};

use ajet_shared::command::CommandInfo;
use ajet_shared::events::Notification;
use ajet_shared::id::{ChannelId, CommunityId, MessageId, UserId};
use ajet_shared::message::Message;
use ajet_shared::unread::Unread;
use ajet_shared::user::{Author, UserKind};
use time::OffsetDateTime;

use super::composer::Composer;
use super::drawn::Drawn;
use super::outbox::OutboxEntry;
use super::overlay::Overlay;
use super::places::{ChannelEntry, CommunityEntry, ListRow, Person, Place, Section};
use super::timeline::{Row, Timeline};

/// The smallest screen that is drawn (design/tui.md §1).
pub(crate) const SMALLEST: (u16, u16) = (40, 10);
/// From this width on the pane stands beside the messages.
pub(crate) const PANE_FROM: u16 = 110;
/// From this width on the list stands beside the messages.
pub(crate) const LIST_FROM: u16 = 64;

/// All of it.
#[derive(Clone, Debug)]
pub(crate) struct Model {
    /// The moment of the last event; the view counts from it and never asks a clock.
    pub(crate) now: OffsetDateTime,
    /// Columns and rows.
    pub(crate) size: (u16, u16),
    /// The terminal has the focus; true where it does not tell.
    pub(crate) focused: bool,
    /// Me; none until the first answer of the server.
    pub(crate) me: Option<Author>,
    /// `chat.example.org`, for links and for who is signed out where. With the scheme.
    pub(crate) server: String,

    pub(crate) communities: Vec<CommunityEntry>,
    /// The one whose channels the list shows.
    pub(crate) community: Option<CommunityId>,
    /// Channels of all communities and direct messages, by id.
    pub(crate) channels: BTreeMap<ChannelId, ChannelEntry>,
    pub(crate) people: HashMap<UserId, Person>,

    /// What the centre shows; none before the first answer, or when there is no channel at all.
    pub(crate) open: Option<OpenChannel>,
    /// What the right shows.
    pub(crate) pane: Option<Pane>,
    pub(crate) activity: Activity,
    pub(crate) list: List,

    pub(crate) mode: Mode,
    /// Where insert and message mode work.
    pub(crate) focus: Zone,
    pub(crate) overlay: Option<Overlay>,
    /// The first half of a key of two: `g`, `d`, `z`, or `Ctrl-X` as `X`. The status row shows what can follow.
    pub(crate) prefix: Option<char>,

    pub(crate) status: Option<Status>,
    pub(crate) connection: Connection,
    pub(crate) outbox: Vec<OutboxEntry>,
    /// Texts begun elsewhere than in the open boxes.
    pub(crate) drafts: HashMap<Place, String>,
    pub(crate) typists: Vec<Typist>,
    /// What may be run in the open channel.
    pub(crate) commands: Vec<CommandInfo>,
    /// Search in the loaded messages of the focused zone.
    pub(crate) search: Option<Search>,
    /// What was drawn last.
    pub(crate) drawn: Drawn,
    /// Housekeeping of `update`; nothing to draw.
    pub(crate) work: super::update::Work,
}

/// The channel in the centre.
#[derive(Clone, Debug)]
pub(crate) struct OpenChannel {
    pub(crate) id: ChannelId,
    pub(crate) timeline: Timeline,
    pub(crate) composer: Composer,
}

/// The right zone. Below 110 columns it stands in place of the messages.
#[derive(Clone, Debug)]
pub(crate) enum Pane {
    Thread(Box<ThreadPane>),
    /// [`Model::activity`].
    Activity,
}

/// A thread.
#[derive(Clone, Debug)]
pub(crate) struct ThreadPane {
    pub(crate) channel: ChannelId,
    /// The message it hangs on, shown first, over a rule with the number of replies.
    pub(crate) parent: Message,
    /// The replies.
    pub(crate) timeline: Timeline,
    pub(crate) composer: Composer,
}

impl ThreadPane {
    pub(crate) fn place(&self) -> Place {
        Place::thread(self.channel, self.parent.id)
    }
}

/// What I was notified of, newest first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Activity {
    pub(crate) items: Vec<ActivityItem>,
    pub(crate) selected: usize,
    /// Over all, not only of what is loaded.
    pub(crate) unread: Unread,
    /// Only answers in threads.
    pub(crate) threads_only: bool,
    pub(crate) loading: bool,
}

impl Activity {
    /// What the pane shows: positions in `items`.
    pub(crate) fn shown(&self) -> Vec<usize> {
        (0..self.items.len())
            .filter(|at| {
                !self.threads_only
                    || self.items[*at].notification.kind
                        == ajet_shared::events::NotificationKind::ThreadReply
            })
            .collect()
    }
}

/// A notification and, once it was read from the server, the beginning of its message.
#[derive(Clone, Debug)]
pub(crate) struct ActivityItem {
    pub(crate) notification: Notification,
    /// Markdown.
    pub(crate) excerpt: Option<String>,
}

/// The list at the left.
#[derive(Clone, Debug, Default)]
pub(crate) struct List {
    /// The cursor of list mode.
    pub(crate) selected: Option<ListRow>,
    pub(crate) folded: HashSet<Section>,
    /// `Ctrl-B` took it away.
    pub(crate) hidden: bool,
    /// `/` in list mode: only rows that fit. Shown in place of the community's name.
    pub(crate) filter: Option<Composer>,
}

/// What letters do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// They are written. `INS`
    Insert,
    /// They act on the selected message. `MSG`
    Message,
    /// They move in the list. `LST`
    List,
}

/// A part of the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Zone {
    List,
    /// The messages in the centre, with their box.
    Channel,
    /// The thread or activity, with its box.
    Pane,
}

/// A sentence in the status row, in place of the hints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Status {
    /// Safe for a terminal, one line; the mark is not in it.
    pub(crate) text: String,
    pub(crate) tone: Tone,
    pub(crate) until: OffsetDateTime,
}

/// How it is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    /// `✓`
    Good,
    /// Plain.
    Info,
    /// `✗`
    Bad,
}

/// How the server is reached (design/tui.md §1.5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Connection {
    /// For the first time.
    Connecting,
    /// `● live`
    Live,
    /// `◐ catching up`, with what came so far.
    CatchingUp(u64),
    /// A row of its own at the top: `▲ Reconnecting in N s (try K)`.
    Reconnecting { at: OffsetDateTime, attempt: u32 },
    /// A row of its own at the top: `✗ Signed out, run ajet-chat login`.
    SignedOut,
}

/// Somebody writes somewhere.
#[derive(Clone, Debug)]
pub(crate) struct Typist {
    pub(crate) place: Place,
    pub(crate) user: UserId,
    /// Raw.
    pub(crate) name: String,
    pub(crate) until: OffsetDateTime,
}

/// `/` in message mode.
#[derive(Clone, Debug, Default)]
pub(crate) struct Search {
    /// Lower case, to be highlighted.
    pub(crate) query: String,
    /// Oldest first.
    pub(crate) hits: Vec<MessageId>,
    /// Which of them is selected.
    pub(crate) current: usize,
}

impl Model {
    /// Nothing is known yet.
    pub(crate) fn new(now: OffsetDateTime, size: (u16, u16), server: String) -> Self {
        Self {
            now,
            size,
            focused: true,
            me: None,
            server,
            communities: Vec::new(),
            community: None,
            channels: BTreeMap::new(),
            people: HashMap::new(),
            open: None,
            pane: None,
            activity: Activity::default(),
            list: List::default(),
            mode: Mode::Insert,
            focus: Zone::Channel,
            overlay: None,
            prefix: None,
            status: None,
            connection: Connection::Connecting,
            outbox: Vec::new(),
            drafts: HashMap::new(),
            typists: Vec::new(),
            commands: Vec::new(),
            search: None,
            drawn: Drawn::default(),
            work: super::update::Work::starting(now),
        }
    }

    /// The window's title: `(2) #release-room · ajet-chat`. Raw.
    pub(crate) fn title(&self) -> String {
        let place = self.channel().map(|entry| format!("{} · ", entry.title())).unwrap_or_default();
        match self.unread_channels() {
            0 => format!("{place}ajet-chat"),
            count => format!("({count}) {place}ajet-chat"),
        }
    }

    /// What a timeline of this place shows, top to bottom.
    pub(crate) fn rows<'a>(&'a self, timeline: &'a Timeline, place: Place) -> Vec<Row<'a>> {
        timeline.rows(self.my_outbox().filter(move |entry| entry.place == place))
    }

    /// What I wrote and is not sent yet. Another account of this machine has its own.
    pub(crate) fn my_outbox(&self) -> impl Iterator<Item = &OutboxEntry> {
        let me = self.my_id();
        self.outbox.iter().filter(move |entry| Some(entry.user) == me)
    }

    /// The open thread.
    pub(crate) fn thread(&self) -> Option<&ThreadPane> {
        match &self.pane {
            Some(Pane::Thread(thread)) => Some(thread),
            _ => None,
        }
    }

    pub(crate) fn thread_mut(&mut self) -> Option<&mut ThreadPane> {
        match &mut self.pane {
            Some(Pane::Thread(thread)) => Some(thread),
            _ => None,
        }
    }

    /// The channel in the centre.
    pub(crate) fn channel(&self) -> Option<&ChannelEntry> {
        self.channels.get(&self.open.as_ref()?.id)
    }

    pub(crate) fn is_me(&self, user: UserId) -> bool {
        self.me.as_ref().is_some_and(|me| me.id == user)
    }

    pub(crate) fn my_id(&self) -> Option<UserId> {
        self.me.as_ref().map(|me| me.id)
    }

    /// Whether a message calls me: the row gets `┃`.
    pub(crate) fn mentions_me(&self, message: &Message) -> bool {
        use ajet_shared::message::MentionKind;
        self.my_id().is_some_and(|me| {
            message.author.id != me
                && message
                    .mentions
                    .iter()
                    .any(|mention| mention.kind != MentionKind::User || mention.id == Some(me))
        })
    }

    /// Too small to draw anything but that.
    pub(crate) fn is_too_small(&self) -> bool {
        self.size.0 < SMALLEST.0 || self.size.1 < SMALLEST.1
    }

    /// The list has columns of its own.
    pub(crate) fn list_beside(&self) -> bool {
        self.size.0 >= LIST_FROM && !self.list.hidden
    }

    /// The pane stands beside the messages, not in place of them.
    pub(crate) fn pane_beside(&self) -> bool {
        self.size.0 >= PANE_FROM
    }

    /// A text was begun and not sent there: `✎`.
    pub(crate) fn has_draft(&self, channel: ChannelId) -> bool {
        let is_open = self.open.as_ref().is_some_and(|open| open.id == channel);
        !is_open
            && self.drafts.get(&Place::channel(channel)).is_some_and(|text| !text.trim().is_empty())
    }

    /// Who writes there, raw, in the order they began.
    pub(crate) fn typing(&self, place: Place) -> Vec<&str> {
        self.typists
            .iter()
            .filter(|typist| typist.place == place && typist.until > self.now)
            .map(|typist| typist.name.as_str())
            .collect()
    }

    pub(crate) fn is_online(&self, user: UserId) -> bool {
        self.people.get(&user).is_some_and(|person| person.online)
    }

    pub(crate) fn is_bot(&self, user: UserId) -> bool {
        self.people.get(&user).is_some_and(|person| person.kind == UserKind::Bot)
    }

    /// Unread channels and conversations, for the list and the title.
    pub(crate) fn unread_channels(&self) -> usize {
        self.channels.values().filter(|channel| channel.view.joined && channel.is_unread()).count()
    }

    /// Unread answers in threads, of what is loaded.
    pub(crate) fn unread_threads(&self) -> usize {
        use ajet_shared::events::NotificationKind::ThreadReply;
        let unread =
            |item: &&ActivityItem| !item.notification.read && item.notification.kind == ThreadReply;
        self.activity.items.iter().filter(unread).count()
    }

    /// The community whose channels the list shows.
    pub(crate) fn current_community(&self) -> Option<&CommunityEntry> {
        self.communities.iter().find(|entry| Some(entry.community.id) == self.community)
    }

    /// Unread mentions and whether anything is unread in a community, for its row.
    pub(crate) fn community_unread(&self, id: CommunityId) -> (i64, bool) {
        let of = self
            .channels
            .values()
            .filter(|channel| channel.view.channel.community_id == Some(id) && channel.view.joined);
        of.fold((0, false), |(mentions, unread), channel| {
            (mentions + channel.view.mentions, unread || channel.is_unread())
        })
    }

    /// The rows of the list, top to bottom, folded and filtered ones left out.
    pub(crate) fn list_rows(&self) -> Vec<ListRow> {
        super::list::rows(self)
    }
}
