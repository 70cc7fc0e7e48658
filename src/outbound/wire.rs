//! Requests to a provider.

use std::{net::IpAddr, sync::Arc};

use base64::{Engine, engine::general_purpose::STANDARD};
use http::{HeaderValue, Method, Request, Uri, header};
use serde_json::Value;

use super::{HttpClient, HttpsClient};
use crate::error::{AuthError, ErrorKind};

/// Sends requests by https; by http only on loopback, and only where the provider itself was
/// configured there.
#[derive(Clone, Debug)]
pub(crate) struct Wire {
    client: Arc<dyn HttpClient>,
    local: bool,
}

impl Wire {
    /// For a provider at this address; says what is wrong with it.
    pub(crate) fn new(client: Option<Arc<dyn HttpClient>>, base: &str) -> Result<Self, String> {
        let local = is_local(base);
        if !local && !is_https(base) {
            return Err(format!("{base:?} is neither https nor http on loopback"));
        }
        let client = match client {
            Some(client) => client,
            None => Arc::new(HttpsClient::new().map_err(|_| "TLS cannot be set up".to_owned())?),
        };
        Ok(Self { client, local })
    }

    /// Whether an address may be used: as safe as the one that was configured.
    pub(crate) fn admits(&self, url: &str) -> bool {
        is_https(url) || (self.local && is_local(url))
    }

    pub(crate) async fn get(&self, url: &str, bearer: Option<&str>) -> Result<Value, AuthError> {
        let mut request = self.request(Method::GET, url, Vec::new())?;
        if let Some(token) = bearer {
            request
                .headers_mut()
                .insert(header::AUTHORIZATION, secret(&format!("Bearer {token}"))?);
        }
        self.json(request).await.map(|(_, body)| body)
    }

    /// Posts a form and answers with the body, whether or not it is an error.
    pub(crate) async fn post(
        &self,
        url: &str,
        form: String,
        basic: Option<String>,
    ) -> Result<(bool, Value), AuthError> {
        let mut request = self.request(Method::POST, url, form.into_bytes())?;
        let headers = request.headers_mut();
        let kind = HeaderValue::from_static("application/x-www-form-urlencoded");
        headers.insert(header::CONTENT_TYPE, kind);
        if let Some(basic) = basic {
            headers.insert(header::AUTHORIZATION, secret(&basic)?);
        }
        self.send(request).await
    }

    async fn json(&self, request: Request<Vec<u8>>) -> Result<(bool, Value), AuthError> {
        match self.send(request).await? {
            (true, body) => Ok((true, body)),
            (false, _) => Err(trouble("the provider refused")),
        }
    }

    async fn send(&self, request: Request<Vec<u8>>) -> Result<(bool, Value), AuthError> {
        let answer = self.client.send(request).await.map_err(trouble)?;
        let kind = answer.headers().get(header::CONTENT_TYPE);
        let essence = kind.and_then(|kind| kind.as_bytes().split(|b| *b == b';').next());
        let essence = essence.unwrap_or_default().trim_ascii().to_ascii_lowercase();
        if essence != b"application/json" && essence != b"application/jwk-set+json" {
            return Err(trouble(format!("the provider answered {} and no JSON", answer.status())));
        }
        let body = serde_json::from_slice(answer.body()).map_err(trouble)?;
        Ok((answer.status().is_success(), body))
    }

    fn request(
        &self,
        method: Method,
        url: &str,
        body: Vec<u8>,
    ) -> Result<Request<Vec<u8>>, AuthError> {
        if !self.admits(url) {
            return Err(trouble(format!("{url:?} is no address to send anything to")));
        }
        let request = Request::builder().method(method).uri(url);
        let request = request.header(header::ACCEPT, "application/json");
        let agent = concat!("authlayer/", env!("CARGO_PKG_VERSION"));
        request.header(header::USER_AGENT, agent).body(body).map_err(trouble)
    }
}

/// A form, or the query of an address.
pub(crate) fn form(pairs: &[(&str, &str)]) -> String {
    let mut form = form_urlencoded::Serializer::new(String::new());
    for (name, value) in pairs {
        form.append_pair(name, value);
    }
    form.finish()
}

/// `client_secret_basic`: both parts are encoded as in a form first (RFC 6749 §2.3.1).
pub(crate) fn basic(id: &str, secret: &str) -> String {
    let encode = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    format!("Basic {}", STANDARD.encode(format!("{}:{}", encode(id), encode(secret))))
}

pub(crate) fn trouble(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> AuthError {
    AuthError::new(ErrorKind::ProviderError).because(cause)
}

fn secret(text: &str) -> Result<HeaderValue, AuthError> {
    let mut value = HeaderValue::from_str(text).map_err(trouble)?;
    value.set_sensitive(true);
    Ok(value)
}

fn is_https(url: &str) -> bool {
    parts(url).is_some_and(|(scheme, _)| scheme == "https")
}

fn is_local(url: &str) -> bool {
    parts(url).is_some_and(|(scheme, host)| {
        let literal = host.trim_start_matches('[').trim_end_matches(']');
        let loopback = literal.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
        scheme == "http" && (loopback || host == "localhost")
    })
}

fn parts(url: &str) -> Option<(String, String)> {
    let uri: Uri = url.parse().ok()?;
    let authority = uri.authority()?;
    let plain = !authority.as_str().contains('@') && !authority.host().is_empty();
    plain.then(|| Some((uri.scheme_str()?.to_owned(), authority.host().to_owned())))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_encoded_before_it_is_joined() {
        // OA-10
        let line = basic("a:b", "p%+ \u{e9}/");
        let text = STANDARD.decode(line.strip_prefix("Basic ").unwrap()).unwrap();
        assert_eq!(String::from_utf8(text).unwrap(), "a%3Ab:p%25%2B+%C3%A9%2F");
    }

    #[test]
    fn plain_http_is_for_a_provider_on_loopback_alone() {
        // OA-11, OA-12, D12
        let remote = Wire::new(None, "https://idp.example.com").unwrap();
        let local = Wire::new(None, "http://127.0.0.1:9000").unwrap();
        for (url, far, near) in [
            ("https://idp.example.com/x", true, true),
            ("http://idp.example.com/x", false, false),
            ("http://127.0.0.1:1/x", false, true),
            ("http://[::1]:1/x", false, true),
            ("http://169.254.169.254/latest", false, false),
            ("https://me@idp.example.com/x", false, false),
            ("file:///etc/passwd", false, false),
            ("/x", false, false),
        ] {
            assert_eq!((remote.admits(url), local.admits(url)), (far, near), "{url}");
        }
        assert!(Wire::new(None, "http://idp.example.com").is_err());
    }
}
