//! What is read of a session that a connection watches.

use jiff::Timestamp;

use super::{Found, SessionRow};
use crate::model::{Session, SessionId, UserId};

/// The part of a session that decides whether a connection may go on.
#[derive(Clone, Debug)]
pub struct WatchedRow {
    /// The session.
    pub id: SessionId,
    /// Whose session it is.
    pub user_id: UserId,
    /// When it ends unless it is refreshed before.
    pub expires_at: Timestamp,
}

impl From<SessionRow> for WatchedRow {
    fn from(row: SessionRow) -> Self {
        let Session { id, user_id, refresh_expires_at, expires_at, .. } = row.session;
        Self { id, user_id, expires_at: refresh_expires_at.min(expires_at) }
    }
}

impl From<Found> for Found<WatchedRow> {
    fn from(found: Found) -> Self {
        Self { row: found.row.into(), user: found.user }
    }
}
