//! Cache invalidation: tracks which sessions and users have changed since they were read.

use std::{
    fmt,
    hash::{BuildHasher, RandomState},
    sync::{Arc, OnceLock},
    time::Duration,
};

use tokio::sync::broadcast;

use super::{
    epoch::Epoch,
    lease::{Lease, nanos},
};
use crate::model::{SessionId, UserId};

/// The number of version stamps (8 bytes each), which sessions and users share: a change also
/// invalidates cached sessions with the same stamp. A cached session depends on two stamps for its
/// `max_age`, by default 5 seconds (leases are renewed and do not shorten it). With 500 changes per
/// second, 1 - e^(-2 * 2500 / 65536) or 7.4 % of cached sessions, for example 7,400 of 100,000, are
/// fetched again because of changes to others. The target is at most a tenth, and 64 Ki (512 KiB)
/// is the smallest power of two that meets it; with 8 Ki it is 46 %.
const MARKS: usize = 65_536;
/// The capacity of the channel of a subscriber. A subscriber that is further behind receives
/// [`Changed::Everything`]. It is larger than the number of changes that one transaction on
/// PostgreSQL reports separately.
const BACKLOG: usize = 16_384;
/// The number of repeated reports of an abandoned change. The pauses start at [`FIRST_REPEAT`] and
/// double, so the last report is after 15.75 seconds, longer than SQLite waits for a lock. If the
/// change is committed after `t`, it is reported at the latest after `2 * t + FIRST_REPEAT`, which
/// is never more than 8 seconds late. On PostgreSQL the commit is reported too.
const REPEATS: u32 = 6;
const FIRST_REPEAT: Duration = Duration::from_millis(250);

/// Decides whether cached data is valid. Every change gets a number from a counter, and each
/// session and user has a version stamp with the number of its last change; no locks are used.
/// [Subscribers](Self::subscribe) also receive each change through a channel, which the first of
/// them creates.
///
/// Data read from the store is valid while neither its session nor its user has a stamp above the
/// counter at the start of the read. A change therefore invalidates data that was read before it,
/// and data whose read is in progress.
///
/// If other processes can write too, a task polls the database for their changes and renews a
/// lease. Without a lease no cached data is valid.
pub struct InvalidationClock {
    epoch: Epoch,
    lease: Lease,
    hasher: RandomState,
    /// Set by the first subscriber, because the channel allocates its whole capacity at once.
    subscribers: OnceLock<broadcast::Sender<Changed>>,
}

/// The subject of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Changed {
    /// The session with this id.
    Session(SessionId),
    /// The user with this [key](InvalidationClock::user_key), or all sessions of the user.
    User(u64),
    /// Any session or user.
    Everything,
}

/// Receives every change that is reported after [`InvalidationClock::subscribe`].
#[derive(Debug)]
pub struct Subscription {
    receiver: broadcast::Receiver<Changed>,
}

impl Subscription {
    /// Waits for the next change. Returns [`Changed::Everything`] if this subscriber was too far
    /// behind.
    pub async fn changed(&mut self) -> Changed {
        match self.receiver.recv().await {
            Ok(changed) => changed,
            Err(broadcast::error::RecvError::Lagged(_)) => Changed::Everything,
            // The sender was dropped, so no change can be reported any more.
            Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
        }
    }

    /// Returns the next change if one has been reported.
    pub fn try_changed(&mut self) -> Option<Changed> {
        match self.receiver.try_recv() {
            Ok(changed) => Some(changed),
            Err(broadcast::error::TryRecvError::Lagged(_)) => Some(Changed::Everything),
            Err(_) => None,
        }
    }
}

/// The version stamps of a session and its user, and the counter at the start of the read.
#[derive(Clone, Copy, Debug)]
pub struct ReadVersion {
    count: u64,
    session: u32,
    user: u32,
}

/// The start of a read, before its session and user are known.
#[derive(Clone, Copy, Debug)]
pub struct ReadStart {
    count: u64,
    moment: u64,
}

impl ReadStart {
    /// Returns the time of the start, in the unit of [`InvalidationClock::now`].
    pub fn started_at(&self) -> u64 {
        self.moment
    }

    /// Returns the time at which data of this read expires from a cache, in the unit of
    /// [`InvalidationClock::now`].
    pub fn until(&self, max_age: Duration) -> u64 {
        self.moment.saturating_add(nanos(max_age))
    }
}

/// A change in progress. It is reported when this guard is dropped, whether or not the change was
/// completed.
#[must_use]
pub struct PendingChange {
    changes: Arc<InvalidationClock>,
    what: Changed,
    is_done: bool,
}

impl InvalidationClock {
    /// Creates a tracker for a store with no other writers: data is valid until a change is
    /// reported.
    pub fn new() -> Arc<Self> {
        Self::with_lease(Lease::unlimited())
    }

    /// Creates a tracker without a lease: no data is valid until [`renew_lease`](Self::renew_lease) is called.
    pub fn unleased() -> Arc<Self> {
        Self::with_lease(Lease::none())
    }

    fn with_lease(lease: Lease) -> Arc<Self> {
        Arc::new(Self {
            epoch: Epoch::new(MARKS),
            lease,
            hasher: RandomState::new(),
            subscribers: OnceLock::new(),
        })
    }

    /// Returns the nanoseconds of a monotonic clock since the creation of this value.
    pub fn now(&self) -> u64 {
        self.lease.now()
    }

    /// Starts a read.
    pub fn start_read(&self) -> ReadStart {
        ReadStart { count: self.epoch.count(), moment: self.now() }
    }

    /// Returns the stamps of a session and its user for a read.
    pub fn version_of(&self, began: ReadStart, session: SessionId, user: &UserId) -> ReadVersion {
        ReadVersion {
            count: began.count,
            session: self.mark(session.as_bytes()),
            user: self.of_user(user),
        }
    }

    /// Returns the stamp of a user for a read of the user alone.
    pub fn version_of_user(&self, began: ReadStart, user: &UserId) -> ReadVersion {
        let mark = self.of_user(user);
        ReadVersion { count: began.count, session: mark, user: mark }
    }

    /// Returns `true` if data of this read is valid at the time `now`, as returned by
    /// [`now`](Self::now).
    pub fn is_current(&self, reading: &ReadVersion, now: u64) -> bool {
        self.is_leased(now) && !self.may_be_stale(reading)
    }

    /// Returns `true` if a reported change may affect data of this read, with or without a lease.
    pub fn may_be_stale(&self, reading: &ReadVersion) -> bool {
        self.is_stale(reading) || self.epoch.has_everything_changed(reading.count)
    }

    /// Returns `true` if a change of this session or user was reported, or of one with the same
    /// stamp.
    pub fn is_stale(&self, reading: &ReadVersion) -> bool {
        self.epoch.has_changed(reading.session, reading.count)
            || self.epoch.has_changed(reading.user, reading.count)
    }

    /// Returns `true` if there is a lease. A call also requests that the task which renews the
    /// lease stays active.
    pub fn is_leased(&self, now: u64) -> bool {
        self.lease.is_valid(now)
    }

    /// Reports a change of a session.
    pub fn invalidate_session(&self, id: SessionId) {
        self.report(Changed::Session(id));
    }

    /// Reports a change of a user or of all sessions of a user.
    pub fn invalidate_user(&self, id: &UserId) {
        self.report(Changed::User(self.user_key(id)));
    }

    /// Reports that anything may have changed.
    pub fn invalidate_all(&self) {
        self.report(Changed::Everything);
    }

    /// Starts a change of a session.
    pub fn begin_session_change(self: &Arc<Self>, id: SessionId) -> PendingChange {
        self.changing(Changed::Session(id))
    }

    /// Starts a change of a user or of sessions of a user.
    pub fn begin_user_change(self: &Arc<Self>, id: &UserId) -> PendingChange {
        self.changing(Changed::User(self.user_key(id)))
    }

    /// Runs a change that returns what it changed, and reports that. If the change fails or its
    /// future is dropped, it may still be committed: then `otherwise` is reported, which must cover
    /// everything that it may change.
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

    /// Sets the lease to end at `from` + `time`; `from` is in the unit of [`now`](Self::now). The
    /// caller must have reported every change committed before `from`.
    pub fn renew_lease(&self, from: u64, time: Duration) {
        self.lease.renew(from, time);
    }

    /// Returns whether there is a lease. If it has only expired, waits briefly for its renewal: it
    /// is not renewed while no cache is used.
    pub async fn is_leased_soon(&self) -> bool {
        self.lease.is_valid_soon().await
    }

    /// Ends the lease, so that no data is valid: changes by other processes are not known.
    pub fn revoke_lease(&self) {
        self.lease.revoke();
    }

    /// Returns `true` if a lease was requested since the last call.
    pub fn take_demand(&self) -> bool {
        self.lease.take_request()
    }

    /// Waits until a lease is requested while there is none.
    pub async fn wait_for_demand(&self) {
        self.lease.request().await;
    }

    /// Subscribes to changes that are reported from now on.
    pub fn subscribe(&self) -> Subscription {
        let sender = self.subscribers.get_or_init(|| broadcast::Sender::new(BACKLOG));
        Subscription { receiver: sender.subscribe() }
    }

    /// Returns the key of a user in [`Changed::User`], a hash that differs between processes.
    pub fn user_key(&self, id: &UserId) -> u64 {
        self.hasher.hash_one(id.as_str().as_bytes())
    }

    fn changing(self: &Arc<Self>, what: Changed) -> PendingChange {
        PendingChange { changes: Arc::clone(self), what, is_done: false }
    }

    /// Reports a completed change.
    pub fn report(&self, what: Changed) {
        match what {
            Changed::Session(id) => self.epoch.record(self.mark(id.as_bytes())),
            Changed::User(key) => self.epoch.record(slot(key)),
            Changed::Everything => self.epoch.record_everything(),
        }
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
}

fn slot(key: u64) -> u32 {
    u32::try_from(key % (MARKS as u64)).unwrap_or_default()
}

/// A change whose subject is not yet known.
struct Unknown<'a> {
    changes: &'a Arc<InvalidationClock>,
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

impl PendingChange {
    /// Waits for the change. If it fails or its future is dropped, for example by a time limit, it
    /// may still be committed, and is reported again later.
    pub async fn run<T, E>(mut self, change: impl Future<Output = Result<T, E>>) -> Result<T, E> {
        let outcome = change.await;
        self.is_done = outcome.is_ok();
        outcome
    }
}

impl Drop for PendingChange {
    fn drop(&mut self) {
        self.changes.report(self.what);
        if self.is_done {
            return;
        }
        // The statement was abandoned and may still be running.
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

impl fmt::Debug for InvalidationClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InvalidationClock")
            .field("count", &self.epoch.count())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for PendingChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PendingChange").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
