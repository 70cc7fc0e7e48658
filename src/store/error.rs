//! What a store answers that could not do its work.

use std::error::Error as StdError;

/// The store could not do its work. Its text has that of the cause, for example the host and port of
/// a server and its own reason.
#[derive(Debug, thiserror::Error)]
#[error("the store is not available: {0}")]
pub struct StoreError(#[source] Box<dyn StdError + Send + Sync>);

impl StoreError {
    /// Wraps the cause, which is logged and never answered.
    pub fn new(cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self(cause.into())
    }
}
