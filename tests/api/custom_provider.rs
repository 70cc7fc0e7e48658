//! A provider of the application, on both databases: one over HTTP without OpenID Connect, and one
//! that uses every method of the trait.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use authlayer::{
    Auth, ConfigError, OAuth, Password, PgStore, Provider, SqliteStore,
    flow::{ProviderError, ProviderLogout, ProviderProfile, ProviderRequest},
    jiff::Timestamp,
    store::Store,
    testing::{ManualClock, TestApp, TestClient, TestResponse},
};
use axum::{
    Json, Router,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::post,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::{
    providers::path_of,
    support::{Database, On, PASSWORD},
};

#[path = "../../examples/provider.rs"]
#[allow(dead_code, unreachable_pub, missing_debug_implementations, reason = "an example")]
mod example;

use example::Strava;

const BOTH: [On; 2] = [On::Sqlite, On::Postgres];

/// The server of Strava: it issues a token for each code once.
#[derive(Clone, Default)]
struct Server {
    codes: Arc<Mutex<HashMap<String, Value>>>,
    /// The code challenges of the authorization requests.
    challenges: Arc<Mutex<Vec<String>>>,
    requests: Arc<Mutex<u32>>,
}

impl Server {
    fn issue(&self, code: &str, athlete: Value) {
        self.codes.lock().unwrap().insert(code.to_owned(), athlete);
    }

    fn requests(&self) -> u32 {
        *self.requests.lock().unwrap()
    }
}

async fn token(State(server): State<Server>, body: String) -> Response {
    *server.requests.lock().unwrap() += 1;
    let form: HashMap<_, _> = form_urlencoded::parse(body.as_bytes()).into_owned().collect();
    assert_eq!(
        [&*form["client_id"], &*form["client_secret"], &*form["grant_type"]],
        ["app", "secret", "authorization_code"]
    );
    assert_eq!(form["redirect_uri"], "http://localhost:3000/auth/oauth/strava/callback");
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(&form["code_verifier"]));
    assert!(server.challenges.lock().unwrap().contains(&challenge), "RFC 7636 §4.6");
    match server.codes.lock().unwrap().remove(&form["code"]) {
        Some(athlete) => {
            Json(json!({ "token_type": "Bearer", "athlete": athlete })).into_response()
        }
        None => StatusCode::BAD_REQUEST.into_response(),
    }
}

struct Fixture {
    app: TestApp,
    _strava: TestApp,
    server: Server,
    database: Database,
}

/// Builds the application with a provider on a database.
async fn serve<P: Provider>(
    database: &Database,
    provider: OAuth<P>,
    clock: Option<ManualClock>,
) -> TestApp {
    let url = database.url();
    let auth = match url.strip_prefix("sqlite:") {
        Some(path) => build(SqliteStore::open(path).await.unwrap(), provider, clock),
        None => build(PgStore::connect_with(&url, 2).await.unwrap(), provider, clock),
    };
    let me = async |user: authlayer::AuthUser| Json(user);
    let app = Router::new()
        .route("/me", axum::routing::get(me))
        .nest("/auth", auth.router())
        .layer(auth.layer());
    TestApp::serve(app).await
}

fn build<P: Provider>(store: impl Store, provider: OAuth<P>, clock: Option<ManualClock>) -> Auth {
    let builder = Auth::builder(store).origin("http://localhost:3000");
    let builder = match clock {
        Some(clock) => builder.clock(clock),
        None => builder,
    };
    builder.flow(Password::new()).flow(provider).build().unwrap()
}

impl Fixture {
    async fn new(on: On, configure: impl FnOnce(OAuth<Strava>) -> OAuth<Strava>) -> Self {
        let server = Server::default();
        let routes = Router::new().route("/oauth/token", post(token)).with_state(server.clone());
        let strava = TestApp::serve(routes).await;
        let provider = Strava {
            url: format!("http://{}", strava.address()),
            client_id: "app".to_owned(),
            client_secret: "secret".to_owned(),
            http: reqwest::Client::new(),
        };
        let database = Database::fresh(on).await;
        let app = serve(&database, configure(OAuth::new(provider)), None).await;
        Self { app, _strava: strava, server, database }
    }

    /// Starts a sign-in and returns the path of its callback with this code.
    async fn to_callback(&self, browser: &TestClient, code: &str) -> String {
        let start = browser.get("/auth/oauth/strava/start?redirect_to=/rides").await;
        assert_eq!(start.status, 303, "{}", start.json());
        self.callback(&start.header("location"), code)
    }

    /// Returns the path to which the provider redirects the browser, which has read the URL.
    fn callback(&self, url: &str, code: &str) -> String {
        assert_eq!(parameter(url, "code_challenge_method"), "S256");
        self.server.challenges.lock().unwrap().push(parameter(url, "code_challenge"));
        callback(url, code)
    }

    async fn sign_in(&self, browser: &TestClient, id: u64) -> TestResponse {
        let code = format!("code-{id}");
        self.server.issue(&code, athlete(id));
        browser.get(&self.to_callback(browser, &code).await).await
    }

    async fn remove(self) {
        drop(self.app);
        self.database.remove().await;
    }
}

fn athlete(id: u64) -> Value {
    json!({ "id": id, "firstname": "Ada", "profile": "https://img.example.com/ada.png" })
}

fn parameter(url: &str, name: &str) -> String {
    let url = reqwest::Url::parse(url).unwrap();
    let found = url.query_pairs().find(|(own, _)| own == name);
    found.unwrap_or_else(|| panic!("{url} has no {name}")).1.into_owned()
}

/// Returns the path to which the provider redirects the browser.
fn callback(authorization_url: &str, code: &str) -> String {
    let to = path_of(&parameter(authorization_url, "redirect_uri"));
    format!("{to}?code={code}&state={}", parameter(authorization_url, "state"))
}

async fn me(browser: &TestClient) -> Value {
    let answer = browser.get("/me").await;
    if answer.status == 200 { answer.json() } else { Value::Null }
}

#[tokio::test]
async fn provider_without_openid_connect_signs_users_in() {
    for on in BOTH {
        let fixture = Fixture::new(on, |flow| flow).await;
        let browser = fixture.app.client();
        let signed_in = fixture.sign_in(&browser, 4711).await;
        assert_eq!(
            (signed_in.status, &*signed_in.header("location")),
            (303.try_into().unwrap(), "/rides")
        );
        let ada = me(&browser).await;
        assert_eq!(ada["display_name"], "Ada");
        assert_eq!(ada["avatar_url"], "https://img.example.com/ada.png");
        assert_eq!(ada["email"], Value::Null);
        let linked = browser.get("/auth/identities").await.json()["identities"][0].clone();
        assert_eq!(json!([linked["provider"], linked["subject"]]), json!(["strava", "4711"]));

        let other_device = fixture.app.client();
        assert_eq!(fixture.sign_in(&other_device, 4711).await.status, 303);
        assert_eq!(me(&other_device).await["id"], ada["id"], "the subject identifies the user");
        let stranger = fixture.app.client();
        fixture.sign_in(&stranger, 4712).await;
        assert_ne!(me(&stranger).await["id"], ada["id"]);
        fixture.remove().await;
    }
}

#[tokio::test]
async fn callback_is_bound_to_its_browser_and_accepted_once() {
    for on in BOTH {
        let fixture = Fixture::new(on, |flow| flow).await;
        let (browser, attacker) = (fixture.app.client(), fixture.app.client());
        fixture.server.issue("code", athlete(4711));
        let callback = fixture.to_callback(&browser, "code").await;
        assert_eq!(attacker.get(&callback).await.code(), "invalid_state");
        assert_eq!(fixture.server.requests(), 0, "the code was not sent to the provider");
        assert_eq!(browser.get(&callback).await.status, 303);
        assert_eq!(browser.get(&callback).await.code(), "invalid_state");
        assert_eq!(fixture.server.requests(), 1);

        let callback = fixture.to_callback(&browser, "code").await;
        let mixed_up = browser.get(&format!("{callback}&iss=https://evil.example.com")).await;
        assert_eq!(mixed_up.code(), "invalid_state");
        assert_eq!(fixture.server.requests(), 1, "a code of another issuer is not redeemed");
        fixture.remove().await;
    }
}

#[tokio::test]
async fn failures_of_the_provider_are_provider_errors() {
    for on in BOTH {
        let fixture = Fixture::new(on, |flow| flow).await;
        let browser = fixture.app.client();
        let unknown_code = browser.get(&fixture.to_callback(&browser, "unknown").await).await;
        assert_eq!(unknown_code.code(), "provider_error");
        let text = String::from_utf8(unknown_code.body).unwrap();
        assert!(!text.contains("/oauth/token"), "the cause is only logged: {text}");
        fixture.server.issue("code", json!({ "id": "not a number" }));
        let malformed = browser.get(&fixture.to_callback(&browser, "code").await).await;
        assert_eq!(malformed.code(), "provider_error");
        let callback = fixture.to_callback(&browser, "unused").await;
        let denied = callback.replace("code=unused", "error=access_denied");
        assert_eq!(browser.get(&denied).await.code(), "provider_denied");
        assert_eq!(me(&browser).await, Value::Null);
        fixture.remove().await;
    }
}

#[tokio::test]
async fn rules_of_the_flow_apply_to_any_provider() {
    for on in BOTH {
        let fixture = Fixture::new(on, |flow| flow.allow_sign_up(false)).await;
        let browser = fixture.app.client();
        assert_eq!(fixture.sign_in(&browser, 4711).await.code(), "sign_up_disabled");
        let body = json!({ "email": "ada@example.com", "password": PASSWORD });
        assert_eq!(browser.post("/auth/sign-up", body).await.status, 201);
        let link = browser.post("/auth/oauth/strava/link", json!({ "redirect_to": "/done" })).await;
        let url = link.json()["authorization_url"].as_str().unwrap().to_owned();
        fixture.server.issue("link", athlete(4711));
        assert_eq!(browser.get(&fixture.callback(&url, "link")).await.header("location"), "/done");
        let other_device = fixture.app.client();
        assert_eq!(fixture.sign_in(&other_device, 4711).await.status, 303);
        assert_eq!(me(&other_device).await["email"], "ada@example.com");
        let step_up = other_device.post("/auth/oauth/strava/step-up", json!({})).await;
        assert_eq!(step_up.status, 404, "the provider does not state the time");
        let anonymous = fixture.app.client().post("/auth/oauth/strava/step-up", json!({})).await;
        assert_eq!(anonymous.code(), "unauthenticated");
        fixture.remove().await;

        let fixture = Fixture::new(on, |flow| flow.link_only()).await;
        let start = fixture.app.client().get("/auth/oauth/strava/start").await;
        assert_eq!(start.code(), "not_found");
        fixture.remove().await;
    }
}

/// A provider whose codes are profiles: `subject,tenant,seconds`.
struct Directory {
    clock: ManualClock,
    email: Option<(&'static str, bool)>,
}

impl Provider for Directory {
    fn id(&self) -> &str {
        "directory"
    }

    fn issuer(&self) -> &str {
        "https://directory.example.com"
    }

    async fn check_issuer(&self, iss: Option<&str>) -> Result<bool, ProviderError> {
        Ok(iss == Some("https://directory.example.com"))
    }

    fn proves_time(&self) -> bool {
        true
    }

    fn proves_time_at_sign_in(&self) -> bool {
        true
    }

    async fn authorization_url(&self, request: &ProviderRequest) -> Result<String, ProviderError> {
        assert!(!format!("{request:?}").contains(request.state()), "secrets are redacted");
        let is_step_up = request.step_up_since().is_some();
        let (challenge, state) = (request.code_challenge(), request.state());
        let (nonce, to) = (request.nonce(), request.redirect_uri());
        Ok(format!(
            "https://directory.example.com/?redirect_uri={to}&state={state}&nonce={nonce}\
             &code_challenge={challenge}&code_challenge_method=S256&step_up={is_step_up}"
        ))
    }

    async fn redeem_code(
        &self,
        code: &str,
        request: &ProviderRequest,
    ) -> Result<ProviderProfile, ProviderError> {
        assert_eq!(request.code_verifier().len(), 43);
        let [subject, tenant, ago] = Vec::from_iter(code.split(','))[..] else {
            return Err(ProviderError::denied());
        };
        let seconds = Duration::from_secs(ago.parse()?);
        let now = authlayer::clock::Clock::now(&self.clock);
        let profile = ProviderProfile::new(subject)
            .issuer(format!("https://directory.example.com/{tenant}"))
            .username(subject)
            .locale("de")
            .session_id(format!("session of {subject}"))
            .id_token("id-token")
            .authenticated_at(now - seconds);
        Ok(match self.email {
            Some((email, verified)) => profile.email(email, verified),
            None => profile,
        })
    }

    async fn end_session_url(
        &self,
        hint: Option<&str>,
        _: &str,
    ) -> Result<Option<String>, ProviderError> {
        Ok(Some(format!("https://directory.example.com/end?hint={}", hint.unwrap_or_default())))
    }

    async fn verify_logout_token(
        &self,
        token: &str,
    ) -> Result<Option<ProviderLogout>, ProviderError> {
        let ended = token.strip_prefix("ends ").and_then(|rest| rest.split_once(" of "));
        let (subject, tenant) = ended.ok_or_else(|| ProviderError::invalid_token("malformed"))?;
        let expires_at = Timestamp::MAX - Duration::from_secs(86_400 * 400);
        let issuer = format!("https://directory.example.com/{tenant}");
        Ok(Some(ProviderLogout::new(token, expires_at).issuer(issuer).subject(subject)))
    }
}

struct World {
    app: TestApp,
    clock: ManualClock,
    database: Database,
}

impl World {
    async fn new(on: On, email: Option<(&'static str, bool)>) -> Self {
        let clock = ManualClock::at("2026-01-01T00:00:00Z");
        let database = Database::fresh(on).await;
        let directory = Directory { clock: clock.clone(), email };
        let app = serve(&database, OAuth::new(directory), Some(clock.clone())).await;
        Self { app, clock, database }
    }

    async fn sign_in(&self, browser: &TestClient, code: &str) -> TestResponse {
        let start = browser.get("/auth/oauth/directory/start").await;
        self.land(browser, &start.header("location"), code).await
    }

    async fn land(&self, browser: &TestClient, url: &str, code: &str) -> TestResponse {
        let path = format!("{}&iss=https://directory.example.com", callback(url, code));
        browser.get(&path).await
    }

    async fn remove(self) {
        drop(self.app);
        self.database.remove().await;
    }
}

#[tokio::test]
async fn issuer_of_the_profile_is_part_of_the_identity() {
    for on in BOTH {
        let world = World::new(on, None).await;
        let (one, two, again) = (world.app.client(), world.app.client(), world.app.client());
        assert_eq!(world.sign_in(&one, "ada,first,0").await.status, 303);
        assert_eq!(world.sign_in(&two, "ada,second,0").await.status, 303);
        assert_eq!(world.sign_in(&again, "ada,first,0").await.status, 303);
        assert_ne!(me(&one).await["id"], me(&two).await["id"]);
        assert_eq!(me(&one).await["id"], me(&again).await["id"]);
        assert_eq!(me(&one).await["user_metadata"]["locale"], "de");
        let without_issuer = {
            let start = one.get("/auth/oauth/directory/start").await;
            one.get(&callback(&start.header("location"), "ada,first,0")).await
        };
        assert_eq!(without_issuer.code(), "invalid_state", "the provider promised `iss`");
        let denied = world.sign_in(&one, "no-profile").await;
        assert_eq!(denied.code(), "provider_denied");
        let nameless = world.sign_in(&one, ",first,0").await;
        assert_eq!(nameless.code(), "provider_error", "an empty subject identifies no user");
        world.remove().await;
    }
}

#[tokio::test]
async fn step_up_requires_an_authentication_after_its_start() {
    for on in BOTH {
        let world = World::new(on, None).await;
        let browser = world.app.client();
        // The user authenticated at the provider an hour before this sign-in.
        assert_eq!(world.sign_in(&browser, "ada,first,3600").await.status, 303);
        let stale = browser.post("/auth/oauth/directory/link", json!({})).await;
        assert_eq!(stale.code(), "step_up_required");
        assert_eq!(stale.json()["methods"], json!(["provider"]));
        for (code, outcome) in [
            ("ada,first,3600", "provider_error"),
            ("bob,first,0", "invalid_state"),
            ("ada,first,0", ""),
        ] {
            let begun = browser.post("/auth/oauth/directory/step-up", json!({})).await.json();
            let url = begun["authorization_url"].as_str().unwrap();
            assert_eq!(parameter(url, "step_up"), "true");
            let landed = world.land(&browser, url, code).await;
            assert_eq!(landed.code(), outcome, "{code}");
        }
        assert_eq!(browser.post("/auth/oauth/directory/link", json!({})).await.status, 200);
        world.clock.advance(Duration::from_secs(601));
        let late = browser.post("/auth/oauth/directory/link", json!({})).await;
        assert_eq!(late.code(), "step_up_required");
        world.remove().await;
    }
}

#[tokio::test]
async fn logout_tokens_and_logout_urls_of_the_provider_are_used() {
    for on in BOTH {
        let world = World::new(on, None).await;
        let (ada, bob) = (world.app.client(), world.app.client());
        world.sign_in(&ada, "ada,first,0").await;
        world.sign_in(&bob, "bob,first,0").await;
        let anyone = world.app.client();
        let path = "/auth/oauth/directory/backchannel-logout";
        let send = async |token: &str| anyone.post_form(path, &[("logout_token", token)]).await;
        assert_eq!(send("malformed").await.code(), "invalid_request");
        assert_eq!(send("ends ada of second").await.status, 200);
        assert_ne!(me(&ada).await, Value::Null, "the same subject of another tenant");
        assert_eq!(send("ends ada of first").await.status, 200);
        let again = send("ends ada of first").await;
        assert_eq!(again.code(), "invalid_request", "a token is used once");
        assert_eq!((me(&ada).await, me(&bob).await.is_null()), (Value::Null, false));
        let signed_out = bob.post("/auth/sign-out", json!({ "provider_logout": true })).await;
        let url = signed_out.json()["logout_url"].clone();
        assert_eq!(url, "https://directory.example.com/end?hint=id-token");
        world.remove().await;
    }
}

#[tokio::test]
async fn only_verified_addresses_are_taken_over() {
    for on in BOTH {
        let world = World::new(on, Some(("Ada@EXAMPLE.com", true))).await;
        let browser = world.app.client();
        assert_eq!(world.sign_in(&browser, "ada,first,0").await.status, 303);
        let ada = me(&browser).await;
        assert_eq!(json!([ada["email"], ada["email_verified"]]), json!(["ada@example.com", true]));
        world.remove().await;

        let world = World::new(on, Some(("ada@example.com", false))).await;
        let refused = world.sign_in(&world.app.client(), "ada,first,0").await;
        assert_eq!(refused.code(), "email_not_verified");
        world.remove().await;
    }
}

/// A provider whose URLs and issuer are those of the test.
#[derive(Clone, Copy)]
struct Careless {
    authorization_url: fn(&ProviderRequest) -> String,
    accepts_pkce: bool,
    issuer: &'static str,
    end_session_url: &'static str,
}

const CAREFUL: Careless = Careless {
    authorization_url: |request| request.authorization_url("https://id.example.com", "app", ""),
    accepts_pkce: true,
    issuer: "https://id.example.com/tenant",
    end_session_url: "https://id.example.com/end",
};

impl Provider for Careless {
    fn id(&self) -> &str {
        "careless"
    }

    fn issuer(&self) -> &str {
        "https://id.example.com"
    }

    fn accepts_pkce(&self) -> bool {
        self.accepts_pkce
    }

    async fn authorization_url(&self, request: &ProviderRequest) -> Result<String, ProviderError> {
        Ok((self.authorization_url)(request))
    }

    async fn redeem_code(
        &self,
        code: &str,
        _: &ProviderRequest,
    ) -> Result<ProviderProfile, ProviderError> {
        Ok(ProviderProfile::new(code).issuer(self.issuer))
    }

    async fn end_session_url(
        &self,
        _: Option<&str>,
        _: &str,
    ) -> Result<Option<String>, ProviderError> {
        Ok(Some(self.end_session_url.to_owned()))
    }
}

/// Serves an application with this provider and, as another one, the directory.
async fn with_careless(database: &Database, provider: Careless) -> TestApp {
    let directory = Directory { clock: ManualClock::at("2026-01-01T00:00:00Z"), email: None };
    let url = database.url();
    let build = |builder: authlayer::AuthBuilder| {
        let builder = builder.origin("http://localhost:3000").flow(OAuth::new(directory));
        builder.flow(OAuth::new(provider)).build().unwrap()
    };
    let auth = match url.strip_prefix("sqlite:") {
        Some(path) => build(Auth::builder(SqliteStore::open(path).await.unwrap())),
        None => build(Auth::builder(PgStore::connect_with(&url, 2).await.unwrap())),
    };
    let me = async |user: authlayer::AuthUser| Json(user);
    let app = Router::new()
        .route("/me", axum::routing::get(me))
        .nest("/auth", auth.router())
        .layer(auth.layer());
    TestApp::serve(app).await
}

/// Starts a sign-in with the provider, and returns the path of the callback.
async fn begin(browser: &TestClient) -> String {
    let start = browser.get("/auth/oauth/careless/start").await;
    assert_eq!(start.status, 303, "{}", start.json());
    callback(&start.header("location"), "ada")
}

#[tokio::test]
async fn authorization_url_must_be_secure_with_state_and_code_challenge() {
    type Url = fn(&ProviderRequest) -> String;
    let no_challenge: Url = |own| format!("https://id.example.com/?state={}", own.state());
    let no_method: Url = |own| {
        let (state, challenge) = (own.state(), own.code_challenge());
        format!("https://id.example.com/?state={state}&code_challenge={challenge}")
    };
    let no_state: Url = |own| {
        let url = own.authorization_url("https://id.example.com", "app", "");
        url.replace("&state=", "&other=")
    };
    let pushed: Url = |_| "https://id.example.com/?client_id=app&request_uri=urn:x".to_owned();
    let plain_http: Url = |own| own.authorization_url("http://id.example.com", "app", "");
    let loopback: Url = |own| own.authorization_url("http://127.0.0.1:1", "app", "");
    for on in BOTH {
        let database = Database::fresh(on).await;
        for (name, authorization_url, accepts_pkce, accepted) in [
            ("complete", CAREFUL.authorization_url, true, true),
            ("no challenge", no_challenge, true, false),
            ("no challenge, and no PKCE", no_challenge, false, true),
            ("no method", no_method, true, false),
            ("no state", no_state, true, false),
            ("pushed (RFC 9126)", pushed, true, true),
            ("plain http", plain_http, true, false),
            ("loopback", loopback, true, true),
        ] {
            let provider = Careless { authorization_url, accepts_pkce, ..CAREFUL };
            let app = with_careless(&database, provider).await;
            let start = app.client().get("/auth/oauth/careless/start").await;
            match accepted {
                true => assert_eq!(start.status, 303, "{name}"),
                false => assert_eq!(start.code(), "provider_error", "{name}"),
            }
        }
        database.remove().await;
    }
}

#[tokio::test]
async fn issuer_of_a_profile_is_not_that_of_another_provider() {
    for on in BOTH {
        let database = Database::fresh(on).await;
        for (issuer, code) in [
            ("https://directory.example.com", "provider_error"),
            ("", "provider_error"),
            ("https://id.example.com\nx", "provider_error"),
            ("https://id.example.com", ""),
            ("https://id.example.com/tenant", ""),
        ] {
            let app = with_careless(&database, Careless { issuer, ..CAREFUL }).await;
            let browser = app.client();
            let landed = browser.get(&begin(&browser).await).await;
            assert_eq!(landed.code(), code, "{issuer:?}");
            assert_eq!(me(&browser).await.is_null(), !code.is_empty(), "{issuer:?}");
        }
        database.remove().await;
    }
}

#[tokio::test]
async fn browser_is_sent_to_no_insecure_logout_url() {
    for on in BOTH {
        let database = Database::fresh(on).await;
        for (end_session_url, accepted) in [
            ("https://id.example.com/end", true),
            ("http://127.0.0.1:1/end", true),
            ("http://id.example.com/end", false),
            ("javascript:alert(1)", false),
            ("/end", false),
        ] {
            let app = with_careless(&database, Careless { end_session_url, ..CAREFUL }).await;
            let browser = app.client();
            assert_eq!(browser.get(&begin(&browser).await).await.status, 303);
            let signed_out =
                browser.post("/auth/sign-out", json!({ "provider_logout": true })).await;
            match accepted {
                true => assert_eq!(signed_out.json()["logout_url"], end_session_url),
                false => assert_eq!(signed_out.status, 204, "{end_session_url}"),
            }
            assert_eq!(me(&browser).await, Value::Null, "the session is revoked here");
        }
        database.remove().await;
    }
}

#[tokio::test]
async fn ids_and_issuers_of_providers_are_unique() {
    struct Named(&'static str, &'static str);

    impl Provider for Named {
        fn id(&self) -> &str {
            self.0
        }

        fn issuer(&self) -> &str {
            self.1
        }

        async fn authorization_url(&self, _: &ProviderRequest) -> Result<String, ProviderError> {
            Err(ProviderError::denied())
        }

        async fn redeem_code(
            &self,
            _: &str,
            _: &ProviderRequest,
        ) -> Result<ProviderProfile, ProviderError> {
            Err(ProviderError::denied())
        }
    }

    let error = async |one: Named, two: Named| -> ConfigError {
        let builder = Auth::builder(SqliteStore::memory().await.unwrap())
            .origin("http://localhost:3000")
            .flow(OAuth::new(one))
            .flow(OAuth::new(two));
        builder.build().unwrap_err()
    };
    let first = || Named("one", "https://one.example.com");
    let text = error(first(), Named("one", "https://two.example.com")).await.to_string();
    assert!(text.contains("two providers have one id or one issuer"), "{text}");
    let text = error(first(), Named("two", "https://one.example.com")).await.to_string();
    assert!(text.contains("two providers have one id or one issuer"), "{text}");
    let text = error(first(), Named("Two", "https://two.example.com")).await.to_string();
    assert!(text.contains("1 to 32 of a-z, 0-9 and -"), "{text}");
    let text = error(first(), Named("two", "")).await.to_string();
    assert!(text.contains("issuer"), "{text}");
}
