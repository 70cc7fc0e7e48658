//! A clock that a test moves.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};

use crate::clock::{Clock, SystemClock};

/// The time of the machine, plus what the test has added. Clones move together.
#[derive(Clone, Debug, Default)]
pub struct ManualClock {
    advanced_ms: Arc<AtomicI64>,
    frozen: Option<Timestamp>,
}

impl ManualClock {
    /// A clock that stands still at a moment until it is moved.
    pub fn at(moment: Timestamp) -> Self {
        Self { advanced_ms: Arc::default(), frozen: Some(moment) }
    }

    /// A clock that goes with the machine and can be moved.
    pub fn running() -> Self {
        Self::default()
    }

    /// Moves it forward.
    pub fn advance(&self, by: Duration) {
        let by = SignedDuration::try_from(by).expect("a test stays within the calendar");
        self.step(by);
    }

    /// Moves it forward, or, by a negative duration, back, as a clock that is set right does.
    pub fn step(&self, by: SignedDuration) {
        let millis = i64::try_from(by.as_millis()).expect("a test stays within the calendar");
        self.advanced_ms.fetch_add(millis, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        let base = self.frozen.unwrap_or_else(|| SystemClock.now());
        let advanced = SignedDuration::from_millis(self.advanced_ms.load(Ordering::SeqCst));
        base.checked_add(advanced).expect("a test stays within the calendar")
    }
}
