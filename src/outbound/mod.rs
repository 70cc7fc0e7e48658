//! Outgoing HTTP requests: the [`HttpClient`] trait and the built-in client.

#[cfg(feature = "oauth")]
mod erased;
#[cfg(feature = "oauth")]
mod https;
#[cfg(feature = "oauth")]
mod wire;

use std::{error::Error as StdError, fmt, future::Future};

use http::{Request, Response};

#[cfg(feature = "oauth")]
pub(crate) use erased::AnyHttpClient;
#[cfg(feature = "oauth")]
pub use https::HttpsClient;
#[cfg(feature = "oauth")]
pub(crate) use wire::{Answer, ExtraHeaders, RequestBody, Wire, basic, form, origin, trouble};

/// A request could not be sent, or its response could not be received.
///
/// ```
/// use authlayer::outbound::HttpError;
///
/// assert_eq!(HttpError::new("no connection").to_string(), "the HTTP request failed");
/// ```
#[derive(Debug, thiserror::Error)]
#[error("the HTTP request failed")]
pub struct HttpError(#[source] Box<dyn StdError + Send + Sync>);

impl HttpError {
    /// Wraps the cause, which is logged and never sent to a client.
    pub fn new(cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self(cause.into())
    }
}

/// Sends requests to identity providers and other services.
///
/// ```
/// use authlayer::outbound::{HttpClient, HttpError};
/// use http::{Request, Response};
///
/// #[derive(Debug)]
/// struct Offline;
///
/// impl HttpClient for Offline {
///     async fn send(&self, _: Request<Vec<u8>>) -> Result<Response<Vec<u8>>, HttpError> {
///         Err(HttpError::new("no connection"))
///     }
/// }
/// ```
///
/// # Security
///
/// An implementation must not follow redirects, must use a timeout of some seconds, and must limit
/// the size of the response body: the response is untrusted (ASVS 15.3.2).
pub trait HttpClient: Send + Sync + fmt::Debug + 'static {
    /// Sends a request and returns the complete response.
    fn send(
        &self,
        request: Request<Vec<u8>>,
    ) -> impl Future<Output = Result<Response<Vec<u8>>, HttpError>> + Send;
}
