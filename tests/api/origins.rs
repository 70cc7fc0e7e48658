//! Origins that are listed, and those that a suffix or a predicate accepts; the origins of links,
//! callbacks and passkeys; and the language of requests.

use authlayer::{
    Auth, AuthBuilder, EmailCodes, EventKind, GitHub, MessageKind, Passkeys, Password,
    PasswordReset, SqliteStore,
    crypto::password::{Argon2Params, PasswordHashing},
    flow::password::{BreachError, BreachSource, OnCheckFailure},
    mail::{DefaultTemplates, MessageText, english},
    testing::{EventRecorder, Mailbox, TestClient, TestResponse, VirtualAuthenticator},
};
use axum::{Router, http::Uri};
use serde_json::{Value, json};

use crate::support::PASSWORD;

const APP: &str = "https://app.example.com";
const API: &str = "https://api.example.com";

fn password() -> Password {
    let cheap = Argon2Params { m_kib: 64, t: 1, p: 1 };
    Password::new().insecure_scheme(PasswordHashing::argon2id_with(cheap))
}

async fn builder() -> AuthBuilder {
    Auth::builder(SqliteStore::memory().await.unwrap())
}

fn client(auth: &Auth) -> TestClient {
    let app = Router::new().nest("/auth", auth.router()).merge(auth.well_known());
    TestClient::new(app.layer(auth.layer()))
}

async fn sign_up(client: &TestClient, email: &str) -> TestResponse {
    client.post("/auth/sign-up", json!({ "email": email, "password": PASSWORD })).await
}

#[tokio::test]
async fn origins_by_suffix_and_predicate_are_trusted_and_others_are_not() {
    let auth = builder().await.origin(APP).origin_suffix("tenants.example.com");
    let auth = auth.origins(|origin| origin == "https://shop.example").flow(password());
    let auth = auth.build().unwrap();
    let client = client(&auth);
    for (origin, is_trusted) in [
        (APP, true),
        ("https://acme.tenants.example.com", true),
        ("https://shop.example", true),
        ("https://tenants.example.com", false),
        ("https://eviltenants.example.com", false),
        ("http://acme.tenants.example.com", false),
        ("https://acme.tenants.example.com:8443", false),
        ("https://acme.tenants.example.com.evil.example", false),
        ("https://shop.example.evil.example", false),
        ("null", false),
    ] {
        let answer = client.clone().with("origin", origin).post("/auth/sign-in", json!({})).await;
        let expected = if is_trusted { (422, "invalid_request") } else { (403, "cross_origin") };
        assert_eq!((answer.status.as_u16(), &*answer.code()), expected, "{origin}");
        let page = auth.services().redirect_target(&format!("{origin}/page?a=1"));
        assert_eq!(page.is_ok(), is_trusted, "{origin}");
    }
}

#[tokio::test]
async fn return_to_is_read_and_checked() {
    let auth = builder().await.origin(APP).allow_redirect(API).flow(password()).build().unwrap();
    for (query, expected) in [
        ("return_to=%2Fnotes%3Fpage%3D2", Some("/notes?page=2")),
        (
            "a=1&return_to=https%3A%2F%2Fapi.example.com%2Fnotes",
            Some("https://api.example.com/notes"),
        ),
        ("return_to=https%3A%2F%2Fevil.example", None),
        ("return_to=%2F%2Fevil.example", None),
        ("return_to=javascript%3Aalert(1)", None),
        ("return_to=%2Fa&return_to=%2Fb", None),
        ("return_to=", None),
        ("other=%2Fa", None),
    ] {
        let uri: Uri = format!("/sign-in?{query}").parse().unwrap();
        let target = auth.return_to(&uri);
        assert_eq!(target.as_ref().map(|target| target.as_str()), expected, "{query}");
    }
    assert!(auth.return_to(&Uri::from_static("/sign-in")).is_none());
}

#[tokio::test]
async fn rejected_request_is_recorded_with_its_origin_and_the_configured_ones() {
    let events = EventRecorder::new();
    let auth = builder().await.origin(APP).origin(API).event_sink(events.clone());
    let auth = auth.flow(password()).build().unwrap();
    let foreign = client(&auth).with("origin", "https://app.example.com:8443");
    let foreign = foreign.with("sec-fetch-site", "same-site");
    assert_eq!(foreign.post("/auth/sign-in", json!({})).await.code(), "cross_origin");
    let long = client(&auth).with("origin", format!("https://{}.example", "a".repeat(300)));
    assert_eq!(long.post("/auth/sign-in", json!({})).await.code(), "cross_origin");
    let all = events.all();
    let details: Vec<_> = all
        .iter()
        .filter(|event| event.kind == EventKind::CrossOriginRefused)
        .map(|event| Value::Object(event.detail.clone()))
        .collect();
    let configured = json!([APP, API]);
    let first = json!({
        "origin": "https://app.example.com:8443", "sec_fetch_site": "same-site",
        "configured": configured,
    });
    assert_eq!(details, [first, json!({ "origin": "invalid", "configured": configured })]);
}

#[tokio::test]
async fn links_callbacks_and_errors_have_their_own_origins() {
    let mailbox = Mailbox::new();
    let auth = builder().await.origin("https://example.com").origin(APP).origin(API);
    let auth = auth.link_origin(APP).callback_origin(API).mailer(mailbox.clone());
    let auth = auth.error_page(format!("{APP}/error#top")).flow(GitHub::new("id", "secret"));
    let auth = auth.flow(password()).flow(PasswordReset::new()).build().unwrap();
    let client = client(&auth);
    let start = client.get("/auth/oauth/github/start").await;
    let callback = "redirect_uri=https%3A%2F%2Fapi.example.com%2Fauth%2Foauth%2Fgithub%2Fcallback";
    assert!(start.header("location").contains(callback), "{}", start.header("location"));
    let failed = client.get("/auth/oauth/github/callback?code=a&state=b").await;
    assert_eq!(failed.status, 303);
    assert_eq!(failed.header("location"), format!("{APP}/error?error=invalid_state#top"));
    assert_eq!(sign_up(&client, "ada@example.com").await.status, 201);
    let forgotten = client.post("/auth/password/forgot", json!({ "email": "ada@example.com" }));
    assert_eq!(forgotten.await.status, 202);
    auth.shutdown(std::time::Duration::from_secs(5)).await;
    let links: Vec<_> = mailbox.all().into_iter().filter_map(|message| message.link).collect();
    assert_eq!(links.len(), 1);
    assert!(links[0].starts_with(&format!("{APP}/reset-password#token=")), "{}", links[0]);
}

#[tokio::test]
async fn invalid_origin_options_are_rejected_with_their_reason() {
    for (build, word) in [
        (builder().await.origin(APP).link_origin(API), "not one of the origins"),
        (builder().await.origin(APP).callback_origin(API), "not one of the origins"),
        (builder().await.origin(APP).origin_suffix("com"), "origin suffix"),
        (builder().await.origin(APP).origin_suffix(".example.com"), "origin suffix"),
        (builder().await.origin(APP).error_page("https://evil.example/error"), "error page"),
        (builder().await.origin_suffix("example.com"), "no origin is configured"),
    ] {
        let error = build.flow(password()).build().unwrap_err().to_string();
        assert!(error.contains(word), "{error}");
    }
}

fn german(kind: MessageKind) -> MessageText {
    MessageText { subject: "Ihr Code", ..english(kind) }
}

#[tokio::test]
async fn first_message_has_the_language_of_the_request() {
    let mailbox = Mailbox::new();
    let auth = builder().await.origin(APP).mailer(mailbox.clone()).flow(password());
    let auth = auth.templates(DefaultTemplates::default().language("de", german));
    let auth = auth.flow(EmailCodes::new().verify_email_on_sign_up(true)).build().unwrap();
    for (name, header, is_german) in [
        ("a", "de-AT, en;q=0.5", true),
        ("b", "en;q=0.5, de", true),
        ("c", "fr;q=0, *, de;q=0.1", true),
        ("d", "en, de;q=0.9", false),
        ("e", "de_evil\r;", false),
    ] {
        let email = format!("{name}@example.com");
        let client = client(&auth);
        let header = header.replace('\r', "");
        let visitor = client.with("accept-language", header.as_str());
        assert_eq!(sign_up(&visitor, &email).await.status, 202);
        mailbox.code(&email).await;
        let subject = mailbox.to(&email)[0].subject.clone();
        assert_eq!(subject == "Ihr Code", is_german, "{header}: {subject}");
    }
}

/// The first language that the templates have, in both parts, each of which has the code.
#[tokio::test]
async fn messages_of_pages_are_text_and_html_in_a_language_they_have() {
    let mailbox = Mailbox::new();
    let auth = builder().await.origin(APP).mailer(mailbox.clone()).flow(password());
    let auth = auth.flow(EmailCodes::new().verify_email_on_sign_up(true));
    let theme = authlayer::Theme::new("Acme <b>");
    let auth = auth.flow(authlayer::Pages::new(theme)).build().unwrap();
    for (name, header, lang, direction) in [
        ("a", "xx, ar;q=0.5, de;q=0.1", "ar", "rtl"),
        ("b", "de-AT", "de", "ltr"),
        ("c", "xx", "en", "ltr"),
    ] {
        let email = format!("{name}@example.com");
        let visitor = client(&auth).with("accept-language", header);
        assert_eq!(sign_up(&visitor, &email).await.status, 202);
        let code = mailbox.code(&email).await;
        let mail = mailbox.to(&email).remove(0);
        assert!(mail.text.contains(&code) && mail.html.contains(&code), "{header}");
        let html = format!("<html lang=\"{lang}\" dir=\"{direction}\"");
        assert!(mail.html.contains(&html), "{header}: {}", mail.html);
        assert!(
            mail.html.contains("Acme &lt;b&gt;") && !mail.html.contains("<b>"),
            "{}",
            mail.html
        );
        for part in ["<script", "<img", "onload", "http://"] {
            assert!(!mail.html.contains(part), "{part}: {}", mail.html);
        }
    }
}

#[tokio::test]
async fn international_domains_are_one_address_in_both_forms() {
    let auth = builder().await.origin(APP).flow(password()).build().unwrap();
    let answer = sign_up(&client(&auth), "Ada@M\u{fc}ller.example").await;
    assert_eq!(answer.json()["user"]["email"], "ada@xn--mller-kva.example");
    assert_eq!(sign_up(&client(&auth), "ada@xn--mller-kva.example").await.code(), "email_taken");
    let body = json!({ "email": "ada@m\u{fc}ller.example", "password": PASSWORD });
    assert_eq!(client(&auth).post("/auth/sign-in", body).await.status, 200);
    assert_eq!(sign_up(&client(&auth), "m\u{fc}ller@example.com").await.code(), "invalid_email");
}

#[tokio::test]
async fn empty_display_name_at_sign_up_is_none() {
    let auth = builder().await.origin(APP).flow(password()).build().unwrap();
    let body = json!({ "email": "ada@example.com", "password": PASSWORD, "display_name": "" });
    let answer = client(&auth).post("/auth/sign-up", body).await;
    assert_eq!(
        (answer.status.as_u16(), &answer.json()["user"]["display_name"]),
        (201, &Value::Null)
    );
}

/// Registers a passkey from this origin for a new user, and signs in with it.
async fn uses_passkey(auth: &Auth, origin: &str) -> (u16, u16) {
    let (client, mut key) = (client(auth), VirtualAuthenticator::new(origin));
    let email = format!(
        "{}@example.com",
        auth.users().list(&Default::default()).await.unwrap().users.len()
    );
    assert_eq!(sign_up(&client, &email).await.status, 201);
    let begun = client.post("/auth/passkeys/register/start", json!({})).await.json();
    let credential = key.register(&begun["options"]);
    let body = json!({ "challenge": begun["challenge"], "credential": credential });
    let made = client.post("/auth/passkeys/register/finish", body).await.status.as_u16();
    let begun = client.post("/auth/passkeys/sign-in/start", json!({})).await.json();
    let credential = key.authenticate(&begun["options"]);
    let body = json!({ "challenge": begun["challenge"], "credential": credential });
    (made, client.post("/auth/passkeys/sign-in/finish", body).await.status.as_u16())
}

#[tokio::test]
async fn passkeys_work_at_related_origins_android_applications_and_tenants() {
    let android = format!("android:apk-key-hash:{}", "A".repeat(43));
    let related = "https://example.co.uk";
    let passkeys = Passkeys::new("Example").rp_id("example.com");
    let passkeys = passkeys.related_origin(related).android_origin(&android);
    let auth = builder().await.origin(APP).origin(related).origin_suffix("example.com");
    let auth = auth.origins(|origin| origin == "https://shop.example").flow(password());
    let auth = auth.flow(passkeys).build().unwrap();
    let tenant = "https://acme.example.com";
    for origin in [APP, related, &android, tenant] {
        assert_eq!(uses_passkey(&auth, origin).await, (201, 200), "{origin}");
    }
    let other = format!("android:apk-key-hash:{}", "B".repeat(43));
    for origin in
        ["https://shop.example", "https://acme.example.com:8443", "https://example.com", &other]
    {
        assert_eq!(uses_passkey(&auth, origin).await, (422, 401), "{origin}");
    }
    let document = client(&auth).get("/.well-known/webauthn").await;
    assert_eq!((document.status.as_u16(), document.json()), (200, json!({ "origins": [related] })));
    assert_eq!(document.header("content-type"), "application/json");
    assert_eq!(document.header("cache-control"), "public, max-age=3600");
}

#[tokio::test]
async fn invalid_passkey_origins_are_rejected_with_their_reason() {
    let passkeys = || Passkeys::new("Example");
    for (flow, word) in [
        (passkeys().related_origin("https://example.co.uk"), "not one of the origins"),
        (passkeys().android_origin("android:apk-key-hash:short"), "SHA-256"),
        (passkeys().android_origin("https://app.example.com"), "SHA-256"),
        (passkeys().rp_id("example.net").related_origin(APP), "no origin is within"),
    ] {
        let error = builder().await.origin(APP).flow(flow).build().unwrap_err().to_string();
        assert!(error.starts_with("passkeys: ") && error.contains(word), "{error}");
    }
}

#[tokio::test]
async fn passkeys_are_left_out_at_ip_addresses_and_work_beside_them() {
    for address in ["http://127.0.0.1:3000", "http://[::1]:3000"] {
        let auth = builder().await.origin(address).flow(password());
        let auth = auth.flow(Passkeys::new("Example")).build().unwrap();
        let client = client(&auth).with("origin", address);
        assert_eq!(sign_up(&client, "ada@example.com").await.status, 201);
        let start = client.post("/auth/passkeys/sign-in/start", json!({})).await;
        assert_eq!(start.code(), "not_found", "{address}");
        let service = auth.service::<Passkeys>().unwrap();
        let error = service.start_sign_in(None, None).await.unwrap_err();
        assert_eq!(error.kind().code(), "internal");
        let both = builder().await.origin(address).origin("http://app.localhost:3000");
        let both = both.flow(password()).flow(Passkeys::new("Example")).build().unwrap();
        assert_eq!(uses_passkey(&both, "http://app.localhost:3000").await, (201, 200));
        assert_eq!(uses_passkey(&both, address).await, (422, 401));
    }
    let secure = builder().await.origin("https://10.0.0.1").flow(Passkeys::new("Example"));
    assert!(secure.build().unwrap_err().to_string().contains("domain name"));
}

/// A phone in the local network signs in at the named address, and passkeys are left out there.
#[tokio::test]
async fn development_origin_of_a_private_address_is_trusted_with_a_warning() {
    let (local, phone) = ("http://localhost:3000", "http://192.168.1.20:3000");
    let log = crate::requests::Log::default();
    let lines = log.clone();
    let subscriber = tracing_subscriber::fmt().with_writer(move || lines.clone()).finish();
    let guard = tracing::subscriber::set_default(subscriber);
    let auth = builder().await.origin(local).development_origin(phone).link_origin(phone);
    let auth = auth.flow(password()).flow(Passkeys::new("Example")).build().unwrap();
    drop(guard);
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let warning = log.lines().find(|line| line.contains("the development origin"));
    let warning = warning.expect("a warning");
    assert!(warning.contains("WARN") && warning.contains(phone), "{warning}");

    let anywhere = client(&auth);
    let own = anywhere.clone().with("origin", phone);
    assert_eq!(sign_up(&own, "ada@example.com").await.status, 201);
    assert_eq!(own.get("/auth/session").await.status, 200);
    let names: Vec<_> = own.cookies().into_iter().map(|(name, _)| name).collect();
    assert!(names.iter().any(|name| name == "auth"), "without `__Host-`: {names:?}");
    for other in ["http://192.168.1.21:3000", "http://192.168.1.20:3001", "http://192.168.1.20"] {
        let refused = anywhere.clone().with("origin", other);
        let refused = refused.post("/auth/sign-out", json!({})).await;
        assert_eq!(refused.code(), "cross_origin", "{other}");
    }
    assert_eq!(own.post("/auth/sign-out", json!({})).await.status, 204);
    assert_eq!(uses_passkey(&auth, local).await, (201, 200));
    assert_eq!(uses_passkey(&auth, phone).await, (422, 401));
}

#[tokio::test]
async fn development_origin_is_private_and_never_beside_https() {
    for origin in [
        "http://203.0.113.9:3000",
        "https://192.168.1.20:3000",
        "http://app.example.com",
        "http://localhost:3000",
        "http://192.168.1.20:3000/",
        "http://192.168.1.20:80",
        "192.168.1.20:3000",
        "http://[2001:db8::1]:3000",
    ] {
        let auth = builder().await.origin("http://localhost:3000").development_origin(origin);
        let error = auth.flow(password()).build().unwrap_err().to_string();
        assert!(error.contains(&format!("{origin:?}")), "{error}");
        assert!(error.contains("http://192.168.1.20:3000"), "{error}");
    }
    for origin in ["http://10.0.0.5", "http://172.20.10.2:3000", "http://[fd00::5]:3000"] {
        let auth = builder().await.origin("http://localhost:3000").development_origin(origin);
        auth.flow(password()).build().unwrap();
        let auth = builder().await.origin(APP).development_origin(origin);
        let error = auth.flow(password()).build().unwrap_err().to_string();
        assert!(error.contains(origin) && error.contains(APP), "{error}");
        let auth = builder().await.origin(origin).flow(password());
        assert!(auth.build().unwrap_err().to_string().contains("use https"), "{origin}");
    }
    let alone = builder().await.development_origin("http://10.0.0.5").flow(password());
    assert!(alone.build().unwrap_err().to_string().contains("no origin"));
}

/// Knows one password, or is not available.
struct List(Option<&'static str>);

impl BreachSource for List {
    async fn knows(&self, password: &str) -> Result<bool, BreachError> {
        self.0.map(|own| own == password).ok_or_else(|| BreachError::new("no connection"))
    }
}

#[tokio::test]
async fn each_breach_source_is_asked() {
    use OnCheckFailure::{Accept, Refuse};
    for (sources, expected) in [
        (
            vec![(List(Some("other")), Accept), (List(Some(PASSWORD)), Accept)],
            (422, "weak_password"),
        ),
        (
            vec![(List(Some(PASSWORD)), Accept), (List(Some("other")), Accept)],
            (422, "weak_password"),
        ),
        (vec![(List(None), Accept), (List(Some(PASSWORD)), Accept)], (422, "weak_password")),
        (vec![(List(None), Refuse), (List(Some(PASSWORD)), Accept)], (422, "weak_password")),
        (vec![(List(None), Refuse), (List(Some("other")), Accept)], (503, "unavailable")),
        (vec![(List(None), Accept), (List(Some("other")), Refuse)], (201, "")),
    ] {
        let flow = sources
            .into_iter()
            .fold(password(), |flow, (source, outage)| flow.breach_check(source, outage));
        let auth = builder().await.origin(APP).flow(flow).build().unwrap();
        let answer = sign_up(&client(&auth), "ada@example.com").await;
        assert_eq!(answer.status.as_u16(), expected.0);
        if expected.0 != 201 {
            assert_eq!(answer.code(), expected.1);
        }
    }
}
