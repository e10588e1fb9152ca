-- The end of sessions: what is still to be removed, and that somebody had it removed.

-- Sessions that are erased and of which events or blobs are left: one row each, until nothing is.
CREATE TABLE erasures (
    session_id BLOB NOT NULL PRIMARY KEY REFERENCES heads (session_id),
    -- A list of the urls of its assets; the blobs that they mean are removed before the last events are.
    assets     TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- What was done to sessions that are not there to tell it. Without content, and kept for good.
CREATE TABLE audit (
    audit_id   INTEGER PRIMARY KEY,
    at         INTEGER NOT NULL,
    actor      TEXT    NOT NULL CHECK (actor IN ('client', 'operator', 'retention')),
    action     TEXT    NOT NULL CHECK (action IN ('session.erased')),
    session_id BLOB    NOT NULL CHECK (length(session_id) = 16)
) STRICT;

CREATE INDEX audit_by_session ON audit (session_id);

-- Whether an event names a blob is asked of every blob that is swept.
CREATE INDEX media_assets_by_url ON media_assets (url);
