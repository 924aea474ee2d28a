-- A mute outlasts leaving and coming back.

create table kept_mutes (
    community_id uuid        not null,
    user_id      uuid        not null,
    muted_until  timestamptz not null,
    constraint kept_mutes_pkey primary key (community_id, user_id),
    constraint kept_mutes_community_id_fkey foreign key (community_id) references communities (id) on delete cascade,
    constraint kept_mutes_user_id_fkey foreign key (user_id) references users (id) on delete cascade
);
create index kept_mutes_user_id_idx on kept_mutes (user_id);
comment on table kept_mutes is 'Mutes of people who are out of the community now; who comes back is muted as before.';
