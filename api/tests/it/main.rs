//! The api against real servers: every route through the real router, over Postgres, NATS and HTTP. Run by `cargo xtask test`.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on should say so at once, also in its helpers"
)]

mod channels;
mod commands;
mod communities;
mod edges;
mod files;
mod harness;
mod hooks;
mod invites;
mod limits;
mod me;
mod messages;
mod moderation;
mod posting;
mod races;
mod reactions;
mod read_state;
mod relay;
mod relay_lead;
mod relay_loss;
mod rights;
mod schema;
mod search;
mod sync;
mod tokens;
mod verify;
mod visibility;
mod webhooks;
