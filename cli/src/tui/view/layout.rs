//! Where the zones are (design/tui.md section 1).

use ratatui::layout::Rect;

use super::super::composer::Composer;
use super::super::model::{PANE_FROM, Pane, Zone};
use super::composer;

/// Columns of the list: on a wide screen, and else.
const LIST: (u16, u16) = (24, 19);
/// Columns of the pane beside the messages.
const PANE: u16 = 38;
/// Below this height the day under the header and the topic go.
const TALL: u16 = 16;

/// A zone with messages, or what stands in place of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Spot {
    pub(crate) header: Rect,
    /// The rule under the header.
    pub(crate) day: Option<Rect>,
    pub(crate) feed: Rect,
    /// The box; the row above it is a rule.
    pub(crate) composer: Option<Rect>,
}

/// The whole screen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    /// The row over everything that says that the server is away.
    pub(crate) banner: Option<Rect>,
    /// Everything between that and the status row.
    pub(crate) body: Rect,
    pub(crate) list: Option<Rect>,
    /// The channel; none where the pane stands in its place.
    pub(crate) centre: Option<Spot>,
    pub(crate) pane: Option<Spot>,
    /// Columns of the rules between zones.
    pub(crate) uprights: Vec<u16>,
    pub(crate) status: Rect,
    /// There is room for the topic.
    pub(crate) topic: bool,
}

impl Layout {
    /// Both the channel and the pane are there.
    pub(crate) fn pane_beside(&self) -> bool {
        self.centre.is_some() && self.pane.is_some()
    }
}

/// Divides the screen, which has at least 40 columns and 10 rows.
pub(crate) fn layout<'a>(
    screen: Rect,
    banner: bool,
    list: bool,
    pane: Option<&Pane>,
    composer_of: impl Fn(Zone) -> Option<&'a Composer>,
) -> Layout {
    let row = |y| Rect { y, height: 1, ..screen };
    let top = screen.y + u16::from(banner);
    let body = Rect { y: top, height: screen.bottom() - 1 - top, ..screen };
    let wide = screen.width >= PANE_FROM;
    let mut uprights = Vec::new();
    let mut rest = body;
    let list = list.then(|| {
        let width = if wide { LIST.0 } else { LIST.1 };
        uprights.push(body.x + width);
        rest = Rect { x: body.x + width + 1, width: body.width - width - 1, ..body };
        Rect { width, ..body }
    });
    let (centre, right) = match (pane, wide) {
        (None, _) => (Some(rest), None),
        (Some(_), false) => (None, Some(rest)),
        (Some(_), true) => {
            let centre = Rect { width: rest.width - PANE - 1, ..rest };
            uprights.push(centre.right());
            (Some(centre), Some(Rect { x: centre.right() + 1, width: PANE, ..rest }))
        }
    };
    let wanted = |area: Option<Rect>, zone| {
        let has_box = zone != Zone::Pane || matches!(pane, Some(Pane::Thread(_)));
        let composer = composer_of(zone).filter(|_| has_box)?;
        let bounded = zone == Zone::Channel && right.is_some();
        Some(composer::height(composer, area?.width - u16::from(bounded), screen.height))
    };
    let (one, other) = (wanted(centre, Zone::Channel), wanted(right, Zone::Pane));
    // Side by side, both boxes begin at the same height.
    let height = one.max(other);
    let tall = has_day(screen);
    Layout {
        banner: banner.then(|| row(screen.y)),
        body,
        list,
        centre: centre.map(|area| spot(area, one.and(height), tall, right.is_some())),
        pane: right.map(|area| spot(area, other.and(height), tall, false)),
        uprights,
        status: row(screen.bottom() - 1),
        topic: tall,
    }
}

/// There is room for the rule under the header.
pub(crate) const fn has_day(screen: Rect) -> bool {
    screen.height >= TALL
}

/// A zone; what is written keeps a column free where something stands beside it.
fn spot(area: Rect, composer: Option<u16>, tall: bool, bounded: bool) -> Spot {
    let head = 1 + u16::from(tall);
    // The box and the rule over it.
    let foot = composer.map_or(0, |height| height + 1);
    Spot {
        header: Rect { height: 1, ..area },
        day: tall.then_some(Rect { y: area.y + 1, height: 1, ..area }),
        feed: Rect { y: area.y + head, height: area.height.saturating_sub(head + foot), ..area },
        composer: composer.map(|height| Rect {
            y: area.bottom() - height,
            width: area.width - u16::from(bounded),
            height,
            ..area
        }),
    }
}
