//! Security events of providers: the sessions of an identity end, and it can be barred.

use authlayer::{
    Auth, EventKind, Oidc, SqliteStore,
    clock::Clock,
    flow::{EventFormat, OAuthService},
    testing::{FakeIdp, Fault, TestApp, TestClient, TestResponse},
};
use axum::Router;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use http::Method;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::task::JoinSet;

use crate::{
    authenticator::enroll,
    codes::{last_code, mails},
    device_grant, id_tokens,
    live::{closed, open, subject},
    passkeys::with_key,
    providers::{ORIGIN, World, me, path_of, with_providers},
    step_up::by_mail,
    support::{PASSWORD, id_of, sign_in, until},
};

const JANE: &str = "jane@example.com";
const SUBJECT: &str = "248289761001";
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const PATH: &str = "/auth/oauth/fake/events";
const SET: (&str, &str) = ("content-type", "application/secevent+jwt");
const JSON: (&str, &str) = ("content-type", "application/json");

fn risc(name: &str) -> String {
    format!("https://schemas.openid.net/secevent/risc/event-type/{name}")
}

fn caep(name: &str) -> String {
    format!("https://schemas.openid.net/secevent/caep/event-type/{name}")
}

fn tokens_revoked() -> String {
    "https://schemas.openid.net/secevent/oauth/event-type/tokens-revoked".to_owned()
}

fn hijacked() -> Value {
    json!({ risc("account-disabled"): { "reason": "hijacking" } })
}

fn one(kind: &str) -> Value {
    json!({ kind: {} })
}

async fn post(world: &World, token: &str) -> TestResponse {
    world.client().send(Method::POST, PATH, &[SET], token.as_bytes()).await
}

async fn post_apple(world: &World, token: &str) -> TestResponse {
    let body = json!({ "payload": token }).to_string();
    world.client().send(Method::POST, PATH, &[JSON], body.as_bytes()).await
}

/// Reports events about the user of the provider.
async fn report(world: &World, events: &Value, changes: &Value) {
    let answer = post(world, &world.idp.security_event_token(events, changes)).await;
    assert_eq!((answer.status.as_u16(), answer.body.len()), (202, 0), "{events}");
}

/// The status and the `err` of a rejection, whose body has a description and nothing else.
fn rejection(answer: &TestResponse) -> (u16, String) {
    let body = answer.json();
    assert!(body["description"].as_str().is_some_and(|text| !text.is_empty()), "{body}");
    assert_eq!(body.as_object().unwrap().len(), 2, "{body}");
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(answer.header("cache-control"), "no-store");
    (answer.status.as_u16(), body["err"].as_str().unwrap().to_owned())
}

/// Creates a user with a password, links the identity, and signs in by it in another browser.
async fn linked(world: &World) -> (TestClient, TestClient) {
    let by_password = world.bed.browser(JANE).await;
    assert_eq!(world.link(&by_password).await.status, 303);
    (by_password, by_provider(world).await)
}

async fn by_provider(world: &World) -> TestClient {
    let client = world.client();
    assert_eq!(world.sign_in(&client).await.status, 303);
    assert_ne!(me(&client).await, Value::Null);
    client
}

async fn code_of_sign_in(world: &World) -> String {
    world.sign_in(&world.client()).await.code()
}

async fn alarms(world: &World) -> usize {
    let kinds = crate::codes::kinds(&world.bed, JANE).await;
    kinds.iter().filter(|kind| *kind == "notice_provider_alarm").count()
}

/// The kinds of the recorded alarms.
async fn recorded(world: &World) -> Vec<Value> {
    let all = world.client().get("/testbed/events").await.json();
    let all = all["events"].as_array().unwrap().iter();
    let alarms = all.filter(|event| event["kind"] == "provider_alarm");
    alarms.map(|event| event["detail"]["kind"].clone()).collect()
}

fn exchange_query() -> String {
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(VERIFIER));
    format!("?transport=bearer&redirect_to=myapp://callback&code_challenge={challenge}")
}

/// Returns the one-time code of a native application that signed in.
async fn waiting(world: &World) -> String {
    let browser = world.client();
    let callback = world.to_callback(&browser, &exchange_query()).await;
    let place = browser.get(&callback).await.header("location");
    place.strip_prefix("myapp://callback?code=").unwrap_or_else(|| panic!("{place}")).to_owned()
}

async fn exchange(world: &World, code: &str) -> TestResponse {
    let body = json!({ "code": code, "code_verifier": VERIFIER });
    world.client().post("/auth/oauth/exchange", body).await
}

async fn link_url(client: &TestClient) -> String {
    let begun = client.post("/auth/oauth/fake/link", json!({})).await;
    assert_eq!(begun.status, 200, "{}", begun.json());
    begun.json()["authorization_url"].as_str().unwrap().to_owned()
}

async fn sweep(world: &World) {
    assert_eq!(world.client().post("/testbed/sweep", json!({})).await.status, 200);
}

async fn first_identity(client: &TestClient) -> String {
    let all = client.get("/auth/identities").await.json();
    all["identities"][0]["id"].as_str().unwrap_or_else(|| panic!("{all}")).to_owned()
}

async fn delete(client: &TestClient, path: &str) -> TestResponse {
    client.send(Method::DELETE, path, &[], b"").await
}

with_providers! {
    /// Events of Google have an issuer with a final slash, and its ID tokens have none.
    async fn issuer_may_have_a_final_slash(world: &World, { "fake.events": true }) {
        let client = by_provider(world).await;
        let issuer = format!("{}/", world.idp.issuer());
        let subject = json!({ "subject_type": "iss-sub", "iss": issuer, "sub": SUBJECT });
        let events = json!({ risc("sessions-revoked"): { "subject": subject } });
        report(world, &events, &json!({ "iss": issuer, "sub_id": null })).await;
        assert_eq!(me(&client).await, Value::Null);
    }

    /// The programs that the sessions approved end too, and approvals that wait.
    async fn alarm_ends_what_the_sessions_approved(world: &World, {
        "fake.events": true, "fake.max_age_s": 300,
        "device_grant": {
            "clients": [{ "id": "cli", "name": "Notes" }],
            "verification_uri": "https://app.example.com/device"
        }
    }) {
        let (bed, user) = (&world.bed, by_provider(world).await);
        let (program, _) = device_grant::program(bed, &user).await;
        let waiting = device_grant::start(bed).await;
        device_grant::approve(&user, &waiting).await;
        report(world, &one(&risc("sessions-revoked")), &json!({})).await;
        assert_eq!(user.get("/me").await.status, 401);
        assert_eq!(program.get("/me").await.status, 401);
        assert_eq!(device_grant::poll(bed, &waiting).await.json()["error"], "access_denied");
    }

    async fn events_end_the_sessions_that_the_identity_began(world: &World, { "fake.events": true }) {
        let (by_password, _) = linked(world).await;
        let id = id_of(&by_password).await;
        let all = [
            risc("sessions-revoked"), caep("session-revoked"), risc("account-disabled"),
            risc("consent-revoked"), tokens_revoked(), risc("credential-compromise"),
            caep("credential-change"),
        ];
        for (number, kind) in all.iter().enumerate() {
            let devices = [by_provider(world).await, by_provider(world).await];
            report(world, &one(kind), &json!({})).await;
            for device in &devices {
                assert_eq!(me(device).await, Value::Null, "{kind}");
            }
            assert_ne!(me(&by_password).await, Value::Null, "{kind}: another sign-in method");
            assert_eq!(alarms(world).await, number + 1, "{kind}");
            assert_eq!(recorded(world).await.last(), Some(&json!(kind)));
        }
        assert_ne!(me(&by_provider(world).await).await, Value::Null, "the identity is not barred");
        let events = world.client().get("/testbed/events").await.json();
        let events = events["events"].as_array().unwrap();
        let alarm = events.iter().find(|event| event["kind"] == "provider_alarm").unwrap();
        assert_eq!((&alarm["user_id"], &alarm["detail"]["provider"]), (&json!(id), &json!("fake")));
        assert!(alarm["ip"].is_null() && alarm["user_agent"].is_null(), "the sender is no client: {alarm}");
        let own = by_password.get("/auth/account/events").await.json();
        let own = own["events"].as_array().unwrap().iter();
        assert_eq!(own.filter(|event| event["kind"] == "provider_alarm").count(), all.len());
    }

    async fn events_of_other_kinds_have_no_effect(world: &World, { "fake.events": true }) {
        let (_, jane) = linked(world).await;
        for kind in [
            "https://evil.example/secevent/risc/event-type/sessions-revoked".to_owned(),
            caep("sessions-revoked"), risc("session-revoked"), risc("identifier-changed"),
            risc("account-enabled"), "sessions-revoked".to_owned(), "account-deleted".to_owned() + "/",
            "http://schemas.openid.net/event/backchannel-logout".to_owned(),
        ] {
            report(world, &one(&kind), &json!({})).await;
            assert_ne!(me(&jane).await, Value::Null, "{kind}");
        }
        assert_eq!((alarms(world).await, recorded(world).await.len()), (0, 0));
    }

    async fn several_events_of_one_token_count_with_one_message(world: &World, { "fake.events": true }) {
        let (_, jane) = linked(world).await;
        let all = [caep("credential-change"), caep("session-revoked"), risc("identifier-changed"), tokens_revoked()];
        let events: Value = all.iter().map(|kind| (kind.clone(), json!({}))).collect::<serde_json::Map<_, _>>().into();
        report(world, &events, &json!({})).await;
        assert_eq!(me(&jane).await, Value::Null);
        let mut kinds: Vec<_> = recorded(world).await.iter().map(|own| own.as_str().unwrap().to_owned()).collect();
        kinds.sort();
        assert_eq!(kinds, [caep("credential-change"), caep("session-revoked"), tokens_revoked()]);
        assert_eq!(alarms(world).await, 1);
    }

    async fn message_lists_the_credentials_with_their_times(world: &World, { "fake.events": true }) {
        let (jane, key) = with_key(&world.bed, JANE).await;
        drop(key);
        let (_, codes) = enroll(&world.bed, &jane).await;
        drop(codes);
        let key = json!({ "name": "Deploy", "scopes": [] });
        assert_eq!(jane.post("/auth/api-keys", &key).await.status, 201);
        assert_eq!(world.link(&jane).await.status, 303);
        report(world, &one(&caep("session-revoked")), &json!({})).await;
        let mail = mails(&world.bed, JANE).await.pop().unwrap();
        assert_eq!(mail["kind"], "notice_provider_alarm");
        let text = mail["text"].as_str().unwrap();
        let now = world.bed.bed.clock.now();
        let time = now.strftime("%Y-%m-%d %H:%M UTC").to_string();
        for item in ["Passkey", "Authenticator app", "Sign-in by fake", "API key \"Deploy\""] {
            let line = text.lines().find(|line| line.starts_with(item));
            let line = line.unwrap_or_else(|| panic!("{item}: {text}"));
            assert!(line.ends_with(&format!(", since {time}")), "{line}");
        }
        for other in ["Password,", "Recovery codes,"] {
            assert!(!text.contains(other), "{text}");
        }
        assert!(mail["link"].is_null() && mail["code"].is_null());
    }

    async fn live_connections_of_the_sessions_close(world: &World, { "fake.events": true }) {
        linked(world).await;
        let done = exchange(world, &waiting(world).await).await.json();
        let token = done["tokens"]["access_token"].as_str().unwrap().to_owned();
        let header = [("authorization", format!("Bearer {token}"))];
        let mut socket = open(world.bed.app.address(), "/ws", &header).await.unwrap();
        subject(&mut socket).await;
        report(world, &one(&caep("session-revoked")), &json!({})).await;
        assert_eq!(closed(&mut socket).await, 4401);
    }

    async fn subject_can_have_several_forms(world: &World, { "fake.events": true }) {
        linked(world).await;
        let iss = world.idp.issuer();
        let kind = caep("session-revoked");
        let own = json!({ "format": "iss_sub", "iss": iss, "sub": SUBJECT });
        let early = json!({ "subject_type": "iss-sub", "iss": iss, "sub": SUBJECT });
        let email = json!({ "format": "email", "email": JANE });
        let of_event = |subject: &Value| json!({ &kind: { "subject": subject } });
        let nothing = json!({ &kind: {} });
        for (is_own, events, sub_id) in [
            (true, nothing.clone(), own.clone()),
            (true, nothing.clone(), early.clone()),
            (true, nothing.clone(), json!({ "format": "complex", "user": own, "session": { "format": "opaque", "id": "1" } })),
            (true, of_event(&own), Value::Null),
            (true, of_event(&early), Value::Null),
            (true, of_event(&json!({ "user": own })), Value::Null),
            (true, of_event(&json!({ "format": "complex", "user": own })), Value::Null),
            (true, of_event(&own), email.clone()),
            (true, of_event(&own), json!({ "format": "opaque", "id": "stream" })),
            (false, nothing.clone(), Value::Null),
            (false, nothing.clone(), email.clone()),
            (false, of_event(&email), Value::Null),
            (false, nothing.clone(), json!({ "format": "opaque", "id": SUBJECT })),
            (false, nothing.clone(), json!({ "format": "account", "uri": "acct:jane@example.com" })),
            (false, nothing.clone(), json!({ "format": "phone_number", "phone_number": "+12065550100" })),
            (false, nothing.clone(), json!({ "format": "aliases", "identifiers": [own] })),
            (false, nothing.clone(), json!({ "format": "complex", "session": own })),
            (false, nothing.clone(), json!({ "format": "iss_sub", "iss": iss, "sub": "unknown" })),
            (false, nothing.clone(), json!({ "format": "iss_sub", "iss": "https://evil.example", "sub": SUBJECT })),
            (false, nothing.clone(), json!({ "format": "iss_sub", "sub": SUBJECT })),
            (false, nothing.clone(), json!({ "format": "iss_sub", "iss": iss, "sub": 248_289_761_001_u64 })),
            (false, nothing.clone(), json!({ "iss": iss, "sub": SUBJECT })),
            (false, nothing.clone(), json!(SUBJECT)),
        ] {
            let jane = by_provider(world).await;
            report(world, &events, &json!({ "sub_id": sub_id, "sub": SUBJECT, "email": JANE })).await;
            assert_eq!(me(&jane).await == Value::Null, is_own, "{events} {sub_id}");
        }
        assert_eq!(alarms(world).await, 9, "an unknown subject is nobody to notify");
    }

    async fn invalid_tokens_are_rejected_by_code(world: &World, { "fake.events": true }) {
        let (_, jane) = linked(world).await;
        let events = one(&caep("session-revoked"));
        let now = crate::authenticator::second_of(&world.bed);
        let week = 7 * 24 * 3600;
        for (changes, code) in [
            (json!({ "iss": "https://evil.example" }), "invalid_issuer"),
            (json!({ "iss": null }), "invalid_issuer"),
            (json!({ "iss": world.other.issuer() }), "invalid_issuer"),
            (json!({ "aud": "another-client" }), "invalid_audience"),
            (json!({ "aud": null }), "invalid_audience"),
            (json!({ "aud": [] }), "invalid_audience"),
            (json!({ "aud": ["client", "another-client"] }), "invalid_audience"),
            (json!({ "azp": "another-client" }), "invalid_audience"),
            (json!({ "typ": null }), "invalid_request"),
            (json!({ "typ": "JWT" }), "invalid_request"),
            (json!({ "typ": "logout+jwt" }), "invalid_request"),
            (json!({ "iat": null }), "invalid_request"),
            (json!({ "iat": now.to_string() }), "invalid_request"),
            (json!({ "iat": now - week - 1 }), "invalid_request"),
            (json!({ "iat": now + 61 }), "invalid_request"),
            (json!({ "jti": null }), "invalid_request"),
            (json!({ "jti": "" }), "invalid_request"),
            (json!({ "jti": 1 }), "invalid_request"),
            (json!({ "events": null }), "invalid_request"),
            (json!({ "events": {} }), "invalid_request"),
            (json!({ "events": [caep("session-revoked")] }), "invalid_request"),
            (json!({ "events": events.to_string() }), "invalid_request"),
            (json!({ "events": { caep("session-revoked"): "now" } }), "invalid_request"),
            (json!({ "alg": "none" }), "authentication_failed"),
            (json!({ "alg": "HS256" }), "authentication_failed"),
            (json!({ "alg": "RS384" }), "authentication_failed"),
            (json!({ "kid": "unknown" }), "invalid_key"),
        ] {
            let before = world.bed.bed.watch.count(EventKind::ProviderRefused);
            let answer = post(world, &world.idp.security_event_token(&events, &changes)).await;
            assert_eq!(rejection(&answer), (400, code.to_owned()), "{changes}");
            assert_eq!(world.bed.bed.watch.count(EventKind::ProviderRefused), before + 1);
        }
        for (fault, code) in [
            (Fault::SignatureWrong, "authentication_failed"),
            (Fault::KeyUnknown, "invalid_key"),
            (Fault::KeyEmbedded, "invalid_key"),
            (Fault::SignedWithPublicKey, "authentication_failed"),
            (Fault::Critical, "invalid_request"),
        ] {
            world.idp.fault(fault);
            let answer = post(world, &world.idp.security_event_token(&events, &json!({}))).await;
            world.idp.fault(None);
            assert_eq!(rejection(&answer), (400, code.to_owned()), "{fault:?}");
        }
        for text in ["", "x", "a.b.c", "e30.e30.", "\u{fe}\u{fe}.e30.e30"] {
            assert_eq!(rejection(&post(world, text).await), (400, "invalid_request".to_owned()), "{text}");
        }
        let id_token = world.idp.id_token("nonce");
        assert_eq!(rejection(&post(world, &id_token).await).1, "invalid_request", "an ID token");
        let logout = world.idp.logout_token(&json!({}));
        assert_eq!(rejection(&post(world, &logout).await).1, "invalid_request", "a logout token");
        assert_ne!(me(&jane).await, Value::Null);
        assert_eq!((alarms(world).await, recorded(world).await.len()), (0, 0));
        // The limits themselves, and `exp`, which these tokens do not have.
        for changes in [
            json!({ "iat": now - week }), json!({ "iat": now + 60 }), json!({ "exp": 0 }),
            json!({ "aud": ["client"] }), json!({ "azp": "client" }), json!({ "kid": null }),
            json!({ "typ": "application/secevent+JWT" }),
        ] {
            let jane = by_provider(world).await;
            report(world, &events, &changes).await;
            assert_eq!(me(&jane).await, Value::Null, "{changes}");
        }
    }

    async fn requests_of_another_form_are_rejected(world: &World, { "fake.events": true }) {
        let token = world.idp.security_event_token(&one(&caep("session-revoked")), &json!({}));
        let send = async |kind: &'static str, body: &[u8]| {
            world.client().send(Method::POST, PATH, &[("content-type", kind)], body).await
        };
        let invalid = |status: u16| (status, "invalid_request".to_owned());
        let long = "x".repeat(64 * 1024 + 1);
        for kind in ["application/secevent+jwt", "application/json", "text/plain"] {
            assert_eq!(rejection(&send(kind, long.as_bytes()).await), invalid(413), "{kind}");
        }
        assert_eq!(rejection(&post(world, &long[1..]).await), invalid(400));
        for kind in ["application/jwt", "application/x-www-form-urlencoded", "text/plain"] {
            assert_eq!(rejection(&send(kind, token.as_bytes()).await), invalid(415), "{kind}");
        }
        let bare = world.client().send(Method::POST, PATH, &[], token.as_bytes()).await;
        assert_eq!(rejection(&bare), invalid(415));
        for body in ["", "{", "[]", "{}", r#"{"payload":1}"#, r#"{"payload":"x"}"#, &token] {
            assert_eq!(rejection(&send("application/json", body.as_bytes()).await), invalid(400), "{body}");
        }
        assert_eq!(rejection(&send("application/secevent+jwt", &[0xff, 0xfe]).await), invalid(400));
        let get = world.client().get(PATH).await;
        assert_eq!((get.status.as_u16(), get.header("allow")), (405, "POST".to_owned()));
        // From another site, with the cookies of a browser: the token authenticates.
        let hostile = world.client().with("origin", "https://evil.example");
        let answer = hostile.send(Method::POST, PATH, &[SET], token.as_bytes()).await;
        assert_eq!(answer.status, 202);
        assert!(answer.set_cookies().is_empty());
        let kind = [("content-type", "Application/SecEvent+JWT; charset=utf-8")];
        let token = world.idp.security_event_token(&one(&caep("session-revoked")), &json!({}));
        assert_eq!(world.client().send(Method::POST, PATH, &kind, token.as_bytes()).await.status, 202);
    }

    async fn flows_without_the_option_have_no_such_route(world: &World) {
        let token = world.idp.security_event_token(&one(&caep("session-revoked")), &json!({}));
        for provider in ["fake", "github", "unknown"] {
            let path = format!("/auth/oauth/{provider}/events");
            let answer = world.client().send(Method::POST, &path, &[SET], token.as_bytes()).await;
            assert_eq!(answer.status, 404, "{provider}");
        }
    }

    async fn token_counts_once(world: &World, { "fake.events": true }) {
        linked(world).await;
        let events = one(&caep("session-revoked"));
        let token = world.idp.security_event_token(&events, &json!({ "jti": "one" }));
        assert_eq!(post(world, &token).await.status, 202);
        let jane = by_provider(world).await;
        assert_eq!(post(world, &token).await.status, 202);
        // Another token with the same id, also in the other form.
        report(world, &events, &json!({ "jti": "one", "aud": ["client"] })).await;
        let token = world.idp.security_event_token(&events, &json!({ "jti": "one", "typ": null }));
        assert_eq!(post_apple(world, &token).await.status, 200);
        assert_ne!(me(&jane).await, Value::Null);
        assert_eq!((alarms(world).await, recorded(world).await.len()), (1, 1));
        // Only of a token that was right.
        let wrong = world.idp.security_event_token(&events, &json!({ "jti": "two", "aud": "another" }));
        assert_eq!(post(world, &wrong).await.status, 400);
        report(world, &events, &json!({ "jti": "two" })).await;
        assert_eq!(me(&jane).await, Value::Null);
        // The id is stored for eight days.
        for (days, is_new) in [(8, false), (1, true)] {
            world.bed.advance(days * 24 * 3600 - if is_new { 0 } else { 60 }).await;
            sweep(world).await;
            let jane = by_provider(world).await;
            report(world, &events, &json!({ "jti": "two" })).await;
            assert_eq!(me(&jane).await == Value::Null, is_new, "{days}");
        }
    }

    async fn concurrent_deliveries_of_one_token_count_once(world: &World, { "fake.events": true }) {
        let (_, jane) = linked(world).await;
        let token = world.idp.security_event_token(&hijacked(), &json!({}));
        let mut all = JoinSet::new();
        for _ in 0..8 {
            let (client, token) = (world.client(), token.clone());
            all.spawn(async move {
                client.send(Method::POST, PATH, &[SET], token.as_bytes()).await.status.as_u16()
            });
        }
        assert_eq!(all.join_all().await, [202; 8]);
        assert_eq!(me(&jane).await, Value::Null);
        assert_eq!((alarms(world).await, recorded(world).await.len()), (1, 1));
    }

    async fn verification_is_recorded(world: &World, { "fake.events": true }) {
        let stream = json!({ "sub_id": { "format": "opaque", "id": "stream" } });
        for kind in ["risc", "ssf", "sse"] {
            let kind = format!("https://schemas.openid.net/secevent/{kind}/event-type/verification");
            let events = json!({ kind: { "state": "abc" } });
            let token = world.idp.security_event_token(&events, &stream);
            assert_eq!(post(world, &token).await.status, 202);
            assert_eq!(post(world, &token).await.status, 202);
        }
        assert_eq!(world.bed.bed.watch.count(EventKind::ProviderEventsVerified), 3, "each once");
        let all = world.client().get("/testbed/events").await.json();
        let all = all["events"].as_array().unwrap();
        let verified = all.iter().find(|event| event["kind"] == "provider_events_verified").unwrap();
        assert_eq!(verified["detail"], json!({ "provider": "fake" }));
        assert_eq!(recorded(world).await.len(), 0);
    }

    async fn notifications_of_apple_are_accepted(world: &World, { "fake.events": true }) {
        let (by_password, jane) = linked(world).await;
        let apple = |kind: &str| json!({ "type": kind, "sub": SUBJECT, "event_time": 1_767_225_600 });
        let send = async |events: Value, typ: Value| {
            let changes = json!({ "events": events, "typ": typ, "sub_id": null });
            let token = world.idp.security_event_token(&json!({}), &changes);
            let answer = post_apple(world, &token).await;
            assert_eq!((answer.status.as_u16(), answer.body.len()), (200, 0), "{events}");
        };
        for kind in ["email-disabled", "email-enabled", "unknown"] {
            send(json!(apple(kind).to_string()), Value::Null).await;
            assert_ne!(me(&jane).await, Value::Null, "{kind}");
        }
        send(json!(apple("consent-revoked").to_string()), Value::Null).await;
        assert_eq!(me(&jane).await, Value::Null);
        for kind in ["account-delete", "account-deleted"] {
            for events in [apple(kind), json!(apple(kind).to_string())] {
                let jane = by_provider(world).await;
                send(events, json!("secevent+jwt")).await;
                assert_eq!(me(&jane).await, Value::Null, "{kind}");
                assert_eq!(code_of_sign_in(world).await, "account_disabled", "{kind}");
                assert_eq!(world.link(&by_password).await.status, 303);
            }
        }
        let kinds = recorded(world).await;
        assert_eq!(kinds, ["consent-revoked", "account-deleted", "account-deleted", "account-deleted", "account-deleted"]);
        let jane = by_provider(world).await;
        send(one(&caep("session-revoked")), Value::Null).await;
        assert_ne!(me(&jane).await, Value::Null, "no subject");
        for (events, typ) in [(json!("{"), Value::Null), (json!("[]"), Value::Null), (apple("consent-revoked"), json!("JWT"))] {
            let changes = json!({ "events": events, "typ": typ });
            let token = world.idp.security_event_token(&json!({}), &changes);
            assert_eq!(rejection(&post_apple(world, &token).await), (400, "invalid_request".to_owned()), "{events}");
        }
        let token = world.idp.security_event_token(&json!({}), &json!({ "events": apple("consent-revoked") }));
        assert_eq!(rejection(&post(world, &token).await).0, 400, "in the standard form");
        assert_ne!(me(&jane).await, Value::Null);
    }

    async fn barred_identities_cannot_sign_in(
        world: &World, { "fake.events": true, "fake.id_token_audiences": ["app"] }
    ) {
        let (by_password, _) = linked(world).await;
        let all = [hijacked(), one(&risc("account-purged")), one(&risc("account-deleted"))];
        for events in all {
            let jane = by_provider(world).await;
            report(world, &events, &json!({})).await;
            assert_eq!(me(&jane).await, Value::Null, "{events}");
            let refused = world.sign_in(&world.client()).await;
            assert_eq!((refused.status.as_u16(), &*refused.code()), (403, "account_disabled"), "{events}");
            let by_token = id_tokens::sign_in(world, &world.client()).await;
            assert_eq!((by_token.status.as_u16(), &*by_token.code()), (403, "account_disabled"));
            let native = world.client();
            let callback = world.to_callback(&native, &exchange_query()).await;
            assert_eq!(native.get(&callback).await.code(), "account_disabled");
            assert_ne!(me(&by_password).await, Value::Null);
            assert_eq!(sign_in(&world.client(), JANE, PASSWORD).await.status, 200, "another way in");
            assert_eq!(world.link(&by_password).await.status, 303, "linked again");
            by_provider(world).await;
        }
        // A disabled account without that reason is not barred.
        for reason in [json!("bulk-account"), json!("HIJACKING"), json!(1), Value::Null] {
            report(world, &json!({ risc("account-disabled"): { "reason": reason } }), &json!({})).await;
            by_provider(world).await;
        }
    }

    async fn barred_identity_is_no_step_up(
        world: &World, { "fake.events": true, "fake.max_age_s": 300 }
    ) {
        let (jane, _) = linked(world).await;
        let other = world.bed.browser("joe@example.com").await;
        world.bed.advance(600).await;
        let begin = async |client: &TestClient| {
            let begun = client.post("/auth/oauth/fake/step-up", json!({})).await;
            assert_eq!(begun.status, 200, "{}", begun.json());
            path_of(&world.idp.authorize(begun.json()["authorization_url"].as_str().unwrap()))
        };
        let before = begin(&jane).await;
        report(world, &hijacked(), &json!({})).await;
        for callback in [before, begin(&jane).await] {
            let refused = jane.get(&callback).await;
            assert_eq!((refused.status.as_u16(), &*refused.code()), (403, "account_disabled"));
        }
        let foreign = begin(&other).await;
        assert_eq!(other.get(&foreign).await.code(), "invalid_state", "not the identity of this user");
        assert_eq!(jane.get("/fresh").await.code(), "step_up_required");
    }

    /// The session of another factor remains, and its step-up by the identity no longer counts.
    async fn step_up_by_a_barred_identity_no_longer_counts(
        world: &World, { "fake.events": true, "fake.max_age_s": 300 }
    ) {
        by_provider(world).await;
        let jane = world.client();
        let begun = jane.post("/auth/email-sign-in", json!({ "email": JANE })).await;
        assert_eq!(begun.status, 202, "{}", begun.json());
        let code = last_code(&world.bed, JANE).await;
        let body = json!({ "challenge": begun.json()["challenge"], "code": code });
        assert_eq!(jane.post("/auth/verify", body).await.status, 200);
        world.bed.advance(600).await;
        let stepped_up = jane.post("/auth/oauth/fake/step-up", json!({})).await.json();
        let url = stepped_up["authorization_url"].as_str().unwrap_or_else(|| panic!("{stepped_up}"));
        assert_eq!(jane.get(&path_of(&world.idp.authorize(url))).await.status, 303);
        assert_eq!(jane.get("/fresh").await.status, 200);
        report(world, &hijacked(), &json!({})).await;
        assert_ne!(me(&jane).await, Value::Null, "the identity did not begin the session");
        let refused = jane.get("/fresh").await.json();
        assert_eq!((&refused["code"], &refused["methods"]), (&json!("step_up_required"), &json!(["email_code"])));
        let link = jane.post("/auth/oauth/other/link", json!({})).await;
        assert_eq!(link.code(), "step_up_required");
        by_mail(&world.bed, &jane, JANE).await;
        assert_eq!(jane.get("/fresh").await.status, 200);
    }

    async fn barred_identity_is_no_method(
        world: &World, { "fake.events": true, "fake.max_age_s": 300 }
    ) {
        let jane = by_provider(world).await;
        by_mail(&world.bed, &jane, JANE).await;
        let body = json!({ "new_password": PASSWORD });
        let set = jane.post("/auth/password/set", &body).await;
        assert_eq!(set.status, 200, "{}", set.json());
        let jane = world.client();
        assert_eq!(sign_in(&jane, JANE, PASSWORD).await.status, 200);
        assert_eq!(first_identity(&jane).await.len(), 36);
        world.bed.advance(600).await;
        report(world, &hijacked(), &json!({})).await;
        assert_eq!(jane.get("/fresh").await.json()["methods"], json!(["password"]));
        // A user without another way in keeps none.
        world.idp.claim("sub", "another");
        world.idp.claim("email", "joe@example.com");
        let joe = by_provider(world).await;
        let begun = joe.post("/auth/oauth/other/link", json!({})).await;
        assert_eq!(begun.status, 200, "{}", begun.json());
        let url = begun.json()["authorization_url"].as_str().unwrap().to_owned();
        assert_eq!(joe.get(&path_of(&world.other.authorize(&url))).await.status, 303);
        let all = joe.get("/auth/identities").await.json();
        let of_other = all["identities"].as_array().unwrap().iter().find(|own| own["provider"] == "other");
        let of_other = of_other.unwrap()["id"].as_str().unwrap().to_owned();
        let by_other = world.client();
        let start = by_other.get("/auth/oauth/other/start").await.header("location");
        assert_eq!(by_other.get(&path_of(&world.other.authorize(&start))).await.status, 303);
        report(world, &hijacked(), &json!({})).await;
        assert_eq!(me(&joe).await, Value::Null);
        by_mail(&world.bed, &by_other, "joe@example.com").await;
        let last = delete(&by_other, &format!("/auth/identities/{of_other}")).await;
        assert_eq!((last.status.as_u16(), &*last.code()), (409, "last_credential"));
    }

    async fn pending_sign_ins_of_the_identity_are_not_finished(
        world: &World, { "fake.events": true, "sign_in_code": true }
    ) {
        for events in [one(&caep("session-revoked")), hijacked()] {
            let jane = world.client();
            assert_eq!(world.sign_in(&jane).await.status, 303);
            let code = last_code(&world.bed, JANE).await;
            let waiting = waiting(world).await;
            let begun = world.client();
            let callback = world.to_callback(&begun, "").await;
            report(world, &events, &json!({})).await;
            assert_eq!(jane.post("/auth/verify", json!({ "code": code })).await.code(), "challenge_expired");
            assert_eq!(exchange(world, &waiting).await.code(), "invalid_code");
            let landed = begun.get(&callback).await;
            match events == hijacked() {
                true => assert_eq!(landed.code(), "account_disabled"),
                false => assert_eq!(landed.status, 303, "it was authorized by the provider since"),
            }
        }
    }

    async fn only_a_link_begun_after_the_bar_lifts_it(world: &World, { "fake.events": true }) {
        let (jane, _) = linked(world).await;
        let before = path_of(&world.idp.authorize(&link_url(&jane).await));
        world.bed.advance(1).await;
        report(world, &hijacked(), &json!({})).await;
        let late = jane.get(&before).await;
        assert_eq!((late.status.as_u16(), &*late.code()), (403, "account_disabled"));
        assert_eq!(code_of_sign_in(world).await, "account_disabled");
        let after = path_of(&world.idp.authorize(&link_url(&jane).await));
        assert_eq!(jane.get(&after).await.status, 303);
        by_provider(world).await;
        // The next event bars it again.
        report(world, &hijacked(), &json!({})).await;
        assert_eq!(code_of_sign_in(world).await, "account_disabled");
    }

    async fn unlinking_does_not_lift_a_bar(
        world: &World, { "fake.events": true, "auto_link_verified_email": true }
    ) {
        let (jane, _) = linked(world).await;
        report(world, &hijacked(), &json!({})).await;
        let id = first_identity(&jane).await;
        assert_eq!(delete(&jane, &format!("/auth/identities/{id}")).await.status, 204);
        // It joins no account by its address, and makes no new one.
        for email in [JANE, "new@example.com"] {
            world.idp.claim("email", email);
            assert_eq!(code_of_sign_in(world).await, "account_disabled", "{email}");
        }
        assert_eq!(jane.get("/auth/identities").await.json()["identities"], json!([]));
        // Linked anew, also to another account.
        let joe = world.bed.browser("joe@example.com").await;
        assert_eq!(world.link(&joe).await.status, 303);
        assert_eq!(me(&by_provider(world).await).await["email"], "joe@example.com");
    }

    async fn bar_outlives_the_account_and_an_incident(world: &World, { "fake.events": true }) {
        let (jane, _) = linked(world).await;
        report(world, &hijacked(), &json!({})).await;
        world.bed.bed.auth.sessions().revoke_everything().await.unwrap();
        assert_eq!(code_of_sign_in(world).await, "account_disabled");
        assert_eq!(sign_in(&jane, JANE, PASSWORD).await.status, 200);
        assert_eq!(delete(&jane, "/auth/account").await.status, 204);
        assert_eq!(code_of_sign_in(world).await, "account_disabled");
        world.bed.advance(400 * 24 * 3600).await;
        sweep(world).await;
        assert_eq!(code_of_sign_in(world).await, "account_disabled");
    }

    /// An attacker who has the account at the provider signs up after the event.
    async fn identity_that_is_not_known_yet_is_barred_too(world: &World, { "fake.events": true }) {
        let begun = world.client();
        let callback = world.to_callback(&begun, "").await;
        report(world, &hijacked(), &json!({})).await;
        assert_eq!(begun.get(&callback).await.code(), "account_disabled");
        assert_eq!((alarms(world).await, recorded(world).await.len()), (0, 0));
        let enabled = json!({ "iat": crate::authenticator::second_of(&world.bed) + 1 });
        report(world, &one(&risc("account-enabled")), &enabled).await;
        by_provider(world).await;
    }

    async fn only_a_younger_event_enables_the_identity(world: &World, { "fake.events": true }) {
        linked(world).await;
        let now = crate::authenticator::second_of(&world.bed);
        let enable = async |iat: i64| {
            report(world, &one(&risc("account-enabled")), &json!({ "iat": iat })).await;
        };
        report(world, &hijacked(), &json!({ "iat": now })).await;
        for iat in [now - 10, now] {
            enable(iat).await;
            assert_eq!(code_of_sign_in(world).await, "account_disabled", "{}", iat - now);
        }
        enable(now + 1).await;
        by_provider(world).await;
        // An older event that arrives late.
        report(world, &hijacked(), &json!({ "iat": now })).await;
        let jane = by_provider(world).await;
        report(world, &hijacked(), &json!({ "iat": now + 2 })).await;
        assert_eq!(me(&jane).await, Value::Null);
        assert_eq!(code_of_sign_in(world).await, "account_disabled");
        assert!(!recorded(world).await.contains(&json!(risc("account-enabled"))));
    }

    async fn password_reset_is_a_way_back(world: &World, { "fake.events": true }) {
        let jane = by_provider(world).await;
        report(world, &hijacked(), &json!({})).await;
        assert_eq!(me(&jane).await, Value::Null);
        let forgot = world.client().post("/auth/password/forgot", json!({ "email": JANE })).await;
        assert_eq!(forgot.status, 202);
        let mail = mails(&world.bed, JANE).await.pop().unwrap();
        let link = mail["link"].as_str().unwrap_or_else(|| panic!("{mail}"));
        let token = link.split_once("token=").unwrap().1;
        let body = json!({ "token": token, "new_password": PASSWORD });
        assert_eq!(world.client().post("/auth/password/reset", &body).await.status, 204);
        let back = world.client();
        assert_eq!(sign_in(&back, JANE, PASSWORD).await.status, 200);
        assert_eq!(code_of_sign_in(world).await, "account_disabled");
        assert_eq!(world.link(&back).await.status, 303);
        by_provider(world).await;
    }

    /// Whatever the order, no session of the identity remains.
    async fn concurrent_sign_ins_do_not_survive_an_alarm(world: &World, { "fake.events": true }) {
        let (_, first) = linked(world).await;
        for round in 0..3 {
            let mut all = JoinSet::new();
            for number in 0..6 {
                let client = world.client();
                let is_native = number % 3 == 2;
                let code = if is_native { waiting(world).await } else { String::new() };
                let callback = world.to_callback(&client, "").await;
                all.spawn(async move {
                    if is_native {
                        let body = json!({ "code": code, "code_verifier": VERIFIER });
                        let done = client.post("/auth/oauth/exchange", body).await.json();
                        let token = done["tokens"]["access_token"].as_str().unwrap_or("none").to_owned();
                        return client.bearer(&token);
                    }
                    client.get(&callback).await;
                    client
                });
            }
            let token = world.idp.security_event_token(&hijacked(), &json!({}));
            let sender = world.client();
            let alarm = tokio::spawn(async move {
                sender.send(Method::POST, PATH, &[SET], token.as_bytes()).await.status.as_u16()
            });
            let clients = all.join_all().await;
            assert_eq!(alarm.await.unwrap(), 202);
            for client in clients.iter().chain([&first]) {
                assert_eq!(me(client).await, Value::Null, "{round}");
            }
            assert_eq!(code_of_sign_in(world).await, "account_disabled");
            let owner = world.client();
            assert_eq!(sign_in(&owner, JANE, PASSWORD).await.status, 200);
            assert_eq!(world.link(&owner).await.status, 303);
        }
    }

    async fn concurrent_second_steps_do_not_survive_an_alarm(
        world: &World, { "fake.events": true, "sign_in_code": true, "limits": false }
    ) {
        let mut all = JoinSet::new();
        for _ in 0..4 {
            let client = world.client();
            assert_eq!(world.sign_in(&client).await.status, 303);
            let code = last_code(&world.bed, JANE).await;
            all.spawn(async move {
                client.post("/auth/verify", json!({ "code": code })).await;
                client
            });
        }
        let token = world.idp.security_event_token(&hijacked(), &json!({}));
        assert_eq!(post(world, &token).await.status, 202);
        for client in all.join_all().await {
            assert_eq!(me(&client).await, Value::Null);
        }
    }

    /// The subjects of two tenants of a provider are different people.
    async fn events_and_logouts_of_another_tenant_have_no_effect(
        world: &World, { "fake.events": true, "fake.tenants": ["one", "two"] }
    ) {
        let base = world.idp.issuer();
        world.idp.metadata("issuer", format!("{base}/{{tenantid}}"));
        let of = |tenant: &str| format!("{base}/{tenant}");
        let be = |tenant: &str| {
            world.idp.id_token_claim("tid", tenant);
            world.idp.id_token_claim("iss", of(tenant));
            world.idp.claim("email", format!("{tenant}@example.com"));
        };
        let both = async || {
            be("one");
            let one = by_provider(world).await;
            be("two");
            (one, by_provider(world).await)
        };
        let subject = |tenant: &str| json!({ "format": "iss_sub", "iss": of(tenant), "sub": SUBJECT });
        let event = caep("session-revoked");
        let (one, two) = both().await;
        report(world, &self::one(&event), &json!({ "iss": of("one"), "sub_id": subject("two") })).await;
        report(world, &self::one(&event), &json!({ "iss": of("one"), "sub_id": world.idp.issuer() })).await;
        assert!(me(&one).await != Value::Null && me(&two).await != Value::Null, "the subject of another issuer");
        report(world, &self::one(&event), &json!({ "iss": of("one"), "sub_id": subject("one") })).await;
        assert_eq!((me(&one).await, me(&two).await["email"].clone()), (Value::Null, json!("two@example.com")));
        let third = world.idp.security_event_token(&self::one(&event), &json!({ "iss": of("three"), "sub_id": subject("three") }));
        assert_eq!(rejection(&post(world, &third).await), (400, "invalid_issuer".to_owned()));
        report(world, &hijacked(), &json!({ "iss": of("one"), "sub_id": subject("one") })).await;
        be("one");
        assert_eq!(code_of_sign_in(world).await, "account_disabled");
        be("two");
        by_provider(world).await;
        report(world, &self::one(&risc("account-enabled")), &json!({
            "iss": of("one"), "sub_id": subject("one"), "iat": crate::authenticator::second_of(&world.bed) + 1,
        })).await;

        // Back-channel logout, by subject and by session.
        for changes in [json!({ "sid": null }), json!({ "sub": null }), json!({})] {
            let (one, two) = both().await;
            let mut changes = changes;
            changes["iss"] = json!(of("two"));
            let body = format!("logout_token={}", world.idp.logout_token(&changes));
            let form = [("content-type", "application/x-www-form-urlencoded")];
            let path = "/auth/oauth/fake/backchannel-logout";
            assert_eq!(world.client().send(Method::POST, path, &form, body.as_bytes()).await.status, 200);
            assert_eq!((me(&one).await["email"].clone(), me(&two).await), (json!("one@example.com"), Value::Null), "{changes}");
        }

        // Unlinking ends the sessions of this identity alone.
        let (one, two) = both().await;
        be("one");
        let again = by_provider(world).await;
        by_mail(&world.bed, &one, "one@example.com").await;
        assert_eq!(one.post("/auth/password/set", json!({ "new_password": PASSWORD })).await.status, 200);
        let id = first_identity(&one).await;
        assert_eq!(delete(&one, &format!("/auth/identities/{id}")).await.status, 204);
        assert_eq!((me(&again).await, me(&two).await["email"].clone()), (Value::Null, json!("two@example.com")));
    }

    async fn event_is_sent_again_while_the_keys_are_unknown(world: &World, { "fake.events": true }) {
        world.idp.fault(Fault::Down);
        let token = world.idp.security_event_token(&one(&caep("session-revoked")), &json!({}));
        let answer = post(world, &token).await;
        assert_eq!(rejection(&answer), (502, "provider_error".to_owned()));
        world.idp.fault(None);
        world.bed.advance(2).await;
        assert_eq!(post(world, &token).await.status, 202);
        // A new key is fetched.
        let (_, jane) = linked(world).await;
        world.bed.advance(61).await;
        world.idp.rotate_key();
        report(world, &one(&caep("session-revoked")), &json!({})).await;
        assert_eq!(me(&jane).await, Value::Null);
    }
}

/// Ids of tokens are those of one provider, and the service works without HTTP.
#[tokio::test]
async fn token_ids_of_two_providers_are_unrelated() {
    let start = || FakeIdp::start("client", "secret");
    let (one, two) = (start().await, start().await);
    two.claim("email", "joe@example.com");
    let flow = |id: &str, idp: &FakeIdp| {
        Oidc::new(id, idp.issuer(), "client").client_secret("secret").security_events(true)
    };
    let auth = Auth::builder(SqliteStore::memory().await.unwrap())
        .origin(ORIGIN)
        .flow(flow("one", &one))
        .flow(flow("two", &two))
        .build()
        .unwrap();
    let user = async |user: authlayer::AuthUser| axum::Json(user);
    let routes = Router::new().route("/me", axum::routing::get(user)).nest("/auth", auth.router());
    let app = TestApp::serve(routes.layer(auth.layer())).await;
    let service =
        |id: &str| -> OAuthService { auth.service::<Oidc>().unwrap().provider(id).unwrap() };
    for (id, idp) in [("one", &one), ("two", &two)] {
        let client = app.client();
        let start = client.get(&format!("/auth/oauth/{id}/start")).await;
        let landed = client.get(&path_of(&idp.authorize(&start.header("location")))).await;
        assert_eq!(landed.status, 303, "{}", landed.json());
        let events = json!({ caep("session-revoked"): {} });
        let token = idp.security_event_token(&events, &json!({ "jti": "same" }));
        service(id).receive_security_events(&token, EventFormat::Standard).await.unwrap();
        until("the session ends", async || client.get("/me").await.status == 401).await;
    }
    let foreign = two.security_event_token(&json!({ caep("session-revoked"): {} }), &json!({}));
    let error = service("one").receive_security_events(&foreign, EventFormat::Standard).await;
    assert_eq!(error.unwrap_err().kind(), authlayer::ErrorKind::InvalidRequest);
}
