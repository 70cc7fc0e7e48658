//! Looks at sessions that are watched, many at once, where what fails for one fails for one.

use std::{
    collections::{HashSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use tokio::{sync::Semaphore, task::JoinSet, time::timeout};

use super::{
    Resolved, Sessions,
    live::{Asked, Begun},
};
use crate::{
    error::AuthError,
    model::{Session, SessionId, User},
    store::{Found, Keeping, StoreError},
};

/// Sessions in one statement.
const MOST: usize = 500;
/// How long one waits for an answer; a few fit into the silence that ends a session.
const PATIENCE: Duration = Duration::from_secs(3);
/// How often in a round a statement that fails is asked again as two, each for half of its
/// sessions: enough to find two rows among five hundred that cannot be read.
const MOST_HALVINGS: usize = 20;
/// Users who are asked for at the same time, where they do not come with their sessions.
const MOST_USERS: usize = 128;

/// Looks at watched sessions and tells their watcher what it sees.
pub(super) struct Looker {
    sessions: Sessions,
    /// Users who are asked for one by one; nobody waits for them here, so that one who does not
    /// come keeps up no other.
    asking: JoinSet<Result<(), StoreError>>,
    turns: Arc<Semaphore>,
}

/// What went wrong in a round, to be told once.
#[derive(Default)]
struct Failed {
    sessions: usize,
    last: Option<StoreError>,
}

impl Failed {
    fn note(&mut self, sessions: usize, error: StoreError) {
        self.sessions += sessions;
        self.last = Some(error);
    }
}

impl Looker {
    pub(super) fn new(sessions: &Sessions) -> Self {
        let turns = Arc::new(Semaphore::new(MOST_USERS));
        Self { sessions: sessions.clone(), asking: JoinSet::new(), turns }
    }

    /// Looks at these sessions once. Those of whom nothing could be learned keep the moment at
    /// which they were last seen.
    pub(super) async fn look(&mut self, ids: Vec<SessionId>) {
        let mut failed = Failed::default();
        let mut halvings = MOST_HALVINGS;
        let mut parts: VecDeque<_> = ids.chunks(MOST).map(<[_]>::to_vec).collect();
        while let Some(mut part) = parts.pop_front() {
            // Before its turn came, it may have ended.
            part.retain(|id| self.sessions.watcher.is_watched(*id));
            if part.is_empty() {
                continue;
            }
            let begun = self.sessions.watcher.begin();
            match timeout(PATIENCE, self.find(part.clone())).await {
                Ok(Ok(found)) => self.see(begun, part, found),
                Ok(Err(_)) if part.len() > 1 && halvings > 0 => {
                    halvings -= 1;
                    let half = part.split_off(part.len() / 2);
                    parts.extend([part, half]);
                }
                Ok(Err(error)) => failed.note(part.len(), error),
                Err(silence) => failed.note(part.len(), StoreError::new(silence)),
            }
        }
        while let Some(asked) = self.asking.try_join_next() {
            if let Err(error) = asked.unwrap_or_else(|panic| Err(StoreError::new(panic))) {
                failed.note(1, error);
            }
        }
        if let Failed { sessions, last: Some(error) } = failed {
            tracing::warn!(sessions, cause = %error, "watched sessions could not be looked at");
        }
    }

    /// In a task of its own: a panic in what the application brings to read a row is an error
    /// like any other.
    async fn find(&self, ids: Vec<SessionId>) -> Result<Vec<Found>, StoreError> {
        let store = Arc::clone(&self.sessions.store);
        let mut one = JoinSet::new();
        one.spawn(async move { store.find_many(&ids).await });
        match one.join_next().await {
            Some(found) => found.map_err(StoreError::new)?,
            None => Ok(Vec::new()),
        }
    }

    fn see(&mut self, begun: Begun, asked: Vec<SessionId>, found: Vec<Found>) {
        let mut gone: HashSet<SessionId> = asked.into_iter().collect();
        let come_along = self.sessions.users.keeping() != Keeping::Sessions;
        for found in found {
            let session = found.row.session;
            if self.sessions.has_ended(&session) {
                continue;
            }
            gone.remove(&session.id);
            match found.user {
                Some(user) if come_along => self.sessions.tell(begun, session, Some(user)),
                joined => {
                    if let Some(asked) = self.sessions.watcher.ask(session.id) {
                        let (sessions, turns) = (self.sessions.clone(), Arc::clone(&self.turns));
                        self.asking.spawn(sessions.ask(turns, asked, begun, session, joined));
                    }
                }
            }
        }
        for id in gone {
            self.sessions.watcher.tell(id, begun, None);
        }
    }
}

impl Sessions {
    /// Fetches a session with its user from the store. Returns `None` if one of them is no longer
    /// valid, or if the tokens of the session were renewed since `session` was read: the former
    /// tokens are no longer valid.
    pub(crate) async fn current(
        &self,
        session: &Session,
    ) -> Result<Option<Arc<Resolved>>, AuthError> {
        let found = self.resolve(session.id).await?;
        Ok(found.filter(|found| found.session.renewals == session.renewals))
    }

    /// The session of an id with its user, if both stand.
    pub(crate) async fn resolve(&self, id: SessionId) -> Result<Option<Arc<Resolved>>, AuthError> {
        let found = self.store.find_many(&[id]).await?.pop();
        let Some(found) = found.filter(|found| !self.has_ended(&found.row.session)) else {
            return Ok(None);
        };
        let session = found.row.session;
        let user = self.users.user_of_session(&session.user_id, found.user).await?;
        Ok(standing(session, user))
    }

    fn has_ended(&self, session: &Session) -> bool {
        let now = self.clock.now();
        now >= session.refresh_expires_at || now >= session.expires_at
    }

    /// Asks for the user of a watched session, when its turn has come.
    async fn ask(
        self,
        turns: Arc<Semaphore>,
        asked: Asked,
        begun: Begun,
        session: Session,
        joined: Option<User>,
    ) -> Result<(), StoreError> {
        let _turn = turns.acquire().await.map_err(StoreError::new)?;
        if self.watcher.is_watched(session.id) {
            let user = self.users.user_of_session(&session.user_id, joined);
            let user = timeout(PATIENCE, user).await.map_err(StoreError::new)??;
            self.tell(begun, session, user);
        }
        drop(asked);
        Ok(())
    }

    fn tell(&self, begun: Begun, session: Session, user: Option<User>) {
        let id = session.id;
        self.watcher.tell(id, begun, standing(session, user));
    }
}

fn standing(session: Session, user: Option<User>) -> Option<Arc<Resolved>> {
    let user = user.filter(User::is_active)?;
    Some(Arc::new(Resolved::new(session, user)))
}
