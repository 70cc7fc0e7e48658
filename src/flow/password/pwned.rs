//! The range API of Have I Been Pwned and its mirrors.

use std::time::Duration;

use reqwest::{Client, Url, redirect::Policy};
use sha1::{Digest, Sha1};

use super::breach::{BreachError, BreachSource};

const PUBLIC: &str = "https://api.pwnedpasswords.com/range/";
const PATIENCE: Duration = Duration::from_secs(2);
/// A padded range has about 1,000 lines of 40 characters.
const LONGEST: usize = 256 * 1024;
const PREFIX: usize = 5;

/// A source that queries a range API. Only five of the 40 hexadecimal digits of a SHA-1 hash leave
/// the process (k-anonymity). The response is padded, so that its length discloses nothing.
///
/// ```
/// use authlayer::{
///     Password,
///     flow::password::{BreachError, OnCheckFailure, PwnedPasswords},
/// };
///
/// fn flow() -> Result<Password, BreachError> {
///     Ok(Password::new().breach_check(PwnedPasswords::public()?, OnCheckFailure::Accept))
/// }
/// ```
#[derive(Clone, Debug)]
pub struct PwnedPasswords {
    client: Client,
    url: Url,
}

impl PwnedPasswords {
    /// Creates a source that queries the public service.
    ///
    /// # Errors
    ///
    /// [`BreachError`] if TLS cannot be configured.
    pub fn public() -> Result<Self, BreachError> {
        Self::with_url(PUBLIC, PATIENCE)
    }

    /// Creates a source that queries a mirror whose ranges are below `url`, with or without a
    /// trailing slash. `patience` is the time limit of a query.
    ///
    /// # Errors
    ///
    /// [`BreachError`] if the URL is neither `https` nor `http` on loopback, or if TLS cannot be
    /// configured.
    pub fn with_url(url: &str, patience: Duration) -> Result<Self, BreachError> {
        let mut url: Url = url.parse().map_err(BreachError::new)?;
        if !url.path().ends_with('/') {
            url.set_path(&format!("{}/", url.path()));
        }
        let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
        let local = host == "localhost"
            || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
        if url.scheme() != "https" && !(url.scheme() == "http" && local) {
            return Err(BreachError::new("the URL must be https://, or http:// on loopback"));
        }
        let client = Client::builder()
            .timeout(patience)
            .redirect(Policy::none())
            .build()
            .map_err(nameless)?;
        Ok(Self { client, url })
    }

    async fn range(&self, prefix: &str) -> Result<String, BreachError> {
        let url = self.url.join(prefix).map_err(BreachError::new)?;
        let request = self.client.get(url).header("add-padding", "true");
        let mut response = request.send().await.map_err(nameless)?;
        if !response.status().is_success() {
            return Err(BreachError::new(format!("the source returned {}", response.status())));
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(nameless)? {
            body.extend_from_slice(&chunk);
            if body.len() > LONGEST {
                return Err(BreachError::new("the response of the source is too long"));
            }
        }
        String::from_utf8(body).map_err(BreachError::new)
    }
}

/// Removes the URL from an error, which is logged: the URL ends with a part of the hash of a
/// password.
fn nameless(error: reqwest::Error) -> BreachError {
    BreachError::new(error.without_url())
}

impl BreachSource for PwnedPasswords {
    async fn knows(&self, password: &str) -> Result<bool, BreachError> {
        let digest = Sha1::digest(password);
        let digest: String = digest.iter().map(|byte| format!("{byte:02X}")).collect();
        let (prefix, rest) = digest.split_at(PREFIX);
        let range = self.range(prefix).await?;
        // Padding lines have a count of 0.
        Ok(range.lines().any(|line| {
            line.split_once(':').is_some_and(|(suffix, count)| {
                suffix.eq_ignore_ascii_case(rest)
                    && count.trim().parse::<u64>().is_ok_and(|n| n > 0)
            })
        }))
    }
}
