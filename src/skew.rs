//! Compares the clock of this process with the clock of the database.

use std::{
    fmt,
    sync::{
        Arc, Weak,
        atomic::{AtomicU8, Ordering},
    },
    time::Duration,
};

use jiff::SignedDuration;
use tokio::{runtime::Handle, time};

use crate::{
    clock::Clock,
    error::{AuthError, with_sources},
    services::Core,
    store::Store,
};

/// How often the clocks are compared.
const EVERY: Duration = Duration::from_secs(60);
/// From here on a difference is worth a warning.
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
    /// Never compares with `None`.
    pub(crate) fn new(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        max_skew: Option<Duration>,
    ) -> Self {
        Self { store, clock, max_skew, logged: AtomicU8::new(Skew::None as u8) }
    }

    /// Compares the clocks, logs a difference, and returns whether it is within `max_clock_skew`.
    pub(crate) async fn is_within_skew(&self) -> Result<bool, AuthError> {
        let Some(max_skew) = self.max_skew else { return Ok(true) };
        let before = self.clock.now();
        let Some(there) = self.store.server_time().await? else { return Ok(true) };
        let after = self.clock.now();
        // The database read its clock between the two, so this much is certain.
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
                    max_clock_skew: nothing is swept, and simultaneous refreshes on two machines \
                    may be taken for theft; synchronize the clocks by NTP"
                ),
                Skew::Noticeable => tracing::warn!(
                    difference_ms,
                    ?max_skew,
                    "the clock of this machine is {direction} the database's; synchronize the \
                    clocks by NTP"
                ),
                Skew::None => tracing::info!("the clocks of this machine and the database agree"),
            }
        }
        Ok(skew != Skew::Excessive)
    }
}

/// Compares the clocks at once and every minute, until the last handle on the core is dropped.
pub(crate) fn keep_comparing(core: &Arc<Core>, runtime: &Handle) {
    if core.clocks.max_skew.is_none() {
        return;
    }
    let core = Arc::downgrade(core);
    runtime.spawn(async move {
        while let Some(core) = Weak::upgrade(&core) {
            if let Err(error) = core.clocks.is_within_skew().await {
                tracing::warn!(
                    cause = with_sources(&error),
                    "the clock of the database could not be read"
                );
            }
            drop(core);
            time::sleep(EVERY).await;
        }
    });
}

impl fmt::Debug for ClockCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClockCheck").field("max_skew", &self.max_skew).finish_non_exhaustive()
    }
}
