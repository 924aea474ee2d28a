//! Fault tests: a stack of separate processes, faults, and a checker that knows every acknowledged write and every frame that each
//! reader saw (delivery-and-security.md section 4).
//!
//! A test sets a [`Scene`]: the surrounding [`Stack`], for itself. On it stand a [`Town`] of people and channels and a [`Load`]: an
//! [`Audience`] of terminals, bots and pages that notes every frame, and [`Writer`]s that post like good clients and note every
//! acknowledgement in the [`Ledger`]. Meanwhile the test does its harm, drawn from a [`seed`]; at the end a [`check`] compares all of it
//! with what Postgres and the stream say ([`Truth`]). The list of all faults is the [`MATRIX`].

mod audience;
mod balancer;
mod books;
mod browser;
mod check;
mod crowd;
mod far_away;
mod faults;
mod impatient;
mod ledger;
mod load;
mod logs;
mod machine;
mod mark;
mod matrix;
mod model;
mod mutes;
mod probe;
mod reader;
mod record;
mod report;
mod rows;
mod scene;
mod seed;
mod stack;
mod store;
mod streams;
mod town;
pub mod toxic;
mod truth;
mod wire;
mod writer;

pub use audience::{Audience, Witness};
pub use balancer::Balancer;
pub use books::{Books, eventually};
pub use browser::{Block, Browser, Shown, stream_of};
pub use check::{Findings, check};
pub use far_away::FarAway;
pub use faults::{Kill, Killed, kills, strike};
pub use impatient::{Asked, Impatient, Wish};
pub use ledger::{Edited, Ledger, Posted};
pub use load::{Ended, Load, Shape, Watch, percentile};
pub use logs::Logs;
pub use machine::{FileLimit, MemoryLimit, open_files, resident_bytes};
pub use matrix::{Fault, Home, Lane, MATRIX};
pub use model::Model;
pub use mutes::{Ask, Mutes, door};
pub use probe::{Probe, Probed};
pub use reader::{Frame, Kind, Reader, Seen, Told};
pub use record::{Number, RESULTS, Record};
pub use report::Report;
pub use rows::{Row, Rows};
pub use scene::Scene;
pub use seed::seed;
pub use stack::Stack;
pub use store::{Disk, Older, Store};
pub use streams::Streams;
pub use town::{Person, Town, move_in};
pub use truth::{Since, Truth};
pub use wire::{Heard, Wire};
pub use writer::{Writer, Written};
