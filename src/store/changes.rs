//! What has changed since something was read.

use std::{
    fmt,
    hash::{BuildHasher, RandomState},
    pin::pin,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use tokio::{
    sync::{Notify, broadcast},
    time::timeout,
};

use crate::model::{SessionId, UserId};

/// Marks of 8 bytes each, which sessions and users share: a change invalidates cached sessions with
/// the same mark. A cached session depends on two marks for its `max_age`, by default 5 seconds
/// (leases are renewed and do not shorten it), so with 500 changes per second
/// 1 - e^(-2 * 2500 / 65536) or 7.4 % of cached sessions, for example 7,400 of 100,000, are fetched
/// again because of others. The bound is a tenth, and 64 Ki (512 KiB) is the smallest power of two
/// that meets it; with 8 Ki it was 46 %.
const MARKS: usize = 65_536;
/// Changes that a subscriber may be behind before it is notified of [`Changed::Everything`]; more
/// than one transaction on PostgreSQL notifies of one by one.
const BACKLOG: usize = 16_384;
/// How long to wait for a lease that ran out because no cache was used: the time of a poll of the
/// database.
const WAKING: Duration = Duration::from_millis(100);
/// A lease without an end.
const ALWAYS: u64 = u64::MAX;
/// An abandoned change is reported again this often, after pauses that double from
/// [`FIRST_REPEAT`]: the last time after 15.75 seconds, longer than SQLite waits for a lock. If it
/// is committed after `t`, it is reported at the latest after `2 * t + FIRST_REPEAT`, which is never
/// more than 8 seconds late. PostgreSQL also notifies of it when it is committed.
const REPEATS: u32 = 6;
const FIRST_REPEAT: Duration = Duration::from_millis(250);

/// Tells a cache whether what it keeps still stands: a count of changes, and for each session and
/// user a mark with the count of the last one, without a lock. [Subscribers](Self::subscribe) also
/// receive each change through a channel, which exists from the first of them on.
///
/// What was read from the store stands while its session and its user have no mark above the
/// count at the beginning of the read. So a change voids what was read before it, and also what
/// is being read while it is made.
///
/// Where changes are made elsewhere too, somebody listens to them and renews a lease; without it
/// nothing stands.
pub struct Changes {
    count: AtomicU64,
    everything: AtomicU64,
    marks: Box<[AtomicU64]>,
    hasher: RandomState,
    began: Instant,
    /// In nanoseconds since it began.
    lease: AtomicU64,
    is_asked: AtomicBool,
    wake: Notify,
    leased: Notify,
    /// Set by the first subscriber: the channel allocates its whole capacity at once.
    subscribers: OnceLock<broadcast::Sender<Changed>>,
}

/// What has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Changed {
    /// The session of this id.
    Session(SessionId),
    /// The user of this [key](Changes::user_key), or all sessions of the user.
    User(u64),
    /// Any session or user.
    Everything,
}

/// Receives every change that is reported after [`Changes::subscribe`].
#[derive(Debug)]
pub struct Subscription {
    receiver: broadcast::Receiver<Changed>,
}

impl Subscription {
    /// Waits for the next change. Returns [`Changed::Everything`] if changes were dropped because
    /// they were not received for too long.
    pub async fn changed(&mut self) -> Changed {
        match self.receiver.recv().await {
            Ok(changed) => changed,
            Err(broadcast::error::RecvError::Lagged(_)) => Changed::Everything,
            // The sender is gone, and with it everyone who could report a change.
            Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
        }
    }

    /// Returns the next change if one was reported already.
    pub fn try_changed(&mut self) -> Option<Changed> {
        match self.receiver.try_recv() {
            Ok(changed) => Some(changed),
            Err(broadcast::error::TryRecvError::Lagged(_)) => Some(Changed::Everything),
            Err(_) => None,
        }
    }
}

/// The marks of a session and its user, and the count when a read of them began.
#[derive(Clone, Copy, Debug)]
pub struct Reading {
    count: u64,
    session: u32,
    user: u32,
}

/// When a read began, whose user is not known yet.
#[derive(Clone, Copy, Debug)]
pub struct Began {
    count: u64,
    moment: u64,
}

impl Began {
    /// The moment of [`Changes::now`].
    pub fn moment(&self) -> u64 {
        self.moment
    }

    /// Returns the moment of [`Changes::now`] until which what is read may be cached.
    pub fn until(&self, max_age: Duration) -> u64 {
        self.moment.saturating_add(nanos(max_age))
    }
}

/// A change that is being made. It is reported when this goes, whether or not the change came
/// to an end.
#[must_use]
pub struct Changing {
    changes: Arc<Changes>,
    what: Changed,
    is_done: bool,
}

impl Changes {
    /// Nothing has changed, and what is read stands until something does.
    pub fn new() -> Arc<Self> {
        Self::with_lease(ALWAYS)
    }

    /// The same, where nothing stands until somebody listens.
    pub fn unheard() -> Arc<Self> {
        Self::with_lease(0)
    }

    #[allow(
        clippy::disallowed_methods,
        reason = "how old news is has nothing to do with the time of the application"
    )]
    fn with_lease(lease: u64) -> Arc<Self> {
        Arc::new(Self {
            count: AtomicU64::new(0),
            everything: AtomicU64::new(0),
            marks: (0..MARKS).map(|_| AtomicU64::new(0)).collect(),
            hasher: RandomState::new(),
            began: Instant::now(),
            lease: AtomicU64::new(lease),
            is_asked: AtomicBool::new(false),
            wake: Notify::new(),
            leased: Notify::new(),
            subscribers: OnceLock::new(),
        })
    }

    /// Nanoseconds on a clock of its own, which never goes back.
    pub fn now(&self) -> u64 {
        nanos(self.began.elapsed())
    }

    /// Before a read.
    pub fn begin(&self) -> Began {
        Began { count: self.count.load(SeqCst), moment: self.now() }
    }

    /// What a read was of.
    pub fn reading(&self, began: Began, session: SessionId, user: &UserId) -> Reading {
        Reading {
            count: began.count,
            session: self.mark(session.as_bytes()),
            user: self.of_user(user),
        }
    }

    /// What a read of a user alone was of.
    pub fn reading_of(&self, began: Began, user: &UserId) -> Reading {
        let mark = self.of_user(user);
        Reading { count: began.count, session: mark, user: mark }
    }

    /// Whether what was read stands, at a moment of [`now`](Self::now).
    pub fn stand(&self, reading: &Reading, now: u64) -> bool {
        self.is_leased(now) && !self.is_changed(reading)
    }

    /// Whether what was read may have changed, as far as is known, whether or not all changes are
    /// heard of.
    pub fn is_changed(&self, reading: &Reading) -> bool {
        self.is_marked(reading) || self.everything.load(SeqCst) > reading.count
    }

    /// Whether it has changed for certain: this session or this user was told of.
    pub fn is_marked(&self, reading: &Reading) -> bool {
        let newest = |mark: u32| self.at(mark).map_or(ALWAYS, |mark| mark.load(SeqCst));
        newest(reading.session) > reading.count || newest(reading.user) > reading.count
    }

    /// Whether anything may stand; asking keeps those awake who renew the lease.
    pub fn is_leased(&self, now: u64) -> bool {
        if !self.is_asked.load(SeqCst) {
            self.is_asked.store(true, SeqCst);
        }
        let leased = now < self.lease.load(SeqCst);
        if !leased {
            self.wake.notify_one();
        }
        leased
    }

    /// A session has changed.
    pub fn session(&self, id: SessionId) {
        self.report(Changed::Session(id));
    }

    /// A user, or all sessions of one, have changed.
    pub fn user(&self, id: &UserId) {
        self.report(Changed::User(self.user_key(id)));
    }

    /// Anything may have changed.
    pub fn everything(&self) {
        self.report(Changed::Everything);
    }

    /// A change of a session is about to be made.
    pub fn of_a_session(self: &Arc<Self>, id: SessionId) -> Changing {
        self.changing(Changed::Session(id))
    }

    /// A change of a user, or of sessions of one, is about to be made.
    pub fn of_a_user(self: &Arc<Self>, id: &UserId) -> Changing {
        self.changing(Changed::User(self.user_key(id)))
    }

    /// Makes a change that returns what it changed, and reports that. If the change fails or is not
    /// awaited to its end, it may yet be made: then `otherwise` is reported, which has to include
    /// all that it may change.
    pub async fn reporting<T, E, I: IntoIterator<Item = Changed>>(
        self: &Arc<Self>,
        otherwise: Changed,
        change: impl Future<Output = Result<T, E>>,
        changed: impl FnOnce(&T) -> I,
    ) -> Result<T, E> {
        let mut unknown = Unknown { changes: self, otherwise, is_known: false };
        let done = change.await?;
        for changed in changed(&done) {
            self.report(changed);
        }
        unknown.is_known = true;
        Ok(done)
    }

    /// Lets things stand for so long from a moment of [`now`](Self::now) on. Whoever calls it
    /// has reported every change that was made before that moment.
    pub fn lease(&self, from: u64, time: Duration) {
        self.lease.store(from.saturating_add(nanos(time)), SeqCst);
        self.leased.notify_waiters();
    }

    /// Returns whether there is a lease, and waits for it for a moment if it has only run out: it is
    /// not renewed while no cache is used.
    pub async fn is_leased_soon(&self) -> bool {
        let mut renewed = pin!(self.leased.notified());
        renewed.as_mut().enable();
        let is_ended = || self.lease.load(SeqCst) == 0;
        if !is_ended() && !self.is_leased(self.now()) {
            let _renewed = timeout(WAKING, renewed).await;
        }
        !is_ended() && self.is_leased(self.now())
    }

    /// Nothing stands any more: changes are not heard of.
    pub fn end_lease(&self) {
        self.lease.store(0, SeqCst);
    }

    /// Whether anybody asked since this was last called.
    pub fn was_asked(&self) -> bool {
        self.is_asked.swap(false, SeqCst)
    }

    /// Comes back when somebody finds no lease.
    pub async fn wanted(&self) {
        self.wake.notified().await;
    }

    /// Subscribes to the changes that are reported from now on.
    pub fn subscribe(&self) -> Subscription {
        let sender = self.subscribers.get_or_init(|| broadcast::Sender::new(BACKLOG));
        Subscription { receiver: sender.subscribe() }
    }

    /// Returns the key of a user in [`Changed::User`], a hash that differs between processes.
    pub fn user_key(&self, id: &UserId) -> u64 {
        self.hasher.hash_one(id.as_str().as_bytes())
    }

    fn changing(self: &Arc<Self>, what: Changed) -> Changing {
        Changing { changes: Arc::clone(self), what, is_done: false }
    }

    /// Reports a change that was made.
    pub fn report(&self, what: Changed) {
        let count = self.count.fetch_add(1, SeqCst) + 1;
        let mark = match what {
            Changed::Session(id) => self.at(self.mark(id.as_bytes())),
            Changed::User(key) => self.at(slot(key)),
            Changed::Everything => None,
        };
        mark.unwrap_or(&self.everything).fetch_max(count, SeqCst);
        if let Some(subscribers) = self.subscribers.get() {
            // An error means that there are no subscribers any more.
            let _sent = subscribers.send(what);
        }
    }

    fn of_user(&self, id: &UserId) -> u32 {
        slot(self.user_key(id))
    }

    fn mark(&self, name: &[u8]) -> u32 {
        slot(self.hasher.hash_one(name))
    }

    fn at(&self, mark: u32) -> Option<&AtomicU64> {
        self.marks.get(usize::try_from(mark).ok()?)
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(ALWAYS)
}

fn slot(key: u64) -> u32 {
    u32::try_from(key % (MARKS as u64)).unwrap_or_default()
}

/// A change of which it is not known yet what it changes.
struct Unknown<'a> {
    changes: &'a Arc<Changes>,
    otherwise: Changed,
    is_known: bool,
}

impl Drop for Unknown<'_> {
    fn drop(&mut self) {
        if !self.is_known {
            drop(self.changes.changing(self.otherwise));
        }
    }
}

impl Changing {
    /// Makes the change. If it is abandoned or fails, for example by a time limit, it may still be
    /// committed, and is reported again.
    pub async fn during<T, E>(
        mut self,
        change: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let outcome = change.await;
        self.is_done = outcome.is_ok();
        outcome
    }
}

impl Drop for Changing {
    fn drop(&mut self) {
        self.changes.report(self.what);
        if self.is_done {
            return;
        }
        // The statement was abandoned and may still be under way.
        let (changes, what) = (Arc::clone(&self.changes), self.what);
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                for pauses in 0..REPEATS {
                    tokio::time::sleep(FIRST_REPEAT * 2_u32.pow(pauses)).await;
                    changes.report(what);
                }
            });
        }
    }
}

impl fmt::Debug for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Changes").field("count", &self.count).finish_non_exhaustive()
    }
}

impl fmt::Debug for Changing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Changing").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: SessionId = SessionId::from_bytes([1; 16]);
    const OTHER: SessionId = SessionId::from_bytes([2; 16]);

    #[test]
    fn a_change_voids_what_was_read_before_it_and_while_it_was_made() {
        let (changes, user) = (Changes::new(), UserId::new("ada"));
        let read = || changes.reading(changes.begin(), ID, &user);
        let before = read();
        assert!(changes.stand(&before, 0));
        let began = changes.begin();
        changes.session(ID);
        assert!(!changes.stand(&before, 0));
        assert!(!changes.stand(&changes.reading(began, ID, &user), 0), "read in between");
        for change in [|changes: &Changes| changes.user(&UserId::new("ada")), Changes::everything] {
            let after = read();
            assert!(changes.stand(&after, 0));
            change(&changes);
            assert!(!changes.stand(&after, 0));
        }
        let after = read();
        changes.session(OTHER);
        changes.user(&UserId::new("bob"));
        let shared = [changes.mark(ID.as_bytes()), changes.of_user(&user)];
        let others = [changes.mark(OTHER.as_bytes()), changes.of_user(&UserId::new("bob"))];
        if !shared.iter().any(|mark| others.contains(mark)) {
            assert!(changes.stand(&after, 0), "somebody else's change");
        }
    }

    #[test]
    fn nothing_stands_without_a_lease() {
        let (changes, user) = (Changes::unheard(), UserId::new("ada"));
        let reading = changes.reading(changes.begin(), ID, &user);
        assert!(!changes.stand(&reading, 0));
        changes.lease(10, Duration::from_nanos(5));
        assert!(changes.stand(&reading, 14) && !changes.stand(&reading, 15));
        changes.end_lease();
        assert!(!changes.stand(&reading, 0));
    }

    /// The share of cached sessions that foreign changes invalidate during the `max_age` of an
    /// entry.
    #[test]
    fn foreign_changes_invalidate_less_than_a_tenth_of_cached_sessions() {
        const CACHED: u32 = 10_000;
        const CHANGES: u32 = 5 * 500;
        let changes = Changes::new();
        let id = |number: u32| SessionId::from_bytes(u128::from(number).to_le_bytes());
        let cached: Vec<_> = (0..CACHED)
            .map(|number| {
                changes.reading(changes.begin(), id(number), &UserId::new(format!("u{number}")))
            })
            .collect();
        (CACHED..CACHED + CHANGES).for_each(|other| changes.session(id(other)));
        let invalid = cached.iter().filter(|reading| changes.is_changed(reading)).count();
        assert!(invalid < cached.len() / 10, "{invalid} of {CACHED}");
    }

    #[test]
    fn the_first_subscriber_creates_the_channel() {
        let changes = Changes::new();
        changes.session(ID);
        assert!(changes.subscribers.get().is_none());
        let mut subscription = changes.subscribe();
        assert_eq!(subscription.try_changed(), None, "reported before");
        changes.session(OTHER);
        assert_eq!(subscription.try_changed(), Some(Changed::Session(OTHER)));
    }

    #[tokio::test(start_paused = true)]
    async fn abandoned_change_is_reported_again() {
        let (changes, user) = (Changes::new(), UserId::new("ada"));
        let read = || changes.reading(changes.begin(), ID, &user);
        let reading = read();
        drop(changes.of_a_user(&user));
        assert!(!changes.stand(&reading, 0));
        let reading = read();
        tokio::time::sleep(FIRST_REPEAT * 2).await;
        assert!(!changes.stand(&reading, 0), "it may have been committed in the meantime");
        tokio::time::sleep(Duration::from_secs(30)).await;
        let reading = read();
        let fails =
            changes.reporting(Changed::Everything, async { Err::<(), _>("no response") }, |()| {
                [Changed::Session(ID)]
            });
        fails.await.unwrap_err();
        assert!(!changes.stand(&reading, 0), "a change that failed may have been made");
        let reading = read();
        tokio::time::sleep(FIRST_REPEAT * 2).await;
        assert!(!changes.stand(&reading, 0), "or may be made later");
        tokio::time::sleep(Duration::from_secs(30)).await;
        let reading = read();
        let ends = async { Ok::<_, ()>([]) };
        changes.reporting(Changed::Everything, ends, |ended: &[Changed; 0]| *ended).await.unwrap();
        assert!(changes.stand(&reading, 0), "nothing has changed");
        let ends = async { Ok::<_, ()>([Changed::Session(ID)]) };
        changes.reporting(Changed::Everything, ends, |ended: &[Changed; 1]| *ended).await.unwrap();
        assert!(!changes.stand(&reading, 0), "the session has changed");
        let reading = read();
        let fails = changes.of_a_user(&user).during(async { Err::<(), _>("no response") });
        fails.await.unwrap_err();
        assert!(!changes.stand(&reading, 0), "a change that failed may have been made");
        let reading = read();
        tokio::time::sleep(FIRST_REPEAT * 2).await;
        assert!(!changes.stand(&reading, 0), "or may be made later");
        tokio::time::sleep(Duration::from_secs(30)).await;
        let reading = read();
        changes.of_a_session(OTHER).during(async { Ok::<_, ()>(()) }).await.unwrap();
        tokio::time::sleep(FIRST_REPEAT * 2).await;
        let shared = [changes.mark(ID.as_bytes()), changes.of_user(&user)];
        assert!(changes.stand(&reading, 0) || shared.contains(&changes.mark(OTHER.as_bytes())));
    }

    /// A commit is reported after at most as long as it took, and a quarter of a second.
    #[tokio::test(start_paused = true)]
    async fn abandoned_change_is_reported_at_growing_intervals() {
        let (changes, began) = (Changes::new(), tokio::time::Instant::now());
        let mut subscription = changes.subscribe();
        drop(changes.of_a_session(ID));
        let mut reported = Vec::new();
        while timeout(Duration::from_secs(60), subscription.changed()).await.is_ok() {
            reported.push(began.elapsed());
        }
        assert!(reported.len() <= 7, "reported {} times", reported.len());
        assert!(reported.last().is_some_and(|last| *last >= Duration::from_secs(15)));
        let late = Duration::from_millis(260);
        assert!(reported.windows(2).all(|pair| pair[1] <= pair[0] * 2 + late), "{reported:?}");
    }
}
