//! The built-in HTTP client.

use std::time::Duration;

use http::{Request, Response};
use reqwest::{Client, redirect::Policy};

use super::{HttpClient, HttpError};

const CONNECT: Duration = Duration::from_secs(5);
const WHOLE: Duration = Duration::from_secs(10);
const LONGEST: usize = 1024 * 1024;

/// An HTTPS client with rustls. It follows no redirects, connects within 5 seconds, and accepts
/// responses of at most 1 MiB that are complete within 10 seconds.
#[derive(Clone, Debug)]
pub struct HttpsClient {
    client: Client,
}

impl HttpsClient {
    /// Creates a client with the default timeouts.
    ///
    /// # Errors
    ///
    /// If TLS cannot be set up.
    pub fn new() -> Result<Self, HttpError> {
        Self::with_timeout(WHOLE)
    }

    /// Creates a client with another timeout for the whole request.
    ///
    /// # Errors
    ///
    /// If TLS cannot be set up.
    pub fn with_timeout(whole: Duration) -> Result<Self, HttpError> {
        let client = Client::builder()
            .connect_timeout(CONNECT.min(whole))
            .timeout(whole)
            .redirect(Policy::none())
            .user_agent(concat!("authlayer/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(HttpError::new)?;
        Ok(Self { client })
    }
}

/// Removes the URL from the error, which is logged: the URL may contain secrets.
fn nameless(error: reqwest::Error) -> HttpError {
    HttpError::new(error.without_url())
}

impl HttpClient for HttpsClient {
    async fn send(&self, request: Request<Vec<u8>>) -> Result<Response<Vec<u8>>, HttpError> {
        let request = reqwest::Request::try_from(request).map_err(HttpError::new)?;
        let mut answer = self.client.execute(request).await.map_err(nameless)?;
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(nameless)? {
            body.extend_from_slice(&chunk);
            if body.len() > LONGEST {
                return Err(HttpError::new("the response is larger than 1 MiB"));
            }
        }
        let mut whole = Response::new(body);
        *whole.status_mut() = answer.status();
        *whole.headers_mut() = std::mem::take(answer.headers_mut());
        Ok(whole)
    }
}
