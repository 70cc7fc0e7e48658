//! Compares the clock of this process with the clock of the database.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    time::Duration,
};

use jiff::SignedDuration;

use crate::{clock::Clock, error::AuthError, store::Store};

/// A larger difference is logged as a warning.
const NOTICEABLE: Duration = Duration::from_secs(1);

/// The comparison of the clock of this process with the clock of the database.
pub(crate) struct ClockCheck {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    max_skew: Option<Duration>,
    /// The [`Skew`] that was logged last.
    logged: AtomicU8,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Skew {
    None = 0,
    Noticeable = 1,
    Excessive = 2,
}

impl ClockCheck {
    /// Creates a check that is disabled if `max_skew` is `None`.
    pub(crate) fn new(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        max_skew: Option<Duration>,
    ) -> Self {
        Self { store, clock, max_skew, logged: AtomicU8::new(Skew::None as u8) }
    }

    /// Returns `true` if the check is enabled.
    pub(crate) fn compares(&self) -> bool {
        self.max_skew.is_some()
    }

    /// Compares the clocks, logs a difference, and returns `true` if it is within `max_clock_skew`.
    pub(crate) async fn is_within_skew(&self) -> Result<bool, AuthError> {
        let Some(max_skew) = self.max_skew else { return Ok(true) };
        let before = self.clock.now();
        let Some(there) = self.store.server_time().await? else { return Ok(true) };
        let after = self.clock.now();
        // The database read its clock between the two, so the difference is at least this much.
        let ahead = before.duration_since(there).max(SignedDuration::ZERO);
        let behind = there.duration_since(after).max(SignedDuration::ZERO);
        let (difference, direction) =
            if ahead > behind { (ahead, "ahead of") } else { (behind, "behind") };
        let difference = difference.unsigned_abs();
        let skew = match difference {
            _ if difference > max_skew => Skew::Excessive,
            _ if difference > NOTICEABLE => Skew::Noticeable,
            _ => Skew::None,
        };
        if self.logged.swap(skew as u8, Ordering::Relaxed) != skew as u8 {
            let difference_ms = u64::try_from(difference.as_millis()).unwrap_or(u64::MAX);
            match skew {
                Skew::Excessive => tracing::error!(
                    difference_ms,
                    ?max_skew,
                    "the clock of this machine is {direction} the database's by more than \
                    max_clock_skew: expired rows are not deleted, and refreshes on two machines \
                    at once may count as token theft; synchronize the clocks with NTP"
                ),
                Skew::Noticeable => tracing::warn!(
                    difference_ms,
                    ?max_skew,
                    "the clock of this machine is {direction} the database's; synchronize the \
                    clocks with NTP"
                ),
                Skew::None => tracing::info!("the clocks of this machine and the database agree"),
            }
        }
        Ok(skew != Skew::Excessive)
    }
}

impl fmt::Debug for ClockCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClockCheck").field("max_skew", &self.max_skew).finish_non_exhaustive()
    }
}
