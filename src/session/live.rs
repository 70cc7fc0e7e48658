//! Connections that outlive a request, and end with their session.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use jiff::Timestamp;
use tokio::sync::{Notify, watch};

use super::{Resolved, Sessions};
use crate::{
    error::AuthError,
    model::{SessionId, Subject, User},
    store::StoreError,
};

/// How often it is looked whether sessions still stand; one statement for all of them.
const INTERVAL: Duration = Duration::from_millis(500);
/// How long one waits for further changes after the first.
const SETTLE: Duration = Duration::from_millis(50);
/// After so many looks at a store that fails, connections end.
const MOST_FAILURES: u32 = 20;
/// Sessions in one statement.
const MOST: usize = 500;

/// A session that somebody watches.
///
/// It ends when the session is revoked or expires or its user is turned away, on this node or on
/// another one, within a second; and when the store has not answered for ten.
#[derive(Clone, Debug)]
pub struct Live {
    state: watch::Receiver<State>,
}

#[derive(Clone, Debug)]
enum State {
    Stands(Arc<Resolved>),
    Ended,
}

impl Live {
    /// Comes back when the session has ended.
    pub async fn ended(&mut self) {
        // An error is the end of the watcher, which is no better.
        let _ended = self.state.wait_for(|state| matches!(state, State::Ended)).await;
    }

    /// Comes back with the next version of the subject, after a change of roles, scopes, tenant
    /// or attributes; `None` when the session has ended.
    pub async fn changed(&mut self) -> Option<Subject> {
        self.state.changed().await.ok()?;
        self.subject()
    }

    /// Who is at the other end, as last seen; `None` when the session has ended.
    pub fn subject(&self) -> Option<Subject> {
        match &*self.state.borrow() {
            State::Stands(resolved) => Some(Subject::of(&resolved.user, &resolved.session)),
            State::Ended => None,
        }
    }
}

/// Looks after the sessions that are watched.
#[derive(Debug, Default)]
pub(super) struct Watcher {
    watched: Mutex<Watched>,
    /// Wakes it up at once, where something ended on this node.
    poke: Notify,
}

#[derive(Debug, Default)]
struct Watched {
    sessions: HashMap<SessionId, watch::Sender<State>>,
    is_running: bool,
}

impl Watcher {
    fn watched(&self) -> MutexGuard<'_, Watched> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at once.
    pub(super) fn poke(&self) {
        self.poke.notify_one();
    }
}

impl Sessions {
    /// Watches a session that was resolved.
    pub fn watch(&self, resolved: &Arc<Resolved>) -> Live {
        let mut watched = self.watcher.watched();
        let id = resolved.session.id;
        let state = match watched.sessions.get(&id).filter(|sender| !sender.is_closed()) {
            Some(sender) => sender.subscribe(),
            None => {
                let (sender, receiver) = watch::channel(State::Stands(Arc::clone(resolved)));
                watched.sessions.insert(id, sender);
                receiver
            }
        };
        if !std::mem::replace(&mut watched.is_running, true) {
            tokio::spawn(run(self.clone()));
        }
        // It may have ended since it was resolved.
        self.watcher.poke();
        Live { state }
    }

    /// The session of an id with its user, if both stand.
    pub(crate) async fn resolve(&self, id: SessionId) -> Result<Option<Arc<Resolved>>, AuthError> {
        Ok(self.look(&[id], self.clock.now()).await?.remove(&id))
    }

    /// Looks at some of the watched sessions; answers with those that stand.
    async fn look(
        &self,
        ids: &[SessionId],
        now: Timestamp,
    ) -> Result<HashMap<SessionId, Arc<Resolved>>, StoreError> {
        let mut standing = HashMap::new();
        for found in self.store.find_many(ids).await? {
            let session = found.row.session;
            if now >= session.refresh_expires_at || now >= session.expires_at {
                continue;
            }
            let user = self.users.user_of_session(&session.user_id, found.user).await?;
            if let Some(user) = user.filter(User::is_active) {
                standing.insert(session.id, Arc::new(Resolved::new(session, user)));
            }
        }
        Ok(standing)
    }
}

impl Sessions {
    /// Something ended here, or something changed somewhere; then others may change with it.
    async fn reason_to_look(&self) {
        let told = async {
            match &self.changes {
                Some(changes) => changes.told().await,
                None => std::future::pending().await,
            }
            tokio::time::sleep(SETTLE).await;
        };
        tokio::select! {
            () = self.watcher.poke.notified() => {}
            () = told => {}
        }
    }
}

async fn run(sessions: Sessions) {
    let mut failures = 0;
    loop {
        let ids: Vec<SessionId> = {
            let mut watched = sessions.watcher.watched();
            watched.sessions.retain(|_, sender| !sender.is_closed());
            watched.is_running = !watched.sessions.is_empty();
            if !watched.is_running {
                return;
            }
            watched.sessions.keys().copied().collect()
        };
        for ids in ids.chunks(MOST) {
            match sessions.look(ids, sessions.clock.now()).await {
                Ok(standing) => {
                    failures = 0;
                    sessions.watcher.tell(ids, &standing);
                }
                Err(error) => {
                    failures += 1;
                    tracing::warn!(cause = %error, "watched sessions could not be looked at");
                    if failures >= MOST_FAILURES {
                        sessions.watcher.tell(ids, &HashMap::new());
                    }
                }
            }
        }
        let _due = tokio::time::timeout(INTERVAL, sessions.reason_to_look()).await;
    }
}

impl Watcher {
    fn tell(&self, ids: &[SessionId], standing: &HashMap<SessionId, Arc<Resolved>>) {
        let mut watched = self.watched();
        for id in ids {
            let Some(sender) = watched.sessions.get(id) else { continue };
            match standing.get(id) {
                Some(now) => {
                    sender.send_if_modified(|state| match state {
                        State::Stands(before) if is_same(before, now) => false,
                        State::Ended => false,
                        State::Stands(before) => {
                            *before = Arc::clone(now);
                            true
                        }
                    });
                }
                None => {
                    sender.send_replace(State::Ended);
                    watched.sessions.remove(id);
                }
            }
        }
    }
}

fn is_same(before: &Resolved, now: &Resolved) -> bool {
    Subject::of(&before.user, &before.session) == Subject::of(&now.user, &now.session)
}
