//! Incoming webhooks: what other systems send becomes a message (reference of the team: webhooks).
//!
//! A delivery is checked and read ([`ingest`], [`dialect`], [`signature`]), made to fit a message ([`fit`], [`looks`]), posted on the one write path,
//! and answered as its sender expects ([`answer`]).

pub(crate) mod answer;
pub(crate) mod dialect;
mod fit;
pub(crate) mod ingest;
pub(crate) mod looks;
mod signature;
