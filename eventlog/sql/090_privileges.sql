-- What the application's role may do: read and append events, move the head, keep the tables that go with an append.
-- Read models are schemas of its own making.
grant usage on schema record, migration to tocsin_app;
grant select on migration.applied to tocsin_app;
grant select, insert on record.events to tocsin_app;
grant select, update on record.head to tocsin_app;
grant select, insert, update, delete on record.claims, record.commands to tocsin_app;
grant select, insert, update on record.subject_keys, record.instance_keys, record.vault to tocsin_app;
grant delete on record.vault to tocsin_app;

do $$
begin
    execute format('grant create on database %I to tocsin_app', current_database());
end
$$;
