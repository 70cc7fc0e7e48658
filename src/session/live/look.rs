//! Queries of watched sessions in batches, in which a failure affects only its session.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    error::Error,
    io, iter,
    sync::Arc,
    time::Duration,
};

use tokio::{
    sync::Semaphore,
    task::{Id, JoinError, JoinSet},
    time::{Instant, error::Elapsed, timeout},
};

use super::{watched::Begun, watcher::Asked};
use crate::{
    model::{SessionId, Subject, User},
    session::Sessions,
    store::{CacheScope, StoreError, Unreadable, WatchedRow, WithUser},
};

/// The interval between two queries of all sessions, if these are necessary.
pub(super) const INTERVAL: Duration = Duration::from_millis(500);
/// Maximum sessions per statement.
const MOST: usize = 500;
/// Maximum concurrent statements.
const AT_ONCE: usize = 4;
/// Maximum concurrent statements for changed sessions, while others are waiting.
const AT_ONCE_URGENT: usize = AT_ONCE - 1;
/// The time limit of a statement. A few fit into the time after which an unconfirmed session ends.
const PATIENCE: Duration = Duration::from_secs(3);
/// Maximum number of failed statements that are split in two halves per round: enough to find two
/// invalid rows among 500.
const MOST_HALVINGS: usize = 20;
/// Maximum concurrent queries of users that are not fetched with their sessions.
const MOST_USERS: usize = 128;

type Row = Result<WithUser<WatchedRow>, Unreadable>;
type Rows = Result<Vec<Row>, StoreError>;

/// Queries watched sessions and passes the results to their watcher.
pub(super) struct Looker {
    sessions: Sessions,
    /// Statements in progress, in separate tasks: a panic in code of the application that decodes a
    /// row is an error like any other.
    finding: JoinSet<Rows>,
    parts: HashMap<Id, Part>,
    /// Queries of single users. The round does not wait for them, so that a slow one does not delay
    /// the others.
    asking: JoinSet<Result<(), StoreError>>,
    turns: Arc<Semaphore>,
}

/// The sessions of one statement.
struct Part {
    begun: Begun,
    ids: Vec<SessionId>,
    is_urgent: bool,
}

/// One pass over sessions.
struct Round {
    /// Changed sessions whose statement failed, and which are fetched again in two parts.
    urgent: VecDeque<Vec<SessionId>>,
    parts: VecDeque<Vec<SessionId>>,
    /// Sessions that change before this time are fetched in this round.
    until: Instant,
    halvings: usize,
    /// The errors of this round, which are logged once.
    failed: usize,
    last: Option<StoreError>,
}

impl Round {
    fn note(&mut self, sessions: usize, error: StoreError) {
        self.failed += sessions;
        self.last = Some(error);
    }
}

impl Looker {
    pub(super) fn new(sessions: &Sessions) -> Self {
        Self {
            sessions: sessions.clone(),
            finding: JoinSet::new(),
            parts: HashMap::new(),
            asking: JoinSet::new(),
            turns: Arc::new(Semaphore::new(MOST_USERS)),
        }
    }

    /// Fetches these sessions once, and before them those that change in the meantime. Changes wait
    /// for a free statement in a set, so that a session that changes often is fetched once for all
    /// of them, and they leave one statement to the others. The round ends however many sessions
    /// change, so that the next one can start.
    pub(super) async fn look(&mut self, ids: Vec<SessionId>) {
        let watcher = Arc::clone(&self.sessions.watcher);
        let routine = watcher.take_routine();
        let parts = [&ids, &routine].into_iter().flat_map(|ids| ids.chunks(MOST));
        let mut round = Round {
            urgent: VecDeque::new(),
            parts: parts.map(<[_]>::to_vec).collect(),
            until: Instant::now() + INTERVAL,
            halvings: MOST_HALVINGS,
            failed: 0,
            last: None,
        };
        loop {
            self.begin(&mut round);
            if self.finding.is_empty() {
                break;
            }
            tokio::select! {
                Some(done) = self.finding.join_next_with_id() => self.take(&mut round, done),
                () = watcher.work() => {}
            }
        }
        while let Some(asked) = self.asking.try_join_next() {
            if let Err(error) = asked.unwrap_or_else(|panic| Err(StoreError::new(panic))) {
                round.note(1, error);
            }
        }
        if let Round { failed: sessions, last: Some(error), .. } = round {
            tracing::warn!(sessions, cause = %error, "watched sessions could not be fetched");
        }
    }

    /// Starts as many statements as are allowed concurrently.
    fn begin(&mut self, round: &mut Round) {
        while self.finding.len() < AT_ONCE
            && let Some((mut ids, is_urgent)) = self.next(round)
        {
            // The session may have ended while it was queued.
            ids.retain(|id| self.sessions.watcher.is_watched(*id));
            if ids.is_empty() {
                continue;
            }
            let begun = self.sessions.watcher.begin();
            let (sessions, asked) = (self.sessions.clone(), ids.clone());
            let found = self.finding.spawn(async move {
                timeout(PATIENCE, sessions.find_watched(&asked)).await.map_err(StoreError::new)?
            });
            self.parts.insert(found.id(), Part { begun, ids, is_urgent });
        }
    }

    /// Returns the sessions of the next statement, and whether they changed.
    fn next(&self, round: &mut Round) -> Option<(Vec<SessionId>, bool)> {
        let urgent = self.parts.values().filter(|part| part.is_urgent).count();
        if urgent < AT_ONCE_URGENT || round.parts.is_empty() {
            let is_open = urgent < self.parts.len() || !round.parts.is_empty();
            let changed = round.urgent.pop_front().or_else(|| {
                let is_open = is_open || Instant::now() < round.until;
                is_open.then(|| self.sessions.watcher.take_urgent(MOST))
            });
            if let Some(ids) = changed.filter(|ids| !ids.is_empty()) {
                return Some((ids, true));
            }
        }
        round.parts.pop_front().map(|ids| (ids, false))
    }

    fn take(&mut self, round: &mut Round, done: Result<(Id, Rows), JoinError>) {
        let (id, found) = match done {
            Ok(done) => done,
            Err(panic) => (panic.id(), Err(StoreError::new(panic))),
        };
        let Some(Part { begun, mut ids, is_urgent }) = self.parts.remove(&id) else { return };
        match found {
            Ok(found) => self.see(round, begun, ids, found),
            Err(error) if ids.len() > 1 && round.halvings > 0 && !is_silence(&error) => {
                round.halvings -= 1;
                let half = ids.split_off(ids.len() / 2);
                let queue = if is_urgent { &mut round.urgent } else { &mut round.parts };
                queue.extend([ids, half]);
            }
            Err(error) => {
                self.sessions.watcher.fail(&ids);
                round.note(ids.len(), error);
            }
        }
    }

    fn see(&mut self, round: &mut Round, begun: Begun, asked: Vec<SessionId>, found: Vec<Row>) {
        let watcher = &self.sessions.watcher;
        watcher.answered(begun);
        let mut gone: HashSet<SessionId> = asked.into_iter().collect();
        let come_along = self.sessions.has_users();
        let now = self.sessions.clock.now();
        for found in found {
            let WithUser { row, user } = match found {
                Ok(found) => found,
                Err(Unreadable { id, cause }) => {
                    gone.remove(&id);
                    watcher.fail(&[id]);
                    round.note(1, cause);
                    continue;
                }
            };
            if now >= row.expires_at {
                continue;
            }
            gone.remove(&row.id);
            match user {
                Some(user) if come_along && row.impersonator.is_none() => {
                    self.sessions.record(begun, row, Some(user))
                }
                joined => {
                    if let Some(asked) = watcher.ask(row.id) {
                        let (sessions, turns) = (self.sessions.clone(), Arc::clone(&self.turns));
                        self.asking.spawn(sessions.ask(turns, asked, begun, row, joined));
                    }
                }
            }
        }
        for id in gone {
            watcher.record(id, begun, None);
        }
    }
}

/// Returns whether the database did not respond within our time limit or that of the store. A
/// statement for half of the sessions would not succeed either.
fn is_silence(error: &StoreError) -> bool {
    let mut causes = iter::successors(error.source(), |&cause| cause.source());
    causes.any(|cause| {
        let io = cause.downcast_ref::<io::Error>();
        cause.is::<Elapsed>() || io.is_some_and(|io| io.kind() == io::ErrorKind::TimedOut)
    })
}

impl Sessions {
    /// Fetches the user of a watched session when the semaphore permits it.
    async fn ask(
        self,
        turns: Arc<Semaphore>,
        asked: Asked,
        begun: Begun,
        row: WatchedRow,
        joined: Option<User>,
    ) -> Result<(), StoreError> {
        let _turn = turns.acquire().await.map_err(StoreError::new)?;
        if self.watcher.is_watched(row.id) {
            let user = self.users.user_of_session(&row.user_id, joined);
            let mut user = timeout(PATIENCE, user).await.map_err(StoreError::new)??;
            if let Some(own) = &row.impersonator {
                let remains = timeout(PATIENCE, self.is_impersonator(own)).await;
                if !remains.map_err(StoreError::new)?? {
                    user = None;
                }
            }
            self.record(begun, row, user);
        }
        asked.done();
        Ok(())
    }

    fn record(&self, begun: Begun, row: WatchedRow, user: Option<User>) {
        let user = user.filter(User::is_active);
        let WatchedRow { id, expires_at, impersonator, .. } = row;
        let of = |user| Subject { impersonator, ..Subject::from_user(user, id) };
        let found = user.map(|user| (of(user), expires_at));
        self.watcher.record(id, begun, found);
    }

    /// Returns whether users are fetched with their sessions.
    fn has_users(&self) -> bool {
        self.users.keeping() != CacheScope::Sessions
    }

    /// Fetches the data that decides about watched sessions. If the user alone does not decide, it
    /// is fetched completely, since the other dependencies are unknown.
    async fn find_watched(&self, ids: &[SessionId]) -> Rows {
        if self.has_users() {
            return self.store.find_watched(ids).await;
        }
        let found = self.store.find_many(ids).await?.into_iter();
        Ok(found.map(|found| found.map(WithUser::into)).collect())
    }
}
