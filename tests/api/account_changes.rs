//! Changes of what a user can sign in with by a flow outside of the crate, and the links that it
//! sends together with codes, on both databases.

use std::time::Duration;

use authlayer::{
    Auth, AuthError, AuthUser, Client as AuthClient, ConfigError, Email, ErrorKind, EventKind,
    Factor, Flow, FreshUser, JsonBody, MessageKind, Password, PgStore, Registry, SignInOutcome,
    SqliteStore,
    services::{
        AccountChange, ChallengeHandle, CodeChallenges, CodeOptions, CredentialOptions,
        Credentials, NewAccount, NewEvent, Owner, Services, TokenChallenges, VerifiedFactor,
    },
    store::Store,
    testing::{EventRecorder, Mailbox, ManualClock, TestApp, TestClient, TestResponse},
    users::NewUser,
};
use axum::{Json, Router, extract::State, routing::post};
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::{Database, On};

const KEY: Factor = Factor::custom("vault_key");
const RECOVERED: EventKind = EventKind::custom("vault_recovered");
const CODE: MessageKind = MessageKind::custom("vault_code");

/// Sign-in by keys, which a user replaces on a session or by a delivered challenge.
struct Vault;

#[derive(Clone)]
struct VaultService {
    services: Services,
    keys: Credentials<()>,
    recoveries: TokenChallenges<()>,
    codes: CodeChallenges<()>,
}

impl Flow for Vault {
    type Service = VaultService;

    fn name(&self) -> &str {
        "vault"
    }

    fn register(self, registry: &mut Registry) -> Result<VaultService, ConfigError> {
        let services = registry.services();
        let keys = CredentialOptions::default().signs_in(true).factor(KEY).max_per_user(2);
        registry.message(CODE, "Your code", "Enter the code or open the link.");
        let delivery = services.mail().codes(CODE);
        let with_link = CodeOptions::default().link("/vault");
        let service = VaultService {
            keys: registry.credentials("vault_key", keys),
            recoveries: registry.tokens("vault_recoveries", Duration::from_secs(600)),
            codes: registry.codes("vault_codes", Factor::EmailLink, with_link, delivery),
            services,
        };
        registry.routes(
            &service,
            [
                ("/vault/sign-up", post(sign_up)),
                ("/vault/sign-in", post(sign_in)),
                ("/vault/change", post(change)),
                ("/vault/recovery", post(start_recovery)),
                ("/vault/recovery/of-session", post(start_on_session)),
                ("/vault/recovery/finish", post(recover)),
                ("/vault/link/follow", post(follow)),
                ("/vault/link/start", post(start_link)),
            ],
        );
        Ok(service)
    }
}

fn text<'a>(body: &'a Value, name: &str) -> &'a str {
    body[name].as_str().unwrap_or_default()
}

async fn sign_up(
    State(own): State<VaultService>,
    client: AuthClient,
    JsonBody(body): JsonBody<Value>,
) -> Result<SignInOutcome, AuthError> {
    let account = NewAccount::new(NewUser::new()).credential(&own.keys, text(&body, "key"), ());
    own.services.sign_in().sign_up(&client, account).await
}

async fn sign_in(
    State(own): State<VaultService>,
    client: AuthClient,
    JsonBody(body): JsonBody<Value>,
) -> Result<SignInOutcome, AuthError> {
    let key = own.keys.find(text(&body, "key")).await?.ok_or(ErrorKind::InvalidCredentials)?;
    let verified = VerifiedFactor::asserted(&key.user_id, KEY).using(key.used());
    own.services.sign_in().complete(&client, verified).await
}

/// Adds the keys `add`, removes the keys `remove`, and revokes sessions if `revoke` is set.
async fn change(
    State(own): State<VaultService>,
    client: AuthClient,
    user: FreshUser,
    JsonBody(body): JsonBody<Value>,
) -> Result<(), AuthError> {
    let mut change = AccountChange::by(&user);
    for key in body["add"].as_array().into_iter().flatten() {
        change = change.add(&own.keys, key.as_str().unwrap_or_default(), ());
    }
    for key in body["remove"].as_array().into_iter().flatten() {
        let found = own.keys.find(key.as_str().unwrap_or_default()).await?;
        change = change.remove(&own.keys, &found.ok_or(ErrorKind::NotFound)?.id);
    }
    if body["revoke"] == true {
        change = change.revoke_sessions();
    }
    own.services.accounts().apply(&client, change).await
}

async fn start_recovery(
    State(own): State<VaultService>,
    client: AuthClient,
    JsonBody(body): JsonBody<Value>,
) -> Result<Json<Value>, AuthError> {
    let key = own.keys.find(text(&body, "key")).await?.ok_or(ErrorKind::NotFound)?;
    let issued = own.recoveries.issue(&client, &key.user_id, ()).await?;
    Ok(Json(json!({ "handle": issued.handle() })))
}

async fn start_on_session(
    State(own): State<VaultService>,
    client: AuthClient,
    user: AuthUser,
) -> Result<Json<Value>, AuthError> {
    let issued = own.recoveries.issue(&client, &user, ()).await?;
    Ok(Json(json!({ "handle": issued.handle() })))
}

async fn recover(
    State(own): State<VaultService>,
    client: AuthClient,
    JsonBody(body): JsonBody<Value>,
) -> Result<(), AuthError> {
    let handle = ChallengeHandle::new(text(&body, "handle"));
    let consumed = own.recoveries.consume(&client, &handle).await?;
    let change = AccountChange::by_challenge(consumed)?.add(&own.keys, text(&body, "key"), ());
    let change = change.revoke_sessions().event(NewEvent::new(RECOVERED));
    own.services.accounts().apply(&client, change).await
}

async fn start_link(
    State(own): State<VaultService>,
    client: AuthClient,
    JsonBody(body): JsonBody<Value>,
) -> Result<authlayer::PendingChallenge, AuthError> {
    let user = own.services.users().find_by_email(text(&body, "email")).await?;
    let user = user.ok_or(ErrorKind::NotFound)?;
    own.codes.issue(&client, Owner::from(&user.id), text(&body, "email"), ()).await
}

async fn follow(
    State(own): State<VaultService>,
    client: AuthClient,
    JsonBody(body): JsonBody<Value>,
) -> Result<SignInOutcome, AuthError> {
    let link = own.codes.peek_link(&client, text(&body, "token")).await?;
    if body["confirm"] != true && !link.is_same_browser() {
        let error = AuthError::new(ErrorKind::ConfirmRequired);
        return Err(error.with_extension("address", link.masked_recipient()));
    }
    let consumed = own.codes.consume_link(&client, link).await?;
    let verified = VerifiedFactor::challenge(Factor::EmailLink, consumed)?;
    own.services.sign_in().complete(&client, verified).await
}

struct Fixture {
    auth: Auth,
    app: TestApp,
    watch: EventRecorder,
    mailbox: Mailbox,
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
        let (watch, mailbox) = (EventRecorder::default(), Mailbox::new());
        let builder = Auth::builder(store).origin("http://localhost:3000").mailer(mailbox.clone());
        let builder = builder.clock(ManualClock::at("2026-06-01T12:00:00Z")).max_clock_skew(None);
        let builder = builder.event_sink(watch.clone()).flow(Password::new()).flow(Vault);
        let auth = builder.build().unwrap();
        let app = Router::new().nest("/auth", auth.router()).layer(auth.layer());
        Self { auth, app: TestApp::serve(app).await, watch, mailbox }
    }

    /// Signs a new user up with a key.
    async fn owner(&self, key: &str) -> TestClient {
        let browser = self.app.client();
        let signed_up = browser.post("/auth/vault/sign-up", json!({ "key": key })).await;
        assert_eq!(signed_up.status, 201, "{}", signed_up.json());
        browser
    }

    async fn sign_in(&self, key: &str) -> (TestClient, TestResponse) {
        let browser = self.app.client();
        let response = browser.post("/auth/vault/sign-in", json!({ "key": key })).await;
        (browser, response)
    }

    async fn count(&self, key: &str) -> usize {
        let own = self.auth.service::<Vault>().unwrap();
        let user = own.keys.find(key).await.unwrap().unwrap().user_id;
        let account = own.services.accounts().load(&user).await.unwrap().unwrap();
        account.count(&own.keys)
    }
}

/// The last key is replaced by another one in one change, which revokes the other sessions.
#[tokio::test]
async fn change_replaces_the_last_credential_and_revokes_other_sessions() {
    for on in [On::Sqlite, On::Postgres] {
        let database = Database::fresh(on).await;
        let fixture = Fixture::new(&database).await;
        let ada = fixture.owner("one").await;
        let (other, _) = fixture.sign_in("one").await;
        let last = ada.post("/auth/vault/change", json!({ "remove": ["one"] })).await;
        assert_eq!(last.code(), "last_credential");
        let replaced = json!({ "add": ["two"], "remove": ["one"], "revoke": true });
        let replaced = ada.post("/auth/vault/change", replaced).await;
        assert_eq!(replaced.status, 200, "{}", replaced.json());
        assert_eq!(other.get("/auth/session").await.status, 401);
        assert_eq!(ada.get("/auth/session").await.status, 200);
        assert_eq!(fixture.sign_in("one").await.1.code(), "invalid_credentials");
        assert_eq!(fixture.sign_in("two").await.1.status, 200);
        let counts = ["credential_added", "credential_removed"].map(EventKind::custom);
        assert_eq!(counts.map(|kind| fixture.watch.count(kind)), [1, 1]);
        drop(fixture);
        database.remove().await;
    }
}

/// A change whose addition is rejected writes nothing, and one user cannot remove the credential of
/// another.
#[tokio::test]
async fn rejected_change_writes_nothing() {
    for on in [On::Sqlite, On::Postgres] {
        let database = Database::fresh(on).await;
        let fixture = Fixture::new(&database).await;
        let (ada, _bob) = (fixture.owner("one").await, fixture.owner("bob").await);
        let (other, _) = fixture.sign_in("one").await;
        let change = async |body: Value| ada.post("/auth/vault/change", body).await.code();
        let taken = json!({ "add": ["bob"], "remove": ["one"], "revoke": true });
        assert_eq!(change(taken).await, "credential_taken");
        assert_eq!(change(json!({ "add": ["x"], "remove": ["bob"] })).await, "not_found");
        let several = ada.post("/auth/vault/change", json!({ "add": ["x", "y"] })).await;
        assert_eq!(several.status, 500);
        assert_eq!(other.get("/auth/session").await.status, 200);
        assert_eq!(fixture.count("one").await, 1);
        let added = ada.post("/auth/vault/change", json!({ "add": ["two"] })).await;
        assert_eq!(added.status, 200, "{}", added.json());
        assert_eq!(change(json!({ "add": ["three"] })).await, "too_many_credentials");
        assert_eq!(fixture.count("one").await, 2);
        drop(fixture);
        database.remove().await;
    }
}

/// A delivered challenge adds a credential once and revokes all sessions and other challenges; one
/// of a session without recent authentication adds none.
#[tokio::test]
async fn challenge_authorizes_one_change_of_its_user() {
    for on in [On::Sqlite, On::Postgres] {
        let database = Database::fresh(on).await;
        let fixture = Fixture::new(&database).await;
        let (ada, device) = (fixture.owner("one").await, fixture.app.client());
        let start = async || {
            let body = device.post("/auth/vault/recovery", json!({ "key": "one" })).await.json();
            body["handle"].clone()
        };
        let (first, second) = (start().await, start().await);
        let stale = ada.post("/auth/vault/recovery/of-session", json!({})).await.json();
        let finish = async |client: &TestClient, handle: &Value, key: &str| {
            let body = json!({ "handle": handle, "key": key });
            client.post("/auth/vault/recovery/finish", body).await
        };
        assert_eq!(finish(&ada, &stale["handle"], "two").await.code(), "step_up_required");
        assert_eq!(fixture.count("one").await, 1);
        let all = join_all((0..3).map(|_| finish(&device, &first, "two"))).await;
        assert_eq!(all.iter().filter(|own| own.status == 200).count(), 1, "{}", all[0].json());
        assert_eq!(ada.get("/auth/session").await.status, 401);
        assert_eq!(finish(&device, &second, "three").await.code(), "challenge_expired");
        assert_eq!((fixture.count("one").await, fixture.watch.count(RECOVERED)), (2, 1));
        drop(fixture);
        database.remove().await;
    }
}

/// A link that was sent with a code signs in once, elsewhere only after a confirmation.
#[tokio::test]
async fn link_of_a_code_signs_in_once() {
    for on in [On::Sqlite, On::Postgres] {
        let database = Database::fresh(on).await;
        let fixture = Fixture::new(&database).await;
        let email: Email = "ada@example.com".parse().unwrap();
        fixture.auth.users().create(NewUser::with_email(email)).await.unwrap();
        let (browser, other) = (fixture.app.client(), fixture.app.client());
        let start = async || {
            let start = json!({ "email": "ada@example.com" });
            let started = browser.post("/auth/vault/link/start", start).await;
            assert_eq!(started.status, 202, "{}", started.json());
            fixture.mailbox.code("ada@example.com").await;
            let mut all = fixture.mailbox.to("ada@example.com").into_iter().rev();
            let link = all.find(|own| own.kind == CODE).unwrap().link.unwrap();
            link.strip_prefix("http://localhost:3000/vault#token=").unwrap().to_owned()
        };
        let follow = async |client: &TestClient, token: &str, confirm: bool| {
            let body = json!({ "token": token, "confirm": confirm });
            client.post("/auth/vault/link/follow", body).await
        };
        let (first, second) = (start().await, start().await);
        let asked = follow(&other, &first, false).await;
        assert_eq!(asked.code(), "confirm_required");
        assert_eq!(asked.json()["address"], "a•••@example.com");
        assert_eq!(follow(&other, &first, true).await.status, 200);
        assert_eq!(follow(&other, &first, true).await.code(), "invalid_token");
        let claimed = follow(&browser, &second, false).await;
        assert_eq!(claimed.code(), "invalid_token", "the first sign-in claimed the account");
        let third = start().await;
        assert_eq!(follow(&browser, &third, false).await.status, 200);
        drop(fixture);
        database.remove().await;
    }
}
