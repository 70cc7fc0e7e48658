//! An event sink that stores events.

use std::sync::{Arc, Mutex, PoisonError};

use crate::event::{Event, EventKind, EventSink};

/// An event sink that stores every event, oldest first. Clones share the events.
///
/// ```
/// use authlayer::{EventKind, testing::EventRecorder};
///
/// let events = EventRecorder::new();
/// assert_eq!(events.count(EventKind::SignedIn), 0);
/// ```
#[derive(Clone, Debug, Default)]
pub struct EventRecorder(Arc<Mutex<Vec<Event>>>);

impl EventRecorder {
    /// Creates a recorder without events.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns all events.
    pub fn all(&self) -> Vec<Event> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns the number of events of a kind.
    pub fn count(&self, kind: EventKind) -> usize {
        self.all().iter().filter(|event| event.kind == kind).count()
    }
}

impl EventSink for EventRecorder {
    fn record(&self, event: Event) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(event);
    }
}
