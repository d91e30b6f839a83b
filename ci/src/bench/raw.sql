WITH next AS (
    SELECT id FROM raw_tasks WHERE state = 'pending' ORDER BY id FOR UPDATE SKIP LOCKED LIMIT 1
)
UPDATE raw_tasks SET state = 'running', fence = fence + 1, lease = 'lse' FROM next
WHERE raw_tasks.id = next.id RETURNING raw_tasks.id AS task \gset
BEGIN;
INSERT INTO raw_frames VALUES (:task, 'hash');
UPDATE raw_tasks SET state = 'completed', lease = NULL WHERE id = :task;
COMMIT;
