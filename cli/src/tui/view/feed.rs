//! A timeline on the screen: which rows are in sight, and drawing them. Only those are made into lines, however many are loaded.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use time::Date;

use super::super::drawn::{Hit, TimelineDrawn};
use super::super::model::{Model, Zone};
use super::super::theme::{Role, Theme};
use super::super::timeline::{Row, Scroll, Timeline};
use super::canvas::{put, put_line, put_right, rule, tint};
use super::clock;
use super::group::is_grouped;
use super::message::{BlockLine, INDENT, Look, Rule, TEXT_MAX, block};
use super::rules::first_new;
use super::width::columns;

/// What is drawn, and how.
pub(crate) struct Feed<'a> {
    pub(super) model: &'a Model,
    pub(super) timeline: &'a Timeline,
    pub(super) rows: Vec<Row<'a>>,
    /// The first row is the message whose thread this is.
    pub(super) has_parent: bool,
    pub(super) zone: Zone,
    pub(super) area: Rect,
    /// Something stands at its right.
    bounded: bool,
    pub(super) room: Room,
    /// The selected row, where the selection is shown.
    pub(super) selected: Option<usize>,
    /// The first row that is new.
    pub(super) first_new: Option<usize>,
    pieces: RefCell<HashMap<usize, Rc<Piece>>>,
}

/// A row as lines: what stands before it, itself, and what belongs under it.
pub(super) struct Piece {
    before: Vec<BlockLine>,
    lines: Vec<BlockLine>,
    after: Vec<BlockLine>,
}

impl Piece {
    pub(super) fn before(&self) -> i32 {
        length(&self.before)
    }

    pub(super) fn own(&self) -> i32 {
        length(&self.lines) + length(&self.after)
    }

    pub(super) fn whole(&self) -> i32 {
        self.before() + self.own()
    }
}

/// What the header of the zone wants to know.
pub(crate) struct FeedDrawn {
    pub(crate) drawn: TimelineDrawn,
    /// The day of what is at the top.
    pub(crate) day: Option<Date>,
    /// Rows that end below the lower edge.
    pub(crate) below: usize,
}

/// How the screen is furnished.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Room {
    pub(crate) theme: Theme,
    /// The right edge of the screen.
    pub(crate) right: u16,
    /// A blank line before each author.
    pub(crate) airy: bool,
    /// There is a rule under the header.
    pub(crate) under_day: bool,
    pub(crate) wide: bool,
}

impl<'a> Feed<'a> {
    /// A channel, or a thread when there is a parent.
    pub(crate) fn new(
        model: &'a Model,
        timeline: &'a Timeline,
        rows: Vec<Row<'a>>,
        has_parent: bool,
        (area, room): (Rect, Room),
    ) -> Self {
        let zone = if has_parent { Zone::Pane } else { Zone::Channel };
        let shown = model.mode == super::super::model::Mode::Message && model.focus == zone;
        let selected = timeline
            .selected
            .filter(|_| shown)
            .and_then(|key| rows.iter().rposition(|row| row.key() == key));
        let first_new = first_new(model, timeline, &rows, has_parent);
        Self {
            model,
            timeline,
            rows,
            has_parent,
            zone,
            area,
            bounded: area.right() < room.right,
            room,
            selected,
            first_new,
            pieces: RefCell::default(),
        }
    }

    /// How many rows were made into lines.
    #[cfg(test)]
    pub(crate) fn made(&self) -> usize {
        self.pieces.borrow().len()
    }

    /// Draws it and says what is in sight.
    pub(crate) fn draw(&self, buffer: &mut Buffer, hits: &mut Vec<(Rect, Hit)>) -> FeedDrawn {
        hits.push((self.area, Hit::Zone(self.zone)));
        let height = i32::from(self.area.height);
        let Some((anchor, top)) = self.place(height) else { return self.draw_nothing(buffer) };
        let (first, mut y) = self.first_in_sight(anchor, top);
        let mut in_sight = Vec::new();
        let mut last = first;
        for at in first..self.rows.len() {
            if y >= height {
                break;
            }
            let piece = self.piece(at);
            in_sight.push((at, y + piece.before()));
            self.draw_piece(at, &piece, y, buffer, hits);
            y += piece.whole();
            last = at;
        }
        let ends_in_sight = last + 1 == self.rows.len() && y <= height;
        let hidden = usize::from(y > height);
        self.told(&in_sight, ends_in_sight, self.rows.len() - 1 - last + hidden)
    }

    fn told(&self, in_sight: &[(usize, i32)], at_newest: bool, below: usize) -> FeedDrawn {
        let keep = |&(at, offset): &(usize, i32)| Scroll::At { row: self.rows[at].key(), offset };
        let selected = in_sight.iter().find(|(at, _)| Some(*at) == self.selected);
        let scroll = match selected {
            // What is selected stays where it is, whatever comes.
            Some(seen) if !(at_newest && seen.0 + 1 == self.rows.len()) => keep(seen),
            _ if at_newest => Scroll::Newest,
            _ => in_sight.first().map_or(Scroll::Newest, keep),
        };
        let day = in_sight.first().map(|(at, _)| self.date(*at));
        let drawn = TimelineDrawn {
            scroll,
            top: in_sight.first().map_or(0, |(_, offset)| *offset),
            rows: in_sight.iter().map(|(at, _)| self.rows[*at].key()).collect(),
            at_oldest: in_sight.first().is_some_and(|&(at, offset)| at == 0 && offset >= 0),
            at_newest,
            height: self.area.height,
        };
        FeedDrawn { drawn, day, below }
    }

    fn draw_nothing(&self, buffer: &mut Buffer) -> FeedDrawn {
        let text = if self.timeline.fresh {
            "Loading…"
        } else {
            "No messages yet. Write the first one."
        };
        let x = self.area.x + INDENT;
        if self.area.height > 0 {
            put(
                buffer,
                (x, self.area.y),
                self.area.right(),
                text,
                self.room.theme.role(Role::Text3),
            );
        }
        let drawn = TimelineDrawn {
            scroll: self.timeline.scroll,
            rows: Vec::new(),
            top: 0,
            at_oldest: true,
            at_newest: true,
            height: self.area.height,
        };
        FeedDrawn { drawn, day: None, below: 0 }
    }

    pub(super) fn date(&self, at: usize) -> Date {
        clock::date(match &self.rows[at] {
            Row::Message(message) => message.created_at,
            Row::Outgoing(entry) => entry.written_at,
            Row::Note(note) => note.at,
        })
    }

    pub(super) fn piece(&self, at: usize) -> Rc<Piece> {
        if let Some(piece) = self.pieces.borrow().get(&at) {
            return Rc::clone(piece);
        }
        let piece = Rc::new(self.make(at));
        self.pieces.borrow_mut().insert(at, Rc::clone(&piece));
        piece
    }

    fn make(&self, at: usize) -> Piece {
        let row = &self.rows[at];
        let mut before = self.rules_before(at);
        let after_parent = self.has_parent && at == 1;
        let above = at.checked_sub(1).map(|above| &self.rows[above]);
        let grouped = before.is_empty()
            && !after_parent
            && above.is_some_and(|above| is_grouped(above, row, self.model.me.as_ref()));
        if self.room.airy && before.is_empty() && !grouped && !after_parent && at > 0 {
            before.push(BlockLine::default());
        }
        let unfolded = match row {
            Row::Message(message) => self.timeline.unfolded.contains(&message.id),
            _ => false,
        };
        let query = self.model.search.as_ref().map(|search| search.query.as_str());
        let look = Look {
            model: self.model,
            theme: self.room.theme,
            width: self.text_width(),
            selected: self.selected == Some(at),
            grouped,
            unfolded,
            wide: self.room.wide && self.zone == Zone::Channel,
            heads_thread: self.has_parent && at == 0,
            query: query.filter(|query| !query.is_empty()),
        };
        let after = if look.heads_thread { self.replies_rule() } else { Vec::new() };
        Piece { before, lines: block(row, &look), after }
    }

    /// Up to the edge of the screen, or with a column free before what stands beside.
    fn text_width(&self) -> usize {
        let free = u16::from(self.bounded);
        usize::from(self.area.width.saturating_sub(INDENT + free)).clamp(1, TEXT_MAX)
    }

    fn draw_piece(
        &self,
        at: usize,
        piece: &Piece,
        top: i32,
        buffer: &mut Buffer,
        hits: &mut Vec<(Rect, Hit)>,
    ) {
        let key = self.rows[at].key();
        let stripe = self.stripe(at);
        let before = piece.before.iter().map(|line| (line, false));
        let after = piece.after.iter().map(|line| (line, false));
        let lines = before.chain(piece.lines.iter().map(|line| (line, true))).chain(after);
        for ((line, own), y) in lines.zip(top..) {
            let Some(y) = u16::try_from(y).ok().filter(|y| *y < self.area.height) else { continue };
            let row = Rect { y: self.area.y + y, height: 1, ..self.area };
            // The rule under the header says the day of the first row already.
            if y == 0 && self.room.under_day && !self.has_parent && is_day_rule(line) {
                continue;
            }
            self.draw_line(line, row, buffer);
            if !own {
                continue;
            }
            hits.push((row, Hit::Row(self.zone, key)));
            for (x, width, hit) in &line.hits {
                hits.push((self.hit_area(row, *x, *width), hit.clone()));
            }
            stripe.draw(row, buffer);
        }
    }

    fn hit_area(&self, row: Rect, x: usize, width: usize) -> Rect {
        let narrow = |columns: usize| u16::try_from(columns).unwrap_or(u16::MAX);
        let area = Rect {
            x: row.x.saturating_add(INDENT).saturating_add(narrow(x)),
            width: narrow(width),
            ..row
        };
        area.intersection(self.area)
    }

    fn draw_line(&self, line: &BlockLine, row: Rect, buffer: &mut Buffer) {
        let (left, right) = (row.x, row.right());
        if let Some(Rule { word, role, tail }) = &line.rule {
            let style = self.room.theme.role(*role);
            draw_rule(buffer, (left, right), row.y, (word, *tail), (self.rule_style(*role), style));
            return;
        }
        if let Some(time) = &line.time {
            put(buffer, (left + 1, row.y), right, time, self.room.theme.role(Role::Text2));
        }
        let text = left + INDENT;
        let end = text + u16::try_from(self.text_width()).unwrap_or(u16::MAX);
        let next = put_line(buffer, (text, row.y), end.min(right), &line.text);
        if let Some(note) = &line.note {
            put_right(buffer, (next + 1, end.min(right)), row.y, &note.content, note.style);
        }
    }

    /// The rule of what is new is in its colour to the end; others are quiet.
    fn rule_style(&self, role: Role) -> Style {
        let role = if role == Role::Signal { role } else { Role::Rule };
        self.room.theme.sign(role)
    }

    fn stripe(&self, at: usize) -> Stripe {
        let mentions =
            matches!(&self.rows[at], Row::Message(message) if self.model.mentions_me(message));
        let selected = self.selected == Some(at);
        let mark = match (mentions, selected) {
            (true, _) => Some(("┃", self.room.theme.sign(Role::Signal))),
            (false, true) => Some(("▌", self.room.theme.selection_mark())),
            (false, false) => None,
        };
        let tint = match (mentions, selected) {
            (true, true) => Style::new().add_modifier(Modifier::REVERSED),
            (true, false) => self.room.theme.mention_row(),
            (false, true) => self.room.theme.selected_row(),
            (false, false) => Style::new(),
        };
        Stripe { mark, tint }
    }
}

/// What makes the lines of a row stand out.
struct Stripe {
    mark: Option<(&'static str, Style)>,
    tint: Style,
}

impl Stripe {
    fn draw(&self, row: Rect, buffer: &mut Buffer) {
        if let Some((mark, style)) = self.mark {
            put(buffer, (row.x, row.y), row.right(), mark, style);
        }
        if self.tint != Style::new() {
            tint(buffer, row, self.tint);
        }
    }
}

/// A rule with its word at the right, or in the middle.
pub(crate) fn draw_rule(
    buffer: &mut Buffer,
    (left, right): (u16, u16),
    y: u16,
    (word, tail): (&str, Option<u16>),
    (line, text): (Style, Style),
) {
    rule(buffer, (left, right), y, line);
    let word = format!(" {word} ");
    let width = u16::try_from(columns(&word)).unwrap_or(u16::MAX);
    let free = (right - left).saturating_sub(width);
    let tail = tail.unwrap_or(free.div_ceil(2));
    put_right(buffer, (left, right.saturating_sub(tail)), y, &word, text);
}

fn is_day_rule(line: &BlockLine) -> bool {
    line.rule.as_ref().is_some_and(|rule| rule.tail.is_none())
}

fn length(lines: &[BlockLine]) -> i32 {
    i32::try_from(lines.len()).unwrap_or(i32::MAX)
}
