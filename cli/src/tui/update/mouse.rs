//! The pointer. Everything it reaches has a key too.

use crossterm::event::{MouseButton, MouseEvent, MouseEventKind};
use ratatui::layout::Position;
use time::Duration;

use super::super::drawn::Hit;
use super::super::model::{Mode, Model, Zone};
use super::super::overlay::Overlay;
use super::super::timeline::RowKey;
use super::{act, complete, compose, go, jump, listing, news};

/// Lines of one notch of the wheel.
const NOTCH: i32 = 3;
/// Two clicks within this are one.
const DOUBLE: Duration = Duration::milliseconds(400);

pub(super) fn mouse(model: &mut Model, event: MouseEvent) {
    let at = Position::new(event.column, event.row);
    match event.kind {
        MouseEventKind::ScrollUp => wheel(model, at, -NOTCH),
        MouseEventKind::ScrollDown => wheel(model, at, NOTCH),
        MouseEventKind::Down(MouseButton::Left) => {
            if let Some(hit) = hit(model, at) {
                click(model, hit);
            }
        }
        _ => {}
    }
}

fn hit(model: &Model, at: Position) -> Option<Hit> {
    model.drawn.hits.iter().rev().find(|(area, _)| area.contains(at)).map(|(_, hit)| hit.clone())
}

fn wheel(model: &mut Model, at: Position, lines: i32) {
    match &mut model.overlay {
        Some(Overlay::Palette(palette)) => {
            let to = palette.selected.saturating_add_signed(lines.signum() as isize);
            palette.selected = to.min(palette.items.len().saturating_sub(1));
        }
        Some(Overlay::Help { scroll }) => {
            *scroll = scroll.saturating_add_signed(i16::try_from(lines).unwrap_or(0));
        }
        Some(_) => {}
        None => {
            let zone = model.drawn.hits.iter().find_map(|(area, hit)| match hit {
                Hit::Zone(zone) if area.contains(at) => Some(*zone),
                _ => None,
            });
            match zone {
                Some(Zone::Pane) if model.thread().is_none() => {
                    news::step(model, lines.signum() as isize);
                }
                Some(zone @ (Zone::Channel | Zone::Pane)) => go::scroll(model, zone, lines),
                _ => {}
            }
        }
    }
}

fn click(model: &mut Model, hit: Hit) {
    if matches!(model.overlay, Some(Overlay::Palette(_))) {
        match hit {
            Hit::Palette(at) => jump::choose(model, Some(at)),
            _ => model.overlay = None,
        }
        return;
    }
    match hit {
        Hit::List(row) => {
            model.list.selected = Some(row);
            listing::choose(model);
        }
        Hit::Row(zone, row) => row_clicked(model, zone, row),
        Hit::Reaction(message, emoji) => act::react(model, message, &emoji),
        Hit::Thread(message) => {
            if let Some(message) = act::known(model, message).cloned() {
                go::open_thread(model, message);
            }
        }
        Hit::Activity(at) => {
            model.focus = Zone::Pane;
            model.mode = Mode::Message;
            model.activity.selected = at;
            news::open_selected(model);
        }
        Hit::Completion(at) => {
            if let Some(popup) =
                compose::active_mut(model).and_then(|composer| composer.popup.as_mut())
            {
                popup.selected = at.min(popup.candidates.len() - 1);
                complete::accept(model);
            }
        }
        Hit::Composer(zone) => {
            model.focus = zone;
            model.mode = Mode::Insert;
        }
        Hit::Zone(zone @ (Zone::Channel | Zone::Pane)) => model.focus = zone,
        Hit::Zone(Zone::List) | Hit::Palette(_) => {}
    }
}

/// One click selects, two open the thread.
fn row_clicked(model: &mut Model, zone: Zone, row: RowKey) {
    let again =
        model.work.clicked.is_some_and(|(known, at)| known == row && model.now - at < DOUBLE);
    model.work.clicked = Some((row, model.now));
    model.mode = Mode::Message;
    go::select(model, zone, row);
    if again
        && let (RowKey::Message(id), Zone::Channel) = (row, zone)
        && let Some(message) = act::known(model, id).cloned()
    {
        go::open_thread(model, message);
    }
}
