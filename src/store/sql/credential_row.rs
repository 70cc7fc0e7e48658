//! The inserts of a credential, of a user that was looked at or not.

pub(super) const INSERT: &str = "INSERT INTO auth_credentials
    (id, user_id, kind, lookup, data, created_at, updated_at, last_used_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING";

/// The same, only while the selection of the user has a row.
pub(super) fn insert_owned(owner: &str) -> String {
    format!(
        "WITH owner AS ({owner}) INSERT INTO auth_credentials
    (id, user_id, kind, lookup, data, created_at, updated_at, last_used_at)
    SELECT $1, $2, $3, $4, $5, $6, $7, $8 FROM owner WHERE there = 1 ON CONFLICT DO NOTHING"
    )
}
