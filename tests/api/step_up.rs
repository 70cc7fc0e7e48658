//! Recent authentication requires the strongest factor of the user, and each factor has a step-up.

use authlayer::{
    EventKind,
    testing::{Fault, TestClient, TestResponse, VirtualAuthenticator},
};
use serde_json::{Value, json};

use crate::{
    codes::{handle, kinds, last_code, verify},
    passkeys::{register, step_up as by_passkey, with_key},
    providers::{me, path_of, with_providers},
    support::{Bed, PASSWORD, on_every_store, sign_in},
};

async fn by_password(client: &TestClient, password: &str) -> TestResponse {
    client.post("/auth/password/verify", json!({ "password": password })).await
}

/// Steps a session up by an email code to this email address.
pub(crate) async fn by_mail(bed: &Bed, client: &TestClient, to: &str) -> TestResponse {
    let challenge = handle(&client.post("/auth/email/verify", json!({})).await);
    verify(client, &challenge, &last_code(bed, to).await).await
}

fn methods_of(answer: &TestResponse) -> Vec<String> {
    let factors = answer.json()["session"]["factors"].clone();
    let name = |factor: &Value| factor["method"].as_str().unwrap().to_owned();
    factors.as_array().unwrap().iter().map(name).collect()
}

fn assert_step_up(answer: &TestResponse, methods: &Value) {
    let found = (answer.status.as_u16(), answer.code());
    assert_eq!(found, (403, "step_up_required".to_owned()), "{}", answer.json());
    assert_eq!(answer.json()["methods"], *methods);
}

async fn add_key(client: &TestClient) -> TestResponse {
    client.post("/auth/passkeys/register/start", json!({})).await
}

on_every_store! {
    async fn password_steps_a_session_up(bed: &Bed) {
        let ada = bed.browser("ada@example.com").await;
        bed.advance(600).await;
        let stale = ada.get("/fresh").await;
        assert_step_up(&stale, &json!(["password"]));
        assert_eq!(stale.json()["required"], json!({ "within_seconds": 600 }));
        assert_step_up(&ada.post("/auth/api-keys", json!({})).await, &json!(["password"]));
        let wrong = by_password(&ada, "not the password").await;
        assert_eq!((wrong.status.as_u16(), wrong.code()), (403, "wrong_password".to_owned()));
        let before = ada.cookie("auth").unwrap();
        let done = by_password(&ada, PASSWORD).await;
        assert_eq!(done.status, 200, "{}", done.json());
        assert_eq!(methods_of(&done), ["password"]);
        assert_ne!(ada.cookie("auth").unwrap(), before);
        assert_eq!(ada.get("/fresh").await.status, 200);
        assert_eq!(bed.bed.watch.count(EventKind::SteppedUp), 1);
        assert_eq!(by_password(&bed.client(), PASSWORD).await.code(), "unauthenticated");
    }

    /// A stolen password does not give access to sensitive routes of a user with a passkey.
    async fn password_does_not_step_up_a_user_with_a_passkey(bed: &Bed) {
        let (ada, mut key) = with_key(bed, "ada@example.com").await;
        let id = ada.get("/auth/passkeys").await.json()["passkeys"][0]["id"].clone();
        let thief = bed.client();
        sign_in(&thief, "ada@example.com", PASSWORD).await;
        assert_eq!(by_password(&thief, PASSWORD).await.status, 200);
        let passkey = json!(["passkey"]);
        assert_step_up(&add_key(&thief).await, &passkey);
        let path = format!("/auth/passkeys/{}", id.as_str().unwrap());
        assert_step_up(&thief.send(http::Method::DELETE, &path, &[], b"").await, &passkey);
        assert_step_up(&thief.send(http::Method::DELETE, "/auth/account", &[], b"").await, &passkey);
        let address = json!({ "new_email": "thief@example.com" });
        assert_step_up(&thief.post("/auth/email/change", &address).await, &passkey);
        assert_step_up(&thief.post("/auth/api-keys", json!({ "name": "x" })).await, &passkey);
        for guard in ["/fresh", "/strong"] {
            assert_step_up(&thief.get(guard).await, &passkey);
        }
        assert_eq!(by_passkey(&ada, &mut key).await.status, 200);
        for guard in ["/fresh", "/strong"] {
            assert_eq!(ada.get(guard).await.status, 200, "{guard}");
        }
        assert_eq!(add_key(&ada).await.status, 200);
    }

    async fn passkey_registration_is_not_a_passkey_verification(bed: &Bed) {
        let ada = bed.browser("ada@example.com").await;
        assert_step_up(&ada.get("/strong").await, &json!([]));
        assert_eq!(register(&ada, &mut VirtualAuthenticator::new("http://localhost:3000")).await.status, 201);
        assert_eq!(ada.get("/fresh").await.status, 200);
        assert_eq!(add_key(&ada).await.status, 200);
        assert_step_up(&ada.get("/strong").await, &json!(["passkey"]));
        assert_eq!(methods_of(&ada.get("/auth/session").await), ["password"]);
        bed.advance(600).await;
        assert_step_up(&ada.get("/fresh").await, &json!(["passkey"]));
    }

    async fn email_code_step_up_requires_a_verified_email(bed: &Bed) {
        let ada = bed.browser("ada@example.com").await;
        let refused = ada.post("/auth/email/verify", json!({})).await;
        assert_eq!((refused.status.as_u16(), refused.code()), (403, "email_not_verified".to_owned()));
        let anonymous = bed.client().post("/auth/email/verify", json!({})).await;
        assert_eq!(anonymous.code(), "unauthenticated");
        let again = ada.post("/auth/password/set", json!({ "new_password": "zq8 xw2v fig" })).await;
        assert_eq!((again.status.as_u16(), again.code()), (409, "password_exists".to_owned()));
        bed.advance(600).await;
        assert_step_up(&ada.post("/auth/password/set", json!({})).await, &json!(["password"]));
    }

    /// Rows of an earlier version use the names of RFC 8176.
    async fn stored_factors_are_renamed(bed: &Bed, { "sign_in_code": true }) {
        let ada = bed.browser("ada@example.com").await;
        let phone = bed.client();
        let challenge = handle(&sign_in(&phone, "ada@example.com", PASSWORD).await);
        let old = "'[{\"method\":\"pwd\",\"at\":\"2026-01-01T00:00:00Z\"},\
            {\"method\":\"fed\",\"at\":\"2026-01-01T00:00:00Z\"},\
            {\"method\":\"otp\",\"at\":\"2026-01-01T00:00:00Z\"},\
            {\"method\":\"hwk\",\"at\":\"2026-01-01T00:00:00Z\"}]'";
        bed.run(&format!("UPDATE auth_sessions SET factors = {old}")).await;
        bed.run("UPDATE auth_challenges SET data = replace(data, '\"method\":\"password\"', '\"method\":\"pwd\"')").await;
        bed.run("DELETE FROM auth_migrations WHERE name = '0008_factor_names'").await;
        bed.migrate().await;
        let listed = ada.get("/auth/sessions").await.json()["sessions"][0]["factors"].clone();
        let names: Vec<_> = listed.as_array().unwrap().iter().map(|own| own["method"].clone()).collect();
        assert_eq!(names, ["password", "provider", "email_code", "passkey"]);
        let done = verify(&phone, &challenge, &last_code(bed, "ada@example.com").await).await;
        assert_eq!(done.status, 200, "{}", done.json());
        assert_eq!(methods_of(&done), ["password", "email_code"]);
    }
}

with_providers! {
    /// A silent sign-in at a provider does not show when the user authenticated there.
    async fn email_code_steps_up_if_there_is_no_stronger_factor(world: &World) {
        let (jane, phone) = (world.client(), world.client());
        world.sign_in(&jane).await;
        world.sign_in(&phone).await;
        assert_step_up(&jane.get("/fresh").await, &json!(["email_code"]));
        assert_step_up(&jane.post("/auth/oauth/other/link", json!({})).await, &json!(["email_code"]));
        let pending = jane.post("/auth/email/verify", json!({})).await;
        assert_eq!(pending.json()["methods"], json!(["email_code"]));
        let (challenge, code) = (handle(&pending), last_code(&world.bed, "jane@example.com").await);
        assert!(kinds(&world.bed, "jane@example.com").await.contains(&"step_up_code".to_owned()));
        for other_client in [&world.client(), &phone] {
            for _ in 0..5 {
                assert_eq!(verify(other_client, &challenge, &code).await.code(), "unauthenticated");
            }
        }
        let done = verify(&jane, &challenge, &code).await;
        assert_eq!(done.status, 200, "{}", done.json());
        assert_eq!(methods_of(&done), ["provider", "email_code"]);
        assert_eq!(jane.get("/fresh").await.status, 200);
        assert_step_up(&phone.get("/fresh").await, &json!(["email_code"]));

        let set = async |password: &str| {
            jane.post("/auth/password/set", json!({ "new_password": password })).await
        };
        assert_eq!(set("short").await.code(), "weak_password");
        let done = set(PASSWORD).await;
        assert_eq!(done.status, 200, "{}", done.json());
        assert_eq!(methods_of(&done), ["provider", "email_code", "password"]);
        assert_eq!(jane.get("/fresh").await.status, 200, "it counts as a password verification");
        assert_eq!(set(PASSWORD).await.code(), "password_exists");
        assert_eq!(sign_in(&world.client(), "jane@example.com", PASSWORD).await.status, 200);
        assert!(kinds(&world.bed, "jane@example.com").await.contains(&"notice_password_changed".to_owned()));
        assert_eq!(me(&phone).await, Value::Null, "other sessions are revoked");
    }

    async fn user_without_a_step_up_factor_signs_in_again(world: &World) {
        world.idp.claim("email", Value::Null);
        let jane = world.client();
        world.sign_in(&jane).await;
        assert_eq!(jane.get("/fresh").await.status, 200);
        world.bed.advance(600).await;
        assert_step_up(&jane.get("/fresh").await, &json!([]));
        world.sign_in(&jane).await;
        assert_eq!(jane.get("/fresh").await.status, 200);
    }

    async fn linking_is_not_an_authentication(world: &World) {
        let ada = world.bed.browser("ada@example.com").await;
        world.bed.advance(599).await;
        assert_eq!(world.link(&ada).await.status, 303);
        assert_eq!(methods_of(&ada.get("/auth/session").await), ["password"]);
        assert_eq!(ada.get("/fresh").await.status, 200);
        world.bed.advance(1).await;
        assert_step_up(&ada.get("/fresh").await, &json!(["password"]));
    }

    async fn provider_with_auth_time_steps_a_session_up(world: &World, { "fake.max_age_s": 300 }) {
        let jane = world.client();
        world.sign_in(&jane).await;
        assert_eq!(jane.get("/fresh").await.status, 200, "auth_time was checked");
        world.bed.advance(600).await;
        assert_step_up(&jane.get("/fresh").await, &json!(["provider"]));
        let begin = async |client: &TestClient| {
            client.post("/auth/oauth/fake/step-up", json!({ "redirect_to": "/done" })).await
        };
        let url_of = |begun: &TestResponse| begun.json()["authorization_url"].as_str().unwrap().to_owned();
        let land = async || {
            let begun = begin(&jane).await;
            assert_eq!(begun.status, 200, "{}", begun.json());
            assert!(url_of(&begun).contains("max_age=0&") || url_of(&begun).ends_with("max_age=0"));
            jane.get(&path_of(&world.idp.authorize(&url_of(&begun)))).await
        };
        for fault in [Fault::ProvedLongAgo, Fault::ProvedMissing] {
            world.idp.fault(fault);
            assert_eq!(land().await.code(), "provider_error", "{fault:?}");
        }
        world.idp.fault(None);
        world.idp.claim("sub", "somebody-else");
        assert_eq!(land().await.code(), "invalid_state");
        world.idp.claim("sub", "248289761001");
        assert_step_up(&jane.get("/fresh").await, &json!(["provider"]));
        let done = land().await;
        assert_eq!((done.status.as_u16(), done.header("location")), (303, "/done".to_owned()), "{}", done.json());
        assert_eq!(methods_of(&jane.get("/auth/session").await), ["provider"]);
        assert_eq!(jane.get("/fresh").await.status, 200);

        // The user authenticated before the step-up began.
        world.bed.advance(600).await;
        let begun = begin(&jane).await;
        world.bed.advance(61).await;
        let callback = path_of(&world.idp.authorize(&url_of(&begun)));
        assert_eq!(jane.get(&callback).await.status, 303, "after it began");
        assert_eq!(begin(&world.client()).await.code(), "unauthenticated");
        let elsewhere = jane.post("/auth/oauth/fake/step-up", json!({ "redirect_to": "https://evil.example" })).await;
        assert_eq!(elsewhere.code(), "invalid_redirect");
        assert_eq!(jane.post("/auth/oauth/github/step-up", json!({})).await.code(), "not_found");
        let (native, ..) = world.bed.native("native@example.com").await;
        let refused = begin(&native).await;
        assert_eq!((refused.status.as_u16(), refused.code()), (422, "transport_disabled".to_owned()));
    }

    /// A provider that does not know `max_age` would return without a new authentication.
    async fn step_up_requests_a_login_prompt_that_the_provider_offers(world: &World) {
        world.idp.metadata("prompt_values_supported", json!(["none", "login"]));
        let ada = world.bed.browser("ada@example.com").await;
        for (path, has_prompt) in [("fake", true), ("other", false)] {
            let begun = ada.post(&format!("/auth/oauth/{path}/step-up"), json!({})).await.json();
            let url = begun["authorization_url"].as_str().unwrap_or_else(|| panic!("{begun}"));
            assert!(url.contains("&max_age=0"), "{url}");
            assert_eq!(url.contains("&prompt=login"), has_prompt, "{url}");
        }
        let start = world.client().get("/auth/oauth/fake/start").await;
        assert!(!start.header("location").contains("prompt="), "a sign-in needs no prompt");
    }

    async fn provider_of_two_identities_is_one_method(world: &World, { "fake.max_age_s": 300 }) {
        let jane = world.client();
        world.sign_in(&jane).await;
        world.idp.claim("sub", "another-subject");
        assert_eq!(world.link(&jane).await.status, 303);
        world.bed.advance(600).await;
        assert_step_up(&jane.get("/fresh").await, &json!(["provider"]));
    }

    /// The session is revoked while the provider is slow.
    async fn step_up_is_bound_to_its_session(world: &World) {
        let ada = world.bed.browser("ada@example.com").await;
        world.link(&ada).await;
        let begun = ada.post("/auth/oauth/fake/step-up", json!({})).await;
        let url = begun.json()["authorization_url"].as_str().unwrap().to_owned();
        let callback = path_of(&world.idp.authorize(&url));
        ada.forget_cookie("auth");
        ada.forget_cookie("auth-refresh");
        assert_eq!(ada.get(&callback).await.code(), "invalid_state");
        assert_eq!(me(&ada).await, Value::Null);
    }
}
