-- The record: append-only, dense positions in commit order.
create schema record;

-- One row. Its lock is the order of the record: whoever holds it is the only writer, and the position it hands out
-- rolls back with the transaction, so a conflict leaves no hole.
create table record.head (
    only_row    boolean primary key default true check (only_row),
    position    bigint not null,
    recorded_at timestamptz not null,
    record_id   uuid not null,
    epoch       integer not null,
    -- How often people's keys were destroyed. Whoever sealed with keys found at another count has to seal again.
    erasures    bigint not null default 0
) with (fillfactor = 10);

insert into record.head (position, recorded_at, record_id, epoch)
values (0, '-infinity', gen_random_uuid(), 1);

create table record.events (
    position       bigint primary key,
    stream_id      uuid not null,
    stream_version integer not null check (stream_version > 0),
    app_id         uuid not null,
    root_id        uuid not null,
    type           text not null,
    schema_version smallint not null,
    recorded_at    timestamptz not null,
    body           bytea not null,
    unique (stream_id, stream_version)
);

-- The work topics pick few events of many; a partial index costs the append of all the others nothing.
create index events_due on record.events (position) where type = 'chunk.due';
