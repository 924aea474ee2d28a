//! What `ajet-api verify` says.

use std::fmt;

use serde::Serialize;

/// Differences that are written out for people; a program reads all of them.
const SHOWN: usize = 50;

/// What was compared, and how it differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// There is no difference.
    pub agree: bool,
    /// The epoch, as Postgres says.
    pub epoch: i32,
    /// Channels compared.
    pub channels: usize,
    /// Rows of the outbox.
    pub outbox: usize,
    /// Those of them that wait.
    pub waiting: usize,
    /// Those of them that were set aside because the stream refuses them.
    pub set_aside: usize,
    /// Events in the stream.
    pub stream: usize,
    /// Its newest sequence.
    pub last_seq: u64,
    /// Each difference.
    pub differences: Vec<Difference>,
}

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Of which kind.
    pub kind: Kind,
    /// In one sentence.
    pub detail: String,
}

/// What can differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A number of a channel has no event, or two, or the channel counts further than its events.
    Channel,
    /// A message that no event tells of.
    Untold,
    /// An event waits too long.
    Waiting,
    /// There is no stream, or one of another epoch.
    Stream,
    /// The stream lacks an event that it took.
    Lost,
    /// The stream has an event twice.
    Doubled,
    /// The stream has an event elsewhere than was noted.
    Misplaced,
    /// The stream has events of one channel in another order.
    Disordered,
    /// The stream has something that Postgres does not know.
    Unknown,
}

impl Kind {
    /// For people.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Channel => "channel",
            Self::Untold => "untold",
            Self::Waiting => "waiting",
            Self::Stream => "stream",
            Self::Lost => "lost",
            Self::Doubled => "doubled",
            Self::Misplaced => "misplaced",
            Self::Disordered => "disordered",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { epoch, channels, outbox, waiting, set_aside, stream, last_seq, .. } = self;
        writeln!(
            out,
            "epoch {epoch}: {channels} channels, {outbox} events in the outbox ({waiting} waiting, {set_aside} set aside), {stream} in the stream up to {last_seq}"
        )?;
        if self.agree {
            return write!(out, "Postgres, outbox and stream agree.");
        }
        for Difference { kind, detail } in self.differences.iter().take(SHOWN) {
            writeln!(out, "  {:<10}  {detail}", kind.name())?;
        }
        match self.differences.len() {
            1 => write!(out, "1 difference."),
            count if count > SHOWN => {
                write!(out, "{count} differences, {SHOWN} of them above; --json has them all.")
            }
            count => write!(out, "{count} differences."),
        }
    }
}
