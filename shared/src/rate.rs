//! How a limit is written: so many in such a time (delivery-and-security.md section 3.7).

use std::num::NonZeroU32;
use std::str::FromStr;
use std::time::Duration;

/// How many requests in which time, and how many at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Requests.
    pub count: NonZeroU32,
    /// In this time.
    pub window: Duration,
    /// At once, after a silence.
    pub burst: NonZeroU32,
}

/// The text is not a rate.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("a rate is COUNT/SECONDS or COUNT/SECONDS,BURST")]
pub struct RateError;

impl Rate {
    /// The same in a mode.
    #[must_use]
    pub const fn at(self, mode: LimitMode) -> Self {
        let factor = mode.factor();
        Self {
            count: self.count.saturating_mul(factor),
            burst: self.burst.saturating_mul(factor),
            window: self.window,
        }
    }
}

impl FromStr for Rate {
    type Err = RateError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (rate, burst) =
            text.split_once(',').map_or((text, None), |(rate, burst)| (rate, Some(burst)));
        let (count, seconds) = rate.split_once('/').ok_or(RateError)?;
        let count: NonZeroU32 = count.trim().parse().map_err(|_| RateError)?;
        let seconds: NonZeroU32 = seconds.trim().parse().map_err(|_| RateError)?;
        let burst = burst.map_or(Ok(count), |burst| burst.trim().parse().map_err(|_| RateError))?;
        Ok(Self { count, window: Duration::from_secs(seconds.get().into()), burst })
    }
}

/// By how much limits are raised for tests and benches.
const RELAXED: NonZeroU32 = NonZeroU32::new(1_000).unwrap();

/// How strict the limits are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LimitMode {
    /// As configured.
    #[default]
    Default,
    /// A thousand times more, for tests and benches.
    Relaxed,
}

/// The text is not a mode.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("it is default or relaxed")]
pub struct LimitModeError;

impl FromStr for LimitMode {
    type Err = LimitModeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "default" => Ok(Self::Default),
            "relaxed" => Ok(Self::Relaxed),
            _ => Err(LimitModeError),
        }
    }
}

impl LimitMode {
    /// What every limit is multiplied by.
    #[must_use]
    pub const fn factor(self) -> NonZeroU32 {
        match self {
            Self::Default => NonZeroU32::MIN,
            Self::Relaxed => RELAXED,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{LimitMode, Rate};

    #[test]
    fn rates_parse() {
        let rate: Rate = "10/10,20".parse().unwrap();
        assert_eq!((rate.count.get(), rate.window.as_secs(), rate.burst.get()), (10, 10, 20));
        let relaxed = rate.at(LimitMode::Relaxed);
        assert_eq!((relaxed.count.get(), relaxed.window), (10_000, rate.window));
        assert_eq!(rate.at(LimitMode::Default), rate);
        assert_eq!("4/60".parse::<Rate>().unwrap().burst.get(), 4);
        for bad in ["", "10", "0/10", "10/0", "a/b", "1/1,0", "-1/1"] {
            assert!(bad.parse::<Rate>().is_err(), "{bad}");
        }
    }
}
