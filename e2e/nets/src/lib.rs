//! Nets around every change: who may call which route, what malformed requests do, and what must never be found afterwards.
//!
//! Everything happens from outside, through the gateway of a running stack. [`stack`] finds the stack, [`person`] signs people in and
//! speaks for them, [`witness`] listens all the time as somebody who may see little, [`sweep`] looks for what must not be there. The
//! tests are in `tests/nets.rs` (first) and `tests/sweeps.rs` (last, when everything else has left its traces); `main.rs` has the order.

pub mod person;
pub mod stack;
pub mod sweep;
pub mod witness;
