BEGIN TRANSACTION;
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
INSERT INTO "agents" VALUES(1,1,'50eg9fn0','machine','running',0,1.795575153612197876e+09,1.79557515366304302215e+09);
CREATE TABLE aliases (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    collection_id INTEGER NOT NULL REFERENCES collections (id) ON DELETE CASCADE,
    alias TEXT NOT NULL,
    artifact_id INTEGER NOT NULL REFERENCES artifacts (id) ON DELETE CASCADE,
    UNIQUE (collection_id, alias)
);
INSERT INTO "aliases" VALUES(1,1,'latest',1);
INSERT INTO "aliases" VALUES(2,1,'best',1);
CREATE TABLE artifact_files (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    artifact_id INTEGER NOT NULL REFERENCES artifacts (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    digest TEXT NOT NULL,
    size INTEGER NOT NULL,
    hash TEXT REFERENCES blobs (hash),
    UNIQUE (artifact_id, name)
);
INSERT INTO "artifact_files" VALUES(2,1,'weights.txt','Y/Tx6bclNw9FlyBXXNX5Uw==',7,'9a129038d9a00aed0cf6a7ea059ca50a813449061ab87848cf1a13eafdf33b2c');
CREATE TABLE artifact_runs (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    artifact_id INTEGER NOT NULL REFERENCES artifacts (id) ON DELETE CASCADE,
    run_id INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    role TEXT NOT NULL,
    used_as TEXT,
    created_at REAL NOT NULL,
    UNIQUE (artifact_id, run_id, role)
);
INSERT INTO "artifact_runs" VALUES(1,1,1,'output',NULL,1.79557515320121192934e+09);
CREATE TABLE artifact_tags (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    artifact_id INTEGER NOT NULL REFERENCES artifacts (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    UNIQUE (artifact_id, name)
);
CREATE TABLE artifact_types (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    project_id INTEGER NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    description TEXT,
    created_at REAL NOT NULL,
    UNIQUE (project_id, name)
);
INSERT INTO "artifact_types" VALUES(1,1,'model',NULL,1.79557515320121192934e+09);
CREATE TABLE artifacts (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    collection_id INTEGER NOT NULL REFERENCES collections (id) ON DELETE CASCADE,
    version_index INTEGER,
    state TEXT NOT NULL DEFAULT 'PENDING',
    digest TEXT NOT NULL,
    description TEXT,
    metadata TEXT,
    labels TEXT,
    ttl_seconds INTEGER NOT NULL DEFAULT -2,
    history_step INTEGER,
    size INTEGER NOT NULL DEFAULT 0,
    file_count INTEGER NOT NULL DEFAULT 0,
    client_id TEXT UNIQUE,
    distributed_id TEXT,
    run_id INTEGER REFERENCES runs (id) ON DELETE SET NULL,
    pending_aliases TEXT NOT NULL DEFAULT '[]',
    manifest_hash TEXT REFERENCES blobs (hash),
    created_at REAL NOT NULL,
    updated_at REAL NOT NULL
);
INSERT INTO "artifacts" VALUES(1,1,0,'COMMITTED','b238766a2dc9fdd9f77898839e7d2849',NULL,NULL,NULL,-2,3,7,1,'j202wq0ji1jjnlinsjzs0q3c20n5qxk6hloyzvzry4lo8ulm4lvv3gu2d2slv22y29j7gr850gpz3gd3pf72tdq5ujjmrcyu1u198i7p2243jbblh93swt3nugj3kjsq',NULL,1,'["latest", "best"]','9792807289e61083b9533bd8584a002f05844841db8de21dd8e1f7ebf07f2d57',1.79557515320121192934e+09,1.79557515342567586896e+09);
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
INSERT INTO "attempts" VALUES(1,1,1,2,1,NULL,1,'09fec5ad385ce74c',0,1.79557515366304302215e+09,1.79557515401021981242e+09,NULL,NULL,1.79557515412210607526e+09,'done');
CREATE TABLE blobs (
    hash TEXT PRIMARY KEY,
    size INTEGER NOT NULL,
    md5 TEXT NOT NULL,
    created_at REAL NOT NULL
) WITHOUT ROWID;
INSERT INTO "blobs" VALUES('43bbb3dc109b931460e96461f5f14b436592f95e0d3712afcf153062d1ba5cc7',109,'aGzGV0EQ7uofkzOmijFQ4w==',1.79557515353051710127e+09);
INSERT INTO "blobs" VALUES('603412627af9893e062fd1d1bf9aa3a2f1da9fb51c9de4fae74f7000bf58bb07',92,'FFztlU83GXDq4OYLH+DNrg==',1.79557515411864686014e+09);
INSERT INTO "blobs" VALUES('61934d3923d65e032e93184f6d36221c337063a583eb59d81fb2b7bf0460012f',281,'pr6rsNpZxeUMjotJCewADg==',1.79557515411905145637e+09);
INSERT INTO "blobs" VALUES('9792807289e61083b9533bd8584a002f05844841db8de21dd8e1f7ebf07f2d57',300,'eVlN2ycCIPtlsY8vlehaVw==',1.79557515341527080534e+09);
INSERT INTO "blobs" VALUES('9a129038d9a00aed0cf6a7ea059ca50a813449061ab87848cf1a13eafdf33b2c',7,'Y/Tx6bclNw9FlyBXXNX5Uw==',1.79557515335381889342e+09);
INSERT INTO "blobs" VALUES('fd1083efb8e0928c3596f506d4a03107867fe380b7a27c84928ee8c14c32b901',326,'Sg0ei38F3TEUtSsji8JfCw==',1.7955751535311181545e+09);
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
INSERT INTO "cells" VALUES(1,1,'2c6b113b8dd15ffbded9860b43eb0c6c','{"a": 1}','done',0,0,0);
CREATE TABLE collection_tags (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    collection_id INTEGER NOT NULL REFERENCES collections (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    UNIQUE (collection_id, name)
);
CREATE TABLE collections (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    project_id INTEGER NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    type_id INTEGER NOT NULL REFERENCES artifact_types (id) ON DELETE CASCADE,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    description TEXT,
    next_version INTEGER NOT NULL DEFAULT 0,
    created_at REAL NOT NULL,
    updated_at REAL NOT NULL,
    UNIQUE (project_id, name)
);
INSERT INTO "collections" VALUES(1,1,1,'SEQUENCE','model',NULL,1,1.79557515320121192934e+09,1.79557515320121192934e+09);
CREATE TABLE decisions (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    sweep_id INTEGER NOT NULL REFERENCES sweeps (id) ON DELETE CASCADE,
    at REAL NOT NULL,
    kind TEXT NOT NULL,
    run TEXT,
    text TEXT NOT NULL
);
INSERT INTO "decisions" VALUES(1,1,1.79557515354911684992e+09,'created',NULL,'grid, 3 cells');
INSERT INTO "decisions" VALUES(2,1,1.795575153612197876e+09,'state',NULL,'PENDING -> RUNNING: an agent came');
INSERT INTO "decisions" VALUES(3,1,1.79557515366304302215e+09,'lease','8lrx8tor','attempt 1 at a=1; agent 50eg9fn0');
INSERT INTO "decisions" VALUES(4,1,1.79557515412210607526e+09,'ended','8lrx8tor','done (exit code 0); cell done');
CREATE TABLE events (
    run_id INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    line INTEGER NOT NULL,
    row TEXT NOT NULL,
    PRIMARY KEY (run_id, line)
) WITHOUT ROWID;
CREATE TABLE files (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    run_id INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    hash TEXT NOT NULL REFERENCES blobs (hash),
    updated_at REAL NOT NULL,
    UNIQUE (run_id, name)
);
INSERT INTO "files" VALUES(1,1,'wandb-summary.json','43bbb3dc109b931460e96461f5f14b436592f95e0d3712afcf153062d1ba5cc7',1.79557515353051710127e+09);
INSERT INTO "files" VALUES(2,1,'config.yaml','fd1083efb8e0928c3596f506d4a03107867fe380b7a27c84928ee8c14c32b901',1.7955751535311181545e+09);
INSERT INTO "files" VALUES(3,2,'wandb-summary.json','603412627af9893e062fd1d1bf9aa3a2f1da9fb51c9de4fae74f7000bf58bb07',1.79557515411864686014e+09);
INSERT INTO "files" VALUES(4,2,'config.yaml','61934d3923d65e032e93184f6d36221c337063a583eb59d81fb2b7bf0460012f',1.79557515411905145637e+09);
CREATE TABLE history (
    run_id INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    line INTEGER NOT NULL,
    step INTEGER NOT NULL,
    row TEXT NOT NULL,
    PRIMARY KEY (run_id, line)
) WITHOUT ROWID;
INSERT INTO "history" VALUES(1,0,0,'{"loss":1,"_timestamp":1.7955751527465625e+09,"_runtime":1.190720795,"_step":0}');
INSERT INTO "history" VALUES(1,1,1,'{"_runtime":1.200545076,"_step":1,"loss":0.5,"_timestamp":1.7955751530286367e+09}');
INSERT INTO "history" VALUES(1,2,2,'{"_timestamp":1.7955751530291321e+09,"_runtime":1.200571976,"_step":2,"loss":0.3333333333333333}');
INSERT INTO "history" VALUES(2,0,0,'{"_step":0,"loss":1,"_timestamp":1.7955751540233333e+09,"_runtime":0.005034903}');
CREATE TABLE logs (
    run_id INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    line INTEGER NOT NULL,
    text TEXT NOT NULL,
    PRIMARY KEY (run_id, line)
) WITHOUT ROWID;
CREATE TABLE manifests (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    artifact_id INTEGER NOT NULL REFERENCES artifacts (id) ON DELETE CASCADE,
    type TEXT NOT NULL,
    base_artifact_id INTEGER,
    digest TEXT,
    hash TEXT REFERENCES blobs (hash),
    created_at REAL NOT NULL
);
INSERT INTO "manifests" VALUES(1,1,'FULL',NULL,'',NULL,1.79557515322520208364e+09);
INSERT INTO "manifests" VALUES(2,1,'FULL',NULL,'eVlN2ycCIPtlsY8vlehaVw==','9792807289e61083b9533bd8584a002f05844841db8de21dd8e1f7ebf07f2d57',1.79557515337089443211e+09);
CREATE TABLE memberships (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    collection_id INTEGER NOT NULL REFERENCES collections (id) ON DELETE CASCADE,
    artifact_id INTEGER NOT NULL REFERENCES artifacts (id) ON DELETE CASCADE,
    version_index INTEGER NOT NULL,
    created_at REAL NOT NULL,
    UNIQUE (collection_id, artifact_id),
    UNIQUE (collection_id, version_index)
);
INSERT INTO "memberships" VALUES(1,1,1,0,1.79557515342567586896e+09);
CREATE TABLE prior_runs (
    sweep_id INTEGER NOT NULL REFERENCES sweeps (id) ON DELETE CASCADE,
    run_id INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    PRIMARY KEY (sweep_id, run_id)
) WITHOUT ROWID;
CREATE TABLE projects (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    entity TEXT NOT NULL,
    name TEXT NOT NULL,
    description TEXT,
    created_at REAL NOT NULL,
    updated_at REAL NOT NULL,
    UNIQUE (entity, name)
);
INSERT INTO "projects" VALUES(1,'local','old',NULL,1.79557515179012632368e+09,1.79557515179012632368e+09);
CREATE TABLE rungs (
    sweep_id INTEGER NOT NULL REFERENCES sweeps (id) ON DELETE CASCADE,
    rung INTEGER NOT NULL,
    run_id INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    value REAL NOT NULL,
    PRIMARY KEY (sweep_id, rung, run_id)
) WITHOUT ROWID;
CREATE TABLE runs (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    project_id INTEGER NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    display_name TEXT,
    sweep TEXT,
    state TEXT NOT NULL,
    started INTEGER NOT NULL DEFAULT 0,
    stop_requested INTEGER NOT NULL DEFAULT 0,
    preempting INTEGER NOT NULL DEFAULT 0,
    resume_asked_at REAL,
    exit_code INTEGER,
    config TEXT NOT NULL DEFAULT '{}',
    summary TEXT NOT NULL DEFAULT '{}',
    system_metrics TEXT NOT NULL DEFAULT '{}',
    tags TEXT NOT NULL DEFAULT '[]',
    description TEXT,
    notes TEXT,
    group_name TEXT,
    job_type TEXT,
    commit_hash TEXT,
    host TEXT,
    program TEXT,
    repo TEXT,
    history_lines INTEGER NOT NULL DEFAULT 0,
    event_lines INTEGER NOT NULL DEFAULT 0,
    log_lines INTEGER NOT NULL DEFAULT 0,
    last_step INTEGER NOT NULL DEFAULT -1,
    history_keys TEXT NOT NULL DEFAULT '{}',
    created_at REAL NOT NULL,
    updated_at REAL NOT NULL,
    heartbeat_at REAL NOT NULL,
    ended_at REAL,
    UNIQUE (project_id, name)
);
INSERT INTO "runs" VALUES(1,1,'r1','r1',NULL,'finished',1,0,0,NULL,0,'{"lr":{"value":0.1},"_wandb":{"value":{"python_version":"3.11.7","t":{"4":"3.11.7","3":[2,14,15,16],"5":"0.31.0","12":"0.31.0","13":"linux-x86_64"},"m":[],"cli_version":"0.31.0"}}}','{"_wandb":{"runtime":1},"_runtime":1,"_timestamp":1.7955751530291321e+09,"loss":0.3333333333333333,"_step":2}','{}','["kept"]',NULL,NULL,NULL,NULL,NULL,'machine','train.py',NULL,3,0,0,2,'{"keys": {"loss": {"typeCounts": [{"type": "number", "count": 3}], "monotonic": false, "previousValue": 0.3333333333333333}, "_timestamp": {"typeCounts": [{"type": "number", "count": 3}], "monotonic": true, "previousValue": 1795575153.0291321}, "_runtime": {"typeCounts": [{"type": "number", "count": 3}], "monotonic": true, "previousValue": 1.200571976}, "_step": {"typeCounts": [{"type": "number", "count": 3}], "monotonic": true, "previousValue": 2}}, "sets": [], "lastStep": 2}',1.79557515179012632368e+09,1.79557515353410911563e+09,1.79557515353410911563e+09,1.79557515353410911563e+09);
INSERT INTO "runs" VALUES(2,1,'8lrx8tor','kw40336a-1','kw40336a','finished',1,0,0,NULL,0,'{"a":{"value":1},"_wandb":{"value":{"cli_version":"0.31.0","python_version":"3.11.7","t":{"13":"linux-x86_64","4":"3.11.7","3":[2,14],"5":"0.31.0","12":"0.31.0"},"m":[]}}}','{"loss":1,"_timestamp":1.7955751540233333e+09,"_wandb":{"runtime":0},"_runtime":0,"_step":0}','{}','[]',NULL,NULL,NULL,NULL,NULL,'machine','train.py',NULL,1,0,0,0,'{"keys": {"_step": {"typeCounts": [{"type": "number", "count": 1}], "monotonic": true, "previousValue": 0}, "loss": {"typeCounts": [{"type": "number", "count": 1}], "monotonic": true, "previousValue": 1}, "_timestamp": {"typeCounts": [{"type": "number", "count": 1}], "monotonic": true, "previousValue": 1795575154.0233333}, "_runtime": {"typeCounts": [{"type": "number", "count": 1}], "monotonic": true, "previousValue": 0.005034903}}, "sets": [], "lastStep": 0}',1.79557515366304302215e+09,1.79557515412210607526e+09,1.79557515412210607526e+09,1.79557515412210607526e+09);
CREATE TABLE scores (
    run_id INTEGER PRIMARY KEY REFERENCES runs (id) ON DELETE CASCADE,
    sweep_id INTEGER NOT NULL REFERENCES sweeps (id) ON DELETE CASCADE,
    lines INTEGER NOT NULL DEFAULT 0,
    count INTEGER NOT NULL DEFAULT 0,
    best REAL,
    latest REAL
);
INSERT INTO "scores" VALUES(2,1,1,1,1.0,1.0);
CREATE TABLE shared_lines (
    run_id INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    writer TEXT NOT NULL,
    kind TEXT NOT NULL,
    line INTEGER NOT NULL,
    target INTEGER NOT NULL,
    PRIMARY KEY (run_id, writer, kind, line)
) WITHOUT ROWID;
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
INSERT INTO "sweeps" VALUES(1,1,'kw40336a',NULL,NULL,'method: grid
metric:
  goal: minimize
  name: loss
parameters:
  a:
    values:
    - 1
    - 2
    - 3
','grid','RUNNING',1,1,NULL,NULL,1.79557515354911684992e+09,1.795575153612197876e+09);
CREATE INDEX runs_by_creation ON runs (project_id, created_at);
CREATE INDEX runs_by_state ON runs (project_id, state);
CREATE INDEX runs_by_sweep ON runs (project_id, sweep);
CREATE INDEX runs_alive ON runs (heartbeat_at) WHERE state IN ('running', 'preempting');
CREATE INDEX history_by_step ON history (run_id, step);
CREATE INDEX files_by_hash ON files (hash);
CREATE INDEX blobs_by_md5 ON blobs (md5);
CREATE INDEX artifacts_by_digest ON artifacts (collection_id, digest);
CREATE INDEX artifacts_by_manifest ON artifacts (manifest_hash);
CREATE INDEX memberships_by_artifact ON memberships (artifact_id);
CREATE INDEX aliases_by_artifact ON aliases (artifact_id);
CREATE INDEX manifests_by_artifact ON manifests (artifact_id);
CREATE INDEX manifests_by_hash ON manifests (hash);
CREATE INDEX artifact_files_by_hash ON artifact_files (hash);
CREATE INDEX artifact_files_by_digest ON artifact_files (digest);
CREATE INDEX artifact_runs_by_run ON artifact_runs (run_id, role);
CREATE INDEX sweeps_by_state ON sweeps (state);
CREATE INDEX cells_by_state ON cells (sweep_id, state, turn);
CREATE UNIQUE INDEX one_lease_per_cell ON attempts (cell_id) WHERE ended_at IS NULL;
CREATE UNIQUE INDEX one_lease_per_agent ON attempts (agent_id) WHERE ended_at IS NULL;
CREATE INDEX attempts_by_sweep ON attempts (sweep_id) WHERE ended_at IS NULL;
CREATE INDEX attempts_by_cell ON attempts (cell_id);
CREATE INDEX attempts_by_run ON attempts (run_id);
CREATE INDEX attempts_by_agent ON attempts (agent_id);
CREATE INDEX attempts_by_forerunner ON attempts (forerunner);
CREATE TRIGGER cell_of_deleted_run AFTER DELETE ON attempts
WHEN OLD.outcome = 'done' OR OLD.ended_at IS NULL
BEGIN
    UPDATE cells SET state = 'waiting', turn = 1, failures = 0, interruptions = 0
    WHERE id = OLD.cell_id;
END;
CREATE INDEX scores_by_sweep ON scores (sweep_id);
CREATE INDEX rungs_by_run ON rungs (run_id);
CREATE INDEX decisions_by_sweep ON decisions (sweep_id, id);
CREATE INDEX prior_runs_by_run ON prior_runs (run_id);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('projects',1);
INSERT INTO "sqlite_sequence" VALUES('runs',2);
INSERT INTO "sqlite_sequence" VALUES('artifact_types',1);
INSERT INTO "sqlite_sequence" VALUES('collections',1);
INSERT INTO "sqlite_sequence" VALUES('artifacts',1);
INSERT INTO "sqlite_sequence" VALUES('artifact_runs',1);
INSERT INTO "sqlite_sequence" VALUES('manifests',2);
INSERT INTO "sqlite_sequence" VALUES('artifact_files',2);
INSERT INTO "sqlite_sequence" VALUES('memberships',1);
INSERT INTO "sqlite_sequence" VALUES('aliases',3);
INSERT INTO "sqlite_sequence" VALUES('files',4);
INSERT INTO "sqlite_sequence" VALUES('sweeps',1);
INSERT INTO "sqlite_sequence" VALUES('decisions',4);
INSERT INTO "sqlite_sequence" VALUES('agents',1);
INSERT INTO "sqlite_sequence" VALUES('cells',1);
INSERT INTO "sqlite_sequence" VALUES('attempts',1);
COMMIT;
PRAGMA user_version=2;
PRAGMA application_id=1179997012;
