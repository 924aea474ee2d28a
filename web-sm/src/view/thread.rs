//! Threads: the summary under a root, and the pane that shows one.

use ajet_shared::events::ThreadUpdated;
use ajet_shared::id::MessageId;
use ajet_shared::message::Message;
use ajet_shared::page::Page;
use ajet_shared::user::Author;
use askama::Template;
use time::OffsetDateTime;

use super::avatar::Avatar;
use super::composer::Composer;
use super::message::{Place, Row, Time};
use super::names::{Directory, plural};
use super::{filters, fragments};

/// Faces shown in a summary.
const FACES: usize = 3;

/// How many replies a message has and by whom.
#[derive(Template)]
#[template(path = "fragments/thread-summary.html")]
pub(crate) struct Summary<'a> {
    id: MessageId,
    label: String,
    last: Option<Time>,
    faces: Vec<Avatar<'a>>,
}

/// The line between a root and its replies.
#[derive(Template)]
#[template(path = "fragments/thread-count.html")]
pub(crate) struct Count {
    id: MessageId,
    label: String,
}

/// Where earlier replies come in when it is scrolled into view.
#[derive(Template)]
#[template(path = "fragments/thread-earlier.html")]
pub(crate) struct Earlier {
    root_id: MessageId,
    before: MessageId,
}

/// The pane with a thread.
#[derive(Template)]
#[template(path = "fragments/thread-pane.html")]
pub(crate) struct Pane<'a> {
    pub(crate) root_id: MessageId,
    pub(crate) back: &'a str,
    pub(crate) place: String,
    pub(crate) root: Row<'a>,
    pub(crate) count: Count,
    pub(crate) earlier: Option<Earlier>,
    pub(crate) replies: Vec<Row<'a>>,
    pub(crate) composer: Option<Composer>,
}

fragments!(Summary<'_>, Count, Earlier, Pane<'_>);

impl<'a> Summary<'a> {
    /// Of a root as the api gives it.
    pub(crate) fn of(message: &'a Message) -> Option<Self> {
        Self::new(message.id, message.reply_count, message.last_reply_at, &message.participants)
    }

    /// Of a root whose thread changed.
    pub(crate) fn of_update(update: &'a ThreadUpdated) -> Option<Self> {
        Self::new(update.parent_id, update.reply_count, update.last_reply_at, &update.participants)
    }

    fn new(
        id: MessageId,
        replies: i32,
        last: Option<OffsetDateTime>,
        participants: &'a [Author],
    ) -> Option<Self> {
        (replies > 0).then(|| Self {
            id,
            label: plural(i64::from(replies), "reply", "replies"),
            last: last.map(Time::of),
            faces: participants
                .iter()
                .take(FACES)
                .map(|author| Avatar::of(author).sized("s"))
                .collect(),
        })
    }
}

impl Count {
    /// So many replies to this message.
    pub(crate) fn new(id: MessageId, replies: i32) -> Self {
        Self {
            id,
            label: if replies == 0 {
                "No replies yet".to_owned()
            } else {
                plural(i64::from(replies), "reply", "replies")
            },
        }
    }
}

impl<'a> Pane<'a> {
    /// The thread of `root`.
    pub(crate) fn new(
        root: &'a Message,
        replies: &'a Page<Message>,
        back: &'a str,
        place: String,
        composer: Option<Composer>,
        directory: &Directory,
    ) -> Self {
        Self {
            root_id: root.id,
            back,
            place,
            root: Row::new(root, Place::Root, false, directory),
            count: Count::new(root.id, root.reply_count),
            earlier: Earlier::than(root.id, replies),
            replies: rows(&replies.items, directory),
            composer,
        }
    }
}

impl Earlier {
    /// Than these replies; none when they are the first ones.
    pub(crate) fn than(root_id: MessageId, replies: &Page<Message>) -> Option<Self> {
        let first = replies.items.first().filter(|_| replies.prev.is_some())?;
        Some(Self { root_id, before: first.id })
    }
}

/// Replies as the pane shows them.
pub(crate) fn rows<'a>(replies: &'a [Message], directory: &Directory) -> Vec<Row<'a>> {
    replies.iter().map(|reply| Row::new(reply, Place::Reply, false, directory)).collect()
}
