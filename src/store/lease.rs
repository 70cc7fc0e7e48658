//! The lease under which cached data is valid.

use std::{
    pin::pin,
    sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    time::{Duration, Instant},
};

use tokio::{sync::Notify, time::timeout};

/// The maximum wait for a lease that expired because no cache was used: the duration of a poll of
/// the database.
const WAKING: Duration = Duration::from_millis(100);
/// The expiry of a lease that was revoked or never given.
const NONE: u64 = 0;
/// The expiry of a lease that never ends.
const UNLIMITED: u64 = u64::MAX;

/// Permission to use cached data until a time, which is measured on a monotonic clock. The task
/// that renews the lease sleeps while no cache is used.
#[derive(Debug)]
pub(super) struct Lease {
    began: Instant,
    /// The expiry, in nanoseconds of [`now`](Self::now).
    until: AtomicU64,
    is_requested: AtomicBool,
    requested: Notify,
    renewed: Notify,
}

impl Lease {
    /// Creates a lease that never ends, unless it is revoked or replaced.
    pub(super) fn unlimited() -> Self {
        Self::until(UNLIMITED)
    }

    /// Creates a lease that has not been given yet.
    pub(super) fn none() -> Self {
        Self::until(NONE)
    }

    #[allow(
        clippy::disallowed_methods,
        reason = "leases are measured on a monotonic clock, not in application time"
    )]
    fn until(until: u64) -> Self {
        Self {
            began: Instant::now(),
            until: AtomicU64::new(until),
            is_requested: AtomicBool::new(false),
            requested: Notify::new(),
            renewed: Notify::new(),
        }
    }

    /// Returns the nanoseconds of a monotonic clock since the creation of this value.
    pub(super) fn now(&self) -> u64 {
        nanos(self.began.elapsed())
    }

    /// Returns `true` if the lease is valid, and requests that it is renewed.
    pub(super) fn is_valid(&self, now: u64) -> bool {
        if !self.is_requested.load(SeqCst) {
            self.is_requested.store(true, SeqCst);
        }
        let is_valid = now < self.until.load(SeqCst);
        if !is_valid {
            self.requested.notify_one();
        }
        is_valid
    }

    /// Like [`is_valid`](Self::is_valid). If the lease has only expired, waits briefly for its
    /// renewal.
    pub(super) async fn is_valid_soon(&self) -> bool {
        let mut renewed = pin!(self.renewed.notified());
        renewed.as_mut().enable();
        if !self.is_revoked() && !self.is_valid(self.now()) {
            let _renewed = timeout(WAKING, renewed).await;
        }
        !self.is_revoked() && self.is_valid(self.now())
    }

    /// Sets the end to `from` + `time`; `from` is in the unit of [`now`](Self::now).
    pub(super) fn renew(&self, from: u64, time: Duration) {
        self.until.store(from.saturating_add(nanos(time)), SeqCst);
        self.renewed.notify_waiters();
    }

    pub(super) fn revoke(&self) {
        self.until.store(NONE, SeqCst);
    }

    /// Returns `true` if the lease was requested since the last call.
    pub(super) fn take_request(&self) -> bool {
        self.is_requested.swap(false, SeqCst)
    }

    /// Waits until the lease is requested while it is not valid.
    pub(super) async fn request(&self) {
        self.requested.notified().await;
    }

    fn is_revoked(&self) -> bool {
        self.until.load(SeqCst) == NONE
    }
}

/// Returns a duration in the unit of [`Lease::now`].
pub(super) fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(UNLIMITED)
}
