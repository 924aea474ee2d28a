//! The reactions under a message.

use std::fmt;

use ajet_shared::id::MessageId;
use ajet_shared::message::ReactionCount;
use askama::Template;

use super::message::Place;
use super::{filters, fragments};

/// All reactions of one message; there, but empty, when it has none.
#[derive(Template)]
#[template(path = "fragments/reactions.html")]
pub(crate) struct Reactions<'a> {
    id: MessageId,
    prefix: &'static str,
    items: Vec<Reaction<'a>>,
}

/// One emoji with its number. Pressed means that the reader gave it. What all readers share says "not pressed" and asks the page to
/// keep what it has (`data-preserve-attr`); the reader's own change comes as a patch of this one button that says which.
#[derive(Template)]
#[template(path = "fragments/reaction.html")]
pub(crate) struct Reaction<'a> {
    id: MessageId,
    prefix: &'static str,
    codes: Codes<'a>,
    emoji: &'a str,
    count: i64,
    pressed: bool,
    keep: bool,
}

/// An emoji as the numbers of its characters, for an id.
pub(crate) struct Codes<'a>(&'a str);

impl fmt::Display for Codes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, c) in self.0.chars().enumerate() {
            write!(f, "{}{:x}", if n > 0 { "-" } else { "" }, u32::from(c))?;
        }
        Ok(())
    }
}

fragments!(Reactions<'_>, Reaction<'_>);

impl<'a> Reactions<'a> {
    /// Of a message. Without `reacted_by_me` they fit every reader.
    pub(crate) fn new(id: MessageId, place: Place, reactions: &'a [ReactionCount]) -> Self {
        let prefix = place.prefix();
        let items =
            reactions.iter().filter(|reaction| reaction.count > 0).map(|reaction| Reaction {
                id,
                prefix,
                codes: Codes(&reaction.emoji),
                emoji: &reaction.emoji,
                count: reaction.count,
                pressed: reaction.reacted_by_me.unwrap_or(false),
                keep: reaction.reacted_by_me.is_none(),
            });
        Self { id, prefix, items: items.collect() }
    }
}

impl<'a> Reaction<'a> {
    /// The reader's own change of one reaction.
    pub(crate) fn mine(
        id: MessageId,
        place: Place,
        emoji: &'a str,
        count: i64,
        pressed: bool,
    ) -> Self {
        Self { id, prefix: place.prefix(), codes: Codes(emoji), emoji, count, pressed, keep: false }
    }
}
