//! Second factors of flows outside of the crate, on both databases: one that a text answers, and
//! one that a script answers.

use std::sync::{Arc, Mutex};

use authlayer::{
    Auth, AuthError, Client as AuthClient, ConfigError, Factor, Flow, JsonBody, Password,
    PendingChallenge, PgStore, Registry, SecondFactor, SignInOutcome, SqliteStore, Strength,
    services::{
        Account, ChallengeHandle, CredentialOptions, Credentials, FactorAttempt, FactorCheck,
        FactorInput, FactorUse, FreshUser, PendingChallenges, Prompt, Services,
    },
    store::Store,
    testing::{TestApp, TestClient, TestResponse},
};
use axum::{
    Json, Router,
    extract::{Path, State},
    routing::{delete, post},
};
use futures_util::future::join_all;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::support::{Database, On, PASSWORD, sign_in};

#[path = "../../examples/second_factor.rs"]
#[allow(dead_code, unreachable_pub, missing_debug_implementations, reason = "an example")]
mod example;

use example::YubiKeys;

const BOTH: [On; 2] = [On::Sqlite, On::Postgres];
const EMAIL: &str = "ada@example.com";
const GESTURE: Factor = Factor::custom("gesture");
const GLOVE: Factor = Factor::custom("glove");

/// A flow whose factor a script answers: with the number that the prompt returned, doubled.
struct Gestures(Arc<Mutex<Vec<String>>>);

#[derive(Clone)]
struct Gesture {
    hands: Credentials<()>,
    uses: Arc<Mutex<Vec<String>>>,
}

impl SecondFactor for Gesture {
    fn factor(&self) -> Factor {
        GESTURE
    }

    fn strength(&self) -> Strength {
        Strength::PhishingResistant
    }

    fn is_enrolled(&self, account: &Account) -> bool {
        account.count(&self.hands) > 0
    }

    fn input(&self) -> FactorInput {
        FactorInput::Script
    }

    async fn prompt(&self, prompt: &mut Prompt<'_>) -> Result<(), AuthError> {
        self.uses.lock().unwrap().push(match prompt.factor_use() {
            FactorUse::SignIn { verified } => {
                let methods = verified.iter().map(|proof| proof.method.as_str());
                methods.collect::<Vec<_>>().join(" ")
            }
            FactorUse::StepUp { session } => format!("step-up of {}", session.id),
            _ => String::new(),
        });
        prompt.set_state(&21);
        prompt.set_options(&json!({ "number": 21 }));
        Ok(())
    }

    async fn check(&self, attempt: &FactorAttempt<'_>) -> Result<FactorCheck, AuthError> {
        assert_eq!(attempt.code(), "");
        let hands = attempt.account().credentials(&self.hands);
        let (Some(state), Some(answer)) = (attempt.state::<u64>(), attempt.answer::<u64>()) else {
            return Ok(FactorCheck::Rejected);
        };
        Ok(match hands.first() {
            Some(hand) if answer == state * 2 => FactorCheck::AcceptedUsing(hand.used()),
            Some(hand) if answer == state * 3 => FactorCheck::AcceptedAs(GLOVE, hand.used()),
            _ => FactorCheck::Rejected,
        })
    }
}

#[derive(Clone)]
struct GestureService {
    services: Services,
    hands: Credentials<()>,
}

impl GestureService {
    fn pending(&self) -> PendingChallenges {
        self.services.pending()
    }
}

impl Flow for Gestures {
    type Service = GestureService;

    fn name(&self) -> &str {
        "gestures"
    }

    fn register(self, registry: &mut Registry) -> Result<GestureService, ConfigError> {
        let hands = registry.credentials("hand", CredentialOptions::default());
        let service = GestureService { services: registry.services(), hands: hands.clone() };
        registry.second_factor(Gesture { hands, uses: self.0 }).routes(
            &service,
            [
                ("/gestures/start", post(start)),
                ("/gestures/finish", post(finish)),
                ("/gestures/{id}", delete(remove)),
            ],
        );
        Ok(service)
    }
}

#[derive(Deserialize)]
struct Answer {
    challenge: ChallengeHandle,
    answer: Option<Value>,
}

async fn start(
    State(service): State<GestureService>,
    client: AuthClient,
    JsonBody(body): JsonBody<Answer>,
) -> Result<PendingChallenge, AuthError> {
    service.pending().prompt(&client.with_challenge(body.challenge), GESTURE).await
}

async fn finish(
    State(service): State<GestureService>,
    client: AuthClient,
    JsonBody(body): JsonBody<Answer>,
) -> Result<SignInOutcome, AuthError> {
    let client = client.with_challenge(body.challenge);
    service.pending().verify_with(&client, GESTURE, body.answer.unwrap_or_default()).await
}

async fn remove(
    State(service): State<GestureService>,
    user: FreshUser,
    Path(id): Path<String>,
) -> Result<StatusCode, AuthError> {
    service.hands.remove(&user, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The validation service: an OTP is `<key>:<counter>`.
async fn validate(Json(body): Json<Value>) -> Result<Json<Value>, StatusCode> {
    let otp = body["otp"].as_str().unwrap_or_default();
    if otp == "down" {
        return Err(StatusCode::INTERNAL_SERVER_ERROR);
    }
    Ok(Json(match otp.split_once(':') {
        Some((key, counter)) => {
            json!({ "public_id": key, "counter": counter.parse::<u64>().unwrap() })
        }
        None => Value::Null,
    }))
}

struct Fixture {
    auth: Auth,
    app: TestApp,
    _validation: TestApp,
    uses: Arc<Mutex<Vec<String>>>,
    database: Database,
}

impl Fixture {
    async fn new(on: On) -> Self {
        let validation = TestApp::serve(Router::new().route("/", post(validate))).await;
        let url = format!("http://{}/", validation.address());
        let database = Database::fresh(on).await;
        let uses = Arc::default();
        let store = database.url();
        let auth = match store.strip_prefix("sqlite:") {
            Some(path) => build(SqliteStore::open(path).await.unwrap(), url, &uses),
            None => build(PgStore::connect_with(&store, 2).await.unwrap(), url, &uses),
        };
        let app = Router::new().nest("/auth", auth.router()).layer(auth.layer());
        Self { auth, app: TestApp::serve(app).await, _validation: validation, uses, database }
    }

    /// Signs up in a new browser.
    async fn user(&self) -> TestClient {
        let browser = self.app.client();
        let body = json!({ "email": EMAIL, "password": PASSWORD });
        assert_eq!(browser.post("/auth/sign-up", &body).await.status, 201);
        browser
    }

    /// Enrolls a hand for a script.
    async fn with_hand(&self) -> TestClient {
        let browser = self.user().await;
        let user = self.auth.users().find_by_email(EMAIL).await.unwrap().unwrap();
        let service = self.auth.service::<Gestures>().unwrap();
        service.hands.assign(&user.id, "left", ()).await.unwrap();
        browser
    }

    /// Verifies the password in a new browser.
    async fn pending(&self) -> (TestClient, Value) {
        let browser = self.app.client();
        let pending = sign_in(&browser, EMAIL, PASSWORD).await;
        assert_eq!(pending.status, 202, "{}", pending.json());
        (browser, pending.json())
    }

    async fn remove(self) {
        drop((self.app, self.auth));
        self.database.remove().await;
    }
}

fn build(store: impl Store, url: String, uses: &Arc<Mutex<Vec<String>>>) -> Auth {
    Auth::builder(store)
        .origin("http://localhost:3000")
        .flow(Password::new())
        .flow(YubiKeys { http: reqwest::Client::new(), url })
        .flow(Gestures(Arc::clone(uses)))
        .build()
        .unwrap()
}

async fn verify(browser: &TestClient, pending: &Value, otp: &str) -> TestResponse {
    let body = json!({ "challenge": pending["challenge"], "code": otp, "method": "yubikey_otp" });
    browser.post("/auth/verify", body).await
}

#[tokio::test]
async fn factor_of_the_application_completes_a_sign_in() {
    for on in BOTH {
        let fixture = Fixture::new(on).await;
        let browser = fixture.user().await;
        let enroll = async |otp: &str| browser.post("/auth/yubikeys", json!({ "otp": otp })).await;
        assert_eq!(enroll("wrong").await.code(), "invalid_code");
        assert_eq!(enroll("down").await.status, 503);
        assert_eq!(enroll("key:10").await.status, 201);
        assert_eq!(browser.get("/auth/account").await.json()["yubikeys"], 1);
        assert_eq!(browser.get("/auth/account").await.json()["two_step"], true);

        let (browser, pending) = fixture.pending().await;
        assert_eq!(pending["methods"], json!(["yubikey_otp"]));
        for wrong in ["key:10", "key:9", "other:11", "nonsense"] {
            assert_eq!(verify(&browser, &pending, wrong).await.code(), "invalid_code", "{wrong}");
        }
        let signed_in = verify(&browser, &pending, "key:11").await;
        assert_eq!(signed_in.status, 200, "{}", signed_in.json());
        let factors = signed_in.json()["session"]["factors"].clone();
        assert_eq!(
            json!([factors[0]["method"], factors[1]["method"]]),
            json!(["password", "yubikey_otp"])
        );
        fixture.remove().await;
    }
}

#[tokio::test]
async fn same_answer_completes_one_of_two_sign_ins() {
    for on in BOTH {
        let fixture = Fixture::new(on).await;
        let owner = fixture.user().await;
        assert_eq!(owner.post("/auth/yubikeys", json!({ "otp": "key:1" })).await.status, 201);
        let both = [fixture.pending().await, fixture.pending().await];
        let answers = both.iter().map(|(browser, pending)| verify(browser, pending, "key:2"));
        let mut statuses: Vec<_> =
            join_all(answers).await.iter().map(|answer| answer.status.as_u16()).collect();
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 401]);
        fixture.remove().await;
    }
}

#[tokio::test]
async fn factor_of_the_application_steps_a_session_up() {
    for on in BOTH {
        let fixture = Fixture::new(on).await;
        let browser = fixture.user().await;
        let path = "/auth/factors/yubikey_otp/verify";
        let not_enrolled = browser.post(path, json!({ "code": "key:2" })).await;
        assert_eq!(not_enrolled.code(), "not_found");
        assert_eq!(browser.post("/auth/yubikeys", json!({ "otp": "key:1" })).await.status, 201);
        assert_eq!(browser.post(path, json!({ "code": "key:1" })).await.code(), "invalid_code");
        let before = browser.get("/auth/session").await.json()["session"]["id"].clone();
        let verified = browser.post(path, json!({ "code": "key:2" })).await;
        assert_eq!(verified.status, 200, "{}", verified.json());
        assert_eq!(verified.json()["session"]["id"], before, "the session keeps its id");
        let anonymous = fixture.app.client().post(path, json!({ "code": "key:3" })).await;
        assert_eq!(anonymous.code(), "unauthenticated");
        fixture.remove().await;
    }
}

#[tokio::test]
async fn script_answers_a_factor_with_its_options() {
    for on in BOTH {
        let fixture = Fixture::new(on).await;
        fixture.with_hand().await;
        let (browser, pending) = fixture.pending().await;
        assert_eq!(pending["methods"], json!(["gesture"]));
        let challenge = &pending["challenge"];
        let text = json!({ "challenge": challenge, "code": "42", "method": "gesture" });
        let by_text = browser.post("/auth/verify", text).await;
        assert_eq!(by_text.json()["members"], json!(["method"]), "a script answers it");
        let finish = async |answer: Value| {
            let body = json!({ "challenge": challenge, "answer": answer });
            browser.post("/auth/gestures/finish", body).await
        };
        assert_eq!(finish(json!(42)).await.code(), "invalid_code", "it was not prompted");
        let prompted =
            browser.post("/auth/gestures/start", json!({ "challenge": challenge })).await;
        assert_eq!(prompted.status, 202, "{}", prompted.json());
        assert_eq!(prompted.json()["options"], json!({ "number": 21 }));
        assert_eq!(*fixture.uses.lock().unwrap(), ["password"]);
        assert_eq!(finish(json!("42")).await.code(), "invalid_code", "it has another form");
        let done = finish(json!(42)).await;
        assert_eq!(done.status, 200, "{}", done.json());
        assert_eq!(done.json()["session"]["factors"][1]["method"], "gesture");
        assert_eq!(finish(json!(42)).await.code(), "challenge_expired");
        let foreign = json!({ "challenge": "unknown", "answer": 42 });
        let unknown = browser.post("/auth/gestures/finish", foreign).await;
        assert_eq!(unknown.code(), "challenge_expired");
        fixture.remove().await;
    }
}

#[tokio::test]
async fn factor_can_verify_as_another_factor() {
    for on in BOTH {
        let fixture = Fixture::new(on).await;
        let owner = fixture.with_hand().await;
        let (browser, pending) = fixture.pending().await;
        let challenge = &pending["challenge"];
        browser.post("/auth/gestures/start", json!({ "challenge": challenge })).await;
        let body = json!({ "challenge": challenge, "answer": 63 });
        let done = browser.post("/auth/gestures/finish", body).await;
        assert_eq!(done.json()["session"]["factors"][1]["method"], "glove");

        let started = owner.post("/auth/factors/gesture/start", json!({})).await.json();
        let id = owner.get("/auth/session").await.json()["session"]["id"].clone();
        let uses = fixture.uses.lock().unwrap().clone();
        assert_eq!(uses.last().unwrap(), &format!("step-up of {}", id.as_str().unwrap()));
        let body = json!({ "challenge": started["challenge"], "answer": 42 });
        let stranger = fixture.app.client().post("/auth/gestures/finish", &body).await;
        assert_eq!(stranger.code(), "unauthenticated", "the step-up belongs to the session");
        let done = owner.post("/auth/gestures/finish", body).await;
        assert_eq!(done.status, 200, "{}", done.json());
        let names = ["gesture", "glove", "yubikey_otp"];
        let services = fixture.auth.services();
        let known = names.map(|name| services.factor(name).unwrap().is_some());
        assert_eq!(known, [true, false, true]);
        fixture.remove().await;
    }
}

/// The removal of a credential ends what it verified, as that of a passkey does.
#[tokio::test]
async fn removal_of_a_factor_of_the_application_ends_its_sessions() {
    for on in BOTH {
        let fixture = Fixture::new(on).await;
        let owner = fixture.with_hand().await;
        let (phone, pending) = fixture.pending().await;
        let challenge = &pending["challenge"];
        phone.post("/auth/gestures/start", json!({ "challenge": challenge })).await;
        let body = json!({ "challenge": challenge, "answer": 42 });
        assert_eq!(phone.post("/auth/gestures/finish", body).await.status, 200);
        let user = fixture.auth.users().find_by_email(EMAIL).await.unwrap().unwrap();
        let hands = fixture.auth.service::<Gestures>().unwrap().hands.clone();
        let path = format!("/auth/gestures/{}", hands.list(&user.id).await.unwrap()[0].id);
        assert_eq!(owner.delete(&path).await.code(), "step_up_required");
        let started = owner.post("/auth/factors/gesture/start", json!({})).await.json();
        let body = json!({ "challenge": started["challenge"], "answer": 42 });
        assert_eq!(owner.post("/auth/gestures/finish", body).await.status, 200);
        assert_eq!(owner.delete(&path).await.status, 204);
        assert_eq!(phone.get("/auth/session").await.status, 401);
        assert_eq!(owner.get("/auth/session").await.status, 200);
        assert_eq!(sign_in(&phone, EMAIL, PASSWORD).await.status, 200, "there is no factor left");
        fixture.remove().await;
    }
}
