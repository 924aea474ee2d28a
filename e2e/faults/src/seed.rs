//! The number that a run is drawn from, so that it can be drawn again.

use anyhow::Context as _;

/// Sets the seed of a run.
const VARIABLE: &str = "AJET_FAULT_SEED";

/// The seed that `AJET_FAULT_SEED` names, else a new one.
pub fn seed() -> anyhow::Result<u64> {
    match std::env::var(VARIABLE) {
        Ok(text) => text.parse().with_context(|| format!("{VARIABLE} is a whole number")),
        Err(_) => Ok(rand::random_range(0..1_000_000)),
    }
}
