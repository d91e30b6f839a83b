-- What decides how long a silent worker keeps what it has.

-- Silence after which the lease is lost, in milliseconds; nothing: not known at the grant.
ALTER TABLE leases ADD COLUMN lost_after_ms BIGINT;

-- Render time of all stored frames: their mean tells what a frame will take.
ALTER TABLE jobs ADD COLUMN render_ms_total BIGINT NOT NULL DEFAULT 0;
UPDATE jobs SET render_ms_total = COALESCE(
    (SELECT CAST(SUM(frames.render_ms) AS BIGINT) FROM frames WHERE frames.job_id = jobs.id), 0);

-- It said goodbye and has not come back: its silence means nothing.
ALTER TABLE workers ADD COLUMN left_at BIGINT;
