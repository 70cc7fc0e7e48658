//! Secrets do not appear in `Debug`, in errors or in logs.

use std::{
    fmt::Debug,
    fs::File,
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Command, Stdio},
    time::Duration,
};

use authlayer::{
    Auth, Email, EmailSignIn, GitHub, Oidc, SealingKey, SignInOptions, SmtpMailer, UserId,
    crypto::password::NormalizedPassword,
    flow::{
        oauth::CallbackParams,
        password::{BreachSource, PwnedPasswords, SignUp},
    },
    mail::RenderedMail,
    services::ChallengeHandle,
    store::{Challenge, ChallengeKind, Credential, CredentialKind},
    testing::{Mailbox, TestClient, TestResponse},
};
use axum::Router;
use serde_json::{Value, json};

use crate::support::PASSWORD;

const SECRET: &str = "hunter2-do-not-print";

#[test]
fn debug_shows_no_secret() {
    let at = jiff::Timestamp::UNIX_EPOCH;
    let credential = Credential {
        id: "1".to_owned(),
        user_id: UserId::new("ada"),
        kind: CredentialKind::Password,
        lookup: "ada".to_owned(),
        data: json!({ "hash": SECRET }),
        created_at: at,
        updated_at: at,
        last_used_at: None,
    };
    let handle = authlayer::crypto::handle::OneTimeToken::random(
        authlayer::crypto::handle::TokenPurpose::Challenge,
    );
    let challenge = Challenge {
        id: handle.unwrap().digest(),
        kind: ChallengeKind::SignUp,
        user_id: None,
        address: Some(Email::parse("ada@example.com").unwrap()),
        code: None,
        tries: 1,
        data: json!({ "hash": SECRET }),
        created_at: at,
        expires_at: at,
    };
    let sign_up = SignUp::new("ada@example.com", SECRET);
    let text = || SECRET.to_owned();
    let rendered = RenderedMail { subject: text(), text: text(), html: text() };
    let (oidc, github) = (
        Oidc::new("corp", "https://login.example.com", "id").client_secret(SECRET),
        GitHub::new("id", SECRET),
    );
    let all: [&dyn Debug; 6] = [&credential, &challenge, &sign_up, &rendered, &oidc, &github];
    for one in all {
        for text in [format!("{one:?}"), format!("{one:#?}")] {
            assert!(!text.contains(SECRET), "{text}");
        }
    }
    assert!(format!("{oidc:?}").contains("login.example.com"));
}

/// Every public type that can contain a password, a token, a code or a key of the application.
#[tokio::test]
async fn debug_of_tokens_codes_and_keys_shows_no_secret() {
    let secret = || SECRET.to_owned();
    let mut options = SignInOptions::default();
    options.device_token = Some(secret());
    let mut callback = CallbackParams::default();
    (callback.code, callback.state, callback.secret) = (Some(SECRET), Some(SECRET), Some(SECRET));
    let smtp = format!("smtps://user:{SECRET}@mail.example.com?from=no-reply@example.com");
    let smtp = SmtpMailer::from_url(&smtp).unwrap();
    let store = authlayer::SqliteStore::memory().await.unwrap();
    let key: SealingKey = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=".parse().unwrap();
    let key_debug = format!("{key:?}");
    assert!(!key_debug.contains("AAECAw") && !key_debug.contains("0, 1, 2"), "{key_debug}");
    let mailbox = Mailbox::default();
    let builder = Auth::builder(store)
        .origin("http://localhost:3000")
        .mailer(mailbox.clone())
        .sealing_keys([key])
        .flow(GitHub::new("id", SECRET))
        .flow(EmailSignIn::new().allow_sign_up(true));
    let builder_debug = format!("{builder:?}");
    let auth = builder.build().unwrap();
    let app = Router::new().nest("/auth", auth.router()).layer(auth.layer());
    let tests = TestClient::new(app).with("x-secret", SECRET).bearer(SECRET);
    tests.set_cookie("auth", SECRET);
    let request = http::Request::builder()
        .header("cookie", format!("auth={SECRET}"))
        .header("authorization", format!("Bearer {SECRET}"));
    let client = auth.client(&request.body(()).unwrap().into_parts().0).unwrap();
    let client = client.with_options(options.clone()).with_challenge(ChallengeHandle::new(SECRET));
    let password = NormalizedPassword::parse_existing(SECRET).unwrap();
    let handle = ChallengeHandle::new(SECRET);
    let all: [&dyn Debug; 10] = [
        &options,
        &callback,
        &smtp,
        &builder_debug,
        &auth,
        &tests,
        &client,
        &password,
        &handle,
        &mailbox,
    ];
    for one in all {
        for text in [format!("{one:?}"), format!("{one:#?}")] {
            assert!(!text.contains(SECRET), "{text}");
        }
    }
    let body = json!({ "email": "ada@example.com" });
    TestClient::new(Router::new().nest("/auth", auth.router()).layer(auth.layer()))
        .post("/auth/email-sign-in", body)
        .await;
    auth.shutdown(Duration::from_secs(60)).await;
    let message = mailbox.all().pop().unwrap();
    let code = message.code.clone().unwrap();
    let link = message.link.clone().unwrap_or_else(|| code.clone());
    let text = format!("{message:?} {mailbox:?}");
    assert!(!text.contains(&code) && !text.contains(&link), "{text}");
}

/// The end of the URL is a part of a password hash, and errors are logged.
#[tokio::test]
async fn error_of_a_failed_breach_check_does_not_contain_the_url() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/range", closed.local_addr().unwrap());
    drop(closed);
    let source = PwnedPasswords::with_url(&url, Duration::from_secs(5)).unwrap();
    let error = source.knows("correct horse battery staple").await.unwrap_err();
    let text = format!("{error:?} {error}").to_uppercase();
    assert!(!text.contains("ABF7A") && !text.contains("RANGE"), "{text}");
}

/// A running testbed that logs at the most verbose level.
struct Logged {
    child: std::process::Child,
    client: TestClient,
    log: PathBuf,
}

fn testbed() -> Command {
    let beside = std::env::current_exe().unwrap();
    Command::new(beside.parent().unwrap().join("../examples/testbed"))
}

impl Logged {
    fn start(config: &Value) -> Self {
        let name = format!("authlayer_log_{}_{}", std::process::id(), config.to_string().len());
        let log = std::env::temp_dir().join(name);
        let mut child = testbed()
            .env("TESTBED", config.to_string())
            .env("RUST_LOG", "trace")
            .stdout(Stdio::piped())
            .stderr(File::create(&log).unwrap())
            .spawn()
            .expect("cargo builds the examples beside the tests");
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().rsplit('/').next().unwrap().parse().unwrap();
        Self { child, client: TestClient::connect(address), log }
    }

    fn end(mut self) -> String {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        let text = String::from_utf8_lossy(&std::fs::read(&self.log).unwrap()).into_owned();
        std::fs::remove_file(&self.log).unwrap();
        text
    }
}

fn text(answer: &TestResponse, path: &str) -> String {
    let json = answer.json();
    let found = json.pointer(path).and_then(Value::as_str);
    found.unwrap_or_else(|| panic!("{path} in {json}")).to_owned()
}

/// F23: the log contains the lines of all crates.
#[tokio::test]
async fn verbose_log_contains_no_secret() {
    let config = json!({ "argon2": { "m": 64, "t": 1, "p": 1 }, "sign_in_code": true });
    let logged = Logged::start(&config);
    let client = &logged.client;
    let mut secrets = vec![PASSWORD.to_owned()];
    let body = json!({ "email": "ada@example.com", "password": PASSWORD, "transport": "bearer" });
    let made = client.post("/auth/sign-up", &body).await;
    let (access, refresh) =
        (text(&made, "/tokens/access_token"), text(&made, "/tokens/refresh_token"));
    let path = format!("/testbed/users/{}", text(&made, "/user/id"));
    client.json(http::Method::PATCH, &path, json!({ "scopes": ["notes:read"] })).await;
    let native = client.clone().bearer(&access);
    assert_eq!(native.get("/me").await.status, 200);
    let key = native.post("/auth/api-keys", json!({ "name": "x", "scopes": ["notes:read"] })).await;
    let key = text(&key, "/key");
    assert_eq!(client.clone().bearer(&key).get("/key").await.status, 200);
    secrets.push(text(&native.post("/auth/ticket", json!({})).await, "/ticket"));
    let next = client.post("/auth/refresh", json!({ "refresh_token": refresh })).await;
    secrets.extend([
        access,
        refresh,
        key,
        text(&next, "/tokens/access_token"),
        text(&next, "/tokens/refresh_token"),
    ]);
    let browser = TestClient::connect(client.address());
    let pending = browser
        .post("/auth/sign-in", json!({ "email": "ada@example.com", "password": PASSWORD }))
        .await;
    let mail = client.get("/testbed/mail?to=ada@example.com").await.json();
    let code = mail["messages"].as_array().unwrap().last().unwrap()["code"].clone();
    let challenge = text(&pending, "/challenge");
    let body = json!({ "challenge": challenge, "code": code, "remember": true });
    assert_eq!(browser.post("/auth/verify", &body).await.status, 200);
    secrets.extend(browser.cookies().into_iter().map(|(_, value)| value));
    secrets.extend([challenge, code.as_str().unwrap().to_owned()]);
    client.post("/auth/password/forgot", json!({ "email": "ada@example.com" })).await;
    let mail = client.get("/testbed/mail?to=ada@example.com").await.json();
    let link = mail["messages"].as_array().unwrap().last().unwrap()["link"].clone();
    let token = link.as_str().unwrap().rsplit('=').next().unwrap().to_owned();
    let new = "zq8 xw2v fig";
    let reset =
        client.post("/auth/password/reset", json!({ "token": token, "new_password": new })).await;
    assert_eq!(reset.status, 204);
    secrets.extend([token, new.to_owned()]);
    let wrong = json!({ "email": "ada@example.com", "password": "typed in the wrong field" });
    client.post("/auth/sign-in", &wrong).await;
    secrets.push("typed in the wrong field".to_owned());
    let log = logged.end();
    assert!(log.contains("DEBUG") && log.contains("sqlx"), "{log:.2000}");
    for secret in secrets {
        let held = log.lines().find(|line| line.contains(&secret));
        assert_eq!(held, None, "{secret}");
    }
}

#[test]
fn testbed_reports_why_it_cannot_start() {
    for (config, word) in [
        (json!({ "origin": "http://app.example.com" }).to_string(), "https"),
        (json!({ "user_mode": "pigeon" }).to_string(), "pigeon"),
        (json!({ "listen": "0.0.0.0:0" }).to_string(), "loopback"),
        (json!({ "listen": "nowhere" }).to_string(), "address"),
        ("{".to_owned(), "EOF"),
        (json!({ "database": "postgres://nobody@127.0.0.1:1/none" }).to_string(), ""),
    ] {
        let output = testbed().env("TESTBED", &config).env_remove("RUST_LOG").output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{config}: {said}");
        assert!(output.stdout.is_empty(), "{config}");
        assert_eq!(said.lines().count(), 1, "{config}: {said}");
        assert!(said.contains(word) && !said.starts_with("Error:"), "{config}: {said}");
    }
}
