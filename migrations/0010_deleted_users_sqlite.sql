-- Users who were deleted, until their events have been anonymized: see src/erasure.rs. The time is
-- set by the process that sees the record first; checked_to is the event up to which nothing is left
-- to do.
CREATE TABLE auth_deleted_users (
    user_id TEXT NOT NULL PRIMARY KEY,
    deleted_at BIGINT,
    checked_to TEXT NOT NULL
) WITHOUT ROWID;
