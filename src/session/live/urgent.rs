//! The watched sessions that changed and are to be fetched before all others.

use std::collections::{BTreeMap, HashMap};

use crate::model::SessionId;

/// A queue that contains each session at most once.
#[derive(Debug, Default)]
pub(super) struct Urgent {
    serial: u64,
    order: BTreeMap<u64, SessionId>,
    places: HashMap<SessionId, u64>,
}

impl Urgent {
    /// Appends a session, unless it is already queued.
    pub(super) fn insert(&mut self, id: SessionId) {
        if !self.contains(id) {
            self.serial += 1;
            self.order.insert(self.serial, id);
            self.places.insert(id, self.serial);
        }
    }

    pub(super) fn contains(&self, id: SessionId) -> bool {
        self.places.contains_key(&id)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    pub(super) fn remove(&mut self, id: SessionId) {
        if let Some(place) = self.places.remove(&id) {
            self.order.remove(&place);
        }
    }

    /// Removes at most `at_most` sessions, in the order in which they first changed.
    pub(super) fn take(&mut self, at_most: usize) -> Vec<SessionId> {
        let taken: Vec<_> = self.order.values().take(at_most).copied().collect();
        taken.iter().for_each(|id| self.remove(*id));
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_session_is_queued_once_in_the_order_of_its_first_change() {
        let [one, two, three] = [3, 2, 1].map(|byte| SessionId::from_bytes([byte; 16]));
        let mut urgent = Urgent::default();
        for id in [one, two, one, three, two] {
            urgent.insert(id);
        }
        assert_eq!(urgent.take(1), [one]);
        urgent.insert(one);
        urgent.remove(two);
        assert!(urgent.contains(three) && !urgent.contains(two));
        assert_eq!(urgent.take(5), [three, one]);
        assert!(urgent.is_empty());
    }
}
