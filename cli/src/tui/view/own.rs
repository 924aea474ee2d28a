//! Rows that only I see: what is not sent yet, and what a command answered.

use ajet_shared::hue::hue;
use ajet_shared::terminal::terminal_line;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::super::outbox::{OutboxEntry, OutboxState};
use super::super::theme::Role;
use super::super::timeline::Note;
use super::clock;
use super::markdown::{self, Paper};
use super::message::{BlockLine, Look};
use super::wrap::wrap;

pub(super) fn outgoing_block(entry: &OutboxEntry, look: &Look<'_>) -> Vec<BlockLine> {
    let time = clock::clock(entry.written_at);
    let quiet = look.theme.role(Role::Text3);
    let mut lines = Vec::new();
    if !look.grouped {
        lines.push(my_line(look, time.clone()));
    }
    lines.extend(markdown::rows(&entry.body, &look.paper()).into_iter().map(BlockLine::from));
    match &entry.state {
        OutboxState::Sending => {}
        OutboxState::Waiting => lines.push(look.quiet("◷ waiting", Role::Text2).into()),
        OutboxState::Failed(reason) => {
            let bad = look.theme.role(Role::Bad);
            let spans = [Span::styled("✗ not sent, Enter tries again, d deletes", bad)];
            lines.extend(wrap(&spans, look.width, &[]).into_iter().map(BlockLine::from));
            let reason = terminal_line(reason).into_owned();
            if !reason.trim().is_empty() {
                let rows = wrap(&[Span::styled(reason, quiet)], look.width, &[]);
                lines.extend(rows.into_iter().map(BlockLine::from));
            }
        }
    }
    if let (OutboxState::Sending, Some(first)) = (&entry.state, lines.first_mut()) {
        first.note = Some(Span::styled("◷ sending", quiet));
    }
    if look.grouped
        && look.selected
        && let Some(first) = lines.first_mut()
    {
        first.time = Some(time);
    }
    lines
}

fn my_line(look: &Look<'_>, time: String) -> BlockLine {
    let me = look.model.me.as_ref();
    let name = me.map_or_else(String::new, |me| terminal_line(&me.display_name).into_owned());
    let style = me.map_or_else(Style::new, |me| look.theme.name(hue(me.id)));
    BlockLine {
        time: Some(time),
        text: Line::from(Span::styled(name, style)),
        note: Some(Span::styled("you", look.theme.role(Role::Text3))),
        ..BlockLine::default()
    }
}

pub(super) fn note_block(note: &Note, look: &Look<'_>) -> Vec<BlockLine> {
    let quiet = look.theme.role(Role::Text3);
    let mut lines = vec![BlockLine {
        time: Some(clock::clock(note.at)),
        text: Line::from(Span::styled("Only you see this", quiet)),
        note: Some(Span::styled("x takes it away", quiet)),
        ..BlockLine::default()
    }];
    let paper =
        Paper { unfolded: true, width: look.width.saturating_sub(2).max(1), ..look.paper() };
    let bar = Span::styled("▎ ", look.theme.role(Role::Rule));
    let mut rows = markdown::rows(&note.body_md, &paper);
    if note.secret {
        let warning = "▲ Not shown again: copy it now.";
        rows.extend(wrap(&[Span::styled(warning, look.theme.role(Role::Warn))], paper.width, &[]));
    }
    lines.extend(markdown::barred(rows, &bar).into_iter().map(BlockLine::from));
    lines
}
