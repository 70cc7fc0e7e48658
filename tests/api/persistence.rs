//! `persistent: false`: sessions that end with the browser.

use authlayer::testing::{TestClient, TestResponse, VirtualAuthenticator};
use serde_json::{Value, json};

use crate::{
    authenticator::{answer, enroll},
    codes::{handle, last_code, verify},
    email_sign_in,
    passkeys::{ORIGIN, begin, with_key},
    providers::{World, with_providers},
    support::{PASSWORD, on_every_store, sign_in},
};

const ADA: &str = "ada@example.com";
const HOUR: u64 = 3600;

/// Returns the lines that set the token cookies.
fn token_cookies(answer: &TestResponse) -> Vec<String> {
    let is_token = |line: &String| line.starts_with("auth=") || line.starts_with("auth-refresh=");
    answer.set_cookies().into_iter().filter(is_token).collect()
}

fn ends_with_the_browser(answer: &TestResponse) -> bool {
    let lines = token_cookies(answer);
    assert_eq!(lines.len(), 2, "{}", answer.json());
    let timed = lines.iter().filter(|line| line.contains("Max-Age")).count();
    assert!(timed == 0 || timed == 2, "{lines:?}");
    timed == 0
}

async fn sign_in_briefly(client: &TestClient) -> TestResponse {
    let body = json!({ "email": ADA, "password": PASSWORD, "persistent": false });
    client.post("/auth/sign-in", &body).await
}

async fn refresh(client: &TestClient) -> TestResponse {
    client.post("/auth/refresh", &json!({})).await
}

/// Returns the seconds from the creation of a session to its expiry.
fn lifetime(body: &Value) -> i64 {
    let time = |name: &str| -> jiff::Timestamp {
        body["session"][name].as_str().unwrap().parse().unwrap()
    };
    time("expires_at").as_second() - time("created_at").as_second()
}

async fn exchange(world: &World, choice: &str) -> TestResponse {
    // RFC 7636, appendix B.
    let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    let query = format!(
        "?transport=bearer&redirect_to=myapp://callback{choice}\
         &code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
    );
    let client = world.client();
    let callback = world.to_callback(&client, &query).await;
    let place = client.get(&callback).await.header("location");
    let code = place.strip_prefix("myapp://callback?code=").expect("a code");
    client.post("/auth/oauth/exchange", json!({ "code": code, "code_verifier": verifier })).await
}

on_every_store! {
    async fn session_cookies_have_no_lifetime_after_refresh_and_step_up(bed: &Bed) {
        let body = json!({ "email": ADA, "password": PASSWORD, "persistent": false });
        let ada = bed.client();
        let signed_up = ada.post("/auth/sign-up", &body).await;
        assert_eq!(signed_up.status, 201, "{}", signed_up.json());
        assert!(ends_with_the_browser(&signed_up));
        let usual = bed.client();
        assert!(!ends_with_the_browser(&sign_in(&usual, ADA, PASSWORD).await));
        let brief = sign_in_briefly(&ada).await;
        assert_eq!(brief.status, 200);
        assert!(ends_with_the_browser(&brief));
        assert_eq!(lifetime(&brief.json()), 24 * 3600);
        let stepped = ada.post("/auth/password/verify", &json!({ "password": PASSWORD })).await;
        assert_eq!(stepped.status, 200, "{}", stepped.json());
        assert!(ends_with_the_browser(&stepped));
        assert_eq!(stepped.json()["session"]["factors"].as_array().unwrap().len(), 1);
        bed.advance(11 * HOUR).await;
        let refreshed = refresh(&ada).await;
        assert_eq!(refreshed.status, 200, "{}", refreshed.json());
        assert!(ends_with_the_browser(&refreshed));
        assert_eq!(lifetime(&refreshed.json()), 24 * 3600);
        bed.advance(12 * HOUR).await;
        assert_eq!(refresh(&ada).await.code(), "invalid_refresh_token");
        assert!(!ends_with_the_browser(&refresh(&usual).await));
    }

    async fn session_that_is_not_persistent_ends_after_a_day(bed: &Bed) {
        let ada = bed.browser(ADA).await;
        sign_in_briefly(&ada).await;
        for _ in 0..2 {
            bed.advance(10 * HOUR).await;
            assert_eq!(refresh(&ada).await.status, 200);
        }
        bed.advance(4 * HOUR).await;
        assert_eq!(refresh(&ada).await.status, 401);
    }

    async fn bearer_tokens_have_a_shorter_lifetime(bed: &Bed) {
        bed.browser(ADA).await;
        let body = json!({ "email": ADA, "password": PASSWORD, "transport": "bearer", "persistent": false });
        let signed_in = bed.client().post("/auth/sign-in", &body).await.json();
        let expires_in = |body: &Value| body["tokens"]["refresh_expires_in"].as_u64().unwrap();
        assert_eq!(expires_in(&signed_in), 12 * HOUR);
        bed.advance(HOUR).await;
        let token = json!({ "refresh_token": signed_in["tokens"]["refresh_token"] });
        let refreshed = bed.client().post("/auth/refresh", &token).await.json();
        assert_eq!(expires_in(&refreshed), 12 * HOUR);
        bed.advance(12 * HOUR - 1).await;
        let token = json!({ "refresh_token": refreshed["tokens"]["refresh_token"] });
        let refreshed = bed.client().post("/auth/refresh", &token).await.json();
        assert_eq!(expires_in(&refreshed), 11 * HOUR + 1, "the session ends after a day");
    }

    async fn pending_sign_up_keeps_the_choice(bed: &Bed, { "verify_email": true }) {
        let ada = bed.client();
        let body = json!({ "email": ADA, "password": PASSWORD, "persistent": false });
        let challenge = handle(&ada.post("/auth/sign-up", &body).await);
        let done = verify(&ada, &challenge, &last_code(bed, ADA).await).await;
        assert_eq!(done.status, 200, "{}", done.json());
        assert!(ends_with_the_browser(&done));
    }

    async fn pending_sign_in_keeps_the_choice(bed: &Bed) {
        let ada = bed.browser(ADA).await;
        let (app, _) = enroll(bed, &ada).await;
        for is_brief in [true, false] {
            let browser = bed.client();
            let body = json!({ "email": ADA, "password": PASSWORD, "persistent": !is_brief });
            let challenge = handle(&browser.post("/auth/sign-in", &body).await);
            let code = app.next(bed).await;
            let done = answer(&browser, &challenge, "totp", &code).await;
            assert_eq!(done.status, 200, "{}", done.json());
            assert_eq!(ends_with_the_browser(&done), is_brief);
            assert_eq!(ends_with_the_browser(&refresh(&browser).await), is_brief);
        }
    }

    async fn passkey_and_anonymous_sessions_end_with_the_browser(bed: &Bed) {
        let (_, mut key) = with_key(bed, ADA).await;
        let browser = bed.client();
        let begun = begin(&browser, "sign-in", &json!({})).await;
        let credential = key.authenticate(&begun["options"]);
        let body = json!({ "challenge": begun["challenge"], "credential": credential, "persistent": false });
        let done = browser.post("/auth/passkeys/sign-in/finish", &body).await;
        assert_eq!(done.status, 200, "{}", done.json());
        assert!(ends_with_the_browser(&done));
        let guest = bed.client();
        let done = guest.post("/auth/anonymous", &json!({ "persistent": false })).await;
        assert_eq!(done.status, 201);
        assert!(ends_with_the_browser(&done));
        assert_eq!(done.json()["session"]["factors"], json!([]));
        assert!(ends_with_the_browser(&refresh(&guest).await));
    }

    async fn session_of_a_passkey_sign_up_ends_with_the_browser(bed: &Bed) {
        for transport in ["cookie", "bearer"] {
            let browser = bed.client();
            let email = format!("{transport}@example.com");
            let begun = begin(&browser, "sign-up", &json!({ "email": email })).await;
            let credential = VirtualAuthenticator::new(ORIGIN).register(&begun["options"]);
            let body = json!({
                "challenge": begun["challenge"], "credential": credential,
                "transport": transport, "persistent": false,
            });
            let done = browser.post("/auth/passkeys/sign-up/finish", &body).await;
            assert_eq!(done.status, 201, "{}", done.json());
            assert_eq!(lifetime(&done.json()), 24 * 3600);
            match transport {
                "cookie" => assert!(ends_with_the_browser(&done)),
                _ => assert_eq!(done.json()["tokens"]["refresh_expires_in"], json!(12 * HOUR)),
            }
        }
    }

    /// The choice counts at the request of the mail, and at its link with the confirmation.
    async fn email_sign_in_keeps_the_choice(bed: &Bed, { "code_interval_s": 0 }) {
        let start = async |client: &TestClient, persistent: bool| {
            let body = json!({ "email": ADA, "persistent": persistent });
            let pending = client.post("/auth/email-sign-in", &body).await;
            assert_eq!(pending.status, 202, "{}", pending.json());
            handle(&pending)
        };
        for is_brief in [true, false] {
            let browser = bed.client();
            let challenge = start(&browser, !is_brief).await;
            let done = verify(&browser, &challenge, &last_code(bed, ADA).await).await;
            assert_eq!(ends_with_the_browser(&done), is_brief, "the code");
            start(&browser, !is_brief).await;
            let token = email_sign_in::token(bed, ADA).await;
            let body = json!({ "token": token, "persistent": is_brief });
            let done = browser.post("/auth/email-sign-in/link", &body).await;
            assert_eq!(ends_with_the_browser(&done), is_brief, "the link in the same browser");
            start(&browser, is_brief).await;
            let token = email_sign_in::token(bed, ADA).await;
            let body = json!({ "token": token, "persistent": !is_brief, "confirm": true });
            let done = bed.client().post("/auth/email-sign-in/link", &body).await;
            assert_eq!(ends_with_the_browser(&done), is_brief, "the link in another browser");
        }
    }

    /// A confirmation that does not choose keeps the choice of the request, in every browser, for a
    /// new user and a known one, and through a second factor.
    async fn confirmed_link_keeps_the_choice_of_the_request(bed: &Bed, { "code_interval_s": 0 }) {
        let link = async || {
            let body = json!({ "email": ADA, "persistent": false });
            let browser = bed.client();
            assert_eq!(browser.post("/auth/email-sign-in", &body).await.status, 202);
            (browser, json!({ "token": email_sign_in::token(bed, ADA).await, "confirm": true }))
        };
        for what in ["new user", "known user"] {
            let (_, body) = link().await;
            let done = bed.client().post("/auth/email-sign-in/link", &body).await;
            assert_eq!(done.status, 200, "{what}: {}", done.json());
            assert!(ends_with_the_browser(&done), "{what}");
            assert_eq!(lifetime(&done.json()), 24 * 3600, "{what}");
        }
        let (same, body) = link().await;
        let done = same.post("/auth/email-sign-in/link", &body).await;
        assert!(ends_with_the_browser(&done), "the same browser");
        let (app, _) = enroll(bed, &same).await;
        let (_, body) = link().await;
        let other = bed.client();
        let challenge = handle(&other.post("/auth/email-sign-in/link", &body).await);
        let done = answer(&other, &challenge, "totp", &app.next(bed).await).await;
        assert_eq!(done.status, 200, "{}", done.json());
        assert!(ends_with_the_browser(&done), "after a second factor");
    }

    async fn value_that_is_not_a_boolean_is_rejected(bed: &Bed) {
        bed.browser(ADA).await;
        for path in ["sign-in", "sign-up", "anonymous"] {
            let body = json!({ "email": ADA, "password": PASSWORD, "persistent": "false" });
            let rejected = bed.client().post(&format!("/auth/{path}"), &body).await;
            assert_eq!((rejected.status.as_u16(), rejected.code()), (422, "invalid_request".to_owned()), "{path}");
            assert_eq!(rejected.json()["members"], json!(["persistent"]), "{path}");
        }
    }
}

with_providers! {
    async fn exchange_of_a_native_application_keeps_the_choice(world: &World) {
        let month = 30 * 24 * HOUR;
        for (choice, expected) in [("&persistent=false", 12 * HOUR), ("&persistent=true", month), ("", month)] {
            let done = exchange(world, choice).await;
            assert_eq!(done.status, 200, "{}", done.json());
            assert_eq!(done.json()["tokens"]["refresh_expires_in"], json!(expected), "{choice}");
        }
    }

    async fn sign_in_at_a_provider_keeps_the_choice(world: &World) {
        for (query, is_brief) in [("?persistent=false", true), ("?persistent=true", false)] {
            let browser = world.client();
            let callback = world.to_callback(&browser, query).await;
            let done = browser.get(&callback).await;
            assert_eq!(done.status, 303);
            assert_eq!(ends_with_the_browser(&done), is_brief);
        }
        for query in ["?persistent=no", "?persistent=true&persistent=true"] {
            let rejected = world.client().get(&format!("/auth/oauth/fake/start{query}")).await;
            assert_eq!((rejected.status.as_u16(), rejected.code()), (400, "invalid_request".to_owned()), "{query}");
        }
    }
}
