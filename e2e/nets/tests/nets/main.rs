//! The nets, in one program: who may call which route, and what malformed requests do.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on should say so at once, also in its helpers"
)]

mod malformed;
mod objects;
mod roles;
mod swapped;
mod table;
mod world;
