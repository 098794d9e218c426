-- begun_anew: the client that writes did not ask where the run stands, or rewound it: its rows may
-- replace what stands in their place.
ALTER TABLE runs ADD COLUMN begun_anew INTEGER NOT NULL DEFAULT 0;

-- process_gone: its agent, or the process itself, has said that it is no more; without that word it
-- may come back.
-- told_end: an exit code told for the run, maybe by such a process; it counts when the lease ends.
ALTER TABLE attempts ADD COLUMN process_gone INTEGER NOT NULL DEFAULT 0;
ALTER TABLE attempts ADD COLUMN told_end INTEGER;
