//! The services of flows outside of the crate, on both databases: guesses, sign-ups, challenges that
//! are bound to the browser or typed by people, and names that are stored once.

use std::time::Duration;

use authlayer::{
    Auth, AuthError, AuthUser, Client as AuthClient, ConfigError, ErrorKind, EventKind, Factor,
    Flow, FreshUser, JsonBody, Password, PgStore, Registry, SignInOutcome, SignedIn, SqliteStore,
    services::{
        ChallengeHandle, CredentialOptions, Credentials, IssuedToken, Limiter, NewAccount,
        NewEvent, Owner, RateLimit, Services, TokenChallenges, TokenOptions, VerifiedFactor,
    },
    store::Store,
    testing::{EventRecorder, ManualClock, TestApp, TestClient},
    users::NewUser,
};
use axum::{Json, Router, extract::State, response::IntoResponse, routing::post};
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::{Database, On};

const PIN: Factor = Factor::custom("card_pin");
const GRANT: Factor = Factor::custom("card_grant");
const USED: EventKind = EventKind::custom("card_used");

/// Sign-in by a card with a PIN, and sign-in of a device that a user approves.
struct Cards;

#[derive(Clone)]
struct CardService {
    services: Services,
    pins: Credentials<String>,
    guesses: Limiter,
    states: TokenChallenges<String>,
    grants: TokenChallenges<bool>,
    names: TokenChallenges<()>,
}

impl Flow for Cards {
    type Service = CardService;

    fn name(&self) -> &str {
        "cards"
    }

    fn register(self, registry: &mut Registry) -> Result<CardService, ConfigError> {
        let minutes = Duration::from_secs(600);
        let pin = CredentialOptions::default().signs_in(true).factor(PIN);
        let service = CardService {
            services: registry.services(),
            pins: registry.credentials("card", pin),
            guesses: registry.rate_limit("card_pins", RateLimit::guesses()),
            states: registry.tokens("card_states", TokenOptions::new(minutes).bind_to_browser(2)),
            grants: registry.tokens("card_grants", TokenOptions::new(minutes).typed_by_people()),
            names: registry.tokens("card_names", minutes),
        };
        registry.routes(
            &service,
            [
                ("/cards/sign-up", post(sign_up)),
                ("/cards/sign-in", post(sign_in)),
                ("/cards/step-up", post(step_up)),
                ("/cards/states", post(new_state)),
                ("/cards/states/consume", post(consume_state)),
                ("/cards/grants", post(new_grant)),
                ("/cards/grants/approve", post(approve)),
                ("/cards/grants/redeem", post(redeem)),
                ("/cards/fresh", post(fresh)),
            ],
        );
        Ok(service)
    }
}

fn text<'a>(body: &'a Value, name: &str) -> &'a str {
    body[name].as_str().unwrap_or_default()
}

fn handle(body: &Value) -> ChallengeHandle {
    ChallengeHandle::new(text(body, "handle"))
}

async fn sign_up(
    State(own): State<CardService>,
    client: AuthClient,
    JsonBody(body): JsonBody<Value>,
) -> Result<SignInOutcome, AuthError> {
    let user = NewUser::new().display_name("Ada");
    let pin = text(&body, "pin").to_owned();
    let account = NewAccount::new(user).credential(&own.pins, text(&body, "card"), pin);
    own.services.sign_in().sign_up(&client, account).await
}

impl CardService {
    async fn verify(&self, client: &AuthClient, body: &Value) -> Result<VerifiedFactor, AuthError> {
        let card = text(body, "card");
        let attempt = self.guesses.attempt(client, card).await?;
        let found = self.pins.find(card).await?.filter(|own| own.data == text(body, "pin"));
        let found = found.ok_or(ErrorKind::InvalidCredentials)?;
        self.services.record(NewEvent::new(USED).user(&found.user_id).detail("card", card))?;
        Ok(VerifiedFactor::guess(PIN, attempt, found.used()))
    }
}

async fn sign_in(
    State(own): State<CardService>,
    client: AuthClient,
    JsonBody(body): JsonBody<Value>,
) -> Result<SignInOutcome, AuthError> {
    let verified = own.verify(&client, &body).await?;
    own.services.sign_in().complete(&client, verified).await
}

async fn step_up(
    State(own): State<CardService>,
    client: AuthClient,
    user: AuthUser,
    JsonBody(body): JsonBody<Value>,
) -> Result<SignedIn, AuthError> {
    let verified = own.verify(&client, &body).await?;
    own.services.sign_in().step_up(&client, &user, verified).await
}

async fn new_state(
    State(own): State<CardService>,
    client: AuthClient,
) -> Result<impl IntoResponse, AuthError> {
    let issued = own.states.issue(&client, Owner::ANYONE, "data".to_owned()).await?;
    let body = json!({ "handle": issued.handle(), "derived": issued.derive("nonce") });
    Ok::<(IssuedToken, Json<Value>), AuthError>((issued, Json(body)))
}

async fn consume_state(
    State(own): State<CardService>,
    client: AuthClient,
    JsonBody(body): JsonBody<Value>,
) -> Result<Json<Value>, AuthError> {
    let consumed = own.states.consume(&client, &handle(&body)).await?;
    Ok(Json(json!({ "data": consumed.data(), "derived": consumed.derive("nonce") })))
}

async fn new_grant(
    State(own): State<CardService>,
    client: AuthClient,
) -> Result<Json<Value>, AuthError> {
    let issued = own.grants.issue(&client, Owner::ANYONE, false).await?;
    Ok(Json(json!({ "handle": issued.handle() })))
}

async fn approve(
    State(own): State<CardService>,
    client: AuthClient,
    user: FreshUser,
    JsonBody(body): JsonBody<Value>,
) -> Result<Json<bool>, AuthError> {
    own.grants.peek(&client, &handle(&body)).await?.ok_or(ErrorKind::NotFound)?;
    let owner = Owner::from(&user.user().id);
    let change = |approved: &mut bool| !std::mem::replace(approved, true);
    own.grants.update(&handle(&body), Some(owner), change).await.map(Json)
}

async fn redeem(
    State(own): State<CardService>,
    client: AuthClient,
    JsonBody(body): JsonBody<Value>,
) -> Result<SignInOutcome, AuthError> {
    let handle = handle(&body);
    if own.grants.peek(&client, &handle).await? != Some(true) {
        return Err(ErrorKind::NotFound.into());
    }
    let consumed = own.grants.consume(&client, &handle).await?;
    let verified = VerifiedFactor::challenge(GRANT, consumed)?;
    own.services.sign_in().complete(&client, verified).await
}

async fn fresh(user: AuthUser) -> Result<Json<Value>, AuthError> {
    Ok(Json(json!({ "id": user.require_fresh().await?.user().id })))
}

struct Fixture {
    auth: Auth,
    app: TestApp,
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
        let watch = EventRecorder::default();
        let builder = Auth::builder(store).origin("http://localhost:3000");
        // Time stands still, so that a slow machine does not wait out the delays.
        let builder = builder.clock(ManualClock::at("2026-06-01T12:00:00Z")).max_clock_skew(None);
        let builder = builder.event_sink(watch.clone()).flow(Password::new()).flow(Cards);
        let auth = builder.build().unwrap();
        let app = Router::new().nest("/auth", auth.router()).layer(auth.layer());
        Self { auth, app: TestApp::serve(app).await, watch }
    }

    /// Signs a new user up with a card.
    async fn holder(&self, card: &str) -> TestClient {
        let browser = self.app.client();
        let signed_up = browser.post("/auth/cards/sign-up", pin(card, "1234")).await;
        assert_eq!(signed_up.status, 201, "{}", signed_up.json());
        assert_eq!(signed_up.json()["session"]["factors"][0]["method"], "card_pin");
        browser
    }
}

fn pin(card: &str, pin: &str) -> Value {
    json!({ "card": card, "pin": pin })
}

/// A user is created with the credential, and the credential belongs to one user.
#[tokio::test]
async fn sign_up_creates_a_user_with_a_credential() {
    for on in [On::Sqlite, On::Postgres] {
        let database = Database::fresh(on).await;
        let fixture = Fixture::new(&database).await;
        let ada = fixture.holder("one").await;
        let taken = fixture.app.client().post("/auth/cards/sign-up", pin("one", "9")).await;
        assert_eq!((taken.status.as_u16(), taken.code()), (409, "credential_taken".to_owned()));
        let browser = fixture.app.client();
        let signed_in = browser.post("/auth/cards/sign-in", pin("one", "1234")).await;
        assert_eq!(signed_in.status, 200, "{}", signed_in.json());
        let id = |session: Value| session["user"]["id"].clone();
        let [first, second] = [&ada, &browser].map(|own| own.get("/auth/session"));
        assert_eq!(id(first.await.json()), id(second.await.json()));
        assert!(fixture.watch.count(USED) == 1);
        drop(fixture);
        database.remove().await;
    }
}

/// Wrong guesses are delayed, also for a card that does not exist, and a success resets them.
#[tokio::test]
async fn guesses_are_counted_before_they_are_compared() {
    for on in [On::Sqlite, On::Postgres] {
        let database = Database::fresh(on).await;
        let fixture = Fixture::new(&database).await;
        fixture.holder("one").await;
        let guess = async |card: &str, own: &str| {
            let browser = fixture.app.client();
            browser.post("/auth/cards/sign-in", pin(card, own)).await
        };
        for _ in 0..4 {
            assert_eq!(guess("one", "0000").await.code(), "invalid_credentials");
        }
        assert_eq!(guess("one", "1234").await.status, 200, "a success resets the failures");
        for card in ["one", "unknown"] {
            let mut codes = Vec::new();
            for _ in 0..8 {
                codes.push(guess(card, "0000").await.code());
            }
            assert_eq!(codes[0], "invalid_credentials", "{card}");
            assert!(codes.contains(&"too_many_attempts".to_owned()), "{card}: {codes:?}");
            assert_eq!(guess(card, "1234").await.code(), "too_many_attempts");
        }
        drop(fixture);
        database.remove().await;
    }
}

/// A step-up keeps the session and takes only evidence of its user.
#[tokio::test]
async fn step_up_requires_evidence_of_the_user_of_the_session() {
    for on in [On::Sqlite, On::Postgres] {
        let database = Database::fresh(on).await;
        let fixture = Fixture::new(&database).await;
        let (ada, bob) = (fixture.holder("one").await, fixture.holder("two").await);
        let before = ada.get("/auth/session").await.json();
        let stepped = ada.post("/auth/cards/step-up", pin("one", "1234")).await;
        assert_eq!(stepped.status, 200, "{}", stepped.json());
        assert_eq!(stepped.json()["session"]["id"], before["session"]["id"]);
        let foreign = bob.post("/auth/cards/step-up", pin("one", "1234")).await;
        assert_eq!(foreign.code(), "invalid_credentials");
        let anonymous = fixture.app.client().post("/auth/cards/step-up", pin("one", "1234")).await;
        assert_eq!(anonymous.status, 401);
        drop(fixture);
        database.remove().await;
    }
}

/// A bound challenge is consumed once, and only in the browser that requested it.
#[tokio::test]
async fn bound_challenge_is_unknown_to_other_browsers() {
    for on in [On::Sqlite, On::Postgres] {
        let database = Database::fresh(on).await;
        let fixture = Fixture::new(&database).await;
        let browser = fixture.app.client();
        let issued = browser.post("/auth/cards/states", json!({})).await.json();
        let elsewhere = fixture.app.client();
        let stolen = elsewhere.post("/auth/cards/states/consume", &issued).await;
        assert_eq!(stolen.code(), "challenge_expired");
        let wrong_kind = browser.post("/auth/cards/grants/redeem", &issued).await;
        assert_eq!(wrong_kind.code(), "not_found");
        let all = (0..4).map(|_| async {
            let consumed = browser.post("/auth/cards/states/consume", &issued).await;
            (consumed.status.as_u16(), consumed.json()["derived"].clone())
        });
        let all = join_all(all).await;
        let consumed: Vec<_> = all.iter().filter(|(status, _)| *status == 200).collect();
        assert_eq!(consumed.len(), 1, "{all:?}");
        assert_eq!(consumed[0].1, issued["derived"]);
        drop(fixture);
        database.remove().await;
    }
}

/// A device is signed in as the user who approved its typed handle, once.
#[tokio::test]
async fn typed_grant_signs_in_the_user_who_approved_it() {
    for on in [On::Sqlite, On::Postgres] {
        let database = Database::fresh(on).await;
        let fixture = Fixture::new(&database).await;
        let (ada, device) = (fixture.holder("one").await, fixture.app.client());
        let grant = device.post("/auth/cards/grants", json!({})).await.json();
        let typed = text(&grant, "handle").to_owned();
        assert!(typed.len() == 9 && typed.as_bytes()[4] == b'-', "{typed}");
        let early = device.post("/auth/cards/grants/redeem", &grant).await;
        assert_eq!(early.code(), "not_found", "not approved");
        let written = json!({ "handle": typed.to_lowercase().replace('-', " ") });
        assert_eq!(ada.post("/auth/cards/grants/approve", &written).await.json(), true);
        assert_eq!(ada.post("/auth/cards/grants/approve", &written).await.json(), false);
        let signed_in = device.post("/auth/cards/grants/redeem", &grant).await;
        assert_eq!(signed_in.status, 200, "{}", signed_in.json());
        let user = &ada.get("/auth/session").await.json()["user"]["id"];
        assert_eq!(&signed_in.json()["user"]["id"], user);
        assert_eq!(device.post("/auth/cards/grants/redeem", &grant).await.code(), "not_found");
        drop(fixture);
        database.remove().await;
    }
}

/// A name is accepted once, by one of concurrent callers.
#[tokio::test]
async fn remembered_name_is_accepted_once() {
    for on in [On::Sqlite, On::Postgres] {
        let database = Database::fresh(on).await;
        let fixture = Fixture::new(&database).await;
        let names = fixture.auth.service::<Cards>().unwrap().names;
        let all = join_all((0..4).map(|_| names.remember("jti-1", ()))).await;
        assert_eq!(all.iter().filter(|own| matches!(own, Ok(true))).count(), 1, "{all:?}");
        assert!(names.peek_reference("jti-1").await.unwrap().is_some());
        assert!(names.peek_reference("jti-2").await.unwrap().is_none());
        assert!(names.remember("jti-2", ()).await.unwrap());
        drop((names, fixture));
        database.remove().await;
    }
}

/// Recent authentication is decided by the session in the store.
#[tokio::test]
async fn require_fresh_rejects_a_session_that_has_ended() {
    for on in [On::Sqlite, On::Postgres] {
        let database = Database::fresh(on).await;
        let fixture = Fixture::new(&database).await;
        let ada = fixture.holder("one").await;
        assert_eq!(ada.post("/auth/cards/fresh", json!({})).await.status, 200);
        let token = ada.cookie("auth").unwrap();
        database.run("DELETE FROM auth_sessions").await;
        let late = fixture.app.client().with("cookie", format!("auth={token}"));
        assert_eq!(late.post("/auth/cards/fresh", json!({})).await.status, 401);
        drop(fixture);
        database.remove().await;
    }
}
