//! The limit on the number of sessions of a user.

use std::sync::{Arc, Mutex};

use crate::model::SessionId;

/// The maximum number of sessions of a user, and the sessions that were deleted because of it.
/// Clones share the list of deleted sessions.
#[derive(Clone, Debug)]
pub struct SessionLimit {
    max_sessions: u32,
    ended: Arc<Mutex<Vec<SessionId>>>,
}

impl SessionLimit {
    /// Creates a limit of this many sessions, including the new one.
    pub fn new(max_sessions: u32) -> Self {
        Self { max_sessions, ended: Arc::default() }
    }

    /// Returns the maximum number of sessions, including the new one.
    pub fn max_sessions(&self) -> u32 {
        self.max_sessions
    }

    /// Records that a session was deleted because of the limit. Called by the store.
    pub fn record_ended(&self, session: SessionId) {
        if let Ok(mut ended) = self.ended.lock() {
            ended.push(session);
        }
    }

    /// Returns the sessions that were deleted because of the limit, and clears the list.
    pub fn take_ended(&self) -> Vec<SessionId> {
        self.ended.lock().map(|mut ended| std::mem::take(&mut *ended)).unwrap_or_default()
    }
}
