//! Second factors in a process whose configuration lacks their flow: nothing completes without them.

use authlayer::{
    Auth, AuthBuilder, ConfigError, Factor, Flow, Password, Registry, Rule, SecondFactor,
    SecondFactors, Strength, UserStorage,
    error::AuthError,
    services::{Account, CredentialOptions, Credentials, FactorAttempt, FactorCheck},
    testing::{TestApp, TestClient, TestResponse, VirtualAuthenticator},
};
use axum::Router;
use http::Method;
use serde_json::{Value, json};

use crate::{
    authenticator::{enroll, error},
    codes::{handle, last_code, verified_user, verify},
    email_sign_in,
    passkeys::{ORIGIN, begin, finish, register, step_up},
    requests::Log,
    support::{Bed, On, PASSWORD, id_of, sign_in, tests_on},
    testbed::Store,
};

const ADA: &str = "ada@example.com";
const BOB: &str = "bob@example.com";

fn expect(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

/// A process without authenticator apps and recovery codes.
async fn without_apps(bed: &Bed, on: On) -> Bed {
    Bed::joined_with(bed, on, UserStorage::managed(), json!({ "totp": false })).await
}

/// A process with passwords and these flows alone.
struct Process {
    app: TestApp,
    auth: Auth,
}

impl Process {
    async fn new(bed: &Bed, flows: impl FnOnce(AuthBuilder) -> AuthBuilder) -> Self {
        let builder = match Store::open(&bed.database.url(), 5).await.unwrap() {
            Store::Sqlite(store) => Auth::builder(store),
            Store::Postgres(store) => Auth::builder(store),
        };
        let builder = builder.origin(ORIGIN).clock(bed.bed.clock.clone()).max_clock_skew(None);
        let auth = flows(builder.event_sink(bed.bed.watch.clone()).flow(Password::new()));
        let auth = auth.build().unwrap();
        let router = Router::new().nest("/auth", auth.router()).layer(auth.layer());
        Self { app: TestApp::serve(router).await, auth }
    }

    async fn sign_in(&self, email: &str) -> (TestClient, TestResponse) {
        let client = self.app.client();
        let answer = sign_in(&client, email, PASSWORD).await;
        (client, answer)
    }

    async fn rejects(&self, email: &str) {
        let (client, refused) = self.sign_in(email).await;
        assert_eq!(error(&refused), expect(503, "unavailable"));
        assert!(client.cookies().is_empty(), "{:?}", client.cookies());
        let wrong = sign_in(&client, email, "wrong wrong wrong").await;
        assert_eq!(error(&wrong), expect(401, "invalid_credentials"), "the password comes first");
    }
}

async fn two_step(client: &TestClient, enabled: bool) -> TestResponse {
    client.json(Method::PUT, "/auth/account/two-step", json!({ "enabled": enabled })).await
}

async fn app(on: On) {
    let bed = Bed::new(on, json!({ "verify_email": true })).await;
    let ada = verified_user(&bed, ADA).await;
    enroll(&bed, &ada).await;
    verified_user(&bed, BOB).await;
    let node = without_apps(&bed, on).await;
    let by_password = node.client();
    assert_eq!(error(&sign_in(&by_password, ADA, PASSWORD).await), expect(503, "unavailable"));
    assert_eq!(by_password.get("/me").await.status, 401);
    let by_email = node.client();
    let challenge = handle(&email_sign_in::start(&by_email, ADA).await);
    let refused = verify(&by_email, &challenge, &last_code(&node, ADA).await).await;
    assert_eq!(error(&refused), expect(503, "unavailable"));
    assert_eq!(by_email.get("/me").await.status, 401);
    assert_eq!(sign_in(&node.client(), BOB, PASSWORD).await.status, 200);
    let reasons: Vec<_> = node.bed.watch.all().into_iter().map(|event| json!(event)).collect();
    let reasons = json!(reasons).to_string();
    assert!(reasons.contains("no_flow_for_second_factor"), "{reasons}");
    bed.remove().await;
}

/// A session of before is not stronger where its strongest factor cannot be verified.
async fn session(on: On) {
    let bed = Bed::new(on, json!({})).await;
    let ada = bed.browser(ADA).await;
    enroll(&bed, &ada).await;
    let node = without_apps(&bed, on).await;
    node.advance(600).await;
    let own = node.client();
    own.set_cookie("auth", &ada.cookie("auth").unwrap());
    assert_eq!(own.get("/auth/account").await.json()["two_step"], json!(true));
    let body = json!({ "password": PASSWORD });
    let stepped = own.post("/auth/password/verify", &body).await;
    assert_eq!(stepped.status, 200, "{}", stepped.json());
    let stale = own.get("/fresh").await;
    assert_eq!(error(&stale), expect(403, "step_up_required"));
    assert_eq!(stale.json()["methods"], json!([]));
    assert_eq!(error(&two_step(&own, false).await), expect(403, "step_up_required"));
    bed.remove().await;
}

/// Another factor that the process verifies completes the sign-in.
async fn other_factor(on: On) {
    let bed = Bed::new(on, json!({})).await;
    let ada = bed.browser(ADA).await;
    enroll(&bed, &ada).await;
    let mut key = VirtualAuthenticator::new(ORIGIN);
    let begun = begin(&ada, "register", &json!({ "second_factor": true })).await;
    let credential = key.register(&begun["options"]);
    assert_eq!(finish(&ada, "register", &begun, &credential).await.status, 201);
    let node = without_apps(&bed, on).await;
    let browser = node.client();
    let pending = sign_in(&browser, ADA, PASSWORD).await;
    assert_eq!(
        (pending.status.as_u16(), &pending.json()["methods"]),
        (202, &json!(["security_key"]))
    );
    let begun = begin(&browser, "verify", &json!({ "challenge": handle(&pending) })).await;
    let credential = key.authenticate(&begun["options"]);
    assert_eq!(finish(&browser, "verify", &begun, &credential).await.status, 200);
    assert_eq!(browser.get("/me").await.status, 200);
    bed.remove().await;
}

async fn keys(on: On) {
    let bed = Bed::new(on, json!({})).await;
    let (ada, bob) = (bed.browser(ADA).await, bed.browser(BOB).await);
    let begun = begin(&ada, "register", &json!({ "second_factor": true })).await;
    let credential = VirtualAuthenticator::new(ORIGIN).register(&begun["options"]);
    assert_eq!(finish(&ada, "register", &begun, &credential).await.status, 201);
    let mut key = VirtualAuthenticator::new(ORIGIN);
    assert_eq!(register(&bob, &mut key).await.status, 201);
    assert_eq!(step_up(&bob, &mut key).await.status, 200);
    assert_eq!(register(&bob, &mut VirtualAuthenticator::new(ORIGIN)).await.status, 201);
    let process = Process::new(&bed, |builder| builder).await;
    process.rejects(ADA).await;
    let (_, done) = process.sign_in(BOB).await;
    assert_eq!(done.status, 200, "passkeys alone turn nothing on");
    assert_eq!(two_step(&bob, true).await.status, 200);
    process.rejects(BOB).await;
    bed.remove().await;
}

/// The application requires a second factor, which is a passkey.
async fn required_by_the_application(on: On) {
    let bed = Bed::new(on, json!({})).await;
    let (ada, bob) = (bed.browser(ADA).await, bed.browser(BOB).await);
    let mut key = VirtualAuthenticator::new(ORIGIN);
    assert_eq!(register(&ada, &mut key).await.status, 201);
    assert_eq!(step_up(&ada, &mut key).await.status, 200);
    let rules = SecondFactors::new().required_for(Rule::role("admin"));
    let process = Process::new(&bed, |builder| builder.second_factors(rules)).await;
    assert_eq!(process.sign_in(ADA).await.1.status, 200, "it is not required of every user");
    for browser in [&ada, &bob] {
        bed.change(&id_of(browser).await, json!({ "roles": ["admin"] })).await;
    }
    process.rejects(ADA).await;
    assert_eq!(process.sign_in(BOB).await.1.status, 200, "there is nothing to verify");
    let own = process.app.client();
    own.set_cookie("auth", &ada.cookie("auth").unwrap());
    let account = own.get("/auth/account").await;
    assert_eq!((account.status.as_u16(), &account.json()["two_step"]), (200, &json!(false)));
    bed.remove().await;
}

/// Clients repeat a request that was answered with 503.
async fn logged_once(on: On) {
    let bed = Bed::new(on, json!({})).await;
    let (ada, bob) = (bed.browser(ADA).await, bed.browser(BOB).await);
    enroll(&bed, &ada).await;
    let begun = begin(&bob, "register", &json!({ "second_factor": true })).await;
    let credential = VirtualAuthenticator::new(ORIGIN).register(&begun["options"]);
    assert_eq!(finish(&bob, "register", &begun, &credential).await.status, 201);
    let process = Process::new(&bed, |builder| builder).await;
    let log = Log::default();
    let lines = log.clone();
    let subscriber = tracing_subscriber::fmt().with_ansi(false);
    let subscriber = subscriber.with_max_level(tracing::Level::ERROR);
    let subscriber = subscriber.with_writer(move || lines.clone()).finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    for _ in 0..3 {
        for email in [ADA, BOB] {
            assert_eq!(error(&process.sign_in(email).await.1), expect(503, "unavailable"));
        }
    }
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert_eq!(log.lines().count(), 2, "{log}");
    assert!(log.contains("\"totp\"") && log.contains("\"security_key\""), "{log}");
    bed.remove().await;
}

const PIN: Factor = Factor::custom("pin");

/// A second factor of the application: a number that is kept with the user.
#[derive(Clone, Copy)]
struct Pins {
    is_marked: bool,
}

struct PinFactor(Credentials<Value>);

impl SecondFactor for PinFactor {
    fn factor(&self) -> Factor {
        PIN
    }

    fn strength(&self) -> Strength {
        Strength::OneTimeCode
    }

    fn is_enrolled(&self, account: &Account) -> bool {
        account.count(&self.0) > 0
    }

    async fn check(&self, attempt: &FactorAttempt<'_>) -> Result<FactorCheck, AuthError> {
        let all = attempt.account().credentials(&self.0);
        let own = all.iter().find(|own| own.data == json!(attempt.code()));
        let Some(own) = own else { return Ok(FactorCheck::Rejected) };
        Ok(FactorCheck::AcceptedUsing(self.0.replacing(own, own.data.clone())))
    }
}

impl Flow for Pins {
    type Service = Credentials<Value>;

    fn name(&self) -> &str {
        "pins"
    }

    fn register(self, registry: &mut Registry) -> Result<Self::Service, ConfigError> {
        let options = CredentialOptions::default().second_factor(self.is_marked);
        let pins = registry.credentials("pin", options);
        registry.second_factor(PinFactor(pins.clone()));
        Ok(pins)
    }
}

async fn enters_with_pin(process: &Process) {
    let (client, pending) = process.sign_in(ADA).await;
    assert_eq!(pending.json()["methods"], json!(["pin"]));
    let body = |code: &str| json!({ "challenge": handle(&pending), "method": "pin", "code": code });
    assert_eq!(client.post("/auth/verify", &body("0000")).await.code(), "invalid_code");
    assert_eq!(client.post("/auth/verify", &body("1234")).await.status, 200);
}

async fn own_factor(on: On) {
    let bed = Bed::new(on, json!({})).await;
    bed.browser(ADA).await;
    let unmarked = Process::new(&bed, |builder| builder.flow(Pins { is_marked: false })).await;
    let user = unmarked.auth.users().find_by_email(ADA).await.unwrap().unwrap();
    let pins = unmarked.auth.service::<Pins>().unwrap();
    pins.assign(&user.id, "ada", json!("1234")).await.unwrap();
    enters_with_pin(&unmarked).await;
    let without = Process::new(&bed, |builder| builder).await;
    assert_eq!(without.sign_in(ADA).await.1.status, 200, "nothing says that it is a factor");
    let marked = Process::new(&bed, |builder| builder.flow(Pins { is_marked: true })).await;
    enters_with_pin(&marked).await;
    without.rejects(ADA).await;
    enters_with_pin(&marked).await;
    let read = marked.auth.service::<Pins>().unwrap().find("ada").await.unwrap().unwrap();
    assert_eq!(read.data, json!("1234"), "the mark is not part of the data");
    bed.remove().await;
}

macro_rules! on_two_stores {
    ($($name:ident: $run:ident)*) => {$(
        mod $name {
            use super::{$run as on, tests_on};
            tests_on! { [sqlite: Sqlite, postgres: Postgres] }
        }
    )*};
}

on_two_stores! {
    sign_in_of_a_user_with_an_app_is_rejected: app
    session_of_a_user_with_an_app_is_not_recent: session
    factor_whose_flow_is_registered_completes_the_sign_in: other_factor
    sign_in_of_a_user_with_security_keys_or_passkeys_is_rejected: keys
    sign_in_that_the_application_requires_two_factors_of_is_rejected: required_by_the_application
    missing_flow_is_logged_once: logged_once
    factor_of_the_application_is_marked_in_storage: own_factor
}
