-- An append's statements are planned once a session, not anew for the arrays of each append, which took as long again as
-- carrying them out. No array can make another plan right: what reads tables is held to looking rows up by key.
alter function record.append set plan_cache_mode = force_generic_plan;
alter function record.reserve set plan_cache_mode = force_generic_plan;
alter function record.keys_of set plan_cache_mode = force_generic_plan;
