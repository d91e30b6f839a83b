-- Machines of providers, their one-time configuration files and their values by the minute.

CREATE TABLE workers (
    id TEXT NOT NULL PRIMARY KEY,
    account_id TEXT NOT NULL REFERENCES accounts (id),
    name TEXT NOT NULL,
    public_key TEXT,
    hostname TEXT,
    machine TEXT,
    slots TEXT,
    app_version TEXT,
    sample TEXT,
    link_id TEXT,
    link_number BIGINT NOT NULL DEFAULT 0,
    bearer_hash TEXT,
    connected_at BIGINT,
    last_heartbeat_at BIGINT,
    disconnected_at BIGINT,
    pause TEXT,
    failures_in_row BIGINT NOT NULL DEFAULT 0 CHECK (failures_in_row >= 0),
    rested_until BIGINT,
    rest_reason TEXT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    removed_at BIGINT
);
-- A removed worker's name is free again.
CREATE UNIQUE INDEX workers_by_name ON workers (account_id, name) WHERE removed_at IS NULL;
CREATE INDEX workers_by_updated ON workers (account_id, updated_at) WHERE removed_at IS NULL;
CREATE INDEX workers_by_bearer ON workers (bearer_hash) WHERE bearer_hash IS NOT NULL;
CREATE INDEX workers_connected ON workers (link_id) WHERE link_id IS NOT NULL;

CREATE TABLE enrolments (
    token_hash TEXT NOT NULL PRIMARY KEY,
    worker_id TEXT NOT NULL REFERENCES workers (id),
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    used_at BIGINT,
    used_by_key TEXT,
    replaced_at BIGINT
);
CREATE INDEX enrolments_of_worker ON enrolments (worker_id);

CREATE TABLE worker_minutes (
    worker_id TEXT NOT NULL REFERENCES workers (id),
    minute_at BIGINT NOT NULL,
    readings TEXT NOT NULL,
    PRIMARY KEY (worker_id, minute_at)
);
CREATE INDEX worker_minutes_by_age ON worker_minutes (minute_at);
