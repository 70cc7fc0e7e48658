//! The object-safe form of [`HttpClient`].

use std::{fmt, future::Future, pin::Pin};

use http::{Request, Response};

use super::{HttpClient, HttpError};

type Sending<'a> = Pin<Box<dyn Future<Output = Result<Response<Vec<u8>>, HttpError>> + Send + 'a>>;

/// The object-safe form of [`HttpClient`].
pub(crate) trait AnyHttpClient: Send + Sync + fmt::Debug {
    fn send(&self, request: Request<Vec<u8>>) -> Sending<'_>;
}

impl<C: HttpClient> AnyHttpClient for C {
    fn send(&self, request: Request<Vec<u8>>) -> Sending<'_> {
        Box::pin(HttpClient::send(self, request))
    }
}
