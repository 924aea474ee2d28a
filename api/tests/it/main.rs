//! The api against real servers: every route through the real router, over Postgres, NATS and HTTP. Run by `cargo xtask test`.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on should say so at once, also in its helpers"
)]

mod channels;
mod communities;
mod edges;
mod files;
mod harness;
mod invites;
mod me;
mod messages;
mod posting;
mod races;
mod reactions;
mod read_state;
mod relay;
mod schema;
mod sync;
mod visibility;
