//! The built-in HTTP client.

use std::time::Duration;

use http::{Request, Response};
use reqwest::{Certificate, Client, redirect::Policy};

use super::{HttpClient, HttpError};

const CONNECT: Duration = Duration::from_secs(5);
const WHOLE: Duration = Duration::from_secs(10);
const LONGEST: usize = 1024 * 1024;

/// An HTTPS client with rustls. It follows no redirects, connects within 5 seconds, and accepts
/// responses of at most 1 MiB that are complete within 10 seconds.
#[derive(Clone, Debug)]
pub struct HttpsClient {
    client: Client,
    timeout: Duration,
    roots: Vec<Certificate>,
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
        Self::build(whole, Vec::new())
    }

    /// Trusts another certificate authority besides the public ones, for example that of a company:
    /// one or more certificates in PEM. Pass the client to
    /// [`Oidc::http_client`](crate::Oidc::http_client).
    ///
    /// ```
    /// # fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// use authlayer::outbound::HttpsClient;
    ///
    /// let pem = std::fs::read("/etc/ssl/company.pem")?;
    /// let client = HttpsClient::new()?.add_root_certificate(&pem)?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// If the text contains no certificate or an invalid one, or TLS cannot be set up.
    pub fn add_root_certificate(mut self, pem: &[u8]) -> Result<Self, HttpError> {
        let added = Certificate::from_pem_bundle(pem).map_err(HttpError::new)?;
        if added.is_empty() {
            return Err(HttpError::new("the PEM text contains no certificate"));
        }
        self.roots.extend(added);
        Self::build(self.timeout, self.roots)
    }

    fn build(timeout: Duration, roots: Vec<Certificate>) -> Result<Self, HttpError> {
        let builder = Client::builder()
            .connect_timeout(CONNECT.min(timeout))
            .timeout(timeout)
            .redirect(Policy::none())
            .user_agent(concat!("authlayer/", env!("CARGO_PKG_VERSION")));
        let builder = roots.iter().cloned().fold(builder, |b, root| b.add_root_certificate(root));
        let client = builder.build().map_err(HttpError::new)?;
        Ok(Self { client, timeout, roots })
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
