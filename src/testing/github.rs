//! A fake GitHub on loopback.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::{
    Json, Router,
    extract::{RawQuery, State},
    response::{IntoResponse, Redirect, Response},
    routing::{get, post},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{HeaderMap, StatusCode, header};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::TestApp;

const TOKEN: &str = "gho_16C7e42F292c6912E7710c838347Ae178B4a";

/// Responds as github.com does: it issues codes to every user, returns 200 with an `error` for an
/// invalid code, requires a `User-Agent`, and lists email addresses with `primary` and `verified`.
///
/// ```
/// use authlayer::{GitHub, testing::FakeGitHub};
///
/// async fn start() -> (FakeGitHub, GitHub) {
///     let fake = FakeGitHub::start("client-id", "secret").await;
///     let flow = GitHub::new("client-id", "secret").web_url(fake.url()).api_url(fake.url());
///     (fake, flow)
/// }
/// ```
#[derive(Clone, Debug)]
pub struct FakeGitHub {
    state: Arc<Shared>,
    server: Arc<TestApp>,
}

#[derive(Debug)]
struct Shared {
    client_id: String,
    secret: String,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    user: Value,
    emails: Value,
    emails_status: StatusCode,
    pages: usize,
    codes: BTreeMap<String, BTreeMap<String, String>>,
    asked: BTreeMap<&'static str, u32>,
}

impl FakeGitHub {
    /// Starts a server with one OAuth app.
    pub async fn start(client_id: &str, secret: &str) -> Self {
        let inner = Inner {
            user: json!({
                "login": "octocat",
                "id": 583_231,
                "name": "The Octocat",
                "email": Value::Null,
                "avatar_url": "https://avatars.example.com/u/583231",
            }),
            emails: json!([
                { "email": "octo@example.org", "primary": false, "verified": true },
                { "email": "octocat@example.com", "primary": true, "verified": true },
            ]),
            emails_status: StatusCode::OK,
            pages: 100,
            codes: BTreeMap::new(),
            asked: BTreeMap::new(),
        };
        let (client_id, secret) = (client_id.to_owned(), secret.to_owned());
        let state = Arc::new(Shared { client_id, secret, inner: Mutex::new(inner) });
        let router = Router::new()
            .route("/login/oauth/authorize", get(authorize))
            .route("/login/oauth/access_token", post(token))
            .route("/user", get(user))
            .route("/user/emails", get(emails))
            .with_state(Arc::clone(&state));
        Self { state, server: Arc::new(TestApp::serve(router).await) }
    }

    /// Returns the URL, for both `web_url` and `api_url`.
    pub fn url(&self) -> String {
        format!("http://{}", self.server.address())
    }

    /// Sets the response of `/user`.
    pub fn user(&self, user: Value) {
        self.state.lock().user = user;
    }

    /// Sets the response of `/user/emails`.
    pub fn emails(&self, emails: Value) {
        self.state.lock().emails = emails;
    }

    /// Sets the status of `/user/emails`. An app without permission gets 403 or 404.
    pub fn emails_status(&self, status: u16) {
        self.state.lock().emails_status = StatusCode::from_u16(status).expect("a status");
    }

    /// Sets the maximum number of email addresses per page.
    pub fn page_size(&self, size: usize) {
        self.state.lock().pages = size.max(1);
    }

    /// Returns the number of requests to `token`, `user` or `emails`.
    pub fn requests(&self, what: &str) -> u32 {
        self.state.lock().asked.get(what).copied().unwrap_or_default()
    }

    /// Authorizes a request, and returns the URL to which the browser is redirected.
    pub fn authorize(&self, authorization_url: &str) -> String {
        let query = authorization_url.split_once('?').map(|(_, query)| query).unwrap_or_default();
        self.state.authorize(query)
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ask(&self, what: &'static str) {
        *self.lock().asked.entry(what).or_default() += 1;
    }

    fn authorize(&self, query: &str) -> String {
        let request: BTreeMap<String, String> =
            form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        let get = |name: &str| request.get(name).cloned().unwrap_or_default();
        assert_eq!(get("client_id"), self.client_id);
        assert_eq!(get("scope"), "read:user user:email");
        let mut inner = self.lock();
        let code = format!("{:020x}", inner.codes.len() + 1);
        let (back, state) = (get("redirect_uri"), get("state"));
        inner.codes.insert(code.clone(), request);
        format!("{back}?code={code}&state={state}")
    }
}

async fn authorize(State(shared): State<Arc<Shared>>, RawQuery(query): RawQuery) -> Redirect {
    Redirect::to(&shared.authorize(query.as_deref().unwrap_or_default()))
}

async fn token(State(shared): State<Arc<Shared>>, headers: HeaderMap, body: String) -> Response {
    shared.ask("token");
    if headers.get(header::ACCEPT).is_none_or(|accept| accept != "application/json") {
        return format!("access_token={TOKEN}&token_type=bearer").into_response();
    }
    let form: BTreeMap<String, String> =
        form_urlencoded::parse(body.as_bytes()).into_owned().collect();
    let get = |name: &str| form.get(name).cloned().unwrap_or_default();
    let refuse = |error: &str| Json(json!({ "error": error })).into_response();
    if get("client_id") != shared.client_id || get("client_secret") != shared.secret {
        return refuse("incorrect_client_credentials");
    }
    let Some(request) = shared.lock().codes.remove(&get("code")) else {
        return refuse("bad_verification_code");
    };
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(get("code_verifier")));
    if request.get("code_challenge") != Some(&challenge) {
        return refuse("bad_verification_code");
    }
    let scope = "read:user,user:email";
    Json(json!({ "access_token": TOKEN, "token_type": "bearer", "scope": scope })).into_response()
}

async fn user(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Response {
    shared.ask("user");
    refusal(&headers).unwrap_or_else(|| Json(shared.lock().user.clone()).into_response())
}

async fn emails(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Response {
    shared.ask("emails");
    if let Some(refusal) = refusal(&headers) {
        return refusal;
    }
    let inner = shared.lock();
    if inner.emails_status != StatusCode::OK {
        let body = json!({ "message": "Resource not accessible by integration" });
        return (inner.emails_status, Json(body)).into_response();
    }
    let query = query.unwrap_or_default();
    let number = |name: &str| {
        let mut pairs = form_urlencoded::parse(query.as_bytes());
        let found = pairs.find(|(own, _)| own == name);
        found.and_then(|(_, value)| value.parse::<usize>().ok()).filter(|number| *number > 0)
    };
    let (size, page) = (number("per_page").unwrap_or(30).min(inner.pages), number("page"));
    let page = page.unwrap_or(1);
    let Some(all) = inner.emails.as_array() else {
        return Json(inner.emails.clone()).into_response();
    };
    let own: Vec<_> = all.iter().skip((page - 1) * size).take(size).collect();
    let mut answer = Json(json!(own)).into_response();
    if page * size < all.len() {
        let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
        let next = format!(
            "http://{}/user/emails?per_page={size}&page={}",
            host.unwrap_or_default(),
            page + 1
        );
        let link = format!("<{next}>; rel=\"next\", <{next}>; rel=\"last\"");
        answer.headers_mut().insert(header::LINK, link.parse().expect("ASCII"));
    }
    answer
}

fn refusal(headers: &HeaderMap) -> Option<Response> {
    let token = headers.get(header::AUTHORIZATION).and_then(|line| line.to_str().ok());
    if token.and_then(|line| line.strip_prefix("Bearer ")) != Some(TOKEN) {
        let body = json!({ "message": "Requires authentication" });
        return Some((StatusCode::UNAUTHORIZED, Json(body)).into_response());
    }
    headers.get(header::USER_AGENT).is_none().then(|| StatusCode::FORBIDDEN.into_response())
}
