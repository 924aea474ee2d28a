//! The popup over the box: people, channels, emoji, commands and their arguments.

/// What is offered at the cursor. The view draws it over the messages, the lowest row next to the box.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Popup {
    /// Where what is completed begins in the text of the box, in bytes.
    pub(crate) start: usize,
    /// At most [`CANDIDATES_MAX`], best first. Never empty.
    pub(crate) candidates: Vec<Candidate>,
    pub(crate) selected: usize,
    /// `Tab` was pressed: Enter takes the selected one instead of sending.
    pub(crate) chosen: bool,
}

/// One offer. Its texts are safe for a terminal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Candidate {
    /// `@mara`, `#release-room`, `🎉 :tada:`, `/topic [text]`.
    pub(crate) label: String,
    /// `Mara Voss`, `change the topic of this channel`.
    pub(crate) detail: String,
    /// What it puts in, a space at the end where one belongs.
    pub(crate) insert: String,
}

/// More do not help anybody.
pub(crate) const CANDIDATES_MAX: usize = 8;
