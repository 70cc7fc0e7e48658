//! Passwords that are known from elsewhere.

use std::{fmt, sync::Arc};

use async_trait::async_trait;

/// It could not be found out whether a password is known.
#[derive(Debug, thiserror::Error)]
#[error("breached passwords cannot be asked about")]
pub struct BreachError(#[source] Box<dyn std::error::Error + Send + Sync>);

impl BreachError {
    /// Wraps the cause, which is logged and never answered.
    pub fn new(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self(cause.into())
    }
}

/// Knows passwords that were found in breaches.
#[async_trait]
pub trait BreachSource: Send + Sync + 'static {
    /// Whether this password was found.
    ///
    /// # Errors
    ///
    /// [`BreachError`] when that cannot be said now.
    ///
    /// # Security
    ///
    /// The password must not leave the process, nor anything by which it could be told from a
    /// few hundred others.
    async fn knows(&self, password: &str) -> Result<bool, BreachError>;
}

/// What becomes of a new password while its source does not answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Outage {
    /// It is taken, and an event says so: signing up does not depend on somebody else.
    #[default]
    Accept,
    /// It is refused with 503.
    Refuse,
}

#[derive(Clone)]
pub(super) struct Breached {
    pub(super) source: Arc<dyn BreachSource>,
    pub(super) outage: Outage,
}

impl fmt::Debug for Breached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Breached").field("outage", &self.outage).finish_non_exhaustive()
    }
}
