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
use serde_json::{Value, json};

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

async fn token(State(server): State<Server>, Json(body): Json<Value>) -> Response {
    *server.requests.lock().unwrap() += 1;
    let client = json!([body["client_id"], body["client_secret"], body["grant_type"]]);
    assert_eq!(client, json!(["app", "secret", "authorization_code"]));
    let code = body["code"].as_str().unwrap_or_default();
    match server.codes.lock().unwrap().remove(code) {
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
        callback(&start.header("location"), code)
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
        assert_eq!(browser.get(&callback(&url, "link")).await.header("location"), "/done");
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
             &code_challenge={challenge}&step_up={is_step_up}"
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
        let subject = token.strip_prefix("ends ");
        let subject = subject.ok_or_else(|| ProviderError::invalid_token("malformed"))?;
        let expires_at = Timestamp::MAX - Duration::from_secs(86_400 * 400);
        Ok(Some(ProviderLogout::new(token, expires_at).subject(subject)))
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
        assert_eq!(send("ends ada").await.status, 200);
        assert_eq!(send("ends ada").await.code(), "invalid_request", "a token is used once");
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
