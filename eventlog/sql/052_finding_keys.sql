-- The keys of these people, all generations, beside the count of erasures as of the same moment. A function, so that it
-- is planned once a session, and never as a reading of the whole table, however few keys there were then.
create function record.keys_of(wanted uuid[])
returns table (erasures bigint, subject uuid, generation integer, wrapped bytea)
language plpgsql stable set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off as $$
begin
    return query
        select h.erasures, k.subject, k.generation, k.wrapped
        from record.head h left join record.subject_keys k on k.subject = any (wanted);
end
$$;
