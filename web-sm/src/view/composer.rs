//! The box to write in, or the one sentence that stands there instead.

use ajet_shared::channel::ChannelView;
use ajet_shared::id::{ChannelId, MessageId};
use ajet_shared::limits::MESSAGE_BODY_MAX_CHARS;
use askama::Template;

use super::{filters, fragments};

/// What is at the foot of a channel or thread.
#[derive(Template)]
#[template(path = "fragments/composer.html")]
pub(crate) struct Composer {
    id: &'static str,
    input: &'static str,
    channel_id: ChannelId,
    parent_id: Option<MessageId>,
    placeholder: String,
    max_chars: usize,
    foot: Foot,
}

/// What one may do there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Foot {
    /// Write.
    Write,
    /// Join first.
    Join,
    /// Only read: the channel is archived.
    Archived,
}

fragments!(Composer);

impl Composer {
    /// At the foot of a channel. `title` is its name with `#`, or the people.
    pub(crate) fn of_channel(view: &ChannelView, title: &str) -> Self {
        let foot = match (view.channel.archived_at, view.joined) {
            (Some(_), _) => Foot::Archived,
            (None, true) => Foot::Write,
            (None, false) => Foot::Join,
        };
        Self {
            id: "composer",
            input: "composer-input",
            channel_id: view.channel.id,
            parent_id: None,
            placeholder: format!("Message {title}"),
            max_chars: MESSAGE_BODY_MAX_CHARS,
            foot,
        }
    }

    /// At the foot of a thread; none where one may not write.
    pub(crate) fn of_thread(view: &ChannelView, root: MessageId, author: &str) -> Option<Self> {
        let may_write = view.joined && view.channel.archived_at.is_none();
        may_write.then(|| Self {
            id: "thread-composer",
            input: "thread-input",
            channel_id: view.channel.id,
            parent_id: Some(root),
            placeholder: format!("Reply to {author}"),
            max_chars: MESSAGE_BODY_MAX_CHARS,
            foot: Foot::Write,
        })
    }

    fn in_thread(&self) -> bool {
        self.parent_id.is_some()
    }
}
