//! The inserts of a credential, with and without a check of the user.

pub(super) const INSERT: &str = "INSERT INTO auth_credentials
    (id, user_id, kind, lookup, data, created_at, updated_at, last_used_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING";

/// Extends the insert to run only if the query for the user returns a row.
pub(super) fn insert_owned(owner: &str) -> String {
    format!(
        "WITH owner AS ({owner}) INSERT INTO auth_credentials
    (id, user_id, kind, lookup, data, created_at, updated_at, last_used_at)
    SELECT $1, $2, $3, $4, $5, $6, $7, $8 FROM owner WHERE there = 1 ON CONFLICT DO NOTHING"
    )
}
