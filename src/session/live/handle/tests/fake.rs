//! Sessions and users in memory, with failures on demand.

use std::{
    collections::{HashMap, HashSet},
    future::pending,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use async_trait::async_trait;
use jiff::Timestamp;
use tokio::time::{Instant, sleep};

use crate::{
    clock::Clock,
    crypto::digest::{Digest, Domain},
    event::TracingSink,
    model::{Email, Session, SessionBinding, SessionId, Transport, User, UserId, Username},
    session::{AuthenticatedSession, SessionOptions, Sessions, live::SessionWatch},
    store::{
        AccountStore, Applied, CacheScope, CreateUserOutcome, Creation, Credential, Decide,
        DeviceChallenges, InsertOptions, InvalidationClock, SessionRow, SessionStore, SessionTag,
        StoreError, Unreadable, WithUser,
    },
};

/// The failure of a session's row, or of its user.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Wrong {
    Fails,
    Panics,
    Hangs,
    /// The time limit of the store has expired.
    TimesOut,
}

/// The error of a driver.
#[derive(Debug, thiserror::Error)]
#[error("a failure on demand")]
struct DriverError(#[from] std::io::Error);

/// Sessions and users in memory, with failures on demand.
#[derive(Debug, Default)]
pub(super) struct Fake {
    pub(super) gone: Mutex<HashSet<SessionId>>,
    pub(super) rows: Mutex<HashMap<SessionId, Wrong>>,
    pub(super) users: Mutex<HashMap<UserId, Wrong>>,
    pub(super) is_silent: AtomicBool,
    pub(super) is_broken: AtomicBool,
    pub(super) looks: Mutex<Vec<Vec<SessionId>>>,
    /// Whether users are fetched with their sessions, and all of their changes are reported.
    pub(super) has_users: AtomicBool,
    /// The duration of a query, in milliseconds.
    pub(super) delay: AtomicU64,
    /// The time in seconds since 1970.
    pub(super) now: AtomicI64,
    pub(super) expiry: Mutex<HashMap<SessionId, Timestamp>>,
}

impl Wrong {
    async fn happens<T>(self) -> Result<T, StoreError> {
        match self {
            Self::Fails => Err(StoreError::new("a failure on demand")),
            Self::Panics => panic!("a failure on demand"),
            Self::Hangs => pending().await,
            Self::TimesOut => {
                let cause = std::io::Error::from(std::io::ErrorKind::TimedOut);
                Err(StoreError::new(DriverError(cause)))
            }
        }
    }
}

impl Clock for Fake {
    fn now(&self) -> Timestamp {
        assert!(!self.is_broken.load(SeqCst), "a failure on demand");
        Timestamp::from_second(self.now.load(SeqCst)).unwrap()
    }
}

pub(super) fn id(number: u16) -> SessionId {
    let mut bytes = [0; 16];
    bytes[..2].copy_from_slice(&number.to_be_bytes());
    SessionId::from_bytes(bytes)
}

/// Each session has a separate user.
pub(super) fn user(id: SessionId) -> UserId {
    UserId::new(id.to_string())
}

pub(super) fn session(id: SessionId) -> Session {
    let mut session = Session::new(id, user(id), Transport::Bearer, Timestamp::MIN);
    (session.refresh_expires_at, session.expires_at) = (Timestamp::MAX, Timestamp::MAX);
    session
}

impl crate::store::sealed::Sealed for Fake {}

#[async_trait]
impl SessionStore for Fake {
    async fn find_many(
        &self,
        ids: &[SessionId],
    ) -> Result<Vec<Result<WithUser, Unreadable>>, StoreError> {
        self.looks.lock().unwrap().push(ids.to_vec());
        if self.is_silent.load(SeqCst) {
            return pending().await;
        }
        sleep(Duration::from_millis(self.delay.load(SeqCst))).await;
        let wrong = {
            let rows = self.rows.lock().unwrap();
            ids.iter().find_map(|id| rows.get(id).copied())
        };
        if let Some(wrong) = wrong {
            return wrong.happens().await;
        }
        let gone = self.gone.lock().unwrap();
        let there = ids.iter().filter(|id| !gone.contains(id));
        let has_users = self.has_users.load(SeqCst);
        let found = there.map(|id| {
            let mut row = row(*id);
            if let Some(expiry) = self.expiry.lock().unwrap().get(id) {
                row.session.expires_at = *expiry;
            }
            let user = has_users.then(|| User::new(user(*id), Timestamp::MIN));
            Ok(WithUser { row, user })
        });
        Ok(found.collect())
    }

    async fn delete(&self, id: SessionId) -> Result<bool, StoreError> {
        Ok(self.gone.lock().unwrap().insert(id))
    }

    async fn insert(&self, _: &SessionRow, _: &InsertOptions) -> Result<bool, StoreError> {
        unreachable!()
    }

    async fn list(&self, _: &UserId, _: Timestamp) -> Result<Vec<Session>, StoreError> {
        unreachable!()
    }

    async fn list_after(&self, _: &Session, _: Timestamp) -> Result<Vec<Session>, StoreError> {
        unreachable!()
    }

    async fn find(&self, _: SessionId) -> Result<Option<WithUser>, StoreError> {
        unreachable!()
    }

    async fn touch(&self, _: &[SessionId], _: Timestamp, _: Timestamp) -> Result<(), StoreError> {
        unreachable!()
    }

    async fn rotate(&self, _: &SessionRow, _: &SessionRow) -> Result<bool, StoreError> {
        unreachable!()
    }

    async fn bind(&self, _: SessionId, _: &SessionBinding) -> Result<bool, StoreError> {
        unreachable!()
    }

    async fn set_challenges(
        &self,
        _: SessionId,
        _: &DeviceChallenges,
        _: &DeviceChallenges,
    ) -> Result<bool, StoreError> {
        unreachable!()
    }

    async fn note_mismatch(&self, _: SessionId, _: Timestamp) -> Result<bool, StoreError> {
        unreachable!()
    }

    async fn confirm(&self, _: SessionId, _: u32, _: Timestamp) -> Result<(), StoreError> {
        unreachable!()
    }

    async fn delete_owned(&self, _: SessionId, _: &UserId) -> Result<bool, StoreError> {
        unreachable!()
    }

    async fn delete_of_user(&self, _: &UserId, _: Option<SessionId>) -> Result<u64, StoreError> {
        unreachable!()
    }

    async fn mark_impersonator(&self, _: SessionId) -> Result<bool, StoreError> {
        unreachable!()
    }

    async fn delete_tagged(&self, _: &[SessionTag]) -> Result<u64, StoreError> {
        unreachable!()
    }

    async fn delete_any_sessions(&self, _: u32) -> Result<u64, StoreError> {
        unreachable!()
    }

    async fn delete_any_challenges(&self, _: u32) -> Result<u64, StoreError> {
        unreachable!()
    }

    async fn sweep(&self, _: Timestamp, _: u32) -> Result<u64, StoreError> {
        unreachable!()
    }
}

fn row(id: SessionId) -> SessionRow {
    SessionRow {
        session: session(id),
        nonce: [0; 32],
        salt: [0; 32],
        generation: 0,
        lineage_hash: Digest::hash(Domain::LINEAGE, b"l"),
        refresh_hash: Digest::hash(Domain::REFRESH, b"r"),
        access_hash: Digest::hash(Domain::ACCESS, b"a"),
        previous_access: None,
        rotated_at: None,
        confirmed_at: None,
        former: Vec::new(),
        tags: Vec::new(),
        has_impersonated: false,
        challenges: DeviceChallenges::default(),
    }
}

#[async_trait]
impl AccountStore for Fake {
    async fn find_user(&self, id: &UserId) -> Result<Option<User>, StoreError> {
        let wrong = self.users.lock().unwrap().get(id).copied();
        match wrong {
            Some(wrong) => wrong.happens().await,
            None => Ok(Some(User::new(id.clone(), Timestamp::MIN))),
        }
    }

    fn keeping(&self) -> CacheScope {
        match self.has_users.load(SeqCst) {
            true => CacheScope::UserStorage,
            false => CacheScope::Sessions,
        }
    }

    async fn find_user_by_email(&self, _: &Email) -> Result<Option<User>, StoreError> {
        unreachable!()
    }

    async fn find_user_by_username(&self, _: &Username) -> Result<Option<User>, StoreError> {
        unreachable!()
    }

    async fn find_user_by_skeleton(&self, _: &Username) -> Result<Option<User>, StoreError> {
        unreachable!()
    }

    async fn create_user(
        &self,
        _: &User,
        _: Option<&Credential>,
        _: Creation,
    ) -> Result<CreateUserOutcome, StoreError> {
        unreachable!()
    }

    async fn apply(&self, _: &UserId, _: Decide<'_>) -> Result<Applied, StoreError> {
        unreachable!()
    }

    async fn delete_user(&self, _: &UserId) -> Result<bool, StoreError> {
        unreachable!()
    }

    async fn list_users(&self, _: Option<&UserId>, _: u32) -> Result<Vec<User>, StoreError> {
        unreachable!()
    }

    async fn import_users(
        &self,
        _: &[(User, Vec<Credential>)],
    ) -> Result<Vec<Option<UserId>>, StoreError> {
        unreachable!()
    }
}

pub(super) struct World {
    pub(super) fake: Arc<Fake>,
    pub(super) sessions: Sessions,
}

impl World {
    /// Users are in another store, so that each session is fetched twice a second.
    pub(super) fn new() -> Self {
        Self::over(&InvalidationClock::unleased(), false)
    }

    pub(super) fn told_by(changes: &Arc<InvalidationClock>) -> Self {
        Self::over(changes, true)
    }

    fn over(changes: &Arc<InvalidationClock>, has_users: bool) -> Self {
        let fake = Arc::new(Fake::default());
        fake.has_users.store(has_users, SeqCst);
        let sessions = Sessions::new(
            Arc::clone(&fake) as Arc<dyn SessionStore>,
            Arc::clone(&fake) as Arc<dyn AccountStore>,
            Arc::clone(&fake) as Arc<dyn Clock>,
            Arc::new(TracingSink),
            SessionOptions::default(),
            Arc::clone(changes),
        );
        Self { fake, sessions }
    }

    pub(super) fn watch(&self, number: u16) -> SessionWatch {
        let id = id(number);
        let found = User::new(user(id), Timestamp::MIN);
        self.sessions.watch(&Arc::new(AuthenticatedSession::new(session(id), found)))
    }

    pub(super) fn looks(&self) -> Vec<Vec<SessionId>> {
        self.fake.looks.lock().unwrap().clone()
    }

    /// The expiry of a session in seconds from now, within a minute.
    pub(super) async fn ends_after(&self, live: &mut SessionWatch) -> f32 {
        let begun = Instant::now();
        let ended = tokio::time::timeout(Duration::from_secs(60), live.ended()).await;
        ended.expect("the session does not end");
        begun.elapsed().as_secs_f32()
    }
}
