//! Requests that the crate sends itself: the port, and the client that is built in.

#[cfg(feature = "oauth")]
mod https;
#[cfg(feature = "oauth")]
mod wire;

use std::{error::Error as StdError, fmt};

use async_trait::async_trait;
use http::{Request, Response};

#[cfg(feature = "oauth")]
pub use https::HttpsClient;
#[cfg(feature = "oauth")]
pub(crate) use wire::{Answer, Wire, basic, form, trouble};

/// A request could not be sent, or its answer not be taken.
#[derive(Debug, thiserror::Error)]
#[error("no answer")]
pub struct HttpError(#[source] Box<dyn StdError + Send + Sync>);

impl HttpError {
    /// Wraps the cause, which is logged and never answered.
    pub fn new(cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self(cause.into())
    }
}

/// Sends requests to providers.
///
/// # Security
///
/// An implementation follows no redirect, gives up after some seconds, and takes no body
/// beyond a bound: what answers is not ours (ASVS 15.3.2).
#[async_trait]
pub trait HttpClient: Send + Sync + fmt::Debug + 'static {
    /// Sends a request and takes the whole answer.
    async fn send(&self, request: Request<Vec<u8>>) -> Result<Response<Vec<u8>>, HttpError>;
}
