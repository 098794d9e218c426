-- Times are seconds since 1970 (REAL); JSON is TEXT, stored as the client sent it.

CREATE TABLE projects (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    entity TEXT NOT NULL,
    name TEXT NOT NULL,
    description TEXT,
    created_at REAL NOT NULL,
    updated_at REAL NOT NULL,
    UNIQUE (entity, name)
);

-- state: pending (made by a sweep, not yet started), running, finished, failed, crashed, killed,
-- preempting, preempted. started: a client has really begun it. resume_asked_at: a client has asked
-- where the run stands, in order to go on with it.
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
CREATE INDEX runs_by_creation ON runs (project_id, created_at);
CREATE INDEX runs_by_state ON runs (project_id, state);
CREATE INDEX runs_by_sweep ON runs (project_id, sweep);
CREATE INDEX runs_alive ON runs (heartbeat_at) WHERE state IN ('running', 'preempting');

-- (run, line) is the key of a file_stream line, which makes a retried chunk a no-op.
CREATE TABLE history (
    run_id INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    line INTEGER NOT NULL,
    step INTEGER NOT NULL,
    row TEXT NOT NULL,
    PRIMARY KEY (run_id, line)
) WITHOUT ROWID;
CREATE INDEX history_by_step ON history (run_id, step);

CREATE TABLE events (
    run_id INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    line INTEGER NOT NULL,
    row TEXT NOT NULL,
    PRIMARY KEY (run_id, line)
) WITHOUT ROWID;

CREATE TABLE logs (
    run_id INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    line INTEGER NOT NULL,
    text TEXT NOT NULL,
    PRIMARY KEY (run_id, line)
) WITHOUT ROWID;

-- Contents lie in blobs/<first two>/<sha256>; names exist only here.
CREATE TABLE blobs (
    hash TEXT PRIMARY KEY,
    size INTEGER NOT NULL,
    md5 TEXT NOT NULL,
    created_at REAL NOT NULL
) WITHOUT ROWID;

CREATE TABLE files (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    run_id INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    hash TEXT NOT NULL REFERENCES blobs (hash),
    updated_at REAL NOT NULL,
    UNIQUE (run_id, name)
);
CREATE INDEX files_by_hash ON files (hash);
CREATE INDEX blobs_by_md5 ON blobs (md5);

CREATE TABLE artifact_types (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    project_id INTEGER NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    description TEXT,
    created_at REAL NOT NULL,
    UNIQUE (project_id, name)
);

-- kind: SEQUENCE (versions that runs log) or PORTFOLIO (links to versions of sequences).
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

-- state: PENDING until committed; version_index is given at the commit. collection_id: its sequence.
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
CREATE INDEX artifacts_by_digest ON artifacts (collection_id, digest);
CREATE INDEX artifacts_by_manifest ON artifacts (manifest_hash);

-- A version's place in a collection: its own sequence, and every portfolio it is linked to.
CREATE TABLE memberships (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    collection_id INTEGER NOT NULL REFERENCES collections (id) ON DELETE CASCADE,
    artifact_id INTEGER NOT NULL REFERENCES artifacts (id) ON DELETE CASCADE,
    version_index INTEGER NOT NULL,
    created_at REAL NOT NULL,
    UNIQUE (collection_id, artifact_id),
    UNIQUE (collection_id, version_index)
);
CREATE INDEX memberships_by_artifact ON memberships (artifact_id);

CREATE TABLE aliases (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    collection_id INTEGER NOT NULL REFERENCES collections (id) ON DELETE CASCADE,
    alias TEXT NOT NULL,
    artifact_id INTEGER NOT NULL REFERENCES artifacts (id) ON DELETE CASCADE,
    UNIQUE (collection_id, alias)
);
CREATE INDEX aliases_by_artifact ON aliases (artifact_id);

CREATE TABLE artifact_tags (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    artifact_id INTEGER NOT NULL REFERENCES artifacts (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    UNIQUE (artifact_id, name)
);

CREATE TABLE collection_tags (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    collection_id INTEGER NOT NULL REFERENCES collections (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    UNIQUE (collection_id, name)
);

-- As clients send them; the merged one of a committed version is artifacts.manifest_hash.
CREATE TABLE manifests (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    artifact_id INTEGER NOT NULL REFERENCES artifacts (id) ON DELETE CASCADE,
    type TEXT NOT NULL,
    base_artifact_id INTEGER,
    digest TEXT,
    hash TEXT REFERENCES blobs (hash),
    created_at REAL NOT NULL
);
CREATE INDEX manifests_by_artifact ON manifests (artifact_id);
CREATE INDEX manifests_by_hash ON manifests (hash);

-- Before the commit: what has been uploaded. After it: the manifest. hash is NULL for references.
CREATE TABLE artifact_files (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    artifact_id INTEGER NOT NULL REFERENCES artifacts (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    digest TEXT NOT NULL,
    size INTEGER NOT NULL,
    hash TEXT REFERENCES blobs (hash),
    UNIQUE (artifact_id, name)
);
CREATE INDEX artifact_files_by_hash ON artifact_files (hash);
CREATE INDEX artifact_files_by_digest ON artifact_files (digest);

-- role: output (logged by the run) or input (used by it).
CREATE TABLE artifact_runs (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    artifact_id INTEGER NOT NULL REFERENCES artifacts (id) ON DELETE CASCADE,
    run_id INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    role TEXT NOT NULL,
    used_as TEXT,
    created_at REAL NOT NULL,
    UNIQUE (artifact_id, run_id, role)
);
CREATE INDEX artifact_runs_by_run ON artifact_runs (run_id, role);

-- Where a line of one of several writers of a run (wandb's mode="shared") has its place.
CREATE TABLE shared_lines (
    run_id INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    writer TEXT NOT NULL,
    kind TEXT NOT NULL,
    line INTEGER NOT NULL,
    target INTEGER NOT NULL,
    PRIMARY KEY (run_id, writer, kind, line)
) WITHOUT ROWID;
