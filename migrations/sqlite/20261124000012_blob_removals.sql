-- Blobs that are being removed from a bucket, or were lately: noted before the first request, forgotten a day later
-- together with the copy that was put aside. Such a blob may be stored again in that very moment.

CREATE TABLE blob_removals (
    hash TEXT NOT NULL,
    copy TEXT NOT NULL,
    begun_at BIGINT NOT NULL,
    PRIMARY KEY (hash, copy)
);
