//! Sign-in by an OpenID provider, good and hostile. Names of the OpenID conformance suite
//! stand without their prefix `oidcc-client-test`.

use authlayer::{
    EventKind,
    clock::Clock,
    testing::{Client, Fault},
};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::providers::{SECRET, World, me, with_providers};

/// Signs in and expects a refusal: no session, and nothing asked of UserInfo.
async fn refused(world: &World, fault: Fault, code: &str) {
    let client = world.client();
    world.idp.fault(fault);
    let before = world.idp.asked("userinfo");
    let answer = world.sign_in(&client).await;
    assert_eq!(answer.code(), code, "{fault:?}");
    assert_eq!(world.idp.asked("userinfo"), before, "{fault:?}: OA-24");
    assert!(client.cookie("auth").is_none(), "{fault:?}");
    assert_eq!(me(&client).await, Value::Null, "{fault:?}");
    world.idp.fault(None);
}

async fn accepted(world: &World, fault: Option<Fault>) -> Client {
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
    async fn a_person_signs_in(world: &World) {
        let client = accepted(world, None).await;
        let user = me(&client).await;
        assert_eq!(user["email_verified"], true);
        assert_eq!(user["display_name"], "Jane Doe");
        assert_eq!(user["avatar_url"], "https://example.com/janedoe/me.jpg");
        let session = client.get("/auth/session").await.json();
        assert_eq!(session["session"]["factors"][0]["method"], "provider");
        for what in ["discovery", "jwks", "authorize", "token", "userinfo"] {
            assert_eq!(world.idp.asked(what), 1, "{what}");
        }
        accepted(world, None).await;
        assert_eq!(world.idp.asked("discovery"), 1, "kept");
        assert_eq!(world.idp.asked("jwks"), 1, "kept");
    }

    /// `-client-secret-post`
    async fn a_secret_can_go_in_the_body(world: &World, { "fake.secret_in_body": true }) {
        accepted(world, None).await;
    }

    /// OA-01, OA-02, OA-03, OA-20, D13, CK-03, CK-20
    async fn a_request_is_bound_and_says_nothing(world: &World) {
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
            assert!(!text.contains(secret), "SE-02: the store knows {secret}");
        }
    }

    /// D7, OA-14, OA-15, OA-16, OA-17, OA-18, OA-19, OA-20, OA-21, OA-23, OA-24: `-idtoken-sig-none`, `-invalid-sig-rs256`, `-invalid-sig-hs256`,
    /// `-invalid-sig-es256`, `-invalid-iss`, `-invalid-aud`, `-missing-aud`, `-missing-sub`,
    /// `-missing-iat`, `-nonce-invalid`, `-kid-absent-multiple-jwks`, `-invalid-athash`.
    async fn a_bad_id_token_ends_everything(world: &World) {
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
            // Keys are fetched anew, so that each fault of theirs shows.
            world.bed.advance(3600).await;
            refused(world, fault, "provider_error").await;
        }
        world.bed.advance(3600).await;
        world.idp.fault(Fault::KidAbsentTwoKeys);
        refused(world, Fault::KidAbsentTwoKeys, "provider_error").await;
        world.bed.advance(3600).await;
        accepted(world, None).await;
    }

    /// `-kid-absent-single-jwks`; OA-15, OA-19
    async fn what_is_not_wrong_passes(world: &World) {
        accepted(world, Some(Fault::KidAbsentOneKey)).await;
        accepted(world, Some(Fault::ExpiredJustNow)).await;
    }

    /// `-userinfo-invalid-sub`, OA-25
    async fn claims_of_somebody_else_are_not_used(world: &World) {
        for fault in [Fault::UserInfoSubjectOther, Fault::UserInfoSubjectMissing] {
            let client = world.client();
            world.idp.fault(fault);
            assert_eq!(world.sign_in(&client).await.code(), "provider_error", "{fault:?}");
            assert_eq!(me(&client).await, Value::Null);
        }
    }

    /// OA-11: what is no answer of a provider
    async fn a_provider_that_answers_nonsense_is_an_error(world: &World) {
        for fault in [Fault::TokenError, Fault::TokenRedirects, Fault::TokenHuge, Fault::TokenNoJson] {
            refused(world, fault, "provider_error").await;
        }
    }

    /// `-discovery-issuer-mismatch`, D6, OA-12
    async fn a_wrong_document_begins_nothing(world: &World) {
        for fault in [Fault::DiscoveryIssuerOther, Fault::DiscoveryPlainKeys, Fault::Down] {
            world.bed.advance(2).await;
            world.idp.fault(fault);
            let start = world.client().get("/auth/oauth/fake/start").await;
            assert_eq!((start.status.as_u16(), start.code()), (502, "provider_error".to_owned()), "{fault:?}");
        }
        assert_eq!(world.idp.asked("authorize"), 0);
        assert_eq!(world.bed.client().get("/public").await.status, 200, "it stands all the same");
        world.bed.advance(2).await;
        accepted(world, None).await;
        world.bed.advance(7200).await;
        world.idp.fault(Fault::Down);
        let start = world.client().get("/auth/oauth/fake/start").await;
        assert_eq!(start.status, 303, "its last word counts while it is down");
    }

    /// `-signing-key-rotation`, `-signing-key-rotation-just-before-signing`, OA-13
    async fn a_new_key_is_looked_for_once(world: &World) {
        accepted(world, None).await;
        world.idp.rotate_key();
        accepted(world, None).await;
        assert_eq!(world.idp.asked("jwks"), 2);
        for _ in 0..10 {
            refused(world, Fault::KeyUnknown, "provider_error").await;
        }
        assert_eq!(world.idp.asked("jwks"), 2, "not within a minute");
        world.bed.advance(61).await;
        refused(world, Fault::KeyUnknown, "provider_error").await;
        refused(world, Fault::KeyUnknown, "provider_error").await;
        assert_eq!(world.idp.asked("jwks"), 3);
    }

    /// OA-14: another algorithm, because it was configured
    async fn an_algorithm_is_a_matter_of_configuration(world: &World, { "fake.algorithms": ["EdDSA"] }) {
        refused(world, Fault::AlgNone, "provider_error").await;
        let client = world.client();
        assert_eq!(world.sign_in(&client).await.code(), "provider_error", "RS256 was not configured");
        world.idp.use_ed25519();
        world.bed.advance(3600).await;
        accepted(world, None).await;
    }

    /// OA-22, SE-12
    async fn a_recent_proof_is_checked(world: &World, { "fake.max_age_s": 300 }) {
        let client = world.client();
        let url = client.get("/auth/oauth/fake/start").await.header("location");
        assert!(url.contains("&max_age=300"), "{url}");
        accepted(world, None).await;
        refused(world, Fault::ProvedLongAgo, "provider_error").await;
        refused(world, Fault::ProvedMissing, "provider_error").await;
    }

    /// D1, D2, OA-03, OA-04: every state that is not this browser's own and unused
    async fn a_callback_belongs_to_its_browser(world: &World) {
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
        assert_eq!(world.idp.asked("token"), 0, "nothing was asked");
        assert_eq!(client.get(&callback).await.status, 303, "and nothing was used up");
        assert!(flow_cookies(&client).is_empty());
        assert_eq!(client.get(&callback).await.code(), "invalid_state", "used");
        let late = world.client();
        let callback = world.to_callback(&late, "").await;
        world.bed.advance(600).await;
        assert_eq!(late.get(&callback).await.code(), "invalid_state", "expired");
        assert_eq!(world.idp.asked("token"), 1);
    }

    /// D3, OA-04
    async fn of_ten_callbacks_one_counts(world: &World) {
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
        assert_eq!(world.idp.asked("token"), 1);
    }

    /// D14, OA-04: tabs finish in any order, and cookies stay few
    async fn tabs_do_not_disturb_each_other(world: &World) {
        let client = world.client();
        let first = world.to_callback(&client, "?redirect_to=/first").await;
        let second = world.to_callback(&client, "?redirect_to=/second").await;
        assert_eq!(client.get(&first).await.header("location"), "/first");
        assert_eq!(client.get(&second).await.header("location"), "/second");
        assert!(flow_cookies(&client).is_empty(), "both are gone");
        let mut all = Vec::new();
        for _ in 0..7 {
            world.bed.advance(1).await;
            all.push(world.to_callback(&client, "").await);
        }
        assert_eq!(flow_cookies(&client).len(), 5);
        assert_eq!(client.get(&all[0]).await.code(), "invalid_state", "the oldest gave way");
        assert_eq!(client.get(&all[6]).await.status, 303);
    }

    /// OA-08: a callback of one provider at another's path
    async fn a_code_goes_to_its_own_provider_alone(world: &World) {
        let client = world.client();
        let callback = world.to_callback(&client, "").await;
        let answer = client.get(&callback.replace("/fake/", "/other/")).await;
        assert_eq!(answer.code(), "invalid_state");
        assert_eq!((world.idp.asked("token"), world.other.asked("token")), (0, 0));
    }

    /// D5, OA-07, RFC 9207
    async fn the_issuer_of_an_answer_is_checked(world: &World) {
        for fault in [Fault::CallbackIssuerOther, Fault::CallbackIssuerMissing] {
            refused(world, fault, "invalid_state").await;
        }
        assert_eq!(world.idp.asked("token"), 0);
    }

    /// OA-09
    async fn a_refusal_is_reported_and_not_repeated(world: &World) {
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
        assert_eq!(world.idp.asked("token"), 0);
        assert_eq!(world.bed.bed.watch.count(EventKind::SignedIn), 0);
    }

    /// The page for errors
    async fn errors_lead_to_their_page(world: &World, { "error_page": "/sign-in?from=provider" }) {
        let answer = world.client().get("/auth/oauth/fake/callback?code=x&state=y").await;
        assert_eq!((answer.status.as_u16(), answer.header("location")), (303, "/sign-in?from=provider&error=invalid_state".to_owned()));
        world.idp.fault(Fault::Down);
        let answer = world.client().get("/auth/oauth/fake/start").await;
        assert_eq!(answer.header("location"), "/sign-in?from=provider&error=provider_error");
    }

    /// E1, CK-18: the table of places is in `redirect.rs`; here they meet the doors
    async fn a_sign_in_leads_to_our_own_places(world: &World) {
        for place in ["//evil.example", "/%5cevil.example", "https://evil.example", "javascript:alert(1)", "https://ok.example.com@evil.example", "%2F%09%2Fevil.example", "https://ok.example.com.", ""] {
            let answer = world.client().get(&format!("/auth/oauth/fake/start?redirect_to={place}")).await;
            assert_eq!((answer.status.as_u16(), answer.code()), (400, "invalid_redirect".to_owned()), "{place}");
        }
        let twice = world.client().get("/auth/oauth/fake/start?redirect_to=/a&redirect_to=/b").await;
        assert_eq!((twice.status.as_u16(), twice.code()), (400, "invalid_request".to_owned()));
        let client = world.client();
        let callback = world.to_callback(&client, "?redirect_to=https://ok.example.com/app").await;
        let answer = client.get(&callback).await;
        assert_eq!(answer.header("location"), "https://ok.example.com/app", "D13: and no token in it");
        let other = world.client().get("/auth/oauth/nobody/start").await;
        assert_eq!((other.status.as_u16(), other.code()), (404, "not_found".to_owned()));
        assert_eq!(world.client().get("/auth/oauth/fake/start?transport=x").await.code(), "invalid_request");
    }

    /// OA-06, E3: a forged host moves nothing
    async fn the_way_back_is_of_the_configuration(world: &World) {
        let client = world.client().with("x-forwarded-host", "evil.example");
        let url = client.get("/auth/oauth/fake/start").await.header("location");
        assert!(!url.contains("evil") && url.contains("localhost%3A3000"));
    }

    /// OA-33, F24: nothing of the provider stays
    async fn tokens_of_the_provider_are_not_kept(world: &World) {
        let client = accepted(world, None).await;
        let text = String::from_utf8_lossy(&world.bed.dump().await).into_owned();
        for secret in ["provider-access-token", "provider-refresh-token", &world.idp.last_id_token(), SECRET] {
            assert!(!text.contains(secret), "{secret}");
        }
        assert!(!text.contains(&client.cookie("auth").unwrap()));
    }

    /// `-rp-init-logout`, `-rp-init-logout-other-state`, `-rp-init-logout-no-state`; OA-35
    async fn a_sign_out_leads_to_the_provider(world: &World, { "fake.keep_id_token": true }) {
        let client = accepted(world, None).await;
        let hint = world.idp.last_id_token();
        let access = client.cookie("auth").unwrap();
        let answer = client.post("/auth/sign-out", &json!({ "provider_logout": true })).await;
        assert_eq!(answer.status, 200);
        let url = answer.json()["logout_url"].as_str().unwrap().to_owned();
        assert!(url.starts_with(&format!("{}/end_session?client_id=client", world.idp.issuer())), "{url}");
        assert!(url.contains(&format!("id_token_hint={hint}")) && url.contains("&state="), "{url}");
        assert!(url.contains("post_logout_redirect_uri=http%3A%2F%2Flocalhost%3A3000%2Fauth%2Foauth%2Ffake%2Fsigned-out"), "{url}");
        assert!(client.cookie("auth").is_none());
        assert_eq!(world.client().bearer(&access).get("/me").await.status, 401, "local first");
        let rows = String::from_utf8_lossy(&world.bed.dump().await).into_owned();
        // A file of SQLite keeps what was deleted until the page is used again.
        assert!(rows.starts_with("SQLite") || !rows.contains(&hint), "the hint is used up");
        for state in ["", "?state=foreign", "?state=a&state=b"] {
            let back = world.client().get(&format!("/auth/oauth/fake/signed-out{state}")).await;
            assert_eq!((back.status.as_u16(), back.header("location")), (303, "/".to_owned()));
        }
        let other = accepted(world, None).await;
        assert_eq!(other.post("/auth/sign-out", &json!({})).await.status, 204, "only where asked for");
    }

    /// `-rp-backchannel-rpinitlogout`, OA-36
    async fn the_provider_ends_its_sessions(world: &World) {
        let here = accepted(world, None).await;
        world.idp.claim("sid", "session-2");
        let there = accepted(world, None).await;
        world.idp.claim("sub", "somebody-else");
        world.idp.claim("email", Value::Null);
        let other = world.client();
        assert_eq!(world.sign_in(&other).await.status, 303);
        let jane = json!({ "sub": "248289761001", "sid": "session-1" });
        let token = world.idp.logout_token(&jane);
        let answer = sign_out_by(world, &token).await;
        assert_eq!((answer.status.as_u16(), answer.header("cache-control")), (200, "no-store".to_owned()));
        assert_eq!(me(&here).await, Value::Null);
        let kept = here.cookie("auth-refresh").unwrap();
        assert_eq!(here.post("/auth/refresh", &json!({ "refresh_token": kept })).await.code(), "invalid_refresh_token");
        assert_ne!(me(&there).await, Value::Null, "another session there");
        let again = accepted_as(world, "248289761001", "session-1").await;
        assert_eq!(sign_out_by(world, &token).await.status, 400, "replayed");
        assert_ne!(me(&again).await, Value::Null);
        let all = world.idp.logout_token(&json!({ "sub": "248289761001", "sid": null }));
        assert_eq!(sign_out_by(world, &all).await.status, 200);
        assert_eq!((me(&there).await, me(&again).await), (Value::Null, Value::Null));
        assert_ne!(me(&other).await, Value::Null, "another person");
    }

    /// `-rp-backchannel-rpinitlogout-{alg-none,no-event,with-nonce,wrong-alg,wrong-aud,
    /// wrong-event,wrong-iss}`, OA-36, SE-17
    async fn a_bad_logout_token_ends_nothing(world: &World) {
        let client = accepted(world, None).await;
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
            let answer = sign_out_by(world, &token).await;
            assert_eq!((answer.status.as_u16(), answer.code()), (400, "invalid_request".to_owned()), "{change}");
        }
        let id_token = world.idp.last_id_token();
        assert_eq!(sign_out_by(world, &id_token).await.status, 400, "an ID token is none");
        assert_eq!(sign_out_by(world, "x.y.z").await.status, 400);
        let events = world.bed.bed.watch.all().into_iter();
        let rejected = events.filter(|event| event.kind == EventKind::ProviderRefused);
        assert_eq!(rejected.count(), 22, "each rejected token leaves an event");
        let json = client.post("/auth/oauth/fake/backchannel-logout", &json!({ "logout_token": "x" })).await;
        assert_eq!(json.status, 415);
        assert_ne!(me(&client).await, Value::Null);
    }
}

async fn accepted_as(world: &World, subject: &str, session: &str) -> Client {
    world.idp.claim("sub", subject);
    world.idp.claim("sid", session);
    world.idp.claim("email", "jane@example.com");
    accepted(world, None).await
}

async fn sign_out_by(world: &World, token: &str) -> authlayer::testing::Answer {
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let body = format!("logout_token={token}");
    let path = "/auth/oauth/fake/backchannel-logout";
    world.client().send(http::Method::POST, path, &form, body.as_bytes()).await
}

fn flow_cookies(client: &Client) -> Vec<(String, String)> {
    client.cookies().into_iter().filter(|(name, _)| name.starts_with("auth-flow-")).collect()
}
