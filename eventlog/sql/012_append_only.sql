-- Nobody changes history, not even its owner, without first taking this trigger away.
create function record.refuse_change() returns trigger language plpgsql as $$
begin
    raise exception 'the record is append-only: % on %.% is refused', tg_op, tg_table_schema, tg_table_name
        using errcode = 'insufficient_privilege';
end
$$;

create trigger append_only before update or delete or truncate on record.events
    for each statement execute function record.refuse_change();
