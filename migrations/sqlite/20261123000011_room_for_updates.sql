-- contract: no program names an index.

-- The few leases of a task are found as well by the index that keeps each of its fences single. (Rows need no
-- room here: SQLite changes them where they are.)

DROP INDEX leases_of_task;
