//! What the view tells back: where things stand on the screen, so that the mouse and paging know.

use ajet_shared::id::MessageId;
use ratatui::layout::Rect;

use super::model::Zone;
use super::places::ListRow;
use super::timeline::{RowKey, Scroll};

/// One drawing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Drawn {
    /// What can be clicked; of overlapping ones the last counts.
    pub(crate) hits: Vec<(Rect, Hit)>,
    /// The messages of the open channel, unless a pane hides them.
    pub(crate) channel: Option<TimelineDrawn>,
    /// The thread in the pane.
    pub(crate) thread: Option<TimelineDrawn>,
    /// The list is on the screen beside the messages.
    pub(crate) list_beside: bool,
    /// The pane stands beside the messages, not instead of them.
    pub(crate) pane_beside: bool,
}

/// What there is under the pointer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Hit {
    List(ListRow),
    /// The whole zone, for the wheel and for the focus: put it in first.
    Zone(Zone),
    Row(Zone, RowKey),
    Reaction(MessageId, String),
    /// `╰ 6 replies`.
    Thread(MessageId),
    /// An entry of the palette.
    Palette(usize),
    /// An entry of the activity pane.
    Activity(usize),
    /// An entry of the completion popup.
    Completion(usize),
    Composer(Zone),
}

/// A timeline on the screen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TimelineDrawn {
    /// Where it really stands: `Newest` when the newest row is in full sight at the lower edge, else `At` the first row in sight.
    pub(crate) scroll: Scroll,
    /// The rows in sight, even in part, from above.
    pub(crate) rows: Vec<RowKey>,
    /// The line of the zone where the first of them begins; negative above its edge.
    pub(crate) top: i32,
    /// The oldest loaded row is in sight.
    pub(crate) at_oldest: bool,
    /// The newest loaded row is in sight to its end.
    pub(crate) at_newest: bool,
    /// Lines of the zone.
    pub(crate) height: u16,
}
