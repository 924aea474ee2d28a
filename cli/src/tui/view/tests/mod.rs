//! Pictures of whole screens, and what must hold on all of them.

mod hostile;
mod screens;
mod scrolling;

use ajet_shared::message::Message;
use ratatui::buffer::Buffer;

use super::super::composer::Composer;
use super::super::model::{Mode, Model, Typist};
use super::super::palette::{Group, Jump, Palette, PaletteItem};
use super::super::places::Place;
use super::testing::*;

/// The first column and row where a text stands.
pub(super) fn find(buffer: &Buffer, wanted: &str) -> (u16, u16) {
    for y in 0..buffer.area.height {
        let line: String = (0..buffer.area.width).map(|x| buffer[(x, y)].symbol()).collect();
        if let Some(at) = line.find(wanted) {
            let x = (0..buffer.area.width)
                .scan(0, |bytes, x| {
                    let here = *bytes;
                    *bytes += buffer[(x, y)].symbol().len();
                    Some((x, here))
                })
                .find(|(_, bytes)| *bytes == at);
            return (x.expect("a column").0, y);
        }
    }
    panic!("{wanted:?} is not on the screen:\n{}", text(buffer));
}

pub(super) fn writing(model: &mut Model, text: &str) {
    model.mode = Mode::Insert;
    model.open.as_mut().expect("open").composer = Composer::of(text.to_owned());
}

pub(super) fn typist(model: &Model, place: Place, author: &ajet_shared::user::Author) -> Typist {
    let until = model.now + time::Duration::seconds(5);
    Typist { place, user: author.id, name: author.display_name.clone(), until }
}

pub(super) fn many(count: i64) -> Vec<Message> {
    let who = [mara(), idris(), lena(), yuki()];
    let message = |seq: i64| {
        let author = who[usize::try_from(seq % 4).expect("small")].clone();
        message(
            seq,
            author,
            at(9, 0) + time::Duration::minutes(seq),
            &format!("message {seq} of many"),
        )
    };
    (1..=count).map(message).collect()
}

pub(super) fn palette() -> Palette {
    let item = |group, mark, label: &str, detail: &str, note: &str| PaletteItem {
        group,
        mark,
        label: label.to_owned(),
        detail: detail.to_owned(),
        note: note.to_owned(),
        does: Jump::Search(String::new()),
    };
    Palette {
        query: Composer::of("rel".to_owned()),
        items: vec![
            item(Group::GoTo, "#", "release-room", "Saltmarsh Labs", ""),
            item(Group::GoTo, "#", "reliability", "Rust Guild", ""),
            item(Group::GoTo, "●", "Mara Voss", "@mara", ""),
            item(Group::Run, "/", "topic", "change the topic of #release-room", ""),
            item(
                Group::Messages,
                "",
                "Lena: Runbook is updated with the steps",
                "release/0.9",
                "Thu 17:20",
            ),
            item(Group::Messages, "", "Search all messages for \"rel\"", "", "Alt-↵"),
        ],
        selected: 0,
        searching: false,
    }
}
