//! A minimal HTTP client: anonymous, with cookies, or with a bearer token.

use std::{
    collections::BTreeMap,
    fmt,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::{Router, body::Body, extract::ConnectInfo};
use http::{HeaderName, HeaderValue, Method, Request, header};
use serde::Serialize;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tower_service::Service;

use super::{TestSession, response::TestResponse};

/// The IP address of the client in requests to a router.
const PEER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 50_000);

/// A client that stores cookies as a browser does. It sends requests to a router without a server,
/// or to a server. Clones share their cookies.
///
/// ```
/// use authlayer::testing::TestClient;
/// use axum::Router;
///
/// async fn sign_up_is_rejected(app: Router) {
///     let client = TestClient::new(app);
///     let body = serde_json::json!({ "email": "ada@example.com", "password": "12345678" });
///     assert_eq!(client.post("/auth/sign-up", body).await.code(), "weak_password");
/// }
/// ```
#[derive(Clone)]
pub struct TestClient {
    target: Target,
    cookies: Arc<Mutex<BTreeMap<String, String>>>,
    headers: Vec<(String, Vec<u8>)>,
}

#[derive(Clone, Debug)]
enum Target {
    Router(Router),
    Server(SocketAddr),
}

/// Cookies and headers are not printed.
impl fmt::Debug for TestClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestClient").field("target", &self.target).finish_non_exhaustive()
    }
}

impl TestClient {
    /// Creates a client of a router, without a server. The IP address of the client is 127.0.0.1.
    pub fn new(app: Router) -> Self {
        Self::of(Target::Router(app))
    }

    /// Creates a client of the server at this address.
    pub fn connect(server: SocketAddr) -> Self {
        Self::of(Target::Server(server))
    }

    fn of(target: Target) -> Self {
        Self { target, cookies: Arc::default(), headers: Vec::new() }
    }

    /// Returns the address of the server.
    ///
    /// # Panics
    ///
    /// Panics if this is a client of a router.
    pub fn address(&self) -> SocketAddr {
        match self.target {
            Target::Server(address) => address,
            Target::Router(_) => panic!("a router has no address"),
        }
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

    /// Replaces the cookies and the bearer token by those of a session. Clones that were made before
    /// keep theirs.
    #[must_use]
    pub fn with_session(mut self, session: &TestSession) -> Self {
        self.headers.retain(|(name, _)| !name.eq_ignore_ascii_case("authorization"));
        self.cookies = Arc::new(Mutex::new(session.cookies().cloned().collect()));
        match session.bearer() {
            Some(token) => self.bearer(token),
            None => self,
        }
    }

    /// Returns the value of a stored cookie.
    pub fn cookie(&self, name: &str) -> Option<String> {
        self.jar().get(name).cloned()
    }

    /// Returns the stored cookies, ordered by name.
    pub fn cookies(&self) -> Vec<(String, String)> {
        self.jar().iter().map(|(name, value)| (name.clone(), value.clone())).collect()
    }

    /// Stores a cookie.
    pub fn set_cookie(&self, name: &str, value: &str) {
        self.jar().insert(name.to_owned(), value.to_owned());
    }

    /// Removes a stored cookie, as a browser does when it expires.
    pub fn forget_cookie(&self, name: &str) {
        self.jar().remove(name);
    }

    /// Sends a `GET` request.
    pub async fn get(&self, path: &str) -> TestResponse {
        self.send(Method::GET, path, &[], b"").await
    }

    /// Sends a `POST` request with a JSON body.
    pub async fn post(&self, path: &str, body: impl Serialize) -> TestResponse {
        self.json(Method::POST, path, body).await
    }

    /// Sends a `POST` request with a form.
    pub async fn post_form(&self, path: &str, form: &[(&str, &str)]) -> TestResponse {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let kind = [("content-type", "application/x-www-form-urlencoded")];
        self.send(Method::POST, path, &kind, body.as_bytes()).await
    }

    /// Sends a `DELETE` request without a body.
    pub async fn delete(&self, path: &str) -> TestResponse {
        self.send(Method::DELETE, path, &[], b"").await
    }

    /// Sends a JSON body with any method.
    pub async fn json(&self, method: Method, path: &str, body: impl Serialize) -> TestResponse {
        let json = [("content-type", "application/json")];
        let body = serde_json::to_vec(&body).expect("the body is JSON");
        self.send(method, path, &json, &body).await
    }

    /// Sends any body with any headers.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> TestResponse {
        let headers = self.headers(&method, headers, body);
        let answer = match &self.target {
            Target::Router(router) => call(router.clone(), method, path, &headers, body).await,
            Target::Server(address) => {
                let request = render(*address, &method, path, &headers, body);
                exchange(*address, &request).await
            }
        };
        self.keep_cookies(&answer);
        answer
    }

    /// Returns the headers of a request.
    fn headers(
        &self,
        method: &Method,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Vec<(String, Vec<u8>)> {
        let given = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).into()));
        let mut all: Vec<_> = given.chain(self.headers.iter().cloned()).collect();
        let jar = self.jar();
        if !jar.is_empty() {
            let pairs: Vec<_> = jar.iter().map(|(name, value)| format!("{name}={value}")).collect();
            all.push(("cookie".to_owned(), pairs.join("; ").into_bytes()));
        }
        if !body.is_empty() || *method != Method::GET {
            all.push(("content-length".to_owned(), body.len().to_string().into_bytes()));
        }
        all
    }

    fn keep_cookies(&self, answer: &TestResponse) {
        let mut jar = self.jar();
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

    fn jar(&self) -> MutexGuard<'_, BTreeMap<String, String>> {
        self.cookies.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Calls a router.
async fn call(
    mut router: Router,
    method: Method,
    path: &str,
    headers: &[(String, Vec<u8>)],
    body: &[u8],
) -> TestResponse {
    let request = Request::builder().method(method).uri(path).body(Body::from(body.to_vec()));
    let mut request = request.expect("a path");
    request.headers_mut().insert(header::HOST, HeaderValue::from_static("localhost"));
    for (name, value) in headers {
        let name = HeaderName::from_bytes(name.as_bytes()).expect("a header name");
        request.headers_mut().append(name, HeaderValue::from_bytes(value).expect("a header"));
    }
    request.extensions_mut().insert(ConnectInfo(PEER));
    // A router is always ready.
    match Service::<Request<Body>>::call(&mut router, request).await {
        Ok(response) => TestResponse::read(response).await,
        Err(never) => match never {},
    }
}

/// Renders a request for a server.
fn render(
    server: SocketAddr,
    method: &Method,
    path: &str,
    headers: &[(String, Vec<u8>)],
    body: &[u8],
) -> Vec<u8> {
    let mut request =
        format!("{method} {path} HTTP/1.1\r\nhost: {server}\r\nconnection: close\r\n").into_bytes();
    for (name, value) in headers {
        request.extend_from_slice(name.as_bytes());
        request.extend_from_slice(b": ");
        request.extend_from_slice(value);
        request.extend_from_slice(b"\r\n");
    }
    request.extend_from_slice(b"\r\n");
    request.extend_from_slice(body);
    request
}

/// Sends a request to a server.
async fn exchange(server: SocketAddr, request: &[u8]) -> TestResponse {
    let mut stream = TcpStream::connect(server).await.expect("the server listens");
    // A server may respond and close the connection before it has read a body that is too long.
    let _unread = stream.write_all(request).await;
    let mut bytes = Vec::new();
    let _reset = stream.read_to_end(&mut bytes).await;
    TestResponse::parse(&bytes)
}
