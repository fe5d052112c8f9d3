-- Rows that commit with a unit's events. A claim whose stream is null is released by the stream that moves it, and a
-- secret of which nothing is sealed is destroyed.
create or replace function record.accompany(
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
        delete from record.vault v
        using unnest(secret_units, secret_ids, secret_sealed) as u (unit, id, sealed)
        where u.sealed is null and u.unit <> all (refused) and v.secret_id = u.id;

        insert into record.vault (secret_id, app_id, kind, sealed)
        select id, app, kind, sealed
        from unnest(secret_units, secret_ids, secret_apps, secret_kinds, secret_sealed)
             as u (unit, id, app, kind, sealed)
        where sealed is not null and unit <> all (refused);
    end if;
end
$$;
