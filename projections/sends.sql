-- Sends as they are now, what became of their devices by provider, who was left out, and their chunks.
create schema {schema};

create table {schema}.send (
    send_id         uuid primary key,
    app_id          uuid not null,
    notification_id uuid,
    followup_id     bigint,
    message         jsonb not null,
    audience        jsonb not null,
    lane            text not null,
    in_doubt        text not null,
    max_attempts    bigint not null,
    pace            bigint,
    name            text,
    campaign        text,
    labels          text[] not null,
    inbox           boolean not null,
    protected       boolean not null,
    personal        boolean not null,
    status          text not null,
    reason          text,
    not_before      timestamptz,
    expires_at      timestamptz,
    requested_by    text not null,
    requested_through text not null,
    requested_at    timestamptz not null,
    approved_at     timestamptz,
    scheduled_at    timestamptz,
    started_at      timestamptz,
    frozen_at       timestamptz,
    as_of           bigint,
    audience_count  bigint,
    excluded        jsonb not null,
    chunks          bigint,
    stopped_at      timestamptz,
    withdrawn_at    timestamptz,
    completed_at    timestamptz,
    correlation_id  uuid not null,
    created_position bigint not null,
    position        bigint not null
);

create index send_of_app on {schema}.send (app_id, created_position);
create unique index send_number on {schema}.send (created_position);
create index send_of_label on {schema}.send using gin (labels) where labels <> '{}';
create index send_of_notification on {schema}.send (notification_id, created_position) where notification_id is not null;

create table {schema}.outcome_count (
    send_id    uuid not null,
    provider   text not null,
    delivered  bigint not null,
    failed     bigint not null,
    expired    bigint not null,
    cancelled  bigint not null,
    suppressed bigint not null,
    unknown    bigint not null,
    pending    bigint not null,
    primary key (send_id, provider)
);

create table {schema}.exclusion (
    send_id   uuid not null,
    ordinal   bigint not null,
    index     bigint not null,
    device_id uuid not null,
    reason    text not null,
    position  bigint not null,
    primary key (send_id, ordinal, index)
);

-- For the inboxes of those that cannot be reached.
create index exclusion_of_device on {schema}.exclusion (device_id) where reason in ('no-token', 'no-provider');

create table {schema}.chunk (
    chunk_id   uuid primary key,
    send_id    uuid not null,
    app_id     uuid not null,
    ordinal    bigint not null,
    provider   text not null,
    profile    text not null,
    lane       text not null,
    status     text not null,
    held       text,
    attempt    bigint not null,
    devices    bigint not null,
    pending    bigint not null,
    planned_at timestamptz not null,
    updated_at timestamptz not null,
    position   bigint not null,
    state      bytea not null
);

create index chunk_of_send on {schema}.chunk (send_id, ordinal);
