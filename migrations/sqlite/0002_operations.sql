-- Jobs that made no progress are begun again: how often, and when that last happened.
ALTER TABLE jobs ADD COLUMN retry_count INTEGER NOT NULL DEFAULT 0 CHECK (retry_count >= 0);
ALTER TABLE jobs ADD COLUMN last_retry_at INTEGER;
