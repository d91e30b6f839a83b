//! The promises and their queries, one text for both databases.

use super::Promise;

/// In the order of the design's list. What files show (INV-9, INV-10) is not here.
pub(super) const PROMISES: &[Promise] = &[
    Promise {
        id: "INV-1",
        words: "a task has at most one live lease",
        sql: "SELECT 'task ' || task_id || ' has ' || COUNT(*) || ' live leases' AS violation
              FROM leases WHERE ended_at IS NULL GROUP BY task_id HAVING COUNT(*) > 1",
    },
    Promise {
        id: "INV-2",
        words: "fences rise, and no frame was accepted under a lease that was never granted",
        sql: "SELECT 'lease ' || leases.id || ' has fence ' || leases.fence || ', its task ' || tasks.id
                  || ' only ' || tasks.fence AS violation
              FROM leases JOIN tasks ON tasks.id = leases.task_id
              WHERE leases.fence > tasks.fence OR leases.fence < 1
              UNION ALL
              SELECT 'task ' || task_id || ' was granted ' || COUNT(*) || ' times with fence ' || fence
              FROM leases GROUP BY task_id, fence HAVING COUNT(*) > 1
              UNION ALL
              SELECT 'frame ' || frames.frame || ' of job ' || frames.job_id || ' was accepted under lease '
                  || frames.lease_id || ', which was never granted for task ' || frames.task_id
              FROM frames LEFT JOIN leases ON leases.id = frames.lease_id
              WHERE leases.id IS NULL OR leases.task_id <> frames.task_id
                 OR leases.job_id <> frames.job_id",
    },
    Promise {
        id: "INV-3",
        words: "only the worker that has or had the lease delivers under it",
        sql: "SELECT 'frame ' || frames.frame || ' of job ' || frames.job_id || ' came from worker '
                  || frames.worker_id || ', its lease ' || leases.id || ' is of worker '
                  || leases.worker_id AS violation
              FROM frames JOIN leases ON leases.id = frames.lease_id
              WHERE leases.worker_id <> frames.worker_id",
    },
    Promise {
        id: "INV-4",
        words: "no slot holds more leases than it may; a removed worker and a paused job have none, a paused \
                or rested worker gets none",
        sql: "SELECT 'slot ' || slot || ' of worker ' || worker_id || ' holds ' || COUNT(*)
                  || ' leases' AS violation
              FROM leases WHERE ended_at IS NULL AND outcome IS NULL AND granted_at <= NOW - AT_ONCE
              GROUP BY worker_id, slot HAVING COUNT(*) > LEASES_PER_SLOT_MAX
              UNION ALL
              SELECT 'worker ' || workers.id || ' was removed and holds lease ' || leases.id
              FROM leases JOIN workers ON workers.id = leases.worker_id
              WHERE leases.ended_at IS NULL AND workers.removed_at <= NOW - AT_ONCE
              UNION ALL
              SELECT 'job ' || jobs.id || ' is paused and lease ' || leases.id || ' of it has not begun'
              FROM leases JOIN jobs ON jobs.id = leases.job_id
              WHERE leases.ended_at IS NULL AND leases.started_at IS NULL AND jobs.state = 'paused'
              UNION ALL
              SELECT 'worker ' || workers.id || ' rests and got lease ' || leases.id
              FROM leases JOIN workers ON workers.id = leases.worker_id
              WHERE leases.ended_at IS NULL AND leases.granted_at < workers.rested_until
                AND leases.granted_at > workers.rested_until - REST_FOR + NOTICED
              UNION ALL
              SELECT 'worker ' || workers.id || ' is paused and got lease ' || leases.id
              FROM leases JOIN workers ON workers.id = leases.worker_id
              WHERE leases.ended_at IS NULL AND workers.pause LIKE '%\"until\":null%'
                AND leases.granted_at > workers.updated_at + NOTICED",
    },
    Promise {
        id: "INV-5",
        words: "every open task has a place in the queue, a live lease or a timer",
        sql: "SELECT 'task ' || tasks.id || CASE
                  WHEN jobs.ended_at IS NOT NULL THEN ' is open, but its job has ended'
                  WHEN tasks.state = 'running' AND tasks.lease_id IS NULL THEN ' runs without a lease'
                  WHEN tasks.state = 'paused' AND jobs.state <> 'paused' THEN ' is paused, its job is not'
                  ELSE ' is not to be handed out before a day has passed' END AS violation
              FROM tasks JOIN jobs ON jobs.id = tasks.job_id
              WHERE tasks.ended_at IS NULL
                AND (jobs.ended_at IS NOT NULL
                  OR (tasks.state = 'running' AND tasks.lease_id IS NULL)
                  OR (tasks.state = 'paused' AND jobs.state <> 'paused')
                  OR (tasks.lease_id IS NULL AND tasks.not_before > NOW + WAIT_MAX))
              UNION ALL
              SELECT 'task ' || tasks.id || ' waits for lease ' || tasks.lease_id || ', which is not live'
              FROM tasks LEFT JOIN leases
                ON leases.id = tasks.lease_id AND leases.task_id = tasks.id AND leases.ended_at IS NULL
              WHERE tasks.lease_id IS NOT NULL AND leases.id IS NULL
              UNION ALL
              SELECT 'lease ' || leases.id || CASE
                  WHEN tasks.lease_id IS NULL THEN ' is live, but its task ' || tasks.id || ' names none'
                  ELSE ' would be kept for more than a day' END
              FROM leases JOIN tasks ON tasks.id = leases.task_id
              WHERE leases.ended_at IS NULL
                AND (tasks.lease_id IS NULL OR leases.expires_at > NOW + WAIT_MAX)",
    },
    Promise {
        id: "INV-6",
        words: "attempts, failures and losses of a task are bounded",
        sql: "SELECT 'task ' || id || ' has ' || attempts || ' attempts, more than its ' || fence
                  || ' changes of hands' AS violation
              FROM tasks WHERE attempts > fence
              UNION ALL
              SELECT 'task ' || leases.task_id || ' failed ' || COUNT(*) || ' times since it was retried'
              FROM leases JOIN tasks ON tasks.id = leases.task_id
              WHERE leases.failure_class IS NOT NULL AND leases.outcome = 'failed'
                AND leases.granted_at >= COALESCE(tasks.retried_at, 0)
              GROUP BY leases.task_id HAVING COUNT(*) > FAILURES_MAX
              UNION ALL
              SELECT 'task ' || leases.task_id || ' was lost ' || COUNT(*) || ' times since it was retried'
              FROM leases JOIN tasks ON tasks.id = leases.task_id
              WHERE leases.outcome = 'expired' AND leases.granted_at >= COALESCE(tasks.retried_at, 0)
              GROUP BY leases.task_id HAVING COUNT(*) > LOST_MAX",
    },
    Promise {
        id: "INV-7",
        words: "a frame is accepted once",
        sql: "SELECT 'frame ' || frame || ' of job ' || job_id || ' was accepted ' || COUNT(*)
                  || ' times' AS violation
              FROM frames GROUP BY job_id, frame HAVING COUNT(*) > 1",
    },
    Promise {
        id: "INV-8",
        words: "a task is completed exactly if all its frames are stored, each with its blob",
        sql: "SELECT 'task ' || tasks.id || ' is ' || tasks.state || ' with ' || tasks.frames_done || ' of '
                  || tasks.frames_total || ' frames, and ' || COALESCE(stored.number, 0)
                  || ' are stored' AS violation
              FROM tasks LEFT JOIN (SELECT task_id, COUNT(*) AS number FROM frames GROUP BY task_id) AS stored
                ON stored.task_id = tasks.id
              WHERE tasks.frames_done <> COALESCE(stored.number, 0)
                 OR (tasks.state = 'completed') <> (tasks.frames_done = tasks.frames_total)
              UNION ALL
              SELECT 'frame ' || frames.frame || ' of job ' || frames.job_id || ' has ' || frames.size
                  || ' bytes, its blob ' || frames.hash || COALESCE(' has ' || blobs.size, ' is not noted')
              FROM frames LEFT JOIN blobs ON blobs.hash = frames.hash
              WHERE blobs.hash IS NULL OR blobs.size <> frames.size",
    },
    Promise {
        id: "INV-17",
        words: "a request that is repeated under its key gets the answer of the first",
        sql: "SELECT 'key ' || key || ' of account ' || account_id || ' stands for ' || COUNT(*)
                  || ' requests' AS violation
              FROM idempotency_keys GROUP BY account_id, key HAVING COUNT(*) > 1
              UNION ALL
              SELECT 'key ' || key || ' of account ' || account_id || ' has half an answer'
              FROM idempotency_keys WHERE (status IS NULL) <> (body IS NULL)",
    },
    Promise {
        id: "INV-18",
        words: "a job's progress is the sum of its tasks', and it ends when they have",
        sql: "SELECT 'job ' || jobs.id || ' is ' || jobs.state || ' and says ' || jobs.frames_planned
                  || ' frames planned, ' || jobs.frames_done || ' stored, ' || jobs.frames_failed
                  || ' failed of ' || jobs.frames_total || '; its tasks say ' || COALESCE(cut.planned, 0)
                  || ', ' || COALESCE(cut.done, 0) || ', ' || COALESCE(cut.failed, 0) || ' and '
                  || COALESCE(cut.not_ended, 0) || ' are open' AS violation
              FROM jobs LEFT JOIN (
                  SELECT job_id, SUM(frames_total) AS planned, SUM(frames_done) AS done,
                      SUM(CASE WHEN state = 'failed' THEN frames_total - frames_done ELSE 0 END) AS failed,
                      SUM(CASE WHEN ended_at IS NULL THEN 1 ELSE 0 END) AS not_ended
                  FROM tasks GROUP BY job_id) AS cut ON cut.job_id = jobs.id
              WHERE jobs.frames_planned <> COALESCE(cut.planned, 0)
                 OR jobs.frames_done <> COALESCE(cut.done, 0)
                 OR jobs.frames_failed <> COALESCE(cut.failed, 0)
                 OR (jobs.state = 'completed') <> (jobs.frames_done = jobs.frames_total)
                 OR (jobs.state IN ('ready', 'running') AND jobs.frames_planned = jobs.frames_total
                     AND COALESCE(cut.not_ended, 0) = 0 AND jobs.updated_at <= NOW - SOON)",
    },
];
