-- Replicas of the cloud on one database: which ones live, which of them a worker is connected to, which one owns a
-- job, and what a worker did at its last heartbeat, for the pages of the others.

CREATE TABLE replicas (
    id TEXT NOT NULL PRIMARY KEY,
    address TEXT NOT NULL,
    version TEXT NOT NULL,
    slots TEXT NOT NULL,
    started_at BIGINT NOT NULL,
    lease_until BIGINT NOT NULL
);

ALTER TABLE workers ADD COLUMN replica_id TEXT;
ALTER TABLE workers ADD COLUMN live TEXT;
ALTER TABLE jobs ADD COLUMN owner TEXT;
