//! Each operation of the store fails in turn: every response is the expected one or 503, and a
//! failure grants nothing.

use authlayer::{
    ApiKeys, Auth, AuthUser, EmailCodes, Password, PasswordReset, RateLimits, RequireUser,
    SessionOptions, SqliteStore,
    testing::{FaultyStore, Mailbox, TestApp, TestClient},
};
use axum::{Json, Router, routing::get};
use http::Method;
use serde_json::{Value, json};

use crate::support::PASSWORD;

struct Fixture {
    store: FaultyStore,
    app: TestApp,
}

impl Fixture {
    async fn new() -> Self {
        let store = FaultyStore::new(SqliteStore::memory().await.unwrap());
        let auth = Auth::builder(store.clone())
            .origin("http://localhost:3000")
            .session_options(SessionOptions::default().cache(None))
            .mailer(Mailbox::new())
            .cleanup_interval(None)
            .flow(Password::new())
            .rate_limits(RateLimits::disabled())
            .flow(EmailCodes::new().verify_email_on_sign_up(false))
            .flow(PasswordReset::new())
            .flow(ApiKeys::new())
            .build()
            .unwrap();
        let app = Router::new()
            .route("/me", get(async |user: AuthUser| Json(user)))
            .route_layer(RequireUser::new())
            .route("/maybe", get(async |user: Option<AuthUser>| Json(user)))
            .nest("/auth", auth.router())
            .layer(auth.layer());
        Self { store, app: TestApp::serve(app).await }
    }

    async fn user(&self, email: &str) -> TestClient {
        let browser = self.app.client();
        let body = json!({ "email": email, "password": PASSWORD });
        let made = browser.post("/auth/sign-up", &body).await;
        assert_eq!(made.status, 201, "{}", made.json());
        browser
    }
}

/// Requests of a signed-in user, and what they respond without a fault.
fn requests() -> Vec<(Method, &'static str, Value, u16)> {
    let key = json!({ "name": "key", "scopes": [] });
    vec![
        (Method::GET, "/me", Value::Null, 200),
        (Method::GET, "/maybe", Value::Null, 200),
        (Method::GET, "/auth/session", Value::Null, 200),
        (Method::GET, "/auth/sessions", Value::Null, 200),
        (Method::GET, "/auth/account", Value::Null, 200),
        (Method::GET, "/auth/api-keys", Value::Null, 200),
        (Method::POST, "/auth/api-keys", key, 201),
        (Method::POST, "/auth/password/verify", json!({ "password": PASSWORD }), 200),
        (Method::POST, "/auth/refresh", json!({}), 200),
        (Method::POST, "/auth/sign-out", json!({}), 204),
    ]
}

#[tokio::test]
async fn failing_operation_is_503_or_has_no_effect_on_the_response() {
    let fixture = Fixture::new().await;
    let mut failed = 0;
    for (place, operation) in FaultyStore::OPERATIONS.iter().enumerate() {
        let browser = fixture.user(&format!("user-{place}@example.com")).await;
        for (method, path, body, expected) in requests() {
            fixture.store.fail(operation);
            let answer = match body {
                Value::Null => browser.get(path).await,
                body => browser.json(method, path, body).await,
            };
            fixture.store.recover();
            let status = answer.status.as_u16();
            assert!(
                status == expected || (status == 503 && answer.code() == "unavailable"),
                "{path} responds {status} {} if {operation} fails",
                answer.json()
            );
            failed += u32::from(status == 503);
        }
    }
    assert!(failed > 20, "only {failed} requests failed");
}

#[tokio::test]
async fn unavailable_store_signs_in_no_user_and_recovers() {
    let fixture = Fixture::new().await;
    let browser = fixture.user("ada@example.com").await;
    let credentials = json!({ "email": "ada@example.com", "password": PASSWORD });
    fixture.store.fail_all();
    let other = fixture.app.client();
    assert_eq!(other.post("/auth/sign-in", &credentials).await.code(), "unavailable");
    assert!(other.cookies().is_empty());
    for path in ["/me", "/maybe", "/auth/session"] {
        assert_eq!(browser.get(path).await.code(), "unavailable", "{path}");
    }
    assert_eq!(
        other.get("/maybe").await.json(),
        Value::Null,
        "without a credential no store is asked"
    );
    fixture.store.recover();
    assert_eq!(other.post("/auth/sign-in", &credentials).await.status, 200);
    assert_eq!(browser.get("/me").await.json()["email"], "ada@example.com");
}

#[tokio::test]
async fn operation_fails_as_often_as_demanded() {
    let store = FaultyStore::new(SqliteStore::memory().await.unwrap());
    let auth = Auth::builder(store.clone()).origin("http://localhost:3000").build().unwrap();
    store.fail_next("find_user_by_email", 2);
    let mut found = Vec::new();
    for _ in 0..3 {
        found.push(auth.users().find_by_email("ada@example.com").await.is_ok());
    }
    assert_eq!(found, [false, false, true]);
    assert_eq!(store.calls("find_user_by_email"), 3);
}

#[tokio::test]
#[should_panic(expected = "no operation of a store is called \"find_users\"")]
async fn unknown_operation_is_a_mistake_of_the_test() {
    FaultyStore::new(SqliteStore::memory().await.unwrap()).fail("find_users");
}
