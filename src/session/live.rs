//! Connections that outlive a request, and end with their session.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    runtime::Handle,
    sync::{Notify, watch},
    time::{Instant, sleep, sleep_until, timeout_at},
};

use super::{Resolved, Sessions, look::Looker};
use crate::{
    model::{SessionId, Subject},
    store::{Began, Changes, Reading},
};

/// How often it is looked whether sessions still stand.
const INTERVAL: Duration = Duration::from_millis(500);
/// How long one waits for further changes after the first.
const SETTLE: Duration = Duration::from_millis(50);
/// A session that was last seen to stand so long ago has ended, for all that is known.
const SILENCE: Duration = Duration::from_secs(10);

/// A session that somebody watches.
///
/// It ends when the session is revoked or expires or its user is turned away, on this node or on
/// another one, within a second; and when nobody could say for ten that it stands.
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
#[derive(Debug)]
pub(super) struct Watcher {
    watched: Mutex<Watched>,
    /// Wakes it up at once, where something ended on this node.
    poke: Notify,
    changes: Option<Arc<Changes>>,
}

#[derive(Debug, Default)]
struct Watched {
    sessions: HashMap<SessionId, Entry>,
    is_running: bool,
}

#[derive(Debug)]
struct Entry {
    state: watch::Sender<State>,
    /// When the look began that last saw it stand.
    confirmed: Instant,
    /// What that look read, where changes are told of.
    reading: Option<Reading>,
    /// Whether its user is being asked for.
    is_asked: bool,
}

/// The beginning of a look.
#[derive(Clone, Copy)]
pub(super) struct Begun {
    at: Instant,
    read: Option<Began>,
}

/// Which sessions are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Which {
    All,
    /// Those that changed since they were looked at, as far as that is known.
    Changed,
}

/// The user of a session is being asked for, until this goes.
pub(super) struct Asked {
    watcher: Arc<Watcher>,
    id: SessionId,
}

/// That somebody looks after what is watched. Where that ends before its time, by a panic or with
/// its runtime, all of it ends too: nobody would see its end any more.
struct Running {
    watcher: Arc<Watcher>,
    is_over: bool,
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.is_over {
            return;
        }
        let left = {
            let mut watched = self.watcher.watched();
            watched.is_running = false;
            std::mem::take(&mut watched.sessions)
        };
        if !left.is_empty() {
            tracing::warn!(sessions = left.len(), "nobody looks after live connections any more");
        }
        for entry in left.into_values() {
            entry.state.send_replace(State::Ended);
        }
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        if let Some(entry) = self.watcher.watched().sessions.get_mut(&self.id) {
            entry.is_asked = false;
        }
    }
}

impl Sessions {
    /// Watches a session that was resolved. Outside of a Tokio runtime nobody can, and it has
    /// ended at once.
    pub fn watch(&self, resolved: &Arc<Resolved>) -> Live {
        let (live, begins) = self.watcher.add(resolved);
        if begins {
            let running = Running { watcher: Arc::clone(&self.watcher), is_over: false };
            if let Ok(runtime) = Handle::try_current() {
                runtime.spawn(run(self.clone(), running));
            }
        }
        live
    }
}

async fn run(sessions: Sessions, mut running: Running) {
    let silent = sessions.watcher.end_the_silent();
    tokio::select! {
        () = look_on(&sessions) => running.is_over = true,
        () = silent => {}
    }
}

/// Looks again and again, until nothing is watched.
async fn look_on(sessions: &Sessions) {
    let (watcher, mut looker) = (&sessions.watcher, Looker::new(sessions));
    let (mut which, mut all_again) = (Which::All, Instant::now());
    while let Some(due) = watcher.due(which) {
        looker.look(due).await;
        if which == Which::All {
            all_again = Instant::now() + INTERVAL;
        }
        let told = timeout_at(all_again, watcher.reason_to_look()).await.is_ok();
        // However much changes, the others are not forgotten.
        let few = told && watcher.changes.is_some() && Instant::now() < all_again;
        which = if few { Which::Changed } else { Which::All };
    }
}

impl Watcher {
    pub(super) fn new(changes: Option<Arc<Changes>>) -> Self {
        Self { watched: Mutex::default(), poke: Notify::new(), changes }
    }

    fn watched(&self) -> MutexGuard<'_, Watched> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Watches one session more; answers whether somebody has to begin to look after them.
    fn add(&self, resolved: &Arc<Resolved>) -> (Live, bool) {
        let mut watched = self.watched();
        let id = resolved.session.id;
        let entry = watched.sessions.get(&id).filter(|entry| !entry.state.is_closed());
        let state = match entry {
            Some(entry) => entry.state.subscribe(),
            None => {
                let (state, receiver) = watch::channel(State::Stands(Arc::clone(resolved)));
                let confirmed = Instant::now();
                let entry = Entry { state, confirmed, reading: None, is_asked: false };
                watched.sessions.insert(id, entry);
                receiver
            }
        };
        (Live { state }, !std::mem::replace(&mut watched.is_running, true))
    }

    /// Looks at once at what ended here.
    pub(super) fn poke(&self) {
        self.poke.notify_one();
    }

    /// Something ended here, or something changed somewhere; then others may change with it.
    async fn reason_to_look(&self) {
        let told = async {
            match &self.changes {
                Some(changes) => changes.told().await,
                None => std::future::pending().await,
            }
            sleep(SETTLE).await;
        };
        tokio::select! {
            () = self.poke.notified() => {}
            () = told => {}
        }
    }

    /// Before a look.
    pub(super) fn begin(&self) -> Begun {
        let read = self.changes.as_ref().map(|changes| changes.begin());
        Begun { at: Instant::now(), read }
    }

    /// A session that was ended here.
    pub(super) fn end(&self, id: SessionId) {
        if let Some(entry) = self.watched().sessions.remove(&id) {
            entry.state.send_replace(State::Ended);
        }
    }

    /// The watched sessions, those first that were not seen for the longest; `None` when there
    /// are none, and nobody runs any more.
    fn due(&self, which: Which) -> Option<Vec<SessionId>> {
        let mut watched = self.watched();
        watched.sessions.retain(|_, entry| !entry.state.is_closed());
        watched.is_running = !watched.sessions.is_empty();
        let is_due = |entry: &Entry| match (which, &self.changes, &entry.reading) {
            (Which::Changed, Some(changes), Some(reading)) => changes.is_changed(reading),
            _ => true,
        };
        let due = watched.sessions.iter().filter(|(_, entry)| is_due(entry));
        let mut due: Vec<_> = due.map(|(id, entry)| (entry.confirmed, *id)).collect();
        due.sort_unstable_by_key(|(confirmed, _)| *confirmed);
        watched.is_running.then(|| due.into_iter().map(|(_, id)| id).collect())
    }

    pub(super) fn is_watched(&self, id: SessionId) -> bool {
        self.watched().sessions.contains_key(&id)
    }

    /// Notes that the user of a session is asked for; `None` where that is so already.
    pub(super) fn ask(self: &Arc<Self>, id: SessionId) -> Option<Asked> {
        let mut watched = self.watched();
        let entry = watched.sessions.get_mut(&id)?;
        let begins = !std::mem::replace(&mut entry.is_asked, true);
        begins.then(|| Asked { watcher: Arc::clone(self), id })
    }

    /// Tells what a look saw: the session, or its end.
    pub(super) fn tell(&self, id: SessionId, begun: Begun, seen: Option<Arc<Resolved>>) {
        let mut watched = self.watched();
        // A look that took longer than a later one knows less.
        let entry = watched.sessions.get_mut(&id).filter(|entry| entry.confirmed <= begun.at);
        let Some(entry) = entry else { return };
        let Some(now) = seen else {
            entry.state.send_replace(State::Ended);
            watched.sessions.remove(&id);
            return;
        };
        entry.confirmed = begun.at;
        let read = self.changes.as_ref().zip(begun.read);
        entry.reading =
            read.map(|(changes, began)| changes.reading(began, id, &now.session.user_id));
        entry.state.send_if_modified(|state| match state {
            State::Stands(before) if is_same(before, &now) => false,
            State::Ended => false,
            State::Stands(before) => {
                *before = now;
                true
            }
        });
    }

    /// Ends each session at the moment when it was silent for too long, however long the look
    /// takes that is under way.
    async fn end_the_silent(&self) {
        loop {
            let now = Instant::now();
            let mut next = now + SILENCE;
            self.watched().sessions.retain(|_, entry| {
                let end = entry.confirmed + SILENCE;
                if end <= now {
                    entry.state.send_replace(State::Ended);
                    return false;
                }
                next = next.min(end);
                true
            });
            sleep_until(next).await;
        }
    }
}

fn is_same(before: &Resolved, now: &Resolved) -> bool {
    Subject::of(&before.user, &before.session) == Subject::of(&now.user, &now.session)
}

#[cfg(test)]
mod tests {
    use std::{
        collections::HashSet,
        future::pending,
        sync::atomic::{AtomicBool, Ordering::SeqCst},
    };

    use async_trait::async_trait;
    use jiff::Timestamp;

    use super::*;
    use crate::{
        clock::Clock,
        crypto::digest::{Digest, Domain},
        event::TracingSink,
        model::{Email, Session, Transport, User, UserId},
        session::SessionOptions,
        store::{
            AccountStore, Applied, Creation, Credential, Decide, Found, Opening, SessionRow,
            SessionStore, StoreError,
        },
    };

    /// What is wrong with a session's row, or with its user.
    #[derive(Clone, Copy, Debug, PartialEq)]
    enum Wrong {
        Fails,
        Panics,
        Hangs,
    }

    /// Sessions and users in memory, where things go wrong on demand.
    #[derive(Debug, Default)]
    struct Fake {
        gone: Mutex<HashSet<SessionId>>,
        rows: Mutex<HashMap<SessionId, Wrong>>,
        users: Mutex<HashMap<UserId, Wrong>>,
        is_silent: AtomicBool,
        is_broken: AtomicBool,
        looks: Mutex<Vec<Vec<SessionId>>>,
    }

    impl Wrong {
        async fn happens<T>(self) -> Result<T, StoreError> {
            match self {
                Self::Fails => Err(StoreError::new("as the test wants it")),
                Self::Panics => panic!("as the test wants it"),
                Self::Hangs => pending().await,
            }
        }
    }

    impl Clock for Fake {
        fn now(&self) -> Timestamp {
            assert!(!self.is_broken.load(SeqCst), "as the test wants it");
            Timestamp::UNIX_EPOCH
        }
    }

    fn id(number: u16) -> SessionId {
        let mut bytes = [0; 16];
        bytes[..2].copy_from_slice(&number.to_be_bytes());
        SessionId::from_bytes(bytes)
    }

    /// Each session has a user of its own.
    fn user(id: SessionId) -> UserId {
        UserId::new(id.to_string())
    }

    fn session(id: SessionId) -> Session {
        let mut session = Session::new(id, user(id), Transport::Bearer, Timestamp::MIN);
        (session.refresh_expires_at, session.expires_at) = (Timestamp::MAX, Timestamp::MAX);
        session
    }

    #[async_trait]
    impl SessionStore for Fake {
        async fn find_many(&self, ids: &[SessionId]) -> Result<Vec<Found>, StoreError> {
            self.looks.lock().unwrap().push(ids.to_vec());
            if self.is_silent.load(SeqCst) {
                return pending().await;
            }
            let wrong = {
                let rows = self.rows.lock().unwrap();
                ids.iter().find_map(|id| rows.get(id).copied())
            };
            if let Some(wrong) = wrong {
                return wrong.happens().await;
            }
            let gone = self.gone.lock().unwrap();
            let there = ids.iter().filter(|id| !gone.contains(id));
            Ok(there.map(|id| Found { row: row(*id), user: None }).collect())
        }

        async fn delete(&self, id: SessionId) -> Result<bool, StoreError> {
            Ok(self.gone.lock().unwrap().insert(id))
        }

        async fn insert(&self, _: &SessionRow, _: &Opening) -> Result<bool, StoreError> {
            unreachable!()
        }

        async fn list(&self, _: &UserId, _: Timestamp) -> Result<Vec<Session>, StoreError> {
            unreachable!()
        }

        async fn find(&self, _: SessionId) -> Result<Option<Found>, StoreError> {
            unreachable!()
        }

        async fn touch(
            &self,
            _: &[SessionId],
            _: Timestamp,
            _: Timestamp,
        ) -> Result<(), StoreError> {
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

        async fn delete_of_user(
            &self,
            _: &UserId,
            _: Option<SessionId>,
        ) -> Result<u64, StoreError> {
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
            lineage_hash: Digest::of(Domain::LINEAGE, b"l"),
            refresh_hash: Digest::of(Domain::REFRESH, b"r"),
            access_hash: Digest::of(Domain::ACCESS, b"a"),
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

        async fn find_user_by_email(&self, _: &Email) -> Result<Option<User>, StoreError> {
            unreachable!()
        }

        async fn create_user(
            &self,
            _: &User,
            _: Option<&Credential>,
        ) -> Result<Creation, StoreError> {
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
        fn new() -> Self {
            Self::told_by(None)
        }

        fn told_by(changes: Option<&Arc<Changes>>) -> Self {
            let fake = Arc::new(Fake::default());
            let sessions = Sessions::new(
                Arc::clone(&fake) as Arc<dyn SessionStore>,
                Arc::clone(&fake) as Arc<dyn AccountStore>,
                Arc::clone(&fake) as Arc<dyn Clock>,
                Arc::new(TracingSink),
                SessionOptions::default(),
                changes.cloned(),
            );
            Self { fake, sessions }
        }

        fn watch(&self, number: u16) -> Live {
            let id = id(number);
            let found = User::new(user(id), Timestamp::MIN);
            self.sessions.watch(&Arc::new(Resolved::new(session(id), found)))
        }

        fn looks(&self) -> Vec<Vec<SessionId>> {
            self.fake.looks.lock().unwrap().clone()
        }

        /// When a session ends, in seconds from now; within a minute.
        async fn ends_after(&self, live: &mut Live) -> f32 {
            let begun = Instant::now();
            let ended = tokio::time::timeout(Duration::from_secs(60), live.ended()).await;
            ended.expect("it never ends");
            begun.elapsed().as_secs_f32()
        }
    }

    fn stands(live: &Live) -> bool {
        live.subject().is_some()
    }

    #[tokio::test(start_paused = true)]
    async fn a_store_that_never_answers_ends_connections_after_ten_seconds() {
        let world = World::new();
        let mut live = world.watch(0);
        sleep(Duration::from_secs(60)).await;
        assert!(stands(&live));
        world.fake.is_silent.store(true, SeqCst);
        let after = world.ends_after(&mut live).await;
        assert!((9.0..=10.1).contains(&after), "{after}");
        // It answers again, and whoever comes then is watched as ever.
        world.fake.is_silent.store(false, SeqCst);
        let mut live = world.watch(1);
        sleep(Duration::from_secs(60)).await;
        assert!(stands(&live));
        world.sessions.revoke(id(1)).await.unwrap();
        assert!(world.ends_after(&mut live).await < 1.0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_silence_of_less_than_ten_seconds_ends_nothing() {
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
    async fn a_row_that_cannot_be_read_ends_its_own_connections_alone() {
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
    async fn a_user_who_cannot_be_found_ends_their_own_connections_alone() {
        for wrong in [Wrong::Fails, Wrong::Panics, Wrong::Hangs] {
            let world = World::new();
            let mut lives: Vec<_> = (0..600).map(|number| world.watch(number)).collect();
            sleep(Duration::from_secs(1)).await;
            world.fake.users.lock().unwrap().insert(user(id(7)), wrong);
            sleep(Duration::from_secs(2)).await;
            assert!(stands(&lives[7]));
            // Somebody else's end is seen as soon as ever.
            world.fake.delete(id(8)).await.unwrap();
            assert!(world.ends_after(&mut lives[8]).await < 1.0);
            assert!(world.ends_after(&mut lives[7]).await <= 8.1);
            sleep(Duration::from_secs(12)).await;
            assert_eq!(lives.iter().filter(|live| stands(live)).count(), lives.len() - 2);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_panic_where_it_is_looked_ends_what_was_watched_and_nothing_later() {
        let world = World::new();
        let mut live = world.watch(0);
        sleep(Duration::from_secs(1)).await;
        world.fake.is_broken.store(true, SeqCst);
        assert!(world.ends_after(&mut live).await < 1.0);
        world.fake.is_broken.store(false, SeqCst);
        watches(&world, 1).await;
    }

    #[test]
    fn the_end_of_a_runtime_ends_what_it_watched() {
        let world = World::new();
        assert!(!stands(&world.watch(0)), "nobody can watch outside of one");
        let runtime =
            || tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
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

    /// A session is watched and its end is seen.
    async fn watches(world: &World, number: u16) {
        let mut live = world.watch(number);
        sleep(Duration::from_secs(60)).await;
        assert!(stands(&live));
        world.fake.delete(id(number)).await.unwrap();
        assert!(world.ends_after(&mut live).await < 1.0);
    }

    #[tokio::test(start_paused = true)]
    async fn who_comes_and_goes_makes_nobody_look_at_the_others() {
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
        // None of this took any time.
        assert_eq!(world.looks().len(), before);
        assert!(lives.iter().all(stands));
        world.fake.delete(id(5000)).await.unwrap();
        let mut late = world.watch(5000);
        assert!(world.ends_after(&mut late).await < 1.0, "it had ended before it was watched");
    }

    #[tokio::test(start_paused = true)]
    async fn a_change_is_looked_at_alone_and_the_others_are_not_forgotten() {
        let changes = Changes::new();
        let world = World::told_by(Some(&changes));
        let mut lives: Vec<_> = (0..300).map(|number| world.watch(number)).collect();
        sleep(Duration::from_millis(1200)).await;
        let before = world.looks().len();
        for _ in 0..300 {
            changes.user(&user(id(7)));
            sleep(Duration::from_millis(100)).await;
        }
        assert!(lives.iter().all(stands));
        let looks = world.looks().split_off(before);
        let whole = looks.iter().filter(|look| look.len() == lives.len()).count();
        assert!((50..=61).contains(&whole), "{whole} in thirty seconds");
        // A few others may share its mark.
        let few = |look: &&Vec<SessionId>| look.len() < 50 && look.contains(&id(7));
        assert!(looks.iter().filter(few).count() > 150);
        world.fake.delete(id(7)).await.unwrap();
        changes.session(id(7));
        assert!(world.ends_after(&mut lives[7]).await <= 0.1);
        world.sessions.revoke(id(8)).await.unwrap();
        assert!(!stands(&lives[8]), "what was ended here has ended at once");
    }

    /// Of a store that fails altogether, no more is asked than is bounded.
    #[tokio::test(start_paused = true)]
    async fn a_store_that_fails_is_not_asked_for_each_session() {
        let world = World::new();
        let mut lives: Vec<_> = (0..500).map(|number| world.watch(number)).collect();
        let all = (0..500).map(|number| (id(number), Wrong::Fails));
        world.fake.rows.lock().unwrap().extend(all);
        assert!(world.ends_after(&mut lives[0]).await <= 10.1);
        let looks = world.looks().len();
        assert!(looks < 1000, "{looks}");
    }
}
