//! Authenticator apps: enrollment, sign-in, step-up and removal.

use std::process::Command;

use authlayer::{
    EventKind, Factor, SignInOutcome, services::VerifiedFactor, testing::VirtualAuthenticator,
};
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::{
    authenticator::{answer, delete, enroll, error, factors, finish, second_of, start},
    codes::{handle, kinds, last_code},
    passkeys::{ORIGIN, register, step_up as by_passkey},
    support::{PASSWORD, on_every_store, on_managed_stores, sign_in, sign_up},
};

const ADA: &str = "ada@example.com";

fn expect(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

on_every_store! {
    async fn methods_are_disclosed_only_after_the_first_factor(bed: &Bed, { "limits": false }) {
        enroll(bed, &bed.browser(ADA).await).await;
        bed.browser("bob@example.com").await;
        for (path, fields) in [
            ("sign-in", json!({ "password": "wrong wrong wrong" })),
            ("email-sign-in", json!({})),
            ("password/forgot", json!({})),
        ] {
            let mut shown = Vec::new();
            for email in [ADA, "bob@example.com", "nobody@example.com"] {
                let mut body = fields.clone();
                body["email"] = json!(email);
                let answer = bed.client().post(&format!("/auth/{path}"), &body).await;
                let text = String::from_utf8_lossy(&answer.body);
                assert!(!text.contains("totp") && !text.contains("recovery_code"), "{path}: {text}");
                let body = serde_json::from_slice::<Value>(&answer.body).unwrap_or_default();
                shown.push((answer.status.as_u16(), body["methods"].clone()));
            }
            assert!(shown.iter().all(|own| *own == shown[0]), "{path}: {shown:?}");
        }
    }

    async fn enrollment_shows_the_secret_and_ends_with_the_first_code(bed: &Bed) {
        let ada = bed.browser(ADA).await;
        let before = ada.cookie("auth").unwrap();
        let (started, app) = start(&ada).await;
        let uri = started["uri"].as_str().unwrap();
        let expected = format!(
            "otpauth://totp/Testbed:{ADA}?secret={}&issuer=Testbed&algorithm=SHA1&digits=6&period=30",
            app.base32
        );
        assert_eq!(uri, expected);
        let qr = started["qr"].as_str().unwrap();
        assert!(qr.starts_with("<svg") && qr.ends_with("</svg>"), "{qr}");
        let links: Vec<_> = qr.match_indices("://").collect();
        assert!(links.len() == 1 && qr.contains("xmlns=\"http://www.w3.org/2000/svg\""), "{qr}");
        for part in ["script", "href", "<image", "url(", "onload", "style="] {
            assert!(!qr.contains(part), "{part}");
        }
        assert_eq!(ada.get("/auth/totp").await.json()["totp"], json!([]));
        let done = finish(&ada, &started, &app.code(bed)).await;
        assert_eq!(done.status, 201, "{}", done.json());
        let own = &done.json()["totp"];
        assert_eq!((&own["name"], &own["last_used_at"]), (&json!("Phone"), &Value::Null));
        assert_eq!(done.json()["recovery_codes"].as_array().unwrap().len(), 10);
        assert_ne!(ada.cookie("auth").unwrap(), before);
        assert_eq!(ada.get("/auth/totp").await.json()["totp"], json!([own]));
        let again = finish(&ada, &started, &app.code(bed)).await;
        assert_eq!(error(&again), expect(401, "challenge_expired"));
        assert!(kinds(bed, ADA).await.contains(&"notice_factor_added".to_owned()));
        for kind in [EventKind::TotpAdded, EventKind::RecoveryCodesCreated] {
            assert_eq!(bed.bed.watch.count(kind), 1);
        }
        let (_, second) = enroll(bed, &ada).await;
        assert!(second.get("recovery_codes").is_none(), "{second}");
        let bearer = bed.native("bob@example.com").await.0;
        let (_, done) = enroll(bed, &bearer).await;
        assert!(done["tokens"]["access_token"].is_string(), "{done}");
    }

    async fn enrollment_is_valid_for_five_attempts_on_its_session(bed: &Bed) {
        let ada = bed.browser(ADA).await;
        let (started, app) = start(&ada).await;
        let other = bed.client();
        sign_in(&other, ADA, PASSWORD).await;
        let foreign = finish(&other, &started, &app.code(bed)).await;
        assert_eq!(error(&foreign), expect(401, "challenge_expired"));
        assert_eq!(finish(&bed.client(), &started, &app.code(bed)).await.status, 401);
        for _ in 0..5 {
            let wrong = finish(&ada, &started, "000000").await;
            assert_eq!(error(&wrong), expect(401, "invalid_code"));
        }
        let late = finish(&ada, &started, &app.code(bed)).await;
        assert_eq!(error(&late), expect(401, "challenge_expired"));
        let (started, app) = start(&ada).await;
        let (newer, newer_app) = start(&ada).await;
        assert_eq!(finish(&ada, &newer, &newer_app.code(bed)).await.status, 201);
        assert_eq!(finish(&ada, &started, &app.code(bed)).await.status, 201);
        let (started, app) = start(&ada).await;
        bed.advance(600).await;
        let expired = finish(&ada, &started, &app.code(bed)).await;
        assert_eq!(error(&expired), expect(401, "challenge_expired"));
        for body in [json!({ "challenge": "x" }), json!({ "challenge": "x", "code": "1", "name": "" })] {
            assert_eq!(ada.post("/auth/totp/register/finish", &body).await.status, 422);
        }
    }

    async fn sign_in_requires_a_code_that_was_not_used(bed: &Bed) {
        let ada = bed.browser(ADA).await;
        let (app, _) = enroll(bed, &ada).await;
        let browser = bed.client();
        let pending = sign_in(&browser, ADA, PASSWORD).await;
        assert_eq!(pending.json()["methods"], json!(["totp", "recovery_code"]));
        assert!(pending.json().get("resend_at").is_none());
        assert_eq!(browser.get("/me").await.status, 401);
        let challenge = handle(&pending);
        let used = answer(&browser, &challenge, "totp", &app.code(bed)).await;
        assert_eq!(error(&used), expect(401, "invalid_code"), "the enrollment used it");
        let code = app.next(bed).await;
        let spaced = format!("{} {}", &code[..3], &code[3..]);
        let body = json!({ "challenge": challenge, "code": spaced });
        let done = browser.post("/auth/verify", &body).await;
        assert_eq!(done.status, 200, "{}", done.json());
        assert_eq!(factors(&done), ["password", "totp"]);
        let gone = answer(&browser, &challenge, "totp", &code).await;
        assert_eq!(error(&gone), expect(401, "challenge_expired"));
        let second = handle(&sign_in(&bed.client(), ADA, PASSWORD).await);
        let replayed = answer(&browser, &second, "totp", &code).await;
        assert_eq!(error(&replayed), expect(401, "invalid_code"));
        let earlier = app.code_at(second_of(bed) - 30);
        assert_eq!(answer(&browser, &second, "totp", &earlier).await.code(), "invalid_code");
        let later = app.code_at(second_of(bed) + 30);
        assert_eq!(answer(&browser, &second, "totp", &later).await.status, 200);
        assert!(ada.get("/auth/totp").await.json()["totp"][0]["last_used_at"].is_string());
    }

    /// F25, F27: of simultaneous answers with one right code, one begins a session, at one pending
    /// sign-in and at several.
    async fn one_right_code_succeeds_once(bed: &Bed, { "limits": false }) {
        let ada = bed.browser(ADA).await;
        let (app, _) = enroll(bed, &ada).await;
        let mut pending = Vec::new();
        for _ in 0..8 {
            pending.push(handle(&sign_in(&bed.client(), ADA, PASSWORD).await));
        }
        let code = app.next(bed).await;
        let all = (0..32).map(|at| {
            let (challenge, code) = (&pending[at % pending.len()], &code);
            async move { answer(&bed.client(), challenge, "totp", code).await.status.as_u16() }
        });
        let statuses = join_all(all).await;
        assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
        assert!(statuses.iter().all(|status| [200, 401].contains(status)), "{statuses:?}");
    }

    async fn wrong_codes_are_counted_per_account_behind_the_first_factor(bed: &Bed) {
        let ada = bed.browser(ADA).await;
        let (app, _) = enroll(bed, &ada).await;
        for _ in 0..4 {
            let browser = bed.client();
            let challenge = handle(&sign_in(&browser, ADA, PASSWORD).await);
            for _ in 0..5 {
                let wrong = answer(&browser, &challenge, "totp", "000000").await;
                assert_eq!(error(&wrong), expect(401, "invalid_code"));
            }
            let late = answer(&browser, &challenge, "totp", &app.code(bed)).await;
            assert_eq!(error(&late).0, if late.code() == "challenge_expired" { 401 } else { 429 });
        }
        let browser = bed.client();
        let challenge = handle(&sign_in(&browser, ADA, PASSWORD).await);
        let limited = answer(&browser, &challenge, "totp", &app.next(bed).await).await;
        assert_eq!(error(&limited), expect(429, "too_many_attempts"));
        assert!(limited.json()["retry_after"].as_u64().unwrap() <= 3600);
        let body = json!({ "email": ADA, "password": "wrong wrong wrong" });
        assert_eq!(browser.post("/auth/sign-in", &body).await.code(), "invalid_credentials");
        assert_eq!(sign_in(&bed.client(), ADA, PASSWORD).await.status, 202);
        let own = ada.post("/auth/totp/verify", json!({ "code": app.code(bed) })).await;
        assert_eq!(own.status, 200, "the user's own session has attempts of its own");
        bed.advance(3600).await;
        let challenge = handle(&sign_in(&browser, ADA, PASSWORD).await);
        assert_eq!(answer(&browser, &challenge, "totp", &app.code(bed)).await.status, 200);
    }

    async fn methods_share_the_attempts_and_others_are_rejected(bed: &Bed) {
        let ada = bed.browser(ADA).await;
        enroll(bed, &ada).await;
        let browser = bed.client();
        let challenge = handle(&sign_in(&browser, ADA, PASSWORD).await);
        for method in ["email_code", "passkey", "password", "sms", ""] {
            let refused = answer(&browser, &challenge, method, "000000").await;
            assert_eq!(error(&refused), expect(422, "invalid_request"), "{method}");
            assert_eq!(refused.json()["members"], json!(["method"]));
        }
        for method in [json!(null), json!("totp"), json!("recovery_code"), json!("email_code")] {
            let body = json!({ "challenge": challenge, "method": method });
            let refused = browser.post("/auth/verify/resend", &body).await;
            assert_eq!(error(&refused), expect(422, "invalid_request"), "{method}");
        }
        for at in 0..5 {
            let method = if at % 2 == 0 { "totp" } else { "recovery_code" };
            let wrong = answer(&browser, &challenge, method, "00000-00000").await;
            assert_eq!(error(&wrong), expect(401, "invalid_code"));
        }
        let late = answer(&browser, &challenge, "totp", "000000").await;
        assert_eq!(error(&late), expect(401, "challenge_expired"));
    }

    async fn step_up_by_app_is_required_of_its_user(bed: &Bed) {
        let ada = bed.browser(ADA).await;
        let none = ada.post("/auth/totp/verify", json!({ "code": "000000" })).await;
        assert_eq!(error(&none), expect(404, "no_totp"));
        let (app, _) = enroll(bed, &ada).await;
        assert_eq!(ada.get("/fresh").await.status, 200, "the enrollment is recent");
        bed.advance(600).await;
        let by_password = ada.post("/auth/password/verify", json!({ "password": PASSWORD })).await;
        assert_eq!(by_password.status, 200);
        let stale = ada.get("/fresh").await;
        assert_eq!(error(&stale), expect(403, "step_up_required"));
        assert_eq!(stale.json()["methods"], json!(["totp"]));
        for path in ["/auth/totp/register/start", "/auth/recovery-codes", "/auth/passkeys/register/start"] {
            let refused = ada.post(path, json!({})).await;
            assert_eq!(error(&refused), expect(403, "step_up_required"), "{path}");
        }
        let wrong = ada.post("/auth/totp/verify", json!({ "code": "000000" })).await;
        assert_eq!(error(&wrong), expect(401, "invalid_code"));
        let body = json!({ "code": app.code(bed) });
        let before = ada.get("/auth/session").await.json()["session"]["id"].clone();
        let done = ada.post("/auth/totp/verify", &body).await;
        assert_eq!(done.status, 200, "{}", done.json());
        assert_eq!((&done.json()["session"]["id"], factors(&done)), (&before, vec!["password".to_owned(), "totp".to_owned()]));
        assert_eq!(ada.post("/auth/totp/verify", &body).await.code(), "invalid_code");
        assert_eq!(ada.get("/fresh").await.status, 200);
        assert_eq!(bed.client().post("/auth/totp/verify", &body).await.code(), "unauthenticated");
        assert_eq!(ada.post("/auth/factors/totp/verify", &body).await.status, 404);
    }

    async fn at_most_five_apps_are_enrolled(bed: &Bed) {
        let ada = bed.browser(ADA).await;
        for _ in 0..5 {
            enroll(bed, &ada).await;
        }
        let (started, app) = start(&ada).await;
        let refused = finish(&ada, &started, &app.code(bed)).await;
        assert_eq!(error(&refused), expect(409, "too_many_factors"));
        assert_eq!(ada.get("/auth/totp").await.json()["totp"].as_array().unwrap().len(), 5);
    }

    async fn simultaneous_enrollments_leave_at_most_five_apps(bed: &Bed) {
        let ada = bed.browser(ADA).await;
        let mut started = Vec::new();
        for _ in 0..7 {
            started.push(start(&ada).await);
        }
        let all = started.iter().map(|(started, app)| async {
            finish(&ada, started, &app.code(bed)).await.status.as_u16()
        });
        let statuses = join_all(all).await;
        let listed = ada.get("/auth/totp").await.json()["totp"].as_array().unwrap().len();
        let added = statuses.iter().filter(|status| **status == 201).count();
        assert!((1..=5).contains(&added) && listed == added, "{listed}: {statuses:?}");
    }

    async fn name_of_an_app_is_1_to_64_printable_characters(bed: &Bed) {
        let ada = bed.browser(ADA).await;
        let (started, app) = start(&ada).await;
        let named = async |name: &str| {
            let body = json!({ "challenge": started["challenge"], "code": app.code(bed), "name": name });
            ada.post("/auth/totp/register/finish", &body).await
        };
        for name in ["", " ", "a\nb", "a\u{7f}", "\u{202e}phone", &"n".repeat(65)] {
            let refused = named(name).await;
            assert_eq!(error(&refused), expect(422, "invalid_request"), "{name:?}");
        }
        let longest = "\u{e9}".repeat(64);
        let done = named(&longest).await;
        assert_eq!(done.status, 201, "{}", done.json());
        assert_eq!(done.json()["totp"]["name"], json!(longest));
    }

    async fn removal_ends_the_sessions_begun_with_the_app(bed: &Bed) {
        let ada = bed.browser(ADA).await;
        let old = bed.client();
        assert_eq!(sign_in(&old, ADA, PASSWORD).await.status, 200);
        let (app, done) = enroll(bed, &ada).await;
        let (other, second) = enroll(bed, &ada).await;
        let signed_in = async |app: &crate::authenticator::Authenticator| {
            let browser = bed.client();
            let challenge = handle(&sign_in(&browser, ADA, PASSWORD).await);
            let done = answer(&browser, &challenge, "totp", &app.next(bed).await).await;
            assert_eq!(done.status, 200, "{}", done.json());
            browser
        };
        let (by_app, by_other) = (signed_in(&app).await, signed_in(&other).await);
        let path = |body: &Value| format!("/auth/totp/{}", body["totp"]["id"].as_str().unwrap());
        let eve = bed.browser("eve@example.com").await;
        assert_eq!(error(&delete(&eve, &path(&done)).await), expect(404, "not_found"));
        assert_eq!(delete(&bed.client(), &path(&done)).await.status, 401);
        assert_eq!(error(&delete(&old, &path(&done)).await), expect(403, "step_up_required"));
        assert_eq!(delete(&ada, &path(&done)).await.status, 204);
        assert_eq!(delete(&ada, &path(&done)).await.status, 404);
        assert_eq!(by_app.get("/me").await.status, 401);
        for browser in [&ada, &old, &by_other] {
            assert_eq!(browser.get("/me").await.status, 200);
        }
        assert_eq!(ada.get("/auth/recovery-codes").await.json()["left"], json!(10));
        assert_eq!(delete(&by_other, &path(&second)).await.status, 204);
        let none = json!({ "left": 0, "created_at": null });
        assert_eq!(ada.get("/auth/recovery-codes").await.json(), none);
        assert_eq!(bed.bed.watch.count(EventKind::TotpRemoved), 2);
        assert!(kinds(bed, ADA).await.contains(&"notice_factor_removed".to_owned()));
        assert_eq!(sign_in(&bed.client(), ADA, PASSWORD).await.status, 200, "two-step is off");
    }

    /// A code by email is no way around the app, whichever way it is requested.
    async fn user_with_an_app_is_not_offered_an_email_code(bed: &Bed, { "sign_in_code": true }) {
        let ada = bed.browser(ADA).await;
        let browser = bed.client();
        let before = handle(&sign_in(&browser, ADA, PASSWORD).await);
        let code = last_code(bed, ADA).await;
        let (app, _) = enroll(bed, &ada).await;
        let mails = kinds(bed, ADA).await.len();
        let late = answer(&browser, &before, "email_code", &code).await;
        assert_eq!(late.json()["methods"], json!(["totp", "recovery_code"]), "enrolled meanwhile");
        let pending = sign_in(&browser, ADA, PASSWORD).await;
        assert_eq!(pending.json()["methods"], json!(["totp", "recovery_code"]));
        let challenge = handle(&pending);
        let codes = bed.bed.auth.service::<authlayer::EmailCodes>().unwrap();
        let client = authlayer::model::ClientInfo::default();
        assert!(codes.resend(&challenge, &client).await.is_err());
        assert!(codes.verify(&challenge, "000000", false, None, client).await.is_err());
        assert_eq!(kinds(bed, ADA).await.len(), mails, "no code was sent");
        assert_eq!(answer(&browser, &challenge, "totp", &app.next(bed).await).await.status, 200);
    }

    async fn passkey_completes_a_sign_in_that_is_pending_for_the_app(bed: &Bed) {
        let ada = bed.browser(ADA).await;
        enroll(bed, &ada).await;
        let mut key = VirtualAuthenticator::new(ORIGIN);
        assert_eq!(register(&ada, &mut key).await.status, 201);
        let browser = bed.client();
        let pending = sign_in(&browser, ADA, PASSWORD).await;
        assert_eq!(pending.json()["methods"], json!(["passkey", "totp", "recovery_code"]));
        let body = json!({ "challenge": pending.json()["challenge"] });
        let begun = browser.post("/auth/passkeys/verify/start", &body).await.json();
        let credential = key.authenticate(&begun["options"]);
        let body = json!({ "challenge": begun["challenge"], "credential": credential });
        let done = browser.post("/auth/passkeys/verify/finish", &body).await;
        assert_eq!(done.status, 200, "{}", done.json());
        assert_eq!(factors(&done), ["password", "passkey"]);
        let direct = crate::passkeys::enter(&bed.client(), &mut key).await;
        assert_eq!((direct.status.as_u16(), factors(&direct)), (200, vec!["passkey".to_owned()]));
        bed.advance(600).await;
        assert_eq!(ada.get("/fresh").await.json()["methods"], json!(["passkey"]));
        assert_eq!(by_passkey(&ada, &mut key).await.status, 200);
        assert_eq!(ada.get("/fresh").await.status, 200);
    }

    /// F19: a reset does not go round the app. On an account whose email address was never verified
    /// it claims the account, and the app of before is deleted.
    async fn reset_keeps_the_app_of_a_verified_account_only(bed: &Bed, { "verify_email": true }) {
        let ada = crate::codes::verified_user(bed, ADA).await;
        let (app, _) = enroll(bed, &ada).await;
        let reset = async |new: &str| {
            crate::reset::forgot(bed, ADA).await;
            let token = crate::reset::token(bed, ADA).await;
            let body = json!({ "token": token, "new_password": new });
            assert_eq!(bed.client().post("/auth/password/reset", &body).await.status, 204);
        };
        reset("zq8 xw2v fig").await;
        let browser = bed.client();
        let challenge = handle(&sign_in(&browser, ADA, "zq8 xw2v fig").await);
        assert_eq!(answer(&browser, &challenge, "totp", &app.next(bed).await).await.status, 200);
    }

    async fn claim_deletes_apps_and_recovery_codes(bed: &Bed) {
        let thief = bed.browser(ADA).await;
        enroll(bed, &thief).await;
        crate::reset::forgot(bed, ADA).await;
        let token = crate::reset::token(bed, ADA).await;
        let body = json!({ "token": token, "new_password": "zq8 xw2v fig" });
        assert_eq!(bed.client().post("/auth/password/reset", &body).await.status, 204);
        let ada = bed.client();
        let done = sign_in(&ada, ADA, "zq8 xw2v fig").await;
        assert_eq!(done.status, 200, "{}", done.json());
        assert_eq!(ada.get("/auth/totp").await.json()["totp"], json!([]));
        assert_eq!(ada.get("/auth/recovery-codes").await.json()["left"], json!(0));
    }

    /// The undo deletes apps and codes that were added after the change was requested, and retains
    /// earlier apps.
    async fn undo_of_an_email_change_deletes_later_apps(bed: &Bed, { "verify_email": true }) {
        let ada = crate::codes::verified_user(bed, ADA).await;
        let (app, first) = enroll(bed, &ada).await;
        let change = json!({ "new_email": "thief@example.com" });
        assert_eq!(ada.post("/auth/email/change", &change).await.status, 202);
        enroll(bed, &ada).await;
        assert_eq!(ada.post("/auth/recovery-codes", json!({})).await.status, 200);
        let mails = crate::codes::mails(bed, ADA).await;
        let link = mails.iter().rev().find_map(|mail| mail["link"].as_str()).unwrap();
        let token = link.split("#token=").nth(1).unwrap();
        let undone = bed.client().post("/auth/email/undo", json!({ "token": token })).await;
        assert_eq!(undone.status, 200, "{}", undone.json());
        let body = json!({ "token": undone.json()["reset_token"], "new_password": "zq8 xw2v fig" });
        assert_eq!(bed.client().post("/auth/password/reset", &body).await.status, 204);
        let browser = bed.client();
        let pending = sign_in(&browser, ADA, "zq8 xw2v fig").await;
        assert_eq!(pending.json()["methods"], json!(["totp"]), "the codes of since are deleted");
        let done = answer(&browser, &handle(&pending), "totp", &app.next(bed).await).await;
        assert_eq!(done.status, 200, "{}", done.json());
        let left = browser.get("/auth/totp").await.json()["totp"].clone();
        assert_eq!(left.as_array().unwrap().len(), 1);
        assert_eq!(left[0]["id"], first["totp"]["id"]);
        let told = crate::codes::mails(bed, ADA).await;
        let last = told.iter().rev().find(|mail| mail["kind"] == "notice_email_change_undone");
        assert!(last.unwrap()["text"].as_str().unwrap().contains("Authenticator app \"Phone\""));
    }

    async fn deletion_of_the_account_deletes_the_app(bed: &Bed) {
        let ada = bed.browser(ADA).await;
        let (app, _) = enroll(bed, &ada).await;
        assert!(bed.text("SELECT count(*) || '' FROM auth_credentials WHERE kind = 'totp'").await == "1");
        assert_eq!(delete(&ada, "/auth/account").await.status, 204);
        let left = bed.text("SELECT count(*) || '' FROM auth_credentials").await;
        assert_eq!(left, "0");
        assert_eq!(sign_up(&bed.client(), ADA).await.status, 201);
        assert!(!app.base32.is_empty());
    }
}

on_managed_stores! {
    /// The code that verifies an email address comes after the second factor, and a sign-in that
    /// verified the password claims nothing.
    async fn verification_of_the_address_does_not_go_round_the_app(bed: &Bed, { "verify_email": true }) {
        let ada = crate::codes::verified_user(bed, ADA).await;
        let (app, _) = enroll(bed, &ada).await;
        bed.run("UPDATE auth_users SET email_verified_at = NULL").await;
        let browser = bed.client();
        let pending = sign_in(&browser, ADA, PASSWORD).await;
        assert_eq!(pending.json()["methods"], json!(["totp", "recovery_code"]));
        let next = answer(&browser, &handle(&pending), "totp", &app.next(bed).await).await;
        assert_eq!(next.status, 202, "{}", next.json());
        assert_eq!(next.json()["methods"], json!(["email_code"]));
        assert_eq!(browser.get("/me").await.status, 401);
        let code = last_code(bed, ADA).await;
        let done = answer(&browser, &handle(&next), "email_code", &code).await;
        assert_eq!(done.status, 200, "{}", done.json());
        assert_eq!(factors(&done), ["password", "totp", "email_code"]);
        assert_eq!(browser.get("/auth/totp").await.json()["totp"].as_array().unwrap().len(), 1);
    }

    /// Only a sign-in that claims the account replaces its second factor: an application that
    /// verifies the mailbox itself claims nothing.
    async fn asserted_email_code_does_not_bypass_the_app(bed: &Bed) {
        let ada = bed.browser(ADA).await;
        enroll(bed, &ada).await;
        let auth = &bed.bed.auth;
        let user = auth.users().find_by_email(ADA).await.unwrap().unwrap();
        assert!(user.email_verified_at.is_none());
        for factor in [Factor::EmailCode, Factor::EmailLink] {
            let first = VerifiedFactor::asserted(&user.id, factor);
            let client = crate::support::client_of(auth);
            match auth.services().sign_in().complete(&client, first).await.unwrap() {
                SignInOutcome::Pending(pending) => {
                    assert_eq!(pending.methods(), ["totp", "recovery_code"]);
                }
                SignInOutcome::Complete(_) => panic!("{factor:?} begins a session"),
            }
        }
    }

    /// Codes of an independent implementation are accepted.
    async fn codes_of_oathtool_are_accepted(bed: &Bed) {
        let ada = bed.browser(ADA).await;
        let (started, app) = start(&ada).await;
        let code = |second: i64| {
            let at = format!("@{second}");
            let run = Command::new("oathtool").args(["--totp", "-b", &app.base32, "-N", &at]).output();
            let out = run.expect("oathtool is installed, as by scripts/test").stdout;
            String::from_utf8(out).unwrap().trim().to_owned()
        };
        let done = finish(&ada, &started, &code(second_of(bed))).await;
        assert_eq!(done.status, 201, "{}", done.json());
        bed.advance(30).await;
        let browser = bed.client();
        let challenge = handle(&sign_in(&browser, ADA, PASSWORD).await);
        let done = answer(&browser, &challenge, "totp", &code(second_of(bed))).await;
        assert_eq!(done.status, 200, "{}", done.json());
    }
}
