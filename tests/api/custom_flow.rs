//! A flow outside of the crate with the registry and the services, on both databases.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use authlayer::{
    Auth, AuthError, Client as AuthClient, ConfigError, ErrorKind, EventKind, Factor, Flow,
    FreshUser, JsonBody, Password, PgStore, Registry, SignInOutcome, SqliteStore, Strength,
    mail::DeliveryError,
    services::{
        Account, ChallengeHandle, CodeDelivery, CodeMessage, CredentialOptions, Credentials,
        FactorAttempt, FactorCheck, Owner, SecondFactor, Services, TokenChallenges, VerifiedFactor,
    },
    store::Store,
    testing::{EventRecorder, TestApp, TestClient},
};
use axum::{
    Json, Router,
    extract::{Path, State},
    response::IntoResponse,
    routing::{delete, post},
};
use futures_util::future::join_all;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{Database, On, PASSWORD};

#[path = "../../examples/custom_flow/src/lib.rs"]
#[allow(unreachable_pub, missing_debug_implementations, reason = "a separate crate")]
mod sms;

use sms::{SMS, SmsSignIn};

const PHONE: &str = "+4915112345678";

#[derive(Clone, Default)]
struct Phones(Arc<Mutex<Vec<(String, String)>>>);

impl CodeDelivery for Phones {
    async fn deliver(&self, message: CodeMessage<'_>) -> Result<(), DeliveryError> {
        assert_eq!(message.minutes, 5);
        self.0.lock().unwrap().push((message.to.to_owned(), message.code.to_owned()));
        Ok(())
    }
}

struct Fixture {
    auth: Auth,
    app: TestApp,
    phones: Phones,
    watch: EventRecorder,
}

impl Fixture {
    async fn new(database: &Database) -> Self {
        let url = database.url();
        match url.strip_prefix("sqlite:") {
            Some(path) => Self::over(SqliteStore::open(path).await.unwrap()).await,
            None => Self::over(PgStore::connect_with(&url, 2).await.unwrap()).await,
        }
    }

    async fn over(store: impl Store) -> Self {
        let (phones, watch) = (Phones::default(), EventRecorder::default());
        let auth = Auth::builder(store)
            .origin("http://localhost:3000")
            .event_sink(watch.clone())
            .flow(Password::new())
            .flow(SmsSignIn(phones.clone()))
            .build()
            .unwrap();
        let app = Router::new().nest("/auth", auth.router()).layer(auth.layer());
        Self { auth, app: TestApp::serve(app).await, phones, watch }
    }

    async fn user(&self, email: &str, phone: &str) -> TestClient {
        let browser = self.app.client();
        let body = json!({ "email": email, "password": PASSWORD });
        assert_eq!(browser.post("/auth/sign-up", &body).await.status, 201);
        let user = self.auth.users().find_by_email(email).await.unwrap().unwrap();
        self.auth.service::<SmsSignIn<Phones>>().unwrap().assign(&user.id, phone).await.unwrap();
        browser
    }

    async fn code(&self) -> String {
        self.auth.shutdown(Duration::from_secs(30)).await;
        self.phones.0.lock().unwrap().pop().expect("a code").1
    }

    async fn start(&self, phone: &str) -> Value {
        let started = self.app.client().post("/auth/sms/sign-in", json!({ "phone": phone })).await;
        assert_eq!(started.status, 202, "{}", started.json());
        started.json()
    }
}

fn answer(pending: &Value, code: &str) -> Value {
    json!({ "challenge": pending["challenge"], "code": code })
}

/// Of concurrent correct codes one signs in, and attempts are counted.
#[tokio::test]
async fn correct_code_signs_in_once() {
    for on in [On::Sqlite, On::Postgres] {
        let database = Database::fresh(on).await;
        let fixture = Fixture::new(&database).await;
        fixture.user("ada@example.com", PHONE).await;
        let pending = fixture.start(PHONE).await;
        let right = answer(&pending, &fixture.code().await);
        let all = (0..6).map(|_| async {
            fixture.app.client().post("/auth/verify", &right).await.status.as_u16()
        });
        let statuses = join_all(all).await;
        assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
        assert!(statuses.iter().all(|status| [200, 401].contains(status)), "{statuses:?}");

        let pending = fixture.start(PHONE).await;
        let code = fixture.code().await;
        for _ in 0..5 {
            let wrong = fixture.app.client().post("/auth/verify", &answer(&pending, "abc")).await;
            assert_eq!(wrong.code(), "invalid_code");
        }
        let late = fixture.app.client().post("/auth/verify", &answer(&pending, &code)).await;
        assert_eq!(late.code(), "challenge_expired");
        assert!(fixture.watch.count(EventKind::ProofRefused) >= 5);
        drop(fixture);
        database.remove().await;
    }
}

/// A challenge is unknown to the routes of another challenge kind, and costs no attempt there.
#[tokio::test]
async fn challenge_of_another_kind_is_unknown() {
    for on in [On::Sqlite, On::Postgres] {
        let database = Database::fresh(on).await;
        let fixture = Fixture::new(&database).await;
        fixture.user("ada@example.com", PHONE).await;
        let bob = fixture.app.client();
        let body = json!({ "email": "bob@example.com", "password": PASSWORD });
        assert_eq!(bob.post("/auth/sign-up", &body).await.status, 201);
        let enrollment = bob.post("/auth/sms/phones", json!({ "phone": "+4915100000001" })).await;
        assert_eq!(enrollment.status, 202, "{}", enrollment.json());
        let code = fixture.code().await;
        let foreign = answer(&enrollment.json(), &code);
        for _ in 0..6 {
            assert_eq!(bob.post("/auth/verify", &foreign).await.code(), "challenge_expired");
        }
        let sign_in = fixture.start(PHONE).await;
        let right = answer(&sign_in, &fixture.code().await);
        let elsewhere = bob.post("/auth/sms/phones/verify", &right).await;
        assert_eq!(elsewhere.code(), "challenge_expired");
        assert_eq!(bob.post("/auth/sms/phones/verify", &foreign).await.status, 201);
        assert_eq!(fixture.app.client().post("/auth/verify", &right).await.status, 200);
        drop(fixture);
        database.remove().await;
    }
}

/// The password alone creates no session, and only the second factor completes the sign-in.
#[tokio::test]
async fn second_factor_is_required_after_every_sign_in_method() {
    for on in [On::Sqlite, On::Postgres] {
        let database = Database::fresh(on).await;
        let fixture = Fixture::new(&database).await;
        fixture.user("ada@example.com", PHONE).await;
        let browser = fixture.app.client();
        let body = json!({ "email": "ada@example.com", "password": PASSWORD });
        let pending = browser.post("/auth/sign-in", &body).await;
        assert_eq!(pending.json()["methods"], json!(["sms"]), "{}", pending.json());
        let before = browser.post("/auth/verify", &answer(&pending.json(), "123456")).await;
        assert_eq!(before.code(), "invalid_code", "no code was sent yet");
        let other = json!({
            "challenge": pending.json()["challenge"], "code": "123456", "method": "email_code",
        });
        let refused = browser.post("/auth/verify", &other).await;
        assert_eq!(
            (refused.status.as_u16(), &refused.json()["members"]),
            (422, &json!(["method"]))
        );
        let select = json!({ "challenge": pending.json()["challenge"] });
        let prompted = browser.post("/auth/verify/resend", &select).await;
        assert_eq!(prompted.status, 202, "{}", prompted.json());
        assert!(prompted.json()["resend_at"].is_string());
        let right = answer(&pending.json(), &fixture.code().await);
        let done = browser.post("/auth/verify", &right).await;
        assert_eq!(done.status, 200, "{}", done.json());
        assert_eq!(browser.post("/auth/verify", &right).await.code(), "challenge_expired");

        let started = browser.post("/auth/factors/sms/start", json!({})).await;
        assert_eq!(started.status, 202, "{}", started.json());
        let code = fixture.code().await;
        let other_client =
            fixture.app.client().post("/auth/verify", &answer(&started.json(), &code)).await;
        assert_eq!(other_client.code(), "unauthenticated", "the step-up belongs to the session");
        let stepped =
            browser.post("/auth/factors/sms/verify", &answer(&started.json(), &code)).await;
        assert_eq!(stepped.status, 200, "{}", stepped.json());
        assert_eq!(stepped.json()["session"]["id"], done.json()["session"]["id"]);
        assert_eq!(
            browser.post("/auth/factors/nothing/verify", json!({ "code": "1" })).await.status,
            404
        );
        drop(fixture);
        database.remove().await;
    }
}

/// A restarted process reads the factor of a session by its name.
#[tokio::test]
async fn factor_outlives_a_restart() {
    for on in [On::Sqlite, On::Postgres] {
        let database = Database::fresh(on).await;
        let first = Fixture::new(&database).await;
        first.user("ada@example.com", PHONE).await;
        let pending = first.start(PHONE).await;
        let phone = first.app.client();
        let right = answer(&pending, &first.code().await);
        assert_eq!(phone.post("/auth/verify", &right).await.status, 200);
        let token = phone.cookie("auth").unwrap();
        let second = Fixture::new(&database).await;
        let browser = second.app.client().with("cookie", format!("auth={token}"));
        let session = browser.get("/auth/session").await.json();
        assert_eq!(session["session"]["factors"][0]["method"], "sms");
        drop((first, second));
        database.remove().await;
    }
}

/// Registers a name that the SMS flow or the crate already uses.
struct Other(&'static str);

impl Flow for Other {
    type Service = TokenChallenges<()>;

    fn name(&self) -> &str {
        "other"
    }

    fn register(self, registry: &mut Registry) -> Result<TokenChallenges<()>, ConfigError> {
        Ok(registry.tokens(self.0, Duration::from_secs(60)))
    }
}

/// Requires a flow that is not registered.
struct Needy;

impl Flow for Needy {
    type Service = ();

    fn name(&self) -> &str {
        "needy"
    }

    fn register(self, registry: &mut Registry) -> Result<(), ConfigError> {
        registry.requires::<Other>();
        Ok(())
    }
}

#[tokio::test]
async fn names_are_unique_and_errors_name_both_flows() {
    let builder = async || {
        let store = SqliteStore::memory().await.unwrap();
        Auth::builder(store).origin("https://app.example.com").flow(SmsSignIn(Phones::default()))
    };
    let twice = builder().await.flow(Other("sms_sign_in")).build().unwrap_err();
    assert_eq!(twice.to_string(), "`sms_sign_in` is registered by the flows `sms` and `other`");
    let ours = builder().await.flow(Other("sign_in")).build().unwrap_err().to_string();
    assert!(ours.starts_with("other: `sign_in` is invalid"), "{ours}");
    let malformed = builder().await.flow(Other("Not a name")).build().unwrap_err().to_string();
    assert!(malformed.starts_with("other: "), "{malformed}");
    let missing = builder().await.flow(Needy).build().unwrap_err().to_string();
    assert_eq!(missing, "needy: needs the flow `Other`: add it with .flow(…)");
    let auth = builder().await.build().unwrap();
    let missing = auth.service::<Password>().unwrap_err().to_string();
    assert_eq!(missing, "the flow `Password` is not registered: add it with .flow(…)");
}

/// Factors hold services, and services hold only weak references: nothing leaks, and a service
/// that outlives its configuration fails closed.
#[tokio::test]
async fn service_that_outlives_the_configuration_fails_closed() {
    let store = SqliteStore::memory().await.unwrap();
    let auth = Auth::builder(store).origin("https://app.example.com").flow(Other("link"));
    let auth = auth.flow(SmsSignIn(Phones::default())).build().unwrap();
    let (services, tokens) = (auth.services(), auth.service::<Other>().unwrap());
    // A client holds the configuration of its request.
    let other = Auth::builder(SqliteStore::memory().await.unwrap());
    let other = other.origin("https://app.example.com").build().unwrap();
    let client = other.client(&http::Request::new(()).into_parts().0).unwrap();
    let unknown = ChallengeHandle::new("alk_nothing");
    assert!(services.now().is_ok());
    assert!(tokens.peek(&client, &unknown).await.unwrap().is_none());
    drop(auth);
    assert_eq!(services.now().unwrap_err().kind(), ErrorKind::Unavailable);
    let late = tokens.peek(&client, &unknown).await;
    assert_eq!(late.unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(SMS.as_str(), "sms");
    let _anyone = Owner::ANYONE;
}

/// A factor without a prompt: the response is the word.
struct Word(Services);

const WORD: Factor = Factor::custom("word");

impl SecondFactor for Word {
    fn factor(&self) -> Factor {
        WORD
    }

    fn strength(&self) -> Strength {
        Strength::OneTimeCode
    }

    fn is_enrolled(&self, account: &Account) -> bool {
        account.user().display_name.as_deref() == Some("has a word")
    }

    async fn check(&self, attempt: &FactorAttempt<'_>) -> Result<FactorCheck, AuthError> {
        assert!(self.0.now().is_ok());
        Ok(if attempt.code() == "swordfish" {
            FactorCheck::Accepted
        } else {
            FactorCheck::Rejected
        })
    }
}

struct MessageText;

impl Flow for MessageText {
    type Service = ();

    fn name(&self) -> &str {
        "words"
    }

    fn register(self, registry: &mut Registry) -> Result<(), ConfigError> {
        let factor = Word(registry.services());
        registry.second_factor(factor);
        Ok(())
    }
}

#[tokio::test]
async fn factor_without_a_prompt_verifies_and_steps_up() {
    for on in [On::Sqlite, On::Postgres] {
        let database = Database::fresh(on).await;
        let url = database.url();
        let builder = match url.strip_prefix("sqlite:") {
            Some(path) => Auth::builder(SqliteStore::open(path).await.unwrap()),
            None => Auth::builder(PgStore::connect(&url).await.unwrap()),
        };
        let builder =
            builder.origin("http://localhost:3000").flow(Password::new()).flow(MessageText);
        let auth = builder.build().unwrap();
        let app = Router::new().nest("/auth", auth.router()).layer(auth.layer());
        let app = TestApp::serve(app).await;
        let ada = app.client();
        let body = json!({
            "email": "ada@example.com", "password": PASSWORD, "display_name": "has a word",
        });
        assert_eq!(ada.post("/auth/sign-up", &body).await.status, 201);
        let pending = ada.post("/auth/sign-in", &body).await;
        assert_eq!(pending.json()["methods"], json!(["word"]));
        let wrong = ada.post("/auth/verify", &answer(&pending.json(), "trout")).await;
        assert_eq!(wrong.code(), "invalid_code");
        let done = ada.post("/auth/verify", &answer(&pending.json(), "sword-fish")).await;
        assert_eq!(done.status, 200, "{}", done.json());
        let step = |code: &str| json!({ "code": code });
        let wrong = ada.post("/auth/factors/word/verify", &step("trout")).await;
        assert_eq!(wrong.code(), "invalid_code");
        let stepped = ada.post("/auth/factors/word/verify", &step("swordfish")).await;
        assert_eq!(stepped.status, 200, "{}", stepped.json());
        assert_eq!(
            app.client().post("/auth/factors/word/verify", &step("swordfish")).await.status,
            401
        );
        drop((auth, app));
        database.remove().await;
    }
}

/// The user of a code and the owner of its credential must be the same when the code is verified.
#[tokio::test]
async fn phone_number_with_a_new_owner_does_not_sign_in() {
    for on in [On::Sqlite, On::Postgres] {
        let database = Database::fresh(on).await;
        let fixture = Fixture::new(&database).await;
        fixture.user("ada@example.com", PHONE).await;
        fixture.user("bob@example.com", "+4915100000002").await;
        let pending = fixture.start(PHONE).await;
        let right = answer(&pending, &fixture.code().await);
        let bob = fixture.auth.users().find_by_email("bob@example.com").await.unwrap().unwrap();
        let to_bob =
            format!("UPDATE auth_credentials SET user_id = '{}' WHERE lookup = '{PHONE}'", bob.id);
        database.run(&to_bob).await;
        let refused = fixture.app.client().post("/auth/verify", &right).await;
        assert_eq!(refused.code(), "invalid_credentials");
        drop(fixture);
        database.remove().await;
    }
}

/// Removes a phone of the caller, and signs users in by a check of the application.
struct Tags;

#[derive(Clone)]
struct TagService {
    tags: Credentials<Value>,
}

const LDAP: Factor = Factor::custom("ldap");

impl Flow for Tags {
    type Service = TagService;

    fn name(&self) -> &str {
        "tags"
    }

    fn register(self, registry: &mut Registry) -> Result<TagService, ConfigError> {
        let options = CredentialOptions::default().max_per_user(2);
        let service = TagService { tags: registry.credentials("tag", options) };
        let routes = [("/tags", post(add_tag)), ("/tags/{id}", delete(remove_tag))];
        registry.routes(&service, routes);
        Ok(service)
    }
}

async fn add_tag(
    State(own): State<TagService>,
    user: FreshUser,
    JsonBody(body): JsonBody<Value>,
) -> Result<Json<Value>, AuthError> {
    let lookup = body["lookup"].as_str().unwrap_or_default();
    let added = own.tags.add(&user, lookup, body.clone()).await?;
    Ok(Json(json!({ "id": added.id })))
}

async fn remove_tag(
    State(own): State<TagService>,
    user: FreshUser,
    Path(id): Path<String>,
) -> Result<StatusCode, AuthError> {
    own.tags.remove(&user, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Lookups are unique, the count is limited, and credentials of another user are not found.
#[tokio::test]
async fn credentials_of_a_flow_are_added_and_removed() {
    for on in [On::Sqlite, On::Postgres] {
        let database = Database::fresh(on).await;
        let url = database.url();
        let builder = match url.strip_prefix("sqlite:") {
            Some(path) => Auth::builder(SqliteStore::open(path).await.unwrap()),
            None => Auth::builder(PgStore::connect(&url).await.unwrap()),
        };
        let builder = builder.origin("http://localhost:3000").flow(Password::new()).flow(Tags);
        let auth = builder.build().unwrap();
        let own = auth.clone();
        let bind = post(async move |client: AuthClient, JsonBody(body): JsonBody<Value>| {
            let email = body["email"].as_str().unwrap_or_default();
            let user = own.users().find_by_email(email).await?.ok_or(ErrorKind::NotFound)?;
            let client = client.with_return_to(body["return_to"].as_str());
            let first = VerifiedFactor::asserted(&user.id, LDAP);
            match own.services().sign_in().complete(&client, first).await? {
                SignInOutcome::Complete(signed_in) => Ok::<_, AuthError>(signed_in.redirect()),
                SignInOutcome::Pending(pending) => Ok(pending.into_response()),
            }
        });
        let app = Router::new().route("/bind", bind).nest("/auth", auth.router());
        let app = TestApp::serve(app.layer(auth.layer())).await;
        let [ada, bob] = [app.client(), app.client()];
        for (browser, email) in [(&ada, "ada@example.com"), (&bob, "bob@example.com")] {
            let body = json!({ "email": email, "password": PASSWORD });
            assert_eq!(browser.post("/auth/sign-up", &body).await.status, 201);
        }
        let tag = |lookup: &str| json!({ "lookup": lookup });
        let first = ada.post("/auth/tags", &tag("one")).await;
        assert_eq!(first.status, 200, "{}", first.json());
        assert_eq!(bob.post("/auth/tags", &tag("one")).await.code(), "credential_taken");
        assert_eq!(ada.post("/auth/tags", &tag("two")).await.status, 200);
        assert_eq!(ada.post("/auth/tags", &tag("three")).await.code(), "too_many_credentials");
        let path = format!("/auth/tags/{}", first.json()["id"].as_str().unwrap());
        let remove = async |client: &TestClient| client.send(Method::DELETE, &path, &[], b"").await;
        assert_eq!(remove(&bob).await.code(), "not_found");
        assert_eq!(remove(&ada).await.status, 204);
        assert_eq!(remove(&ada).await.code(), "not_found");

        // A handler of the application: another site is rejected, and so is an unsafe target.
        let body = json!({ "email": "ada@example.com", "return_to": "/inbox" });
        let foreign = app.client().with("origin", "https://evil.example");
        assert_eq!(foreign.post("/bind", &body).await.code(), "cross_origin");
        let elsewhere = json!({ "email": "ada@example.com", "return_to": "https://evil.example" });
        let browser = app.client();
        assert_eq!(browser.post("/bind", &elsewhere).await.code(), "invalid_redirect");
        assert_eq!(browser.get("/auth/session").await.status, 401);
        let bound = browser.post("/bind", &body).await;
        assert_eq!((bound.status.as_u16(), bound.header("location").as_str()), (303, "/inbox"));
        let session = browser.get("/auth/session").await.json();
        assert_eq!(session["session"]["factors"][0]["method"], "ldap");
        drop((auth, app));
        database.remove().await;
    }
}

/// Credentials with keys that JSON does not have.
struct Grids;

impl Flow for Grids {
    type Service = Credentials<HashMap<(u8, u8), u8>>;

    fn name(&self) -> &str {
        "grids"
    }

    fn register(self, registry: &mut Registry) -> Result<Self::Service, ConfigError> {
        Ok(registry.credentials("grid", CredentialOptions::default()))
    }
}

/// A use whose data cannot be stored does not sign the user in, and leaves the credential as it is.
#[tokio::test]
async fn use_that_cannot_be_stored_fails_the_sign_in() {
    for on in [On::Sqlite, On::Postgres] {
        let database = Database::fresh(on).await;
        let url = database.url();
        let builder = match url.strip_prefix("sqlite:") {
            Some(path) => Auth::builder(SqliteStore::open(path).await.unwrap()),
            None => Auth::builder(PgStore::connect(&url).await.unwrap()),
        };
        let auth = builder.origin("http://localhost:3000").flow(Grids).build().unwrap();
        let grids = auth.service::<Grids>().unwrap();
        let user = auth.users().create(authlayer::NewUser::new()).await.unwrap();
        let grid = grids.assign(&user.id, "one", HashMap::new()).await.unwrap();
        let client = crate::support::client_of(&auth);
        for (data, expected) in
            [(HashMap::from([((1, 2), 3)]), Some(ErrorKind::Misconfigured)), (HashMap::new(), None)]
        {
            let first =
                VerifiedFactor::asserted(&user.id, LDAP).using(grids.replacing(&grid, data));
            let outcome = auth.services().sign_in().complete(&client, first).await;
            assert_eq!(outcome.err().map(|error| error.kind()), expected, "{on:?}");
            let used = grids.find("one").await.unwrap().unwrap().last_used_at;
            assert_eq!(used.is_some(), expected.is_none(), "{on:?}");
        }
    }
}
