-- Long lists of workers, newest first and by whether they are connected (`WorkerSort`): without these each
-- page reads and sorts all of an account's workers.

CREATE INDEX workers_by_created ON workers (account_id, created_at, id) WHERE removed_at IS NULL;
CREATE INDEX workers_by_status
    ON workers (account_id, (CASE WHEN link_id IS NULL THEN '1' ELSE '0' END || name), id)
    WHERE removed_at IS NULL;
