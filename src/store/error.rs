//! The error of the store.

use std::error::Error as StdError;

/// The store is unavailable. The message includes that of the cause, for example the host and port
/// of the server and the reason it reported.
#[derive(Debug, thiserror::Error)]
#[error("the store is not available: {0}")]
pub struct StoreError(#[source] Box<dyn StdError + Send + Sync>);

impl StoreError {
    /// Wraps the cause, which is logged and never sent to a client.
    pub fn new(cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self(cause.into())
    }
}
