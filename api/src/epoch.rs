//! What the stream and the outbox say about each other: whether the stream lost events, and so whether a new epoch begins
//! (delivery-and-security.md section 2.3).
//!
//! Judged by identity, not by numbers alone: a stream that was rolled back gives out the same numbers again, for other events.

use std::time::Duration;

use ajet_shared::bus::{Bus, BusError, StreamState};
use ajet_shared::db::audit::{self, Entry};
use ajet_shared::db::outbox::{self, Mark};
use ajet_shared::db::{Cause, meta};
use ajet_shared::id::EventId;
use futures::StreamExt as _;
use serde::Deserialize;
use sqlx::{Connection as _, PgConnection};
use tokio::time::timeout;

/// How long the stream holds an event: older ones are not missing when they are not there.
const HELD: Duration = Duration::from_hours(24);
/// A comparison of stream and outbox that takes longer has met a database or a bus that does not answer.
const COMPARE_TIMEOUT: Duration = Duration::from_secs(12);
/// The same for one step of reading the stream.
const STEP_TIMEOUT: Duration = Duration::from_secs(6);
/// Events of the stream that are noted in one statement.
const ADOPT_AT_ONCE: usize = 500;

/// Why the stream could not be brought in order.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unsettled {
    #[error(transparent)]
    Database(#[from] sqlx::Error),
    #[error(transparent)]
    Bus(#[from] BusError),
    #[error("the comparison takes too long")]
    Timeout(#[from] tokio::time::error::Elapsed),
}

/// The stream and the outbox agree: publishing may begin.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settled {
    /// The epoch to publish in.
    pub(crate) epoch: i32,
    /// The highest sequence the stream has given out.
    pub(crate) high_water: u64,
    /// It has just begun, because events were lost.
    pub(crate) is_new: bool,
}

/// What is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Finding {
    /// The stream has what it should have, or there has never been one.
    InOrder,
    /// The stream is not there any more.
    Missing,
    /// The stream ends before events that it had taken.
    RolledBack {
        /// Where it ends now.
        last_seq: u64,
    },
    /// The stream holds other events than it had taken: it went back, and somebody published before it was noticed. What was lost would
    /// come after what is newer, so a new stream is made.
    Replaced,
    /// The stream holds events that the database does not know: the database is an older copy.
    Ahead {
        /// The epoch the stream was in.
        epoch: i32,
    },
}

impl Finding {
    /// The finding about a stream that was seen to give out numbers again: it holds events where others were.
    pub(crate) fn after_going_back(self, went_back: bool) -> Self {
        match self {
            Self::InOrder | Self::RolledBack { .. } if went_back => Self::Replaced,
            finding => finding,
        }
    }

    /// For the log.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::InOrder => "in order",
            Self::Missing => "missing",
            Self::RolledBack { .. } => "rolled back",
            Self::Replaced => "replaced",
            Self::Ahead { .. } => "ahead of the database",
        }
    }

    /// The epoch that begins with it.
    pub(crate) fn next_epoch(self, epoch: i32) -> i32 {
        match self {
            Self::InOrder => epoch,
            Self::Missing | Self::RolledBack { .. } | Self::Replaced => epoch + 1,
            Self::Ahead { epoch: streams } => epoch.max(streams) + 1,
        }
    }

    /// Events above this sequence must be published again; none if nothing is lost.
    pub(crate) fn kept_up_to(self) -> Option<u64> {
        match self {
            Self::InOrder => None,
            // The stream goes, if there is one, and what is true is told in a new one.
            Self::Missing | Self::Replaced | Self::Ahead { .. } => Some(0),
            Self::RolledBack { last_seq } => Some(last_seq),
        }
    }
}

/// Compares the stream with the outbox, makes lost events wait again under a new epoch, brings the stream up to date, and notes what
/// it has of the events that wait: so nothing is published twice, however long ago the first time was.
pub(crate) async fn settle(
    conn: &mut PgConnection,
    bus: &Bus,
    went_back: bool,
) -> Result<Settled, Unsettled> {
    let compared = compare(conn, bus, went_back).await?;
    adopt(conn, bus, &compared).await?;
    let Compared { epoch, stream, is_new, .. } = compared;
    Ok(Settled { epoch, high_water: stream.last_seq, is_new })
}

struct Compared {
    epoch: i32,
    is_new: bool,
    stream: StreamState,
    /// From here on the stream may hold what the outbox does not know of.
    unnoted_from: Option<u64>,
}

async fn compare(
    conn: &mut PgConnection,
    bus: &Bus,
    went_back: bool,
) -> Result<Compared, Unsettled> {
    let before = meta::epoch(conn).await?;
    // Asked before lost events wait again: those are known to lie above what was kept.
    let unnoted =
        outbox::unnoted_from(conn, before).await?.map(|seq| u64::try_from(seq).unwrap_or(1));
    let examined = timeout(COMPARE_TIMEOUT, examine(conn, bus, before)).await??;
    let finding = examined.after_going_back(went_back);
    // Not bounded here: a day of events may have to wait again, and given up half-way it would begin anew for ever.
    let epoch = begin_epoch(conn, before, finding).await?;
    let stream = timeout(COMPARE_TIMEOUT, renew(conn, bus, epoch)).await??;
    let kept = finding.kept_up_to().map(|kept| kept.saturating_add(1));
    let unnoted_from = [unnoted, kept].into_iter().flatten().min();
    Ok(Compared { epoch, is_new: epoch != before, stream, unnoted_from })
}

/// Begins a new epoch if the finding asks for one; returns the one that holds.
async fn begin_epoch(
    conn: &mut PgConnection,
    epoch: i32,
    finding: Finding,
) -> Result<i32, sqlx::Error> {
    let Some(kept) = finding.kept_up_to() else { return Ok(epoch) };
    let mut tx = conn.begin().await?;
    let next = finding.next_epoch(epoch);
    meta::begin_epoch(&mut tx, next, kept).await?;
    let kept = i64::try_from(kept).unwrap_or(i64::MAX);
    let requeued = outbox::requeue_above(&mut tx, kept, HELD).await?;
    let detail =
        serde_json::json!({ "finding": finding.name(), "epoch": next, "requeued": requeued });
    audit::insert(&mut tx, &Cause::system(), &Entry::done("stream.rolled_back").with(detail))
        .await?;
    tx.commit().await?;
    tracing::warn!(
        finding = finding.name(),
        epoch = next,
        requeued,
        "the stream lost events; a new epoch begins"
    );
    Ok(next)
}

/// Makes the stream, or brings it up to date. One of an older epoch goes first if the numbering began anew: what it holds is told again,
/// and what the database does not know must not be told at all.
async fn renew(conn: &mut PgConnection, bus: &Bus, epoch: i32) -> Result<StreamState, Unsettled> {
    if meta::epoch_start(conn).await? == Some(0) {
        match bus.stream_state().await {
            Ok(stream) if stream.epoch != Some(epoch) => bus.delete_stream().await?,
            Ok(_) | Err(BusError::NoStream) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(bus.ensure_stream(epoch).await?)
}

/// Notes what the stream has of the events that wait.
async fn adopt(conn: &mut PgConnection, bus: &Bus, compared: &Compared) -> Result<(), Unsettled> {
    let Compared { epoch, stream, unnoted_from: Some(from), .. } = *compared else { return Ok(()) };
    let mut held =
        timeout(STEP_TIMEOUT, bus.replay(from.max(stream.first_seq), stream.last_seq)).await??;
    let (mut found, mut adopted) = (Vec::new(), 0);
    loop {
        let delivered = timeout(STEP_TIMEOUT, held.next()).await?.transpose()?;
        let is_over = delivered.is_none();
        found
            .extend(delivered.and_then(|delivered| mark(delivered.stream_seq, &delivered.payload)));
        if found.len() >= ADOPT_AT_ONCE || (is_over && !found.is_empty()) {
            adopted += timeout(STEP_TIMEOUT, outbox::adopt(conn, epoch, &found)).await??;
            found.clear();
        }
        if is_over {
            break;
        }
    }
    if adopted > 0 {
        tracing::info!(adopted, "the stream had events that nobody had noted");
    }
    Ok(())
}

/// What an event of the stream says about itself; none if it is none of ours.
fn mark(stream_seq: u64, payload: &[u8]) -> Option<Mark> {
    #[derive(Deserialize)]
    struct Named {
        id: EventId,
    }
    let Named { id: event_id } = serde_json::from_slice(payload).ok()?;
    Some(Mark { stream_seq: i64::try_from(stream_seq).ok()?, event_id })
}

/// Compares the stream with what the relay has noted.
async fn examine(conn: &mut PgConnection, bus: &Bus, epoch: i32) -> Result<Finding, Unsettled> {
    let newest = outbox::newest_mark(conn, epoch).await?;
    let started_at = meta::epoch_start(conn).await?;
    let stream = match bus.stream_state().await {
        Ok(stream) => stream,
        Err(BusError::NoStream) if epoch == 1 && newest.is_none() => return Ok(Finding::InOrder),
        Err(BusError::NoStream) => return Ok(Finding::Missing),
        Err(error) => return Err(error.into()),
    };
    if let Some(streams) = stream.epoch.filter(|streams| *streams > epoch) {
        return Ok(Finding::Ahead { epoch: streams });
    }
    let noted =
        newest.map_or(0, |mark| mark.stream_seq.unsigned_abs()).max(started_at.unwrap_or(0));
    let agrees = match newest {
        Some(mark) => stream.last_seq >= noted && holds(bus, mark).await?,
        None => stream.last_seq >= noted,
    };
    if !agrees {
        return remains(conn, bus, stream).await;
    }
    if stream.last_seq > noted
        && let Some(event_id) = bus.event_id_at(stream.last_seq).await?
        // Ours if the last relay died between the acknowledgement and its note of it.
        && !outbox::contains(conn, event_id).await?
    {
        return Ok(Finding::Ahead { epoch: stream.epoch.unwrap_or(epoch) });
    }
    Ok(Finding::InOrder)
}

/// The stream has this event in its place, or nothing any more.
async fn holds(bus: &Bus, mark: Mark) -> Result<bool, BusError> {
    let there = bus.event_id_at(mark.stream_seq.unsigned_abs()).await?;
    Ok(there.is_none_or(|event_id| event_id == mark.event_id))
}

/// What is left of a stream that does not hold what it should: an earlier part of it, or something else.
async fn remains(
    conn: &mut PgConnection,
    bus: &Bus,
    stream: StreamState,
) -> Result<Finding, Unsettled> {
    let Some(event_id) = bus.event_id_at(stream.last_seq).await? else {
        return Ok(Finding::RolledBack { last_seq: stream.last_seq });
    };
    let stream_seq = i64::try_from(stream.last_seq).unwrap_or(i64::MAX);
    Ok(if outbox::has_mark(conn, Mark { stream_seq, event_id }).await? {
        Finding::RolledBack { last_seq: stream.last_seq }
    } else {
        Finding::Replaced
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_that_gave_out_numbers_again_is_told_anew() {
        let back = Finding::RolledBack { last_seq: 120 };
        assert_eq!(Finding::InOrder.after_going_back(true), Finding::Replaced);
        assert_eq!(back.after_going_back(true), Finding::Replaced);
        assert_eq!(Finding::Missing.after_going_back(true), Finding::Missing);
        assert_eq!(back.after_going_back(false), back);
        assert_eq!(back.kept_up_to(), Some(120));
        assert_eq!(Finding::Replaced.kept_up_to(), Some(0));
    }

    #[test]
    fn a_new_epoch_is_higher_than_both() {
        assert_eq!(Finding::Missing.next_epoch(4), 5);
        assert_eq!(Finding::Ahead { epoch: 7 }.next_epoch(4), 8);
        assert_eq!(Finding::InOrder.next_epoch(4), 4);
    }
}
