-- What a writer of a run sent last of `config`, `summary`, `tags` and the like, kept where it is not
-- what the run holds now: somebody else has changed that since. writer: '' for the run's one
-- process, otherwise one of several (wandb's mode="shared"), whose parts are always kept.
CREATE TABLE sent (
    run_id INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    writer TEXT NOT NULL,
    field TEXT NOT NULL,
    value TEXT,
    PRIMARY KEY (run_id, writer, field)
) WITHOUT ROWID;
