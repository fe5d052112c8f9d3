-- Appending. Every append goes through the head's row lock, so positions are dense and in commit order, and what is
-- checked under the lock stays true until the commit. A "unit" is one command's events with all that must commit with
-- them; units of several callers share a transaction, and one that cannot be appended does not hold up the others.

-- Takes the lock and says which units cannot be appended, and why: a JSON array of {unit, refusal, ...}.
create function record.admit(
    event_units int[], streams uuid[], versions int[],
    claim_units int[], claim_apps uuid[], claim_kinds text[], claim_digests bytea[], claim_streams uuid[],
    claim_movers uuid[],
    key_units int[], key_subjects uuid[], key_generations int[],
    command_units int[], command_scopes uuid[], command_keys bytea[],
    out last_position bigint, out at timestamptz, out refusals jsonb
) language plpgsql as $$
begin
    select h.position, greatest(h.recorded_at, clock_timestamp()) into last_position, at
    from record.head h for no key update;

    refusals := '[]';

    if cardinality(command_units) > 0 then
        select refusals || coalesce(jsonb_agg(jsonb_build_object('unit', u.unit, 'refusal', 'repeated')), '[]')
        into refusals
        from (select *, row_number() over (partition by scope, key order by unit) as turn
              from unnest(command_units, command_scopes, command_keys) as c (unit, scope, key)) u
        where u.turn > 1
           or exists (select from record.commands c where c.scope = u.scope and c.key_digest = u.key);
    end if;

    -- The versions a unit brings for a stream must follow on what is there, and two units cannot bring the same.
    select refusals || coalesce(jsonb_agg(jsonb_build_object(
        'unit', u.unit, 'refusal', 'version', 'stream', u.stream)), '[]')
    into refusals
    from (select unit, stream, min(version) as version, row_number() over (partition by stream order by unit) as turn
          from unnest(event_units, streams, versions) as e (unit, stream, version)
          group by unit, stream) u
    where u.turn > 1
       or exists (select from record.events e where e.stream_id = u.stream and e.stream_version = u.version)
       or (u.version > 1 and not exists (
              select from record.events e where e.stream_id = u.stream and e.stream_version = u.version - 1));

    if cardinality(claim_units) > 0 then
        select refusals || coalesce(jsonb_agg(jsonb_build_object(
            'unit', u.unit, 'refusal', 'claimed', 'kind', u.kind, 'owner', coalesce(c.stream_id, u.before))), '[]')
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

    if cardinality(key_units) > 0 then
        select refusals || coalesce(jsonb_agg(jsonb_build_object(
            'unit', u.unit, 'refusal', 'key', 'subject', u.subject)), '[]')
        into refusals
        from (select *, row_number() over (partition by subject order by unit) as turn
              from unnest(key_units, key_subjects, key_generations) as k (unit, subject, generation)) u
        where u.turn > 1
           or exists (select from record.subject_keys k
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
) returns void language plpgsql as $$
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
        insert into record.subject_keys (subject, generation, wrapped)
        select subject, generation, wrapped
        from unnest(key_units, key_subjects, key_generations, key_wrapped) as u (unit, subject, generation, wrapped)
        where unit <> all (refused);
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

-- The small append, in one round trip: no client holds the lock while it thinks or is frozen.
create function record.append(
    event_units int[], streams uuid[], versions int[], apps uuid[], roots uuid[], types text[], schemas smallint[],
    bodies bytea[],
    claim_units int[], claim_apps uuid[], claim_kinds text[], claim_digests bytea[], claim_streams uuid[],
    claim_movers uuid[],
    key_units int[], key_subjects uuid[], key_generations int[], key_wrapped bytea[],
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
        event_units, streams, versions,
        claim_units, claim_apps, claim_kinds, claim_digests, claim_streams, claim_movers,
        key_units, key_subjects, key_generations,
        command_units, command_scopes, command_keys) a;

    refused := array(select (r ->> 'unit')::int from jsonb_array_elements(refusals) r);

    insert into record.events
        (position, stream_id, stream_version, app_id, root_id, type, schema_version, recorded_at, body)
    select last_position + row_number() over (order by n), stream, version, app, root, type, schema, at, body
    from unnest(event_units, streams, versions, apps, roots, types, schemas, bodies)
         with ordinality as e (unit, stream, version, app, root, type, schema, body, n)
    where unit <> all (refused);
    get diagnostics appended = row_count;

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
