-- A run has a score in every sweep that it stands in: in the one that has made it, and in those that
-- have taken it over, whose metric may be another.
CREATE TABLE new_scores (
    sweep_id INTEGER NOT NULL REFERENCES sweeps (id) ON DELETE CASCADE,
    run_id INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    lines INTEGER NOT NULL DEFAULT 0,
    count INTEGER NOT NULL DEFAULT 0,
    best REAL,
    latest REAL,
    PRIMARY KEY (sweep_id, run_id)
) WITHOUT ROWID;
INSERT INTO new_scores (sweep_id, run_id, lines, count, best, latest)
SELECT sweep_id, run_id, lines, count, best, latest FROM scores;
DROP TABLE scores;
ALTER TABLE new_scores RENAME TO scores;
CREATE INDEX scores_by_run ON scores (run_id);
