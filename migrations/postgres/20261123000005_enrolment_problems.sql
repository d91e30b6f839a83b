-- The newest configuration file of a worker that was refused, for its owner to see; gone with the next success.

CREATE TABLE enrolment_problems (
    worker_id TEXT NOT NULL PRIMARY KEY REFERENCES workers (id),
    code TEXT NOT NULL,
    hostname TEXT NOT NULL,
    happened_at BIGINT NOT NULL
);
