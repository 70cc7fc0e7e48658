//! Transitions of accounts, with the challenges and credentials that end with them, and their
//! observers, on both databases and in the storage modes.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use authlayer::{
    Auth, AuthError, AuthUser, Client as AuthClient, ConfigError, Email, EmailCodes, EmailSignIn,
    ErrorKind, Factor, Flow, FreshUser, JsonBody, Password, PgStore, RateLimits, Registry,
    SignInOutcome, SqliteStore, Totp, UserId, UserStorage,
    factor::Account,
    services::{
        AccountChange, AccountObserver, ChallengeHandle, CredentialOptions, Credentials, Services,
        TokenChallenges, TokenOptions, Transition, VerifiedFactor,
    },
    store::Store,
    testing::{Mailbox, ManualClock, TestApp, TestClient, TestResponse},
    users::NewUser,
};
use axum::{Json, Router, extract::State, routing::post};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    authenticator::Authenticator,
    places::{Book, Memory},
    support::{Database, On, PASSWORD, client_of, sign_in, sign_up, until},
};

const ADA: &str = "ada@example.com";
const SAFE: Factor = Factor::custom("safe_key");

/// Challenges and credentials with all options for transitions.
struct Safes {
    observed: Observed,
}

#[derive(Clone)]
struct SafeService {
    services: Services,
    /// Ends by default.
    links: TokenChallenges<()>,
    /// Survives every transition that it can survive.
    undo: TokenChallenges<()>,
    /// Ends with a second factor, too.
    enrollments: TokenChallenges<()>,
    pins: Credentials<Pin>,
    trusted: Credentials<()>,
    keys: Credentials<()>,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
struct Pin {
    name: String,
    hash: String,
}

const SURVIVED: &[Transition] = &[
    Transition::Claimed,
    Transition::EmailChanged,
    Transition::PasswordChanged,
    Transition::AllSessionsRevoked,
    Transition::Disabled,
];

impl Flow for Safes {
    type Service = SafeService;

    fn name(&self) -> &str {
        "safes"
    }

    fn register(self, registry: &mut Registry) -> Result<SafeService, ConfigError> {
        let options = || TokenOptions::new(Duration::from_secs(30 * 24 * 3600));
        let of_factor = options().ends_on(&[Transition::SecondFactorRemoved]);
        let pin = CredentialOptions::default().one_per_user().silent();
        let pin = pin.changes(Transition::PasswordChanged);
        let trusted = CredentialOptions::default().ends_on(&[Transition::PasswordChanged]);
        let key = CredentialOptions::default().signs_in(true).max_per_user(2);
        let service = SafeService {
            services: registry.services(),
            links: registry.tokens("safe_links", options()),
            undo: registry.tokens("safe_undo", options().survives(SURVIVED)),
            enrollments: registry.tokens("safe_enrollments", of_factor),
            pins: registry.credentials("safe_pin", pin),
            trusted: registry.credentials("safe_trusted", trusted),
            keys: registry.credentials("safe_key", key),
        };
        registry.on_transition(self.observed).routes(
            &service,
            [
                ("/safes/pin", post(set_pin).patch(rename_pin).delete(remove_pin)),
                ("/safes/sign-in", post(sign_in_adding)),
            ],
        );
        Ok(service)
    }
}

fn text<'a>(body: &'a Value, name: &str) -> &'a str {
    body[name].as_str().unwrap_or_default()
}

async fn set_pin(
    State(own): State<SafeService>,
    user: FreshUser,
    JsonBody(body): JsonBody<Value>,
) -> Result<Json<Value>, AuthError> {
    let pin = Pin { name: "PIN".to_owned(), hash: text(&body, "hash").to_owned() };
    let added = own.pins.add(&user, user.id.as_str(), pin).await?;
    Ok(Json(json!({ "id": added.id })))
}

async fn rename_pin(
    State(own): State<SafeService>,
    user: AuthUser,
    JsonBody(body): JsonBody<Value>,
) -> Result<Json<Value>, AuthError> {
    let (id, name) = (text(&body, "id"), text(&body, "name"));
    let edited = own.pins.edit(&user, id, |pin| pin.name = name.to_owned()).await?;
    Ok(Json(json!({ "name": edited.data.name, "hash": edited.data.hash })))
}

async fn remove_pin(
    State(own): State<SafeService>,
    client: AuthClient,
    user: FreshUser,
    JsonBody(body): JsonBody<Value>,
) -> Result<Json<Value>, AuthError> {
    let change = AccountChange::by(&user).remove(&own.pins, text(&body, "id"));
    own.services.accounts().apply(&client, change).await?;
    Ok(Json(json!({})))
}

/// Signs in a user, and adds a key to the account of the user `of`.
async fn sign_in_adding(
    State(own): State<SafeService>,
    client: AuthClient,
    JsonBody(body): JsonBody<Value>,
) -> Result<SignInOutcome, AuthError> {
    let (user, of) = (UserId::new(text(&body, "user")), UserId::new(text(&body, "of")));
    let key = own.keys.draft(&of, text(&body, "key"), ())?;
    let verified = VerifiedFactor::asserted(&user, SAFE).adding(&own.keys, &key);
    own.services.sign_in().complete(&client, verified).await
}

/// A transition that was observed, with the email address of the user.
type Seen = (Transition, Option<String>);

/// The transitions that were observed.
#[derive(Clone, Default)]
struct Observed(Arc<Mutex<Vec<Seen>>>);

impl AccountObserver for Observed {
    async fn changed(&self, transition: Transition, account: &Account) -> Result<(), AuthError> {
        let email = account.user().email.as_ref().map(ToString::to_string);
        self.0.lock().unwrap().push((transition, email));
        // An error is logged, and later transitions are observed all the same.
        Err(ErrorKind::Unavailable.into())
    }
}

impl Observed {
    /// Waits for transitions, and returns them with the email address.
    async fn take(&self, transitions: &[Transition]) -> Vec<Option<String>> {
        let expected = transitions.len();
        until("the observer", async || self.0.lock().unwrap().len() >= expected).await;
        let all = std::mem::take(&mut *self.0.lock().unwrap());
        let own: Vec<_> = all.iter().map(|(own, _)| *own).collect();
        assert_eq!(own, transitions);
        all.into_iter().map(|(_, email)| email).collect()
    }
}

struct Fixture {
    auth: Auth,
    app: TestApp,
    own: SafeService,
    observed: Observed,
    mailbox: Mailbox,
    clock: ManualClock,
}

/// One challenge of each kind, for one user.
struct Issued([(&'static str, ChallengeHandle); 3]);

impl Fixture {
    async fn new(database: &Database, users: UserStorage) -> Self {
        let url = database.url();
        match url.strip_prefix("sqlite:") {
            Some(path) => Self::over(SqliteStore::open(path).await.unwrap(), users).await,
            None => Self::over(PgStore::connect_with(&url, 2).await.unwrap(), users).await,
        }
    }

    async fn over(store: impl Store, users: UserStorage) -> Self {
        let (observed, mailbox) = (Observed::default(), Mailbox::default());
        let clock = ManualClock::at("2026-06-01T12:00:00Z");
        let auth = Auth::builder(store)
            .origin("http://localhost:3000")
            .users(users)
            .clock(clock.clone())
            .max_clock_skew(None)
            .rate_limits(RateLimits::disabled())
            .mailer(mailbox.clone())
            .flow(Password::new())
            .flow(Totp::new("Test"))
            .flow(EmailCodes::new().verify_email_on_sign_up(false))
            .flow(EmailSignIn::new())
            .flow(Safes { observed: observed.clone() })
            .build()
            .unwrap();
        let app = Router::new().nest("/auth", auth.router()).layer(auth.layer());
        let app = TestApp::serve(app).await;
        let own = auth.service::<Safes>().unwrap();
        Self { auth, app, own, observed, mailbox, clock }
    }

    /// Signs a user up.
    async fn user(&self, email: &str) -> (TestClient, UserId) {
        let browser = self.app.client();
        let signed_up = sign_up(&browser, email).await;
        assert_eq!(signed_up.status, 201, "{}", signed_up.json());
        (browser, UserId::new(text(&signed_up.json()["user"], "id")))
    }

    async fn issue(&self, user: &UserId) -> Issued {
        let client = client_of(&self.auth);
        let issue = async |tokens: &TokenChallenges<()>| {
            tokens.issue(&client, user, ()).await.unwrap().handle().clone()
        };
        Issued([
            ("links", issue(&self.own.links).await),
            ("undo", issue(&self.own.undo).await),
            ("enrollments", issue(&self.own.enrollments).await),
        ])
    }

    /// Returns the kinds whose challenge still exists.
    async fn left(&self, issued: &Issued) -> Vec<&'static str> {
        let client = client_of(&self.auth);
        let kinds = [&self.own.links, &self.own.undo, &self.own.enrollments];
        let mut left = Vec::new();
        for (tokens, (name, handle)) in kinds.into_iter().zip(&issued.0) {
            if tokens.peek(&client, handle).await.unwrap().is_some() {
                left.push(*name);
            }
        }
        left
    }

    /// Enrolls an authenticator app, and returns its id.
    async fn enroll(&self, browser: &TestClient) -> String {
        let started = browser.post("/auth/totp/register/start", json!({})).await.json();
        let app = Authenticator::new(text(&started, "secret"));
        let code = app.code_at(authlayer::clock::Clock::now(&self.clock).as_second());
        let body = json!({ "challenge": started["challenge"], "code": code });
        let enrolled = browser.post("/auth/totp/register/finish", &body).await;
        assert_eq!(enrolled.status, 201, "{}", enrolled.json());
        text(&enrolled.json()["totp"], "id").to_owned()
    }
}

async fn send(client: &TestClient, method: http::Method, path: &str, body: Value) -> TestResponse {
    let headers = [("content-type", "application/json")];
    client.send(method, path, &headers, body.to_string().as_bytes()).await
}

async fn delete(client: &TestClient, path: &str) {
    let done = client.send(http::Method::DELETE, path, &[], b"").await;
    assert!(done.status.is_success(), "{path}: {}", done.json());
}

/// Challenges end with what invalidates them, by default or by their options, and observers learn of
/// it after the commit.
#[tokio::test]
async fn challenges_end_with_the_transitions_of_their_user() {
    use Transition as T;
    for on in [On::Sqlite, On::Postgres] {
        let database = Database::fresh(on).await;
        let fixture = Fixture::new(&database, UserStorage::managed()).await;
        let (browser, id) = fixture.user(ADA).await;
        let (_, other) = fixture.user("bob@example.com").await;
        let of_other = fixture.issue(&other).await;
        let all = ["links", "undo", "enrollments"];

        let issued = fixture.issue(&id).await;
        let change = |user: &mut authlayer::User| user.display_name = Some("Ada".to_owned());
        fixture.auth.users().edit(&id, change).await.unwrap();
        assert_eq!(fixture.left(&issued).await, all, "{on:?}: no transition");

        let body = json!({ "current_password": PASSWORD, "new_password": "another long password" });
        assert_eq!(browser.post("/auth/password/change", &body).await.status, 200);
        assert_eq!(fixture.left(&issued).await, ["undo"], "{on:?}: the password");
        assert_eq!(fixture.observed.take(&[T::PasswordChanged]).await, [Some(ADA.to_owned())]);

        let issued = fixture.issue(&id).await;
        let to = Email::parse("ada@example.org").unwrap();
        let change = |user: &mut authlayer::User| user.email = Some(to.clone());
        fixture.auth.users().edit(&id, change).await.unwrap();
        assert_eq!(fixture.left(&issued).await, ["undo"], "{on:?}: the email address");
        let addresses = fixture.observed.take(&[T::EmailChanged]).await;
        assert_eq!(addresses, [Some("ada@example.org".to_owned())]);

        let issued = fixture.issue(&id).await;
        let app = fixture.enroll(&browser).await;
        assert_eq!(fixture.left(&issued).await, all, "{on:?}: an addition");
        delete(&browser, &format!("/auth/totp/{app}")).await;
        assert_eq!(fixture.left(&issued).await, ["links", "undo"], "{on:?}: the second factor");
        let both = [T::SecondFactorRemoved, T::LastSecondFactorRemoved];
        fixture.observed.take(&both).await;

        let issued = fixture.issue(&id).await;
        delete(&browser, "/auth/sessions?scope=others").await;
        assert_eq!(fixture.left(&issued).await, all, "{on:?}: other sessions");
        delete(&browser, "/auth/sessions?scope=all").await;
        assert_eq!(fixture.left(&issued).await, ["undo"], "{on:?}: all sessions");
        fixture.observed.take(&[T::AllSessionsRevoked]).await;

        let issued = fixture.issue(&id).await;
        fixture.auth.users().disable(&id).await.unwrap();
        fixture.auth.users().enable(&id).await.unwrap();
        assert_eq!(fixture.left(&issued).await, ["undo"], "{on:?}: the ban");
        fixture.observed.take(&[T::Disabled]).await;

        fixture.auth.users().delete(&id).await.unwrap();
        assert_eq!(fixture.left(&issued).await, [""; 0], "{on:?}: the user");
        let addresses = fixture.observed.take(&[T::Deleted]).await;
        assert_eq!(addresses, [Some("ada@example.org".to_owned())], "{on:?}: as it was before");
        assert_eq!(fixture.left(&of_other).await, all, "{on:?}: another user");
        database.remove().await;
    }
}

/// A claim is a transition, and everything but what survives it ends.
#[tokio::test]
async fn claim_ends_challenges_and_is_observed() {
    use Transition as T;
    for on in [On::Sqlite, On::Postgres] {
        let database = Database::fresh(on).await;
        let fixture = Fixture::new(&database, UserStorage::managed()).await;
        let (_, id) = fixture.user(ADA).await;
        let issued = fixture.issue(&id).await;
        let client = fixture.app.client();
        let begun = client.post("/auth/email-sign-in", &json!({ "email": ADA })).await.json();
        let code = fixture.mailbox.code(ADA).await;
        let body = json!({ "challenge": begun["challenge"], "code": code });
        assert_eq!(client.post("/auth/verify", &body).await.status, 200);
        assert_eq!(fixture.left(&issued).await, ["undo"], "{on:?}");
        fixture.observed.take(&[T::Claimed, T::AllSessionsRevoked]).await;
        database.remove().await;
    }
}

/// The transitions of users in other stores are the same.
#[tokio::test]
async fn transitions_are_the_same_in_every_storage_mode() {
    use Transition as T;
    for mode in ["managed", "managed_with_claims", "custom"] {
        let database = Database::fresh(On::Sqlite).await;
        let users = match mode {
            "managed" => UserStorage::managed(),
            "managed_with_claims" => UserStorage::managed_with_claims(Book::default()),
            _ => UserStorage::custom(Memory::default()),
        };
        let fixture = Fixture::new(&database, users).await;
        let user = NewUser::with_email(Email::parse(ADA).unwrap());
        let id = fixture.auth.users().create(user).await.unwrap().id;
        let issued = fixture.issue(&id).await;
        let to = Email::parse("ada@example.org").unwrap();
        let change = |user: &mut authlayer::User| user.email = Some(to.clone());
        fixture.auth.users().edit(&id, change).await.unwrap();
        assert_eq!(fixture.left(&issued).await, ["undo"], "{mode}");
        fixture.observed.take(&[T::EmailChanged]).await;
        let issued = fixture.issue(&id).await;
        fixture.auth.users().disable(&id).await.unwrap();
        assert_eq!(fixture.left(&issued).await, ["undo"], "{mode}");
        fixture.observed.take(&[T::Disabled]).await;
        fixture.auth.users().delete(&id).await.unwrap();
        fixture.observed.take(&[T::Deleted]).await;
        database.remove().await;
    }
}

/// A kind can be one per user, change the password, and end with a new password.
#[tokio::test]
async fn credentials_follow_the_transitions_of_their_user() {
    use Transition as T;
    for on in [On::Sqlite, On::Postgres] {
        let database = Database::fresh(on).await;
        let fixture = Fixture::new(&database, UserStorage::managed()).await;
        let (browser, id) = fixture.user(ADA).await;
        let (_, other) = fixture.user("bob@example.com").await;
        for user in [&id, &other] {
            fixture.own.trusted.assign(user, user.as_str(), ()).await.unwrap();
        }
        let trusted = async |user: &UserId| fixture.own.trusted.list(user).await.unwrap().len();
        let issued = fixture.issue(&id).await;
        let added = browser.post("/auth/safes/pin", &json!({ "hash": "1" })).await;
        assert_eq!(added.status, 200, "{}", added.json());
        assert_eq!((trusted(&id).await, trusted(&other).await), (0, 1), "{on:?}");
        assert_eq!(fixture.left(&issued).await, ["undo"], "{on:?}");
        fixture.observed.take(&[T::PasswordChanged]).await;

        // Not security-relevant: nothing ends, and the rest of the data is retained.
        let (issued, pin) = (fixture.issue(&id).await, text(&added.json(), "id").to_owned());
        let rename = json!({ "id": pin, "name": "Front door" });
        let renamed = send(&browser, http::Method::PATCH, "/auth/safes/pin", rename.clone()).await;
        assert_eq!(renamed.json(), json!({ "name": "Front door", "hash": "1" }));
        let stored = fixture.own.pins.of_user(&id).await.unwrap().unwrap();
        assert_eq!((stored.data.name.as_str(), stored.data.hash.as_str()), ("Front door", "1"));
        let stranger = fixture.app.client();
        assert_eq!(sign_in(&stranger, "bob@example.com", PASSWORD).await.status, 200);
        let foreign = send(&stranger, http::Method::PATCH, "/auth/safes/pin", rename).await;
        assert_eq!(foreign.code(), "not_found", "{on:?}: of another user");
        assert_eq!(fixture.left(&issued).await.len(), 3, "{on:?}");

        let again = browser.post("/auth/safes/pin", &json!({ "hash": "2" })).await;
        let has_pin = fixture.own.pins.of_user(&id).await.unwrap().is_some();
        assert_eq!((again.status.as_u16(), has_pin), (409, true), "{}", again.json());
        let removed =
            send(&browser, http::Method::DELETE, "/auth/safes/pin", json!({ "id": pin })).await;
        assert_eq!(removed.status, 200, "{}", removed.json());
        assert_eq!(fixture.left(&issued).await, ["undo"], "{on:?}: a removal changes it, too");
        fixture.observed.take(&[T::PasswordChanged]).await;
        database.remove().await;
    }
}

/// A credential that a sign-in adds is stored with its session, or not at all.
#[tokio::test]
async fn sign_in_adds_a_credential_with_its_session() {
    for on in [On::Sqlite, On::Postgres] {
        let database = Database::fresh(on).await;
        let fixture = Fixture::new(&database, UserStorage::managed()).await;
        let (_, ada) = fixture.user(ADA).await;
        let (_, bob) = fixture.user("bob@example.com").await;
        let keys = async |user: &UserId| fixture.own.keys.list(user).await.unwrap().len();
        let sessions = async || fixture.auth.sessions().list(&ada).await.unwrap().len();
        let sign_in = async |user: &UserId, of: &UserId, key: &str| {
            let client = fixture.app.client();
            let body = json!({ "user": user, "of": of, "key": key });
            let answer = client.post("/auth/safes/sign-in", &body).await;
            (client, answer)
        };
        assert_eq!(sign_in(&ada, &ada, "1").await.1.status, 200);
        assert_eq!((keys(&ada).await, sessions().await), (1, 2), "{on:?}");
        // Of another user, taken, and too many: no session, and nothing is added.
        let foreign = sign_in(&ada, &bob, "2").await.1;
        assert_eq!(foreign.code(), "invalid_credentials");
        assert_eq!(sign_in(&ada, &ada, "1").await.1.code(), "credential_taken");
        assert_eq!(sign_in(&ada, &ada, "2").await.1.status, 200);
        assert_eq!(sign_in(&ada, &ada, "3").await.1.code(), "too_many_credentials");
        assert_eq!((keys(&ada).await, keys(&bob).await), (2, 0), "{on:?}");
        assert_eq!(sessions().await, 3, "{on:?}");
        assert!(fixture.own.keys.find("3").await.unwrap().is_none());

        // With a second factor, it is added once that is verified.
        let (client, eve) = fixture.user("eve@example.com").await;
        let started = client.post("/auth/totp/register/start", json!({})).await.json();
        let app = Authenticator::new(text(&started, "secret"));
        let code = || app.code_at(authlayer::clock::Clock::now(&fixture.clock).as_second());
        let body = json!({ "challenge": started["challenge"], "code": code() });
        assert_eq!(client.post("/auth/totp/register/finish", &body).await.status, 201);
        fixture.clock.advance(Duration::from_secs(60));
        let (client, pending) = sign_in(&eve, &eve, "4").await;
        assert_eq!((pending.status.as_u16(), keys(&eve).await), (202, 0), "{on:?}");
        let body = json!({
            "challenge": pending.json()["challenge"], "method": "totp", "code": code(),
        });
        let done = client.post("/auth/verify", &body).await;
        assert_eq!((done.status.as_u16(), keys(&eve).await), (200, 1), "{}", done.json());
        database.remove().await;
    }
}
