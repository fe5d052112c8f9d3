-- How often somebody has called in the window that is under way. Not a part of the record, and unlogged: counting costs
-- no flush, and what is lost in a crash is an allowance begun anew.
create unlogged table record.call_counts (
    -- Who called what, as a keyed digest: no address of anybody's stands here.
    caller   bytea primary key,
    ends_at  timestamptz not null,
    calls    integer not null
    -- Every call is an update of its row: with room in its page it touches no index.
) with (fillfactor = 50);

create index call_counts_ended on record.call_counts (ends_at);

grant select, insert, update, delete on record.call_counts to tocsin_app;
