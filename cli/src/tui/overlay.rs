//! What lies over the rest and takes the keys. `Esc` closes one.

use ajet_shared::id::{ChannelId, MessageId};

use super::composer::Composer;
use super::palette::Palette;

/// One at a time.
#[derive(Clone, Debug)]
pub(crate) enum Overlay {
    /// A box in the middle (design/tui.md §1.4).
    Palette(Palette),
    /// A box in the middle with all keys of [`super::keys::HELP`], scrolled by this many lines.
    Help { scroll: u16 },
    /// One row in place of the status row: `1 👍 2 ✅ … 7 😂  type a name, Enter adds, Esc`.
    Reactions(ReactionPicker),
    /// One row in place of the status row: a question, `y` or `n`.
    Confirm { question: String, yes: Confirmed },
    /// One row in place of the status row: `/ query▏  2 of 5`.
    Search { query: Composer },
    /// The list over the messages, where the screen is too narrow for both. Its rows and selection are those of the list.
    List,
}

impl Overlay {
    /// The badge of the status row.
    pub(crate) const fn badge(&self) -> &'static str {
        match self {
            Self::Palette(_) => "JUMP",
            Self::Help { .. } => "HELP",
            Self::Reactions(_) => "REACT",
            Self::Confirm { .. } => "ASK",
            Self::Search { .. } => "FIND",
            Self::List => "LST",
        }
    }
}

/// Choosing an emoji.
#[derive(Clone, Debug)]
pub(crate) struct ReactionPicker {
    pub(crate) message: MessageId,
    /// On 1 to 7.
    pub(crate) recent: Vec<String>,
    pub(crate) query: Composer,
    /// `(🎉, "tada")` that fit the query, best first; Enter takes the first.
    pub(crate) matches: Vec<(&'static str, &'static str)>,
}

/// What a yes does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Confirmed {
    Delete(MessageId),
    Leave(ChannelId),
    Quit,
    /// Open an address outside.
    Open(String),
    /// Put in what was pasted, as it is; `c` puts it into a code block.
    Paste(String),
}
