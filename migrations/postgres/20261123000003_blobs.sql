-- Bytes by hash, whose they are, and uploads under way.

CREATE TABLE blobs (
    hash TEXT NOT NULL PRIMARY KEY,
    size BIGINT NOT NULL CHECK (size >= 0),
    created_at BIGINT NOT NULL
);

CREATE TABLE blob_owners (
    account_id TEXT NOT NULL REFERENCES accounts (id),
    hash TEXT NOT NULL REFERENCES blobs (hash),
    created_at BIGINT NOT NULL,
    PRIMARY KEY (account_id, hash)
);
CREATE INDEX blob_owners_by_hash ON blob_owners (hash);

CREATE TABLE uploads (
    id TEXT NOT NULL PRIMARY KEY,
    account_id TEXT NOT NULL REFERENCES accounts (id),
    file_name TEXT NOT NULL,
    size BIGINT NOT NULL CHECK (size >= 0),
    part_size BIGINT NOT NULL CHECK (part_size > 0),
    declared_hash TEXT,
    state TEXT NOT NULL CHECK (state IN ('open', 'completing', 'complete')),
    blob_hash TEXT REFERENCES blobs (hash),
    content TEXT,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX uploads_unfinished ON uploads (expires_at) WHERE state <> 'complete';
CREATE INDEX uploads_of_blob ON uploads (account_id, blob_hash) WHERE blob_hash IS NOT NULL;

CREATE TABLE upload_parts (
    upload_id TEXT NOT NULL REFERENCES uploads (id),
    part BIGINT NOT NULL CHECK (part >= 0),
    size BIGINT NOT NULL CHECK (size >= 0),
    PRIMARY KEY (upload_id, part)
);
