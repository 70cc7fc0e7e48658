//! What happened, at rest.

use async_trait::async_trait;
use jiff::Timestamp;

use super::{StoreError, sealed::Sealed};
use crate::{
    event::{Event, EventKind},
    model::UserId,
};

/// An event that was kept.
#[derive(Clone, Debug)]
pub struct KeptEvent {
    /// Its id; later ones are greater.
    pub id: String,
    /// What happened.
    pub event: Event,
}

/// Which events are asked for; all that is named must hold.
#[derive(Clone, Debug, Default)]
pub struct EventQuery {
    /// Of this user.
    pub user: Option<UserId>,
    /// Of this kind.
    pub kind: Option<EventKind>,
    /// From before the event of this id.
    pub before: Option<String>,
}

/// Events at rest. Everything here is background work.
///
/// This trait is sealed.
#[async_trait]
pub trait EventStore: Sealed + Send + Sync + 'static {
    /// Inserts events, in one statement. An event whose id exists already is skipped: a batch is
    /// inserted again if it is not known whether it was committed.
    async fn insert_events(&self, events: &[KeptEvent]) -> Result<(), StoreError>;

    /// Events, the latest first; at most so many.
    async fn list_events(
        &self,
        query: &EventQuery,
        at_most: u32,
    ) -> Result<Vec<KeptEvent>, StoreError>;

    /// Removes at most `batch` events from before a moment; answers how many.
    async fn sweep_events(&self, before: Timestamp, batch: u32) -> Result<u64, StoreError>;
}
