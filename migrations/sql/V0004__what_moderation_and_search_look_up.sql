-- Two indexes that deleting and searching need.

-- Deleting a message takes back what people were told about it: by the message, not by a person as notifications_source_key is made.
create index notifications_source_id_idx on notifications (source_id)
    where type in ('mention', 'dm', 'thread_reply');

-- Search looks for a part of a file's name (ilike '%…%'); only of files that are on a message.
create index attachments_filename_trgm_idx on attachments using gin (filename gin_trgm_ops)
    where message_id is not null;
