//! Sign-in by valid and hostile OpenID providers. Test names of the OpenID conformance suite are
//! written without their prefix `oidcc-client-test`.

use authlayer::{
    EventKind,
    clock::Clock,
    testing::{Fault, TestClient},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::providers::{SECRET, World, me, with_providers};

/// Asserts that a sign-in is rejected without a session and without a UserInfo request.
async fn assert_rejected(world: &World, fault: Fault, code: &str) {
    let client = world.client();
    world.idp.fault(fault);
    let before = world.idp.requests("userinfo");
    let answer = world.sign_in(&client).await;
    assert_eq!(answer.code(), code, "{fault:?}");
    assert_eq!(world.idp.requests("userinfo"), before, "{fault:?}: OA-24");
    assert!(client.cookie("auth").is_none(), "{fault:?}");
    assert_eq!(me(&client).await, Value::Null, "{fault:?}");
    world.idp.fault(None);
}

async fn assert_accepted(world: &World, fault: Option<Fault>) -> TestClient {
    let client = world.client();
    world.idp.fault(fault);
    let answer = world.sign_in(&client).await;
    assert_eq!(
        (answer.status.as_u16(), answer.header("location")),
        (303, "/".to_owned()),
        "{fault:?}: {}",
        answer.json()
    );
    assert_eq!(me(&client).await["email"], "jane@example.com", "{fault:?}");
    world.idp.fault(None);
    client
}

with_providers! {
    /// `` (the suite's first), `-client-secret-basic`, `-idtoken-sig-rs256`,
    /// `-discovery-openid-config`, `-discovery-jwks-uri-keys`, `-userinfo-bearer-header`,
    /// `-scope-userinfo-claims`; OA-10, OA-12, OA-25, OA-32, SE-04.
    async fn sign_in_with_a_valid_provider_succeeds(world: &World) {
        let client = assert_accepted(world, None).await;
        let user = me(&client).await;
        assert_eq!(user["email_verified"], true);
        assert_eq!(user["display_name"], "Jane Doe");
        assert_eq!(user["avatar_url"], "https://example.com/janedoe/me.jpg");
        let session = client.get("/auth/session").await.json();
        assert_eq!(session["session"]["factors"][0]["method"], "provider");
        for what in ["discovery", "jwks", "authorize", "token", "userinfo"] {
            assert_eq!(world.idp.requests(what), 1, "{what}");
        }
        assert_accepted(world, None).await;
        assert_eq!(world.idp.requests("discovery"), 1, "cached");
        assert_eq!(world.idp.requests("jwks"), 1, "cached");
    }

    /// `-client-secret-post`
    async fn client_secret_can_be_sent_in_the_body(world: &World, { "fake.client_secret_post": true }) {
        assert_accepted(world, None).await;
    }

    /// OA-01, OA-02, OA-03, OA-20, D13, CK-03, CK-20
    async fn authorization_request_is_bound_and_reveals_no_secret(world: &World) {
        let client = world.client();
        let start = client.get("/auth/oauth/fake/start?redirect_to=/x&unknown=1").await;
        let url = start.header("location");
        assert_eq!(start.header("referrer-policy"), "no-referrer");
        assert_eq!(start.header("cache-control"), "no-store");
        let cookies = start.set_cookies();
        assert_eq!(cookies.len(), 1);
        let line = &cookies[0];
        assert!(line.starts_with("auth-flow-") && line.contains("; HttpOnly; SameSite=Lax; Path=/; Max-Age=600"), "{line}");
        let secret = line.split(['=', ';']).nth(1).unwrap();
        assert!(!url.contains(secret) && !url.contains(SECRET));
        let value = |name: &str| {
            let pair = url.split(['?', '&']).find_map(|pair| pair.strip_prefix(&format!("{name}=")));
            pair.unwrap_or_default().to_owned()
        };
        assert_eq!(value("response_type"), "code");
        assert_eq!(value("code_challenge_method"), "S256");
        assert_eq!(value("scope"), "openid+profile+email");
        assert_eq!(value("redirect_uri"), "http%3A%2F%2Flocalhost%3A3000%2Fauth%2Foauth%2Ffake%2Fcallback");
        assert!(value("state").len() >= 43 && value("nonce").len() == 43 && value("code_challenge").len() == 43);
        let again = client.get("/auth/oauth/fake/start").await.header("location");
        assert_ne!(again, url);
        let text = String::from_utf8_lossy(&world.bed.dump().await).into_owned();
        for secret in [secret, &value("state"), &value("nonce"), &value("code_challenge")] {
            assert!(!text.contains(secret), "SE-02: the store contains {secret}");
        }
    }

    /// D7, OA-14, OA-15, OA-16, OA-17, OA-18, OA-19, OA-20, OA-21, OA-23, OA-24:
    /// `-idtoken-sig-none`, `-invalid-sig-rs256`, `-invalid-sig-hs256`, `-invalid-sig-es256`,
    /// `-invalid-iss`, `-invalid-aud`, `-missing-aud`, `-missing-sub`, `-missing-iat`,
    /// `-nonce-invalid`, `-kid-absent-multiple-jwks`, `-invalid-athash`.
    async fn invalid_id_tokens_are_rejected(world: &World) {
        for fault in [
            Fault::AlgNone,
            Fault::SignatureWrong,
            Fault::SignedWithSecret,
            Fault::SignedWithPublicKey,
            Fault::SignatureEs256,
            Fault::SignedRs384,
            Fault::KeyEmbedded,
            Fault::KeyUnknown,
            Fault::KeyForEncryption,
            Fault::IssuerOther,
            Fault::IssuerMissing,
            Fault::AudienceOther,
            Fault::AudienceMore,
            Fault::AudienceMissing,
            Fault::PartyOther,
            Fault::SubjectMissing,
            Fault::SubjectEmpty,
            Fault::SubjectNumber,
            Fault::IssuedMissing,
            Fault::IssuedLongAgo,
            Fault::IssuedInFuture,
            Fault::Expired,
            Fault::ExpiryMissing,
            Fault::NotYet,
            Fault::NonceOther,
            Fault::NonceMissing,
            Fault::AccessHashOther,
            Fault::TypeAccessToken,
            Fault::TypeLogoutToken,
            Fault::Critical,
        ] {
            // Keys are fetched again, so that each fault of the keys is tested.
            world.bed.advance(3600).await;
            assert_rejected(world, fault, "provider_error").await;
        }
        world.bed.advance(3600).await;
        world.idp.fault(Fault::KidAbsentTwoKeys);
        assert_rejected(world, Fault::KidAbsentTwoKeys, "provider_error").await;
        world.bed.advance(3600).await;
        assert_accepted(world, None).await;
    }

    /// `-kid-absent-single-jwks`; OA-15, OA-19
    async fn unusual_but_valid_responses_are_accepted(world: &World) {
        assert_accepted(world, Some(Fault::KidAbsentOneKey)).await;
        assert_accepted(world, Some(Fault::ExpiredJustNow)).await;
    }

    /// `-userinfo-invalid-sub`, OA-25
    async fn user_info_of_another_subject_is_rejected(world: &World) {
        for fault in [Fault::UserInfoSubjectOther, Fault::UserInfoSubjectMissing] {
            let client = world.client();
            world.idp.fault(fault);
            assert_eq!(world.sign_in(&client).await.code(), "provider_error", "{fault:?}");
            assert_eq!(me(&client).await, Value::Null);
        }
    }

    /// OA-11: malformed responses of a provider
    async fn malformed_provider_responses_are_errors(world: &World) {
        for fault in [Fault::TokenError, Fault::TokenRedirects, Fault::TokenHuge, Fault::TokenNoJson] {
            assert_rejected(world, fault, "provider_error").await;
        }
    }

    /// `-discovery-issuer-mismatch`, D6, OA-12
    async fn invalid_discovery_document_prevents_the_start(world: &World) {
        for fault in [Fault::DiscoveryIssuerOther, Fault::DiscoveryPlainKeys, Fault::Down] {
            world.bed.advance(2).await;
            world.idp.fault(fault);
            let start = world.client().get("/auth/oauth/fake/start").await;
            assert_eq!((start.status.as_u16(), start.code()), (502, "provider_error".to_owned()), "{fault:?}");
        }
        assert_eq!(world.idp.requests("authorize"), 0);
        assert_eq!(world.bed.client().get("/public").await.status, 200, "other routes are available");
        world.bed.advance(2).await;
        assert_accepted(world, None).await;
        world.bed.advance(7200).await;
        world.idp.fault(Fault::Down);
        let start = world.client().get("/auth/oauth/fake/start").await;
        assert_eq!(start.status, 303, "cached metadata is used while it is down");
    }

    /// `-signing-key-rotation`, `-signing-key-rotation-just-before-signing`, OA-13
    async fn unknown_key_id_refetches_the_jwks_at_most_once_a_minute(world: &World) {
        assert_accepted(world, None).await;
        world.idp.rotate_key();
        assert_accepted(world, None).await;
        assert_eq!(world.idp.requests("jwks"), 2);
        for _ in 0..10 {
            assert_rejected(world, Fault::KeyUnknown, "provider_error").await;
        }
        assert_eq!(world.idp.requests("jwks"), 2, "not within a minute");
        world.bed.advance(61).await;
        assert_rejected(world, Fault::KeyUnknown, "provider_error").await;
        assert_rejected(world, Fault::KeyUnknown, "provider_error").await;
        assert_eq!(world.idp.requests("jwks"), 3);
    }

    /// OA-14: a different algorithm is configured
    async fn only_configured_algorithms_are_accepted(world: &World, { "fake.algorithms": ["EdDSA"] }) {
        assert_rejected(world, Fault::AlgNone, "provider_error").await;
        let client = world.client();
        assert_eq!(world.sign_in(&client).await.code(), "provider_error", "RS256 was not configured");
        world.idp.use_ed25519();
        world.bed.advance(3600).await;
        assert_accepted(world, None).await;
    }

    /// OA-22, SE-12
    async fn auth_time_is_checked_against_max_age(world: &World, { "fake.max_age_s": 300 }) {
        let client = world.client();
        let url = client.get("/auth/oauth/fake/start").await.header("location");
        assert!(url.contains("&max_age=300"), "{url}");
        assert_accepted(world, None).await;
        assert_rejected(world, Fault::ProvedLongAgo, "provider_error").await;
        assert_rejected(world, Fault::ProvedMissing, "provider_error").await;
    }

    /// D1, D2, OA-03, OA-04: every state that is used or of another browser
    async fn callback_is_bound_to_its_browser_and_state(world: &World) {
        let client = world.client();
        let callback = world.to_callback(&client, "").await;
        let state = callback.split("state=").nth(1).unwrap().split('&').next().unwrap().to_owned();
        let elsewhere = world.client();
        world.to_callback(&elsewhere, "").await;
        let other = if state.starts_with('A') { "B" } else { "A" };
        let altered = callback.replace(&state, &format!("{other}{}", &state[1..]));
        let tries = [
            (world.client(), callback.clone(), "no browser"),
            (elsewhere.clone(), callback.clone(), "another browser"),
            (client.clone(), callback.replace(&format!("&state={state}"), ""), "missing"),
            (client.clone(), callback.replace(&state, ""), "empty"),
            (client.clone(), altered, "altered"),
        ];
        for (who, path, what) in tries {
            let answer = who.get(&path).await;
            assert_eq!((answer.status.as_u16(), answer.code()), (400, "invalid_state".to_owned()), "{what}");
        }
        assert_eq!(world.idp.requests("token"), 0, "no request was sent");
        assert_eq!(client.get(&callback).await.status, 303, "and the state is still valid");
        assert!(flow_cookies(&client).is_empty());
        assert_eq!(client.get(&callback).await.code(), "invalid_state", "used");
        let late = world.client();
        let callback = world.to_callback(&late, "").await;
        world.bed.advance(600).await;
        assert_eq!(late.get(&callback).await.code(), "invalid_state", "expired");
        assert_eq!(world.idp.requests("token"), 1);
    }

    /// D3, OA-04
    async fn concurrent_callbacks_succeed_once(world: &World) {
        let client = world.client();
        let callback = world.to_callback(&client, "").await;
        let mut tries = JoinSet::new();
        for _ in 0..10 {
            let copy = world.client();
            for (name, value) in flow_cookies(&client) {
                copy.set_cookie(&name, &value);
            }
            let callback = callback.clone();
            tries.spawn(async move { copy.get(&callback).await.status.as_u16() });
        }
        let mut answers = tries.join_all().await;
        answers.sort_unstable();
        assert_eq!(answers[0], 303);
        assert!(answers[1..].iter().all(|status| *status == 400), "{answers:?}");
        assert_eq!(world.idp.requests("token"), 1);
    }

    /// D14, OA-04: tabs finish in any order, and the number of cookies is limited
    async fn tabs_have_independent_flows(world: &World) {
        let client = world.client();
        let first = world.to_callback(&client, "?redirect_to=/first").await;
        let second = world.to_callback(&client, "?redirect_to=/second").await;
        assert_eq!(client.get(&first).await.header("location"), "/first");
        assert_eq!(client.get(&second).await.header("location"), "/second");
        assert!(flow_cookies(&client).is_empty(), "both are removed");
        let mut all = Vec::new();
        for _ in 0..7 {
            world.bed.advance(1).await;
            all.push(world.to_callback(&client, "").await);
        }
        assert_eq!(flow_cookies(&client).len(), 5);
        assert_eq!(client.get(&all[0]).await.code(), "invalid_state", "the oldest was removed");
        assert_eq!(client.get(&all[6]).await.status, 303);
    }

    /// OA-08: a callback of one provider on the path of another
    async fn code_is_sent_only_to_its_own_provider(world: &World) {
        let client = world.client();
        let callback = world.to_callback(&client, "").await;
        let answer = client.get(&callback.replace("/fake/", "/other/")).await;
        assert_eq!(answer.code(), "invalid_state");
        assert_eq!((world.idp.requests("token"), world.other.requests("token")), (0, 0));
    }

    /// D5, OA-07, RFC 9207
    async fn issuer_of_the_authorization_response_is_checked(world: &World) {
        for fault in [Fault::CallbackIssuerOther, Fault::CallbackIssuerMissing] {
            assert_rejected(world, fault, "invalid_state").await;
        }
        assert_eq!(world.idp.requests("token"), 0);
    }

    /// OA-09
    async fn provider_errors_are_reported_without_their_text(world: &World) {
        let client = world.client();
        world.idp.fault(Fault::Denied);
        let callback = world.to_callback(&client, "").await;
        let answer = client.get(&callback).await;
        assert_eq!((answer.status.as_u16(), answer.code()), (403, "provider_denied".to_owned()));
        assert!(!String::from_utf8_lossy(&answer.body).contains("script"));
        assert_eq!(client.get(&callback).await.code(), "invalid_state", "consumed");
        world.idp.fault(None);
        let good = world.to_callback(&client, "").await;
        for more in ["&code=x", "&state=x", "&iss=x", "&error=x&error=y"] {
            let answer = client.get(&format!("{good}{more}")).await;
            assert_eq!((answer.status.as_u16(), answer.code()), (400, "invalid_request".to_owned()), "{more}");
        }
        assert_eq!(client.get(&format!("{good}&error=x")).await.code(), "invalid_state", "code with error");
        assert_eq!(world.idp.requests("token"), 0);
        assert_eq!(world.bed.bed.watch.count(EventKind::SignedIn), 0);
    }

    /// The configured error page
    async fn errors_redirect_to_the_error_page(world: &World, { "error_page": "/sign-in?from=provider" }) {
        let answer = world.client().get("/auth/oauth/fake/callback?code=x&state=y").await;
        assert_eq!((answer.status.as_u16(), answer.header("location")), (303, "/sign-in?from=provider&error=invalid_state".to_owned()));
        world.idp.fault(Fault::Down);
        let answer = world.client().get("/auth/oauth/fake/start").await;
        assert_eq!(answer.header("location"), "/sign-in?from=provider&error=provider_error");
    }

    /// E1, CK-18: the table of redirect targets is in `redirect.rs`; this tests the routes
    async fn sign_in_redirects_only_to_allowed_targets(world: &World) {
        for place in ["//evil.example", "/%5cevil.example", "https://evil.example", "javascript:alert(1)", "https://ok.example.com@evil.example", "%2F%09%2Fevil.example", "https://ok.example.com.", ""] {
            let answer = world.client().get(&format!("/auth/oauth/fake/start?redirect_to={place}")).await;
            assert_eq!((answer.status.as_u16(), answer.code()), (400, "invalid_redirect".to_owned()), "{place}");
        }
        let twice = world.client().get("/auth/oauth/fake/start?redirect_to=/a&redirect_to=/b").await;
        assert_eq!((twice.status.as_u16(), twice.code()), (400, "invalid_request".to_owned()));
        let client = world.client();
        let callback = world.to_callback(&client, "?redirect_to=https://ok.example.com/app").await;
        let answer = client.get(&callback).await;
        assert_eq!(answer.header("location"), "https://ok.example.com/app", "D13: the URL contains no token");
        let other = world.client().get("/auth/oauth/nobody/start").await;
        assert_eq!((other.status.as_u16(), other.code()), (404, "not_found".to_owned()));
        assert_eq!(world.client().get("/auth/oauth/fake/start?transport=x").await.code(), "invalid_request");
    }

    /// OA-06, E3: a forged host has no effect
    async fn redirect_uri_comes_from_the_configuration(world: &World) {
        let client = world.client().with("x-forwarded-host", "evil.example");
        let url = client.get("/auth/oauth/fake/start").await.header("location");
        assert!(!url.contains("evil") && url.contains("localhost%3A3000"));
    }

    /// OA-33, F24: no token of the provider is stored
    async fn provider_tokens_are_not_stored(world: &World) {
        let client = assert_accepted(world, None).await;
        let text = String::from_utf8_lossy(&world.bed.dump().await).into_owned();
        for secret in ["provider-access-token", "provider-refresh-token", &world.idp.last_id_token(), SECRET] {
            assert!(!text.contains(secret), "{secret}");
        }
        assert!(!text.contains(&client.cookie("auth").unwrap()));
    }

    /// `-rp-init-logout`, `-rp-init-logout-other-state`, `-rp-init-logout-no-state`; OA-35
    async fn sign_out_can_return_a_provider_logout_url(world: &World, { "fake.store_id_token": true }) {
        let client = assert_accepted(world, None).await;
        let hint = world.idp.last_id_token();
        let access = client.cookie("auth").unwrap();
        let answer = client.post("/auth/sign-out", json!({ "provider_logout": true })).await;
        assert_eq!(answer.status, 200);
        let url = answer.json()["logout_url"].as_str().unwrap().to_owned();
        assert!(url.starts_with(&format!("{}/end_session?client_id=client", world.idp.issuer())), "{url}");
        assert!(url.contains(&format!("id_token_hint={hint}")) && url.contains("&state="), "{url}");
        assert!(url.contains("post_logout_redirect_uri=http%3A%2F%2Flocalhost%3A3000%2Fauth%2Foauth%2Ffake%2Fsigned-out"), "{url}");
        assert!(client.cookie("auth").is_none());
        assert_eq!(world.client().bearer(&access).get("/me").await.status, 401, "the local session is revoked first");
        let rows = String::from_utf8_lossy(&world.bed.dump().await).into_owned();
        // An SQLite file contains deleted rows until their page is reused.
        assert!(rows.starts_with("SQLite") || !rows.contains(&hint), "the hint was deleted");
        for state in ["", "?state=foreign", "?state=a&state=b"] {
            let back = world.client().get(&format!("/auth/oauth/fake/signed-out{state}")).await;
            assert_eq!((back.status.as_u16(), back.header("location")), (303, "/".to_owned()));
        }
        let other = assert_accepted(world, None).await;
        assert_eq!(other.post("/auth/sign-out", json!({})).await.status, 204, "only on request");
    }

    /// A process of an earlier version wrote the session.
    async fn back_channel_logout_revokes_sessions_without_stored_tags(world: &World) {
        let jane = assert_accepted(world, None).await;
        for sql in [
            "CREATE TABLE earlier AS SELECT * FROM auth_sessions",
            "DELETE FROM auth_sessions",
            "UPDATE earlier SET tags = NULL",
            "INSERT INTO auth_sessions SELECT * FROM earlier",
            "DROP TABLE earlier",
        ] {
            world.bed.run(sql).await;
        }
        assert_ne!(me(&jane).await, Value::Null);
        let token = world.idp.logout_token(&json!({ "sub": "248289761001", "sid": "session-1" }));
        assert_eq!(back_channel_logout(world, &token).await.status, 200);
        assert_eq!(me(&jane).await, Value::Null);
        assert_eq!(world.bed.text("SELECT CAST(COUNT(*) AS TEXT) FROM auth_tags").await, "0");
    }

    /// `-rp-backchannel-rpinitlogout`, OA-36
    async fn back_channel_logout_revokes_sessions_of_the_provider(world: &World) {
        let here = assert_accepted(world, None).await;
        world.idp.claim("sid", "session-2");
        let there = assert_accepted(world, None).await;
        world.idp.claim("sub", "somebody-else");
        world.idp.claim("email", Value::Null);
        let other = world.client();
        assert_eq!(world.sign_in(&other).await.status, 303);
        let jane = json!({ "sub": "248289761001", "sid": "session-1" });
        let token = world.idp.logout_token(&jane);
        let answer = back_channel_logout(world, &token).await;
        assert_eq!((answer.status.as_u16(), answer.header("cache-control")), (200, "no-store".to_owned()));
        assert_eq!(me(&here).await, Value::Null);
        let kept = here.cookie("auth-refresh").unwrap();
        assert_eq!(here.post("/auth/refresh", json!({ "refresh_token": kept })).await.code(), "invalid_refresh_token");
        assert_ne!(me(&there).await, Value::Null, "another session at the provider");
        let again = sign_in_as(world, "248289761001", "session-1").await;
        assert_eq!(back_channel_logout(world, &token).await.status, 400, "replayed");
        assert_ne!(me(&again).await, Value::Null);
        let all = world.idp.logout_token(&json!({ "sub": "248289761001", "sid": null }));
        assert_eq!(back_channel_logout(world, &all).await.status, 200);
        assert_eq!((me(&there).await, me(&again).await), (Value::Null, Value::Null));
        assert_ne!(me(&other).await, Value::Null, "another user");
    }

    /// `-rp-backchannel-rpinitlogout-{alg-none,no-event,with-nonce,wrong-alg,wrong-aud,
    /// wrong-event,wrong-iss}`, OA-36, SE-17
    async fn invalid_logout_tokens_revoke_nothing(world: &World) {
        let client = assert_accepted(world, None).await;
        let now = world.bed.bed.clock.now().as_second();
        for change in [
            json!({ "alg": "none" }),
            json!({ "alg": "HS256" }),
            json!({ "alg": "RS384" }),
            json!({ "events": null }),
            json!({ "events": { "http://schemas.openid.net/event/other": {} } }),
            json!({ "events": { "http://schemas.openid.net/event/backchannel-logout": true } }),
            json!({ "nonce": "n" }),
            json!({ "aud": "another-client" }),
            json!({ "aud": ["client", "another-client"] }),
            json!({ "aud": null }),
            json!({ "iss": "https://evil.example" }),
            json!({ "iat": null }),
            json!({ "iat": now - 3600 }),
            json!({ "iat": now.to_string() }),
            json!({ "exp": (now + 60).to_string() }),
            json!({ "exp": now - 120 }),
            json!({ "jti": null }),
            json!({ "sub": null, "sid": null }),
            json!({ "typ": "at+jwt" }),
            json!({ "crit": ["x"], "typ": "id+jwt" }),
        ] {
            let token = world.idp.logout_token(&change);
            let answer = back_channel_logout(world, &token).await;
            assert_eq!((answer.status.as_u16(), answer.code()), (400, "invalid_request".to_owned()), "{change}");
        }
        let id_token = world.idp.last_id_token();
        assert_eq!(back_channel_logout(world, &id_token).await.status, 400, "an ID token is not a logout token");
        assert_eq!(back_channel_logout(world, "x.y.z").await.status, 400);
        let events = world.bed.bed.watch.all().into_iter();
        let rejected = events.filter(|event| event.kind == EventKind::ProviderRefused);
        assert_eq!(rejected.count(), 22, "each rejected token emits an event");
        let json = client.post("/auth/oauth/fake/backchannel-logout", json!({ "logout_token": "x" })).await;
        assert_eq!(json.status, 415);
        let long = back_channel_logout(world, &"x".repeat(20_000)).await;
        assert_eq!((long.status.as_u16(), long.code()), (400, "invalid_request".to_owned()));
        assert_ne!(me(&client).await, Value::Null);
    }

    /// A provider that does not respond is no error of ours, and no server error.
    async fn logout_token_without_reachable_keys_is_a_bad_request(world: &World) {
        let token = world.idp.logout_token(&json!({}));
        world.idp.status("jwks", 500);
        let answer = back_channel_logout(world, &token).await;
        assert_eq!((answer.status.as_u16(), answer.code()), (400, "invalid_request".to_owned()));
        let foreign = world.client().with("origin", "https://idp.example").with("sec-fetch-site", "cross-site");
        let form = [("content-type", "application/x-www-form-urlencoded")];
        let path = "/auth/oauth/fake/backchannel-logout";
        let answer = foreign.send(http::Method::POST, path, &form, b"logout_token=x").await;
        assert_eq!(answer.status, 400, "it is not checked for the origin");
    }

    async fn sign_out_at_the_provider_leads_to_an_allowed_page(world: &World) {
        for (target, expected) in [
            (json!("/bye?a=b#c"), "/bye?a=b#c"), (json!("https://ok.example.com/bye"), "https://ok.example.com/bye"),
            (Value::Null, "/"),
        ] {
            let client = assert_accepted(world, None).await;
            let body = json!({ "provider_logout": true, "redirect_to": target });
            let answer = client.post("/auth/sign-out", &body).await;
            assert_eq!(answer.status, 200, "{}", answer.json());
            let url = answer.json()["logout_url"].as_str().unwrap().to_owned();
            let state = url.split("&state=").nth(1).unwrap().split('&').next().unwrap();
            let back = world.client().get(&format!("/auth/oauth/fake/signed-out?state={state}")).await;
            assert_eq!((back.status.as_u16(), back.header("location").as_str()), (303, expected));
        }
        let client = assert_accepted(world, None).await;
        for target in ["https://evil.example", "//evil.example", "javascript:alert(1)"] {
            let body = json!({ "provider_logout": true, "redirect_to": target });
            let refused = client.post("/auth/sign-out", &body).await;
            assert_eq!((refused.status.as_u16(), refused.code()), (400, "invalid_redirect".to_owned()), "{target}");
            assert_eq!(me(&client).await["email"], "jane@example.com", "nothing was ended");
            let state = URL_SAFE_NO_PAD.encode(target);
            let back = world.client().get(&format!("/auth/oauth/fake/signed-out?state={state}")).await;
            assert_eq!((back.status.as_u16(), back.header("location")), (303, "/".to_owned()), "{target}");
        }
    }
}

async fn sign_in_as(world: &World, subject: &str, session: &str) -> TestClient {
    world.idp.claim("sub", subject);
    world.idp.claim("sid", session);
    world.idp.claim("email", "jane@example.com");
    assert_accepted(world, None).await
}

async fn back_channel_logout(world: &World, token: &str) -> authlayer::testing::TestResponse {
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let body = format!("logout_token={token}");
    let path = "/auth/oauth/fake/backchannel-logout";
    world.client().send(http::Method::POST, path, &form, body.as_bytes()).await
}

fn flow_cookies(client: &TestClient) -> Vec<(String, String)> {
    client.cookies().into_iter().filter(|(name, _)| name.starts_with("auth-flow-")).collect()
}
