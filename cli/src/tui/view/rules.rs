//! Rules between the rows of a timeline: another day, what is new, the replies of a thread.

use ratatui::text::{Line, Span};

use super::super::model::Model;
use super::super::theme::Role;
use super::super::timeline::{Row, Timeline};
use super::clock;
use super::feed::Feed;
use super::message::{BlockLine, Rule};

impl Feed<'_> {
    pub(super) fn rules_before(&self, at: usize) -> Vec<BlockLine> {
        let mut before = Vec::new();
        if at == 0 && !self.has_parent {
            before.extend(self.beginning());
        }
        let here = self.date(at);
        let is_first = at == 0 || (self.has_parent && at == 1);
        if !is_first && self.date(at - 1) != here {
            let word = clock::day(here, self.model.now, self.room.wide);
            before.push(Rule { word, role: Role::Text3, tail: None }.into());
        }
        if self.first_new == Some(at) {
            let word = format!("{} new", self.count_new(at));
            before.push(Rule { word, role: Role::Signal, tail: Some(4) }.into());
        }
        before
    }

    fn beginning(&self) -> Option<BlockLine> {
        let text = match (self.timeline.has_older, self.timeline.loading) {
            (true, true) => "Loading older messages…",
            (true, false) => "Older messages are above",
            (false, _) => return None,
        };
        Some(Line::from(Span::styled(text, self.room.theme.role(Role::Text3))).into())
    }

    pub(super) fn replies_rule(&self) -> Vec<BlockLine> {
        let replies = self.rows.len() - 1;
        let known = match &self.rows[0] {
            Row::Message(parent) => usize::try_from(parent.reply_count).unwrap_or(0),
            _ => 0,
        };
        let word = match replies.max(known) {
            0 => "no replies yet".to_owned(),
            1 => "1 reply".to_owned(),
            count => format!("{count} replies"),
        };
        let rule = Rule { word, role: Role::Text3, tail: Some(2) }.into();
        if self.room.airy { vec![BlockLine::default(), rule] } else { vec![rule] }
    }

    fn count_new(&self, from: usize) -> usize {
        self.rows[from..].iter().filter(|row| is_new(self.model, row)).count()
    }
}

/// The first row that the reader has not read, of those after the divider that are not mine.
pub(super) fn first_new(
    model: &Model,
    timeline: &Timeline,
    rows: &[Row<'_>],
    has_parent: bool,
) -> Option<usize> {
    let divider = timeline.divider?;
    let first = usize::from(has_parent);
    let after = |row: &Row<'_>| match row {
        Row::Message(message) => message.seq > divider,
        Row::Outgoing(_) | Row::Note(_) => true,
    };
    let start = rows.iter().rposition(|row| !after(row)).map_or(first, |at| (at + 1).max(first));
    rows[start..].iter().position(|row| is_new(model, row)).map(|at| start + at)
}

fn is_new(model: &Model, row: &Row<'_>) -> bool {
    matches!(row, Row::Message(message) if !model.is_me(message.author.id) && message.deleted_at.is_none())
}
