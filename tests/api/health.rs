//! Readiness of the application.

use std::time::Duration;

use authlayer::{
    Auth, AuthUser, DeliveryError, EmailSignIn, Mailer, Message, PgStoreOptions, RateLimits,
    RequireUser, SqliteStore, testing::TestClient,
};
use axum::{Router, extract::Request, middleware::Next, routing::get};
use serde_json::json;

use crate::{
    proxy::Proxy,
    support::{Database, On, on_every_store, sign_up, until},
    timeouts::serve,
};

fn probe(auth: &Auth) -> TestClient {
    let auth = auth.clone();
    TestClient::new(Router::new().route("/ready", get(async move || auth.health().await)))
}

on_every_store! {
    async fn running_application_is_ready(bed: &Bed) {
        let answer = probe(&bed.bed.auth).get("/ready").await;
        assert_eq!((answer.status.as_u16(), answer.header("cache-control")), (200, "no-store".into()));
        let body = answer.json();
        assert_eq!(body["ready"], true);
        assert_eq!(body["mail_queue"], json!({ "waiting": 0, "capacity": 1024 }));
        assert_eq!(body["dropped_events"], 0);
        until("the cache is used", async || bed.bed.auth.health().await.is_cached).await;
        assert_eq!(bed.bed.auth.health().await.to_string(), "ready, 0 of 1024 messages wait for delivery");
    }

    /// The user that a guard or an extractor found is known to a middleware around it.
    async fn user_is_known_outside_of_handlers(bed: &Bed) {
        async fn note(request: Request, next: Next) -> axum::response::Response {
            let extensions = request.extensions().clone();
            let before = AuthUser::known(&extensions);
            let mut response = next.run(request).await;
            let name = |user: Option<AuthUser>| user.map_or("-".to_owned(), |user| user.id.to_string());
            let both = format!("{} {}", name(before), name(AuthUser::known(&extensions)));
            response.headers_mut().insert("x-known", both.parse().unwrap());
            response
        }
        let app = Router::new()
            .route("/guarded", get(async || "").route_layer(RequireUser::new()))
            .route("/public", get(async || ""))
            .layer(axum::middleware::from_fn(note))
            .nest("/auth", bed.bed.auth.router())
            .layer(bed.bed.auth.layer());
        let client = TestClient::new(app);
        let id = sign_up(&client, "ada@example.com").await.json()["user"]["id"].clone();
        let id = id.as_str().unwrap();
        assert_eq!(client.get("/guarded").await.header("x-known"), format!("- {id}"));
        assert_eq!(client.get("/public").await.header("x-known"), "- -");
    }
}

#[tokio::test]
async fn application_without_its_database_is_not_ready() {
    let database = Database::fresh(On::Postgres).await;
    let proxy = Proxy::before(&database).await;
    let options = PgStoreOptions::new().statement_timeout(Duration::from_millis(500));
    let store = options.connect(proxy.url()).await.unwrap();
    let (auth, _app) = serve(store.clone()).await;
    let probe = probe(&auth);
    assert_eq!(probe.get("/ready").await.status, 200);
    proxy.silence();
    let answer = probe.get("/ready").await;
    assert_eq!((answer.status.as_u16(), &answer.json()["ready"]), (503, &json!(false)));
    assert!(auth.health().await.to_string().starts_with("not ready: the store does not respond"));
    proxy.restore();
    until("ready again", async || probe.get("/ready").await.status == 200).await;
    store.close().await;
    database.remove().await;
}

/// A mailer whose server does not respond.
#[derive(Debug)]
struct Stopped;

impl Mailer for Stopped {
    async fn send(&self, _: Message) -> Result<(), DeliveryError> {
        std::future::pending().await
    }
}

/// A full queue affects all processes alike, so none of them counts as unready.
#[tokio::test]
async fn waiting_messages_are_counted_and_do_not_affect_readiness() {
    let store = SqliteStore::memory().await.unwrap();
    let auth = Auth::builder(store)
        .origin("http://localhost:3000")
        .rate_limits(RateLimits::disabled())
        .mailer(Stopped)
        .mail_queue_capacity(2)
        .flow(EmailSignIn::new().allow_sign_up(true))
        .build()
        .unwrap();
    let app = Router::new().nest("/auth", auth.router()).layer(auth.layer());
    let client = TestClient::new(app);
    let body = json!({ "email": "ada@example.com" });
    assert_eq!(client.post("/auth/email-sign-in", &body).await.status, 202);
    let health = auth.health().await;
    assert_eq!((health.is_ready, health.mail_queue.waiting), (true, 1));
    assert!(health.to_string().ends_with("1 of 2 messages wait for delivery"));
}
