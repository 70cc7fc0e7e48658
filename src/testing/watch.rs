//! An event sink that keeps what it is given.

use std::sync::{Arc, Mutex, PoisonError};

use crate::event::{Event, EventKind, EventSink};

/// Every event, oldest first. Clones share one list.
#[derive(Clone, Debug, Default)]
pub struct Watch(Arc<Mutex<Vec<Event>>>);

impl Watch {
    /// All events.
    pub fn all(&self) -> Vec<Event> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How many events there were of a kind.
    pub fn count(&self, kind: EventKind) -> usize {
        self.all().iter().filter(|event| event.kind == kind).count()
    }
}

impl EventSink for Watch {
    fn record(&self, event: Event) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(event);
    }
}
