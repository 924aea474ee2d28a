//! Numbers that several parts promise together, each with its source.

use std::time::Duration;

/// Characters of a message body. Source: decisions.md 16.
pub const MESSAGE_BODY_MAX_CHARS: usize = 16_000;
/// Bytes of a message body. Source: decisions.md 16.
pub const MESSAGE_BODY_MAX_BYTES: usize = 64 * 1024;
/// People, `@channel` and `@here` resolved from one message. Source: delivery-and-security.md A74.
pub const MENTIONS_MAX: usize = 50;
/// People in a channel beyond which only admins and owners may call everybody. Source: delivery-and-security.md section 3.6.
pub const EVERYBODY_MAX: usize = 50;
/// Distinct emoji on one message. Source: delivery-and-security.md A83.
pub const REACTIONS_PER_MESSAGE_MAX: i64 = 50;
/// Files on one message. Source: delivery-and-security.md section 3.5.
pub const ATTACHMENTS_MAX: usize = 10;
/// Bytes of one uploaded file. Source: delivery-and-security.md section 3.5.
pub const UPLOAD_MAX_BYTES: u64 = 25 * 1024 * 1024;
/// Bytes of a JSON request body. Source: delivery-and-security.md section 3.5.
pub const JSON_BODY_MAX_BYTES: usize = 256 * 1024;
/// Lists and objects inside of one another in a JSON request body. Source: delivery-and-security.md section 3.5.
pub const JSON_DEPTH_MAX: usize = 32;
/// Rows of a page when the client does not say.
pub const PAGE_SIZE_DEFAULT: u16 = 50;
/// Rows of the largest page a client may ask for.
pub const PAGE_SIZE_MAX: u16 = 100;
/// Characters of a channel name.
pub const CHANNEL_NAME_MAX_CHARS: usize = 80;
/// Characters of a channel topic.
pub const TOPIC_MAX_CHARS: usize = 250;
/// Characters of a community name.
pub const COMMUNITY_NAME_MAX_CHARS: usize = 80;
/// Graphemes of a display name. Source: delivery-and-security.md section 3.11.
pub const DISPLAY_NAME_MAX_GRAPHEMES: usize = 64;
/// A user with no heartbeat for this long is offline. Source: requirements E6.
pub const OFFLINE_AFTER: Duration = Duration::from_mins(2);
/// How often a client says that somebody is there. Source: requirements E6.
pub const HEARTBEAT_EVERY: Duration = Duration::from_mins(1);
/// A typing indicator hides after this silence. Source: requirements E5.
pub const TYPING_HIDES_AFTER: Duration = Duration::from_secs(15);
/// A session ends after this idle time. Source: decisions.md 21.
pub const SESSION_IDLE: Duration = Duration::from_hours(14 * 24);
/// A session ends after this time whatever happens. Source: decisions.md 21.
pub const SESSION_ABSOLUTE: Duration = Duration::from_hours(90 * 24);
/// Sessions one user may have; the oldest is evicted. Source: delivery-and-security.md section 3.1.
pub const SESSIONS_PER_USER_MAX: i64 = 20;
/// Messages by one author closer than this are drawn as one group. Source: design.md section 6.
pub const GROUP_WITHIN: Duration = Duration::from_mins(5);
/// Silence after which a stream gets a heartbeat. Source: delivery-and-security.md section 2.6.
pub const STREAM_HEARTBEAT: Duration = Duration::from_secs(15);
/// `Retry-After` of a 503, seconds. Source: delivery-and-security.md section 2.7.
pub const RETRY_AFTER_SECONDS: u32 = 2;
/// Bytes of what comes in by a webhook. Source: delivery-and-security.md section 3.5.
pub const HOOK_BODY_MAX_BYTES: usize = 1024 * 1024;
/// Webhooks of one community.
pub const WEBHOOKS_PER_COMMUNITY_MAX: i64 = 100;
/// Valid API tokens of one bot or person.
pub const TOKENS_PER_OWNER_MAX: i64 = 20;
