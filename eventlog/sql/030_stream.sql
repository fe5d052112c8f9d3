-- What the stream remembers beside the record itself: how it is split, who reads it, how far the relay has come.

-- One row, written at set-up. Cursors and ownership are kept per partition, so the count never changes afterwards.
create table record.stream_settings (
    only_row   boolean primary key default true check (only_row),
    partitions integer not null check (partitions between 1 and 1024)
);

-- A number for each group on each topic: the first half of its advisory locks, where a hash of the names could collide.
create table record.stream_groups (
    id         integer generated always as identity primary key,
    group_name text not null,
    topic      text not null,
    unique (group_name, topic)
);

-- One row: everything up to position is in Kafka. A new leader raises the term, so a former one that wakes up from a
-- freeze can no longer move the cursor.
create table record.relay_cursor (
    only_row boolean primary key default true check (only_row),
    position bigint not null,
    epoch    integer not null,
    term     bigint not null
) with (fillfactor = 10);

insert into record.relay_cursor (position, epoch, term)
select 0, epoch, 0 from record.head;

-- The partition of a stream: its last two bytes, which every version of UUID in use fills evenly.
-- The same rule as tocsin.eventlog.stream.routing.partition_of.
create function record.stream_partition(stream_id uuid, partitions integer) returns integer
    language sql immutable strict parallel safe
    return (get_byte(uuid_send(stream_id), 14) * 256 + get_byte(uuid_send(stream_id), 15)) % partitions;

grant select, insert on record.stream_settings, record.stream_groups to tocsin_app;
grant select, update on record.relay_cursor to tocsin_app;
