-- One data key a person (a device, a user), wrapped by the master key, which is never in this database. Destroying it
-- erases the person's data in every copy of the record; the row stays and says when.
create table record.subject_keys (
    subject      uuid not null,
    generation   integer not null,
    wrapped      bytea,
    created_at   timestamptz not null default clock_timestamp(),
    destroyed_at timestamptz,
    primary key (subject, generation),
    check ((wrapped is null) = (destroyed_at is not null))
);

-- Erases these people. The head comes first, as in every append: two orders of locks could wait for each other.
create function record.destroy_keys(subjects uuid[]) returns void language sql as $$
    update record.head set erasures = erasures + 1;
    update record.subject_keys set wrapped = null, destroyed_at = clock_timestamp()
    where subject = any (subjects) and wrapped is not null;
$$;

-- Keys of the instance itself, by purpose, wrapped by the master key: the one that digests claims, cursors, tokens.
create table record.instance_keys (
    purpose    text primary key,
    wrapped    bytea not null,
    created_at timestamptz not null default clock_timestamp()
);

-- Secrets sealed under the master key. Neither events nor read models hold them, only their ids.
create table record.vault (
    secret_id  uuid primary key,
    app_id     uuid not null,
    kind       text not null,
    sealed     bytea not null,
    created_at timestamptz not null default clock_timestamp()
);
