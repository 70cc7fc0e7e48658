//! Storage of rate limit counters.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

use super::{StoreError, sealed::Sealed};
use crate::crypto::digest::Digest;

/// A limit on the number of attempts in a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LimitRule {
    /// Maximum number of attempts in a window.
    pub most: u32,
    /// The duration of the window.
    pub window: Duration,
    /// Whether the window restarts with each attempt, rather than running from the first one.
    pub since_last: bool,
    /// The delays between attempts, if any.
    pub delays: Option<GrowingDelay>,
}

/// A delay that doubles with each attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct GrowingDelay {
    /// The number of attempts without a delay.
    pub free: u32,
    /// The first delay.
    pub first: Duration,
    /// The maximum delay.
    pub longest: Duration,
}

/// A token bucket: a burst size, a refill interval, and a limit per hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Allowance {
    /// The size of the bucket: how many may be taken at once.
    pub at_once: u32,
    /// The refill interval of one.
    pub every: Duration,
    /// Maximum number per hour, if any.
    pub an_hour: Option<u32>,
}

/// The result of counting an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Count {
    /// The attempt was counted; the count afterwards.
    Counted(u32),
    /// The limit is reached: not counted. The next attempt is allowed at this time, which is never
    /// further away than the window of the rule, even if the clock was changed.
    Refused(Timestamp),
}

/// Storage of rate limit counters.
///
/// This trait is sealed.
#[async_trait]
pub trait LimitStore: Sealed + Send + Sync + 'static {
    /// Counts an attempt if the rule allows it now, in one atomic step. Otherwise counts nothing
    /// and returns when the next one is allowed. A counter whose window ends later than a window
    /// that starts now is reset, because the clock was set back.
    async fn count(
        &self,
        key: &Digest,
        rule: &LimitRule,
        now: Timestamp,
    ) -> Result<Count, StoreError>;

    /// Takes one from an allowance, in one atomic step. Otherwise returns when the next one is
    /// available. A counter from before the clock was set back is reset, as in
    /// [`count`](Self::count).
    async fn take(
        &self,
        key: &Digest,
        allowance: &Allowance,
        now: Timestamp,
    ) -> Result<Count, StoreError>;

    /// Decrements a counter.
    async fn uncount(&self, key: &Digest) -> Result<(), StoreError>;

    /// Deletes a counter.
    async fn forget(&self, key: &Digest) -> Result<(), StoreError>;

    /// Deletes at most `batch` expired counters, and returns how many. Counted as background work.
    async fn sweep_limits(&self, now: Timestamp, batch: u32) -> Result<u64, StoreError>;
}
