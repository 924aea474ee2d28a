//! What is due at a moment: nothing runs while nothing is.

use ajet_shared::limits::HEARTBEAT_EVERY;
use time::{Duration, OffsetDateTime};

use super::super::event::Ask;
use super::super::model::{Connection, Model};
use super::compose;

/// When [`super::update`] wants to be called again, if nothing else happens.
pub(crate) fn next_due(model: &Model) -> Option<OffsetDateTime> {
    let work = &model.work;
    let countdown = match model.connection {
        // The seconds are shown, so they are counted.
        Connection::Reconnecting { at, .. } if at > model.now => {
            let left = at - model.now;
            Some(
                model.now
                    + Duration::nanoseconds(i64::from(left.subsec_nanoseconds()).max(1_000_000)),
            )
        }
        _ => None,
    };
    let rests = work.outbox_rests.filter(|_| !model.outbox.is_empty());
    let live = model.connection == Connection::Live;
    [
        countdown,
        rests,
        work.drafts_due,
        work.heartbeat_due.filter(|_| live),
        work.sync_due.filter(|_| !work.syncing),
        compose::typing_ends(model),
        model.status.as_ref().map(|status| status.until),
        model.typists.iter().map(|typist| typist.until).min(),
    ]
    .into_iter()
    .flatten()
    .min()
}

/// Does what is due.
pub(super) fn due(model: &mut Model) {
    let now = model.now;
    let is_due = |at: Option<OffsetDateTime>| at.is_some_and(|at| at <= now);
    if model.status.as_ref().is_some_and(|status| status.until <= now) {
        model.status = None;
    }
    model.typists.retain(|typist| typist.until > now);
    if is_due(compose::typing_ends(model)) {
        compose::stop_typing(model);
    }
    if is_due(model.work.drafts_due) {
        compose::keep_all(model);
    }
    if is_due(model.work.outbox_rests) {
        model.work.outbox_rests = None;
    }
    if is_due(model.work.sync_due) && !model.work.syncing {
        model.work.sync_due = None;
        model.work.syncing = true;
        model.work.reload = true;
        model.ask(Ask::Sync);
    }
    // Somebody looks: they are there.
    if model.connection == Connection::Live && model.work.heartbeat_due.is_none_or(|at| at <= now) {
        model.work.heartbeat_due = Some(now + HEARTBEAT_EVERY);
        if model.focused {
            model.ask(Ask::Heartbeat);
        }
    }
}
