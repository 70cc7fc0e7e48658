//! The test utilities as the tests of an application use them.

use std::time::Duration;

use authlayer::{
    Auth, AuthUser, EmailCodes, EventKind, Factor, Passkeys, Password, RequireUser, SqliteStore,
    session::{SessionOptions, TokenTransports},
    testing::{
        self, EventRecorder, Mailbox, ManualClock, SignInAs, TestClient, VirtualAuthenticator,
    },
};
use axum::{Json, Router, body::Body, response::Response, routing::get};
use http::Request;
use serde_json::json;
use tower_service::Service;

use crate::support::PASSWORD;

struct Fixture {
    auth: Auth,
    app: Router,
    clock: ManualClock,
    mailbox: Mailbox,
    events: EventRecorder,
}

async fn fixture(transports: TokenTransports) -> Fixture {
    let (clock, mailbox, events) =
        (ManualClock::at("2026-01-01T00:00:00Z"), Mailbox::new(), EventRecorder::new());
    let auth = Auth::builder(SqliteStore::memory().await.unwrap())
        .origin("http://localhost:3000")
        .clock(clock.clone())
        .mailer(mailbox.clone())
        .event_sink(events.clone())
        .session_options(SessionOptions::default().transports(transports))
        .flow(Password::new())
        .flow(EmailCodes::new())
        .flow(Passkeys::new("Example"))
        .build()
        .unwrap();
    let step_up = RequireUser::new().factor(Factor::Passkey).max_auth_age(Duration::from_secs(600));
    let echo = async |_: AuthUser, form: String| form;
    let app = Router::new()
        .route("/me", get(|user: AuthUser| async move { Json(user) }).post(echo))
        .route("/edit", get(async || "edited").layer(RequireUser::new().role("editor")))
        .route("/secrets", get(async || "secret").layer(step_up))
        .route_layer(RequireUser::new())
        .nest("/auth", auth.router())
        .layer(auth.layer());
    Fixture { auth, app, clock, mailbox, events }
}

async fn send(mut app: Router, request: Request<Body>) -> Response {
    app.call(request).await.unwrap()
}

#[tokio::test]
async fn session_authenticates_one_request() {
    for transports in [TokenTransports::Both, TokenTransports::Bearer, TokenTransports::Cookie] {
        let Fixture { auth, app, .. } = fixture(transports).await;
        let ada = testing::sign_in(&auth, "Ada@example.com").await;
        let request = || Request::get("/me").body(Body::empty()).unwrap();
        assert_eq!(send(app.clone(), request()).await.status(), 401, "{transports:?}");
        assert_eq!(send(app.clone(), ada.authenticate(request())).await.status(), 200);
        assert_eq!(ada.session().user_id, ada.user().id);
        let browser = TestClient::new(app).with_session(&ada);
        assert_eq!(browser.get("/me").await.json()["email"], "ada@example.com", "{transports:?}");
        let same = testing::sign_in(&auth, ada.user()).await;
        assert_eq!(same.user().id, ada.user().id);
        assert_ne!(same.session().id, ada.session().id);
        let browser = browser.with_session(&same);
        assert_eq!(browser.get("/me").await.status, 200, "{transports:?}: one token is sent");
    }
}

#[tokio::test]
async fn role_is_added_to_a_new_and_to_an_existing_user() {
    let Fixture { auth, app, .. } = fixture(TokenTransports::Both).await;
    let client = TestClient::new(app);
    let ada = testing::sign_in(&auth, "ada@example.com").await;
    assert_eq!(client.clone().with_session(&ada).get("/edit").await.code(), "forbidden");
    for email in ["ada@example.com", "bob@example.com"] {
        let editor = testing::sign_in(&auth, SignInAs::email(email).role("editor")).await;
        assert!(editor.user().has_role("editor"), "{email}");
        assert_eq!(client.clone().with_session(&editor).get("/edit").await.status, 200, "{email}");
    }
    assert_eq!(
        client.get("/edit").await.code(),
        "unauthenticated",
        "clones do not share a session"
    );
}

#[tokio::test]
async fn client_sends_forms_json_and_deletions_to_a_router() {
    let Fixture { auth, app, .. } = fixture(TokenTransports::Both).await;
    let ada = testing::sign_in(&auth, "ada@example.com").await;
    let client = TestClient::new(app).with_session(&ada);
    let sent = client.post_form("/me", &[("name", "Ada & Co."), ("plan", "é")]).await;
    assert_eq!(sent.body, b"name=Ada+%26+Co.&plan=%C3%A9");
    assert_eq!(client.post("/auth/sign-out", json!({})).await.status, 204);
    assert_eq!(client.get("/me").await.status, 401);
    let other = testing::sign_in(&auth, "ada@example.com").await;
    let client = client.with_session(&other);
    let deleted = client.delete("/auth/sessions?scope=all").await;
    assert_eq!(deleted.status, 200, "{}", deleted.json());
    assert_eq!(client.get("/me").await.status, 401);
}

#[tokio::test]
async fn step_up_expires_with_the_clock() {
    let Fixture { auth, app, clock, .. } = fixture(TokenTransports::Both).await;
    let session =
        testing::sign_in(&auth, SignInAs::email("ada@example.com").factor(Factor::Password)).await;
    let browser = TestClient::new(app.clone()).with_session(&session);
    assert_eq!(browser.get("/secrets").await.code(), "step_up_required");

    let mut authenticator = VirtualAuthenticator::new("http://localhost:3000");
    let registered = browser.register_passkey(&mut authenticator).await;
    assert_eq!(registered.status, 201, "{}", registered.json());
    let used = browser.use_passkey(&mut authenticator).await;
    assert_eq!(used.status, 200, "{}", used.json());
    assert_eq!(browser.get("/secrets").await.status, 200);

    clock.advance(Duration::from_secs(601));
    assert_eq!(browser.get("/secrets").await.code(), "step_up_required");
    let elsewhere = TestClient::new(app);
    assert_eq!(elsewhere.use_passkey(&mut authenticator).await.status, 200, "a sign-in");
    assert_eq!(elsewhere.get("/secrets").await.status, 200);
}

#[tokio::test]
async fn mailbox_waits_for_the_next_code() {
    let Fixture { app, clock, mailbox, events, .. } = fixture(TokenTransports::Both).await;
    let browser = TestClient::new(app);
    let body = json!({ "email": "ada@example.com", "password": PASSWORD });
    let pending = browser.post("/auth/sign-up", &body).await;
    assert_eq!(pending.status, 202, "{}", pending.json());
    let first = mailbox.code("Ada@example.com").await;
    clock.advance(Duration::from_secs(120));
    let pending = browser.post("/auth/sign-up", &body).await;
    let second = mailbox.code("ada@example.com").await;
    assert_eq!(mailbox.to("ada@example.com").len(), 2);
    assert_ne!(first, second);
    let body = json!({ "challenge": pending.json()["challenge"], "code": second });
    let verified = browser.post("/auth/verify", body).await;
    assert_eq!(verified.status, 200, "{}", verified.json());
    assert_eq!(events.count(EventKind::SignedIn), 1);
}
