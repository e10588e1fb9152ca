-- The fold of a session's events up to `head`, so that a long log need not be read from its first event. Follows from
-- the log: any row may be deleted at any time.
CREATE TABLE snapshots (
    session_id   BLOB    NOT NULL PRIMARY KEY REFERENCES heads (session_id),
    head         INTEGER NOT NULL CHECK (head > 0),
    fold_version INTEGER NOT NULL,
    state        BLOB    NOT NULL
) STRICT;
