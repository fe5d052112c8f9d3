-- Notifications as they read now, with their follow-ups.
create schema {schema};

create table {schema}.notification (
    notification_id  uuid primary key,
    app_id           uuid not null,
    body             text not null,
    title            text,
    label            text,
    url              text,
    data             jsonb not null,
    starts_at        timestamptz not null,
    expires_at       timestamptz,
    withdrawn_at     timestamptz,
    reason           text,
    created_at       timestamptz not null,
    updated_at       timestamptz not null,
    created_position bigint not null,
    position         bigint not null
);

create index notification_number on {schema}.notification (created_position);
create index notification_of_app on {schema}.notification (app_id, created_position);

create table {schema}.followup (
    notification_id uuid not null,
    followup_id     bigint not null,
    body            text not null,
    at              timestamptz not null,
    withdrawn_at    timestamptz,
    reason          text,
    created_at      timestamptz not null,
    position        bigint not null,
    primary key (notification_id, followup_id)
);
