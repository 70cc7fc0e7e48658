//! Account recovery: a session whose user has lost the strongest factor can change the account after
//! a day.

use authlayer::{
    Auth, EmailCodes, EventKind, SqliteStore, User, UserId,
    clock::Clock,
    jiff::SignedDuration,
    testing::{Mailbox, TestClient, TestResponse, VirtualAuthenticator},
};
use futures_util::future::{join, join_all};
use serde_json::{Value, json};

use crate::{
    account::link,
    authenticator::{Authenticator, answer, delete, enroll, error, finish, start},
    codes::{handle, kinds, last_code, mails, verified_user, verify, wrong},
    email_sign_in,
    interleaved::{OTHER, reset_token, rows},
    passkeys::{ORIGIN, register, step_up as by_passkey},
    providers::with_providers,
    step_up::by_mail,
    support::{Bed, On, PASSWORD, id_of, on_every_store, sign_in, until},
};

const ADA: &str = "ada@example.com";
const DAY: u64 = 24 * 3600;
const OPEN_RECOVERIES: &str = "auth_challenges WHERE kind = 'recovery' AND tries > 0";
const MODES: [&str; 6] =
    ["managed", "managed_with_claims", "mapped", "mapped_thin", "custom", "external"];

fn expect(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

async fn ask(client: &TestClient) -> TestResponse {
    client.post("/auth/account/recovery", json!({})).await
}

/// Requests a recovery, and verifies its code.
async fn begin(bed: &Bed, client: &TestClient, email: &str) -> TestResponse {
    let challenge = handle(&ask(client).await);
    let done = verify(client, &challenge, &last_code(bed, email).await).await;
    assert_eq!(done.status, 200, "{}", done.json());
    done
}

async fn cancel(client: &TestClient, token: &str) -> TestResponse {
    client.post("/auth/account/recovery/cancel", json!({ "token": token })).await
}

async fn by_password(client: &TestClient) -> TestResponse {
    client.post("/auth/password/verify", json!({ "password": PASSWORD })).await
}

/// Advances the clock, and refreshes the tokens of sessions, which have expired.
async fn later(bed: &Bed, seconds: u64, clients: &[&TestClient]) {
    bed.advance(seconds).await;
    for client in clients {
        assert_eq!(client.post("/auth/refresh", json!({})).await.status, 200);
    }
}

/// Returns the methods that recent authentication requires.
async fn required(client: &TestClient) -> Value {
    let refused = client.get("/fresh").await;
    assert_eq!(error(&refused), expect(403, "step_up_required"));
    let other = client.json(http::Method::PUT, "/auth/account/two-step", json!({})).await;
    assert_eq!(other.json()["methods"], refused.json()["methods"]);
    refused.json()["methods"].clone()
}

async fn count(bed: &Bed, kind: &str, email: &str) -> usize {
    kinds(bed, email).await.iter().filter(|own| *own == kind).count()
}

/// A user with a verified email address and an app, the path of the app, and a second session from
/// before the app was enrolled. No session has recent authentication.
async fn with_app(bed: &Bed) -> (TestClient, TestClient, Authenticator, String) {
    let ada = verified_user(bed, ADA).await;
    let other = bed.client();
    assert_eq!(sign_in(&other, ADA, PASSWORD).await.status, 200);
    let (app, done) = enroll(bed, &ada).await;
    bed.advance(600).await;
    (ada, other, app, format!("/auth/totp/{}", done["totp"]["id"].as_str().unwrap()))
}

on_every_store! {
    async fn recovery_requires_a_code_and_a_day(bed: &Bed, { "verify_email": true }) {
        let (ada, other, _, app) = with_app(bed).await;
        let id = ada.get("/auth/session").await.json()["session"]["id"].clone();
        let pending = ask(&ada).await;
        assert_eq!(pending.json()["methods"], json!(["email_code"]), "{}", pending.json());
        assert!(pending.json()["resend_at"].is_string());
        assert_eq!(kinds(bed, ADA).await.last().unwrap(), "recovery_code_email");
        let (challenge, code) = (handle(&pending), last_code(bed, ADA).await);
        for client in [&other, &bed.client()] {
            let refused = verify(client, &challenge, &code).await;
            assert_eq!(error(&refused), expect(401, "unauthenticated"));
        }
        let refused = verify(&ada, &challenge, &wrong(&code)).await;
        assert_eq!(error(&refused), expect(401, "invalid_code"));
        assert_eq!(bed.bed.watch.count(EventKind::RecoveryRequested), 0);
        let before = ada.cookie("auth").unwrap();
        let done = verify(&ada, &challenge, &code).await;
        assert_eq!(done.status, 200, "{}", done.json());
        let at = bed.bed.clock.now() + SignedDuration::from_hours(24);
        assert_eq!(done.json(), json!({ "available_at": at.to_string() }));
        assert_eq!(bed.client().bearer(&before).get("/me").await.status, 401, "SE-04");
        assert_eq!(ada.get("/auth/session").await.json()["session"]["id"], id);
        assert_eq!(kinds(bed, ADA).await.last().unwrap(), "notice_recovery_requested");
        assert_eq!(bed.bed.watch.count(EventKind::RecoveryRequested), 1);
        let used = verify(&ada, &challenge, &code).await;
        assert_eq!(error(&used), expect(401, "challenge_expired"));

        later(bed, DAY - 1, &[&ada, &other]).await;
        assert_eq!(by_password(&ada).await.status, 200);
        assert_eq!(required(&ada).await, json!(["totp"]), "it is not available yet");
        assert_eq!(count(bed, "notice_recovery_available", ADA).await, 0);
        bed.advance(1).await;
        assert_eq!(ada.get("/fresh").await.status, 200);
        assert_eq!(by_password(&other).await.status, 200);
        assert_eq!(required(&other).await, json!(["totp"]), "of another session");
        bed.advance(600).await;
        assert_eq!(required(&ada).await, json!(["totp", "password"]));
        assert_eq!(error(&delete(&ada, &app).await), expect(403, "step_up_required"));
        assert_eq!(by_password(&ada).await.status, 200);
        assert_eq!(count(bed, "notice_recovery_available", ADA).await, 1);
        assert_eq!(delete(&ada, &app).await.status, 204);
        assert_eq!(ada.get("/auth/account").await.json()["two_step"], false);
    }

    async fn bearer_session_gets_new_tokens_with_its_recovery(bed: &Bed, { "verify_email": true }) {
        let native = bed.client();
        let body = json!({ "email": ADA, "password": PASSWORD, "transport": "bearer" });
        let challenge = handle(&native.post("/auth/sign-up", &body).await);
        let done = verify(&native, &challenge, &last_code(bed, ADA).await).await.json();
        let access = done["tokens"]["access_token"].as_str().unwrap().to_owned();
        let native = bed.client().bearer(&access);
        let done = begin(bed, &native, ADA).await.json();
        assert!(done["available_at"].is_string());
        assert_eq!(native.get("/me").await.status, 401, "with the former token");
        let renewed = bed.client().bearer(done["tokens"]["access_token"].as_str().unwrap());
        assert_eq!(renewed.get("/me").await.json()["email"], ADA);
    }

    async fn recovery_is_open_for_a_day(bed: &Bed, { "verify_email": true }) {
        let (ada, ..) = with_app(bed).await;
        begin(bed, &ada, ADA).await;
        later(bed, 2 * DAY - 1, &[&ada]).await;
        assert_eq!(by_password(&ada).await.status, 200);
        assert_eq!(ada.get("/fresh").await.status, 200);
        bed.advance(1).await;
        assert_eq!(required(&ada).await, json!(["totp"]));
    }

    async fn link_stops_a_recovery_and_revokes_all_sessions(bed: &Bed, { "verify_email": true }) {
        let (ada, other, ..) = with_app(bed).await;
        begin(bed, &ada, ADA).await;
        let mails = mails(bed, ADA).await;
        let url = mails.last().unwrap()["link"].as_str().unwrap();
        assert!(url.starts_with("http://localhost:3000/cancel-recovery#token="), "{url}");
        let token = link(bed, ADA, "notice_recovery_requested").await.unwrap();
        for wrong in ["", "alk_x", &token[..token.len() - 1]] {
            assert_eq!(error(&cancel(&bed.client(), wrong).await), expect(401, "invalid_token"));
        }
        assert_eq!(ada.get("/me").await.status, 200);
        let stopped = cancel(&bed.client(), &token).await;
        assert_eq!((stopped.status.as_u16(), stopped.body.len()), (204, 0));
        for client in [&ada, &other] {
            assert_eq!(client.get("/me").await.status, 401);
        }
        assert_eq!(error(&cancel(&bed.client(), &token).await), expect(401, "invalid_token"));
        assert_eq!(bed.bed.watch.count(EventKind::RecoveryCancelled), 1);
        assert_eq!(rows(bed, OPEN_RECOVERIES).await, 0);
    }

    async fn link_is_valid_for_48_hours_and_for_nothing_else(bed: &Bed, { "verify_email": true }) {
        for (email, seconds, status) in [(ADA, 2 * DAY - 1, 204), ("bob@example.com", 2 * DAY, 401)] {
            let client = verified_user(bed, email).await;
            begin(bed, &client, email).await;
            let token = link(bed, email, "notice_recovery_requested").await.unwrap();
            let reset = json!({ "token": token, "new_password": OTHER });
            for (path, body) in [("/auth/password/reset", &reset), ("/auth/email/undo", &reset)] {
                assert_eq!(bed.client().post(path, body).await.code(), "invalid_token", "{path}");
            }
            later(bed, seconds, &[&client]).await;
            assert_eq!(cancel(&bed.client(), &token).await.status, status, "{email}");
        }
    }

    async fn user_requests_one_recovery_per_day(bed: &Bed, { "verify_email": true }) {
        let ada = verified_user(bed, ADA).await;
        assert_eq!(ask(&ada).await.status, 202);
        let limited = ask(&ada).await;
        assert_eq!(error(&limited), expect(429, "rate_limited"));
        assert_eq!(limited.header("retry-after"), DAY.to_string());
        assert_eq!(count(bed, "recovery_code_email", ADA).await, 1);
        let bob = verified_user(bed, "bob@example.com").await;
        assert_eq!(ask(&bob).await.status, 202);
        later(bed, DAY, &[&ada]).await;
        assert_eq!(ask(&ada).await.status, 202);
    }

    async fn code_of_a_recovery_is_sent_again_after_a_minute(bed: &Bed, { "verify_email": true }) {
        let ada = verified_user(bed, ADA).await;
        let challenge = handle(&ask(&ada).await);
        let again = async || ada.post("/auth/verify/resend", json!({ "challenge": challenge })).await;
        assert_eq!(again().await.status, 202);
        assert_eq!(count(bed, "recovery_code_email", ADA).await, 1, "none is sent within a minute");
        let first = last_code(bed, ADA).await;
        bed.advance(60).await;
        let sent = again().await;
        assert_eq!(sent.status, 202, "{}", sent.json());
        assert_eq!(count(bed, "recovery_code_email", ADA).await, 2);
        let code = last_code(bed, ADA).await;
        if first != code {
            assert_eq!(verify(&ada, &challenge, &first).await.code(), "invalid_code");
        }
        assert!(verify(&ada, &challenge, &code).await.json()["available_at"].is_string());
    }

    /// The option requires a passkey; the recovery waives it like any demand of the strongest factor.
    async fn recovery_manages_passkeys_without_one(bed: &Bed, { "verify_email": true, "require_passkey_to_manage": true }) {
        let ada = verified_user(bed, ADA).await;
        let done = register(&ada, &mut VirtualAuthenticator::new(ORIGIN)).await;
        let lost = format!("/auth/passkeys/{}", done.json()["id"].as_str().unwrap());
        bed.advance(600).await;
        begin(bed, &ada, ADA).await;
        later(bed, DAY, &[&ada]).await;
        assert_eq!(by_password(&ada).await.status, 200);
        let new = register(&ada, &mut VirtualAuthenticator::new(ORIGIN)).await;
        assert_eq!(new.status, 201, "{}", new.json());
        assert_eq!(delete(&ada, &lost).await.status, 204);
    }

    async fn recovery_requires_a_session_of_a_registered_user(bed: &Bed) {
        let ada = bed.browser(ADA).await;
        assert_eq!(error(&ask(&ada).await), expect(403, "email_not_verified"));
        assert_eq!(ask(&bed.client()).await.code(), "unauthenticated");
        let guest = bed.client();
        assert_eq!(guest.post("/auth/anonymous", json!({})).await.status, 201);
        let json = [("content-type", "application/json")];
        for body in ["{}", "[]"] {
            let path = "/auth/account/recovery";
            let refused = guest.send(http::Method::POST, path, &json, body.as_bytes()).await;
            assert_eq!(error(&refused), expect(403, "forbidden"), "{body}");
        }
        let key = ada.post("/auth/api-keys", json!({ "name": "x", "scopes": [] })).await.json();
        let program = bed.client().bearer(key["key"].as_str().unwrap());
        assert_eq!(error(&ask(&program).await), expect(403, "forbidden"));
    }

    async fn newer_recovery_ends_the_older_one_when_its_code_is_verified(bed: &Bed, { "verify_email": true, "limits": false }) {
        let (ada, other, ..) = with_app(bed).await;
        begin(bed, &ada, ADA).await;
        let older = link(bed, ADA, "notice_recovery_requested").await.unwrap();
        later(bed, DAY, &[&ada, &other]).await;
        let challenge = handle(&ask(&other).await);
        assert_eq!(required(&ada).await, json!(["totp", "password"]), "its code is not verified");
        assert_eq!(verify(&other, &challenge, &last_code(bed, ADA).await).await.status, 200);
        assert_eq!(required(&ada).await, json!(["totp"]));
        assert_eq!(cancel(&bed.client(), &older).await.code(), "invalid_token");
        later(bed, DAY, &[&ada, &other]).await;
        assert_eq!(required(&ada).await, json!(["totp"]));
        assert_eq!(required(&other).await, json!(["totp", "password"]));
    }

    async fn verification_of_the_strongest_factor_on_any_session_ends_a_recovery(bed: &Bed, { "verify_email": true, "limits": false }) {
        let (ada, other, app, _) = with_app(bed).await;
        begin(bed, &ada, ADA).await;
        assert_eq!(by_password(&other).await.status, 200);
        assert_eq!(rows(bed, OPEN_RECOVERIES).await, 1, "a weaker factor does not end it");
        let body = json!({ "code": app.next(bed).await });
        assert_eq!(other.post("/auth/totp/verify", &body).await.status, 200);
        assert_eq!(rows(bed, OPEN_RECOVERIES).await, 0);
        later(bed, DAY, &[&ada]).await;
        assert_eq!(required(&ada).await, json!(["totp"]));

        begin(bed, &ada, ADA).await;
        let phone = bed.client();
        let challenge = handle(&sign_in(&phone, ADA, PASSWORD).await);
        assert_eq!(answer(&phone, &challenge, "totp", &app.next(bed).await).await.status, 200);
        assert_eq!(phone.post("/auth/sign-out", json!({})).await.status, 204);
        later(bed, DAY, &[&ada]).await;
        assert_eq!(required(&ada).await, json!(["totp"]));
    }

    async fn sign_in_with_the_password_ends_the_recovery_of_a_password(bed: &Bed, { "verify_email": true, "limits": false }) {
        let ada = verified_user(bed, ADA).await;
        begin(bed, &ada, ADA).await;
        later(bed, DAY, &[&ada]).await;
        assert_eq!(required(&ada).await, json!(["password", "email_code"]));
        assert_eq!(by_mail(bed, &ada, ADA).await.status, 200);
        assert_eq!(ada.get("/fresh").await.status, 200);
        let phone = bed.client();
        assert_eq!(sign_in(&phone, ADA, PASSWORD).await.status, 200);
        assert_eq!(required(&ada).await, json!(["password"]));
        assert_eq!(phone.post("/auth/sign-out", json!({})).await.status, 204);
        until("the end of the recovery", async || rows(bed, OPEN_RECOVERIES).await == 0).await;
        assert_eq!(required(&ada).await, json!(["password"]));
    }

    async fn change_of_the_account_ends_a_recovery(bed: &Bed, { "verify_email": true, "limits": false }) {
        let (ada, other, ..) = with_app(bed).await;
        let id = UserId::new(id_of(&ada).await);
        begin(bed, &ada, ADA).await;
        let body = json!({ "current_password": PASSWORD, "new_password": OTHER });
        assert_eq!(ada.post("/auth/password/change", &body).await.status, 200);
        assert_eq!(rows(bed, OPEN_RECOVERIES).await, 0, "a new password");
        assert_eq!(other.get("/me").await.status, 401);

        bed.advance(60).await;
        begin(bed, &ada, ADA).await;
        let to = "moved@example.com";
        let moved = |user: &mut User| user.email = Some(to.parse().unwrap());
        bed.bed.auth.users().edit(&id, moved).await.unwrap();
        later(bed, DAY, &[&ada]).await;
        assert_eq!(required(&ada).await, json!(["totp"]), "another email address");

        begin(bed, &ada, to).await;
        let token = link(bed, to, "notice_recovery_requested").await.unwrap();
        let body = json!({ "token": reset_token(bed, to).await, "new_password": PASSWORD });
        assert_eq!(bed.client().post("/auth/password/reset", &body).await.status, 204);
        assert_eq!(rows(bed, OPEN_RECOVERIES).await, 0, "a reset");
        assert_eq!(cancel(&bed.client(), &token).await.status, 204, "the link stays valid");
    }

    async fn refresh_token_of_before_a_recovery_is_rejected_and_is_no_theft(bed: &Bed, { "verify_email": true }) {
        verified_user(bed, ADA).await;
        let body = json!({ "email": ADA, "password": PASSWORD, "transport": "bearer" });
        let tokens = bed.client().post("/auth/sign-in", &body).await.json()["tokens"].clone();
        let native = bed.client().bearer(tokens["access_token"].as_str().unwrap());
        let renewed = begin(bed, &native, ADA).await.json()["tokens"].clone();
        let refresh = async |tokens: &Value| {
            let body = json!({ "refresh_token": tokens["refresh_token"] });
            bed.client().post("/auth/refresh", &body).await
        };
        assert_eq!(refresh(&tokens).await.code(), "invalid_refresh_token");
        assert_eq!(refresh(&renewed).await.status, 200, "the session continues");
        assert_eq!(rows(bed, OPEN_RECOVERIES).await, 1);
    }

    async fn recovery_remembers_no_device(bed: &Bed, { "verify_email": true }) {
        let (ada, ..) = with_app(bed).await;
        let challenge = handle(&ask(&ada).await);
        let code = last_code(bed, ADA).await;
        let body = json!({ "challenge": challenge, "code": code, "remember": true });
        assert_eq!(ada.post("/auth/verify", &body).await.status, 200);
        assert_eq!(sign_in(&ada, ADA, PASSWORD).await.status, 202, "a second factor is required");
    }

    async fn revocation_of_all_sessions_ends_a_recovery(bed: &Bed, { "verify_email": true }) {
        let (ada, other, ..) = with_app(bed).await;
        begin(bed, &ada, ADA).await;
        assert_eq!(delete(&other, "/auth/sessions?scope=others").await.status, 200);
        assert_eq!(rows(bed, OPEN_RECOVERIES).await, 1, "the session of the recovery ended alone");
        assert_eq!(delete(&other, "/auth/sessions?scope=all").await.status, 200);
        assert_eq!(rows(bed, OPEN_RECOVERIES).await, 0);
    }

    async fn factor_that_a_recovery_registers_counts_after_its_verification(bed: &Bed, { "verify_email": true }) {
        let ada = verified_user(bed, ADA).await;
        let (mut lost, mut key) = (VirtualAuthenticator::new(ORIGIN), VirtualAuthenticator::new(ORIGIN));
        let made = register(&ada, &mut lost).await;
        assert_eq!(made.status, 201, "{}", made.json());
        let lost = format!("/auth/passkeys/{}", made.json()["id"].as_str().unwrap());
        bed.advance(600).await;
        begin(bed, &ada, ADA).await;
        let token = link(bed, ADA, "notice_recovery_requested").await.unwrap();
        later(bed, DAY, &[&ada]).await;
        assert_eq!(required(&ada).await, json!(["passkey", "password"]));
        assert_eq!(by_password(&ada).await.status, 200);
        bed.advance(599).await;
        assert_eq!(register(&ada, &mut key).await.status, 201);
        let (started, app) = start(&ada).await;
        assert_eq!(finish(&ada, &started, &app.code(bed)).await.status, 201);
        bed.advance(1).await;
        assert_eq!(required(&ada).await, json!(["passkey", "totp"]), "the next weaker one is the app");
        let strong = ada.get("/strong").await;
        assert_eq!(strong.json()["methods"], json!(["passkey"]), "a guard that names the factor");
        let body = json!({ "code": app.next(bed).await });
        assert_eq!(ada.post("/auth/totp/verify", &body).await.status, 200);
        assert_eq!(ada.get("/fresh").await.status, 200);
        assert_eq!(by_passkey(&ada, &mut key).await.status, 200);
        assert_eq!(rows(bed, OPEN_RECOVERIES).await, 0, "the strongest factor was verified");
        assert_eq!(delete(&ada, &lost).await.status, 204);
        assert_eq!(cancel(&bed.client(), &token).await.status, 204, "a thief cannot end the link");
        assert_eq!(ada.get("/me").await.status, 401);
    }

    async fn no_sign_in_passes_without_a_second_factor(bed: &Bed, { "verify_email": true }) {
        let (ada, ..) = with_app(bed).await;
        begin(bed, &ada, ADA).await;
        for seconds in [0, DAY] {
            later(bed, seconds, &[&ada]).await;
            let browser = bed.client();
            let pending = sign_in(&browser, ADA, PASSWORD).await;
            assert_eq!(pending.status, 202);
            assert_eq!(pending.json()["methods"], json!(["totp", "recovery_code"]));
            let challenge = handle(&email_sign_in::start(&browser, ADA).await);
            let pending = verify(&browser, &challenge, &last_code(bed, ADA).await).await;
            assert_eq!(pending.status, 202, "{}", pending.json());
            assert_eq!(pending.json()["methods"], json!(["totp", "recovery_code"]));
            assert_eq!(browser.get("/me").await.status, 401);
        }
        assert_eq!(by_password(&ada).await.status, 200);
        assert_eq!(ada.get("/fresh").await.status, 200, "the recovery is open");
    }

    /// The process clock decides, so it also works while the clock of the database differs.
    async fn sweeper_announces_an_available_recovery_once(bed: &Bed, { "verify_email": true }) {
        let (ada, ..) = with_app(bed).await;
        begin(bed, &ada, ADA).await;
        let sweep = async || {
            assert_eq!(bed.client().post("/testbed/sweep", json!({})).await.status, 200);
            count(bed, "notice_recovery_available", ADA).await
        };
        later(bed, DAY - 1, &[&ada]).await;
        assert_eq!(sweep().await, 0);
        bed.advance(1).await;
        assert_eq!(sweep().await, 1);
        assert_eq!(required(&ada).await, json!(["totp", "password"]));
        assert_eq!(sweep().await, 1);
        assert_eq!(by_password(&ada).await.status, 200);
        assert_eq!(ada.get("/fresh").await.status, 200, "it stays open");
    }

    async fn concurrent_requests_leave_one_recovery_that_is_stopped_once(bed: &Bed, { "verify_email": true, "limits": false }) {
        let (ada, other, _, app) = with_app(bed).await;
        let first = handle(&ask(&ada).await);
        let first_code = last_code(bed, ADA).await;
        bed.advance(60).await;
        let second = handle(&ask(&other).await);
        let second_code = last_code(bed, ADA).await;
        let both = join(verify(&ada, &first, &first_code), verify(&other, &second, &second_code));
        let (one, two) = both.await;
        assert_eq!((one.status.as_u16(), two.status.as_u16()), (200, 200));
        assert_eq!(rows(bed, OPEN_RECOVERIES).await, 1);
        later(bed, DAY, &[&ada, &other]).await;
        let open = json!(["totp", "password"]);
        let owner = if required(&ada).await == open { &ada } else { &other };
        assert_eq!(required(owner).await, open);
        assert_eq!(by_password(owner).await.status, 200);
        let links = mails(bed, ADA).await;
        let links = links.iter().filter_map(|mail| mail["link"].as_str()?.split("#token=").nth(1));
        let tokens: Vec<_> = links.map(str::to_owned).collect();
        assert_eq!(tokens.len(), 2);
        let (stranger, twice) = (bed.client(), [&tokens[..], &tokens[..]].concat());
        let stops = join_all(twice.iter().map(|token| cancel(&stranger, token)));
        let (stopped, _) = join(stops, delete(owner, &app)).await;
        let statuses: Vec<_> = stopped.iter().map(|answer| answer.status.as_u16()).collect();
        assert_eq!(statuses.iter().filter(|status| **status == 204).count(), 1, "{statuses:?}");
        for client in [&ada, &other] {
            assert_eq!(client.get("/me").await.status, 401);
        }
        assert_eq!(rows(bed, OPEN_RECOVERIES).await, 0);
    }

    async fn pages_begin_and_stop_a_recovery(bed: &Bed, { "pages": true, "verify_email": true }) {
        let led = |answer: &TestResponse| (answer.status.as_u16(), answer.header("location"));
        let to = |page: &str| (303, format!("/account/{page}"));
        let ada = verified_user(bed, ADA).await;
        let (_, _) = enroll(bed, &ada).await;
        let shown = String::from_utf8(ada.get("/account/security").await.body).unwrap();
        assert!(shown.contains("id=\"recovery\""), "{shown}");
        assert_eq!(led(&ada.post_form("/account/security/recovery", &[]).await), to("verify"));
        let code = last_code(bed, ADA).await;
        assert_eq!(led(&ada.post_form("/account/verify", &[("code", &code)]).await), to("security"));
        assert_eq!(ada.get("/me").await.status, 200);
        let mails = mails(bed, ADA).await;
        let path = mails.last().unwrap()["link"].as_str().unwrap();
        let path = path.strip_prefix("http://localhost:3000").unwrap();
        assert!(path.starts_with("/account/cancel-recovery?token="), "{path}");
        let owner = bed.client();
        assert_eq!(led(&owner.get(path).await), to("cancel-recovery"));
        let shown = String::from_utf8(owner.get("/account/cancel-recovery").await.body).unwrap();
        assert!(shown.contains("a•••@example.com"), "{shown}");
        assert_eq!(ada.get("/me").await.status, 200, "opening it stops nothing");
        let digest = shown.split("name=\"for\"").nth(1).unwrap().split("value=\"").nth(1).unwrap();
        let form = [("for", digest.split('"').next().unwrap())];
        let stopped = owner.post_form("/account/cancel-recovery", &form).await;
        assert_eq!(led(&stopped), to("sign-in"));
        assert_eq!(ada.get("/me").await.status, 401);
        assert_eq!(owner.get(path).await.status, 303);
        let again = owner.post_form("/account/cancel-recovery", &form).await;
        assert_eq!(again.status, 401);
    }
}

with_providers! {
    async fn verified_addresses_of_identities_are_notified(world: &World, { "verify_email": true }) {
        let bed = &world.bed;
        let ada = verified_user(bed, ADA).await;
        assert_eq!(world.link(&ada).await.status, 303);
        begin(bed, &ada, ADA).await;
        for email in [ADA, "jane@example.com"] {
            assert_eq!(count(bed, "notice_recovery_requested", email).await, 1, "{email}");
        }
        let token = link(bed, "jane@example.com", "notice_recovery_requested").await.unwrap();
        assert_eq!(cancel(&world.client(), &token).await.status, 204);
    }
}

#[tokio::test]
async fn recovery_is_the_same_in_every_storage_mode() {
    for on in [On::Sqlite, On::Postgres] {
        for mode in MODES {
            let bed = &Bed::in_mode_with(on, mode, json!({ "verify_email": true })).await;
            let (ada, _, app, path) = with_app(bed).await;
            begin(bed, &ada, ADA).await;
            later(bed, DAY, &[&ada]).await;
            assert_eq!(sign_in(&bed.client(), ADA, PASSWORD).await.status, 202, "{on:?} {mode}");
            assert_eq!(required(&ada).await, json!(["totp", "password"]), "{on:?} {mode}");
            assert_eq!(by_password(&ada).await.status, 200);
            assert_eq!(ada.get("/fresh").await.status, 200, "{on:?} {mode}");
            let phone = bed.client();
            let challenge = handle(&sign_in(&phone, ADA, PASSWORD).await);
            let done = answer(&phone, &challenge, "totp", &app.next(bed).await).await;
            assert_eq!(done.status, 200, "{on:?} {mode}: {}", done.json());
            assert_eq!(required(&ada).await, json!(["totp"]), "{on:?} {mode}");
            assert_eq!(error(&delete(&ada, &path).await), expect(403, "step_up_required"));
            begin(bed, &ada, ADA).await;
            let token = link(bed, ADA, "notice_recovery_requested").await.unwrap();
            assert_eq!(cancel(&bed.client(), &token).await.status, 204, "{on:?} {mode}");
            assert_eq!(ada.get("/me").await.status, 401, "{on:?} {mode}");
        }
    }
}

#[tokio::test]
async fn recovery_requires_a_mailer_codes_and_security_emails() {
    let store = SqliteStore::memory().await.unwrap();
    let builder =
        || Auth::builder(store.clone()).origin(ORIGIN).flow(authlayer::AccountRecovery::new());
    let mailed = || builder().mailer(Mailbox::default());
    for (builder, problem) in [
        (builder(), "a mailer is required"),
        (mailed(), "EmailCodes"),
        (mailed().flow(EmailCodes::new()).security_emails(false), "security emails are required"),
    ] {
        let error = builder.build().unwrap_err().to_string();
        assert!(error.contains(problem), "{error}");
    }
    let page = authlayer::AccountRecovery::new().cancel_page("https://x.example");
    let builder = Auth::builder(store).origin(ORIGIN).mailer(Mailbox::default()).flow(page);
    assert!(builder.build().unwrap_err().to_string().contains("cancel_page"));
}
