-- Who posts while the list of what is not yet in an index is full puts all of it in, holding the channel: at most this much, in kB.
alter index messages_search_idx set (gin_pending_list_limit = 128);
alter index messages_body_trgm_idx set (gin_pending_list_limit = 128);
