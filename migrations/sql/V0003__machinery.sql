-- What the services need to keep their promises: outbox, idempotency, limits, audit.

create table meta (
    key        text        not null,
    value      text        not null,
    updated_at timestamptz not null default now(),
    constraint meta_pkey primary key (key)
);
comment on table meta is 'Single values: `epoch` (of the event stream), `setup_token_hash`, …';
insert into meta (key, value) values ('epoch', '1');

create table outbox (
    id           bigint      generated always as identity,
    event_id     uuid        not null,
    subject      text        not null,
    ord_key      uuid        not null,
    channel_seq  bigint,
    type         text        not null,
    payload      jsonb       not null,
    created_at   timestamptz not null default now(),
    epoch        integer,
    stream_seq   bigint,
    published_at timestamptz,
    attempts     integer     not null default 0,
    failed_at    timestamptz,
    failure      text,
    constraint outbox_pkey primary key (id),
    constraint outbox_event_id_key unique (event_id),
    constraint outbox_subject_check check (char_length(subject) between 1 and 255),
    constraint outbox_type_check check (char_length(type) between 1 and 64),
    constraint outbox_payload_check check (octet_length(payload::text) <= 131072),
    constraint outbox_published_check check ((stream_seq is null) = (published_at is null) and (stream_seq is null or epoch is not null))
) with (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_insert_scale_factor = 0.05);
create index outbox_unpublished_idx on outbox (id) where stream_seq is null and failed_at is null;
create index outbox_stream_seq_idx on outbox (epoch, stream_seq) where stream_seq is not null;
create index outbox_created_at_idx on outbox using brin (created_at);
comment on table outbox is 'Every durable event, written in the transaction of its cause; the relay publishes it. Kept 72 hours, so that the stream can be rebuilt.';
comment on column outbox.ord_key is 'Events of one key are published one after the other: the channel, else the community or user.';
comment on column outbox.channel_seq is 'The channel''s number of the event; null for events without a channel.';
comment on column outbox.payload is 'The envelope as it goes on the wire.';
comment on column outbox.epoch is 'Epoch of the stream that stream_seq belongs to.';
comment on column outbox.failed_at is 'Quarantined: it could not be published and must not hold up what comes after.';

create table idempotency_keys (
    user_id      uuid        not null,
    key          uuid        not null,
    route        text        not null,
    request_hash bytea       not null,
    status       smallint,
    response     jsonb,
    secret       boolean     not null default false,
    created_at   timestamptz not null default now(),
    constraint idempotency_keys_pkey primary key (user_id, key),
    constraint idempotency_keys_user_id_fkey foreign key (user_id) references users (id) on delete cascade,
    constraint idempotency_keys_request_hash_check check (octet_length(request_hash) = 32),
    constraint idempotency_keys_secret_check check (not secret or response is null)
);
create index idempotency_keys_created_at_idx on idempotency_keys (created_at);
comment on table idempotency_keys is 'First answers to requests with an Idempotency-Key, kept 24 hours.';
comment on column idempotency_keys.status is 'HTTP status of the first answer. Null only inside the transaction that takes the key and answers: nobody else ever sees it so.';
comment on column idempotency_keys.secret is 'The answer held a secret and was not kept: a repetition is refused.';

create table rate_counters (
    key          text        not null,
    window_start timestamptz not null,
    count        integer     not null default 0,
    constraint rate_counters_pkey primary key (key, window_start),
    constraint rate_counters_key_check check (char_length(key) <= 255),
    constraint rate_counters_count_check check (count >= 0)
);
create index rate_counters_window_start_idx on rate_counters (window_start);
comment on table rate_counters is 'Counters of the limits that must hold over all gateways (sign-in).';

create table audit_log (
    id           uuid        not null,
    at           timestamptz not null default now(),
    community_id uuid,
    actor_id     uuid,
    action       text        not null,
    outcome      text        not null default 'ok',
    target_type  text,
    target_id    uuid,
    ip           text,
    trace_id     text,
    detail       jsonb       not null default '{}',
    constraint audit_log_pkey primary key (id),
    constraint audit_log_action_check check (char_length(action) between 1 and 64),
    constraint audit_log_outcome_check check (outcome in ('ok', 'denied', 'failed')),
    constraint audit_log_detail_check check (jsonb_typeof(detail) = 'object')
);
create index audit_log_community_id_idx on audit_log (community_id, id);
create index audit_log_actor_id_idx on audit_log (actor_id, id);
comment on table audit_log is 'Every security-relevant act. Insert only; no foreign keys, because it outlives what it names.';

create function audit_log_is_insert_only() returns trigger language plpgsql as $$
begin
    raise exception 'audit_log is insert only' using errcode = 'insufficient_privilege';
end
$$;
create trigger audit_log_insert_only before update or delete on audit_log
    for each row execute function audit_log_is_insert_only();
