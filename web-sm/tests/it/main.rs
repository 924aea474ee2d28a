//! The web session manager against a real NATS server. The api is a stand-in that answers what the test says, because the subject here
//! is what the service does with it.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on should say so at once, also in its helpers"
)]

mod doors;
mod harness;
mod live;
mod pages;
mod talk;
