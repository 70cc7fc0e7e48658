//! Identities at providers: sign-in, linking, unlinking, GitHub, native applications.

use authlayer::{
    EventKind,
    testing::{TestClient, VirtualAuthenticator},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::task::JoinSet;

use crate::{
    account::{link, undo},
    codes::{kinds, last_code, verified_user},
    passkeys::{ORIGIN, enter, register, step_up, with_key},
    providers::{me, path_of, with_providers},
    step_up::by_mail,
    support::{PASSWORD, id_of, sign_in, sign_up},
};

async fn identities(client: &TestClient) -> Value {
    client.get("/auth/identities").await.json()
}

fn first_id(identities: &Value) -> String {
    identities["identities"][0]["id"].as_str().unwrap().to_owned()
}

async fn unlink(client: &TestClient, id: &str) -> authlayer::testing::TestResponse {
    client.send(http::Method::DELETE, &format!("/auth/identities/{id}"), &[], b"").await
}

/// A single "not found" from the application's store deletes nothing.
#[tokio::test]
async fn user_missing_from_a_custom_store_loses_no_credential() {
    use crate::{
        places::Memory,
        support::{Bed, On},
    };
    let idp = authlayer::testing::FakeIdp::start("client", crate::providers::SECRET).await;
    let config = json!({ "oidc": [{
        "id": "fake", "issuer": idp.issuer(), "client_id": "client",
        "client_secret": crate::providers::SECRET,
    }] });
    for on in [On::Sqlite, On::Postgres] {
        let memory = Memory::default();
        let users = memory.clone();
        let bed =
            Bed::over(on, config.clone(), async |_, _| authlayer::UserStorage::custom(users)).await;
        idp.clock(bed.bed.clock.clone());
        let sign_in = async |client: &TestClient| {
            let start = client.get("/auth/oauth/fake/start").await;
            client.get(&path_of(&idp.authorize(&start.header("location")))).await
        };
        let jane = bed.client();
        assert_eq!(sign_in(&jane).await.status, 303);
        let id = id_of(&jane).await;
        let hidden = std::mem::take(&mut *memory.users.lock().unwrap());
        assert_eq!(jane.get("/me").await.status, 401);
        let refused = sign_in(&bed.client()).await;
        assert_eq!((refused.status.as_u16(), refused.code()), (403, "account_disabled".to_owned()));
        *memory.users.lock().unwrap() = hidden;
        assert_eq!(jane.get("/me").await.status, 200, "the session still exists");
        let again = bed.client();
        assert_eq!(sign_in(&again).await.status, 303);
        assert_eq!(id_of(&again).await, id);
        bed.remove().await;
    }
}

with_providers! {
    /// OA-27, C9: the subject is the key, even if all other claims change
    async fn user_is_identified_by_the_subject(world: &World) {
        let client = world.client();
        world.sign_in(&client).await;
        let id = me(&client).await["id"].clone();
        world.idp.claim("email", "new@example.com");
        world.idp.claim("preferred_username", "renamed");
        let again = world.client();
        assert_eq!(world.sign_in(&again).await.status, 303);
        let user = me(&again).await;
        assert_eq!((&user["id"], &user["email"]), (&id, &json!("jane@example.com")));
        let all = identities(&again).await;
        assert_eq!(all["identities"][0]["email"], "new@example.com", "the stored email is updated");
        assert_eq!(all["identities"][0]["provider"], "fake");
        assert_eq!(all["identities"][0]["subject"], "248289761001");
        assert_eq!((&all["has_password"], &all["passkeys"]), (&json!(false), &json!(0)));
    }

    /// C8, OA-27: the same subject at two issuers means two users
    async fn issuer_is_part_of_the_identity_key(world: &World) {
        let client = world.client();
        world.sign_in(&client).await;
        world.other.claim("email", "other@example.com");
        let elsewhere = world.client();
        let start = elsewhere.get("/auth/oauth/other/start").await;
        let back = path_of(&world.other.authorize(&start.header("location")));
        assert_eq!(elsewhere.get(&back).await.status, 303);
        assert_ne!(me(&client).await["id"], me(&elsewhere).await["id"]);
    }

    /// OA-28: an email address alone does not sign in to an account
    async fn registered_email_does_not_sign_in_by_a_provider(world: &World) {
        let ada = world.bed.browser("jane@example.com").await;
        let other_client = world.client();
        let answer = world.sign_in(&other_client).await;
        assert_eq!((answer.status.as_u16(), answer.code()), (409, "account_exists".to_owned()));
        assert_eq!(me(&other_client).await, Value::Null);
        assert_eq!(identities(&ada).await["identities"], json!([]));
    }

    /// OA-28: both sides have verified the email address, and the application trusts the provider
    async fn verified_email_on_both_sides_links_the_identity(world: &World, { "auto_link_verified_email": true, "verify_email": true }) {
        let ada = world.client();
        let begun = sign_up(&ada, "jane@example.com").await;
        let code = last_code(&world.bed, "jane@example.com").await;
        let body = json!({ "challenge": begun.json()["challenge"], "code": code });
        assert_eq!(ada.post("/auth/verify", &body).await.status, 200);
        let by_provider = world.client();
        assert_eq!(world.sign_in(&by_provider).await.status, 303);
        assert_eq!(me(&by_provider).await["id"], me(&ada).await["id"]);
        assert_eq!(identities(&ada).await["identities"][0]["provider"], "fake");
        assert!(kinds(&world.bed, "jane@example.com").await.contains(&"notice_identity_linked".to_owned()));
    }

    /// C1, C3: an account that an attacker created with this email address and never verified
    async fn link_by_verified_email_removes_planted_credentials(world: &World, { "auto_link_verified_email": true }) {
        let planted = world.bed.browser("jane@example.com").await;
        let jane = world.client();
        assert_eq!(world.sign_in(&jane).await.status, 303);
        assert_eq!(me(&planted).await, Value::Null, "its session is revoked");
        assert_eq!(sign_in(&world.client(), "jane@example.com", PASSWORD).await.code(), "invalid_credentials");
        assert_eq!(identities(&jane).await["has_password"], false);
        assert_eq!(me(&jane).await["email_verified"], true);
    }

    /// C4: an email address that the provider has not verified is ignored
    async fn unverified_provider_email_is_rejected(world: &World, { "auto_link_verified_email": true }) {
        let ada = world.bed.browser("jane@example.com").await;
        for vouched in [json!(false), Value::Null, json!("false"), json!("yes"), json!(1)] {
            world.idp.claim("email_verified", vouched.clone());
            let other_client = world.client();
            let answer = world.sign_in(&other_client).await;
            assert_eq!((answer.status.as_u16(), answer.code()), (403, "email_not_verified".to_owned()), "{vouched}");
            assert_eq!(me(&other_client).await, Value::Null);
        }
        assert_ne!(me(&ada).await, Value::Null);
    }

    /// C10: users without an email address do not share an account
    async fn users_without_an_email_have_separate_accounts(world: &World) {
        world.idp.claim("email", Value::Null);
        let one = world.client();
        assert_eq!(world.sign_in(&one).await.status, 303);
        world.idp.claim("sub", "another");
        let two = world.client();
        assert_eq!(world.sign_in(&two).await.status, 303);
        assert_ne!(me(&one).await["id"], me(&two).await["id"]);
        assert_eq!(me(&one).await["email"], Value::Null);
    }

    /// OA-31, A11
    async fn disabled_user_cannot_sign_in_by_a_provider(world: &World) {
        let client = world.client();
        world.sign_in(&client).await;
        let id = id_of(&client).await;
        let change = json!({ "status": "disabled" });
        client.json(http::Method::PATCH, &format!("/testbed/users/{id}"), &change).await;
        let answer = world.sign_in(&client).await;
        assert_eq!((answer.status.as_u16(), answer.code()), (403, "account_disabled".to_owned()));
        assert_eq!(me(&client).await, Value::Null);
    }

    /// C13: a link-only provider
    async fn link_only_provider_does_not_sign_in(world: &World, { "fake.link_only": true }) {
        assert_eq!(world.client().get("/auth/oauth/fake/start").await.status, 404);
        let ada = world.bed.browser("ada@example.com").await;
        assert_eq!(world.link(&ada).await.status, 303);
    }

    /// OA-29, C11, C15, SE-04, SE-11
    async fn session_links_and_unlinks_an_identity(world: &World) {
        let ada = world.bed.browser("ada@example.com").await;
        let before = ada.cookie("auth").unwrap();
        let answer = world.link(&ada).await;
        assert_eq!((answer.status.as_u16(), answer.header("location")), (303, "/done".to_owned()), "{}", answer.json());
        assert_ne!(ada.cookie("auth").unwrap(), before);
        assert_eq!(world.client().bearer(&before).get("/me").await.status, 401, "SE-04");
        assert!(kinds(&world.bed, "ada@example.com").await.contains(&"notice_identity_linked".to_owned()));
        let by_provider = world.client();
        world.sign_in(&by_provider).await;
        assert_eq!(me(&by_provider).await["email"], "ada@example.com");
        let bob = world.bed.browser("bob@example.com").await;
        assert_eq!(world.link(&bob).await.code(), "identity_taken");
        assert_eq!(identities(&bob).await["identities"], json!([]));
        let id = first_id(&identities(&ada).await);
        assert_eq!(unlink(&bob, &id).await.code(), "not_found");
        assert_eq!(unlink(&ada, &id).await.status, 204);
        assert_eq!(me(&by_provider).await, Value::Null, "its sessions are revoked");
        assert_ne!(me(&ada).await, Value::Null);
        assert!(kinds(&world.bed, "ada@example.com").await.contains(&"notice_factor_removed".to_owned()));
        assert_eq!(world.bed.bed.watch.count(EventKind::IdentityUnlinked), 1);
        assert_eq!(unlink(&ada, &id).await.code(), "not_found");
    }

    /// C11, OA-05, OA-29: begun in one session, finished in another one or without a session
    async fn link_must_finish_in_the_session_that_began_it(world: &World) {
        let ada = world.bed.browser("ada@example.com").await;
        let begun = ada.post("/auth/oauth/fake/link", json!({})).await;
        let url = begun.json()["authorization_url"].as_str().unwrap().to_owned();
        let callback = path_of(&world.idp.authorize(&url));
        sign_in(&ada, "ada@example.com", PASSWORD).await;
        assert_eq!(ada.get(&callback).await.code(), "invalid_state", "another session of the same user");
        for swap in [true, false] {
            let ada = world.bed.browser(&format!("ada-{swap}@example.com")).await;
            let begun = ada.post("/auth/oauth/fake/link", json!({})).await;
            let url = begun.json()["authorization_url"].as_str().unwrap().to_owned();
            let callback = path_of(&world.idp.authorize(&url));
            ada.forget_cookie("auth");
            ada.forget_cookie("auth-refresh");
            if swap {
                sign_up(&ada, "eve@example.com").await;
            }
            assert_eq!(ada.get(&callback).await.code(), "invalid_state");
        }
        assert_eq!(world.idp.requests("token"), 0);
    }

    /// SE-11: a stale session
    async fn linking_requires_recent_authentication(world: &World) {
        let ada = world.bed.browser("ada@example.com").await;
        world.link(&ada).await;
        let id = first_id(&identities(&ada).await);
        world.bed.advance(600).await;
        assert_eq!(ada.post("/auth/oauth/fake/link", json!({})).await.code(), "step_up_required");
        assert_eq!(unlink(&ada, &id).await.code(), "step_up_required");
        let anonymous = world.client().post("/auth/oauth/fake/link", json!({})).await;
        assert_eq!(anonymous.code(), "unauthenticated");
        let (native, ..) = world.bed.native("native@example.com").await;
        assert_eq!(native.post("/auth/oauth/fake/link", json!({})).await.code(), "transport_disabled");
        let hostile = ada.with("origin", "https://evil.example").post("/auth/oauth/fake/link", json!({})).await;
        assert_eq!(hostile.code(), "cross_origin");
    }

    /// C14: the last credential remains, also with two concurrent removals
    async fn last_credential_cannot_be_removed(world: &World) {
        let jane = world.client();
        world.sign_in(&jane).await;
        by_mail(&world.bed, &jane, "jane@example.com").await;
        let id = first_id(&identities(&jane).await);
        let answer = unlink(&jane, &id).await;
        assert_eq!((answer.status.as_u16(), answer.code()), (409, "last_credential".to_owned()));
        let begun = jane.post("/auth/oauth/other/link", json!({})).await;
        let url = begun.json()["authorization_url"].as_str().unwrap().to_owned();
        assert_eq!(jane.get(&path_of(&world.other.authorize(&url))).await.status, 303);
        let all = identities(&jane).await;
        let ids: Vec<_> = all["identities"].as_array().unwrap().iter().map(|own| own["id"].as_str().unwrap().to_owned()).collect();
        assert_eq!(ids.len(), 2);
        let mut tries = JoinSet::new();
        for id in ids {
            let jane = jane.clone();
            tries.spawn(async move { unlink(&jane, &id).await.status.as_u16() });
        }
        let mut answers = tries.join_all().await;
        answers.sort_unstable();
        assert_eq!(answers, [204, 409]);
    }

    /// Two tabs of a new user
    async fn concurrent_first_sign_ins_create_one_account(world: &World) {
        let (one, two) = (world.client(), world.client());
        let first = world.to_callback(&one, "").await;
        let second = world.to_callback(&two, "").await;
        let (a, b) = tokio::join!(one.get(&first), two.get(&second));
        assert_eq!((a.status.as_u16(), b.status.as_u16()), (303, 303), "{} {}", a.json(), b.json());
        assert_eq!(me(&one).await["id"], me(&two).await["id"]);
    }

    /// A deleted user can sign up again as a new user
    async fn identity_of_a_deleted_user_creates_a_new_user(world: &World) {
        let jane = world.client();
        world.sign_in(&jane).await;
        by_mail(&world.bed, &jane, "jane@example.com").await;
        let before = id_of(&jane).await;
        let gone = jane.send(http::Method::DELETE, "/auth/account", &[], b"").await;
        assert_eq!(gone.status, 204);
        assert_eq!(world.sign_in(&jane).await.status, 303);
        assert_ne!(id_of(&jane).await, before);
    }

    /// OA-31, SE-13: our second factor is also required after a provider sign-in
    async fn second_factor_is_required_after_a_provider_sign_in(world: &World, { "sign_in_code": true, "error_page": "/sign-in" }) {
        let jane = world.client();
        let answer = world.sign_in(&jane).await;
        assert_eq!((answer.status.as_u16(), answer.header("location")), (303, "/".to_owned()));
        let line = answer.set_cookies().into_iter().find(|line| line.starts_with("auth-pending="));
        let line = line.expect("the challenge is in a cookie");
        for part in ["; HttpOnly", "; SameSite=Lax", "; Path=/", "; Max-Age=600"] {
            assert!(line.contains(part), "{line}");
        }
        assert!(jane.cookie("auth").is_none());
        assert_eq!(me(&jane).await, Value::Null);
        let again = jane.post("/auth/verify/resend", json!({})).await;
        assert_eq!((again.status.as_u16(), &again.json()["methods"]), (202, &json!(["email_code"])));
        let code = last_code(&world.bed, "jane@example.com").await;
        let stranger = world.client().post("/auth/verify", json!({ "code": code })).await;
        assert_eq!(stranger.code(), "challenge_expired");
        let done = jane.post("/auth/verify", json!({ "code": code })).await;
        assert_eq!(done.status, 200, "{}", done.json());
        assert!(jane.cookie("auth-pending").is_none(), "it is cleared when it was used");
        let factors = done.json()["session"]["factors"].clone();
        assert_eq!((&factors[0]["method"], &factors[1]["method"]), (&json!("provider"), &json!("email_code")));
        let token = world.idp.logout_token(&json!({}));
        let form = [("content-type", "application/x-www-form-urlencoded")];
        let body = format!("logout_token={token}");
        let path = "/auth/oauth/fake/backchannel-logout";
        world.client().send(http::Method::POST, path, &form, body.as_bytes()).await;
        assert_eq!(me(&jane).await, Value::Null, "logout at the provider also revokes sessions with a second factor");
    }

    /// OA-36: a sign-in that began before the logout cannot complete after it.
    async fn logout_at_the_provider_revokes_pending_sign_ins(world: &World, { "sign_in_code": true }) {
        let jane = world.client();
        assert_eq!(world.sign_in(&jane).await.status, 303);
        let code = last_code(&world.bed, "jane@example.com").await;
        let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(verifier));
        let query = format!("?transport=bearer&redirect_to=myapp://callback&code_challenge={challenge}");
        let browser = world.client();
        let callback = world.to_callback(&browser, &query).await;
        let place = browser.get(&callback).await.header("location");
        let waiting = place.strip_prefix("myapp://callback?code=").unwrap_or_else(|| panic!("{place}"));
        // Another session at the provider ends nothing.
        for (sid, is_own) in [("another", false), ("session-1", true)] {
            let token = world.idp.logout_token(&json!({ "sid": sid }));
            let form = [("content-type", "application/x-www-form-urlencoded")];
            let body = format!("logout_token={token}");
            let path = "/auth/oauth/fake/backchannel-logout";
            let answer = world.client().send(http::Method::POST, path, &form, body.as_bytes()).await;
            assert_eq!(answer.status, 200, "{}", answer.json());
            let again = jane.post("/auth/verify/resend", json!({})).await;
            assert_eq!(again.status, if is_own { 401 } else { 202 }, "{sid}");
        }
        assert_eq!(jane.post("/auth/verify", json!({ "code": code })).await.code(), "challenge_expired");
        let exchange = json!({ "code": waiting, "code_verifier": verifier });
        assert_eq!(world.client().post("/auth/oauth/exchange", exchange).await.code(), "invalid_code");
    }

    /// Native applications: RFC 7636, RFC 8252
    async fn native_application_exchanges_a_code(world: &World) {
        let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(verifier));
        assert_eq!(challenge, "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM", "RFC 7636, appendix B");
        let query = format!("?transport=bearer&redirect_to=myapp://callback&code_challenge={challenge}");
        let land = async || {
            let browser = world.client();
            let callback = world.to_callback(&browser, &query).await;
            let answer = browser.get(&callback).await;
            assert!(browser.cookie("auth").is_none());
            let place = answer.header("location");
            place.strip_prefix("myapp://callback?code=").unwrap_or_else(|| panic!("{place}")).to_owned()
        };
        let exchange = async |code: &str, verifier: &str| {
            world.client().post("/auth/oauth/exchange", json!({ "code": code, "code_verifier": verifier })).await
        };
        let code = land().await;
        let done = exchange(&code, verifier).await;
        assert_eq!(done.status, 200);
        let access = done.json()["tokens"]["access_token"].as_str().unwrap().to_owned();
        assert_eq!(world.client().bearer(&access).get("/me").await.status, 200);
        let again = exchange(&code, verifier).await;
        assert_eq!((again.status.as_u16(), again.code()), (401, "invalid_code".to_owned()), "used");
        let code = land().await;
        assert_eq!(exchange(&code, "another-verifier-another-verifier-another-v").await.code(), "invalid_code");
        assert_eq!(exchange(&code, verifier).await.code(), "invalid_code", "a wrong verifier consumes the code");
        let code = land().await;
        world.bed.advance(60).await;
        assert_eq!(exchange(&code, verifier).await.code(), "invalid_code", "late");
        assert_eq!(exchange("axc_x", verifier).await.code(), "invalid_code");
        let start = async |query: &str| world.client().get(&format!("/auth/oauth/fake/start{query}")).await.code();
        assert_eq!(start("?transport=bearer&redirect_to=myapp://callback").await, "invalid_request");
        assert_eq!(start("?transport=bearer&redirect_to=myapp://callback&code_challenge=short").await, "invalid_request");
        for place in ["myapp://other", "/", "https://ok.example.com/"] {
            assert_eq!(start(&query.replace("myapp://callback", place)).await, "invalid_redirect", "{place}");
        }
    }

    async fn revoking_all_sessions_revokes_exchange_codes(world: &World) {
        let jane = world.client();
        world.sign_in(&jane).await;
        let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(verifier));
        let query = format!("?transport=bearer&redirect_to=myapp://callback&code_challenge={challenge}");
        let native = world.client();
        let callback = world.to_callback(&native, &query).await;
        let place = native.get(&callback).await.header("location");
        let code = place.strip_prefix("myapp://callback?code=").unwrap_or_else(|| panic!("{place}"));
        let all = jane.send(http::Method::DELETE, "/auth/sessions?scope=all", &[], b"").await;
        assert_eq!(all.status, 200);
        let late = json!({ "code": code, "code_verifier": verifier });
        let late = native.post("/auth/oauth/exchange", &late).await;
        assert_eq!(late.code(), "invalid_code");
    }

    async fn undo_removes_passkeys_and_identities_added_since_the_change(world: &World, { "verify_email": true }) {
        let thief = verified_user(&world.bed, "ada@example.com").await;
        let change = json!({ "new_email": "m1@example.com" });
        assert_eq!(thief.post("/auth/email/change", &change).await.status, 202);
        let mut key = VirtualAuthenticator::new(ORIGIN);
        assert_eq!(register(&thief, &mut key).await.status, 201);
        step_up(&thief, &mut key).await;
        assert_eq!(world.link(&thief).await.status, 303);
        let id = id_of(&thief).await;
        let token = link(&world.bed, "ada@example.com", "notice_email_change_requested").await;
        let undone = undo(&world.bed, &token.unwrap()).await;
        assert_eq!(undone.status, 200);
        assert_eq!(enter(&world.client(), &mut key).await.status, 401);
        let other_client = world.client();
        world.sign_in(&other_client).await;
        assert_ne!(me(&other_client).await["id"], json!(id));
        let reset = json!({ "token": undone.json()["reset_token"], "new_password": "plum zq8 xw2v" });
        assert_eq!(world.client().post("/auth/password/reset", &reset).await.status, 204);
        let owner = world.client();
        assert_eq!(sign_in(&owner, "ada@example.com", "plum zq8 xw2v").await.status, 200);
        assert_eq!(owner.get("/auth/passkeys").await.json()["passkeys"], json!([]));
        assert_eq!(identities(&owner).await["identities"], json!([]));
    }

    async fn linking_requires_the_strongest_factor(world: &World) {
        let (_ada, _key) = with_key(&world.bed, "ada@example.com").await;
        let thief = world.client();
        assert_eq!(sign_in(&thief, "ada@example.com", PASSWORD).await.status, 200);
        let begun = thief.post("/auth/oauth/fake/link", json!({})).await;
        assert_eq!((begun.code(), &begun.json()["methods"]), ("step_up_required".to_owned(), &json!(["passkey"])));
    }

    /// OA-30: GitHub
    async fn github_user_is_identified_by_the_numeric_id(world: &World) {
        let octo = world.client();
        let answer = world.github(&octo).await;
        assert_eq!((answer.status.as_u16(), answer.header("location")), (303, "/".to_owned()), "{}", answer.json());
        let user = me(&octo).await;
        assert_eq!((&user["email"], &user["email_verified"]), (&json!("octocat@example.com"), &json!(true)));
        assert_eq!(user["display_name"], "The Octocat");
        assert_eq!(identities(&octo).await["identities"][0]["subject"], "583231");
        world.github.user(json!({ "login": "renamed", "id": 583_231 }));
        let again = world.client();
        world.github(&again).await;
        assert_eq!(me(&again).await["id"], user["id"], "C9");
        world.github.user(json!({ "login": "octocat", "id": 7 }));
        world.github.emails(json!([{ "email": "seven@example.com", "primary": true, "verified": true }]));
        let squatter = world.client();
        world.github(&squatter).await;
        assert_ne!(me(&squatter).await["id"], user["id"], "a user name with a new owner");
    }

    /// OA-30, C10: responses of GitHub
    async fn invalid_github_responses_are_rejected(world: &World) {
        for emails in [
            json!([{ "email": "a@example.com", "primary": true, "verified": false }]),
            json!([{ "email": "a@example.com", "primary": false, "verified": true }]),
            json!([]),
        ] {
            world.github.emails(emails.clone());
            assert_eq!(world.github(&world.client()).await.code(), "email_not_verified", "{emails}");
        }
        world.github.emails(json!([{ "email": "a@example.com", "primary": true, "verified": true }]));
        for id in [Value::Null, json!(""), json!("7"), json!(0), json!(-1)] {
            world.github.user(json!({ "login": "x", "id": id }));
            assert_eq!(world.github(&world.client()).await.code(), "provider_error", "{id}");
        }
        let client = world.client();
        let start = client.get("/auth/oauth/github/start").await;
        let back = path_of(&world.github.authorize(&start.header("location")));
        let wrong = back.replace("code=", "code=f");
        let answer = client.get(&wrong).await;
        assert_eq!(answer.code(), "provider_error", "200 with an error");
        let start = client.get("/auth/oauth/github/start").await;
        let back = path_of(&world.github.authorize(&start.header("location")));
        assert_eq!(client.get(&format!("{back}&iss=https://evil.example")).await.code(), "invalid_state");
    }

    /// With a concurrent reset and claim by a provider of an unverified account, the password of
    /// the reset remains, or the reset is rejected.
    async fn concurrent_claim_and_reset_leave_a_working_account(world: &World, { "auto_link_verified_email": true }) {
        let bed = &world.bed;
        for round in 0..6 {
            let address = format!("jane{round}@example.com");
            bed.browser(&address).await;
            world.idp.claim("sub", format!("person-{round}"));
            world.idp.claim("email", address.clone());
            bed.client().post("/auth/password/forgot", json!({ "email": address })).await;
            let mail = crate::codes::mails(bed, &address).await.pop().unwrap();
            let token = mail["link"].as_str().unwrap().split("#token=").nth(1).unwrap().to_owned();
            let browser = world.client();
            let callback = world.to_callback(&browser, "").await;
            let reset = json!({ "token": token, "new_password": "plum zq8 xw2v" });
            let anybody = world.client();
            let (reset, arrived) = tokio::join!(
                anybody.post("/auth/password/reset", &reset),
                browser.get(&callback),
            );
            assert_eq!(arrived.status, 303, "round {round}");
            let signed_in = sign_in(&world.client(), &address, "plum zq8 xw2v").await;
            let expected = if reset.status == 204 { 200 } else { 401 };
            assert_eq!(signed_in.status, expected, "round {round}: reset {}", reset.status);
        }
    }

    /// CV-01: the first factor of a pending sign-in must still exist.
    async fn unlinking_an_identity_revokes_its_pending_sign_ins(world: &World, { "sign_in_code": true, "limits": false, "auto_link_verified_email": true }) {
        let bed = &world.bed;
        let ada = bed.browser("jane@example.com").await;
        assert_eq!(world.link(&ada).await.status, 303);
        let thief = world.client();
        assert_eq!(world.sign_in(&thief).await.status, 303);
        assert!(thief.cookie("auth").is_none() && thief.cookie("auth-pending").is_some());
        let code = last_code(bed, "jane@example.com").await;
        let id = first_id(&identities(&ada).await);
        assert_eq!(unlink(&ada, &id).await.status, 204);
        let body = json!({ "code": code });
        assert_eq!(thief.post("/auth/verify", &body).await.code(), "challenge_expired");
    }

    /// A sign-in method is a password, a passkey, or an identity that may sign in.
    async fn link_only_identity_is_not_a_sign_in_method(world: &World, { "fake.link_only": true, "auto_link_verified_email": true }) {
        let ada = world.bed.browser("jane@example.com").await;
        assert_eq!(world.link(&ada).await.status, 303);
        let hub = world.client();
        let own = first_id(&identities(&ada).await);
        assert_eq!(unlink(&ada, &own).await.status, 204, "the password remains");
        assert_eq!(world.github(&hub).await.status, 303);
        let email = me(&hub).await["email"].as_str().unwrap().to_owned();
        by_mail(&world.bed, &hub, &email).await;
        assert_eq!(world.link(&hub).await.status, 303);
        let all = identities(&hub).await["identities"].clone();
        let of = |provider: &str| {
            let mut all = all.as_array().unwrap().iter();
            all.find(|own| own["provider"] == provider).unwrap()["id"].as_str().unwrap().to_owned()
        };
        assert_eq!(unlink(&hub, &of("github")).await.code(), "last_credential");
        assert_eq!(unlink(&hub, &of("fake")).await.status, 204);
    }
}
