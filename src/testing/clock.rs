//! A clock that tests control.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};

use crate::clock::{Clock, SystemClock};

/// The system time plus the duration that was added by the test. Clones share that duration.
///
/// ```
/// use std::time::Duration;
///
/// use authlayer::{clock::Clock, testing::ManualClock};
///
/// let clock = ManualClock::at("2026-01-01T00:00:00Z");
/// clock.advance(Duration::from_secs(60));
/// assert_eq!(clock.now().to_string(), "2026-01-01T00:01:00Z");
/// ```
#[derive(Clone, Debug, Default)]
pub struct ManualClock {
    advanced_ms: Arc<AtomicI64>,
    frozen: Option<Timestamp>,
}

impl ManualClock {
    /// Creates a clock that stays at a time, such as `2026-01-01T00:00:00Z`, until it is moved. For
    /// a [`Timestamp`], use `ManualClock::from`.
    ///
    /// # Panics
    ///
    /// Panics if the text is not a time.
    pub fn at(time: &str) -> Self {
        Self::from(time.parse::<Timestamp>().expect("a time such as 2026-01-01T00:00:00Z"))
    }

    /// Creates a clock that follows the system time and can be moved.
    pub fn running() -> Self {
        Self::default()
    }

    /// Moves the clock forward.
    pub fn advance(&self, by: Duration) {
        let by = SignedDuration::try_from(by).expect("a test stays within the calendar");
        self.step(by);
    }

    /// Moves the clock forward or, with a negative duration, back, as after a correction of the
    /// system time.
    pub fn step(&self, by: SignedDuration) {
        let millis = i64::try_from(by.as_millis()).expect("a test stays within the calendar");
        self.advanced_ms.fetch_add(millis, Ordering::SeqCst);
    }
}

impl From<Timestamp> for ManualClock {
    fn from(time: Timestamp) -> Self {
        Self { advanced_ms: Arc::default(), frozen: Some(time) }
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        let base = self.frozen.unwrap_or_else(|| SystemClock.now());
        let advanced = SignedDuration::from_millis(self.advanced_ms.load(Ordering::SeqCst));
        base.checked_add(advanced).expect("a test stays within the calendar")
    }
}
