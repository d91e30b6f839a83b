-- A complete upload that no job uses ends as well, at `expires_at`: some days after it was used last. Those
-- that are there were promised no end, so theirs is counted from now. The index is for `drop_unused_uploads`.

UPDATE uploads SET expires_at = CAST(EXTRACT(EPOCH FROM now()) * 1000 AS BIGINT) + 604800000
WHERE state = 'complete';
CREATE INDEX uploads_complete ON uploads (expires_at) WHERE state = 'complete';
