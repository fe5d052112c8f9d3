-- What operators and auditors did: rebuilds, exports, restores, audit reads.
create schema {schema};

create table {schema}.operation (
    operation_id     uuid primary key,
    app_id           uuid not null,
    kind             text not null,
    parameters       jsonb not null,
    started_by       text not null,
    started_at       timestamptz not null,
    outcome          text,
    result           jsonb,
    finished_at      timestamptz,
    created_position bigint not null,
    position         bigint not null
);

create index operation_number on {schema}.operation (created_position);
