//! The table of limits (delivery-and-security.md section 3.7) as settings.

use ajet_shared::rate::Rate;

/// One limit of the table; its name is shown in the `RateLimit-Policy` header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(missing_docs, reason = "each is described by its setting below")]
pub enum Policy {
    Ip,
    Auth,
    AuthHour,
    BadToken,
    Read,
    Write,
    Message,
    MessageChannel,
    React,
    Search,
    Upload,
    Typing,
    Heartbeat,
    InviteCreate,
    InviteRedeem,
    Hook,
    HookIp,
    Stream,
}

macro_rules! policies {
    ($($(#[$doc:meta])* $policy:ident $field:ident $name:literal $env:literal $default:literal),+ $(,)?) => {
        /// The limits, each `COUNT/SECONDS` or `COUNT/SECONDS,BURST`.
        #[derive(Clone, Debug, clap::Args)]
        pub struct LimitSettings {
            $($(#[$doc])*
            #[arg(long = concat!("limit-", $name), env = $env, value_name = $default, default_value = $default)]
            pub $field: Rate,)+
            /// Open streams of one session.
            #[arg(long, env = "AJET_LIMIT_STREAMS_PER_SESSION", value_name = "8", default_value_t = 8)]
            pub streams_per_session: u32,
            /// Open streams of one user.
            #[arg(long, env = "AJET_LIMIT_STREAMS_PER_USER", value_name = "16", default_value_t = 16)]
            pub streams_per_user: u32,
            /// Open streams of one address.
            #[arg(long, env = "AJET_LIMIT_STREAMS_PER_IP", value_name = "64", default_value_t = 64)]
            pub streams_per_ip: u32,
            /// Open connections of one address; trusted proxies may have any number.
            #[arg(long, env = "AJET_LIMIT_CONNECTIONS_PER_IP", value_name = "64", default_value_t = 64)]
            pub connections_per_ip: u32,
            /// Open connections of all addresses together.
            #[arg(long, env = "AJET_LIMIT_CONNECTIONS", value_name = "5000", default_value_t = 5_000)]
            pub connections: u32,
        }

        impl Policy {
            pub(crate) const ALL: &[Self] = &[$(Self::$policy),+];

            /// As the headers and problems name it.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$policy => $name),+
                }
            }

            pub(crate) const fn rate(self, settings: &LimitSettings) -> Rate {
                match self {
                    $(Self::$policy => settings.$field),+
                }
            }
        }
    };
}

policies! {
    /// All requests of one address.
    Ip ip "ip" "AJET_LIMIT_IP" "600/60,200",
    /// Sign-ins of one address: start, callback, terminal code.
    Auth auth "auth" "AJET_LIMIT_AUTH" "10/60",
    /// The same over a longer time and over all gateways.
    AuthHour auth_hour "auth-hour" "AJET_LIMIT_AUTH_HOUR" "60/3600",
    /// Wrong credentials from one address; beyond, it is locked out for five minutes.
    BadToken bad_token "badtoken" "AJET_LIMIT_BADTOKEN" "20/60",
    /// Reads of one user.
    Read read "read" "AJET_LIMIT_READ" "600/60",
    /// Writes of one user.
    Write write "write" "AJET_LIMIT_WRITE" "120/60",
    /// Messages one user posts or edits.
    Message message "msg" "AJET_LIMIT_MSG" "10/10,20",
    /// Messages in one channel.
    MessageChannel message_channel "msg-channel" "AJET_LIMIT_MSG_CHANNEL" "20/1",
    /// Reactions of one user.
    React react "react" "AJET_LIMIT_REACT" "30/60",
    /// Searches of one user.
    Search search "search" "AJET_LIMIT_SEARCH" "20/60",
    /// Uploads of one user.
    Upload upload "upload" "AJET_LIMIT_UPLOAD" "20/60",
    /// Typing notices of one user.
    Typing typing "typing" "AJET_LIMIT_TYPING" "30/60,5",
    /// Heartbeats of one user.
    Heartbeat heartbeat "heartbeat" "AJET_LIMIT_HEARTBEAT" "4/60,8",
    /// Invites one user makes.
    InviteCreate invite_create "invite-create" "AJET_LIMIT_INVITE_CREATE" "20/86400",
    /// Invites tried from one address.
    InviteRedeem invite_redeem "invite-redeem" "AJET_LIMIT_INVITE_REDEEM" "10/60",
    /// Deliveries of one webhook.
    Hook hook "hook" "AJET_LIMIT_HOOK" "30/60,10",
    /// Webhook deliveries from one address.
    HookIp hook_ip "hook-ip" "AJET_LIMIT_HOOK_IP" "120/60",
    /// Streams one user opens.
    Stream stream "sse" "AJET_LIMIT_SSE" "30/60",
}
