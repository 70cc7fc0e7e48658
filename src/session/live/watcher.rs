//! The watcher of sessions, and the handles of connections.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::{
    owners::Owner,
    slot::Slot,
    watched::{Begun, Watched},
};
use crate::{
    model::{SessionId, Subject},
    session::AuthenticatedSession,
    store::InvalidationClock,
};

/// A handle of a watched session.
///
/// It ends within a second after the session is revoked or expires or its user is disabled, on this
/// node or another one. It also ends if the session could not be confirmed for 10 seconds because
/// the database fails or does not respond, or for 30 seconds because the database is too slow for
/// the number of sessions.
///
/// ```
/// use authlayer::SessionWatch;
///
/// async fn until_revoked(mut session: SessionWatch, work: impl Future<Output = ()>) {
///     tokio::select! {
///         () = work => {}
///         () = session.ended() => {}
///     }
/// }
/// ```
#[derive(Debug)]
pub struct SessionWatch {
    id: SessionId,
    slot: Arc<Slot>,
    version: u64,
    watcher: Arc<Watcher>,
}

impl SessionWatch {
    /// Waits until the session has ended.
    pub async fn ended(&mut self) {
        self.slot.ended().await;
    }

    /// Waits for the next version of the subject, after a change of roles, scopes, tenant or
    /// attributes. Returns `None` if the session has ended.
    pub async fn changed(&mut self) -> Option<Subject> {
        self.slot.later_than(self.version).await;
        let (version, subject) = self.slot.read();
        self.version = version;
        subject.map(|subject| (*subject).clone())
    }

    /// Returns the subject as of the last query, or `None` if the session has ended.
    pub fn subject(&self) -> Option<Subject> {
        self.slot.read().1.map(|subject| (*subject).clone())
    }
}

impl Clone for SessionWatch {
    fn clone(&self) -> Self {
        self.watcher.watched().retain(self.id, &self.slot);
        let (slot, watcher) = (Arc::clone(&self.slot), Arc::clone(&self.watcher));
        Self { id: self.id, slot, version: self.version, watcher }
    }
}

impl Drop for SessionWatch {
    fn drop(&mut self) {
        self.watcher.watched().release(self.id, &self.slot);
    }
}

/// Watches sessions and notifies their connections.
///
/// While all changes are reported ([`InvalidationClock`]), a session that did not change is valid without a
/// query. Sessions are queried when they or their user changed, when they expire, and once a
/// minute. If changes are not reported, all sessions are queried twice a second.
#[derive(Debug)]
pub(crate) struct Watcher {
    watched: Mutex<Watched>,
    /// Notified when there are sessions to query.
    pub(super) work: Notify,
    pub(super) changes: Arc<InvalidationClock>,
}

/// Marks the user of a session as being fetched until it is dropped.
pub(super) struct Asked {
    watcher: Arc<Watcher>,
    id: SessionId,
    is_done: bool,
}

impl Asked {
    pub(super) fn done(mut self) {
        self.is_done = true;
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        let mut watched = self.watcher.watched();
        watched.asked(self.id);
        if !self.is_done {
            watched.fail(self.id);
        }
    }
}

impl Watcher {
    pub(crate) fn new(changes: Arc<InvalidationClock>) -> Self {
        Self { watched: Mutex::default(), work: Notify::new(), changes }
    }

    pub(super) fn watched(&self) -> MutexGuard<'_, Watched> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Watches a session. Returns whether the task must be started.
    pub(super) fn add(
        self: &Arc<Self>,
        resolved: &Arc<AuthenticatedSession>,
    ) -> (SessionWatch, bool) {
        let (session, user) = (&resolved.session, &resolved.user);
        let expires_at = session.refresh_expires_at.min(session.expires_at);
        let subject = Subject::from_session(user, session);
        let administrator = session.impersonator.as_ref();
        let administrator =
            administrator.and_then(|own| Some((self.changes.user_key(&own.id), own.session?)));
        let owner = Owner { user: self.changes.user_key(&user.id), administrator };
        let mut watched = self.watched();
        let slot = watched.add(session.id, owner, expires_at, subject);
        let begins = !std::mem::replace(&mut watched.is_running, true);
        drop(watched);
        let (version, _) = slot.read();
        (SessionWatch { id: session.id, slot, version, watcher: Arc::clone(self) }, begins)
    }

    /// Ends a session that was revoked on this node.
    pub(crate) fn end(&self, id: SessionId) {
        self.watched().end(id);
    }

    pub(super) fn begin(&self) -> Begun {
        self.watched().begin()
    }

    pub(super) fn is_watched(&self, id: SessionId) -> bool {
        self.watched().is_watched(id)
    }

    /// Marks the user of a session as being fetched. Returns `None` if it already is.
    pub(super) fn ask(self: &Arc<Self>, id: SessionId) -> Option<Asked> {
        let begins = self.watched().ask(id);
        begins.then(|| Asked { watcher: Arc::clone(self), id, is_done: false })
    }

    /// Passes the result of a query to the connections of a session: its subject and expiry, or its
    /// end.
    pub(super) fn record(
        &self,
        id: SessionId,
        begun: Begun,
        found: Option<(Subject, jiff::Timestamp)>,
    ) {
        self.watched().record(id, begun, found);
    }

    pub(super) fn answered(&self, begun: Begun) {
        self.watched().answered(begun);
    }

    pub(super) fn fail(&self, ids: &[SessionId]) {
        for id in ids {
            self.watched().fail(*id);
        }
    }

    pub(super) fn take_urgent(&self, at_most: usize) -> Vec<SessionId> {
        self.watched().take_urgent(at_most)
    }

    pub(super) fn take_routine(&self) -> Vec<SessionId> {
        self.watched().take_routine()
    }

    /// Waits until there are sessions to query that were not taken before.
    pub(super) async fn work(&self) {
        self.work.notified().await;
    }
}
