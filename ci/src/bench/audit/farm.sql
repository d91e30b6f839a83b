-- A farm of TASKS tasks of a frame each, OF_JOB a job, one text for SQLite and PostgreSQL: seven jobs of ten are
-- completed, the others half way with some tasks at work, and one task in ten was lost once. Ids come in the
-- order of time, hashes in none. What stands here must keep every promise of the audit.
CREATE TEMPORARY TABLE given AS
WITH RECURSIVE n (i) AS (SELECT CAST(0 AS BIGINT) UNION ALL SELECT i + 1 FROM n WHERE i + 1 < TASKS),
placed AS (
    SELECT i, i / OF_JOB AS of_job, i % OF_JOB AS nth, (i / OF_JOB * 7 + i) % WORKERS AS of_worker,
        (i / OF_JOB) % 10 < 7 OR i % OF_JOB < OF_JOB / 2 AS is_done
    FROM n),
standing AS (
    SELECT placed.*, NOT is_done AND nth < OF_JOB / 2 + 6 AS at_work, is_done AND i % 10 = 3 AS was_lost
    FROM placed)
SELECT standing.*, CASE WHEN was_lost THEN 2 WHEN is_done OR at_work THEN 1 ELSE 0 END AS fence,
    'tsk_01a2092170067743' || (1000000000000000 + i) AS task,
    'job_01a2092170067743' || (1000000000000000 + of_job) AS job,
    'wrk_01a2092170067743' || (1000000000000000 + of_worker) AS worker,
    'lse_01a2092170067743' || (1000000000000000 + i) AS lease,
    'lse_01a2092170067742' || (1000000000000000 + i) AS lost,
    SUBSTR(CAST(10000000000000 + (i * 2654435761) % 10000000000000 AS TEXT), 2) || 'HASH_END' AS hash
FROM standing;

INSERT INTO workers (id, account_id, name, created_at, updated_at)
SELECT DISTINCT worker, accounts.id, 'rig-' || of_worker, 0, 0 FROM given, accounts;

INSERT INTO blobs (hash, size, created_at, brought_at)
SELECT hash, 100, 0, 0 FROM given WHERE is_done;

INSERT INTO jobs (id, account_id, name, state, priority, source_hash, main, settings, frame_time_limit_ms,
    frames, frames_total, frames_planned, frames_done, created_at, ended_at, updated_at)
SELECT job, accounts.id, 'film', CASE WHEN of_job % 10 < 7 THEN 'completed' ELSE 'running' END, 50, 'h',
    'a.blend', '{}', 1, '1-OF_JOB', OF_JOB, OF_JOB, CASE WHEN of_job % 10 < 7 THEN OF_JOB ELSE OF_JOB / 2 END, 0,
    CASE WHEN of_job % 10 < 7 THEN 1 END, 1
FROM given, accounts WHERE nth = 0;

INSERT INTO tasks (id, job_id, account_id, state, frames, frames_total, frames_done, fence, lease_id, attempts,
    created_at, ended_at)
SELECT task, job, accounts.id,
    CASE WHEN is_done THEN 'completed' WHEN at_work THEN 'running' ELSE 'pending' END,
    CAST(nth + 1 AS TEXT), 1, CASE WHEN is_done THEN 1 ELSE 0 END, fence, CASE WHEN at_work THEN lease END,
    fence, 0, CASE WHEN is_done THEN 1 END
FROM given, accounts;

INSERT INTO leases (id, task_id, job_id, worker_id, slot, fence, state, outcome, granted_at, expires_at, ended_at)
SELECT lost, task, job, worker, 0, 1, 'ended', 'expired', 0, 1, 1 FROM given WHERE was_lost;

INSERT INTO leases (id, task_id, job_id, worker_id, slot, fence, state, outcome, granted_at, expires_at, ended_at)
SELECT lease, task, job, worker, i % 7, fence, CASE WHEN is_done THEN 'ended' ELSE 'running' END,
    CASE WHEN is_done THEN 'completed' END, 0, 1, CASE WHEN is_done THEN 1 END
FROM given WHERE is_done OR at_work;

INSERT INTO frames (job_id, frame, task_id, lease_id, worker_id, hash, size, render_ms, stored_at)
SELECT job, nth + 1, task, lease, worker, hash, 100, 1000, 1 FROM given WHERE is_done;

DROP TABLE given;

ANALYZE;
