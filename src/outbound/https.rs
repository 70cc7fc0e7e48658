//! The client that is built in.

use std::time::Duration;

use async_trait::async_trait;
use http::{Request, Response};
use reqwest::{Client, redirect::Policy};

use super::{HttpClient, HttpError};

const CONNECT: Duration = Duration::from_secs(5);
const WHOLE: Duration = Duration::from_secs(10);
const LONGEST: usize = 1024 * 1024;

/// HTTPS by rustls: no redirect is followed, a connection stands within five seconds, the
/// answer is whole within ten and has at most a mebibyte.
#[derive(Clone, Debug)]
pub struct HttpsClient {
    client: Client,
}

impl HttpsClient {
    /// A client with the usual time limits.
    ///
    /// # Errors
    ///
    /// When TLS cannot be set up.
    pub fn new() -> Result<Self, HttpError> {
        Self::with_patience(WHOLE)
    }

    /// A client that gives up after another time.
    ///
    /// # Errors
    ///
    /// When TLS cannot be set up.
    pub fn with_patience(whole: Duration) -> Result<Self, HttpError> {
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

/// Errors are logged, and a URL is not ours to log.
fn nameless(error: reqwest::Error) -> HttpError {
    HttpError::new(error.without_url())
}

#[async_trait]
impl HttpClient for HttpsClient {
    async fn send(&self, request: Request<Vec<u8>>) -> Result<Response<Vec<u8>>, HttpError> {
        let request = reqwest::Request::try_from(request).map_err(HttpError::new)?;
        let mut answer = self.client.execute(request).await.map_err(nameless)?;
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(nameless)? {
            body.extend_from_slice(&chunk);
            if body.len() > LONGEST {
                return Err(HttpError::new("the answer is too long"));
            }
        }
        let mut whole = Response::new(body);
        *whole.status_mut() = answer.status();
        *whole.headers_mut() = std::mem::take(answer.headers_mut());
        Ok(whole)
    }
}
