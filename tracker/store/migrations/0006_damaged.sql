-- Whether a content was found to be another than what was stored, or gone: nothing new may refer to
-- it until it has come again.
ALTER TABLE blobs ADD COLUMN damaged INTEGER NOT NULL DEFAULT 0;
CREATE INDEX blobs_damaged ON blobs (hash) WHERE damaged;
