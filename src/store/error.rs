//! The error of the store.

use std::error::Error as StdError;

use crate::error::{AuthError, ErrorKind};

/// The store is unavailable. The message includes that of the cause, for example the host and port
/// of the server and the reason it reported.
///
/// ```
/// use authlayer::store::StoreError;
///
/// fn failed(status: u16) -> StoreError {
///     StoreError::new(format!("the directory returned {status}"))
/// }
/// ```
#[derive(Debug, thiserror::Error)]
#[error("the store is not available: {0}")]
pub struct StoreError(#[source] Box<dyn StdError + Send + Sync>);

impl StoreError {
    /// Wraps the cause, which is logged and never sent to a client.
    pub fn new(cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self(cause.into())
    }

    /// Creates the error of a transaction whose hook failed.
    pub(crate) fn of_hook(error: AuthError) -> Self {
        Self::new(HookFailed(error))
    }

    /// Creates the error of an operation that this storage of users does not support, such as
    /// `list_users`. The client gets 501 `unsupported` with its name.
    ///
    /// ```
    /// use authlayer::store::StoreError;
    /// let error = StoreError::unsupported("list_users");
    /// assert!(error.to_string().contains("list_users"));
    /// ```
    pub fn unsupported(operation: &'static str) -> Self {
        Self::new(Unsupported(operation))
    }

    /// Returns the error for the client: that of a hook, [`ErrorKind::Unsupported`], or [`ErrorKind::Unavailable`].
    pub(crate) fn into_auth_error(self) -> AuthError {
        let cause = match self.0.downcast::<HookFailed>() {
            Ok(failed) => return failed.0,
            Err(cause) => cause,
        };
        match cause.downcast::<Unsupported>() {
            Ok(own) => AuthError::unsupported(own.0),
            Err(cause) => AuthError::new(ErrorKind::Unavailable).with_source(Self(cause)),
        }
    }
}

#[derive(Debug, thiserror::Error)]
#[error("this storage of users does not support `{0}`")]
struct Unsupported(&'static str);

#[derive(Debug, thiserror::Error)]
#[error("a hook rejected the user: {0}")]
struct HookFailed(AuthError);
