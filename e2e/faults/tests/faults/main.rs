//! All fault tests, in one program. Each bears the number of its row in the matrix (`ajet_faults::MATRIX`), where its promise is.

mod bots;
mod changes;
mod clients;
mod clocks;
mod cursors;
mod disks;
mod failpoints;
mod kills;
mod limits;
mod migration;
mod network;
mod outage;
mod people;
mod poison;
mod races;
mod removals;
mod rolling;
mod stops;
mod stores;
mod toxic;

/// Of a test: the sentence that says what went wrong.
type Outcome = anyhow::Result<()>;
