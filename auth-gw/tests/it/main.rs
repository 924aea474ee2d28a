//! The gateway from outside: a real database, real upstream servers, a real (small) provider, real sockets.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so at once")]

mod edge;
mod harness;
mod hooks;
mod invites;
mod limits;
mod provider;
mod proxy;
mod setup;
mod sign_in;
mod terminal;
mod upstream;
mod verifier;
