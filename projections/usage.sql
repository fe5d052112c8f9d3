-- What devices told of their being used, the newest of each kind.
create schema {schema};

create table {schema}.device (
    device_id      uuid primary key,
    registered_at  timestamptz,
    opened_at      timestamptz,
    closed_at      timestamptz,
    latitude       double precision,
    longitude      double precision,
    place_position bigint,
    reported_at    timestamptz not null
);

create table {schema}.erased (
    subject  uuid not null,
    position bigint not null,
    primary key (subject, position)
);
