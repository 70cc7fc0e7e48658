//! Requests to an identity provider.

use std::{collections::BTreeMap, net::IpAddr, sync::Arc};

use base64::{Engine, engine::general_purpose::STANDARD};
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri, header,
};
use serde_json::{Value, json};

use super::{AnyHttpClient, HttpsClient};
use crate::error::{AuthError, ErrorKind};

/// Sends requests over `https`, or over `http` on loopback if the provider itself was configured
/// with such a URL.
#[derive(Clone, Debug)]
pub(crate) struct Wire {
    client: Arc<dyn AnyHttpClient>,
    local: bool,
}

impl Wire {
    /// Creates a client for the provider at this URL. Returns a message if the URL is not allowed.
    pub(crate) fn new(client: Option<Arc<dyn AnyHttpClient>>, base: &str) -> Result<Self, String> {
        let local = is_local(base);
        if !local && !is_https(base) {
            return Err(format!("the URL {base:?} must be https, or http on loopback"));
        }
        let client = match client {
            Some(client) => client,
            None => Arc::new(HttpsClient::new().map_err(|_| "TLS cannot be set up".to_owned())?),
        };
        Ok(Self { client, local })
    }

    /// Returns `true` if a URL is allowed: it has to be as secure as the configured one.
    pub(crate) fn admits(&self, url: &str) -> bool {
        is_https(url) || (self.local && is_local(url))
    }

    /// Fetches JSON. A status other than 2xx is an error.
    pub(crate) async fn get(&self, url: &str, bearer: Option<&str>) -> Result<Value, AuthError> {
        let answer = self.fetch(url, bearer).await?;
        if !answer.is_success() {
            return Err(trouble(format!("the provider returned {} for {url:?}", answer.status)));
        }
        answer.json()
    }

    /// Fetches a response with any status.
    pub(crate) async fn fetch(&self, url: &str, bearer: Option<&str>) -> Result<Answer, AuthError> {
        self.fetch_with(url, bearer, &ExtraHeaders::default()).await
    }

    /// Fetches a response with any status, with further request headers.
    pub(crate) async fn fetch_with(
        &self,
        url: &str,
        bearer: Option<&str>,
        headers: &ExtraHeaders,
    ) -> Result<Answer, AuthError> {
        let mut request = self.request(Method::GET, url, Vec::new())?;
        request.headers_mut().extend(headers.0.clone());
        if let Some(token) = bearer {
            request
                .headers_mut()
                .insert(header::AUTHORIZATION, secret(&format!("Bearer {token}"))?);
        }
        self.send(request).await
    }

    /// Posts a form. Returns whether the status is 2xx, and the JSON body.
    pub(crate) async fn post(
        &self,
        url: &str,
        form: String,
        basic: Option<String>,
    ) -> Result<(bool, Value), AuthError> {
        let body = RequestBody { content_type: FORM, text: form };
        let answer = self.post_with(url, body, basic, &ExtraHeaders::default()).await?;
        Ok((answer.is_success(), answer.json()?))
    }

    /// Posts a body with further request headers, and returns a response with any status.
    pub(crate) async fn post_with(
        &self,
        url: &str,
        body: RequestBody,
        basic: Option<String>,
        further: &ExtraHeaders,
    ) -> Result<Answer, AuthError> {
        let mut request = self.request(Method::POST, url, body.text.into_bytes())?;
        let headers = request.headers_mut();
        headers.extend(further.0.clone());
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(body.content_type));
        if let Some(basic) = basic {
            headers.insert(header::AUTHORIZATION, secret(&basic)?);
        }
        self.send(request).await
    }

    /// Posts a form that revokes a token (RFC 7009 §2.1). The body of the response is not read.
    pub(crate) async fn revoke(
        &self,
        url: &str,
        pairs: &[(&str, &str)],
        basic: Option<String>,
    ) -> Result<(), AuthError> {
        let body = RequestBody::form(pairs);
        let answer = self.post_with(url, body, basic, &ExtraHeaders::default()).await?;
        match answer.is_success() {
            true => Ok(()),
            false => Err(trouble(format!("the provider returned {} for {url:?}", answer.status))),
        }
    }

    async fn send(&self, request: Request<Vec<u8>>) -> Result<Answer, AuthError> {
        self.client.send(request).await.map(Answer::new).map_err(trouble)
    }

    fn request(
        &self,
        method: Method,
        url: &str,
        body: Vec<u8>,
    ) -> Result<Request<Vec<u8>>, AuthError> {
        if !self.admits(url) {
            return Err(trouble(format!("the URL {url:?} must be https, or http on loopback")));
        }
        let request = Request::builder().method(method).uri(url);
        let request = request.header(header::ACCEPT, "application/json");
        let agent = concat!("authlayer/", env!("CARGO_PKG_VERSION"));
        request.header(header::USER_AGENT, agent).body(body).map_err(trouble)
    }
}

/// Headers of requests, in addition to those of every request.
#[derive(Clone, Debug, Default)]
pub(crate) struct ExtraHeaders(HeaderMap);

impl ExtraHeaders {
    /// Returns a message if a name or value is not valid.
    pub(crate) fn new(all: &BTreeMap<String, String>) -> Result<Self, String> {
        let parse = |(name, value): (&String, &String)| {
            let header = HeaderName::try_from(name).ok().zip(HeaderValue::try_from(value).ok());
            header.ok_or_else(|| format!("the header {name:?} is not valid"))
        };
        all.iter().map(parse).collect::<Result<_, _>>().map(Self)
    }
}

const FORM: &str = "application/x-www-form-urlencoded";

/// The body of a token request, which has the client secret.
pub(crate) struct RequestBody {
    content_type: &'static str,
    text: String,
}

impl RequestBody {
    pub(crate) fn form(pairs: &[(&str, &str)]) -> Self {
        Self { content_type: FORM, text: form(pairs) }
    }

    pub(crate) fn json(pairs: &[(&str, &str)]) -> Self {
        let pairs = pairs.iter().map(|(name, value)| ((*name).to_owned(), json!(value)));
        let text = Value::Object(pairs.collect()).to_string();
        Self { content_type: "application/json", text }
    }
}

/// A response of a provider. Its content type is ignored: providers send key sets and token
/// responses as `text/plain`, `application/octet-stream` or without a type.
#[derive(Debug)]
pub(crate) struct Answer {
    status: StatusCode,
    next: Option<String>,
    body: Vec<u8>,
}

impl Answer {
    fn new(answer: Response<Vec<u8>>) -> Self {
        let (status, next) = (answer.status(), next_page(answer.headers()));
        Self { status, next, body: answer.into_body() }
    }

    pub(crate) fn is_success(&self) -> bool {
        self.status.is_success()
    }

    pub(crate) fn status(&self) -> u16 {
        self.status.as_u16()
    }

    /// Returns the URL of the next page of a list (RFC 8288).
    pub(crate) fn next(&self) -> Option<&str> {
        self.next.as_deref()
    }

    pub(crate) fn json(&self) -> Result<Value, AuthError> {
        let status = self.status;
        let body = self.body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&self.body);
        let read = serde_json::from_slice(body);
        read.map_err(|error| {
            trouble(format!("the provider returned status {status} without valid JSON: {error}"))
        })
    }

    /// Returns the body if it is UTF-8.
    pub(crate) fn text(&self) -> Option<&str> {
        std::str::from_utf8(&self.body).ok()
    }

    /// Returns the body if it has the form of a JWT.
    pub(crate) fn jwt(&self) -> Option<&str> {
        let text = self.text()?.trim();
        let is_part = |part: &str| {
            part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
        };
        (text.split('.').count() >= 3 && text.split('.').all(is_part)).then_some(text)
    }
}

/// Returns the target of the link with the relation `next`.
fn next_page(headers: &HeaderMap) -> Option<String> {
    let lines = headers.get_all(header::LINK).iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).find_map(|link| {
        let (target, parameters) = link.trim().strip_prefix('<')?.split_once('>')?;
        let is_next = parameters.split(';').any(|parameter| {
            let Some((name, value)) = parameter.split_once('=') else { return false };
            let mut relations = value.trim().trim_matches('"').split_ascii_whitespace();
            name.trim().eq_ignore_ascii_case("rel") && relations.any(|own| own == "next")
        });
        is_next.then(|| target.to_owned())
    })
}

/// Returns scheme and authority of a URL, or `None` if it has none or a user.
pub(crate) fn origin(url: &str) -> Option<(String, String)> {
    let uri: Uri = url.parse().ok()?;
    let authority = uri.authority().filter(|own| !own.as_str().contains('@'))?;
    Some((uri.scheme_str()?.to_ascii_lowercase(), authority.as_str().to_ascii_lowercase()))
}

/// Encodes a form, or the query of a URL.
pub(crate) fn form(pairs: &[(&str, &str)]) -> String {
    let mut form = form_urlencoded::Serializer::new(String::new());
    for (name, value) in pairs {
        form.append_pair(name, value);
    }
    form.finish()
}

/// Returns the `Authorization` value of `client_secret_basic`: both parts are form-encoded first
/// (RFC 6749 §2.3.1).
pub(crate) fn basic(id: &str, secret: &str) -> String {
    let encode = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    format!("Basic {}", STANDARD.encode(format!("{}:{}", encode(id), encode(secret))))
}

pub(crate) fn trouble(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> AuthError {
    AuthError::new(ErrorKind::ProviderError).with_source(cause)
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
    fn client_secret_is_encoded_before_it_is_joined() {
        // OA-10
        let line = basic("a:b", "p%+ \u{e9}/");
        let text = STANDARD.decode(line.strip_prefix("Basic ").unwrap()).unwrap();
        assert_eq!(String::from_utf8(text).unwrap(), "a%3Ab:p%25%2B+%C3%A9%2F");
    }

    #[test]
    fn next_page_is_parsed_from_link_headers() {
        let mut headers = HeaderMap::new();
        assert_eq!(next_page(&headers), None);
        let last = "<https://api.example.com/e?page=9>; rel=\"last\"";
        headers.append(header::LINK, last.parse().unwrap());
        assert_eq!(next_page(&headers), None);
        let both = "<https://api.example.com/e?page=1>; rel=prev, \
                    <https://api.example.com/e?page=3>; title=x; rel=\"last next\"";
        headers.append(header::LINK, both.parse().unwrap());
        assert_eq!(next_page(&headers).unwrap(), "https://api.example.com/e?page=3");
    }

    #[test]
    fn plain_http_is_allowed_only_on_loopback() {
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
