-- Channels, what is said in them, and everything that hangs on a message.

create table channels (
    id           uuid        not null,
    community_id uuid,
    type         text        not null default 'text',
    visibility   text        not null default 'public',
    name         text,
    topic        text,
    is_default   boolean     not null default false,
    dm_key       text,
    last_seq     bigint      not null default 0,
    created_by   uuid,
    created_at   timestamptz not null default now(),
    archived_at  timestamptz,
    constraint channels_pkey primary key (id),
    constraint channels_dm_key_key unique (dm_key),
    constraint channels_community_id_fkey foreign key (community_id) references communities (id) on delete cascade,
    constraint channels_created_by_fkey foreign key (created_by) references users (id),
    constraint channels_type_check check (type in ('text', 'voice', 'dm', 'group_dm')),
    constraint channels_visibility_check check (visibility in ('public', 'private')),
    constraint channels_name_check check (char_length(name) between 1 and 80),
    constraint channels_topic_check check (char_length(topic) between 1 and 1000),
    constraint channels_last_seq_check check (last_seq >= 0),
    constraint channels_dm_check check (
        case when type in ('dm', 'group_dm')
            then community_id is null and visibility = 'private' and dm_key is not null and not is_default
            else community_id is not null and name is not null and dm_key is null
        end),
    constraint channels_default_check check (not is_default or visibility = 'public')
) with (fillfactor = 70);
create unique index channels_name_key on channels (community_id, lower(name)) where community_id is not null;
comment on table channels is 'Where messages live: channels of a community, and direct messages (community_id null).';
comment on column channels.is_default is 'Everybody who joins the community joins this channel (#general).';
comment on column channels.dm_key is 'The sorted ids of the people of a direct message; unique, so that opening it twice gives the same channel.';
comment on column channels.last_seq is 'Number of the last durable event. Incremented under the row lock in the transaction of the event, so numbers have no gaps and commit order is their order.';

create table channel_members (
    channel_id    uuid        not null,
    user_id       uuid        not null,
    last_read_seq bigint      not null default 0,
    notify_level  text        not null default 'mentions',
    joined_at     timestamptz not null default now(),
    constraint channel_members_pkey primary key (channel_id, user_id),
    constraint channel_members_channel_id_fkey foreign key (channel_id) references channels (id) on delete cascade,
    constraint channel_members_user_id_fkey foreign key (user_id) references users (id) on delete cascade,
    constraint channel_members_last_read_seq_check check (last_read_seq >= 0),
    constraint channel_members_notify_level_check check (notify_level in ('all', 'mentions', 'nothing'))
) with (fillfactor = 80);
create index channel_members_user_id_idx on channel_members (user_id, channel_id);
comment on table channel_members is 'Who is in which channel or direct message, and how far they have read.';
comment on column channel_members.last_read_seq is 'Everything up to this number is read; starts at the channel''s last_seq when somebody joins.';
comment on column channel_members.notify_level is 'What of the channel notifies; nothing is a muted channel.';

create table messages (
    id                  uuid        not null,
    channel_id          uuid        not null,
    seq                 bigint      not null,
    user_id             uuid        not null,
    client_msg_id       uuid        not null,
    request_hash        bytea       not null,
    parent_id           uuid,
    kind                text        not null default 'text',
    status              text        not null default 'sent',
    body_md             text        not null,
    metadata            jsonb       not null default '{}',
    reply_count         integer     not null default 0,
    last_reply_at       timestamptz,
    thread_participants uuid[]      not null default '{}',
    created_at          timestamptz not null default now(),
    edited_at           timestamptz,
    deleted_at          timestamptz,
    expires_at          timestamptz,
    search              tsvector    generated always as
        (to_tsvector('english', body_md) || to_tsvector('simple', body_md)) stored,
    constraint messages_pkey primary key (id),
    constraint messages_channel_seq_key unique (channel_id, seq),
    constraint messages_client_msg_id_key unique (user_id, client_msg_id),
    constraint messages_channel_id_fkey foreign key (channel_id) references channels (id) on delete cascade,
    constraint messages_user_id_fkey foreign key (user_id) references users (id),
    constraint messages_parent_id_fkey foreign key (parent_id) references messages (id) on delete cascade,
    constraint messages_seq_check check (seq > 0),
    constraint messages_request_hash_check check (octet_length(request_hash) = 32),
    constraint messages_parent_id_check check (parent_id <> id),
    constraint messages_kind_check check (kind in ('text', 'me', 'system', 'webhook', 'poll')),
    constraint messages_status_check check (status in ('sent', 'queued', 'streaming', 'failed', 'cancelled')),
    constraint messages_body_md_check check (char_length(body_md) <= 16000 and octet_length(body_md) <= 65536),
    constraint messages_deleted_check check (deleted_at is null or body_md = ''),
    constraint messages_metadata_check check (jsonb_typeof(metadata) = 'object'),
    constraint messages_reply_count_check check (reply_count >= 0),
    constraint messages_thread_check check (parent_id is null or reply_count = 0)
) with (fillfactor = 90);
create index messages_parent_id_idx on messages (parent_id, seq) where parent_id is not null;
create index messages_user_id_idx on messages (user_id, id);
create index messages_expires_at_idx on messages (expires_at) where expires_at is not null;
create index messages_search_idx on messages using gin (search);
create index messages_body_trgm_idx on messages using gin (body_md gin_trgm_ops);
comment on table messages is 'What people say. A deleted message stays as a tombstone without its text.';
comment on column messages.seq is 'The channel''s number of the event that created it; the order of the channel.';
comment on column messages.client_msg_id is 'The sender''s own key; sending it again finds the first message.';
comment on column messages.request_hash is 'SHA-256 of channel, text, parent and attachments: tells a retry from a reused key.';
comment on column messages.parent_id is 'Set on a reply: the root of its thread. One level deep.';
comment on column messages.status is 'Life of a message that is written while it is shown (assistants); everything else is sent.';
comment on column messages.reply_count is 'Thread summary kept on the root: replies that are not deleted.';
comment on column messages.thread_participants is 'Thread summary kept on the root: who has replied, in order of their first reply.';
comment on column messages.search is 'Stemmed and unstemmed words of the text.';

create table attachments (
    id           uuid        not null,
    message_id   uuid,
    channel_id   uuid        not null,
    user_id      uuid        not null,
    position     smallint    not null default 0,
    filename     text        not null,
    content_type text        not null,
    size_bytes   bigint      not null,
    storage_key  text        not null,
    thumb_key    text,
    width        integer,
    height       integer,
    created_at   timestamptz not null default now(),
    constraint attachments_pkey primary key (id),
    constraint attachments_storage_key_key unique (storage_key),
    constraint attachments_message_id_fkey foreign key (message_id) references messages (id) on delete cascade,
    constraint attachments_channel_id_fkey foreign key (channel_id) references channels (id) on delete cascade,
    constraint attachments_user_id_fkey foreign key (user_id) references users (id),
    constraint attachments_filename_check check (char_length(filename) between 1 and 255),
    constraint attachments_content_type_check check (char_length(content_type) between 1 and 255),
    constraint attachments_size_bytes_check check (size_bytes > 0),
    constraint attachments_storage_key_check check (char_length(storage_key) between 1 and 1024),
    constraint attachments_dimensions_check check ((width is null) = (height is null) and width > 0 and height > 0)
);
create index attachments_message_id_idx on attachments (message_id, position);
create index attachments_orphans_idx on attachments (created_at) where message_id is null;
comment on table attachments is 'Files in the object store. An upload belongs to a channel first and to a message once that is posted.';
comment on column attachments.filename is 'As the user gave it; the name in storage_key is the safe one.';
comment on column attachments.storage_key is '<community-id or dm>/<channel-id>/<message-id>/<filename>';

create table reactions (
    message_id uuid        not null,
    user_id    uuid        not null,
    emoji      text        not null,
    created_at timestamptz not null default clock_timestamp(),
    constraint reactions_pkey primary key (message_id, user_id, emoji),
    constraint reactions_message_id_fkey foreign key (message_id) references messages (id) on delete cascade,
    constraint reactions_user_id_fkey foreign key (user_id) references users (id) on delete cascade,
    constraint reactions_emoji_check check (octet_length(emoji) between 1 and 64)
);
comment on table reactions is 'Emoji on messages, one per user and emoji.';

create table mentions (
    id          uuid not null,
    message_id  uuid not null,
    target_type text not null,
    target_id   uuid not null,
    constraint mentions_pkey primary key (id),
    constraint mentions_target_key unique (message_id, target_type, target_id),
    constraint mentions_message_id_fkey foreign key (message_id) references messages (id) on delete cascade,
    constraint mentions_target_type_check check (target_type in ('user', 'channel', 'here'))
);
create index mentions_target_id_idx on mentions (target_id, message_id);
comment on table mentions is 'Whom a message names, parsed from its text.';
comment on column mentions.target_id is 'The user, or for channel and here the channel.';

create table notifications (
    id           uuid        not null,
    user_id      uuid        not null,
    type         text        not null,
    source_id    uuid        not null,
    actor_id     uuid,
    community_id uuid,
    channel_id   uuid,
    channel_seq  bigint,
    data         jsonb       not null default '{}',
    read         boolean     not null default false,
    read_at      timestamptz,
    created_at   timestamptz not null default now(),
    constraint notifications_pkey primary key (id),
    constraint notifications_user_id_fkey foreign key (user_id) references users (id) on delete cascade,
    constraint notifications_actor_id_fkey foreign key (actor_id) references users (id),
    constraint notifications_community_id_fkey foreign key (community_id) references communities (id) on delete cascade,
    constraint notifications_channel_id_fkey foreign key (channel_id) references channels (id) on delete cascade,
    constraint notifications_type_check check (type in ('mention', 'dm', 'thread_reply', 'invite', 'system')),
    constraint notifications_data_check check (jsonb_typeof(data) = 'object')
);
create unique index notifications_source_key on notifications (user_id, source_id) where type in ('mention', 'dm', 'thread_reply');
create index notifications_user_id_idx on notifications (user_id, id);
create index notifications_unread_idx on notifications (user_id, id) where not read;
create index notifications_mentions_idx on notifications (user_id, channel_id, channel_seq)
    where type = 'mention' and not read;
comment on table notifications is 'What a person was told about, in step over all their clients.';
comment on column notifications.source_id is 'What it is about: the message for mention, dm and thread_reply, else the channel, community or user.';
comment on column notifications.channel_seq is 'The message''s seq. Unread mentions above channel_members.last_read_seq are the channel''s badge (notifications_mentions_idx answers it).';

create table thread_followers (
    message_id uuid        not null,
    user_id    uuid        not null,
    following  boolean     not null default true,
    created_at timestamptz not null default now(),
    constraint thread_followers_pkey primary key (message_id, user_id),
    constraint thread_followers_message_id_fkey foreign key (message_id) references messages (id) on delete cascade,
    constraint thread_followers_user_id_fkey foreign key (user_id) references users (id) on delete cascade
);
create index thread_followers_user_id_idx on thread_followers (user_id);
comment on table thread_followers is 'Who is told about replies. A row with following = false is somebody who left on purpose.';

create table pins (
    message_id uuid        not null,
    channel_id uuid        not null,
    pinned_by  uuid        not null,
    created_at timestamptz not null default now(),
    constraint pins_pkey primary key (message_id),
    constraint pins_message_id_fkey foreign key (message_id) references messages (id) on delete cascade,
    constraint pins_channel_id_fkey foreign key (channel_id) references channels (id) on delete cascade,
    constraint pins_pinned_by_fkey foreign key (pinned_by) references users (id)
);
create index pins_channel_id_idx on pins (channel_id, created_at);
comment on table pins is 'Messages kept at hand for everybody in their channel.';

create table saved_messages (
    user_id    uuid        not null,
    message_id uuid        not null,
    created_at timestamptz not null default now(),
    constraint saved_messages_pkey primary key (user_id, message_id),
    constraint saved_messages_user_id_fkey foreign key (user_id) references users (id) on delete cascade,
    constraint saved_messages_message_id_fkey foreign key (message_id) references messages (id) on delete cascade
);
create index saved_messages_message_id_idx on saved_messages (message_id);
comment on table saved_messages is 'Messages a person keeps for themselves.';

create table drafts (
    id         uuid        not null,
    user_id    uuid        not null,
    channel_id uuid        not null,
    parent_id  uuid,
    body_md    text        not null,
    updated_at timestamptz not null default now(),
    constraint drafts_pkey primary key (id),
    constraint drafts_place_key unique nulls not distinct (user_id, channel_id, parent_id),
    constraint drafts_user_id_fkey foreign key (user_id) references users (id) on delete cascade,
    constraint drafts_channel_id_fkey foreign key (channel_id) references channels (id) on delete cascade,
    constraint drafts_parent_id_fkey foreign key (parent_id) references messages (id) on delete cascade,
    constraint drafts_body_md_check check (char_length(body_md) <= 16000 and octet_length(body_md) <= 65536)
);
comment on table drafts is 'Text not sent yet, one per person and channel or thread.';

create table scheduled_messages (
    id              uuid        not null,
    user_id         uuid        not null,
    channel_id      uuid        not null,
    parent_id       uuid,
    client_msg_id   uuid        not null,
    body_md         text        not null,
    send_at         timestamptz not null,
    sent_message_id uuid,
    cancelled_at    timestamptz,
    failed_at       timestamptz,
    failure         text,
    created_at      timestamptz not null default now(),
    constraint scheduled_messages_pkey primary key (id),
    constraint scheduled_messages_client_msg_id_key unique (user_id, client_msg_id),
    constraint scheduled_messages_user_id_fkey foreign key (user_id) references users (id) on delete cascade,
    constraint scheduled_messages_channel_id_fkey foreign key (channel_id) references channels (id) on delete cascade,
    constraint scheduled_messages_parent_id_fkey foreign key (parent_id) references messages (id) on delete cascade,
    constraint scheduled_messages_sent_message_id_fkey foreign key (sent_message_id) references messages (id) on delete set null,
    constraint scheduled_messages_body_md_check check (char_length(body_md) between 1 and 16000 and octet_length(body_md) <= 65536)
);
create index scheduled_messages_due_idx on scheduled_messages (send_at)
    where sent_message_id is null and cancelled_at is null and failed_at is null;
create index scheduled_messages_user_id_idx on scheduled_messages (user_id, send_at);
comment on table scheduled_messages is 'Messages to be posted later, as their author and with the author''s rights at that time.';

create table reminders (
    id           uuid        not null,
    user_id      uuid        not null,
    channel_id   uuid,
    message_id   uuid,
    body_md      text        not null,
    remind_at    timestamptz not null,
    delivered_at timestamptz,
    cancelled_at timestamptz,
    created_at   timestamptz not null default now(),
    constraint reminders_pkey primary key (id),
    constraint reminders_user_id_fkey foreign key (user_id) references users (id) on delete cascade,
    constraint reminders_channel_id_fkey foreign key (channel_id) references channels (id) on delete cascade,
    constraint reminders_message_id_fkey foreign key (message_id) references messages (id) on delete cascade,
    constraint reminders_body_md_check check (char_length(body_md) <= 1000)
);
create index reminders_due_idx on reminders (remind_at) where delivered_at is null and cancelled_at is null;
create index reminders_user_id_idx on reminders (user_id, remind_at);
comment on table reminders is 'What somebody asked to be told later.';

create table polls (
    id         uuid        not null,
    message_id uuid        not null,
    question   text        not null,
    options    text[]      not null,
    multiple   boolean     not null default false,
    anonymous  boolean     not null default false,
    created_by uuid        not null,
    created_at timestamptz not null default now(),
    closes_at  timestamptz,
    closed_at  timestamptz,
    constraint polls_pkey primary key (id),
    constraint polls_message_id_key unique (message_id),
    constraint polls_message_id_fkey foreign key (message_id) references messages (id) on delete cascade,
    constraint polls_created_by_fkey foreign key (created_by) references users (id),
    constraint polls_question_check check (char_length(question) between 1 and 500),
    constraint polls_options_check check (cardinality(options) between 2 and 20)
);
comment on table polls is 'A question asked by a message of kind poll.';

create table poll_votes (
    poll_id    uuid        not null,
    user_id    uuid        not null,
    option     smallint    not null,
    created_at timestamptz not null default now(),
    constraint poll_votes_pkey primary key (poll_id, user_id, option),
    constraint poll_votes_poll_id_fkey foreign key (poll_id) references polls (id) on delete cascade,
    constraint poll_votes_user_id_fkey foreign key (user_id) references users (id) on delete cascade,
    constraint poll_votes_option_check check (option between 0 and 19)
);
comment on table poll_votes is 'Who chose which option (counted from 0).';

create table webhooks (
    id              uuid        not null,
    community_id    uuid        not null,
    channel_id      uuid        not null,
    user_id         uuid        not null,
    name            text        not null,
    avatar_url      text,
    selector        text        not null,
    token_hash      text        not null,
    signing_secret  text,
    allow_broadcast boolean     not null default false,
    created_by      uuid        not null,
    created_at      timestamptz not null default now(),
    last_used_at    timestamptz,
    revoked_at      timestamptz,
    constraint webhooks_pkey primary key (id),
    constraint webhooks_selector_key unique (selector),
    constraint webhooks_community_id_fkey foreign key (community_id) references communities (id) on delete cascade,
    constraint webhooks_channel_id_fkey foreign key (channel_id) references channels (id) on delete cascade,
    constraint webhooks_user_id_fkey foreign key (user_id) references users (id),
    constraint webhooks_created_by_fkey foreign key (created_by) references users (id),
    constraint webhooks_name_check check (char_length(name) between 1 and 128),
    constraint webhooks_avatar_url_check check (char_length(avatar_url) <= 2048)
);
create index webhooks_community_id_idx on webhooks (community_id, id);
create index webhooks_channel_id_idx on webhooks (channel_id);
comment on table webhooks is 'Addresses at which other systems post into one channel.';
comment on column webhooks.user_id is 'The users row (kind bot) that its messages are written as.';
comment on column webhooks.signing_secret is 'Secret shared with the sender, to check the signature of a delivery.';
comment on column webhooks.allow_broadcast is 'Its messages may ping @channel and @here.';

create table webhook_deliveries (
    id           uuid        not null,
    webhook_id   uuid        not null,
    delivery_key text        not null,
    dialect      text        not null,
    event        text        not null default '',
    status       text        not null,
    http_status  smallint    not null,
    message_id   uuid,
    detail       text        not null default '',
    received_at  timestamptz not null default now(),
    constraint webhook_deliveries_pkey primary key (id),
    constraint webhook_deliveries_delivery_key_key unique (webhook_id, delivery_key),
    constraint webhook_deliveries_webhook_id_fkey foreign key (webhook_id) references webhooks (id) on delete cascade,
    constraint webhook_deliveries_message_id_fkey foreign key (message_id) references messages (id) on delete set null,
    constraint webhook_deliveries_status_check check (status in ('posted', 'ignored', 'refused', 'failed'))
);
create index webhook_deliveries_received_at_idx on webhook_deliveries (webhook_id, received_at);
comment on table webhook_deliveries is 'What came in by a webhook and what became of it; makes a repeated delivery harmless.';
