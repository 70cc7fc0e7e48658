//! Storage of events.

use async_trait::async_trait;
use jiff::Timestamp;
use serde::Serialize;

use super::{StoreError, sealed::Sealed};
use crate::{
    event::{Event, EventKind},
    model::UserId,
};

/// A stored event. As JSON it is the event with the member `id`.
///
/// ```
/// use authlayer::store::{EventQuery, StoredEvent};
///
/// fn next_page(last: &StoredEvent) -> EventQuery {
///     EventQuery::default().before(&last.id)
/// }
/// ```
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct StoredEvent {
    /// The id. Later events have greater ids.
    pub id: String,
    /// The event.
    #[serde(flatten)]
    pub event: Event,
}

/// A filter for events. All fields that are set must match.
///
/// ```
/// use authlayer::{EventKind, UserId, store::EventQuery};
/// let failed = EventQuery::default().user(UserId::new("42")).kind(EventKind::SignInFailed);
/// ```
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct EventQuery {
    /// Events of this user.
    pub user: Option<UserId>,
    /// Events of this kind.
    pub kind: Option<EventKind>,
    /// Events before the one with this id.
    pub before: Option<String>,
    /// Events of this time and later, in whole milliseconds.
    pub since: Option<Timestamp>,
    /// Events before this time, in whole milliseconds.
    pub until: Option<Timestamp>,
}

impl EventQuery {
    /// Selects the events of a user.
    ///
    /// ```
    /// # use authlayer::{UserId, store::EventQuery};
    /// assert!(EventQuery::default().user(UserId::new("42")).user.is_some());
    /// ```
    #[must_use]
    pub fn user(mut self, user: UserId) -> Self {
        self.user = Some(user);
        self
    }

    /// Selects the events of a kind.
    ///
    /// ```
    /// # use authlayer::{EventKind, store::EventQuery};
    /// let query = EventQuery::default().kind(EventKind::SignedIn);
    /// assert_eq!(query.kind, Some(EventKind::SignedIn));
    /// ```
    #[must_use]
    pub fn kind(mut self, kind: EventKind) -> Self {
        self.kind = Some(kind);
        self
    }

    /// Selects the events of a time and later.
    ///
    /// ```
    /// # use authlayer::{jiff::Timestamp, store::EventQuery};
    /// assert!(EventQuery::default().since(Timestamp::UNIX_EPOCH).since.is_some());
    /// ```
    #[must_use]
    pub fn since(mut self, at: Timestamp) -> Self {
        self.since = Some(at);
        self
    }

    /// Selects the events before a time.
    ///
    /// ```
    /// # use authlayer::{jiff::Timestamp, store::EventQuery};
    /// assert!(EventQuery::default().until(Timestamp::UNIX_EPOCH).until.is_some());
    /// ```
    #[must_use]
    pub fn until(mut self, at: Timestamp) -> Self {
        self.until = Some(at);
        self
    }

    /// Selects the events before the one with this id, for the next page.
    ///
    /// ```
    /// # use authlayer::store::{EventQuery, StoredEvent};
    /// fn next(query: EventQuery, page: &[StoredEvent]) -> Option<EventQuery> {
    ///     Some(query.before(&page.last()?.id))
    /// }
    /// ```
    #[must_use]
    pub fn before(mut self, id: impl Into<String>) -> Self {
        self.before = Some(id.into());
        self
    }
}

/// A deleted user whose events may still have IP addresses and user agents.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeletedUser {
    /// The user.
    pub user: UserId,
    /// Events up to this time are anonymized; `None` before [`EventStore::date_deletion`].
    pub at: Option<Timestamp>,
    /// The id of the event up to which all are anonymized; empty at first.
    pub checked_to: String,
}

/// Returns the smallest id that an event of this time can have. Ids are ordered by time.
pub(crate) fn first_id_at(at: Timestamp) -> String {
    format!("{:012x}", u64::try_from(at.as_millisecond()).unwrap_or_default())
}

/// The number of hexadecimal digits in each part of an event id.
const ID_PARTS: [usize; 3] = [12, 8, 16];

/// Returns whether a text has the form of an event id.
pub(crate) fn is_event_id(text: &str) -> bool {
    let is_part = |(part, len): (&str, usize)| {
        part.len() == len && part.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    };
    text.split('-').count() == ID_PARTS.len() && text.split('-').zip(ID_PARTS).all(is_part)
}

/// Storage of events. All methods count as background work.
///
/// This trait is sealed.
#[async_trait]
pub trait EventStore: Sealed + Send + Sync + 'static {
    /// Inserts events in one statement. Skips events whose ids exist, because a batch is inserted
    /// again if it is not known whether it was committed.
    async fn insert_events(&self, events: &[StoredEvent]) -> Result<(), StoreError>;

    /// Returns at most `at_most` events, the latest first.
    async fn list_events(
        &self,
        query: &EventQuery,
        at_most: u32,
    ) -> Result<Vec<StoredEvent>, StoreError>;

    /// Deletes at most `batch` events before `before`, and returns how many.
    async fn sweep_events(&self, before: Timestamp, batch: u32) -> Result<u64, StoreError>;

    /// Returns at most `at_most` deleted users in the order of their ids, starting after `after`.
    async fn list_deleted_users(
        &self,
        after: Option<&UserId>,
        at_most: u32,
    ) -> Result<Vec<DeletedUser>, StoreError>;

    /// Sets the time of a deletion that has none.
    async fn date_deletion(&self, user: &UserId, at: Timestamp) -> Result<(), StoreError>;

    /// Removes the IP addresses and user agents of events up to a time, starting after the event
    /// `after`: of at most `batch` events about a user, and as many in which the user acted. Returns
    /// the id of the last one, or `None` if there are no further events.
    async fn anonymize_events(
        &self,
        user: &UserId,
        until: Timestamp,
        after: &str,
        batch: u32,
    ) -> Result<Option<String>, StoreError>;

    /// Records up to which event the events of a user who was deleted at a time are anonymized.
    async fn note_checked(
        &self,
        user: &UserId,
        at: Timestamp,
        checked_to: &str,
    ) -> Result<(), StoreError>;

    /// Removes the record of a deletion of this time.
    async fn remove_deleted_user(&self, user: &UserId, at: Timestamp) -> Result<(), StoreError>;
}
