//! What can be done, one function per act: REST handlers, slash commands and webhooks all come through here.
//!
//! An act is one transaction: it decides by `authorize` inside, writes, tells the audit log and whom it concerns, and commits. What a
//! client may ask for twice has a second form `…_in`, which takes the transaction, because the `Idempotency-Key` lives in it.

pub(crate) mod channels;
pub(crate) mod invites;
pub(crate) mod likeness;
pub(crate) mod me;
pub(crate) mod members;
pub(crate) mod moderation;
pub(crate) mod search;
pub(crate) mod talk;
pub(crate) mod tokens;
pub(crate) mod webhooks;
