-- Calls to webhooks: what is to be told whom, and how often that was tried. Not a part of the record: lost, the events
-- of the last days are told again.
create table record.webhook_calls (
    webhook_id   uuid not null,
    position     bigint not null,
    -- An event that says something of many devices is told by outcome.
    part         smallint not null,
    app_id       uuid not null,
    name         text not null,
    status       text not null default 'pending' check (status in ('pending', 'delivered', 'given-up', 'dropped')),
    attempts     integer not null default 0,
    next_at      timestamptz not null default clock_timestamp(),
    created_at   timestamptz not null default clock_timestamp(),
    settled_at   timestamptz,
    primary key (webhook_id, position, part)
);

create index webhook_calls_due on record.webhook_calls (next_at) where status = 'pending';
create index webhook_calls_settled on record.webhook_calls (settled_at) where status <> 'pending';

create table record.webhook_attempts (
    webhook_id   uuid not null,
    position     bigint not null,
    part         smallint not null,
    attempt      integer not null,
    at           timestamptz not null default clock_timestamp(),
    http_status  integer,
    error        text,
    milliseconds integer not null,
    primary key (webhook_id, position, part, attempt),
    foreign key (webhook_id, position, part) references record.webhook_calls on delete cascade
);

grant select, insert, update, delete on record.webhook_calls, record.webhook_attempts to tocsin_app;
