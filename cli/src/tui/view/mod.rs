//! The model on the screen (design/tui.md sections 1, 5 and 6). Pure: the same model gives the same cells, and nothing but cells.
//!
//! `layout` says where the zones are; each zone has a file. All strings that came from the server pass `ajet_shared::terminal` where they
//! are put into lines, and all cells are written by `canvas`, which drops what a terminal could obey once more.

mod activity;
mod canvas;
mod card;
mod clock;
mod composer;
mod feed;
mod group;
mod header;
mod layout;
mod list;
mod markdown;
mod message;
mod overlay;
mod own;
mod place;
mod rules;
mod status;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod width;
mod wrap;

use ajet_shared::terminal::terminal_line;
use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use self::composer::Around;
use self::feed::{Feed, FeedDrawn, Room};
use self::layout::{Layout, Spot};
use super::composer::Composer;
use super::drawn::{Drawn, Hit};
use super::model::{Mode, Model, Pane, ThreadPane, Zone};
use super::overlay::Overlay;
use super::places::Place;
use super::theme::{Role, Theme};
use super::timeline::Row;

/// From this height on messages of different authors have an empty line between them.
const AIRY_FROM: u16 = 30;

/// Draws everything; tells where things are.
pub(crate) fn draw(model: &Model, theme: Theme, frame: &mut Frame<'_>) -> Drawn {
    let screen = frame.area();
    let mut view = View {
        model,
        theme,
        screen,
        buffer: frame.buffer_mut(),
        drawn: Drawn::default(),
        cursor: None,
    };
    view.draw();
    let (drawn, cursor) = (view.drawn, view.cursor);
    if let Some((x, y)) = cursor.filter(|(x, y)| *x < screen.right() && *y < screen.bottom()) {
        frame.set_cursor_position((x, y));
    }
    drawn
}

/// One drawing under way.
struct View<'a, 'b> {
    model: &'a Model,
    theme: Theme,
    screen: Rect,
    buffer: &'b mut Buffer,
    drawn: Drawn,
    cursor: Option<(u16, u16)>,
}

impl<'a> View<'a, '_> {
    fn draw(&mut self) {
        if self.screen.width < super::model::SMALLEST.0
            || self.screen.height < super::model::SMALLEST.1
        {
            return self.draw_too_small();
        }
        let layout = self.layout();
        self.drawn.list_beside = layout.list.is_some();
        self.drawn.pane_beside = layout.pane_beside();
        if let Some(area) = layout.banner {
            header::banner(self.model, self.theme, area, self.buffer);
        }
        if let Some(area) = layout.list {
            self.draw_list(area);
        }
        self.draw_rules(&layout);
        if let Some(spot) = &layout.centre {
            self.draw_channel(spot, &layout);
        }
        if let Some(spot) = &layout.pane {
            self.draw_pane(spot, &layout);
        }
        let at = status::draw(self.model, self.theme, layout.status, self.buffer);
        self.cursor = at.or(self.cursor);
        self.draw_overlay(&layout);
        canvas::settle(self.buffer);
    }

    fn layout(&self) -> Layout {
        let composer = |zone| self.composer(zone);
        let list = self.screen.width >= super::model::LIST_FROM && !self.model.list.hidden;
        layout::layout(
            self.screen,
            header::has_banner(self.model),
            list,
            self.model.pane.as_ref(),
            composer,
        )
    }

    /// The box of a zone.
    fn composer(&self, zone: Zone) -> Option<&'a Composer> {
        match zone {
            Zone::Pane => self.model.thread().map(|thread| &thread.composer),
            Zone::Channel | Zone::List => self.model.open.as_ref().map(|open| &open.composer),
        }
    }

    fn room(&self) -> Room {
        Room {
            theme: self.theme,
            right: self.screen.right(),
            airy: self.screen.height >= AIRY_FROM,
            under_day: layout::has_day(self.screen),
            wide: self.screen.width >= super::model::PANE_FROM,
        }
    }

    fn draw_too_small(&mut self) {
        let (width, height) = (self.screen.width, self.screen.height);
        let (least_width, least_height) = super::model::SMALLEST;
        let text =
            format!("Terminal too small ({width}x{height}). Needs {least_width}x{least_height}.");
        let rows = wrap::wrap(&[ratatui::text::Span::raw(text)], usize::from(width.max(1)), &[]);
        let top = usize::from(height).saturating_sub(rows.len()) / 2;
        for (row, y) in
            rows.iter().zip(self.screen.y + u16::try_from(top).unwrap_or(0)..self.screen.bottom())
        {
            let left = usize::from(width).saturating_sub(wrap::line_columns(row)) / 2;
            let x = self.screen.x + u16::try_from(left).unwrap_or(0);
            canvas::put_line(self.buffer, (x, y), self.screen.right(), row);
        }
    }

    fn draw_list(&mut self, area: Rect) {
        let cursor = list::draw(self.model, self.theme, area, self.buffer, &mut self.drawn.hits);
        self.cursor = cursor.or(self.cursor);
    }

    fn draw_rules(&mut self, layout: &Layout) {
        let style = self.theme.role(Role::Rule);
        for x in &layout.uprights {
            canvas::rule_down(self.buffer, *x, (layout.body.top(), layout.body.bottom()), style);
        }
    }

    fn draw_channel(&mut self, spot: &Spot, layout: &Layout) {
        header::channel(self.model, self.theme, spot.header, layout.topic, self.buffer);
        let Some(open) = &self.model.open else { return self.draw_day(spot, None) };
        let rows = self.model.rows(&open.timeline, Place::channel(open.id));
        let feed = Feed::new(self.model, &open.timeline, rows, false, (spot.feed, self.room()));
        let told = feed.draw(self.buffer, &mut self.drawn.hits);
        self.draw_day(spot, told.day);
        self.draw_box(spot, Zone::Channel, &told, layout);
        self.drawn.channel = Some(told.drawn);
    }

    fn draw_pane(&mut self, spot: &Spot, layout: &Layout) {
        let Some(pane) = &self.model.pane else { return };
        let beside = layout.pane_beside();
        header::of_pane(self.model, pane, self.theme, spot.header, beside, self.buffer);
        match pane {
            Pane::Activity => {
                self.draw_day(spot, None);
                activity::draw(
                    self.model,
                    self.theme,
                    spot.feed,
                    self.buffer,
                    &mut self.drawn.hits,
                );
            }
            Pane::Thread(thread) => self.draw_thread(thread, spot, layout),
        }
    }

    fn draw_thread(&mut self, thread: &'a ThreadPane, spot: &Spot, layout: &Layout) {
        let mut rows = vec![Row::Message(&thread.parent)];
        rows.extend(self.model.rows(&thread.timeline, thread.place()));
        let feed = Feed::new(self.model, &thread.timeline, rows, true, (spot.feed, self.room()));
        let told = feed.draw(self.buffer, &mut self.drawn.hits);
        self.draw_day(spot, None);
        self.draw_box(spot, Zone::Pane, &told, layout);
        self.drawn.thread = Some(told.drawn);
    }

    fn draw_day(&mut self, spot: &Spot, day: Option<time::Date>) {
        if let Some(area) = spot.day {
            let wide = self.room().wide;
            header::day_rule(self.model, self.theme, area, day, wide, self.buffer);
        }
    }

    /// The rule over a box, the box, and what can be completed in it.
    fn draw_box(&mut self, spot: &Spot, zone: Zone, told: &FeedDrawn, layout: &Layout) {
        let (Some(area), Some(composer)) = (spot.composer, self.composer(zone)) else { return };
        let active = self.model.mode == Mode::Insert && self.model.focus == zone;
        self.draw_box_rule(spot, area, composer, told, layout);
        let (placeholder, place) = self.placeholder(zone);
        let names = place.map(|place| self.model.typing(place)).unwrap_or_default();
        let typing = composer::typing(&names);
        let around = Around { placeholder: &placeholder, typing: &typing, active };
        let at = composer::draw(composer, &around, self.theme, area, self.buffer);
        self.drawn.hits.push((area, Hit::Composer(zone)));
        if active && self.model.overlay.is_none() {
            self.cursor = Some(at);
        }
        if let (Some(popup), true) = (&composer.popup, active) {
            let over = (spot.feed, area.y - 1);
            composer::draw_popup(popup, self.theme, over, self.buffer, &mut self.drawn.hits);
        }
    }

    fn draw_box_rule(
        &mut self,
        spot: &Spot,
        area: Rect,
        composer: &Composer,
        told: &FeedDrawn,
        layout: &Layout,
    ) {
        let style = self.theme.role(Role::Rule);
        let (left, right, y) = (spot.feed.x, spot.feed.right(), area.y - 1);
        canvas::rule(self.buffer, (left, right), y, style);
        for x in layout.uprights.iter().filter(|x| **x + 1 == left || **x == right) {
            let joint = match (
                *x + 1 == left,
                self.buffer.cell((*x, y)).map(ratatui::buffer::Cell::symbol),
            ) {
                (true, Some("┤")) => "┼",
                (true, _) => "├",
                (false, _) => "┤",
            };
            canvas::put(self.buffer, (*x, y), *x + 1, joint, style);
        }
        let quiet = self.theme.role(Role::Text3);
        let mut x = left + 1;
        if composer.editing.is_some() {
            x = canvas::put(self.buffer, (x, y), right, " editing ", self.theme.role(Role::Warn));
        }
        if told.below > 0 {
            let text = format!(" ↓ {} more ", told.below);
            canvas::put_right(self.buffer, (x, right.saturating_sub(4)), y, &text, quiet);
        }
    }

    /// What an empty box says, and whose writers it shows.
    fn placeholder(&self, zone: Zone) -> (String, Option<Place>) {
        if zone == Zone::Pane {
            let Some(thread) = self.model.thread() else { return (String::new(), None) };
            let name = list::first_name(&thread.parent.author.display_name);
            return (format!("Reply to {name}"), Some(thread.place()));
        }
        let Some(channel) = self.model.channel() else { return (String::new(), None) };
        let text = if channel.is_archived() {
            "This channel is archived".to_owned()
        } else {
            format!("Message {}", terminal_line(&channel.title()))
        };
        (text, Some(Place::channel(channel.id())))
    }

    fn draw_overlay(&mut self, layout: &Layout) {
        match &self.model.overlay {
            Some(Overlay::Palette(palette)) => {
                let hits = &mut self.drawn.hits;
                let cursor = overlay::palette(palette, layout.body, self.theme, self.buffer, hits);
                self.cursor = Some(cursor);
            }
            Some(Overlay::Help { scroll }) => {
                overlay::help(*scroll, layout.body, self.theme, self.buffer);
            }
            Some(Overlay::List) => {
                let width = list::overlay_width(self.model, self.screen.width);
                let area = Rect { width, ..layout.body };
                canvas::clear(self.buffer, Rect { width: width + 1, ..area });
                let style = self.theme.role(Role::Rule);
                canvas::rule_down(self.buffer, area.right(), (area.top(), area.bottom()), style);
                self.draw_list(area);
            }
            _ => {}
        }
    }
}
