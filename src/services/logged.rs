//! Conditions that are logged once per process, since every request meets them.

use std::sync::{Mutex, OnceLock, PoisonError};

/// The conditions that this process has logged.
#[derive(Default)]
pub(crate) struct LoggedOnce {
    /// Set once the log has warned that requests have no client IP address.
    pub(crate) nameless: OnceLock<()>,
    /// The second factors that no registered flow verifies.
    factors: Mutex<Vec<&'static str>>,
}

impl LoggedOnce {
    /// Returns those of the names of second factors that were not logged before.
    pub(super) fn factors(&self, names: impl Iterator<Item = &'static str>) -> Vec<&'static str> {
        let mut logged = self.factors.lock().unwrap_or_else(PoisonError::into_inner);
        let new: Vec<_> = names.filter(|name| !logged.contains(name)).collect();
        logged.extend(&new);
        new
    }
}
