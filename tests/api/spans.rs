//! The span of a request, and the level of its events.

use std::time::Duration;

use authlayer::{
    Auth, AuthUser, Password, SqliteStore,
    crypto::password::{Argon2Params, PasswordHashing},
    testing::{ManualClock, TestClient},
};
use axum::{Router, extract::ConnectInfo, routing::get};
use serde_json::json;

use crate::{requests::Log, support::PASSWORD};

/// Logs a line before and after the user is known.
async fn note() -> &'static str {
    tracing::info!("a line of a public handler");
    "noted"
}

async fn note_user(user: AuthUser) -> String {
    tracing::info!("a line of a handler");
    user.id.to_string()
}

async fn app(has_spans: bool, clock: ManualClock) -> Router {
    let cheap = PasswordHashing::argon2id_with(Argon2Params { m_kib: 64, t: 1, p: 1 });
    let auth = Auth::builder(SqliteStore::memory().await.unwrap())
        .origin("http://localhost:3000")
        .clock(clock)
        .flow(Password::new().insecure_scheme(cheap))
        .build()
        .unwrap();
    let layer = if has_spans { auth.layer().trace_requests() } else { auth.layer() };
    let address: std::net::SocketAddr = "203.0.113.9:4711".parse().unwrap();
    Router::new()
        .route("/note", get(note))
        .route("/users/{name}", get(note_user))
        .nest("/auth", auth.router())
        .layer(layer)
        .layer(axum::Extension(ConnectInfo(address)))
}

/// Returns the lines that are logged while the requests run.
async fn logged(has_spans: bool, requests: impl AsyncFnOnce(Router, &ManualClock)) -> Vec<String> {
    let log = Log::default();
    let lines = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_max_level(tracing::Level::INFO)
        .with_span_events(tracing_subscriber::fmt::format::FmtSpan::CLOSE)
        .with_writer(move || lines.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let clock = ManualClock::running();
    requests(app(has_spans, clock.clone()).await, &clock).await;
    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    text.lines().map(ToOwned::to_owned).collect()
}

fn line<'a>(lines: &'a [String], parts: &[&str]) -> &'a str {
    let found = lines.iter().find(|line| parts.iter().all(|part| line.contains(part)));
    found.unwrap_or_else(|| panic!("no line has {parts:?}: {lines:#?}"))
}

/// Signs up, and returns a client with the session, the id of the user and the refresh token.
async fn signed_up(app: &Router) -> (TestClient, String, String) {
    let client = TestClient::new(app.clone());
    let body = json!({ "email": "ada@example.com", "password": PASSWORD, "transport": "bearer" });
    let answer = client.post("/auth/sign-up", &body).await;
    assert_eq!(answer.status, 201, "{}", answer.json());
    let tokens = answer.json()["tokens"].clone();
    let client = client.bearer(tokens["access_token"].as_str().unwrap());
    let id = answer.json()["user"]["id"].as_str().unwrap().to_owned();
    (client, id, tokens["refresh_token"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn span_has_the_user_the_session_and_the_client() {
    let mut ids = (String::new(), String::new());
    let lines = logged(true, async |app: Router, _: &ManualClock| {
        let (client, id, _) = signed_up(&app).await;
        let session = client.get("/auth/session").await.json()["session"]["id"].clone();
        ids = (id, session.as_str().unwrap().to_owned());
        assert_eq!(client.get("/users/ada?token=secret").await.status, 200);
        assert_eq!(client.get("/note").await.status, 200);
        assert_eq!(TestClient::new(app.clone()).get("/users/ada").await.status, 401);
    });
    let lines = lines.await;
    let (user, session) = (format!("user.id={}", ids.0), format!("session.id={}", ids.1));
    let of_user = [
        "request{",
        "http.request.method=GET",
        "http.route=\"/users/{name}\"",
        "url.path=\"/users/ada\"",
        "client.address=203.0.113.9",
        &user,
        &session,
    ];
    let own = line(&lines, &[&of_user[..], &["a line of a handler"]].concat());
    assert!(own.contains(" INFO "), "{own}");
    line(&lines, &[&of_user[..], &["http.response.status_code=200", "close"]].concat());
    let public = line(&lines, &["a line of a public handler"]);
    assert!(public.contains("client.address=203.0.113.9"), "{public}");
    assert!(!public.contains("user.id") && !public.contains("session.id"), "{public}");
    let rejected = line(&lines, &["http.response.status_code=401", "close"]);
    assert!(!rejected.contains("user.id"), "{rejected}");
    assert!(lines.iter().all(|line| !line.contains("token=secret")), "{lines:#?}");
}

#[tokio::test]
async fn without_the_option_there_is_no_span() {
    let lines = logged(false, async |app: Router, _: &ManualClock| {
        let (client, ..) = signed_up(&app).await;
        assert_eq!(client.get("/users/ada").await.status, 200);
    });
    let lines = lines.await;
    line(&lines, &["a line of a handler"]);
    assert!(lines.iter().all(|line| !line.contains("request{")), "{lines:#?}");
}

/// A refresh token that was replaced and is used again was stolen: a warning, in the span of the
/// request.
#[tokio::test]
async fn theft_is_a_warning_within_the_span_of_its_request() {
    let mut user = String::new();
    let lines = logged(true, async |app: Router, clock: &ManualClock| {
        let (_, id, first) = signed_up(&app).await;
        user = id;
        let mut token = first.clone();
        for _ in 0..2 {
            let client = TestClient::new(app.clone());
            let answer = client.post("/auth/refresh", json!({ "refresh_token": token })).await;
            assert_eq!(answer.status, 200, "{}", answer.json());
            token = answer.json()["tokens"]["refresh_token"].as_str().unwrap().to_owned();
            clock.advance(Duration::from_secs(60));
        }
        let client = TestClient::new(app.clone());
        let stolen = client.post("/auth/refresh", json!({ "refresh_token": first })).await;
        assert_eq!(stolen.status, 401, "{}", stolen.json());
    });
    let lines = lines.await;
    let user = format!("user.id={user}");
    let theft = line(&lines, &["refresh_reused", &user]);
    assert!(theft.contains(" WARN ") && theft.contains("request{"), "{theft}");
    assert!(theft.contains("url.path=\"/auth/refresh\""), "{theft}");
    let signed_up = line(&lines, &["signed_up", &user]);
    assert!(signed_up.contains(" INFO "), "{signed_up}");
}
