//! Security events of a provider (RFC 8417).

use jiff::Timestamp;

/// The form in which a provider sends a Security Event Token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EventFormat {
    /// `application/secevent+jwt` (RFC 8935 §2.1).
    Standard,
    /// A JSON object with the token in `payload`, as Apple sends it.
    Apple,
}

/// A verified Security Event Token: the events that a provider reports.
///
/// ```
/// use authlayer::{flow::{ProviderEvent, ProviderEvents}, jiff::Timestamp};
///
/// const REVOKED: &str = "https://schemas.openid.net/secevent/caep/event-type/session-revoked";
///
/// fn read(id: &str, issued_at: Timestamp, subject: &str) -> ProviderEvents {
///     ProviderEvents::new(id, issued_at).event(ProviderEvent::new(REVOKED).subject(subject))
/// }
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct ProviderEvents {
    pub(crate) id: String,
    pub(crate) issued_at: Timestamp,
    pub(crate) events: Vec<ProviderEvent>,
}

impl ProviderEvents {
    /// Creates the value from the id of the token (`jti`), which counts once, and the time at which
    /// it was issued.
    pub fn new(id: impl Into<String>, issued_at: Timestamp) -> Self {
        Self { id: id.into(), issued_at, events: Vec::new() }
    }

    /// Adds an event.
    pub fn event(mut self, event: ProviderEvent) -> Self {
        self.events.push(event);
        self
    }
}

/// An event of a [`ProviderEvents`].
///
/// ```
/// use authlayer::flow::ProviderEvent;
///
/// const DISABLED: &str = "https://schemas.openid.net/secevent/risc/event-type/account-disabled";
///
/// let event = ProviderEvent::new(DISABLED).subject("4711").reason("hijacking");
/// # drop(event);
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct ProviderEvent {
    pub(crate) kind: String,
    pub(crate) subject: Option<String>,
    pub(crate) issuer: Option<String>,
    pub(crate) reason: Option<String>,
}

impl ProviderEvent {
    /// Creates an event from its URI.
    pub fn new(kind: impl Into<String>) -> Self {
        Self { kind: kind.into(), subject: None, issuer: None, reason: None }
    }

    /// Sets the subject that the event concerns: the one of its identity.
    pub fn subject(mut self, subject: impl Into<String>) -> Self {
        self.subject = Some(subject.into());
        self
    }

    /// Sets the issuer of the subject, for a provider with one issuer per tenant; by default it is
    /// [`Provider::issuer`](crate::Provider::issuer).
    pub fn issuer(mut self, issuer: impl Into<String>) -> Self {
        self.issuer = Some(issuer.into());
        self
    }

    /// Sets the reason, such as `hijacking` for a disabled account.
    pub fn reason(mut self, reason: impl Into<String>) -> Self {
        self.reason = Some(reason.into());
        self
    }
}

/// The reason why a Security Event Token is rejected (RFC 8935 §2.4).
///
/// ```
/// use authlayer::flow::EventRejection;
///
/// assert_eq!(EventRejection::InvalidKey.code(), "invalid_key");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EventRejection {
    /// It is no Security Event Token, or not one of now.
    InvalidRequest,
    /// The provider has no such key.
    InvalidKey,
    /// It is of another issuer.
    InvalidIssuer,
    /// It is for another client.
    InvalidAudience,
    /// Its signature is invalid, or of an algorithm that is not allowed.
    AuthenticationFailed,
}

impl EventRejection {
    /// Returns the code in the response.
    pub const fn code(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::InvalidKey => "invalid_key",
            Self::InvalidIssuer => "invalid_issuer",
            Self::InvalidAudience => "invalid_audience",
            Self::AuthenticationFailed => "authentication_failed",
        }
    }

    /// Returns the description in the response.
    pub(crate) const fn description(self) -> &'static str {
        match self {
            Self::InvalidRequest => "The request has no valid Security Event Token.",
            Self::InvalidKey => "The key of the token is not one of the issuer.",
            Self::InvalidIssuer => "The issuer of the token is another one.",
            Self::InvalidAudience => "The token is for another audience.",
            Self::AuthenticationFailed => "The signature of the token is not valid.",
        }
    }
}
