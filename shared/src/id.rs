//! The one registry of id types. Every id is a UUIDv7 made on the server, so ids sort by time (A7).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

macro_rules! define_ids {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        #[cfg_attr(feature = "db", derive(sqlx::Type), sqlx(transparent))]
        #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
        pub struct $name(Uuid);

        impl $name {
            /// A new id (UUIDv7, RFC 9562 section 5.7).
            #[must_use]
            #[expect(clippy::new_without_default, reason = "a default id would be a surprise")]
            pub fn new() -> Self {
                Self(crate::clock::uuid())
            }

            /// The bare UUID.
            #[must_use]
            pub const fn uuid(self) -> Uuid {
                self.0
            }
        }

        impl From<Uuid> for $name {
            fn from(uuid: Uuid) -> Self {
                Self(uuid)
            }
        }

        impl From<$name> for Uuid {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Uuid::from_str(text).map(Self)
            }
        }

        #[cfg(feature = "db")]
        impl From<$name> for sea_query::Value {
            fn from(id: $name) -> Self {
                id.0.into()
            }
        }

        #[cfg(feature = "db")]
        impl sea_query::Nullable for $name {
            fn null() -> sea_query::Value {
                <Uuid as sea_query::Nullable>::null()
            }
        }
    )+};
}

define_ids! {
    /// A community: the top-level container of channels and members.
    CommunityId,
    /// A channel, direct messages included.
    ChannelId,
    /// A message or a thread reply.
    MessageId,
    /// The key a client gives a message before the server knows it; makes posting idempotent.
    ClientMessageId,
    /// A person, a bot or the system.
    UserId,
    /// A file attached to a message.
    AttachmentId,
    /// A signed-in session.
    SessionId,
    /// A long-lived API token.
    ApiTokenId,
    /// An invite to a community.
    InviteId,
    /// A row of the notification list.
    NotificationId,
    /// An incoming webhook.
    WebhookId,
    /// A durable or ephemeral event; also its NATS message id.
    EventId,
}
