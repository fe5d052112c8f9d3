-- What all read models share: how far each has come, and how each is.
create schema if not exists projections;

-- Everything of one partition up to position is folded into the read model. Moved by compare-and-set in the
-- transaction of the rows. All partitions of a read model are inserted together.
create table if not exists projections.cursors (
    projection text not null,
    partition  integer not null,
    position   bigint not null,
    bookmark   bigint not null,
    epoch      integer not null,
    primary key (projection, partition)
) with (fillfactor = 40);

-- One row a read model, rewritten when its status changes: running, or stopped by an event it cannot fold.
create table if not exists projections.state (
    projection     text primary key,
    status         text not null,
    error          text,
    error_position bigint,
    since          timestamptz not null default clock_timestamp()
);

-- How far each is behind, in positions.
create or replace view projections.status as
select s.projection, s.status, coalesce(c.position, 0) as position, h.position - coalesce(c.position, 0) as lag,
       s.error, s.error_position, s.since
from projections.state s
cross join record.head h
left join (select projection, min(position) as position from projections.cursors group by projection) c
    on c.projection = s.projection;
