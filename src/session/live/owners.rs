//! The watched sessions by those whose changes affect them.

use std::collections::BTreeSet;

use crate::model::SessionId;

/// Those on whom a watched session depends.
#[derive(Clone, Copy, Debug)]
pub(super) struct Owner {
    /// The key of the user.
    pub(super) user: u64,
    /// The key of the administrator and their session, if the session is an impersonation.
    pub(super) administrator: Option<(u64, SessionId)>,
}

/// The watched sessions by their owners.
#[derive(Debug, Default)]
pub(super) struct Owners {
    of_user: BTreeSet<(u64, SessionId)>,
    of_administrator: BTreeSet<(SessionId, SessionId)>,
}

impl Owners {
    pub(super) fn insert(&mut self, id: SessionId, owner: Owner) {
        self.of_user.insert((owner.user, id));
        if let Some((user, session)) = owner.administrator {
            self.of_user.insert((user, id));
            self.of_administrator.insert((session, id));
        }
    }

    pub(super) fn remove(&mut self, id: SessionId, owner: Owner) {
        self.of_user.remove(&(owner.user, id));
        if let Some((user, session)) = owner.administrator {
            self.of_user.remove(&(user, id));
            self.of_administrator.remove(&(session, id));
        }
    }

    /// Returns the sessions that depend on a user.
    pub(super) fn of_user(&self, user: u64) -> Vec<SessionId> {
        let all = (user, SessionId::MIN)..=(user, SessionId::MAX);
        self.of_user.range(all).map(|(_, id)| *id).collect()
    }

    /// Returns the impersonations that a session began.
    pub(super) fn of_administrator(&self, session: SessionId) -> Vec<SessionId> {
        let all = (session, SessionId::MIN)..=(session, SessionId::MAX);
        self.of_administrator.range(all).map(|(_, id)| *id).collect()
    }
}
