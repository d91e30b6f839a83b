-- Jobs, their tasks, the leases under which workers try them, and the frames that came of it.

CREATE TABLE jobs (
    id TEXT NOT NULL PRIMARY KEY,
    account_id TEXT NOT NULL REFERENCES accounts (id),
    name TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN
        ('uploading', 'ready', 'running', 'completed', 'failed', 'cancelled', 'paused')),
    reason TEXT,
    priority BIGINT NOT NULL CHECK (priority BETWEEN 0 AND 100),
    source_hash TEXT NOT NULL,
    inputs_hash TEXT,
    main TEXT NOT NULL,
    settings TEXT NOT NULL,
    engine TEXT,
    frame_time_limit_ms BIGINT NOT NULL,
    frames TEXT NOT NULL,
    frames_total BIGINT NOT NULL CHECK (frames_total > 0),
    frames_planned BIGINT NOT NULL DEFAULT 0,
    frames_done BIGINT NOT NULL DEFAULT 0,
    frames_failed BIGINT NOT NULL DEFAULT 0,
    chunk BIGINT,
    created_at BIGINT NOT NULL,
    started_at BIGINT,
    ended_at BIGINT,
    updated_at BIGINT NOT NULL,
    version BIGINT NOT NULL DEFAULT 1,
    CHECK (frames_planned BETWEEN 0 AND frames_total),
    CHECK (frames_done BETWEEN 0 AND frames_planned),
    CHECK (frames_failed BETWEEN 0 AND frames_planned - frames_done)
);
CREATE INDEX jobs_of_account ON jobs (account_id, id);
-- What the dispatcher walks: few rows, in its order.
CREATE INDEX jobs_to_work_on ON jobs (priority DESC, created_at, id) WHERE state IN ('ready', 'running');
CREATE INDEX jobs_live ON jobs (id) WHERE state IN ('ready', 'running', 'paused');

CREATE TABLE job_warnings (
    job_id TEXT NOT NULL REFERENCES jobs (id),
    class TEXT NOT NULL,
    text TEXT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (job_id, class, text)
);

CREATE TABLE tasks (
    id TEXT NOT NULL PRIMARY KEY,
    job_id TEXT NOT NULL REFERENCES jobs (id),
    account_id TEXT NOT NULL REFERENCES accounts (id),
    state TEXT NOT NULL CHECK (state IN ('pending', 'running', 'completed', 'failed', 'cancelled', 'paused')),
    frames TEXT NOT NULL,
    frames_total BIGINT NOT NULL CHECK (frames_total > 0),
    frames_done BIGINT NOT NULL DEFAULT 0 CHECK (frames_done BETWEEN 0 AND frames_total),
    fence BIGINT NOT NULL DEFAULT 0,
    lease_id TEXT,
    attempts BIGINT NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    not_before BIGINT NOT NULL DEFAULT 0,
    failure_class TEXT,
    failure_message TEXT,
    created_at BIGINT NOT NULL,
    started_at BIGINT,
    ended_at BIGINT,
    retried_at BIGINT,
    CHECK (lease_id IS NULL OR state IN ('pending', 'running', 'paused')),
    CHECK ((ended_at IS NULL) = (state IN ('pending', 'running', 'paused')))
);
CREATE INDEX tasks_of_job ON tasks (job_id, id);
CREATE INDEX tasks_open ON tasks (job_id, id) WHERE ended_at IS NULL;
CREATE INDEX tasks_to_hand_out ON tasks (job_id, id) WHERE state = 'pending' AND lease_id IS NULL;
CREATE INDEX tasks_in_hand ON tasks (account_id) WHERE lease_id IS NOT NULL;

CREATE TABLE leases (
    id TEXT NOT NULL PRIMARY KEY,
    task_id TEXT NOT NULL REFERENCES tasks (id),
    job_id TEXT NOT NULL REFERENCES jobs (id),
    worker_id TEXT NOT NULL REFERENCES workers (id),
    slot BIGINT NOT NULL,
    fence BIGINT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('offered', 'accepted', 'running', 'ended')),
    outcome TEXT,
    failure_class TEXT,
    failure_message TEXT,
    engine TEXT,
    device TEXT,
    granted_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    started_at BIGINT,
    ended_at BIGINT,
    UNIQUE (task_id, fence),
    CHECK ((ended_at IS NULL) = (state <> 'ended')),
    CHECK (state <> 'ended' OR outcome IS NOT NULL)
);
-- At most one live lease a task: the invariant that everything else rests on.
CREATE UNIQUE INDEX leases_live ON leases (task_id) WHERE ended_at IS NULL;
CREATE INDEX leases_live_by_end ON leases (expires_at) WHERE ended_at IS NULL;
CREATE INDEX leases_live_of_worker ON leases (worker_id) WHERE ended_at IS NULL;
CREATE INDEX leases_live_of_job ON leases (job_id) WHERE ended_at IS NULL;
CREATE INDEX leases_of_task ON leases (task_id, id);
CREATE INDEX leases_of_worker ON leases (worker_id, id);
CREATE INDEX leases_failed ON leases (job_id, task_id) WHERE failure_class IS NOT NULL;

CREATE TABLE frames (
    job_id TEXT NOT NULL REFERENCES jobs (id),
    frame BIGINT NOT NULL,
    task_id TEXT NOT NULL REFERENCES tasks (id),
    lease_id TEXT NOT NULL REFERENCES leases (id),
    worker_id TEXT NOT NULL REFERENCES workers (id),
    hash TEXT NOT NULL REFERENCES blobs (hash),
    size BIGINT NOT NULL CHECK (size >= 0),
    render_ms BIGINT NOT NULL,
    stored_at BIGINT NOT NULL,
    PRIMARY KEY (job_id, frame)
);
CREATE INDEX frames_of_task ON frames (task_id, frame);

CREATE TABLE log_lines (
    lease_id TEXT NOT NULL REFERENCES leases (id),
    seq BIGINT NOT NULL,
    job_id TEXT NOT NULL REFERENCES jobs (id),
    task_id TEXT NOT NULL REFERENCES tasks (id),
    worker_id TEXT NOT NULL REFERENCES workers (id),
    at BIGINT NOT NULL,
    text TEXT NOT NULL,
    PRIMARY KEY (lease_id, seq)
);
CREATE INDEX log_lines_of_job ON log_lines (job_id, at, lease_id, seq);
