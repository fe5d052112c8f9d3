-- What must be unique under concurrency: a push token, a user name, a credential's public id. The digest is keyed, so
-- the table gives nobody's token away. It is derived from the record, and can be rebuilt from it and checked.
create table record.claims (
    app_id    uuid not null,
    kind      text not null,
    digest    bytea not null,
    stream_id uuid not null,
    primary key (app_id, kind, digest)
);

create index claims_of_stream on record.claims (stream_id);

-- Where a check writes down what the record itself says of claims; gone with its transaction.
create function record.lay_out_claims() returns void language plpgsql as $$
begin
    create temp table derived_claims (
        app_id    uuid not null,
        kind      text not null,
        digest    bytea not null,
        stream_id uuid not null
    ) on commit drop;
end
$$;

-- What a command answered, so that the same request sent again gets the first answer and does nothing. Everything the
-- command appended stands at or before its position.
create table record.commands (
    scope          uuid not null,
    key_digest     bytea not null,
    request_digest bytea not null,
    answer         bytea not null,
    position       bigint not null,
    recorded_at    timestamptz not null,
    primary key (scope, key_digest)
);

create index commands_by_age on record.commands (recorded_at);
