WITH next AS (
    SELECT id FROM raw_tasks WHERE state = 'pending' ORDER BY id FOR UPDATE SKIP LOCKED LIMIT 64
), claimed AS (
    UPDATE raw_tasks SET state = 'running', fence = fence + 1, lease = 'lse' FROM next
    WHERE raw_tasks.id = next.id RETURNING raw_tasks.id
)
SELECT array_agg(id) AS tasks FROM claimed \gset
BEGIN;
INSERT INTO raw_frames SELECT unnest(CAST(:tasks AS BIGINT[])), 'hash';
UPDATE raw_tasks SET state = 'completed', lease = NULL WHERE id = ANY(CAST(:tasks AS BIGINT[]));
COMMIT;
