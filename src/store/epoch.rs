//! The version stamps of cached data, without locks.

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

/// Gives every change a number from a counter, and each subject a version stamp with the number of
/// its last change. Subjects share the stamps.
///
/// A read takes the value of the counter before it begins. What it read is current while no stamp
/// of its subjects is above that value, provided that each change is recorded after its commit.
#[derive(Debug)]
pub(crate) struct Epoch {
    count: AtomicU64,
    /// The stamp that every subject has in addition to its own.
    everything: AtomicU64,
    stamps: Box<[AtomicU64]>,
}

impl Epoch {
    pub(crate) fn new(stamps: usize) -> Self {
        Self {
            count: AtomicU64::new(0),
            everything: AtomicU64::new(0),
            stamps: (0..stamps).map(|_| AtomicU64::new(0)).collect(),
        }
    }

    /// Returns the number of the last change, for a read that begins.
    pub(crate) fn count(&self) -> u64 {
        self.count.load(SeqCst)
    }

    /// Records a committed change of the subjects with this stamp, or of any subjects if the stamp
    /// does not exist.
    pub(crate) fn record(&self, stamp: u32) {
        self.advance(self.stamp(stamp).unwrap_or(&self.everything));
    }

    /// Records a committed change of any subjects.
    pub(crate) fn record_everything(&self) {
        self.advance(&self.everything);
    }

    /// Returns `true` if a change of the subjects with this stamp was recorded after a read began,
    /// or if the stamp does not exist.
    pub(crate) fn has_changed(&self, stamp: u32, since: u64) -> bool {
        self.stamp(stamp).is_none_or(|stamp| stamp.load(SeqCst) > since)
    }

    /// Returns `true` if a change of any subjects was recorded after a read began.
    pub(crate) fn has_everything_changed(&self, since: u64) -> bool {
        self.everything.load(SeqCst) > since
    }

    /// Sets a stamp to the number of a new change. A concurrent change may have a higher number.
    fn advance(&self, stamp: &AtomicU64) {
        let number = self.count.fetch_add(1, SeqCst) + 1;
        stamp.fetch_max(number, SeqCst);
    }

    fn stamp(&self, stamp: u32) -> Option<&AtomicU64> {
        self.stamps.get(usize::try_from(stamp).ok()?)
    }
}
