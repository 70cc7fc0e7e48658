//! Events that flows record.

use jiff::Timestamp;
use serde_json::Value;

use super::{Client, Services};
use crate::{
    error::AuthError,
    event::{Event, EventKind},
    model::{SessionId, UserId},
};

/// An event to record, with [`Services::record`]. It receives the time when it is recorded.
///
/// ```
/// use authlayer::{AuthError, Client, EventKind, UserId, services::{NewEvent, Services}};
///
/// const PHONE_REJECTED: EventKind = EventKind::custom("phone_rejected");
///
/// fn rejected(services: &Services, client: &Client, user: &UserId) -> Result<(), AuthError> {
///     let event = NewEvent::new(PHONE_REJECTED).user(user).client(client);
///     services.record(event.reason("landline").detail("country", 49))
/// }
/// ```
#[derive(Clone, Debug)]
#[must_use = "an event is recorded by `Services::record`"]
pub struct NewEvent(Event);

impl NewEvent {
    /// Creates an event of this kind.
    ///
    /// ```
    /// use authlayer::{EventKind, services::NewEvent};
    /// let event = NewEvent::new(EventKind::custom("phone_rejected"));
    /// ```
    pub fn new(kind: EventKind) -> Self {
        Self(Event::new(kind, Timestamp::UNIX_EPOCH))
    }

    /// Sets the user.
    ///
    /// ```
    /// # use authlayer::{UserId, services::NewEvent};
    /// # fn doc(event: NewEvent, id: &UserId) -> NewEvent {
    /// event.user(id)
    /// # }
    /// ```
    pub fn user(self, id: &UserId) -> Self {
        Self(self.0.user(id))
    }

    /// Sets the session.
    ///
    /// ```
    /// # use authlayer::{AuthUser, services::NewEvent};
    /// # fn doc(event: NewEvent, user: &AuthUser) -> NewEvent {
    /// event.user(&user.id).session(user.session().id)
    /// # }
    /// ```
    pub fn session(self, id: SessionId) -> Self {
        Self(self.0.session(id))
    }

    /// Sets the user who acted on the account of another one.
    ///
    /// ```
    /// # use authlayer::{UserId, services::NewEvent};
    /// # fn doc(event: NewEvent, user: &UserId, admin: &UserId) -> NewEvent {
    /// event.user(user).actor(admin)
    /// # }
    /// ```
    pub fn actor(self, id: &UserId) -> Self {
        Self(self.0.actor(id))
    }

    /// Sets the IP address and the user agent. By default they are those of the request in which
    /// the event is recorded.
    ///
    /// ```
    /// # use authlayer::{Client, services::NewEvent};
    /// # fn doc(event: NewEvent, client: &Client) -> NewEvent {
    /// event.client(client)
    /// # }
    /// ```
    pub fn client(self, client: &Client) -> Self {
        Self(self.0.client(client.info()))
    }

    /// Sets `detail.reason`, a fixed word.
    ///
    /// ```
    /// # use authlayer::services::NewEvent;
    /// # fn doc(event: NewEvent) -> NewEvent {
    /// event.reason("landline")
    /// # }
    /// ```
    pub fn reason(self, reason: &'static str) -> Self {
        Self(self.0.reason(reason))
    }

    /// Adds a member of `detail`.
    ///
    /// ```
    /// # use authlayer::services::NewEvent;
    /// # fn doc(event: NewEvent) -> NewEvent {
    /// event.detail("country", 49)
    /// # }
    /// ```
    ///
    /// # Security
    ///
    /// It must not be a secret, and not text as it was entered: users type passwords into the wrong
    /// field.
    pub fn detail(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.0.detail.insert(name.to_owned(), value.into());
        self
    }

    pub(super) fn at(self, now: Timestamp) -> Event {
        Event { at: now, ..self.0 }
    }
}

impl Services {
    /// Records an event.
    ///
    /// ```
    /// use authlayer::{AuthError, EventKind, services::{NewEvent, Services}};
    ///
    /// fn record(services: &Services) -> Result<(), AuthError> {
    ///     services.record(NewEvent::new(EventKind::custom("terms_accepted")))
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Unavailable`](crate::ErrorKind::Unavailable) as for all methods of this handle.
    pub fn record(&self, event: NewEvent) -> Result<(), AuthError> {
        let core = self.core()?;
        core.events.record(event.at(core.clock.now()));
        Ok(())
    }
}
