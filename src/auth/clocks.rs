//! Compares the clocks in the background.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use tokio::{runtime::Handle, time};

use crate::{error::with_sources, services::Core};

/// The interval between two comparisons.
const EVERY: Duration = Duration::from_secs(60);

/// The option [`max_clock_skew`](crate::AuthBuilder::max_clock_skew).
#[derive(Clone, Copy)]
pub(super) enum MaxSkew {
    /// Half the grace of refresh tokens, but at least a second.
    HalfOfGrace,
    Limit(Duration),
    /// The clocks are not compared.
    Unchecked,
}

impl MaxSkew {
    /// Returns the maximum that the application set, or no comparison for `None`.
    pub(super) fn of(skew: Option<Duration>) -> Self {
        skew.map_or(Self::Unchecked, Self::Limit)
    }

    /// Returns the maximum for this grace, or `None` if the clocks are not compared.
    pub(super) fn limit(self, grace: Duration) -> Option<Duration> {
        match self {
            Self::HalfOfGrace => Some((grace / 2).max(Duration::from_secs(1))),
            Self::Limit(skew) => Some(skew),
            Self::Unchecked => None,
        }
    }
}

/// Compares the clocks at once and every minute, until the last reference to the core is dropped.
pub(crate) fn keep_comparing(core: &Arc<Core>, runtime: &Handle) {
    if !core.clocks.compares() {
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
