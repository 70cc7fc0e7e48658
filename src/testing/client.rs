//! A minimal HTTP client: anonymous, with cookies, or with a bearer token.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// Sends requests to one server. Clones share their cookies.
#[derive(Clone, Debug)]
pub struct TestClient {
    address: SocketAddr,
    cookies: Arc<Mutex<BTreeMap<String, String>>>,
    headers: Vec<(String, Vec<u8>)>,
}

/// A complete response.
#[derive(Clone, Debug)]
pub struct TestResponse {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Vec<u8>,
}

impl TestClient {
    /// Creates a client of the server at this address.
    pub fn new(address: SocketAddr) -> Self {
        Self { address, cookies: Arc::default(), headers: Vec::new() }
    }

    /// Returns the address of the server.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Adds a header to all requests.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Vec<u8>>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// Adds a bearer token to all requests.
    #[must_use]
    pub fn bearer(self, token: &str) -> Self {
        self.with("authorization", format!("Bearer {token}"))
    }

    /// Returns the value of a stored cookie.
    pub fn cookie(&self, name: &str) -> Option<String> {
        self.cookies.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// Returns the stored cookies, ordered by name.
    pub fn cookies(&self) -> Vec<(String, String)> {
        let jar = self.cookies.lock().unwrap_or_else(PoisonError::into_inner);
        jar.iter().map(|(name, value)| (name.clone(), value.clone())).collect()
    }

    /// Stores a cookie.
    pub fn set_cookie(&self, name: &str, value: &str) {
        let mut jar = self.cookies.lock().unwrap_or_else(PoisonError::into_inner);
        jar.insert(name.to_owned(), value.to_owned());
    }

    /// Removes a stored cookie, as a browser does when it expires.
    pub fn forget_cookie(&self, name: &str) {
        self.cookies.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
    }

    /// Sends a `GET` request.
    pub async fn get(&self, path: &str) -> TestResponse {
        self.send(Method::GET, path, &[], b"").await
    }

    /// Sends a `POST` request with a JSON body.
    pub async fn post(&self, path: &str, body: &Value) -> TestResponse {
        self.json(Method::POST, path, body).await
    }

    /// Sends a JSON body with any method.
    pub async fn json(&self, method: Method, path: &str, body: &Value) -> TestResponse {
        let json = [("content-type", "application/json")];
        self.send(method, path, &json, body.to_string().as_bytes()).await
    }

    /// Sends any body with any headers.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> TestResponse {
        let request = self.render(&method, path, headers, body);
        let mut stream = TcpStream::connect(self.address).await.expect("the server listens");
        // A server may respond and close the connection before it has read a body that is too long.
        let _unread = stream.write_all(&request).await;
        let mut bytes = Vec::new();
        let _reset = stream.read_to_end(&mut bytes).await;
        let answer = TestResponse::parse(&bytes);
        self.keep_cookies(&answer);
        answer
    }

    fn render(
        &self,
        method: &Method,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Vec<u8> {
        let mut request =
            format!("{method} {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n", self.address)
                .into_bytes();
        let mut line = |name: &str, value: &[u8]| {
            request.extend_from_slice(name.as_bytes());
            request.extend_from_slice(b": ");
            request.extend_from_slice(value);
            request.extend_from_slice(b"\r\n");
        };
        for (name, value) in headers {
            line(name, value.as_bytes());
        }
        for (name, value) in &self.headers {
            line(name, value);
        }
        let jar = self.cookies.lock().unwrap_or_else(PoisonError::into_inner);
        if !jar.is_empty() {
            let pairs: Vec<_> = jar.iter().map(|(name, value)| format!("{name}={value}")).collect();
            line("cookie", pairs.join("; ").as_bytes());
        }
        if !body.is_empty() || *method != Method::GET {
            line("content-length", body.len().to_string().as_bytes());
        }
        request.extend_from_slice(b"\r\n");
        request.extend_from_slice(body);
        request
    }

    fn keep_cookies(&self, answer: &TestResponse) {
        let mut jar = self.cookies.lock().unwrap_or_else(PoisonError::into_inner);
        for set in answer.set_cookies() {
            let (pair, attributes) = set.split_once(';').unwrap_or((&set, ""));
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            if attributes.contains("Max-Age=0") {
                jar.remove(name);
            } else {
                jar.insert(name.to_owned(), value.to_owned());
            }
        }
    }
}

impl TestResponse {
    fn parse(bytes: &[u8]) -> Self {
        let end = bytes
            .windows(4)
            .position(|four| four == b"\r\n\r\n")
            .unwrap_or_else(|| panic!("no response in {:?}", String::from_utf8_lossy(bytes)));
        let (head, body) = bytes.split_at(end);
        let head = String::from_utf8_lossy(head);
        let mut lines = head.split("\r\n");
        let status = lines.next().and_then(|line| line.split(' ').nth(1));
        let status = status.and_then(|code| code.parse().ok()).expect("a status line");
        let headers: HeaderMap = lines
            .filter_map(|line| line.split_once(": "))
            .filter_map(|(name, value)| {
                Some((name.parse::<HeaderName>().ok()?, HeaderValue::from_str(value).ok()?))
            })
            .collect();
        let body = body.strip_prefix(b"\r\n\r\n").unwrap_or_default();
        let chunked = headers.get(header::TRANSFER_ENCODING).is_some();
        let body = if chunked { dechunk(body) } else { body.to_vec() };
        Self { status, headers, body }
    }

    /// Returns the body as JSON, or `null` if it is not JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// Returns the `code` of a problem document, or an empty string.
    pub fn code(&self) -> String {
        let body = self.json();
        body.get("code").and_then(Value::as_str).unwrap_or_default().to_owned()
    }

    /// Returns a header as text, or an empty string if it is absent.
    pub fn header(&self, name: &str) -> String {
        let value = self.headers.get(name).and_then(|value| value.to_str().ok());
        value.unwrap_or_default().to_owned()
    }

    /// Returns the values of the `Set-Cookie` headers.
    pub fn set_cookies(&self) -> Vec<String> {
        let lines = self.headers.get_all(header::SET_COOKIE).iter();
        lines.filter_map(|line| line.to_str().ok()).map(ToOwned::to_owned).collect()
    }
}

fn dechunk(mut rest: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    while let Some(end) = rest.windows(2).position(|two| two == b"\r\n") {
        let (size, after) = rest.split_at(end);
        let size =
            std::str::from_utf8(size).ok().and_then(|hex| usize::from_str_radix(hex, 16).ok());
        let (Some(size @ 1..), Some(after)) = (size, after.get(2..)) else { break };
        body.extend_from_slice(after.get(..size).unwrap_or(after));
        rest = after.get(size + 2..).unwrap_or_default();
    }
    body
}
