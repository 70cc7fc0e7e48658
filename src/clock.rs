//! The time, as an argument.
//!
//! Nothing in the crate asks the system for the time; it asks the [`Clock`] that the
//! builder was given. Tests move a clock by hand, and every expiry can be checked to
//! the millisecond.

use std::{fmt, time::Duration};

use jiff::Timestamp;

/// Where the crate takes the time from.
pub trait Clock: Send + Sync + fmt::Debug + 'static {
    /// The present moment. Only whole milliseconds are kept.
    fn now(&self) -> Timestamp;
}

/// The clock of the machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the time")]
    fn now(&self) -> Timestamp {
        // In whole milliseconds at once: it is asked at every request.
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let millis = since.ok().and_then(|since| i64::try_from(since.as_millis()).ok());
        let moment = millis.and_then(|millis| Timestamp::from_millisecond(millis).ok());
        moment.unwrap_or_else(|| whole_millis(Timestamp::now()))
    }
}

/// The same moment without its part below a millisecond, as it comes back from storage.
pub fn whole_millis(moment: Timestamp) -> Timestamp {
    Timestamp::from_millisecond(moment.as_millisecond()).unwrap_or(moment)
}

/// The moment a duration later, or the last one that can be represented: durations are options of
/// the application.
pub(crate) fn after(moment: Timestamp, duration: Duration) -> Timestamp {
    moment.saturating_add(duration).unwrap_or(Timestamp::MAX)
}
