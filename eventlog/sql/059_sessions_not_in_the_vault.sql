-- A session is found by a keyed digest of its token, and nothing was ever compared with what lay here.
delete from record.vault where kind = 'session';
