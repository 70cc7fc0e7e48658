//! What is counted, at rest.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

use super::{StoreError, sealed::Sealed};
use crate::crypto::digest::Digest;

/// How often something may happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitRule {
    /// How many there may be in a window.
    pub most: u32,
    /// How long the window is.
    pub window: Duration,
    /// Whether the window begins anew with each, rather than with the first.
    pub since_last: bool,
    /// After how many each has to wait for the next.
    pub free: u32,
    /// How long the first of them waits; each further one twice as long.
    pub delay: Duration,
    /// The longest wait.
    pub longest_delay: Duration,
}

/// How many may be taken at once, how soon they come back, and how many there are in an hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowance {
    /// How many may be taken at once.
    pub at_once: u32,
    /// How long until one comes back.
    pub every: Duration,
    /// How many there are in an hour.
    pub an_hour: u32,
}

/// Whether something was counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    /// It was, and there are so many now.
    Counted(u32),
    /// It was not, and will not be before this moment, which is never further away than the
    /// window of the rule, whatever the clock did.
    Refused(Timestamp),
}

/// Counters at rest.
///
/// This trait is sealed.
#[async_trait]
pub trait LimitStore: Sealed + Send + Sync + 'static {
    /// Counts one more if the rule allows it now, in one atomic step; otherwise counts nothing
    /// and returns when it will be allowed. A counter whose window ends further away than a
    /// window that begins now, because the clock was set back, is void.
    async fn count(
        &self,
        key: &Digest,
        rule: &LimitRule,
        now: Timestamp,
    ) -> Result<Count, StoreError>;

    /// Takes one from an allowance, in one atomic step; otherwise returns when there will be
    /// one. A clock that was set back voids what was counted, as for [`count`](Self::count).
    async fn take(
        &self,
        key: &Digest,
        allowance: &Allowance,
        now: Timestamp,
    ) -> Result<Count, StoreError>;

    /// Counts one less.
    async fn uncount(&self, key: &Digest) -> Result<(), StoreError>;

    /// Forgets what was counted.
    async fn forget(&self, key: &Digest) -> Result<(), StoreError>;

    /// Removes at most `batch` counters that have ended; answers how many. Counted as
    /// background work.
    async fn sweep_limits(&self, now: Timestamp, batch: u32) -> Result<u64, StoreError>;
}
