//! What can happen to the interface, and what it asks the world to do.

use ajet_shared::channel::ChannelView;
use ajet_shared::client::{ClientError, Received};
use ajet_shared::command::{CommandAnswer, CommandInfo};
use ajet_shared::community::Member;
use ajet_shared::events::Notification;
use ajet_shared::id::{ChannelId, ClientMessageId, CommunityId, MessageId, NotificationId, UserId};
use ajet_shared::message::{Message, ReactionCount, ReadState};
use ajet_shared::page::Page;
use ajet_shared::position::Position;
use ajet_shared::search::SearchHit;
use ajet_shared::sync::Sync;
use crossterm::event::{KeyEvent, MouseEvent};
use uuid::Uuid;

use super::drawn::Drawn;
use super::outbox::OutboxEntry;
use super::places::Place;

/// Something happened.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    Key(KeyEvent),
    Mouse(MouseEvent),
    /// Text from the clipboard, in one piece.
    Paste(String),
    Resize(u16, u16),
    /// The terminal got or lost the focus.
    Focus(bool),
    /// The moment came that [`super::update::next_due`] named.
    Tick,
    /// The view drew.
    Drawn(Drawn),
    /// From the stream. `pause` of a loss is how long until the next attempt.
    Live(Received),
    /// The stream ended for good.
    Ended(ClientError),
    Answer(Ask, Result<Reply, ClientError>),
    /// The editor was closed: the new text, or why there is none.
    Written(Result<String, String>),
    /// A text that is kept of a place; empty when there is none.
    Recalled(Place, String),
    /// Something could not be kept on disk, in words for people.
    Unkept(String),
    /// The system asks to end: SIGTERM, SIGHUP, or the terminal is gone.
    Stop,
}

/// Something to do.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Effect {
    /// A call; [`Event::Answer`] brings what came of it.
    Ask(Ask),
    /// Starts the stream here, or again where it stands; `guest` is a channel I am not in.
    Follow {
        cursor: Option<Position>,
        guest: Option<ChannelId>,
    },
    /// The next attempt to connect comes now.
    Reconnect,
    /// Keeps a message that is not sent yet.
    Keep(OutboxEntry),
    Forget(ClientMessageId),
    /// Keeps a text of somebody; an empty one is removed.
    Draft {
        user: UserId,
        place: Place,
        text: String,
    },
    /// Reads it again; [`Event::Recalled`] brings it.
    Recall {
        user: UserId,
        place: Place,
    },
    /// Remembers where I was.
    Opened(ChannelId),
    /// `$VISUAL` or `$EDITOR`, starting with this.
    Editor(String),
    /// Into the clipboard (OSC 52).
    Copy(String),
    /// In the browser.
    Browse(String),
    Bell,
    Suspend,
    /// The whole screen again.
    Redraw,
    Quit,
    /// Ends it before it began: there is no sign-in that holds.
    NotSignedIn,
}

/// Notifications read at once by [`Ask::Notifications`].
pub(crate) const NOTIFICATIONS: u16 = 50;

/// A call of the api.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Ask {
    Sync,
    Channels(CommunityId),
    Members(CommunityId, Option<Uuid>),
    Channel(ChannelId),
    Page(Place, Part),
    Message(MessageId),
    Commands(ChannelId),
    Notifications,
    ReadNotifications(Option<Vec<NotificationId>>),
    Post(OutboxEntry),
    Edit(MessageId, String),
    Delete(MessageId),
    React {
        message: MessageId,
        emoji: String,
        add: bool,
    },
    Read(ChannelId, MessageId),
    /// The place is where it was typed; the text comes back into its box when it is refused.
    Run {
        place: Place,
        text: String,
        key: ClientMessageId,
    },
    Conversation(UserId),
    Join(ChannelId),
    Leave(ChannelId),
    Typing {
        place: Place,
        started: bool,
    },
    Search {
        community: Option<CommunityId>,
        query: String,
    },
    Heartbeat,
}

/// Which part of a timeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Newest,
    Before(MessageId),
    After(MessageId),
    Around(MessageId),
}

/// What came of a call.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    Done,
    Sync(Box<Sync>),
    Channels(Vec<ChannelView>),
    Members(Page<Member>),
    Channel(Box<ChannelView>),
    Page(Page<Message>),
    Message(Box<Message>),
    Commands(Vec<CommandInfo>),
    Notifications(Vec<Notification>),
    Reactions(Vec<ReactionCount>),
    Read(ReadState),
    Ran(Box<CommandAnswer>),
    Found(Vec<SearchHit>),
}
