//! Checks for breached passwords.

use std::{fmt, future::Future, pin::Pin, sync::Arc};

/// The check for a breached password failed.
///
/// ```
/// use authlayer::flow::password::BreachError;
///
/// let error = BreachError::new("no connection");
/// assert_eq!(error.to_string(), "the check for breached passwords failed");
/// ```
#[derive(Debug, thiserror::Error)]
#[error("the check for breached passwords failed")]
pub struct BreachError(#[source] Box<dyn std::error::Error + Send + Sync>);

impl BreachError {
    /// Creates the error with its cause, which is logged and never sent to the client.
    pub fn new(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self(cause.into())
    }
}

/// A source of passwords that were found in breaches.
///
/// ```
/// use std::collections::HashSet;
///
/// use authlayer::{
///     Password,
///     flow::password::{BreachError, BreachSource, OnCheckFailure},
/// };
///
/// struct List(HashSet<String>);
///
/// impl BreachSource for List {
///     async fn knows(&self, password: &str) -> Result<bool, BreachError> {
///         Ok(self.0.contains(password))
///     }
/// }
/// let flow = Password::new().breach_check(List(HashSet::new()), OnCheckFailure::Refuse);
/// ```
pub trait BreachSource: Send + Sync + 'static {
    /// Returns whether this password was found in a breach.
    ///
    /// # Errors
    ///
    /// [`BreachError`] if the source is not available.
    ///
    /// # Security
    ///
    /// The password must not leave the process, nor any data that distinguishes it from a few
    /// hundred others.
    fn knows(&self, password: &str) -> impl Future<Output = Result<bool, BreachError>> + Send;
}

/// The object-safe form of [`BreachSource`].
pub(super) trait AnyBreachSource: Send + Sync {
    fn knows<'a>(
        &'a self,
        password: &'a str,
    ) -> Pin<Box<dyn Future<Output = Result<bool, BreachError>> + Send + 'a>>;
}

impl<B: BreachSource> AnyBreachSource for B {
    fn knows<'a>(
        &'a self,
        password: &'a str,
    ) -> Pin<Box<dyn Future<Output = Result<bool, BreachError>> + Send + 'a>> {
        Box::pin(BreachSource::knows(self, password))
    }
}

/// The handling of a new password while its source is not available.
///
/// ```
/// use authlayer::flow::password::OnCheckFailure;
///
/// assert_eq!(OnCheckFailure::default(), OnCheckFailure::Accept);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnCheckFailure {
    /// Accepts the password and records an event, so that sign-up does not depend on another
    /// service.
    #[default]
    Accept,
    /// Rejects the request with 503.
    Refuse,
}

#[derive(Clone)]
pub(super) struct Breached {
    pub(super) source: Arc<dyn AnyBreachSource>,
    pub(super) outage: OnCheckFailure,
}

impl fmt::Debug for Breached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Breached").field("outage", &self.outage).finish_non_exhaustive()
    }
}
