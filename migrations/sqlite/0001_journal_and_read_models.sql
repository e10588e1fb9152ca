-- The journal, and the read models that are written in the same transactions.
-- Ids are the 16 bytes of their ULID, points in time are milliseconds since 1970 in UTC.
--
-- What is appended all the time lies in the order of its arrival (events by rowid, messages and calls by their rising
-- ids), not by session: a transaction that speaks for many sessions then fills few pages instead of touching one per
-- session, and writes half as many bytes.

-- Who may append to a session, and where: one row per session, kept when the session is deleted.
CREATE TABLE heads (
    session_id BLOB    NOT NULL PRIMARY KEY CHECK (length(session_id) = 16),
    epoch      INTEGER NOT NULL CHECK (epoch > 0),
    head       INTEGER NOT NULL CHECK (head >= 0),
    tombstone  INTEGER NOT NULL DEFAULT 0 CHECK (tombstone IN (0, 1))
) STRICT, WITHOUT ROWID;

-- The log: append-only. `data` is what clients get, byte for byte; `private` is folded and never sent.
CREATE TABLE events (
    session_id     BLOB    NOT NULL,
    seq            INTEGER NOT NULL CHECK (seq > 0),
    epoch          INTEGER NOT NULL,
    type           TEXT    NOT NULL,
    created_at     INTEGER NOT NULL,
    data           TEXT    NOT NULL,
    private        TEXT,
    schema_version INTEGER NOT NULL,
    PRIMARY KEY (session_id, seq)
) STRICT;

CREATE TABLE sessions (
    session_id   BLOB    NOT NULL PRIMARY KEY REFERENCES heads (session_id),
    user_key     TEXT,
    state        TEXT    NOT NULL,
    mode         TEXT    NOT NULL,
    locale       TEXT    NOT NULL,
    playbook     TEXT    NOT NULL,
    title        TEXT,
    completeness REAL    NOT NULL,
    wake_at      INTEGER,
    created_at   INTEGER NOT NULL,
    updated_at   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX sessions_by_user ON sessions (user_key) WHERE user_key IS NOT NULL;
CREATE INDEX sessions_by_wake_at ON sessions (wake_at) WHERE wake_at IS NOT NULL;

-- `coalesce` in the checks below: a CHECK that evaluates to NULL passes, and what has no kind must not.
CREATE TABLE messages (
    message_id BLOB    NOT NULL PRIMARY KEY CHECK (length(message_id) = 16),
    session_id BLOB    NOT NULL REFERENCES sessions (session_id) ON DELETE CASCADE,
    seq        INTEGER NOT NULL,
    turn_id    BLOB,
    role       TEXT    NOT NULL CHECK (role IN ('user', 'assistant')),
    modality   TEXT    NOT NULL CHECK (modality IN ('text', 'voice')),
    text       TEXT    NOT NULL,
    truncated  INTEGER NOT NULL CHECK (truncated IN (0, 1)),
    asks       TEXT,
    locale     TEXT,
    provenance TEXT    NOT NULL,
    heard_ms   INTEGER,
    heard_text TEXT,
    created_at INTEGER NOT NULL,
    CONSTRAINT message_has_provenance CHECK (
        coalesce(CASE json_extract(provenance, '$.kind')
            WHEN 'user' THEN role = 'user' AND json_extract(provenance, '$.turn_id') IS NOT NULL
            WHEN 'model' THEN role = 'assistant'
                AND json_extract(provenance, '$.provider') IS NOT NULL
                AND json_extract(provenance, '$.model') IS NOT NULL
                AND json_extract(provenance, '$.call_id') IS NOT NULL
            WHEN 'playbook' THEN role = 'assistant'
                AND json_extract(provenance, '$.key') IS NOT NULL
                AND json_extract(provenance, '$.hash') IS NOT NULL
            WHEN 'operator' THEN role = 'assistant'
        END, 0)
    )
) STRICT, WITHOUT ROWID;

CREATE INDEX messages_by_session ON messages (session_id);

-- What the last `slot.updated` of each slot says; the value of one that was cleared is JSON's null.
CREATE TABLE brief_slots (
    session_id BLOB    NOT NULL REFERENCES sessions (session_id) ON DELETE CASCADE,
    path       TEXT    NOT NULL,
    value      TEXT    NOT NULL,
    confidence REAL    NOT NULL,
    source     TEXT    NOT NULL CHECK (json_extract(source, '$.kind') IS NOT NULL),
    seq        INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (session_id, path)
) STRICT, WITHOUT ROWID;

CREATE TABLE runs (
    run_id     BLOB    NOT NULL PRIMARY KEY CHECK (length(run_id) = 16),
    session_id BLOB    NOT NULL REFERENCES sessions (session_id) ON DELETE CASCADE,
    status     TEXT    NOT NULL CHECK (status IN ('running', 'completed', 'failed', 'cancelled')),
    state      TEXT    NOT NULL,
    started    TEXT    NOT NULL,
    failures   TEXT    NOT NULL DEFAULT '[]',
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX runs_by_session ON runs (session_id);

-- A waiver precedes the run that it is for.
CREATE TABLE run_waivers (
    run_id     BLOB NOT NULL PRIMARY KEY CHECK (length(run_id) = 16),
    session_id BLOB NOT NULL REFERENCES sessions (session_id) ON DELETE CASCADE,
    data       TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX run_waivers_by_session ON run_waivers (session_id);

CREATE TABLE run_outputs (
    run_id     BLOB    NOT NULL REFERENCES runs (run_id) ON DELETE CASCADE,
    stage      TEXT    NOT NULL,
    attempt    INTEGER NOT NULL,
    seq        INTEGER NOT NULL,
    data       TEXT    NOT NULL,
    provenance TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (run_id, stage),
    CONSTRAINT output_is_a_models CHECK (
        coalesce(
            json_extract(provenance, '$.kind') = 'model'
                AND json_extract(provenance, '$.provider') IS NOT NULL
                AND json_extract(provenance, '$.model') IS NOT NULL
                AND json_extract(provenance, '$.call_id') IS NOT NULL,
            0
        )
    )
) STRICT, WITHOUT ROWID;

CREATE TABLE media_assets (
    asset_id   BLOB    NOT NULL PRIMARY KEY CHECK (length(asset_id) = 16),
    session_id BLOB    NOT NULL REFERENCES sessions (session_id) ON DELETE CASCADE,
    run_id     BLOB,
    kind       TEXT    NOT NULL,
    url        TEXT    NOT NULL,
    media_type TEXT    NOT NULL,
    size_bytes INTEGER NOT NULL,
    provenance TEXT    NOT NULL,
    seq        INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    CONSTRAINT asset_has_provenance CHECK (
        coalesce(json_extract(provenance, '$.kind') IN ('model', 'user', 'playbook', 'operator'), 0)
    )
) STRICT, WITHOUT ROWID;

CREATE INDEX media_assets_by_session ON media_assets (session_id);

CREATE TABLE jobs (
    job_id     BLOB    NOT NULL PRIMARY KEY CHECK (length(job_id) = 16),
    session_id BLOB    NOT NULL REFERENCES sessions (session_id) ON DELETE CASCADE,
    run_id     BLOB    NOT NULL,
    type       TEXT    NOT NULL,
    status     TEXT    NOT NULL CHECK (status IN ('queued', 'running', 'completed', 'failed')),
    progress   INTEGER NOT NULL CHECK (progress BETWEEN 0 AND 100),
    error      TEXT,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX jobs_by_session ON jobs (session_id);
CREATE INDEX jobs_by_run ON jobs (run_id);

-- One row per call to a provider. A call that was reserved and never settled has cost nobody knows what.
CREATE TABLE usage (
    call_id        BLOB    NOT NULL PRIMARY KEY CHECK (length(call_id) = 16),
    session_id     BLOB    NOT NULL REFERENCES sessions (session_id) ON DELETE CASCADE,
    purpose        TEXT    NOT NULL,
    turn_id        BLOB,
    run_id         BLOB,
    stage          TEXT,
    attempt        INTEGER,
    outcome        TEXT    NOT NULL DEFAULT 'reserved' CHECK (outcome IN ('reserved', 'ok', 'failed', 'unknown')),
    provider       TEXT,
    model          TEXT,
    response_id    TEXT,
    request_id     TEXT,
    usage          TEXT,
    cost_micro_usd INTEGER,
    reserved_at    INTEGER,
    settled_at     INTEGER
) STRICT, WITHOUT ROWID;

CREATE INDEX usage_by_session ON usage (session_id);

-- The writer proves with a row of this table, written and removed again, that the journal can grow.
CREATE TABLE write_probe (
    filler BLOB NOT NULL
) STRICT;
