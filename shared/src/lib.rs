//! Domain types, events, permission and the adapters every ajet-chat service shares.
//!
//! Without features this crate does no IO. Features add one adapter each: `db` (Postgres), `bus` (NATS), `hub` (live fan-out),
//! `storage` (S3), `client` (typed API client), `http` (what every server has in common), `openapi` (schemas).

pub mod actions;
pub mod api_token;
pub mod channel;
pub mod clock;
pub mod command;
pub mod community;
pub mod config;
pub mod events;
pub mod failpoint;
pub mod hue;
pub mod id;
pub mod invite;
pub mod limits;
pub mod lookalike;
pub mod markdown;
pub mod message;
pub mod moderation;
pub mod names;
pub mod nearest;
pub mod page;
pub mod position;
pub mod problem;
pub mod rate;
pub mod search;
pub mod secret;
pub mod session;
pub mod sync;
pub mod telemetry;
pub mod terminal;
pub mod token;
pub mod unread;
pub mod user;
pub mod webhook;

#[cfg(feature = "bus")]
pub mod bus;
#[cfg(feature = "client")]
pub mod client;
#[cfg(feature = "db")]
pub mod db;
#[cfg(feature = "http")]
pub mod http;
#[cfg(feature = "hub")]
pub mod hub;
#[cfg(feature = "storage")]
pub mod storage;
#[cfg(feature = "db")]
pub mod verify;
