-- How often the run was offered to the agent without a sign of life.
ALTER TABLE attempts ADD COLUMN offers INTEGER NOT NULL DEFAULT 1;

-- The highest history step that the run had ever reached when it was leased: whoever gets beyond it
-- has made progress.
ALTER TABLE attempts ADD COLUMN from_step INTEGER NOT NULL DEFAULT -1;

-- The runs of a sweep are counted against its run_cap.
CREATE INDEX attempts_by_run_of_sweep ON attempts (sweep_id, run_id);
