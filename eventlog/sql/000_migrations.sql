-- Which of these files a database has seen, and what they said then.
create schema if not exists migration;

create table if not exists migration.applied (
    name       text primary key,
    sha256     text not null,
    applied_at timestamptz not null default clock_timestamp()
);
