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
INSERT INTO "agents" VALUES(1,1,'k2ly9o86','machine','running',0,1.79561684691080093384e+09,1.79561684702096223831e+09);
CREATE TABLE aliases (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    collection_id INTEGER NOT NULL REFERENCES collections (id) ON DELETE CASCADE,
    alias TEXT NOT NULL,
    artifact_id INTEGER NOT NULL REFERENCES artifacts (id) ON DELETE CASCADE,
    UNIQUE (collection_id, alias)
);
INSERT INTO "aliases" VALUES(1,1,'best',1);
INSERT INTO "aliases" VALUES(2,1,'latest',1);
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
INSERT INTO "artifact_runs" VALUES(1,1,1,'output',NULL,1.7956168461670732498e+09);
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
INSERT INTO "artifact_types" VALUES(1,1,'model',NULL,1.7956168461670732498e+09);
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
INSERT INTO "artifacts" VALUES(1,1,0,'COMMITTED','b238766a2dc9fdd9f77898839e7d2849',NULL,NULL,NULL,-2,3,7,1,'1q8uy7g67usek9ua4s29ic6ipyptmuc9msun506r1ti9llx24q41zqu6puseq85g2pyduuumm3paq36hrunlvoaa4pabw4y4qrv3fmqs0de8on9qz8s1z6yhgiak0ofd',NULL,1,'["best", "latest"]','8733ca4451186c54744e7562a3e277a3327a17a686d19a61d6f11cf6e726cb49',1.7956168461670732498e+09,1.79561684646522045131e+09);
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
, offers INTEGER NOT NULL DEFAULT 1, from_step INTEGER NOT NULL DEFAULT -1, process_gone INTEGER NOT NULL DEFAULT 0, told_end INTEGER);
INSERT INTO "attempts" VALUES(1,1,1,2,1,NULL,1,'3765a1d46777de6d',0,1.79561684702096223831e+09,1.79561684753394508367e+09,NULL,NULL,1.79561684768546366694e+09,'done',1,-1,1,NULL);
CREATE TABLE blobs (
    hash TEXT PRIMARY KEY,
    size INTEGER NOT NULL,
    md5 TEXT NOT NULL,
    created_at REAL NOT NULL
, damaged INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID;
INSERT INTO "blobs" VALUES('61934d3923d65e032e93184f6d36221c337063a583eb59d81fb2b7bf0460012f',281,'pr6rsNpZxeUMjotJCewADg==',1.79561684766987586028e+09,0);
INSERT INTO "blobs" VALUES('75b0cea6e2a07fc838fd2e347a1d72ce9e05800a963f13b17d5bbd044f0f6219',91,'7QS8sEhdbPKsk9jeR4yvfw==',1.79561684766811060901e+09,0);
INSERT INTO "blobs" VALUES('811141f7850f1063b91c8e2da95ebb01e1f4bf425445463ef2dd5e85eae12f13',109,'qMlJVp1ZalvPRTU4O9bjlQ==',1.79561684665232920645e+09,0);
INSERT INTO "blobs" VALUES('8733ca4451186c54744e7562a3e277a3327a17a686d19a61d6f11cf6e726cb49',300,'Hzvz6jV0k2clqbn/kV/51Q==',1.79561684645553636553e+09,0);
INSERT INTO "blobs" VALUES('9a129038d9a00aed0cf6a7ea059ca50a813449061ab87848cf1a13eafdf33b2c',7,'Y/Tx6bclNw9FlyBXXNX5Uw==',1.79561684639485931395e+09,0);
INSERT INTO "blobs" VALUES('fd1083efb8e0928c3596f506d4a03107867fe380b7a27c84928ee8c14c32b901',326,'Sg0ei38F3TEUtSsji8JfCw==',1.7956168466597850322e+09,0);
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
INSERT INTO "collections" VALUES(1,1,1,'SEQUENCE','model',NULL,1,1.7956168461670732498e+09,1.7956168461670732498e+09);
CREATE TABLE decisions (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    sweep_id INTEGER NOT NULL REFERENCES sweeps (id) ON DELETE CASCADE,
    at REAL NOT NULL,
    kind TEXT NOT NULL,
    run TEXT,
    text TEXT NOT NULL
);
INSERT INTO "decisions" VALUES(1,1,1.7956168467564983368e+09,'created',NULL,'grid, 3 cells');
INSERT INTO "decisions" VALUES(2,1,1.79561684691080093384e+09,'state',NULL,'PENDING -> RUNNING: an agent came');
INSERT INTO "decisions" VALUES(3,1,1.79561684702096223831e+09,'lease','anu7sy0h','attempt 1 at a=1; agent k2ly9o86');
INSERT INTO "decisions" VALUES(4,1,1.79561684768546366694e+09,'ended','anu7sy0h','done (exit code 0); cell done');
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
INSERT INTO "files" VALUES(1,1,'wandb-summary.json','811141f7850f1063b91c8e2da95ebb01e1f4bf425445463ef2dd5e85eae12f13',1.79561684665232920645e+09);
INSERT INTO "files" VALUES(2,1,'config.yaml','fd1083efb8e0928c3596f506d4a03107867fe380b7a27c84928ee8c14c32b901',1.7956168466597850322e+09);
INSERT INTO "files" VALUES(3,2,'wandb-summary.json','75b0cea6e2a07fc838fd2e347a1d72ce9e05800a963f13b17d5bbd044f0f6219',1.79561684766811060901e+09);
INSERT INTO "files" VALUES(4,2,'config.yaml','61934d3923d65e032e93184f6d36221c337063a583eb59d81fb2b7bf0460012f',1.79561684766987586028e+09);
CREATE TABLE history (
    run_id INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    line INTEGER NOT NULL,
    step INTEGER NOT NULL,
    row TEXT NOT NULL,
    PRIMARY KEY (run_id, line)
) WITHOUT ROWID;
INSERT INTO "history" VALUES(1,0,0,'{"loss":1,"_timestamp":1.7956168456007617e+09,"_runtime":1.389314783,"_step":0}');
INSERT INTO "history" VALUES(1,1,1,'{"_runtime":1.3939072430000001,"_step":1,"loss":0.5,"_timestamp":1.7956168459505942e+09}');
INSERT INTO "history" VALUES(1,2,2,'{"_runtime":1.398541261,"_step":2,"loss":0.3333333333333333,"_timestamp":1.7956168459538493e+09}');
INSERT INTO "history" VALUES(2,0,0,'{"_runtime":0.032812477,"_step":0,"loss":1,"_timestamp":1.795616847581491e+09}');
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
INSERT INTO "manifests" VALUES(1,1,'FULL',NULL,'',NULL,1.79561684625443911556e+09);
INSERT INTO "manifests" VALUES(2,1,'FULL',NULL,'Hzvz6jV0k2clqbn/kV/51Q==','8733ca4451186c54744e7562a3e277a3327a17a686d19a61d6f11cf6e726cb49',1.79561684640793156617e+09);
CREATE TABLE memberships (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    collection_id INTEGER NOT NULL REFERENCES collections (id) ON DELETE CASCADE,
    artifact_id INTEGER NOT NULL REFERENCES artifacts (id) ON DELETE CASCADE,
    version_index INTEGER NOT NULL,
    created_at REAL NOT NULL,
    UNIQUE (collection_id, artifact_id),
    UNIQUE (collection_id, version_index)
);
INSERT INTO "memberships" VALUES(1,1,1,0,1.79561684646522045131e+09);
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
INSERT INTO "projects" VALUES(1,'local','old',NULL,1.79561684448045897483e+09,1.79561684448045897483e+09);
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
    ended_at REAL, begun_anew INTEGER NOT NULL DEFAULT 0,
    UNIQUE (project_id, name)
);
INSERT INTO "runs" VALUES(1,1,'r1','r1',NULL,'finished',1,0,0,NULL,0,'{"lr":{"value":0.1},"_wandb":{"value":{"cli_version":"0.31.0","python_version":"3.11.7","t":{"4":"3.11.7","3":[2,14,15,16],"5":"0.31.0","12":"0.31.0","13":"linux-x86_64"},"m":[]}}}','{"_runtime":1,"loss":0.3333333333333333,"_timestamp":1.7956168459538493e+09,"_step":2,"_wandb":{"runtime":1}}','{}','["kept"]',NULL,NULL,NULL,NULL,NULL,'machine','train.py',NULL,3,0,0,2,'{"keys": {"loss": {"typeCounts": [{"type": "number", "count": 3}], "monotonic": false, "previousValue": 0.3333333333333333}, "_timestamp": {"typeCounts": [{"type": "number", "count": 3}], "monotonic": true, "previousValue": 1795616845.9538493}, "_runtime": {"typeCounts": [{"type": "number", "count": 3}], "monotonic": true, "previousValue": 1.398541261}, "_step": {"typeCounts": [{"type": "number", "count": 3}], "monotonic": true, "previousValue": 2}}, "sets": [], "lastStep": 2}',1.79561684448045897483e+09,1.79561684667470026011e+09,1.79561684667470026011e+09,1.79561684667470026011e+09,0);
INSERT INTO "runs" VALUES(2,1,'anu7sy0h','319n1ebc-1','319n1ebc','finished',1,0,0,NULL,0,'{"a":{"value":1},"_wandb":{"value":{"cli_version":"0.31.0","python_version":"3.11.7","t":{"4":"3.11.7","3":[2,14],"5":"0.31.0","12":"0.31.0","13":"linux-x86_64"},"m":[]}}}','{"_wandb":{"runtime":0},"_runtime":0,"loss":1,"_timestamp":1.795616847581491e+09,"_step":0}','{}','[]',NULL,NULL,NULL,NULL,NULL,'machine','train.py',NULL,1,0,0,0,'{"keys": {"_runtime": {"typeCounts": [{"type": "number", "count": 1}], "monotonic": true, "previousValue": 0.032812477}, "_step": {"typeCounts": [{"type": "number", "count": 1}], "monotonic": true, "previousValue": 0}, "loss": {"typeCounts": [{"type": "number", "count": 1}], "monotonic": true, "previousValue": 1}, "_timestamp": {"typeCounts": [{"type": "number", "count": 1}], "monotonic": true, "previousValue": 1795616847.581491}}, "sets": [], "lastStep": 0}',1.79561684702096223831e+09,1.79561684768546366694e+09,1.79561684768546366694e+09,1.79561684768546366694e+09,1);
CREATE TABLE "scores" (
    sweep_id INTEGER NOT NULL REFERENCES sweeps (id) ON DELETE CASCADE,
    run_id INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    lines INTEGER NOT NULL DEFAULT 0,
    count INTEGER NOT NULL DEFAULT 0,
    best REAL,
    latest REAL,
    PRIMARY KEY (sweep_id, run_id)
) WITHOUT ROWID;
INSERT INTO "scores" VALUES(1,2,1,1,1.0,1.0);
CREATE TABLE sent (
    run_id INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    writer TEXT NOT NULL,
    field TEXT NOT NULL,
    value TEXT,
    PRIMARY KEY (run_id, writer, field)
) WITHOUT ROWID;
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
INSERT INTO "sweeps" VALUES(1,1,'319n1ebc',NULL,NULL,'method: grid
metric:
  goal: minimize
  name: loss
parameters:
  a:
    values:
    - 1
    - 2
    - 3
','grid','RUNNING',1,1,NULL,NULL,1.7956168467564983368e+09,1.79561684691080093384e+09);
CREATE TABLE used_links (
    nonce TEXT NOT NULL PRIMARY KEY,
    used_at REAL NOT NULL
) WITHOUT ROWID;
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
CREATE INDEX rungs_by_run ON rungs (run_id);
CREATE INDEX decisions_by_sweep ON decisions (sweep_id, id);
CREATE INDEX prior_runs_by_run ON prior_runs (run_id);
CREATE INDEX scores_by_run ON scores (run_id);
CREATE INDEX attempts_by_run_of_sweep ON attempts (sweep_id, run_id);
CREATE INDEX blobs_damaged ON blobs (hash) WHERE damaged;
CREATE INDEX used_links_by_time ON used_links (used_at);
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
PRAGMA user_version=9;
PRAGMA application_id=1179997012;
