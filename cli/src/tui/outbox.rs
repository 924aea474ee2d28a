//! What is not sent yet.

use ajet_shared::id::{ClientMessageId, UserId};
use time::OffsetDateTime;

use super::places::Place;

/// More than this is not kept: the box says so and keeps the text.
pub(crate) const OUTBOX_MAX: usize = 200;

/// A message on its way out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OutboxEntry {
    /// Makes sending it twice one message.
    pub(crate) client_msg_id: ClientMessageId,
    /// Who wrote it: another account of this machine does not send it.
    pub(crate) user: UserId,
    pub(crate) place: Place,
    pub(crate) body: String,
    pub(crate) written_at: OffsetDateTime,
    pub(crate) state: OutboxState,
}

/// How far it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum OutboxState {
    /// For its turn, or for the connection.
    Waiting,
    /// Asked, no answer yet.
    Sending,
    /// Refused for good, in the server's words: `r` or Enter tries again, `d` deletes.
    Failed(String),
}
