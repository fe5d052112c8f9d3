-- Takes a record back to its beginning, as only the superuser of a test's server can.
set session_replication_role = replica;
truncate record.events, record.claims, record.commands, record.subject_keys, record.instance_keys, record.vault;
update record.head set position = 0, recorded_at = '-infinity', erasures = 0, epoch = 1;
