//! A fake OpenID provider with configurable faults.

mod changes;
mod faults;
mod keys;
mod revocation;
mod settings;
mod tokens;

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::{
    Json, Router,
    extract::{RawQuery, State},
    response::{IntoResponse, Redirect, Response},
    routing::{get, post},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

pub use faults::Fault;

use self::{keys::Keys, settings::Settings};
use super::TestApp;
use crate::clock::{Clock, SystemClock};

pub(super) const ACCESS: &str = "provider-access-token";

/// An OpenID provider on loopback: discovery, authorization with PKCE, token, UserInfo, keys, and
/// sign-out. Every request is authorized by its only user; a [`Fault`] makes one response invalid.
///
/// ```
/// use authlayer::{Oidc, testing::FakeIdp};
///
/// async fn start() -> (FakeIdp, Oidc) {
///     let idp = FakeIdp::start("client-id", "secret").await;
///     idp.claim("email", "ada@example.com");
///     let flow = Oidc::new("fake", idp.issuer(), "client-id").client_secret("secret");
///     (idp, flow)
/// }
/// ```
#[derive(Clone, Debug)]
pub struct FakeIdp {
    state: Arc<Shared>,
    _server: Arc<TestApp>,
}

#[derive(Debug)]
pub(super) struct Shared {
    issuer: String,
    client_id: String,
    secret: String,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
pub(super) struct Inner {
    claims: Map<String, Value>,
    fault: Option<Fault>,
    codes: BTreeMap<String, BTreeMap<String, String>>,
    asked: BTreeMap<&'static str, u32>,
    keys: Keys,
    clock: Arc<dyn Clock>,
    made: u32,
    last_token: String,
    revoked: Vec<String>,
    settings: Settings,
}

impl FakeIdp {
    /// Starts a provider with one client.
    pub async fn start(client_id: &str, secret: &str) -> Self {
        let listener = tokio::net::TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0)).await;
        let listener = listener.expect("loopback has a free port");
        let address: SocketAddr = listener.local_addr().expect("a bound socket has an address");
        let claims = json!({
            "sub": "248289761001",
            "email": "jane@example.com",
            "email_verified": true,
            "name": "Jane Doe",
            "preferred_username": "j.doe",
            "picture": "https://example.com/janedoe/me.jpg",
            "sid": "session-1",
        });
        let inner = Inner {
            claims: claims.as_object().cloned().unwrap_or_default(),
            fault: None,
            codes: BTreeMap::new(),
            asked: BTreeMap::new(),
            keys: Keys::first(),
            clock: Arc::new(SystemClock),
            made: 0,
            last_token: String::new(),
            revoked: Vec::new(),
            settings: Settings::default(),
        };
        let state = Arc::new(Shared {
            issuer: format!("http://{address}"),
            client_id: client_id.to_owned(),
            secret: secret.to_owned(),
            inner: Mutex::new(inner),
        });
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(discovery))
            .route("/authorize", get(authorize))
            .route("/token", post(token))
            .route("/userinfo", get(user_info))
            .route("/jwks", get(jwks))
            .route("/revoke", post(revoke))
            .with_state(Arc::clone(&state));
        let server = TestApp::serve_on(listener, router);
        Self { state, _server: Arc::new(server) }
    }

    /// Returns the issuer.
    pub fn issuer(&self) -> &str {
        &self.state.issuer
    }

    /// Sets a claim of the user; `null` removes it.
    pub fn claim(&self, name: &str, value: impl Into<Value>) {
        let mut inner = self.state.lock();
        match value.into() {
            Value::Null => drop(inner.claims.remove(name)),
            value => drop(inner.claims.insert(name.to_owned(), value)),
        }
    }

    /// Sets the fault, or `None`.
    pub fn fault(&self, fault: impl Into<Option<Fault>>) {
        self.state.lock().fault = fault.into();
    }

    /// Signs with another key from now on, and publishes only that one.
    pub fn rotate_key(&self) {
        self.state.lock().keys = Keys::second();
    }

    /// Signs with Ed25519 from now on.
    pub fn use_ed25519(&self) {
        self.state.lock().keys = Keys::ed25519();
    }

    /// Sets the clock, which should be that of the application.
    pub fn clock(&self, clock: impl Clock) {
        self.state.lock().clock = Arc::new(clock);
    }

    /// Returns the number of requests to `discovery`, `authorize`, `token`, `userinfo`, `jwks`
    /// or `revoke`.
    pub fn requests(&self, what: &str) -> u32 {
        self.state.lock().asked.get(what).copied().unwrap_or_default()
    }

    /// Authorizes a request, and returns the URL to which the browser is redirected.
    pub fn authorize(&self, authorization_url: &str) -> String {
        let query = authorization_url.split_once('?').map(|(_, query)| query).unwrap_or_default();
        self.state.authorize(query)
    }

    /// Returns an ID token with this nonce, as the provider returns it to a native application.
    pub fn id_token(&self, nonce: &str) -> String {
        let fault = self.state.lock().fault;
        self.state.id_token(nonce, fault)
    }

    /// Returns the last ID token.
    pub fn last_id_token(&self) -> String {
        self.state.lock().last_token.clone()
    }

    /// Returns a logout token of the user with changed claims; `null` removes a claim. `alg`, `typ`
    /// and `kid` change the header.
    pub fn logout_token(&self, changes: &Value) -> String {
        self.state.logout_token(changes)
    }

    /// Returns a Security Event Token (RFC 8417) with these events by their URIs, and with the user as
    /// its subject (`sub_id`). Each member of `changes` replaces a claim, or `alg`, `typ` and `kid` of
    /// the header; `null` removes it. A [`Fault`] of the signature makes it invalid.
    ///
    /// ```
    /// use authlayer::testing::FakeIdp;
    /// use serde_json::json;
    ///
    /// const REVOKED: &str = "https://schemas.openid.net/secevent/caep/event-type/session-revoked";
    ///
    /// fn token(idp: &FakeIdp) -> String {
    ///     idp.security_event_token(&json!({ REVOKED: {} }), &json!({}))
    /// }
    /// ```
    pub fn security_event_token(&self, events: &Value, changes: &Value) -> String {
        self.state.security_event_token(events, changes)
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a request, and returns the current fault.
    fn ask(&self, what: &'static str) -> Option<Fault> {
        let mut inner = self.lock();
        *inner.asked.entry(what).or_default() += 1;
        inner.fault
    }

    fn now(&self) -> Timestamp {
        self.lock().clock.now()
    }

    fn authorize(&self, query: &str) -> String {
        let fault = self.ask("authorize");
        let request: BTreeMap<String, String> =
            form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        let get = |name: &str| request.get(name).cloned().unwrap_or_default();
        assert_eq!(get("response_type"), "code", "OA-01");
        assert_eq!(get("code_challenge_method"), "S256", "OA-02");
        assert_eq!(get("client_id"), self.client_id);
        let mut inner = self.lock();
        inner.made += 1;
        let code = format!("code-{}", inner.made);
        let (back, state) = (get("redirect_uri"), get("state"));
        inner.codes.insert(code.clone(), request);
        let error = inner.settings.error.clone();
        drop(inner);
        let mut answer = form_urlencoded::Serializer::new(String::new());
        match fault {
            _ if error.is_some() => {
                answer.append_pair("error", error.as_deref().unwrap_or_default());
            }
            Some(Fault::Denied) => {
                answer.append_pair("error", "access_denied");
                answer.append_pair("error_description", "<script>alert(1)</script>\r\nX: y");
            }
            _ => drop(answer.append_pair("code", &code)),
        }
        answer.append_pair("state", &state);
        match fault {
            Some(Fault::CallbackIssuerOther) => {
                answer.append_pair("iss", "https://evil.example");
            }
            Some(Fault::CallbackIssuerMissing) => {}
            _ => drop(answer.append_pair("iss", &self.issuer)),
        }
        format!("{back}?{}", answer.finish())
    }
}

async fn discovery(State(shared): State<Arc<Shared>>) -> Response {
    let fault = shared.ask("discovery");
    let at = |path: &str| format!("{}/{path}", shared.issuer);
    let issuer = match fault {
        Some(Fault::Down) => return StatusCode::SERVICE_UNAVAILABLE.into_response(),
        Some(Fault::DiscoveryIssuerOther) => format!("{}/", shared.issuer),
        _ => shared.issuer.clone(),
    };
    let keys = match fault {
        Some(Fault::DiscoveryPlainKeys) => "http://keys.example.com/jwks".to_owned(),
        _ => at("jwks"),
    };
    let mut document = json!({
        "issuer": issuer,
        "authorization_endpoint": at("authorize"),
        "token_endpoint": at("token"),
        "userinfo_endpoint": at("userinfo"),
        "end_session_endpoint": at("end_session"),
        "revocation_endpoint": at("revoke"),
        "jwks_uri": keys,
        "authorization_response_iss_parameter_supported": true,
        "id_token_signing_alg_values_supported": ["RS256", "HS256", "none"],
    });
    let settings = &shared.lock().settings;
    for (name, value) in &settings.metadata {
        document[name] = value.clone();
    }
    settings.dress("discovery", Json(document))
}

async fn authorize(State(shared): State<Arc<Shared>>, RawQuery(query): RawQuery) -> Redirect {
    Redirect::to(&shared.authorize(query.as_deref().unwrap_or_default()))
}

async fn jwks(State(shared): State<Arc<Shared>>) -> Response {
    let fault = shared.ask("jwks");
    let inner = shared.lock();
    let keys = inner.settings.keys.clone().unwrap_or_else(|| inner.keys.published(fault));
    inner.settings.dress("jwks", Json(keys))
}

async fn token(State(shared): State<Arc<Shared>>, headers: HeaderMap, body: String) -> Response {
    let fault = shared.ask("token");
    match fault {
        Some(Fault::TokenError) => return refuse("invalid_grant"),
        Some(Fault::TokenRedirects) => {
            return Redirect::temporary("http://127.0.0.1:1/stolen").into_response();
        }
        Some(Fault::TokenHuge) => {
            return Json(json!({ "access_token": "x".repeat(2 * 1024 * 1024) })).into_response();
        }
        Some(Fault::TokenNoJson) => return "access_token=x".into_response(),
        _ => {}
    }
    let form: BTreeMap<String, String> =
        form_urlencoded::parse(body.as_bytes()).into_owned().collect();
    let get = |name: &str| form.get(name).cloned().unwrap_or_default();
    if !shared.is_client(&headers, &form) {
        return refuse("invalid_client");
    }
    let Some(request) = shared.lock().codes.remove(&get("code")) else {
        return refuse("invalid_grant");
    };
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(get("code_verifier")));
    if request.get("code_challenge") != Some(&challenge)
        || request.get("redirect_uri") != form.get("redirect_uri")
    {
        return refuse("invalid_grant");
    }
    let nonce = request.get("nonce").cloned().unwrap_or_default();
    let id_token = shared.id_token(&nonce, fault);
    shared.lock().last_token.clone_from(&id_token);
    let answer = Json(json!({
        "access_token": ACCESS,
        "token_type": "Bearer",
        "expires_in": 300,
        "refresh_token": "provider-refresh-token",
        "id_token": id_token,
    }));
    shared.lock().settings.dress("token", answer)
}

async fn revoke(State(shared): State<Arc<Shared>>, headers: HeaderMap, body: String) -> Response {
    shared.ask("revoke");
    shared.revoke(&headers, &body)
}

async fn user_info(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Response {
    let fault = shared.ask("userinfo");
    let bearer = HeaderValue::from_str(&format!("Bearer {}", ACCESS)).expect("ASCII");
    if headers.get(header::AUTHORIZATION) != Some(&bearer) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let mut claims = shared.lock().claims.clone();
    claims.extend(shared.lock().settings.user_info.clone());
    match fault {
        Some(Fault::UserInfoSubjectOther) => {
            claims.insert("sub".to_owned(), json!("somebody-else"));
        }
        Some(Fault::UserInfoSubjectMissing) => drop(claims.remove("sub")),
        Some(Fault::UserInfoSigned) => {
            return ([(header::CONTENT_TYPE, "application/jwt")], "e30.e30.").into_response();
        }
        _ => {}
    }
    if shared.lock().settings.sign_user_info {
        let kind = [(header::CONTENT_TYPE, "application/jwt")];
        let token = shared.user_info_token(&claims);
        return shared.lock().settings.dress("userinfo", (kind, token));
    }
    shared.lock().settings.dress("userinfo", Json(Value::Object(claims)))
}

fn refuse(error: &str) -> Response {
    (StatusCode::BAD_REQUEST, Json(json!({ "error": error }))).into_response()
}
