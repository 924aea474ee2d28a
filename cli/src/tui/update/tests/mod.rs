//! Scripts: what somebody presses and what happens, and what must come of it.

mod crossing;
mod happening;
mod keeping;
mod moving;
mod reading;
mod sending;

use super::super::timeline::Row;
use super::testing::Scene;

fn bodies(scene: &Scene) -> Vec<String> {
    let rows = scene.rows();
    rows.iter()
        .map(|row| match row {
            Row::Message(message) => message.body_md.clone(),
            Row::Outgoing(entry) => format!("◷ {}", entry.body),
            Row::Note(note) => format!("note {}", note.body_md),
        })
        .collect()
}

fn selected(scene: &Scene) -> Option<String> {
    super::act::selected(&scene.model).map(|message| message.body_md.clone())
}
