-- Appending. Every append goes through the head's row lock, so positions are dense and in commit order, and what is
-- checked under the lock stays true until the commit. A "unit" is one command's events with all that must commit with
-- them; units of several callers share a transaction, and one that cannot be appended does not hold up the others.

-- These functions look few rows up by key in tables that may have been empty when the plan was made and hold a million
-- rows a minute later; a plan that reads a whole table is never right for them.

-- Takes the lock and says which units cannot be appended, and why: a JSON array of {unit, refusal, ...}. Two units that
-- bring events of one stream, or different keys of one person, do not come here together. Unless careful, keys that
-- should be new are not looked up, nor does the caller name streams that should be: if one is not, its row is refused.
create function record.admit(
    careful boolean,
    stream_units int[], streams uuid[], first_versions int[],
    claim_units int[], claim_apps uuid[], claim_kinds text[], claim_digests bytea[], claim_streams uuid[],
    claim_movers uuid[],
    key_units int[], key_subjects uuid[], key_generations int[],
    sealed_units int[], sealed_erasures bigint[],
    command_units int[], command_scopes uuid[], command_keys bytea[],
    out last_position bigint, out at timestamptz, out refusals jsonb
) language plpgsql set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off as $$
declare
    counted bigint;
begin
    select h.position, h.recorded_at, h.erasures into last_position, at, counted
    from record.head h for no key update;
    at := greatest(at, clock_timestamp());

    -- Whoever holds the lock holds everybody up: from here on the transaction has so much time and no more.
    perform set_config(
        'transaction_timeout', coalesce(nullif(current_setting('tocsin.holding_time', true), ''), '5s'), true);

    refusals := '[]';

    if cardinality(command_units) > 0 then
        select refusals || coalesce(jsonb_agg(jsonb_build_object('unit', u.unit, 'refusal', 'repeated')), '[]')
        into refusals
        from (select *, row_number() over (partition by scope, key order by unit) as turn
              from unnest(command_units, command_scopes, command_keys) as c (unit, scope, key)) u
        where u.turn > 1
           or exists (select from record.commands c where c.scope = u.scope and c.key_digest = u.key);
    end if;

    -- The versions a unit brings for a stream must follow on what is there.
    select refusals || coalesce(jsonb_agg(jsonb_build_object(
        'unit', u.unit, 'refusal', 'version', 'stream', u.stream)), '[]')
    into refusals
    from unnest(stream_units, streams, first_versions) as u (unit, stream, version)
    where u.version <> 1 + coalesce(
        (select e.stream_version from record.events e where e.stream_id = u.stream
         order by e.stream_version desc limit 1), 0);

    if cardinality(claim_units) > 0 then
        select refusals || coalesce(jsonb_agg(jsonb_build_object(
            'unit', u.unit, 'refusal', 'claimed', 'kind', u.kind,
            'owner', coalesce(c.stream_id, nullif(u.before, u.stream)))), '[]')
        into refusals
        from (select *, first_value(stream) over (partition by app, kind, digest order by unit) as before
              from unnest(claim_units, claim_apps, claim_kinds, claim_digests, claim_streams, claim_movers)
                   as c (unit, app, kind, digest, stream, mover)
              where stream is not null) u
        left join record.claims c on c.app_id = u.app and c.kind = u.kind and c.digest = u.digest
        where u.before <> u.stream
           or (c.stream_id <> u.stream and c.stream_id is distinct from u.mover)
           or (c.stream_id is null and u.mover is not null);
    end if;

    -- What was sealed under keys looked up before the last erasure may have been sealed under a destroyed one.
    select refusals || coalesce(jsonb_agg(jsonb_build_object('unit', u.unit, 'refusal', 'erasure')), '[]')
    into refusals
    from unnest(sealed_units, sealed_erasures) as u (unit, erasures)
    where u.erasures <> counted;

    if careful and cardinality(key_units) > 0 then
        select refusals || coalesce(jsonb_agg(jsonb_build_object('unit', u.unit, 'refusal', 'key')), '[]')
        into refusals
        from unnest(key_units, key_subjects, key_generations) as u (unit, subject, generation)
        where exists (select from record.subject_keys k
                      where k.subject = u.subject and k.generation >= u.generation);
    end if;
end
$$;

-- Gives the positions out and wakes whoever tails the record.
create function record.advance(appended int, at timestamptz) returns void language sql as $$
    update record.head set position = position + appended, recorded_at = at;
    select pg_notify('tocsin_record', '');
$$;

-- Rows that commit with a unit's events. A claim whose stream is null is released by the stream that moves it.
create function record.accompany(
    refused int[], appended_to bigint, at timestamptz,
    claim_units int[], claim_apps uuid[], claim_kinds text[], claim_digests bytea[], claim_streams uuid[],
    claim_movers uuid[],
    key_units int[], key_subjects uuid[], key_generations int[], key_wrapped bytea[],
    command_units int[], command_scopes uuid[], command_keys bytea[], command_requests bytea[],
    command_answers bytea[],
    secret_units int[], secret_ids uuid[], secret_apps uuid[], secret_kinds text[], secret_sealed bytea[]
) returns void language plpgsql set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off as $$
begin
    if cardinality(claim_units) > 0 then
        delete from record.claims c
        using unnest(claim_units, claim_apps, claim_kinds, claim_digests, claim_streams, claim_movers)
              as u (unit, app, kind, digest, stream, mover)
        where u.stream is null and u.unit <> all (refused)
          and c.app_id = u.app and c.kind = u.kind and c.digest = u.digest and c.stream_id = u.mover;

        insert into record.claims (app_id, kind, digest, stream_id)
        select distinct on (app, kind, digest) app, kind, digest, stream
        from unnest(claim_units, claim_apps, claim_kinds, claim_digests, claim_streams)
             as u (unit, app, kind, digest, stream)
        where stream is not null and unit <> all (refused)
        on conflict (app_id, kind, digest) do update set stream_id = excluded.stream_id
            where claims.stream_id <> excluded.stream_id;
    end if;

    if cardinality(key_units) > 0 then
        -- Several units may bring the same new key: one of them may be refused while the others need it.
        insert into record.subject_keys (subject, generation, wrapped)
        select subject, generation, min(wrapped)
        from unnest(key_units, key_subjects, key_generations, key_wrapped) as u (unit, subject, generation, wrapped)
        where unit <> all (refused)
        group by subject, generation;
    end if;

    if cardinality(command_units) > 0 then
        insert into record.commands (scope, key_digest, request_digest, answer, position, recorded_at)
        select scope, key, request, answer, appended_to, at
        from unnest(command_units, command_scopes, command_keys, command_requests, command_answers)
             as u (unit, scope, key, request, answer)
        where unit <> all (refused);
    end if;

    if cardinality(secret_units) > 0 then
        insert into record.vault (secret_id, app_id, kind, sealed)
        select id, app, kind, sealed
        from unnest(secret_units, secret_ids, secret_apps, secret_kinds, secret_sealed)
             as u (unit, id, app, kind, sealed)
        where unit <> all (refused);
    end if;
end
$$;

-- Everything of a large append but its events: the caller copies those of the admitted units, one at each of the
-- positions after last_position, in the same transaction. event_counts: how many events each unit has.
create function record.reserve(
    careful boolean,
    event_counts int[],
    stream_units int[], streams uuid[], first_versions int[],
    claim_units int[], claim_apps uuid[], claim_kinds text[], claim_digests bytea[], claim_streams uuid[],
    claim_movers uuid[],
    key_units int[], key_subjects uuid[], key_generations int[], key_wrapped bytea[],
    sealed_units int[], sealed_erasures bigint[],
    command_units int[], command_scopes uuid[], command_keys bytea[], command_requests bytea[],
    command_answers bytea[],
    secret_units int[], secret_ids uuid[], secret_apps uuid[], secret_kinds text[], secret_sealed bytea[],
    out last_position bigint, out at timestamptz, out refusals jsonb
) language plpgsql as $$
declare
    refused int[];
    appended int;
begin
    select a.last_position, a.at, a.refusals into last_position, at, refusals
    from record.admit(
        careful,
        stream_units, streams, first_versions,
        claim_units, claim_apps, claim_kinds, claim_digests, claim_streams, claim_movers,
        key_units, key_subjects, key_generations,
        sealed_units, sealed_erasures,
        command_units, command_scopes, command_keys) a;

    refused := array(select (r ->> 'unit')::int from jsonb_array_elements(refusals) r);

    select coalesce(sum(count), 0) into appended
    from unnest(event_counts) with ordinality as u (count, number)
    where number - 1 <> all (refused);

    if cardinality(claim_units) + cardinality(key_units) + cardinality(command_units) + cardinality(secret_units) > 0
    then
        perform record.accompany(
            refused, last_position + appended, at,
            claim_units, claim_apps, claim_kinds, claim_digests, claim_streams, claim_movers,
            key_units, key_subjects, key_generations, key_wrapped,
            command_units, command_scopes, command_keys, command_requests, command_answers,
            secret_units, secret_ids, secret_apps, secret_kinds, secret_sealed);
    end if;

    if appended > 0 then
        perform record.advance(appended, at);
    end if;
end
$$;

-- The small append, in one round trip: no client holds the lock while it thinks or is frozen.
create function record.append(
    event_units int[], event_streams uuid[], versions int[], apps uuid[], roots uuid[], types text[],
    schemas smallint[], bodies bytea[],
    careful boolean,
    event_counts int[],
    stream_units int[], streams uuid[], first_versions int[],
    claim_units int[], claim_apps uuid[], claim_kinds text[], claim_digests bytea[], claim_streams uuid[],
    claim_movers uuid[],
    key_units int[], key_subjects uuid[], key_generations int[], key_wrapped bytea[],
    sealed_units int[], sealed_erasures bigint[],
    command_units int[], command_scopes uuid[], command_keys bytea[], command_requests bytea[],
    command_answers bytea[],
    secret_units int[], secret_ids uuid[], secret_apps uuid[], secret_kinds text[], secret_sealed bytea[],
    out last_position bigint, out at timestamptz, out refusals jsonb
) language plpgsql as $$
declare
    refused int[];
begin
    select r.last_position, r.at, r.refusals into last_position, at, refusals
    from record.reserve(
        careful, event_counts,
        stream_units, streams, first_versions,
        claim_units, claim_apps, claim_kinds, claim_digests, claim_streams, claim_movers,
        key_units, key_subjects, key_generations, key_wrapped,
        sealed_units, sealed_erasures,
        command_units, command_scopes, command_keys, command_requests, command_answers,
        secret_units, secret_ids, secret_apps, secret_kinds, secret_sealed) r;

    refused := array(select (r ->> 'unit')::int from jsonb_array_elements(refusals) r);

    insert into record.events
        (position, stream_id, stream_version, app_id, root_id, type, schema_version, recorded_at, body)
    select last_position + row_number() over (order by n), stream, version, app, root, type, schema, at, body
    from unnest(event_units, event_streams, versions, apps, roots, types, schemas, bodies)
         with ordinality as e (unit, stream, version, app, root, type, schema, body, n)
    where unit <> all (refused);
end
$$;
