//! Where a reader stands in the event stream.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A place in the stream: our own epoch and the JetStream sequence, written `<epoch>.<seq>` (delivery-and-security.md section 2.6).
///
/// The epoch grows whenever the stream lost events, so a cursor of an older epoch cannot be honoured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]

pub struct Position {
    /// Generation of the stream.
    pub epoch: i32,
    /// JetStream sequence of the last event seen.
    pub seq: u64,
}

/// The text is not `<epoch>.<seq>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a stream position looks like 1.4711")]
pub struct PositionError;

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.epoch, self.seq)
    }
}

impl FromStr for Position {
    type Err = PositionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (epoch, seq) = text.split_once('.').ok_or(PositionError)?;
        Ok(Self {
            epoch: epoch.parse().map_err(|_| PositionError)?,
            seq: seq.parse().map_err(|_| PositionError)?,
        })
    }
}

impl Serialize for Position {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Position {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}
