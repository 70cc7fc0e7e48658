//! Classifies database errors for connection handling and retries.

use std::{borrow::Cow, io::ErrorKind};

use sqlx::{Error, error::DatabaseError};

/// Returns the error code of the database, if the error is from the database.
pub(super) fn code(error: &Error) -> Option<Cow<'_, str>> {
    error.as_database_error().and_then(DatabaseError::code)
}

pub(super) fn has_code(error: &Error, codes: &[&str]) -> bool {
    code(error).is_some_and(|code| codes.contains(&&*code))
}

/// Returns `true` for `deadlock_detected` and `serialization_failure`: the transaction was rolled
/// back completely and can be retried.
pub(super) fn is_deadlock(error: &Error) -> bool {
    has_code(error, &["40P01", "40001"])
}

/// Returns `true` for `lock_not_available` of PostgreSQL and `SQLITE_BUSY` of SQLite.
pub(super) fn is_locked(error: &Error) -> bool {
    has_code(error, &["55P03", "5"])
}

/// Returns `true` for `insufficient_privilege`.
pub(super) fn is_forbidden(error: &Error) -> bool {
    has_code(error, &["42501"])
}

/// Returns `true` for `read_only_sql_transaction`, for example from a primary that became a
/// standby.
pub(super) fn is_read_only(error: &Error) -> bool {
    has_code(error, &["25006"])
}

/// Returns `true` if the connection was lost or ended by the server (`admin_shutdown`,
/// `crash_shutdown`, `cannot_connect_now`), but not if it timed out or was rejected.
pub(super) fn is_connection_lost(error: &Error) -> bool {
    match error {
        Error::Io(error) => !matches!(error.kind(), ErrorKind::TimedOut | ErrorKind::Other),
        error => has_code(error, &["57P01", "57P02", "57P03"]),
    }
}
