-- What became of each device of each send. The chunk's state stands beside, so that an event changes what it may.
create schema {schema};

create table {schema}.delivery (
    chunk_id         uuid not null,
    index            bigint not null,
    send_id          uuid not null,
    ordinal          bigint not null,
    app_id           uuid not null,
    device_id        uuid not null,
    provider         text not null,
    planned_position bigint not null,
    outcome          text not null,
    message_id       text,
    code             text,
    reason           text,
    attempts         bigint not null,
    sent_at          timestamptz,
    answered_at      timestamptz,
    position         bigint not null,
    updated_at       timestamptz not null,
    primary key (chunk_id, index)
);

create index delivery_of_send on {schema}.delivery (send_id, ordinal, index);
create index delivery_that_failed on {schema}.delivery (send_id, outcome, ordinal, index)
    where outcome not in ('delivered', 'pending');
create index delivery_of_device on {schema}.delivery (device_id, planned_position);

create table {schema}.chunk (
    chunk_id         uuid primary key,
    planned_position bigint not null,
    state            bytea not null
);

create unique index chunk_number on {schema}.chunk (planned_position);

-- The number on the app's icon, as of the newest event that set it.
create table {schema}.badge (
    device_id uuid primary key,
    badge     bigint not null,
    position  bigint not null
);

-- Apart from the deliveries: a phone's report may be folded before the delivery it is about.
create table {schema}.receipt (
    send_id     uuid not null,
    device_id   uuid not null,
    received_at timestamptz,
    opened_at   timestamptz,
    removed_at  timestamptz,
    primary key (send_id, device_id)
);
