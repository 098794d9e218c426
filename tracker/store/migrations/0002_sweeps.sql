-- state: PENDING (no agent yet), RUNNING, PAUSED, FINISHED, CANCELED, FAILED (every agent that came
-- was sent away), CRASHED (they fell silent). handed_out counts cells, whatever became of them; cursor is search.suggest's.
CREATE TABLE sweeps (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    project_id INTEGER NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    display_name TEXT,
    description TEXT,
    config TEXT NOT NULL,
    method TEXT NOT NULL,
    state TEXT NOT NULL,
    cursor INTEGER NOT NULL DEFAULT 0,
    handed_out INTEGER NOT NULL DEFAULT 0,
    controller TEXT,
    scheduler TEXT,
    created_at REAL NOT NULL,
    updated_at REAL NOT NULL,
    UNIQUE (project_id, name)
);
CREATE INDEX sweeps_by_state ON sweeps (state);

-- state: running, dismissed (three failures in a row), finished (told to exit).
CREATE TABLE agents (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    sweep_id INTEGER NOT NULL REFERENCES sweeps (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    host TEXT NOT NULL,
    state TEXT NOT NULL DEFAULT 'running',
    failures INTEGER NOT NULL DEFAULT 0,
    created_at REAL NOT NULL,
    heartbeat_at REAL NOT NULL,
    UNIQUE (sweep_id, name)
);

-- A cell has a row once it was handed out. state: leased, waiting (for its next attempt), done,
-- failed (its attempts are used up), stopped (by a person), dropped (no longer in the sweep).
-- turn, of a waiting cell: 0 before fresh cells (its run can go on), 1 after them (it failed).
CREATE TABLE cells (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    sweep_id INTEGER NOT NULL REFERENCES sweeps (id) ON DELETE CASCADE,
    key TEXT NOT NULL,
    args TEXT NOT NULL,
    state TEXT NOT NULL,
    turn INTEGER NOT NULL DEFAULT 0,
    failures INTEGER NOT NULL DEFAULT 0,
    interruptions INTEGER NOT NULL DEFAULT 0,
    UNIQUE (sweep_id, key)
);
CREATE INDEX cells_by_state ON cells (sweep_id, state, turn);

-- An attempt is a lease of a cell to an agent; it is open while ended_at is null. A run that is
-- taken up again has several. process_alive: the agent's last heartbeat named the run.
-- offered_by: the server process that gave the command, so that a reply lost with it is repeated.
-- stop_reason: hyperband, cancel, superseded; null where a person asked for the stop.
CREATE TABLE attempts (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    sweep_id INTEGER NOT NULL REFERENCES sweeps (id) ON DELETE CASCADE,
    cell_id INTEGER NOT NULL REFERENCES cells (id) ON DELETE CASCADE,
    run_id INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    agent_id INTEGER REFERENCES agents (id) ON DELETE SET NULL,
    forerunner INTEGER REFERENCES attempts (id) ON DELETE SET NULL,
    number INTEGER NOT NULL,
    offered_by TEXT NOT NULL DEFAULT '',
    process_alive INTEGER NOT NULL DEFAULT 0,
    leased_at REAL NOT NULL,
    seen_at REAL,
    stop_asked_at REAL,
    stop_reason TEXT,
    ended_at REAL,
    outcome TEXT
);
CREATE UNIQUE INDEX one_lease_per_cell ON attempts (cell_id) WHERE ended_at IS NULL;
CREATE UNIQUE INDEX one_lease_per_agent ON attempts (agent_id) WHERE ended_at IS NULL;
CREATE INDEX attempts_by_sweep ON attempts (sweep_id) WHERE ended_at IS NULL;
CREATE INDEX attempts_by_cell ON attempts (cell_id);
CREATE INDEX attempts_by_run ON attempts (run_id);
CREATE INDEX attempts_by_agent ON attempts (agent_id);
CREATE INDEX attempts_by_forerunner ON attempts (forerunner);

-- Whoever deletes the run of a cell wants it run again.
CREATE TRIGGER cell_of_deleted_run AFTER DELETE ON attempts
WHEN OLD.outcome = 'done' OR OLD.ended_at IS NULL
BEGIN
    UPDATE cells SET state = 'waiting', turn = 1, failures = 0, interruptions = 0
    WHERE id = OLD.cell_id;
END;

-- What the sweep's metric has been in a run; lines: history lines read so far.
CREATE TABLE scores (
    run_id INTEGER PRIMARY KEY REFERENCES runs (id) ON DELETE CASCADE,
    sweep_id INTEGER NOT NULL REFERENCES sweeps (id) ON DELETE CASCADE,
    lines INTEGER NOT NULL DEFAULT 0,
    count INTEGER NOT NULL DEFAULT 0,
    best REAL,
    latest REAL
);
CREATE INDEX scores_by_sweep ON scores (sweep_id);

CREATE TABLE rungs (
    sweep_id INTEGER NOT NULL REFERENCES sweeps (id) ON DELETE CASCADE,
    rung INTEGER NOT NULL,
    run_id INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    value REAL NOT NULL,
    PRIMARY KEY (sweep_id, rung, run_id)
) WITHOUT ROWID;
CREATE INDEX rungs_by_run ON rungs (run_id);

-- Why each thing happened, in words.
CREATE TABLE decisions (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    sweep_id INTEGER NOT NULL REFERENCES sweeps (id) ON DELETE CASCADE,
    at REAL NOT NULL,
    kind TEXT NOT NULL,
    run TEXT,
    text TEXT NOT NULL
);
CREATE INDEX decisions_by_sweep ON decisions (sweep_id, id);

CREATE TABLE prior_runs (
    sweep_id INTEGER NOT NULL REFERENCES sweeps (id) ON DELETE CASCADE,
    run_id INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    PRIMARY KEY (sweep_id, run_id)
) WITHOUT ROWID;
CREATE INDEX prior_runs_by_run ON prior_runs (run_id);
