//! Messages by SMTP: real servers that accept them, reject them, stall or close the connection.

use std::{
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Child, ChildStdout, Command, Stdio},
    time::Duration,
};

use authlayer::{
    Auth, EmailCodes, EventKind, Pages, Password, PasswordReset, SmtpMailer, SqliteStore, Theme,
    crypto::password::{Argon2Params, PasswordHashing},
    flow::password::SignUp,
    mail::{Mailer, Message, MessageKind},
    testing::{EventRecorder, TestApp},
};
use axum::Router;
use serde_json::{Value, json};

use crate::support::PASSWORD;

const SENDER: &str = "Example <no-reply@example.com>";

/// The SMTP servers, and their certificate.
struct Servers {
    child: Child,
    lines: std::io::Lines<BufReader<ChildStdout>>,
    ports: Value,
    pem: String,
    folder: PathBuf,
}

impl Servers {
    fn start() -> Self {
        let own = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let folder = std::env::temp_dir().join(format!("authlayer_smtp_{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let (certificate, key) = (folder.join("certificate.pem"), folder.join("key.pem"));
        std::fs::write(&certificate, own.cert.pem()).unwrap();
        std::fs::write(&key, own.signing_key.serialize_pem()).unwrap();
        let server = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/smtp/server.mjs");
        let mut child = Command::new("node")
            .arg(server)
            .args([&certificate, &key])
            .stdout(Stdio::piped())
            .spawn()
            .expect("node runs");
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let first = lines.next().expect("npm ci --prefix tests/smtp was run").unwrap();
        let ports = serde_json::from_str(&first).unwrap();
        Self { child, lines, ports, pem: own.cert.pem(), folder }
    }

    fn url(&self, scheme: &str, user: &str, name: &str) -> String {
        format!("{scheme}://{user}localhost:{}", self.ports[name])
    }

    fn mailer(&self, scheme: &str, user: &str, name: &str) -> SmtpMailer {
        let mailer = SmtpMailer::new(&self.url(scheme, user, name), SENDER).unwrap();
        mailer
            .add_root_certificate(self.pem.as_bytes())
            .unwrap()
            .timeout(Duration::from_millis(500))
            .unwrap()
    }

    fn accepted(&mut self) -> Value {
        serde_json::from_str(&self.lines.next().unwrap().unwrap()).unwrap()
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        std::fs::remove_dir_all(&self.folder).unwrap();
    }
}

fn message() -> Message {
    Message {
        id: "message-1".to_owned(),
        to: authlayer::Email::parse("ada@example.com").unwrap(),
        kind: MessageKind::SignInCode,
        subject: "Ihr Code für heute".to_owned(),
        text: "Code: 012345\n.\n.leading dot".to_owned(),
        html: "<p>Code: 012345</p>".to_owned(),
        code: None,
        link: None,
        about: authlayer::mail::Occasion::default(),
        values: serde_json::Map::new(),
        sent_at: "2026-01-01T00:00:00Z".parse().unwrap(),
    }
}

#[tokio::test]
async fn messages_are_sent_by_tls_and_with_a_password() {
    let mut servers = Servers::start();
    let user = "mailer:p%40ss%3Aword@";
    for (scheme, user, name, secure) in [
        ("smtps", user, "implicit", true),
        ("smtp", user, "starttls", true),
        ("smtp+plain", "", "plain", false),
    ] {
        servers.mailer(scheme, user, name).send(message()).await.unwrap();
        let taken = servers.accepted();
        assert_eq!((&taken["name"], &taken["secure"]), (&name.into(), &secure.into()));
        assert_eq!(taken["to"], serde_json::json!(["ada@example.com"]));
        let raw = taken["raw"].as_str().unwrap();
        assert!(raw.contains("Message-ID: <message-1@example.com>"), "{raw}");
        assert!(raw.contains("multipart/alternative") && raw.contains("text/html"), "{raw}");
        assert!(raw.contains("Thu, 01 Jan 2026 00:00:00 +0000"), "{raw}");
        assert!(raw.contains("From: Example <no-reply@example.com>"), "{raw}");
        assert!(raw.contains("Auto-Submitted: auto-generated\r\n"), "{raw}");
    }
}

/// Returns the code of a message, which its text and its HTML have.
fn code_of(mail: &Value) -> String {
    let text = mail["text"].as_str().unwrap();
    let is_code = |line: &&str| line.len() == 6 && line.bytes().all(|b| b.is_ascii_digit());
    let code = text.lines().map(str::trim).find(is_code).unwrap_or_else(|| panic!("{text}"));
    assert!(mail["html"].as_str().unwrap().contains(&format!("<strong>{code}</strong>")), "{mail}");
    code.to_owned()
}

/// Asserts that a message consists of text and HTML, and its header of ASCII, and returns the HTML.
fn html_of(taken: &Value, subject: &str) -> String {
    let (mail, raw) = (&taken["parsed"], taken["raw"].as_str().unwrap());
    assert_eq!(mail["type"], "multipart/alternative", "{raw}");
    assert_eq!((&mail["subject"], &mail["attachments"]), (&subject.into(), &0.into()), "{raw}");
    let (head, _) = raw.split_once("\r\n\r\n").unwrap();
    let is_encoded = head.to_lowercase().contains("=?utf-8?");
    assert!(head.is_ascii() && is_encoded != subject.is_ascii(), "{head}");
    let types: Vec<_> =
        raw.lines().filter(|line| line.starts_with("Content-Type: text/")).collect();
    let expected =
        ["Content-Type: text/plain; charset=utf-8", "Content-Type: text/html; charset=utf-8"];
    assert_eq!(types, expected, "{raw}");
    mail["html"].as_str().unwrap().to_owned()
}

/// Messages of a sign-up, of a sign-in and about a new device, as a mail program reads them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rendered_messages_arrive_as_text_and_html() {
    let mut servers = Servers::start();
    let cheap = PasswordHashing::argon2id_with(Argon2Params { m_kib: 64, t: 1, p: 1 });
    let auth = Auth::builder(SqliteStore::memory().await.unwrap())
        .origin("http://localhost:3000")
        .mailer(servers.mailer("smtp+plain", "", "plain"))
        .flow(Password::new().insecure_scheme(cheap))
        .flow(EmailCodes::new().second_factor(true))
        .flow(Pages::new(Theme::new("Äpfel & Söhne")))
        .build()
        .unwrap();
    let router = Router::new().nest("/auth", auth.router()).layer(auth.layer());
    let app = TestApp::serve(router).await;
    for (language, direction, name, code_subject, device_subject, greeting) in [
        (
            "de",
            "ltr",
            "Jürgen",
            "Ihr Code zum Anmelden",
            "Ein neues Gerät hat sich angemeldet",
            "Guten Tag Jürgen,",
        ),
        (
            "ar",
            "rtl",
            "ليلى",
            "رمز تسجيل الدخول",
            "جهاز جديد سجّل الدخول",
            "مرحبًا \u{2068}ليلى\u{2069}،",
        ),
    ] {
        let email = format!("{language}@example.com");
        let account = json!({
            "email": email, "password": PASSWORD, "display_name": name,
            "user_metadata": { "locale": language },
        });
        let client = app.client().with("user-agent", "curl/8");
        let pending = client.post("/auth/sign-up", account).await.json()["challenge"].clone();
        let verified =
            json!({ "challenge": pending, "code": code_of(&servers.accepted()["parsed"]) });
        assert_eq!(client.post("/auth/verify", verified).await.status, 200);

        let other = app.client().with("user-agent", "Firefox/128.0 Windows");
        let credentials = json!({ "email": email, "password": PASSWORD });
        let pending = other.post("/auth/sign-in", credentials).await.json()["challenge"].clone();
        let taken = servers.accepted();
        let html = html_of(&taken, code_subject);
        assert!(
            html.contains(&format!("<html lang=\"{language}\" dir=\"{direction}\">")),
            "{html}"
        );
        assert!(html.contains("Äpfel &amp; Söhne"), "{html}");
        assert!(taken["parsed"]["text"].as_str().unwrap().contains("Äpfel & Söhne"), "{taken}");
        let code = code_of(&taken["parsed"]);
        let verified = json!({ "challenge": pending, "code": code });
        assert_eq!(other.post("/auth/verify", verified).await.status, 200);

        let taken = servers.accepted();
        let html = html_of(&taken, device_subject);
        let text = taken["parsed"]["text"].as_str().unwrap();
        assert!(html.contains(greeting) && text.contains(greeting), "{text}");
        assert!(text.contains("Firefox") && html.contains("Firefox"), "{text}");
    }
}

#[tokio::test]
async fn untrusted_or_unresponsive_servers_receive_no_message() {
    let servers = Servers::start();
    let user = "mailer:p%40ss%3Aword@";
    for (why, mailer, permanent) in [
        ("refused", servers.mailer("smtps", user, "refuses"), true),
        ("wrong password", servers.mailer("smtps", "mailer:guess@", "implicit"), true),
        ("busy", servers.mailer("smtps", user, "busy"), false),
        ("stalls", servers.mailer("smtps", user, "stalls"), false),
        ("stalls in plain", servers.mailer("smtp+plain", "", "stalls"), false),
        ("dies", servers.mailer("smtp+plain", "", "dies"), false),
        ("no STARTTLS", servers.mailer("smtp", user, "plain"), false),
        (
            "unknown certificate",
            SmtpMailer::new(&servers.url("smtps", user, "implicit"), SENDER).unwrap(),
            false,
        ),
    ] {
        let error = mailer.send(message()).await.expect_err(why);
        assert_eq!(error.is_permanent(), permanent, "{why}: {error:?}");
        assert!(!format!("{mailer:?}").contains("ss:word"), "{why}");
    }
}

/// B5, and the queue: a rejected message emits an event and does not change the response; a
/// message that a busy server rejected is retried unchanged.
#[tokio::test]
async fn failing_mail_server_does_not_change_responses() {
    let mut servers = Servers::start();
    let user = "mailer:p%40ss%3Aword@";
    for (name, events) in [("busy", 0), ("refuses", 1)] {
        let watch = EventRecorder::default();
        let cheap = PasswordHashing::argon2id_with(Argon2Params { m_kib: 64, t: 1, p: 1 });
        let auth = Auth::builder(SqliteStore::memory().await.unwrap())
            .origin("https://app.example.com")
            .event_sink(watch.clone())
            .mailer(servers.mailer("smtps", user, name))
            .flow(Password::new().insecure_scheme(cheap))
            .flow(PasswordReset::new())
            .build()
            .unwrap();
        let passwords = auth.service::<authlayer::Password>().unwrap();
        let sign_up = SignUp::new("ada@example.com", crate::support::PASSWORD);
        let outcome = passwords.sign_up(&crate::support::client_of(&auth), sign_up).await.unwrap();
        assert!(matches!(outcome, authlayer::SignInOutcome::Complete(_)));
        auth.service::<PasswordReset>()
            .unwrap()
            .request("ada@example.com", &authlayer::model::ClientInfo::default())
            .await
            .unwrap();
        auth.shutdown(Duration::from_secs(60)).await;
        assert_eq!(watch.count(EventKind::MailFailed), events, "{name}");
        if events == 0 {
            let raw = servers.accepted()["raw"].as_str().unwrap().to_owned();
            assert!(
                raw.replace("=\r\n", "").contains("https://app.example.com/reset-password"),
                "{raw}"
            );
        }
    }
}

#[test]
fn insecure_mailer_configuration_is_rejected() {
    for (url, sender, word) in [
        ("smtp+plain://mail.example.com", SENDER, "loopback"),
        ("http://mail.example.com", SENDER, "smtps://"),
        ("mail.example.com", SENDER, "smtps://"),
        ("smtps://user@mail.example.com", SENDER, "smtps://"),
        ("smtps://mail.example.com", "Example\r\nBcc: eve@example.com", "sender"),
    ] {
        let error = SmtpMailer::new(url, sender).expect_err(url).to_string();
        assert!(error.contains(word), "{url}: {error}");
    }
}

/// The sender is part of the URL, percent-encoded or not.
#[tokio::test]
async fn url_specifies_the_sender() {
    let mut servers = Servers::start();
    for (from, name) in [
        ("no-reply@example.com", ""),
        ("Example%20%3Cno-reply@example.com%3E", "Example"),
        ("Example+%3Cno-reply%40example.com%3E&x=1", "Example"),
    ] {
        let url = format!("{}?from={from}", servers.url("smtp+plain", "", "plain"));
        SmtpMailer::from_url(&url).unwrap().send(message()).await.unwrap();
        let raw = servers.accepted()["raw"].as_str().unwrap().to_owned();
        let sender = raw.lines().find_map(|line| line.strip_prefix("From: ")).unwrap();
        assert!(sender.starts_with(name) && sender.contains("no-reply@example.com"), "{sender}");
    }
    for url in ["smtps://localhost", "smtps://localhost?from=", "smtps://localhost?from=Example"] {
        let error = SmtpMailer::from_url(url).expect_err(url).to_string();
        assert!(error.contains("sender") && error.contains("from"), "{url}: {error}");
    }
}
