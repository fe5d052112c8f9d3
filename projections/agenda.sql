-- What the scheduler has to do, and when: sends by their times, chunks by what they wait for.
create schema {schema};

create table {schema}.send (
    send_id      uuid primary key,
    app_id       uuid not null,
    status       text not null,
    scheduled_at timestamptz,
    expires_at   timestamptz,
    started_at   timestamptz,
    stopped_as   text,
    stopped_at   timestamptz,
    frozen_at    timestamptz,
    chunks       bigint,
    ended        boolean not null,
    in_doubt     text not null,
    max_attempts bigint not null
);

create index send_to_start on {schema}.send (scheduled_at) where status = 'scheduled';
create index send_to_expire on {schema}.send (expires_at)
    where expires_at is not null and status in ('requested', 'scheduled', 'started', 'sending');
create index send_to_freeze on {schema}.send (started_at) where status = 'started';

create table {schema}.chunk (
    chunk_id    uuid primary key,
    send_id     uuid not null,
    app_id      uuid not null,
    provider    text not null,
    lane        text not null,
    lease_at    timestamptz,
    retry_at    timestamptz,
    open_at     timestamptz,
    planned_at  timestamptz not null,
    repeat_at   timestamptz,
    unclaimed   boolean not null,
    held        text,
    completed   boolean not null,
    state       bytea not null
);

create index chunk_lease on {schema}.chunk (lease_at) where lease_at is not null;
create index chunk_retry on {schema}.chunk (retry_at) where retry_at is not null;
create index chunk_open on {schema}.chunk (open_at) where open_at is not null;
create index chunk_repeat on {schema}.chunk (repeat_at) where repeat_at is not null;
create index chunk_held on {schema}.chunk (chunk_id) where held is not null and not completed;
create index chunk_unclaimed on {schema}.chunk (send_id) where unclaimed;

-- How far the chunks of a send are, counted by whoever folds them in any order, beside what of the send decides whether
-- anything is left to do: so that those few are found among all there ever were. unclaimed: chunks with devices that are
-- not settled and that no attempt holds.
create table {schema}.progress (
    send_id    uuid primary key,
    stopped_as text,
    stopped_at timestamptz,
    frozen_at  timestamptz,
    chunks     bigint,
    ended      boolean not null,
    unclaimed  bigint not null,
    completed  bigint not null,
    delivered  bigint not null,
    failed     bigint not null,
    expired    bigint not null,
    cancelled  bigint not null,
    suppressed bigint not null,
    unknown    bigint not null,
    pending    bigint not null
);

create index progress_to_complete on {schema}.progress (frozen_at)
    where completed = chunks and pending = 0 and not ended;
create index progress_to_close on {schema}.progress (stopped_at) where stopped_at is not null and unclaimed > 0;

create view {schema}.item as
select 'start_send' as kind, send_id as stream_id, send_id, app_id, scheduled_at as due_at, '{}'::jsonb as detail
from {schema}.send where status = 'scheduled'
union all
select 'expire_send', send_id, send_id, app_id, expires_at, '{}'
from {schema}.send where expires_at is not null and status in ('requested', 'scheduled', 'started', 'sending')
union all
select 'freeze_audience', send_id, send_id, app_id, started_at, '{}'
from {schema}.send where status = 'started'
union all
select 'complete_send', s.send_id, s.send_id, s.app_id, p.frozen_at,
       jsonb_build_object('chunks', p.chunks, 'tally', jsonb_build_object(
           'delivered', p.delivered, 'failed', p.failed, 'expired', p.expired, 'cancelled', p.cancelled,
           'suppressed', p.suppressed, 'unknown', p.unknown))
from {schema}.progress p join {schema}.send s on s.send_id = p.send_id
where p.completed = p.chunks and p.pending = 0 and not p.ended
union all
select 'lease', c.chunk_id, c.send_id, c.app_id, c.lease_at,
       jsonb_build_object('in_doubt', coalesce(s.in_doubt, 'resend'), 'max_attempts', coalesce(s.max_attempts, 8))
from {schema}.chunk c left join {schema}.send s on s.send_id = c.send_id
where c.lease_at is not null
union all
select 'retry', c.chunk_id, c.send_id, c.app_id, c.retry_at, '{}'
from {schema}.chunk c left join {schema}.send s on s.send_id = c.send_id
where c.retry_at is not null and s.stopped_as is null
union all
select 'announce', c.chunk_id, c.send_id, c.app_id, c.open_at, '{}'
from {schema}.chunk c join {schema}.send s on s.send_id = c.send_id
where c.open_at is not null and s.stopped_as is null and s.frozen_at is not null
union all
select 'repeat', c.chunk_id, c.send_id, c.app_id, c.repeat_at, '{}'
from {schema}.chunk c join {schema}.send s on s.send_id = c.send_id
where c.repeat_at is not null and s.stopped_as is null and s.frozen_at is not null
union all
select 'close_chunk', c.chunk_id, c.send_id, c.app_id, p.stopped_at, jsonb_build_object('kind', p.stopped_as)
from {schema}.progress p join {schema}.chunk c on c.send_id = p.send_id
where p.stopped_at is not null and p.unclaimed > 0 and c.unclaimed;
