//! The real `ajet-chat` against a small real server.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should say so at once")]

mod errors;
mod harness;
mod login;
mod machines;
mod output;
mod search;
mod slash;
mod tail;
