//! The IP address of the client behind proxies, from the header that they set.

use std::time::Duration;

use authlayer::{
    Auth, AuthBuilder, Event, EventKind, EventSink, Password, SqliteStore, UserId,
    event::TracingSink,
    testing::{EventRecorder, TestApp, TestClient},
};
use axum::Router;
use serde_json::json;

use crate::requests::Log;

async fn builder() -> AuthBuilder {
    let store = SqliteStore::memory().await.unwrap();
    Auth::builder(store).origin("https://app.example.com").flow(Password::new())
}

fn router(auth: &Auth) -> Router {
    Router::new().nest("/auth", auth.router()).layer(auth.layer())
}

/// Sends a request that is recorded as an event, and returns the IP address of its client.
async fn address(client: &TestClient, events: &EventRecorder) -> Option<String> {
    let body = json!({ "email": "ada@example.com", "password": "a wrong guess" });
    client.post("/auth/sign-in", &body).await;
    events.all().into_iter().rev().find(|event| event.kind == EventKind::SignInFailed).unwrap().ip
}

#[tokio::test]
async fn address_is_read_from_the_configured_header_only() {
    let sent = [
        ("x-forwarded-for", "198.51.100.1"),
        ("forwarded", "for=\"[2001:db8::2]:443\";proto=https"),
        ("cf-connecting-ip", "198.51.100.3"),
    ];
    for (header, expected) in [
        (None, "198.51.100.1"),
        (Some("Forwarded"), "2001:db8::2"),
        (Some("CF-Connecting-IP"), "198.51.100.3"),
        (Some("Fly-Client-IP"), "127.0.0.1"),
    ] {
        let events = EventRecorder::default();
        let builder = builder().await.trusted_proxy("127.0.0.1").event_sink(events.clone());
        let auth = match header {
            Some(name) => builder.client_ip_header(name),
            None => builder,
        };
        let auth = auth.build().unwrap();
        let app = TestApp::serve(router(&auth)).await;
        let client =
            sent.iter().fold(app.client(), |client, &(name, value)| client.with(name, value));
        assert_eq!(address(&client, &events).await.as_deref(), Some(expected), "{header:?}");
    }
}

/// A request without a peer address, as behind a Unix socket.
#[tokio::test]
async fn peer_without_an_address_is_a_proxy_only_if_configured() {
    for (unix, expected) in [(true, Some("198.51.100.1")), (false, None)] {
        let builder = builder().await;
        let builder = if unix { builder.trusted_proxy("unix") } else { builder };
        let auth = builder.build().unwrap();
        let request = http::Request::builder().header("x-forwarded-for", "1.1.1.1, 198.51.100.1");
        let client = auth.client(&request.body(()).unwrap().into_parts().0).unwrap();
        assert_eq!(client.info().ip.as_deref(), expected);
    }
}

#[tokio::test]
async fn header_without_a_trusted_proxy_is_rejected_at_build() {
    let error = builder().await.client_ip_header("CF-Connecting-IP").build().unwrap_err();
    let text = error.to_string();
    assert!(text.contains("CF-Connecting-IP") && text.contains(".trusted_proxy("), "{text}");
    let error = builder().await.client_ip_header("a b").trusted_proxy("unix").build().unwrap_err();
    assert!(error.to_string().contains("\"a b\""), "{error}");
}

/// Returns the warnings after this many requests through a proxy that is not trusted.
async fn warnings(requests: usize, client: impl Fn(TestClient, usize) -> TestClient) -> String {
    let log = Log::default();
    let lines = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_max_level(tracing::Level::WARN)
        .with_writer(move || lines.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let auth = builder().await.trusted_proxy("127.0.0.1").build().unwrap();
    let app = TestApp::serve(router(&auth)).await;
    for number in 0..requests {
        let client = client(app.client(), number);
        client.get("/auth/session").await;
    }
    String::from_utf8(log.0.lock().unwrap().clone()).unwrap()
}

#[tokio::test]
async fn proxy_that_is_not_trusted_is_named_in_the_log() {
    let inner = |client: TestClient, number: usize| {
        client.with("x-forwarded-for", format!("203.0.113.{}, 192.0.2.7", number % 250))
    };
    assert_eq!(warnings(99, inner).await, "");
    let log = warnings(150, inner).await;
    assert_eq!(log.matches(".trusted_proxy(\"192.0.2.7\")").count(), 1, "{log}");
    assert!(!log.contains("client_ip_header"), "{log}");
    let platform = |client: TestClient, number: usize| {
        client.with("cf-connecting-ip", format!("203.0.113.{}", number % 250))
    };
    let log = warnings(100, platform).await;
    assert!(log.contains(".client_ip_header(\"cf-connecting-ip\")"), "{log}");
}

#[tokio::test]
async fn clients_with_different_addresses_cause_no_warning() {
    let different = |client: TestClient, number: usize| {
        client.with("x-forwarded-for", format!("10.9.9.9, 203.0.113.{}", number % 2))
    };
    assert_eq!(warnings(250, different).await, "");
    let same = |client: TestClient, _| client.with("x-forwarded-for", "203.0.113.9");
    assert_eq!(warnings(250, same).await, "");
}

/// An audit log does not turn the log off, and the names of fields are those of OpenTelemetry.
#[tokio::test]
async fn events_are_logged_beside_an_audit_log_with_a_level_by_weight() {
    let log = Log::default();
    let lines = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_max_level(tracing::Level::DEBUG)
        .with_writer(move || lines.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let auth = builder().await.audit_log(Duration::from_secs(3600)).build().unwrap();
    let app = TestApp::serve(router(&auth)).await;
    let body = json!({ "email": "ada@example.com", "password": "a wrong guess" });
    app.client().post("/auth/sign-in", &body).await;
    let at = jiff::Timestamp::UNIX_EPOCH;
    for kind in [EventKind::RefreshReused, EventKind::Refreshed] {
        TracingSink.record(Event::new(kind, at).user(&UserId::new("ada")).ip(Some("192.0.2.1")));
    }
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let line = |kind: &str| {
        let found: Vec<_> = log.lines().filter(|line| line.contains(kind)).collect();
        assert_eq!(found.len(), 1, "{kind}: {log}");
        found[0].to_owned()
    };
    let failed = line("kind=\"sign_in_failed\"");
    assert!(failed.contains(" INFO ") && failed.contains(": sign in failed "), "{failed}");
    assert!(failed.contains("client.address=\"127.0.0.1\""), "{failed}");
    let reused = line("kind=\"refresh_reused\"");
    assert!(reused.contains(" WARN ") && reused.contains("user.id=ada"), "{reused}");
    assert!(line("kind=\"refreshed\"").contains("DEBUG"));
}
