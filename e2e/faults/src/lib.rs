//! Fault tests: a stack of separate processes, faults, and a checker that knows every acknowledged write and every frame that each
//! reader saw (delivery-and-security.md section 4).
//!
//! A test is: a [`Town`] of people and channels on the surrounding [`Stack`], an [`Audience`] of terminals, bots and pages that notes
//! every frame, [`Writer`]s that post like good clients and note every acknowledgement in the [`Ledger`], a plan of faults drawn from
//! a [`seed`], and at the end a [`check`] over all of it and over what Postgres and the stream say ([`Truth`]).

mod audience;
mod browser;
mod check;
mod faults;
mod ledger;
mod mark;
mod reader;
mod report;
mod seed;
mod stack;
mod town;
pub mod toxic;
mod truth;
mod writer;

pub use audience::{Audience, Witness};
pub use browser::{Browser, Shown};
pub use check::{Findings, check};
pub use faults::{Kill, Killed, kills, strike};
pub use ledger::{Edited, Ledger, Posted};
pub use reader::{Kind, Reader, Seen};
pub use report::Report;
pub use seed::seed;
pub use stack::Stack;
pub use town::{Person, Town};
pub use truth::{Since, Truth};
pub use writer::{Writer, Written};
