//! Recovery codes and the credentials of a flow outside of the crate.

use std::time::Duration;

use authlayer::{
    Auth, AuthError, AuthUser, Client as AuthClient, ConfigError, Factor, Flow, JsonBody, Password,
    PgStore, RateLimits, RecoveryCodes, Registry, SecondFactor, SqliteStore, Strength,
    factor::{Account, FactorAttempt, FactorCheck},
    services::{AccountChange, CredentialOptions, Credentials, Owner, Services, TokenChallenges},
    store::Store,
    testing::{ManualClock, TestApp, TestClient, TestResponse},
};
use axum::{Json, Router, extract::State, routing::post};
use serde_json::{Value, json};

use crate::{
    authenticator::{answer, error, factors},
    support::{Database, On, PASSWORD, sign_in, sign_up},
};

const RIDDLE: Factor = Factor::custom("riddle");

/// A second factor that users can replace with a recovery code, and a kind that they cannot.
struct Riddles;

#[derive(Clone)]
struct RiddleService {
    services: Services,
    riddles: Credentials<()>,
    badges: Credentials<()>,
    ceremonies: TokenChallenges<()>,
}

struct Riddle(Credentials<()>);

impl SecondFactor for Riddle {
    fn factor(&self) -> Factor {
        RIDDLE
    }

    fn strength(&self) -> Strength {
        Strength::OneTimeCode
    }

    fn is_enrolled(&self, account: &Account) -> bool {
        account.count(&self.0) > 0
    }

    async fn check(&self, attempt: &FactorAttempt<'_>) -> Result<FactorCheck, AuthError> {
        let own = attempt.account().credentials(&self.0);
        let is_right = own.iter().any(|riddle| riddle.lookup == attempt.code());
        Ok(if is_right { FactorCheck::Accepted } else { FactorCheck::Rejected })
    }
}

impl Flow for Riddles {
    type Service = RiddleService;

    fn name(&self) -> &str {
        "riddles"
    }

    fn register(self, registry: &mut Registry) -> Result<RiddleService, ConfigError> {
        let riddle = CredentialOptions::default().second_factor(true).factor(RIDDLE);
        let service = RiddleService {
            services: registry.services(),
            riddles: registry.credentials("riddle", riddle.recoverable(true)),
            badges: registry.credentials("riddle_badge", CredentialOptions::default()),
            ceremonies: registry.tokens("riddle_ceremonies", Duration::from_secs(600)),
        };
        registry.second_factor(Riddle(service.riddles.clone()));
        registry.routes(
            &service,
            [
                ("/riddles/add", post(add)),
                ("/riddles/remove", post(remove)),
                ("/riddles/misuse", post(misuse)),
                ("/riddles/badge", post(add_badge)),
            ],
        );
        Ok(service)
    }
}

fn text<'a>(body: &'a Value, name: &str) -> &'a str {
    body[name].as_str().unwrap_or_default()
}

async fn add(
    State(own): State<RiddleService>,
    user: AuthUser,
    JsonBody(body): JsonBody<Value>,
) -> Result<Json<Value>, AuthError> {
    let user = own.riddles.fresh_to_add(&user).await?;
    let added = own.riddles.add(&user, text(&body, "riddle"), ()).await?;
    Ok(Json(json!({ "id": added.id })))
}

async fn remove(
    State(own): State<RiddleService>,
    user: AuthUser,
    JsonBody(body): JsonBody<Value>,
) -> Result<Json<Value>, AuthError> {
    let user = own.riddles.fresh_to_remove(&user).await?;
    own.riddles.remove(&user, text(&body, "id")).await?;
    Ok(Json(json!({})))
}

/// Uses the authority for riddles to add a badge, and to revoke sessions.
async fn misuse(
    State(own): State<RiddleService>,
    client: AuthClient,
    user: AuthUser,
    JsonBody(body): JsonBody<Value>,
) -> Result<Json<Value>, AuthError> {
    let user = own.riddles.fresh_to_add(&user).await?;
    let change = match text(&body, "by") {
        "change" => AccountChange::by(&user).add(&own.badges, "1", ()),
        "ceremony" => {
            let issued = own.ceremonies.issue(&client, Owner::from(&user), ()).await?;
            let consumed = own.ceremonies.consume(&client, issued.handle()).await?;
            AccountChange::by_challenge(consumed)?.add(&own.badges, "2", ())
        }
        _ => AccountChange::by(&user).add(&own.riddles, "more", ()).revoke_sessions(),
    };
    own.services.accounts().apply(&client, change).await?;
    Ok(Json(json!({})))
}

async fn add_badge(
    State(own): State<RiddleService>,
    user: AuthUser,
    JsonBody(_): JsonBody<Value>,
) -> Result<Json<Value>, AuthError> {
    let user = own.badges.fresh_to_add(&user).await?;
    own.badges.add(&user, "3", ()).await?;
    Ok(Json(json!({})))
}

async fn serve(store: impl Store) -> (Auth, TestApp) {
    let auth = Auth::builder(store)
        .origin("http://localhost:3000")
        .clock(ManualClock::at("2026-06-01T12:00:00Z"))
        .max_clock_skew(None)
        .rate_limits(RateLimits::disabled())
        .flow(Password::new())
        .flow(RecoveryCodes::new())
        .flow(Riddles)
        .build()
        .unwrap();
    let app = Router::new().nest("/auth", auth.router()).layer(auth.layer());
    let app = TestApp::serve(app).await;
    (auth, app)
}

async fn riddle(client: &TestClient, what: &str, body: Value) -> TestResponse {
    client.post(&format!("/auth/riddles/{what}"), &body).await
}

/// The session of a recovery code replaces one credential of a recoverable kind, and does nothing
/// else.
#[tokio::test]
async fn recovery_code_replaces_one_credential_of_a_recoverable_kind() {
    for on in [On::Sqlite, On::Postgres] {
        let database = Database::fresh(on).await;
        let url = database.url();
        let (auth, app) = match url.strip_prefix("sqlite:") {
            Some(path) => serve(SqliteStore::open(path).await.unwrap()).await,
            None => serve(PgStore::connect_with(&url, 2).await.unwrap()).await,
        };
        let ada = app.client();
        assert_eq!(sign_up(&ada, "ada@example.com").await.status, 201);
        let first = riddle(&ada, "add", json!({ "riddle": "first" })).await;
        assert_eq!(first.status, 200, "{}", first.json());
        let step = ada.post("/auth/factors/riddle/verify", &json!({ "code": "first" })).await;
        assert_eq!(step.status, 200, "{}", step.json());
        let second = riddle(&ada, "add", json!({ "riddle": "second" })).await;
        assert_eq!(second.status, 200, "{}", second.json());
        let codes = ada.post("/auth/recovery-codes", json!({})).await;
        assert_eq!(codes.status, 200, "{}", codes.json());

        let lost = app.client();
        let pending = sign_in(&lost, "ada@example.com", PASSWORD).await;
        assert_eq!(pending.status, 202, "{}", pending.json());
        let challenge = text(&pending.json(), "challenge").to_owned();
        let code = codes.json()["codes"][0].as_str().unwrap().to_owned();
        let done = answer(&lost, &challenge, "recovery_code", &code).await;
        assert_eq!(factors(&done), ["password", "recovery_code"], "{on:?}");

        let rejected = (403, "step_up_required".to_owned());
        for by in ["change", "ceremony", "sessions"] {
            let misused = riddle(&lost, "misuse", json!({ "by": by })).await;
            assert_eq!(error(&misused), rejected, "{on:?}: {by}");
        }
        let badge = riddle(&lost, "badge", json!({})).await;
        assert_eq!(error(&badge), rejected, "{on:?}: a kind that is not recoverable");
        assert_eq!(ada.get("/auth/session").await.status, 200, "{on:?}: no session ended");

        // Once each, in either order.
        let taken = riddle(&lost, "add", json!({ "riddle": "second" })).await;
        assert_eq!(error(&taken), (409, "credential_taken".to_owned()), "{on:?}");
        let added = riddle(&lost, "add", json!({ "riddle": "third" })).await;
        assert_eq!(added.status, 200, "{}", added.json());
        let again = riddle(&lost, "add", json!({ "riddle": "fourth" })).await;
        assert_eq!(error(&again), rejected, "{on:?}: a second addition");
        let gone = riddle(&lost, "remove", json!({ "id": first.json()["id"] })).await;
        assert_eq!(gone.status, 200, "{}", gone.json());
        let more = riddle(&lost, "remove", json!({ "id": second.json()["id"] })).await;
        assert_eq!(error(&more), rejected, "{on:?}: a second removal");

        // Recent authentication allows everything.
        let step = lost.post("/auth/factors/riddle/verify", &json!({ "code": "third" })).await;
        assert_eq!(step.status, 200, "{}", step.json());
        let badge = riddle(&lost, "misuse", json!({ "by": "ceremony" })).await;
        assert_eq!(badge.status, 200, "{}", badge.json());
        drop((auth, app));
        database.remove().await;
    }
}

/// A recovery code replaces a factor, so a recoverable kind needs one.
#[tokio::test]
async fn recoverable_kind_without_a_factor_fails_to_build() {
    struct Wrong;
    impl Flow for Wrong {
        type Service = ();

        fn name(&self) -> &str {
            "wrong"
        }

        fn register(self, registry: &mut Registry) -> Result<(), ConfigError> {
            let options = CredentialOptions::default().recoverable(true);
            let _kind: Credentials<()> = registry.credentials("wrong_kind", options);
            Ok(())
        }
    }
    let store = SqliteStore::memory().await.unwrap();
    let built = Auth::builder(store).origin("http://localhost:3000").flow(Wrong).build();
    let error = built.unwrap_err().to_string();
    assert!(error.contains("`wrong_kind` is recoverable, so it needs a `factor`"), "{error}");
}
