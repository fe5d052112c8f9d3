-- The role the application's sessions act as. It cannot change history: see 090_privileges.sql.
do $$
begin
    create role tocsin_app nologin;
exception
    -- Roles belong to the cluster: another database of it may have made this one, or be making it now.
    when duplicate_object or unique_violation then null;
end
$$;
