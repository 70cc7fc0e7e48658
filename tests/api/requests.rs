//! Properties of all requests: methods, bodies, origins, headers, and a failing store.

use std::{
    io::Write,
    sync::{Arc, Mutex},
};

use authlayer::{Auth, Passkeys, Password, SqliteStore, testing::TestClient};
use axum::Router;
use http::Method;
use serde_json::{Value, json};

use crate::support::{PASSWORD, id_of, on_every_store, sign_in, sign_up};

const JSON: (&str, &str) = ("content-type", "application/json");
const POSTS: [&str; 3] = ["/auth/sign-up", "/auth/sign-in", "/auth/sign-out"];

async fn posts(
    client: &TestClient,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> (u16, String) {
    let answer = client.send(Method::POST, path, headers, body).await;
    (answer.status.as_u16(), answer.code())
}

#[tokio::test]
async fn client_module_is_cached_and_revalidated() {
    let bed = crate::support::Bed::new(crate::support::On::Sqlite, json!({})).await;
    for (path, kind) in
        [("/auth/client.js", "text/javascript"), ("/auth/client.d.ts", "application/typescript")]
    {
        let answer = bed.client().get(path).await;
        assert_eq!(
            (answer.status.as_u16(), answer.header("cache-control")),
            (200, "no-cache".to_owned())
        );
        assert!(answer.header("content-type").starts_with(kind));
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert!(String::from_utf8(answer.body.clone()).unwrap().contains("AuthClient"));
        let tag = answer.header("etag");
        for sent in [tag.clone(), format!("\"other\", W/{tag}")] {
            let kept = bed.client().with("if-none-match", sent).get(path).await;
            assert_eq!((kept.status.as_u16(), kept.body.len()), (304, 0));
            assert_eq!(kept.header("etag"), tag);
        }
        assert_eq!(bed.client().with("if-none-match", "\"other\"").get(path).await.status, 200);
        assert_eq!(bed.client().post(path, json!({})).await.status, 405);
    }
    bed.remove().await;
}

/// Unknown members are ignored; a debug build names those that look misspelled in its log.
#[tokio::test]
async fn misspelled_member_is_named_in_the_log() {
    let store = SqliteStore::memory().await.unwrap();
    let auth = Auth::builder(store).origin("http://localhost:3000").flow(Password::new()).build();
    let app = Router::new().nest("/auth", auth.unwrap().router());
    let log = Log::default();
    let lines = log.clone();
    let subscriber = tracing_subscriber::fmt().with_writer(move || lines.clone()).finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let body = json!({
        "email": "ada@example.com", "password": PASSWORD, "display_nane": "Ada", "captcha": "x",
    });
    assert_eq!(TestClient::new(app).post("/auth/sign-up", &body).await.status, 201);
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let is_named = log.contains("\"display_nane\"") && log.contains("\"display_name\"");
    assert_eq!(is_named, cfg!(debug_assertions), "{log}");
    assert!(!log.contains("captcha") && !log.contains(PASSWORD), "{log}");
}

/// The log names an application without a sign-in method, and origins without passkeys.
#[tokio::test]
async fn build_warns_of_missing_flows_and_passkeys() {
    let log = Log::default();
    let lines = log.clone();
    let subscriber = tracing_subscriber::fmt().with_writer(move || lines.clone()).finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let written = || std::mem::take(&mut *log.0.lock().unwrap());
    let builder = |store| Auth::builder(store).origin("http://127.0.0.1:3000");
    let store = async || SqliteStore::memory().await.unwrap();
    let _without = builder(store().await).build().unwrap();
    let line = String::from_utf8(written()).unwrap();
    assert!(line.contains("WARN") && line.contains(".flow("), "{line}");
    let _password = builder(store().await).flow(Password::new()).build().unwrap();
    assert_eq!(String::from_utf8(written()).unwrap(), "");
    let passkeys = Passkeys::new("Example");
    let _left_out = builder(store().await).flow(passkeys).build().unwrap();
    let line = String::from_utf8(written()).unwrap();
    assert!(line.contains("passkeys are left out at http://127.0.0.1:3000"), "{line}");
    assert!(line.contains("http://localhost:3000"), "{line}");
}

/// The lines of a log.
#[derive(Clone, Default)]
pub(crate) struct Log(pub(crate) Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

on_every_store! {
    /// E9, EH-05
    async fn unknown_paths_and_methods_return_problem_details(bed: &Bed) {
        let client = bed.client();
        for (method, path, status, code, allow) in [
            (Method::GET, "/auth/nowhere", 404, "not_found", ""),
            (Method::POST, "/auth/refresh/x", 404, "not_found", ""),
            (Method::GET, "/auth/sign-in", 405, "method_not_allowed", "POST"),
            (Method::GET, "/auth/sign-out", 405, "method_not_allowed", "POST"),
            (Method::DELETE, "/auth/session", 405, "method_not_allowed", "GET,HEAD"),
        ] {
            let answer = client.send(method, path, &[], b"").await;
            let body = answer.json();
            assert_eq!((answer.status.as_u16(), answer.code().as_str()), (status, code), "{path}");
            assert_eq!(answer.header("allow"), allow, "{path}");
            assert_eq!(answer.header("content-type"), "application/problem+json");
            assert_eq!(answer.header("cache-control"), "no-store");
            assert_eq!(body["type"], format!("urn:authlayer:error:{code}"));
            assert_eq!(body["status"], status);
            assert!(body["title"].is_string());
        }
    }

    /// CK-13
    async fn only_json_bodies_are_accepted(bed: &Bed) {
        let body = json!({ "email": "ada@example.com", "password": PASSWORD }).to_string();
        for path in &POSTS[..2] {
            for kind in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "application/jsonx", ""] {
                let (status, code) = posts(&bed.client(), path, &[("content-type", kind)], body.as_bytes()).await;
                assert_eq!((status, code.as_str()), (415, "unsupported_media_type"), "{kind}");
            }
            let (status, _) = posts(&bed.client(), path, &[], body.as_bytes()).await;
            assert_eq!(status, 415);
        }
        let (status, _) = posts(&bed.client(), "/auth/sign-out", &[], b"{}").await;
        assert_eq!(status, 415);
        let with_charset = [("content-type", "Application/JSON; charset=utf-8")];
        let (status, _) = posts(&bed.client(), "/auth/sign-up", &with_charset, body.as_bytes()).await;
        assert_eq!(status, 201);
    }

    /// DS-01
    async fn malformed_bodies_are_rejected_without_a_statement(bed: &Bed) {
        let megabyte = vec![b' '; 1_000_000];
        let barely = format!("{{\"email\":\"{}\"}}", "x".repeat(16 * 1024));
        let deep = "[".repeat(10_000);
        for path in POSTS {
            for (name, body, status, code) in [
                ("not JSON", &b"{"[..], 400, "invalid_request"),
                ("bad UTF-8", b"{\"email\":\"\xff\"}", 400, "invalid_request"),
                ("two values", b"{}{}", 400, "invalid_request"),
                ("lone surrogate", b"{\"email\":\"\\ud800\"}", 400, "invalid_request"),
                ("nested", deep.as_bytes(), 400, "invalid_request"),
                ("list", b"[]", 422, "invalid_request"),
                ("text", b"\"x\"", 422, "invalid_request"),
                ("null", b"null", 422, "invalid_request"),
                ("a byte too long", barely.as_bytes(), 413, "payload_too_large"),
                ("a megabyte", &megabyte, 413, "payload_too_large"),
            ] {
                let found = posts(&bed.client(), path, &[JSON], body).await;
                assert_eq!((found.0, found.1.as_str()), (status, code), "{name} to {path}");
            }
        }
        let (status, code) = posts(&bed.client(), "/auth/sign-in", &[JSON], b"").await;
        assert_eq!((status, code.as_str()), (400, "invalid_request"));
        assert_eq!((bed.statements().await, bed.hashes().await), (0, 0));
    }

    async fn missing_and_invalid_members_are_named(bed: &Bed) {
        for (body, members) in [
            (json!({}), json!(["email", "password"])),
            (json!({ "email": 1, "password": null }), json!(["email", "password"])),
            (json!({ "email": "a@b", "password": "x", "transport": "pigeon" }), json!(["transport"])),
        ] {
            for path in ["/auth/sign-in", "/auth/sign-up"] {
                let answer = bed.client().post(path, &body).await;
                assert_eq!((answer.status.as_u16(), answer.code()), (422, "invalid_request".to_owned()));
                assert_eq!(answer.json()["members"], members);
            }
        }
        let body = json!({ "email": "a@b", "password": "x", "user_metadata": [] });
        let answer = bed.client().post("/auth/sign-up", &body).await;
        assert_eq!(answer.json()["members"], json!(["user_metadata"]));
        for name in ["a\0b", "a\r\nb", &"x".repeat(201)] {
            let body = json!({ "email": "a@b", "password": PASSWORD, "display_name": name });
            let answer = bed.client().post("/auth/sign-up", &body).await;
            assert_eq!(answer.json()["members"], json!(["display_name"]));
        }
        assert_eq!(bed.statements().await, 0);
    }

    /// E5, CK-10, CK-11, CK-12: with and without a session.
    async fn cross_site_requests_are_rejected(bed: &Bed) {
        let browser = bed.browser("ada@example.com").await;
        for (name, value, passes) in [
            ("sec-fetch-site", "cross-site", false), ("sec-fetch-site", "same-site", false),
            ("sec-fetch-site", "same-origin", true), ("sec-fetch-site", "none", true),
            ("sec-fetch-site", "foo", true),
            ("origin", "http://localhost:3000", true), ("origin", "http://localhost:3001", false),
            ("origin", "https://localhost:3000", false), ("origin", "null", false),
            ("origin", "http://localhost:3000.evil.example", false),
            ("referer", "https://evil.example/", true),
        ] {
            for path in POSTS {
                let answer = bed.client().with(name, value).post(path, json!({})).await;
                assert_eq!(answer.code() != "cross_origin", passes, "{name}: {value} to {path}");
                assert!(passes || answer.status == 403);
            }
            let note = browser.clone().with(name, value).post("/note", json!({})).await;
            assert_eq!(note.status == 200, passes, "the application's own route, {name}: {value}");
            let maybe = browser.clone().with(name, value).post("/maybe", json!({})).await;
            assert_eq!(maybe.status == 200, passes, "an optional user, {name}: {value}");
        }
        let cross = browser.clone().with("sec-fetch-site", "cross-site");
        assert_eq!(cross.get("/me").await.status, 200, "safe methods change nothing");
        assert_eq!(browser.get("/me").await.status, 200, "the session is still valid");
        let upgrade = browser.clone().with("upgrade", "websocket").with("origin", "https://evil.example");
        assert_eq!(upgrade.get("/me").await.code(), "cross_origin");
    }

    /// Browsers do not send bearer tokens automatically.
    async fn bearer_token_requires_no_origin(bed: &Bed) {
        let (native, ..) = bed.native("ada@example.com").await;
        let cross = native.with("sec-fetch-site", "cross-site");
        assert_eq!(cross.post("/note", json!({})).await.status, 200);
    }

    /// A22, CK-16, EH-01, EH-02, CK-15
    async fn responses_are_no_store_and_every_401_has_a_challenge(bed: &Bed) {
        let evil = bed.client().with("origin", "https://evil.example");
        assert!(!evil.get("/auth/session").await.headers.contains_key("access-control-allow-origin"));
        let anonymous = bed.client().get("/auth/session").await;
        assert_eq!((anonymous.header("www-authenticate"), anonymous.header("cache-control")), ("Bearer".into(), "no-store".into()));
        let stale = bed.client().bearer("aat_stale").get("/auth/session").await;
        assert_eq!(stale.header("www-authenticate"), "Bearer error=\"invalid_token\"");
        assert_eq!(stale.code(), "unauthenticated");
        let answer = sign_up(&bed.client(), "ada@example.com").await;
        assert_eq!(answer.header("cache-control"), "no-store");
        for password in [PASSWORD, "wrong password"] {
            let answer = sign_in(&bed.client(), "ada@example.com", password).await;
            assert_eq!(answer.header("cache-control"), "no-store");
        }
        let out = bed.client().post("/auth/sign-out", json!({})).await;
        assert_eq!(out.header("cache-control"), "no-store");
    }

    /// SE-14, A11: 503 from extractor, optional extractor, guard and flows.
    async fn store_failure_returns_503_and_never_an_anonymous_user(bed: &Bed) {
        let client = bed.browser("ada@example.com").await;
        bed.bed.store.close().await;
        for path in ["/me", "/maybe", "/admin", "/fresh", "/auth/session"] {
            let answer = client.get(path).await;
            assert_eq!((answer.status.as_u16(), answer.code()), (503, "unavailable".to_owned()), "{path}");
            assert_eq!(answer.header("retry-after"), "1");
            let text = String::from_utf8(answer.body).unwrap().to_lowercase();
            assert!(["sql", "pool", "closed", "src/"].iter().all(|word| !text.contains(word)), "{text}");
        }
        for path in POSTS {
            let body = json!({ "email": "eve@example.com", "password": PASSWORD });
            assert_eq!(client.post(path, &body).await.status, 503, "{path}");
        }
        assert_eq!(client.get("/public").await.status, 200);
        assert_eq!(bed.client().get("/maybe").await.json(), json!({ "user": null }));
    }

    async fn user_json_has_exactly_the_documented_members(bed: &Bed) {
        let client = bed.browser("ada@example.com").await;
        id_of(&client).await;
        let Value::Object(user) = client.get("/me").await.json() else { panic!("an object") };
        let mut names: Vec<_> = user.keys().map(String::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, [
            "attributes", "avatar_url", "created_at", "display_name", "email", "email_verified",
            "id", "is_anonymous", "roles", "scopes", "status", "tenant_id", "updated_at",
            "user_metadata", "username",
        ]);
    }
}
