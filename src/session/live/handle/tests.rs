use std::{
    collections::{HashMap, HashSet},
    future::pending,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use async_trait::async_trait;
use jiff::Timestamp;
use tokio::time::{Instant, sleep};

use super::*;
use crate::{
    clock::Clock,
    crypto::digest::{Digest, Domain},
    event::TracingSink,
    model::{Email, Session, SessionId, Transport, User, UserId, Username},
    session::SessionOptions,
    store::{
        AccountStore, Applied, CacheScope, CreateUserOutcome, Creation, Credential, Decide,
        InsertOptions, InvalidationClock, SessionRow, SessionStore, StoreError, Unreadable,
        WithUser,
    },
};

/// The failure of a session's row, or of its user.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Wrong {
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
struct Fake {
    gone: Mutex<HashSet<SessionId>>,
    rows: Mutex<HashMap<SessionId, Wrong>>,
    users: Mutex<HashMap<UserId, Wrong>>,
    is_silent: AtomicBool,
    is_broken: AtomicBool,
    looks: Mutex<Vec<Vec<SessionId>>>,
    /// Whether users are fetched with their sessions, and all of their changes are reported.
    has_users: AtomicBool,
    /// The duration of a query, in milliseconds.
    delay: AtomicU64,
    /// The time in seconds since 1970.
    now: AtomicI64,
    expiry: Mutex<HashMap<SessionId, Timestamp>>,
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

fn id(number: u16) -> SessionId {
    let mut bytes = [0; 16];
    bytes[..2].copy_from_slice(&number.to_be_bytes());
    SessionId::from_bytes(bytes)
}

/// Each session has a separate user.
fn user(id: SessionId) -> UserId {
    UserId::new(id.to_string())
}

fn session(id: SessionId) -> Session {
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

    async fn confirm(&self, _: SessionId, _: u32, _: Timestamp) -> Result<(), StoreError> {
        unreachable!()
    }

    async fn delete_owned(&self, _: SessionId, _: &UserId) -> Result<bool, StoreError> {
        unreachable!()
    }

    async fn delete_of_user(&self, _: &UserId, _: Option<SessionId>) -> Result<u64, StoreError> {
        unreachable!()
    }

    async fn delete_of_upstream(
        &self,
        _: &str,
        _: Option<&str>,
        _: Option<&str>,
    ) -> Result<u64, StoreError> {
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

struct World {
    fake: Arc<Fake>,
    sessions: Sessions,
}

impl World {
    /// Users are in another store, so that each session is fetched twice a second.
    fn new() -> Self {
        Self::over(&InvalidationClock::unleased(), false)
    }

    fn told_by(changes: &Arc<InvalidationClock>) -> Self {
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

    fn watch(&self, number: u16) -> SessionWatch {
        let id = id(number);
        let found = User::new(user(id), Timestamp::MIN);
        self.sessions.watch(&Arc::new(AuthenticatedSession::new(session(id), found)))
    }

    fn looks(&self) -> Vec<Vec<SessionId>> {
        self.fake.looks.lock().unwrap().clone()
    }

    /// The expiry of a session in seconds from now, within a minute.
    async fn ends_after(&self, live: &mut SessionWatch) -> f32 {
        let begun = Instant::now();
        let ended = tokio::time::timeout(Duration::from_secs(60), live.ended()).await;
        ended.expect("the session does not end");
        begun.elapsed().as_secs_f32()
    }
}

fn stands(live: &SessionWatch) -> bool {
    live.subject().is_some()
}

#[tokio::test(start_paused = true)]
async fn unresponsive_store_closes_connections_after_ten_seconds() {
    let world = World::new();
    let mut live = world.watch(0);
    sleep(Duration::from_secs(60)).await;
    assert!(stands(&live));
    world.fake.is_silent.store(true, SeqCst);
    let after = world.ends_after(&mut live).await;
    assert!((9.0..=10.1).contains(&after), "{after}");
    // The store responds again, and new sessions are watched as before.
    world.fake.is_silent.store(false, SeqCst);
    let mut live = world.watch(1);
    sleep(Duration::from_secs(60)).await;
    assert!(stands(&live));
    world.sessions.revoke(id(1)).await.unwrap();
    assert!(world.ends_after(&mut live).await < 1.0);
}

#[tokio::test(start_paused = true)]
async fn silence_of_less_than_ten_seconds_closes_nothing() {
    let world = World::new();
    let lives: Vec<_> = (0..1200).map(|number| world.watch(number)).collect();
    for _ in 0..5 {
        sleep(Duration::from_secs(2)).await;
        world.fake.is_silent.store(true, SeqCst);
        sleep(Duration::from_secs(5)).await;
        world.fake.is_silent.store(false, SeqCst);
    }
    assert!(lives.iter().all(stands));
}

#[tokio::test(start_paused = true)]
async fn unreadable_row_closes_only_its_own_connections() {
    for wrong in [Wrong::Fails, Wrong::Panics] {
        let world = World::new();
        let mut lives: Vec<_> = (0..1200).map(|number| world.watch(number)).collect();
        let bad = [7, 8, 600];
        world.fake.rows.lock().unwrap().extend(bad.map(|number| (id(number), wrong)));
        for number in bad {
            let after = world.ends_after(&mut lives[usize::from(number)]).await;
            assert!(after <= 10.1, "{after}");
        }
        sleep(Duration::from_secs(12)).await;
        let standing = lives.iter().filter(|live| stands(live)).count();
        assert_eq!(standing, lives.len() - bad.len());
    }
}

#[tokio::test(start_paused = true)]
async fn unreadable_user_closes_only_their_own_connections() {
    for wrong in [Wrong::Fails, Wrong::Panics, Wrong::Hangs] {
        let world = World::new();
        let mut lives: Vec<_> = (0..600).map(|number| world.watch(number)).collect();
        sleep(Duration::from_secs(1)).await;
        world.fake.users.lock().unwrap().insert(user(id(7)), wrong);
        sleep(Duration::from_secs(2)).await;
        assert!(stands(&lives[7]));
        // The end of another session is detected without delay.
        world.fake.delete(id(8)).await.unwrap();
        assert!(world.ends_after(&mut lives[8]).await < 1.0);
        assert!(world.ends_after(&mut lives[7]).await <= 8.1);
        sleep(Duration::from_secs(12)).await;
        assert_eq!(lives.iter().filter(|live| stands(live)).count(), lives.len() - 2);
    }
}

#[tokio::test(start_paused = true)]
async fn panic_of_the_watcher_closes_only_current_connections() {
    let world = World::new();
    let mut live = world.watch(0);
    sleep(Duration::from_secs(1)).await;
    world.fake.is_broken.store(true, SeqCst);
    assert!(world.ends_after(&mut live).await < 1.0);
    world.fake.is_broken.store(false, SeqCst);
    watches(&world, 1).await;
}

#[test]
fn runtime_shutdown_closes_its_connections() {
    let world = World::new();
    assert!(!stands(&world.watch(0)), "sessions cannot be watched outside of a runtime");
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let first = runtime();
    let mut live = first.block_on(async { world.watch(0) });
    assert!(stands(&live));
    drop(first);
    runtime().block_on(async {
        tokio::time::pause();
        assert!(world.ends_after(&mut live).await < 1.0);
        watches(&world, 1).await;
    });
}

/// A session is watched, and its end is detected.
async fn watches(world: &World, number: u16) {
    let mut live = world.watch(number);
    sleep(Duration::from_secs(60)).await;
    assert!(stands(&live));
    world.fake.delete(id(number)).await.unwrap();
    assert!(world.ends_after(&mut live).await < 1.0);
}

#[tokio::test(start_paused = true)]
async fn opening_and_closing_connections_checks_no_other_session() {
    let world = World::new();
    let lives: Vec<_> = (0..100).map(|number| world.watch(number)).collect();
    sleep(Duration::from_millis(1200)).await;
    let before = world.looks().len();
    for round in 0..1000 {
        let live = world.watch(100 + round);
        for _ in 0..5 {
            tokio::task::yield_now().await;
        }
        drop(live);
    }
    // No time has passed.
    assert_eq!(world.looks().len(), before);
    assert!(lives.iter().all(stands));
    world.fake.delete(id(5000)).await.unwrap();
    let mut late = world.watch(5000);
    assert!(world.ends_after(&mut late).await < 1.0, "it had ended before it was watched");
}

/// Returns the largest number of sessions in a query, and the largest number of queries for one
/// session.
fn most(looks: &[Vec<SessionId>]) -> (usize, usize) {
    let mut times = HashMap::<SessionId, usize>::new();
    looks.iter().flatten().for_each(|id| *times.entry(*id).or_default() += 1);
    let largest = looks.iter().map(Vec::len).max().unwrap_or_default();
    (largest, times.into_values().max().unwrap_or_default())
}

#[tokio::test(start_paused = true)]
async fn with_a_lease_each_session_is_checked_once_a_minute() {
    let world = World::told_by(&InvalidationClock::new());
    let lives: Vec<_> = (0..480).map(|number| world.watch(number)).collect();
    sleep(Duration::from_secs(2)).await;
    let before = world.looks().len();
    sleep(Duration::from_secs(60)).await;
    let looks = world.looks().split_off(before);
    let (largest, times) = most(&looks);
    assert!(largest <= 4 && times <= 2, "{largest} at once, {times} times");
    let seen: HashSet<_> = looks.into_iter().flatten().collect();
    assert!(seen.len() >= 478, "{}", seen.len());
    // A revocation whose notification was lost is detected by then.
    world.fake.delete(id(7)).await.unwrap();
    sleep(Duration::from_secs(61)).await;
    assert!(!stands(&lives[7]) && stands(&lives[8]));
}

#[tokio::test(start_paused = true)]
async fn change_of_a_session_checks_only_that_session() {
    let changes = InvalidationClock::new();
    let world = World::told_by(&changes);
    let mut lives: Vec<_> = (0..300).map(|number| world.watch(number)).collect();
    sleep(Duration::from_millis(1200)).await;
    let before = world.looks().len();
    for _ in 0..300 {
        changes.invalidate_user(&user(id(7)));
        sleep(Duration::from_millis(100)).await;
    }
    assert!(lives.iter().all(stands));
    let mut looks = world.looks().split_off(before);
    let own = looks.iter().filter(|look| look.contains(&id(7))).count();
    assert!((290..=310).contains(&own), "{own} looks");
    looks.iter_mut().for_each(|look| look.retain(|other| *other != id(7)));
    let (largest, times) = most(&looks);
    assert!(largest <= 4 && times <= 1, "{largest} at once, {times} times");
    world.fake.delete(id(7)).await.unwrap();
    changes.invalidate_session(id(7));
    assert!(world.ends_after(&mut lives[7]).await <= 0.1);
    world.sessions.revoke(id(8)).await.unwrap();
    assert!(!stands(&lives[8]), "what was ended here has ended at once");
}

#[tokio::test(start_paused = true)]
async fn unspecified_change_checks_all_sessions_at_once() {
    let changes = InvalidationClock::new();
    let world = World::told_by(&changes);
    let mut lives: Vec<_> = (0..20_000).map(|number| world.watch(number)).collect();
    sleep(Duration::from_secs(2)).await;
    world.fake.gone.lock().unwrap().extend((0..10_000).map(id));
    changes.invalidate_all();
    assert!(world.ends_after(&mut lives[9_999]).await <= 0.1);
    assert_eq!(lives.iter().filter(|live| stands(live)).count(), 10_000);
}

/// The sessions need 40 statements, each of which takes as long as the test specifies.
#[tokio::test(start_paused = true)]
async fn slow_database_closes_no_connection() {
    for (usual, slow) in [(200, 600), (200, 2500)] {
        let world = World::told_by(&InvalidationClock::unleased());
        world.fake.delay.store(usual, SeqCst);
        let lives: Vec<_> = (0..20_000).map(|number| world.watch(number)).collect();
        sleep(Duration::from_secs(20)).await;
        world.fake.delay.store(slow, SeqCst);
        sleep(Duration::from_secs(60)).await;
        world.fake.delay.store(usual, SeqCst);
        sleep(Duration::from_secs(20)).await;
        let standing = lives.iter().filter(|live| stands(live)).count();
        assert_eq!(standing, lives.len(), "{slow} ms a statement");
    }
}

#[tokio::test(start_paused = true)]
async fn change_does_not_wait_for_a_check_of_all_sessions() {
    let changes = InvalidationClock::unleased();
    let world = World::told_by(&changes);
    let mut lives: Vec<_> = (0..20_000).map(|number| world.watch(number)).collect();
    sleep(Duration::from_secs(1)).await;
    world.fake.delay.store(500, SeqCst);
    sleep(Duration::from_millis(1700)).await;
    // The position in the round does not matter: these sessions are at both of its ends.
    for number in [0, 19_999] {
        world.fake.delete(id(number)).await.unwrap();
        changes.invalidate_session(id(number));
        assert!(world.ends_after(&mut lives[usize::from(number)]).await <= 1.1);
    }
    assert_eq!(lives.iter().filter(|live| stands(live)).count(), lives.len() - 2);
}

/// The session of one user changes a hundred times a second, and a statement takes longer than
/// four of these changes.
#[tokio::test(start_paused = true)]
async fn frequent_changes_do_not_starve_other_sessions() {
    let changes = InvalidationClock::new();
    let world = World::told_by(&changes);
    world.fake.delay.store(100, SeqCst);
    let (changing, other) = (world.watch(0), world.watch(1));
    for round in 0..4000 {
        if round == 3000 {
            world.fake.delete(id(1)).await.unwrap();
            changes.invalidate_all();
        }
        changes.invalidate_user(&user(id(0)));
        sleep(Duration::from_millis(10)).await;
        assert!(stands(&other) == (round < 3000) || round < 3100, "round {round}");
    }
    assert!(stands(&changing));
    // Changes that were reported together cause one query, and none is left over.
    sleep(Duration::from_millis(200)).await;
    let looks = world.looks().len();
    assert!(looks <= 4000, "{looks}");
    sleep(Duration::from_secs(1)).await;
    assert!(world.looks().len() <= looks + 1, "changes were left over");
}

#[tokio::test(start_paused = true)]
async fn changed_sessions_keep_their_precedence_after_an_error() {
    let changes = InvalidationClock::unleased();
    let world = World::told_by(&changes);
    let mut lives: Vec<_> = (0..20_000).map(|number| world.watch(number)).collect();
    sleep(Duration::from_secs(1)).await;
    world.fake.delay.store(500, SeqCst);
    sleep(Duration::from_millis(1700)).await;
    world.fake.rows.lock().unwrap().insert(id(1), Wrong::Fails);
    for number in [0, 19_999] {
        world.fake.delete(id(number)).await.unwrap();
    }
    // In one statement with a row that cannot be decoded.
    for number in [0, 1, 19_999] {
        changes.invalidate_session(id(number));
    }
    for number in [0_u16, 19_999] {
        let after = world.ends_after(&mut lives[usize::from(number)]).await;
        assert!(after <= 2.1, "{number}: {after}");
    }
}

#[tokio::test(start_paused = true)]
async fn store_timeout_counts_as_silence() {
    let world = World::new();
    let lives: Vec<_> = (0..500).map(|number| world.watch(number)).collect();
    let all = (0..500).map(|number| (id(number), Wrong::TimesOut));
    world.fake.rows.lock().unwrap().extend(all);
    sleep(Duration::from_secs(5)).await;
    let looks = world.looks();
    assert!(looks.len() >= 5 && looks.iter().all(|look| look.len() == 500), "{}", looks.len());
    assert!(lives.iter().all(stands));
}

#[tokio::test(start_paused = true)]
async fn with_a_lease_a_silent_database_closes_only_changed_sessions() {
    let changes = InvalidationClock::unleased();
    changes.renew_lease(changes.now(), Duration::from_secs(3600));
    let world = World::told_by(&changes);
    let mut lives: Vec<_> = (0..600).map(|number| world.watch(number)).collect();
    sleep(Duration::from_secs(2)).await;
    world.fake.is_silent.store(true, SeqCst);
    sleep(Duration::from_secs(90)).await;
    assert!(lives.iter().all(stands));
    changes.invalidate_user(&user(id(7)));
    let after = world.ends_after(&mut lives[7]).await;
    assert!((9.0..=10.4).contains(&after), "{after}");
    assert_eq!(lives.iter().filter(|live| stands(live)).count(), lives.len() - 1);
    changes.revoke_lease();
    let after = world.ends_after(&mut lives[8]).await;
    assert!((9.0..=10.4).contains(&after), "{after}");
    sleep(Duration::from_secs(1)).await;
    assert!(!lives.iter().any(stands));
}

#[tokio::test(start_paused = true)]
async fn connection_closes_at_expiry_unless_the_session_is_refreshed() {
    let at = |second| Timestamp::from_second(second).unwrap();
    let world = World::told_by(&InvalidationClock::new());
    let watch = |number| {
        let (id, user) = (id(number), User::new(user(id(number)), Timestamp::MIN));
        world.fake.expiry.lock().unwrap().insert(id, at(100));
        let mut session = session(id);
        session.expires_at = at(100);
        world.sessions.watch(&Arc::new(AuthenticatedSession::new(session, user)))
    };
    let (mut one, mut two) = (watch(1), watch(2));
    sleep(Duration::from_secs(2)).await;
    // A refresh is not reported as a change.
    world.fake.expiry.lock().unwrap().insert(id(2), at(200));
    world.fake.now.store(99, SeqCst);
    sleep(Duration::from_secs(2)).await;
    assert!(stands(&one) && stands(&two));
    world.fake.now.store(100, SeqCst);
    assert!(world.ends_after(&mut one).await <= 0.5);
    sleep(Duration::from_secs(2)).await;
    assert!(stands(&two));
    world.fake.now.store(200, SeqCst);
    assert!(world.ends_after(&mut two).await <= 0.5);
}

#[tokio::test(start_paused = true)]
async fn session_is_watched_until_its_last_connection_closes() {
    let world = World::new();
    let first = world.watch(1);
    let (second, third) = (first.clone(), world.watch(1));
    drop(first);
    drop(third);
    let before = world.looks().len();
    sleep(Duration::from_secs(2)).await;
    assert!(stands(&second) && world.looks().len() > before);
    drop(second);
    let before = world.looks().len();
    sleep(Duration::from_secs(2)).await;
    assert_eq!(world.looks().len(), before);
}

/// The number of statements is bounded if the store fails entirely.
#[tokio::test(start_paused = true)]
async fn failing_store_is_not_queried_for_each_session() {
    let world = World::new();
    let mut lives: Vec<_> = (0..500).map(|number| world.watch(number)).collect();
    let all = (0..500).map(|number| (id(number), Wrong::Fails));
    world.fake.rows.lock().unwrap().extend(all);
    assert!(world.ends_after(&mut lives[0]).await <= 10.1);
    let looks = world.looks().len();
    assert!(looks < 1000, "{looks}");
}
