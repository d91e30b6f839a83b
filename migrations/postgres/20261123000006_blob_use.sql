-- What refers to a blob, so that one that nothing refers to can be removed. Blobs from before this migration have
-- no `brought_at` and are never removed: which files their manifests name is not noted.

ALTER TABLE blobs ADD COLUMN brought_at BIGINT;

ALTER TABLE uploads ADD COLUMN files_hash TEXT;
UPDATE uploads SET files_hash = content::json ->> 'files_blake3' WHERE content IS NOT NULL;

CREATE TABLE manifest_files (
    manifest TEXT NOT NULL REFERENCES blobs (hash),
    hash TEXT NOT NULL REFERENCES blobs (hash),
    PRIMARY KEY (manifest, hash)
);
CREATE INDEX manifest_files_by_hash ON manifest_files (hash);
CREATE INDEX uploads_by_blob ON uploads (blob_hash) WHERE blob_hash IS NOT NULL;
CREATE INDEX uploads_by_files ON uploads (files_hash) WHERE files_hash IS NOT NULL;
CREATE INDEX jobs_by_source ON jobs (source_hash);
CREATE INDEX jobs_by_inputs ON jobs (inputs_hash) WHERE inputs_hash IS NOT NULL;
CREATE INDEX frames_by_hash ON frames (hash);
