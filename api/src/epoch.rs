//! What the stream and the outbox say about each other: whether the stream lost events, and so whether a new epoch begins
//! (delivery-and-security.md section 2.3).

use std::time::Duration;

use ajet_shared::bus::{Bus, BusError, StreamState};
use ajet_shared::db::{meta, outbox};
use sqlx::PgConnection;

use crate::relay::Unsettled;

/// How long the stream holds an event: older ones are not missing when they are not there.
pub(crate) const HELD: Duration = Duration::from_hours(24);

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
    /// The stream holds events that the database does not know: the database is an older copy.
    Ahead {
        /// The epoch the stream was in.
        epoch: i32,
    },
}

impl Finding {
    /// The finding about a stream that was seen to end at `kept` since it was last examined: what it took after that has the numbers
    /// of events that it lost, so that comparing the numbers alone would count those as kept.
    pub(crate) fn after_going_back(self, kept: Option<u64>) -> Self {
        match (self, kept) {
            (Self::InOrder, Some(kept)) => Self::RolledBack { last_seq: kept },
            (Self::RolledBack { last_seq }, Some(kept)) => {
                Self::RolledBack { last_seq: last_seq.min(kept) }
            }
            // Says as much already.
            (finding @ (Self::Missing | Self::Ahead { .. }), _) | (finding, None) => finding,
        }
    }

    /// For the log.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::InOrder => "in order",
            Self::Missing => "missing",
            Self::RolledBack { .. } => "rolled back",
            Self::Ahead { .. } => "ahead of the database",
        }
    }

    /// The epoch that begins with it.
    pub(crate) fn next_epoch(self, epoch: i32) -> i32 {
        match self {
            Self::InOrder => epoch,
            Self::Missing | Self::RolledBack { .. } => epoch + 1,
            Self::Ahead { epoch: streams } => epoch.max(streams) + 1,
        }
    }

    /// Events above this sequence must be published again; none if nothing is lost.
    pub(crate) fn kept_up_to(self) -> Option<i64> {
        match self {
            Self::InOrder | Self::Ahead { .. } => None,
            Self::Missing => Some(0),
            Self::RolledBack { last_seq } => Some(i64::try_from(last_seq).unwrap_or(i64::MAX)),
        }
    }
}

/// Compares the stream with the outbox; returns the epoch that the database is in, too.
pub(crate) async fn examine(
    conn: &mut PgConnection,
    bus: &Bus,
) -> Result<(i32, Finding), Unsettled> {
    let epoch = meta::epoch(conn).await?;
    let newest = outbox::newest_held(conn, HELD).await?.and_then(|seq| u64::try_from(seq).ok());
    let stream = match bus.stream_state().await {
        Ok(stream) => Some(stream),
        Err(BusError::NoStream) => None,
        Err(error) => return Err(error.into()),
    };
    let mut finding = judge(epoch, newest, stream);
    if let (Finding::InOrder, Some(stream)) = (finding, stream)
        && stream.last_seq > newest.unwrap_or(0)
        && let Some(event_id) = bus.event_id_at(stream.last_seq).await?
        // Ours if the last relay died between the acknowledgement and its note of it.
        && !outbox::contains(conn, event_id).await?
    {
        finding = Finding::Ahead { epoch: stream.epoch.unwrap_or(epoch) };
    }
    Ok((epoch, finding))
}

/// What the numbers alone say.
fn judge(epoch: i32, newest: Option<u64>, stream: Option<StreamState>) -> Finding {
    match (stream, newest) {
        // The very first start.
        (None, None) if epoch == 1 => Finding::InOrder,
        (None, _) => Finding::Missing,
        (Some(stream), Some(newest)) if stream.last_seq < newest => {
            Finding::RolledBack { last_seq: stream.last_seq }
        }
        (Some(StreamState { epoch: Some(streams), .. }), _) if streams > epoch => {
            Finding::Ahead { epoch: streams }
        }
        (Some(_), _) => Finding::InOrder,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(epoch: i32, last_seq: u64) -> StreamState {
        StreamState { epoch: Some(epoch), first_seq: 1, last_seq }
    }

    #[test]
    fn a_loss_is_seen_and_its_absence_too() {
        assert_eq!(judge(1, None, None), Finding::InOrder, "first start");
        assert_eq!(judge(1, Some(5), None), Finding::Missing);
        assert_eq!(judge(2, None, None), Finding::Missing);
        assert_eq!(
            judge(1, Some(150), Some(stream(1, 100))),
            Finding::RolledBack { last_seq: 100 }
        );
        assert_eq!(judge(1, Some(150), Some(stream(1, 150))), Finding::InOrder);
        assert_eq!(
            judge(1, Some(150), Some(stream(1, 151))),
            Finding::InOrder,
            "acknowledged, not noted"
        );
        assert_eq!(
            judge(3, Some(150), Some(stream(2, 150))),
            Finding::InOrder,
            "the epoch was not written into the stream yet"
        );
        assert_eq!(judge(3, Some(150), Some(stream(4, 150))), Finding::Ahead { epoch: 4 });
    }

    #[test]
    fn a_stream_that_went_back_has_lost_what_came_after_however_far_it_is_now() {
        let back = Finding::RolledBack { last_seq: 100 };
        assert_eq!(Finding::InOrder.after_going_back(Some(100)), back);
        assert_eq!(Finding::RolledBack { last_seq: 120 }.after_going_back(Some(100)), back);
        assert_eq!(back.after_going_back(Some(120)), back);
        assert_eq!(Finding::Missing.after_going_back(Some(100)), Finding::Missing);
        assert_eq!(Finding::InOrder.after_going_back(None), Finding::InOrder);
    }

    #[test]
    fn a_new_epoch_is_higher_than_both() {
        assert_eq!(Finding::Missing.next_epoch(4), 5);
        assert_eq!(Finding::Ahead { epoch: 7 }.next_epoch(4), 8);
        assert_eq!(Finding::InOrder.next_epoch(4), 4);
    }
}
