-- Where the engine's own consumers (planner, delivery) stand in their topics. A read model keeps its cursor with its own
-- rows; what these consumers do is in the record, so their cursor is only a bookmark: lost, the work is looked at again.
create table record.consumer_cursors (
    group_name text not null,
    topic      text not null,
    partition  integer not null,
    position   bigint not null,
    bookmark   bigint not null,
    epoch      integer not null,
    primary key (group_name, topic, partition)
) with (fillfactor = 50);

grant select, insert, update on record.consumer_cursors to tocsin_app;
