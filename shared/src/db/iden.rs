//! The tables and columns of `migrations/sql`, as sea-query identifiers (snake case by derivation).
//!
//! Written once for the whole schema; an integration test compares it with a migrated database.

use sea_query::Iden;

macro_rules! tables {
    ($($table:ident { $($column:ident),+ $(,)? })+) => {
        $(
            #[doc = concat!("The table behind [`", stringify!($table), "`](Self) and its columns.")]
            #[derive(Clone, Copy, Debug, Iden)]
            #[expect(missing_docs, reason = "columns are described in the schema itself")]
            pub enum $table {
                Table,
                $($column),+
            }
        )+

        /// Every table with its columns, as the database names them.
        #[must_use]
        pub fn tables() -> Vec<(String, Vec<String>)> {
            vec![$(($table::Table.unquoted().to_owned(), vec![$($table::$column.unquoted().to_owned()),+])),+]
        }
    };
}

tables! {
    ApiTokens { Id, UserId, Name, Selector, TokenHash, Scopes, CreatedBy, CreatedAt, ExpiresAt, LastUsedAt, RevokedAt }
    ApiUsers { Id, CommunityId, Name, Scopes, CreatedBy, CreatedAt }
    Attachments {
        Id, MessageId, ChannelId, UserId, Position, Filename, ContentType, SizeBytes, StorageKey, ThumbKey, Width, Height,
        CreatedAt,
    }
    AuditLog { Id, At, CommunityId, ActorId, Action, Outcome, TargetType, TargetId, Ip, TraceId, Detail }
    Bans { Id, CommunityId, UserId, Reason, BannedBy, CreatedAt, ExpiresAt, LiftedAt }
    ChannelMembers { ChannelId, UserId, LastReadSeq, NotifyLevel, JoinedAt }
    Channels { Id, CommunityId, Type, Visibility, Name, Topic, IsDefault, DmKey, LastSeq, CreatedBy, CreatedAt, ArchivedAt }
    Communities { Id, Name, Slug, Description, IconUrl, MembersMayInvite, CreatedBy, CreatedAt }
    CommunityMembers { CommunityId, UserId, Role, Nickname, AvatarUrl, MutedUntil, JoinedAt }
    Drafts { Id, UserId, ChannelId, ParentId, BodyMd, UpdatedAt }
    IdempotencyKeys { UserId, Key, Route, RequestHash, Status, Response, Secret, CreatedAt }
    Invites { Id, CommunityId, Selector, TokenHash, Role, ChannelIds, MaxUses, Uses, ExpiresAt, CreatedBy, CreatedAt, RevokedAt }
    KeptMutes { CommunityId, UserId, MutedUntil }
    LoginCodes {
        Id, Kind, CodeHash, UserCode, UserId, Challenge, UserAgent, CreatedAt, ExpiresAt, ApprovedAt, DeniedAt, PolledAt,
        UsedAt,
    }
    Mentions { Id, MessageId, TargetType, TargetId }
    Messages {
        Id, ChannelId, Seq, UserId, ClientMsgId, RequestHash, ParentId, Kind, Status, BodyMd, Metadata, ReplyCount, LastReplyAt,
        ThreadParticipants, CreatedAt, EditedAt, DeletedAt, ExpiresAt, Search,
    }
    Meta { Key, Value, UpdatedAt }
    Notifications { Id, UserId, Type, SourceId, ActorId, CommunityId, ChannelId, ChannelSeq, Data, Read, ReadAt, CreatedAt }
    OauthAccounts { Id, UserId, Provider, ProviderUserId, ProviderLogin, CreatedAt, LastLoginAt }
    OauthTx {
        StateHash, Provider, PkceVerifier, BrowserCookieHash, ReturnTo, InviteId, CommunityName, CommunitySlug, LinkUserId,
        CliRedirectPort, CliChallenge, CliState, CreatedAt, ExpiresAt,
    }
    Outbox {
        Id, EventId, Subject, OrdKey, ChannelSeq, Type, Payload, CreatedAt, Epoch, StreamSeq, PublishedAt, Attempts, FailedAt,
        Failure, Again,
    }
    Pins { MessageId, ChannelId, PinnedBy, CreatedAt }
    PollVotes { PollId, UserId, Option, CreatedAt }
    Polls { Id, MessageId, Question, Options, Multiple, Anonymous, CreatedBy, CreatedAt, ClosesAt, ClosedAt }
    RateCounters { Key, WindowStart, Count }
    Reactions { MessageId, UserId, Emoji, CreatedAt }
    Reminders { Id, UserId, ChannelId, MessageId, BodyMd, RemindAt, DeliveredAt, CancelledAt, CreatedAt }
    SavedMessages { UserId, MessageId, CreatedAt }
    ScheduledMessages {
        Id, UserId, ChannelId, ParentId, ClientMsgId, BodyMd, SendAt, SentMessageId, CancelledAt, FailedAt, Failure, CreatedAt,
    }
    Sessions { Id, UserId, Kind, Selector, TokenHash, Ip, UserAgent, CreatedAt, LastSeenAt, ExpiresAt, AbsoluteExpiresAt }
    ThreadFollowers { MessageId, UserId, Following, CreatedAt }
    Users { Id, Username, DisplayName, Email, AvatarUrl, StatusText, StatusEmoji, Kind, LastSeenAt, SuspendedAt, CreatedAt }
    WebhookDeliveries { Id, WebhookId, DeliveryKey, Dialect, Event, Status, HttpStatus, MessageId, Detail, ReceivedAt }
    Webhooks {
        Id, CommunityId, ChannelId, UserId, Name, AvatarUrl, Selector, TokenHash, SigningSecret, AllowBroadcast, CreatedBy,
        CreatedAt, LastUsedAt, RevokedAt,
    }
}
