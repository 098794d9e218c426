-- Login links that have been used: each opens once, also over a restart of the server.
CREATE TABLE used_links (
    nonce TEXT NOT NULL PRIMARY KEY,
    used_at REAL NOT NULL
) WITHOUT ROWID;
CREATE INDEX used_links_by_time ON used_links (used_at);
