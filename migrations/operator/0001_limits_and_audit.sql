-- What belongs to no tenant and no session: the limits that operators set, and what operators did.
-- Points in time are milliseconds since 1970 in UTC.

-- A limit that is not here is the configuration's.
CREATE TABLE limits (
    name   TEXT    NOT NULL PRIMARY KEY,
    value  INTEGER NOT NULL CHECK (value >= 0),
    uid    INTEGER NOT NULL,
    reason TEXT,
    set_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Append-only, but for the oldest rows, which go.
CREATE TABLE audit (
    id      INTEGER NOT NULL PRIMARY KEY,
    at      INTEGER NOT NULL,
    action  TEXT    NOT NULL CHECK (action IN ('drain', 'limits', 'reset', 'refused')),
    uid     INTEGER NOT NULL,
    pid     INTEGER,
    reason  TEXT,
    details TEXT    NOT NULL
) STRICT;

CREATE INDEX audit_refusals ON audit (uid, at) WHERE action = 'refused';
