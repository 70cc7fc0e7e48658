//! Interoperability with real providers: unusual but valid claims, keys, metadata and responses.

use std::{
    io::Write,
    sync::{Arc, Mutex},
};

use authlayer::{
    Auth, EventKind, Oidc, SqliteStore,
    clock::Clock,
    testing::{FakeIdp, Fault, TestApp, TestClient, TestResponse},
};
use axum::Router;
use serde_json::{Value, json};

use crate::providers::{ORIGIN, SECRET, World, me, path_of, with_providers};

/// Signs in with a new browser.
async fn sign_in(world: &World) -> (TestClient, TestResponse) {
    let client = world.client();
    let answer = world.sign_in(&client).await;
    (client, answer)
}

async fn assert_signs_in(world: &World, what: &str) {
    let (client, answer) = sign_in(world).await;
    let body = answer.json();
    assert_eq!(
        (answer.status.as_u16(), &me(&client).await["email"]),
        (303, &json!("jane@example.com")),
        "{what}: {body}"
    );
}

async fn assert_rejected(world: &World, code: &str, what: &str) {
    let (client, answer) = sign_in(world).await;
    assert_eq!(answer.code(), code, "{what}");
    assert_eq!(me(&client).await, Value::Null, "{what}");
}

/// Lets the caches of metadata and keys expire.
async fn expire(world: &World) {
    world.bed.advance(3600).await;
}

async fn logout(world: &World, token: &str) -> u16 {
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let body = format!("logout_token={token}");
    let path = "/auth/oauth/fake/backchannel-logout";
    world.client().send(http::Method::POST, path, &form, body.as_bytes()).await.status.as_u16()
}

with_providers! {
    async fn claims_of_unexpected_types_do_not_prevent_sign_in(world: &World) {
        for (name, value) in [
            ("updated_at", json!("2024-05-01T10:00:00.000Z")),
            ("updated_at", json!({ "$date": 1 })),
            ("email_verified", json!("true")),
            ("email_verified", json!("True")),
            ("phone_number", json!(4_912_345)),
            ("phone_number_verified", json!("true")),
            ("amr", json!("pwd")),
            ("amr", json!([1, null])),
            ("acr", json!(1)),
            ("acr", json!(["urn:a"])),
            ("auth_time", json!("1767225600")),
            ("auth_time", json!(1_767_225_600.25)),
            ("auth_time", Value::Null),
            ("address", json!("1 Main Street")),
            ("address", json!(["1 Main Street"])),
            ("locale", json!({ "country": "US", "language": "en" })),
            ("zoneinfo", json!(2)),
            ("birthdate", json!(1990)),
            ("gender", json!(["f"])),
            ("picture", json!({ "data": { "url": "https://example.com/p" } })),
            ("website", json!([])),
            ("profile", Value::Null),
            ("name", json!(["Jane"])),
            ("given_name", json!({ "en": "Jane" })),
            ("preferred_username", json!(7)),
            ("nickname", json!(false)),
            ("sid", json!(7)),
            ("azp", Value::Null),
            ("nbf", Value::Null),
            ("at_hash", Value::Null),
            ("iat", json!(1_767_225_600.5)),
            ("exp", json!(1_767_225_900.5)),
            ("nbf", json!(1_767_225_600.5)),
            ("jti", json!(1)),
            ("groups", json!("admin")),
        ] {
            world.idp.id_token_claim(name, value.clone());
            if !matches!(name, "iat" | "exp" | "nbf" | "azp" | "at_hash") {
                world.idp.user_info_claim(name, value.clone());
            }
            assert_signs_in(world, &format!("{name} is {value}")).await;
            world.idp.reset();
        }
    }

    async fn security_relevant_claims_are_validated_strictly(world: &World) {
        for (name, value) in [
            ("iss", json!([world.idp.issuer()])),
            ("aud", json!([])),
            ("aud", json!([["client"]])),
            ("aud", json!(["client", 7])),
            ("aud", json!({ "0": "client" })),
            ("azp", json!("")),
            ("azp", json!(["client"])),
            ("sub", json!(["248289761001"])),
            ("exp", json!("1767225900")),
            ("exp", json!(true)),
            ("iat", json!("1767225600")),
            ("nbf", json!("1767225600")),
            ("nonce", json!([])),
            ("nonce", json!("")),
            ("nonce", Value::Null),
            ("at_hash", json!(7)),
            ("at_hash", json!("")),
        ] {
            world.idp.id_token_claim(name, value.clone());
            assert_rejected(world, "provider_error", &format!("{name} is {value}")).await;
            world.idp.reset();
        }
        world.idp.id_token_header("cty", "JWT");
        assert_rejected(world, "provider_error", "a nested token").await;
        assert_eq!(world.idp.requests("userinfo"), 0);
    }

    async fn max_age_requires_a_numeric_auth_time(world: &World, { "fake.max_age_s": 300 }) {
        let now = world.bed.bed.clock.now().as_second();
        world.idp.id_token_claim("auth_time", json!(f64::from(u32::try_from(now).unwrap()) - 0.5));
        assert_signs_in(world, "a fraction").await;
        for value in [json!(now.to_string()), json!(true), Value::Null] {
            world.idp.id_token_claim("auth_time", value.clone());
            assert_rejected(world, "provider_error", &format!("auth_time is {value}")).await;
        }
    }

    async fn email_and_email_verified_come_from_the_same_document(world: &World, { "auto_link_verified_email": true }) {
        let victim = world.bed.browser("victim@example.com").await;
        world.idp.claim("email", Value::Null);
        world.idp.claim("email_verified", Value::Null);
        let set = |id_token: Value, user_info: Value| {
            world.idp.reset();
            for (name, value) in id_token.as_object().unwrap() {
                world.idp.id_token_claim(name, value.clone());
            }
            for (name, value) in user_info.as_object().unwrap() {
                world.idp.user_info_claim(name, value.clone());
            }
        };
        for (case, id_token, user_info) in [
            ("verified elsewhere", json!({ "email_verified": true }), json!({ "email": "victim@example.com" })),
            ("verified in UserInfo alone", json!({ "email": "victim@example.com" }), json!({ "email_verified": true })),
            ("unverified in the ID token", json!({ "email": "victim@example.com", "email_verified": false }),
                json!({ "email": "victim@example.com", "email_verified": true })),
            ("two addresses", json!({ "email": "me@example.com" }), json!({ "email": "victim@example.com", "email_verified": true })),
        ] {
            set(id_token, user_info);
            assert_rejected(world, "email_not_verified", case).await;
        }
        set(json!({ "email": "me@example.com", "email_verified": true }), json!({ "email": "victim@example.com" }));
        let (client, answer) = sign_in(world).await;
        assert_eq!((answer.status.as_u16(), &me(&client).await["email"]), (303, &json!("me@example.com")), "the signed pair");
        for (case, subject, id_token, user_info) in [
            ("the signed pair", "two", json!({ "email": "two@example.com", "email_verified": true }),
                json!({ "email": "two@example.com", "email_verified": "false" })),
            ("UserInfo alone", "three", json!({}), json!({ "email": "three@example.com", "email_verified": true })),
            ("UserInfo of the same address", "four", json!({ "email": "Four@example.com" }),
                json!({ "email": "four@example.com", "email_verified": "true" })),
        ] {
            set(id_token, user_info);
            world.idp.claim("sub", subject);
            let (client, answer) = sign_in(world).await;
            let email = format!("{subject}@example.com");
            assert_eq!((answer.status.as_u16(), &me(&client).await["email"]), (303, &json!(email)), "{case}");
        }
        assert_ne!(me(&victim).await, Value::Null);
    }

    async fn linked_identity_signs_in_without_a_verified_email(world: &World) {
        assert_signs_in(world, "the first time").await;
        for (name, value) in [
            ("email_verified", json!(false)),
            ("email_verified", Value::Null),
            ("email", json!("not an address")),
            ("email", json!("")),
            ("email", Value::Null),
        ] {
            world.idp.claim(name, value.clone());
            assert_signs_in(world, &format!("{name} is {value}")).await;
        }
        let octo = world.client();
        assert_eq!(world.github(&octo).await.status, 303);
        let id = me(&octo).await["id"].clone();
        for (status, emails) in [
            (200, json!([{ "email": "octocat@example.com", "primary": true, "verified": false }])),
            (200, json!([])),
            (200, json!({ "message": "odd" })),
            (403, json!([])),
            (404, json!([])),
            (503, json!([])),
        ] {
            world.github.emails(emails.clone());
            world.github.emails_status(status);
            let again = world.client();
            assert_eq!(world.github(&again).await.status, 303, "{status} {emails}");
            assert_eq!(me(&again).await["id"], id, "{status} {emails}");
        }
        world.github.user(json!({ "login": "new", "id": 9 }));
        for (status, code) in [(403, "email_not_verified"), (404, "email_not_verified"), (503, "provider_error"), (200, "provider_error")] {
            world.github.emails(json!({ "message": "odd" }));
            world.github.emails_status(status);
            assert_eq!(world.github(&world.client()).await.code(), code, "a new user at {status}");
        }
    }

    async fn pages_of_github_emails_are_followed(world: &World) {
        let mut all: Vec<_> = (0..34).map(|n| json!({ "email": format!("n{n}@example.com"), "primary": false, "verified": true })).collect();
        all.push(json!({ "email": "main@example.com", "primary": true, "verified": true }));
        world.github.emails(json!(all));
        world.github.page_size(10);
        let octo = world.client();
        assert_eq!(world.github(&octo).await.status, 303);
        assert_eq!(me(&octo).await["email"], "main@example.com");
        assert_eq!(world.github.requests("emails"), 4);
        world.github.user(json!({ "login": "new", "id": 9 }));
        world.github.page_size(1);
        assert_eq!(world.github(&world.client()).await.code(), "email_not_verified");
        assert_eq!(world.github.requests("emails"), 14, "at most ten pages");
    }

    async fn disabled_sign_up_applies_to_providers(world: &World, { "sign_up": false }) {
        let (client, answer) = sign_in(world).await;
        assert_eq!((answer.status.as_u16(), answer.code()), (403, "sign_up_disabled".to_owned()));
        assert_eq!(me(&client).await, Value::Null);
        let octo = world.client();
        let answer = world.github(&octo).await;
        assert_eq!((answer.status.as_u16(), answer.code()), (403, "sign_up_disabled".to_owned()));
        assert_eq!(me(&octo).await, Value::Null);
    }

    async fn internationalized_email_addresses_sign_in(world: &World) {
        for (subject, given, stored) in [
            ("one", "anna@m\u{fc}ller.example", json!("anna@xn--mller-kva.example")),
            ("two", "anna@M\u{dc}LLER.example", Value::Null),
            ("three", "j\u{f6}rg@m\u{fc}ller.example", Value::Null),
            ("four", "j\u{f6}rg@example.com", Value::Null),
            ("five", " five@example.com ", json!("five@example.com")),
        ] {
            world.idp.claim("sub", subject);
            world.idp.claim("email", given);
            let (client, answer) = sign_in(world).await;
            if subject == "two" {
                assert_eq!(answer.code(), "account_exists", "the same address as before");
                continue;
            }
            assert_eq!((answer.status.as_u16(), &me(&client).await["email"]), (303, &stored), "{given}");
        }
        world.idp.claim("sub", "six");
        world.idp.claim("email", "j\u{f6}rg@example.com");
        world.idp.claim("email_verified", false);
        assert_rejected(world, "email_not_verified", "not verified either").await;
    }

    async fn jwks_is_parsed_leniently(world: &World) {
        assert_signs_in(world, "the first time").await;
        let key = world.idp.keys()["keys"][0].clone();
        world.idp.rotate_key();
        let mut other = world.idp.keys()["keys"][0].clone();
        world.idp.algorithm("RS256");
        other["kid"] = key["kid"].clone();
        let with = |changes: Value| {
            let mut key = key.clone();
            for (name, value) in changes.as_object().unwrap() {
                key[name] = value.clone();
            }
            key
        };
        for (case, keys) in [
            ("a key twice", json!([key, key])),
            ("two keys under one kid", json!([other, key])),
            ("keys of other types", json!([{ "kty": "OKP", "crv": "X25519", "x": "AA" }, { "kty": "oct", "k": "AA" }, {}, 7, null, key])),
            ("a key for encryption under the same kid", json!([with(json!({ "use": "enc" })), key])),
            ("empty members", json!([with(json!({ "use": "", "alg": "", "x5t": null }))])),
            ("null members", json!([with(json!({ "use": null, "alg": null, "key_ops": null, "x5c": null }))])),
            ("members of other types", json!([with(json!({ "x5c": "AA", "exp": "never", "key_ops": [] }))])),
            ("padding", json!([with(json!({ "n": format!("{}==", key["n"].as_str().unwrap()) }))])),
            ("its algorithm", json!([with(json!({ "alg": "RS256", "key_ops": ["verify"] }))])),
        ] {
            expire(world).await;
            world.idp.publish(json!({ "keys": keys }));
            assert_signs_in(world, case).await;
        }
        for (case, keys) in [
            ("another algorithm", json!([with(json!({ "alg": "PS256" }))])),
            ("for encryption", json!([with(json!({ "use": "enc" }))])),
            ("for wrapping", json!([with(json!({ "key_ops": ["wrapKey"] }))])),
            ("another kid", json!([with(json!({ "kid": "other" }))])),
            ("no key", json!([])),
        ] {
            expire(world).await;
            world.idp.publish(json!({ "keys": keys }));
            assert_rejected(world, "provider_error", case).await;
        }
    }

    async fn every_algorithm_can_be_configured(world: &World, {
        "fake.algorithms": ["RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
    }) {
        for name in ["RS384", "RS512", "PS256", "PS384", "PS512", "ES512", "EdDSA", "Ed25519"] {
            expire(world).await;
            world.idp.algorithm(name);
            assert_signs_in(world, name).await;
            let token = world.idp.logout_token(&json!({}));
            assert_eq!(logout(world, &token).await, 200, "{name}");
        }
        expire(world).await;
        world.idp.algorithm("RS256");
        assert_rejected(world, "provider_error", "RS256 was not configured").await;
    }

    async fn eddsa_and_ed25519_are_the_same_algorithm(world: &World, { "fake.algorithms": ["Ed25519"] }) {
        for name in ["EdDSA", "Ed25519"] {
            expire(world).await;
            world.idp.algorithm(name);
            assert_signs_in(world, name).await;
        }
    }

    async fn empty_metadata_members_are_treated_as_absent(world: &World) {
        assert_signs_in(world, "the first time").await;
        for (name, value) in [
            ("end_session_endpoint", json!("")),
            ("userinfo_endpoint", json!("")),
            ("userinfo_endpoint", Value::Null),
            ("authorization_response_iss_parameter_supported", Value::Null),
            ("authorization_response_iss_parameter_supported", json!("")),
            ("token_endpoint_auth_methods_supported", json!([])),
            ("token_endpoint_auth_methods_supported", Value::Null),
            ("id_token_signing_alg_values_supported", Value::Null),
            ("id_token_signing_alg_values_supported", json!("RS256")),
            ("scopes_supported", json!("openid")),
            ("claims_supported", json!({})),
        ] {
            expire(world).await;
            world.idp.reset();
            world.idp.metadata(name, value.clone());
            assert_signs_in(world, &format!("{name} is {value}")).await;
        }
        expire(world).await;
        world.idp.metadata("authorization_response_iss_parameter_supported", "true");
        world.idp.fault(Fault::CallbackIssuerMissing);
        assert_rejected(world, "invalid_state", "promised as a text").await;
    }

    async fn content_type_of_provider_responses_is_ignored(world: &World) {
        for kind in ["text/plain", "text/html; charset=utf-8", "application/octet-stream", "application/jwk+json", "text/javascript", ""] {
            for what in ["discovery", "jwks", "token", "userinfo"] {
                expire(world).await;
                world.idp.reset();
                world.idp.content_type(what, kind);
                assert_signs_in(world, &format!("{what} is {kind:?}")).await;
            }
        }
    }

    async fn metadata_selects_the_client_authentication_method(world: &World) {
        for (methods, sent) in [
            (Value::Null, "client_secret_basic"),
            (json!([]), "client_secret_basic"),
            (json!(["client_secret_post"]), "client_secret_post"),
            (json!(["private_key_jwt", "client_secret_post"]), "client_secret_post"),
            (json!(["client_secret_post", "client_secret_basic"]), "client_secret_basic"),
        ] {
            expire(world).await;
            world.idp.metadata("token_endpoint_auth_methods_supported", methods.clone());
            assert_signs_in(world, &methods.to_string()).await;
            assert_eq!(world.idp.client_auth(), sent, "{methods}");
        }
    }

    async fn secret_in_body_option_overrides_metadata(world: &World, { "fake.client_secret_post": true }) {
        world.idp.metadata("token_endpoint_auth_methods_supported", json!(["client_secret_post", "client_secret_basic"]));
        assert_signs_in(world, "the option").await;
        assert_eq!(world.idp.client_auth(), "client_secret_post");
    }

    async fn failed_user_info_falls_back_to_the_id_token(world: &World) {
        for status in [429, 500, 503, 401, 403, 302] {
            world.idp.status("userinfo", status);
            assert_signs_in(world, &status.to_string()).await;
        }
        world.idp.reset();
        world.idp.fault(Fault::UserInfoSigned);
        assert_signs_in(world, "a JWT with another signature").await;
        world.idp.fault(None);
        world.idp.claim("sub", "new");
        world.idp.status("userinfo", 503);
        for name in ["email", "email_verified"] {
            world.idp.id_token_claim(name, Value::Null);
            assert_rejected(world, "provider_error", &format!("a new user without {name} in the ID token")).await;
        }
        world.idp.claim("sub", "248289761001");
        assert_signs_in(world, "a known user needs neither").await;
    }

    async fn signed_user_info_is_verified(world: &World) {
        world.idp.id_token_claim("email", Value::Null);
        world.idp.sign_user_info();
        assert_signs_in(world, "signed").await;
        world.idp.claim("sub", "new");
        world.idp.id_token_claim("email", Value::Null);
        world.idp.fault(Fault::UserInfoSigned);
        assert_rejected(world, "provider_error", "a new user by a bad signature").await;
        world.idp.fault(None);
        world.idp.user_info_claim("sub", "other");
        assert_rejected(world, "provider_error", "another subject").await;
    }

    async fn prefetched_start_creates_no_flow(world: &World) {
        let client = world.client();
        let callback = world.to_callback(&client, "").await;
        let before = client.cookies();
        for (name, value) in [
            ("sec-purpose", "prefetch"),
            ("sec-purpose", "prefetch;prerender"),
            ("sec-purpose", "prefetch;anonymous-client-ip"),
            ("purpose", "prefetch"),
            ("x-moz", "prefetch"),
            ("sec-purpose", "Prefetch"),
        ] {
            let answer = client.clone().with(name, value).get("/auth/oauth/fake/start").await;
            assert_eq!(answer.status, 204, "{name}: {value}");
            assert!(answer.set_cookies().is_empty(), "{name}: {value}");
        }
        assert_eq!(client.cookies(), before);
        assert_eq!(client.get(&callback).await.status, 303);
        assert_eq!(world.client().with("sec-purpose", "prefetch").get("/auth/oauth/none/start").await.status, 404);
    }

    async fn only_denial_errors_return_provider_denied(world: &World) {
        for (error, status, code) in [
            ("access_denied", 403, "provider_denied"),
            ("consent_required", 403, "provider_denied"),
            ("interaction_required", 403, "provider_denied"),
            ("login_required", 403, "provider_denied"),
            ("user_cancelled_authorize", 403, "provider_denied"),
            ("server_error", 502, "provider_error"),
            ("temporarily_unavailable", 502, "provider_error"),
            ("invalid_request", 502, "provider_error"),
            ("invalid_scope", 502, "provider_error"),
            ("unauthorized_client", 502, "provider_error"),
            ("unsupported_response_type", 502, "provider_error"),
            ("account_selection_required", 502, "provider_error"),
            ("ACCESS_DENIED", 502, "provider_error"),
            ("access_denied ", 502, "provider_error"),
            ("\"><script>", 502, "provider_error"),
        ] {
            world.idp.error(Some(error));
            let client = world.client();
            let callback = world.to_callback(&client, "").await;
            let answer = client.get(&callback).await;
            assert_eq!((answer.status.as_u16(), answer.code()), (status, code.to_owned()), "{error}");
            assert!(!String::from_utf8_lossy(&answer.body).contains("script"), "{error}");
            assert_eq!(client.get(&callback).await.code(), "invalid_state", "{error}: consumed");
        }
        world.idp.error(Some(""));
        assert_rejected(world, "invalid_state", "neither code nor error").await;
        assert_eq!(world.idp.requests("token"), 0);
    }

    async fn logout_tokens_with_no_or_a_long_expiry_revoke_sessions(world: &World) {
        let now = world.bed.bed.clock.now().as_second();
        for change in [
            json!({ "exp": null }),
            json!({ "exp": now + 86_400 }),
            json!({ "exp": 1e300 }),
            json!({ "exp": f64::from(u32::try_from(now).unwrap()) + 60.5, "iat": f64::from(u32::try_from(now).unwrap()) - 0.5 }),
            json!({ "typ": null }),
            json!({ "kid": null }),
        ] {
            let (client, _) = sign_in(world).await;
            assert_ne!(me(&client).await, Value::Null);
            let token = world.idp.logout_token(&change);
            assert_eq!(logout(world, &token).await, 200, "{change}");
            assert_eq!(me(&client).await, Value::Null, "{change}");
            assert_eq!(logout(world, &token).await, 400, "{change}: replayed");
        }
        let token = world.idp.logout_token(&json!({ "exp": null }));
        let long = world.idp.logout_token(&json!({ "exp": now + 86_400 }));
        assert_eq!(logout(world, &long).await, 200);
        world.bed.advance(600).await;
        assert_eq!(logout(world, &long).await, 400, "replayed within its ten minutes");
        world.bed.advance(1).await;
        let (client, _) = sign_in(world).await;
        assert_eq!((logout(world, &token).await, logout(world, &long).await), (400, 400), "iat bounds both");
        assert_ne!(me(&client).await, Value::Null);
        let events = world.bed.bed.watch.all();
        let rejected = events.iter().filter(|event| event.kind == EventKind::ProviderRefused);
        let rejected: Vec<_> = rejected.map(|event| serde_json::to_value(event).unwrap().to_string()).collect();
        assert_eq!(rejected.len(), 9);
        assert!(rejected.iter().all(|event| event.contains("logout_token")), "{rejected:?}");
    }

    async fn a_pending_sign_in_ends_with_its_identity(world: &World, { "sign_in_code": true }) {
        let verify = async |client: &TestClient| {
            let mail = world.client().get("/testbed/mail?to=jane@example.com").await.json();
            let codes = mail["messages"].as_array().unwrap().iter().rev();
            let code = codes.filter_map(|message| message["code"].as_str()).next().unwrap();
            client.post("/auth/verify", &json!({ "code": code })).await
        };
        let (jane, begun) = sign_in(world).await;
        assert_eq!((begun.status.as_u16(), me(&jane).await), (303, Value::Null));
        assert_eq!(verify(&jane).await.status, 200);
        let link = jane.post("/auth/oauth/other/link", &json!({})).await.json()["authorization_url"].as_str().unwrap().to_owned();
        assert_eq!(jane.get(&path_of(&world.other.authorize(&link))).await.status, 303);
        let identities = jane.get("/auth/identities").await.json()["identities"].clone();
        let own = identities.as_array().unwrap().iter().find(|own| own["provider"] == "fake").unwrap();
        world.bed.advance(60).await;
        let (thief, _) = sign_in(world).await;
        let path = format!("/auth/identities/{}", own["id"].as_str().unwrap());
        assert_eq!(jane.send(http::Method::DELETE, &path, &[], b"").await.status, 204);
        let answer = verify(&thief).await;
        assert_eq!((answer.status.as_u16(), answer.code()), (401, "challenge_expired".to_owned()));
        assert_eq!(me(&thief).await, Value::Null);
    }
}

/// An application with one provider that has a non-default option.
struct Own {
    idp: FakeIdp,
    app: TestApp,
    auth: Auth,
}

impl Own {
    async fn with(options: impl FnOnce(Oidc) -> Oidc) -> Self {
        let idp = FakeIdp::start("client", SECRET).await;
        let flow = Oidc::new("fake", idp.issuer(), "client").client_secret(SECRET);
        let store = SqliteStore::memory().await.unwrap();
        let auth = Auth::builder(store).origin(ORIGIN).flow(options(flow)).build().unwrap();
        let router = Router::new().nest("/auth", auth.router()).layer(auth.layer());
        let app = TestApp::serve(router).await;
        Self { idp, app, auth }
    }

    async fn sign_in(&self) -> (TestClient, TestResponse) {
        let client = self.app.client();
        let start = client.get("/auth/oauth/fake/start").await;
        let answer = client.get(&path_of(&self.idp.authorize(&start.header("location")))).await;
        (client, answer)
    }
}

#[tokio::test]
async fn further_audiences_are_accepted_if_configured() {
    let own = Own::with(|flow| flow.additional_audience("project")).await;
    for (audience, party, status) in [
        (json!(["client", "project"]), json!("client"), 303),
        (json!(["project", "client"]), json!("client"), 303),
        (json!("client"), Value::Null, 303),
        (json!(["client", "client"]), Value::Null, 303),
        (json!(["client", "project"]), Value::Null, 502),
        (json!(["client", "project"]), json!("project"), 502),
        (json!(["client", "project", "other"]), json!("client"), 502),
        (json!(["project"]), json!("client"), 502),
        (json!("project"), json!("client"), 502),
    ] {
        own.idp.id_token_claim("aud", audience.clone());
        own.idp.id_token_claim("azp", party.clone());
        assert_eq!(own.sign_in().await.1.status, status, "{audience} {party}");
    }
    own.idp.reset();
    let (client, _) = own.sign_in().await;
    let body =
        format!("logout_token={}", own.idp.logout_token(&json!({ "aud": ["client", "project"] })));
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let path = "/auth/oauth/fake/backchannel-logout";
    let answer = own.app.client().send(http::Method::POST, path, &form, body.as_bytes()).await;
    assert_eq!(
        (answer.status.as_u16(), client.get("/auth/session").await.status.as_u16()),
        (200, 401)
    );
    own.auth.shutdown(std::time::Duration::from_secs(60)).await;
}

#[tokio::test]
async fn nonce_can_be_disabled() {
    let own = Own::with(Oidc::insecure_without_nonce).await;
    own.idp.fault(Fault::NonceMissing);
    assert_eq!(own.sign_in().await.1.status, 303);
    own.idp.fault(Fault::NonceOther);
    assert_eq!(own.sign_in().await.1.status, 502);
    own.idp.fault(None);
    assert_eq!(own.sign_in().await.1.status, 303);
}

#[tokio::test]
async fn log_names_unsupported_algorithms_and_rejected_logout_tokens() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt().with_ansi(false);
    let subscriber = subscriber
        .with_writer({
            let log = log.clone();
            move || log.clone()
        })
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let own = Own::with(|flow| flow.algorithms(["ES384".parse().unwrap()])).await;
    assert_eq!(
        own.app.client().get("/auth/oauth/fake/start").await.status,
        303,
        "metadata may be wrong"
    );
    assert!(log.text().contains("configured=\"ES384\""), "{}", log.text());
    assert!(log.text().contains("RS256 HS256 none"), "{}", log.text());
    assert_eq!(own.sign_in().await.1.code(), "provider_error");
    assert!(log.text().contains(".algorithms(…) allows only ES384"), "{}", log.text());
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let path = "/auth/oauth/fake/backchannel-logout";
    own.app.client().send(http::Method::POST, path, &form, b"logout_token=x.y.z").await;
    assert!(log.text().contains("a logout token was rejected"), "{}", log.text());
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
