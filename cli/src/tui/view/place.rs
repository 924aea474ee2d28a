//! Where a timeline stands: the row everything else is counted from, and moving it as little as the reader's place allows.

use super::super::model::Zone;
use super::super::timeline::{RowKey, Scroll};
use super::feed::Feed;

impl Feed<'_> {
    /// Some row and the line of the zone on which its own first line stands, so that nothing is empty that could be filled.
    pub(super) fn place(&self, height: i32) -> Option<(usize, i32)> {
        let newest = self.rows.len().checked_sub(1)?;
        let bottom = (newest, height - self.piece(newest).own());
        let (mut at, mut top) = match self.timeline.scroll {
            Scroll::Newest => bottom,
            Scroll::At { row, offset } => match self.position(row) {
                Some(at) => (at, offset),
                None => bottom,
            },
            Scroll::Divider => match self.first_new {
                Some(at) => (at, (height / 3).max(self.piece(at).before())),
                None => bottom,
            },
        };
        if let Some(selected) = self.selected.filter(|_| self.must_reveal()) {
            (at, top) = self.revealed(selected, (at, top), height);
        }
        Some((at, self.without_emptiness(at, top, height)))
    }

    /// The selection has to be brought into sight: it moved, or it was in sight and the zone has become another.
    fn must_reveal(&self) -> bool {
        let before = match self.zone {
            Zone::Pane => &self.model.drawn.thread,
            _ => &self.model.drawn.channel,
        };
        self.timeline.reveal
            || before.as_ref().is_some_and(|before| {
                before.height != self.area.height
                    && self.timeline.selected.is_some_and(|key| before.rows.contains(&key))
            })
    }

    /// Where the selected row stands when it is moved into sight as little as possible.
    fn revealed(&self, selected: usize, (at, top): (usize, i32), height: i32) -> (usize, i32) {
        let piece = self.piece(selected);
        // What stands before it is brought along when it comes from above.
        let (highest, lowest) = (piece.before().min(height - 1), height - piece.own());
        // Every row has a line: farther away than the zone is high, it cannot be in sight.
        let far = i32::try_from(selected.abs_diff(at)).unwrap_or(i32::MAX) > height + top.abs();
        let here = match (far, selected < at) {
            (true, true) => i32::MIN,
            (true, false) => i32::MAX,
            (false, true) => top - self.lines_between(selected, at),
            (false, false) => top + self.lines_between(at, selected),
        };
        let covers = here <= 0 && here.saturating_add(piece.own()) >= height;
        let top = if covers || (0..=lowest).contains(&here) {
            here
        } else if here < 0 {
            highest.min(lowest)
        } else {
            // One that is longer than the zone shows its beginning.
            lowest.max(highest.min(0))
        };
        (selected, top)
    }

    /// Lines from the own first line of one row to that of a later one.
    fn lines_between(&self, from: usize, to: usize) -> i32 {
        (from..to).map(|at| self.piece(at).own() + self.piece(at + 1).before()).sum()
    }

    /// Moves down what leaves lines empty below the newest row, then up what leaves them above the oldest one.
    fn without_emptiness(&self, at: usize, mut top: i32, height: i32) -> i32 {
        let mut bottom = top + self.piece(at).own();
        let mut below = at + 1;
        while bottom < height && below < self.rows.len() {
            bottom += self.piece(below).whole();
            below += 1;
        }
        if bottom < height {
            top += height - bottom;
        }
        let mut first_line = top - self.piece(at).before();
        let mut above = at;
        while first_line > 0 && above > 0 {
            above -= 1;
            first_line -= self.piece(above).whole();
        }
        top - first_line.max(0)
    }

    /// The first row with a line in sight, and the line of the zone where what stands before it begins.
    pub(super) fn first_in_sight(&self, anchor: usize, top: i32) -> (usize, i32) {
        let (mut at, mut y) = (anchor, top - self.piece(anchor).before());
        while y > 0 && at > 0 {
            at -= 1;
            y -= self.piece(at).whole();
        }
        while at + 1 < self.rows.len() && y + self.piece(at).whole() <= 0 {
            y += self.piece(at).whole();
            at += 1;
        }
        (at, y)
    }

    fn position(&self, key: RowKey) -> Option<usize> {
        self.rows.iter().rposition(|row| row.key() == key)
    }
}
