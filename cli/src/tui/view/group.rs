//! Which rows stand under one author line.

use ajet_shared::id::UserId;
use ajet_shared::message::MessageKind;
use ajet_shared::user::Author;
use time::OffsetDateTime;

use super::super::outbox::OutboxState;
use super::super::timeline::Row;
use super::clock;

/// Longer silences begin anew.
const GAP: time::Duration = time::Duration::minutes(5);

/// Whether a row goes under the author line of the one before: the same author within five minutes of the same day, nothing between.
pub(crate) fn is_grouped(before: &Row<'_>, row: &Row<'_>, me: Option<&Author>) -> bool {
    let (Some(before), Some(after)) = (signature(before, me, true), signature(row, me, false))
    else {
        return false;
    };
    let gap = after.1 - before.1;
    before.0 == after.0
        && gap <= GAP
        && gap >= -GAP
        && clock::date(before.1) == clock::date(after.1)
}

/// Who wrote a row under which name, and when; none for what always stands alone.
fn signature<'a>(
    row: &Row<'a>,
    me: Option<&'a Author>,
    above: bool,
) -> Option<((UserId, &'a str, MessageKind), OffsetDateTime)> {
    match row {
        Row::Message(message) => {
            let stands_alone = matches!(message.kind, MessageKind::System | MessageKind::Me)
                || message.deleted_at.is_some()
                || (!above && message.edited_at.is_some());
            let author = &message.author;
            (!stands_alone).then_some((
                (author.id, author.display_name.as_str(), message.kind),
                message.created_at,
            ))
        }
        Row::Outgoing(entry) => {
            let me = me?;
            let failed = matches!(entry.state, OutboxState::Failed(_));
            (!failed)
                .then_some(((me.id, me.display_name.as_str(), MessageKind::Text), entry.written_at))
        }
        Row::Note(_) => None,
    }
}
