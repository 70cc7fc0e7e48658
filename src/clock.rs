//! The source of the current time.
//!
//! The crate reads the time only from the [`Clock`] that the builder was given. Tests can set the
//! clock and check every expiry to the millisecond.

use std::{fmt, time::Duration};

use jiff::Timestamp;

/// A source of the current time.
///
/// ```
/// use authlayer::{clock::Clock, jiff::Timestamp};
///
/// #[derive(Debug)]
/// struct Fixed;
///
/// impl Clock for Fixed {
///     fn now(&self) -> Timestamp {
///         Timestamp::UNIX_EPOCH
///     }
/// }
/// ```
pub trait Clock: Send + Sync + fmt::Debug + 'static {
    /// Returns the current time. Only whole milliseconds are stored.
    fn now(&self) -> Timestamp;
}

/// The clock of the operating system.
///
/// ```
/// use authlayer::clock::{Clock, SystemClock};
///
/// assert!(SystemClock.now() > jiff::Timestamp::UNIX_EPOCH);
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the time")]
    fn now(&self) -> Timestamp {
        // Truncated to milliseconds directly, since this runs on every request.
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let millis = since.ok().and_then(|since| i64::try_from(since.as_millis()).ok());
        let moment = millis.and_then(|millis| Timestamp::from_millisecond(millis).ok());
        moment.unwrap_or_else(|| whole_millis(Timestamp::now()))
    }
}

/// Truncates a timestamp to whole milliseconds, its precision in storage.
///
/// ```
/// use authlayer::clock::whole_millis;
///
/// let time: jiff::Timestamp = "2026-01-01T00:00:00.123456Z".parse()?;
/// assert_eq!(whole_millis(time).to_string(), "2026-01-01T00:00:00.123Z");
/// # Ok::<_, jiff::Error>(())
/// ```
pub fn whole_millis(moment: Timestamp) -> Timestamp {
    Timestamp::from_millisecond(moment.as_millisecond()).unwrap_or(moment)
}

/// Adds a duration, and returns the maximum timestamp on overflow: durations are options of the
/// application.
pub(crate) fn after(moment: Timestamp, duration: Duration) -> Timestamp {
    moment.saturating_add(duration).unwrap_or(Timestamp::MAX)
}
