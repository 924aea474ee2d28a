-- Bears to be applied once more, beside services that use it (delivery-and-security.md F37). Rows of before keep `false`: the table is not written anew.
alter table outbox add column if not exists again boolean not null default false;
comment on column outbox.again is 'It was published, and the stream lost it: a reader of the new epoch has read what it says already.';
