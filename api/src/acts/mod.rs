//! What REST and slash commands both can do, one function per act. Posting is `posting`; what only REST can do is in its route.
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
