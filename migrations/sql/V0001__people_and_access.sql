-- People, communities, and how somebody gets in: accounts, sessions, tokens, invites, bans.
--
-- Conventions of every migration here (PostgreSQL 15 or newer):
--   * ids are UUIDv7 made by the server, so no column has a default for them and `order by id` is order by time;
--   * enumerations are text with a CHECK, because a CHECK is cheap to widen and an enum type is not;
--   * every constraint has a name, because the services turn names into answers;
--   * hashes of secrets carry their scheme (`$2b$…`), lookups go by the public half, the selector.

create extension if not exists pg_trgm;

create table users (
    id            uuid        not null,
    username      text        not null,
    display_name  text        not null,
    email         text,
    avatar_url    text,
    status_text   text,
    status_emoji  text,
    kind          text        not null default 'human',
    last_seen_at  timestamptz,
    suspended_at  timestamptz,
    created_at    timestamptz not null default now(),
    constraint users_pkey primary key (id),
    constraint users_username_check check (username ~ '^[a-z0-9][a-z0-9._-]{1,31}$'),
    constraint users_display_name_check check (char_length(display_name) between 1 and 256),
    constraint users_email_check check (char_length(email) <= 320),
    constraint users_avatar_url_check check (char_length(avatar_url) <= 2048),
    constraint users_status_text_check check (char_length(status_text) between 1 and 256),
    constraint users_status_emoji_check check (octet_length(status_emoji) between 1 and 64),
    constraint users_kind_check check (kind in ('human', 'bot', 'system'))
) with (fillfactor = 80);
create unique index users_username_key on users (username);
create index users_search_idx on users using gin ((username || ' ' || display_name) gin_trgm_ops);
comment on table users is 'Everybody who can write: people, bots and the system itself.';
comment on column users.email is 'As the provider gave it; never used to link accounts, never shown to others.';
comment on column users.last_seen_at is 'Time of the last heartbeat; online means within two minutes. Not indexed, so that the update stays cheap.';
comment on column users.suspended_at is 'Set: every token of this user is refused everywhere.';

create table communities (
    id                 uuid        not null,
    name               text        not null,
    slug               text        not null,
    description        text        not null default '',
    icon_url           text,
    members_may_invite boolean     not null default false,
    created_by         uuid,
    created_at         timestamptz not null default now(),
    constraint communities_pkey primary key (id),
    constraint communities_name_check check (char_length(name) between 1 and 128),
    constraint communities_slug_check check (slug ~ '^[a-z0-9][a-z0-9-]{0,39}$'),
    constraint communities_description_check check (char_length(description) <= 1000),
    constraint communities_icon_url_check check (char_length(icon_url) <= 2048),
    constraint communities_created_by_fkey foreign key (created_by) references users (id)
);
create unique index communities_slug_key on communities (slug);
comment on table communities is 'The top-level container of channels.';
comment on column communities.slug is 'The name in addresses: /c/<slug>/…';
comment on column communities.members_may_invite is 'Policy: plain members may create invites (role member).';

create table community_members (
    community_id uuid        not null,
    user_id      uuid        not null,
    role         text        not null default 'member',
    nickname     text,
    avatar_url   text,
    muted_until  timestamptz,
    joined_at    timestamptz not null default now(),
    constraint community_members_pkey primary key (community_id, user_id),
    constraint community_members_community_id_fkey foreign key (community_id) references communities (id) on delete cascade,
    constraint community_members_user_id_fkey foreign key (user_id) references users (id) on delete cascade,
    constraint community_members_role_check check (role in ('owner', 'admin', 'member')),
    constraint community_members_nickname_check check (char_length(nickname) between 1 and 256),
    constraint community_members_avatar_url_check check (char_length(avatar_url) <= 2048)
);
create index community_members_user_id_idx on community_members (user_id);
create index community_members_owners_idx on community_members (community_id) where role = 'owner';
comment on table community_members is 'Who belongs to which community, and as what.';
comment on column community_members.muted_until is 'May read but not write until then; infinity for an open end.';

create table bans (
    id           uuid        not null,
    community_id uuid        not null,
    user_id      uuid        not null,
    reason       text        not null default '',
    banned_by    uuid,
    created_at   timestamptz not null default now(),
    expires_at   timestamptz,
    lifted_at    timestamptz,
    constraint bans_pkey primary key (id),
    constraint bans_community_id_fkey foreign key (community_id) references communities (id) on delete cascade,
    constraint bans_user_id_fkey foreign key (user_id) references users (id) on delete cascade,
    constraint bans_banned_by_fkey foreign key (banned_by) references users (id),
    constraint bans_reason_check check (char_length(reason) <= 1000)
);
create unique index bans_active_key on bans (community_id, user_id) where lifted_at is null;
comment on table bans is 'Who may not come back. A lifted ban stays as history.';

create table oauth_accounts (
    id               uuid        not null,
    user_id          uuid        not null,
    provider         text        not null,
    provider_user_id text        not null,
    provider_login   text        not null default '',
    created_at       timestamptz not null default now(),
    last_login_at    timestamptz not null default now(),
    constraint oauth_accounts_pkey primary key (id),
    constraint oauth_accounts_provider_user_id_key unique (provider, provider_user_id),
    constraint oauth_accounts_user_id_fkey foreign key (user_id) references users (id) on delete cascade,
    constraint oauth_accounts_provider_check check (char_length(provider) between 1 and 64)
);
create index oauth_accounts_user_id_idx on oauth_accounts (user_id);
comment on table oauth_accounts is 'A user''s identities at sign-in providers. Identity is the provider plus its immutable user id, never an e-mail or a login name.';
comment on column oauth_accounts.provider is 'Name of the provider instance in the configuration (github, work-gitea, …).';

create table api_users (
    id           uuid        not null,
    community_id uuid        not null,
    name         text        not null,
    scopes       text[]      not null default '{}',
    created_by   uuid,
    created_at   timestamptz not null default now(),
    constraint api_users_pkey primary key (id),
    constraint api_users_id_fkey foreign key (id) references users (id) on delete cascade,
    constraint api_users_community_id_fkey foreign key (community_id) references communities (id) on delete cascade,
    constraint api_users_created_by_fkey foreign key (created_by) references users (id),
    constraint api_users_name_check check (char_length(name) between 1 and 128)
);
create index api_users_community_id_idx on api_users (community_id);
comment on table api_users is 'Bots and integrations: extends the users row (kind bot) of the same id.';

create table sessions (
    id                  uuid        not null,
    user_id             uuid        not null,
    kind                text        not null default 'browser',
    selector            text        not null,
    token_hash          text        not null,
    ip                  text,
    user_agent          text,
    created_at          timestamptz not null default now(),
    last_seen_at        timestamptz not null default now(),
    expires_at          timestamptz not null,
    absolute_expires_at timestamptz not null,
    constraint sessions_pkey primary key (id),
    constraint sessions_selector_key unique (selector),
    constraint sessions_user_id_fkey foreign key (user_id) references users (id) on delete cascade,
    constraint sessions_kind_check check (kind in ('browser', 'terminal')),
    constraint sessions_ip_check check (char_length(ip) <= 64),
    constraint sessions_user_agent_check check (char_length(user_agent) <= 512),
    constraint sessions_expiry_check check (expires_at <= absolute_expires_at)
) with (fillfactor = 80);
create index sessions_user_id_idx on sessions (user_id, created_at);
comment on table sessions is 'Signed-in browsers and terminals. Logging out deletes the row.';
comment on column sessions.token_hash is 'Hash of the verifier, naming its scheme; the token itself is never stored.';
comment on column sessions.expires_at is 'Idle expiry, pushed forward by use (at most once per ten minutes).';
comment on column sessions.absolute_expires_at is 'The session ends here, however busy it is.';

create table api_tokens (
    id           uuid        not null,
    user_id      uuid        not null,
    name         text        not null,
    selector     text        not null,
    token_hash   text        not null,
    scopes       text[]      not null default '{}',
    created_by   uuid,
    created_at   timestamptz not null default now(),
    expires_at   timestamptz not null,
    last_used_at timestamptz,
    revoked_at   timestamptz,
    constraint api_tokens_pkey primary key (id),
    constraint api_tokens_selector_key unique (selector),
    constraint api_tokens_user_id_fkey foreign key (user_id) references users (id) on delete cascade,
    constraint api_tokens_created_by_fkey foreign key (created_by) references users (id),
    constraint api_tokens_name_check check (char_length(name) between 1 and 128),
    constraint api_tokens_expires_at_check check (expires_at <= created_at + interval '366 days')
);
create index api_tokens_user_id_idx on api_tokens (user_id);
comment on table api_tokens is 'Long-lived tokens of an API user (same id in api_users) or, as personal tokens, of a human user.';
comment on column api_tokens.scopes is 'What the token may do at most; the right is this, cut down to what its owner may do now.';

create table invites (
    id           uuid        not null,
    community_id uuid        not null,
    selector     text        not null,
    token_hash   text        not null,
    role         text        not null default 'member',
    channel_ids  uuid[]      not null default '{}',
    max_uses     integer,
    uses         integer     not null default 0,
    expires_at   timestamptz,
    created_by   uuid        not null,
    created_at   timestamptz not null default now(),
    revoked_at   timestamptz,
    constraint invites_pkey primary key (id),
    constraint invites_selector_key unique (selector),
    constraint invites_community_id_fkey foreign key (community_id) references communities (id) on delete cascade,
    constraint invites_created_by_fkey foreign key (created_by) references users (id),
    constraint invites_role_check check (role in ('owner', 'admin', 'member')),
    constraint invites_max_uses_check check (max_uses >= 1),
    constraint invites_uses_check check (uses >= 0 and uses <= coalesce(max_uses, uses))
);
create index invites_community_id_idx on invites (community_id, id);
comment on table invites is 'Links that let somebody into a community. The code is shown once, at creation.';
comment on column invites.channel_ids is 'Channels to join beside those that everybody joins.';
comment on column invites.max_uses is 'Null: any number.';

create table oauth_tx (
    state_hash          bytea       not null,
    provider            text        not null,
    pkce_verifier       text        not null,
    browser_cookie_hash bytea       not null,
    return_to           text        not null default '/',
    invite_id           uuid,
    community_name      text,
    community_slug      text,
    link_user_id        uuid,
    cli_redirect_port   integer,
    cli_challenge       text,
    cli_state           text,
    created_at          timestamptz not null default now(),
    expires_at          timestamptz not null,
    constraint oauth_tx_pkey primary key (state_hash),
    constraint oauth_tx_invite_id_fkey foreign key (invite_id) references invites (id) on delete set null,
    constraint oauth_tx_link_user_id_fkey foreign key (link_user_id) references users (id) on delete cascade,
    constraint oauth_tx_state_hash_check check (octet_length(state_hash) = 32),
    constraint oauth_tx_browser_cookie_hash_check check (octet_length(browser_cookie_hash) = 32),
    constraint oauth_tx_return_to_check check (char_length(return_to) <= 2048),
    constraint oauth_tx_community_check check ((community_name is null) = (community_slug is null)),
    constraint oauth_tx_cli_redirect_port_check check (cli_redirect_port between 1 and 65535)
);
create index oauth_tx_expires_at_idx on oauth_tx (expires_at);
comment on table oauth_tx is 'Sign-ins under way: what must survive the round trip to the provider. Consumed by delete … returning.';
comment on column oauth_tx.community_name is 'First-run set-up: the community that the callback creates.';
comment on column oauth_tx.link_user_id is 'Set when a signed-in user adds a second provider.';
comment on column oauth_tx.cli_redirect_port is 'Loopback port of a terminal that waits for this sign-in.';

create table login_codes (
    id          uuid        not null,
    kind        text        not null,
    code_hash   bytea       not null,
    user_code   text,
    user_id     uuid,
    challenge   text        not null,
    user_agent  text,
    created_at  timestamptz not null default now(),
    expires_at  timestamptz not null,
    approved_at timestamptz,
    denied_at   timestamptz,
    polled_at   timestamptz,
    used_at     timestamptz,
    constraint login_codes_pkey primary key (id),
    constraint login_codes_code_hash_key unique (code_hash),
    constraint login_codes_user_code_key unique (user_code),
    constraint login_codes_user_id_fkey foreign key (user_id) references users (id) on delete cascade,
    constraint login_codes_kind_check check (kind in ('loopback', 'device')),
    constraint login_codes_code_hash_check check (octet_length(code_hash) = 32),
    constraint login_codes_user_check check (kind = 'device' or user_id is not null),
    constraint login_codes_user_code_check check ((kind = 'device') = (user_code is not null))
);
create index login_codes_expires_at_idx on login_codes (expires_at);
comment on table login_codes is 'One-time codes by which a terminal gets its session: loopback redirect, later device code.';
comment on column login_codes.challenge is 'PKCE S256 challenge that the terminal must answer.';
comment on column login_codes.user_code is 'Device flow only: the short code a person types.';
