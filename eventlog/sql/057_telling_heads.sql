-- Gives the positions out, and tells whoever tails the record where it ends now: nobody has to ask.
create or replace function record.advance(appended int, at timestamptz) returns void language plpgsql as $$
declare
    head text;
begin
    update record.head h set position = h.position + appended, recorded_at = at
    returning h.position || ' ' || h.epoch into head;
    perform pg_notify('tocsin_record', head);
end
$$;
